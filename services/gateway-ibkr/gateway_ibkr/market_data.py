"""The data session's life: connect, subscribe, notice silence, and again.

Owns subscriptions. Bars are the feeds' business (`feeds`), quotes are put together in `quotes`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta

from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import CalendarError, VenueError
from signalbox.gateway.ending import until_one_ends
from signalbox.gateway.quotes import Quotes
from signalbox.gateway.retrying import Backoff
from signalbox.messages import MarketDataType, Quote
from signalbox.metrics import VENUE_RESUBSCRIPTIONS
from signalbox.sessions import is_open
from signalbox.venue_figures import ConnectionShown, SignsOfLife

from gateway_ibkr import metrics
from gateway_ibkr.facts import ErrorSeen, Fact, FiveSecondBarSeen, MarketDataTypeSeen, PriceTickSeen, SizeTickSeen
from gateway_ibkr.feeds import History, Series
from gateway_ibkr.quotes import Board, quote_message, take_price, take_size, take_type
from gateway_ibkr.settings import Settings
from gateway_ibkr.state import State
from gateway_ibkr.translate import VENUE, market_data_number
from gateway_ibkr.venue import DATA, Endpoint, Session
from gateway_ibkr.venue_data import DataSession
from gateway_ibkr.venue_errors import Treatment, problem_of, sentence

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0
RESUBSCRIBE_SECONDS_MIN = 60.0
"""60 new bar requests in 10 minutes are allowed for all symbols together."""


class MarketData:
    """Keeps one data session at a time, and what it is subscribed to."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        state: State,
        feeds: tuple[Series, ...],
        history: History,
        kind: MarketDataType,
        settings: Settings,
        refused: dict[str, str],
    ) -> None:
        self._clock, self._state, self._feeds, self._history = clock, state, feeds, history
        self._kind, self._settings = kind, settings
        self._boards = {feed.symbol: Board(feed.symbol, kind) for feed in feeds}
        self._signs = {
            feed.symbol: SignsOfLife(VENUE, feed.symbol, feed.offered.symbol.calendar, clock) for feed in feeds
        }
        metrics.watch_lines(len(feeds))
        self._shown = ConnectionShown(VENUE, DATA)
        self.quotes = Quotes(bus, clock, VENUE, settings.quote_interval_seconds, self._quote)
        self._bars_of: dict[int, Series] = {}
        self._board_of: dict[int, Board] = {}
        self._bar_request: dict[str, int] = {}
        self._resubscribed_at: dict[str, float] = {}
        self._dead: set[str] = set()
        self._refused = refused
        """By symbol: why its market data is refused. Said once: a person must change something."""
        self._endpoint = Endpoint(
            name=DATA,
            host=settings.ibkr_host,
            port=settings.ibkr_port,
            client_id=settings.ibkr_data_client_id,
            connect_seconds_max=settings.connect_seconds_max,
            answer_seconds_max=settings.answer_seconds_max,
        )

    async def run(self) -> None:
        """Keep a session, for ever."""
        backoff = Backoff(self._settings.retry_delay_seconds, self._settings.retry_delay_seconds_max)
        said = ""
        while True:
            session = Session(self._endpoint, self._on_fact)
            began = time.monotonic()
            try:
                await self._live(session)
            except VenueError as error:
                reason = str(error)
            finally:
                session.close()
            self._history.use(None)
            self._shown.down()
            if reason != said:
                said = reason
                log.warning("no market data", extra={"reason": reason})
            if time.monotonic() - began > self._settings.retry_delay_seconds_max:
                said = ""
                backoff.reset()
            await asyncio.sleep(backoff.next_seconds())

    async def _live(self, session: Session) -> None:
        """Live through one session; raises `VenueError` with the reason of its end."""
        await session.open()
        self._shown.up()
        await until_one_ends(self._beat(session), self._work(DataSession(session)), session.until_lost())

    async def _beat(self, session: Session) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_seconds)
            await session.heartbeat(self._settings.heartbeat_answer_seconds_max)

    async def _work(self, data: DataSession) -> None:
        """Subscribe to everything first, so that what history is asked for ends where live bars begin; then watch."""
        self._bars_of.clear()
        self._board_of.clear()
        self._dead.clear()
        await data.choose_data_type(market_data_number(self._kind))
        for feed in self._feeds:
            await self._subscribe_bars(data, feed)
        self._history.use(data)
        for feed in self._feeds:
            self._board_of[await data.subscribe_quotes(feed.offered.contract)] = self._boards[feed.symbol]
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for feed in self._feeds:
                age_seconds = time.monotonic() - feed.heard_wall_seconds
                if feed.symbol in self._dead or self._is_silent(feed, age_seconds):
                    await self._resubscribe(data, feed)

    async def _subscribe_bars(self, data: DataSession, feed: Series) -> None:
        feed.heard_wall_seconds = time.monotonic()
        key = await data.subscribe_bars(feed.offered.contract)
        self._bars_of[key] = feed
        self._bar_request[feed.symbol] = key

    async def _resubscribe(self, data: DataSession, feed: Series) -> None:
        """Make a dead subscription anew, at most once a minute: the minutes it missed are a gap like any other."""
        last = self._resubscribed_at.get(feed.symbol)
        if last is not None and time.monotonic() - last < RESUBSCRIBE_SECONDS_MIN:
            return
        self._resubscribed_at[feed.symbol] = time.monotonic()
        self._dead.discard(feed.symbol)
        VENUE_RESUBSCRIPTIONS.labels(VENUE, feed.symbol).inc()
        log.warning("bars are subscribed anew", extra={"symbol": feed.symbol})
        self._bars_of.pop(self._bar_request[feed.symbol], None)
        await data.end_bars(self._bar_request[feed.symbol])
        await self._subscribe_bars(data, feed)

    def _is_silent(self, feed: Series, age_seconds: float) -> bool:
        """Whether bars should come and do not: subscriptions die unnoticed in nightly resets."""
        if age_seconds < self._settings.silence_wall_seconds_max or self._clock.is_stale():
            return False
        now = self._clock.now()
        silence = timedelta(seconds=self._settings.silence_seconds_max)
        if now - feed.newest < silence:
            return False
        calendar = feed.offered.symbol.calendar
        try:
            return is_open(calendar, now) and is_open(calendar, now - silence)
        except CalendarError:
            return False

    # -------------------------------------------------------------------------------------------------------- facts

    def _on_fact(self, fact: Fact) -> None:
        match fact:
            case FiveSecondBarSeen():
                feed = self._bars_of.get(fact.request_id)
                if feed is not None:
                    self._signs[feed.symbol].heard("bar")
                    feed.on_bar(fact)
                    self._state.own.venue_time = max(feed.newest, self._state.own.venue_time or feed.newest)
            case PriceTickSeen() | SizeTickSeen() | MarketDataTypeSeen():
                self._on_tick(fact)
            case ErrorSeen():
                self._on_error(fact)
            case _:
                return  # the data session places no orders and asks for no account

    def _on_tick(self, fact: PriceTickSeen | SizeTickSeen | MarketDataTypeSeen) -> None:
        board = self._board_of.get(fact.request_id)
        if board is None:
            return
        self._signs[board.symbol].heard("quote")
        match fact:
            case PriceTickSeen():
                changed = take_price(board, fact)
            case SizeTickSeen():
                changed = take_size(board, fact)
            case _:
                changed = take_type(board, fact)
        # A repeated tick is news too: the price still holds at this time
        if changed or isinstance(fact, PriceTickSeen):
            self.quotes.changed(board.symbol)

    def _on_error(self, fact: ErrorSeen) -> None:
        treatment = problem_of(fact.code, fact.text).treatment
        feed = self._bars_of.get(fact.request_id)
        board = self._board_of.get(fact.request_id)
        symbol = feed.symbol if feed is not None else board.symbol if board is not None else ""
        if treatment is Treatment.LINK_RESTORED_DATA_LOST:
            self._dead.update(each.symbol for each in self._feeds)
            self._resubscribed_at.clear()
        elif treatment is Treatment.SUBSCRIPTION and feed is not None:
            self._dead.add(feed.symbol)
        elif treatment is Treatment.CONFIGURATION and symbol not in self._refused:
            self._refused[symbol] = sentence(fact.code, fact.text)
            log.error("market data is refused", extra={"symbol": symbol, "reason": self._refused[symbol]})

    def _quote(self, symbol: str, at: datetime, received_at: datetime) -> Quote:
        return quote_message(self._boards[symbol], at, received_at)

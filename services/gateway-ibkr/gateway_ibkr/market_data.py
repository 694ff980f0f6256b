"""The data session's life: connect, subscribe, notice what has stopped, and again.

Owns the subscriptions for quotes and bars. When one is asked for again is `subscriptions`'s rule; bars are the feeds'
business (`feeds`), quotes are put together in `quotes`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from msgspec.structs import replace
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway.ending import until_one_ends
from signalbox.gateway.parking import Parking
from signalbox.gateway.quotes import Quotes
from signalbox.gateway.retrying import Backoff
from signalbox.messages import MarketDataType, Quote
from signalbox.metrics import VENUE_RESUBSCRIPTIONS, VENUE_UNDECODABLE
from signalbox.venue_figures import ConnectionShown, SignsOfLife, watch_lost_subscriptions

from gateway_ibkr import metrics, sense
from gateway_ibkr.facts import (
    ErrorSeen,
    Fact,
    FiveSecondBarSeen,
    MarketDataTypeSeen,
    OptionTickSeen,
    PriceTickSeen,
    SizeTickSeen,
)
from gateway_ibkr.farms import Change, Farms
from gateway_ibkr.feeds import History, Series
from gateway_ibkr.options import Computed, take_computed
from gateway_ibkr.pacing import BarRequestWindow
from gateway_ibkr.quotes import Board, forget, note_mark, quote_message, take_price, take_size, take_type
from gateway_ibkr.settings import Settings, patience_of
from gateway_ibkr.state import State
from gateway_ibkr.subscriptions import Data, Subscription, asked, begin_anew, heard, lose, suspect, why_dead, why_now
from gateway_ibkr.translate import VENUE, market_data_number
from gateway_ibkr.venue import DATA, Endpoint, Session
from gateway_ibkr.venue_data import DataSession
from gateway_ibkr.venue_errors import Treatment, problem_of, sentence

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.5


@dataclass(frozen=True)
class Line:
    """One symbol's bars, or its quotes."""

    subscription: Subscription
    series: Series
    board: Board


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
        parking: Parking,
    ) -> None:
        self._clock, self._state, self._history, self._parking = clock, state, history, parking
        self._kind, self._settings = kind, settings
        self._boards = {feed.symbol: Board(feed.symbol, kind) for feed in feeds}
        for feed in feeds:
            if feed.offered.symbol.option is not None:
                self._boards[feed.symbol].computed = Computed()
        self._signs = {
            feed.symbol: SignsOfLife(VENUE, feed.symbol, feed.offered.symbol.calendar, clock) for feed in feeds
        }
        metrics.watch_lines(len(feeds))
        self._shown = ConnectionShown(VENUE, DATA)
        self.quotes = Quotes(bus, clock, VENUE, settings.quote_interval_seconds, self._quote)
        self._bars = tuple(self._line(Data.BAR, feed) for feed in feeds)
        self._quotes_of = tuple(self._line(Data.QUOTE, feed) for feed in feeds)
        self._line_of: dict[int, Line] = {}
        self._window = BarRequestWindow()
        metrics.watch_bar_requests(self._window, self._desk_seconds)
        self._farms = Farms()
        for data, lines in ((Data.BAR, self._bars), (Data.QUOTE, self._quotes_of)):
            watch_lost_subscriptions(VENUE, data, partial(self._dead, lines))
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

    def _line(self, data: Data, feed: Series) -> Line:
        calendars, patience = (feed.offered.symbol.calendar,), patience_of(self._settings)
        return Line(Subscription(data, feed.symbol, calendars, patience), feed, self._boards[feed.symbol])

    def described(self) -> dict[str, str]:
        """Each symbol's data that should come and does not, and why: for `signalbox status`."""
        told = {}
        for line in (*self._bars, *self._quotes_of):
            subscription = line.subscription
            if reason := self._why_dead(line):
                asked_so_often = f", asked for {subscription.attempts} times" if subscription.attempts > 1 else ""
                told[f"{subscription.symbol} {subscription.data}s"] = f"{reason}{asked_so_often}"
        return told

    async def run(self) -> None:
        """Keep a session, for ever."""
        backoff = Backoff(self._settings.retry_delay_seconds, self._settings.retry_delay_seconds_max)
        said = ""
        while True:
            session = Session(self._endpoint, self._on_fact)
            self._farms = Farms()  # before it opens: TWS greets with what is down
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

    # ----------------------------------------------------------------------------------------------- subscriptions

    async def _work(self, data: DataSession) -> None:
        """Subscribe to bars first, so that what history is asked for ends where live bars begin; then watch."""
        self._line_of.clear()
        for line in (*self._bars, *self._quotes_of):
            begin_anew(line.subscription)
        await data.choose_data_type(market_data_number(self._kind))
        await self._ask_for_what_is_due(data, self._bars)
        self._history.use(data)
        while True:
            await self._ask_for_what_is_due(data, self._quotes_of)
            await asyncio.sleep(WATCH_SECONDS)
            await self._ask_for_what_is_due(data, self._bars)

    async def _ask_for_what_is_due(self, data: DataSession, lines: Iterable[Line]) -> None:
        """Ask, whoever has waited longest first: bars may only be asked for so often, for all symbols together."""
        for line in sorted(lines, key=lambda line: line.subscription.asked_seconds):
            subscription = line.subscription
            if line.series.offered.is_over(self._clock.now()):
                continue  # of an option that has expired nothing comes, and the venue knows it no more
            reason = why_now(subscription, self._at(), time.monotonic())
            if not reason:
                continue
            if subscription.data is Data.BAR:
                if self._window.delay_seconds(self._desk_seconds()) > 0:
                    return
                self._window.note(self._desk_seconds())
            await self._ask_for(data, line, reason)

    async def _ask_for(self, data: DataSession, line: Line, reason: str) -> None:
        subscription, contract = line.subscription, line.series.offered.contract
        bars = subscription.data is Data.BAR
        if subscription.key:
            VENUE_RESUBSCRIPTIONS.labels(VENUE, subscription.symbol, subscription.data).inc()
            level = logging.INFO if subscription.refused else logging.WARNING
            what = {"symbol": subscription.symbol, "data": subscription.data, "reason": reason}
            log.log(level, "subscribed anew", extra=what | {"attempts": subscription.attempts})
            self._line_of.pop(subscription.key, None)
            # What is silent may still take one of the venue's lines
            await (data.end_bars if bars else data.end_quotes)(subscription.key)
        key = data.new_request_id()
        self._line_of[key] = line
        asked(subscription, key, self._clock.now(), time.monotonic())
        await (data.subscribe_bars if bars else data.subscribe_quotes)(key, contract)

    def _why_dead(self, line: Line) -> str:
        if line.series.offered.is_over(self._clock.now()):
            return ""
        return why_dead(line.subscription, self._at(), time.monotonic())

    def _dead(self, lines: Iterable[Line]) -> int:
        return sum(bool(self._why_dead(line)) for line in lines)

    def _at(self) -> datetime | None:
        return None if self._clock.is_stale() else self._clock.now()

    def _desk_seconds(self) -> float:
        return self._clock.now().timestamp()

    # -------------------------------------------------------------------------------------------------------- facts

    def _on_fact(self, fact: Fact) -> None:
        try:
            sense.check(fact, self._clock.now(), self._state.own)
        except TranslationError as error:
            self._set_aside(fact, error)
            return
        match fact:
            case FiveSecondBarSeen():
                line = self._line_of.get(fact.request_id)
                if line is not None:
                    self._heard(line)
                    feed = line.series
                    feed.on_bar(fact)
                    self._state.own.venue_time = max(feed.newest, self._state.own.venue_time or feed.newest)
            case PriceTickSeen() | SizeTickSeen() | MarketDataTypeSeen():
                self._on_tick(fact)
            case OptionTickSeen():
                line = self._line_of.get(fact.request_id)
                if line is not None and line.board.computed and take_computed(line.board.computed, fact):
                    self.quotes.beside(line.board.symbol)
            case ErrorSeen():
                self._on_error(fact)
            case _:
                return  # the data session places no orders and asks for no account

    def _set_aside(self, fact: Fact, error: TranslationError) -> None:
        """A tick that makes no sense takes the quote away: what it was before is not known to hold any more."""
        VENUE_UNDECODABLE.labels(VENUE, DATA).inc()
        line = self._line_of.get(getattr(fact, "request_id", 0))
        unread = replace(sense.park(fact, error, self._state.own), key=line.board.symbol if line is not None else "")
        self._parking.park(unread)
        if line is not None and line.board.computed is not None and isinstance(fact, OptionTickSeen):
            nothing = OptionTickSeen(request_id=fact.request_id, kind=fact.kind)
            if take_computed(line.board.computed, nothing):
                self.quotes.beside(line.board.symbol)
        if line is not None and isinstance(fact, PriceTickSeen | SizeTickSeen) and forget(line.board, fact.kind):
            self.quotes.changed(line.board.symbol)

    def _on_tick(self, fact: PriceTickSeen | SizeTickSeen | MarketDataTypeSeen) -> None:
        line = self._line_of.get(fact.request_id)
        if line is None:
            return
        board = line.board
        match fact:
            case PriceTickSeen():
                changed = take_price(board, fact)
            case SizeTickSeen():
                changed = take_size(board, fact)
            case _:
                changed = take_type(board, fact)
        if not isinstance(fact, MarketDataTypeSeen):  # that one is told of a line on which nothing will come, too
            self._heard(line)
        # A repeated tick is news too: the price still holds at this time
        if changed or isinstance(fact, PriceTickSeen):
            self.quotes.changed(board.symbol)

    def _heard(self, line: Line) -> None:
        heard(line.subscription, self._clock.now(), time.monotonic())
        self._state.own.served_seconds = time.monotonic()
        symbol = line.board.symbol
        self._signs[symbol].heard(line.subscription.data)
        if symbol in self._refused and not any(
            each.subscription.refused for each in (*self._bars, *self._quotes_of) if each.board.symbol == symbol
        ):
            del self._refused[symbol]
            log.info("market data is not refused any more", extra={"symbol": symbol})

    def _on_error(self, fact: ErrorSeen) -> None:
        treatment = problem_of(fact.code, fact.text).treatment
        if treatment in (Treatment.LINK_RESTORED, Treatment.LINK_RESTORED_DATA_LOST):
            self._history.farm_is_back()
        line = self._line_of.get(fact.request_id)
        if treatment is Treatment.LINK_RESTORED_DATA_LOST:
            for each in (*self._bars, *self._quotes_of):
                lose(each.subscription, sentence(fact.code, fact.text))
        elif treatment is Treatment.LINK_RESTORED:
            self._suspect_all(fact)
        elif line is None:
            match self._farms.changed(fact.code, fact.text):
                case Change.DATA_SUSPECT:
                    self._suspect_all(fact)
                case Change.HISTORY_IS_BACK:
                    self._history.farm_is_back()
        elif treatment is not Treatment.INFORMATIONAL:
            # Whatever else it is: nothing will come under this request's id
            symbol, refused = line.board.symbol, treatment is Treatment.CONFIGURATION
            lose(line.subscription, sentence(fact.code, fact.text), refused=refused)
            if refused and symbol not in self._refused:
                self._refused[symbol] = sentence(fact.code, fact.text)
                log.error("market data is refused", extra={"symbol": symbol, "reason": self._refused[symbol]})

    def _suspect_all(self, fact: ErrorSeen) -> None:
        for each in (*self._bars, *self._quotes_of):
            suspect(each.subscription, sentence(fact.code, fact.text), time.monotonic())

    def _quote(self, symbol: str, at: datetime, received_at: datetime) -> Quote:
        note_mark(self._state.own.marks, self._boards[symbol])
        return quote_message(self._boards[symbol], at, received_at)

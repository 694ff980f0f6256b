"""The market data connection's life: subscribed, read, held against REST, and quotes sent on the way.

Owns subscriptions and which market's message goes where. Bars are the feeds' business (`feeds`), a book's levels
`book`'s, quotes are put together in `quotes`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from datetime import datetime
from decimal import Decimal
from typing import Any

from signalbox.bars import Timeframe
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway.gaps import Gaps
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.quotes import Quotes
from signalbox.gateway.retrying import Backoff
from signalbox.messages import Quote, Side
from signalbox.metrics import VENUE_RESUBSCRIPTIONS, VENUE_UNDECODABLE
from signalbox.venue_figures import SignsOfLife

from gateway_dydx import metrics
from gateway_dydx.book import contradicts, forget, take_snapshot, take_update, top
from gateway_dydx.facts import (
    BookSnapshot,
    BookUpdate,
    CandleSeen,
    Fact,
    Height,
    Market,
    MarketChanged,
    MarketUnreadable,
    OraclePrice,
    StreamRefused,
    Trade,
)
from gateway_dydx.feeds import Series
from gateway_dydx.funding import FundingRates
from gateway_dydx.instruments import Offered, qualify
from gateway_dydx.quotes import Board, lose, quote_message, take_oracle, take_trade
from gateway_dydx.settings import Settings
from gateway_dydx.stream_messages import BOOKS, CANDLES, MARKETS, SUBSCRIBED, TRADES, candle_id, facts_of
from gateway_dydx.translate import VENUE
from gateway_dydx.venue_indexer import IndexerRest
from gateway_dydx.venue_stream import IndexerStream, StreamBounds

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.3
"""Of wall time. What the indexer knew when it said a block's time has come by then: it sends everything at once, every
250 ms."""
WATCH_SECONDS = 0.1
SIGN_OF = {BOOKS: "quote", TRADES: "bar", CANDLES: "bar"}
"""What a message of a channel is a sign of life of."""
HEIGHTS_KEPT_MAX = 1_000
PONG_PART = 0.8
"""A pong must come before the next ping goes."""


class MarketData:
    """Keeps one connection for market data, and what has come over it."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        rest: IndexerRest,
        instruments: Instruments[Offered],
        gaps: Gaps,
        timeframes: tuple[Timeframe, ...],
        websocket_url: str,
        settings: Settings,
    ) -> None:
        self._bus, self._clock, self._rest, self._instruments = bus, clock, rest, instruments
        self._timeframes, self._settings, self._gaps = timeframes, settings, gaps
        self._feeds: dict[str, Series] = {}
        self._boards: dict[str, Board] = {}
        self._funding = FundingRates(bus, clock)
        self._signs: dict[str, SignsOfLife] = {}
        self._heights: deque[tuple[float, datetime]] = deque(maxlen=HEIGHTS_KEPT_MAX)
        self._quotes = Quotes(bus, clock, VENUE, settings.quote_interval_seconds, self._quote)
        self._resyncing: set[str] = set()
        self._resync_wanted: dict[str, str] = {}
        self._crossings: dict[str, int] = {}
        self._reconcile_now, self._hold = asyncio.Event(), False
        self._venue_time: datetime | None = None
        self.height = 0
        """The newest block that the indexer has told over this connection."""
        self.stream = IndexerStream(
            websocket_url, self._on_message, self._on_state, stream_bounds(settings), name=metrics.DATA
        )

    async def run(self) -> None:
        """Find the desk's markets, then keep their data coming, for ever."""
        await self._first_markets()
        for symbol, offered in self._instruments.offered.items():
            feed = Series(self._bus, self._clock, offered, self._timeframes, self._rest, self._gaps)
            await feed.feed.resume()
            self._feeds[symbol], self._boards[symbol] = feed, Board(symbol)
            self._signs[symbol] = SignsOfLife(VENUE, symbol, offered.symbol.calendar, self._clock)
            self.stream.subscribe(BOOKS, symbol)
            self.stream.subscribe(TRADES, symbol)
            self.stream.subscribe(CANDLES, candle_id(symbol))
        self.stream.subscribe(MARKETS)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.stream.run())
                group.create_task(self._funding.run())
                group.create_task(self._quotes.run())
                group.create_task(self._watch())
                group.create_task(self._reconcile())
                for feed in self._feeds.values():
                    group.create_task(feed.feed.run())
        finally:
            await self.stream.close()

    async def _first_markets(self) -> None:
        backoff, said = Backoff(self._settings.retry_delay_seconds, self._settings.retry_delay_seconds_max), ""
        while True:
            try:
                await qualify(self._instruments, await self._rest.markets(), self._clock)
                return
            except VenueError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("no markets", extra={"reason": said})
            await asyncio.sleep(backoff.next_seconds())

    def best_price(self, symbol: str, side: Side) -> Decimal | None:
        """What an order of this side would meet: the best price on the other side, else the oracle's; or None."""
        board = self._boards.get(symbol)
        if board is None:
            return None
        best = top(board.book)
        level = best.ask if side is Side.BUY else best.bid
        return level.price if board.book.whole and level is not None else board.oracle_price

    # ---------------------------------------------------------------------------------------------- what comes in

    def _on_state(self, up: bool, reason: str) -> None:
        if up:
            self._hold_soon()
        else:
            self._heights.clear()
            self._resyncing.clear()
            self.height, self._venue_time = 0, None
        for symbol, feed in self._feeds.items():
            feed.begin_live(self._venue_time)
            if not up:
                lose(self._boards[symbol])

    def _on_message(self, message: dict[str, Any]) -> None:
        channel, symbol = str(message.get("channel", "")), str(message.get("id") or "").partition("/")[0]
        if symbol in self._signs and channel in SIGN_OF:
            self._signs[symbol].heard(SIGN_OF[channel])
        try:
            facts = facts_of(message)
        except TranslationError as error:
            VENUE_UNDECODABLE.labels(VENUE, metrics.DATA).inc()
            log.error("a message of the indexer makes no sense", extra={"channel": channel, "error": str(error)})
            self._lost(channel, symbol)
            return
        first = message.get("type") == SUBSCRIBED
        # The first trades come newest first
        for fact in reversed(facts) if first and channel == TRADES else facts:
            self._take(fact, first)

    def _lost(self, channel: str, symbol: str) -> None:
        """A message could not be read: what it said must be asked for."""
        if symbol not in self._feeds:
            return
        if channel == BOOKS:
            self._resync(symbol, "unreadable")
        elif channel in (TRADES, CANDLES):
            self._feeds[symbol].begin_live(self._venue_time)

    def _take(self, fact: Fact, first: bool) -> None:
        match fact:
            case Height():
                self._on_height(fact)
            case BookSnapshot() if fact.ticker in self._boards:
                self._resyncing.discard(fact.ticker)
                take_snapshot(self._boards[fact.ticker].book, fact)
                self._quotes.changed(fact.ticker)
            case BookUpdate() if fact.ticker in self._boards:
                self._on_book_update(fact)
            case Trade() if fact.ticker in self._feeds:
                if take_trade(self._boards[fact.ticker], fact):
                    self._quotes.changed(fact.ticker)
                if not first:  # the first ones are of before this connection
                    self._feeds[fact.ticker].on_trade(fact)
            case CandleSeen() if fact.ticker in self._feeds:
                self._feeds[fact.ticker].on_candle(fact)
            case OraclePrice() if fact.ticker in self._boards:
                if take_oracle(self._boards[fact.ticker], fact.price):
                    self._quotes.changed(fact.ticker)
            case Market() if fact.ticker in self._boards:
                self._on_market(fact)
            case MarketUnreadable():
                VENUE_UNDECODABLE.labels(VENUE, metrics.DATA).inc()
                log.error("a market of the venue makes no sense", extra={"ticker": fact.ticker, "error": fact.error})
            case MarketChanged() if fact.ticker in self._boards:
                self._on_market_change(fact)
            case StreamRefused():
                log.warning("the indexer refuses", extra={"channel": fact.channel, "id": fact.id, "text": fact.text})
            case _:
                return  # another market's, or the account's

    def _on_height(self, fact: Height) -> None:
        """A new block proves that books which say nothing still stand."""
        if fact.height <= self.height:
            return
        self.height = fact.height
        metrics.DATA_HEIGHT.set(fact.height)
        if fact.at is not None:
            self._heights.append((time.monotonic(), fact.at))
            self._venue_time = fact.at
        for symbol, board in self._boards.items():
            self._signs[symbol].heard("bar")  # a minute ends with a block, with or without trades
            if board.book.whole:
                self._signs[symbol].heard("quote")
                self._quotes.changed(symbol)

    def _on_book_update(self, update: BookUpdate) -> None:
        if update.ticker in self._resyncing:
            return
        board = self._boards[update.ticker]
        if take_update(board.book, update):
            self._quotes.changed(update.ticker)
        else:
            self._resync(update.ticker, "not_applicable")

    def _on_market(self, market: Market) -> None:
        if market.oracle_price is not None and take_oracle(self._boards[market.ticker], market.oracle_price):
            self._quotes.changed(market.ticker)
        if market.next_funding_rate is not None:
            self._funding.take(market.ticker, market.next_funding_rate, market.oracle_price)

    def _on_market_change(self, change: MarketChanged) -> None:
        if change.next_funding_rate is not None:
            self._funding.take(change.ticker, change.next_funding_rate, self._boards[change.ticker].oracle_price)
        terms = (change.status, change.initial_margin_fraction, change.maintenance_margin_fraction, change.tick_size)
        if any(value is not None for value in terms):
            self._hold_soon()  # the market is asked for as a whole

    # ------------------------------------------------------------------------------------------------ what follows

    def _resync(self, symbol: str, reason: str) -> None:
        """Have a book asked for anew; until it has come the market has no quotes."""
        if symbol in self._resyncing:
            return
        self._resyncing.add(symbol)
        forget(self._boards[symbol].book)
        self._resync_wanted[symbol] = reason
        self._reconcile_now.set()

    def _quote(self, symbol: str, at: datetime, received_at: datetime) -> Quote | None:
        board = self._boards[symbol]
        return quote_message(board, at, received_at) if board.book.whole else None

    async def _watch(self) -> None:
        """Let the feeds know the venue's time once what belongs to it has come; show ages; for ever."""
        shown_at = 0.0
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = time.monotonic()
            passed: datetime | None = None
            while self._heights and now - self._heights[0][0] >= SETTLE_SECONDS:
                passed = self._heights.popleft()[1]
            if passed is not None:
                for feed in self._feeds.values():
                    feed.pass_until(passed)
            if now - shown_at >= 1.0:
                shown_at = now
                self._show()

    def _show(self) -> None:
        for symbol, board in self._boards.items():
            metrics.BOOK_CROSSINGS.labels(symbol).set(board.book.crossings)

    async def _reconcile(self) -> None:
        """Hold everything against REST after each (re)subscription and every so often; for ever."""
        while True:
            try:
                async with asyncio.timeout(self._settings.data_reconcile_seconds):
                    await self._reconcile_now.wait()
            except TimeoutError:
                self._hold = True
            self._reconcile_now.clear()
            if not self.stream.is_up:
                continue
            wanted, self._resync_wanted = self._resync_wanted, {}
            for symbol, reason in wanted.items():
                await self._ask_anew(symbol, reason)
            if not self._hold:
                continue
            self._hold = False
            try:
                await self._hold_against_rest()
                metrics.DATA_RECONCILIATIONS.labels("done").inc()
            except VenueError as error:
                metrics.DATA_RECONCILIATIONS.labels("failed").inc()
                log.warning("market data could not be held against REST", extra={"reason": str(error)})

    def _hold_soon(self) -> None:
        self._hold = True
        self._reconcile_now.set()

    async def _hold_against_rest(self) -> None:
        markets = await self._rest.markets()
        await qualify(self._instruments, markets, self._clock)
        for market in markets:
            if market.ticker in self._boards:
                self._on_market(market)
        for symbol, board in self._boards.items():
            seen = await self._rest.order_book(symbol)
            crossed = board.book.crossings > self._crossings.get(symbol, 0)
            self._crossings[symbol] = board.book.crossings
            if board.book.whole and (crossed or contradicts(board.book, seen)):
                self._resyncing.add(symbol)
                forget(board.book)
                await self._ask_anew(symbol, "crossed" if crossed else "contradicted")

    async def _ask_anew(self, symbol: str, reason: str) -> None:
        metrics.BOOK_RESYNCS.labels(symbol, reason).inc()
        VENUE_RESUBSCRIPTIONS.labels(VENUE, symbol, "quote").inc()
        log.info("a book is asked for anew", extra={"symbol": symbol, "reason": reason})
        await self.stream.resubscribe(BOOKS, symbol)


def stream_bounds(settings: Settings) -> StreamBounds:
    """How long the gateway's websockets wait."""
    return StreamBounds(
        connect_seconds_max=settings.connect_seconds_max,
        silence_seconds_max=settings.stream_silence_seconds_max,
        ping_seconds=settings.stream_ping_seconds,
        pong_seconds_max=settings.stream_ping_seconds * PONG_PART,
        retry_delay_seconds=settings.retry_delay_seconds,
        retry_delay_seconds_max=settings.retry_delay_seconds_max,
    )

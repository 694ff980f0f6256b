"""Market data: read, held against REST, and quotes sent on the way.

Owns which market's message goes where, and what follows from what is lost. Which connection carries which market is
`data_connections`' business, bars are the feeds' (`feeds`), a book's levels `book`'s; quotes are put together in
`quotes`.
"""

from __future__ import annotations

import asyncio
import logging
import time
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
from signalbox.telemetry import Health
from signalbox.venue_figures import SignsOfLife, watch_lost_subscriptions

from gateway_dydx import metrics
from gateway_dydx.book import contradicts, forget, take_snapshot, take_update, top
from gateway_dydx.data_connections import Connection, Connections, gathered
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
    Trade,
)
from gateway_dydx.feeds import Series
from gateway_dydx.funding import FundingRates
from gateway_dydx.instruments import Offered, qualify
from gateway_dydx.quotes import Board, lose, quote_message, take_oracle, take_trade
from gateway_dydx.settings import Settings
from gateway_dydx.stream_messages import BOOKS, CANDLES, SUBSCRIBED, TRADES, facts_of
from gateway_dydx.translate import VENUE
from gateway_dydx.venue_indexer import IndexerRest
from gateway_dydx.venue_stream import StreamBounds

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.1
SHOW_SECONDS = 1.0
COMPARE_SECONDS_MIN = 0.5
"""From one book over REST to the next: with many markets each has its turn later. The indexer's limit for an address,
10 questions a second, is the account's too."""
SIGN_OF = {BOOKS: "quote", TRADES: "bar", CANDLES: "bar"}
"""What a message of a channel is a sign of life of."""
PONG_PART = 0.8
"""A pong must come before the next ping goes."""
MARKET_DATA = "market data"
"""What the gateway waits for while no market has any."""


class MarketData:
    """Keeps the connections for market data, and what has come over them."""

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
        health: Health,
    ) -> None:
        self._bus, self._clock, self._rest, self._instruments = bus, clock, rest, instruments
        self._timeframes, self._settings, self._gaps, self._health = timeframes, settings, gaps, health
        self._feeds: dict[str, Series] = {}
        self._boards: dict[str, Board] = {}
        self._funding = FundingRates(bus, clock)
        self._signs: dict[str, SignsOfLife] = {}
        self._quotes = Quotes(bus, clock, VENUE, settings.quote_interval_seconds, self._quote)
        self._resyncing: set[str] = set()
        self._resync_wanted: dict[str, str] = {}
        self._crossings: dict[str, int] = {}
        self._reconcile_now, self._hold = asyncio.Event(), False
        self._to_compare: dict[str, None] = {}
        """Symbols whose book is held against REST's, in this order."""
        self._group = asyncio.TaskGroup()
        self.connections = Connections(websocket_url, stream_bounds(settings), self._on_message, self._on_state)

    async def run(self) -> None:
        """Find the desk's markets, then keep their data coming, for ever."""
        self._health.require(MARKET_DATA)
        watch_lost_subscriptions(VENUE, "quote", lambda: len(self.why_no_data()))
        await self._first_markets()
        try:
            async with self._group:
                for task in (self._funding.run(), self._quotes.run(), self._watch(), self._compare()):
                    self._group.create_task(task)
                await self._begin_offered()
                await self._reconcile()
        finally:
            await self.connections.close()

    async def _begin_offered(self) -> None:
        """Have the data of every market come that is offered, and that did not before."""
        for symbol, offered in tuple(self._instruments.offered.items()):
            if symbol in self._feeds:
                continue
            feed = Series(self._bus, self._clock, offered, self._timeframes, self._rest, self._gaps)
            await feed.feed.resume()
            self._signs[symbol] = SignsOfLife(VENUE, symbol, offered.symbol.calendar, self._clock)
            self._feeds[symbol], self._boards[symbol] = feed, Board(symbol)
            begun = self.connections.carry(symbol)
            if begun is not None:
                self._group.create_task(begun.stream.run())
            self._group.create_task(feed.feed.run())

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

    def why_no_data(self) -> dict[str, str]:
        """Each market of which no quotes come, or not every bar as it is made, and why."""
        found: dict[str, str] = {}
        for symbol, board in tuple(self._boards.items()):  # a scrape asks too, from another thread
            connection = self.connections.of(symbol)
            reason = connection.why_no_data(symbol)
            if not reason and not board.book.whole:
                reason = "its book is being asked for"
            if reason:
                found[symbol] = reason
        return found

    # ---------------------------------------------------------------------------------------------- what comes in

    def _on_state(self, connection: Connection, up: bool, reason: str) -> None:
        if up:
            self._hold_soon()
            return
        connection.lose(reason)
        for symbol in connection.symbols:
            self._resyncing.discard(symbol)
            self._feeds[symbol].begin_live(None)
            lose(self._boards[symbol])

    def _on_message(self, connection: Connection, message: dict[str, Any]) -> None:
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
            self._take(connection, fact, first)
        if first:
            self._begin_live(connection)

    def _begin_live(self, connection: Connection) -> None:
        for symbol in connection.newly_live():
            self._feeds[symbol].begin_live(connection.venue_time)

    def _lost(self, channel: str, symbol: str) -> None:
        """A message could not be read: what it said must be asked for."""
        if symbol not in self._feeds:
            return
        if channel == BOOKS:
            self._resync(symbol, "unreadable")
        elif channel in (TRADES, CANDLES):
            self._feeds[symbol].begin_live(self.connections.of(symbol).venue_time)

    def _take(self, connection: Connection, fact: Fact, first: bool) -> None:
        match fact:
            case Height():
                self._on_height(connection, fact)
            case BookSnapshot() if fact.ticker in self._boards:
                self._resyncing.discard(fact.ticker)
                take_snapshot(self._boards[fact.ticker].book, fact)
                self._quotes.changed(fact.ticker)
                self._to_compare = {fact.ticker: None} | self._to_compare
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
            case _:
                return  # another market's, or the account's

    def _on_height(self, connection: Connection, fact: Height) -> None:
        """A new block proves that books of this connection which say nothing still stand."""
        if not connection.on_height(fact):
            return
        metrics.DATA_HEIGHT.set(fact.height)
        self._begin_live(connection)
        for symbol in connection.symbols:
            self._signs[symbol].heard("bar")  # a minute ends with a block, with or without trades
            if self._boards[symbol].book.whole:
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
            for connection in self.connections:
                passed = connection.passed()
                if passed is not None:
                    for symbol in connection.symbols:
                        self._feeds[symbol].pass_until(passed)
            if time.monotonic() - shown_at >= SHOW_SECONDS:
                shown_at = time.monotonic()
                self._show()

    def _show(self) -> None:
        for symbol, board in self._boards.items():
            metrics.BOOK_CROSSINGS.labels(symbol).set(board.book.crossings)
        without = self.why_no_data()
        if without and len(without) == len(self._boards):
            self._health.unmet(MARKET_DATA, gathered(without))
        else:
            self._health.met(MARKET_DATA)

    async def _reconcile(self) -> None:
        """Hold everything against REST after each (re)subscription and every so often; for ever."""
        while True:
            try:
                async with asyncio.timeout(self._settings.data_reconcile_seconds):
                    await self._reconcile_now.wait()
            except TimeoutError:
                self._hold = True
            self._reconcile_now.clear()
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
        await self._begin_offered()

    async def _compare(self) -> None:
        """Hold one book after the other against REST's, those that have just been given first; for ever."""
        while True:
            seconds = self._settings.data_reconcile_seconds / max(len(self._boards), 1)
            await asyncio.sleep(max(COMPARE_SECONDS_MIN, seconds))
            symbol = next(iter(self._to_compare), "")
            if not symbol:
                self._to_compare = dict.fromkeys(self._boards)
                continue
            del self._to_compare[symbol]
            try:
                await self._compare_book(symbol)
            except VenueError as error:
                log.warning("a book could not be held against REST", extra={"symbol": symbol, "reason": str(error)})

    async def _compare_book(self, symbol: str) -> None:
        board = self._boards[symbol]
        if not board.book.whole:
            return
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
        await self.connections.of(symbol).stream.resubscribe(BOOKS, symbol)


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

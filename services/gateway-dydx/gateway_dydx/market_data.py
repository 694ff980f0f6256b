"""Market data: read, held against REST, and quotes sent on the way.

Owns which market's message goes where, and what follows from what is lost. Which connection carries which market is
`data_connections`' business, bars are the feeds' (`feeds`), a book's levels `book`'s; quotes are put together in
`quotes`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from signalbox.bars import Timeframe
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway.gaps import Gaps
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.quotes import Quotes
from signalbox.gateway.retrying import Backoff
from signalbox.messages import Quote, Side
from signalbox.metrics import VENUE_UNDECODABLE
from signalbox.telemetry import Health
from signalbox.venue_figures import SignsOfLife, watch_lost_subscriptions

from gateway_dydx import metrics
from gateway_dydx.book import take_snapshot, take_update, top
from gateway_dydx.book_upkeep import BookUpkeep
from gateway_dydx.data_connections import Connection, Connections, gathered
from gateway_dydx.facts import (
    BookSnapshot,
    BookUpdate,
    CandleSeen,
    Fact,
    Height,
    Market,
    MarketChanged,
    OraclePrice,
    Trade,
    Unreadable,
)
from gateway_dydx.feeds import Series
from gateway_dydx.funding import FundingRates
from gateway_dydx.instruments import Offered, qualify
from gateway_dydx.quotes import Board, lose, quote_message, take_oracle, take_trade
from gateway_dydx.reading import CANDLE, MARKET, MARKET_CHANGE, ORACLE_PRICE, TRADE
from gateway_dydx.settings import Settings
from gateway_dydx.stream_messages import BOOKS, CANDLES, SUBSCRIBED, TRADES, facts_of
from gateway_dydx.translate import VENUE
from gateway_dydx.unread import Unread
from gateway_dydx.venue_indexer import IndexerRest
from gateway_dydx.venue_stream import StreamBounds

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.1
SHOW_SECONDS = 1.0
SIGN_OF = {BOOKS: "quote", TRADES: "bar", CANDLES: "bar"}
"""What a message of a channel is a sign of life of."""
REST_BEHIND_SECONDS_MAX = 5.0
"""So old may be what the indexer's REST says of markets: it comes out of caches."""
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
        unread: Unread,
    ) -> None:
        self._bus, self._clock, self._rest, self._instruments = bus, clock, rest, instruments
        self._timeframes, self._settings, self._gaps, self._health = timeframes, settings, gaps, health
        self._unread = unread
        self._feeds: dict[str, Series] = {}
        self._boards: dict[str, Board] = {}
        self._funding = FundingRates(bus, clock)
        self._signs: dict[str, SignsOfLife] = {}
        self._quotes = Quotes(bus, clock, VENUE, settings.quote_interval_seconds, self._quote)
        self._told: dict[str, tuple[float, str, str]] = {}
        """By symbol: when the websocket told a market's status and type, and which."""
        self._reconcile_now, self._hold = asyncio.Event(), False
        self._group = asyncio.TaskGroup()
        told = self._on_message, self._on_state, self._on_gap
        self.connections = Connections(websocket_url, stream_bounds(settings), *told)
        every_seconds, spawn = settings.data_reconcile_seconds, self._group.create_task
        self._books = BookUpkeep(rest, self._boards, self.connections, every_seconds, spawn)

    async def run(self) -> None:
        """Find the desk's markets, then keep their data coming, for ever."""
        self._health.require(MARKET_DATA)
        watch_lost_subscriptions(VENUE, "quote", lambda: len(self.why_no_data()))
        await self._first_markets()
        try:
            async with self._group:
                for task in (self._funding.run(), self._quotes.run(), self._watch(), self._books.compare()):
                    self._group.create_task(task)
                self._begin_offered()
                await self._reconcile()
        finally:
            await self.connections.close()

    def _begin_offered(self) -> None:
        """Have the data of every market come that is offered, and that did not before."""
        for symbol, offered in tuple(self._instruments.offered.items()):
            if symbol in self._feeds:
                continue
            feed = Series(self._bus, self._clock, offered, self._timeframes, self._rest, self._gaps, self._unread)
            self._signs[symbol] = SignsOfLife(VENUE, symbol, offered.symbol.calendar, self._clock)
            self._feeds[symbol], self._boards[symbol] = feed, Board(symbol)
            begun = self.connections.carry(symbol)
            if begun is not None:
                self._group.create_task(begun.stream.run())
            self._group.create_task(self._follow(feed))

    @staticmethod
    async def _follow(feed: Series) -> None:
        """Publish a market's bars, for ever; quotes do not wait for what is in BARS already."""
        await feed.feed.resume()
        await feed.feed.run()

    async def _first_markets(self) -> None:
        backoff, said = Backoff(self._settings.retry_delay_seconds, self._settings.retry_delay_seconds_max), ""
        while True:
            try:
                await self._qualify()
                return
            except VenueError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("no markets", extra={"reason": said})
            await asyncio.sleep(backoff.next_seconds())

    async def _qualify(self) -> tuple[Market, ...]:
        """Ask for every market, and take what follows for the desk's."""
        rows: list[Unreadable] = []
        markets = await self._rest.markets(rows)
        wanted = {each.symbol for each in self._instruments.wanted}
        rows = [row for row in rows if row.symbol in wanted]
        self._unread.answered((MARKET,), rows, metrics.INDEXER)
        await qualify(self._instruments, map(self._newest, markets), rows, self._clock)
        return markets

    def _newest(self, market: Market) -> Market:
        """A market with the state that the websocket has just told, should REST still say another."""
        seconds, status, market_type = self._told.get(market.ticker, (-math.inf, "", ""))
        if time.monotonic() - seconds > REST_BEHIND_SECONDS_MAX:
            return market
        return replace(market, status=status, market_type=market_type)

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
        self._books.lose(connection.symbols)
        for symbol in connection.symbols:
            self._feeds[symbol].begin_live(None)
            lose(self._boards[symbol])

    def _on_gap(self, connection: Connection, lost: int) -> None:
        """Messages of a connection are lost, and nobody knows which: all that its markets have told is asked for."""
        log.warning("messages are lost", extra={"connection": connection.stream.name, "messages": lost})
        for symbol in connection.symbols:
            self._books.renew(symbol, "gap")
            if symbol in connection.live:
                self._feeds[symbol].begin_live(connection.venue_time)
        self._hold_soon()

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
            self._books.renew(symbol, "unreadable")
        elif channel in (TRADES, CANDLES):
            self._feeds[symbol].begin_live(self.connections.of(symbol).venue_time)

    def _take(self, connection: Connection, fact: Fact, first: bool) -> None:
        match fact:
            case Height():
                self._on_height(connection, fact)
            case BookSnapshot() if fact.ticker in self._boards:
                take_snapshot(self._boards[fact.ticker].book, fact)
                self._quotes.changed(fact.ticker)
                self._books.given(fact.ticker)
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
                self._unread.read(ORACLE_PRICE, fact.ticker)
                if take_oracle(self._boards[fact.ticker], fact.price):
                    self._quotes.changed(fact.ticker)
            case Market() if fact.ticker in self._boards:
                self._on_market(fact)
            case Unreadable() if fact.symbol in self._boards:
                self._on_unreadable(connection, fact)
            case MarketChanged() if fact.ticker in self._boards:
                self._on_market_change(fact)
            case _:
                return  # another market's, or the account's

    def _on_unreadable(self, connection: Connection, row: Unreadable) -> None:
        if row.kind in (TRADE, CANDLE):  # REST has the last word of the minutes from now on
            self._unread.park(row, metrics.DATA, stands=False)
            self._feeds[row.symbol].begin_live(connection.venue_time)
            return
        self._unread.park(row, metrics.DATA)
        if row.kind == MARKET_CHANGE:
            self._hold_soon()  # the market is asked for as a whole

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
        if self._books.is_asked(update.ticker):
            return
        board = self._boards[update.ticker]
        if take_update(board.book, update):
            self._quotes.changed(update.ticker)
            self._books.updated(update.ticker)
        else:
            self._books.renew(update.ticker, "not_applicable")

    def _on_market(self, market: Market) -> None:
        for kind in (MARKET, MARKET_CHANGE) if market.oracle_price is None else (MARKET, MARKET_CHANGE, ORACLE_PRICE):
            self._unread.read(kind, market.ticker)
        if market.oracle_price is not None and take_oracle(self._boards[market.ticker], market.oracle_price):
            self._quotes.changed(market.ticker)
        if market.next_funding_rate is not None:
            self._funding.take(market.ticker, market.next_funding_rate, market.oracle_price)

    def _on_market_change(self, change: MarketChanged) -> None:
        self._unread.read(MARKET_CHANGE, change.ticker)
        if change.next_funding_rate is not None:
            self._funding.take(change.ticker, change.next_funding_rate, self._boards[change.ticker].oracle_price)
        known = self._instruments.offered.get(change.ticker)
        if known is None:
            return
        told = replace(
            known.market,
            status=change.status or known.market.status,
            market_type=change.market_type or known.market.market_type,
        )
        if told != known.market:  # at once: REST may say what was so a second ago
            self._told[change.ticker] = (time.monotonic(), told.status, told.market_type)
            self._hold_soon()
        terms = (change.initial_margin_fraction, change.maintenance_margin_fraction, change.tick_size)
        if any(value is not None for value in terms):
            self._hold_soon()  # the market is asked for as a whole

    # ------------------------------------------------------------------------------------------------ what follows

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
        for market in await self._qualify():
            if market.ticker in self._boards:
                self._on_market(market)
        self._begin_offered()


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

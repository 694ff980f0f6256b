"""Books kept true: asked for anew when something of them is lost, and held against REST's one after the other.

Owns when a book is given up and asked for again. What a book says is `book`'s; quotes of it are `market_data`'s.

A level whose removal was lost inside the spread crosses nothing: it looks like the best price for ever. So a book is
compared level by level with REST's, which is of another moment: what differs the same way twice, and was not said again
in between, is wrong.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from signalbox.errors import VenueError
from signalbox.metrics import VENUE_RESUBSCRIPTIONS

from gateway_dydx import metrics
from gateway_dydx.book import Difference, contradicts, differences, forget
from gateway_dydx.data_connections import Connections
from gateway_dydx.quotes import Board
from gateway_dydx.stream_messages import BOOKS
from gateway_dydx.translate import VENUE
from gateway_dydx.venue_indexer import IndexerRest

log = logging.getLogger(__name__)

COMPARE_SECONDS_MIN = 0.5
"""From one book over REST to the next: with many markets each has its turn later. The indexer's limit for an address,
10 questions a second, is the account's too."""
ASK_SECONDS_MIN = 1.0
"""From one subscription to a book to the next: the indexer closes a connection that subscribes to one id three times
within a second, and with it go the data of all its markets."""
SUSPECT_SECONDS = 2.0
"""From one look at a book that differs to the next. What the indexer's REST says may be a second old."""


class BookUpkeep:
    """The books of all markets."""

    def __init__(
        self,
        rest: IndexerRest,
        boards: Mapping[str, Board],
        connections: Connections,
        every_seconds: float,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._rest, self._boards, self._connections = rest, boards, connections
        self._every_seconds, self._spawn = every_seconds, spawn
        self._asked: set[str] = set()
        self._asked_seconds: dict[str, float] = {}
        self._crossings: dict[str, int] = {}
        self._soon: dict[str, None] = {}
        """Symbols whose book is held against REST's before any other's turn: it has just come, or was crossed."""
        self._turns: list[str] = []
        self._turn_seconds = 0.0
        self._suspects: dict[str, tuple[float, frozenset[Difference]]] = {}
        """When to look again, and at what."""

    def renew(self, symbol: str, reason: str) -> None:
        """Have a book asked for anew; until it has come the market has no quotes."""
        if symbol not in self._asked:
            self._asked.add(symbol)
            forget(self._boards[symbol].book)
            self._spawn(self._ask(symbol, reason))

    def is_asked(self, symbol: str) -> bool:
        """Whether updates say nothing, because the whole book is to come."""
        return symbol in self._asked

    def given(self, symbol: str) -> None:
        """A whole book has come; it is among the next that are held against REST's."""
        self._asked.discard(symbol)
        self._suspects.pop(symbol, None)
        self._soon[symbol] = None

    def updated(self, symbol: str) -> None:
        """A book has taken an update: one that was crossed by it is looked at soon."""
        if self._boards[symbol].book.crossings > self._crossings.get(symbol, 0):
            self._soon[symbol] = None

    def lose(self, symbols: Iterable[str]) -> None:
        """Their connection is gone: the next one asks for all of them."""
        self._asked.difference_update(symbols)

    async def compare(self) -> None:
        """Hold one book after the other against REST's; for ever."""
        while True:
            await asyncio.sleep(COMPARE_SECONDS_MIN)
            symbol = self._next(time.monotonic())
            if not symbol:
                continue
            self._soon.pop(symbol, None)
            try:
                await self._compare(symbol)
            except VenueError as error:
                log.warning("a book could not be held against REST", extra={"symbol": symbol, "reason": str(error)})

    def _next(self, now: float) -> str:
        """Whose turn it is; "" = nobody's yet."""
        due = next((symbol for symbol, (seconds, _) in self._suspects.items() if seconds <= now), "")
        first = due or next(iter(self._soon), "")
        if first or not self._boards or now < self._turn_seconds:
            return first
        self._turn_seconds = now + self._every_seconds / len(self._boards)
        self._turns = self._turns or list(self._boards)
        return self._turns.pop(0)

    async def _compare(self, symbol: str) -> None:
        book = self._boards[symbol].book
        _, before = self._suspects.pop(symbol, (0.0, frozenset[Difference]()))
        if not book.whole:
            if symbol in self._asked:  # it has not come, or could not be read
                await self._ask(symbol, "unreadable")
            return
        seen = await self._rest.order_book(symbol)
        crossed = book.crossings > self._crossings.get(symbol, 0)
        self._crossings[symbol] = book.crossings
        if not book.whole:
            return
        found = differences(book, seen)
        if crossed or contradicts(book, seen):
            self.renew(symbol, "crossed" if crossed else "contradicted")
        elif found & before:
            self.renew(symbol, "differs")
        elif found:
            self._suspects[symbol] = time.monotonic() + SUSPECT_SECONDS, found

    async def _ask(self, symbol: str, reason: str) -> None:
        early_seconds = self._asked_seconds.get(symbol, -math.inf) + ASK_SECONDS_MIN - time.monotonic()
        self._asked_seconds[symbol] = time.monotonic() + max(0.0, early_seconds)
        if early_seconds > 0:
            await asyncio.sleep(early_seconds)
        metrics.BOOK_RESYNCS.labels(symbol, reason).inc()
        VENUE_RESUBSCRIPTIONS.labels(VENUE, symbol, "quote").inc()
        log.info("a book is asked for anew", extra={"symbol": symbol, "reason": reason})
        await self._connections.of(symbol).stream.resubscribe(BOOKS, symbol)

"""The websockets of market data: markets spread over as many as the indexer's limit needs, and each by itself.

Owns which connection carries which market, what the blocks told on it prove, and why a market has no data at present.
It must not know what the messages mean (`market_data`).

The indexer gives a connection 32 subscriptions of a channel (v4-chain, indexer/services/socks/src/config.ts), and the
chain has some 300 markets. What one connection loses is lost for its markets alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway_dydx import metrics
from gateway_dydx.facts import Height
from gateway_dydx.stream_messages import BOOKS, CANDLES, MARKETS, TRADES, candle_id
from gateway_dydx.venue_stream import IndexerStream, StreamBounds

MARKETS_OF_A_CONNECTION_MAX = 32
OPENING_AT_ONCE_MAX = 2
"""Each asks for the first contents of a hundred subscriptions: all at once, after a cut, would be a storm."""
SETTLE_SECONDS = 0.3
"""Of wall time. What the indexer knew when it said a block's time has come by then: it sends everything at once, every
250 ms."""
HEIGHTS_KEPT_MAX = 1_000
SYMBOLS_TOLD_MAX = 5


@dataclass(eq=False)
class Connection:
    """One websocket. `live` = its markets of which every trade and candle is seen."""

    stream: IndexerStream
    symbols: list[str] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    reason: str = "connecting"
    height: int = 0
    venue_time: datetime | None = None
    _heights: deque[tuple[float, datetime]] = field(default_factory=lambda: deque(maxlen=HEIGHTS_KEPT_MAX))

    def on_height(self, fact: Height) -> bool:
        """Take a block that was told on it; False = it is no newer one."""
        if fact.height <= self.height:
            return False
        self.height = fact.height
        if fact.at is not None:
            self._heights.append((time.monotonic(), fact.at))
            self.venue_time = fact.at
        return True

    def passed(self) -> datetime | None:
        """The newest block time of which everything has come by now, if there is a new one."""
        found: datetime | None = None
        while self._heights and time.monotonic() - self._heights[0][0] >= SETTLE_SECONDS:
            found = self._heights.popleft()[1]
        return found

    def newly_live(self) -> list[str]:
        """Markets of which everything is seen from now on, which it was not before."""
        if self.venue_time is None:
            return []
        given = self.stream.subscriptions.is_confirmed
        found = [
            symbol
            for symbol in self.symbols
            if symbol not in self.live and given(TRADES, symbol) and given(CANDLES, candle_id(symbol))
        ]
        self.live.update(found)
        return found

    def lose(self, reason: str) -> None:
        """It is gone, and whatever comes next is another one's."""
        self.reason = reason
        self.live.clear()
        self._heights.clear()
        self.height, self.venue_time = 0, None

    def why_no_data(self, symbol: str) -> str:
        """Why nothing, or not everything, comes of one of its markets; "" = it does, or is about to."""
        if not self.stream.is_up:
            return f"the indexer's websocket: {self.reason}"
        for channel, id in channels_of(symbol):
            if reason := self.stream.subscriptions.why_refused(channel, id):
                return f"{channel} is refused: {reason}"
        return ""


OnMessage = Callable[[Connection, dict[str, Any]], None]
OnState = Callable[[Connection, bool, str], None]
OnGap = Callable[[Connection, int], None]


class Connections:
    """All of them. `on_message`, `on_state` and `on_gap` (so many messages are lost) are told of which one."""

    def __init__(self, url: str, bounds: StreamBounds, on_message: OnMessage, on_state: OnState, on_gap: OnGap) -> None:
        self._url, self._bounds = url, bounds
        self._on_message, self._on_state, self._on_gap = on_message, on_state, on_gap
        self._opening = asyncio.Semaphore(OPENING_AT_ONCE_MAX)
        self._all: list[Connection] = []
        self._of: dict[str, Connection] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._all))

    def of(self, symbol: str) -> Connection:
        """The connection that carries a market."""
        return self._of[symbol]

    def carry(self, symbol: str) -> Connection | None:
        """Have one more market's data come; a connection that is new for it is returned, to be run."""
        last = self._all[-1] if self._all else None
        begun = None
        if last is None or len(last.symbols) >= MARKETS_OF_A_CONNECTION_MAX:
            last = begun = self._begin()
        last.symbols.append(symbol)
        self._of[symbol] = last
        for channel, id in channels_of(symbol):
            last.stream.subscribe(channel, id, needed=False)
        return begun

    async def close(self) -> None:
        """Close all of them."""
        for connection in self:
            await connection.stream.close()

    def _begin(self) -> Connection:
        number = len(self._all) + 1
        stream = IndexerStream(
            self._url,
            lambda message: self._on_message(connection, message),
            lambda up, reason: self._on_state(connection, up, reason),
            self._bounds,
            opening=self._opening,
            on_gap=lambda lost: self._on_gap(connection, lost),
            name=metrics.DATA if number == 1 else f"{metrics.DATA}-{number}",
        )
        connection = Connection(stream)
        if number == 1:
            stream.subscribe(MARKETS)
        self._all.append(connection)
        return connection


def channels_of(symbol: str) -> tuple[tuple[str, str], ...]:
    """The subscriptions that a market needs."""
    return (BOOKS, symbol), (TRADES, symbol), (CANDLES, candle_id(symbol))


def gathered(reasons: dict[str, str]) -> str:
    """Markets and their reasons, each reason once: a lost connection has 32 markets with the same one."""
    by_reason: dict[str, list[str]] = {}
    for symbol, reason in reasons.items():
        by_reason.setdefault(reason, []).append(symbol)
    told = []
    for reason, symbols in by_reason.items():
        more = f" and {len(symbols) - SYMBOLS_TOLD_MAX} more" if len(symbols) > SYMBOLS_TOLD_MAX else ""
        told.append(f"{', '.join(symbols[:SYMBOLS_TOLD_MAX])}{more}: {reason}")
    return "; ".join(told)

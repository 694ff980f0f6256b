"""The websocket API's connections: accepting, beating, flushing, cutting.

Owns who is connected. It must not know what is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from simulators.dydx.websocket_connection import Channels, Connection
from simulators.dydx.websocket_feed import BATCH_SECONDS, Feed

CONNECTIONS_MAX = 256


class WebsocketApi:
    """Serves /v4/ws. `run` must run while it does."""

    def __init__(self, feed: Feed, channels: Channels, before_flush: Callable[[], None]) -> None:
        self._feed, self._channels, self._before_flush = feed, channels, before_flush
        self._connections: set[Connection] = set()
        self._deaf_next = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one client."""
        if len(self._connections) >= CONNECTIONS_MAX:
            raise web.HTTPServiceUnavailable(text="too many connections")
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        connection = Connection(socket, request, self._feed, self._channels)
        if self._deaf_next:
            self._deaf_next -= 1
            connection.is_deaf = True
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
        return socket

    async def run(self) -> None:
        """Send batches every 250 ms, and pings when they are due."""
        while True:
            await asyncio.sleep(BATCH_SECONDS)
            self._before_flush()
            self._feed.flush()
            for connection in tuple(self._connections):
                connection.beat()

    # --------------------------------------------------------------------------------------------------------- faults

    def cut(self, symbol: str = "") -> int:
        """End connections without a word, those that carry a market or all; return how many there were."""
        cut = self._carrying(symbol)
        for connection in cut:
            connection.cut()
        return len(cut)

    def half_open(self, next_connections: int, symbol: str = "") -> int:
        """Say nothing more to those who are connected (and carry a market), nor to the next ones; return how many the
        former are."""
        deaf = self._carrying(symbol)
        for connection in deaf:
            connection.is_deaf = True
        self._deaf_next = next_connections
        return len(deaf)

    def _carrying(self, symbol: str) -> tuple[Connection, ...]:
        return tuple(each for each in self._connections if not symbol or each.carries(symbol))

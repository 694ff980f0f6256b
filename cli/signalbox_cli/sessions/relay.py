"""A relay between a gateway and its venue on loopback: bytes go on as they came, and somebody may look at them.

Owns both sockets of each connection and their bounds. It must not know what the bytes mean. Whatever becomes of who
looks on, the bytes go on: recording is never a reason for which an order is not sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

CONNECTIONS_MAX = 64
CONNECT_SECONDS_MAX = 10.0
READ_BYTES = 65_536

log = logging.getLogger(__name__)

Side = Literal["gateway", "venue"]


class Watcher(Protocol):
    """Who looks on; it raises nothing, and waits for nothing."""

    def opened(self, link: int) -> None: ...

    def refused(self, link: int) -> None: ...

    def passed(self, link: int, by: Side, data: bytes) -> None: ...

    def closed(self, link: int, by: Side) -> None: ...


@dataclass(frozen=True)
class _Way:
    by: Side
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Relay:
    """Listens on loopback and connects to the venue for each who connects here. Use as an async context manager."""

    def __init__(self, port: int, venue: tuple[str, int], watcher: Watcher) -> None:
        self._wanted_port, self._venue, self._watcher = port, venue, watcher
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._count = 0
        self.port = port

    async def __aenter__(self) -> Relay:
        """Listen; raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._wanted_port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._links) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._count += 1
        task = asyncio.get_running_loop().create_task(self._carry(self._count, reader, writer))
        self._links.add(task)
        task.add_done_callback(self._links.discard)

    async def _carry(self, link: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                venue_reader, venue_writer = await asyncio.open_connection(*self._venue)
        except (OSError, TimeoutError):
            self._tell(self._watcher.refused, link)
            writer.transport.abort()
            return
        self._tell(self._watcher.opened, link)
        ways = _Way("gateway", reader, venue_writer), _Way("venue", venue_reader, writer)
        pumps = {asyncio.ensure_future(self._pump(link, way)): way for way in ways}
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            self._tell(self._watcher.closed, link, pumps[done.pop()].by)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for way in ways:
                way.writer.close()
                with suppress(OSError):
                    await way.writer.wait_closed()

    async def _pump(self, link: int, way: _Way) -> None:
        with suppress(OSError):
            while data := await way.reader.read(READ_BYTES):
                way.writer.write(data)  # first on, then looked at: who looks on delays nothing that matters
                self._tell(self._watcher.passed, link, way.by, data)
                await way.writer.drain()

    def _tell(self, what: Callable[..., None], *about: object) -> None:
        try:
            what(*about)
        except Exception:  # the outer edge: bytes go on, whatever a watcher makes of them
            log.exception("what passed could not be looked at")

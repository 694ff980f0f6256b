"""The wire between a gateway and its venue: a TCP proxy that can be cut, refused, held up and made half-open.

Owns the faults that every network has, so that each venue is put to the same ones. It must not know what is said on it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536


class Way(StrEnum):
    """The two directions of the wire."""

    TO_VENUE = "TO_VENUE"
    FROM_VENUE = "FROM_VENUE"


@dataclass(eq=False)
class _Connection:
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    broken: bool = False
    """Bytes of it were lost: it can not be mended."""

    def abort(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.near.transport.abort()
        self.far.transport.abort()


class Wire:
    """Listens on a port of its own and passes on to the venue's. Use as an async context manager."""

    def __init__(self, venue_port: int) -> None:
        self._venue_port, self.port = venue_port, 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._lost: set[Way] = set()
        self._free = {way: asyncio.Event() for way in Way}
        for event in self._free.values():
            event.set()

    async def __aenter__(self) -> Wire:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()
        tasks = [task for each in self._connections for task in each.tasks] + list(self._accepting)
        self.cut()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection, as a reset does; new ones are taken."""
        for connection in list(self._connections):
            connection.abort()
        self._connections.clear()

    def refuse(self) -> None:
        """End every connection and take no new one, until `mend`."""
        self._close()
        self.cut()

    def lose(self, *ways: Way) -> None:
        """Lose every byte that goes these ways; the connections stay open. Both = half-open. Until `mend`."""
        self._lost.update(ways)

    def hold(self, *ways: Way) -> None:
        """Keep back what goes these ways, until `mend`; then it arrives."""
        for way in ways:
            self._free[way].clear()

    async def mend(self) -> bool:
        """End every fault. What was lost stays lost, and its connection is cut: True = there was one."""
        self._lost.clear()
        for event in self._free.values():
            event.set()
        broken = [each for each in self._connections if each.broken]
        for connection in broken:
            connection.abort()
            self._connections.discard(connection)
        if self._server is None:
            await self._listen()
        return bool(broken)

    @property
    def has_lost(self) -> bool:
        """Whether bytes of a connection that is still there were lost."""
        return any(each.broken for each in self._connections)

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(reader, writer))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _connect(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection(HOST, self._venue_port)
        except OSError:
            near.transport.abort()
            return
        connection = _Connection(near, far)
        self._connections.add(connection)
        connection.tasks = [
            asyncio.create_task(self._pass_on(connection, Way.TO_VENUE, near_reader, far)),
            asyncio.create_task(self._pass_on(connection, Way.FROM_VENUE, far_reader, near)),
        ]
        await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
        connection.abort()
        self._connections.discard(connection)

    async def _pass_on(
        self, connection: _Connection, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                await self._free[way].wait()
                if way in self._lost:
                    connection.broken = True
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            return  # either end is gone, and so is the connection

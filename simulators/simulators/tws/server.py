"""The listening socket and all connections of the gateway.

Owns accepting, refusing and cutting connections. It must not know what is said on them.
"""

from __future__ import annotations

import asyncio
import logging

from simulators.tws.gateway import Gateway
from simulators.tws.session import Session

CONNECTIONS_MAX = 128
BEAT_SECONDS = 0.05
REOPEN_RETRY_SECONDS = 0.1
REOPEN_SECONDS_MAX = 10.0

log = logging.getLogger(__name__)


class TwsServer:
    """Serves a gateway on a TCP port of loopback. Use as an async context manager."""

    def __init__(self, gateway: Gateway, host: str, port: int) -> None:
        self.gateway = gateway
        self._host, self._wanted_port = host, port
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], Session] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._reopening: asyncio.Task[None] | None = None
        self._beat = 0.0
        self.half_open_next = 0
        self.port = port

    async def __aenter__(self) -> TwsServer:
        """Listen. Raises OSError when the port is taken."""
        await self._open()
        loop = asyncio.get_running_loop()
        self._beat = loop.time()
        self._tasks = [loop.create_task(self.gateway.run()), loop.create_task(self._keep_beat())]
        for task in self._tasks:
            task.add_done_callback(_tell_failure)
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._tasks, *self._sessions, *([self._reopening] if self._reopening else [])]
        await self._close()
        for session in self._sessions.values():
            session.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --------------------------------------------------------------------------------------------------------- cuts

    def cut(self, client_id: int | None = None) -> int:
        """End the connections of a client, or of all; return how many."""
        cut = [each for each in self._sessions.values() if client_id in (None, each.client_id)]
        for session in cut:
            session.abort()
        return len(cut)

    async def refuse(self, seconds: float) -> None:
        """Do not listen for a while, so that connecting is refused."""
        await self._close()
        if self._reopening is not None:
            self._reopening.cancel()
        self._reopening = asyncio.get_running_loop().create_task(self._reopen(seconds))

    def half_open(self, client_id: int | None, next_connections: int) -> int:
        """Read but never answer any more: the present connections, and the next ones; return how many of the former."""
        deaf = [each for each in self._sessions.values() if client_id in (None, each.client_id)]
        for session in deaf:
            session.half_open = True
        self.half_open_next += next_connections
        return len(deaf)

    def clients(self) -> list[int]:
        """The client ids that are connected and have started their API."""
        return sorted(peer.client_id for peer in self.gateway.peers)

    # ------------------------------------------------------------------------------------------------------- inside

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, self._host, self.port, backlog=CONNECTIONS_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        deadline = asyncio.get_running_loop().time() + REOPEN_SECONDS_MAX
        while True:
            try:
                await self._open()
                return
            except OSError:
                if asyncio.get_running_loop().time() > deadline:
                    log.exception("port %d can not be opened again", self.port)
                    return
                await asyncio.sleep(REOPEN_RETRY_SECONDS)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        session = Session(reader, writer, self.gateway, self._late_seconds)
        if self.half_open_next:
            self.half_open_next -= 1
            session.half_open = True
        task = asyncio.get_running_loop().create_task(session.run())
        self._sessions[task] = session
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._sessions[task]
        _tell_failure(task)

    async def _keep_beat(self) -> None:
        while True:
            self._beat = asyncio.get_running_loop().time()
            await asyncio.sleep(BEAT_SECONDS)

    def _late_seconds(self) -> float:
        """How long this process has not been reading: what a busy machine delays is not the clients' haste."""
        return max(0.0, asyncio.get_running_loop().time() - self._beat - BEAT_SECONDS)


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a task of the gateway ended with a mistake of ours", exc_info=task.exception())

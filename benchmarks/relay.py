"""Passes bytes on and says when a named message came by: `python -m benchmarks.relay PORT [TARGET_PORT]`.

A process of its own, so that what the measuring process does delays no clock reading. On Linux `time.perf_counter` is
one clock for all processes. Each line of its standard output is a name and the reading at its arrival. Without a
target the bytes end here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time

NAME = re.compile(rb"(?:bench|chain)-\d+-[0-9a-f]{8}")


class Watched(asyncio.Protocol):
    """The side that orders come from; what comes before the other side is there, waits."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._target: asyncio.WriteTransport | None = None
        self._early = b""
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._target_port:
            self._opening = asyncio.create_task(self._open(transport))

    async def _open(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._target, _ = await loop.create_connection(lambda: Passed(transport), "127.0.0.1", self._target_port)
            self._target.write(self._early)
        except OSError:
            transport.close()

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if self._target is not None:
            self._target.write(data)
        else:
            self._early += data
        for name in NAME.findall(data):
            print(name.decode(), now, flush=True)

    def connection_lost(self, error: Exception | None) -> None:
        if self._target is not None:
            self._target.close()


class Passed(asyncio.Protocol):
    """The answers, passed back as they are."""

    def __init__(self, back: asyncio.BaseTransport) -> None:
        self._back = back

    def data_received(self, data: bytes) -> None:
        self._back.write(data)  # type: ignore[attr-defined]  # a socket's transport

    def connection_lost(self, error: Exception | None) -> None:
        self._back.close()


async def main(port: int, target_port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Watched(target_port), "127.0.0.1", port)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))

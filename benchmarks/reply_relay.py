"""Passes gRPC on and says when an order was answered: `python -m benchmarks.reply_relay PORT TARGET_PORT`.

A process of its own, so that what the measured processes do delays no clock reading. On Linux `time.perf_counter` is
one clock for all processes. An order goes up with its message's name in plain bytes, and its answer comes down with the
transaction's hash; one order at a time. Each line of the standard output is the reading at such an answer's arrival.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time

ORDER = b"/dydxprotocol.clob.MsgPlaceOrder"
HASH = re.compile(rb"[0-9A-F]{64}")


class Relayed:
    """One connection: whether an order is up, and what has come down since."""

    def __init__(self) -> None:
        self.waiting = False
        self.seen = b""

    def up(self, data: bytes) -> None:
        if ORDER in data:
            self.waiting, self.seen = True, b""

    def down(self, data: bytes) -> None:
        if not self.waiting:
            return
        now = time.perf_counter()
        self.seen += data
        if HASH.search(self.seen):
            self.waiting = False
            print(now, flush=True)


class Caller(asyncio.Protocol):
    """The side that orders come from; what comes before the other side is there, waits."""

    def __init__(self, target_port: int) -> None:
        self._target_port, self._relayed = target_port, Relayed()
        self._target: asyncio.WriteTransport | None = None
        self._early = b""
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._opening = asyncio.create_task(self._open(transport))

    async def _open(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._target, _ = await loop.create_connection(
                lambda: Answerer(transport, self._relayed), "127.0.0.1", self._target_port
            )
            self._target.write(self._early)
        except OSError:
            transport.close()

    def data_received(self, data: bytes) -> None:
        self._relayed.up(data)
        if self._target is not None:
            self._target.write(data)
        else:
            self._early += data

    def connection_lost(self, error: Exception | None) -> None:
        if self._target is not None:
            self._target.close()


class Answerer(asyncio.Protocol):
    """The answers, passed back as they are."""

    def __init__(self, back: asyncio.BaseTransport, relayed: Relayed) -> None:
        self._back, self._relayed = back, relayed

    def data_received(self, data: bytes) -> None:
        self._back.write(data)  # type: ignore[attr-defined]  # a socket's transport
        self._relayed.down(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._back.close()


async def main(port: int, target_port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Caller(target_port), "127.0.0.1", port)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))

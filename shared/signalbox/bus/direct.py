"""Messages of chosen subscriptions, straight from the bytes on the connection to a function of ours.

nats-py takes 10 us to bring one message to a callback: three expressions matched against its buffer, every header
parsed, an object made, a queue and a task between. A reader of a whole stream can not afford that. `DirectParser` takes
the place of nats-py's parser on a connection: it finds where each frame ends, hands the messages of the subscriptions
in `takers` over as they are, and every other frame, whole, to nats-py's own parser. Connecting, reconnecting, and all
else stay nats-py's.

It must not know what a stream is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.aio.client import Client
from nats.errors import ProtocolError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

LINE_BYTES_MAX = 65_536
"""A control line holds two subjects and numbers; an INFO line holds the addresses of a cluster."""
TAKE_OVER_SECONDS_MAX = 5.0
TAKE_OVER_INTERVAL_SECONDS = 0.001

Take = Callable[[bytes, bytes, bytes, bytes], None]
"""Called with subject, reply subject, headers and payload, in the order of the wire. It must not raise, nor wait."""


class DirectParser(Parser):
    """A parser of which `takers` (by subscription id) get their messages at once."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.takers: dict[bytes, Take] = {}

    def reset(self) -> None:
        """Forget what has been read: the connection is another one."""
        super().reset()
        self._rest = b""
        self._connections = getattr(self, "_connections", 0) + 1

    async def parse(self, data: bytes = b"") -> None:
        """Take every whole frame of what has come; keep the beginning of the next one."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, size, takers, connection = 0, len(data), self.takers, self._connections
        while at < size:
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                if size - at > LINE_BYTES_MAX:
                    raise ProtocolError("nats: a line without an end")
                break
            begin = end = line_end + 2
            taker = None
            if data.startswith((b"HMSG", b"MSG"), at):
                fields = data[at:line_end].split()
                try:
                    end = begin + int(fields[-1]) + 2
                    taker = takers.get(fields[2])
                except (IndexError, ValueError):
                    raise ProtocolError("nats: malformed MSG") from None
                if end > size:
                    break
            if taker is None:
                await super().parse(data[at:end])
                if self._connections != connection:
                    return  # what is left has come over a connection that is gone
            elif fields[0] == b"HMSG":
                payload = begin + int(fields[-2])
                taker(fields[1], fields[3] if len(fields) == 6 else b"", data[begin:payload], data[payload : end - 2])
            else:
                taker(fields[1], fields[3] if len(fields) == 5 else b"", b"", data[begin : end - 2])
            at = end
        self._rest = data[at:]


async def direct_parser(client: Client) -> DirectParser:
    """The connection's direct parser, which from now on parses for it.

    It takes over between two frames, when nats-py's own has nothing begun: waits for that, at most
    `TAKE_OVER_SECONDS_MAX`, then raises `TimeoutError`.
    """
    async with asyncio.timeout(TAKE_OVER_SECONDS_MAX):
        while not isinstance(client._ps, DirectParser) and _has_begun(client._ps):  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(TAKE_OVER_INTERVAL_SECONDS)
    if not isinstance(client._ps, DirectParser):
        client._ps = DirectParser(client)
    return client._ps


def _has_begun(parser: Parser) -> bool:
    return bool(parser.buf) or parser.state != AWAITING_CONTROL_LINE

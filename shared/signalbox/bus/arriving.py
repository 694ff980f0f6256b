"""What comes off the socket, cut into frames and given to whoever listens at once, in the event loop's own callback.

nats-py reads through a stream, a buffer and a task that has to be woken: a turn of the event loop for each message, at
each hop of an order. Here the messages go past that; what the server says of itself (PING, INFO, -ERR) goes on to
nats-py's task, as a line of its own, and so does the end of the connection. It must not know what a message is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from nats.errors import ProtocolError

from signalbox.bus.wire import Delivery, Frames

NO_PROTOCOL = b"?\r\n"
"""A line that nobody can read: nats-py's task ends the connection, and makes another."""


class Stream(Protocol):
    """What of asyncio's `StreamReaderProtocol` is called here; pauses and ends are its affair."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Arriving(asyncio.Protocol):
    """Stands between a transport and `stream`, which had it until now: `deliver` gets each message."""

    def __init__(self, deliver: Callable[[Delivery], None], stream: Stream) -> None:
        self._deliver, self._stream = deliver, stream
        self._frames = Frames()
        self._unreadable = False

    def data_received(self, data: bytes) -> None:
        """Deal with every frame that `data` completes; `deliver` does not raise."""
        if self._unreadable:
            return
        try:
            for frame in self._frames.feed(data):
                if isinstance(frame, Delivery):
                    self._deliver(frame)
                else:
                    self._stream.data_received(b"%b %b\r\n" % frame)
        except ProtocolError:
            self._unreadable = True
            self._stream.data_received(NO_PROTOCOL)

    def eof_received(self) -> bool | None:
        return self._stream.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        self._stream.resume_writing()


def take_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deliver: Callable[[Delivery], None]) -> None:
    """Have `deliver` called with the messages of a connection that has been greeted, from now on."""
    transport = cast(asyncio.Transport, writer.transport)
    arriving = Arriving(deliver, cast(Stream, transport.get_protocol()))
    come = bytes(reader._buffer)  # type: ignore[attr-defined]  # behind the greeting, and not read yet
    reader._buffer.clear()  # type: ignore[attr-defined]
    transport.set_protocol(arriving)
    if come:
        arriving.data_received(come)

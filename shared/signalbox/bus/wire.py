"""The bytes that nats-server sends, cut into frames: pure, and with no opinion on what a publisher wrote.

A message's subject, reply subject, header block and payload are handed on as bytes, whatever they are. Of a subject
only that is certain which the server itself needs: no space, tab, carriage return or newline is in it; so fields are
separated by a space and by nothing else (a vertical tab is part of a subject). What is not the protocol at all raises
`ProtocolError`: the connection is of no use then, and is made anew.

It must not know what a stream is, nor what is done with a frame.

https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nats.errors import ProtocolError

LINE_BYTES_MAX = 65_536
"""A control line holds two subjects and numbers; an INFO line holds the addresses of a cluster."""
FRAME_BYTES_MAX = 8 * 1024 * 1024
"""A payload and its headers: `max_payload` of deploy/nats/nats.conf is 1 MB, and the server adds a few lines."""


class Delivery(NamedTuple):
    """One message as it came, for the subscription `sid`. `headers` is the whole block, "" without one."""

    sid: int
    subject: bytes
    reply: bytes
    headers: bytes
    payload: bytes


class Said(NamedTuple):
    """A line of the server's own: PING, PONG, INFO, -ERR, +OK, and what follows the word."""

    word: bytes
    rest: bytes


WORDS = frozenset({b"PING", b"PONG", b"INFO", b"-ERR", b"+OK"})


class Frames:
    """Collects what comes over one connection, and gives each frame as soon as it is whole."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed_bytes = 0

    def feed(self, data: bytes) -> Iterator[Delivery | Said]:
        """Every frame that `data` completes, in order; take them all before the next call."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed_bytes:
                return
            data = bytes(self._rest)
            self._rest = bytearray()
        at, size = 0, len(data)
        self._needed_bytes = 0
        while at < size:
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                if size - at > LINE_BYTES_MAX:
                    raise ProtocolError("nats: a line without an end")
                break
            if not data.startswith((b"MSG ", b"HMSG "), at):
                yield _said(data[at:line_end])
                at = line_end + 2
                continue
            fields = data[at:line_end].split(b" ")
            header_bytes, total_bytes = _sizes(fields)
            begin = line_end + 2
            end = begin + total_bytes
            if end + 2 > size:
                self._needed_bytes = end + 2 - at
                break
            if data[end : end + 2] != b"\r\n":
                raise ProtocolError("nats: a message that does not end where it should")
            payload = begin + header_bytes
            yield Delivery(
                int(fields[2]),
                fields[1],
                fields[3] if len(fields) == (6 if header_bytes else 5) else b"",
                data[begin:payload],
                data[payload:end],
            )
            at = end + 2
        self._rest += data[at:]


def _sizes(fields: list[bytes]) -> tuple[int, int]:
    """Bytes of the header block, and of block and payload together."""
    with_headers = fields[0] == b"HMSG"
    sound = len(fields) in ((5, 6) if with_headers else (4, 5)) and _is_number(fields[2]) and _is_number(fields[-1])
    if not sound or (with_headers and not _is_number(fields[-2])):
        raise ProtocolError("nats: malformed MSG")
    header_bytes, total_bytes = int(fields[-2]) if with_headers else 0, int(fields[-1])
    if header_bytes > total_bytes or total_bytes > FRAME_BYTES_MAX:
        raise ProtocolError("nats: a MSG of impossible size")
    return header_bytes, total_bytes


def _is_number(field: bytes) -> bool:
    return field.isdigit() and len(field) < 10


def _said(line: bytes) -> Said:
    word, _, rest = line.partition(b" ")
    word = word.strip()
    if word not in WORDS:
        raise ProtocolError("nats: unknown protocol")
    return Said(word, rest.strip())

"""What goes over one TWS connection, cut into messages and ready to be written down.

Owns the framing of both directions: the greeting, then frames of a length and text fields. Whatever the bytes are, it
raises nothing: they go on to the other side all the same. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from simulators.tws.wire import FrameSplitter, WireError

from signalbox_cli.sessions.session_file import Line, Said
from signalbox_cli.sessions.tws_redaction import TIME, TwsRedaction

GREETING = b"API\0"
TEXT_VERSION_MAX = 200
"""From the next server version on, messages are protocol buffers: no gateway of this desk asks for one."""
HELLO = "hello"
"""The first field of what each side says before any message: the versions of one, version and time of the other."""

Side = Literal["gateway", "venue"]


class Wiretap:
    """One connection. `feed` takes bytes as they come, of either side, and yields lines."""

    def __init__(self, link: int, redaction: TwsRedaction) -> None:
        self._link, self._redaction = link, redaction
        self._frames: dict[Side, FrameSplitter] = {"gateway": FrameSplitter(), "venue": FrameSplitter()}
        self._greeted: dict[Side, bool] = {"gateway": False, "venue": False}
        self._lost: set[Side] = set()
        self._binary = False

    def feed(self, by: Side, data: bytes, at: datetime) -> Iterator[Line]:
        """The lines that these bytes complete."""
        if by in self._lost:
            return
        try:
            for payload in self._payloads(by, data):
                yield self._line(by, payload, at)
        except WireError as error:
            self._lost.add(by)
            note = f"no TWS message any more: {type(error).__name__}"
            yield Line(at=at, link=self._link, by=by, what=Said.UNREADABLE, note=note)

    def _payloads(self, by: Side, data: bytes) -> list[bytes]:
        frames = self._frames[by]
        if by == "gateway" and not self._greeted[by] and len(frames) + len(data) >= len(GREETING):
            frames.push(data)
            if frames.take(len(GREETING)) != GREETING:
                raise WireError("no greeting")
            self._greeted[by] = True
            return frames.feed(b"")
        if by == "gateway" and not self._greeted[by]:
            frames.push(data)
            return []
        return frames.feed(data)

    def _line(self, by: Side, payload: bytes, at: datetime) -> Line:
        first = by == "gateway" and not self._greeted.get("venue") and payload.startswith(b"v")
        if first:
            return Line(at=at, link=self._link, by=by, fields=(HELLO, _versions(payload)))
        if by == "venue" and not self._greeted["venue"]:
            self._greeted["venue"] = True
            return self._hello(payload, at)
        if self._binary:
            return Line(at=at, link=self._link, by=by, what=Said.WITHHELD, note=f"{len(payload)} bytes")
        fields = _fields_of(payload)
        kept = self._redaction.from_gateway(fields) if by == "gateway" else self._redaction.from_venue(fields)
        if kept is None:
            kind = fields[0] if fields[0].isascii() and fields[0].isdigit() and len(fields[0]) < 4 else "?"
            return Line(at=at, link=self._link, by=by, what=Said.WITHHELD, note=f"message {kind}, {len(fields)} fields")
        return Line(at=at, link=self._link, by=by, fields=kept)

    def _hello(self, payload: bytes, at: datetime) -> Line:
        version, *told = _fields_of(payload)
        number = version if version.isascii() and version.isdigit() and len(version) < 6 else "0"
        self._binary = int(number) > TEXT_VERSION_MAX
        kept = self._redaction.names.hidden(told[0]) if told and TIME.fullmatch(told[0]) else ""
        return Line(at=at, link=self._link, by="venue", fields=(HELLO, number, kept))


def _fields_of(payload: bytes) -> list[str]:
    """What is no UTF-8 is read as Latin-1, in which every byte is a letter: a name in it is found all the same."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = payload.decode("latin-1")
    return text.removesuffix("\0").split("\0")


def _versions(payload: bytes) -> str:
    """`v157..178`; what may follow it is the client's own."""
    text = payload.decode("utf-8", "replace").rstrip("\0").split(" ")[0]
    return text if text[1:].replace(".", "").isdigit() and len(text) < 20 else "v0"

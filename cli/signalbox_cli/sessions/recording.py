"""A session on its way into a file: what a relay sees, cut into messages, redacted, written with its time.

Owns the order of it all and when to stop writing. It must not know what a message means.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from signalbox_cli.sessions.relay import Side
from signalbox_cli.sessions.session_file import Line, Said, SessionWriter
from signalbox_cli.sessions.tws_redaction import TwsRedaction
from signalbox_cli.sessions.tws_wiretap import Wiretap


class TwsRecording:
    """A `relay.Watcher` that writes what it sees."""

    def __init__(self, writer: SessionWriter, redaction: TwsRedaction, say: Callable[[str], None]) -> None:
        self._writer, self._redaction, self._say = writer, redaction, say
        self._taps: dict[int, Wiretap] = {}
        self._at = datetime.min.replace(tzinfo=UTC)
        self._told_full = False

    def opened(self, link: int) -> None:
        self._taps[link] = Wiretap(link, self._redaction)
        self._write(Line(at=self.now(), link=link, by="gateway", what=Said.OPENED))

    def refused(self, link: int) -> None:
        self._write(Line(at=self.now(), link=link, by="venue", what=Said.REFUSED))

    def passed(self, link: int, by: Side, data: bytes) -> None:
        for line in self._taps[link].feed(by, data, self.now()):
            self._write(line)

    def closed(self, link: int, by: Side) -> None:
        self._taps.pop(link, None)
        self._write(Line(at=self.now(), link=link, by=by, what=Said.CLOSED))

    def now(self) -> datetime:
        """The time by the wall, which never goes back in a file."""
        self._at = max(self._at, datetime.now(UTC))
        return self._at

    def _write(self, line: Line) -> None:
        self._writer.write(line)
        if self._writer.full and not self._told_full:
            self._told_full = True
            self._say("the file is as long as it may be, or the disk is full: no more is recorded; the link goes on")

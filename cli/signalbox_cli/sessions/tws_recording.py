"""A session with TWS on its way into a file: what a relay sees, cut into messages, redacted, written with its time.

Owns the order of it all. It must not know what a message means.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from signalbox_cli.sessions.recording import Pen
from signalbox_cli.sessions.relay import Side
from signalbox_cli.sessions.session_file import Line, Said, SessionWriter
from signalbox_cli.sessions.tws_redaction import TwsRedaction
from signalbox_cli.sessions.tws_wiretap import Wiretap


class TwsRecording:
    """A `relay.Watcher` that writes what it sees."""

    def __init__(self, writer: SessionWriter, redaction: TwsRedaction, say: Callable[[str], None]) -> None:
        self._pen, self._redaction = Pen(writer, say), redaction
        self._taps: dict[int, Wiretap] = {}

    def opened(self, link: int) -> None:
        self._taps[link] = Wiretap(link, self._redaction)
        self._pen.write(Line(at=self.now(), link=link, by="gateway", what=Said.OPENED))

    def refused(self, link: int) -> None:
        self._pen.write(Line(at=self.now(), link=link, by="venue", what=Said.REFUSED))

    def passed(self, link: int, by: Side, data: bytes) -> None:
        for line in self._taps[link].feed(by, data, self.now()):
            self._pen.write(line)

    def closed(self, link: int, by: Side) -> None:
        self._taps.pop(link, None)
        self._pen.write(Line(at=self.now(), link=link, by=by, what=Said.CLOSED))

    def now(self) -> datetime:
        """The time of the next line."""
        return self._pen.now()

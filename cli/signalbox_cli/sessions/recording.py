"""A session on its way into a file: each line with its time, until the file is full.

Owns the order of lines and when writing ends. It must not know any venue.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from signalbox_cli.sessions.session_file import Line, SessionWriter


class Pen:
    """Writes lines; that it writes no more is said once."""

    def __init__(self, writer: SessionWriter, say: Callable[[str], None]) -> None:
        self._writer, self._say = writer, say
        self._at = datetime.min.replace(tzinfo=UTC)
        self._told_full = False

    def now(self) -> datetime:
        """The time by the wall, which never goes back in a file."""
        self._at = max(self._at, datetime.now(UTC))
        return self._at

    def write(self, line: Line) -> None:
        """Add a line, if there is room."""
        self._writer.write(line)
        if self._writer.full and not self._told_full:
            self._told_full = True
            self._say("the file is as long as it may be, or the disk is full: no more is recorded; the link goes on")

"""A database as the recorder makes it of messages: what the tests of what is read of the record put in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct
from recorder.database import Database
from recorder.state import Batch, Place, Stored
from signalbox import messages

BEGAN_NS, MILLISECOND_NS = 1_700_000_000_000_000_000, 1_000_000


class Recording:
    """Messages are put in as the streams would bring them, a millisecond after each other: those of a stream, or all of
    them (`one_clock`).
    """

    def __init__(self, path: Path, *, one_clock: bool = False) -> None:
        self.database = Database(path, 64)
        self.sequences: dict[str, int] = {}
        self._one_clock = one_clock

    def put(self, stream: str, subject: str, message: Struct | bytes) -> int:
        """Store a message; its sequence in the stream."""
        payload = message if isinstance(message, bytes) else messages.encode(message)
        sequence = self.sequences[stream] = self.sequences.get(stream, 0) + 1
        milliseconds = sum(self.sequences.values()) if self._one_clock else sequence
        row = Stored(sequence, subject, BEGAN_NS + milliseconds * MILLISECOND_NS, "", payload)
        self.database.write([Batch(stream, Place(1, "monday", sequence), [row])])
        return sequence

    def event(self, message: Struct) -> int:
        """Store an order event."""
        return self.put("TRADE", "order.ibkr.DU1.x", message)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.database.connection.execute(sql).fetchall()
        return found

"""What the recorder remembers of each stream: plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Stored(NamedTuple):
    """One stored message, as it is. `stored_at_ns` counts from 1970 in UTC; `message_id` is "" when it has none."""

    sequence: int
    subject: str
    stored_at_ns: int
    message_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class StreamEnds:
    """What the server says of a stream: which one of that name it is, and its first and last sequence."""

    created: str
    first_sequence: int
    last_sequence: int


class Continuity(Enum):
    """How a stream, as the server has it now, relates to what has been recorded."""

    FIRST_SEEN = "first seen"
    CONTINUED = "continued"
    RECREATED = "recreated"
    REWOUND = "rewound"


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where a stream has been recorded.

    A stream made anew under an old name starts its sequences again; `generation` (1, 2...) keeps its rows apart from
    those of the stream before. `created` is the server's word for which one it is.
    """

    generation: int
    created: str
    sequence: int

    def reached(self, rows: Sequence[Stored]) -> Place:
        """The place after `rows`, which are not empty."""
        return Place(self.generation, self.created, rows[-1].sequence)


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one generation of one stream, in order, and the place that holds once they are committed."""

    stream: str
    place: Place
    rows: list[Stored]

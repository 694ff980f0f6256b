"""What the recorder remembers of each stream: plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

NAME_BYTES_MAX = 4_096
"""A subject or a message id is kept up to here: the server takes no longer subject."""


class Stored(NamedTuple):
    """One stored message, as it is. `stored_at_ns` counts from 1970 in UTC; `message_id` is "" when it has none."""

    sequence: int
    subject: str
    stored_at_ns: int
    message_id: str
    payload: bytes

    @staticmethod
    def received(sequence: int, subject: str, stored_at_ns: int, message_id: str, payload: bytes) -> Stored:
        """A message as it came from the bus, whose texts may be nonsense of any length."""
        return Stored(sequence, _plain(subject), stored_at_ns, _plain(message_id), payload)


def _plain(text: str) -> str:
    """Text that is UTF-8 and of bounded length, the same for what is."""
    if text.isascii() and len(text) <= NAME_BYTES_MAX:
        return text
    return text.encode("utf-8", "backslashreplace")[:NAME_BYTES_MAX].decode(errors="ignore")


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


class Outcome(Enum):
    """How a query ended, as the process that ran it says, or the keeper, or nobody."""

    ANSWERED = 0
    OUT_OF_MEMORY = 1
    OUT_OF_TIME = 2
    PUT_OFF = 3
    """Recording needed the memory, or the file can not be read now."""
    BROKEN = 4


class Answer(NamedTuple):
    """What comes back for a query: `reply` is an encoded `QueryReply` when it was answered."""

    outcome: Outcome
    reply: bytes

"""Which intents have their decision, of those that INTENTS may deliver again: four megabytes, however many there were.

Owns the form: a ring of the last sequences there, each beside when it was stored; and which limits that were proposed
have their answer. It must not know what was decided (`risk.known` has that, by the intent's id, for ever).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from signalbox.messages import NEVER, LimitsRefused

ANSWERED_MAX = 65_536
"""Far more than are decided before one that was not acknowledged comes again."""
_NOBODY = -1


class AnsweredIntents:
    """By sequence in INTENTS, which begins again where that stream is made anew: so the time belongs to it.

    Of two intents whose sequences lie `places` apart the one that was decided later is remembered.
    """

    def __init__(self, places: int = ANSWERED_MAX) -> None:
        self._sequences = [_NOBODY] * places
        self._stored_at = [NEVER] * places
        self._places, self._last_place = places, places - 1

    def __len__(self) -> int:
        return self._places - self._sequences.count(_NOBODY)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnsweredIntents) and vars(self) == vars(other)

    def has(self, sequence: int, stored_at: datetime) -> bool:
        """Whether this intent of INTENTS has its decision."""
        place = sequence % self._places
        return self._sequences[place] == sequence and self._stored_at[place] == stored_at

    def add(self, sequence: int, stored_at: datetime) -> None:
        """It has its decision."""
        place = self._last_place = sequence % self._places
        self._sequences[place], self._stored_at[place] = sequence, stored_at

    def rows(self) -> Iterator[tuple[int, datetime]]:
        """What is in it now, the oldest first, to be made one after the other, later."""
        begin = self._last_place + 1
        sequences = self._sequences[begin:] + self._sequences[:begin]
        stored_at = self._stored_at[begin:] + self._stored_at[:begin]
        return (row for row in zip(sequences, stored_at, strict=True) if row[0] != _NOBODY)


ANSWERED_LIMITS_MAX = 200


class AnsweredLimits:
    """The proposals of limits that were answered lately, and the last one of them if it was refused."""

    def __init__(self, ids: Iterable[str] = (), refused: LimitsRefused | None = None) -> None:
        self.ids: dict[str, None] = dict.fromkeys(ids)
        self.refused = refused

    def add(self, proposal: str, refused: LimitsRefused | None) -> None:
        self.ids[proposal], self.refused = None, refused
        if len(self.ids) > ANSWERED_LIMITS_MAX:
            del self.ids[next(iter(self.ids))]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnsweredLimits) and (self.ids, self.refused) == (other.ids, other.refused)

"""Which ids are used up, by what decision, and how the orders of that name ended: 16 bytes each, for ever.

Owns the form. An id is known by 64 bits of a hash: of 10^13 new ids one is taken for a used one, and denied. It must
not know what follows from any of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from signalbox.fingerprints import Fingerprints
from signalbox.messages import OrderStatus


class Verdict(StrEnum):
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of an intent id: `sequence` is that of the intent in INTENTS."""

    verdict: Verdict
    sequence: int


_VERDICTS = (None, Verdict.APPROVED, Verdict.DENIED)
_PLACES = {verdict: place for place, verdict in enumerate(_VERDICTS)}
_STATUSES: tuple[OrderStatus | None, ...] = (None, *OrderStatus)
"""Their places are written into checkpoints (`risk.checkpoint.SHAPE`)."""
_VERDICT_SHIFT, _SEQUENCE_SHIFT = 8, 16


class KnownIds(Fingerprints):
    """By intent id, or the key of an order that the desk has not placed."""

    def __init__(self) -> None:
        super().__init__(numbered=True)
        self.decided_count = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KnownIds) and vars(self) == vars(other)

    def decided(self, intent_id: str) -> Decided | None:
        """The first decision on an intent of this id."""
        number = self.first_number(intent_id)
        verdict = _VERDICTS[number >> _VERDICT_SHIFT & 0xFF]
        return Decided(verdict, number >> _SEQUENCE_SHIFT) if verdict is not None else None

    def finished(self, key: str) -> OrderStatus | None:
        """How the order of this key ended; None = it has not, or there is none."""
        return _STATUSES[self.first_number(key) & 0xFF]

    def decide(self, intent_id: str, verdict: Verdict, sequence: int) -> OrderStatus | None:
        """Use an id up, unless it is; how the order of that name has ended already, its events having come first."""
        said = sequence << _SEQUENCE_SHIFT | _PLACES[verdict] << _VERDICT_SHIFT
        number = self.put_first(intent_id, said)
        if number is None:
            self.decided_count += 1
            return None
        if not number >> _VERDICT_SHIFT:
            self.decided_count += 1
            self.put(intent_id, number | said)
        return _STATUSES[number & 0xFF]

    def finish(self, key: str, status: OrderStatus) -> None:
        """An order has ended."""
        self.put(key, self.first_number(key) & ~0xFF | _STATUSES.index(status))

    def unfinish(self, key: str) -> None:
        """An order that had ended works after all."""
        if self.finished(key) is not None:
            self.put(key, self.first_number(key) & ~0xFF)

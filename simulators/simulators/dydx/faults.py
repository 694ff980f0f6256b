"""How the node is told to misbehave.

Owns the faults that are set. It must not know gRPC, and it changes nothing on the chain: what a fault hides is still
true.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

REFUSALS_MAX = 1_000


def _open() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a broadcast is answered, instead of being looked at."""

    codespace: str
    code: int
    text: str


@dataclass(slots=True)
class Faults:
    """Counters count down to 0 = as usual. `running` is cleared while the node is frozen."""

    lose_reply: int = 0
    drop_broadcast: int = 0
    duplicate_broadcast: int = 0
    rate_limit: int = 0
    exhaust: int = 0
    delay_broadcast_milliseconds: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    running: asyncio.Event = field(default_factory=_open)

    def takes_one(self, counter: str) -> bool:
        """Use up one of a counted fault; False if none is set."""
        left: int = getattr(self, counter)
        if left <= 0:
            return False
        setattr(self, counter, left - 1)
        return True

    def refuse(self, refusal: Refusal, count: int) -> None:
        """Refuse the next broadcasts. Raises ValueError when too many are set: then somebody forgot `clear`."""
        if len(self.refusals) + count > REFUSALS_MAX:
            raise ValueError(f"at most {REFUSALS_MAX} refusals can be set")
        self.refusals += [refusal] * count

    def clear(self) -> None:
        """Forget every fault that is set."""
        self.lose_reply = self.drop_broadcast = self.duplicate_broadcast = 0
        self.rate_limit = self.exhaust = self.delay_broadcast_milliseconds = 0
        self.refusals.clear()
        self.running.set()

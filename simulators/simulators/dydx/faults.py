"""How the node is told to misbehave.

Owns the faults that are set. It must not know gRPC, and it changes nothing on the chain: what a fault hides is still
true.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


def _open() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Faults:
    """Counters count down to 0 = as usual. `running` is cleared while the node is frozen."""

    lose_reply: int = 0
    drop_broadcast: int = 0
    duplicate_broadcast: int = 0
    rate_limit: int = 0
    exhaust: int = 0
    delay_broadcast_milliseconds: int = 0
    running: asyncio.Event = field(default_factory=_open)

    def takes_one(self, counter: str) -> bool:
        """Use up one of a counted fault; False if none is set."""
        left: int = getattr(self, counter)
        if left <= 0:
            return False
        setattr(self, counter, left - 1)
        return True

    def clear(self) -> None:
        """Forget every fault that is set."""
        self.lose_reply = self.drop_broadcast = self.duplicate_broadcast = 0
        self.rate_limit = self.exhaust = self.delay_broadcast_milliseconds = 0
        self.running.set()

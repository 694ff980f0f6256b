"""How many stateful orders the chain takes from one address, counted before it refuses them.

Pure: height and time come in as data. The chain's own figures are read at the start; these stand in until then
(v4-chain: x/clob/types/block_rate_limit_configuration.go). Failed attempts count at the chain, so they do here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

STATEFUL_LIMITS = ((1, 2), (100, 20))
"""(blocks, orders within them): 2 in a block, 20 in 100."""
KEPT_FREE_FRACTION = 0.25
"""Of each limit so much is left to what protects, by what only takes profits: nothing of 2, 5 of 20."""
PACE_BLOCKS = 100
BLOCK_SECONDS = 1.1
"""Until some have been seen (mainnet's, about)."""
ROOM_SECONDS_MIN = 1.0
"""A time that is named is so far ahead at least: blocks are not to the second."""


@dataclass
class BlockBudget:
    """The heights at which something was sent, against limits of so many within so many blocks."""

    limits: Sequence[tuple[int, int]] = STATEFUL_LIMITS
    sent_at: deque[int] = field(default_factory=deque)

    def free_from(self, height: int, *, protects: bool = True) -> int:
        """From which height on another one may be sent; at most `height` = now."""
        window_max = max((blocks for blocks, _ in self.limits), default=0)
        while self.sent_at and self.sent_at[0] <= height - window_max:
            self.sent_at.popleft()
        sent = [*self.sent_at]
        limits = [
            (blocks, limit if protects else limit - int(limit * KEPT_FREE_FRACTION)) for blocks, limit in self.limits
        ]
        waits = [
            sent[-limit] + blocks for blocks, limit in limits if len(sent) >= limit and limit > 0
        ]  # the one that must have left the window
        return max([height, *waits])

    def sent_within(self, blocks: int, height: int) -> int:
        """How many count against a limit of so many blocks. It changes nothing: another thread may ask."""
        return sum(sent > height - blocks for sent in tuple(self.sent_at))

    def note(self, height: int) -> None:
        """One is sent at this height."""
        self.sent_at.append(height)


@dataclass
class BlockPace:
    """How long the chain's last blocks took, by the desk's time."""

    seen: deque[tuple[int, datetime]] = field(default_factory=lambda: deque(maxlen=PACE_BLOCKS))

    def note(self, height: int, at: datetime) -> None:
        """A height was seen first at this time."""
        self.seen.append((height, at))

    def time_of(self, height: int, now: datetime) -> datetime:
        """When a height that is to come will have come, about; never just now."""
        seconds = BLOCK_SECONDS
        if len(self.seen) > 1:
            (first, began), (last, ended) = self.seen[0], self.seen[-1]
            seconds = (ended - began).total_seconds() / max(1, last - first)
        blocks = height - self.seen[-1][0] if self.seen else 0
        return now + timedelta(seconds=max(ROOM_SECONDS_MIN, blocks * seconds))

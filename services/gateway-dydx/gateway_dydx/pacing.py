"""How many stateful orders the chain takes from one address, counted before it refuses them.

Pure: the height comes in as data. The chain's own figures are read at the start; these stand in until then
(v4-chain: x/clob/types/block_rate_limit_configuration.go). Failed attempts count at the chain, so they do here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

STATEFUL_LIMITS = ((1, 2), (100, 20))
"""(blocks, orders within them): 2 in a block, 20 in 100."""


@dataclass
class BlockBudget:
    """The heights at which something was sent, against limits of so many within so many blocks."""

    limits: Sequence[tuple[int, int]] = STATEFUL_LIMITS
    sent_at: deque[int] = field(default_factory=deque)

    def free_from(self, height: int) -> int:
        """From which height on another one may be sent; at most `height` = now."""
        window_max = max((blocks for blocks, _ in self.limits), default=0)
        while self.sent_at and self.sent_at[0] <= height - window_max:
            self.sent_at.popleft()
        sent = [*self.sent_at]
        waits = [
            sent[-limit] + blocks for blocks, limit in self.limits if len(sent) >= limit and limit > 0
        ]  # the one that must have left the window
        return max([height, *waits])

    def sent_within(self, blocks: int, height: int) -> int:
        """How many count against a limit of so many blocks. It changes nothing: another thread may ask."""
        return sum(sent > height - blocks for sent in tuple(self.sent_at))

    def note(self, height: int) -> None:
        """One is sent at this height."""
        self.sent_at.append(height)

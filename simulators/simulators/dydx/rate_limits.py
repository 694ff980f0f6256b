"""Block rate limits per address, as the chain's CheckTx keeps them: in memory, failed attempts counted.

Owns the counters and the limits. It must not know messages. Source: protocol/x/clob/rate_limit of v4-chain.
"""

from __future__ import annotations

from collections import defaultdict, deque

from msgspec import Struct

from simulators.dydx.refusals import Code, RefusedError


class Limit(Struct, frozen=True):
    """At most `limit` in any `blocks` blocks."""

    limit: int
    blocks: int


SHORT_TERM_LIMITS = (Limit(4000, 5),)
STATEFUL_LIMITS = (Limit(2, 1), Limit(20, 100))
BATCH_CANCEL_WEIGHT = 2


class RateLimiter:
    """Counts attempts by address and block."""

    def __init__(self, name: str, limits: tuple[Limit, ...]) -> None:
        self._name, self._limits = name, limits
        self._attempts: defaultdict[str, deque[tuple[int, int]]] = defaultdict(deque)

    def attempt(self, address: str, height: int, weight: int = 1) -> None:
        """Count an attempt made after block `height`. Raises RefusedError clob/5001 above a limit."""
        attempts = self._attempts[address]
        oldest = height - max(each.blocks for each in self._limits)
        while attempts and attempts[0][0] <= oldest:
            attempts.popleft()
        if attempts and attempts[-1][0] == height:
            attempts[-1] = (height, attempts[-1][1] + weight)
        else:
            attempts.append((height, weight))
        for each in self._limits:
            count = sum(number for at, number in attempts if at > height - each.blocks)
            if count > each.limit:
                raise RefusedError(
                    Code.BLOCK_RATE_LIMIT_EXCEEDED,
                    f"Rate of {count} exceeds configured block rate limit of {{NumBlocks:{each.blocks} "
                    f"Limit:{each.limit}}} for {self._name} and {address}",
                )

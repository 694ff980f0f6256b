"""The numbers of one connection's messages: was one lost? Pure.

Owns which numbers are missing. The indexer counts every message to a connection, and every answer to a subscription: an
answer takes the number of its question and comes when its first contents have been fetched, later than messages with
higher numbers. So a number is missing for certain only when more are missing than questions wait for their answer.
Source: v4-chain, indexer/services/socks/src/websocket/index.ts and lib/subscription.ts.
"""

from __future__ import annotations

from collections.abc import Callable

MISSING_KEPT_MAX = 1_000


class MessageIds:
    """The numbers of one connection, from its greeting on."""

    def __init__(self) -> None:
        self._highest, self._missing = 0, set[int]()

    def take(self, number: object, waiting: Callable[[], int]) -> int:
        """Take a message's number; how many messages are lost, told once. `waiting`: so many answers are to come."""
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            return 0
        if number <= self._highest:
            self._missing.discard(number)
        else:
            first = max(self._highest + 1, number - MISSING_KEPT_MAX)
            self._missing.update(range(first, number))
            self._highest = number
        lost = len(self._missing) - waiting() if self._missing else 0
        if lost <= 0:
            return 0
        # Whatever they were is asked for; an answer that comes late all the same changes nothing here
        self._missing.clear()
        return lost

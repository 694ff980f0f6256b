"""Whose query runs next: so many at once, so many of one person, so many waiting. Knows nothing of queries.

Who waits longest goes first, unless that person has as many running as one may have: then the next person does.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque


class FullError(Exception):
    """No more may wait. Its text is a sentence for who asked."""


class Turns:
    """`enter` waits for a turn, `leave` gives it back. An asker without a name is bound only together with all."""

    def __init__(self, *, at_once_max: int, per_asker_max: int, waiting_max: int, waiting_per_asker_max: int) -> None:
        self._at_once_max, self._per_asker_max = at_once_max, per_asker_max
        self._waiting_max, self._waiting_per_asker_max = waiting_max, waiting_per_asker_max
        self._running: Counter[str] = Counter()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    async def enter(self, asker: str) -> None:
        """Wait for a turn; raises `FullError` when too many wait already."""
        if self._may_run(asker):
            self._running[asker] += 1
            return
        self._refuse_when_full(asker)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((asker, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(asker)
            else:
                self._waiting.remove((asker, turn))
            raise

    def leave(self, asker: str) -> None:
        """Give a turn back."""
        self._running[asker] -= 1
        if not self._running[asker]:
            del self._running[asker]
        for waiting in list(self._waiting):
            next_asker, turn = waiting
            if self._may_run(next_asker):
                self._waiting.remove(waiting)
                self._running[next_asker] += 1
                turn.set_result(None)

    def _may_run(self, asker: str) -> bool:
        return self._running.total() < self._at_once_max and (not asker or self._running[asker] < self._per_asker_max)

    def _refuse_when_full(self, asker: str) -> None:
        if len(self._waiting) >= self._waiting_max:
            raise FullError(f"The recorder is busy: {len(self._waiting)} queries are waiting. Try again later.")
        own = sum(1 for name, _ in self._waiting if name == asker)
        if asker and own >= self._waiting_per_asker_max:
            raise FullError(f"The recorder is busy with yours: {own} queries of {asker} are waiting. Let them finish.")

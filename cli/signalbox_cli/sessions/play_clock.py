"""The desk's time while a session is played, and what became of it: shared by every venue that says one again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

STANDSTILL_SECONDS = 0.5
"""After so long the clock goes on while the gateway is waited for: it may itself wait for desk time."""
POLL_SECONDS = 0.01
DIFFERENCES_MAX = 200


class DepartedError(Exception):
    """The gateway does not do what was recorded: what follows would be about another session."""


class PlayClock:
    """Desk time of the script's place. `wall` gives seconds of the machine."""

    def __init__(self, at: datetime, wall: Callable[[], float]) -> None:
        self.wall = wall
        self._at, self._since = at, wall()

    def now(self) -> datetime:
        """Desk time: that of the script's place, and running on while the gateway is waited for."""
        stood_seconds = self.wall() - self._since - STANDSTILL_SECONDS
        return self._at + timedelta(seconds=max(0.0, stood_seconds))

    def reach(self, at: datetime) -> None:
        """The script has come to a moment."""
        self._at, self._since = max(at, self.now()), self.wall()

    async def until(self, condition: Callable[[], object], seconds_max: float) -> bool:
        """Wait for something, by the wall; False = it did not come in time."""
        ends = self.wall() + seconds_max
        while not condition():
            if self.wall() > ends:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True


class Differences:
    """What the gateway did otherwise without departing from the session: a sentence each."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, sentence: str) -> None:
        if len(self.told) < DIFFERENCES_MAX:
            self.told.append(sentence)

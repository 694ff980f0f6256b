"""Which ids of today stand for which of a recorded session: of orders, and of transactions. Pure.

A gateway that is played to gives client ids of its own, and so its orders have other ids than in the file.
"""

from __future__ import annotations

import re

_NAMES = re.compile(r"00000000-0000-4000-8000-[0-9a-f]{12}")


class Today:
    """Pairs of a recorded name and what it is called today."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}
        self._was: dict[str, str] = {}

    def pair(self, recorded: str, today: str) -> None:
        self._now[recorded], self._was[today] = today, recorded

    def of(self, recorded: str) -> str | None:
        """What is called so in the file; None = it has not been met."""
        return self._now.get(recorded)

    def knows(self, today: str) -> bool:
        return today in self._was

    def recorded(self, today: str) -> str:
        """What the file calls it; itself if it has not been met."""
        return self._was.get(today, today)

    def said(self, text: str) -> str:
        """A recorded text with the ids of today."""
        return _NAMES.sub(lambda found: self._now.get(found[0], found[0]), text)

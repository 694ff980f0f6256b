"""Which desk time a recorded moment was: the wall's on a real desk, the venue's own clock on a simulated one.

A simulated desk runs at another speed than the wall. What the venue told of its clock (TWS: currentTime, in whole
seconds) is taken as it was heard, and time between two such moments runs evenly. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

SIMULATED = "simulated"


class DeskTime:
    """`told`: moments of the wall at which the venue said its time, in order."""

    def __init__(self, told: Sequence[tuple[datetime, datetime]]) -> None:
        self._told = [pair for at, pair in enumerate(told) if at == 0 or pair[0] > told[at - 1][0]]

    def of(self, wall: datetime) -> datetime:
        """The desk time at a moment of the wall."""
        if not self._told:
            return wall
        if len(self._told) == 1:
            [(seen, said)] = self._told
            return said + (wall - seen)
        at = min(
            max(bisect_right(self._told, (wall, datetime.max.replace(tzinfo=wall.tzinfo))), 1), len(self._told) - 1
        )
        (seen, said), (seen_next, said_next) = self._told[at - 1], self._told[at]
        share = (wall - seen) / (seen_next - seen)
        return said + timedelta(seconds=(said_next - said).total_seconds() * share)

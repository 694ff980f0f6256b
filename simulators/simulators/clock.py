"""The simulated clock: desk time in steps, paced against the wall.

Owns the relation of desk time to wall time. It must not know what happens in a step. The world completes a step when
its wall time has come and everyone has heard of the step before: who is slow to listen slows time down.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta

CATCH_UP_SECONDS_MAX = 0.1
"""How much wall time that was lost to work is made good by shorter waits; more is lost for good."""


class SteppedClock:
    """Shows desk time: the last completed step, and on from it at `speed`, never beyond the end of the present step."""

    def __init__(
        self,
        start: datetime,
        speed: float,
        wall: Callable[[], float] = time.monotonic,
        *,
        never_before: datetime | None = None,
        catch_up_seconds_max: float = CATCH_UP_SECONDS_MAX,
    ) -> None:
        self._catch_up_seconds_max = catch_up_seconds_max
        self._wall = wall
        self._position = self._step_end = self._paused_at = start
        self._shown = max(start, never_before or start)
        self._since = wall()
        self._speed = 0.0
        self._released = False
        self._changed = asyncio.Event()
        self.set_speed(speed)

    @property
    def position(self) -> datetime:
        """The end of the last completed step."""
        return self._position

    @property
    def speed(self) -> float:
        """Desk seconds per wall second; 0 = stands still, `math.inf` = never waits."""
        return self._speed

    def now(self) -> datetime:
        """Return desk time; it never goes back."""
        self._shown = max(self._shown, self._interpolated())
        return self._shown

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed. Raises ValueError for a negative speed or NaN."""
        if not speed >= 0:
            raise ValueError(f"speed must be 0 or more desk seconds per wall second, not {speed}")
        now, wall = self._interpolated(), self._wall()
        self._speed = speed
        done_seconds = (now - self._position).total_seconds()
        self._since = wall - (done_seconds / speed if 0 < speed < math.inf else 0.0)
        self._paused_at = now
        self._changed.set()

    def begin_step(self, end: datetime) -> None:
        """Say where the present step ends; `now` runs up to there."""
        self._step_end = end

    def complete_step(self) -> None:
        """Make the end of the present step the position."""
        planned_seconds = (self._step_end - self._position).total_seconds()
        wall = self._wall()
        if 0 < self._speed < math.inf:
            self._since = max(self._since + planned_seconds / self._speed, wall - self._catch_up_seconds_max)
        else:
            self._since = wall
        self._position = self._paused_at = self._step_end

    def jump(self, to: datetime) -> None:
        """Skip the time up to `to`, at once."""
        self._position = self._step_end = self._paused_at = to
        self._since = self._wall()

    async def wait_for_step_end(self) -> None:
        """Wait until the wall says that the present step is over; a change of speed counts at once."""
        while not self._released and (remaining := self._remaining_seconds()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(None if remaining == math.inf else remaining):
                    await self._changed.wait()
            except TimeoutError:
                continue
        await asyncio.sleep(0)

    def release(self) -> None:
        """Never wait any more, also when paused."""
        self._released = True
        self._changed.set()

    def _remaining_seconds(self) -> float:
        if self._speed == 0:
            return math.inf
        if self._speed == math.inf:
            return 0.0
        planned_seconds = (self._step_end - self._position).total_seconds()
        return self._since + planned_seconds / self._speed - self._wall()

    def _interpolated(self) -> datetime:
        if self._speed == math.inf:
            return self._position
        if self._speed == 0:
            return self._paused_at
        elapsed = timedelta(seconds=max(0.0, self._wall() - self._since) * self._speed)
        return min(self._step_end, self._position + elapsed)

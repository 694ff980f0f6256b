"""The one desk clock: wall time when live, the simulator's time in simulation and replay.

Owns what "now" means to every decision. Time-outs of the transport (sockets, heartbeats, requests) are not desk time:
they stay with the wall clock of whoever waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from signalbox.messages import NEVER, ClockTick

LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""A tick from there on is nonsense: no time is left to reckon with."""
SPEED_MAX = 1e9
TIMER_SECONDS_MAX = 86_400.0
"""No timer is set further ahead: one that fires early is set again."""


class DeskClock(Protocol):
    """What every clock of the desk can say."""

    def now(self) -> datetime:
        """Desk time in UTC; it never goes back."""
        ...

    def is_stale(self) -> bool:
        """True when the source of time has gone silent: nothing that depends on time may be decided."""
        ...

    def wall_time_of(self, at: datetime) -> datetime:
        """When, by the wall, the desk clock will show `at` if its speed stays as it is."""
        ...

    def desk_time_of(self, wall: datetime) -> datetime:
        """What the desk clock showed at `wall`, a time that has passed, if its speed was what it is."""
        ...


class WallClock:
    """The desk clock of a live desk."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def is_stale(self) -> bool:
        return False

    def wall_time_of(self, at: datetime) -> datetime:
        return at

    def desk_time_of(self, wall: datetime) -> datetime:
        return wall


class FixedClock:
    """A clock that shows `at` until it is told otherwise."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def is_stale(self) -> bool:
        return False

    def wall_time_of(self, at: datetime) -> datetime:
        return at

    def desk_time_of(self, wall: datetime) -> datetime:
        return self.at


class FollowingClock:
    """A clock that follows the simulator's ticks, and runs on at their speed between two of them.

    It runs on for `run_on_seconds_max` of wall time at the most, then stands still; after `silence_seconds_max`
    without a tick it is stale. `monotonic` and `wall` give seconds and UTC time of the machine.
    """

    def __init__(
        self,
        *,
        run_on_seconds_max: float = 0.1,
        silence_seconds_max: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._run_on_seconds_max = run_on_seconds_max
        self._silence_seconds_max = silence_seconds_max
        self._monotonic, self._wall = monotonic, wall
        self._tick_at, self._tick_seen, self._speed = NEVER, -1e18, 0.0
        self._shown = NEVER
        self._looking = threading.Lock()  # a scrape asks from another thread, and time must not go back for that

    def follow(self, tick: ClockTick) -> None:
        """Take one tick. A late one (older than the last) only proves that the source lives; nonsense nothing."""
        if tick.at >= LATEST:
            return
        self._tick_seen = self._monotonic()
        if tick.at >= self._tick_at:
            self._tick_at, self._speed = tick.at, min(max(tick.speed, 0.0), SPEED_MAX)

    def now(self) -> datetime:
        with self._looking:
            run_on_seconds = min(self._monotonic() - self._tick_seen, self._run_on_seconds_max)
            self._shown = max(self._shown, self._tick_at + timedelta(seconds=run_on_seconds * self._speed))
            return self._shown

    def is_stale(self) -> bool:
        return self._monotonic() - self._tick_seen > self._silence_seconds_max

    def wall_time_of(self, at: datetime) -> datetime:
        remaining_seconds = max(0.0, (at - self.now()).total_seconds())
        if self._speed <= 0:
            return self._wall() + timedelta(seconds=1.0)
        return self._wall() + timedelta(seconds=min(remaining_seconds / self._speed, TIMER_SECONDS_MAX))

    def desk_time_of(self, wall: datetime) -> datetime:
        now = self.now()
        passed_seconds = max(0.0, (self._wall() - wall).total_seconds()) * self._speed
        return now - timedelta(seconds=min(passed_seconds, (now - NEVER).total_seconds()))

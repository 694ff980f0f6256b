"""Tells the desk what time it is in the simulation: ClockTicks on `clock.desk`.

Owns the cadence and the honesty of `speed`. It must not know what the world does with its time.
"""

from __future__ import annotations

import asyncio
import math
import time

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.messages import ClockTick

from simulators.world import World

TICK_SECONDS = 0.05


class ClockPublisher:
    """Publishes about 20 ticks a wall second, and one at each change of the clock's pace."""

    def __init__(self, world: World, bus: Bus) -> None:
        self._world, self._bus = world, bus
        self._count = 0
        self._seen_at, self._seen_wall = world.now(), time.monotonic()
        self._measured = 0.0
        world.on_speed(self.publish)

    async def run(self) -> None:
        """Publish until cancelled. Ticks are core NATS: one that is lost is made good by the next."""
        while True:
            await self.publish()
            await asyncio.sleep(TICK_SECONDS)

    async def publish(self) -> None:
        """Publish the present time."""
        self._count += 1
        at = self._world.now()
        tick = ClockTick(id=f"clock/{at.isoformat()}/{self._count}", at=at, speed=self._speed())
        await self._bus.send(subjects.CLOCK, tick)

    def _speed(self) -> float:
        """The speed that followers may run on at: unlimited speed has no number, so it is measured."""
        at, wall = self._world.now(), time.monotonic()
        elapsed = wall - self._seen_wall
        if elapsed >= TICK_SECONDS / 2:
            self._measured = (at - self._seen_at).total_seconds() / elapsed
            self._seen_at, self._seen_wall = at, wall
        speed = self._world.speed
        return self._measured if math.isinf(speed) else speed

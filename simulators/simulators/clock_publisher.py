"""Tells the desk what time it is in the simulation: ClockTicks on `clock.desk`.

Owns the cadence and the honesty of `speed`. It must not know what the world does with its time.
"""

from __future__ import annotations

import asyncio
import math

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
        world.on_speed(self.publish)

    async def run(self) -> None:
        """Publish until cancelled. Ticks are core NATS: one that is lost is made good by the next."""
        while True:
            await self.publish()
            await asyncio.sleep(TICK_SECONDS)

    async def publish(self) -> None:
        """Publish the present time."""
        self._count += 1
        at, speed = self._world.now(), self._world.speed
        # Unlimited speed has no number, and jumps with the machine: followers then keep to the ticks, as at speed 0.
        tick = ClockTick(id=f"clock/{at.isoformat()}/{self._count}", at=at, speed=0.0 if math.isinf(speed) else speed)
        await self._bus.send(subjects.CLOCK, tick)

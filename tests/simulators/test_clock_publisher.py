"""The desk hears the simulator's time over a real NATS server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from signalbox import subjects
from signalbox.bus import Received
from signalbox.messages import ClockTick, decode
from simulators.clock_publisher import ClockPublisher
from simulators.world import UNLIMITED, World, WorldOptions

START = datetime(2024, 1, 3, 14, 30, tzinfo=UTC)


async def test_ticks_follow_the_world_and_tell_each_change_of_speed(nats_server: Any) -> None:
    listener = await nats_server.connect("risk")
    publisher_bus = await nats_server.connect("simulator")
    ticks: asyncio.Queue[ClockTick] = asyncio.Queue()

    async def hear(received: Received) -> None:
        await ticks.put(decode(received.payload, ClockTick))

    await listener.subscribe(subjects.CLOCK, hear)
    world = World(WorldOptions(symbols=("SPY",), start=START, speed=100))
    publisher = ClockPublisher(world, publisher_bus)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(world.run())
        publishing = group.create_task(publisher.run())
        first, second = await ticks.get(), await ticks.get()
        assert START <= first.at <= second.at
        assert first.speed == 100
        assert first.id != second.id
        world.set_speed(UNLIMITED)
        while (tick := await ticks.get()).speed == 100:
            pass
        assert tick.speed == 0
        while (await ticks.get()).at == tick.at:
            pass
        world.set_speed(7)
        while (tick := await ticks.get()).speed == 0:
            pass
        assert tick.speed == 7
        world.pause()
        while (tick := await ticks.get()).speed != 0:
            pass
        assert tick.at == world.now()
        publishing.cancel()
        world.stop()

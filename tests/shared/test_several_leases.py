"""A process that trades several accounts holds a lease on each: it gives all of them back, and speaks of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from signalbox.bus import Bus
from signalbox.lease import OwnLease
from signalbox.process import Runtime
from signalbox.telemetry import Health

WAIT_SECONDS_MAX = 60.0


class Lease:
    """A lease that is had for the asking."""

    epoch = 1

    def __init__(self, on: str, story: list[str]) -> None:
        self.on, self._story, self.held = on, story, True

    async def acquire(self, stand_by: Callable[[str], None]) -> None:
        self._story.append(f"take {self.on}")

    async def keep(self) -> None:
        await asyncio.Event().wait()

    def is_held(self) -> bool:
        return self.held

    def end(self) -> None:
        self._story.append(f"end {self.on}")

    async def give_back(self) -> None:
        self._story.append(f"give back {self.on}")


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.01)


async def test_all_are_given_back_the_first_last() -> None:
    story: list[str] = []
    bus = cast(Bus, SimpleNamespace(connected=True))
    runtime = Runtime(bus, cast(Any, None), cast(Any, None), Health("several"), logging.getLogger("several"))
    first, second = Lease("DU1", story), Lease("DU2", story)
    try:
        await runtime.hold(cast(OwnLease, first))
        await runtime.hold(cast(OwnLease, second))
        second.held = False
        await until(lambda: runtime.health.waiting_for)
        assert "lease on DU2" in runtime.health.waiting_for[0]
        first.held, second.held = False, True
        await until(lambda: runtime.health.waiting_for and runtime.health.waiting_for[0].startswith("lease:"))
        assert len(runtime.health.waiting_for) == 1
    finally:
        for task in runtime._tasks:
            task.cancel()
        await asyncio.gather(*runtime._tasks, return_exceptions=True)
    runtime.end()
    await runtime.give_back()
    assert story == ["take DU1", "take DU2", "end DU1", "end DU2", "give back DU2", "give back DU1"]

"""The link's status, and who is woken by a change of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

from gateway_ibkr.link import Link
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.messages import LinkStatus

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


async def test_a_change_wakes_whoever_waited_for_it_and_nobody_after(held_lease: Any) -> None:
    link = Link(cast(Bus, None), FixedClock(AT), "DU1", held_lease)
    link.become(LinkStatus.RECONCILING)
    waiting = asyncio.create_task(link.changed(5.0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done(), "that change is over: a loop that waits for the next must let others run"
    link.become(LinkStatus.READY)
    async with asyncio.timeout(1):
        await waiting

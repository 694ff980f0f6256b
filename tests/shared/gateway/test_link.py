"""The link's status, and who is woken by a change of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.errors import BusUnavailableError, LeaseLostError
from signalbox.gateway.link import Link
from signalbox.messages import LinkStatus

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


async def test_a_change_wakes_whoever_waited_for_it_and_nobody_after(held_lease: Any) -> None:
    link = Link(cast(Bus, None), FixedClock(AT), "ibkr", "DU1", held_lease)
    link.become(LinkStatus.RECONCILING)
    waiting = asyncio.create_task(link.changed(5.0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done(), "that change is over: a loop that waits for the next must let others run"
    link.become(LinkStatus.READY)
    async with asyncio.timeout(1):
        await waiting


async def test_a_gateway_that_wakes_up_without_the_account_finds_no_deadline_missed(held_lease: Any) -> None:
    """It would reject an order that the present holder has sent."""
    link = Link(cast(Bus, None), FixedClock(AT), "ibkr", "DU1", held_lease)
    link.become(LinkStatus.READY)
    held_lease.held = False
    assert not link.may_send()
    with pytest.raises(LeaseLostError):
        await link.until_ready(AT)
    assert link.told()[0] is LinkStatus.FROZEN
    held_lease.held = True
    assert link.told()[0] is LinkStatus.READY


async def test_who_waits_for_the_link_when_the_process_ends_leaves_the_command_to_the_next_one(held_lease: Any) -> None:
    link = Link(cast(Bus, None), FixedClock(AT), "ibkr", "DU1", held_lease)
    waiting = asyncio.create_task(link.until_ready(AT + timedelta(minutes=1)))
    for _ in range(5):
        await asyncio.sleep(0)
    link.stop()
    with pytest.raises(BusUnavailableError):
        async with asyncio.timeout(1):
            await waiting


class Clock(FixedClock):
    """A desk clock that may be stale."""

    stale = False

    def is_stale(self) -> bool:
        return self.stale


@pytest.mark.parametrize("held", [True, False])
async def test_what_others_may_rely_on_is_told_by_the_holder_of_the_account_only(held_lease: Any, held: bool) -> None:
    """A process that was suspended wakes up READY, and looks at its venue a while later."""
    clock = Clock(AT)
    link = Link(cast(Bus, None), clock, "ibkr", "DU1", held_lease)
    link.become(LinkStatus.READY)
    held_lease.held = held
    assert link.told()[0] is (LinkStatus.READY if held else LinkStatus.FROZEN)
    assert link.may_send() is held
    clock.stale = True
    assert not link.may_send()


class Announced:
    """A bus that keeps the live messages."""

    def __init__(self) -> None:
        self.live: asyncio.Queue[Any] = asyncio.Queue()

    async def send(self, subject: str, message: Any) -> None:
        await self.live.put(message)


@pytest.mark.parametrize("held", [True, False])
async def test_the_heartbeat_of_a_process_without_the_account_does_not_say_ready(held_lease: Any, held: bool) -> None:
    bus = Announced()
    link = Link(cast(Bus, bus), FixedClock(AT), "ibkr", "DU1", held_lease)
    link.become(LinkStatus.READY)
    held_lease.held = held
    announcing = asyncio.create_task(link.announce())
    async with asyncio.timeout(60):
        heartbeat = await bus.live.get()
    announcing.cancel()
    assert heartbeat.status is (LinkStatus.READY if held else LinkStatus.FROZEN)

"""The link's status, and who is woken by a change of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from gateway_ibkr.link import Link
from gateway_ibkr.outbox import Outbox
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.errors import BusUnavailableError, LeaseLostError
from signalbox.messages import LinkStatus, VenueRejected

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


async def test_a_gateway_that_wakes_up_without_the_account_finds_no_deadline_missed(held_lease: Any) -> None:
    """It would reject an order that the present holder has sent."""
    link = Link(cast(Bus, None), FixedClock(AT), "DU1", held_lease)
    link.become(LinkStatus.READY)
    held_lease.held = False
    assert not link.may_send()
    with pytest.raises(LeaseLostError):
        await link.until_ready(AT)
    assert link.told()[0] is LinkStatus.FROZEN
    held_lease.held = True
    assert link.told()[0] is LinkStatus.READY


async def test_who_waits_for_the_link_when_the_process_ends_leaves_the_command_to_the_next_one(held_lease: Any) -> None:
    link = Link(cast(Bus, None), FixedClock(AT), "DU1", held_lease)
    waiting = asyncio.create_task(link.until_ready(AT + timedelta(minutes=1)))
    for _ in range(5):
        await asyncio.sleep(0)
    link.stop()
    with pytest.raises(BusUnavailableError):
        async with asyncio.timeout(1):
            await waiting


async def test_what_waits_to_be_said_when_the_account_is_lost_is_not_said(held_lease: Any) -> None:
    outbox = Outbox(cast(Bus, None), lambda error: None, held_lease)
    report = VenueRejected(
        id="rejected/o-1", at=AT, venue="ibkr", account="DU1", order_id="o-1", code="", reason="too late"
    )
    outbox.put(report)
    held_lease.held = False
    with pytest.raises(LeaseLostError):
        await outbox.run()

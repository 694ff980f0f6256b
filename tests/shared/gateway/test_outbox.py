"""What waits for the bus: in order, within its bound, and said by the holder of the account only."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from signalbox.bus import Bus
from signalbox.errors import BusUnavailableError, LeaseLostError
from signalbox.gateway.outbox import Outbox
from signalbox.messages import VenueRejected

from tests.stream_in_memory import MemoryBus

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
WAIT_SECONDS_MAX = 60.0


def refusal(order_id: str = "o-1") -> VenueRejected:
    return VenueRejected(
        id=f"rejected/{order_id}", at=AT, venue="ibkr", account="DU1", order_id=order_id, code="", reason="too late"
    )


async def test_what_waits_to_be_said_when_the_account_is_lost_is_not_said(held_lease: Any) -> None:
    bus = MemoryBus()
    outbox = Outbox(cast(Bus, bus), "ibkr", lambda error: None, held_lease)
    outbox.put(refusal())
    held_lease.held = False
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(outbox.run(), WAIT_SECONDS_MAX)
    assert bus.stored == []


async def test_what_waits_for_the_bus_has_a_bound(held_lease: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signalbox.gateway.outbox.WAITING_MAX", 2)
    failures: list[Exception] = []
    outbox = Outbox(cast(Bus, MemoryBus()), "ibkr", failures.append, held_lease)
    for number in range(3):
        outbox.put(refusal(f"o-{number}"))
    assert [type(each) for each in failures] == [BusUnavailableError]

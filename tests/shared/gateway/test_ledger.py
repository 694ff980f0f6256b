"""The claim: an order is claimed where nobody has, by one process, under a number that no other order has."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace
from signalbox import subjects
from signalbox.bus import Bus
from signalbox.errors import WrongSequenceError
from signalbox.gateway import ledger
from signalbox.gateway.ledger import Step
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.state import Standing, track

from tests.shared.gateway.orders import AT, VENUE, claim_of, empty_state
from tests.stream_in_memory import MemoryBus

WAIT_SECONDS_MAX = 60.0


async def test_an_order_is_claimed_only_where_nobody_has() -> None:
    bus, state = MemoryBus(), empty_state()
    await bus.publish(subjects.ledger(VENUE, "o-1"), claim_of(5))
    assert await ledger.claim(cast(Bus, bus), state, claim_of(6)) is None
    assert len(bus.stored) == 1
    assert state.orders["o-1"].number == 5, "what the ledger has was read"


async def test_a_claim_that_is_taken_for_anothers_is_not_ours() -> None:
    bus, state = MemoryBus(), empty_state()
    await bus.publish(subjects.ledger(VENUE, "o-1"), claim_of(at=AT - timedelta(seconds=1)))
    assert await ledger.claim(cast(Bus, bus), state, claim_of()) is None


async def test_a_number_that_another_process_has_used_for_another_order_ends_this_one() -> None:
    bus, state = MemoryBus(), empty_state()
    await bus.publish(subjects.ledger(VENUE, "o-2"), claim_of(5, "o-2"))
    with pytest.raises(WrongSequenceError):
        await ledger.claim(cast(Bus, bus), state, claim_of(5))


async def test_a_claim_of_our_own_first_attempt_is_ours() -> None:
    bus, state = MemoryBus(), empty_state()
    await bus.publish(subjects.ledger(VENUE, "o-1"), claim_of())
    assert await ledger.claim(cast(Bus, bus), state, claim_of()) is not None


@pytest.mark.parametrize("by_outbox", [False, True])
async def test_sent_is_written_right_behind_its_claim_or_not_at_all(held_lease: Any, by_outbox: bool) -> None:
    bus = MemoryBus()
    tracked = await ledger.claim(cast(Bus, bus), empty_state(), claim_of())
    assert tracked is not None
    await bus.publish(subjects.ledger(VENUE, "o-1"), replace(ledger.sent(VENUE, tracked, AT), id="another's"))
    outbox = Outbox(cast(Bus, bus), VENUE, lambda error: None, held_lease)
    outbox.put_sent(ledger.sent(VENUE, tracked, AT), tracked.claim_sequence)
    writing = outbox.run() if by_outbox else ledger.record_sent(cast(Bus, bus), VENUE, tracked, AT)
    with pytest.raises(WrongSequenceError):
        await asyncio.wait_for(writing, WAIT_SECONDS_MAX)


@pytest.mark.parametrize("standing", list(Standing))
def test_only_an_order_that_is_nowhere_is_claimed(standing: Standing) -> None:
    state = empty_state()
    assert ledger.step_for(state, "o-1") is Step.CLAIM
    track(state, claim_of(), 1).standing = standing
    assert ledger.step_for(state, "o-1") is (Step.ASK if standing is Standing.CLAIMED else Step.NOTHING)

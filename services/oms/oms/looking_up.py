"""Looks up in TRADE what has left memory, before a message or a stored event that speaks of it is judged.

Owns the reading. What is wanted, and what comes of it, is `oms.recall`. Whoever calls holds the state still.
"""

from __future__ import annotations

import msgspec
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.messages import FundingBooked, OrderEvent, OrderEvents

from oms import metrics
from oms.recall import Wanted, recall_funding, recall_order
from oms.state import Owner, State

TRADE = "TRADE"


async def look_up(bus: Bus, state: State, wanted: Wanted, before_sequence: int | None = None) -> None:
    """Recall what is `wanted`, as it was before `before_sequence` of TRADE (None = as it is)."""
    owners = dict.fromkeys(wanted.owners)
    for place in wanted.places:
        received = await bus.at(TRADE, place)
        if received is None:
            continue
        event = read_event(received.payload)
        if isinstance(event, FundingBooked):
            recall_funding(state, event, place)
        elif event is not None:
            owners[event.venue, event.account, event.order_id] = None
    for owner in owners:
        recall_order(state, owner, await _events(bus, owner, before_sequence))
        metrics.LOOKED_UP.inc()


async def _events(bus: Bus, owner: Owner, before_sequence: int | None) -> list[tuple[int, OrderEvent | None]]:
    events: list[tuple[int, OrderEvent | None]] = []
    async for received in bus.read(TRADE, subjects.order(*owner)):
        if before_sequence is not None and received.sequence >= before_sequence:
            break
        events.append((received.sequence, read_event(received.payload)))
    return events


def read_event(payload: bytes) -> OrderEvent | None:
    """An event of our own; None = it could not be read when it was folded either, and was set aside."""
    try:
        event: OrderEvent = messages.decode(payload, OrderEvents)
    except msgspec.MsgspecError:
        return None
    return event

"""The submission ledger: an order is claimed before it is sent, and written down as sent after.

Owns the protocol that makes a second order impossible. What if the process dies ...
- before the claim is stored: the command comes again and is claimed then;
- between claim and send, or between send and SENT: the command comes again, finds a claim without SENT, and the venue
  is asked; the order is never sent by a second process;
- between SENT and the command's acknowledgement: the command comes again and there is nothing left to do.

A change is claimed in the same way before it is sent, on a subject of its own, and is not sent by a second process: the
venue shows which terms stand.

The claim's id is the account and the order's number, which no process uses twice: so a claim is only ever taken for its
own repetition. Two gateways for one account at once, by mistake or because one had been suspended, would come to the
same number: the server takes the second claim for a repetition of the first, and the one that made it stops. The claim
also holds what the venue will call the order, and the last block that can fill it, where that is known before.
"""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum

from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import WrongSequenceError
from signalbox.gateway.state import (
    AnyState,
    AnyTracked,
    OwnOrder,
    OwnState,
    Standing,
    State,
    Tracked,
    fold_ledger,
    report_id,
    track,
)
from signalbox.messages import (
    Attempt,
    LedgerChangeClaimed,
    LedgerClaimed,
    LedgerEntry,
    LedgerSent,
    ModifyOrder,
    Order,
    SubmitOrder,
)

LEDGER = "LEDGER"


class Step(StrEnum):
    """What to do with a command to submit."""

    CLAIM = "CLAIM"
    ASK = "ASK"
    NOTHING = "NOTHING"


def step_for(state: AnyState, order_id: str) -> Step:
    """Decide by what is written down: only an order that is nowhere may be claimed and sent."""
    if report_id(state.venue, state.account, "rejected", order_id) in state.reported:
        return Step.NOTHING
    tracked = state.orders.get(order_id)
    if tracked is None:
        return Step.CLAIM
    return Step.ASK if tracked.standing is Standing.CLAIMED else Step.NOTHING


def claimed(
    venue: str, command: SubmitOrder, number: int, at: datetime, venue_order_id: str = "", good_til_block: int = 0
) -> LedgerClaimed:
    """The entry that precedes the order."""
    return LedgerClaimed(
        id=_claim_id(venue, command.order, number),
        at=at,
        cause=command.id,
        venue=venue,
        order=command.order,
        attempt_id=str(number),
        venue_order_id=venue_order_id,
        good_til_block=good_til_block,
        attached=command.attached,
    )


def _claim_id(venue: str, order: Order, number: int) -> str:
    return f"ledger/{venue}/{order.account}/claim/{number}"


def sent(venue: str, tracked: AnyTracked, at: datetime) -> LedgerSent:
    """The entry that follows the order."""
    order = tracked.order
    return LedgerSent(
        id=f"ledger/{venue}/{order.order_id}/sent",
        at=at,
        cause=_claim_id(venue, order, tracked.number),
        venue=venue,
        order=order,
        attempt_id=str(tracked.number),
        venue_order_id=tracked.venue_order_id,
    )


async def claim(bus: Bus, state: State[OwnState, OwnOrder], entry: LedgerClaimed) -> Tracked[OwnOrder] | None:
    """Claim the order under a number of its own: one acknowledged publish.

    None = it was claimed before, by whomever; it must not be sent.

    Raises `BusError` when it can not be known: the process ends, and the next one asks the venue; and
    `WrongSequenceError` when another process has used the number: this one knows too little to go on.
    """
    subject = subjects.ledger(state.venue, entry.order.order_id)
    try:
        acknowledged = await bus.publish(subject, entry, expected_last_subject_sequence=0)
    except WrongSequenceError:
        await _reread(bus, state, subject)
        return None
    if acknowledged.duplicate:  # stored by this very call's first attempt, or is it another's?
        last = await bus.last(LEDGER, subject)
        if last is None:
            raise WrongSequenceError(subject, 0)
        if last.payload != messages.encode(entry):
            await _reread(bus, state, subject)
            return None
    return track(state, entry, acknowledged.sequence, time.monotonic())


async def claim_change(
    bus: Bus, state: AnyState, command: ModifyOrder, attempts: tuple[Attempt, ...], at: datetime
) -> bool:
    """Claim a change, and the numbers that it needs.

    False = it was claimed before, by whomever, and must not be sent. Raises as `claim`."""
    subject = subjects.ledger_change(state.venue, command.order_id, command.revision)
    entry = LedgerChangeClaimed(
        id=f"ledger/{state.venue}/{command.order.account}/change/{command.order_id}/{command.revision}",
        at=at,
        cause=command.id,
        venue=state.venue,
        order=command.order,
        revision=command.revision,
        attempts=attempts,
        deadline=command.deadline if attempts else None,
    )
    try:
        acknowledged = await bus.publish(subject, entry, expected_last_subject_sequence=0)
    except WrongSequenceError:
        await _reread(bus, state, subject)
        return False
    if acknowledged.duplicate:  # stored by this very call's first attempt, or is it another's?
        last = await bus.last(LEDGER, subject)
        if last is None or last.payload != messages.encode(entry):
            await _reread(bus, state, subject)
            return False
    fold_ledger(state, entry, acknowledged.sequence)
    return True


async def _reread(bus: Bus, state: AnyState, subject: str) -> None:
    """Take what the ledger has on one order."""
    async for received in bus.read(LEDGER, subject):
        fold_ledger(state, messages.decode(received.payload, LedgerEntry), received.sequence, time.monotonic())


async def record_sent(bus: Bus, venue: str, tracked: AnyTracked, at: datetime) -> None:
    """Write the order down as sent; raises `BusError` when that can not be done."""
    await bus.publish(
        subjects.ledger(venue, tracked.order.order_id),
        sent(venue, tracked, at),
        expected_last_subject_sequence=tracked.claim_sequence,
    )

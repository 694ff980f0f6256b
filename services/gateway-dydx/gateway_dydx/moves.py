"""Sending what a change of an order on the chain needs, one after the other: see `moving`, which says what.

Owns that nothing is sent but while the link is READY and the budget of the chain allows it, and what an answer of the
node means for a version. The first of it is sent by `signalbox.gateway.changing`, which claims it; the rest at each new
block, by whichever process is there then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace
from signalbox.change_support import change_of
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError
from signalbox.gateway.asking import Asking
from signalbox.gateway.link import Link
from signalbox.gateway.venue import Canceled, CancelVerdict, Draft, Outcome, Placed
from signalbox.messages import InstrumentKind, Order
from signalbox.order_terms import IF_TOUCHED

from gateway_dydx import moving
from gateway_dydx.plans import OrderPlan, cancel_plan
from gateway_dydx.sending import Sending
from gateway_dydx.state import State, Tracked, take_number
from gateway_dydx.translate import VENUE
from gateway_dydx.versions import MAY_WORK, Move, Stage, Version

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The longest time without looking, should no block come."""
NO_ROOM = Placed(Outcome.UNSENT, "", "the chain takes no more of this address before another block")
UNSETTLED = "an earlier change of it is still being settled on the chain"


class PlanOf(Protocol):
    """An order's plan again; see `orders.Orders.plan_of`."""

    def __call__(self, tracked: Tracked, terms: Order | None = None, number: int | None = None) -> OrderPlan: ...


class Moves:
    """The changes of one subaccount's orders that are kept on the chain."""

    def __init__(self, state: State, sending: Sending, plan_of: PlanOf) -> None:
        self._state, self._sending, self._plan_of = state, sending, plan_of

    def compose(self, tracked: Tracked, order: Order, kind: InstrumentKind, at: datetime) -> Draft:
        """The numbers that a change needs. Raises `TranslationError` for what can not be changed, or not yet."""
        if not self._plan_of(tracked).is_stateful:
            raise TranslationError(change_of(VENUE, kind, order).sentence)
        if moving.question(tracked):
            raise TranslationError(UNSETTLED)
        self._plan_of(tracked, order)
        new, back = take_number(self._state, at), take_number(self._state, at)
        move = moving.begun(tracked, order, new, back, lambda number: self._identified(tracked, number))
        return Draft(tracked.number, move, attempts=tuple(version.attempt for version in move.versions))

    async def begin(self, tracked: Tracked, draft: Draft) -> Placed:
        """Have the first of it leave, now."""
        move: Move = draft.terms
        left = move.after.quantity - tracked.filled
        if tracked.filled_at_venue > tracked.filled:
            return Placed(Outcome.UNSENT, "", "what it has filled is not wholly known")
        if left <= 0:
            return Placed(Outcome.REFUSED, "", f"{tracked.filled} of it have filled: that leaves nothing of the total")
        moving.claimed(tracked, move)
        takes_profit = tracked.order.reduce_only and tracked.order.order_type in IF_TOUCHED
        no_room = self._sending.no_room(protects=not takes_profit)
        if no_room is not None:
            refused = Placed(Outcome.REFUSED, "", no_room.reason, room_at=no_room.room_at)
            placed = NO_ROOM if no_room.passes else refused
        elif moving.places_first(tracked.order):
            placed = await self.place(tracked, move.new, replace(move.after, quantity=left))
        else:
            placed = _as_placed(await self.cancel(tracked, move.first))
        if placed.outcome in (Outcome.REFUSED, Outcome.UNSENT):
            move.new.stage = Stage.UNSENT
            moving.given_up(tracked)
        return Placed(Outcome.SENT) if placed.outcome is Outcome.ACCEPTED else placed

    async def place(self, tracked: Tracked, version: Version, order: Order) -> Placed:
        """Place a version of the order."""
        move, height = tracked.own.move, self._state.own.height
        assert move is not None
        if self._sending.budget.free_from(height) > height:
            return NO_ROOM
        try:
            plan = self._plan_of(tracked, order, version.number)
        except TranslationError as error:
            return Placed(Outcome.REFUSED, "", str(error))
        version.stage, version.tried_at, version.attempts = Stage.SENT, height, version.attempts + 1
        placed = await self._sending.place(plan, None)
        move.signed_seconds = time.monotonic()
        return placed

    async def cancel(self, tracked: Tracked, version: Version) -> Canceled:
        """Cancel a version of the order."""
        move, height = tracked.own.move, self._state.own.height
        assert move is not None
        try:
            plan = cancel_plan(self._plan_of(tracked, None, version.number), height)
        except TranslationError as error:
            return Canceled(CancelVerdict.REFUSED, "", str(error))
        version.tried_at, tracked.own.cancel_seconds = height, time.monotonic()
        canceled = await self._sending.cancel(plan)
        move.signed_seconds = time.monotonic()
        return canceled

    async def cancel_all(self, tracked: Tracked, move: Move) -> Canceled:
        """Cancel whatever of the order may be on the chain; what the answers mean together."""
        told = [await self.cancel(tracked, each) for each in move.versions if each.stage in MAY_WORK]
        verdicts = {each.verdict for each in told}
        for verdict in (CancelVerdict.UNKNOWN, CancelVerdict.ACCEPTED, CancelVerdict.GONE):
            if verdict in verdicts or (verdict is CancelVerdict.GONE and not told):
                return Canceled(verdict)
        return told[0]

    def _identified(self, tracked: Tracked, number: int) -> str:
        return self._plan_of(tracked, None, number).identity.venue_order_id


class Moving:
    """Goes on with every move at each block."""

    def __init__(self, clock: DeskClock, state: State, link: Link, moves: Moves, asking: Asking) -> None:
        self._clock, self._state, self._link, self._moves, self._asking = clock, state, link, moves, asking
        self._block = asyncio.Event()

    def on_block(self) -> None:
        """The chain has a new height."""
        self._block.set()

    async def run(self) -> None:
        """Go on at each block, for ever."""
        while True:
            self._block.clear()
            for tracked, _ in [*moving.unsettled(self._state)]:
                if self._link.may_send():
                    await self._go_on(tracked)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._block.wait()

    async def _go_on(self, tracked: Tracked) -> None:
        step, order_id = moving.next_step(self._state, tracked, self._clock.now()), tracked.order.order_id
        if step is None:
            return
        if step.order is None:
            canceled = await self._moves.cancel(tracked, step.version)
            self._asking.later(order_id, urgent=canceled.verdict is CancelVerdict.GONE)
            return
        placed = await self._moves.place(tracked, step.version, step.order)
        if placed is NO_ROOM:
            return
        if placed.outcome is Outcome.UNSENT or (placed.again and step.version.attempts < moving.ATTEMPTS_MAX):
            step.version.stage = Stage.UNSENT
        elif placed.outcome is Outcome.REFUSED:
            step.version.stage, step.version.refused = Stage.NEVER, f"{placed.code} {placed.text}".strip()
        self._asking.later(order_id)
        log.info("moving", extra={"order_id": order_id, "outcome": placed.outcome.value, "text": placed.text})


def _as_placed(canceled: Canceled) -> Placed:
    match canceled.verdict:
        case CancelVerdict.REFUSED:
            return Placed(Outcome.REFUSED, canceled.code, canceled.text)
        case CancelVerdict.UNKNOWN:
            return Placed(Outcome.UNKNOWN, canceled.code, canceled.text)
        case _:
            return Placed(Outcome.ACCEPTED)

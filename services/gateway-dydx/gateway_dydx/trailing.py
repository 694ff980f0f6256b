"""Trailing stops on a chain that has none: a stop that stands there, and is moved behind the market.

Owns where such a stop lies, and when it is moved: `moving` says how. The price that it follows is the oracle's, the one
that triggers it. What stands on the chain is the memory of how far the market has come: it survives whoever dies, and
is never moved back.

    looked at each block; moved by at least a tick and `trail_step_fraction` of the price, at most once in
    `trail_interval_seconds`, and only while half of the chain's budget of stateful orders is free for others

One with an activation price stands so far away that nothing triggers it (`trail_prices.placed_at`) until the oracle's
price is there, or beyond: where its stop lies on the chain tells whether it has begun. A price that jumps moves it at
once by all of the jump. While nobody watches it stays where it is: it protects, and does not trail.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from msgspec.structs import replace
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError
from signalbox.gateway import ledger
from signalbox.gateway.asking import Asking
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.link import Link
from signalbox.gateway.state import Standing, end_change, report_id
from signalbox.gateway.venue import Outcome
from signalbox.messages import ModifyOrder
from signalbox.order_terms import TRAILING, is_reached

from gateway_dydx import moving
from gateway_dydx.instruments import Offered
from gateway_dydx.moves import Moves
from gateway_dydx.pacing import BlockBudget
from gateway_dydx.settings import Settings
from gateway_dydx.state import State, Tracked
from gateway_dydx.trail_prices import has_begun, is_nearer, stop_behind
from gateway_dydx.translate import VENUE
from gateway_dydx.versions import FIRST_REVISION

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The longest time without looking, should no block come."""
MOVE_WINDOW = timedelta(seconds=30)
"""After so long (desk time) a move is not sent any more: the next look finds a better one."""


def has_room(budget: BlockBudget, height: int) -> bool:
    """Whether half of what the chain takes of stateful orders is free: what people and exits need goes first."""
    return all(budget.sent_within(blocks, height) < max(1, limit // 2) for blocks, limit in budget.limits)


def may_trail(state: State, tracked: Tracked) -> bool:
    """Whether it stands on the chain, alone and untriggered, and nothing is under way of it."""
    order_id = tracked.order.order_id
    return (
        tracked.order.order_type in TRAILING
        and tracked.standing is Standing.SENT
        and tracked.seen
        and not tracked.done
        and not tracked.in_hand
        and not tracked.cancel_command
        and not tracked.doubt
        and not tracked.own.said_over
        and tracked.change is None
        and tracked.filled_at_venue <= tracked.filled
        and tracked.own.stop_price is not None
        and report_id(state.venue, state.account, "triggered", order_id) not in state.reported
        and not moving.question(tracked)
    )


def revision_of(tracked: Tracked) -> int:
    """The number of its next move."""
    return max(FIRST_REVISION, tracked.last_move.revision if tracked.last_move is not None else 0) + 1


# ----------------------------------------------------------------------------------------------------- when it is moved


class Trailing:
    """Moves the trailing stops of one subaccount."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        state: State,
        link: Link,
        moves: Moves,
        asking: Asking,
        instruments: Instruments[Offered],
        oracle_price: Callable[[str], Decimal | None],
        budget: BlockBudget,
        settings: Settings,
    ) -> None:
        self._bus, self._clock, self._state, self._link = bus, clock, state, link
        self._moves, self._asking, self._instruments = moves, asking, instruments
        self._oracle_price, self._budget, self._settings = oracle_price, budget, settings
        self._block = asyncio.Event()

    def on_block(self) -> None:
        """The chain has a new height."""
        self._block.set()

    async def run(self) -> None:
        """Look at each block, for ever."""
        while True:
            self._block.clear()
            for tracked in [*self._state.orders.values()]:
                stop = self._wanted(tracked)
                if stop is not None and self._link.may_send():
                    await self._move(tracked, stop)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._block.wait()

    def _wanted(self, tracked: Tracked) -> Decimal | None:
        """Where its stop is to be moved; None = it stays."""
        order, own, settings = tracked.order, tracked.own, self._settings
        if order.order_type not in TRAILING or not may_trail(self._state, tracked):
            return None
        offered, price = self._instruments.offered.get(order.symbol), self._oracle_price(order.symbol)
        if offered is None or price is None or own.stop_price is None or order.symbol in self._link.unread:
            return None
        tick = offered.terms.tick_size
        try:
            if not (has_begun(order, own.stop_price, tick) or is_reached(order, order.side, price)):
                return None
            stop = stop_behind(order, price, tick)
        except TranslationError:
            return None
        step = max(offered.terms.tick_size, price * settings.trail_step_fraction)
        is_early = time.monotonic() < own.trailed_seconds + settings.trail_interval_seconds
        if is_early or not is_nearer(order.side, stop, own.stop_price, step):
            return None
        return stop if has_room(self._budget, self._state.own.height) else None

    async def _move(self, tracked: Tracked, stop: Decimal) -> None:
        """Claim a move, and have the first of it leave."""
        order_id, revision, now = tracked.order.order_id, revision_of(tracked), self._clock.now()
        offered = self._instruments.one(tracked.order.symbol)
        command = ModifyOrder(
            id=f"trail/{order_id}/{revision}",
            at=now,
            venue=VENUE,
            account=tracked.order.account,
            order_id=order_id,
            venue_order_id=tracked.venue_order_id,
            order=replace(tracked.order, stop_price=stop),
            revision=revision,
            deadline=now + MOVE_WINDOW,
        )
        try:
            draft = self._moves.compose(tracked, command.order, offered.instrument.kind, now)
        except TranslationError as error:
            log.warning("a trailing stop is not moved", extra={"order_id": order_id, "error": str(error)})
            return
        tracked.own.trailed_seconds = time.monotonic()
        if not await ledger.claim_change(self._bus, self._state, command, draft.attempts, now):
            log.warning("another process has claimed this move", extra={"order_id": order_id})
            return
        change = tracked.change
        if change is None:
            return
        change.in_hand, outcome = True, Outcome.UNSENT
        try:
            # What was seen before the claim is looked at again: from here to the socket nothing waits
            if self._link.may_send() and not moving.is_wanted_no_more(tracked) and self._clock.now() < command.deadline:
                outcome = (await self._moves.begin(tracked, draft)).outcome
        finally:
            change.in_hand = False
        if outcome in (Outcome.UNSENT, Outcome.REFUSED):
            end_change(tracked, revision)
            tracked.own.settled_revision = max(tracked.own.settled_revision, revision)
        self._asking.later(order_id)
        log.info("trailing", extra={"order_id": order_id, "stop": f"{stop:f}", "outcome": outcome.value})

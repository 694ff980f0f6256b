"""Keeping resting orders alive: at each new block those whose end is near are given a later one.

Owns when that is done, and that an order whose own time is over is taken from the market. How far it may go is
`renewal`'s. An order that can not be renewed is left to end, and `reconcile` reports how it did. A change of which
nobody knows whether the chain has taken it is undone: the next version has the terms of before, and the higher block.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from msgspec.structs import replace
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway import reports
from signalbox.gateway.actions import Action
from signalbox.gateway.asking import Asking
from signalbox.gateway.link import Link
from signalbox.gateway.venue import Outcome

from gateway_dydx import metrics
from gateway_dydx.changing import is_unheard, kept_alive
from gateway_dydx.orders import Orders
from gateway_dydx.plans import renewed
from gateway_dydx.reconcile import order_end_of
from gateway_dydx.renewal import is_due, knows_enough, may_be_renewed, renewal
from gateway_dydx.sending import Sending
from gateway_dydx.state import State, Tracked

log = logging.getLogger(__name__)

OWN_TIME = "its own time is over"
UNDONE = "it was not heard whether the chain had taken the change: the order has been put back as it was"
LOOK_SECONDS = 1.0
"""The longest time without looking, should no block come."""


class AtBlocks(Protocol):
    """Who looks at each block, too."""

    def on_block(self) -> None: ...


class Renewing:
    """Renews the resting orders of one subaccount."""

    def __init__(
        self,
        clock: DeskClock,
        state: State,
        link: Link,
        orders: Orders,
        asking: Asking,
        sending: Sending,
        others: tuple[AtBlocks, ...],
        act: Callable[[list[Action]], None],
    ) -> None:
        self._act, self._others = act, others
        self._clock, self._state, self._link = clock, state, link
        self._orders, self._asking, self._sending = orders, asking, sending
        self._block = asyncio.Event()

    def on_block(self) -> None:
        """The chain has a new height."""
        self._block.set()
        for other in self._others:
            other.on_block()

    async def run(self) -> None:
        """Renew what is due at each block, for ever."""
        while True:
            self._block.clear()
            if self._link.may_send():
                await self._end_what_is_over()
                await self._renew_what_is_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._block.wait()

    async def _renew_what_is_due(self) -> None:
        due = [tracked for tracked in self._state.orders.values() if self._is_due(tracked)]
        if not due:
            return
        if not knows_enough(self._state):
            try:
                await self._asking.inquire()  # what has filled since decides how far a renewal may go
            except VenueError as error:
                log.warning("resting orders can not be renewed yet", extra={"error": str(error)})
                return
        # Together: one that waits for its answer in vain must not let the others end
        await asyncio.gather(*(self._renew(tracked) for tracked in due if self._is_due(tracked)))

    def _is_due(self, tracked: Tracked) -> bool:
        return may_be_renewed(tracked) and is_due(tracked, self._state.own.height)

    async def _renew(self, tracked: Tracked) -> None:
        tracked.own.tried_at, change = self._state.own.height, tracked.change
        next_version = renewal(self._state, tracked)
        if next_version is None:
            return
        terms = kept_alive(tracked)
        order = replace(terms, quantity=next_version.quantity)
        try:
            plan = renewed(self._orders.plan_of(tracked, order), next_version.good_til_block)
        except TranslationError as error:
            tracked.own.not_renewed = str(error)
            return
        tracked.own.continues = tracked.own.continues or next_version.quantity < terms.quantity
        tracked.own.good_til_block = plan.good_til_block  # before it goes: from here on some version may live as long
        placed = await self._sending.place(plan, None)
        metrics.RENEWALS.labels(placed.outcome.value.lower()).inc()
        if placed.outcome is Outcome.ACCEPTED:
            tracked.own.works_until = plan.good_til_block
            if (
                change is not None and tracked.change is change and is_unheard(tracked)
            ):  # of a lower block, it is not taken any more, should it still come
                self._act([*reports.not_replaced(self._state, tracked, self._clock.now(), "", UNDONE)])
        else:
            log.warning(
                "a resting order was not renewed",
                extra={
                    "order_id": tracked.order.order_id,
                    "block": plan.good_til_block,
                    "code": placed.code,
                    "text": placed.text,
                },
            )

    async def _end_what_is_over(self) -> None:
        """Cancel orders whose own time is over: their good-til-block may be some seconds away."""
        now = self._clock.now()
        for tracked in [*self._state.orders.values()]:
            end = order_end_of(tracked) if may_be_renewed(tracked) else None
            if end is not None and now >= end:
                tracked.own.not_renewed = OWN_TIME
                with suppress(TranslationError):
                    await self._sending.cancel(self._orders.cancel_plan(tracked))

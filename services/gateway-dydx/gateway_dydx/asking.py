"""Asking the indexer what became of orders, and taking what follows: the shell around `reconcile`.

Owns when the venue is asked, and that an answer is complete: the height first, then the open orders and those asked for
by their own id, then every fill since the last complete answer. Whatever fails gives no answer at all. It must not know
commands (`orders`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from signalbox.clock import DeskClock
from signalbox.errors import VenueError
from signalbox.gateway.actions import Action
from signalbox.gateway.link import Link
from signalbox.metrics import VENUE_RECONCILIATIONS, VENUE_STRANDED_ORDERS
from signalbox.venue_figures import UnresolvedOrders

from gateway_dydx import decide, reconcile
from gateway_dydx.decide import OPEN_STATUSES
from gateway_dydx.facts import OrderSeen
from gateway_dydx.plans import Subaccount
from gateway_dydx.reconcile import Answers
from gateway_dydx.settings import Settings
from gateway_dydx.state import State
from gateway_dydx.translate import VENUE
from gateway_dydx.venue_indexer import IndexerRest

log = logging.getLogger(__name__)

ASK_SECONDS_MAX = 30.0
COMMISSION_ASKS_MAX = 8
IDLE_SECONDS_MAX = 1.0


class Asking:
    """Questions about orders, by order id, and the one set of requests that serves them all."""

    def __init__(
        self,
        clock: DeskClock,
        state: State,
        link: Link,
        rest: IndexerRest,
        failure_of: Callable[[str], Awaitable[tuple[str, str] | None]],
        subaccount: Subaccount,
        settings: Settings,
        act: Callable[[list[Action]], None],
    ) -> None:
        self._clock, self._state, self._link, self._rest = clock, state, link, rest
        self._failure_of = failure_of
        self._subaccount, self._settings, self._act = subaccount, settings, act
        self._due: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._unresolved = UnresolvedOrders(VENUE)
        self.begun = asyncio.Event()
        """It is known from which block on fills are asked for."""

    def later(self, order_id: str, *, urgent: bool = False) -> None:
        """Have the venue asked about an order: at once, or later each time."""
        asked = self._state.orders[order_id].asked
        delay_seconds = 0.0 if urgent else min(self._settings.ask_seconds * 2 ** min(asked, 8), ASK_SECONDS_MAX)
        due = time.monotonic() + delay_seconds
        self._due[order_id] = min(due, self._due.get(order_id, due))
        self._changed.set()

    def look(self) -> None:
        """The indexer has processed another block: orders whose last block that was are asked about."""
        state = self._state
        for order_id, tracked in state.orders.items():
            if order_id not in self._due and decide.question(state, tracked):
                passed = tracked.own.is_short_term and state.own.indexer_height > tracked.own.good_til_block
                self.later(order_id, urgent=passed)

    @property
    def open_questions(self) -> frozenset[str]:
        return frozenset(self._due)

    async def ask_when_due(self) -> None:
        """Ask about orders whose fate is open, for ever; not before the first reconciliation has been begun."""
        await self.begun.wait()
        while True:
            self._show()
            in_seconds = min(self._due.values(), default=time.monotonic() + IDLE_SECONDS_MAX) - time.monotonic()
            if in_seconds > 0 or not any(map(self._stands, self._due_now())):
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.02, min(in_seconds, IDLE_SECONDS_MAX))):
                        await self._changed.wait()
                continue
            try:
                await self.inquire()
            except VenueError as error:
                log.warning("the venue could not be asked", extra={"error": str(error)})
                await self._link.changed(IDLE_SECONDS_MAX)

    def _due_now(self) -> list[str]:
        now = time.monotonic()
        return [order_id for order_id, due in self._due.items() if due <= now]

    def _stands(self, order_id: str) -> bool:
        """Whether a due question still stands; one that does not is dropped."""
        tracked = self._state.orders.get(order_id)
        question = decide.question(self._state, tracked) if tracked is not None else ""
        in_vain = question == "a commission is missing" and tracked is not None and tracked.asked >= COMMISSION_ASKS_MAX
        if question and not in_vain:
            return True
        self._due.pop(order_id, None)
        return False

    async def inquire(self) -> Answers:
        """Ask for everything, and take what follows.

        Raises `VenueError` unless every answer came completely: then nothing follows.
        """
        async with self._one_at_a_time:
            due = self._due_now()
            try:
                answers = await self._answers()
            except VenueError:
                VENUE_RECONCILIATIONS.labels(VENUE, "failed").inc()
                raise
            VENUE_RECONCILIATIONS.labels(VENUE, "answered").inc()
        for order_id in due:
            self._due.pop(order_id, None)
            if order_id in self._state.orders:
                self._state.orders[order_id].asked += 1
        self.take(answers)
        for order_id in answers.asked_about.union(due) & self._state.orders.keys():
            tracked = self._state.orders[order_id]
            if not decide.question(self._state, tracked):
                tracked.asked = 0
            elif order_id not in self._due:
                self.later(order_id)
        return answers

    async def _answers(self) -> Answers:
        state, rest = self._state, self._rest
        address, number = self._subaccount.address, self._subaccount.number
        asked_about = reconcile.outstanding(state)
        from_height = state.own.complete_height
        height = (await rest.height()).height
        state.own.indexer_height = max(state.own.indexer_height, height)
        orders = {order.id: order for order in await rest.orders(address, number, statuses=sorted(OPEN_STATUSES))}
        absent, failed = set(), {}
        for order_id in reconcile.stateful_outstanding(state, asked_about):
            tracked = state.orders[order_id]
            if tracked.venue_order_id in orders:
                continue
            found = await rest.order(tracked.venue_order_id)
            if found is not None:
                orders[found.id] = found
                continue
            absent.add(order_id)
            failure = await self._failure_of(tracked.own.transaction_hash) if tracked.own.transaction_hash else None
            if failure is not None:
                failed[order_id] = failure
        fills = await rest.fills(address, number, after_height=from_height)
        return Answers(
            asked_about=asked_about,
            height=height,
            orders=tuple(orders.values()),
            absent=frozenset(absent),
            failed=failed,
            fills=fills,
            fills_from_height=from_height,
        )

    def take(self, answers: Answers) -> None:
        """Take complete answers."""
        actions = reconcile.reconcile(
            self._state,
            answers,
            self._clock.now(),
            wall_seconds=time.monotonic(),
            sequence_seconds=self._settings.sequence_seconds,
        )
        self._adopt(answers.orders)
        self._act(actions)

    def _adopt(self, orders: tuple[OrderSeen, ...]) -> None:
        """Orders of an earlier process that are found working are watched from now on."""
        for seen in orders:
            tracked = decide.tracked_of(self._state, seen.id)
            block = seen.good_til_block or 0
            if tracked is None or tracked.own.watched or not tracked.own.rests or block <= self._state.own.height:
                continue
            tracked.own.watched, tracked.own.works_until = True, block

    def _show(self) -> None:
        """Set the metrics of what is not known."""
        orders = self._state.orders
        self._unresolved.are([order_id for order_id in self._due if self._is_unresolved(order_id)])
        VENUE_STRANDED_ORDERS.labels(VENUE).set(
            sum(tracked.own.shown and not tracked.done and bool(tracked.doubt) for tracked in orders.values())
        )

    def _is_unresolved(self, order_id: str) -> bool:
        """Whether the venue is being asked what became of an order: not of one that has only just been sent."""
        tracked = self._state.orders.get(order_id)
        if tracked is None or (not tracked.asked and self._due[order_id] > time.monotonic()):
            return False
        return bool(decide.question(self._state, tracked))

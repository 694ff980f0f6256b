"""Asking IBKR what became of orders, and taking what follows: the shell around `reconcile`.

Owns when the venue is asked, and that an answer is complete: open orders, executions, completed orders, each up to its
end marker. Whatever fails gives no answer at all. It must not know commands (`orders`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from signalbox.clock import DeskClock
from signalbox.errors import VenueError
from signalbox.gateway.actions import Action
from signalbox.gateway.link import Link
from signalbox.gateway.state import ZERO
from signalbox.metrics import VENUE_RECONCILIATIONS
from signalbox.venue_figures import UnresolvedOrders

from gateway_ibkr import decide, reconcile
from gateway_ibkr.reconcile import Answers
from gateway_ibkr.settings import Settings
from gateway_ibkr.state import State, forget
from gateway_ibkr.translate import VENUE
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)

ASK_SECONDS_MAX = 60.0
COMMISSION_ASKS_MAX = 5
IDLE_SECONDS_MAX = 1.0
MEMORY = timedelta(days=8)
"""TWS can be set to tell executions of seven days; nothing older comes up again."""

POSITIONS = ""
"""Among the questions, which are order ids: the one about positions."""


class Asking:
    """Questions about orders, by order id, and the one set of requests that serves them all."""

    def __init__(
        self,
        clock: DeskClock,
        state: State,
        link: Link,
        settings: Settings,
        open_session: Callable[[], OrdersSession],
        act: Callable[[list[Action]], None],
    ) -> None:
        self._clock, self._state, self._link, self._settings = clock, state, link, settings
        self._open_session, self._act = open_session, act
        self._due: dict[str, float] = {}
        self._stated: dict[str, Decimal] = {}
        self._changed = asyncio.Event()
        self._unresolved = UnresolvedOrders(VENUE)

    def on_position(self, symbol: str, quantity: Decimal) -> None:
        """Take a stated position; one that our executions do not explain is somebody else's trade, to be asked for."""
        self._stated[symbol] = quantity
        if self._positions_differ():
            self.later(POSITIONS)

    def hold(self, positions: dict[str, Decimal]) -> None:
        """Take complete positions, with which all executions known agree."""
        self._stated, self._state.own.positions = dict(positions), dict(positions)

    def _positions_differ(self) -> bool:
        held = self._state.own.positions
        return any(quantity != held.get(symbol, ZERO) for symbol, quantity in self._stated.items())

    def later(self, order_id: str, *, urgent: bool = False) -> None:
        """Have the venue asked about an order: at once, or later each time."""
        asked = 0 if order_id == POSITIONS else self._state.orders[order_id].asked
        base_seconds = max(self._settings.acknowledge_seconds_max, self._settings.visibility_seconds)
        delay_seconds = 0.0 if urgent else min(base_seconds * 2 ** min(asked, 8), ASK_SECONDS_MAX)
        due = time.monotonic() + delay_seconds
        self._due[order_id] = min(due, self._due.get(order_id, due))
        self._changed.set()

    async def ask_when_due(self) -> None:
        """Ask the venue about orders whose fate is open, for ever. One set of questions serves them all."""
        while True:
            self._unresolved.are([order_id for order_id in self._due if self._is_unresolved(order_id)])
            due_in_seconds = min(self._due.values(), default=time.monotonic() + IDLE_SECONDS_MAX) - time.monotonic()
            if due_in_seconds > 0 or not self._link.may_send() or not any(map(self._stands, self._due_now())):
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.1, min(due_in_seconds, IDLE_SECONDS_MAX))):
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
        if order_id == POSITIONS:
            stands = self._positions_differ()
        else:
            tracked = self._state.orders[order_id]
            question = decide.question(self._state, tracked)
            in_vain = question == "a commission is missing" and tracked.asked >= COMMISSION_ASKS_MAX
            stands = bool(question) and not in_vain and not tracked.in_hand
        if stands:
            return True
        self._due.pop(order_id, None)
        return False

    def _is_unresolved(self, order_id: str) -> bool:
        """Whether the venue is being asked what became of an order: not of one that has only just been sent."""
        tracked = self._state.orders.get(order_id)
        if tracked is None or (not tracked.asked and self._due[order_id] > time.monotonic()):
            return False
        return not tracked.in_hand and bool(decide.question(self._state, tracked))

    async def inquire(self) -> Answers:
        """Ask for open orders, executions and completed orders, in this order; take what follows.

        Raises `VenueError` unless every answer came with its end marker: then nothing follows.
        """
        due = self._due_now()
        try:
            answers = await self._answers(self._open_session())
        except VenueError:
            VENUE_RECONCILIATIONS.labels(VENUE, "failed").inc()
            raise
        VENUE_RECONCILIATIONS.labels(VENUE, "answered").inc()
        for order_id in due:
            self._due.pop(order_id, None)
            if order_id != POSITIONS:
                self._state.orders[order_id].asked += 1
        self._take(answers, self._clock.now())
        if POSITIONS in due and self._positions_differ():
            log.error("positions differ from what the executions explain", extra={"stated": str(self._stated)})
            self.hold(self._state.own.positions | self._stated)
        for order_id in answers.asked_about.union(due) - {POSITIONS}:
            tracked = self._state.orders[order_id]
            question = decide.question(self._state, tracked)
            if not question:
                tracked.asked = 0
            elif order_id not in self._due:
                self.later(order_id)
        return answers

    async def _answers(self, session: OrdersSession) -> Answers:
        asked_about = reconcile.outstanding(self._state)
        open_orders, statuses = await session.open_orders()
        executions, completed = await session.executions(), await session.completed_orders()
        return Answers(
            asked_about=asked_about,
            open_orders=open_orders,
            statuses=statuses,
            executions=executions,
            completed=completed,
        )

    def forget(self) -> None:
        """Drop what is over and too old for the venue to speak of."""
        forget(self._state, self._clock.now() - MEMORY, self._due)

    def _take(self, answers: Answers, at: datetime) -> None:
        self._act(
            reconcile.reconcile(
                self._state,
                answers,
                at,
                wall_seconds=time.monotonic(),
                visibility_seconds=self._settings.visibility_seconds,
            )
        )

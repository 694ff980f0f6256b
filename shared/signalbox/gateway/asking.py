"""Asking a venue what became of orders, and taking what follows.

Owns when the venue is asked: about which orders, how soon, how often, and one set of questions at a time, which serves
them all. Whatever fails gives no answer at all. It must not know commands (`submission`), nor what is asked (a venue's
`asking`).
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import Struct

from signalbox.errors import VenueError
from signalbox.gateway.actions import Action
from signalbox.gateway.link import Link
from signalbox.gateway.reports import COMMISSION_IS_MISSING
from signalbox.gateway.state import AnyState
from signalbox.gateway.venue import Questions
from signalbox.metrics import VENUE_RECONCILIATIONS, VENUE_STRANDED_ORDERS
from signalbox.venue_figures import show_part, unresolved_of

log = logging.getLogger(__name__)

IDLE_SECONDS_MAX = 1.0
RECHECK_SECONDS = 0.1
"""Whether what is due may be asked."""
PAUSE_SECONDS_MIN = 0.02


class Pace(Struct, frozen=True, kw_only=True):
    """How soon and how often a venue is asked about an order: after `ask_seconds`, then twice as long each time."""

    ask_seconds: float
    ask_seconds_max: float
    commission_asks_max: int
    """After so many a missing commission is not asked for any more."""


class Asking:
    """Questions about orders, by order id, or by another key of the venue's."""

    def __init__(
        self, state: AnyState, link: Link, questions: Questions, pace: Pace, act: Callable[[list[Action]], None]
    ) -> None:
        self._state, self._link, self._questions, self._pace, self._act = state, link, questions, pace, act
        self._due: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._unresolved = unresolved_of(state.venue)
        self._counted_seconds = -math.inf

    @property
    def open_questions(self) -> frozenset[str]:
        return frozenset(self._due)

    def later(self, key: str, *, urgent: bool = False) -> None:
        """Have the venue asked about an order: at once, or later each time."""
        tracked = self._state.orders.get(key)
        asked = tracked.asked if tracked is not None else 0
        delay_seconds = min(self._pace.ask_seconds * 2 ** min(asked, 8), self._pace.ask_seconds_max)
        due = time.monotonic() + (0.0 if urgent else delay_seconds)
        self._due[key] = min(due, self._due.get(key, due))
        self._changed.set()

    async def ask_when_due(self) -> None:
        """Ask about orders whose fate is open, for ever."""
        while True:
            self._show()
            due_in_seconds = min(self._due.values(), default=time.monotonic() + IDLE_SECONDS_MAX) - time.monotonic()
            if due_in_seconds <= 0 and not self._questions.may_ask():
                await asyncio.sleep(RECHECK_SECONDS)
            elif due_in_seconds > 0 or not any(map(self._stands, self._due_now())):
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(PAUSE_SECONDS_MIN, min(due_in_seconds, IDLE_SECONDS_MAX))):
                        await self._changed.wait()
            else:
                try:
                    await self.inquire()
                except VenueError as error:
                    log.warning("the venue could not be asked", extra={"error": str(error)})
                    await self._link.changed(IDLE_SECONDS_MAX)

    def _due_now(self) -> list[str]:
        now = time.monotonic()
        return [key for key, due in self._due.items() if due <= now]

    def _question(self, key: str) -> str:
        """What there is to ask; of an order in hand the venue can not know anything yet."""
        tracked = self._state.orders.get(key)
        return "" if tracked is not None and tracked.in_hand else self._questions.question(key, tracked)

    def _stands(self, key: str) -> bool:
        """Whether a due question still stands; one that does not is dropped."""
        question, tracked = self._question(key), self._state.orders.get(key)
        asked = tracked.asked if tracked is not None else 0
        in_vain = question == COMMISSION_IS_MISSING and asked >= self._pace.commission_asks_max
        if question and not in_vain:
            return True
        self._due.pop(key, None)
        return False

    async def inquire(self) -> Any:
        """Ask for everything, take what follows, and return the answers.

        Raises `VenueError` unless every answer came completely: then nothing follows.
        """
        state, venue = self._state, self._state.venue
        async with self._one_at_a_time:
            due = self._due_now()
            try:
                answers = await self._questions.ask()
            except VenueError:
                VENUE_RECONCILIATIONS.labels(venue, "failed").inc()
                raise
            VENUE_RECONCILIATIONS.labels(venue, "answered").inc()
        for key in due:
            self._due.pop(key, None)
            if key in state.orders:
                state.orders[key].asked += 1
        self._act(self._questions.take(answers, due))
        for order_id in answers.asked_about.union(due) & state.orders.keys():
            if not self._question(order_id):
                state.orders[order_id].asked = 0
            elif order_id not in self._due:
                self.later(order_id)
        self._count_stranded()
        return answers

    # -------------------------------------------------------------------------------------------- what is not known

    def _show(self) -> None:
        """Set the metrics of what is not known. All orders are looked at once a second at most: they may be many."""
        self._unresolved.are([key for key in self._due if self._is_unresolved(key)], self._state.account)
        if time.monotonic() - self._counted_seconds >= IDLE_SECONDS_MAX:
            self._count_stranded()

    def _count_stranded(self) -> None:
        self._counted_seconds = time.monotonic()
        stranded = sum(map(self._questions.is_stranded, self._state.orders.values()))
        show_part(VENUE_STRANDED_ORDERS, self._state.venue, self._state.account, stranded)

    def _is_unresolved(self, key: str) -> bool:
        """Whether the venue is being asked what became of an order: not of one that has only just been sent."""
        tracked = self._state.orders.get(key)
        if tracked is None or (not tracked.asked and self._due[key] > time.monotonic()):
            return False
        return bool(self._question(key))

"""What the indexer is asked about orders: its height first, then the open orders and those asked for by their own id,
then every fill since the last complete answer.

Owns that an answer is complete. When it is asked is `signalbox.gateway.asking`'s.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from msgspec.structs import replace
from signalbox.clock import DeskClock
from signalbox.gateway import externals
from signalbox.gateway.actions import Action
from signalbox.gateway.asking import Asking, Pace
from signalbox.gateway.state import outstanding

from gateway_dydx import decide, moving, reconcile, strangers
from gateway_dydx.decide import OPEN_STATUSES
from gateway_dydx.facts import OrderSeen, Unreadable
from gateway_dydx.plans import Subaccount
from gateway_dydx.reconcile import Answers
from gateway_dydx.settings import Settings
from gateway_dydx.state import State, Tracked
from gateway_dydx.venue_indexer import IndexerRest
from gateway_dydx.versions import MAY_WORK


def pace_of(settings: Settings) -> Pace:
    """How soon and how often the indexer is asked about an order."""
    return Pace(ask_seconds=settings.ask_seconds, ask_seconds_max=30.0, commission_asks_max=8)


class Questions:
    """What is asked over REST, and of the node."""

    def __init__(
        self,
        clock: DeskClock,
        state: State,
        rest: IndexerRest,
        failure_of: Callable[[str], Awaitable[tuple[str, str] | None]],
        subaccount: Subaccount,
        settings: Settings,
    ) -> None:
        self._clock, self._state, self._rest, self._failure_of = clock, state, rest, failure_of
        self._subaccount, self._settings = subaccount, settings
        self.begun = False
        """It is known from which block on fills are asked for."""

    def may_ask(self) -> bool:
        return self.begun

    def question(self, key: str, tracked: Tracked | None) -> str:
        if key == externals.QUESTION:
            return strangers.INCOMPLETE if self._state.own.incomplete else externals.question(self._state)
        return decide.question(self._state, tracked) if tracked is not None else ""

    async def ask(self) -> Answers:
        state, rest = self._state, self._rest
        address, number = self._subaccount.address, self._subaccount.number
        moving.resume(state, time.monotonic())
        asked_about, state.own.incomplete = outstanding(state), False
        moves = [
            (tracked, version)
            for tracked, move in moving.unsettled(state)
            for version in move.versions
            if version.stage in MAY_WORK
        ]
        from_height = state.own.complete_height
        height = (await rest.height()).height
        state.own.indexer_height = max(state.own.indexer_height, height)
        unreadable: list[Unreadable] = []
        opened = await rest.orders(address, number, statuses=sorted(OPEN_STATUSES), unreadable=unreadable)
        orders = {order.id: order for order in opened}
        absent, failed = set[str](), dict[str, tuple[str, str]]()
        for order_id in reconcile.stateful_outstanding(state, asked_about):
            tracked = state.orders[order_id]
            about = (tracked.venue_order_id, tracked.order.symbol, tracked.own.transaction_hash)
            if tracked.own.move is None and not await self._is_there(about, orders, unreadable, failed, order_id):
                absent.add(order_id)
        absent_versions, failed_versions = set[str](), dict[str, tuple[str, str]]()
        for tracked, version in moves:
            key = version.venue_order_id
            about = (key, tracked.order.symbol, version.transaction_hash)
            if not await self._is_there(about, orders, unreadable, failed_versions, key):
                absent_versions.add(key)
        fills = await rest.fills(address, number, after_height=from_height, unreadable=unreadable)
        return Answers(
            asked_about=asked_about,
            height=height,
            orders=tuple(orders.values()),
            absent=frozenset(absent),
            failed=failed,
            absent_versions=frozenset(absent_versions),
            failed_versions=failed_versions,
            fills=fills,
            fills_from_height=from_height,
            unreadable=tuple(unreadable),
        )

    async def _is_there(
        self,
        about: tuple[str, str, str],
        orders: dict[str, OrderSeen],
        unreadable: list[Unreadable],
        failed: dict[str, tuple[str, str]],
        key: str,
    ) -> bool:
        """Ask for one order by the venue's id; where it is not, why its transaction failed, if it did."""
        venue_order_id, symbol, transaction_hash = about
        if venue_order_id in orders:
            return True
        nonsense: list[Unreadable] = []
        found = await self._rest.order(venue_order_id, nonsense)
        if nonsense:
            unreadable += [replace(row, symbol=symbol) for row in nonsense]
            return True
        if found is not None:
            orders[found.id] = found
            return True
        failure = await self._failure_of(transaction_hash) if transaction_hash else None
        if failure is not None:
            failed[key] = failure
        return False

    def take(self, answers: Answers, due: list[str]) -> list[Action]:
        actions = reconcile.reconcile(
            self._state,
            answers,
            self._clock.now(),
            wall_seconds=time.monotonic(),
            sequence_seconds=self._settings.sequence_seconds,
        )
        self._adopt(answers.orders)
        return actions

    def _adopt(self, orders: tuple[OrderSeen, ...]) -> None:
        """Orders of an earlier process that are found working are watched from now on."""
        for seen in orders:
            tracked = decide.tracked_of(self._state, seen.id)
            block = seen.good_til_block or 0
            if tracked is None or tracked.own.watched or not tracked.own.rests or block <= self._state.own.height:
                continue
            tracked.own.watched, tracked.own.works_until = True, block

    def is_stranded(self, tracked: Tracked) -> bool:
        return tracked.own.shown and not tracked.done and bool(tracked.doubt)


def look(asking: Asking, state: State) -> None:
    """The indexer has processed another block: orders whose last block that was are asked about."""
    if strangers.look(state):
        asking.later(externals.QUESTION, urgent=True)
    open_questions = asking.open_questions
    for order_id, tracked in state.orders.items():
        if order_id not in open_questions and decide.question(state, tracked):
            passed = tracked.own.is_short_term and state.own.indexer_height > tracked.own.good_til_block
            asking.later(order_id, urgent=passed)

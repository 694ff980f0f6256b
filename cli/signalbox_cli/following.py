"""What `--follow` waits for: the end of one order, or of all that a cancel of many was for, or what
becomes of a change.

Owns which order events concern whoever follows, and when there is nothing left to wait for. It must not know how they
are shown, nor the bus.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from signalbox.messages import (
    FINAL_STATUSES,
    Decision,
    FlattenEnded,
    IntentApproved,
    OrderEvents,
    OrderIntent,
    OrderPendingCancel,
    OrderPendingReplace,
    OrderReplaced,
    OrderReplaceRejected,
    OrderStatus,
)

QUIET_SECONDS_MAX = 5.0
"""Of orders that a cancel of many was approved for some end by themselves meanwhile, and are never asked: after so long
without another one that is, no more are expected."""

Owner = tuple[str, str, str]
"""(venue, account, order id): whose event it is."""


class Followed(Protocol):
    """`begin` with the decision, `take` every order event, `wait` for the end."""

    def begin(self, decision: Decision) -> None: ...

    def take(self, event: OrderEvents) -> bool:
        """Whether the event concerns who follows."""
        ...

    def take_end(self, ended: FlattenEnded) -> None:
        """Hear how a flatten has ended, whose ever it was."""
        ...

    async def wait(self) -> str:
        """Return when all is over, with a last word, if there is one."""
        ...


class OneOrder:
    """The order of this id."""

    def __init__(self, order_id: str) -> None:
        self._order_id, self._over = order_id, asyncio.Event()

    def begin(self, decision: Decision) -> None:
        pass

    def take(self, event: OrderEvents) -> bool:
        if event.order_id != self._order_id:
            return False
        if event.status in FINAL_STATUSES and event.status is not OrderStatus.DENIED:
            self._over.set()
        return True

    def take_end(self, ended: FlattenEnded) -> None:
        pass  # no order's end

    async def wait(self) -> str:
        await self._over.wait()
        return ""


class OneChange:
    """What becomes of a change of the order of this id: made, not made, or the order has ended before."""

    def __init__(self, order_id: str) -> None:
        self._order_id, self._over = order_id, asyncio.Event()
        self._decision_id, self._revision = "", 0

    def begin(self, decision: Decision) -> None:
        self._decision_id = decision.id

    def take(self, event: OrderEvents) -> bool:
        if event.order_id != self._order_id:
            return False
        if isinstance(event, OrderPendingReplace) and event.cause == self._decision_id:
            self._revision = event.revision
        is_answer = isinstance(event, OrderReplaced | OrderReplaceRejected) and (
            event.revision == self._revision if event.revision else event.cause == self._decision_id
        )
        if is_answer or event.status in FINAL_STATUSES:
            self._over.set()
        return True

    def take_end(self, ended: FlattenEnded) -> None:
        pass  # no change's answer

    async def wait(self) -> str:
        await self._over.wait()
        return ""


class Parts:
    """The orders of a group's accounts that a decision is about, each followed as one is."""

    def __init__(self, follow: Callable[[str], Followed] = OneOrder) -> None:
        self._follow = follow
        self._each: list[Followed] = []

    def begin(self, decision: Decision) -> None:
        for order_id in order_ids(decision):
            one = self._follow(order_id)
            one.begin(decision)
            self._each.append(one)

    def take(self, event: OrderEvents) -> bool:
        return any([each.take(event) for each in self._each])

    def take_end(self, ended: FlattenEnded) -> None:
        pass  # no order's end

    async def wait(self) -> str:
        for each in self._each:
            await each.wait()
        return ""


def order_ids(decision: Decision) -> tuple[str, ...]:
    """The orders that a decision on an intent about a group is about, account by account."""
    parts = decision.parts if isinstance(decision, IntentApproved) else ()
    return tuple([part.intent.id if isinstance(part.intent, OrderIntent) else part.intent.order_id for part in parts])


class OneList:
    """All orders of a list: it is over when its entry has ended, and all that followed from it."""

    def __init__(self, list_id: str) -> None:
        self._list_id, self._over = list_id, asyncio.Event()
        self._statuses: dict[str, OrderStatus] = {}

    def begin(self, decision: Decision) -> None:
        pass

    def take(self, event: OrderEvents) -> bool:
        if event.order_id == self._list_id:
            return True
        if not event.order_id.startswith(f"{self._list_id}."):
            return False
        self._statuses[event.order_id] = event.status
        # What has filled is followed by orders: of an entry that has, there are others
        followed = len(self._statuses) > 1 or OrderStatus.FILLED not in self._statuses.values()
        if followed and all(status in FINAL_STATUSES for status in self._statuses.values()):
            self._over.set()
        else:
            self._over.clear()
        return True

    def take_end(self, ended: FlattenEnded) -> None:
        pass  # no list's end

    async def wait(self) -> str:
        await self._over.wait()
        return ""


class ManyOrders:
    """All that one decision has asked to cancel."""

    def __init__(self, quiet_seconds_max: float = QUIET_SECONDS_MAX) -> None:
        self._quiet_seconds_max = quiet_seconds_max
        self._decision_id, self._expected = "", 0
        self._statuses: dict[Owner, OrderStatus] = {}
        self._news = asyncio.Event()

    def begin(self, decision: Decision) -> None:
        self._decision_id, self._expected = decision.id, covered_orders(decision)

    def take(self, event: OrderEvents) -> bool:
        owner = (event.venue, event.account, event.order_id)
        is_asked = isinstance(event, OrderPendingCancel) and event.cause == self._decision_id
        if not is_asked and owner not in self._statuses:
            return False
        self._statuses[owner] = event.status
        self._news.set()
        return True

    def take_end(self, ended: FlattenEnded) -> None:
        pass  # no order's end

    async def wait(self) -> str:
        while (works := self._works()) or len(self._statuses) < self._expected:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), None if works else self._quiet_seconds_max)
            except TimeoutError:
                break
        return self._last_word()

    def _works(self) -> bool:
        return any(status not in FINAL_STATUSES for status in self._statuses.values())

    def _last_word(self) -> str:
        ended = Counter(self._statuses.values())
        told = ", ".join(f"{count} {status}" for status, count in sorted(ended.items()))
        missing = self._expected - len(self._statuses)
        if missing > 0:
            told += f"{', ' if told else ''}{missing} not asked: ended before, or the OMS is not there to ask"
        return told


def covered_orders(decision: Decision) -> int:
    """How many orders a cancel of many was approved for."""
    basis = decision.basis if isinstance(decision, IntentApproved) else None
    return basis.covered_orders if basis is not None else 0


def orders_in_words(count: int) -> str:
    """`3 orders`, and of none that there is nothing to do."""
    return f"{count} order{'s' if count != 1 else ''}" if count else "no order: none works that has all that is named"

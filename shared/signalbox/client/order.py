"""One order of a program's, followed to its end: by its events, and by the record where one of them did not come."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalbox.client.record import decimal, sql_text
from signalbox.messages import FINAL_STATUSES, IntentApproved, OrderEvents, OrderIntent, OrderStatus

if TYPE_CHECKING:
    from signalbox.client.desk import Desk

LOOK_SECONDS = 1.0
"""An event may be lost with a connection: after so long without one the record is asked."""
FIGURES = """
SELECT o.status, o.quantity, o.filled_quantity, o.reason,
       (SELECT sum(f.quantity::DOUBLE * f.price::DOUBLE) / sum(f.quantity::DOUBLE) FROM fills f
        WHERE f.venue = o.venue AND f.order_id = o.order_id) AS average_price
FROM orders o WHERE o.venue = {venue} AND o.order_id = {order_id}
"""

_NOT_YET = (None, OrderStatus.PENDING_NEW)


class NotFilledError(Exception):
    """The order has ended, and not all of it has filled: `order` says how much has, and why it ended."""

    def __init__(self, order: Order) -> None:
        self.order = order
        reason = f": {order.reason}" if order.reason else ""
        super().__init__(f"order {order.id} is {order.status}, {order.filled_quantity} of it filled{reason}")


class Order:
    """An order that risk has let through. The figures are the record's, `status` is the last that was heard."""

    def __init__(self, desk: Desk, decision: IntentApproved, placed: OrderIntent | None = None) -> None:
        """`placed` is the one that is meant, of several."""
        self._desk, self.decision = desk, decision
        placed = placed or decision.placed
        self.id, self.venue = placed.id if placed is not None else decision.order_id, decision.intent.venue
        self.account = placed.account if placed is not None else decision.intent.account
        self.status: OrderStatus | None = None
        self.quantity: Decimal | None = placed.quantity if placed is not None else None
        self.filled_quantity = Decimal(0)
        self.average_price: Decimal | None = None
        """Of what has filled, rounded as a quotient is; None = nothing has."""
        self.reason = ""
        self._news = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether it can not trade any more."""
        return self.status in FINAL_STATUSES

    def take(self, event: OrderEvents) -> None:
        """Hear one of its events."""
        if not self.is_over:
            self.status = event.status
        self._news.set()

    async def done(self, seconds_max: float | None = None) -> Order:
        """Wait until it can not trade any more and the record has how it ended; raises `TimeoutError`."""
        async with asyncio.timeout(seconds_max):
            while True:
                self._news.clear()
                if self.is_over or not await self._hears():
                    await self.look()
                    if self._ended_in_the_record:
                        return self
                    await self._hears()

    async def working(self, seconds_max: float | None = None) -> Order:
        """Wait until the venue has taken it, and it can be changed, or until it has ended; raises `TimeoutError`."""
        async with asyncio.timeout(seconds_max):
            while self.status in _NOT_YET:
                self._news.clear()
                if not await self._hears():
                    await self.look()
        return self

    async def filled(self, seconds_max: float | None = None) -> Order:
        """Wait until all of it has filled; raises `NotFilledError` when it ends otherwise, and `TimeoutError`.

        What the desk is asked from then on (`positions`, `fills`) has it.
        """
        await self.done(seconds_max)
        if self.status is not OrderStatus.FILLED:
            raise NotFilledError(self)
        return self

    async def cancel(self) -> None:
        """Ask that it be cancelled; `done` says when it is, and what has filled before."""
        await self._desk.cancel(self.id, venue=self.venue, account=self.account)

    async def modify(self, **terms: Any) -> None:
        """Ask for other terms: `quantity`, `limit`, `stop`."""
        await self._desk.modify(self.id, venue=self.venue, account=self.account, **terms)

    async def look(self) -> None:
        """Take the figures that the record has."""
        self._ended_in_the_record = False
        question = FIGURES.format(venue=sql_text(self.venue), order_id=sql_text(self.id))
        for row in await self._desk.query(question):
            self.status, self.reason = OrderStatus(row["status"]), row["reason"] or ""
            self.quantity = decimal(row["quantity"])
            self.filled_quantity = decimal(row["filled_quantity"]) or Decimal(0)
            self.average_price = decimal(row["average_price"])
            self._ended_in_the_record = self.is_over

    _ended_in_the_record = False

    async def _hears(self) -> bool:
        """Whether an event came within the wait."""
        try:
            await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)
        except TimeoutError:
            return False
        return True

    def __repr__(self) -> str:
        return f"<order {self.id}: {self.status}, {self.filled_quantity} of {self.quantity} filled>"

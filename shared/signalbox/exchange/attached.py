"""Orders that are attached to another one, as IBKR's children are to their parent: they wait until that fills.

Owns which wait for which, and for how much one begins to work. The first fill of the parent has all of its children
work; for their whole quantity, or, where `in_parts`, for what the parent has filled, more with each fill: people report
both. A parent that ends unfilled takes them with it. It must not know how an order is matched or told.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec.structs import replace

from signalbox.exchange.orders import DONE, OrderTerms, VenueOrder, VenueOrderStatus

PARENT_IS_OVER = "the order that it was attached to is over"
NO_PARENT = "there is no order to attach it to"


class Children:
    """Who waits for whom, over a venue's orders, which their owner keeps."""

    def __init__(self, orders: Mapping[int, VenueOrder]) -> None:
        self.in_parts = False
        self._orders = orders
        self._of: dict[int, list[int]] = {}
        self._wanted: dict[int, Decimal] = {}
        """Of those that work in parts: for how much each was placed."""
        self._waiting: list[int] = []
        for order in orders.values():
            self.note(order)

    def note(self, order: VenueOrder) -> None:
        """Take a new order in."""
        if order.terms.parent_number:
            self._of.setdefault(order.terms.parent_number, []).append(order.number)
        if order.status is VenueOrderStatus.HELD:
            self._waiting.append(order.number)

    def of(self, number: int) -> list[VenueOrder]:
        """Those of an order that have not ended."""
        found = (self._orders[child] for child in self._of.get(number, ()))
        return [child for child in found if child.status not in DONE]

    def waiting(self) -> list[VenueOrder]:
        """Those that do not work yet."""
        found = [self._orders[number] for number in self._waiting]
        held = [child for child in found if child.status is VenueOrderStatus.HELD]
        self._waiting = [child.number for child in held]
        return held

    def objection(self, terms: OrderTerms) -> str:
        """Why there is nothing to attach an order to; "" = there is, or it is not attached."""
        if not terms.parent_number:
            return ""
        parent = self._orders.get(terms.parent_number)
        if parent is None:
            return NO_PARENT
        return PARENT_IS_OVER if parent.status in DONE and not parent.filled else ""

    def waits(self, terms: OrderTerms) -> bool:
        """Whether an order does not work yet."""
        return bool(terms.parent_number) and not self._orders[terms.parent_number].filled

    def begun(self, order: VenueOrder) -> VenueOrder:
        """An order as it begins to work."""
        parent = self._orders.get(order.terms.parent_number)
        if parent is None or not self.in_parts:
            return replace(order, status=VenueOrderStatus.WORKING)
        self._wanted[order.number] = order.terms.quantity
        part = min(order.terms.quantity, parent.filled)
        return replace(order, status=VenueOrderStatus.WORKING, terms=replace(order.terms, quantity=part))

    def grown(self, child: VenueOrder, quantity: Decimal) -> OrderTerms | None:
        """What one that works in parts is after so much more of its parent has filled; None = as before."""
        wanted = self._wanted.get(child.number, Decimal(0))
        total = min(child.terms.quantity + quantity, wanted)
        return replace(child.terms, quantity=total) if total > child.terms.quantity else None

    def changed(self, child: VenueOrder, terms: OrderTerms) -> OrderTerms:
        """New terms of one that works: in parts no more of it than its parent has filled."""
        if child.number not in self._wanted:
            return terms
        self._wanted[child.number] = terms.quantity
        part = min(terms.quantity, self._orders[child.terms.parent_number].filled)
        return replace(terms, quantity=part)

"""Orders that cancel or reduce each other, as IBKR's OCA groups do: what a fill, or an end, makes of the others.

Pure. Type 1 cancels the others, 2 and 3 reduce them in proportion, down to whole units. With block (1, 2) one order of
a group trades at a time: what it fills is taken from the others before they may trade. Without (3) that is done once
all have been matched, so that two may fill in a race. A client's cancel of one takes the others as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from msgspec.structs import replace

from signalbox.exchange.orders import DONE, Canceled, Filled, Modified, VenueOrder, VenueOrderEvent

CANCELS, REDUCES_WITHOUT_BLOCK = 1, 3
OCA_TYPES = frozenset({1, 2, 3})
WHY = "another order of its OCA group"


def others(order: VenueOrder, orders: Iterable[VenueOrder]) -> list[VenueOrder]:
    """The other orders of its group that work."""
    terms = order.terms
    if not terms.oca_group:
        return []
    return [
        each
        for each in orders
        if each.number != order.number
        and each.status not in DONE
        and (each.terms.account, each.terms.oca_group) == (terms.account, terms.oca_group)
    ]


def after_fill(filled: Filled, by: VenueOrder, other: VenueOrder) -> VenueOrderEvent:
    """What a fill of `by` does to another order of its group."""
    canceled = Canceled(number=other.number, at=filled.at, reason=f"{WHY} has filled")
    if by.terms.oca_type == CANCELS:
        return canceled
    before = filled.leaves + filled.quantity
    left = (other.leaves * filled.leaves / before).quantize(Decimal(1), ROUND_DOWN)
    if left <= 0:
        return canceled
    return Modified(number=other.number, at=filled.at, terms=replace(other.terms, quantity=other.filled + left))

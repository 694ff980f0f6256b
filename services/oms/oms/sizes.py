"""What the orders of a list say of their size: what their group is for, and who has resized them.

It must not know lists as they stand, nor what follows.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from oms.positions import ZERO, add
from oms.state import ListState, OrderState, State

OWN = "list/"
"""How the causes of cancels and changes begin that the OMS itself has asked for."""
EXIT_WINDOW = timedelta(hours=12)
"""How long a gateway that is away may take an exit: what protects is worth sending late, unlike an entry."""


def given_of(order: OrderState) -> Decimal:
    """What its group was for when it was sent, or is for by a change of it that is made or under way."""
    terms = [order.order, order.change.order if order.change is not None else None]
    return max(each.part.quantity for each in terms if each is not None and each.part is not None)


def is_resized_by_us(order: OrderState) -> bool:
    """Whether the OMS has ever asked for another size of the order."""
    return any(cause.startswith(OWN) and cause not in order.cancel_causes for cause in order.command_causes)


def is_changed(order: OrderState) -> bool:
    """Whether anybody has ever asked for other terms of the order: then the venue may have the size that was asked."""
    return any(cause not in order.cancel_causes for cause in order.command_causes)


def others_filled(state: State, known: ListState, group: int, key: str = "") -> Decimal:
    """What the orders of a group have filled, but the one with that key."""
    total = ZERO
    for each in known.orders:
        terms = state.orders[each].order
        if each != key and terms is not None and terms.part is not None and terms.part.group == group:
            total = add(total, state.orders[each].filled_quantity)
    return total

"""What the orders of a list say of their size: what their group is for, and who has resized them.

It must not know lists as they stand, nor what follows.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from oms.state import OrderState

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

"""What the others of an order's group have filled, as far as this gateway knows: what was sized before is not sent.

A stop and a target of one group are for the same quantity. One that comes to the venue when the other has filled is
for what is not held any more: where the venue keeps the group, it takes nothing from what comes after a fill. So an
order, or a change of one, says what the others had filled when it was given its quantity (`ListPart.others_filled`),
and is looked at here with the last look before the socket. Pure; it must not know who sizes it, nor the venue's words.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.gateway.state import ZERO, AnyState
from signalbox.messages import Order


def filled_by_others(state: AnyState, order: Order) -> Decimal:
    """What the other orders of its group have filled."""
    names = state.orders_by_group.get(order.part.group_id, ()) if order.part is not None else ()
    others = (state.orders[name] for name in names if name != order.order_id)
    return sum((other.filled for other in others), ZERO)


def why_outdated(state: AnyState, order: Order) -> str:
    """Why the order is not sent as it is, nor an order changed to it; "" = nothing has filled that it does not know."""
    known = order.part.others_filled if order.part is not None else None
    if known is None:
        return ""
    filled = filled_by_others(state, order)
    if filled <= known:
        return ""
    return (
        f"others of its group have filled {filled:f}, and its quantity was reckoned when they had filled {known:f}: "
        "it is not sent, and what is left is to be sized anew"
    )

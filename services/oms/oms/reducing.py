"""Whether an order only reduces what is held, or protects it: of a halted desk its gateway sends no other.

Owns that question over `oms.state`, pure. Risk has asked a stricter one of every order that was approved while the desk
was not ACTIVE (with all that works on its side); this one is of the order alone.
"""

from __future__ import annotations

from signalbox.messages import Order, Side
from signalbox.order_lists import WITH_ENTRY

from oms.protection import held_quantity
from oms.state import State


def reduces(state: State, order: Order) -> bool:
    """Whether it is an exit of a list that had an entry, reduce-only, or no more than is held on the other side."""
    if order.reduce_only or _is_exit(state, order):
        return True
    held = held_quantity(state, (order.venue, order.account, order.symbol))
    return order.quantity <= (held if order.side is Side.SELL else -held)


def _is_exit(state: State, order: Order) -> bool:
    part = order.part
    known = state.lists.get(part.list_id) if part is not None and part.group else None
    return known is not None and known.intent.contingency in WITH_ENTRY

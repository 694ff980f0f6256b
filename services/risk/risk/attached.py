"""Orders of lists that depend on each other, as they fill: a part of `risk.evolve`.

Owns how much a group may still fill. What was sent with its entry, attached to it, works only when that fills: until
then it counts for nothing, and from then on for what the entry has filled. Of several such groups each counts so, up to
what it is for in all: the venue may work each of them whole before the OMS has given them their parts. It must not know
how a group is counted.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import ListPart

from risk.exposure import count_group, holding_of, revalue
from risk.state import ZERO, AccountBooks, Group, RiskState, WorkingOrder


def group_of(state: RiskState, part: ListPart) -> str:
    """The group that an order is counted in, which begins here if there is none; "" = it is counted by itself."""
    is_attached = bool(part.attached_to)
    if part.contingency is None and not is_attached and part.group_id not in state.groups:
        return ""
    begins = Group(ZERO, True, part.quantity) if is_attached else Group(part.quantity)
    state.groups.setdefault(part.group_id, begins)
    return part.group_id


def follow_fill(state: RiskState, books: AccountBooks, order: WorkingOrder, quantity: Decimal) -> None:
    """An order has filled so much more: what one of a group fills no other does, and what its entry fills it may."""
    group = state.groups.get(order.group_id)
    if group is not None:
        _count(state, books, order, group, -quantity)
    if not order.list_id or order.group_id:
        return
    waiting = {state.orders[key].group_id: None for key in sorted(state.lists.get(order.list_id, ()))}
    for name in waiting:
        group = state.groups.get(name)
        if group is not None and group.is_attached:
            before = min(group.entered, group.given)
            group.entered += quantity
            _count(state, books, order, group, min(group.entered, group.given) - before)


def _count(state: RiskState, books: AccountBooks, order: WorkingOrder, group: Group, more: Decimal) -> None:
    group.left += more
    holding = holding_of(state, books, order.venue, order.symbol)
    count_group(holding, group)
    revalue(books, order.symbol, holding)

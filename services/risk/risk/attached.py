"""Orders of lists that depend on each other, as they fill: a part of `risk.evolve`.

Owns how much a group may still fill. What was sent with its entry, attached to it, works only when that fills: until
then it counts for nothing, and from then on for what the entry has filled. It must not know how a group is counted.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import ListPart

from risk.exposure import count_group, holding_of, revalue
from risk.state import ZERO, AccountBooks, Group, RiskState, WorkingOrder

ATTACHED = 1
"""The group of what was sent with its entry: the first of its list (`oms.attaching`)."""


def group_of(state: RiskState, part: ListPart) -> str:
    """The group that an order is counted in, which begins here if there is none; "" = it is counted by itself."""
    is_attached = bool(part.attached_to)
    if part.contingency is None and not is_attached and part.group_id not in state.groups:
        return ""
    state.groups.setdefault(part.group_id, Group(ZERO if is_attached else part.quantity, is_attached))
    return part.group_id


def follow_fill(state: RiskState, books: AccountBooks, order: WorkingOrder, quantity: Decimal) -> None:
    """An order has filled so much more: what one of a group fills no other does, and what its entry fills it may."""
    group = state.groups.get(order.group_id)
    if group is not None:
        _count(state, books, order, group, -quantity)
    waiting = state.groups.get(f"{order.list_id}.{ATTACHED}") if order.list_id and not order.group_id else None
    if waiting is not None and waiting.is_attached:
        _count(state, books, order, waiting, quantity)


def _count(state: RiskState, books: AccountBooks, order: WorkingOrder, group: Group, more: Decimal) -> None:
    group.left += more
    holding = holding_of(state, books, order.venue, order.symbol)
    count_group(holding, group)
    revalue(books, order.symbol, holding)

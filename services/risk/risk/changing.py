"""Folds what is said of changes of working orders: let through, asked for, made, not made.

Owns which terms of an order count. While a change is open either may stand at the venue, and the larger of the two
counts, once (`WorkingOrder.worst_quantity`, `worst_value`). It decides nothing; `risk.evolve` calls it.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import structs
from signalbox.messages import (
    IntentApproved,
    ModifyIntent,
    Order,
    OrderIntent,
    OrderPendingReplace,
    OrderReplaced,
    OrderReplaceRejected,
)
from signalbox.order_terms import CHANGEABLE, as_wanted

from risk.exposure import alter
from risk.prices import worst_price
from risk.state import ZERO, AccountBooks, OpenChange, RiskState, WorkingOrder, order_key

_TRAIL = ("order_type", "trail_amount", "trail_percent")
"""A stop of a list may be made one that trails, by the OMS."""
_TERMS = tuple(name for name in OrderIntent.__struct_fields__ if name in Order.__struct_fields__)


def terms_of(order: Order) -> OrderIntent:
    """An exit as if somebody had asked for it: its price may be changed like that of any other order."""
    return OrderIntent(id=order.order_id, **{name: getattr(order, name) for name in _TERMS})


def _as_stated(terms: OrderIntent | None, order: Order) -> OrderIntent | None:
    """The terms as an order has them; None = nobody knows all of them."""
    if terms is None:
        return None
    return structs.replace(terms, **{name: getattr(order, name) for name in (*CHANGEABLE, *_TRAIL)})


def let_through(state: RiskState, books: AccountBooks, intent: ModifyIntent, decision: IntentApproved) -> None:
    """Count an approved change beside the order as it is. Of one whose events came first they say what is so."""
    order = state.orders.get(order_key(intent.venue, intent.account, intent.order_id))
    if order is None or order.terms is None:
        return
    terms = as_wanted(order.terms, intent)
    _open(state, books, order, decision.id, terms, terms.quantity, decision.reference_price)


def fold(
    state: RiskState,
    books: AccountBooks,
    key: str,
    event: OrderPendingReplace | OrderReplaced | OrderReplaceRejected,
) -> None:
    """Take in what has become of a change. The OMS asks for some by itself: nothing of those was let through before."""
    order = state.orders.get(key)
    if order is None:
        return
    if isinstance(event, OrderPendingReplace):
        if order.change is None or order.change.cause != event.cause:
            terms = _as_stated(order.terms, event.order)
            _open(state, books, order, event.cause, terms, event.order.quantity, event.reference_price)
    elif isinstance(event, OrderReplaced):
        terms = _as_stated(order.terms, event.order)
        price = order.change.price if order.change is not None else None
        if order.change is None or order.change.terms != terms:
            price = _price(state, order, terms, None)
        change = None if event.revision else order.change
        alter(state, books, order, terms=terms, open_quantity=event.leaves_quantity, price=price, change=change)
    elif order.change is not None and (event.revision or event.cause == order.change.cause):
        alter(state, books, order, change=None)


def fill(
    state: RiskState, books: AccountBooks, order: WorkingOrder, cumulative_quantity: Decimal, leaves_quantity: Decimal
) -> None:
    """A fill takes of both. What it says is left need not be of the larger: the OMS may not have the change yet."""
    change = order.change
    assert change is not None
    before = after = leaves_quantity
    if order.terms is not None and change.terms is not None:
        before = max(ZERO, order.terms.quantity - cumulative_quantity)
        after = max(ZERO, change.terms.quantity - cumulative_quantity)
    alter(state, books, order, open_quantity=before, change=structs.replace(change, open_quantity=after))


def _open(
    state: RiskState,
    books: AccountBooks,
    order: WorkingOrder,
    cause: str,
    terms: OrderIntent | None,
    quantity: Decimal,
    reference: Decimal | None,
) -> None:
    filled = order.terms.quantity - order.open_quantity if order.terms is not None else ZERO
    change = OpenChange(cause, terms, max(ZERO, quantity - filled), _price(state, order, terms, reference))
    grow_group(state, order, change.open_quantity)
    alter(state, books, order, change=change)


def grow_group(state: RiskState, order: WorkingOrder, open_quantity: Decimal) -> None:
    """What one order of a group is to fill the group is for, once another part of the entry has joined it.

    What was sent with its entry is for what that has filled, whatever its orders are for (`risk.attached`).
    """
    group = state.groups.get(order.group_id)
    if group is not None and not group.is_attached:
        group.left = max(group.left, open_quantity)


def _price(
    state: RiskState, order: WorkingOrder, terms: OrderIntent | None, reference: Decimal | None
) -> Decimal | None:
    """The worst price with these terms; where nobody has said what the market is, not below what the order has."""
    if terms is None:
        return order.price
    price = worst_price(terms, reference, state.rules.collar_of(terms))
    if price is None:
        return order.price
    return price if reference is not None or order.price is None else max(price, order.price)

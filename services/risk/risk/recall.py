"""The terms of an order that was rejected long ago, and works after all: found again by its events in TRADE.

Owns when they are needed, and what they are. It must not know how TRADE is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from signalbox.messages import (
    FINAL_STATUSES,
    FillCorrected,
    OrderCreated,
    OrderEvent,
    OrderFilled,
    OrderPartiallyFilled,
    OrderReplaced,
    OrderStatus,
)

from risk.exposure import holding_of
from risk.prices import worst_price
from risk.state import AccountBooks, RiskState, WorkingOrder, order_key


def needs_terms(state: RiskState, event: OrderEvent) -> bool:
    """Whether the event says that an order works which was rejected, and whose terms are remembered no more."""
    if event.status in FINAL_STATUSES:
        return False
    key = order_key(event.venue, event.account, event.order_id)
    is_here = key in state.orders or key in state.refused
    return not is_here and state.known.finished(key) is OrderStatus.REJECTED


def recall_terms(state: RiskState, events: Iterable[OrderEvent]) -> None:
    """Remember the terms of a rejected order again, by its events up to now."""
    terms: WorkingOrder | None = None
    key = ""
    for event in events:
        if isinstance(event, OrderCreated):
            key, terms = order_key(event.venue, event.account, event.order_id), _terms(state, event)
        elif isinstance(event, OrderPartiallyFilled | OrderFilled | FillCorrected) and terms is not None:
            terms.open_quantity = event.leaves_quantity
        elif isinstance(event, OrderReplaced) and terms is not None:
            collar = state.rules.collar_of(event.order)
            terms.open_quantity = event.leaves_quantity
            terms.price = worst_price(event.order, None, collar) or terms.price
    if terms is not None:
        state.refused[key] = terms


def _terms(state: RiskState, event: OrderCreated) -> WorkingOrder:
    order = event.order
    price = worst_price(order, event.reference_price, state.rules.collar_of(order))
    if price is None:
        books = state.books.setdefault((event.venue, event.account), AccountBooks())
        price = order.stop_price or holding_of(state, books, event.venue, order.symbol).mark
    facts = (event.venue, event.account, order.symbol, order.side, order.quantity, price)
    return WorkingOrder(*facts, OrderStatus.REJECTED, order.strategy)

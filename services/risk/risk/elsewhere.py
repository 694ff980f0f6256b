"""Orders that others have placed at the venue: what they may come to, and whose they are.

Owns what of an external order counts: all that may still fill of it, at its limit or stop, where it has neither at the
present price. It counts in every limit like an order of the desk's own; but a cancel of many, and a flatten, are not
for it unless they say so, or a strategy has claimed it. Pure, like `risk.evolve`, which calls it.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import (
    FINAL_STATUSES,
    FlattenIntent,
    MassCancelIntent,
    Order,
    OrderClaimed,
    OrderReplaced,
    OrderType,
)
from signalbox.order_terms import WITH_LIMIT
from signalbox.subjects import EXTERNAL_PREFIX

from risk.exposure import alter, end, holding_of, work
from risk.prices import usable_price
from risk.state import ONE, AccountBooks, Market, RiskState, WorkingOrder


def is_elsewhere(order: Order) -> bool:
    """Whether somebody else has placed it, and no strategy has claimed it."""
    return order.order_id.startswith(EXTERNAL_PREFIX) and not order.strategy


def price_of(order: Order, mark: Decimal | None, collar_fraction: Decimal) -> Decimal | None:
    """The worst price per unit of an order whose terms are the venue's word; None = there is none at all.

    A limit bounds it. A stop may slip by the collar. Of a type that is not known here any price that it has may be the
    one, and so may the present one.
    """
    limit, stop = usable_price(order.limit_price), usable_price(order.stop_price)
    if order.order_type in WITH_LIMIT and limit is not None:
        return limit
    if order.order_type is OrderType.MARKET:
        return max((price for price in (limit, stop, usable_price(mark)) if price is not None), default=None)
    if stop is not None:
        return stop * (ONE + collar_fraction)
    return usable_price(mark)


def fold(state: RiskState, books: AccountBooks, key: str, event: OrderReplaced | OrderClaimed) -> None:
    """Take in what is said of an external order that has begun: other terms, whose it is, that it works again."""
    order = event.order
    collar = state.rules.collar_of(order)
    mark = holding_of(state, books, order.venue, order.symbol).mark
    known = state.orders.get(key)
    if isinstance(event, OrderClaimed):
        if known is not None:
            end(state, books, key)  # it counts under another strategy from here on
            known.strategy, known.external = order.strategy, False
            work(state, books, key, known)
        return
    price = price_of(order, mark, collar)
    if known is not None:
        alter(state, books, known, open_quantity=event.leaves_quantity, price=price)
        return
    if event.status in FINAL_STATUSES:
        return
    state.known.unfinish(key)  # it had ended, as far as was known
    facts = (event.venue, event.account, order.symbol, order.side, event.leaves_quantity, price)
    work(state, books, key, WorkingOrder(*facts, event.status, order.strategy, external=is_elsewhere(order)))


def price_at(state: RiskState, books: AccountBooks, symbol: str, mark: Decimal) -> None:
    """There is a price now: those that had none are worth that."""
    for order in state.orders.values():
        is_one = order.symbol == symbol and order.price is None and order.terms is None
        if is_one and state.books.get((order.venue, order.account)) is books:
            alter(state, books, order, price=mark)


def spared(state: RiskState, intent: MassCancelIntent | FlattenIntent) -> int:
    """How many such orders work in what the intent names, and are left alone."""
    return sum(_is_spared(intent, order) for order in state.orders.values()) if state.has_external else 0


def in_the_way(state: RiskState, intent: FlattenIntent, market: Market) -> list[str]:
    """The ids of such orders in a market that a flatten leaves alone."""
    if not state.has_external:
        return []
    return sorted(
        key.rpartition("/")[2]
        for key, order in state.orders.items()
        if (order.venue, order.account, order.symbol) == market and _is_spared(intent, order)
    )


def _is_spared(intent: MassCancelIntent | FlattenIntent, order: WorkingOrder) -> bool:
    if not order.external or intent.external:
        return False
    strategy = intent.strategy if isinstance(intent, MassCancelIntent) else ""
    wanted = (intent.venue, intent.account, intent.symbol, strategy)
    return all(name in ("", its) for name, its in zip(wanted, order.scope, strict=True))

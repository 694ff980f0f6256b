"""Since when a position has been unprotected: less working stop quantity on the other side than its size.

Owns that question over `oms.state`, as a part of the fold: it is asked again at each event that may change the answer,
and "since" is that event's own time. So the next process, which folds the same log, says the same. It must not know
what anybody does about it.

What counts as working: a STOP order that the venue has shown to have and that has not ended, for what of it is open. An
order that is UNKNOWN, or that the venue has not answered yet, protects nothing that anybody could rely on. One whose
cancel is under way still works; one that is being changed does for the smaller of both quantities. A STOP_LIMIT order
does not count: where the price jumps over its limit it rests, while the position loses on; nor does one that is to be
touched, on the side where the position wins, nor one that is not to work before a time. Stops placed elsewhere are not
seen: the desk learns of them by their first fill.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from signalbox.messages import OrderEvent, OrderStatus, Side
from signalbox.order_terms import protects

from oms.positions import ZERO, add, subtract
from oms.state import OrderState, PositionKey, State, Unprotected

_BUY, _SELL = Side.BUY, Side.SELL
PROTECTING = frozenset(
    {
        OrderStatus.NEW,
        OrderStatus.TRIGGERED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.PENDING_REPLACE,
    }
)


def note_protection(state: State, event: OrderEvent, key: str, symbols: tuple[str, ...]) -> None:
    """Ask again after `event`, for the positions in `symbols` and that of its order (`key`) if it is a stop."""
    for symbol in symbols:
        _ask(state, (event.venue, event.account, symbol), event.at)
    order = state.orders.get(key)
    if order is not None and order.order is not None and protects(order.order):
        position = (event.venue, event.account, order.order.symbol)
        _keep_stop(state, position, order)
        _ask(state, position, event.at)


def _keep_stop(state: State, key: PositionKey, order: OrderState) -> None:
    stops = state.working_stops.setdefault(key, set())
    if order.is_final:
        stops.discard(order.key)
    else:
        stops.add(order.key)


def _ask(state: State, key: PositionKey, at: datetime) -> None:
    quantity = held_quantity(state, key)
    is_long = quantity > 0
    if abs(quantity) <= protecting_quantity(state, key, _SELL if is_long else _BUY):
        state.unprotected.pop(key, None)
        return
    known = state.unprotected.get(key)
    if known is None or known.is_long is not is_long:  # a position that has turned is another one
        state.unprotected[key] = Unprotected(is_long, at)


def held_quantity(state: State, key: PositionKey) -> Decimal:
    """The signed position; 0 where there is none."""
    venue, account, symbol = key
    book = state.accounts.get((venue, account))
    held = book.symbols.get(symbol) if book is not None else None
    return held.holding.quantity if held is not None else ZERO


def protecting_quantity(state: State, key: PositionKey, side: Side) -> Decimal:
    """What the working stops of `side` would still trade."""
    total = ZERO
    for order_key_ in state.working_stops.get(key, ()):
        order = state.orders[order_key_]
        if order.order is not None and order.order.side is side and order.acknowledged and order.status in PROTECTING:
            total = add(total, max(ZERO, subtract(order.quantity_min, order.filled_quantity)))
    return total

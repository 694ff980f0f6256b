"""Where a trailing stop lies on the chain: pure arithmetic on the order and the oracle's price.

It must not know when it is moved (`trailing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from signalbox.errors import TranslationError
from signalbox.messages import Order, Side
from signalbox.order_terms import first_stop, is_reached

from gateway_dydx.state import Tracked


def stop_behind(order: Order, price: Decimal, tick: Decimal) -> Decimal:
    """Where its stop is while the oracle's price is there: on the tick that is farther from the market.

    Raises `TranslationError` where that is no price.
    """
    rounding = ROUND_CEILING if order.side is Side.BUY else ROUND_FLOOR
    stop = (first_stop(order, order.side, price) / tick).to_integral_value(rounding) * tick
    if stop <= 0:
        raise TranslationError(f"a stop so far behind the oracle's price, {price:f}, would lie at {stop:f}")
    return stop


def beginning(order: Order, price: Decimal, tick: Decimal, beside: Iterable[Decimal] = ()) -> Decimal:
    """Where its stop is placed: not farther from the market than it is told, nor than what stands for the same."""
    stops = [stop_behind(order, price, tick), *beside]
    if order.trail_stop_price is not None:
        stops.append(order.trail_stop_price)
    return min(stops) if order.side is Side.BUY else max(stops)


PARKED = 1_000
"""What has not begun to trail stands so many times farther away than the price at which it begins."""


def placed_at(order: Order, price: Decimal, tick: Decimal, beside: Iterable[Decimal] = ()) -> Decimal:
    """Where its stop is placed while the oracle's price is there: so far away that nothing triggers it, or trailing.

    Raises `TranslationError` where its activation price leaves no price so far away.
    """
    if is_reached(order, order.side, price):
        return beginning(order, price, tick, beside)
    assert order.activation_price is not None
    away = order.activation_price * PARKED if order.side is Side.BUY else order.activation_price / PARKED
    stop = (away / tick).to_integral_value(ROUND_CEILING) * tick
    if has_begun(order, stop, tick):
        raise TranslationError(f"a stop so far behind its activation price, {order.activation_price:f}, never begins")
    return stop


def has_begun(order: Order, stop: Decimal, tick: Decimal) -> bool:
    """Whether a stop that lies there trails: at its activation price it would have come as near."""
    if order.activation_price is None:
        return True
    return (stop - stop_behind(order, order.activation_price, tick)) * order.side.sign <= 0


def stops_beside(
    order: Order, price: Decimal, tick: Decimal, orders: Iterable[Tracked], has_triggered: Callable[[str], bool]
) -> list[Decimal]:
    """Where it is to lie at least, for what there is of its leg in its group: one of them it is to take the place of.

    Where one that works lies; and where the oracle's price is, once one was triggered: what that has left is to trade.
    """
    part, found = order.part, []
    if part is None or not part.group:
        return []
    at_once = (price / tick).to_integral_value(ROUND_FLOOR if order.side is Side.BUY else ROUND_CEILING) * tick
    for each in orders:
        of = each.order.part
        if of is None or (of.group_id, of.leg) != (part.group_id, part.leg):
            continue
        if has_triggered(each.order.order_id):
            found.append(at_once)
        elif each.own.stop_price is not None and not each.done:
            found.append(each.own.stop_price)
    return found


def is_nearer(side: Side, stop: Decimal, now: Decimal, step: Decimal) -> bool:
    """Whether a stop is nearer to the market than it is now, by a step at least."""
    return (now - stop) * side.sign >= step

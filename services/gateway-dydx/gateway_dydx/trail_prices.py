"""Where a trailing stop lies on the chain: pure arithmetic on the order and the oracle's price.

It must not know when it is moved (`trailing`).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from signalbox.errors import TranslationError
from signalbox.messages import Order, Side
from signalbox.order_terms import first_stop


def stop_behind(order: Order, price: Decimal, tick: Decimal) -> Decimal:
    """Where its stop is while the oracle's price is there: on the tick that is farther from the market.

    Raises `TranslationError` where that is no price.
    """
    rounding = ROUND_CEILING if order.side is Side.BUY else ROUND_FLOOR
    stop = (first_stop(order, order.side, price) / tick).to_integral_value(rounding) * tick
    if stop <= 0:
        raise TranslationError(f"a stop so far behind the oracle's price, {price:f}, would lie at {stop:f}")
    return stop


def is_nearer(side: Side, stop: Decimal, now: Decimal, step: Decimal) -> bool:
    """Whether a stop is nearer to the market than it is now, by a step at least."""
    return (now - stop) * side.sign >= step

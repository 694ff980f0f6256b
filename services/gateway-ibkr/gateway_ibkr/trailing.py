"""Where the stop of an order that trails lies at TWS, as far as it has said, and what it is told of that in a change.

Pure but for `tracked`. TWS moves such a stop by itself, and shows where it is (`trailStopPrice`). A change states all
of an order again; without its stop that would begin anew, so far behind the market of that moment, which may have come
back since. So each change has the stop that was shown last. What waits for its parent has none: what TWS shows of it
then is reckoned from a market in which it does not work.
"""

from __future__ import annotations

import math
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import Order, Side
from signalbox.order_terms import TRAILING

from gateway_ibkr.facts import OpenOrderSeen, OrderTerms
from gateway_ibkr.state import Tracked
from gateway_ibkr.translate import decimal_of, float_of

TYPES = frozenset({"TRAIL", "TRAIL LIMIT"})


def note(tracked: Tracked, fact: OpenOrderSeen) -> None:
    """Keep where TWS shows its stop."""
    stop = fact.trail_stop_price
    if fact.order_type in TYPES and math.isfinite(stop) and stop > 0:
        tracked.own.trail_stop_price = decimal_of(stop)


def note_held(tracked: Tracked) -> None:
    """What does not work has no stop that could be kept."""
    if tracked.held:
        tracked.own.trail_stop_price = None


def as_trailing(terms: OrderTerms, order: Order, shown: Decimal | None = None) -> OrderTerms:
    """The terms with where it begins, and the stop that it must not lie behind: what the desk says, or was shown."""
    if order.order_type not in TRAILING:
        return terms
    if order.activation_price is not None:
        terms = replace(terms, begins_at=float_of(order.activation_price), begins_above=order.side is Side.SELL)
    stops = [stop for stop in (order.trail_stop_price, shown) if stop is not None]
    if not stops:
        return terms
    return replace(terms, trail_stop_price=float_of(min(stops) if order.side is Side.BUY else max(stops)))

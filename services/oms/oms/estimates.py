"""What an entry is taken to fill at, for exits that are sent with it and whose prices are relative to its fill.

Owns the price that stands for the fill until there is one. It must not know what is sent, nor when an exit is moved
(`oms.repricing`).

The theory. A limit is the worst price that the entry can fill at; what it would fill at now is the reference price of
its decision. An exit is reckoned so that it may be farther from the fill than was asked for, and not nearer: a stop
that the fill has passed would close at once what has just been opened, a target would give it away. So a stop is
reckoned from the better of the two, a target from the limit; of an entry at the market both are from the reference
price. While a change of the entry's limit is under way it may fill at either.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import ListLeg, OrderType, Side
from signalbox.order_lists import STOPS, Plan

from oms.state import ListState, OrderState

AT_MARKET = frozenset({OrderType.MARKET, OrderType.MARKET_TO_LIMIT})


def is_relative(leg: ListLeg) -> bool:
    """Whether a leg's price depends on what the entry fills at."""
    return leg.limit_offset is not None or leg.stop_offset is not None


def estimate(known: ListState, plan: Plan, leg: ListLeg, entry: OrderState | None = None) -> Decimal | None:
    """The price that a leg is reckoned from while nothing has filled; None = there is none that would make sense.

    Of an `entry` that works its present limit counts, else that which the list began with.
    """
    reference = known.reference_price
    if plan.entry is None or reference is None:
        return None
    if plan.entry.order_type in AT_MARKET:
        return reference
    if plan.entry.order_type is not OrderType.LIMIT:
        return None  # nobody knows where the market is by the time it is triggered
    limits = [plan.entry.limit_price] if entry is None else _limits(entry)
    is_stop = leg.order_type in STOPS
    prices = [price for price in (*limits, reference if is_stop else None) if price is not None]
    lowest = is_stop is (plan.entry.side is Side.BUY)
    return min(prices) if lowest else max(prices)


def _limits(entry: OrderState) -> list[Decimal | None]:
    terms = (entry.order, entry.change.order if entry.change is not None else None)
    return [each.limit_price for each in terms if each is not None]

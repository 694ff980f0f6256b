"""What an order may do as the market is: when it may trade, at which prices, how much of a quote it gets.

Pure: of one order and one quote alone. It must not know what else rests, or what an order does with what it may.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from signalbox.exchange.orders import OrderTerms, VenueOrder, VenueOrderStatus
from signalbox.exchange.quoting import MarketQuote, Phase
from signalbox.messages import OrderType, Side, TriggerMethod
from signalbox.order_terms import IF_TOUCHED, IN_AUCTION, TRIGGERED, WITH_LIMIT

_NONE = Decimal(0)
_GETS_ITS_LIMIT = frozenset({OrderType.MARKET_TO_LIMIT, OrderType.TRAILING_STOP_LIMIT})


def share(order: VenueOrder, size: Decimal, *, rests: bool) -> Decimal:
    """What an order gets of a quote that has so much left."""
    if order.terms.all_or_none and size < order.leaves:
        return _NONE
    shown = order.terms.display_quantity if rests else None
    return min(order.leaves, size) if shown is None else min(order.leaves, size, shown)


def may_trade(order: VenueOrder, phase: Phase, at: datetime) -> bool:
    terms = order.terms
    if terms.order_type in IN_AUCTION or (terms.not_before is not None and at < terms.not_before):
        return False
    return phase is Phase.REGULAR or order.terms.outside_regular_hours


def triggering(terms: OrderTerms, quote: MarketQuote) -> Decimal:
    """The price that a stop is held against. Of bid and ask it is the one that moves last: a purchase's bid."""
    match terms.trigger:
        case TriggerMethod.BID_ASK:
            return quote.bid if (terms.side is Side.BUY) is not (terms.order_type in IF_TOUCHED) else quote.ask
        case TriggerMethod.MID:
            return (quote.bid + quote.ask) / 2
        case _:
            return quote.last


def accepts(order: VenueOrder, price: Decimal) -> bool:
    terms = order.terms
    if terms.order_type in TRIGGERED and order.status is not VenueOrderStatus.TRIGGERED:
        return False
    if terms.order_type in WITH_LIMIT or (terms.order_type in _GETS_ITS_LIMIT and terms.limit_price is not None):
        assert terms.limit_price is not None
        return price <= terms.limit_price if terms.side is Side.BUY else price >= terms.limit_price
    return True

"""Prices an order is judged by: the market it would meet now, and the worst it may fill at.

Pure arithmetic on what is given; whether a price is fresh or missing is for the checks to say.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import Order, OrderIntent, Quote, QuoteSeen, Side
from signalbox.order_terms import TRAILING, WITH_LIMIT, contradiction, first_stop

from risk.state import BUY, ONE, ZERO

_SELL = Side.SELL


def usable_price(price: Decimal | None) -> Decimal | None:
    """A price that can be reckoned with: present, finite, above zero."""
    return price if price is not None and price.is_finite() and price > ZERO else None


def mark_price(quote: Quote) -> Decimal | None:
    """What a unit is worth now.

    The oracle's price where the venue goes by one, else the middle of bid and ask, else the last trade, else the one
    side there is.
    """
    oracle = usable_price(quote.oracle_price)
    if oracle is not None:
        return oracle
    bid, ask = usable_price(quote.bid), usable_price(quote.ask)
    if bid is not None and ask is not None:
        return (bid + ask) / 2
    return usable_price(quote.last) or bid or ask


def market_price(quote: Quote | QuoteSeen, side: Side) -> Decimal | None:
    """What an order of `side` would meet: the other side of the book, else the last trade, else its own side."""
    first, last = (quote.ask, quote.bid) if side is BUY else (quote.bid, quote.ask)
    return usable_price(first) or usable_price(quote.last) or usable_price(last)


def trigger_price(quote: Quote | QuoteSeen, side: Side) -> Decimal | None:
    """What a stop of `side` is triggered by: the oracle's price where the venue goes by one, else the market."""
    return usable_price(quote.oracle_price) or market_price(quote, side)


def worst_price(intent: OrderIntent | Order, market: Decimal | None, collar_fraction: Decimal) -> Decimal | None:
    """The price per unit that makes the order as large as it may get; None when it can not be told.

    A limit bounds a purchase, one behind a stop too; a sale may fill better than its limit, at the market. What has no
    limit may slip by the collar, whichever side: for limits on size the higher price is the worse one. A purchase that
    trails starts at its stop of now.
    """
    if intent.order_type in WITH_LIMIT and intent.limit_price is not None:
        if intent.side is _SELL and market is not None:
            return max(intent.limit_price, market)
        return intent.limit_price
    if market is None:
        return None
    if intent.order_type in TRAILING and intent.side is BUY:  # its stop starts there, and comes down with the market
        stop = first_stop(intent, intent.side, market)
        return stop * (ONE + collar_fraction) if intent.limit_offset is None else stop + intent.limit_offset
    return max(intent.stop_price or market, market) * (ONE + collar_fraction)


def stated_price(order: Order, mark: Decimal | None) -> Decimal | None:
    """What a unit of an order comes to that was not let through by itself: its limit, its stop, or the market.

    A purchase that trails may fill as high as its stop of now.
    """
    price = order.limit_price or order.stop_price
    if price or mark is None or order.order_type not in TRAILING or contradiction(order):
        return price or mark
    return max(first_stop(order, order.side, mark), mark)

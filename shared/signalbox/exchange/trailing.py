"""Stops that follow the market: pure arithmetic on an order's terms and the price that triggers it.

Owns where a trailing order's stop is. It must not know quotes, books, or when anything happens.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from signalbox.exchange.orders import OrderTerms
from signalbox.messages import Side
from signalbox.order_terms import first_stop, is_reached


def trailing_as(old: OrderTerms, wanted: OrderTerms) -> OrderTerms:
    """The terms of an order that is to trail as another says: from its stop, or (None) from the market."""
    stop, beyond = wanted.stop_price, wanted.limit_offset
    return replace(
        old,
        order_type=wanted.order_type,
        trail_amount=wanted.trail_amount,
        trail_percent=wanted.trail_percent,
        limit_offset=beyond,
        stop_price=stop,
        limit_price=None if stop is None or beyond is None else stop + beyond * old.side.sign,
    )


def has_begun(terms: OrderTerms, price: Decimal) -> bool:
    """Whether its stop follows the market: it has followed before, or that has come to where it begins."""
    return terms.stop_price is not None or is_reached(terms, terms.side, price)


def trailed(terms: OrderTerms, price: Decimal) -> OrderTerms:
    """The terms after the market has been at `price`: the stop comes nearer, and never goes back.

    Its limit goes with it, `limit_offset` beyond the stop.
    """
    stop = first_stop(terms, terms.side, price)
    if terms.stop_price is not None:
        stop = min(stop, terms.stop_price) if terms.side is Side.BUY else max(stop, terms.stop_price)
    if stop == terms.stop_price:
        return terms
    limit = None if terms.limit_offset is None else stop + terms.limit_offset * terms.side.sign
    return replace(terms, stop_price=stop, limit_price=limit)

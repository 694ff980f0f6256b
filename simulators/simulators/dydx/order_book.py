"""The order book that the indexer shows: several levels around the world's quote.

Owns the levels and what changed between two books. Pure; the same quote always makes the same book.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b

from msgspec import Struct
from signalbox.exchange.quoting import MarketQuote

from simulators.dydx.records import ChainMarket
from simulators.dydx.shapes import text

LEVELS = 10

Side = dict[Decimal, Decimal]
"""Price -> size."""


class Book(Struct, frozen=True):
    """Both sides, best price first."""

    bids: Side = {}
    asks: Side = {}


def book_of(quote: MarketQuote, market: ChainMarket, *, crossed: bool = False, apart_ticks: int = 0) -> Book:
    """Return the book around a quote, each side so many ticks further away.

    `crossed` adds a bid that should have gone: one tick above the best ask.
    """
    tick, step = market.tick_size, market.step_size
    bids = _side(quote.bid - apart_ticks * tick, -tick, quote.bid_size, step)
    asks = _side(quote.ask + apart_ticks * tick, tick, quote.ask_size, step)
    if crossed and asks:
        stale = next(iter(asks)) + tick
        bids = {stale: next(iter(asks.values())), **bids}
    return Book(bids, asks)


def changes(before: Side, after: Side) -> list[tuple[Decimal, Decimal]]:
    """Return the levels that changed as (price, new size); size 0 = the level is gone."""
    gone = [(price, Decimal(0)) for price in before if price not in after]
    return gone + [(price, size) for price, size in after.items() if before.get(price) != size]


def _side(best: Decimal, away: Decimal, best_size: Decimal, step: Decimal) -> Side:
    """Sizes behind the best price depend on the price alone, so that a level stays as it is when the best one moves."""
    levels = {best: best_size}
    for number in range(1, LEVELS):
        price = best + number * away
        if price <= 0:
            break
        drawn = int.from_bytes(blake2b(text(price).encode(), digest_size=2).digest(), "big") % 40
        levels[price] = step * (1 + drawn) * _scale(best_size, step)
    return levels


def _scale(best_size: Decimal, step: Decimal) -> int:
    """Return about a tenth of the best size, in steps, as a power of ten: it seldom changes."""
    steps = int(best_size / step)
    return max(1, 10 ** (len(str(steps)) - 2)) if steps >= 1 else 1

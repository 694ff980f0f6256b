"""Checks of a market's two sides, and of an order that is worth too little: each binds where its limit is stated.

Each is a pair of pure functions: why an intent fails it, and what is told of it. What only reduces passes: it must stay
possible to get out of a position in a market that has gone thin, and of the last small part of one.
"""

from __future__ import annotations

from decimal import Decimal

from risk.checks.rows import Limit, Row, Told
from risk.facts import OrderFacts
from risk.prices import usable_price
from risk.wording import UNKNOWN, money, plain, stated


def spread(facts: OrderFacts) -> str:
    """How far apart bid and ask are, as a part of their middle; a market that is locked or crossed is none to trust."""
    limit = facts.in_force.limits.spread_max_fraction
    if limit is None or facts.reduces:
        return ""
    sides = _sides(facts)
    if sides is None:
        return f"the market of {facts.intent.symbol} has not both a bid and an ask: how wide it is is not known"
    bid, ask = sides
    if bid >= ask:
        what = "locked" if bid == ask else "crossed"
        return f"the market of {facts.intent.symbol} is {what}, at {plain(bid)} to {plain(ask)}: one of them is wrong"
    if 2 * (ask - bid) <= limit * (ask + bid):
        return ""
    return (
        f"the market of {facts.intent.symbol} is {plain(bid)} to {plain(ask)}, {_fraction(bid, ask):.2%} wide; "
        f"{limit:.2%} is allowed: wait, or send what only reduces"
    )


def tell_spread(facts: OrderFacts) -> Told:
    limit, sides, quote = facts.in_force.limits.spread_max_fraction, _sides(facts), facts.basis.quote
    observed = plain(round(_fraction(*sides), 6)) if sides is not None else UNKNOWN
    return stated(limit), observed, f"quote:{quote.id}" if quote is not None else "quote"


def _sides(facts: OrderFacts) -> tuple[Decimal, Decimal] | None:
    quote = facts.basis.quote
    bid, ask = (usable_price(quote.bid), usable_price(quote.ask)) if quote is not None else (None, None)
    return (bid, ask) if bid is not None and ask is not None else None


def _fraction(bid: Decimal, ask: Decimal) -> Decimal:
    return (ask - bid) * 2 / (ask + bid)


def opening_notional_min(facts: OrderFacts) -> str:
    """By the order's own price, or the market's, without what it may slip."""
    limit = facts.in_force.limits.opening_notional_min
    if limit is None or facts.reduces:
        return ""
    value = _value(facts)
    if value is None:
        return "the order can not be valued: its price, multiplier or currency is not known"
    if value >= limit:
        return ""
    ours = facts.basis.books.currency
    return f"the order is worth {money(value, ours)}; what opens has to be worth {money(limit, ours)} at least"


def tell_opening_notional_min(facts: OrderFacts) -> Told:
    limit, quote = facts.in_force.limits.opening_notional_min, facts.basis.quote
    source = f"quote:{quote.id}" if quote is not None else "quote"
    return stated(limit, "at least {}"), plain(_value(facts)), source


def _value(facts: OrderFacts) -> Decimal | None:
    intent, found = facts.intent, facts.basis.instrument
    price = intent.limit_price or intent.stop_price or facts.market_price
    if price is None or found is None or facts.rate is None:
        return None
    return intent.quantity * price * found.multiplier * facts.rate


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row(
        "spread",
        spread,
        tell_spread,
        Limit(
            "spread_max_fraction",
            "How far apart bid and ask may be for what opens, as a part of their middle; a locked or crossed market "
            "is denied, and one with one side alone.",
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.spread_max_fraction is None,
    ),
    Row(
        "opening_notional_min",
        opening_notional_min,
        tell_opening_notional_min,
        Limit(
            "opening_notional_min",
            "What an order that opens has to be worth, at its own price or the market's, in the account's currency.",
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.opening_notional_min is None,
    ),
)

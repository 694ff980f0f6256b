"""What each venue does with a change of an order that works: the table beside that of the orders themselves.

Risk denies with these very sentences, the gateways refuse with them, and docs/order-types.md is written from them.
Pure; it must not know accounts, prices, hours or any venue's protocol.
"""

from __future__ import annotations

from msgspec.structs import replace

from signalbox.messages import InstrumentKind, OrderType, TimeInForce
from signalbox.order_support import NATIVE
from signalbox.order_terms import AT_ONCE, TRAILING, WITH_STOP, Rule, Support, Terms

CHANGES_EVERYWHERE: tuple[Rule, ...] = (
    Rule(
        support=Support.REFUSED,
        why="a MARKET order takes what there is: there is nothing left to change",
        instead="a cancel, and a new order for what is left once it has ended",
        types=frozenset({OrderType.MARKET}),
    ),
    Rule(
        support=Support.REFUSED,
        why="a MARKET_TO_LIMIT order works on at the price of its first fill, which is the venue's to say",
        instead="a cancel, and a LIMIT order for what is left once it has ended",
        types=frozenset({OrderType.MARKET_TO_LIMIT}),
    ),
    Rule(
        support=Support.REFUSED,
        why="the stop of a trailing order moves with the market: where it is now only the venue knows",
        instead="a cancel, and a new order for what is left once it has ended",
        types=TRAILING,
    ),
    Rule(
        support=Support.REFUSED,
        why="an IOC or FOK order never rests: there is nothing left to change",
        instead="a new order for what is left once it has ended",
        validities=AT_ONCE,
    ),
)
"""Before any venue's own."""

_ON_THE_CHAIN = Rule(
    support=Support.EMULATED,
    why="the chain changes no order that it keeps: the gateway cancels it, and places what is left of the new total "
    "once it is gone",
)

VENUE_CHANGES: dict[str, tuple[Rule, ...]] = {
    "ibkr": (Rule(why="in place: the order keeps its number, and what has filled counts"),),
    "dydx": (
        replace(_ON_THE_CHAIN, validities=frozenset({TimeInForce.GTC})),
        replace(
            _ON_THE_CHAIN,
            why="the chain changes no order that it keeps: the gateway places another, and cancels the first once that "
            "one stands; of what is not reduce-only, the other way round",
            types=WITH_STOP,
        ),
        Rule(
            why="the short-term order is replaced under its own id, for a later last block; what has filled counts",
            types=frozenset({OrderType.LIMIT}),
        ),
    ),
}
"""By venue, as the rules of `VENUE_ORDERS`: the first that is of the order holds."""


def change_of(venue: str, kind: InstrumentKind, terms: Terms) -> Rule:
    """What becomes of a change of such an order that works there. Of a venue that is not in the table nothing is known
    to be refused."""
    return NATIVE if venue not in VENUE_CHANGES else first_change_of(venue, kind, terms.order_type, terms.time_in_force)


def first_change_of(venue: str, kind: InstrumentKind, order_type: OrderType, validity: TimeInForce) -> Rule:
    """The rule that holds of a change of such an order."""
    rules = (*CHANGES_EVERYWHERE, *VENUE_CHANGES[venue])
    return next((rule for rule in rules if rule.is_of(kind, order_type, validity, frozenset())), NATIVE)

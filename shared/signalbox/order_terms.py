"""What a person may say in an order, and what each venue does with it: the one table of types, validities and flags.

Owns which prices a type has, and for each venue and kind of instrument whether an order is sent as it is (native), kept
by the desk with what the venue has (emulated), or refused, why, and what comes nearest. Risk denies with these very
sentences, the gateways refuse with them, and docs/order-types.md is written from them. Pure; it must not know accounts,
prices, hours or any venue's protocol.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from signalbox.messages import InstrumentKind, ModifyIntent, Order, OrderIntent, OrderType, TimeInForce

IF_TOUCHED = frozenset({OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED})
"""Types that wait until the market has come to their stop price from the other side: a purchase lies below it."""
AT_CLOSE = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})
"""Types that trade in the closing auction alone."""
AT_OPEN = frozenset({OrderType.MARKET_ON_OPEN, OrderType.LIMIT_ON_OPEN})
"""Types that trade in the opening auction alone: what it leaves of them is over."""
IN_AUCTION = AT_CLOSE | AT_OPEN
_AUCTION_LIMITS = frozenset({OrderType.LIMIT_ON_CLOSE, OrderType.LIMIT_ON_OPEN})
WITH_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED}) | _AUCTION_LIMITS
"""Types that have a limit price: nothing fills beyond it."""
WITH_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT}) | IF_TOUCHED
"""Types that wait until the market has come to their stop price; until then nothing fills."""
WHY_OVER = {
    TimeInForce.IOC: "immediate-or-cancel: nothing more was to be had within its price",
    TimeInForce.FOK: "fill-or-kill: its whole quantity was not to be had at once within its price",
}
"""Why an order that took what it could as it came is over, of itself: CANCELED at every venue, in these words."""
CHANGEABLE = ("quantity", "limit_price", "stop_price")
"""What of an order may become another while it works."""
AT_ONCE = frozenset(WHY_OVER)
"""Validities of orders that never rest."""


class Support(StrEnum):
    NATIVE = "native"
    EMULATED = "emulated"
    REFUSED = "refused"


class Flag(StrEnum):
    """What an order may ask for beside its type and validity, as its field is called."""

    REDUCE_ONLY = "reduce_only"
    OUTSIDE_REGULAR_HOURS = "outside_regular_hours"
    POST_ONLY = "post_only"
    """It adds to the book, or it is turned away: it never takes."""


class Terms(Protocol):
    """What is read of an order, or of the intent of one."""

    @property
    def order_type(self) -> OrderType: ...
    @property
    def time_in_force(self) -> TimeInForce: ...
    @property
    def limit_price(self) -> object: ...
    @property
    def stop_price(self) -> object: ...
    @property
    def reduce_only(self) -> bool: ...
    @property
    def outside_regular_hours(self) -> bool: ...
    @property
    def post_only(self) -> bool: ...


class Rule(Struct, frozen=True, kw_only=True):
    """What is so of orders that are all of this; what is left empty is of any.

    `why` is the reason of a refusal, how the desk keeps what is emulated, or a remark; `instead` what comes nearest.
    """

    support: Support = Support.NATIVE
    why: str = ""
    instead: str = ""
    kinds: frozenset[InstrumentKind] = frozenset()
    types: frozenset[OrderType] = frozenset()
    validities: frozenset[TimeInForce] = frozenset()
    flag: Flag | None = None

    @property
    def sentence(self) -> str:
        """What a person is told."""
        return f"{self.why}; use {self.instead}" if self.instead else self.why

    def is_of(self, kind: InstrumentKind, order_type: OrderType, validity: TimeInForce, flags: frozenset[Flag]) -> bool:
        """Whether it is about such an order."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.types or order_type in self.types)
            and (not self.validities or validity in self.validities)
            and (self.flag is None or self.flag in flags)
        )


class VenueOrders(Struct, frozen=True, kw_only=True):
    """What one venue trades, and its rules: of those that are of an order the first holds, so refusals stand first."""

    name: str
    kinds: tuple[InstrumentKind, ...]
    rules: tuple[Rule, ...]
    keeps_groups: bool = False
    """Orders that depend on each other are one group there, which the venue reduces and cancels by itself."""


_MARKET, _LIMIT, _TO_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.MARKET_TO_LIMIT
_TRIGGERED = WITH_STOP & WITH_LIMIT
"""Limit orders from their trigger on."""
_DAY, _GTC, _GTD = TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD
_IOC, _FOK = TimeInForce.IOC, TimeInForce.FOK
_OPTION, _FOREX = frozenset({InstrumentKind.OPTION}), frozenset({InstrumentKind.FOREX})
_REFUSED, _EMULATED = Support.REFUSED, Support.EMULATED

EVERYWHERE: tuple[Rule, ...] = (
    Rule(
        support=_REFUSED,
        why="a MARKET order, or one for the close or the opening, is a DAY order: it does not outlive its session",
        instead="DAY",
        types=frozenset({_MARKET}) | IN_AUCTION,
        validities=frozenset({_GTC, _GTD}),
    ),
    Rule(
        support=_REFUSED,
        why="IOC and FOK say of a price how much must be had at it: they are of a LIMIT order",
        instead="a LIMIT order with the worst price that you would take, or DAY",
        types=frozenset(OrderType) - {_LIMIT},
        validities=AT_ONCE,
    ),
    Rule(
        support=_REFUSED,
        why="post_only is of a LIMIT order, which can rest: the other types take",
        instead="a LIMIT order, or leave post_only away",
        types=frozenset(OrderType) - {_LIMIT},
        flag=Flag.POST_ONLY,
    ),
    Rule(
        support=_REFUSED,
        why="post_only is of an order that rests: IOC and FOK never do",
        instead="DAY, GTC or GTD, or leave post_only away",
        validities=AT_ONCE,
        flag=Flag.POST_ONLY,
    ),
    Rule(
        support=_REFUSED,
        why="only an order with a limit can work outside regular hours, and none that is for an auction",
        instead="a LIMIT, STOP_LIMIT or LIMIT_IF_TOUCHED order, or leave outside_regular_hours away",
        types=frozenset(OrderType) - WITH_LIMIT | IN_AUCTION,
        flag=Flag.OUTSIDE_REGULAR_HOURS,
    ),
)
"""Before any venue's own."""

VENUE_ORDERS: tuple[VenueOrders, ...] = (
    VenueOrders(
        name="ibkr",
        kinds=(InstrumentKind.STOCK, InstrumentKind.OPTION, InstrumentKind.FOREX),
        keeps_groups=True,
        rules=(
            Rule(
                support=_REFUSED,
                why="options are traded in regular hours alone",
                instead="the order without outside_regular_hours",
                kinds=_OPTION,
                flag=Flag.OUTSIDE_REGULAR_HOURS,
            ),
            Rule(
                support=_REFUSED,
                why="options have no closing auction: an order for the close can not fill",
                instead="a LIMIT or MARKET order before the close",
                kinds=_OPTION,
                types=AT_CLOSE,
            ),
            Rule(
                support=_REFUSED,
                why="options open exchange by exchange: there is no one opening to trade at",
                instead="a LIMIT or MARKET order once the market is open",
                kinds=_OPTION,
                types=AT_OPEN,
            ),
            Rule(
                support=_REFUSED,
                why="a currency pair trades round the clock: it has no close and no opening to trade at",
                instead="a MARKET order at the hour you want",
                kinds=_FOREX,
                types=IN_AUCTION,
            ),
            Rule(
                support=_REFUSED,
                why="IBKR has no MARKET_TO_LIMIT orders for currency pairs",
                instead="a LIMIT order at the other side of the market: it takes what is there, and the rest rests",
                kinds=_FOREX,
                types=frozenset({_TO_LIMIT}),
            ),
            Rule(
                support=_REFUSED,
                why="IBKR has no post-only orders: what reaches the market takes",
                instead="a LIMIT order that does not reach the other side of the market",
                flag=Flag.POST_ONLY,
            ),
            Rule(
                support=_EMULATED,
                why="IBKR has no reduce-only: risk lets it through only where all working orders together can but "
                "reduce what is held",
                flag=Flag.REDUCE_ONLY,
            ),
            Rule(
                why="TWS shows it as PreSubmitted until its own trigger method (of shares: the last trade) releases it",
                types=WITH_STOP,
            ),
            Rule(
                why="with the time in force OPG; what the opening leaves of it is over",
                types=AT_OPEN,
            ),
            Rule(
                why="TWS makes a limit order of what its first fill leaves, at the price of that fill: the gateway "
                "tells so",
                types=frozenset({_TO_LIMIT}),
            ),
        ),
    ),
    VenueOrders(
        name="dydx",
        kinds=(InstrumentKind.PERPETUAL,),
        rules=(
            Rule(
                support=_REFUSED,
                why="dYdX never closes: a market there has no close and no opening to trade at",
                instead="a MARKET order at the hour you want",
                types=IN_AUCTION,
            ),
            Rule(
                support=_REFUSED,
                why="dYdX has no MARKET_TO_LIMIT orders",
                instead="a LIMIT order at the other side of the market: it takes what is there, and the rest rests",
                types=frozenset({_TO_LIMIT}),
            ),
            Rule(
                support=_REFUSED,
                why="dYdX takes reduce-only of what takes at once and of stops alone, not of what rests (clob/9003)",
                instead="IOC, a MARKET, STOP or MARKET_IF_TOUCHED order, or leave reduce_only away: risk knows what is "
                "held",
                types=WITH_LIMIT,
                validities=frozenset({_DAY, _GTC, _GTD}),
                flag=Flag.REDUCE_ONLY,
            ),
            Rule(
                support=_REFUSED,
                why="dYdX has no fill-or-kill any more (clob/48)",
                instead="IOC: it takes what there is within its price, and the rest is over",
                validities=frozenset({_FOK}),
            ),
            Rule(
                support=_EMULATED,
                why="the chain has no market orders: immediate-or-cancel, within the gateway's slippage of the price",
                types=frozenset({_MARKET}),
            ),
            Rule(
                support=_EMULATED,
                why="a short-term order, renewed by the gateway until its end; the chain turns it away if it would "
                "trade as it comes (clob/2003), and ends it if it would when it is renewed",
                types=frozenset({_LIMIT}),
                validities=frozenset({_DAY, _GTD}),
                flag=Flag.POST_ONLY,
            ),
            Rule(
                why="a long-term order of 90 days, which the chain ends, and says so, if it would trade as it comes",
                types=frozenset({_LIMIT}),
                validities=frozenset({_GTC}),
                flag=Flag.POST_ONLY,
            ),
            Rule(
                support=_EMULATED,
                why="a short-term order, renewed by the gateway until its end: one that nobody watches ends by itself",
                types=frozenset({_LIMIT}),
                validities=frozenset({_DAY, _GTD}),
            ),
            Rule(
                why="a short-term order, immediate-or-cancel, good for 10 blocks",
                types=frozenset({_LIMIT}),
                validities=frozenset({_IOC}),
            ),
            Rule(why="a long-term order of 90 days", types=frozenset({_LIMIT}), validities=frozenset({_GTC})),
            Rule(
                why="a conditional order of at most 90 days, triggered by the oracle's price and then immediate-or-"
                "cancel, within the gateway's stop slippage of the trigger",
                types=WITH_STOP - WITH_LIMIT,
            ),
            Rule(
                why="a conditional order of at most 90 days, triggered by the oracle's price, which then rests at its "
                "limit until its end",
                types=_TRIGGERED,
            ),
        ),
    ),
)
"""The matrix: what no rule is about is native."""

REDUCING = frozenset(
    orders.name
    for orders in VENUE_ORDERS
    if not any(rule.flag is Flag.REDUCE_ONLY and rule.support is _EMULATED for rule in orders.rules)
)
"""Venues at which reduce-only is the venue's own: what closes there can not turn a position, whoever is late."""
GROUPING = frozenset(orders.name for orders in VENUE_ORDERS if orders.keeps_groups)
NATIVE = Rule()
_PRICES_OF = {kind: (kind in WITH_LIMIT, kind in WITH_STOP) for kind in OrderType}


def contradiction(terms: Terms) -> str:
    """Why a type's prices are not those it has ("" = they are)."""
    kind = terms.order_type
    if _PRICES_OF[kind] == (terms.limit_price is not None, terms.stop_price is not None):
        return ""
    for name, price, types in (
        ("limit_price", terms.limit_price, WITH_LIMIT),
        ("stop_price", terms.stop_price, WITH_STOP),
    ):
        if (kind in types) != (price is not None):
            return f"a {kind} order {'needs' if kind in types else 'has no'} {name}"
    return ""


def rule_of(venue: str, kind: InstrumentKind, terms: Terms) -> Rule:
    """What becomes of such an order at a venue. Of one that is not in the table nothing is known to be refused."""
    if venue not in _ORDERS_OF:  # people write its name: what is kept below stays as small as the table
        return NATIVE
    return _rule(
        venue,
        kind,
        terms.order_type,
        terms.time_in_force,
        terms.reduce_only,
        terms.outside_regular_hours,
        terms.post_only,
    )


OfOrder = TypeVar("OfOrder", OrderIntent, Order)


def as_wanted(terms: OfOrder, wanted: ModifyIntent) -> OfOrder:
    """The terms as a person wants to have them: what is left away stays as it is."""
    changes = {name: value for name in CHANGEABLE if (value := getattr(wanted, name)) is not None}
    return replace(terms, **changes)


def why_refused(venue: str, kind: InstrumentKind, terms: Terms) -> str:
    """The sentence with which an order is refused; "" = it is not."""
    rule = rule_of(venue, kind, terms)
    return rule.sentence if rule.support is Support.REFUSED else ""


_ORDERS_OF = {orders.name: orders for orders in VENUE_ORDERS}


@cache
def _rule(
    venue: str,
    kind: InstrumentKind,
    order_type: OrderType,
    validity: TimeInForce,
    *asked: bool,
) -> Rule:
    flags = frozenset(flag for flag, is_asked in zip(Flag, asked, strict=True) if is_asked)
    return first_of(_ORDERS_OF[venue], kind, order_type, validity, flags)


def first_of(
    orders: VenueOrders, kind: InstrumentKind, order_type: OrderType, validity: TimeInForce, flags: frozenset[Flag]
) -> Rule:
    """The rule that holds of such an order."""
    rules = (*EVERYWHERE, *orders.rules)
    return next((rule for rule in rules if rule.is_of(kind, order_type, validity, flags)), NATIVE)

"""What each venue does with an order that a person may say: the one table of types, validities and flags.

Owns for each venue and kind of instrument whether an order is sent as it is (native), kept by the desk with what the
venue has (emulated), or refused, why, and what comes nearest. Risk denies with these very sentences, the gateways
refuse with them, and docs/order-types.md is written from them. Pure; it must not know accounts, prices, hours or any
venue's protocol.
"""

from __future__ import annotations

from functools import cache

from signalbox.messages import InstrumentKind, OrderType, TimeInForce, TriggerMethod
from signalbox.order_terms import (
    AT_CLOSE,
    AT_ONCE,
    AT_OPEN,
    IN_AUCTION,
    TRAILING,
    TRIGGERED,
    WITH_LIMIT,
    WITH_STOP,
    Flag,
    Rule,
    Support,
    Terms,
    VenueOrders,
)
from signalbox.order_terms import refused as _refused

_MARKET, _LIMIT, _TO_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.MARKET_TO_LIMIT
_TRAILING_LIMIT = OrderType.TRAILING_STOP_LIMIT
_TRIGGERED = WITH_STOP & WITH_LIMIT
"""Limit orders from their trigger on."""
_AT_A_LIMIT = WITH_LIMIT - IN_AUCTION
"""Types that rest at their limit, at once or from their trigger on."""
_UNTRIGGERED = frozenset(OrderType) - TRIGGERED
_DAY, _GTC, _GTD = TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD
_IOC, _FOK = TimeInForce.IOC, TimeInForce.FOK
_AT_THE_OTHER_SIDE = "a LIMIT order at the other side of the market: it takes what is there, and the rest rests"
_OPTION, _FOREX = frozenset({InstrumentKind.OPTION}), frozenset({InstrumentKind.FOREX})
_EMULATED = Support.EMULATED

EVERYWHERE: tuple[Rule, ...] = (
    _refused(
        why="a MARKET order, or one for the close or the opening, is a DAY order: it does not outlive its session",
        instead="DAY",
        types=frozenset({_MARKET}) | IN_AUCTION,
        validities=frozenset({_GTC, _GTD}),
    ),
    _refused(
        why="IOC and FOK say of a price how much must be had at it: they are of a LIMIT order",
        instead="a LIMIT order with the worst price that you would take, or DAY",
        types=frozenset(OrderType) - {_LIMIT},
        validities=AT_ONCE,
    ),
    _refused(
        why="post_only is of a LIMIT order, which can rest: the other types take",
        instead="a LIMIT order, or leave post_only away",
        types=frozenset(OrderType) - {_LIMIT},
        flag=Flag.POST_ONLY,
    ),
    _refused(
        why="post_only is of an order that rests: IOC and FOK never do",
        instead="DAY, GTC or GTD, or leave post_only away",
        validities=AT_ONCE,
        flag=Flag.POST_ONLY,
    ),
    _refused(
        why="only an order with a limit can work outside regular hours, and none that is for an auction",
        instead="a LIMIT, STOP_LIMIT or LIMIT_IF_TOUCHED order, or leave outside_regular_hours away",
        types=frozenset(OrderType) - WITH_LIMIT | IN_AUCTION,
        flag=Flag.OUTSIDE_REGULAR_HOURS,
    ),
    _refused(
        why="of an order that takes at once, all or none is FOK",
        instead="FOK, or leave all_or_none away",
        validities=AT_ONCE,
        flag=Flag.ALL_OR_NONE,
    ),
    _refused(
        why="all_or_none is of an order that waits at a limit until there is enough for all of it",
        instead="a LIMIT order, or leave all_or_none away",
        types=frozenset(OrderType) - _AT_A_LIMIT,
        flag=Flag.ALL_OR_NONE,
    ),
    _refused(
        "display_quantity is of an order that rests: IOC and FOK never do",
        "DAY, GTC or GTD, or leave display_quantity away",
        validities=AT_ONCE,
        flag=Flag.DISPLAY_QUANTITY,
    ),
    _refused(
        why="display_quantity is of an order that rests at a limit",
        instead="a LIMIT order, or leave display_quantity away",
        types=frozenset(OrderType) - _AT_A_LIMIT,
        flag=Flag.DISPLAY_QUANTITY,
    ),
    _refused(
        why="IOC and FOK take at once or never: they can not wait for not_before",
        instead="the order at that time, or DAY",
        validities=AT_ONCE,
        flag=Flag.NOT_BEFORE,
    ),
    _refused(
        why="an order for an auction works there alone: it has no other time",
        instead="the order without not_before",
        types=IN_AUCTION,
        flag=Flag.NOT_BEFORE,
    ),
    *(
        _refused(
            why="trigger is of an order that waits for its stop price",
            instead="a STOP, STOP_LIMIT or ..._IF_TOUCHED order, or leave trigger away",
            types=_UNTRIGGERED,
            flag=flag,
        )
        for flag in (Flag.TRIGGER, Flag.TRIGGER_ORACLE)
    ),
    _refused(
        why="an activation_price is where a stop begins to follow the market: only one that trails does",
        instead="a TRAILING_STOP order, or leave activation_price away",
        types=frozenset(OrderType) - TRAILING,
        flag=Flag.ACTIVATION_PRICE,
    ),
)
"""Before any venue's own."""

VENUE_ORDERS: tuple[VenueOrders, ...] = (
    VenueOrders(
        name="ibkr",
        kinds=(InstrumentKind.STOCK, InstrumentKind.OPTION, InstrumentKind.FOREX),
        keeps_groups=True,
        attaches=True,
        rules=(
            _refused(
                why="options are traded in regular hours alone",
                instead="the order without outside_regular_hours",
                kinds=_OPTION,
                flag=Flag.OUTSIDE_REGULAR_HOURS,
            ),
            _refused(
                why="options have no closing auction: an order for the close can not fill",
                instead="a LIMIT or MARKET order before the close",
                kinds=_OPTION,
                types=AT_CLOSE,
            ),
            _refused(
                why="options open exchange by exchange: there is no one opening to trade at",
                instead="a LIMIT or MARKET order once the market is open",
                kinds=_OPTION,
                types=AT_OPEN,
            ),
            _refused(
                why="a currency pair trades round the clock: it has no close and no opening to trade at",
                instead="a MARKET order at the hour you want",
                kinds=_FOREX,
                types=IN_AUCTION,
            ),
            _refused(
                why="IBKR has no MARKET_TO_LIMIT orders for currency pairs",
                instead=_AT_THE_OTHER_SIDE,
                kinds=_FOREX,
                types=frozenset({_TO_LIMIT}),
            ),
            _refused(
                why="IBKR has no post-only orders: what reaches the market takes",
                instead="a LIMIT order that does not reach the other side of the market",
                flag=Flag.POST_ONLY,
            ),
            _refused(
                why="IBKR has no oracle's price to trigger by",
                instead="LAST, BID_ASK or MID, or leave trigger away",
                flag=Flag.TRIGGER_ORACLE,
            ),
            *(
                _refused(
                    why=f"IBKR takes no {flag} of currency pairs",
                    instead=f"a LIMIT order of the size that you want, without {flag}",
                    kinds=_FOREX,
                    flag=flag,
                )
                for flag in (Flag.ALL_OR_NONE, Flag.DISPLAY_QUANTITY)
            ),
            Rule(
                support=_EMULATED,
                why="IBKR has no reduce-only: risk lets it through only where all working orders together can but "
                "reduce what is held",
                flag=Flag.REDUCE_ONLY,
            ),
            Rule(
                why="IBKR holds it until then (goodAfterTime): a STOP order protects nothing before",
                flag=Flag.NOT_BEFORE,
            ),
            Rule(
                why="IBKR holds it until the market has been there (a price condition), and trails from there: it "
                "protects nothing before",
                flag=Flag.ACTIVATION_PRICE,
            ),
            Rule(
                why="TWS shows it as PreSubmitted until the trigger method that it was told (2, 4 or 8) releases it",
                flag=Flag.TRIGGER,
            ),
            Rule(
                why="it is filled behind all others at its price, when there is enough for all of it",
                flag=Flag.ALL_OR_NONE,
            ),
            Rule(
                why="TWS shows it as PreSubmitted until its own trigger method (of shares: the last trade) releases it",
                types=TRIGGERED,
            ),
            Rule(why="with the time in force OPG; what the opening leaves of it is over", types=AT_OPEN),
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
            _refused(
                why="dYdX never closes: a market there has no close and no opening to trade at",
                instead="a MARKET order at the hour you want",
                types=IN_AUCTION,
            ),
            _refused(
                why="dYdX has no MARKET_TO_LIMIT orders",
                instead=_AT_THE_OTHER_SIDE,
                types=frozenset({_TO_LIMIT}),
            ),
            _refused(
                why="dYdX takes reduce-only of what takes at once and of stops alone, not of what rests (clob/9003)",
                instead="IOC, a MARKET, STOP or MARKET_IF_TOUCHED order, or leave reduce_only away: risk knows what is "
                "held",
                types=WITH_LIMIT | {_TRAILING_LIMIT},
                validities=frozenset({_DAY, _GTC, _GTD}),
                flag=Flag.REDUCE_ONLY,
            ),
            _refused(
                why="the chain has no all-or-none: what rests is filled in part",
                instead="IOC, which takes what there is at once, or leave all_or_none away",
                flag=Flag.ALL_OR_NONE,
            ),
            _refused(
                why="the chain shows every order whole",
                instead="smaller LIMIT orders, one after the other, or leave display_quantity away",
                flag=Flag.DISPLAY_QUANTITY,
            ),
            _refused(
                why="the chain has no orders that begin later",
                instead="an intent that is sent at that time",
                flag=Flag.NOT_BEFORE,
            ),
            _refused(
                why="dYdX triggers by the oracle's price alone",
                instead="trigger ORACLE, or leave trigger away",
                flag=Flag.TRIGGER,
            ),
            _refused(
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
                support=_EMULATED,
                why="a stop that stands so far away that nothing triggers it, until the gateway sees the oracle's "
                "price there, and then trails: it protects nothing before, and what no gateway sees is missed",
                flag=Flag.ACTIVATION_PRICE,
            ),
            Rule(
                support=_EMULATED,
                why="a STOP that stands on the chain, which the gateway moves behind the oracle's price: it protects "
                "while nobody watches, and trails while the gateway does. With reduce_only another stands before the "
                "first goes; without, none does for some blocks",
                types=TRAILING - {_TRAILING_LIMIT},
            ),
            Rule(
                support=_EMULATED,
                why="a STOP_LIMIT that stands on the chain, which the gateway moves behind the oracle's price: the "
                "first goes, then another is placed, so for some blocks none stands. Triggered, it rests at its limit",
                types=frozenset({_TRAILING_LIMIT}),
            ),
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
ATTACHING = frozenset(orders.name for orders in VENUE_ORDERS if orders.attaches)
NATIVE = Rule()


def rule_of(venue: str, kind: InstrumentKind, terms: Terms) -> Rule:
    """What becomes of such an order at a venue. Of one that is not in the table nothing is known to be refused."""
    if venue not in _ORDERS_OF:  # people write its name: what is kept below stays as small as the table
        return NATIVE
    return _rule(venue, kind, terms.order_type, terms.time_in_force, *_asked(terms))


def _asked(terms: Terms) -> tuple[bool, ...]:
    """Of each flag, whether it is asked for."""
    return (
        terms.reduce_only,
        terms.outside_regular_hours,
        terms.post_only,
        terms.all_or_none,
        terms.display_quantity is not None,
        terms.not_before is not None,
        terms.trigger in _OF_THE_MARKET,
        terms.trigger is TriggerMethod.ORACLE,
        terms.activation_price is not None,
    )


def why_refused(venue: str, kind: InstrumentKind, terms: Terms) -> str:
    """The sentence with which an order is refused; "" = it is not."""
    rule = rule_of(venue, kind, terms)
    return rule.sentence if rule.support is Support.REFUSED else ""


def flags_of(terms: Terms) -> tuple[Flag, ...]:
    """What it asks for, in the order of the flags."""
    return tuple(flag for flag, is_asked in zip(Flag, _asked(terms), strict=True) if is_asked)


_OF_THE_MARKET = frozenset({TriggerMethod.LAST, TriggerMethod.BID_ASK, TriggerMethod.MID})
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

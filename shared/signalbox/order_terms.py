"""What a person may say in an order: which prices a type has, what waits, what rests, what is over at once, the flags.

Owns these words, what contradicts itself, and what a rule about them is; what each venue does is in `order_support`.
Pure; it must not know accounts, prices, hours or any venue.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from signalbox.messages import (
    InstrumentKind,
    ModifyIntent,
    Order,
    OrderIntent,
    OrderType,
    Side,
    TimeInForce,
    TriggerMethod,
)

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
TRAILING = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
"""Types whose stop follows the market, `trail_amount` or `trail_percent` behind it."""
TRAIL = ("trail_amount", "trail_percent", "trail_stop_price")
"""How the stop of an order follows the market."""
TRIGGERED = WITH_STOP | TRAILING
"""Types that are triggered before they trade."""
AT_MARKET_THEN = TRIGGERED - WITH_LIMIT - {OrderType.TRAILING_STOP_LIMIT}
"""Types that take what there is once they are triggered; the others rest at their limit then."""
WHY_OVER = {
    TimeInForce.IOC: "immediate-or-cancel: nothing more was to be had within its price",
    TimeInForce.FOK: "fill-or-kill: its whole quantity was not to be had at once within its price",
}
"""Why an order that took what it could as it came is over, of itself: CANCELED at every venue, in these words."""
CHANGEABLE = ("quantity", "limit_price", "stop_price")
"""What of an order may become another while it works."""
AT_ONCE = frozenset(WHY_OVER)
"""Validities of orders that never rest."""


class Flag(StrEnum):
    """What an order may ask for beside its type and validity, as its field is called."""

    REDUCE_ONLY = "reduce_only"
    OUTSIDE_REGULAR_HOURS = "outside_regular_hours"
    POST_ONLY = "post_only"
    """It adds to the book, or it is turned away: it never takes."""
    ALL_OR_NONE = "all_or_none"
    """It fills whole or not at all, and waits until it can."""
    DISPLAY_QUANTITY = "display_quantity"
    """It shows a part of itself at a time."""
    NOT_BEFORE = "not_before"
    """It begins to work then."""
    TRIGGER = "trigger"
    """It is triggered by a price of the market that is named: LAST, BID_ASK or MID."""
    TRIGGER_ORACLE = "trigger=ORACLE"
    ACTIVATION_PRICE = "activation_price"
    """Its stop begins to follow the market once that has been there."""


class Support(StrEnum):
    NATIVE = "native"
    EMULATED = "emulated"
    REFUSED = "refused"


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


def refused(
    why: str,
    instead: str,
    kinds: frozenset[InstrumentKind] = frozenset(),
    types: frozenset[OrderType] = frozenset(),
    validities: frozenset[TimeInForce] = frozenset(),
    flag: Flag | None = None,
) -> Rule:
    """What is refused, why, and what comes nearest."""
    return Rule(
        support=Support.REFUSED, why=why, instead=instead, kinds=kinds, types=types, validities=validities, flag=flag
    )


class VenueOrders(Struct, frozen=True, kw_only=True):
    """What one venue trades, and its rules: of those that are of an order the first holds, so refusals stand first."""

    name: str
    kinds: tuple[InstrumentKind, ...]
    rules: tuple[Rule, ...]
    keeps_groups: bool = False
    """Orders that depend on each other are one group there, which the venue reduces and cancels by itself."""
    attaches: bool = False
    """An order may have others attached to it there, which the venue holds until it fills, and ends with it."""


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
    @property
    def all_or_none(self) -> bool: ...
    @property
    def display_quantity(self) -> object: ...
    @property
    def not_before(self) -> object: ...
    @property
    def trigger(self) -> TriggerMethod: ...
    @property
    def trail_amount(self) -> Decimal | None: ...
    @property
    def trail_percent(self) -> Decimal | None: ...
    @property
    def limit_offset(self) -> Decimal | None: ...
    @property
    def activation_price(self) -> Decimal | None: ...


_PRICES_OF = {kind: (kind in WITH_LIMIT, kind in WITH_STOP) for kind in OrderType}


def contradiction(terms: Terms) -> str:
    """Why a type's prices are not those it has, or what else it says contradicts itself ("" = nothing does)."""
    kind = terms.order_type
    if terms.all_or_none and terms.display_quantity is not None:
        return "an order that fills whole shows itself whole: it has all_or_none or display_quantity"
    if wrong := _trail_at_fault(terms):
        return wrong
    if _PRICES_OF[kind] == (terms.limit_price is not None, terms.stop_price is not None):
        return ""
    for name, price, types in (
        ("limit_price", terms.limit_price, WITH_LIMIT),
        ("stop_price", terms.stop_price, WITH_STOP),
    ):
        if (kind in types) != (price is not None):
            return f"a {kind} order {'needs' if kind in types else 'has no'} {name}"
    return ""


OfOrder = TypeVar("OfOrder", OrderIntent, Order)


def as_wanted(terms: OfOrder, wanted: ModifyIntent) -> OfOrder:
    """The terms as a person wants to have them: what is left away stays as it is."""
    changes = {name: value for name in CHANGEABLE if (value := getattr(wanted, name)) is not None}
    return replace(terms, **changes)


def protects(terms: Terms) -> bool:
    """Whether it is there when the market goes against a position: a stop without a limit that works at once."""
    return terms.order_type in _PROTECTING and terms.not_before is None and terms.activation_price is None


_PROTECTING = frozenset({OrderType.STOP, OrderType.TRAILING_STOP})


def _trail_at_fault(terms: Terms) -> str:
    kind, amount, percent, beyond = terms.order_type, terms.trail_amount, terms.trail_percent, terms.limit_offset
    begins = terms.activation_price
    if begins is not None and not (begins.is_finite() and begins > 0):
        return "the activation_price is a price of the market: above zero"
    if kind not in TRAILING:
        said = (amount, percent, beyond) != (None, None, None)
        return f"a {kind} order has no trail_amount, trail_percent or limit_offset" if said else ""
    if (amount is None) is (percent is None):
        return f"a {kind} order needs trail_amount or trail_percent, one of them"
    if any(each is not None and not each.is_finite() for each in (amount, percent, beyond)):
        return "a trail is so much behind the market: a number"
    if (amount is not None and amount <= 0) or (percent is not None and not 0 < percent < 100):
        return "the trail lies behind the market: above zero, and below 100 percent"
    if (beyond is not None) is not (kind is OrderType.TRAILING_STOP_LIMIT):
        return f"a {kind} order {'has no' if beyond is not None else 'needs'} limit_offset"
    return "the limit_offset is below zero" if beyond is not None and beyond < 0 else ""


class Trail(Protocol):
    """How far a stop follows the market behind."""

    @property
    def trail_amount(self) -> Decimal | None: ...
    @property
    def trail_percent(self) -> Decimal | None: ...


def first_stop(terms: Trail, side: Side, market: Decimal) -> Decimal:
    """Where the stop of a trailing order is while the market is there, if it has not been nearer before."""
    distance = terms.trail_amount if terms.trail_amount is not None else market * (terms.trail_percent or 0) / 100
    return market + distance * side.sign


class Activated(Protocol):
    """From where on a stop follows the market."""

    @property
    def activation_price(self) -> Decimal | None: ...


def is_reached(terms: Activated, side: Side, price: Decimal) -> bool:
    """Whether the market at that price has come to where the stop begins to follow it: above it, of a sale."""
    begins = terms.activation_price
    return begins is None or (price - begins) * side.sign <= 0


def begins_at(terms: Activated, side: Side, market: Decimal) -> Decimal:
    """Where the market is when the stop begins to follow it, as far as anybody can tell now."""
    begins = terms.activation_price
    return market if begins is None or is_reached(terms, side, market) else begins

"""What each contingency asks of a list's legs: the sets that its legs make, their shares, and their prices.

Owns what is a list at all, and what follows from it for one fill of its entry. Risk denies with these sentences and the
OMS sends what is worked out here, so that what was judged is what is sent. Pure; it must not know orders that work.

A list has an entry or none. What follows an entry are sets: a set is a few legs of which together no more is to fill
than what the set is for. A bracket's targets have a part of the stop each, so that a target and its stop are for the
same quantity, and what fills of the one is what the other is for no more: at no venue has one stop to be divided by
several targets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from msgspec import Struct

from signalbox.instruments import tick_at
from signalbox.messages import (
    Contingency,
    ListLeg,
    OffsetUnit,
    OrderIntent,
    OrderListIntent,
    OrderType,
    PriceOffset,
    PriceStep,
    Side,
    TimeInForce,
)
from signalbox.order_support import REDUCING
from signalbox.order_terms import AT_ONCE, IF_TOUCHED, IN_AUCTION, TRAILING, WITH_STOP, first_stop

LEGS_MAX = 10
LEG_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
"""No dash: the second order of a leg is `<leg>-2`."""
FLATTEN = "flatten"
"""The leg of an order that the OMS sends where a stop was refused for good."""
STOPS = (WITH_STOP - IF_TOUCHED) | {OrderType.TRAILING_STOP}
"""Types that protect: they trade as the position loses."""
_AT_MARKET = frozenset({OrderType.MARKET, OrderType.MARKET_TO_LIMIT})
_WOULD_NOT_WAIT = IN_AUCTION | _AT_MARKET
ONE, ZERO, HUNDRED = Decimal(1), Decimal(0), Decimal(100)
_OTO, _BRACKET = Contingency.OTO, Contingency.BRACKET
WITH_ENTRY = frozenset({_OTO, _BRACKET})


class LegSet(Struct, frozen=True, kw_only=True):
    """Legs that depend on each other, and for which share of the entry; None = they depend on nothing else."""

    legs: tuple[ListLeg, ...]
    share: Decimal
    contingency: Contingency | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What a list comes to. `quantity` is the entry's, or without one that of each leg."""

    entry: ListLeg | None
    sets: tuple[LegSet, ...]
    quantity: Decimal

    @property
    def stop(self) -> ListLeg | None:
        """What R is measured by, and protects: the first stop behind the entry."""
        legs = (leg for each in self.sets for leg in each.legs if self.entry is not None)
        return next((leg for leg in legs if leg.order_type in STOPS), None)


class Terms(Struct, frozen=True, kw_only=True):
    """How prices and quantities of an instrument go."""

    tick_size: Decimal
    lot_size: Decimal
    price_steps: tuple[PriceStep, ...] = ()


# ------------------------------------------------------------------------------------------------- what is a list


def contradiction(intent: OrderListIntent) -> str:
    """Why an intent is no list that could be worked ("" = it is one)."""
    legs = intent.legs
    if not 2 <= len(legs) <= LEGS_MAX:
        return f"a list has 2 to {LEGS_MAX} legs, this one has {len(legs)}"
    names = [leg.name for leg in legs]
    for name in names:
        if LEG_NAME.fullmatch(name) is None or name == FLATTEN:
            return f"{name!r} can not name a leg: 1 to 16 small letters and digits, a letter first, not {FLATTEN}"
    if len(set(names)) < len(names):
        return "two legs have the same name"
    return next(filter(None, (_leg_at_fault(intent, number) for number in range(len(legs)))), "") or (
        _exits_at_fault(intent) if intent.contingency in WITH_ENTRY else _equals_at_fault(intent)
    )


def _leg_at_fault(intent: OrderListIntent, number: int) -> str:
    leg, is_exit = intent.legs[number], intent.contingency in WITH_ENTRY and number > 0
    what = f"leg {leg.name}"
    if trails := _trail_at_fault(leg, is_entry=intent.contingency in WITH_ENTRY and not number):
        return f"{what} {trails}"
    for price, offset in ((leg.limit_price, leg.limit_offset), (leg.stop_price, leg.stop_offset)):
        if price is not None and offset is not None:
            return f"{what} has a price both absolute and relative to the entry: leave one away"
        if offset is not None and not is_exit:
            return f"{what} has a price relative to the entry's fill, and follows no entry"
    if not is_exit:
        if leg.quantity is None or leg.share is not None:
            return f"{what} needs a quantity, and has no share: shares are of what follows an entry"
        return ""
    if leg.quantity is not None:
        return f"{what} follows an entry: it has a share of the entry's quantity, and no quantity of its own"
    if leg.share is not None and not ZERO < leg.share <= ONE:
        return f"{what} has a share of {leg.share}: it is above 0 and at most 1"
    if leg.side is intent.legs[0].side:
        return f"{what} is on the entry's side: what follows an entry closes what it opened"
    if leg.order_type in _WOULD_NOT_WAIT or leg.time_in_force in AT_ONCE:
        return f"{what} would not wait: what follows an entry is a limit, a stop or what is to be touched, and rests"
    return ""


def _trail_at_fault(leg: ListLeg, *, is_entry: bool) -> str:
    said = (leg.trail_amount is not None) + (leg.trail_percent is not None)
    if leg.order_type not in TRAILING:
        return "does not trail: it has no trail_amount and no trail_percent" if said else ""
    if leg.order_type is OrderType.TRAILING_STOP_LIMIT:
        return "would rest at a limit when the market has gone: of a list's legs a TRAILING_STOP can trail"
    if is_entry:
        return "is an entry, and would trail: what follows it can"
    prices = (leg.limit_price, leg.limit_offset, leg.stop_price, leg.stop_offset)
    if said != 1 or any(price is not None for price in prices):
        return "trails: it has trail_amount or trail_percent, one of them, and no price"
    return ""


def _exits_at_fault(intent: OrderListIntent) -> str:
    entry, exits = intent.legs[0], intent.legs[1:]
    stops = [leg for leg in exits if leg.order_type in STOPS]
    shared = exits
    if intent.contingency is _BRACKET:
        if len(stops) != 1:
            words = "STOP, STOP_LIMIT or TRAILING_STOP"
            return f"a bracket has one stop ({words}) behind its entry, this one has {len(stops)}"
        if stops[0].share is not None:
            return f"leg {stops[0].name} has a share: the stop of a bracket is for all of its entry"
        shared = tuple(leg for leg in exits if leg not in stops)
    named = sum((leg.share for leg in shared if leg.share is not None), ZERO)
    unnamed = sum(leg.share is None for leg in shared)
    if named > ONE:
        return f"the legs' shares add up to {named:f}: together they would close more than the entry opens"
    if unnamed > 1 or (unnamed and named == ONE):
        return "one leg at most may leave its share away: it takes what the others leave, and something must be left"
    by_risk = [leg.name for leg in exits for price in _offsets(leg) if price.unit is OffsetUnit.R]
    if by_risk and not stops:
        return f"leg {by_risk[0]} has a price in R, and the list has no stop to measure the risk by"
    if any(price.unit is OffsetUnit.R for leg in stops for price in _offsets(leg)):
        return "R is measured by the stop: the stop itself has no price in R"
    for leg in exits:
        if fault := _wrong_way(leg, entry.side):
            return fault
    return ""


def _offsets(leg: ListLeg) -> list[PriceOffset]:
    return [offset for offset in (leg.limit_offset, leg.stop_offset) if offset is not None]


def _wrong_way(leg: ListLeg, entry_side: Side) -> str:
    """A stop loses, a target wins; of a limit behind a stop the stop says which it is."""
    offset = leg.stop_offset if leg.order_type in WITH_STOP else leg.limit_offset
    if offset is None:
        return ""
    loses = leg.order_type in STOPS
    if offset.amount == 0 or (offset.amount < 0) is not loses:
        where = "below 0 (where the position loses)" if loses else "above 0 (where the position wins)"
        return f"leg {leg.name} is a {leg.order_type} behind a {entry_side} entry: its offset is {where}"
    return ""


def _equals_at_fault(intent: OrderListIntent) -> str:
    first = intent.legs[0]
    if any(leg.quantity != first.quantity for leg in intent.legs):
        return f"the legs of an {intent.contingency} list are for the same quantity"
    if any(leg.time_in_force in AT_ONCE or leg.order_type in _AT_MARKET for leg in intent.legs):
        return (
            f"a leg of an {intent.contingency} list rests: a MARKET, IOC or FOK order would be over before the others"
        )
    if intent.contingency is Contingency.OUO and any(leg.side is not first.side for leg in intent.legs):
        return "the legs of an OUO list are on one side: what fills of the one is what the others are for no more"
    return ""


# ---------------------------------------------------------------------------------------------- what it comes to


def plan_of(intent: OrderListIntent) -> Plan:
    """The entry and the sets of a list that is one."""
    legs = intent.legs
    assert legs[0].quantity is not None
    if intent.contingency not in WITH_ENTRY:
        both = LegSet(legs=legs, share=ONE, contingency=intent.contingency)
        return Plan(entry=None, sets=(both,), quantity=legs[0].quantity)
    stop = next((leg for leg in legs[1:] if leg.order_type in STOPS and intent.contingency is _BRACKET), None)
    exits = [leg for leg in legs[1:] if leg is not stop]
    left = ONE - sum((leg.share for leg in exits if leg.share is not None), ZERO)
    sets: list[LegSet] = []
    for leg in exits:
        share = left if leg.share is None else leg.share
        if stop is None:
            sets.append(LegSet(legs=(leg,), share=share))
        else:
            sets.append(LegSet(legs=(stop, leg), share=share, contingency=Contingency.OUO))
    if stop is not None and left and all(leg.share is not None for leg in exits):
        sets.append(LegSet(legs=(stop,), share=left))
    return Plan(entry=legs[0], sets=tuple(sets), quantity=legs[0].quantity)


def flatten_leg(plan: Plan) -> ListLeg:
    """What closes what a stop was to protect."""
    assert plan.entry is not None
    side = Side.SELL if plan.entry.side is Side.BUY else Side.BUY
    return ListLeg(
        name=FLATTEN,
        side=side,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        reduce_only=True,
    )


def share_out(shares: Sequence[Decimal], given: Sequence[Decimal], filled: Decimal, lot: Decimal) -> list[Decimal]:
    """What each set is given more, in whole lots, once `filled` of the entry has; none is ever given less.

    Each has its share of all that has filled, rounded down; a lot that is left goes to whom most is missing.
    """
    total = _floor(filled * min(sum(shares, ZERO), ONE), lot)
    left = total - sum(given, ZERO)
    more = [ZERO for _ in shares]
    for number, share in enumerate(shares):
        wanted = _floor(filled * share, lot) - given[number]
        more[number] = max(ZERO, min(wanted, left))
        left -= more[number]
    missing = [filled * share - given[number] - more[number] for number, share in enumerate(shares)]
    while left > 0:
        number = max(range(len(shares)), key=lambda each: missing[each])
        part = min(lot, left)
        more[number], missing[number], left = more[number] + part, missing[number] - part, left - part
    return more


def _floor(quantity: Decimal, lot: Decimal) -> Decimal:
    return quantity // lot * lot if lot > 0 else quantity


# ----------------------------------------------------------------------------------------------------------- prices


def priced(leg: ListLeg, plan: Plan, fill_price: Decimal, terms: Terms) -> tuple[Decimal | None, Decimal | None]:
    """Limit and stop price of a leg behind an entry that has filled at `fill_price`."""
    risk = ZERO
    if plan.stop is not None:
        stop = _risked_to(plan.stop, plan, fill_price, terms)
        risk = abs(fill_price - stop) if stop is not None else ZERO
    return (
        _price(leg.limit_price, leg.limit_offset, plan, fill_price, risk, terms),
        _price(leg.stop_price, leg.stop_offset, plan, fill_price, risk, terms),
    )


def _risked_to(stop: ListLeg, plan: Plan, fill_price: Decimal, terms: Terms) -> Decimal | None:
    """Where the stop lies as the entry fills: one that trails has not come nearer yet."""
    if stop.order_type in TRAILING:
        return first_stop(stop, stop.side, fill_price)
    return _price(stop.stop_price, stop.stop_offset, plan, fill_price, ZERO, terms)


def _price(
    price: Decimal | None, offset: PriceOffset | None, plan: Plan, fill: Decimal, risk: Decimal, terms: Terms
) -> Decimal | None:
    """The price, to a tick that is no farther from the fill than was asked for, and never the fill itself."""
    if offset is None or plan.entry is None:
        return price
    units = {OffsetUnit.PRICE: ONE, OffsetUnit.PERCENT: fill / HUNDRED, OffsetUnit.TICKS: terms.tick_size}
    wanted = fill + plan.entry.side.sign * offset.amount * units.get(offset.unit, risk)
    tick = tick_at(wanted, terms.tick_size, terms.price_steps)
    is_above = wanted > fill
    rounded = (wanted / tick).to_integral_value(ROUND_FLOOR if is_above else ROUND_CEILING) * tick
    if (rounded <= fill) if is_above else (rounded >= fill):
        rounded = (fill / tick).to_integral_value(ROUND_FLOOR if is_above else ROUND_CEILING) * tick
        rounded += tick if is_above else -tick
    return rounded.normalize() + ZERO if rounded else rounded


def order_intent(
    intent: OrderListIntent, plan: Plan, leg: ListLeg, quantity: Decimal, fill_price: Decimal | None, terms: Terms
) -> OrderIntent:
    """A leg as the order that it would be by itself, behind an entry at `fill_price`: what is judged and what is sent.

    What closes is reduce-only where that is the venue's own: a type that such a venue does not take so is denied.
    """
    limit_price, stop_price = leg.limit_price, leg.stop_price
    if plan.entry is not None and leg is not plan.entry and fill_price is not None:
        limit_price, stop_price = priced(leg, plan, fill_price, terms)
    is_exit = plan.entry is not None and leg is not plan.entry
    return OrderIntent(
        id=f"{intent.id}.{leg.name}",
        at=intent.at,
        venue=intent.venue,
        symbol=intent.symbol,
        side=leg.side,
        quantity=quantity,
        order_type=leg.order_type,
        limit_price=limit_price,
        stop_price=stop_price,
        time_in_force=leg.time_in_force,
        good_till=leg.good_till,
        outside_regular_hours=leg.outside_regular_hours,
        reduce_only=leg.reduce_only or (is_exit and intent.venue in REDUCING),
        post_only=leg.post_only,
        trail_amount=leg.trail_amount,
        trail_percent=leg.trail_percent,
        account=intent.account,
        valid_until=intent.valid_until,
        strategy=intent.strategy,
    )

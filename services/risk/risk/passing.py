"""What would have passed in the place of what is denied: the largest quantity, the nearest price.

Pure search over the checks themselves (`passes`): it knows none of their limits, so that what it finds is what the
next intent is let through with, if nothing else has changed by then. One thing is changed at a time; where that helps
nowhere, a price and the quantity. What passes is taken to lie together: between what passes and what does not, the
boundary is found by halving, and whatever is told has passed. It must not know what a decision is made of, nor rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from msgspec import structs
from signalbox.instruments import tick_at
from signalbox.messages import (
    Basis,
    Check,
    InstrumentSeen,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    Side,
    WouldPass,
)
from signalbox.order_lists import WITH_ENTRY

from risk.prices import usable_price
from risk.state import ONE

Wanted = OrderIntent | OrderListIntent | ModifyIntent
"""What has a quantity, and maybe prices, that could be others."""
Passes = Callable[[Wanted], bool]

UNMOVED = frozenset(
    {
        *("intent_id", "duplicate_intent", "venue", "account", "instrument_allowed", "expiry", "instrument_qualified"),
        *("order_support", "time_in_force", "intent_age", "valid_until", "not_before", "clock", "flatten"),
        *("store_room", "venue_link", "account_books", "account_state", "market_state", "session", "close_cutoff"),
        *(
            "open_cutoff",
            "price_present",
            "price_age",
            "limits_stated",
            "currency",
            "intent_rate",
            "name_rate",
            "open_orders",
            "open_positions",
        ),
        *("order_working", "order_matches", "order_changeable", "change_support"),
    }
)
"""Checks that another quantity or price says nothing to: where one of them fails there is nothing to look for."""
UNMOVED_BY_PRICES = frozenset(
    {
        *("quantity", "display_quantity", "trading_state", "reduce_only", "margin_mode", "market_data_type"),
        *("order_quantity", "position_quantity", "option_writing", "total_above_filled"),
        *("spread", "entries_per_position"),
        *("daily_loss", "drawdown", "consecutive_losses", "cooldown", "stop_required"),
    }
)
PRICES = ("limit_price", "stop_price")
BEGINNINGS_MAX = 6
"""How often the smallest quantity of a list is doubled: so many lots its legs need to have one each."""
ANCHORS_MAX = 8
NOTHING = WouldPass()
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


def what_would_pass(intent: Wanted, basis: Basis, failed: tuple[Check, ...], passes: Passes) -> WouldPass:
    """Look for what of a denied intent, one thing changed, passes; nothing where none of these does."""
    found, names = basis.instrument, {check.name for check in failed}
    if found is None or names & UNMOVED:
        return NOTHING
    quantity, prices = _largest(intent, basis, found, failed, passes), dict[str, Decimal]()
    told = [Decimal(number) for check in failed for number in _NUMBER.findall(check.limit)]
    if not names & UNMOVED_BY_PRICES:
        for name in PRICES:
            price = _nearest(intent, name, basis, found, told, passes)
            if price is not None:
                prices[name] = price
    if quantity is None and not prices and names - UNMOVED_BY_PRICES:
        return _together(intent, basis, found, failed, told, passes)
    return WouldPass(quantity=quantity, limit_price=prices.get("limit_price"), stop_price=prices.get("stop_price"))


def _together(
    intent: Wanted, basis: Basis, found: InstrumentSeen, failed: tuple[Check, ...], told: list[Decimal], passes: Passes
) -> WouldPass:
    """The nearest price with which the smallest order would pass, and the largest quantity at that."""
    if _of(intent, "quantity") is None or not _has_lots(found):
        return NOTHING
    smallest = _with(intent, "quantity", _fewest(intent, basis, found) * found.lot_size)
    for name in PRICES:
        price = _nearest(smallest, name, basis, found, told, passes)
        if price is not None:
            quantity = _largest(_with(intent, name, price), basis, found, failed, passes)
            return WouldPass(quantity=quantity, together=True, **{name: price}) if quantity is not None else NOTHING
    return NOTHING


# -------------------------------------------------------------------------------------------------------- quantities


def _largest(
    intent: Wanted, basis: Basis, found: InstrumentSeen, failed: tuple[Check, ...], passes: Passes
) -> Decimal | None:
    """The largest quantity below the one that is asked for, in whole lots."""
    wanted, lot = _of(intent, "quantity"), found.lot_size
    if wanted is None or not _has_lots(found):
        return None

    def fits(lots: int) -> bool:
        return passes(_with(intent, "quantity", lots * lot))

    too_many = int((wanted / lot).to_integral_value(ROUND_CEILING))  # what is asked for itself, or one that is no lot
    low = _fewest(intent, basis, found)
    for _ in range(BEGINNINGS_MAX if isinstance(intent, OrderListIntent) else 1):
        if low >= too_many:
            return None
        if fits(low):
            return _last_before(low, too_many, int(too_many * _part_left(failed)), fits) * lot
        low *= 2
    return None


def _has_lots(found: InstrumentSeen) -> bool:
    return found.lot_size.is_finite() and found.lot_size > 0


def _fewest(intent: Wanted, basis: Basis, found: InstrumentSeen) -> int:
    """The lots that an order begins at; of one that works, what would be more than it has."""
    lot = found.lot_size
    least = max(1, int((found.minimum_quantity / lot).to_integral_value(ROUND_CEILING)))
    if isinstance(intent, ModifyIntent):
        terms = basis.order.terms if basis.order is not None else None
        return max(least, int(terms.quantity / lot) + 1 if terms is not None else least)
    if isinstance(intent, OrderIntent) and intent.display_quantity is not None and intent.display_quantity > 0:
        return max(least, int(intent.display_quantity / lot) + 1)
    return least


def _part_left(failed: tuple[Check, ...]) -> Decimal:
    """About how much of the quantity would be left if all that failed grew with it: where to begin to look."""
    part = ONE
    for check in failed:
        limit, observed = _NUMBER.fullmatch(check.limit), _NUMBER.fullmatch(check.observed)
        if limit is not None and observed is not None and Decimal(observed[0]) > 0:
            part = min(part, Decimal(limit[0]) / Decimal(observed[0]))
    return part


def _last_before(low: int, high: int, guess: int, fits: Callable[[int], bool]) -> int:
    """The last that fits, of those from `low`, which does, to `high`, which does not.

    From a guess on it is looked for in steps that double, then by halving.
    """
    step, rises = 1, guess > low and guess < high and fits(guess)
    if rises:
        low = guess
    elif low < guess < high:
        high = guess
    while high - step > low and low + step < high:
        probe = low + step if rises else high - step
        if fits(probe) is not rises:
            low, high = (low, probe) if rises else (probe, high)
            break
        low, high, step = (probe, high, step * 2) if rises else (low, probe, step * 2)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


# ------------------------------------------------------------------------------------------------------------ prices


def _nearest(
    intent: Wanted, name: str, basis: Basis, found: InstrumentSeen, told: list[Decimal], passes: Passes
) -> Decimal | None:
    """The price on the grid of ticks that is nearest to the one asked for, and passes."""
    wanted = _of(intent, name)
    if wanted is None or wanted <= 0 or not found.tick_size.is_finite() or found.tick_size <= 0:
        return None

    def fits(price: Decimal) -> bool:
        return passes(_with(intent, name, price))

    for price in sorted(_around(wanted, found), key=lambda each: abs(each - wanted)):
        if price != wanted and fits(price):
            return price
    at_market = {each for price in _known(intent, name, basis, found, told) for each in _around(price, found)}
    beside = {each for price in at_market for each in _beside(price, found)} - at_market
    for anchors in (at_market, beside):
        for price in sorted(anchors, key=lambda each: abs(each - wanted))[:ANCHORS_MAX]:
            if price != wanted and fits(price):
                return _last_towards(price, wanted, found, fits)
    return None


def _last_towards(good: Decimal, bad: Decimal, found: InstrumentSeen, fits: Callable[[Decimal], bool]) -> Decimal:
    """The last price that fits on the way from `good`, which does, to `bad`, which does not."""
    step = found.tick_size if bad > good else -found.tick_size
    while abs(step) < abs(bad - good):
        probe = _ceiling(good + step, found) if step > 0 else _floor(good + step, found)
        if probe in (good, bad) or (probe > good) is not (step > 0) or (probe < bad) is not (step > 0):
            break
        if not fits(probe):
            bad = probe
            break
        good, step = probe, step * 2
    while True:
        middle = _floor((good + bad) / 2, found)
        if middle in (good, bad) or middle <= min(good, bad):
            middle = _ceiling((good + bad) / 2, found)
            if middle in (good, bad) or middle >= max(good, bad):
                return good
        if fits(middle):
            good = middle
        else:
            bad = middle


def _known(intent: Wanted, name: str, basis: Basis, found: InstrumentSeen, told: list[Decimal]) -> set[Decimal]:
    """Where a price may pass: at what was told as a limit, at the market, for a purchase far below. Or just beside."""
    quote, other = basis.quote, "stop_price" if name == "limit_price" else "limit_price"
    known = [*told, _of(intent, other), found.tick_size if _side(intent, basis) is Side.BUY else None]
    if quote is not None:
        known += [quote.bid, quote.ask, quote.last, quote.oracle_price]
    return {price for price in known if usable_price(price) is not None and price is not None}


def _beside(price: Decimal, found: InstrumentSeen) -> set[Decimal]:
    """The next prices of the grid on either side."""
    half = found.tick_size / 2
    return {each for each in (_floor(price - half, found), _ceiling(price + half, found)) if each > 0}


def _around(price: Decimal, found: InstrumentSeen) -> set[Decimal]:
    """The prices of the grid next to a price, or itself."""
    return {each for each in (_floor(price, found), _ceiling(price, found)) if each > 0}


def _floor(price: Decimal, found: InstrumentSeen) -> Decimal:
    tick = tick_at(price, found.tick_size, found.price_steps)
    return (price / tick).to_integral_value(ROUND_FLOOR) * tick


def _ceiling(price: Decimal, found: InstrumentSeen) -> Decimal:
    tick = tick_at(price, found.tick_size, found.price_steps)
    return (price / tick).to_integral_value(ROUND_CEILING) * tick


# ------------------------------------------------------------------------------------------------- what is asked for


def _of(intent: Wanted, name: str) -> Decimal | None:
    """A figure of an intent; of a list its entry's, or the quantity that its orders share."""
    if isinstance(intent, OrderListIntent):
        if not intent.legs or (name != "quantity" and intent.contingency not in WITH_ENTRY):
            return None
        figure: Decimal | None = getattr(intent.legs[0], name)
        return figure
    figure = getattr(intent, name)
    return figure


def _with(intent: Wanted, name: str, figure: Decimal) -> Wanted:
    """The intent with another one."""
    if not isinstance(intent, OrderListIntent):
        return structs.replace(intent, **{name: figure})
    alike = name == "quantity" and intent.contingency not in WITH_ENTRY
    legs = [
        structs.replace(leg, **{name: figure}) if not number or (alike and leg.quantity is not None) else leg
        for number, leg in enumerate(intent.legs)
    ]
    return structs.replace(intent, legs=tuple(legs))


def _side(intent: Wanted, basis: Basis) -> Side | None:
    if isinstance(intent, OrderListIntent):
        return intent.legs[0].side if intent.legs else None
    if isinstance(intent, OrderIntent):
        return intent.side
    return basis.order.terms.side if basis.order is not None and basis.order.terms is not None else None

"""Checks of how an order is to be worked: how much of it is shown, from when on, and where its stop starts.

Each is a pair of pure functions: why an intent fails it, and what is told of it. Whether its venue can do it at all is
asked elsewhere (`order_support`).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from signalbox.errors import CalendarError
from signalbox.instruments import conforms_to_lot, conforms_to_tick, tick_at
from signalbox.messages import TimeInForce
from signalbox.order_terms import TRAILING, begins_at, contradiction, first_stop
from signalbox.sessions import session_at

from risk.checks.rows import Row, Told
from risk.facts import CLOCK, INTENT, OrderFacts
from risk.wording import moment, plain

_DAY = TimeInForce.DAY


def display_quantity(facts: OrderFacts) -> str:
    """A part of the order, in whole lots."""
    intent, found = facts.intent, facts.basis.instrument
    shown = intent.display_quantity
    if shown is None:
        return ""
    if not 0 < shown < intent.quantity:
        return f"the display_quantity {plain(shown)} is no part of the quantity {plain(intent.quantity)}"
    if found is None:
        return f"the lot size of {intent.symbol} is not known"
    if not conforms_to_lot(shown, found.lot_size):
        return f"the display_quantity {plain(shown)} is not a multiple of the lot size {plain(found.lot_size)}"
    return ""


def tell_display_quantity(facts: OrderFacts) -> Told:
    shown = facts.intent.display_quantity
    return f"below {plain(facts.intent.quantity)}", "all" if shown is None else plain(shown), INTENT


def not_before(facts: OrderFacts) -> str:
    """It begins after now, and before the order ends."""
    begins = facts.intent.not_before
    if begins is None:
        return ""
    if begins <= facts.now:
        return f"it is {moment(facts.now)}: not_before {moment(begins)} has passed; leave it away"
    ends = _ends(facts)
    if ends is not None and begins >= ends:
        return f"it would begin to work at {moment(begins)}, and ends at {moment(ends)}"
    return ""


def _ends(facts: OrderFacts) -> datetime | None:
    """When the order ends by itself, as far as it does and is known: what has no session is denied for that."""
    intent, found = facts.intent, facts.basis.instrument
    if intent.time_in_force is not _DAY or found is None:
        return intent.good_till
    try:
        session = session_at(found.calendar, facts.now)
    except CalendarError:
        return None
    if session is None:
        return None
    return session.post_close if intent.outside_regular_hours else session.close


def tell_not_before(facts: OrderFacts) -> Told:
    begins = facts.intent.not_before
    if begins is None:
        return "none", moment(facts.now), CLOCK
    ends = _ends(facts)
    limit = f"after {moment(facts.now)}" + (f", before {moment(ends)}" if ends is not None else "")
    return limit, moment(begins), INTENT


def _first_stop(facts: OrderFacts) -> Decimal | None:
    intent, market = facts.intent, facts.market_price
    if intent.order_type not in TRAILING or market is None or contradiction(intent):
        return None
    return first_stop(intent, intent.side, begins_at(intent, intent.side, market))


def trail(facts: OrderFacts) -> str:
    """Its distances are whole ticks, and its first stop is a price."""
    intent, found = facts.intent, facts.basis.instrument
    if intent.order_type not in TRAILING or contradiction(intent):
        return ""
    if found is None:
        return f"the tick size of {intent.symbol} is not known"
    for name, distance in (("trail_amount", intent.trail_amount), ("limit_offset", intent.limit_offset)):
        if distance is not None and not conforms_to_tick(distance, found.tick_size):
            return f"the {name} {plain(distance)} is not a multiple of the tick size {plain(found.tick_size)}"
    begins = intent.activation_price
    if begins is not None:
        tick = tick_at(begins, found.tick_size, found.price_steps)
        if not conforms_to_tick(begins, tick):
            return f"the activation_price {plain(begins)} is not a multiple of the tick size {plain(tick)}"
    stop = _first_stop(facts)
    if stop is None:
        return f"there is no price of {intent.symbol} to trail from"
    worst = stop - (intent.limit_offset or 0)
    if worst <= 0:
        return (
            f"the trail would start at {plain(worst)}, which is no price: the market is at {plain(facts.market_price)}"
        )
    return ""


def tell_trail(facts: OrderFacts) -> Told:
    stop = _first_stop(facts)
    begins = facts.intent.activation_price
    where = "" if begins is None else f" once it has been at {plain(begins)}"
    starts = f"its stop starts at {plain(stop)}{where}, the market is at {plain(facts.market_price)}"
    return (
        "a price",
        starts if stop is not None else "none",
        f"quote:{facts.basis.quote.id}" if facts.basis.quote else INTENT,
    )


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row(
        "display_quantity",
        display_quantity,
        tell_display_quantity,
        stands=lambda facts: facts.intent.display_quantity is None,
    ),
    Row("trail", trail, tell_trail, stands=lambda facts: facts.intent.order_type not in TRAILING),
    Row("not_before", not_before, tell_not_before, stands=lambda facts: facts.intent.not_before is None),
)

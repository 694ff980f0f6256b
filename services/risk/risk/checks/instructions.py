"""Checks of how an order is to be worked: how much of it is shown, and from when on.

Each is a pair of pure functions: why an intent fails it, and what is told of it. Whether its venue can do it at all is
asked elsewhere (`order_support`).
"""

from __future__ import annotations

from datetime import datetime

from signalbox.errors import CalendarError
from signalbox.instruments import conforms_to_lot
from signalbox.messages import TimeInForce
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


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row(
        "display_quantity",
        display_quantity,
        tell_display_quantity,
        stands=lambda facts: facts.intent.display_quantity is None,
    ),
    Row("not_before", not_before, tell_not_before, stands=lambda facts: facts.intent.not_before is None),
)

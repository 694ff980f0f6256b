"""Checks of the auctions: is an order for the close, or for the opening, in time?

Each is a pair of pure functions: why an intent fails it, and what is told of it. Exchanges stop taking such orders some
time before; the hours are the calendar's, half days included. Where they are not known, it is denied.
"""

from __future__ import annotations

from signalbox.errors import CalendarError
from signalbox.order_terms import AT_CLOSE, AT_OPEN
from signalbox.sessions import (
    MOC_CUTOFF_MINUTES,
    OPENING_CUTOFF_MINUTES,
    Session,
    moc_cutoff,
    opening_cutoff,
    opening_of,
    session_at,
)

from risk.checks.rows import Row, Told
from risk.facts import CLOCK, OrderFacts
from risk.wording import UNKNOWN, local_time, moment


def session_of(facts: OrderFacts) -> tuple[Session | None, str, str]:
    """The session under way, its calendar, and why it can not be told ("" = it can)."""
    instrument = facts.basis.instrument
    if instrument is None:
        return None, "", f"the trading hours of {facts.intent.symbol} are not known"
    try:
        return session_at(instrument.calendar, facts.now), instrument.calendar, ""
    except CalendarError as error:
        return None, instrument.calendar, str(error)


def _has_close(found: Session | None) -> bool:
    return found is not None and (found.open, found.close) != (found.pre_open, found.post_close)


def close_cutoff(facts: OrderFacts) -> str:
    """Exchanges stop taking orders for the close before it; the desk stops 15 minutes before."""
    if facts.intent.order_type not in AT_CLOSE:
        return ""
    found, calendar, reason = session_of(facts)
    if reason:
        return reason
    if found is None or not _has_close(found):
        return f"{facts.intent.symbol} has no close to trade at"
    cutoff = moc_cutoff(found)
    if facts.now < cutoff:
        return ""
    times = [local_time(calendar, found, at) for at in (cutoff, found.close, facts.now)]
    return (
        f"orders for the close are refused from {times[0]}, {MOC_CUTOFF_MINUTES} minutes before the close at "
        f"{times[1]}: it is {times[2]}; use a MARKET or LIMIT order while the market is open"
    )


def tell_close_cutoff(facts: OrderFacts) -> Told:
    if facts.intent.order_type not in AT_CLOSE:
        return "none", moment(facts.now), CLOCK
    found, _, _ = session_of(facts)
    limit = f"before {moment(moc_cutoff(found))}" if found is not None and _has_close(found) else UNKNOWN
    return limit, moment(facts.now), CLOCK


def _opening(facts: OrderFacts) -> tuple[Session | None, str, str]:
    """The session whose opening it is for, its calendar, and why it can not be told ("" = it can)."""
    instrument = facts.basis.instrument
    if instrument is None:
        return None, "", f"the trading hours of {facts.intent.symbol} are not known"
    try:
        return opening_of(instrument.calendar, facts.now), instrument.calendar, ""
    except CalendarError as error:
        return None, instrument.calendar, str(error)


def open_cutoff(facts: OrderFacts) -> str:
    """Between sessions it is for the next opening; from its deadline to the end of the session it is too late."""
    if facts.intent.order_type not in AT_OPEN:
        return ""
    found, calendar, reason = _opening(facts)
    if found is None:
        return reason
    cutoff = opening_cutoff(calendar, found)
    if cutoff is None:
        return f"{facts.intent.symbol} has no opening to trade at"
    if facts.now < cutoff:
        return ""
    times = [local_time(calendar, found, at) for at in (cutoff, found.open, facts.now, found.post_close)]
    return (
        f"orders for the opening are refused from {times[0]}, {OPENING_CUTOFF_MINUTES[calendar]} minutes before the "
        f"opening at {times[1]}: it is {times[2]}; use a MARKET or LIMIT order while the market is open, or send it "
        f"from {times[3]} on, for the next opening"
    )


def tell_open_cutoff(facts: OrderFacts) -> Told:
    if facts.intent.order_type not in AT_OPEN:
        return "none", moment(facts.now), CLOCK
    found, calendar, _ = _opening(facts)
    cutoff = opening_cutoff(calendar, found) if found is not None else None
    return f"before {moment(cutoff)}" if cutoff is not None else UNKNOWN, moment(facts.now), CLOCK


AUCTION_ROWS: tuple[Row[OrderFacts], ...] = (
    Row("close_cutoff", close_cutoff, tell_close_cutoff, stands=lambda facts: facts.intent.order_type not in AT_CLOSE),
    Row("open_cutoff", open_cutoff, tell_open_cutoff, stands=lambda facts: facts.intent.order_type not in AT_OPEN),
)

"""Which terms a venue takes, and how long: of an order by itself, whatever else works.

Pure. It must not know accounts, margins or what matches.
"""

from __future__ import annotations

from datetime import datetime

from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import OrderTerms
from signalbox.messages import TimeInForce
from signalbox.order_terms import AT_CLOSE, AT_OPEN, TRAILING, WITH_LIMIT, WITH_STOP
from signalbox.sessions import Session, moc_cutoff, next_session, opening_cutoff, opening_of, session_at


def expiry(terms: OrderTerms, calendar: str, at: datetime) -> datetime | None:
    """Return when an order ends by itself: DAY at the next close it can still trade before, GTD as it says.

    An order for the close, or the opening, is for the next one, whatever its time in force.
    """
    if terms.time_in_force is TimeInForce.GTD:
        return terms.good_till
    if terms.order_type in AT_OPEN:
        return opening_of(calendar, at).open
    is_auction = terms.order_type in AT_CLOSE
    if terms.time_in_force is TimeInForce.GTC and not is_auction:
        return None
    extended = terms.outside_regular_hours and not is_auction
    session = session_at(calendar, at)
    if session is None or _end(session, extended) <= at:
        session = next_session(calendar, at)
    return _end(session, extended)


def _end(session: Session, extended: bool) -> datetime:
    return session.post_close if extended else session.close


def bad_terms(terms: OrderTerms, listing: Listing) -> str:
    if terms.quantity <= 0 or terms.quantity % listing.lot:
        return f"quantity {terms.quantity} is not a positive multiple of the lot {listing.lot}"
    for types, price in ((WITH_LIMIT, terms.limit_price), (WITH_STOP, terms.stop_price)):
        if terms.order_type not in types:
            continue
        if price is None or price <= 0:
            return f"a {terms.order_type.lower()} order needs a positive price"
        tick = listing.tick_at(price)
        if price % tick:
            return f"price {price} does not conform to the minimum price variation {tick}"
    begins = terms.activation_price
    if begins is not None and (begins <= 0 or begins % listing.tick_at(begins)):
        return f"price {begins} does not conform to the minimum price variation {listing.tick_at(begins)}"
    if terms.order_type in TRAILING and (terms.trail_amount is None) is (terms.trail_percent is None):
        return "a trailing order needs an amount or a percentage"
    return ""


def too_late(terms: OrderTerms, calendar: str, at: datetime) -> str:
    if terms.time_in_force is TimeInForce.GTD and (terms.good_till is None or terms.good_till <= at):
        return "a good-till-date order needs a date to come"
    session = session_at(calendar, at)
    if terms.order_type in AT_CLOSE and session and moc_cutoff(session) < at < session.close:
        return f"an order for the close must be in by {moc_cutoff(session):%H:%M} UTC"
    if terms.order_type in AT_OPEN:
        cutoff = opening_cutoff(calendar, opening_of(calendar, at))
        if cutoff is None or cutoff <= at:
            return f"an order for the opening must be in by {cutoff:%H:%M} UTC" if cutoff else "there is no opening"
    return ""

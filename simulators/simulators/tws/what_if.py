"""What an order would do: margin and commission (whatIf), and when its market opens (warning 399).

Owns those answers. It must not place anything.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from signalbox.errors import CalendarError
from signalbox.exchange.books import INITIAL_MARGIN_FRACTION, MAINTENANCE_MARGIN_FRACTION, option_margin, rate
from signalbox.exchange.fees import order_fee
from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import OrderTerms
from signalbox.messages import Side
from signalbox.sessions import next_session, session_at

from simulators.tws import order_replies, order_rules, replies, times
from simulators.tws.contracts import Unresolved
from simulators.tws.order_replies import MarginFacts, OrderFacts
from simulators.tws.place_order import PlaceOrder
from simulators.tws.replies import Message
from simulators.tws.wire import decimal_text
from simulators.world import World

_CENT = Decimal("0.01")


def answer(
    world: World, request: PlaceOrder, listing: Listing, terms: OrderTerms | Unresolved, client_id: int
) -> Message:
    """Write what the order would do: openOrder with margins, or the error that it would get."""
    if isinstance(terms, Unresolved):
        return replies.error(request.order_id, terms.code, terms.text)
    objection = world.check(terms)
    if objection:
        refusal = order_rules.rejected(objection)
        return replies.error(request.order_id, refusal.code, refusal.text)
    facts = OrderFacts(request.order_id, client_id, 0, listing, request.fields, "PreSubmitted")
    return order_replies.open_order(facts, _margins(world, listing, terms))


def _margins(world: World, listing: Listing, terms: OrderTerms) -> MarginFacts:
    figures = world.figures(terms.account)
    quote = world.quote(listing.key)
    last = quote.last if quote is not None else listing.reference_price
    held = {each.held.symbol: each.held.quantity for each in world.positions(terms.account)}.get(
        listing.key, Decimal(0)
    )
    signed = terms.quantity if terms.side is Side.BUY else -terms.quantity
    fx = rate(listing.currency, figures.currency)
    price = terms.limit_price or terms.stop_price or last
    commission = order_fee(terms.quantity, listing.kind)
    if listing.option is not None:
        marks = {listing.underlying: world.last(listing.underlying)}
        before, after = (option_margin(listing, each, last, marks) for each in (held, held + signed))
        initial = maintenance = (after - before) * fx
    else:
        gross = (abs(held + signed) - abs(held)) * last * listing.multiplier * fx
        initial, maintenance = gross * INITIAL_MARGIN_FRACTION, gross * MAINTENANCE_MARGIN_FRACTION
    equity = figures.net_liquidation
    paid = signed * (price - last) * listing.multiplier * fx + commission * fx
    return MarginFacts(
        _column(figures.initial_margin, initial),
        _column(figures.maintenance_margin, maintenance),
        _column(equity, -paid),
        commission,
        listing.currency,
    )


def _column(before: Decimal, change: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    before, change = _cents(before), _cents(change)
    return (before, change, before + change)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


def held_until_open(terms: OrderTerms, listing: Listing, now: datetime) -> str:
    """TWS's words for an order that waits for its market to open."""
    order = f"{terms.side} {decimal_text(terms.quantity)} {listing.symbol} {listing.primary_exchange}"
    try:
        today, following = session_at(listing.calendar, now), next_session(listing.calendar, now)
        ahead = [] if today is None else [today.open, *(end for _, end in today.breaks)]
        opens = times.stamp(min(at for at in [*ahead, following.open] if at > now), listing.time_zone)
    except CalendarError:
        opens = "the market opens"
    return f"Order Message:\n{order}\nWarning: Your order will not be placed at the exchange until {opens}."

"""Checks of the intent by itself: is it new, is it addressed right, does it say one thing only, is it of now?

Each is a pure function that returns a `Check`: the limit beside what was observed, where the observation came from, and
when it fails a sentence for the trader. None knows of the others, and none looks at the market or at money.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from signalbox import subjects
from signalbox.instruments import conforms_to_lot, conforms_to_tick
from signalbox.messages import CancelIntent, Check, Instrument, Intent, OrderIntent, OrderType, TimeInForce

from risk.facts import AHEAD_MAX, CLOCK, DESK_FILE, INTENT, OrderFacts
from risk.state import RiskState, Seen
from risk.wording import UNKNOWN, moment, plain, seconds

# ------------------------------------------------------------------------------------ of orders and cancels alike


def readable(error: str) -> Check:
    return Check(
        name="readable", passed=not error, limit="an intent", observed=error or "an intent", source=INTENT, reason=error
    )


def intent_id(intent: Intent) -> Check:
    """An id can be a subject's token, and is not among those that the desk itself gives."""
    reason = ""
    if subjects.INTENT_ID.fullmatch(intent.id) is None:
        reason = f"the id {intent.id!r} can not be used: 1 to 64 letters, digits and dashes, not a dash first"
    elif intent.id.startswith(subjects.EXTERNAL_PREFIX):
        reason = (
            f"the id {intent.id!r} can not be used: the desk itself names orders placed elsewhere "
            f"{subjects.EXTERNAL_PREFIX}..."
        )
    return Check(
        name="intent_id",
        passed=not reason,
        limit=subjects.INTENT_ID.pattern,
        observed=intent.id,
        source=INTENT,
        reason=reason,
    )


def duplicate_intent(state: RiskState, intent: Intent) -> Check:
    """An id is used up by its first decision, whatever that was, and by an order found at the venue under it."""
    known = state.known.decided(intent.id)
    if known is None and (intent.id in state.orders or intent.id in state.known):
        return Check(
            name="duplicate_intent",
            passed=False,
            limit="unused id",
            observed="an order of this name",
            source=f"TRADE:{state.folded_up_to}",
            reason=f"duplicate intent id: there is an order {intent.id} already",
        )
    if known is None:
        return Check(name="duplicate_intent", passed=True, limit="unused id", observed="unused", source=INTENT)
    source = f"INTENTS:{known.sequence}"
    return Check(
        name="duplicate_intent",
        passed=False,
        limit="unused id",
        observed=f"{known.verdict} at {source}",
        source=source,
        reason=f"duplicate intent id: it was already decided: {known.verdict} at {source}",
    )


def venue(state: RiskState, intent: Intent) -> Check:
    known = state.desk.venues
    ok = intent.venue in known
    names = ", ".join(sorted(known))
    reason = "" if ok else f"the desk does not trade at {intent.venue!r}; its venues are {names}"
    return Check(name="venue", passed=ok, limit=names, observed=intent.venue, source=DESK_FILE, reason=reason)


def account(state: RiskState, intent: Intent) -> Check:
    at_venue = state.desk.venues.get(intent.venue)
    known = at_venue.accounts if at_venue is not None else ()
    names = ", ".join(known)
    ok = intent.account in known
    reason = ""
    if not ok and not known:
        reason = f"the desk has no account at {intent.venue!r}"
    elif not ok and not intent.account:
        reason = f"name the account: the desk has several at {intent.venue} ({names})"
    elif not ok:
        reason = f"the desk has no account {intent.account!r} at {intent.venue}; it has {names}"
    return Check(name="account", passed=ok, limit=names, observed=intent.account, source=DESK_FILE, reason=reason)


# --------------------------------------------------------------------------------------------------- of orders only


def instrument_allowed(facts: OrderFacts) -> Check:
    """Only what the desk file lists is traded."""
    intent = facts.intent
    ok = (intent.venue, intent.symbol) in facts.state.allowed
    reason = ""
    if facts.symbol_error:
        reason = facts.symbol_error
    elif not ok:
        reason = f"{intent.symbol} at {intent.venue!r} is not among the desk file's instruments"
    return Check(
        name="instrument_allowed",
        passed=ok and not facts.symbol_error,
        limit="listed in the desk file",
        observed="listed" if ok else "not listed",
        source=DESK_FILE,
        reason=reason,
    )


def instrument_qualified(facts: OrderFacts) -> Check:
    """The venue itself must have said what the symbol is, before any order."""
    found = facts.instrument
    ok = found is not None
    reason = "" if ok else f"{facts.intent.venue} has not said what {facts.intent.symbol} is: it is not qualified there"
    return Check(
        name="instrument_qualified",
        passed=ok,
        limit="qualified by the venue",
        observed=f"{found.message.kind} in {found.message.currency}" if found is not None else UNKNOWN,
        source=_source(found),
        reason=reason,
    )


def quantity(facts: OrderFacts) -> Check:
    """Positive, whole lots, not below the venue's minimum."""
    found, wanted = facts.instrument, facts.intent.quantity
    reason = ""
    if wanted <= 0:
        reason = f"the quantity is {plain(wanted)}: it must be above zero; the side says which way"
    elif found is None:
        reason = f"the lot size of {facts.intent.symbol} is not known"
    elif not conforms_to_lot(wanted, found.message.lot_size):
        reason = f"the quantity {plain(wanted)} is not a multiple of the lot size {plain(found.message.lot_size)}"
    elif wanted < found.message.minimum_quantity:
        reason = f"the quantity {plain(wanted)} is below the minimum of {plain(found.message.minimum_quantity)}"
    limit = UNKNOWN
    if found is not None:
        limit = f"lots of {plain(found.message.lot_size)}, at least {plain(found.message.minimum_quantity)}"
    return Check(
        name="quantity", passed=not reason, limit=limit, observed=plain(wanted), source=_source(found), reason=reason
    )


_NEEDS_LIMIT = frozenset({OrderType.LIMIT})
_NEEDS_STOP = frozenset({OrderType.STOP})


def order_terms(facts: OrderFacts) -> Check:
    """Each order type has the prices it needs and no other; only a limit may work outside regular hours."""
    intent = facts.intent
    kind = intent.order_type
    reason = ""
    if (kind in _NEEDS_LIMIT) != (intent.limit_price is not None):
        reason = f"a {kind} order {'needs' if kind in _NEEDS_LIMIT else 'has no'} limit_price"
    elif (kind in _NEEDS_STOP) != (intent.stop_price is not None):
        reason = f"a {kind} order {'needs' if kind in _NEEDS_STOP else 'has no'} stop_price"
    elif intent.outside_regular_hours and kind is not OrderType.LIMIT:
        reason = f"a {kind} order can not work outside regular hours: only a LIMIT order can"
    limit_price, stop_price = plain(intent.limit_price), plain(intent.stop_price)
    return Check(
        name="order_terms",
        passed=not reason,
        limit=f"the terms of a {kind} order",
        observed=f"limit_price {limit_price}, stop_price {stop_price}".replace(UNKNOWN, "none"),
        source=INTENT,
        reason=reason,
    )


def tick_size(facts: OrderFacts) -> Check:
    """Every price is above zero and a whole number of ticks."""
    found, intent = facts.instrument, facts.intent
    prices = [price for price in (intent.limit_price, intent.stop_price) if price is not None]
    tick = found.message.tick_size if found is not None else None
    reason = ""
    for price in prices:
        if price <= 0:
            reason = f"the price {plain(price)} is not above zero"
        elif tick is None:
            reason = f"the tick size of {intent.symbol} is not known"
        elif not conforms_to_tick(price, tick):
            reason = f"the price {plain(price)} is not a multiple of the tick size {plain(tick)}"
    return Check(
        name="tick_size",
        passed=not reason,
        limit=plain(tick),
        observed=", ".join(plain(price) for price in prices) or "no price",
        source=_source(found),
        reason=reason,
    )


def time_in_force(facts: OrderFacts) -> Check:
    """GTD has an end in the future, nothing else has one; what executes at once or at the close is a DAY order."""
    intent = facts.intent
    word, till = intent.time_in_force, intent.good_till
    reason = ""
    if word is TimeInForce.GTD and till is None:
        reason = "a GTD order needs good_till, the time it ends"
    elif word is not TimeInForce.GTD and till is not None:
        reason = f"a {word} order has no good_till: use GTD"
    elif till is not None and till <= facts.now:
        reason = f"good_till {moment(till)} has passed: it is {moment(facts.now)}"
    elif word is not TimeInForce.DAY and intent.order_type in (OrderType.MARKET, OrderType.MARKET_ON_CLOSE):
        reason = f"a {intent.order_type} order is a DAY order, not {word}"
    return Check(
        name="time_in_force",
        passed=not reason,
        limit=f"after {moment(facts.now)}" if till is not None else "DAY, GTC or GTD",
        observed=f"{word} {moment(till)}" if till is not None else word,
        source=INTENT,
        reason=reason,
    )


def intent_age(facts: OrderFacts) -> Check:
    """An intent that was under way too long was meant for another market."""
    age = facts.now - facts.intent.at
    limit = facts.limits.intent_age_seconds_max
    reason = ""
    if age > timedelta(seconds=limit):
        reason = f"the intent is {seconds(age)} s old; after {limit} s it is not acted on any more"
    elif -age > AHEAD_MAX:
        reason = f"the intent is dated {seconds(-age)} s ahead of the desk clock: set `at` from the desk clock"
    return Check(
        name="intent_age",
        passed=not reason,
        limit=f"{limit} s",
        observed=f"{seconds(age)} s",
        source=CLOCK,
        reason=reason,
    )


def valid_until(facts: OrderFacts) -> Check:
    """The sender may bound it more narrowly."""
    till: datetime | None = facts.intent.valid_until
    ok = till is None or facts.now <= till
    reason = ""
    if till is not None and not ok:
        reason = f"the intent was valid until {moment(till)}; it is {moment(facts.now)}"
    return Check(
        name="valid_until",
        passed=ok,
        limit=moment(till) if till is not None else "none",
        observed=moment(facts.now),
        source=CLOCK,
        reason=reason,
    )


def _source(found: Seen[Instrument] | None) -> str:
    return found.source if found is not None else "STATE"


def common(state: RiskState, intent: OrderIntent | CancelIntent) -> tuple[Check, ...]:
    """The checks that orders and cancels share; `intent` is normalised."""
    return (
        readable(""),
        intent_id(intent),
        duplicate_intent(state, intent),
        venue(state, intent),
        account(state, intent),
    )


ORDER_CHECKS = (
    instrument_allowed,
    instrument_qualified,
    quantity,
    order_terms,
    tick_size,
    time_in_force,
    intent_age,
    valid_until,
)

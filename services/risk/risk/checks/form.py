"""Checks of the intent by itself: is it new, is it addressed right, does it say one thing only, is it of now?

Each is a pair of pure functions: why an intent fails it (a sentence for the trader, "" = it passes), and what is told
of it. None knows of the others, and none looks at the market or at money.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from signalbox import subjects
from signalbox.desk import ClockSource
from signalbox.errors import CalendarError
from signalbox.expiry import end_of_trading
from signalbox.instruments import conforms_to_lot, conforms_to_tick, parse_symbol, tick_at
from signalbox.messages import CancelIntent, InstrumentKind, InstrumentSeen, ModifyIntent, OrderIntent, TimeInForce
from signalbox.order_support import flags_of, rule_of
from signalbox.order_terms import Support, contradiction

from risk.checks.rows import Limit, Row, Told, always
from risk.facts import AGE_MIN, CLOCK, DESK_FILE, INTENT, IntentFacts, OrderFacts, only_account
from risk.wording import UNKNOWN, moment, plain, seconds

_OPTION = InstrumentKind.OPTION
_DAY, _GTD = TimeInForce.DAY, TimeInForce.GTD
_REFUSED = Support.REFUSED

# ------------------------------------------------------------------------------------ of orders and cancels alike


def readable(facts: IntentFacts) -> str:
    return ""  # whatever is not is refused before (`risk.decide.refuse`)


def tell_readable(facts: IntentFacts) -> Told:
    return "an intent", "an intent", INTENT


def intent_id(facts: IntentFacts) -> str:
    """An id can be a subject's token, and is not among those that the desk itself gives."""
    name = facts.intent.id
    if facts.basis.closes:
        return ""  # risk's own, made of the id of a flatten
    if subjects.INTENT_ID.fullmatch(name) is None:
        return f"the id {name!r} can not be used: 1 to 64 letters, digits and dashes, not a dash first"
    if name.startswith(subjects.EXTERNAL_PREFIX):
        return (
            f"the id {name!r} can not be used: the desk itself names orders placed elsewhere "
            f"{subjects.EXTERNAL_PREFIX}..."
        )
    return ""


def tell_intent_id(facts: IntentFacts) -> Told:
    return subjects.INTENT_ID.pattern, facts.intent.id, INTENT


def duplicate_intent(facts: IntentFacts) -> str:
    """An id is used up by its first decision, whatever that was, and by an order found at the venue under it."""
    used = facts.basis.id_used
    if used is None or facts.basis.closes:  # what somebody has sent under it was denied for its id
        return ""
    if not used.verdict:
        return f"duplicate intent id: there is an order {facts.intent.id} already"
    return f"duplicate intent id: it was already decided: {used.verdict} at INTENTS:{used.sequence}"


def tell_duplicate_intent(facts: IntentFacts) -> Told:
    used = facts.basis.id_used
    if used is None:
        return "unused id", "unused", INTENT
    if not used.verdict:
        return "unused id", "an order of this name", facts.books_source
    return "unused id", f"{used.verdict} at INTENTS:{used.sequence}", f"INTENTS:{used.sequence}"


def venue(facts: IntentFacts) -> str:
    known, name = facts.rules.desk.venues, facts.intent.venue
    return "" if name in known else f"the desk does not trade at {name!r}; its venues are {', '.join(sorted(known))}"


def tell_venue(facts: IntentFacts) -> Told:
    return ", ".join(sorted(facts.rules.desk.venues)), facts.intent.venue, DESK_FILE


def _accounts(facts: IntentFacts) -> tuple[str, ...]:
    at_venue = facts.rules.desk.venues.get(facts.intent.venue)
    return at_venue.accounts if at_venue is not None else ()


def account(facts: IntentFacts) -> str:
    """One of the desk's; of a group there is none, and whether it is the desk's is another check."""
    intent = facts.intent
    if isinstance(intent, OrderIntent) and intent.group:
        return ""
    if _is_of_group(facts):
        if intent.account in ("", only_account(facts.rules.desk, intent.venue)):
            return ""
        return "it is the order of a group: leave the account out, or name the order of that account alone"
    if (intent.venue, intent.account) in facts.rules.accounts:
        return ""
    known = _accounts(facts)
    if not known:
        return f"the desk has no account at {intent.venue!r}"
    names = ", ".join(known)
    if not intent.account:
        return f"name the account: the desk has several at {intent.venue} ({names})"
    return f"the desk has no account {intent.account!r} at {intent.venue}; it has {names}"


def _is_of_group(facts: IntentFacts) -> bool:
    if not isinstance(facts.intent, CancelIntent | ModifyIntent):
        return False
    return facts.basis.order is not None and facts.basis.order.parts > 0


def tell_account(facts: IntentFacts) -> Told:
    return ", ".join(_accounts(facts)), facts.intent.account, DESK_FILE


# --------------------------------------------------------------------------------------------------- of orders only


def instrument_allowed(facts: OrderFacts) -> str:
    """Only what the desk file lists is traded."""
    intent = facts.intent
    if facts.symbol_error:
        return facts.symbol_error
    if (intent.venue, intent.symbol) in facts.rules.allowed:
        return ""
    return f"{intent.symbol} at {intent.venue!r} is not among the desk file's instruments"


def tell_instrument_allowed(facts: OrderFacts) -> Told:
    listed = (facts.intent.venue, facts.intent.symbol) in facts.rules.allowed
    return "listed in the desk file", "listed" if listed else "not listed", DESK_FILE


def _last_trade_at(facts: OrderFacts) -> datetime | None:
    """Until when the contract is traded: as the venue has said, else by its name. Raises `CalendarError`."""
    found = facts.basis.instrument
    if found is not None:
        return found.last_trade_at
    return end_of_trading(parse_symbol(facts.intent.symbol)) if not facts.symbol_error else None


def expiry(facts: OrderFacts) -> str:
    """What has expired can not be traded; of an option it must be known when it does."""
    found, symbol = facts.basis.instrument, facts.intent.symbol
    try:
        ends = _last_trade_at(facts)
    except CalendarError as error:
        return str(error)
    if ends is None:
        is_option = found is not None and found.kind is _OPTION
        return f"{facts.intent.venue} has not said until when {symbol} is traded" if is_option else ""
    if facts.now < ends:
        return ""
    return f"{symbol} has expired: it was traded until {moment(ends)}"


def never_expires(facts: OrderFacts) -> bool:
    found = facts.basis.instrument
    return found is not None and found.last_trade_at is None


def tell_expiry(facts: OrderFacts) -> Told:
    try:
        ends = _last_trade_at(facts)
    except CalendarError:
        return UNKNOWN, moment(facts.now), CLOCK
    return f"before {moment(ends)}" if ends is not None else "none", moment(facts.now), _source(facts.basis.instrument)


def instrument_qualified(facts: OrderFacts) -> str:
    """The venue itself must have said what the symbol is, before any order."""
    if facts.basis.instrument is not None:
        return ""
    return f"{facts.intent.venue} has not said what {facts.intent.symbol} is: it is not qualified there"


def tell_instrument_qualified(facts: OrderFacts) -> Told:
    found = facts.basis.instrument
    return "qualified by the venue", f"{found.kind} in {found.currency}" if found else UNKNOWN, _source(found)


def quantity(facts: OrderFacts) -> str:
    """Positive, whole lots, not below the venue's minimum."""
    found, wanted = facts.basis.instrument, facts.intent.quantity
    if wanted <= 0:
        return f"the quantity is {plain(wanted)}: it must be above zero; the side says which way"
    if found is None:
        return f"the lot size of {facts.intent.symbol} is not known"
    if not conforms_to_lot(wanted, found.lot_size):
        return f"the quantity {plain(wanted)} is not a multiple of the lot size {plain(found.lot_size)}"
    if wanted < found.minimum_quantity:
        return f"the quantity {plain(wanted)} is below the minimum of {plain(found.minimum_quantity)}"
    return ""


def tell_quantity(facts: OrderFacts) -> Told:
    found, limit = facts.basis.instrument, UNKNOWN
    if found is not None:
        limit = f"lots of {plain(found.lot_size)}, at least {plain(found.minimum_quantity)}"
    return limit, plain(facts.intent.quantity), _source(found)


def order_terms(facts: OrderFacts) -> str:
    """Each order type has the prices it needs and no other."""
    return contradiction(facts.intent)


def tell_order_terms(facts: OrderFacts) -> Told:
    limit_price, stop_price = plain(facts.intent.limit_price), plain(facts.intent.stop_price)
    observed = f"limit_price {limit_price}, stop_price {stop_price}".replace(UNKNOWN, "none")
    return f"the terms of a {facts.intent.order_type} order", observed, INTENT


def order_support(facts: OrderFacts) -> str:
    """The venue can do it, or the desk with what the venue has: what it can not is not sent there to be refused."""
    found, intent = facts.basis.instrument, facts.intent
    if found is None:
        return ""  # an instrument that is not known fails other checks
    rule = rule_of(intent.venue, found.kind, intent)
    return rule.sentence if rule.support is _REFUSED else ""


def tell_order_support(facts: OrderFacts) -> Told:
    found, intent = facts.basis.instrument, facts.intent
    asked = " ".join([intent.order_type, intent.time_in_force, *flags_of(intent)])
    support = rule_of(intent.venue, found.kind, intent).support if found is not None else UNKNOWN
    return f"{Support.NATIVE} or {Support.EMULATED}", f"{asked}: {support}", INTENT


def tick_size(facts: OrderFacts) -> str:
    """Every price is above zero and a whole number of ticks."""
    intent, reason = facts.intent, ""
    if intent.limit_price is not None:
        reason = _off_tick(facts, intent.limit_price)
    if intent.stop_price is not None:
        reason = _off_tick(facts, intent.stop_price) or reason
    return reason


def _off_tick(facts: OrderFacts, price: Decimal) -> str:
    found = facts.basis.instrument
    if price <= 0:
        return f"the price {plain(price)} is not above zero"
    if found is None:
        return f"the tick size of {facts.intent.symbol} is not known"
    tick = tick_at(price, found.tick_size, found.price_steps) if found.price_steps else found.tick_size
    if conforms_to_tick(price, tick):
        return ""
    reason = f"the price {plain(price)} is not a multiple of the tick size {plain(tick)}"
    return reason + f" that holds there ({_steps(found)})" if len(found.price_steps) > 1 else reason


def _steps(found: InstrumentSeen) -> str:
    """Its tick sizes, and from which price on each holds."""
    if len(found.price_steps) < 2:
        return plain(found.tick_size)
    return ", ".join(f"{plain(each.step)} from {plain(each.at_least)}" for each in found.price_steps)


def tell_tick_size(facts: OrderFacts) -> Told:
    found, intent = facts.basis.instrument, facts.intent
    prices = [plain(price) for price in (intent.limit_price, intent.stop_price) if price is not None]
    return _steps(found) if found is not None else UNKNOWN, ", ".join(prices) or "no price", _source(found)


def time_in_force(facts: OrderFacts) -> str:
    """GTD has an end in the future, nothing else has one."""
    intent = facts.intent
    word, till = intent.time_in_force, intent.good_till
    if word is _DAY and till is None:
        return ""
    if word is _GTD and till is None:
        return "a GTD order needs good_till, the time it ends"
    if word is not _GTD and till is not None:
        return f"a {word} order has no good_till: use GTD"
    if till is not None and till <= facts.now:
        return f"good_till {moment(till)} has passed: it is {moment(facts.now)}"
    return ""


def tell_time_in_force(facts: OrderFacts) -> Told:
    word, till = facts.intent.time_in_force, facts.intent.good_till
    if till is None:
        return "good_till for GTD alone", word, INTENT
    return f"after {moment(facts.now)}", f"{word} {moment(till)}", INTENT


def intent_age(facts: OrderFacts) -> str:
    """An intent that was under way too long was meant for another market."""
    age, limit = facts.now - facts.intent.at, facts.limits.intent_age_seconds_max
    if age > facts.in_force.intent_age_max:
        return f"the intent is {seconds(age)} s old; after {limit} s it is not acted on any more{_how_to_date(facts)}"
    if age < AGE_MIN:
        return f"the intent is dated {seconds(-age)} s ahead of the desk clock{_how_to_date(facts)}"
    return ""


def _how_to_date(facts: OrderFacts) -> str:
    """What to do about a wrong `at`: where the clock is a simulator's, no other clock tells it."""
    way = "leave `at` out (the server's time counts then)"
    if facts.rules.desk.clock is ClockSource.SIMULATED:
        return f": the desk's time is the simulator's, {moment(facts.now)} now; {way}, or follow `{subjects.CLOCK}`"
    return f": by the desk clock it is {moment(facts.now)}; {way}, or set the sender's clock right"


def tell_intent_age(facts: OrderFacts) -> Told:
    return f"{facts.limits.intent_age_seconds_max} s", f"{seconds(facts.now - facts.intent.at)} s", CLOCK


def valid_until(facts: OrderFacts) -> str:
    """The sender may bound it more narrowly."""
    till = facts.intent.valid_until
    if till is None or facts.now <= till:
        return ""
    return f"the intent was valid until {moment(till)}; it is {moment(facts.now)}"


def tell_valid_until(facts: OrderFacts) -> Told:
    till = facts.intent.valid_until
    return moment(till) if till is not None else "none", moment(facts.now), CLOCK


def _source(found: InstrumentSeen | None) -> str:
    return found.source if found is not None else "STATE"


READABLE = "readable"
DUPLICATE: Row[IntentFacts] = Row("duplicate_intent", duplicate_intent, tell_duplicate_intent)

INTENT_ROWS: tuple[Row[IntentFacts], ...] = (
    Row(READABLE, readable, tell_readable, stands=always),
    Row("intent_id", intent_id, tell_intent_id),
    DUPLICATE,
)
"""Of every intent."""

COMMON_ROWS: tuple[Row[IntentFacts], ...] = (
    *INTENT_ROWS,
    Row("venue", venue, tell_venue, stands=always),
    Row("account", account, tell_account, stands=always),
)
"""Of what names a venue and an account: orders, and a cancel of one."""

ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row("instrument_allowed", instrument_allowed, tell_instrument_allowed, stands=always),
    Row("expiry", expiry, tell_expiry, stands=never_expires),
    Row("instrument_qualified", instrument_qualified, tell_instrument_qualified, stands=always),
    Row("quantity", quantity, tell_quantity),
    Row("order_terms", order_terms, tell_order_terms),
    Row("order_support", order_support, tell_order_support, stands=always),
    Row("tick_size", tick_size, tell_tick_size),
    Row("time_in_force", time_in_force, tell_time_in_force, stands=lambda facts: facts.intent.good_till is None),
    Row(
        "intent_age",
        intent_age,
        tell_intent_age,
        Limit("intent_age_seconds_max", "How old an intent may be to be acted on, in seconds of desk time."),
    ),
    Row("valid_until", valid_until, tell_valid_until, stands=lambda facts: facts.intent.valid_until is None),
)

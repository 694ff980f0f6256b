"""Checks of size: every limit of the desk file, held against the worst that all working orders can lead to.

Each is a pair of pure functions: why an intent fails it, and what is told of it. Amounts are in the account's currency,
multiplier included. An order that only reduces a position is not held up by limits on positions, exposure and funds: it
must stay possible to get out of a position that the market has carried past a limit.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import InstrumentKind

from risk import figures
from risk.checks.rows import Limit, Row, Told, always
from risk.facts import DESK_FILE, OrderFacts
from risk.rates import usable_rate
from risk.state import BUY
from risk.wording import UNKNOWN, money, plain

_OPTION = InstrumentKind.OPTION


def limits_stated(facts: OrderFacts) -> str:
    """What no scope states is no permission."""
    missing = facts.in_force.missing
    if not missing:
        return ""
    return (
        f"no scope that it is in states {', '.join(missing)}, or this version of risk does not know it: what is "
        "not stated is not allowed (`signalbox limits show`)"
    )


def tell_limits_stated(facts: OrderFacts) -> Told:
    version, missing = facts.basis.limits_version, facts.in_force.missing
    source = f"limits:{version}" if version else DESK_FILE
    return "every limit", f"not {', '.join(missing)}" if missing else "all", source


def currency(facts: OrderFacts) -> str:
    """The order can be valued in the account's currency, in which the limits are stated."""
    ours, instrument = facts.basis.books.currency, facts.basis.instrument
    theirs = instrument.currency if instrument is not None else ""
    if not theirs:
        return f"the currency of {facts.intent.symbol} is not known"
    if not ours:
        return f"the currency of account {facts.intent.account} is not known"
    if facts.rate is None:
        return f"the desk file has no rate for {theirs} ([fx_rates]), so the order can not be valued in {ours}"
    return ""


def tell_currency(facts: OrderFacts) -> Told:
    ours, instrument = facts.basis.books.currency, facts.basis.instrument
    theirs = instrument.currency if instrument is not None else ""
    rate = plain(facts.rate)
    said_by_venue = instrument is not None and usable_rate(instrument.rate) is not None and theirs != ours
    source = facts.basis.account.source if said_by_venue and facts.basis.account is not None else DESK_FILE
    return ours or UNKNOWN, f"{theirs} at {rate}" if theirs else UNKNOWN, source


def order_quantity(facts: OrderFacts) -> str:
    quantity, limit = facts.intent.quantity, facts.limits.order_quantity_max
    if quantity <= limit:
        return ""
    return f"the order is for {plain(quantity)}; one order may be for {plain(limit)} at most"


def tell_order_quantity(facts: OrderFacts) -> Told:
    return plain(facts.limits.order_quantity_max), plain(facts.intent.quantity), DESK_FILE


def order_notional(facts: OrderFacts) -> str:
    value, limit = facts.order_value, facts.limits.order_notional_max
    if value is None:
        return "the order can not be valued: its price, multiplier or currency is not known"
    if value > limit:
        ours = facts.basis.books.currency
        return f"the order may be worth {money(value, ours)}; one order may be worth {money(limit, ours)} at most"
    return ""


def tell_order_notional(facts: OrderFacts) -> Told:
    quote = facts.basis.quote
    source = f"quote:{quote.id}" if quote is not None else "quote"
    return plain(facts.limits.order_notional_max), plain(facts.order_value), source


def position_quantity(facts: OrderFacts) -> str:
    limit = facts.limits.position_quantity_max
    if facts.reduces is None:
        return f"the position in {facts.intent.symbol} is not known"
    if facts.reduces or abs(facts.position_quantity) <= limit:
        return ""
    return (
        f"with all working orders filled the position in {facts.intent.symbol} could become "
        f"{plain(facts.position_quantity)}; {plain(limit)} is allowed"
    )


def tell_position_quantity(facts: OrderFacts) -> Told:
    observed = plain(facts.position_quantity) if facts.reduces is not None else UNKNOWN
    return plain(facts.limits.position_quantity_max), observed, facts.books_source


def position_notional(facts: OrderFacts) -> str:
    value, limit = facts.position_value, facts.limits.position_notional_max
    if facts.reduces or (value is not None and value <= limit):
        return ""
    return _over(facts, value, limit, "with all working orders filled the position in", facts.intent.symbol)


def tell_position_notional(facts: OrderFacts) -> Told:
    return plain(facts.limits.position_notional_max), plain(facts.position_value), facts.books_source


def gross_exposure(facts: OrderFacts) -> str:
    value, limit = facts.account_value, facts.limits.gross_exposure_max
    if facts.reduces or (value is not None and value <= limit):
        return ""
    return _over(facts, value, limit, "with all working orders filled account", facts.intent.account)


def tell_gross_exposure(facts: OrderFacts) -> Told:
    return plain(facts.limits.gross_exposure_max), plain(facts.account_value), facts.books_source


def _over(facts: OrderFacts, value: Decimal | None, limit: Decimal, what: str, name: str) -> str:
    """Why `value` is too much."""
    if value is None:
        return f"{what} {name} can not be valued: a price or rate is missing"
    ours = facts.basis.books.currency
    return f"{what} {name} could be worth {money(value, ours)}; {money(limit, ours)} is allowed"


def option_writing(facts: OrderFacts) -> str:
    """A sold option may cost far more than its premium: how much it binds is for the venue to say."""
    found, intent = facts.basis.instrument, facts.intent
    if not _writes(facts) or (found is not None and found.short_margin is not None and found.short_margin >= 0):
        return ""
    return (
        f"{intent.venue} has not said what margin a sold {intent.symbol} binds, so that its risk can not be valued: "
        "only sales that reduce a position are let through"
    )


def tell_option_writing(facts: OrderFacts) -> Told:
    found = facts.basis.instrument
    if not _writes(facts) or found is None:
        return "none", "sells no option short", "none"
    return "a margin stated by the venue", plain(found.short_margin), found.source


def _is_option(facts: OrderFacts) -> bool:
    found = facts.basis.instrument
    return found is not None and found.kind is _OPTION


def _writes(facts: OrderFacts) -> bool:
    return _is_option(facts) and facts.intent.side is not BUY and facts.reduces is not True


def funds(facts: OrderFacts) -> str:
    """Every working order has its worst value reserved, without netting.

    All of it, or, where the venue states an initial margin (perpetuals; others where it is asked), that part of it; of
    options sold short what the venue says that they bind.
    """
    found = facts.basis.account
    if found is None or not found.available_funds.is_finite():
        return f"the available funds of account {facts.intent.account} are not known"
    if facts.reduces:
        return ""
    needed, available = _needed(facts), found.available_funds
    if needed is None:
        return "the funds that the working orders need can not be told: a price or rate is missing"
    if needed > available:
        ours = facts.basis.books.currency
        return f"this order and those under way need {money(needed, ours)}; {money(available, ours)} are available"
    return ""


def tell_funds(facts: OrderFacts) -> Told:
    found = facts.basis.account
    if found is None:
        return UNKNOWN, plain(_needed(facts)), "STATE"
    return plain(found.available_funds), plain(_needed(facts)), found.source


def _needed(facts: OrderFacts) -> Decimal | None:
    needed = facts.needed_funds
    return needed + facts.basis.books.unconfirmed_funds if needed is not None else None


def intent_rate(facts: OrderFacts) -> str:
    """Orders let through for the account in the last minute of desk time; refused intents do not count."""
    count, limit = facts.basis.books.approvals + 1, facts.limits.intents_per_minute_max
    return "" if count <= limit else f"this would be order {count} within a minute; {limit} are allowed"


def tell_intent_rate(facts: OrderFacts) -> Told:
    return f"{facts.limits.intents_per_minute_max} a minute", str(facts.basis.books.approvals + 1), DESK_FILE


def name_rate(facts: OrderFacts) -> str:
    """The same, of those that the sender's name let through there: one name does not use up what is there for all."""
    count, limit = facts.basis.books.approvals_of_name + 1, facts.in_force.name_rate_max
    if count <= limit:
        return ""
    return f"this would be order {count} of {facts.by or 'nobody'} within a minute; {limit} are allowed to one name"


def tell_name_rate(facts: OrderFacts) -> Told:
    limit = facts.in_force.name_rate_max
    return f"{limit} a minute", str(facts.basis.books.approvals_of_name + 1), DESK_FILE


def open_orders(facts: OrderFacts) -> str:
    count, limit = facts.basis.books.working_orders + 1, facts.limits.open_orders_max
    return "" if count <= limit else f"this would be working order {count} of the account; {limit} are allowed"


def tell_open_orders(facts: OrderFacts) -> Told:
    return str(facts.limits.open_orders_max), str(facts.basis.books.working_orders + 1), facts.books_source


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row("limits_stated", limits_stated, tell_limits_stated, stands=always),
    Row("currency", currency, tell_currency, stands=always),
    Row(
        "order_quantity",
        order_quantity,
        tell_order_quantity,
        Limit("order_quantity_max", "The quantity of one order."),
        is_bound=True,
    ),
    Row(
        "order_notional",
        order_notional,
        tell_order_notional,
        Limit("order_notional_max", "What one order may be worth at its worst price, in the account's currency."),
        is_bound=True,
    ),
    Row(
        "position_quantity",
        position_quantity,
        tell_position_quantity,
        Limit(
            "position_quantity_max",
            "The position in one symbol, either way, with all working orders of one side filled.",
            figures.position_quantity_used,
        ),
        is_bound=True,
    ),
    Row(
        "position_notional",
        position_notional,
        tell_position_notional,
        Limit(
            "position_notional_max",
            "What that position may be worth at worst prices, in the account's currency.",
            figures.position_notional_used,
        ),
        is_bound=True,
    ),
    Row(
        "gross_exposure",
        gross_exposure,
        tell_gross_exposure,
        Limit(
            "gross_exposure_max",
            "What all positions of an account may be worth together, long and short added up, in its currency.",
            figures.gross_exposure_used,
        ),
        is_bound=True,
    ),
    Row("option_writing", option_writing, tell_option_writing, stands=lambda facts: not _is_option(facts)),
    Row("funds", funds, tell_funds, is_bound=True),
    Row(
        "intent_rate",
        intent_rate,
        tell_intent_rate,
        Limit(
            "intents_per_minute_max",
            "Orders let through for an account within a minute of desk time.",
            figures.intents_per_minute_used,
        ),
        is_bound=True,
    ),
    Row(
        "name_rate",
        name_rate,
        tell_name_rate,
        Limit(
            "intents_per_minute_per_name_max",
            "Of those, what one sender may have; half of them unless it is stated.",
            figures.intents_per_minute_per_name_used,
        ),
        is_bound=True,
    ),
    Row(
        "open_orders",
        open_orders,
        tell_open_orders,
        Limit(
            "open_orders_max",
            "Working orders of an account; an order works from its approval on.",
            figures.open_orders_used,
        ),
        is_bound=True,
    ),
)

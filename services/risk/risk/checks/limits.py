"""Checks of size: every limit of the desk file, held against the worst that all working orders can lead to.

Each is a pure function that returns a `Check`. Amounts are in the account's currency, multiplier included. An order
that only reduces a position is not held up by limits on positions, exposure and funds: it must stay possible to get
out of a position that the market has carried past a limit.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from signalbox.messages import Check

from risk.facts import DESK_FILE, OrderFacts
from risk.state import RATE_WINDOW, ZERO, conversion_rate
from risk.wording import UNKNOWN, money, plain


def currency(facts: OrderFacts) -> Check:
    """The order can be valued in the account's currency, in which the limits are stated."""
    ours = facts.books.currency
    theirs = facts.instrument.message.currency if facts.instrument is not None else ""
    rate = conversion_rate(facts.state, ours, theirs)
    reason = ""
    if not theirs:
        reason = f"the currency of {facts.intent.symbol} is not known"
    elif not ours:
        reason = f"the currency of account {facts.intent.account} is not known"
    elif rate is None:
        reason = f"the desk file has no rate for {theirs} ([fx_rates]), so the order can not be valued in {ours}"
    return Check(
        name="currency",
        passed=not reason,
        limit=ours or UNKNOWN,
        observed=f"{theirs} at {plain(rate)}" if theirs else UNKNOWN,
        source=DESK_FILE,
        reason=reason,
    )


def order_quantity(facts: OrderFacts) -> Check:
    quantity, limit = facts.intent.quantity, facts.limits.order_quantity_max
    ok = quantity <= limit
    reason = "" if ok else f"the order is for {plain(quantity)}; one order may be for {plain(limit)} at most"
    return Check(
        name="order_quantity", passed=ok, limit=plain(limit), observed=plain(quantity), source=DESK_FILE, reason=reason
    )


def order_notional(facts: OrderFacts) -> Check:
    value, limit = facts.worst.order_value, facts.limits.order_notional_max
    reason = ""
    if value is None:
        reason = "the order can not be valued: its price, multiplier or currency is not known"
    elif value > limit:
        ours = facts.books.currency
        reason = f"the order may be worth {money(value, ours)}; one order may be worth {money(limit, ours)} at most"
    return Check(
        name="order_notional",
        passed=not reason,
        limit=plain(limit),
        observed=plain(value),
        source=_price_source(facts),
        reason=reason,
    )


def position_quantity(facts: OrderFacts) -> Check:
    worst, limit = facts.worst, facts.limits.position_quantity_max
    size = abs(worst.position_quantity)
    reason = ""
    if worst.reduces is None:
        reason = f"the position in {facts.intent.symbol} is not known"
    elif size > limit and not worst.reduces:
        reason = (
            f"with all working orders filled the position in {facts.intent.symbol} could become "
            f"{plain(worst.position_quantity)}; {plain(limit)} is allowed"
        )
    return Check(
        name="position_quantity",
        passed=not reason,
        limit=plain(limit),
        observed=plain(worst.position_quantity) if worst.reduces is not None else UNKNOWN,
        source=_books_source(facts),
        reason=reason,
    )


def position_notional(facts: OrderFacts) -> Check:
    worst, limit = facts.worst, facts.limits.position_notional_max
    reason = _over(
        facts, worst.position_value, limit, f"with all working orders filled the position in {facts.intent.symbol}"
    )
    return Check(
        name="position_notional",
        passed=not reason,
        limit=plain(limit),
        observed=plain(worst.position_value),
        source=_books_source(facts),
        reason=reason,
    )


def gross_exposure(facts: OrderFacts) -> Check:
    worst, limit = facts.worst, facts.limits.gross_exposure_max
    reason = _over(facts, worst.account_value, limit, f"with all working orders filled account {facts.intent.account}")
    return Check(
        name="gross_exposure",
        passed=not reason,
        limit=plain(limit),
        observed=plain(worst.account_value),
        source=_books_source(facts),
        reason=reason,
    )


def funds(facts: OrderFacts) -> Check:
    """Every working order has its worst value reserved, without netting.

    All of it, or, where the venue states an initial margin (perpetuals), that part of it.
    """
    found, worst, books = facts.account, facts.worst, facts.books
    available = found.message.available_funds if found is not None else None
    needed = None
    if worst.needed_funds is not None:
        needed = worst.needed_funds + sum((amount for _, amount in books.unconfirmed_fills), ZERO)
    reason = ""
    if available is None or not available.is_finite():
        reason = f"the available funds of account {facts.intent.account} are not known"
    elif worst.reduces:
        reason = ""
    elif needed is None:
        reason = "the funds that the working orders need can not be told: a price or rate is missing"
    elif needed > available:
        reason = (
            f"this order and those under way need {money(needed, books.currency)}; "
            f"{money(available, books.currency)} are available"
        )
    return Check(
        name="funds",
        passed=not reason,
        limit=plain(available),
        observed=plain(needed),
        source=found.source if found is not None else "STATE",
        reason=reason,
    )


def intent_rate(facts: OrderFacts) -> Check:
    """Orders let through for the account in the last minute of desk time; refused intents do not count."""
    limit = facts.limits.intents_per_minute_max
    count = _lately(facts.books.approvals, facts.now) + 1
    reason = "" if count <= limit else f"this would be order {count} within a minute; {limit} are allowed"
    return _rate("intent_rate", limit, count, reason)


def name_rate(facts: OrderFacts) -> Check:
    """The same, of those that the sender's name let through there: one name does not use up what is there for all."""
    limit, by = facts.limits.name_intents_per_minute_max, facts.request.by
    count = _lately(facts.books.approvals_by_name.get(by, ()), facts.now) + 1
    reason = ""
    if count > limit:
        reason = f"this would be order {count} of {by or 'nobody'} within a minute; {limit} are allowed to one name"
    return _rate("name_rate", limit, count, reason)


def _lately(approvals: Collection[datetime], now: datetime) -> int:
    old = 0
    for at in approvals:
        if now - at < RATE_WINDOW:
            break
        old += 1
    return len(approvals) - old


def _rate(name: str, limit: int, count: int, reason: str) -> Check:
    return Check(
        name=name,
        passed=not reason,
        limit=f"{limit} a minute",
        observed=str(count),
        source=DESK_FILE,
        reason=reason,
    )


def open_orders(facts: OrderFacts) -> Check:
    count, limit = facts.books.working_orders + 1, facts.limits.open_orders_max
    reason = "" if count <= limit else f"this would be working order {count} of the account; {limit} are allowed"
    return Check(
        name="open_orders",
        passed=not reason,
        limit=str(limit),
        observed=str(count),
        source=_books_source(facts),
        reason=reason,
    )


def _over(facts: OrderFacts, value: Decimal | None, limit: Decimal, what: str) -> str:
    """Why `value` is too much, or ""; a reducing order is let through whatever it is."""
    if facts.worst.reduces:
        return ""
    if value is None:
        return f"{what} can not be valued: a price or rate is missing"
    if value <= limit:
        return ""
    ours = facts.books.currency
    return f"{what} could be worth {money(value, ours)}; {money(limit, ours)} is allowed"


def _price_source(facts: OrderFacts) -> str:
    return facts.quote.source if facts.quote is not None else "quote"


def _books_source(facts: OrderFacts) -> str:
    """Positions and working orders are a fold of TRADE up to here."""
    return f"TRADE:{facts.state.folded_up_to}"


ORDER_CHECKS = (
    currency,
    order_quantity,
    order_notional,
    position_quantity,
    position_notional,
    gross_exposure,
    funds,
    intent_rate,
    name_rate,
    open_orders,
)
RATES = ("intent_rate", "name_rate")
"""The checks of how much is sent, not of what: whoever sends that much is told only this."""

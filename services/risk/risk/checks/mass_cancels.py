"""Checks of a cancel of many, and of a flatten: is what it names the desk's own?

What it names may be left out, and is any then. As with a cancel of one no limit, price, session or trading state holds
it up. How many orders it is for is told and fails nothing: of none it is approved, as there is nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterable

from signalbox.messages import FlattenIntent

from risk.checks import form
from risk.checks.rows import Row, Told
from risk.facts import CLOCK, DESK_FILE, MassCancelFacts
from risk.wording import moment

ANY = "any"
LISTED_CHARACTERS_MAX = 300
"""Of the names that would do, a sentence tells the first ones."""


def venue(facts: MassCancelFacts) -> str:
    return form.venue(facts) if facts.intent.venue else ""


def tell_venue(facts: MassCancelFacts) -> Told:
    limit, observed, source = form.tell_venue(facts)
    return limit, observed or ANY, source


def account(facts: MassCancelFacts) -> str:
    """Where no venue is named, an account at any of them."""
    wanted, known = facts.intent.account, _accounts(facts)
    if not wanted or wanted in known:
        return ""
    if not known:
        return f"the desk has no account at {facts.intent.venue!r}"
    at = f" at {facts.intent.venue}" if facts.intent.venue else ""
    return f"the desk has no account {wanted!r}{at}; it has {_listed(known)}"


def tell_account(facts: MassCancelFacts) -> Told:
    return _listed(_accounts(facts)), facts.intent.account or ANY, DESK_FILE


def _accounts(facts: MassCancelFacts) -> set[str]:
    return {account for at, account in facts.rules.accounts if facts.intent.venue in ("", at)}


def symbol(facts: MassCancelFacts) -> str:
    """One that the desk file lists, or in which an order works all the same: the file may be another by now."""
    wanted, known = facts.intent.symbol, _symbols(facts)
    basis = facts.basis
    works = basis.covered_orders or basis.spared_orders or basis.covered_positions
    if not wanted or wanted in known or works:
        return ""
    if facts.symbol_error:
        return facts.symbol_error
    at = f" at {facts.intent.venue!r}" if facts.intent.venue else ""
    return f"the desk does not trade {wanted}{at}, and no order works in it; it trades {_listed(known) or 'nothing'}"


def tell_symbol(facts: MassCancelFacts) -> Told:
    return _listed(_symbols(facts)), facts.intent.symbol or ANY, DESK_FILE


def _symbols(facts: MassCancelFacts) -> set[str]:
    return {symbol for at, symbol in facts.rules.allowed if facts.intent.venue in ("", at)}


def covered_orders(facts: MassCancelFacts) -> str:
    return ""  # none is as good as many


def tell_covered_orders(facts: MassCancelFacts) -> Told:
    spared = facts.basis.spared_orders
    elsewhere = f", {spared} more were placed elsewhere and stay" if spared else ""
    return "any number", f"{facts.basis.covered_orders} orders work{elsewhere}", facts.books_source


def _listed(names: Iterable[str]) -> str:
    known, told = sorted(names), ""
    for number, name in enumerate(known):
        if number and len(told) + len(name) > LISTED_CHARACTERS_MAX:
            return f"{told} and {len(known) - number} more"
        told += f", {name}" if number else name
    return told


def covered_positions(facts: MassCancelFacts) -> str:
    return ""  # none is as good as many


def tell_covered_positions(facts: MassCancelFacts) -> Told:
    return "any number", f"{facts.basis.covered_positions} positions", facts.books_source


def until(facts: MassCancelFacts) -> str:
    """A flatten whose time is over already would begin nothing."""
    intent = facts.intent
    if not isinstance(intent, FlattenIntent) or intent.valid_until is None or facts.now <= intent.valid_until:
        return ""
    return f"the flatten was valid until {moment(intent.valid_until)}; it is {moment(facts.now)}"


def tell_until(facts: MassCancelFacts) -> Told:
    intent = facts.intent
    till = intent.valid_until if isinstance(intent, FlattenIntent) else None
    return moment(till) if till is not None else "none", moment(facts.now), CLOCK


MASS_CANCEL_ROWS: tuple[Row[MassCancelFacts], ...] = (
    Row("venue", venue, tell_venue),
    Row("account", account, tell_account),
    Row("symbol", symbol, tell_symbol),
    Row("covered_orders", covered_orders, tell_covered_orders),
)

FLATTEN_ROWS: tuple[Row[MassCancelFacts], ...] = (
    *MASS_CANCEL_ROWS,
    Row("covered_positions", covered_positions, tell_covered_positions),
    Row("valid_until", until, tell_until),
)
"""Of a flatten: what is held no limit holds up either; each closing order is decided by itself."""

"""Checks of an intent about a group of accounts as a whole: is there such a group, and can it be shared out?

What it comes to in each account has the checks of any order of that account beside these.
"""

from __future__ import annotations

from signalbox.messages import AllocationMethod, ModifyIntent, OrderIntent

from risk.checks.cancels import order_matches, tell_order_matches
from risk.checks.form import COMMON_ROWS
from risk.checks.rows import Row, Rows, Told
from risk.facts import DESK_FILE, INTENT, GroupFacts
from risk.sharing import group_of
from risk.wording import UNKNOWN, plain

_PCT_CHANGE = AllocationMethod.PCT_CHANGE


def group(facts: GroupFacts) -> str:
    """The desk file has it, and the intent names it in the place of an account."""
    intent = facts.intent
    if not isinstance(intent, OrderIntent):
        return ""
    if group_of(facts.rules, intent.venue, intent.group) is None:
        names = _names(facts)
        there = f"it has {names}" if names else "it has none ([[groups]])"
        return f"the desk file has no group {intent.group!r} at {intent.venue}: {there}"
    if intent.account:
        return f"an order is for an account or for a group of them: leave {intent.account!r} or {intent.group!r} away"
    return ""


def tell_group(facts: GroupFacts) -> Told:
    intent = facts.intent
    return _names(facts) or "none", intent.group if isinstance(intent, OrderIntent) else UNKNOWN, DESK_FILE


def _names(facts: GroupFacts) -> str:
    return ", ".join(sorted(each.name for each in facts.rules.desk.groups if each.venue == facts.intent.venue))


def method(facts: GroupFacts) -> str:
    """What is asked of each is said once: a quantity for all of them, or a percentage of what each holds."""
    intent = facts.intent
    if not isinstance(intent, OrderIntent):
        return ""
    percent = intent.percent
    if intent.method is not _PCT_CHANGE:
        return f"percent goes with {_PCT_CHANGE}: {intent.method} shares a quantity out" if percent is not None else ""
    if percent is None or not percent.is_finite() or percent <= 0:
        return f"{_PCT_CHANGE} needs percent, above zero: of what each account holds; the side says which way"
    if intent.quantity:
        return f"{_PCT_CHANGE} has no quantity: each account trades {plain(percent)} % of what it holds; say 0"
    return ""


def tell_method(facts: GroupFacts) -> Told:
    intent = facts.intent
    if not isinstance(intent, OrderIntent):
        return UNKNOWN, UNKNOWN, INTENT
    given = f"quantity {plain(intent.quantity)}"
    if intent.percent is not None:
        given += f", percent {plain(intent.percent)}"
    return f"a quantity, or {_PCT_CHANGE} and a percentage", f"{intent.method}: {given}", INTENT


def allocation(facts: GroupFacts) -> str:
    return facts.shared.why_not


def tell_allocation(facts: GroupFacts) -> Told:
    parts = [
        f"{part.member.name} {plain(part.intent.quantity)}"
        for part in facts.shared.parts
        if isinstance(part.intent, OrderIntent | ModifyIntent) and part.intent.quantity is not None
    ]
    return "a part for each account", ", ".join(parts) or "none", facts.books_source


OF_GROUPS: Rows[GroupFacts] = Rows(
    (
        *COMMON_ROWS,
        Row("group", group, tell_group),
        Row("method", method, tell_method),
        Row("allocation", allocation, tell_allocation),
    )
)
"""Of an order for a group; those of each account's part follow."""
OF_GROUP_ORDERS: Rows[GroupFacts] = Rows(
    (
        *COMMON_ROWS,
        Row("order_matches", order_matches, tell_order_matches),
        Row("allocation", allocation, tell_allocation),
    )
)
"""Of a change or a cancel of one."""

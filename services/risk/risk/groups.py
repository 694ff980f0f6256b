"""The decision on an intent about a group of accounts: as a whole, then each account's part of it.

Owns that it is all of them or none, and that what fails says in which account. What is asked of each part the caller
knows (`risk.decide`); which parts there are, `risk.sharing`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs
from signalbox.messages import Basis, Check, GroupPart, Intent, OrderIntent

from risk.checks.groups import OF_GROUP_ORDERS, OF_GROUPS
from risk.checks.rows import Rows
from risk.facts import GroupFacts
from risk.rules import Rules as RulesOfDesk
from risk.sharing import OfGroup, basis_of, share


class Judged(Struct, frozen=True, gc=False):
    """What fails of an intent, of how many checks, the market that it was held against, and what it comes to."""

    failed: tuple[Check, ...] = ()
    rows: int = 0
    reference: Decimal | None = None
    commission: Decimal | None = None
    order: OrderIntent | None = None
    parts: tuple[GroupPart, ...] = ()


def judge_group(
    rules: RulesOfDesk, basis: Basis, intent: Intent, at: datetime, of_part: Callable[[Basis, OfGroup], Judged]
) -> Judged:
    """Hold it against what was found: as a whole, and where that passes `of_part` for each account."""
    facts, asked = _facts(rules, basis, intent, at)
    failed, rows = asked.failed(facts), len(asked)
    if failed:
        return Judged(failed, rows)
    made, reference = [], None
    for part in facts.shared.parts:
        judged = of_part(basis_of(basis, part.member), part.intent)
        failed += tuple([_of_account(part.member.name, check) for check in judged.failed])
        rows += judged.rows
        reference = reference if judged.reference is None else judged.reference
        made.append(GroupPart(intent=part.intent, estimated_commission=judged.commission))
    return Judged(failed, rows, reference, parts=tuple(made))


def explain_group(
    rules: RulesOfDesk,
    basis: Basis,
    intent: Intent,
    at: datetime,
    of_part: Callable[[Basis, OfGroup], tuple[Check, ...]],
) -> tuple[Check, ...]:
    """Every check, in order: those of the whole, then those of each account."""
    facts, asked = _facts(rules, basis, intent, at)
    told = asked.told(facts)
    if all(check.passed for check in told):
        for part in facts.shared.parts:
            checks = of_part(basis_of(basis, part.member), part.intent)
            told += tuple([_of_account(part.member.name, check) for check in checks])
    return told


def _facts(rules: RulesOfDesk, basis: Basis, intent: Intent, at: datetime) -> tuple[GroupFacts, Rows[GroupFacts]]:
    assert isinstance(intent, OfGroup)
    facts = GroupFacts(intent=intent, rules=rules, basis=basis, shared=share(rules, basis, intent, at))
    return facts, OF_GROUPS if isinstance(intent, OrderIntent) else OF_GROUP_ORDERS


def _of_account(account: str, check: Check) -> Check:
    """The check of one account's part says which."""
    reason = f"account {account}: {check.reason}" if check.reason else ""
    return structs.replace(check, observed=f"{account}: {check.observed}", reason=reason)

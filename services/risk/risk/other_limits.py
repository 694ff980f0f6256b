"""What other limits would have said to recorded decisions: how many, by which check, and the money involved.

Each decision is held against them by itself, on the desk as it was: what it kept is what it is made again on. An order
that would not have been let through is still there for those that came after it, so that the sum says what these limits
would have turned away of what was asked for, not how that day would have gone. Pure; what a check means it does not
know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import Struct
from signalbox.messages import (
    Decision,
    Intent,
    IntentApproved,
    IntentDenied,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    PositionIntent,
)

from risk.decide import decide_again, failed_checks
from risk.facts import gather, gather_change, normalised
from risk.list_facts import gather_legs
from risk.positions import size
from risk.rules import Rules
from risk.state import ZERO


class Otherwise(Struct, frozen=True, kw_only=True):
    """A decision that would have been another: by which check it is (or was) denied, and what the order is worth.

    `value` is in the account's `currency`, at the order's worst price; None = it places nothing, or can not be valued.
    """

    sequence: int
    intent_id: str
    check: str
    reason: str
    value: Decimal | None
    currency: str


@dataclass(slots=True)
class Sum:
    """Decisions that would have been others for one reason: how many, worth what in each currency."""

    count: int = 0
    worth: dict[str, Decimal] = field(default_factory=dict)
    not_valued: int = 0

    def add(self, found: Otherwise) -> None:
        self.count += 1
        if found.value is None:
            self.not_valued += 1
        else:
            self.worth[found.currency] = self.worth.get(found.currency, ZERO) + found.value


class OtherLimits:
    """`take` each decision that keeps what it was made on; the sums say what would have become of them."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.approved = self.denied = 0
        """As they were decided."""
        self.would_be_denied: dict[str, Sum] = {}
        """Of those that were approved, by the check that would deny."""
        self.would_pass: dict[str, Sum] = {}
        """Of those that were denied, by the check that did."""

    def take(self, sequence: int, decision: Decision) -> Otherwise | None:
        """Hold one decision against the limits; None = it would have been the same verdict."""
        was_approved = isinstance(decision, IntentApproved)
        self.approved, self.denied = self.approved + was_approved, self.denied + (not was_approved)
        again = decide_again(self._rules, decision)
        if isinstance(again, IntentApproved) is was_approved:
            return None
        denial = again if isinstance(again, IntentDenied) else decision
        assert isinstance(denial, IntentDenied)
        value = value_of(self._rules, decision)
        found = Otherwise(
            sequence=sequence,
            intent_id=decision.intent.id if decision.intent is not None else decision.cause,
            check=failed_checks(denial)[0].name,
            reason=denial.reason,
            value=value,
            currency=decision.basis.books.currency if decision.basis is not None else "",
        )
        (self.would_be_denied if was_approved else self.would_pass).setdefault(found.check, Sum()).add(found)
        return found


def value_of(rules: Rules, decision: Decision) -> Decimal | None:
    """What the order of a decision may be worth at its worst price, in its account's currency; of a list its entry.

    None = it places none, or a price or a rate is not known. It is what the check `order_notional` goes by.
    """
    basis, by, at = decision.basis, decision.by, decision.at
    if basis is None or decision.intent is None:
        return None
    intent, symbol_error = normalised(rules, decision.intent)
    order = _placed(decision, intent)
    if order is not None:
        return gather(rules, basis, order, symbol_error, by, at).order_value
    if isinstance(intent, ModifyIntent) and basis.order is not None and basis.order.terms is not None:
        return gather_change(rules, basis, intent, symbol_error, by, at).order_value
    if isinstance(intent, OrderListIntent) and not any(check.name == "list_terms" for check in failed_checks(decision)):
        legs = gather_legs(rules, basis, intent, symbol_error, by, at)
        return legs[0].facts.order_value if legs else None
    return None


def _placed(decision: Decision, intent: Intent) -> OrderIntent | None:
    if isinstance(intent, OrderIntent):
        return intent
    if isinstance(decision, IntentApproved):
        return decision.order
    if isinstance(intent, PositionIntent) and decision.basis is not None:
        return size(decision.basis, intent, decision.at).order
    return None

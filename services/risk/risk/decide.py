"""The decision: (state, intent, desk time) -> approved or denied, and what it was made on.

Pure: no await, clock, random, environment or logging, and the state is only read; `evolve.fold_decision` takes the
decision in once it is made. The same state, intent and time give the same bytes. And so does what a decision keeps
(`Basis`), with the same rules: `decide_again` needs no state, and `explain` tells every check.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import structs
from signalbox import messages
from signalbox.messages import (
    Basis,
    CancelIntent,
    Check,
    Decision,
    FlattenIntent,
    Intent,
    IntentApproved,
    IntentDenied,
    MassCancelIntent,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    PositionIntent,
    WouldPass,
)

from risk.asked import (
    OF_CANCELS,
    OF_CHANGED_ORDERS,
    OF_CHANGES,
    OF_LISTS,
    OF_ORDERS,
    OF_PART_CHANGES,
    OF_PARTS,
    OF_POSITIONS,
    OF_SMALLER_ORDERS,
    rows_of_leg,
    rows_of_many,
)
from risk.checks import form
from risk.checks.changes import only_takes_away
from risk.checks.rows import Rows
from risk.facts import (
    INTENT,
    CancelFacts,
    ChangeFacts,
    IntentFacts,
    ListFacts,
    MassCancelFacts,
    OrderFacts,
    PositionFacts,
    Request,
    gather,
    gather_change,
    normalised,
)
from risk.groups import Judged, explain_group, judge_group
from risk.intents import TEXT_CHARACTERS_MAX
from risk.list_facts import gather_legs
from risk.looking import look, look_at_id
from risk.passing import UNMOVED, Wanted, what_would_pass
from risk.positions import size
from risk.rules import Rules
from risk.sharing import OfGroup, is_of_group
from risk.state import RiskState

ALWAYS_TOLD = frozenset(row.name for row in form.COMMON_ROWS)
"""The OMS has to see that a denial is of an id that was used up."""
DENIAL_BYTES_MAX = 1_850
"""Beyond that, failed checks are named alone: it leaves room for their names, and for what would have passed."""
UNCOUNTED = (b',"would_pass":null', b',"scope":""', b',"group":"","method":"Equal","percent":null')
"""What was not there when the bound was set, and says nothing: denials from before are shortened as they were."""


def decide(state: RiskState, request: Request, at: datetime) -> Decision:
    """Decide one intent. All checks are evaluated; the first that fails gives the reason."""
    if request.intent is None or request.error:
        return _refuse(state.rules, request, at, look_at_id(state, request.intent))
    intent, symbol_error = normalised(state.rules, request.intent)
    return _judge(state.rules, request, intent, symbol_error, at, look(state, request, intent, at))


def decide_again(rules: Rules, decision: Decision) -> Decision:
    """The decision that is made today on what this one was made on; its basis must be there."""
    basis = decision.basis
    assert basis is not None
    refused = any(check.name == form.READABLE for check in decision.checks)
    request = Request(
        sequence=decision.intent_sequence,
        intent=decision.intent,
        stored_at=decision.intent_stored_at,
        by=decision.by,
        error=decision.reason if refused and isinstance(decision, IntentDenied) else "",
        message_id=decision.cause,
        clock_is_stale=basis.clock_is_stale,
        closes=basis.closes,
    )
    if request.intent is None or request.error:
        return _refuse(rules, request, decision.at, basis)
    intent, symbol_error = normalised(rules, request.intent)
    again = _judge(rules, request, intent, symbol_error, decision.at, basis)
    if isinstance(again, IntentDenied) and isinstance(decision, IntentDenied) and decision.would_pass is None:
        return structs.replace(again, would_pass=None)  # it was made when nobody looked for that yet
    return again


def explain(rules: Rules, decision: Decision) -> tuple[Check, ...]:
    """Every check of a decision, in order: those that it bears, and those that passed, made again from its basis."""
    basis, intent = decision.basis, decision.intent
    if basis is None or intent is None or any(check.name == form.READABLE for check in decision.checks):
        return decision.checks
    intent, symbol_error = normalised(rules, intent)
    if is_of_group(intent, basis):

        def of_part(found: Basis, part: OfGroup) -> tuple[Check, ...]:
            if isinstance(part, OrderIntent):
                return OF_PARTS.told(gather(rules, found, part, symbol_error, decision.by, decision.at))
            if isinstance(part, CancelIntent):
                return ()
            return _explain_change(
                ChangeFacts(intent=part, rules=rules, basis=found), OF_PART_CHANGES, symbol_error, decision
            )

        return explain_group(rules, basis, intent, decision.at, of_part)
    if isinstance(intent, OrderListIntent):
        of_list = ListFacts(intent=intent, rules=rules, basis=basis, now=decision.at)
        told = OF_LISTS.told(of_list)
        if all(check.passed for check in told):
            for each in gather_legs(rules, basis, intent, symbol_error, decision.by, decision.at):
                told += tuple(_of_leg(each.leg, check) for check in rows_of_leg(each.facts).told(each.facts))
        return told
    if isinstance(intent, CancelIntent):
        return OF_CANCELS.told(CancelFacts(intent=intent, rules=rules, basis=basis))
    if isinstance(intent, ModifyIntent):
        return _explain_change(ChangeFacts(intent=intent, rules=rules, basis=basis), OF_CHANGES, symbol_error, decision)
    if isinstance(intent, MassCancelIntent | FlattenIntent):
        of_many = MassCancelFacts(intent=intent, rules=rules, basis=basis, now=decision.at, symbol_error=symbol_error)
        return rows_of_many(intent).told(of_many)
    if isinstance(intent, PositionIntent):
        return _explain_position(rules, decision, intent, symbol_error, basis)
    return OF_ORDERS.told(gather(rules, basis, intent, symbol_error, decision.by, decision.at))


def _explain_change(
    of_change: ChangeFacts, asked: Rows[ChangeFacts], symbol_error: str, decision: Decision
) -> tuple[Check, ...]:
    changed = _changed_order(of_change, symbol_error, decision.by, decision.at)
    told = asked.told(of_change)
    return told if changed is None else (*told, *changed[0].told(changed[1]))


def _explain_position(
    rules: Rules, decision: Decision, intent: PositionIntent, symbol_error: str, basis: Basis
) -> tuple[Check, ...]:
    """Its own check, then those of the order that it comes to."""
    sized = size(basis, intent, decision.at)
    told = OF_POSITIONS.told(PositionFacts(intent=intent, rules=rules, basis=basis, sized=sized))
    if sized.order is None:
        return told
    common = len(form.COMMON_ROWS)
    of_order = OF_ORDERS.told(gather(rules, basis, sized.order, symbol_error, decision.by, decision.at))
    return told + of_order[common:]


def _judge(rules: Rules, request: Request, intent: Intent, symbol_error: str, at: datetime, basis: Basis) -> Decision:
    """Hold a normalised intent against what was found. Nothing but the arguments is looked at."""
    judged = _judged(rules, basis, intent, symbol_error, request.by, at)
    failed = judged.failed
    if failed:
        denied = IntentDenied(
            id=request.decision_id,
            at=at,
            cause=intent.id,
            by=request.by,
            intent_sequence=request.sequence,
            intent_stored_at=request.stored_at,
            intent=intent,
            checks=failed,
            reason=failed[0].reason,
            reference_price=judged.reference,
            passed=judged.rows - len(failed),
            basis=None if request.brief else basis,
            would_pass=None
            if request.brief
            else _would_pass(rules, basis, judged.order or intent, symbol_error, request.by, at, failed),
        )
        return denied if len(failed) == 1 else _shortened(denied)
    return IntentApproved(
        id=request.decision_id,
        at=at,
        cause=intent.id,
        by=request.by,
        intent_sequence=request.sequence,
        intent_stored_at=request.stored_at,
        intent=intent,
        order_id=judged.order.id if judged.order is not None else _order_named(intent),
        checks=(),
        reference_price=judged.reference,
        passed=judged.rows,
        basis=basis,
        estimated_commission=judged.commission,
        order=judged.order,
        parts=judged.parts,
    )


def _judged(rules: Rules, basis: Basis, intent: Intent, symbol_error: str, by: str, at: datetime) -> Judged:
    """What fails of all that is asked of an intent of its kind, and what it comes to."""

    def of_part(found: Basis, part: OfGroup) -> Judged:
        if isinstance(part, OrderIntent):
            return _judged_order(gather(rules, found, part, symbol_error, by, at), OF_PARTS)
        if isinstance(part, CancelIntent):
            return Judged()  # the order works: there is nothing more to ask
        return _judged_change(ChangeFacts(intent=part, rules=rules, basis=found), OF_PART_CHANGES, symbol_error, by, at)

    if is_of_group(intent, basis):
        return judge_group(rules, basis, intent, at, of_part)
    if isinstance(intent, PositionIntent):
        return _judged_position(rules, basis, intent, symbol_error, by, at)
    if isinstance(intent, OrderIntent):
        return _judged_order(gather(rules, basis, intent, symbol_error, by, at), OF_ORDERS)
    if isinstance(intent, OrderListIntent):
        return Judged(*_judge_list(rules, basis, intent, symbol_error, by, at))
    if isinstance(intent, CancelIntent):
        return Judged(OF_CANCELS.failed(CancelFacts(intent=intent, rules=rules, basis=basis)), len(OF_CANCELS))
    if isinstance(intent, ModifyIntent):
        of_change = ChangeFacts(intent=intent, rules=rules, basis=basis)
        return _judged_change(of_change, OF_CHANGES, symbol_error, by, at)
    of_many = MassCancelFacts(intent=intent, rules=rules, basis=basis, now=at, symbol_error=symbol_error)
    asked = rows_of_many(intent)
    return Judged(asked.failed(of_many), len(asked))


def _judged_order(facts: OrderFacts, checks: Rows[OrderFacts]) -> Judged:
    return Judged(checks.failed(facts), checks.count(facts), facts.market_price, facts.commission)


def _judged_position(
    rules: Rules, basis: Basis, intent: PositionIntent, symbol_error: str, by: str, at: datetime
) -> Judged:
    sized = size(basis, intent, at)
    failed = OF_POSITIONS.failed(PositionFacts(intent=intent, rules=rules, basis=basis, sized=sized))
    if sized.order is None or failed:
        return Judged(failed, len(OF_POSITIONS), order=sized.order)
    judged = _judged_order(gather(rules, basis, sized.order, symbol_error, by, at), OF_ORDERS)
    return structs.replace(judged, rows=judged.rows + 1, order=sized.order)


def _judged_change(
    of_change: ChangeFacts, asked: Rows[ChangeFacts], symbol_error: str, by: str, at: datetime
) -> Judged:
    """What fails of the change by itself, and of the order as it is to be."""
    judged = Judged(asked.failed(of_change), len(asked))
    changed = _changed_order(of_change, symbol_error, by, at)
    if changed is None:
        return judged
    checks, of_order = changed
    reference = of_order.market_price if checks is OF_CHANGED_ORDERS else None
    return Judged(judged.failed + checks.failed(of_order), judged.rows + checks.count(of_order), reference)


def _would_pass(
    rules: Rules, basis: Basis, intent: Intent, symbol_error: str, by: str, at: datetime, failed: tuple[Check, ...]
) -> WouldPass | None:
    """What of an order, a list or a change that is denied would not be; None = nothing of it could be another."""

    def passes(wanted: Wanted) -> bool:
        if is_of_group(wanted, basis):
            return not _judged(rules, basis, wanted, symbol_error, by, at).failed
        if isinstance(wanted, OrderIntent):
            return OF_ORDERS.passes(gather(rules, basis, wanted, symbol_error, by, at), UNMOVED)
        if isinstance(wanted, OrderListIntent):
            return OF_LISTS.passes(ListFacts(intent=wanted, rules=rules, basis=basis, now=at), UNMOVED) and all(
                rows_of_leg(each.facts).passes(each.facts, UNMOVED)
                for each in gather_legs(rules, basis, wanted, symbol_error, by, at)
            )
        of_change = ChangeFacts(intent=wanted, rules=rules, basis=basis)
        changed = _changed_order(of_change, symbol_error, by, at)
        return OF_CHANGES.passes(of_change, UNMOVED) and changed is not None and changed[0].passes(changed[1], UNMOVED)

    return what_would_pass(intent, basis, failed, passes) if isinstance(intent, Wanted) else None


def _changed_order(
    of_change: ChangeFacts, symbol_error: str, by: str, at: datetime
) -> tuple[Rows[OrderFacts], OrderFacts] | None:
    """The order as it is to be, and its checks; None = there is none to be judged."""
    order = of_change.basis.order
    if order is None or order.terms is None:
        return None
    facts = gather_change(of_change.rules, of_change.basis, of_change.intent, symbol_error, by, at)
    return OF_SMALLER_ORDERS if only_takes_away(of_change) else OF_CHANGED_ORDERS, facts


def _judge_list(
    rules: Rules, basis: Basis, intent: OrderListIntent, symbol_error: str, by: str, at: datetime
) -> tuple[tuple[Check, ...], int, Decimal | None]:
    """Hold a list, and each of its legs, against what was found: what fails, of how many checks, the entry's market."""
    of_list = ListFacts(intent=intent, rules=rules, basis=basis, now=at)
    failed, rows, reference = OF_LISTS.failed(of_list), len(OF_LISTS), None
    if failed:
        return failed, rows, reference
    for each in gather_legs(rules, basis, intent, symbol_error, by, at):
        of_leg = rows_of_leg(each.facts)
        failed += tuple(_of_leg(each.leg, check) for check in of_leg.failed(each.facts))
        rows += of_leg.count(each.facts)
        if reference is None:
            reference = each.facts.market_price
    return failed, rows, reference


def _of_leg(leg: str, check: Check) -> Check:
    """The check of a leg says which."""
    reason = f"leg {leg}: {check.reason}" if check.reason else ""
    return structs.replace(check, observed=f"{leg}: {check.observed}", reason=reason)


def _order_named(intent: Intent) -> str:
    """The order or list that an intent places, changes or cancels; "" = many."""
    if isinstance(intent, OrderIntent | OrderListIntent):
        return intent.id
    return intent.order_id if isinstance(intent, CancelIntent | ModifyIntent) else ""


def _shortened(denied: IntentDenied) -> IntentDenied:
    """Name the last checks alone where they make a denial too long; the first, and those of its form, are told."""
    told = [check for check in denied.checks if check is denied.checks[0] or check.name in ALWAYS_TOLD]
    size = _counted(structs.replace(denied, checks=tuple(told), would_pass=None))
    for check in denied.checks:
        if check not in told:
            size += _counted(check) + 1
            if size > DENIAL_BYTES_MAX:
                break
            told.append(check)
    also_failed = tuple(check.name for check in denied.checks if check not in told)
    return structs.replace(
        denied, checks=tuple(check for check in denied.checks if check in told), also_failed=also_failed
    )


def _counted(part: IntentDenied | Check) -> int:
    payload = messages.encode(part)
    return len(payload) - sum(payload.count(each) * len(each) for each in UNCOUNTED)


def _refuse(rules: Rules, request: Request, at: datetime, basis: Basis) -> IntentDenied:
    """Deny what can not be judged: an unreadable intent, or one that the judging itself failed on.

    Whatever it is denied for, an id that has its decision already is said to: the denial is not that order's.
    """
    intent, error = request.intent, request.error
    checks = [Check(name=form.READABLE, passed=False, limit="an intent", observed=error, source=INTENT, reason=error)]
    if intent is not None and basis.id_used is not None:
        facts = IntentFacts(intent=intent, rules=rules, basis=basis)
        checks.append(form.DUPLICATE.check(facts, form.DUPLICATE.why_not(facts)))
    return IntentDenied(
        id=request.decision_id,
        at=at,
        cause=intent.id if intent is not None else request.message_id[:TEXT_CHARACTERS_MAX],
        by=request.by,
        intent_sequence=request.sequence,
        intent_stored_at=request.stored_at,
        intent=intent,
        checks=tuple(checks),
        reason=error,
        basis=None if request.brief else basis,
    )


def failed_checks(decision: Decision) -> tuple[Check, ...]:
    """The checks that denied, in order."""
    return tuple(check for check in decision.checks if not check.passed)


def orders_of(decision: Decision) -> int:
    """How many orders follow from a decision on one intent, or are asked to end: that many decisions it is worth."""
    if isinstance(decision, IntentDenied):
        return 0
    covered = decision.basis.covered_orders if decision.basis is not None else 0
    return covered or len(decision.parts)


def address(state: RiskState, intent: Intent | None) -> tuple[str, str]:
    """The venue and account whose subject a decision goes to; empty where they are not the desk's own.

    What somebody wrote into an intent does not get into a subject: it could be longer than NATS takes.
    """
    venue = state.desk.venues.get(intent.venue) if intent is not None else None
    if intent is None or venue is None:
        return "", ""
    return intent.venue, intent.account if intent.account in venue.accounts else ""

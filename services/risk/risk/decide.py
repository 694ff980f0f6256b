"""The decision: (state, intent, desk time) -> approved or denied, with every check that led there.

Pure: no await, clock, random, environment or logging, and the state is only read; `evolve.fold_decision` takes the
decision in once it is stored. The same state, intent and time give the same bytes.
"""

from __future__ import annotations

from datetime import datetime

from signalbox.messages import CancelIntent, Check, Decision, Intent, IntentApproved, IntentDenied, OrderIntent

from risk.checks import conditions, form, limits, market
from risk.checks.cancels import CANCEL_CHECKS
from risk.facts import Request, gather, normalised
from risk.intents import TEXT_CHARACTERS_MAX
from risk.state import RiskState

ORDER_CHECKS = (*form.ORDER_CHECKS, *conditions.ORDER_CHECKS, *market.ORDER_CHECKS, *limits.ORDER_CHECKS)


def decide(state: RiskState, request: Request, at: datetime) -> Decision:
    """Decide one intent. All checks are evaluated; the first that fails gives the reason."""
    if request.intent is None or request.error:
        return refuse(state, request, at, request.error)
    intent, symbol_error = normalised(state, request.intent)
    checks = form.common(state, intent)
    reference = None
    if isinstance(intent, OrderIntent):
        facts = gather(state, request, intent, symbol_error, at)
        reference = facts.market_price
        checks += tuple(check(facts) for check in ORDER_CHECKS)
    else:
        checks += tuple(check(state, intent) for check in CANCEL_CHECKS)
    failed = tuple(check for check in checks if not check.passed)
    if failed:
        too_much = any(check.name in limits.RATES for check in failed)
        return IntentDenied(
            id=request.decision_id,
            at=at,
            cause=intent.id,
            by=request.by,
            intent_sequence=request.sequence,
            intent_stored_at=request.stored_at,
            intent=intent,
            checks=failed if too_much or request.brief else checks,
            reason=failed[0].reason,
            reference_price=reference,
        )
    return IntentApproved(
        id=request.decision_id,
        at=at,
        cause=intent.id,
        by=request.by,
        intent_sequence=request.sequence,
        intent_stored_at=request.stored_at,
        intent=intent,
        order_id=intent.order_id if isinstance(intent, CancelIntent) else intent.id,
        checks=checks,
        reference_price=reference,
    )


def refuse(state: RiskState, request: Request, at: datetime, reason: str) -> IntentDenied:
    """Deny what can not be judged: an unreadable intent, or one that the judging itself failed on.

    Whatever it is denied for, an id that has its decision already is said to: the denial is not that order's.
    """
    intent = request.intent
    used_up = (form.duplicate_intent(state, intent),) if intent is not None else ()
    return IntentDenied(
        id=request.decision_id,
        at=at,
        cause=intent.id if intent is not None else request.message_id[:TEXT_CHARACTERS_MAX],
        by=request.by,
        intent_sequence=request.sequence,
        intent_stored_at=request.stored_at,
        intent=intent,
        checks=(form.readable(reason), *(check for check in used_up if not check.passed)),
        reason=reason,
    )


def failed_checks(decision: Decision) -> tuple[Check, ...]:
    """The checks that denied, in order."""
    return tuple(check for check in decision.checks if not check.passed)


def address(state: RiskState, intent: Intent | None) -> tuple[str, str]:
    """The venue and account whose subject a decision goes to; empty where they are not the desk's own.

    What somebody wrote into an intent does not get into a subject: it could be longer than NATS takes.
    """
    venue = state.desk.venues.get(intent.venue) if intent is not None else None
    if intent is None or venue is None:
        return "", ""
    return intent.venue, intent.account if intent.account in venue.accounts else ""

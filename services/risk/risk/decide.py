"""The decision: (state, intent, desk time) -> approved or denied, with every check that led there.

Pure: no await, clock, random, environment or logging, and the state is only read; `evolve.fold_decision` takes the
decision in once it is stored. The same state, intent and time give the same bytes.
"""

from __future__ import annotations

from signalbox.messages import CancelIntent, Check, Decision, Intent, IntentApproved, IntentDenied, OrderIntent

from risk.checks import conditions, form, limits, market
from risk.checks.cancels import CANCEL_CHECKS
from risk.facts import DeskTime, Request, gather, normalised
from risk.intents import TEXT_CHARACTERS_MAX
from risk.state import RiskState

ORDER_CHECKS = (*form.ORDER_CHECKS, *conditions.ORDER_CHECKS, *market.ORDER_CHECKS, *limits.ORDER_CHECKS)


def decide(state: RiskState, request: Request, now: DeskTime) -> Decision:
    """Decide one intent. All checks are evaluated; the first that fails gives the reason."""
    if request.intent is None:
        return refuse(request, now, request.error)
    intent, symbol_error = normalised(state, request.intent)
    checks = form.common(state, request, intent)
    reference = None
    if isinstance(intent, OrderIntent):
        facts = gather(state, request, intent, symbol_error, now)
        reference = facts.market_price
        checks += tuple(check(facts) for check in ORDER_CHECKS)
    else:
        checks += tuple(check(state, intent) for check in CANCEL_CHECKS)
    reason = next((check.reason for check in checks if not check.passed), None)
    if reason is not None:
        return IntentDenied(
            id=f"decision-{request.sequence}",
            at=now.at,
            cause=intent.id,
            intent_sequence=request.sequence,
            intent=intent,
            checks=checks,
            reason=reason,
            reference_price=reference,
        )
    return IntentApproved(
        id=f"decision-{request.sequence}",
        at=now.at,
        cause=intent.id,
        intent_sequence=request.sequence,
        intent=intent,
        order_id=intent.order_id if isinstance(intent, CancelIntent) else intent.id,
        checks=checks,
        reference_price=reference,
    )


def refuse(request: Request, now: DeskTime, reason: str) -> IntentDenied:
    """Deny what can not be judged: an unreadable intent, or one that the judging itself failed on."""
    intent = request.intent
    return IntentDenied(
        id=f"decision-{request.sequence}",
        at=now.at,
        cause=intent.id if intent is not None else request.message_id[:TEXT_CHARACTERS_MAX],
        intent_sequence=request.sequence,
        intent=intent,
        checks=(form.readable(reason),),
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

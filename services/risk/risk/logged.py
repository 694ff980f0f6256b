"""The one line that a decision is worth in the log, with the ids to follow it by. It must not know how one is made."""

from __future__ import annotations

import logging

from signalbox.messages import Decision, FlattenEnded, IntentApproved

from risk.decide import failed_checks

log = logging.getLogger(__name__)


def log_decision(decision: Decision, sequence: int) -> None:
    """Log a decision that is stored at this sequence of TRADE."""
    intent = decision.intent
    approved = isinstance(decision, IntentApproved)
    log.info(
        "approved" if approved else "denied",
        extra={
            "intent_id": intent.id if intent is not None else "",
            "sender": decision.by,
            "intent_sequence": decision.intent_sequence,
            "decision_id": decision.id,
            "decision_sequence": sequence,
            "kind": type(intent).__name__ if intent is not None else "unreadable",
            "venue": intent.venue if intent is not None else "",
            "symbol": intent.symbol if intent is not None else "",
            "reason": "" if isinstance(decision, IntentApproved) else decision.reason,
            "failed_checks": [check.name for check in failed_checks(decision)],
            "desk_time": decision.at.isoformat(),
        },
    )


def log_flatten_ended(ended: FlattenEnded, sequence: int) -> None:
    """Log how a flatten ended, which stands at this sequence of TRADE; what it has left a person should look at."""
    left = [f"{each.venue}/{each.account}/{each.symbol} {each.quantity:f}: {each.reason}" for each in ended.left]
    fields = {"intent_id": ended.cause, "sender": ended.by, "decision_sequence": sequence, "orders": ended.orders}
    if ended.is_flat:
        log.info("flat", extra=fields)
    else:
        log.error("not flat", extra={**fields, "markets_left": ended.markets_left, "left": left})

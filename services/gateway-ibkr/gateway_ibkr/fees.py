"""What follows from what the venue says of the fee of an execution, and whose it is.

Owns that -1 is no fee, and that a fee bears no account: where a login has several, it is taken once its execution has
said whose it is. Pure but for `state`, as `decide`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from signalbox.errors import TranslationError
from signalbox.gateway import reports
from signalbox.gateway.actions import Action, Ask
from signalbox.gateway.reports import COMMISSION_IS_MISSING

from gateway_ibkr import sense
from gateway_ibkr.facts import CommissionSeen
from gateway_ibkr.state import EARLY_FEES_MAX, State
from gateway_ibkr.translate import NOT_RECKONED, decimal_of, execution_key

FEE_WAIT = timedelta(minutes=10)
STILL_NOT_RECKONED = (
    "the venue has said -1 for ten minutes, which stands for a commission that is not reckoned yet: if it is a rebate "
    "of 1, it is not booked"
)


def on_commission(state: State, fact: CommissionSeen, at: datetime) -> list[Action]:
    """A commission is reported whenever it is news, also before the execution itself; one that is not known yet is not.

    TWS says -1 (or "unset") while it has not reckoned one. A rebate is below 0 too, so that exactly -1 is never taken
    for one: it is asked for again, and told as unread if it stays.
    """
    base, revision = execution_key(fact.execution_id)
    if state.own.is_shared and base not in state.own.order_by_execution:  # it may be another account's: fees bear none
        _keep_early(state, base, fact)
        return []
    order_id = state.own.order_by_execution.get(base, "")
    if fact.commission in NOT_RECKONED:
        since = state.own.fees_awaited.setdefault(base, at)
        if at - since >= FEE_WAIT:
            return [sense.park(fact, TranslationError(STILL_NOT_RECKONED), state.own)]
        return [Ask(order_id, COMMISSION_IS_MISSING)] if order_id else []
    state.own.fees_awaited.pop(base, None)
    return [*reports.commission(state, base, revision, order_id, decimal_of(fact.commission), fact.currency, at)]


def _keep_early(state: State, base: str, fact: CommissionSeen) -> None:
    """Keep a fee until its execution says whose it is: with every list of executions it is told again."""
    state.own.early_fees[base] = fact
    while len(state.own.early_fees) > EARLY_FEES_MAX:
        del state.own.early_fees[next(iter(state.own.early_fees))]

"""What the venue has said was filled, and has taken back since: a bust, or a correction to less.

TWS says of an order once and for all how much of it was filled; what of that is taken back later only its executions
tell, by a higher revision. Heard for the first time then, as by a gateway that was down, they never add up to what was
filled: the order would be asked about for ever, and never have an end. Pure but for `state`, as `reconcile`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from signalbox.gateway import reports
from signalbox.gateway.state import ZERO
from signalbox.messages import Report

from gateway_ibkr import sense
from gateway_ibkr.decide import identify
from gateway_ibkr.state import State, Tracked
from gateway_ibkr.translate import execution_key

if TYPE_CHECKING:
    from gateway_ibkr.reconcile import Answers

FILLED = "Filled"


def take(state: State, answers: Answers) -> None:
    """Learn of complete answers, all of them taken already, how much is missing because it was taken back.

    Only executions that were revised explain it; while one can not be read, or the venue has said more of the order
    since, nothing does.
    """
    if any(row.kind == sense.EXECUTION for row in answers.unread):
        return
    for seen in answers.executions:
        if execution_key(seen.execution_id)[1] < 2:
            continue
        ids = {"perm_id": seen.perm_id, "client_id": seen.client_id, "number": seen.order_number}
        tracked = identify(state, reference=seen.reference, **ids)
        if tracked is not None and tracked.order.order_id not in answers.overtaken:
            tracked.own.taken_back = max(ZERO, tracked.filled_at_venue - tracked.filled)


def is_filled(answers: Answers, tracked: Tracked) -> bool:
    """Whether the venue says that the order is filled."""
    ids = (tracked.order.order_id, tracked.venue_order_id)
    return any(
        seen.status == FILLED and (seen.reference == ids[0] or str(seen.perm_id) == ids[1])
        for seen in answers.completed
    )


def ended(state: State, answers: Answers, tracked: Tracked, at: datetime) -> Sequence[Report]:
    """The end of an order that the venue has filled, and of which some does not stand any more."""
    order = tracked.order
    if tracked.done or not tracked.own.taken_back or not is_filled(answers, tracked):
        return []
    why = "over at the venue, which had filled it, and has taken some of that back since"
    return reports.canceled(state, tracked, at, f"{why}: {tracked.filled} of {order.quantity} stand")

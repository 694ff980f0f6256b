"""How an order leaves the OMS: the command that submits it, and the timer that asks whether anybody answered; or how it
does not.

Pure, like `oms.decide`; it must not know what made the order necessary.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from signalbox.messages import (
    Decision,
    Order,
    OrderCreated,
    OrderDenied,
    OrderIntent,
    OrderListIntent,
    PositionIntent,
    SubmitOrder,
    TimerFired,
)

from oms.outcome import Outcome, Rules, carried
from oms.state import State, order_key
from oms.transitions import next_status


def submitted(
    order: Order,
    at: datetime,
    cause: str,
    rules: Rules,
    events: tuple[OrderCreated, ...],
    window: timedelta | None = None,
    attached: tuple[Order, ...] = (),
    *,
    reduces: bool,
) -> Outcome:
    """What submits an order that was decided on at `at`; it is not to be sent later than `window` after that.

    `attached` are sent with it. `reduces`: see `oms.reducing`.
    """
    key = order_key(order.venue, order.account, order.order_id)
    answered_by = at + rules.submit_window
    deadline = at + window if window is not None else answered_by
    submit = SubmitOrder(
        id=f"command/{key}/0",
        at=at,
        cause=cause,
        order=order,
        deadline=deadline,
        attached=attached,
        reduces=reduces,
    )
    timer = TimerFired(
        id=f"timer/{key}", at=at, cause=cause, due=answered_by + rules.unknown_grace, order_id=order.order_id
    )
    return Outcome(events=events, commands=((0, submit),), timers=(timer,))


def denied_event(
    state: State, intent: OrderIntent | OrderListIntent | PositionIntent, order_id: str, decision: Decision, reason: str
) -> OrderDenied:
    """An order that never was, under its id."""
    owner = (intent.venue, intent.account, order_id)
    status = next_status(order_id, None, OrderDenied)
    return OrderDenied(**carried(state, owner, status, decision.at, decision.id), reason=reason)

"""What an approved cancel makes necessary: of one order, or of many.

Owns which orders a cancel of many covers, and what each one is asked. Pure, like `oms.decide`.
"""

from __future__ import annotations

from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    CancelIntent,
    CancelOrder,
    FlattenIntent,
    IntentApproved,
    MassCancelIntent,
    OrderCancelRejected,
    OrderPendingCancel,
    RefusedBy,
)
from signalbox.subjects import EXTERNAL_PREFIX

from oms.outcome import NOTHING, Outcome, carried
from oms.state import OrderState, State
from oms.transitions import next_status

ORDERS_AT_ONCE = 50
"""Of a cancel of many: so many are asked for before any other message has its turn."""


def cancel(state: State, decision: IntentApproved, intent: CancelIntent) -> Outcome:
    """An approved cancel is an event and a command of its own revision: asked again, the venue is too."""
    order = state.find_order(intent.venue, intent.account, intent.order_id)
    if order is None:
        raise IllegalTransitionError(intent.order_id, "NO_ORDER", OrderPendingCancel.__name__)
    if decision.id in order.command_causes:
        if order.is_final:
            return NOTHING
        revision = order.command_causes.index(decision.id) + 1
        return Outcome(commands=((revision, _command(order, decision, revision)),))
    if decision.id in order.causes:
        return NOTHING
    if order.is_final:
        # It ended between risk's look at it and ours. Whoever asked gets an answer all the same.
        status = next_status(order.order_id, order.status, OrderCancelRejected)
        reason = f"the order is {order.status.value} already"
        return Outcome(
            events=(
                OrderCancelRejected(
                    **carried(state, order.owner, status, decision.at, decision.id),
                    reason=reason,
                    refused_by=RefusedBy.DESK,
                ),
            )
        )
    event, command = _asked(state, order, decision)
    return Outcome(events=(event,), commands=(command,))


def cancel_many(
    state: State, decision: IntentApproved, intent: MassCancelIntent | FlattenIntent, sequence: int
) -> Outcome:
    """Each order that works and is covered is asked for as a cancel of one asks, the oldest first, some at a time.

    It covers what was approved before it, at `sequence` of TRADE, whenever it comes. An order whose event is stored has
    its command, too: what is missing of it when it comes again is asked for, and nothing else.
    """
    assert sequence, "without its place in TRADE nobody knows what it covers"
    working = (state.orders[key] for key in state.working)
    to_ask = [order for order in working if covers(intent, order, sequence) and decision.id not in order.command_causes]
    to_ask.sort(key=lambda order: (order.begun_at_sequence, order.key))  # the legs of a list begin together
    asked = [_asked(state, order, decision) for order in to_ask[:ORDERS_AT_ONCE]]
    return Outcome(
        events=tuple([event for event, _ in asked]),
        commands=tuple([command for _, command in asked]),
        more=len(to_ask) > len(asked),
    )


def covers(intent: MassCancelIntent | FlattenIntent, order: OrderState, sequence: int) -> bool:
    """Whether an order began before `sequence` of TRADE, and has all that the intent names.

    What others have placed, and no strategy has claimed, is not asked to end unless the intent says so.
    """
    terms = order.order
    if terms is None or order.begun_at_sequence >= sequence:
        return False
    if order.order_id.startswith(EXTERNAL_PREFIX) and not terms.strategy and not intent.external:
        return False
    found = (order.venue, order.account, terms.symbol, terms.strategy)
    strategy = intent.strategy if isinstance(intent, MassCancelIntent) else ""
    wanted = (intent.venue, intent.account, intent.symbol, strategy)
    return all(name in ("", its) for name, its in zip(wanted, found, strict=True))


def _asked(
    state: State, order: OrderState, decision: IntentApproved
) -> tuple[OrderPendingCancel, tuple[int, CancelOrder]]:
    """The event, and the command under the order's next revision."""
    status = next_status(order.order_id, order.status, OrderPendingCancel)
    revision = len(order.command_causes) + 1
    event = OrderPendingCancel(**carried(state, order.owner, status, decision.at, decision.id))
    return event, (revision, _command(order, decision, revision))


def _command(order: OrderState, decision: IntentApproved, revision: int) -> CancelOrder:
    return CancelOrder(
        id=f"command/{order.key}/{revision}",
        at=decision.at,
        cause=decision.id,
        venue=order.venue,
        account=order.account,
        order_id=order.order_id,
        venue_order_id=order.venue_order_id,
    )

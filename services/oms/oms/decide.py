"""What risk's decisions and our own timers make necessary. What venues report: `oms.reports` and `oms.snapshots`.

Owns what the OMS does with an approved or denied intent, and when silence becomes UNKNOWN. Pure: the state is read,
never changed; time enters as data; every id derives from the message and from how far the order's journal has been
written. So a message that comes again, after any crash, gives what is still missing, and what is not missing comes
out with the same ids, which the streams absorb.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from signalbox.messages import (
    Allocation,
    CancelIntent,
    Decision,
    FlattenIntent,
    GroupPart,
    Instrument,
    IntentApproved,
    IntentDenied,
    MassCancelIntent,
    ModifyIntent,
    Order,
    OrderCreated,
    OrderIntent,
    OrderListIntent,
    OrderUnknown,
    PositionIntent,
    TimerFired,
)
from signalbox.subjects import INTENT_ID

from oms.cancels import cancel, cancel_many
from oms.changes import change
from oms.list_decisions import begin_list, cancel_list
from oms.outcome import NOTHING, NoteKind, Outcome, Rules, carried, together
from oms.reducing import reduces
from oms.state import OrderState, State, order_key
from oms.submitting import denied_event, submitted
from oms.transitions import next_status
from oms.waiting import next_wake, timer

USED_UP = "duplicate_intent"
"""Risk's check that an intent's id is new."""

# ------------------------------------------------------------------------------------------------------- decisions


def decide_decision(state: State, decision: Decision, sequence: int, rules: Rules) -> Outcome:
    """What risk's decision, which TRADE has at `sequence`, makes necessary.

    Raises `IllegalTransitionError` for an approved cancel or change of an order that does not exist.
    """
    if isinstance(decision, IntentDenied):
        return _denied(state, decision, rules)
    if decision.parts:
        return _by_parts(state, decision, sequence, rules)
    intent = decision.intent
    if isinstance(intent, CancelIntent):
        of_list = state.lists.get(intent.order_id)
        return cancel(state, decision, intent) if of_list is None else cancel_list(state, of_list, decision)
    if isinstance(intent, ModifyIntent):
        return change(state, decision, intent, rules)
    if isinstance(intent, MassCancelIntent | FlattenIntent):  # what is held risk closes, order by order
        return cancel_many(state, decision, intent, sequence)
    if isinstance(intent, OrderListIntent):
        return begin_list(state, decision, intent, sequence)
    placed = decision.placed
    if placed is None:
        return NOTHING  # a position that is wanted and there already
    return _begin(state, decision, sequence, _order_of(decision, placed), rules)


def _by_parts(state: State, decision: IntentApproved, sequence: int, rules: Rules) -> Outcome:
    """What an intent about a group comes to in each account is done as one of its own would be."""
    outcomes = []
    for part in decision.parts:
        if isinstance(part.intent, OrderIntent):
            outcomes.append(_begin(state, decision, sequence, part, rules))
        elif isinstance(part.intent, ModifyIntent):
            outcomes.append(change(state, decision, part.intent, rules))
        else:
            outcomes.append(cancel(state, decision, part.intent))
    return together(outcomes)


def _order_of(decision: IntentApproved, placed: OrderIntent) -> GroupPart:
    return GroupPart(intent=placed, estimated_commission=decision.estimated_commission)


def _begin(state: State, decision: IntentApproved, sequence: int, part: GroupPart, rules: Rules) -> Outcome:
    """An order that was let through: it begins, unless it has."""
    placed = part.intent
    order = state.orders.get(order_key(placed.venue, placed.account, placed.id))
    if order is None:
        return _create(state, decision, sequence, part, rules)
    if order.created_cause == decision.id:
        return _again(state, order, rules)
    return Outcome(notes=(NoteKind.SECOND_DECISION,))


def _create(state: State, decision: IntentApproved, sequence: int, part: GroupPart, rules: Rules) -> Outcome:
    intent = part.intent
    assert isinstance(intent, OrderIntent)
    instrument = state.instruments.get((intent.venue, intent.symbol))
    if instrument is None:  # no gateway has told it
        # Without currency and multiplier its fills could not be booked. Fail closed.
        reason = (
            f"no gateway has said what {intent.symbol} is at {intent.venue}: its currency and multiplier are unknown"
        )
        denied = denied_event(state, intent, intent.id, decision, reason)
        return Outcome(events=(denied,), notes=(NoteKind.UNKNOWN_INSTRUMENT,))
    order = _order(decision, intent, part.estimated_commission, instrument)
    status = next_status(order.order_id, None, OrderCreated)
    owner = (order.venue, order.account, order.order_id)
    created = OrderCreated(
        **carried(state, owner, status, decision.at, decision.id),
        order=order,
        reference_price=decision.reference_price,
        decision_sequence=sequence,
    )
    return submitted(order, decision.at, decision.id, rules, (created,), reduces=reduces(state, order))


def _order(
    decision: IntentApproved, intent: OrderIntent, estimated_commission: Decimal | None, instrument: Instrument
) -> Order:
    """The terms of an intent's order, in the instrument's money."""
    wish, of_group = decision.intent, None
    if isinstance(wish, OrderIntent) and wish.group:
        of_group = Allocation(group=wish.group, parts=len(decision.parts))
    return Order(
        order_id=intent.id,
        intent_id=intent.id if of_group is None else decision.order_id,
        venue=intent.venue,
        account=intent.account,
        symbol=intent.symbol,
        side=intent.side,
        quantity=intent.quantity,
        order_type=intent.order_type,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        time_in_force=intent.time_in_force,
        good_till=intent.good_till,
        outside_regular_hours=intent.outside_regular_hours,
        reduce_only=intent.reduce_only,
        post_only=intent.post_only,
        all_or_none=intent.all_or_none,
        display_quantity=intent.display_quantity,
        not_before=intent.not_before,
        trigger=intent.trigger,
        trail_amount=intent.trail_amount,
        trail_percent=intent.trail_percent,
        activation_price=intent.activation_price,
        limit_offset=intent.limit_offset,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        base_currency=instrument.base_currency,
        strategy=intent.strategy,
        estimated_commission=estimated_commission,
        allocation=of_group,
    )


def _again(state: State, order: OrderState, rules: Rules) -> Outcome:
    """A decision whose order exists: the process died before its ack, perhaps before the command.

    All is taken from the stored event, so it is the same command; COMMANDS refuses a second one. An order that became
    UNKNOWN meanwhile (a timer, a snapshot) may still lack its command. One that ended, or that the venue has shown to
    have, does not.
    """
    if order.order is None or order.is_final or order.acknowledged:
        return NOTHING
    again = reduces(state, order.order)
    return submitted(order.order, order.created_at, order.created_cause, rules, (), reduces=again)


def _denied(state: State, decision: IntentDenied, rules: Rules) -> Outcome:
    """An order that never was, announced under its id; not if the id is another order's, or fits no subject.

    Risk says of an id that it was used up before (`duplicate_intent`): that order may be approved and not here yet.
    """
    intent = decision.intent
    if (
        not isinstance(intent, OrderIntent | OrderListIntent | PositionIntent)
        or not INTENT_ID.fullmatch(intent.id)
        or intent.venue not in rules.venues
    ):
        return NOTHING
    if any(check.name == USED_UP and not check.passed for check in decision.checks):
        return NOTHING
    if order_key(intent.venue, intent.account, intent.id) in state.orders:
        return NOTHING
    return Outcome(events=(denied_event(state, intent, intent.id, decision, decision.reason),))


# ---------------------------------------------------------------------------------------------------------- timers


def decide_timer(state: State, fired: TimerFired, now: datetime) -> Outcome:
    """What a timer means: a look at the list it is of, or that an order which nobody has answered by then is UNKNOWN.

    `now` is desk time; a timer that fired early (the desk clock ran slower than thought) is set again.
    """
    known = state.lists.get(fired.order_id)
    if known is not None:  # a wake-up: what is due is asked of the list itself (`oms.step.follow`)
        due = next_wake(known, now)  # what it has woken the list for is due by now, or it was early
        return Outcome(timers=(timer(known, due),)) if due is not None else NOTHING
    order = state.orders.get(fired.order_id)
    if order is None or order.order is None or order.is_final or order.acknowledged:
        return NOTHING
    if now < fired.due:
        return Outcome(timers=(fired,))
    if fired.id in order.causes:
        return NOTHING
    waited_seconds = (fired.due - order.created_at).total_seconds()
    status = next_status(order.order_id, order.status, OrderUnknown)
    unknown = OrderUnknown(
        **carried(state, order.owner, status, fired.due, fired.id),
        reason=f"nothing heard of it from {order.venue} within {waited_seconds:g} s",
    )
    return Outcome(events=(unknown,))

"""What a list makes necessary, as events and commands: its beginning, its orders, cancels, what is done about a loss.

Owns how a task of the joint table (`oms.lists`) is carried out. Pure, like `oms.decide`. A list is asked after each
event of it or of its orders, and at the start (`decide_list`), until nothing is left to do; each answer is one step,
whose event makes the next one necessary. So the process may die anywhere: what is missing is found by the next one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace
from signalbox.messages import (
    CancelOrder,
    IntentApproved,
    ListAction,
    ListAlarmed,
    ListCreated,
    ListPart,
    ListPendingCancel,
    ListWaits,
    Order,
    OrderCreated,
    OrderDenied,
    OrderIntent,
    OrderListIntent,
    OrderPendingCancel,
    OrderStatus,
)
from signalbox.order_lists import FLATTEN, STOPS, WITH_ENTRY, Plan, order_intent, plan_of
from signalbox.order_terms import WITH_LIMIT, WITH_STOP

from oms.attaching import Exit, attached_exits
from oms.attaching import resized as attached_resized
from oms.changes import replace_order
from oms.estimates import estimate
from oms.following import NO_ORDER, as_scheduled, follow_stop
from oms.joining import has_room, is_placed_first, resized, tasks
from oms.list_standing import Standing, standing
from oms.lists import Act, Task, attached_task, group_name, is_never_sent
from oms.outcome import NOTHING, NoteKind, Outcome, Rules, carried
from oms.positions import divide
from oms.reducing import reduces
from oms.repricing import reprice
from oms.schedule import at_most_held, nothing_to_close, take_step, terms_of
from oms.sizes import EXIT_WINDOW, OWN, others_filled
from oms.state import ListState, OrderState, State, order_key
from oms.submitting import denied_event, submitted
from oms.transitions import next_status
from oms.waiting import room_for, timer


def begin_list(state: State, decision: IntentApproved, intent: OrderListIntent, sequence: int) -> Outcome:
    """An approved list: its beginning is one event, and its orders follow from that."""
    known = state.lists.get(intent.id)
    if known is not None:
        return NOTHING if known.created_cause == decision.id else Outcome(notes=(NoteKind.SECOND_DECISION,))
    if order_key(intent.venue, intent.account, intent.id) in state.orders:
        return NOTHING  # it was refused before
    instrument = state.instruments.get((intent.venue, intent.symbol))
    if instrument is None:
        reason = (
            f"no gateway has said what {intent.symbol} is at {intent.venue}: its currency and multiplier are unknown"
        )
        denied = tuple(
            denied_event(state, intent, name, decision, reason) for name in (intent.id, *first_orders(intent))
        )
        return Outcome(events=denied, notes=(NoteKind.UNKNOWN_INSTRUMENT,))
    owner = (intent.venue, intent.account, intent.id)
    created = ListCreated(
        **carried(state, owner, NO_ORDER, decision.at, decision.id),
        intent=intent,
        decision_sequence=sequence,
        reference_price=decision.reference_price,
        tick_size=instrument.tick_size,
        lot_size=instrument.lot_size,
        price_steps=instrument.price_steps,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        base_currency=instrument.base_currency,
        calendar=instrument.calendar,
    )
    return Outcome(events=(created,))


def first_orders(intent: OrderListIntent) -> tuple[str, ...]:
    """The orders that are sent at once, which risk has reserved."""
    legs = intent.legs[:1] if intent.contingency in WITH_ENTRY else intent.legs
    return tuple(f"{intent.id}.{leg.name}" for leg in legs)


def cancel_list(state: State, known: ListState, decision: IntentApproved) -> Outcome:
    """Somebody asks for the end of a list; asked again while it is going, there is nothing more to do."""
    if known.cancel_cause or known.is_recalled:
        return NOTHING
    return Outcome(events=(ListPendingCancel(**carried(state, known.owner, NO_ORDER, decision.at, decision.id)),))


# ------------------------------------------------------------------------------------------------ what is to be done


def decide_list(state: State, list_id: str, now: datetime, rules: Rules, *, resumes: bool = False) -> Outcome:
    """The next step of a list; NOTHING = it is as it should be. `resumes`: of its schedule nothing is taken."""
    known = state.lists.get(list_id)
    if known is None:
        return NOTHING
    plan = plan_of(known.intent)
    stands = standing(state, known, plan)
    repriced = reprice(state, known, plan, stands, now, rules)
    if repriced is not NOTHING:
        return repriced
    step = NOTHING if resumes else take_step(state, known, plan, stands, now)
    if step is not NOTHING:
        return step
    if is_never_sent(state, known, plan, stands):
        return _never_sent(state, known, plan, now)
    task, waits = _next(state, known, tasks(state, known, plan, stands), now)
    if task is None:
        followed = follow_stop(state, known, plan, stands, now, rules)
        if isinstance(followed, Outcome) and followed is not NOTHING:
            return followed
        moved = iter((followed,) if isinstance(followed, Task) else ())
        task, waits_too = _next(state, known, moved, now)
        waits = min((each for each in (waits, waits_too) if each is not None), default=None)
    if task is None:
        return _waiting(state, known, waits, now)
    if task.act is Act.RELEASE:
        held = at_most_held(state, known, plan, stands, task)
        if held is None:
            return nothing_to_close(state, known, plan, task, now)
        return _release(state, known, plan, held, now, rules)
    if task.act is Act.MEND:
        return _mend(state, known, plan, task, now)
    if task.act is Act.RESIZE:
        if _is_of_attached(stands, task):
            return _resize(state, known, task, now, rules)
        return resized(state, task, now, rules)
    if task.act is Act.REDUCE and is_placed_first(known, task.orders):
        return _release(state, known, plan, task, now, rules)  # the others are cancelled once the venue has it
    return _cancels(state, known, task, now)


def _next(
    state: State, known: ListState, found: Iterator[Task], now: datetime
) -> tuple[Task | None, tuple[datetime, str, str] | None]:
    """The first of what there is to do for which there is room at the venue; else when there will be: (time, leg, the
    order of which that was said).
    """
    waits: tuple[datetime, str, str] | None = None
    for task in found:
        room = room_for(state, known, task.leg.name) if task.act in _NEEDS_ROOM else None
        if room is None or room[0] <= now:
            return task, None
        waits = min(waits or (room[0], task.leg.name, room[1]), (room[0], task.leg.name, room[1]))
    return None, waits


_NEEDS_ROOM = frozenset({Act.RELEASE, Act.RESIZE, Act.REDUCE, Act.KEEP})


def _waiting(state: State, known: ListState, waits: tuple[datetime, str, str] | None, now: datetime) -> Outcome:
    """Say what there is no room for yet, once, and set the timer for it."""
    if waits is None or known.timed.waits_until == waits[0]:
        return NOTHING
    until, leg, about = waits
    event = ListWaits(**carried(state, known.owner, NO_ORDER, now, known.changed_by), leg=leg, about=about, until=until)
    wakes_at = known.timed.wakes_at
    due = min(until, wakes_at) if wakes_at is not None else until
    return Outcome(events=(event,), timers=(timer(known, due),))


def _never_sent(state: State, known: ListState, plan: Plan, now: datetime) -> Outcome:
    """The time of the entry was over before it was sent: that is its end, which risk waits for."""
    assert plan.entry is not None
    order_id = f"{known.list_id}.{plan.entry.name}"
    status, owner = next_status(order_id, None, OrderDenied), (known.venue, known.account, order_id)
    reason = "its time was over before it was sent: the desk was away"
    return Outcome(events=(OrderDenied(**carried(state, owner, status, now, known.changed_by), reason=reason),))


def _release(state: State, known: ListState, plan: Plan, task: Task, now: datetime, rules: Rules) -> Outcome:
    """Send an order of a leg, for what the task says; prices as of what the entry has filled so far."""
    is_entry = not task.group
    attaches = _attached(state, known, plan) if is_entry and plan.entry is not None else ()
    entry_id = f"{known.list_id}.{task.leg.name}"
    exits = tuple([_attached_order(state, known, plan, each, entry_id) for each in attaches])
    attached_to = _attached_to(state, known, plan, task)
    order = _order(state, known, plan, task, attaches=tuple([each.name for each in attaches]), attached_to=attached_to)
    status = next_status(order.order_id, None, OrderCreated)
    owner = (order.venue, order.account, order.order_id)
    cause = known.created_cause if is_entry else known.changed_by
    created = OrderCreated(
        **carried(state, owner, status, now, cause),
        order=order,
        reference_price=known.reference_price if is_entry else None,
        decision_sequence=known.decision_sequence,
    )
    window = None if is_entry or plan.entry is None else EXIT_WINDOW
    sent = submitted(order, now, cause, rules, (created,), window, exits, reduces=reduces(state, order))
    return sent if not attached_to else Outcome(events=sent.events, timers=sent.timers)  # it left with its entry


def _entry_of(state: State, known: ListState) -> OrderState | None:
    return next((state.orders[key] for key in known.orders if _part(state.orders[key]).group == 0), None)


def _attached(state: State, known: ListState, plan: Plan) -> tuple[Exit, ...]:
    """What leaves with the entry: all that can, where the venue has room for it beside what works."""
    exits = attached_exits(known, plan)
    return exits if exits and has_room(state, known, exits[0].leg.side, len(exits)) else ()


def _attached_order(state: State, known: ListState, plan: Plan, exit: Exit, entry_id: str) -> Order:
    order = _order(state, known, plan, attached_task(plan, exit), attached_to=entry_id)
    return replace(order, order_id=f"{known.list_id}.{exit.name}")


def _attached_to(state: State, known: ListState, plan: Plan, task: Task) -> str:
    """The entry that an exit was sent with; "" = it is sent by itself."""
    entry = _entry_of(state, known)
    names = _part(entry).attaches if entry is not None else ()
    if entry is None or not names or not task.group:
        return ""
    begun = {(part.group, part.leg) for part in (_part(state.orders[key]) for key in known.orders)}
    left = (task.group, task.leg.name)
    exits = [each for each in attached_exits(known, plan) if each.name in names]
    is_of_these = left not in begun and any((each.group, each.leg.name) == left for each in exits)
    return entry.order_id if is_of_these else ""


def _order(
    state: State,
    known: ListState,
    plan: Plan,
    task: Task,
    *,
    attaches: tuple[str, ...] = (),
    attached_to: str = "",
) -> Order:
    terms = terms_of(known)
    entry = _entry_of(state, known) if plan.entry is not None and task.group else None
    fill_price = estimate(known, plan, task.leg) if attached_to else None  # as it was sent, whatever has filled since
    if entry is not None and entry.filled_quantity and not attached_to:
        fill_price = divide(known.entry_value, entry.filled_quantity)
    wanted = order_intent(known.intent, plan, task.leg, task.quantity, fill_price, terms)
    wanted = _as_moved(state, known, wanted, task.leg.name)
    before = sum(_part(state.orders[key]).leg == task.leg.name for key in known.orders)
    order = Order(
        order_id=wanted.id if not before else f"{wanted.id}-{before + 1}",
        intent_id=known.list_id,
        venue=known.venue,
        account=known.account,
        symbol=wanted.symbol,
        side=wanted.side,
        quantity=wanted.quantity,
        order_type=wanted.order_type,
        limit_price=wanted.limit_price if wanted.order_type in WITH_LIMIT else None,
        stop_price=wanted.stop_price if wanted.order_type in WITH_STOP else None,
        time_in_force=wanted.time_in_force,
        good_till=wanted.good_till,
        outside_regular_hours=wanted.outside_regular_hours,
        reduce_only=wanted.reduce_only,
        post_only=wanted.post_only,
        trail_amount=wanted.trail_amount,
        trail_percent=wanted.trail_percent,
        multiplier=known.multiplier,
        currency=known.currency,
        base_currency=known.base_currency,
        strategy=wanted.strategy,
        part=ListPart(
            list_id=known.list_id,
            leg=task.leg.name,
            group=task.group,
            set=task.set,
            quantity=task.given,
            contingency=task.contingency,
            attaches=attaches,
            attached_to=attached_to,
            others_filled=others_filled(state, known, task.group) if task.contingency is not None else None,
        ),
    )
    return as_scheduled(known, plan, order, task.leg)


def _as_moved(state: State, known: ListState, wanted: OrderIntent, leg: str) -> OrderIntent:
    """Somebody who has changed a leg's price means the leg: what is sent of it from then on has that price."""
    for key in reversed(known.orders):
        order = state.orders[key]
        changes = [cause for cause in order.command_causes if cause not in order.cancel_causes]
        is_moved = any(not cause.startswith(OWN) for cause in changes)
        if order.order is not None and _part(order).leg == leg and is_moved:
            return replace(wanted, limit_price=order.order.limit_price, stop_price=order.order.stop_price)
    return wanted


def _part(order: OrderState) -> ListPart:
    assert order.order is not None
    assert order.order.part is not None  # a list has no other orders
    return order.order.part


def _is_of_attached(stands: Standing, task: Task) -> bool:
    return any(group.number == task.group and group.is_attached for group in stands.groups)


def _resize(state: State, known: ListState, task: Task, now: datetime, rules: Rules) -> Outcome:
    """Have an exit be for what the task says; a gateway that is away may be told so as late as of a new one."""
    order = task.orders[0]
    cause = f"{OWN}{known.list_id}/{order.order_id}/{len(order.command_causes) + 1}"
    lasting = dataclasses.replace(rules, submit_window=EXIT_WINDOW)
    return replace_order(state, order, attached_resized(order, task.quantity), now, cause, lasting)


def _cancels(state: State, known: ListState, task: Task, now: datetime) -> Outcome:
    """A command under each order's next revision, as a person's cancel."""
    events, commands = [], []
    for order in task.orders:
        revision = len(order.command_causes) + 1
        cause = f"{OWN}{known.list_id}/{order.order_id}/{revision}"
        status = next_status(order.order_id, order.status, OrderPendingCancel)
        events.append(OrderPendingCancel(**carried(state, order.owner, status, now, cause)))
        command = CancelOrder(
            id=f"command/{order.key}/{revision}",
            at=now,
            cause=cause,
            venue=order.venue,
            account=order.account,
            order_id=order.order_id,
            venue_order_id=order.venue_order_id,
        )
        commands.append((revision, command))
    return Outcome(events=tuple(events), commands=tuple(commands))


# ---------------------------------------------------------------------------------------------------------- alarms


def _mend(state: State, known: ListState, plan: Plan, task: Task, now: datetime) -> Outcome:
    """Say what is not as it was promised, and what is done about it: what is said here is what `tasks` goes by then."""
    if not task.orders:
        about = group_name(known, task.group)
        reason = f"its exits have closed {-task.quantity:f} more than the entry has opened: they filled in a race"
        return _alarm(state, known, about, task, reason, ListAction.ALARM, now)
    lost = task.orders[0]
    what = f"leg {task.leg.name} ({lost.order_id})"
    if not lost.is_final:
        reason = f"{what} can not be cancelled: it was refused again and again"
        return _alarm(state, known, lost.order_id, task, reason, ListAction.ALARM, now)
    action = _action(state, known, plan, task, lost)
    reason = f"{what} is {lost.status.value}, and was not to end"
    return _alarm(state, known, lost.order_id, task, reason, action, now)


def _action(state: State, known: ListState, plan: Plan, task: Task, lost: OrderState) -> ListAction:
    """Once more; then, of a stop, what the list's policy says. What has run out has had its time.

    What closes at the market goes on for as long as each order finds takers for some of it.
    """
    if lost.status is OrderStatus.EXPIRED:
        return ListAction.ALARM
    prefix = f"{known.list_id}.{task.leg.name}"
    tried = [
        state.orders[order_key(known.venue, known.account, about)]
        for about, group, action in known.alarms
        if group == task.group and action is ListAction.RETRY and (about == prefix or about.startswith(f"{prefix}-"))
    ]
    if task.leg.name == FLATTEN:
        tried = [order for order in (*tried, lost) if not order.filled_quantity][1:]
    if not tried:
        return ListAction.RETRY
    is_stop = task.leg.order_type in STOPS and plan.entry is not None and task.leg.name != FLATTEN
    return ListAction(known.intent.exit_policy) if is_stop else ListAction.ALARM


def _alarm(
    state: State, known: ListState, about: str, task: Task, reason: str, action: ListAction, now: datetime
) -> Outcome:
    event = ListAlarmed(
        **carried(state, known.owner, NO_ORDER, now, known.changed_by),
        about=about,
        group=task.group,
        reason=reason,
        action=action,
        symbol=known.intent.symbol,
    )
    return Outcome(events=(event,))

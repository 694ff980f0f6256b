"""What a list's schedule makes necessary: a timer for what comes next, a step that is due, a stop that has to follow.

Owns when a step is taken, and why one is skipped. A timer is a wake-up: what is due is found in the folded state by the
desk's time, so it does not matter who asks, how late, or how often. A step that is taken is an event, which says what
was decided; what follows from it is asked of the state again (`oms.lists`, `follow_stop`), until nothing is missing.
Pure: time comes in as data.

A step only tightens a stop. One that the market has passed already is moved all the same: the venue triggers it at
once, as it would have been triggered had it lain there. What the schedule closes is never more than the account holds:
a person may have closed it in his own way.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import (
    ListAction,
    ListAlarmed,
    ListScheduled,
    ListStepTaken,
    Order,
    OrderStatus,
    StepResult,
    TimedAction,
    TimedStep,
    TimerFired,
)
from signalbox.order_lists import FLATTEN, Plan, Terms, order_intent
from signalbox.order_terms import WITH_LIMIT
from signalbox.timed_steps import MOVES, due_at, is_tighter, stop_leg, stop_price

from oms.changes import can_be_changed, left_to, replace_order, why_not
from oms.list_standing import Group, Standing, open_quantity
from oms.lists import Act, Task, closing_name, is_told, needed, of_task
from oms.outcome import NOTHING, Outcome, Rules, carried
from oms.positions import ZERO, add, divide, subtract
from oms.protection import held_quantity
from oms.sizes import OWN
from oms.state import ListState, OrderState, State
from oms.waiting import asked_before, next_wake, room_for, timer

NO_ORDER = OrderStatus.FILLED
"""A list is no order, and a reader who counts what works must not count it."""

# --------------------------------------------------------------------------------------------------- what is due


def pending(known: ListState, now: Standing) -> list[tuple[datetime, int, TimedStep]]:
    """The steps that are still to come and whose time is known, the next one first, with their numbers."""
    timed, found = known.timed, []
    for number, step in enumerate(known.intent.timed, 1):
        if number in timed.taken or not _is_possible(now, step):
            continue
        due = due_at(step, timed.begun_at, timed.first_filled_at, timed.calendar)
        if due is not None:
            found.append((due, number, step))
    return sorted(found, key=lambda each: each[:2])


def _is_possible(now: Standing, step: TimedStep) -> bool:
    """What is over needs nothing: it may be taken up again, by a fill that is late."""
    entry_works = now.entry is None or not now.entry.is_final
    if step.action is TimedAction.CANCEL_ENTRY:
        return entry_works
    return entry_works or any(_is_held(group) for group in now.groups)


def _is_held(group: Group) -> bool:
    return group.left > 0 and not group.is_withdrawn and not group.is_closing


def is_awaited(known: ListState, now: Standing) -> bool:
    """Whether the list is not over, though nothing of it works: it holds something, and its schedule goes on."""
    return not known.is_recalled and any(_is_held(group) for group in now.groups) and bool(pending(known, now))


def wakes(state: State) -> list[TimerFired]:
    """The timers that are set, as they are set again after a restart: a second one replaces the first."""
    timed = (state.lists[list_id] for list_id in state.lists_timed)
    return [timer(known, due) for known in timed if (due := next_wake(known)) is not None]


def is_due(known: ListState, at: datetime) -> bool:
    """Whether the list is to be looked at, at desk time `at`."""
    due = next_wake(known)
    return due is not None and due <= at


# ----------------------------------------------------------------------------------------------------- what is done


def take_step(state: State, known: ListState, plan: Plan, now: Standing, at: datetime) -> Outcome:
    """Take the step that is due, or set the timer for the one that comes next; NOTHING = neither is to be done."""
    if known.is_recalled or not known.intent.timed:
        return NOTHING
    coming = pending(known, now)
    if not coming:
        return NOTHING
    due, number, step = coming[0]
    if due > at:
        return _scheduled(state, known, due, number, step, at)
    taken = ListStepTaken(
        **carried(state, known.owner, NO_ORDER, at, f"{OWN}{known.list_id}/step/{number}"),
        step=number,
        action=step.action,
        due=due,
        result=StepResult.DONE,
        reason=_SAID.get(step.action, ""),
    )
    if step.action in MOVES:
        taken = _moved(known, plan, now, step, taken)
    elif step.action is TimedAction.CLOSE_POSITION and (why := _why_not_closed(state, known, plan, now)):
        taken = replace(taken, result=StepResult.SKIPPED, reason=why)
    return Outcome(events=(taken,))


_SAID = {
    TimedAction.CANCEL_ENTRY: "what of the entry has not filled is cancelled",
    TimedAction.CLOSE_POSITION: "what the list holds is closed at the market",
}


def _scheduled(state: State, known: ListState, due: datetime, number: int, step: TimedStep, at: datetime) -> Outcome:
    if known.timed.wakes_at == due:
        return NOTHING
    event = ListScheduled(
        **carried(state, known.owner, NO_ORDER, at, known.changed_by), step=number, action=step.action, due=due
    )
    return Outcome(events=(event,), timers=(timer(known, min(due, known.timed.waits_until or due)),))


def _moved(known: ListState, plan: Plan, now: Standing, step: TimedStep, taken: ListStepTaken) -> ListStepTaken:
    """The step as it is taken: where the stop goes, and which of its orders follow; or that it would loosen it."""
    assert plan.entry is not None
    assert now.entry is not None  # its first fill is what the step waits for
    leg, terms = stop_leg(known.intent, step), terms_of(known)
    average = divide(known.entry_value, now.entry.filled_quantity)
    price = stop_price(step, plan, average, terms)
    works = [order for group in now.groups if _is_held(group) for order in _working(group, leg.name)]
    looser = [order for order in works if is_tighter(price, _stop_of(order), plan.entry.side)]
    before = (
        known.timed.stop_of(leg.name)
        or order_intent(known.intent, plan, leg, now.entry.filled_quantity, average, terms).stop_price
    )
    assert before is not None
    if not looser and (works or not is_tighter(price, before, plan.entry.side)):
        at = max((_stop_of(order) for order in works), default=before)
        reason = f"the stop of {leg.name} is at {at:f}: to move it to {price:f} would not tighten it"
        return replace(taken, result=StepResult.SKIPPED, reason=reason, leg=leg.name)
    return replace(
        taken,
        reason=f"the stop of {leg.name} goes to {price:f}",
        leg=leg.name,
        stop_price=price,
        orders=tuple(order.key for order in looser),
    )


def _working(group: Group, leg: str) -> Iterator[OrderState]:
    return (order for order in group.orders.get(leg, ()) if not order.is_final and order.order is not None)


def _stop_of(order: OrderState) -> Decimal:
    """Where an order's stop is, or will be."""
    terms = order.order if order.change is None else order.change.order
    assert terms is not None
    assert terms.stop_price is not None
    return terms.stop_price


def terms_of(known: ListState) -> Terms:
    return Terms(tick_size=known.tick_size, lot_size=known.lot_size, price_steps=known.price_steps)


def _why_not_closed(state: State, known: ListState, plan: Plan, now: Standing) -> str:
    """Why there is nothing to close: what has not filled is cancelled all the same, where it works."""
    entry_works = now.entry is None or not now.entry.is_final
    if entry_works or _held(state, known, plan) > 0:
        return ""
    return f"the account holds nothing of {known.intent.symbol} that the list has opened: it was closed in another way"


def _held(state: State, known: ListState, plan: Plan) -> Decimal:
    """What the account holds on the entry's side."""
    assert plan.entry is not None
    held = held_quantity(state, (known.venue, known.account, known.intent.symbol))
    return max(held * plan.entry.side.sign, ZERO)


def at_most_held(state: State, known: ListState, plan: Plan, now: Standing, task: Task) -> Task | None:
    """What the schedule closes, at most for what the account still holds; None = it holds nothing more."""
    if not known.timed.is_closing or task.leg.name != FLATTEN:
        return task
    closing = ZERO
    for group in now.groups:
        closing = add(closing, open_quantity(group.orders.get(FLATTEN, ())))
    quantity = min(task.quantity, subtract(_held(state, known, plan), closing))
    if quantity <= 0:
        return None
    return task if quantity == task.quantity else of_task(task, quantity=quantity)


def nothing_to_close(state: State, known: ListState, plan: Plan, task: Task, at: datetime) -> Outcome:
    """What the schedule was still to close is not held any more: told once, and the list closes nothing from then on.

    NOTHING = it is held, and orders that close it work.
    """
    if _held(state, known, plan) > 0 or is_told(known, closing_name(known)):
        return NOTHING
    alarm = ListAlarmed(
        **carried(state, known.owner, NO_ORDER, at, known.changed_by),
        about=closing_name(known),
        group=task.group,
        reason=f"{task.quantity:f} of what was to be closed is not held any more: it was closed in another way",
        action=ListAction.ALARM,
        symbol=known.intent.symbol,
    )
    return Outcome(events=(alarm,))


# ------------------------------------------------------------------------------------------- a stop has to follow


def as_scheduled(known: ListState, plan: Plan, order: Order, leg: str) -> Order:
    """What is sent of a leg from now on has the stop that the schedule has moved it to, unless it is tighter."""
    price = known.timed.stop_of(leg)
    if price is None or order.stop_price is None or plan.entry is None:
        return order
    return _at(order, price) if is_tighter(price, order.stop_price, plan.entry.side) else order


def _at(order: Order, price: Decimal) -> Order:
    """The order with its stop there; a limit behind it stays as far away as it was."""
    assert order.stop_price is not None
    limit = order.limit_price
    if limit is not None and order.order_type in WITH_LIMIT:
        limit = add(limit, subtract(price, order.stop_price))
    return replace(order, stop_price=price, limit_price=limit)


def follow_stop(
    state: State, known: ListState, plan: Plan, now: Standing, at: datetime, rules: Rules
) -> Outcome | Task:
    """Have the next order follow whose stop was moved: a change of it, or a task, where the venue changes none.

    Each order is asked to follow once for each step; one that can not be changed now is waited for.
    """
    if known.is_recalled or plan.entry is None:
        return NOTHING
    for group in now.groups:
        if not _is_held(group):
            continue
        for leg in group.of.legs:
            for order in _working(group, leg.name):
                done = _followed(state, known, plan, group, order, at, rules)
                if done is not NOTHING:
                    return done
    return NOTHING


def _followed(
    state: State, known: ListState, plan: Plan, group: Group, order: OrderState, at: datetime, rules: Rules
) -> Outcome | Task:
    assert plan.entry is not None
    assert order.order is not None
    number = next((step for key, step in reversed(known.timed.moving) if key == order.key), None)
    if number is None:
        return NOTHING
    leg = next(each for each in group.of.legs if order.order.part is not None and each.name == order.order.part.leg)
    price = known.timed.stop_of(leg.name)
    if price is None or not is_tighter(price, _stop_of(order), plan.entry.side):
        return NOTHING
    cause = f"{OWN}{known.list_id}/step/{number}/{order.order_id}{asked_before(order)}"
    if cause in order.causes:
        return _told(state, known, group, order, number, cause, price, at)
    room = room_for(state, known, leg.name)
    if room is not None and room[0] > at:
        return Task(Act.KEEP, leg, group.number, group.set, group.of.contingency, group.given)
    terms = replace(order.order, quantity=left_to(state, order, order.order.quantity))
    wanted = _at(terms, price)
    if not can_be_changed(state, order):
        return _in_its_place(known, group, order)
    if why_not(order, wanted):
        return NOTHING  # its next event wakes the list
    return replace_order(state, order, wanted, at, cause, rules)


def _in_its_place(known: ListState, group: Group, order: OrderState) -> Outcome | Task:
    """Another order for the same, and the end of this one: as an exit is made smaller (`Act.REDUCE`)."""
    assert order.order is not None
    assert order.order.part is not None
    leg = next(each for each in group.of.legs if each.name == order.order.part.leg)
    orders = group.orders[leg.name]
    if orders[-1] is not order:
        return NOTHING  # another one has been sent in its place
    if order.cancel_causes or not order.acknowledged:
        return NOTHING
    return Task(
        Act.REDUCE,
        leg,
        group.number,
        group.set,
        group.of.contingency,
        group.given,
        needed(group, leg.name),
        (order,),
    )


def _told(
    state: State,
    known: ListState,
    group: Group,
    order: OrderState,
    number: int,
    cause: str,
    price: Decimal,
    at: datetime,
) -> Outcome:
    """The venue has not moved it: that is told once, and it stays where it is. What a person has done since is his."""
    about = f"{order.order_id}/step/{number}"
    if order.command_causes[-1] != cause or is_told(known, about):
        return NOTHING
    alarm = ListAlarmed(
        **carried(state, known.owner, NO_ORDER, at, known.changed_by),
        about=about,
        group=group.number,
        reason=f"the stop of {order.order_id} was not moved to {price:f}: it stays at {_stop_of(order):f}",
        action=ListAction.ALARM,
    )
    return Outcome(events=(alarm,))

"""What a list's schedule makes necessary: a timer for what comes next, and a step that is due.

Owns when a step is taken, and why one is skipped. A timer is a wake-up: what is due is found in the folded state by the
desk's time, so it does not matter who asks, how late, or how often. A step that is taken is an event, which says what
was decided; what follows from it is asked of the state again (`oms.lists`, `oms.following`), until nothing is missing.
Pure: time comes in as data.

A step only tightens a stop. One that the market has passed already is moved all the same: the venue triggers it at
once, as it would have been triggered had it lain there. What the schedule closes is never more than the account holds:
a person may have closed it in his own way.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import (
    ListAction,
    ListAlarmed,
    ListScheduled,
    ListStepTaken,
    StepResult,
    TimedAction,
    TimedStep,
    TimerFired,
)
from signalbox.order_lists import FLATTEN, Plan, Terms, order_intent
from signalbox.order_terms import Trail
from signalbox.timed_steps import MOVES, due_at, is_closer, is_tighter, stop_leg, stop_price

from oms.following import NO_ORDER, is_held, said_of, stop_of, trail_of, working
from oms.list_standing import Standing, open_quantity
from oms.lists import Task, closing_name, is_told, of_task
from oms.outcome import NOTHING, Outcome, carried
from oms.positions import ZERO, add, divide, subtract
from oms.protection import held_quantity
from oms.sizes import OWN
from oms.state import ListState, OrderState, State
from oms.waiting import next_wake, timer

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
    return entry_works or any(is_held(group) for group in now.groups)


def is_awaited(known: ListState, now: Standing) -> bool:
    """Whether the list is not over, though nothing of it works: it holds something, and its schedule goes on."""
    return not known.is_recalled and any(is_held(group) for group in now.groups) and bool(pending(known, now))


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
    works = [order for group in now.groups if is_held(group) for order in working(group, leg.name)]
    before = (
        known.timed.stop_of(leg.name)
        or order_intent(known.intent, plan, leg, now.entry.filled_quantity, average, terms).stop_price
    )
    taken = replace(taken, leg=leg.name)
    trail = trail_of(known, leg)
    if step.action is TimedAction.TRAIL_STOP:
        return _made_to_trail(step, leg.name, trail, before, works, taken)
    if trail is not None:
        reason = f"the stop of {leg.name} trails, and where it is only its venue knows: a trail is made closer instead"
        return replace(taken, result=StepResult.SKIPPED, reason=reason)
    assert before is not None
    price = stop_price(step, plan, average, terms)
    looser = [order for order in works if is_tighter(price, stop_of(order), plan.entry.side)]
    if not looser and (works or not is_tighter(price, before, plan.entry.side)):
        at = max((stop_of(order) for order in works), default=before)
        reason = f"the stop of {leg.name} is at {at:f}: to move it to {price:f} would not tighten it"
        return replace(taken, result=StepResult.SKIPPED, reason=reason)
    return replace(
        taken,
        reason=f"the stop of {leg.name} goes to {price:f}",
        stop_price=price,
        orders=tuple(order.key for order in looser),
    )


def _made_to_trail(
    step: TimedStep,
    leg: str,
    trail: Trail | None,
    before: Decimal | None,
    works: list[OrderState],
    taken: ListStepTaken,
) -> ListStepTaken:
    """From where it lies the stop can only come nearer; one that trails already must come closer."""
    behind = said_of(step)
    if trail is not None and not is_closer(step, trail):
        reason = f"the stop of {leg} trails {said_of(trail)} behind: {behind} would not tighten it"
        return replace(taken, result=StepResult.SKIPPED, reason=reason)
    return replace(
        taken,
        reason=f"the stop of {leg} trails {behind} behind the market",
        stop_price=before,
        orders=tuple(order.key for order in works),
    )


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

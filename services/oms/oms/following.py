"""What of a list follows a stop that its schedule has moved, or has made to trail: orders that work, and later ones.

Owns that each order is asked to follow once for each step, and where it is then. Pure; which steps are taken is
`oms.schedule`'s.

A stop is made to trail by a change of the order that works: it stays one, so there are never two, and never none. It
trails from where it lies (`Order.trail_stop_price`), so whatever the market does meanwhile it is never looser. What the
venue refuses is told, and the stop stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import ListAction, ListAlarmed, ListLeg, Order, OrderStatus, OrderType, TimedAction, TimedStep
from signalbox.order_lists import Plan
from signalbox.order_terms import TRAILING, WITH_LIMIT, Trail
from signalbox.timed_steps import is_tighter

from oms.changes import left_to, replace_order, why_not
from oms.list_standing import Group, Standing
from oms.lists import Act, Task, is_told
from oms.outcome import NOTHING, Outcome, Rules, carried
from oms.positions import add, subtract
from oms.sizes import OWN
from oms.state import ListState, OrderState, State
from oms.waiting import asked_before, room_for

NO_ORDER = OrderStatus.FILLED
"""A list is no order, and a reader who counts what works must not count it."""


def is_held(group: Group) -> bool:
    """Whether it has something that its exits are for."""
    return group.left > 0 and not group.is_withdrawn and not group.is_closing


def working(group: Group, leg: str) -> Iterator[OrderState]:
    """The orders of a leg that may fill."""
    return (order for order in group.orders.get(leg, ()) if not order.is_final and order.order is not None)


def terms_as_asked(order: OrderState) -> Order:
    """What an order is, or has been asked to be."""
    terms = order.order if order.change is None else order.change.order
    assert terms is not None
    return terms


def stop_of(order: OrderState) -> Decimal:
    """Where an order's stop is, or will be."""
    price = terms_as_asked(order).stop_price
    assert price is not None
    return price


# ------------------------------------------------------------------------------------------------------- what trails


def trail_of(known: ListState, leg: ListLeg) -> Trail | None:
    """How far behind the market the stop of a leg is by now; None = it does not trail."""
    for name, number in reversed(known.timed.trailing):
        if name == leg.name:
            return known.intent.timed[number - 1]
    return leg if leg.order_type in TRAILING else None


def said_of(trail: Trail) -> str:
    """A distance, as people write it."""
    return f"{trail.trail_amount:f}" if trail.trail_amount is not None else f"{trail.trail_percent:f} %"


def _trailing(order: Order, trail: Trail, at_least: Decimal | None) -> Order:
    """The order as one that trails so, from where its stop lies, or from the price that it is to be at least at."""
    stops = [stop for stop in (order.stop_price, order.trail_stop_price, at_least) if stop is not None]
    nearest = max if order.side.sign < 0 else min
    return replace(
        order,
        order_type=OrderType.TRAILING_STOP,
        stop_price=None,
        trail_amount=trail.trail_amount,
        trail_percent=trail.trail_percent,
        trail_stop_price=nearest(stops) if stops else None,
    )


def _trails_so(order: Order, trail: Trail) -> bool:
    same = (order.trail_amount, order.trail_percent) == (trail.trail_amount, trail.trail_percent)
    return order.order_type in TRAILING and same


# ------------------------------------------------------------------------------------------------------ what follows


def as_scheduled(known: ListState, plan: Plan, order: Order, leg: ListLeg) -> Order:
    """What is sent of a leg from now on has the stop that the schedule has moved it to, unless it is tighter."""
    if plan.entry is None:
        return order
    price, trail = known.timed.stop_of(leg.name), trail_of(known, leg)
    if trail is not None and trail is not leg:
        return _trailing(order, trail, price)
    if price is None or order.stop_price is None:
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
    """Have the next order follow whose stop was moved, by a change of it; a task is one that waits for room.

    Each order is asked to follow once for each step; one that can not be changed now is waited for.
    """
    if known.is_recalled or plan.entry is None:
        return NOTHING
    for group in now.groups:
        if not is_held(group):
            continue
        for leg in group.of.legs:
            for order in working(group, leg.name):
                done = _followed(state, known, plan, group, leg, order, at, rules)
                if done is not NOTHING:
                    return done
    return NOTHING


def _followed(
    state: State,
    known: ListState,
    plan: Plan,
    group: Group,
    leg: ListLeg,
    order: OrderState,
    at: datetime,
    rules: Rules,
) -> Outcome | Task:
    assert order.order is not None
    number = next((step for key, step in reversed(known.timed.moving) if key == order.key), None)
    if number is None:
        return NOTHING
    step = known.intent.timed[number - 1]
    terms = replace(order.order, quantity=left_to(state, order, order.order.quantity))
    wanted = _wanted(known, plan, leg, step, terms, terms_as_asked(order))
    if wanted is None:
        return NOTHING
    cause = f"{OWN}{known.list_id}/step/{number}/{order.order_id}{asked_before(order)}"
    if cause in order.causes:
        return _told(state, known, group, order, number, cause, wanted, at)
    room = room_for(state, known, leg.name)
    if room is not None and room[0] > at:
        return Task(Act.KEEP, leg, group.number, group.set, group.of.contingency, group.given)
    if why_not(order, wanted):
        return NOTHING  # its next event wakes the list
    return replace_order(state, order, wanted, at, cause, rules)


def _wanted(known: ListState, plan: Plan, leg: ListLeg, step: TimedStep, terms: Order, asked: Order) -> Order | None:
    """What the order is to be by a step; None = it is so, or has been asked to be, or is tighter."""
    assert plan.entry is not None
    if step.action is TimedAction.TRAIL_STOP:
        return None if _trails_so(asked, step) else _trailing(terms, step, None)
    price = known.timed.stop_of(leg.name)
    if price is None or asked.stop_price is None or not is_tighter(price, asked.stop_price, plan.entry.side):
        return None
    return _at(terms, price)


def _told(
    state: State,
    known: ListState,
    group: Group,
    order: OrderState,
    number: int,
    cause: str,
    wanted: Order,
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
        reason=f"the stop of {order.order_id} {_not_done(order, wanted)}",
        action=ListAction.ALARM,
    )
    return Outcome(events=(alarm,))


def _not_done(order: OrderState, wanted: Order) -> str:
    asked = terms_as_asked(order)
    stays = f"it stays at {asked.stop_price:f}" if asked.stop_price is not None else "it trails as it did"
    if wanted.order_type in TRAILING:
        return f"was not made to trail {said_of(wanted)} behind the market: {stays}"
    return f"was not moved to {wanted.stop_price:f}: {stays}"

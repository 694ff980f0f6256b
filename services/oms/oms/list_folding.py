"""Fold an event of a list, or of one of its orders, into what is known of the list: a part of `oms.evolve`.

Owns what an event means for a list's memory, when it is over, and since when it has not the protection that it was
promised. It must not judge, nor know what follows.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import (
    FillCorrected,
    ListAlarmed,
    ListCreated,
    ListPart,
    ListPendingCancel,
    ListScheduled,
    ListStepTaken,
    ListWaits,
    OrderAccepted,
    OrderCreated,
    OrderEvent,
    OrderFilled,
    OrderPartiallyFilled,
    OrderReplaced,
    OrderReplaceRejected,
    OrderStatus,
)
from signalbox.order_lists import STOPS, WITH_ENTRY, Plan, plan_of

from oms.attaching import note_quantity
from oms.joining import tasks
from oms.list_standing import Standing, standing
from oms.lists import is_never_sent
from oms.positions import ZERO, add, multiply, subtract
from oms.protection import PROTECTING
from oms.schedule import is_awaited
from oms.state import ListState, State
from oms.timed import begun, note, note_fill
from oms.waiting import next_wake


def fold_list(state: State, event: OrderEvent, key: str) -> str:
    """Fold the event; the list that it is about, "" = none that is here."""
    if isinstance(event, ListCreated):
        state.lists[key] = _begun(event)
        return _changed(state, key, event)
    order = state.orders.get(key)
    part = order.order.part if order is not None and order.order is not None else None
    list_id = part.list_id if part is not None else key
    known = state.lists.get(list_id)
    if known is None:
        return ""
    if isinstance(event, ListPendingCancel):
        filled = standing(state, known, plan_of(known.intent)).entry_filled
        begun = len(known.orders)
        known = replace(known, cancel_cause=event.cause, withdrawn_orders=begun, withdrawn_filled=filled)
    elif isinstance(event, ListAlarmed):
        known = replace(known, alarms=(*known.alarms, (event.about, event.group, event.action)))
    elif isinstance(event, ListScheduled | ListStepTaken):
        known = replace(known, timed=note(known.timed, event))
    elif isinstance(event, ListWaits):
        known = replace(known, timed=replace(known.timed, waits_until=event.until))
    elif isinstance(event, OrderCreated):
        known = replace(known, orders=(*known.orders, key))
    elif part is not None and not part.group:
        known = replace(known, entry_value=add(known.entry_value, _value(event)))
        if isinstance(event, OrderPartiallyFilled | OrderFilled):
            known = replace(known, timed=note_fill(known.timed, event.at))
    state.lists[list_id] = known
    if part is not None and part.group:
        state.lists[list_id] = _sized(state, known, event, key, part)
    return _changed(state, list_id, event)


def _sized(state: State, known: ListState, event: OrderEvent, key: str, part: ListPart) -> ListState:
    """What the venue's taking a quantity means: it takes from that what the others of the group fill from then on.

    In a group that was sent with its entry that is asked after each change, in any other as an order comes to it.
    """
    if not isinstance(event, OrderCreated | OrderAccepted | OrderReplaced | OrderReplaceRejected):
        return known
    now = standing(state, known, plan_of(known.intent))
    group = next(each for each in now.groups if each.number == part.group)
    if not group.is_attached and not isinstance(event, OrderAccepted):
        return known
    return note_quantity(known, event, state.orders[key], group.filled_but(part.leg))


def _begun(event: ListCreated) -> ListState:
    return ListState(
        venue=event.venue,
        account=event.account,
        intent=event.intent,
        created_cause=event.cause,
        decision_sequence=event.decision_sequence,
        tick_size=event.tick_size,
        lot_size=event.lot_size,
        price_steps=event.price_steps,
        reference_price=event.reference_price,
        multiplier=event.multiplier,
        currency=event.currency,
        base_currency=event.base_currency,
        changed_by=event.id,
        timed=begun(event),
    )


def _value(event: OrderEvent) -> Decimal:
    """What an event changes of the money that the entry has moved."""
    if isinstance(event, OrderPartiallyFilled | OrderFilled):
        return multiply(event.fill.quantity, event.fill.price)
    if isinstance(event, FillCorrected):
        before = multiply(event.replaced.quantity, event.replaced.price)
        return subtract(multiply(event.fill.quantity, event.fill.price), before)
    return ZERO


def _changed(state: State, list_id: str, event: OrderEvent) -> str:
    """Wake the list, and look at what it is by now."""
    known = state.lists[list_id]
    plan = plan_of(known.intent)
    now = standing(state, known, plan)
    known = replace(_protected(known, exposed(known, plan, now, PROTECTING), event.at), changed_by=event.id)
    if known.timed.waits_until is not None and known.timed.waits_until <= event.at:
        known = replace(known, timed=replace(known.timed, waits_until=None))
    state.lists[list_id] = known
    works = any(key in state.working for key in known.orders) or is_never_sent(state, known, plan, now)
    if works or next(tasks(state, known, plan, now), None) is not None or is_awaited(known, now):
        state.lists_over.pop(list_id, None)
        state.lists_awake[list_id] = None
    else:
        state.lists_over[list_id] = None
        state.lists_over.move_to_end(list_id)
    note_timer(state, known)
    return list_id


def note_timer(state: State, known: ListState) -> None:
    """Keep the list among those of which something comes due, or let it go from there."""
    if next_wake(known) is None or known.is_recalled or known.list_id in state.lists_over:
        state.lists_timed.pop(known.list_id, None)
    else:
        state.lists_timed[known.list_id] = None


def _protected(known: ListState, missing: Decimal, at: datetime) -> ListState:
    since = known.unprotected_since
    if missing and since is None:
        return replace(known, unprotected_since=at)
    if not missing and since is not None:
        seconds = max((at - since).total_seconds(), 0.0)
        return replace(known, unprotected_since=None, unprotected_seconds=known.unprotected_seconds + seconds)
    return known


def exposed(known: ListState, plan: Plan, now: Standing, protecting: frozenset[OrderStatus]) -> Decimal:
    """How much of what the entry has filled has not the stop that was promised; nothing where none was.

    What somebody has withdrawn was promised no more. What counts as working is as in `oms.protection`.
    """
    if known.intent.contingency not in WITH_ENTRY or plan.stop is None:
        return ZERO
    total = subtract(now.entry_filled, sum((group.quantity for group in now.groups), ZERO))
    for group in now.groups:
        if group.is_withdrawn or not any(leg.order_type in STOPS for leg in group.of.legs):
            continue
        left, works = max(group.left, ZERO), ZERO
        for leg in group.of.legs:
            if leg.order_type in STOPS:
                for order in group.orders.get(leg.name, ()):
                    if order.acknowledged and order.status in protecting and order.order is not None:
                        works = add(works, subtract(order.order.quantity, order.filled_quantity))
        total = add(total, max(subtract(left, works), ZERO))
    return max(total, ZERO)

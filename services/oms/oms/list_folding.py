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
    ListPendingCancel,
    OrderCreated,
    OrderEvent,
    OrderFilled,
    OrderPartiallyFilled,
)
from signalbox.order_lists import plan_of

from oms.joining import tasks
from oms.lists import exposed, standing
from oms.positions import ZERO, add, multiply, subtract
from oms.protection import PROTECTING
from oms.state import ListState, State

OF_LISTS = (ListCreated, ListPendingCancel, ListAlarmed)


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
        known = replace(known, cancel_cause=event.cause, withdrawn_orders=len(known.orders))
    elif isinstance(event, ListAlarmed):
        known = replace(known, alarms=(*known.alarms, (event.about, event.group, event.action)))
    elif isinstance(event, OrderCreated):
        known = replace(known, orders=(*known.orders, key))
    elif part is not None and not part.group:
        known = replace(known, entry_value=add(known.entry_value, _value(event)))
    state.lists[list_id] = known
    return _changed(state, list_id, event)


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
    state.lists[list_id] = known
    works = any(key in state.working for key in known.orders)
    if works or next(tasks(state, known, plan, now), None) is not None:
        state.lists_over.pop(list_id, None)
        state.lists_awake[list_id] = None
    else:
        state.lists_over[list_id] = None
        state.lists_over.move_to_end(list_id)
    return list_id


def _protected(known: ListState, missing: Decimal, at: datetime) -> ListState:
    since = known.unprotected_since
    if missing and since is None:
        return replace(known, unprotected_since=at)
    if not missing and since is not None:
        seconds = max((at - since).total_seconds(), 0.0)
        return replace(known, unprotected_since=None, unprotected_seconds=known.unprotected_seconds + seconds)
    return known

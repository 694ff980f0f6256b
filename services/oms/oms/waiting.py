"""What waits for room: a venue that takes so many orders of an account in a time, and has said when it takes the next.

Owns what of a list is not sent before then, and when the list is looked at for it. A refusal that names a time
(`room_at`) says nothing against the order: it uses up none of the tries that a refused exit has, and no exit policy
follows from it. So is one of an exit that was sized before others of its group filled: what is left is sized at once.
Each leg waits by itself, since a venue may leave room for what protects (its gateway says so). Pure; it must not know
venues, nor why a leg is to be sent.

What is remembered stands in the events of the orders, so the next process, which may be another one, waits for the same
time. A timer is a wake-up; a list that nobody wakes is looked at with the next message.
"""

from __future__ import annotations

from datetime import datetime

from signalbox.messages import OrderReplaceRejected, OrderStatus, TimerFired
from signalbox.order_lists import FLATTEN

from oms.state import ListState, OrderState, State

REFUSALS_MAX = 20
"""For want of room, in a row: one more is a refusal like any other."""


def lacks_room(orders: tuple[OrderState, ...]) -> bool:
    """Whether the newest order of a leg was refused for want of room alone."""
    refused = 0
    for order in reversed(orders):
        if order.status is not OrderStatus.REJECTED or not order.no_room:
            break
        refused += 1
    return 0 < refused <= REFUSALS_MAX


def may_be_asked_again(order: OrderState, refused: OrderReplaceRejected) -> bool:
    """Whether a refusal of a change, which is folded into the order, says nothing against it."""
    return refused.room_at is not None and len(order.no_room) <= REFUSALS_MAX


def asked_before(order: OrderState) -> str:
    """What the cause of a change ends with, so that one that was refused for want of room is asked for again."""
    refused = min(len(order.no_room), REFUSALS_MAX)
    return f"/{refused + 1}" if refused else ""


def room_for(state: State, known: ListState, leg: str) -> tuple[datetime, str] | None:
    """When there is room for orders of a leg, and of which order that was said; None = nobody has said."""
    if leg == FLATTEN:
        return None
    found: tuple[datetime, str] | None = None
    for key in known.orders:
        order = state.orders[key]
        part = order.order.part if order.order is not None else None
        if order.no_room and part is not None and part.leg == leg and (not found or order.no_room[-1] > found[0]):
            found = order.no_room[-1], order.order_id
    return found


# -------------------------------------------------------------------------------------------------------- when it wakes


def next_wake(known: ListState, after: datetime | None = None) -> datetime | None:
    """When a list is to be looked at next, though nothing happens: for its schedule, or for room at its venue."""
    times = [each for each in (known.timed.wakes_at, known.timed.waits_until) if each is not None]
    return min((each for each in times if after is None or each > after), default=None)


def timer(known: ListState, due: datetime) -> TimerFired:
    """The list's timer: another one takes its place."""
    return TimerFired(
        id=f"timer/{known.list_id}", at=known.timed.begun_at, cause=known.created_cause, due=due, order_id=known.list_id
    )

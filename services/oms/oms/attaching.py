"""Exits that stand at the venue before their entry fills, attached to it: which legs, and how much they are for.

Owns what is different about such exits: they have a quantity and a price before anything is held. They are one group,
which is for what of the entry has filled, all of it, however often it fills; so what works of a leg is not joined by
another order when more fills, it is given another quantity (`oms.list_decisions`). It must not know what is done about
a leg (`oms.lists`), nor commands or venues' words.

The theory. While nothing of the entry has filled, its exits wait, and nothing is done but that a refusal is told. From
the first fill on the desk's own count says how much each is for. What the venue itself makes of a child when its parent
fills in part is not relied on: it may work whole, or for the part, and is told its quantity in either case. Where the
venue takes what one exit fills from the others of its group, an exit is for less there than the desk has last asked:
`taken` says by how much, since each order remembers what the others had filled when the venue took its quantity.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import (
    ListLeg,
    Order,
    OrderCreated,
    OrderEvent,
    OrderListIntent,
    OrderReplaced,
    OrderReplaceRejected,
    TimeInForce,
)
from signalbox.order_lists import STOPS, WITH_ENTRY, Plan
from signalbox.order_support import ATTACHING
from signalbox.order_terms import AT_ONCE, IN_AUCTION

from oms.positions import ZERO, subtract
from oms.state import ListState, OrderState

GROUP = 1
"""Attached exits are one group, the first of their list."""
REFUSALS_MAX = 3
"""Of a new quantity, in a row: then the exit is cancelled and another one sent, or another one is sent beside it."""


def attached_legs(intent: OrderListIntent, plan: Plan) -> tuple[ListLeg, ...]:
    """The legs that are sent with the entry: those of one set for all of it, whose prices do not depend on its fill.

    None where the stop's does, nor where an exit could run out before its entry. The stop is last: a venue that
    does not take it as it comes has not begun to work the entry (`transmit`).
    """
    entry = plan.entry
    if intent.contingency not in WITH_ENTRY or intent.venue not in ATTACHING or entry is None:
        return ()
    if len(plan.sets) != 1 or plan.sets[0].share != 1:
        return ()
    if entry.time_in_force in AT_ONCE or entry.order_type in IN_AUCTION:
        return ()
    legs = tuple(leg for leg in plan.sets[0].legs if leg.limit_offset is None and leg.stop_offset is None)
    if plan.stop is not None and plan.stop not in legs:
        return ()
    if any(not _outlives(leg, entry) for leg in legs):
        return ()
    return tuple(sorted(legs, key=lambda leg: leg.order_type in STOPS))


def _outlives(leg: ListLeg, entry: ListLeg) -> bool:
    """Whether an exit is there as long as its entry may fill."""
    if leg.time_in_force is TimeInForce.GTC:
        return True
    return leg.time_in_force is TimeInForce.DAY and entry.time_in_force is TimeInForce.DAY


def is_attached(orders: dict[str, tuple[OrderState, ...]]) -> bool:
    """Whether a group's exits were sent with its entry."""
    first = (order.order.part for each in orders.values() for order in each[:1] if order.order is not None)
    return any(part is not None and bool(part.attached_to) for part in first)


def promised(known: ListState, entry: OrderState | None, quantity: Decimal, *, is_withdrawn: bool) -> Decimal:
    """What the attached exits are for: what has filled; once somebody has withdrawn them, what had filled by then."""
    filled = entry.filled_quantity if entry is not None else ZERO
    return min(filled, known.withdrawn_filled if is_withdrawn else quantity)


def taken(known: ListState, order: OrderState, others_filled: Decimal) -> Decimal:
    """By how much the order's group has made it smaller since the venue took its quantity."""
    before = next((each for key, each, _ in known.resized if key == order.key), ZERO)
    return max(subtract(others_filled, before), ZERO)


def may_be_resized(known: ListState, order: OrderState) -> bool:
    """Whether it makes sense to ask for another quantity, if not now then later."""
    return next((refused for key, _, refused in known.resized if key == order.key), 0) < REFUSALS_MAX


def resized(order: OrderState, quantity: Decimal) -> Order:
    """The order as one of which so much may still fill: its total, as FIX has it."""
    assert order.order is not None
    return replace(order.order, quantity=order.filled_quantity + quantity)


def note_quantity(known: ListState, event: OrderEvent, key: str, others_filled: Decimal) -> ListState:
    """Remember what the others of its group had filled when the venue took an order's quantity, or that it did not."""
    if not isinstance(event, OrderCreated | OrderReplaced | OrderReplaceRejected):
        return known
    before = next(((filled, refused) for each, filled, refused in known.resized if each == key), (ZERO, 0))
    now = (before[0], before[1] + 1) if isinstance(event, OrderReplaceRejected) else (others_filled, 0)
    kept = tuple(row for row in known.resized if row[0] != key)
    return replace(known, resized=(*kept, (key, *now)) if now != (ZERO, 0) else kept)

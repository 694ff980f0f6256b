"""Exits that stand at the venue before their entry fills, attached to it: which legs, and how much they are for.

Owns what is different about such exits: they have a quantity and a price before anything is held. Each set of legs is
one group, which is for its part of what of the entry has filled, however often it fills; so what works of a leg is not
joined by another order when more fills, it is given another quantity (`oms.list_decisions`). It must not know what is
done about a leg (`oms.lists`), nor commands or venues' words.

The theory. While nothing of the entry has filled, its exits wait, and nothing is done but that a refusal is told. From
the first fill on the desk's own count says how much each is for (`signalbox.apportioning`). What the venue itself makes
of a child when its parent fills in part is not relied on: it may work whole, or for the part, and is told its quantity
in either case. A set that has no lot yet is for nothing: its exits are cancelled, and sent again when it has. Where the
venue takes what one exit fills from the others of its group, an exit is for less there than the desk has last asked:
`taken` says by how much, since each order remembers what the others had filled when the venue took its quantity.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace
from signalbox.apportioning import apportioned
from signalbox.messages import (
    ListLeg,
    Order,
    OrderEvent,
    OrderReplaceRejected,
    TimeInForce,
)
from signalbox.order_lists import STOPS, LegSet, Plan, share_out
from signalbox.order_support import ATTACHING
from signalbox.order_terms import AT_ONCE, IN_AUCTION

from oms.estimates import estimate, is_relative
from oms.positions import ZERO, subtract
from oms.state import ListState, OrderState
from oms.waiting import may_be_asked_again

REFUSALS_MAX = 3
"""Of a new quantity, in a row: then the exit is cancelled and another one sent, or another one is sent beside it."""


class Exit(Struct, frozen=True, gc=False):
    """One exit as it is sent with its entry: for its set's part of all of that. `name` is its order's in the list."""

    name: str
    leg: ListLeg
    set: int
    quantity: Decimal

    @property
    def group(self) -> int:
        """Attached exits are the first groups of their list, one for each set."""
        return self.set + 1


def attached_exits(known: ListState, plan: Plan) -> tuple[Exit, ...]:
    """What is sent with the entry: what of each set has a price before that fills (`oms.estimates`).

    Nothing where a stop has not, nor where an exit could run out before its entry, nor where the sets are not for all
    of it. A stop is last: a venue that does not take it as it comes has not begun to work the entry (`transmit`).
    """
    entry, parts = plan.entry, _parts(known, plan)
    if known.venue not in ATTACHING or entry is None:
        return ()
    if sum(parts, ZERO) != plan.quantity or entry.time_in_force in AT_ONCE or entry.order_type in IN_AUCTION:
        return ()
    found: list[Exit] = []
    begun: dict[str, int] = {}
    for number, (each, quantity) in enumerate(zip(plan.sets, parts, strict=True)):
        if not quantity:
            continue
        legs = [leg for leg in each.legs if not is_relative(leg) or estimate(known, plan, leg) is not None]
        if any(leg not in legs for leg in _needed(each)) or not all(_outlives(leg, entry) for leg in legs):
            return ()
        for leg in sorted(legs, key=lambda leg: leg.order_type in STOPS):
            begun[leg.name] = begun.get(leg.name, 0) + 1
            name = leg.name if begun[leg.name] == 1 else f"{leg.name}-{begun[leg.name]}"
            found.append(Exit(name, leg, number, quantity))
    return tuple(found)


def _parts(known: ListState, plan: Plan) -> list[Decimal]:
    """What each set is for when all of the entry has filled."""
    if len(plan.sets) == 1 and plan.sets[0].share == 1:
        return [plan.quantity]
    return share_out([each.share for each in plan.sets], [ZERO] * len(plan.sets), plan.quantity, known.lot_size)


def _needed(legs: LegSet) -> tuple[ListLeg, ...]:
    """What of a set has to be there: its stop, or all of one that has none."""
    return tuple(leg for leg in legs.legs if leg.order_type in STOPS) or legs.legs


def _outlives(leg: ListLeg, entry: ListLeg) -> bool:
    """Whether an exit is there as long as its entry may fill."""
    if leg.time_in_force is TimeInForce.GTC:
        return True
    return leg.time_in_force is TimeInForce.DAY and entry.time_in_force is TimeInForce.DAY


def is_attached(orders: dict[str, tuple[OrderState, ...]]) -> bool:
    """Whether a group's exits were sent with its entry."""
    first = (order.order.part for each in orders.values() for order in each[:1] if order.order is not None)
    return any(part is not None and bool(part.attached_to) for part in first)


def promised(
    known: ListState,
    plan: Plan,
    entry: OrderState | None,
    number: int,
    orders: dict[str, tuple[OrderState, ...]],
    *,
    is_withdrawn: bool,
) -> Decimal:
    """What the attached exits of a set are for: its part of what has filled, or, once withdrawn, had filled by then.

    The venue releases them with a fill that crosses the withdrawal: what they close of that is theirs as well, and no
    other exit is for it.
    """
    filled = entry.filled_quantity if entry is not None else ZERO
    part = apportioned(_parts(known, plan), plan.quantity, filled, known.lot_size)[number]
    if not is_withdrawn:
        return part
    filled = min(filled, known.withdrawn_filled)
    before = apportioned(_parts(known, plan), plan.quantity, filled, known.lot_size)[number]
    closed = sum((order.filled_quantity for each in orders.values() for order in each), ZERO)
    return min(part, max(before, closed))


def taken(known: ListState, order: OrderState, others_filled: Decimal) -> Decimal:
    """By how much the order's group has made it smaller since the venue took its quantity."""
    before = next((each for key, each, _ in known.resized if key == order.key), ZERO)
    return max(subtract(others_filled, before), ZERO)


def came_late(known: ListState, order: OrderState) -> bool:
    """Whether the venue took the order's quantity when others of its group had filled already."""
    return any(key == order.key and filled > 0 for key, filled, _ in known.resized)


def may_be_resized(known: ListState, order: OrderState) -> bool:
    """Whether it makes sense to ask for another quantity, if not now then later."""
    return next((refused for key, _, refused in known.resized if key == order.key), 0) < REFUSALS_MAX


def resized(order: OrderState, quantity: Decimal) -> Order:
    """The order as one of which so much may still fill: its total, as FIX has it."""
    assert order.order is not None
    return replace(order.order, quantity=order.filled_quantity + quantity)


def note_quantity(known: ListState, event: OrderEvent, order: OrderState, others_filled: Decimal) -> ListState:
    """Remember what the others of its group had filled when the venue took an order's quantity, or that it did not.

    A refusal that says nothing against it (`oms.waiting`) is none.
    """
    key = order.key
    before = next(((filled, refused) for each, filled, refused in known.resized if each == key), (ZERO, 0))
    now = (others_filled, 0)
    if isinstance(event, OrderReplaceRejected):
        now = (before[0], before[1] + (not may_be_asked_again(order, event)))
    kept = tuple(row for row in known.resized if row[0] != key)
    return replace(known, resized=(*kept, (key, *now)) if now != (ZERO, 0) else kept)

"""How a list stands: its orders in their groups, what each group has left, what a leg is.

Owns what is read of the folded state for the table (`oms.lists`). It must not know what follows from it.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct
from signalbox.messages import ListAction, OrderStatus
from signalbox.order_lists import LegSet, Plan

from oms.attaching import is_attached, promised
from oms.positions import ZERO, add, subtract
from oms.sizes import OWN, given_of
from oms.state import ListState, OrderState, State
from oms.waiting import lacks_room


class Leg(StrEnum):
    """What a leg of a group is, by its newest order."""

    HELD = "HELD"
    """It waits: it has no order, the OMS has taken it back, or it has filled."""
    WORKING = "WORKING"
    LEAVING = "LEAVING"
    """A cancel of it is under way."""
    LOST = "LOST"
    """The venue, or a gateway, has refused it, or ended it unasked."""
    DONE = "DONE"
    """A person has cancelled it, or there is nothing more to be done about its loss."""


class Group(Struct, frozen=True, gc=False):
    """What one part of the entry's fill is protected by: its orders by leg, each in the order in which they began."""

    number: int
    set: int
    of: LegSet
    quantity: Decimal
    given: Decimal
    """What it was made for: a fill of the entry that was taken back makes `quantity` less."""
    orders: dict[str, tuple[OrderState, ...]]
    is_withdrawn: bool
    is_closing: bool
    is_attached: bool = False
    """Its exits were sent with the entry: it is for its set's part of all that fills of that."""
    waits: bool = False
    """Nothing of the entry has filled that it was sent with, and something may."""

    @property
    def left(self) -> Decimal:
        return subtract(self.quantity, self.filled_but(""))

    def filled_but(self, leg: str) -> Decimal:
        """What all of its legs but that one have filled."""
        filled = ZERO
        for name, orders in self.orders.items():
            for order in orders if name != leg else ():
                filled = add(filled, order.filled_quantity)
        return filled


class Standing(Struct, frozen=True, gc=False):
    """A list as it is now."""

    entry: OrderState | None
    groups: tuple[Group, ...]

    @property
    def entry_filled(self) -> Decimal:
        return self.entry.filled_quantity if self.entry is not None else ZERO


def standing(state: State, known: ListState, plan: Plan) -> Standing:
    """The list's orders, in their groups."""
    entry: OrderState | None = None
    found: dict[int, dict[str, tuple[OrderState, ...]]] = {}
    for key in known.orders:
        order = state.orders[key]
        part = order.order.part if order.order is not None else None
        if part is None:
            continue
        if not part.group:
            entry = order
            continue
        legs = found.setdefault(part.group, {})
        legs[part.leg] = (*legs.get(part.leg, ()), order)
    groups = [_group(state, known, plan, entry, number, legs) for number, legs in sorted(found.items())]
    if plan.entry is not None:
        groups = _less_what_was_taken_back(groups, entry.filled_quantity if entry is not None else ZERO)
        groups = _less_what_others_have_closed(groups)
    return Standing(entry, tuple(groups))


def _group(
    state: State,
    known: ListState,
    plan: Plan,
    entry: OrderState | None,
    number: int,
    legs: dict[str, tuple[OrderState, ...]],
) -> Group:
    first = next(iter(legs.values()))[0].order
    assert first is not None
    assert first.part is not None
    part = first.part
    withdrawn = (state.orders[key].order for key in known.orders[: known.withdrawn_orders])
    is_withdrawn = any(each is not None and each.part is not None and each.part.group == number for each in withdrawn)
    is_closing = any(group == number and action is ListAction.FLATTEN for _, group, action in known.alarms)
    is_closing = is_closing or (known.timed.is_closing and not is_withdrawn)
    of = plan.sets[part.set]
    if not is_attached(legs):
        given = max(given_of(order) for orders in legs.values() for order in orders)
        return Group(number, part.set, of, given, given, legs, is_withdrawn, is_closing)
    quantity = promised(known, plan, entry, part.set, legs, is_withdrawn=is_withdrawn)
    may_begin = entry is not None and not entry.is_final and not entry.filled_quantity
    waits = may_begin and not (is_withdrawn or is_closing)
    return Group(number, part.set, of, quantity, quantity, legs, is_withdrawn, is_closing, True, waits)


def _less_what_was_taken_back(groups: list[Group], filled: Decimal) -> list[Group]:
    """Together they are for no more than the entry has filled: of a fill that was taken back the newest know first."""
    excess = subtract(sum((group.given for group in groups), ZERO), filled)
    kept: list[Group] = []
    for group in reversed(groups):
        less = min(group.given, max(excess, ZERO))
        excess = subtract(excess, less)
        kept.append(_for(group, subtract(group.given, less)) if less else group)
    return kept[::-1]


def _less_what_others_have_closed(groups: list[Group]) -> list[Group]:
    """Where the exits of one have closed more than its part, the others are for that much less, the newest first.

    The venue may work a child for all that it is for as soon as its parent has filled at all: it can fill beyond its
    part of that before it is told its quantity. What it has closed nobody else may close.
    """
    left = [subtract(group.quantity, _closed(group)) for group in groups]
    excess = sum((-each for each in left if each < 0), ZERO)
    kept: list[Group] = []
    for group, open_part in zip(reversed(groups), reversed(left), strict=True):
        less = min(max(open_part, ZERO), excess)
        excess = subtract(excess, less)
        kept.append(_for(group, subtract(group.quantity, less)) if less else group)
    return kept[::-1]


def _closed(group: Group) -> Decimal:
    return sum((order.filled_quantity for orders in group.orders.values() for order in orders), ZERO)


def _for(group: Group, quantity: Decimal) -> Group:
    """The same group, for another quantity than it was given."""
    return Group(
        group.number,
        group.set,
        group.of,
        quantity,
        group.given,
        group.orders,
        group.is_withdrawn,
        group.is_closing,
        group.is_attached,
        group.waits,
    )


def leg_state(known: ListState, orders: tuple[OrderState, ...]) -> Leg:
    """What a leg is, by its newest order."""
    if not orders:
        return Leg.HELD
    newest = orders[-1]
    if not newest.is_final:
        return Leg.LEAVING if is_leaving(newest) else Leg.WORKING
    if newest.status is OrderStatus.FILLED:
        return Leg.HELD  # what it filled may be taken back: then there is something to protect again
    if newest.status is OrderStatus.DENIED:
        return Leg.DONE
    if any(not cause.startswith(OWN) for cause in newest.cancel_causes):
        return Leg.DONE
    if newest.cancel_causes and newest.status is OrderStatus.CANCELED:
        return Leg.HELD
    if lacks_room(orders):
        return Leg.HELD  # it is sent once there is room
    done = next((action for about, _, action in known.alarms if about == newest.order_id), None)
    if done is None:
        return Leg.LOST
    return Leg.HELD if done is ListAction.RETRY else Leg.DONE


def is_leaving(order: OrderState) -> bool:
    asked = order.status is OrderStatus.PENDING_CANCEL
    return asked or (order.status is OrderStatus.UNKNOWN and bool(order.cancel_causes))


def open_quantity(orders: tuple[OrderState, ...]) -> Decimal:
    """What of a leg works, and is not about to go."""
    total = ZERO
    for order in orders:
        if not order.is_final and not is_leaving(order) and order.order is not None:
            total = add(total, subtract(order.order.quantity, order.filled_quantity))
    return total

"""Orders that depend on each other, as one table: `(what a leg is, what is needed of it) -> what is done`.

Owns what a list makes necessary now, and nothing else: it is asked of the folded state, never of what has just
happened, so that the next process after a crash finds exactly what is missing. It must not know commands, timers,
venues' words or time.

The theory. What an entry has filled is given out to groups: a group is for one part of it, in one set of legs
(`signalbox.order_lists`), and of all its orders together no more is to fill than it is for. What of a group is left is
its quantity less the fills of all its orders, whichever they were, however late. A leg is needed for

    what is left                         in a set of one, or where one updates the others (OUO)
    what is left, or nothing once        where one cancels the others (OCO)
      another leg has filled
    nothing                              once somebody has withdrawn the group, or it is being closed at the market

and the table says what follows from what works of the leg beside that. So an exit is never sized to its order, but to
what has filled; a fill that comes twice is booked once (`oms.reports`) and changes nothing; one that is late, after a
cancel even, makes a group of its own; and two exits that fill in a race leave a group with less than nothing, which is
told, since nothing can undo it.

A leg whose order the venue refused or took away is LOST until something has been done about it (`oms.list_decisions`);
one that a person cancelled is DONE: he has taken it away. An order that is UNKNOWN still counts as working: there are
never two for one part.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct
from signalbox.messages import Contingency, ListAction, ListLeg, OrderStatus, OrderType, Side, TimeInForce
from signalbox.order_lists import FLATTEN, STOPS, WITH_ENTRY, LegSet, Plan, share_out
from signalbox.order_support import GROUPING

from oms.positions import ZERO, add, subtract
from oms.sizes import OWN, given_of, is_changed
from oms.state import ListState, OrderState, State

CANCELS_MAX = 3
"""Of one order by the OMS: one that is refused so often is a person's matter."""


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


class Need(StrEnum):
    """What of the leg's orders works beside what is needed of it."""

    NONE = "NONE"
    """Nothing is needed."""
    LESS = "LESS"
    ALL = "ALL"
    MORE = "MORE"


class Act(StrEnum):
    KEEP = "KEEP"
    RELEASE = "RELEASE"
    """Send an order for what is missing."""
    REDUCE = "REDUCE"
    """Have it be for less: another order in the place of what works."""
    RESIZE = "RESIZE"
    """Have what works be for more or less, as one order (`oms.joining`)."""
    CANCEL = "CANCEL"
    MEND = "MEND"
    """Tell of what is not as it should be, and do what the list's policy says."""


JOINT: dict[tuple[Leg, Need], Act] = {
    # ---- nothing is needed: what works goes, whatever the leg is
    **{(leg, Need.NONE): Act.CANCEL for leg in Leg},
    # ---- less is needed than works: another leg has filled in part, or a fill of the entry was taken back
    **{(leg, Need.LESS): Act.REDUCE for leg in Leg},
    # ---- as it should be
    **{(leg, Need.ALL): Act.KEEP for leg in Leg},
    # ---- more is needed than works
    (Leg.HELD, Need.MORE): Act.RELEASE,
    # A fill of another leg was taken back
    (Leg.WORKING, Need.MORE): Act.RELEASE,
    # Until it is gone it may fill: what is missing is sent then
    (Leg.LEAVING, Need.MORE): Act.KEEP,
    (Leg.LOST, Need.MORE): Act.MEND,
    (Leg.DONE, Need.MORE): Act.KEEP,
}


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

    @property
    def left(self) -> Decimal:
        filled = ZERO
        for orders in self.orders.values():
            for order in orders:
                filled = add(filled, order.filled_quantity)
        return subtract(self.quantity, filled)


class Task(Struct, frozen=True, gc=False):
    """One thing to do: `quantity` is of what is released, `orders` are what is cancelled or lost."""

    act: Act
    leg: ListLeg
    group: int
    set: int
    contingency: Contingency | None
    given: Decimal
    quantity: Decimal = ZERO
    orders: tuple[OrderState, ...] = ()


class Standing(Struct, frozen=True, gc=False):
    """A list as it is now."""

    entry: OrderState | None
    groups: tuple[Group, ...]

    @property
    def entry_filled(self) -> Decimal:
        return self.entry.filled_quantity if self.entry is not None else ZERO


# ------------------------------------------------------------------------------------------------- how it stands


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
    groups = [_group(state, known, plan, number, legs) for number, legs in sorted(found.items())]
    if plan.entry is not None:
        groups = _less_what_was_taken_back(groups, entry.filled_quantity if entry is not None else ZERO)
    return Standing(entry, tuple(groups))


def _group(state: State, known: ListState, plan: Plan, number: int, legs: dict[str, tuple[OrderState, ...]]) -> Group:
    first = next(iter(legs.values()))[0].order
    assert first is not None
    assert first.part is not None
    part = first.part
    withdrawn = (state.orders[key].order for key in known.orders[: known.withdrawn_orders])
    is_withdrawn = any(each is not None and each.part is not None and each.part.group == number for each in withdrawn)
    is_closing = any(group == number and action is ListAction.FLATTEN for _, group, action in known.alarms)
    given = max(given_of(order) for orders in legs.values() for order in orders)
    return Group(number, part.set, plan.sets[part.set], given, given, legs, is_withdrawn, is_closing)


def _less_what_was_taken_back(groups: list[Group], filled: Decimal) -> list[Group]:
    """Together they are for no more than the entry has filled: of a fill that was taken back the newest know first."""
    excess = subtract(sum((group.given for group in groups), ZERO), filled)
    kept: list[Group] = []
    for group in reversed(groups):
        less = min(group.given, max(excess, ZERO))
        excess = subtract(excess, less)
        if less:
            group = Group(
                group.number,
                group.set,
                group.of,
                subtract(group.given, less),
                group.given,
                group.orders,
                group.is_withdrawn,
                group.is_closing,
            )
        kept.append(group)
    return kept[::-1]


def leg_state(known: ListState, orders: tuple[OrderState, ...]) -> Leg:
    """What a leg is, by its newest order."""
    if not orders:
        return Leg.HELD
    newest = orders[-1]
    if not newest.is_final:
        return Leg.LEAVING if _is_leaving(newest) else Leg.WORKING
    if newest.status is OrderStatus.FILLED:
        return Leg.HELD  # what it filled may be taken back: then there is something to protect again
    if newest.status is OrderStatus.DENIED:
        return Leg.DONE
    if any(not cause.startswith(OWN) for cause in newest.cancel_causes):
        return Leg.DONE
    if newest.cancel_causes and newest.status is OrderStatus.CANCELED:
        return Leg.HELD
    done = next((action for about, _, action in known.alarms if about == newest.order_id), None)
    if done is None:
        return Leg.LOST
    return Leg.HELD if done is ListAction.RETRY else Leg.DONE


def _is_leaving(order: OrderState) -> bool:
    asked = order.status is OrderStatus.PENDING_CANCEL
    return asked or (order.status is OrderStatus.UNKNOWN and bool(order.cancel_causes))


def open_quantity(orders: tuple[OrderState, ...]) -> Decimal:
    """What of a leg works, and is not about to go."""
    total = ZERO
    for order in orders:
        if not order.is_final and not _is_leaving(order) and order.order is not None:
            total = add(total, subtract(order.order.quantity, order.filled_quantity))
    return total


def needed(group: Group, leg: str) -> Decimal:
    """What a leg of the group is to be for."""
    if leg == FLATTEN:
        others = (order for name, orders in group.orders.items() if name != FLATTEN for order in orders)
        return max(group.left, ZERO) if all(order.is_final for order in others) else ZERO
    if group.is_withdrawn or group.is_closing:
        return ZERO
    others = (order for name, orders in group.orders.items() if name != leg for order in orders)
    if group.of.contingency is Contingency.OCO and any(order.filled_quantity > 0 for order in others):
        return ZERO
    return max(group.left, ZERO)


def need(wanted: Decimal, works: Decimal) -> Need:
    if not wanted:
        return Need.NONE
    if wanted == works:
        return Need.ALL
    return Need.LESS if wanted < works else Need.MORE


# ------------------------------------------------------------------------------------------ what it makes necessary


def tasks(known: ListState, plan: Plan, now: Standing) -> Iterator[Task]:
    """What there is to do, what takes away first. Nothing = the list is as it should be."""
    if known.is_recalled:
        return
    yield from _of_entry(known, plan, now)
    found = [task for group in now.groups for task in _of_group(known, plan, group)]
    yield from (task for task in found if task.act is not Act.RELEASE)
    yield from (task for task in found if task.act is Act.RELEASE)
    yield from _of_what_has_filled(known, plan, now)


def _of_entry(known: ListState, plan: Plan, now: Standing) -> Iterator[Task]:
    if plan.entry is None:
        return
    if now.entry is None:
        if not known.cancel_cause:
            yield Task(Act.RELEASE, plan.entry, 0, 0, None, plan.quantity, plan.quantity)
    elif known.cancel_cause:
        yield from _cancel(known, now.entry, Task(Act.CANCEL, plan.entry, 0, 0, None, plan.quantity))


def _of_group(known: ListState, plan: Plan, group: Group) -> Iterator[Task]:
    legs = (*group.of.legs, flatten_leg(plan)) if group.is_closing else group.of.legs
    if group.left < 0 and not is_told(known, group_name(known, group.number)):
        yield Task(Act.MEND, legs[0], group.number, group.set, group.of.contingency, group.given, group.left)
    for leg in legs:
        orders = group.orders.get(leg.name, ())
        wanted, works = needed(group, leg.name), open_quantity(orders)
        act = JOINT[leg_state(known, orders), need(wanted, works)]
        task = Task(act, leg, group.number, group.set, group.of.contingency, group.given)
        if act is Act.RELEASE:
            yield _with(task, quantity=subtract(wanted, works))
        elif act is Act.REDUCE and _is_reduced_by_venue(known, group):
            continue
        elif act is Act.REDUCE:
            working = tuple([order for order in orders if not order.is_final and not _is_leaving(order)])
            stuck = [order for order in working if not _may_be_cancelled(order)]
            if not stuck:
                yield _with(task, quantity=wanted, orders=working)
            for order in stuck:
                yield from _cancel(known, order, task)
        elif act is Act.MEND:
            yield _with(task, orders=(orders[-1],))
        elif act is Act.CANCEL:
            for order in orders:
                yield from _cancel(known, order, task)


def _is_reduced_by_venue(known: ListState, group: Group) -> bool:
    """Whether the venue takes what one order fills from the others; of what is taken back it knows nothing.

    An order that was changed is the OMS's to size from then on: the change may have come after what the venue took.
    """
    is_kept = known.venue in GROUPING and group.of.contingency is Contingency.OUO
    any_changed = any(is_changed(order) for orders in group.orders.values() for order in orders)
    return is_kept and group.quantity == group.given and not any_changed


def _cancel(known: ListState, order: OrderState, task: Task) -> Iterator[Task]:
    """Ask for an order's end, unless somebody has; that it can not be had is told once."""
    if order.is_final or _is_leaving(order):
        return
    if _may_be_cancelled(order):
        yield _with(task, act=Act.CANCEL, orders=(order,))
    elif not is_told(known, order.order_id):
        yield _with(task, act=Act.MEND, orders=(order,))


def _may_be_cancelled(order: OrderState) -> bool:
    return sum(cause.startswith(OWN) for cause in order.cancel_causes) < CANCELS_MAX


def _of_what_has_filled(known: ListState, plan: Plan, now: Standing) -> Iterator[Task]:
    """A group of its own for each part in which the entry fills; of a list without one there is one, for all."""
    filled = now.entry_filled if plan.entry is not None else plan.quantity
    given = [
        sum((group.given for group in now.groups if group.set == number), ZERO) for number in range(len(plan.sets))
    ]
    if filled <= sum(given, ZERO):
        return
    shares = [each.share for each in plan.sets]
    for number, quantity in enumerate(share_out(shares, given, filled, known.lot_size)):
        if quantity:
            first = plan.sets[number]
            group = max((each.number for each in now.groups), default=0) + 1
            yield Task(Act.RELEASE, first.legs[0], group, number, first.contingency, quantity, quantity)
            return  # the group is there then, and what else it needs is asked of it


def is_told(known: ListState, about: str) -> bool:
    """Whether an alarm has been raised about an order or a group."""
    return any(each == about for each, _, _ in known.alarms)


def group_name(known: ListState, group: int) -> str:
    """What a group is called in an alarm."""
    return f"{known.list_id}.{group}"


def _with(task: Task, **changes: object) -> Task:
    given = {name: getattr(task, name) for name in Task.__struct_fields__} | changes
    return Task(**given)


def flatten_leg(plan: Plan) -> ListLeg:
    """What closes what a stop was to protect."""
    assert plan.entry is not None
    side = Side.SELL if plan.entry.side is Side.BUY else Side.BUY
    return ListLeg(
        name=FLATTEN,
        side=side,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        reduce_only=True,
    )


# ------------------------------------------------------------------------------------------------------ what protects


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

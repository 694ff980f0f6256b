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
from signalbox.messages import Contingency, ListLeg, OrderStatus
from signalbox.order_lists import FLATTEN, Plan, flatten_leg, share_out
from signalbox.order_support import GROUPING

from oms.attaching import Exit, attached_exits, came_late, taken
from oms.list_standing import Group, Leg, Standing, is_leaving, leg_state, open_quantity
from oms.positions import ZERO, subtract
from oms.sizes import OWN, is_changed
from oms.state import ListState, OrderState, State, order_key

CANCELS_MAX = 3
"""Of one order by the OMS: one that is refused so often is a person's matter."""


class Need(StrEnum):
    """What of the leg's orders works beside what is needed of it."""

    NONE = "NONE"
    """Nothing is needed."""
    LESS = "LESS"
    ALL = "ALL"
    MORE = "MORE"
    LATER = "LATER"
    """It stands at the venue, which holds it until the entry fills (`oms.attaching`)."""


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
    # ---- the venue holds it: one that it refuses will be missing
    **{(leg, Need.LATER): Act.KEEP for leg in Leg if leg is not Leg.LOST},
    (Leg.LOST, Need.LATER): Act.MEND,
}


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


def needed(group: Group, leg: str) -> Decimal:
    """What a leg of the group is to be for."""
    if leg == FLATTEN:
        others = (order for name, orders in group.orders.items() if name != FLATTEN for order in orders)
        return max(group.left, ZERO) if all(order.is_final for order in others) else ZERO
    if group.is_withdrawn or group.is_closing:
        return ZERO
    if group.of.contingency is Contingency.OCO and group.filled_but(leg) > 0:
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
    found = [task for group in now.groups for task in _of_group(known, plan, group, now.entry)]
    yield from (task for task in found if task.act is not Act.RELEASE)
    yield from (task for task in found if task.act is Act.RELEASE)
    yield from _of_what_has_filled(known, plan, now)


def _of_entry(known: ListState, plan: Plan, now: Standing) -> Iterator[Task]:
    if plan.entry is None:
        return
    is_over = entry_is_over(known)
    if now.entry is None:
        if not is_over:
            yield Task(Act.RELEASE, plan.entry, 0, 0, None, plan.quantity, plan.quantity)
        return
    yield from _attached_and_not_begun(known, plan, now)
    if not is_over:
        return
    yield from cancel(known, now.entry, Task(Act.CANCEL, plan.entry, 0, 0, None, plan.quantity))


def entry_is_over(known: ListState) -> bool:
    """Whether nothing more is to fill of its entry."""
    return bool(known.cancel_cause) or known.timed.entry_is_over


def is_never_sent(state: State, known: ListState, plan: Plan, now: Standing) -> bool:
    """Whether the time of the entry was over before it was sent, and that has not been told."""
    if plan.entry is None or now.entry is not None or known.is_recalled or not entry_is_over(known):
        return False
    return order_key(known.venue, known.account, f"{known.list_id}.{plan.entry.name}") not in state.orders


def _attached_and_not_begun(known: ListState, plan: Plan, now: Standing) -> Iterator[Task]:
    """What was sent with the entry, and of which nothing is written down."""
    assert now.entry is not None
    assert now.entry.order is not None
    assert now.entry.order.part is not None
    if not now.entry.order.part.attaches:
        return
    begun = {(group.number, leg) for group in now.groups for leg in group.orders}
    for each in attached_exits(known, plan):
        if each.name in now.entry.order.part.attaches and (each.group, each.leg.name) not in begun:
            yield attached_task(plan, each)


def attached_task(plan: Plan, exit: Exit) -> Task:
    """An exit as it is sent with its entry."""
    contingency = plan.sets[exit.set].contingency
    return Task(Act.RELEASE, exit.leg, exit.group, exit.set, contingency, exit.quantity, exit.quantity)


def _of_group(known: ListState, plan: Plan, group: Group, entry: OrderState | None) -> Iterator[Task]:
    legs = (*group.of.legs, flatten_leg(plan)) if group.is_closing else group.of.legs
    if group.left < 0 and not is_told(known, group_name(known, group.number)):
        yield Task(Act.MEND, legs[0], group.number, group.set, group.of.contingency, group.given, group.left)
    for leg in legs:
        orders = group.orders.get(leg.name, ())
        wanted, works = needed(group, leg.name), working_quantity(known, group, leg.name)
        needs = Need.LATER if group.waits else need(wanted, works)
        act = JOINT[leg_state(known, orders), needs]
        task = Task(act, leg, group.number, group.set, group.of.contingency, group.given)
        if act is Act.RELEASE and leg.name == FLATTEN and is_told(known, closing_name(known)):
            continue  # what it was for is not held any more: what is held since then is somebody else's
        if act is Act.RELEASE:
            yield of_task(task, quantity=subtract(wanted, works))
        elif act is Act.REDUCE and _is_reduced_by_venue(known, group):
            continue
        elif act is Act.REDUCE:
            working = working_of(orders)
            stuck = [order for order in working if not _may_be_cancelled(order)]
            if not stuck:
                yield of_task(task, quantity=wanted, orders=working)
            for order in stuck:
                yield from cancel(known, order, task)
        elif act is Act.MEND and needs is Need.LATER and orders[-1].status is not OrderStatus.REJECTED:
            continue  # it may go with its entry: that has ended then, or fills
        elif act is Act.MEND:
            yield of_task(task, orders=(orders[-1],))
        elif act is Act.CANCEL:
            for order in orders:
                if not _goes_unsent(entry, group, order):
                    yield from cancel(known, order, task)


def working_of(orders: tuple[OrderState, ...]) -> tuple[OrderState, ...]:
    """Those of a leg that work, and are not about to go."""
    return tuple([order for order in orders if not order.is_final and not is_leaving(order)])


def working_quantity(known: ListState, group: Group, leg: str) -> Decimal:
    """What of a leg works: of a group that was sent with its entry, less what the venue has taken from it by itself."""
    orders = group.orders.get(leg, ())
    works = open_quantity(orders)
    if group.is_attached and is_kept(known, group):
        for order in working_of(orders):
            works = subtract(works, taken(known, order, group.filled_but(leg)))
    return max(works, ZERO)


def _goes_unsent(entry: OrderState | None, group: Group, order: OrderState) -> bool:
    """Whether nothing of it has been seen, and its entry was refused: neither has been sent, or both are refused."""
    refused = entry is not None and entry.status is OrderStatus.REJECTED
    return refused and group.is_attached and not order.acknowledged


def _is_reduced_by_venue(known: ListState, group: Group) -> bool:
    """Whether the venue takes what one order fills from the others; of what is taken back it knows nothing.

    An order that was changed is the OMS's to size from then on: the change may have come after what the venue took.
    So is one that came to the venue when another of its group had filled already: of that it has taken nothing.
    """
    orders = [order for orders in group.orders.values() for order in orders]
    is_ours = any(is_changed(order) or came_late(known, order) for order in orders)
    return is_kept(known, group) and group.quantity == group.given and not is_ours and not group.is_attached


def is_kept(known: ListState, group: Group) -> bool:
    return known.venue in GROUPING and group.of.contingency is Contingency.OUO


def cancel(known: ListState, order: OrderState, task: Task) -> Iterator[Task]:
    """Ask for an order's end, unless somebody has; that it can not be had is told once."""
    if order.is_final or is_leaving(order):
        return
    if _may_be_cancelled(order):
        yield of_task(task, act=Act.CANCEL, orders=(order,))
    elif not is_told(known, order.order_id):
        yield of_task(task, act=Act.MEND, orders=(order,))


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
            leg = flatten_leg(plan) if known.timed.is_closing else first.legs[0]
            yield Task(Act.RELEASE, leg, group, number, first.contingency, quantity, quantity)
            return  # the group is there then, and what else it needs is asked of it


def is_told(known: ListState, about: str) -> bool:
    """Whether an alarm has been raised about an order or a group."""
    return any(each == about for each, _, _ in known.alarms)


def group_name(known: ListState, group: int) -> str:
    """What a group is called in an alarm."""
    return f"{known.list_id}.{group}"


def closing_name(known: ListState) -> str:
    """What the end of its closing is called in an alarm, when less was held than it was to close."""
    return f"{known.list_id}/closing"


def of_task(task: Task, **changes: object) -> Task:
    """The task, but for the changes."""
    given = {name: getattr(task, name) for name in Task.__struct_fields__} | changes
    return Task(**given)

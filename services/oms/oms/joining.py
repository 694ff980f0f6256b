"""An entry that fills in many small parts: from the fifth on a part joins the exits of one before.

Owns when a part of the entry has orders of its own no more, and how exits that work are resized as one order. Pure;
what a list makes necessary otherwise is `oms.lists`'.

The theory. Venues bound the orders that work: IBKR takes 20 on a side of a contract from an account, dYdX so many that
stay as its equity allows. So a set of legs has at most `PARTS_MAX` groups that work, fewer where `ORDERS_MAX` orders
work beside; the next part makes the newest group larger, instead of another one. That a group is for more is said by
its orders themselves (`ListPart.quantity`), the newest of which counts, a change under way included: so of two
processes the second knows what the first has asked for, and no part is given out twice. Of each leg

    where the venue changes orders   the order is changed: it stays one, and works all the time (at dYdX another one
                                     takes its place: `gateway_dydx.moving`)
    where it changes none, and       one order for all of it is sent, and the one before cancelled once that stands:
    reduce-only is its own           for a while two protect, and neither can turn the position

and a part waits while the venue has not answered for the group that it is to join: all that fills meanwhile joins at
once. A group that has lost a leg, or of which a leg is leaving or UNKNOWN, is joined by nobody; and where a change is
refused the missing is sent as an order of its own: that a position is protected goes before that its orders are few.
What was refused for want of room is asked for again once there is some (`oms.waiting`), what protects first.

A total is reckoned from what has filled each time, never added to what was before: whatever the venue has taken from
an order meanwhile by itself (`ocaType` 2), and in which order fills and answers come, the last change is for what is
left. That is also why an order that was changed once, by anybody, is resized by us after each fill of
its group.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import ListLeg, Order, OrderStatus, Side
from signalbox.order_lists import FLATTEN, STOPS, Plan
from signalbox.order_support import REDUCING

from oms import lists
from oms.attaching import may_be_resized
from oms.attaching import resized as attached_resized
from oms.changes import can_be_changed, replace_order, why_not
from oms.list_standing import Group, Leg, Standing, leg_state, open_quantity
from oms.lists import Act, Task, cancel, needed, working_of
from oms.outcome import Outcome, Rules
from oms.positions import ZERO, add, subtract
from oms.sizes import OWN, given_of, is_changed, is_resized_by_us
from oms.state import ListState, OrderState, State
from oms.waiting import asked_before, lacks_room

PARTS_MAX = 4
"""Groups of one set of legs that work at once."""
ORDERS_MAX = 16
"""On a side of a contract, of an account, before parts join: the rest of IBKR's 20 is for what closes, and people."""
_ANSWERED = frozenset({OrderStatus.NEW, OrderStatus.HELD, OrderStatus.PARTIALLY_FILLED})
_ASKED = frozenset({OrderStatus.PENDING_NEW, OrderStatus.PENDING_REPLACE})


def tasks(state: State, known: ListState, plan: Plan, now: Standing) -> Iterator[Task]:
    """What there is to do, as `lists.tasks` has it, but for what joins, and what is resized instead of sent anew."""
    groups = {group.number: group for group in now.groups}
    more: list[Task] = []
    for task in lists.tasks(known, plan, now):
        group = groups.get(task.group)
        if group is not None and group.is_attached:
            yield from _of_attached(known, group, task)
            continue
        if task.act is Act.RELEASE and task.group and group is None:
            more += _of_part(state, known, plan, now, task)
        elif task.act is Act.RELEASE and group is not None and not group.is_closing:
            more += _of_leg(state, known, group, task)
        elif task.act is Act.REDUCE and group is not None:
            yield from _reduced(known, group, task)
        else:
            yield task
    yield from sorted(more, key=lambda task: task.leg.order_type not in STOPS)  # what protects goes first


# ------------------------------------------------------------------------------------------------------ what joins


def _of_part(state: State, known: ListState, plan: Plan, now: Standing, task: Task) -> Iterator[Task]:
    """A part of the entry that no group has yet: one of its own, or more of the newest one, or nothing for now."""
    whole = [each for each in now.groups if each.left > 0 and not each.is_attached and _is_whole(known, each)]
    works = [group for group in whole if group.set == task.set]
    if not works or not (len(works) >= PARTS_MAX or _are_many(state, known, works[-1], whole)):
        yield task
        return
    group = works[-1]
    if _is_asked(group):
        return
    given = add(group.given, task.quantity)
    joined = _resize(
        state, known, group, group.of.legs[0].name, _with(task, group=group.number, given=given), task.quantity
    )
    yield joined or task


def _is_whole(known: ListState, group: Group) -> bool:
    """Whether each of its legs works, and will, as far as anybody knows; a target may wait for room at the venue."""
    if group.is_withdrawn or group.is_closing:
        return False
    for leg in group.of.legs:
        orders = group.orders.get(leg.name, ())
        if leg.order_type not in STOPS and (not orders or lacks_room(orders)):
            continue
        if not orders or leg_state(known, orders) is not Leg.WORKING or orders[-1].status not in _ANSWERED | _ASKED:
            return False
    return True


def _is_asked(group: Group) -> bool:
    """Whether the venue has not answered for one of its legs yet."""
    return any(orders[-1].status in _ASKED for orders in group.orders.values())


def _are_many(state: State, known: ListState, group: Group, whole: list[Group]) -> bool:
    """Whether as many orders work on the side of the group's, or are about to, as may, with one more of each leg."""
    legs = group.of.legs
    coming = sum(leg.name not in each.orders for each in whole for leg in each.of.legs)
    return not has_room(state, known, legs[0].side, coming + len(legs))


def has_room(state: State, known: ListState, side: Side, more: int) -> bool:
    """Whether so many orders more may work on a side of the list's contract."""
    wanted = (known.venue, known.account, known.intent.symbol, side)
    orders = (state.orders[key] for key in state.working)
    beside = sum(
        (each.venue, each.account, each.order.symbol, each.order.side) == wanted
        for each in orders
        if each.order is not None
    )
    return beside + more <= ORDERS_MAX


def _of_leg(state: State, known: ListState, group: Group, task: Task) -> Iterator[Task]:
    """A leg of which less works than is needed: what works becomes more, where its group has; else one more is sent."""
    orders = group.orders.get(task.leg.name, ())
    works = [order for order in orders if not order.is_final]
    is_working = works and leg_state(known, orders) is Leg.WORKING
    if not is_working or (given_of(works[-1]) == group.given and not is_resized_by_us(works[-1])):
        yield task
    elif works[-1].status in _ASKED:
        return
    else:
        yield _resize(state, known, group, task.leg.name, task, ZERO) or task


def _resize(state: State, known: ListState, group: Group, leg: str, task: Task, more: Decimal) -> Task | None:
    """The leg for all that its group is for, and `more`; None = what works can not be changed now."""
    orders = tuple([order for order in group.orders[leg] if not order.is_final])
    wanted = add(needed(group, leg), more)
    newest = orders[-1]
    if is_placed_first(known, orders) and not can_be_changed(state, newest):
        return _with(task, act=Act.REDUCE, leg=_leg(group, leg), quantity=wanted, orders=orders)
    open_now = subtract(newest.order.quantity, newest.filled_quantity) if newest.order is not None else ZERO
    wanted = subtract(wanted, subtract(open_quantity(orders), open_now))
    resize = _with(task, act=Act.RESIZE, leg=_leg(group, leg), quantity=wanted, orders=(newest,))
    return resize if _can_be_asked(resize) else None


def _leg(group: Group, name: str) -> ListLeg:
    return next(leg for leg in group.of.legs if leg.name == name)


def _of_attached(known: ListState, group: Group, task: Task) -> Iterator[Task]:
    """What was sent with its entry follows what is held, in place, once the venue has answered for the last change."""
    working = working_of(group.orders.get(task.leg.name, ()))
    if task.act not in (Act.REDUCE, Act.RELEASE) or task.leg.name == FLATTEN or len(working) != 1:
        yield task
        return
    wanted = needed(group, task.leg.name)
    if not may_be_resized(known, working[0]):
        yield task
    elif not why_not(working[0], attached_resized(working[0], wanted)):
        yield _with(task, act=Act.RESIZE, quantity=wanted, orders=working)


# ---------------------------------------------------------------------------------------------------- what is resized


def _reduced(known: ListState, group: Group, task: Task) -> Iterator[Task]:
    """Less is needed than works: what was changed before is resized in place, anything else replaced.

    Where the smaller one is sent first, what it takes the place of goes once the venue has it; should it be refused, as
    it is refused anywhere. Where the venue keeps the group each is resized, once it has answered for it: a cancel there
    takes the others with it.
    """
    orders = task.orders
    newest = orders[-1]
    if is_placed_first(known, orders):
        if leg_state(known, group.orders[task.leg.name]) not in (Leg.WORKING, Leg.HELD):
            yield from _each_cancelled(known, task, orders)
            return
        if len(orders) > 1 and open_quantity((newest,)) == task.quantity:
            yield from _each_cancelled(known, task, orders[:-1]) if newest.acknowledged else ()
            return
    is_kept = lists.is_kept(known, group)
    if not is_kept and not any(is_changed(order) for order in orders):
        yield task
        return
    if any(order.change is not None or (is_kept and order.status in _ASKED) for order in orders):
        return  # its answer comes first
    resize = _with(task, act=Act.RESIZE)
    yield resize if len(orders) == 1 and _can_be_asked(resize) else task


def is_placed_first(known: ListState, orders: tuple[OrderState, ...]) -> bool:
    """Whether another may stand beside them: what reduces only can not trade what is not held."""
    return known.venue in REDUCING and all(order.order is not None and order.order.reduce_only for order in orders)


def _each_cancelled(known: ListState, task: Task, orders: tuple[OrderState, ...]) -> Iterator[Task]:
    for order in orders:
        yield from cancel(known, order, task)


def _can_be_asked(task: Task) -> bool:
    """Whether the order can be given that size now, and nobody has refused it before."""
    order = task.orders[0]
    return _cause(order, task) not in order.causes and not why_not(order, _terms(order, task))


def resized(state: State, task: Task, now: datetime, rules: Rules) -> Outcome:
    """Ask for the size: the event and the command."""
    order = task.orders[0]
    return replace_order(state, order, _terms(order, task), now, _cause(order, task), rules)


def _terms(order: OrderState, task: Task) -> Order:
    """All of the order as it is to be: the total, what has filled included, and what its group is for."""
    terms = order.order
    assert terms is not None
    assert terms.part is not None
    part = replace(terms.part, quantity=task.given)
    return replace(terms, quantity=add(order.filled_quantity, task.quantity), part=part)


def _cause(order: OrderState, task: Task) -> str:
    """One of each size and group's size: a change that was refused is not asked for again, but for want of room."""
    total = add(order.filled_quantity, task.quantity)
    return f"{OWN}{order.order_id}/{task.given:f}/{total:f}/{order.filled_quantity:f}{asked_before(order)}"


def _with(task: Task, **changes: object) -> Task:
    given = {name: getattr(task, name) for name in Task.__struct_fields__} | changes
    return Task(**given)

"""Whatever order fills, cancels and refusals come in: no exit is for more than has filled, and every promise stands.

The venue is a few lines: it has what it was sent, and fills, ends or refuses any of it whenever it likes.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oms import attaching, joining, lists
from oms.joining import tasks
from oms.list_standing import open_quantity, standing
from signalbox import messages
from signalbox.messages import ListAction, ListAlarmed, Side
from signalbox.order_lists import STOPS, plan_of

WAYS = (
    "fill",
    "fill again",
    "accept",
    "cancel",
    "refuse the cancel",
    "reject",
    "take away",
    "take back",
    "change",
    "keep",
)
SIZES = st.integers(1, 60) | st.integers(1, 3)
STEPS = st.lists(st.tuples(st.sampled_from(WAYS), st.integers(0, 9), SIZES), max_size=40)
LISTS = st.sampled_from((("1",), ("0.5", "0.5"), ("0.34", "0.33"), ("0.1", "0.2", "0.3")))


class AnyVenue:
    """One bracket at a venue that does what it is told to by the steps of a test."""

    def __init__(self, make, targets: tuple[str, ...], policy: messages.ExitPolicy) -> None:
        self.make, self.desk = make, make.desk()
        self.desk.run(make.bracket(targets=targets, exit_policy=policy))
        self.number, self.fills, self.withdrawn = 0, [], False

    def live(self):
        return [self.desk.state.orders[key] for key in sorted(self.desk.state.working)]

    def do(self, way: str, which: int, quantity: int) -> None:
        self.number += 1
        if way == "fill again" and self.fills:
            self.desk.take(self.fills[which % len(self.fills)])
        elif way == "take back" and self.fills:
            fill = self.fills.pop(which % len(self.fills)).fill
            self.desk.take(
                self.make.fill(
                    "0", "0", order_id=fill.order_id, execution_id=fill.execution_id, revision=2, side=fill.side
                )
            )
        live = self.live()
        if not live:
            return
        order = live[which % len(live)]
        if way == "fill":
            self.fill(order, quantity)
        elif way == "accept":
            self.tell(messages.VenueAccepted, order, venue_order_id=f"v-{order.order_id}")
        elif way == "cancel" and order.status == "PENDING_CANCEL":
            self.tell(messages.VenueCanceled, order, reason="asked")
        elif way == "refuse the cancel" and order.status == "PENDING_CANCEL":
            self.tell(messages.VenueCancelRejected, order, code="", reason="no")
        elif way == "change" and order.change is not None:
            self.change(order)
        elif way == "keep" and order.change is not None:
            self.tell(messages.VenueReplaceRejected, order, code="201", reason="no", revision=order.change.revision)
        elif way == "reject":
            self.tell(messages.VenueRejected, order, code="201", reason="no")
        elif way == "take away":
            self.tell(messages.VenueCanceled, order, reason="its own")

    def change(self, order) -> None:
        wanted = order.change.order
        terms = {name: getattr(wanted, name) for name in ("quantity", "limit_price", "stop_price")}
        given = {"venue_order_id": f"v-{order.order_id}", "revision": order.change.revision}
        self.tell(messages.VenueReplaced, order, **given, **terms)

    def fill(self, order, quantity: int) -> None:
        left = order.order.quantity - order.filled_quantity
        some = min(Decimal(quantity), left)
        report = self.make.fill(
            str(some), "10", order_id=order.order_id, execution_id=f"x{self.number}", side=order.order.side
        )
        self.fills.append(report)
        self.desk.take(report)

    def tell(self, kind, order, **fields) -> None:
        self.desk.take(self.make.report(kind, order.order_id, str(self.number), **fields))

    def settle(self) -> None:
        """Every cancel that was asked for is carried out, all that was sent is taken."""
        while live := [order for order in self.live() if self.waits(order)]:
            self.number += 1
            order = live[0]
            if order.status == "PENDING_CANCEL":
                self.tell(messages.VenueCanceled, order, reason="asked")
            elif order.change is not None:
                self.change(order)
            else:
                self.tell(messages.VenueAccepted, order, venue_order_id=f"v-{order.order_id}")

    def waits(self, order) -> bool:
        return not order.acknowledged or order.status == "PENDING_CANCEL" or order.change is not None

    def stands(self):
        known = self.desk.state.lists["b"]
        plan = plan_of(known.intent)
        return known, plan, standing(self.desk.state, known, plan)


def held(desk) -> Decimal:
    """What the list's fills come to."""
    return sum(
        (order.filled_quantity * (1 if order.order.side is Side.BUY else -1) for order in desk.state.orders.values()),
        Decimal(0),
    )


@pytest.fixture(autouse=True, scope="module", params=[1, joining.PARTS_MAX])
def keeps_nothing(request):
    """A venue that keeps nothing by itself; how many parts have exits of their own before the next ones join."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lists, "GROUPING", frozenset())
        patched.setattr(joining, "PARTS_MAX", request.param)
        patched.setattr(attaching, "ATTACHING", frozenset())
        yield


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, targets=LISTS, policy=st.sampled_from(messages.ExitPolicy))
def test_no_exit_is_for_more_than_has_filled_and_every_promise_stands_or_is_told(make, steps, targets, policy):
    venue = AnyVenue(make, targets, policy)
    for step in steps:
        venue.do(*step)
        known, plan, now = venue.stands()
        assert not list(tasks(venue.desk.state, known, plan, now)), "what was to be done is done"
        told = {about for about, _, _ in known.alarms}
        for group in now.groups:
            for name, orders in group.orders.items():
                stuck = any(order.order_id in told and not order.is_final for order in orders)
                resized = any(order.change is not None for order in orders)
                assert open_quantity(orders) <= max(group.left, 0) or stuck or resized, name
        assert sum(group.quantity for group in now.groups) <= now.entry_filled
    venue.settle()
    known, plan, now = venue.stands()
    told = {group for _, group, action in known.alarms if action is not ListAction.RETRY}
    for group in now.groups:
        works = [order for orders in group.orders.values() for order in orders if not order.is_final]
        stops = [order for order in works if order.order.order_type in STOPS or order.order.part.leg == "flatten"]
        if group.number in told:
            continue
        if group.left <= 0:
            assert not works, "nothing works where nothing is held"
        else:
            assert sum((order.order.quantity - order.filled_quantity for order in stops), Decimal(0)) == group.left
    assert held(venue.desk) == now.entry_filled - sum(
        (order.filled_quantity for group in now.groups for each in group.orders.values() for order in each), Decimal(0)
    )
    again = venue.desk.restart()
    assert again.follow(make.at) == []
    assert again.state.lists == venue.desk.state.lists
    assert [e.about for e in venue.desk.log if isinstance(e, ListAlarmed)] == [about for about, _, _ in known.alarms]

"""Whatever comes in of a list whose exits were sent with its entry: in the end nothing is for more than is held.

The venue is a few lines: it has what it was sent, takes what one exit fills from the other of its group, makes changes
or refuses them, and ends what it likes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from oms.joining import tasks
from oms.list_standing import standing
from oms.outcome import NOTHING
from oms.positions import divide
from oms.repricing import reprice
from oms.schedule import terms_of
from signalbox import messages
from signalbox.messages import ListAction, ListAlarmed, Side
from signalbox.order_lists import STOPS, plan_of, priced

WAYS = (
    "buy", "buy", "buy", "sell", "fill again", "accept", "accept", "change", "change", "refuse the change", "cancel",
    "refuse the cancel", "reject", "take away", "withdraw",
)  # fmt: skip
TARGETS = [("1",), ("0.5", "0.5"), ("0.5", "0.3"), ("0.34", "0.33", "0.33")]
"""Their shares; what they leave has the stop alone."""
RELATIVE: tuple[str, ...] = ()
"""One whose exits are at a distance from the fill."""
STEPS = st.lists(st.tuples(st.sampled_from(WAYS), st.integers(0, 9), st.integers(1, 60)), max_size=40)


class AnyVenue:
    """One bracket of 100, sent as one, with one target or several.

    `quantities` are what each order is for at the venue, and `filled` what is.
    """

    def __init__(self, make: Any, policy: messages.ExitPolicy, targets: tuple[str, ...]) -> None:
        self.make, self.desk = make, make.desk()
        self.desk.run(make.bracket(exit_policy=policy, targets=targets) if targets else self.relative(policy))
        self.number, self.fills = 0, []
        self.quantities: dict[str, Decimal] = {}
        self.filled: dict[str, Decimal] = {}

    def relative(self, policy: messages.ExitPolicy) -> Any:
        """A stop 1 behind the fill, half of it with a target at the risk, the other half with one at twice that."""
        risks = [messages.PriceOffset(amount=Decimal(amount), unit=messages.OffsetUnit.R) for amount in ("1", "2")]
        behind = messages.PriceOffset(amount=Decimal(-1), unit=messages.OffsetUnit.PRICE)
        legs = [
            self.make.leg("entry", "BUY", "MARKET", quantity=Decimal(100)),
            self.make.leg("stop", stop_offset=behind),
            self.make.leg("t1", order_type="LIMIT", limit_offset=risks[0], share=Decimal("0.5")),
            self.make.leg("t2", order_type="LIMIT", limit_offset=risks[1]),
        ]
        return self.make.order_list("b", "BRACKET", *legs, exit_policy=policy)

    def live(self) -> list[Any]:
        return [self.desk.state.orders[key] for key in sorted(self.desk.state.working)]

    def open_at_venue(self, order_id: str) -> Decimal:
        order = self.desk.state.orders[order_id].order
        quantity = self.quantities.setdefault(order_id, order.quantity)
        return quantity - self.filled.get(order_id, Decimal(0))

    def do(self, way: str, which: int, quantity: int) -> None:
        self.number += 1
        if way == "fill again" and self.fills:
            self.desk.take(self.fills[which % len(self.fills)])
        if way == "withdraw" and which == 0:
            self.desk.take(self.make.cancel("b", number=1000 + self.number))
        live = self.live()
        for order in live:
            self.open_at_venue(order.order_id)
        exits = [order for order in live if order.order_id != "b.entry"]
        if way == "buy" and len(exits) < len(live):
            self.fill(self.desk.state.orders["b.entry"], quantity)
        elif way == "sell" and exits and self.desk.state.orders["b.entry"].filled_quantity:
            self.fill(exits[which % len(exits)], quantity)
        elif live:
            self.say(way, live[which % len(live)])

    def say(self, way: str, order: Any) -> None:
        if way == "accept":
            self.tell(messages.VenueAccepted, order, venue_order_id=f"v-{order.order_id}")
        elif way in ("change", "refuse the change") and order.change is not None:
            self.answer(order, refused=way != "change")
        elif way == "cancel" and order.status == "PENDING_CANCEL":
            self.tell(messages.VenueCanceled, order, reason="asked")
        elif way == "refuse the cancel" and order.status == "PENDING_CANCEL":
            self.tell(messages.VenueCancelRejected, order, code="", reason="no")
        elif way == "reject" and not order.filled_quantity:
            self.tell(messages.VenueRejected, order, code="201", reason="no")
        elif way == "take away":
            self.tell(messages.VenueCanceled, order, reason="its own")

    def answer(self, order: Any, *, refused: bool) -> None:
        change, filled = order.change, self.filled.get(order.order_id, Decimal(0))
        if refused or change.order.quantity <= filled:
            self.tell(messages.VenueReplaceRejected, order, code="104", reason="no", revision=change.revision)
            return
        self.quantities[order.order_id] = change.order.quantity
        terms = {name: getattr(change.order, name) for name in ("quantity", "limit_price", "stop_price")}
        self.tell(messages.VenueReplaced, order, venue_order_id="v", revision=change.revision, **terms)

    def fill(self, order: Any, quantity: int) -> None:
        some = min(Decimal(quantity), self.open_at_venue(order.order_id))
        if some <= 0:
            return
        self.filled[order.order_id] = self.filled.get(order.order_id, Decimal(0)) + some
        group = order.order.part.group_id
        for other in self.live():  # its group, where it is one of legs that update each other
            part = other.order.part
            if part.contingency is not None and part.group_id == group and part.leg != order.order.part.leg:
                self.quantities[other.order_id] -= min(some, self.open_at_venue(other.order_id))
        price = 10 + Decimal(self.number % 5) / 10
        report = self.make.fill(
            str(some), str(price), order_id=order.order_id, execution_id=f"x{self.number}", side=order.order.side
        )
        self.fills.append(report)
        self.desk.take(report)

    def tell(self, kind: Any, order: Any, **fields: Any) -> None:
        self.desk.take(self.make.report(kind, order.order_id, str(self.number), **fields))

    def settle(self) -> None:
        """All that was sent is taken, every change and every cancel is made, and what is used up is gone."""
        for _ in range(1000):
            self.number += 1
            order = next((each for each in self.live() if self._is_open_question(each)), None)
            if order is None:
                return
            if order.status == "PENDING_CANCEL":
                self.tell(messages.VenueCanceled, order, reason="asked")
            elif not self.open_at_venue(order.order_id):
                self.tell(messages.VenueCanceled, order, reason="it went with its group")
            elif order.change is not None:
                self.answer(order, refused=False)
            else:
                self.tell(messages.VenueAccepted, order, venue_order_id=f"v-{order.order_id}")
        raise AssertionError("it does not come to rest")

    def _is_open_question(self, order: Any) -> bool:
        used_up = not self.open_at_venue(order.order_id)
        return not order.acknowledged or order.status == "PENDING_CANCEL" or order.change is not None or used_up


def stand_where_the_fill_has_them(state: Any, known: Any, now: Any) -> None:
    """Each exit that works is at its distance from the average price, unless it was told that it is not."""
    plan = plan_of(known.intent)
    told = {about for about, _, _ in known.alarms}
    average = divide(known.entry_value, now.entry_filled)
    for group in now.groups:
        for leg in group.of.legs if group.is_attached and not (group.is_withdrawn or group.is_closing) else ():
            for order in group.orders.get(leg.name, ()):
                if order.is_final or not order.order.part.attached_to or f"{order.key}/price" in told:
                    continue
                if order.status != "PENDING_CANCEL" and group.left > 0 and order.key not in told:
                    limit, stop = priced(leg, plan, average, terms_of(known))
                    assert (order.order.limit_price, order.order.stop_price) == (limit, stop)


@settings(max_examples=600, deadline=None)
@given(steps=STEPS, policy=st.sampled_from(messages.ExitPolicy), targets=st.sampled_from([*TARGETS, RELATIVE]))
def test_in_the_end_no_exit_is_for_more_than_is_held_and_every_promise_stands_or_is_told(make, steps, policy, targets):
    venue = AnyVenue(make, policy, targets)
    for step in steps:
        venue.do(*step)
        state, known = venue.desk.state, venue.desk.state.lists["b"]
        plan = plan_of(known.intent)
        now = standing(state, known, plan)
        assert not list(tasks(state, known, plan, now)), "what was to be done is done"
        assert reprice(state, known, plan, now, make.at, make.rules) is NOTHING
    venue.settle()
    state, known = venue.desk.state, venue.desk.state.lists["b"]
    now = standing(state, known, plan_of(known.intent))
    told = {group for _, group, action in known.alarms if action is not ListAction.RETRY}
    assert sum(group.quantity for group in now.groups) <= now.entry_filled
    for group in now.groups:
        works = [order for orders in group.orders.values() for order in orders if not order.is_final]
        stops = [order for order in works if order.order.order_type in STOPS or order.order.part.leg == "flatten"]
        stands = sum((venue.open_at_venue(order.order_id) for order in stops), Decimal(0))
        if group.waits:
            assert all(venue.open_at_venue(order.order_id) <= 100 for order in works)
        elif group.left <= 0 or (group.is_withdrawn and group.number not in told):
            stuck = [order.order_id for order in works]  # a venue that refuses each cancel: that is told, of the order
            assert set(stuck) <= {about for about, _, _ in known.alarms}, "nothing works where nothing is held"
        elif group.number not in told:
            assert stands == group.left, "what is held has its stop, of its size"
            for order in works:
                assert venue.open_at_venue(order.order_id) <= group.left
    if not targets and now.entry_filled:
        stand_where_the_fill_has_them(state, known, now)
    bought = sum((order.filled_quantity * order.order.side.sign for order in state.orders.values()), Decimal(0))
    assert bought == now.entry_filled - sum((group.filled_but("") for group in now.groups), Decimal(0))
    assert all(order.order.side is Side.SELL for key, order in state.orders.items() if key != "b.entry")
    again = venue.desk.restart()
    assert again.follow(make.at) == []
    assert again.state.lists == state.lists
    assert [each.about for each in venue.desk.log if isinstance(each, ListAlarmed)] == [a for a, _, _ in known.alarms]

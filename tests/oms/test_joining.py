"""An entry that fills in many small parts: its exits stay few, and are for what has filled, whatever is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oms import attaching, lists
from oms.joining import ORDERS_MAX, PARTS_MAX
from signalbox import messages
from signalbox.messages import (
    Contingency,
    ListAlarmed,
    ModifyOrder,
)

from .list_reports import answered, canceled, rejected, sold

PARTS = 30
GROUPING, KEEPS_NOTHING = frozenset({"ibkr"}), frozenset()


@pytest.fixture(params=[GROUPING, KEEPS_NOTHING], ids=["groups", "none"], autouse=True)
def grouping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue keeps groups by itself, or none."""
    monkeypatch.setattr(lists, "GROUPING", request.param)
    monkeypatch.setattr(attaching, "ATTACHING", frozenset())


class Answers:
    """A desk whose venue takes what it is sent, and makes each change, or refuses it."""

    def __init__(self, make: Any, *targets: str, **fields: Any) -> None:
        self.make, self.number, self.refuses = make, 0, False
        self.desk = make.desk().run(make.bracket(targets=targets or ("1",), **fields), make.accepted("b.entry"))

    def enters(self, quantity: str) -> None:
        self.number += 1
        self.desk.take(self.make.fill(quantity, order_id="b.entry", execution_id=f"in{self.number}"))

    def sells(self, order_id: str, quantity: str, price: str = "11") -> None:
        self.number += 1
        execution = f"out{self.number}"
        self.desk.take(sold(self.make, order_id, quantity, execution, price))

    def answer(self) -> None:
        """Everything that was asked for is answered, once."""
        for key in sorted(self.desk.state.working):
            order = self.desk.state.orders[key]
            if order.status == "PENDING_NEW":
                self.desk.take(self.make.accepted(key, f"v-{key}"))
            elif order.status == "PENDING_CANCEL":
                self.number += 1
                self.desk.take(canceled(self.make, key, str(self.number)))
            elif order.change is not None:
                self.change(key)

    def change(self, key: str) -> None:
        answered(self.make, self.desk, key, refused=self.refuses)

    def settle(self) -> None:
        for _ in range(20):
            self.answer()

    def total(self, leg: str) -> Decimal:
        """What works of a leg."""
        return sum((Decimal(size) for key, size in self.desk.works().items() if f".{leg}" in key), Decimal(0))

    def exits(self) -> list[str]:
        return [key for key in self.desk.works() if key != "b.entry"]


@pytest.mark.parametrize("answers", ["each part", "none until the end"])
def test_thirty_small_fills_make_few_exits_and_all_of_it_is_protected(make: Any, answers: str) -> None:
    venue = Answers(make, quantity=str(PARTS))
    for number in range(1, PARTS + 1):
        venue.enters("1")
        assert len(venue.exits()) <= 2 * PARTS_MAX
        if answers == "each part":
            venue.settle()
            assert venue.total("stop") == venue.total("target1") == number
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == PARTS
    assert not any(isinstance(event, ListAlarmed) for event in venue.desk.log)
    changes = [command for command in venue.desk.commands.values() if isinstance(command, ModifyOrder)]
    assert len(changes) == (2 * (PARTS - PARTS_MAX) if answers == "each part" else 2)
    assert venue.desk.restart().follow(make.at) == []


def test_no_more_than_the_venue_takes_work_on_one_side_whatever_lists_there_are(make: Any) -> None:
    venue = Answers(make, "0.2", "0.2", "0.2", quantity="100")
    for _ in range(20):
        venue.enters("5")
        venue.settle()
    assert venue.total("stop") == 100
    assert len(venue.exits()) <= ORDERS_MAX
    beside = [make.leg("entry", "BUY", "MARKET", quantity=Decimal(9)), make.leg("stop", stop_price=Decimal(9))]
    venue.desk.run(make.order_list("c", Contingency.OTO, *beside, number=2), make.accepted("c.entry"))
    for number in range(9):
        venue.desk.take(make.fill("1", order_id="c.entry", execution_id=f"c{number}"))
        venue.settle()
    assert sum(Decimal(size) for key, size in venue.desk.works().items() if key.startswith("c.stop")) == 9
    assert len(venue.exits()) <= ORDERS_MAX + 1, "what protects goes before: the first part has its own"


def test_a_part_waits_while_the_group_that_it_joins_is_not_answered_for(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX + 2):
        venue.enters("10")
    assert venue.total("stop") == 10 * PARTS_MAX
    venue.answer()
    assert venue.desk.state.orders["b.stop-4"].change.order.quantity == 30, "both parts at once"
    assert venue.total("stop") == 10 * PARTS_MAX, "a change that is under way protects nothing"
    venue.enters("10")
    venue.answer()
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == 70
    assert venue.desk.works()["b.stop-4"] == "40"


def test_a_growth_that_is_refused_makes_an_exit_of_its_own(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.refuses = True
    venue.enters("10")
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == 50
    assert venue.desk.works()["b.stop-5"] == "10"
    venue.refuses = False
    venue.enters("10")
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == 60
    assert len(venue.exits()) == 2 * (PARTS_MAX + 1)


def test_of_a_group_of_which_one_leg_alone_could_grow_the_other_has_an_order_more(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.enters("10")
    assert venue.desk.state.orders["b.stop-4"].change.order.quantity == 20
    assert venue.desk.state.orders["b.target1-4"].change.order.quantity == 20
    venue.change("b.stop-4")
    venue.refuses = True
    venue.change("b.target1-4")
    venue.settle()
    assert (venue.total("stop"), venue.total("target1")) == (50, 50)
    assert venue.desk.works()["b.target1-5"] == "10"


def test_what_an_exit_fills_while_it_grows_is_taken_from_what_it_grows_to(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.enters("10")
    venue.sells("b.target1-4", "4")
    venue.settle()
    assert venue.desk.works()["b.stop-4"] == venue.desk.works()["b.target1-4"] == "16"
    assert venue.desk.state.orders["b.target1-4"].order.quantity == 20
    assert venue.total("stop") == venue.total("target1") == 46
    venue.sells("b.target1-4", "6")
    venue.settle()
    assert venue.desk.works()["b.stop-4"] == "10", "what was resized once is resized by the desk"


def test_an_exit_that_has_joined_was_moved_by_nobody(make: Any) -> None:
    offset = messages.PriceOffset(amount=Decimal(-10), unit=messages.OffsetUnit.PERCENT)
    legs = [make.leg("entry", "BUY", "MARKET", quantity=Decimal(100)), make.leg("stop", stop_offset=offset)]
    venue = Answers(make)
    venue.desk = make.desk().run(make.order_list("b", Contingency.OTO, *legs), make.accepted("b.entry"))
    for _ in range(PARTS_MAX + 1):
        venue.enters("10")
        venue.settle()
    venue.desk.take(make.fill("50", "20", order_id="b.entry", execution_id="dear"))
    venue.settle()
    venue.desk.take(rejected(make, "b.stop"))
    stops = {key: order.order.stop_price for key, order in venue.desk.state.orders.items() if ".stop" in key}
    assert stops["b.stop-5"] == Decimal("13.5"), "10 % below 15, which is what the entry has paid by now"


def test_a_stop_that_fills_whole_while_it_grows_has_closed_just_that(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.enters("10")
    venue.sells("b.stop-4", "20", "9")
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == 30
    assert not any(isinstance(event, ListAlarmed) for event in venue.desk.log)
    assert venue.desk.restart().follow(make.at) == []


def test_nobody_joins_a_group_of_which_a_person_has_taken_the_stop(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.desk.run(make.cancel("b.stop-4"))
    venue.settle()
    venue.enters("10")
    venue.settle()
    assert venue.desk.works()["b.stop-5"] == "10"
    for _ in range(2):
        venue.enters("10")
        venue.settle()
    assert venue.total("stop") == 60


def reduces_only(monkeypatch: pytest.MonkeyPatch, *, changes: bool) -> None:
    """The venue keeps what only reduces to what is held, and no groups; `changes` = it changes orders too."""
    monkeypatch.setattr(lists, "GROUPING", KEEPS_NOTHING)
    for module in ("oms.joining", "signalbox.order_lists"):
        monkeypatch.setattr(f"{module}.REDUCING", frozenset({"ibkr"}))
    monkeypatch.setattr("oms.joining.can_be_changed", lambda *_: changes)


def test_what_reduces_only_is_changed_where_the_venue_changes_it(make: Any, monkeypatch: Any) -> None:
    reduces_only(monkeypatch, changes=True)
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.enters("10")
    assert venue.desk.state.orders["b.stop-4"].change.order.quantity == 20
    assert venue.total("stop") == 10 * PARTS_MAX, "what works stays as it is until the change is made"
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == 50


def test_where_nothing_is_changed_an_order_for_the_sum_comes_first_and_the_one_before_goes_once_it_stands(
    make: Any, monkeypatch: Any
) -> None:
    reduces_only(monkeypatch, changes=False)
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.enters("10")
    assert venue.desk.works()["b.stop-5"] == venue.desk.works()["b.target1-5"] == "20"
    assert venue.desk.works()["b.stop-4"] == venue.desk.works()["b.target1-4"] == "10"
    venue.desk.take(make.accepted("b.stop-5", "v-b.stop-5"))
    assert venue.desk.works()["b.stop-4"] == "10*"
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == 50
    assert len(venue.exits()) == 2 * PARTS_MAX
    venue.sells("b.stop-5", "20", "9")
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == 30


def test_a_sum_that_is_refused_leaves_the_one_before(make: Any, monkeypatch: Any) -> None:
    reduces_only(monkeypatch, changes=False)
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.enters("10")
    venue.desk.take(rejected(make, "b.stop-5"))
    assert venue.desk.works()["b.stop-4"] == "10", "it protects its own part"
    assert venue.desk.works()["b.stop-6"] == "10", "what is missing is sent once more"
    venue.settle()
    assert venue.total("stop") == venue.total("target1") == 50


def test_a_smaller_exit_that_is_refused_is_no_second_one_for_ever(make: Any, monkeypatch: Any) -> None:
    reduces_only(monkeypatch, changes=False)
    venue = Answers(make)
    venue.enters("10")
    venue.settle()
    venue.sells("b.target1", "4")
    assert venue.desk.works() == {"b.entry": "90", "b.stop": "10", "b.stop-2": "6", "b.target1": "6"}
    venue.desk.take(rejected(make, "b.stop-2"))
    assert venue.desk.works()["b.stop"] == "10*", "a larger one than what is left is not to stay"
    venue.answer()
    assert venue.desk.works()["b.stop-3"] == "6"
    assert sum(isinstance(event, ListAlarmed) for event in venue.desk.log) == 1


def test_a_smaller_exit_that_a_person_cancels_takes_the_larger_one_with_it(make: Any, monkeypatch: Any) -> None:
    reduces_only(monkeypatch, changes=False)
    venue = Answers(make)
    venue.enters("10")
    venue.settle()
    venue.sells("b.target1", "4")
    venue.desk.run(make.cancel("b.stop-2"), canceled(make, "b.stop-2"))
    assert venue.desk.works()["b.stop"] == "10*", "he wants no stop, and it is for more than is left"
    venue.settle()
    assert venue.desk.works() == {"b.entry": "90", "b.target1": "6"}


def test_what_shrinks_again_before_the_venue_has_answered_is_sent_again(make: Any, monkeypatch: Any) -> None:
    reduces_only(monkeypatch, changes=False)
    venue = Answers(make)
    venue.enters("10")
    venue.settle()
    venue.sells("b.target1", "4")
    venue.sells("b.target1", "2")
    assert venue.desk.works()["b.stop-3"] == "4"
    venue.settle()
    assert venue.desk.works() == {"b.entry": "90", "b.stop-3": "4", "b.target1": "4"}


def test_it_dies_between_any_two_lines_and_the_next_one_grows_exactly_what_is_missing(make: Any) -> None:
    def told(desk: Any) -> Any:
        venue = Answers.__new__(Answers)
        venue.make, venue.number, venue.refuses, venue.desk = make, 0, False, desk
        return venue

    def run(lines: int | None) -> Any:
        desk = make.desk()
        desk.run(make.bracket(quantity="7"), make.accepted("b.entry"))
        venue, begun = told(desk), 0
        desk.lines_left = lines
        while begun < 7:
            try:
                venue.number = begun
                venue.enters("1")
                begun += 1
                venue.answer()
            except make.died:
                venue.desk = desk = desk.restart()
                desk.follow(make.at)
        for _ in range(5):
            venue.settle()
        return venue

    whole = run(None)
    for lines in range(60):
        again = run(lines)
        assert again.total("stop") == again.total("target1") == whole.total("stop") == 7, lines
        assert len(again.exits()) == len(whole.exits()), lines

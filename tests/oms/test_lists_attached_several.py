"""Several targets that are sent with their entry: each with its part of the stop, in a group of its own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from oms.joining import ORDERS_MAX
from signalbox import messages
from signalbox.messages import Contingency, ListAction, OrderStatus, Side

from tests.oms.test_lists_attached import alarms, answered, asked, bought, canceled, rejected, sent, sold

EXITS = ("b.target1", "b.stop", "b.target2", "b.stop-2")
HALVES = ("0.5", "0.5")


def standing(make: Any, *targets: str, quantity: str = "100") -> Any:
    """A bracket that the venue has, exits and all."""
    desk = make.desk().run(make.bracket(targets=targets or HALVES, quantity=quantity), make.accepted("b.entry"))
    for number, name in enumerate(sorted(desk.works()), 1):
        if name != "b.entry":
            desk.run(make.accepted(name, f"91{number}"), make.report(messages.VenueHeld, name, "1", reason="child"))
    return desk


def settled(make: Any, desk: Any) -> Any:
    """All changes are made, and every cancel."""
    while open_ones := [key for key in sorted(desk.state.working) if desk.state.orders[key].change is not None]:
        answered(make, desk, open_ones[0])
    for key in sorted(desk.state.working):
        if desk.state.orders[key].status is OrderStatus.PENDING_CANCEL:
            desk.run(canceled(make, key))
        elif not desk.state.orders[key].acknowledged:
            desk.run(make.accepted(key, f"92-{key}"))
    return desk


def part(desk: Any, key: str) -> Any:
    return desk.state.orders[key].order.part


def test_each_target_leaves_with_its_part_of_the_stop_in_a_group_of_its_own(make: Any) -> None:
    desk = make.desk().run(make.bracket(targets=HALVES))
    assert sent(desk) == ["b.entry+b.target1+b.stop+b.target2+b.stop-2"]
    assert desk.works() == {"b.entry": "100", **dict.fromkeys(EXITS, "50")}
    assert [part(desk, key).group for key in EXITS] == [1, 1, 2, 2]
    assert [part(desk, key).set for key in EXITS] == [0, 0, 1, 1]
    assert {part(desk, key).quantity for key in EXITS} == {Decimal(50)}
    assert {part(desk, key).contingency for key in EXITS} == {Contingency.OUO}
    assert part(desk, "b.entry").attaches == ("target1", "stop", "target2", "stop-2")
    assert desk.restart().follow(make.at) == []


def test_what_the_targets_leave_has_a_stop_alone(make: Any) -> None:
    desk = make.desk().run(make.bracket(targets=("0.5", "0.3")))
    assert desk.works() == {
        "b.entry": "100", "b.target1": "50", "b.stop": "50", "b.target2": "30", "b.stop-2": "30", "b.stop-3": "20",
    }  # fmt: skip
    assert (part(desk, "b.stop-3").group, part(desk, "b.stop-3").contingency) == (3, None)


def test_the_parts_are_those_of_exits_that_follow_a_fill_of_the_whole(make: Any, monkeypatch: Any) -> None:
    for quantity, targets in (("5", HALVES), ("7", ("0.6", "0.4")), ("1", HALVES), ("10", ("0.34", "0.33", "0.33"))):
        together = make.desk().run(make.bracket(quantity=quantity, targets=targets))
        with monkeypatch.context() as patched:
            patched.setattr("oms.attaching.ATTACHING", frozenset())
            after = make.desk().run(make.bracket(quantity=quantity, targets=targets), bought(make, quantity))
        entry = {"b.entry": quantity}
        assert together.works() == {**entry, **after.works()}, quantity


def test_legs_that_follow_one_entry_without_a_bracket_leave_with_it_too(make: Any) -> None:
    legs = [make.leg("entry", "BUY", "MARKET", quantity=Decimal(100)), make.leg("one", stop_price=Decimal(9))]
    legs[1] = make.leg("one", stop_price=Decimal(9), share=Decimal("0.4"))
    two = make.leg("two", stop_price=Decimal(8), share=Decimal("0.6"))
    desk = make.desk().run(make.order_list("b", "OTO", *legs, two))
    assert sent(desk) == ["b.entry+b.one+b.two"]
    assert (part(desk, "b.one").group, part(desk, "b.two").group) == (1, 2)
    desk = make.desk().run(make.order_list("b", "OTO", *legs))
    assert sent(desk) == ["b.entry"], "they are not for all of it"


def test_where_one_leg_has_to_wait_for_the_fill_none_is_sent_before(make: Any) -> None:
    entry = make.leg("entry", "BUY", "MARKET", quantity=Decimal(100))
    one = make.leg("one", order_type="LIMIT", limit_price=Decimal(11), share=Decimal("0.5"))
    by_the_fill = messages.PriceOffset(amount=Decimal(1), unit=messages.OffsetUnit.PRICE)
    entry_at_open = make.leg("entry", "BUY", "MARKET_ON_OPEN", quantity=Decimal(100))
    two = make.leg("two", order_type="LIMIT", limit_offset=by_the_fill, share=Decimal("0.5"))
    assert sent(make.desk().run(make.order_list("b", "OTO", entry_at_open, one, two))) == ["b.entry"]
    assert sent(make.desk().run(make.order_list("b", "OTO", entry, one))) == ["b.entry"]
    entry_at_a_stop = make.leg("entry", "BUY", "STOP", quantity=Decimal(100), stop_price=Decimal(11))
    assert sent(make.desk().run(make.order_list("b", "OTO", entry_at_a_stop, one, two))) == ["b.entry"]


def test_exits_follow_the_fill_where_the_venue_has_no_room_for_them_all(make: Any) -> None:
    eighth = ("0.125",) * 8
    desk = make.desk().run(make.bracket(targets=eighth))
    assert sent(desk)[0].count("+") == ORDERS_MAX
    desk = make.desk().run(make.approved("o-1", side=Side.SELL, number=2), make.bracket(targets=eighth))
    assert sent(desk) == ["o-1", "b.entry"]
    desk.run(make.accepted("b.entry"), bought(make, "100"))
    assert len(desk.works()) > 1


def test_each_set_is_for_its_part_of_what_has_filled_and_grows_with_it(make: Any) -> None:
    desk = standing(make).run(bought(make, "31"))
    assert sorted(asked(desk)) == [("b.stop", "16"), ("b.stop-2", "15"), ("b.target1", "16"), ("b.target2", "15")]
    settled(make, desk).run(bought(make, "69", "in2"))
    assert settled(make, desk).works() == dict.fromkeys(EXITS, "50")
    assert sent(desk) == ["b.entry+b.target1+b.stop+b.target2+b.stop-2"]
    assert alarms(desk) == []


def test_a_set_that_has_no_lot_yet_goes_and_comes_back_with_the_fill_that_gives_it_one(make: Any) -> None:
    """One share is held: a second pair, which is for none of it, would close more than is held."""
    desk = standing(make).run(bought(make, "1"))
    assert desk.works()["b.stop-2"] == desk.works()["b.target2"] == "50*"
    settled(make, desk)
    assert desk.works() == {"b.entry": "99", "b.stop": "1", "b.target1": "1"}
    settled(make, desk.run(bought(make, "1", "in2")))
    assert desk.works() == {"b.entry": "98", "b.stop": "1", "b.target1": "1", "b.stop-3": "1", "b.target2-2": "1"}
    settled(make, desk.run(bought(make, "98", "in3")))
    assert desk.works() == {"b.stop": "50", "b.target1": "50", "b.stop-3": "50", "b.target2-2": "50"}
    assert (part(desk, "b.stop-3").group, alarms(desk)) == (2, [])


def test_a_target_that_fills_leaves_the_other_pair_as_it_is(make: Any) -> None:
    desk = standing(make).run(bought(make, "100"), sold(make, "b.target1", "50"), canceled(make, "b.stop"))
    assert desk.works() == {"b.stop-2": "50", "b.target2": "50"}
    assert alarms(desk) == []
    desk.run(sold(make, "b.stop-2", "50", "out2"), canceled(make, "b.target2"))
    assert (desk.works(), alarms(desk), list(desk.state.lists_over)) == ({}, [], ["b"])


def test_a_stop_that_is_refused_while_the_entry_rests_is_sent_for_its_own_part(make: Any) -> None:
    desk = make.desk().run(make.bracket(targets=HALVES), make.accepted("b.entry"), rejected(make, "b.stop-2"))
    assert alarms(desk) == [("b.stop-2", ListAction.RETRY)]
    desk.run(bought(make, "100"))
    assert sent(desk)[1:] == ["b.stop-3"]
    assert (desk.works()["b.stop-3"], part(desk, "b.stop-3").group) == ("50", 2)
    desk.run(rejected(make, "b.stop-3"))
    assert alarms(desk)[1:] == [("b.stop-3", ListAction.FLATTEN)]
    assert desk.works()["b.stop"] == "50", "what the others protect stays protected"


def test_a_cancel_of_the_list_takes_every_pair_and_what_fills_later_has_its_own(make: Any) -> None:
    desk = standing(make).run(make.cancel("b"))
    assert desk.works() == {"b.entry": "100*", **dict.fromkeys(EXITS, "50*")}
    settled(make, desk.run(bought(make, "20")))
    assert {key: size for key, size in desk.works().items() if "entry" not in key} == {
        "b.stop-3": "10", "b.target1-2": "10", "b.stop-4": "10", "b.target2-2": "10",
    }  # fmt: skip
    assert [part(desk, key).group for key in ("b.stop-3", "b.stop-4")] == [3, 4]


def story(make: Any) -> list[Any]:
    terms = {"quantity": Decimal(16), "venue_order_id": "9", "revision": 1, "stop_price": Decimal(9)}
    return [
        make.bracket(targets=HALVES),
        make.accepted("b.entry"),
        *(make.accepted(name, f"91{number}") for number, name in enumerate(EXITS)),
        bought(make, "31"),
        make.report(messages.VenueReplaced, "b.stop", "1", **terms),
        sold(make, "b.target2", "5"),
        bought(make, "69", "in2"),
        make.cancel("b"),
    ]


def test_it_dies_between_any_two_lines_and_the_next_one_sends_exactly_what_is_missing(make: Any) -> None:
    whole = make.desk().run(*story(make))
    lines = 0
    while True:
        desk, done = make.desk(), []
        desk.lines_left = lines
        try:
            for message in story(make):
                desk.take(message)
                done.append(message)
            break
        except make.died:
            pass
        again = desk.restart()
        again.follow(make.at)
        again.run(*story(make)[len(done) :])
        assert again.works() == whole.works(), lines
        assert again.commands == whole.commands, lines
        assert [type(event) for event in again.log] == [type(event) for event in whole.log]
        lines += 1
    assert lines > 40


def test_what_one_pair_closes_beyond_its_part_the_other_is_not_for(make: Any) -> None:
    """The venue works a child whole once its parent has filled at all: it may fill before it is told its quantity."""
    desk = standing(make).run(bought(make, "20"))
    desk.run(sold(make, "b.target2", "15"))  # its part is 10
    settled(make, desk)
    works = desk.works()
    assert works["b.stop"] == works["b.target1"] == "5"
    desk.run(bought(make, "20", "in2"))
    settled(make, desk)
    assert sum(Decimal(open_) for leg, open_ in desk.works().items() if leg.startswith("b.stop")) == 40 - 15

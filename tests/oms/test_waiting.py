"""Exits that a venue has no room for yet: they wait for the time that its gateway names, and use up no try."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from oms import attaching, lists, schedule, waiting
from oms.decide import decide_timer
from signalbox import messages
from signalbox.messages import (
    ListAction,
    ListWaits,
    RefusedBy,
    SubmitOrder,
    TimedAction,
    TimedStep,
    VenueRejected,
)
from signalbox.order_lists import STOPS

from .list_reports import alarms, answered, canceled, rejected
from .test_joining import PARTS_MAX, Answers, reduces_only

ROOM = 100


@pytest.fixture(autouse=True)
def on_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attaching, "ATTACHING", frozenset())
    reduces_only(monkeypatch, changes=True)


def after(make: Any, seconds: float) -> Any:
    return make.at + timedelta(seconds=seconds)


def no_room(make: Any, order_id: str, seconds: float = ROOM) -> VenueRejected:
    """The gateway has not sent it, and says when there is room."""
    by, room_at = RefusedBy.GATEWAY, after(make, seconds)
    report: VenueRejected = make.report(VenueRejected, order_id, code="", reason="20", refused_by=by, room_at=room_at)
    return report


def no_room_to_change(make: Any, desk: Any, order_id: str) -> None:
    """The gateway has not changed it, and says when there is room."""
    answered(make, desk, order_id, refused=True, code="", reason="20", room_at=after(make, ROOM))


def entered(make: Any, quantity: str = "100", **fields: Any) -> Any:
    venue = Answers(make, **fields)
    venue.enters(quantity)
    return venue


def told(make: Any, desk: Any) -> list[tuple[str, str, float]]:
    """Of which leg was said to wait, by which order, and until when."""
    found = [event for event in desk.log if isinstance(event, ListWaits)]
    return [(event.leg, event.about, (event.until - make.at).total_seconds()) for event in found]


def actions(desk: Any) -> list[ListAction]:
    return [action for _, action in alarms(desk)]


def sent(desk: Any, leg: str) -> list[str]:
    found = [command.order.order_id for command in desk.commands.values() if isinstance(command, SubmitOrder)]
    return [order_id for order_id in found if f".{leg}" in order_id]


def test_an_exit_for_which_there_is_no_room_is_sent_when_there_is(make: Any) -> None:
    desk = entered(make).desk
    desk.take(no_room(make, "b.stop"))
    assert (told(make, desk), alarms(desk), sent(desk, "stop")) == ([("stop", "b.stop", ROOM)], [], ["b.stop"])
    assert desk.wakes["b"].due == after(make, ROOM)
    desk.follow(after(make, ROOM - 1))
    assert sent(desk, "stop") == ["b.stop"]
    desk.follow(after(make, ROOM))
    assert (sent(desk, "stop"), alarms(desk)) == (["b.stop", "b.stop-2"], [])
    assert desk.works()["b.stop-2"] == "100"


def test_it_is_unprotected_as_long_as_it_waits(make: Any) -> None:
    desk = entered(make).desk
    desk.take(no_room(make, "b.stop"))
    desk.follow(after(make, ROOM))
    desk.take(make.accepted("b.stop-2", "9", seconds=ROOM + 2))
    assert desk.state.lists["b"].unprotected_seconds == ROOM


def test_it_is_asked_for_again_and_again_and_is_no_refusal_until_it_is_too_often(make: Any) -> None:
    desk, due = entered(make).desk, 1.0
    for number in range(waiting.REFUSALS_MAX):
        order_id = "b.stop" if not number else f"b.stop-{number + 1}"
        due += 1
        desk.take(no_room(make, order_id, due))
        desk.follow(after(make, due))
    assert alarms(desk) == []
    desk.take(no_room(make, f"b.stop-{waiting.REFUSALS_MAX + 1}", due + 1))
    assert actions(desk) == [ListAction.RETRY]


def test_a_refusal_of_the_venue_after_that_is_the_first_one(make: Any) -> None:
    desk = entered(make).desk
    desk.take(no_room(make, "b.stop"))
    desk.follow(after(make, ROOM))
    desk.take(rejected(make, "b.stop-2"))
    assert actions(desk) == [ListAction.RETRY]


def test_what_works_becomes_larger_once_there_is_room_for_a_change(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    desk = venue.desk
    venue.enters("10")
    no_room_to_change(make, desk, "b.stop-4")
    assert (told(make, desk), sent(desk, "stop")[PARTS_MAX:]) == ([("stop", "b.stop-4", ROOM)], [])
    venue.enters("10")
    assert desk.state.orders["b.stop-4"].change is None
    desk.follow(after(make, ROOM))
    assert desk.state.orders["b.stop-4"].change.order.quantity == 20, "what its target is to be for"
    venue.settle()
    desk.follow(after(make, ROOM))
    venue.settle()
    assert (venue.total("stop"), venue.total("target1"), alarms(desk)) == (60, 60, [])


def test_what_protects_goes_first_when_there_is_room_again(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    desk = venue.desk
    venue.enters("10")
    venue.change("b.stop-4")
    no_room_to_change(make, desk, "b.target1-4")
    assert told(make, desk) == [("target1", "b.target1-4", ROOM)]
    venue.enters("10")
    assert desk.state.orders["b.stop-4"].change.order.quantity == 30, "the room that is left is for stops"
    no_room_to_change(make, desk, "b.stop-4")
    desk.follow(after(make, ROOM))
    begun = [key for key in ("b.stop-4", "b.target1-4") if desk.state.orders[key].change is not None]
    assert begun == ["b.stop-4", "b.target1-4"]
    asked = [command.order_id for command in desk.commands.values() if isinstance(command, messages.ModifyOrder)]
    assert asked[-2:] == ["b.stop-4", "b.target1-4"]


def test_targets_that_wait_make_no_more_groups_than_there_are_to_be(make: Any) -> None:
    venue = entered(make, "10")
    desk = venue.desk
    desk.take(make.accepted("b.stop", "v-b.stop"))
    desk.take(no_room(make, "b.target1"))
    for _ in range(2 * PARTS_MAX):
        venue.enters("5")
        venue.settle()
    assert (len([key for key in desk.works() if ".stop" in key]), venue.total("stop")) == (PARTS_MAX, 50)
    assert sent(desk, "target") == ["b.target1"]
    desk.follow(after(make, ROOM))
    venue.settle()
    assert (venue.total("stop"), venue.total("target1")) == (50, 50)


def test_a_step_of_the_schedule_is_taken_while_it_waits_and_both_wake_the_list(make: Any) -> None:
    give_up = TimedStep(action=TimedAction.CANCEL_ENTRY, after_seconds=50)
    desk = entered(make, "40", timed=(give_up,)).desk
    desk.take(no_room(make, "b.stop"))
    assert desk.wakes["b"].due == after(make, 50), "what comes first"
    fired = desk.wakes["b"]
    again = decide_timer(desk.state, fired, after(make, 50))
    assert [timer.due for timer in again.timers] == [after(make, ROOM)]
    desk.follow(after(make, 50))
    assert desk.works()["b.entry"] == "60*"
    desk.follow(after(make, ROOM))
    assert desk.works()["b.stop-2"] == "40"


def test_the_next_process_waits_for_the_same_time(make: Any) -> None:
    desk = entered(make).desk
    desk.take(no_room(make, "b.stop"))
    again = desk.restart()
    assert schedule.wakes(again.state) == [desk.wakes["b"]]
    again.follow(after(make, ROOM - 1))
    assert (sent(again, "stop"), len(told(make, again))) == (["b.stop"], 1)
    again.follow(after(make, ROOM))
    assert again.works()["b.stop-2"] == "100"
    assert again.restart().follow(after(make, ROOM)) == []


def test_a_list_that_waits_and_of_which_nothing_works_is_not_over(make: Any) -> None:
    stop = make.leg("stop", stop_price=Decimal(9))
    entry = make.leg("entry", "BUY", "MARKET", quantity=Decimal(100))
    venue = Answers(make)
    desk = venue.desk = make.desk().run(make.order_list("b", "OTO", entry, stop), make.accepted("b.entry"))
    venue.enters("100")
    desk.take(no_room(make, "b.stop"))
    assert (desk.works(), list(desk.state.lists_over), list(desk.state.lists_timed)) == ({}, [], ["b"])
    desk.follow(after(make, ROOM))
    assert desk.works() == {"b.stop-2": "100"}
    assert stop.order_type in STOPS


def test_what_is_withdrawn_meanwhile_is_not_sent(make: Any) -> None:
    desk = entered(make).desk
    desk.take(no_room(make, "b.stop"))
    desk.run(make.cancel("b"), canceled(make, "b.target1", "1"))
    desk.follow(after(make, ROOM))
    assert (desk.works(), list(desk.state.lists_over), sent(desk, "stop")) == ({}, ["b"], ["b.stop"])


def test_what_closes_at_the_market_waits_for_nothing(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset())
    venue = entered(make)
    desk = venue.desk
    for order_id in ("b.stop", "b.stop-2"):
        desk.take(rejected(make, order_id))
    venue.answer()
    desk.take(no_room(make, "b.flatten"))
    assert desk.works()["b.flatten-2"] == "100"


def test_who_waits_for_two_refusals_waits_for_the_later_one(make: Any) -> None:
    venue = entered(make, "40")
    desk = venue.desk
    venue.enters("60")
    desk.run(no_room(make, "b.stop"), no_room(make, "b.stop-2", ROOM / 2))
    desk.follow(after(make, ROOM - 1))
    assert sent(desk, "stop") == ["b.stop", "b.stop-2"]
    desk.follow(after(make, ROOM))
    assert (desk.works()["b.stop-3"], desk.works()["b.stop-4"]) == ("40", "60")


def test_of_two_legs_that_wait_the_one_that_is_first_wakes_the_list(make: Any) -> None:
    desk = entered(make).desk
    desk.take(no_room(make, "b.target1", 2 * ROOM))
    desk.take(no_room(make, "b.stop"))
    assert desk.wakes["b"].due == after(make, ROOM)
    desk.follow(after(make, ROOM))
    assert (sent(desk, "stop"), sent(desk, "target")) == (["b.stop", "b.stop-2"], ["b.target1"])
    assert desk.wakes["b"].due == after(make, 2 * ROOM)


def test_what_was_waited_for_is_waited_for_no_more(make: Any) -> None:
    desk = entered(make).desk
    desk.take(no_room(make, "b.stop"))
    desk.follow(after(make, ROOM))
    assert (desk.state.lists["b"].timed.waits_until, list(desk.state.lists_timed)) == (None, [])


def test_a_stop_that_ends_unasked_is_lost_although_a_change_of_it_found_no_room(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    venue.enters("10")
    no_room_to_change(make, venue.desk, "b.stop-4")
    venue.desk.take(canceled(make, "b.stop-4"))
    assert alarms(venue.desk) == [("b.stop-4", ListAction.RETRY)]


def test_a_change_that_finds_no_room_again_and_again_makes_an_exit_of_its_own(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
    venue.settle()
    desk = venue.desk
    venue.enters("10")
    venue.change("b.target1-4")
    for number in range(waiting.REFUSALS_MAX + 1):
        answered(make, desk, "b.stop-4", refused=True, room_at=after(make, number + 1))
        desk.follow(after(make, number + 1))
    assert (desk.works()["b.stop-5"], venue.total("stop")) == ("10", 50)


def test_a_part_has_its_own_exits_while_those_of_the_one_before_wait(make: Any) -> None:
    venue = Answers(make)
    for _ in range(PARTS_MAX):
        venue.enters("10")
        venue.answer() if venue.number < PARTS_MAX else None
    desk = venue.desk
    desk.take(no_room(make, f"b.stop-{PARTS_MAX}"))
    venue.settle()
    venue.enters("10")
    venue.settle()
    desk.follow(after(make, ROOM))
    venue.settle()
    desk.follow(after(make, ROOM))
    venue.settle()
    assert (venue.total("stop"), venue.total("target1"), alarms(desk)) == (50, 50, [])


def test_a_stop_that_the_schedule_moves_is_moved_once_there_is_room(make: Any) -> None:
    break_even = TimedStep(action=TimedAction.BREAK_EVEN, after_seconds=10)
    venue = entered(make, timed=(break_even,))
    desk = venue.desk
    venue.settle()
    desk.follow(after(make, 20))
    assert desk.state.orders["b.stop"].change.order.stop_price == 10
    no_room_to_change(make, desk, "b.stop")
    assert (told(make, desk), alarms(desk)) == ([("stop", "b.stop", ROOM)], [])
    desk.follow(after(make, ROOM - 1))
    assert desk.state.orders["b.stop"].change is None
    desk.follow(after(make, ROOM))
    assert desk.state.orders["b.stop"].change.order.stop_price == 10
    venue.settle()
    assert (desk.state.orders["b.stop"].order.stop_price, alarms(desk)) == (10, [])


def test_the_next_step_of_the_schedule_wakes_a_list_no_later_than_what_it_waits_for(make: Any) -> None:
    steps = [TimedStep(action=TimedAction.CANCEL_ENTRY, after_seconds=50)]
    steps.append(TimedStep(action=TimedAction.CLOSE_POSITION, after_seconds=2 * ROOM))
    desk = entered(make, "40", timed=tuple(steps)).desk
    desk.take(no_room(make, "b.stop"))
    desk.follow(after(make, 50))
    assert desk.wakes["b"].due == after(make, ROOM)

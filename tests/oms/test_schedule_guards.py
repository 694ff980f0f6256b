"""What a schedule looks at before it does something: each look was deleted once, and a test failed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from oms import attaching, following, lists, schedule
from oms.list_standing import Standing, standing
from oms.outcome import NOTHING
from oms.step import wake_due
from signalbox.messages import (
    ListStepTaken,
    ModifyOrder,
    OrderStatus,
    RefusedBy,
    Side,
    StepResult,
    TimedAction,
    TimedStep,
    VenueCancelRejected,
    VenueRejected,
)
from signalbox.order_lists import plan_of

from .conftest import RULES
from .list_reports import alarms, answered, canceled, rejected

BREAK_EVEN = TimedStep(action=TimedAction.BREAK_EVEN, after_seconds=10)
ROOM = 100


@pytest.fixture(autouse=True)
def keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset())
    monkeypatch.setattr(attaching, "ATTACHING", frozenset())


def move(after_seconds: int, price: str) -> TimedStep:
    return TimedStep(action=TimedAction.MOVE_STOP, after_seconds=after_seconds, stop_price=Decimal(price))


def after(make: Any, seconds: float) -> Any:
    """So long after the entry's first fill."""
    return make.at + timedelta(seconds=2 + seconds)


def bought(make: Any, *steps: TimedStep, quantity: str = "100", **fields: Any) -> Any:
    desk = make.desk().run(make.bracket(timed=steps, **fields), make.accepted("b.entry"))
    desk.take(make.fill(quantity, order_id="b.entry", execution_id="in1"))
    return desk


def without_its_stop(make: Any, *steps: TimedStep) -> Any:
    """A bracket whose stop waits for room at its venue."""
    desk = bought(make, *steps)
    by, room_at = RefusedBy.GATEWAY, after(make, ROOM)
    desk.take(make.report(VenueRejected, "b.stop", code="", reason="20", refused_by=by, room_at=room_at))
    return desk


def steps_taken(desk: Any) -> list[ListStepTaken]:
    return [event for event in desk.log if isinstance(event, ListStepTaken)]


def test_a_list_that_is_here_for_one_message_alone_is_not_awaited_and_takes_no_step(make: Any) -> None:
    desk = bought(make, BREAK_EVEN)
    known = desk.state.lists["b"]
    plan = plan_of(known.intent)
    now, recalled = standing(desk.state, known, plan), replace(known, is_recalled=True)
    assert schedule.is_awaited(known, now)
    assert not schedule.is_awaited(recalled, now)
    assert schedule.take_step(desk.state, known, plan, now, after(make, 20)) is not NOTHING
    assert schedule.take_step(desk.state, recalled, plan, now, after(make, 20)) is NOTHING


def test_a_list_that_has_not_begun_holds_nothing_and_is_not_awaited(make: Any) -> None:
    at = TimedStep(action=TimedAction.BREAK_EVEN, at=make.at + timedelta(hours=1))
    known = bought(make, at).state.lists["b"]
    assert not schedule.is_awaited(known, Standing(None, ()))


def test_a_stop_that_is_not_there_yet_is_sent_where_it_was_moved_to_meanwhile(make: Any) -> None:
    desk = without_its_stop(make, BREAK_EVEN)
    desk.follow(after(make, 20))
    assert [(event.result, event.orders) for event in steps_taken(desk)] == [(StepResult.DONE, ())]
    desk.follow(after(make, ROOM))
    assert desk.state.orders["b.stop-2"].order.stop_price == 10


def test_a_stop_that_is_not_there_yet_is_not_loosened_either(make: Any) -> None:
    desk = without_its_stop(make, move(10, "9.8"), move(20, "9.5"))
    desk.follow(after(make, 30))
    assert [event.result for event in steps_taken(desk)] == [StepResult.DONE, StepResult.SKIPPED]
    desk.follow(after(make, ROOM))
    assert desk.state.orders["b.stop-2"].order.stop_price == Decimal("9.8")


def test_what_somebody_has_withdrawn_is_not_moved(make: Any) -> None:
    desk = bought(make, BREAK_EVEN, quantity="60").run(make.accepted("b.stop", "9002"))
    desk.run(make.cancel("b"), make.fill("20", order_id="b.entry", execution_id="late"))
    desk.run(make.accepted("b.stop-2", "9003"))
    assert desk.works()["b.stop"] == "60*"
    desk.follow(after(make, 20))
    assert [event.orders for event in steps_taken(desk)] == [("b.stop-2",)]


def test_a_policy_closes_what_its_stop_was_for_whatever_else_the_account_holds(make: Any) -> None:
    """That it closes no more than is held is the schedule's own care."""
    desk = bought(make).run(make.approved("own", 7, side=Side.SELL))
    desk.run(make.fill("60", order_id="own", execution_id="x", side=Side.SELL))
    desk.run(rejected(make, "b.stop"), rejected(make, "b.stop-2"), canceled(make, "b.target1"))
    assert desk.works()["b.flatten"] == "100"


def test_what_is_not_held_any_more_is_told_once_what_is_held_is_closed(make: Any) -> None:
    close = TimedStep(action=TimedAction.CLOSE_POSITION, after_seconds=10)
    desk = bought(make, close).run(make.approved("own", 7, side=Side.SELL))
    desk.run(make.fill("60", order_id="own", execution_id="x", side=Side.SELL))
    desk.follow(after(make, 20))
    desk.run(canceled(make, "b.stop"), canceled(make, "b.target1"))
    assert (desk.works()["b.flatten"], alarms(desk)) == ("40", [])
    desk.run(make.fill("40", order_id="b.flatten", execution_id="out", side=Side.SELL))
    assert [about for about, _ in alarms(desk)] == ["b/closing"]


def commands(desk: Any, kind: type[Any]) -> list[Any]:
    return [command for command in desk.commands.values() if isinstance(command, kind)]


def test_nothing_follows_of_a_list_that_is_here_for_one_message_alone(make: Any) -> None:
    desk = bought(make, BREAK_EVEN)
    desk.follow(after(make, 20))  # the venue has not taken the stop yet
    desk.state.orders["b.stop"] = replace(desk.state.orders["b.stop"], status=OrderStatus.NEW, acknowledged=True)
    known = desk.state.lists["b"]
    plan = plan_of(known.intent)
    now = standing(desk.state, known, plan)
    asked = (plan, now, after(make, 20), RULES)
    assert following.follow_stop(desk.state, known, *asked) is not NOTHING
    assert following.follow_stop(desk.state, replace(known, is_recalled=True), *asked) is NOTHING


def test_a_stop_that_somebody_wants_cancelled_does_not_follow(make: Any) -> None:
    desk = bought(make, BREAK_EVEN)
    desk.follow(after(make, 20))
    desk.run(make.cancel("b"))
    for number in range(lists.CANCELS_MAX + 1):
        desk.run(make.report(VenueCancelRejected, "b.stop", str(number), code="1", reason="no"))
    desk.run(make.accepted("b.stop", "9002"))
    assert not desk.state.orders["b.stop"].is_final
    assert commands(desk, ModifyOrder) == []


def test_a_step_that_is_skipped_leaves_everything_as_it_is(make: Any) -> None:
    desk = bought(make, move(10, "8"), quantity="60")
    desk.follow(after(make, 20))
    assert [event.result for event in steps_taken(desk)] == [StepResult.SKIPPED]
    assert desk.works() == {"b.entry": "40", "b.stop": "60", "b.target1": "60"}


def test_what_is_being_closed_goes_on_being_closed_whatever_step_comes_then(make: Any) -> None:
    close = TimedStep(action=TimedAction.CLOSE_POSITION, after_seconds=10)
    give_up = TimedStep(action=TimedAction.CANCEL_ENTRY, after_seconds=60)
    desk = bought(make, close, give_up, quantity="60")
    desk.follow(after(make, 20))
    desk.follow(after(make, 70))
    assert [event.action for event in steps_taken(desk)] == [TimedAction.CLOSE_POSITION, TimedAction.CANCEL_ENTRY]
    desk.run(*(canceled(make, name) for name in ("b.entry", "b.stop", "b.target1")))
    assert desk.works() == {"b.flatten": "60"}


def test_a_list_is_looked_at_when_something_is_due_and_not_before(make: Any) -> None:
    desk = bought(make, BREAK_EVEN)
    wake_due(desk.state, after(make, 9))
    assert desk.state.lists_awake == {}
    wake_due(desk.state, after(make, 10))
    assert list(desk.state.lists_awake) == ["b"]


def test_of_the_stops_those_alone_follow_that_are_looser(make: Any) -> None:
    desk = bought(make, move(10, "9.5"), quantity="60")
    desk.take(make.fill("40", order_id="b.entry", execution_id="in2"))
    desk.run(make.accepted("b.stop", "9002"), make.accepted("b.stop-2", "9003"))
    desk.run(make.modify("b.stop", stop_price=Decimal("9.9")))
    answered(make, desk, "b.stop")
    desk.follow(after(make, 20))
    assert [event.orders for event in steps_taken(desk)] == [("b.stop-2",)]

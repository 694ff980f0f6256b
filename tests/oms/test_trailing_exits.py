"""A list's stop that trails, from the first or from a stated time on: it protects as any, and is never made looser."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from oms import attaching, lists
from oms.checkpoint import StateLoader, capture
from oms.state import Keep
from signalbox.messages import (
    ListAlarmed,
    ListStepTaken,
    ModifyOrder,
    OrderType,
    Side,
    StepResult,
    SubmitOrder,
    TimedAction,
    TimedStep,
    VenueReplaced,
    VenueReplaceRejected,
)

from .test_schedule import BREAK_EVEN, HALF_AN_HOUR, after, begun, canceled, commands, held, move, steps, wake

PERCENT_2 = TimedStep(action=TimedAction.TRAIL_STOP, after_seconds=HALF_AN_HOUR, trail_percent=Decimal(2))
TRAIL = {"order_type": "TRAILING_STOP", "trail_percent": Decimal(2)}


@pytest.fixture(autouse=True)
def keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset())
    monkeypatch.setattr(attaching, "ATTACHING", frozenset())


def with_trail(make: Any, quantity: str = "100", **fields: Any) -> Any:
    entry = make.leg("entry", "BUY", "MARKET", quantity=Decimal(quantity))
    target = make.leg("target1", order_type="LIMIT", limit_price=Decimal(11))
    return make.order_list("b", "BRACKET", entry, make.leg("stop", **TRAIL | fields.pop("stop", {})), target, **fields)


def order_of(desk: Any, order_id: str) -> Any:
    return desk.state.orders[order_id].order


def asked(desk: Any) -> list[tuple[str, Any]]:
    """Which orders were asked to trail, how far behind and from where."""
    return [
        (each.order_id, (each.order.order_type, each.order.trail_percent, each.order.trail_stop_price))
        for each in commands(desk, ModifyOrder)
    ]


def replaced(make: Any, desk: Any, order_id: str = "b.stop", revision: int = 1, quantity: int = 100) -> Any:
    number = desk.state.orders[order_id].venue_order_id
    fields = {"venue_order_id": number, "revision": revision, "quantity": Decimal(quantity)}
    return desk.run(make.report(VenueReplaced, order_id, str(revision), **fields))


def refused(make: Any, revision: int = 1) -> Any:
    return make.report(VenueReplaceRejected, "b.stop", str(revision), code="329", reason="no", revision=revision)


# ------------------------------------------------------------------------------------------ a stop that trails at once


def test_the_stop_of_a_bracket_trails_for_what_has_filled(make: Any) -> None:
    desk = make.desk().run(with_trail(make), make.accepted("b.entry"))
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    stop = order_of(desk, "b.stop")
    assert (stop.order_type, stop.trail_percent, stop.stop_price) == (OrderType.TRAILING_STOP, 2, None)
    assert desk.works() == {"b.entry": "70", "b.stop": "30", "b.target1": "30"}
    desk.take(make.fill("70", order_id="b.entry", execution_id="in2"))
    assert (desk.works()["b.stop-2"], order_of(desk, "b.stop-2").trail_percent) == ("70", 2)


def test_it_protects_as_a_stop_does_and_its_absence_is_measured(make: Any) -> None:
    desk = make.desk().run(with_trail(make), make.accepted("b.entry"))
    desk.take(make.fill("100", order_id="b.entry", execution_id="in1"))
    assert desk.state.lists["b"].unprotected_since is not None
    desk.run(make.accepted("b.stop", "9002", seconds=12))
    known = desk.state.lists["b"]
    assert (known.unprotected_since, known.unprotected_seconds > 0) == (None, True)
    desk.take(make.fill("100", "9", order_id="b.stop", execution_id="out", side=Side.SELL))
    assert desk.works() == {"b.target1": "100*"}


def test_one_that_is_refused_twice_is_a_stop_that_is_refused_twice(make: Any) -> None:
    desk = make.desk().run(with_trail(make), make.accepted("b.entry"))
    desk.take(make.fill("100", order_id="b.entry", execution_id="in1"))
    desk.run(canceled(make, "b.stop"), canceled(make, "b.stop-2"), canceled(make, "b.target1"))
    assert [event.action for event in desk.log if isinstance(event, ListAlarmed)] == ["RETRY", "FLATTEN"]
    assert desk.works() == {"b.flatten": "100"}


def test_it_leaves_with_its_entry_where_the_venue_attaches(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attaching, "ATTACHING", frozenset({"ibkr"}))
    desk = make.desk().run(with_trail(make))
    (command,) = commands(desk, SubmitOrder)
    assert [(each.order_id, each.order_type) for each in command.attached] == [
        ("b.target1", "LIMIT"),
        ("b.stop", "TRAILING_STOP"),
    ]
    for name, number in (("entry", "9001"), ("target1", "9002"), ("stop", "9003")):
        desk.run(make.accepted(f"b.{name}", number))
    desk.take(make.fill("40", order_id="b.entry", execution_id="in1"))
    sizes = {each.order_id: (each.order.quantity, each.order.trail_percent) for each in commands(desk, ModifyOrder)}
    assert sizes["b.stop"] == (40, 2)


# --------------------------------------------------------------------------------------------- a stop that becomes one


def test_a_stop_becomes_one_that_trails_from_where_it_lies(make: Any) -> None:
    desk = wake(make, held(make, PERCENT_2), HALF_AN_HOUR)
    assert (steps(desk), asked(desk)) == ([(1, StepResult.DONE)], [("b.stop", ("TRAILING_STOP", 2, 9))])
    (change,) = commands(desk, ModifyOrder)
    assert (change.order.stop_price, change.order.quantity) == (None, 100)
    replaced(make, desk)
    stop = order_of(desk, "b.stop")
    assert (stop.order_type, stop.trail_percent, stop.stop_price) == (OrderType.TRAILING_STOP, 2, None)
    desk.follow(after(make, HALF_AN_HOUR + 600))
    assert (len(asked(desk)), desk.works()) == (1, {"b.stop": "100", "b.target1": "100"})
    told = next(event for event in desk.log if isinstance(event, ListStepTaken))
    assert told.reason == "the stop of stop trails 2 % behind the market"


def test_it_trails_from_where_a_step_or_a_person_has_moved_it(make: Any) -> None:
    desk = held(make, move(60, "9.5"), PERCENT_2)
    wake(make, desk, 60)
    report = make.report(
        VenueReplaced,
        "b.stop",
        "1",
        venue_order_id="9002",
        revision=1,
        quantity=Decimal(100),
        stop_price=Decimal("9.5"),
    )
    wake(make, desk.run(report), HALF_AN_HOUR)
    assert asked(desk)[-1] == ("b.stop", ("TRAILING_STOP", 2, Decimal("9.5")))


def test_what_is_sent_later_trails_too_from_where_the_stop_was(make: Any) -> None:
    desk = begun(make, PERCENT_2)
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    wake(make, desk.run(make.accepted("b.stop", "9002")), HALF_AN_HOUR)
    replaced(make, desk, quantity=30)
    desk.take(make.fill("70", "10.2", order_id="b.entry", execution_id="in2"))
    later = order_of(desk, "b.stop-2")
    assert (later.order_type, later.trail_percent, later.trail_stop_price, later.stop_price) == (
        "TRAILING_STOP", 2, 9, None,
    )  # fmt: skip


def test_a_venue_that_can_not_leaves_the_stop_and_it_is_told_once(make: Any) -> None:
    desk = wake(make, held(make, PERCENT_2), HALF_AN_HOUR)
    desk.run(refused(make))
    desk.follow(after(make, HALF_AN_HOUR + 60))
    desk.run(make.accepted("b.target1", "9003"))
    alarms = [event.reason for event in desk.log if isinstance(event, ListAlarmed)]
    assert alarms == ["the stop of b.stop was not made to trail 2 % behind the market: it stays at 9"]
    assert (len(asked(desk)), desk.works()["b.stop"]) == (1, "100")
    assert order_of(desk, "b.stop").order_type is OrderType.STOP


def test_a_stop_that_trails_is_moved_by_no_step(make: Any) -> None:
    desk = wake(make, held(make, PERCENT_2, replace(BREAK_EVEN, after_seconds=3_600)), HALF_AN_HOUR)
    wake(make, replaced(make, desk), 3_600)
    assert steps(desk) == [(1, StepResult.DONE), (2, StepResult.SKIPPED)]
    assert len(asked(desk)) == 1
    assert "trails, and where it is only its venue knows" in desk.log[-1].reason


@pytest.mark.parametrize(
    ("second", "result"),
    [
        ({"trail_percent": Decimal(1)}, StepResult.DONE),
        ({"trail_percent": Decimal(2)}, StepResult.SKIPPED),
        ({"trail_percent": Decimal(3)}, StepResult.SKIPPED),
        ({"trail_percent": None, "trail_amount": Decimal("0.01")}, StepResult.SKIPPED),
    ],
)
def test_it_is_made_to_trail_closer_and_never_farther(make: Any, second: dict[str, Any], result: StepResult) -> None:
    desk = wake(make, held(make, PERCENT_2, replace(PERCENT_2, after_seconds=3_600, **second)), HALF_AN_HOUR)
    wake(make, replaced(make, desk), 3_600)
    assert steps(desk) == [(1, StepResult.DONE), (2, result)]
    assert len(asked(desk)) == (2 if result is StepResult.DONE else 1)


def test_a_process_that_dies_anywhere_makes_it_trail_once(make: Any) -> None:
    for lines in range(12):
        desk = held(make, PERCENT_2)
        fired = desk.wakes["b"]
        desk.lines_left = lines
        try:
            desk.take(fired, after(make, HALF_AN_HOUR))
        except make.died:
            desk.lines_left = None
            desk = desk.restart()
            desk.follow(after(make, HALF_AN_HOUR + 60))
            desk.take(fired, after(make, HALF_AN_HOUR + 60))
        assert (steps(desk), len(asked(desk))) == ([(1, StepResult.DONE)], 1), lines


def test_a_checkpoint_knows_that_it_trails(make: Any) -> None:
    desk = wake(make, held(make, PERCENT_2), HALF_AN_HOUR)
    loader = StateLoader(Keep())
    for frame in capture(desk.state)[1]:
        loader.take(bytes(frame))
    loader.finish()
    assert loader.state.lists == desk.state.lists
    assert loader.state.lists["b"].timed.trailing == (("stop", 1),)

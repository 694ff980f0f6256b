"""What a list does at times of its own: each step once, whenever somebody looks, and never to loosen what protects."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oms import attaching, lists, schedule
from oms.checkpoint import StateLoader, capture
from oms.state import Keep
from signalbox.messages import (
    CancelOrder,
    ListAlarmed,
    ListScheduled,
    ListStepTaken,
    ModifyOrder,
    OffsetUnit,
    PriceOffset,
    Side,
    StepResult,
    TimedAction,
    TimedStep,
    TimerFired,
    VenueCanceled,
    VenueReplaced,
    VenueReplaceRejected,
)

HALF_AN_HOUR = 1_800
BREAK_EVEN = TimedStep(action=TimedAction.BREAK_EVEN, after_seconds=HALF_AN_HOUR)
HOLD = TimedStep(action=TimedAction.CLOSE_POSITION, after_seconds=86_400)
GIVE_UP = TimedStep(action=TimedAction.CANCEL_ENTRY, after_seconds=600)


@pytest.fixture(autouse=True)
def keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset())
    monkeypatch.setattr(attaching, "ATTACHING", frozenset())


def move(after_seconds: int, price: str) -> TimedStep:
    return TimedStep(action=TimedAction.MOVE_STOP, after_seconds=after_seconds, stop_price=Decimal(price))


def begun(make: Any, *steps: TimedStep, **fields: Any) -> Any:
    return make.desk().run(make.bracket(timed=steps, **fields), make.accepted("b.entry"))


def held(make: Any, *steps: TimedStep, price: str = "10") -> Any:
    """A bracket of 100 whose entry has filled 2 s after 15:00, and whose exits stand at the venue."""
    desk = begun(make, *steps)
    desk.take(make.fill("100", price, order_id="b.entry", execution_id="in1"))
    return desk.run(make.accepted("b.stop", "9002"), make.accepted("b.target1", "9003"))


def after(make: Any, seconds: float) -> datetime:
    """So long after the entry's first fill."""
    at: datetime = make.at + timedelta(seconds=2 + seconds)
    return at


def wake(make: Any, desk: Any, seconds: float) -> Any:
    """The timer of the list fires then."""
    at = after(make, seconds)
    desk.take(TimerFired(id="timer/b", at=at, due=desk.wakes["b"].due, order_id="b"), at)
    return desk


def moved(make: Any, desk: Any, price: str, revision: int = 1, quantity: int = 100) -> Any:
    return desk.run(
        make.report(
            VenueReplaced,
            "b.stop",
            str(revision),
            venue_order_id="9002",
            revision=revision,
            quantity=Decimal(quantity),
            stop_price=Decimal(price),
        )
    )


def canceled(make: Any, order_id: str) -> Any:
    return make.report(VenueCanceled, order_id, reason="cancelled as asked")


def commands(desk: Any, kind: type[Any]) -> list[Any]:
    return [command for command in desk.commands.values() if isinstance(command, kind)]


def steps(desk: Any) -> list[tuple[int, StepResult]]:
    return [(event.step, event.result) for event in desk.log if isinstance(event, ListStepTaken)]


def asked(desk: Any) -> list[tuple[str, str]]:
    """Which orders were asked to have their stop elsewhere, and where."""
    return [(command.order_id, f"{command.order.stop_price:f}") for command in commands(desk, ModifyOrder)]


# ------------------------------------------------------------------------------------------------------ the wake-up


def test_a_timer_is_set_for_the_next_step_once_the_entry_has_filled(make: Any) -> None:
    desk = begun(make, BREAK_EVEN, HOLD)
    assert desk.wakes == {}
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    assert desk.wakes["b"].due == after(make, HALF_AN_HOUR)
    desk.take(make.fill("70", order_id="b.entry", execution_id="in2", seconds=500))
    assert desk.wakes["b"].due == after(make, HALF_AN_HOUR), "it counts from the first fill"
    assert [event.step for event in desk.log if isinstance(event, ListScheduled)] == [1]
    wake(make, desk, HALF_AN_HOUR)
    assert desk.wakes["b"].due == after(make, 86_400)


def test_a_timer_that_fires_early_is_set_again(make: Any) -> None:
    desk = held(make, BREAK_EVEN)
    before = dict(desk.wakes)
    fired = desk.wakes.pop("b")
    desk.take(fired, after(make, HALF_AN_HOUR - 1))
    assert (desk.wakes, steps(desk)) == (before, [])


def test_a_step_is_taken_once_however_often_it_is_woken(make: Any) -> None:
    desk = held(make, BREAK_EVEN)
    fired = desk.wakes["b"]
    for seconds in (HALF_AN_HOUR, HALF_AN_HOUR, 5 * HALF_AN_HOUR):
        desk.take(fired, after(make, seconds))
    assert (steps(desk), asked(desk)) == ([(1, StepResult.DONE)], [("b.stop", "10")])


def test_any_message_that_comes_after_the_time_takes_the_step(make: Any) -> None:
    desk = held(make, BREAK_EVEN)
    desk.take(make.accepted("b.target1", "9003"), after(make, HALF_AN_HOUR))
    assert asked(desk) == [("b.stop", "10")]


def test_the_next_process_does_what_was_slept_over_at_once(make: Any) -> None:
    desk = held(make, BREAK_EVEN, HOLD).restart()
    desk.follow(after(make, 90_000))
    assert steps(desk) == [(1, StepResult.DONE), (2, StepResult.DONE)]


def test_the_next_process_sets_its_timers_again(make: Any) -> None:
    desk = held(make, BREAK_EVEN)
    assert schedule.wakes(desk.restart().state) == [desk.wakes["b"]]
    over = wake(make, desk, HALF_AN_HOUR)
    assert schedule.wakes(over.restart().state) == []


def test_a_checkpoint_has_the_schedule(make: Any) -> None:
    desk = held(make, BREAK_EVEN, HOLD)
    loader = StateLoader(Keep())
    for frame in capture(desk.state)[1]:
        loader.take(bytes(frame))
    loader.finish()
    assert loader.state.lists == desk.state.lists
    assert loader.state.lists_timed == desk.state.lists_timed == {"b": None}
    wake(make, desk, HALF_AN_HOUR)


def test_a_process_that_dies_anywhere_at_the_wake_up_moves_the_stop_once(make: Any) -> None:
    for lines in range(12):
        desk = held(make, BREAK_EVEN)
        fired = desk.wakes["b"]
        desk.lines_left = lines
        try:
            desk.take(fired, after(make, HALF_AN_HOUR))
        except make.died:
            desk.lines_left = None
            desk = desk.restart()
            desk.follow(after(make, HALF_AN_HOUR + 60))
            desk.take(fired, after(make, HALF_AN_HOUR + 60))
        assert (steps(desk), asked(desk)) == ([(1, StepResult.DONE)], [("b.stop", "10")]), lines


# ------------------------------------------------------------------------------------------------- the stop is moved


def test_the_stop_goes_to_the_average_of_what_the_entry_has_filled(make: Any) -> None:
    desk = begun(make, BREAK_EVEN)
    desk.take(make.fill("50", "10", order_id="b.entry", execution_id="1"))
    desk.take(make.fill("50", "10.01", order_id="b.entry", execution_id="2"))
    stops = [make.accepted(name, number) for name, number in (("b.stop", "9002"), ("b.stop-2", "9003"))]
    wake(make, desk.run(*stops), HALF_AN_HOUR)
    assert asked(desk) == [("b.stop", "10.01"), ("b.stop-2", "10.01")], "10.005, to the tick that gives away less"


@pytest.mark.parametrize(
    ("amount", "unit", "price"), [("5", "TICKS", "10.05"), ("0.5", "R", "10.5"), ("1", "PERCENT", "10.1")]
)
def test_it_may_go_beyond_the_average(make: Any, amount: str, unit: str, price: str) -> None:
    step = TimedStep(
        action=TimedAction.BREAK_EVEN,
        after_seconds=60,
        offset=PriceOffset(amount=Decimal(amount), unit=OffsetUnit(unit)),
    )
    assert asked(wake(make, held(make, step), 60)) == [("b.stop", price)]


def test_a_step_that_would_loosen_the_stop_is_skipped_and_told(make: Any) -> None:
    desk = held(make, move(60, "9.9"), move(120, "9.5"))
    moved(make, wake(make, desk, 60), "9.9")
    wake(make, desk, 120)
    assert (steps(desk), asked(desk)) == ([(1, StepResult.DONE), (2, StepResult.SKIPPED)], [("b.stop", "9.9")])
    told = next(event for event in desk.log if isinstance(event, ListStepTaken) and event.step == 2)
    assert told.reason == "the stop of stop is at 9.9: to move it to 9.5 would not tighten it"


def test_a_stop_that_a_person_has_moved_farther_stays_there(make: Any) -> None:
    desk = held(make, BREAK_EVEN).run(make.modify("b.stop", stop_price=Decimal("10.5")))
    moved(make, desk, "10.5")
    wake(make, desk, HALF_AN_HOUR)
    assert steps(desk) == [(1, StepResult.SKIPPED)]


def test_a_step_that_would_loosen_a_stop_that_works_no_more_is_skipped(make: Any) -> None:
    looser = PriceOffset(amount=Decimal(-200), unit=OffsetUnit.TICKS)
    desk = held(make, TimedStep(action=TimedAction.MOVE_STOP, after_seconds=60, offset=looser))
    desk.run(make.cancel("b.stop"), canceled(make, "b.stop"))
    assert steps(wake(make, desk, 60)) == [(1, StepResult.SKIPPED)]


def test_what_is_sent_later_keeps_what_a_person_has_tightened_since(make: Any) -> None:
    desk = begun(make, BREAK_EVEN)
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    moved(make, wake(make, desk.run(make.accepted("b.stop", "9002")), HALF_AN_HOUR), "10", quantity=30)
    moved(make, desk.run(make.modify("b.stop", stop_price=Decimal("10.5"))), "10.5", revision=2, quantity=30)
    desk.take(make.fill("70", "10.2", order_id="b.entry", execution_id="in2"))
    assert desk.state.orders["b.stop-2"].order.stop_price == Decimal("10.5")


def test_a_stop_that_is_moved_is_for_what_its_target_has_left(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset({"ibkr"}))
    desk = held(make, BREAK_EVEN)
    desk.take(make.fill("40", "11", order_id="b.target1", execution_id="out", side=Side.SELL))
    wake(make, desk, HALF_AN_HOUR)
    (change,) = commands(desk, ModifyOrder)
    assert (change.order.stop_price, change.order.quantity) == (10, 60)


def test_a_person_may_loosen_what_the_schedule_has_tightened(make: Any) -> None:
    desk = moved(make, wake(make, held(make, BREAK_EVEN), HALF_AN_HOUR), "10")
    desk.run(make.modify("b.stop", stop_price=Decimal("9.5")))
    moved(make, desk, "9.5", revision=2)
    desk.follow(after(make, HALF_AN_HOUR + 60))
    assert asked(desk) == [("b.stop", "10"), ("b.stop", "9.5")]
    assert not [event for event in desk.log if isinstance(event, ListAlarmed)]


def test_a_stop_that_the_venue_has_not_taken_yet_is_moved_once_it_has(make: Any) -> None:
    desk = begun(make, BREAK_EVEN)
    desk.take(make.fill("100", order_id="b.entry", execution_id="in1"))
    wake(make, desk, HALF_AN_HOUR)
    assert (steps(desk), asked(desk)) == ([(1, StepResult.DONE)], [])
    desk.run(make.accepted("b.stop", "9002"))
    assert asked(desk) == [("b.stop", "10")]


def test_a_move_that_the_venue_refuses_is_told_once_and_the_stop_stays(make: Any) -> None:
    desk = wake(make, held(make, BREAK_EVEN), HALF_AN_HOUR)
    desk.run(make.report(VenueReplaceRejected, "b.stop", "1", code="104", reason="too late", revision=1))
    desk.follow(after(make, HALF_AN_HOUR + 60))
    desk.run(make.accepted("b.target1", "9003"))
    alarms = [event.reason for event in desk.log if isinstance(event, ListAlarmed)]
    assert alarms == ["the stop of b.stop was not moved to 10: it stays at 9"]
    assert (asked(desk), desk.works()["b.stop"]) == ([("b.stop", "10")], "100")


def test_what_the_entry_fills_later_is_protected_where_the_stop_is_now(make: Any) -> None:
    desk = begun(make, BREAK_EVEN)
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    moved(make, wake(make, desk.run(make.accepted("b.stop", "9002")), HALF_AN_HOUR), "10", quantity=30)
    desk.take(make.fill("70", "10.2", order_id="b.entry", execution_id="in2"))
    assert desk.state.orders["b.stop-2"].order.stop_price == 10


def test_a_limit_behind_the_stop_moves_with_it(make: Any) -> None:
    entry = make.leg("entry", "BUY", "MARKET", quantity=Decimal(100))
    stop = make.leg("stop", order_type="STOP_LIMIT", stop_price=Decimal(9), limit_price=Decimal("8.8"))
    target = make.leg("target1", order_type="LIMIT", limit_price=Decimal(11))
    desk = make.desk().run(make.order_list("b", "BRACKET", entry, stop, target, timed=(BREAK_EVEN,)))
    desk.take(make.fill("100", order_id="b.entry", execution_id="in1"))
    wake(make, desk.run(make.accepted("b.stop", "9002")), HALF_AN_HOUR)
    (change,) = commands(desk, ModifyOrder)
    assert (change.order.stop_price, change.order.limit_price) == (10, Decimal("9.8"))


# --------------------------------------------------------------------------------------------------------- the end


def test_an_entry_that_has_not_filled_by_then_is_cancelled(make: Any) -> None:
    desk = begun(make, GIVE_UP)
    assert desk.wakes["b"].due == make.at + timedelta(seconds=600), "it counts from the list's beginning"
    wake(make, desk, 598)
    assert [command.order_id for command in commands(desk, CancelOrder)] == ["b.entry"]
    desk.run(canceled(make, "b.entry"))
    assert (desk.works(), list(desk.state.lists_over)) == ({}, ["b"])


def test_what_of_it_has_filled_by_then_keeps_its_exits(make: Any) -> None:
    desk = begun(make, GIVE_UP)
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    wake(make, desk, 598).run(canceled(make, "b.entry"))
    assert desk.works() == {"b.stop": "30", "b.target1": "30"}


def test_an_entry_that_has_filled_is_not_cancelled(make: Any) -> None:
    desk = held(make, GIVE_UP)
    desk.follow(after(make, 1_000))
    assert (steps(desk), commands(desk, CancelOrder)) == ([], [])


def test_a_position_is_closed_after_its_longest_holding_time(make: Any) -> None:
    desk = wake(make, held(make, HOLD), 86_400)
    assert desk.works() == {"b.stop": "100*", "b.target1": "100*"}
    desk.run(canceled(make, "b.stop"), canceled(make, "b.target1"))
    assert desk.works() == {"b.flatten": "100"}
    terms = desk.state.orders["b.flatten"].order
    assert (terms.order_type, terms.side, terms.reduce_only) == ("MARKET", "SELL", True)
    desk.run(make.fill("100", order_id="b.flatten", execution_id="out", side=Side.SELL))
    assert (desk.works(), list(desk.state.lists_over)) == ({}, ["b"])


def test_what_of_the_entry_works_then_goes_too_and_what_fills_of_it_is_closed(make: Any) -> None:
    desk = begun(make, HOLD)
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    wake(make, desk, 86_400)
    desk.run(canceled(make, "b.stop"), canceled(make, "b.target1"))
    assert desk.works() == {"b.entry": "70*", "b.flatten": "30"}
    desk.take(make.fill("5", order_id="b.entry", execution_id="late"))
    assert desk.works() == {"b.entry": "65*", "b.flatten": "30", "b.flatten-2": "5"}


def test_what_a_person_has_closed_is_not_sold_again(make: Any) -> None:
    desk = held(make, HOLD).run(make.cancel("b.stop"), make.cancel("b.target1", number=51))
    desk.run(canceled(make, "b.stop"), canceled(make, "b.target1"))
    assert "b" not in desk.state.lists_over, "its holding time goes on"
    desk.run(
        make.approved("own", 7, side=Side.SELL), make.fill("100", order_id="own", execution_id="x", side=Side.SELL)
    )
    wake(make, desk, 86_400)
    assert (steps(desk), desk.works(), list(desk.state.lists_over)) == ([(1, StepResult.SKIPPED)], {}, ["b"])


def test_no_more_is_closed_than_the_account_holds(make: Any) -> None:
    desk = held(make, HOLD)
    desk.run(make.approved("own", 7, side=Side.SELL), make.fill("60", order_id="own", execution_id="x", side=Side.SELL))
    wake(make, desk, 86_400).run(canceled(make, "b.stop"), canceled(make, "b.target1"))
    assert desk.works()["b.flatten"] == "40"


def test_no_more_is_closed_than_is_held_however_many_orders_close_it(make: Any) -> None:
    desk = begun(make, HOLD)
    for number in ("1", "2"):
        desk.take(make.fill("50", order_id="b.entry", execution_id=number))
    desk.run(make.approved("own", 7, side=Side.SELL), make.fill("60", order_id="own", execution_id="x", side=Side.SELL))
    wake(make, desk, 86_400)
    desk.run(*(canceled(make, f"b.{name}") for name in ("stop", "target1", "stop-2", "target1-2")))
    assert desk.works() == {"b.flatten": "40", "own": "40"}


def test_an_entry_that_never_filled_goes_at_the_end_of_its_time(make: Any) -> None:
    desk = begun(make, TimedStep(action=TimedAction.CLOSE_POSITION, at=make.at + timedelta(hours=1)))
    wake(make, desk, 3_598).run(canceled(make, "b.entry"))
    assert (steps(desk), desk.works(), list(desk.state.lists_over)) == ([(1, StepResult.DONE)], {}, ["b"])


def test_no_stop_is_moved_once_the_position_is_being_closed(make: Any) -> None:
    desk = wake(make, held(make, HOLD, move(90_000, "9.9")), 86_400)
    desk.follow(after(make, 90_000))
    assert steps(desk) == [(1, StepResult.DONE)]


def test_nothing_is_done_to_what_somebody_has_withdrawn(make: Any) -> None:
    desk = held(make, BREAK_EVEN, HOLD).run(make.cancel("b"))
    desk.run(canceled(make, "b.stop"), canceled(make, "b.target1"))
    desk.follow(after(make, 90_000))
    assert (steps(desk), desk.works(), desk.state.lists_timed) == ([], {}, {})


def test_nothing_is_done_once_the_exits_have_closed_it(make: Any) -> None:
    desk = held(make, BREAK_EVEN, HOLD)
    desk.run(make.fill("100", order_id="b.stop", execution_id="out", side=Side.SELL), canceled(make, "b.target1"))
    desk.follow(after(make, 90_000))
    assert (steps(desk), list(desk.state.lists_over), desk.state.lists_timed) == ([], ["b"], {})


# ------------------------------------------------------------------------------------------------------- any order

_STEPS = st.lists(
    st.sampled_from([BREAK_EVEN, move(60, "9.5"), move(60, "9.8"), move(HALF_AN_HOUR, "9.9"), GIVE_UP, HOLD]),
    max_size=4,
    unique=True,
)
_LOOKS = st.lists(st.sampled_from([0, 30, 60, 600, HALF_AN_HOUR, 86_400, 90_000]), max_size=6)


@given(_STEPS, _LOOKS, st.booleans(), st.booleans())
def test_the_schedule_is_kept_whenever_somebody_looks(
    make: Any, plan: list[TimedStep], looks: list[int], fills: bool, dies: bool
) -> None:
    desk = held(make, *plan) if fills else begun(make, *plan)
    tightest = Decimal(9)
    for seconds in sorted(looks):
        desk = desk.restart() if dies else desk
        at = after(make, seconds)
        desk.take(TimerFired(id="timer/b", at=at, due=at, order_id="b"), at)
        stop = desk.state.orders.get("b.stop")
        if stop is not None and stop.change is not None:
            assert stop.change.order.stop_price > tightest, "a step only tightens"
            tightest = stop.change.order.stop_price
            moved(make, desk, f"{tightest:f}", stop.change.revision)
    taken = [number for number, _ in steps(desk)]
    assert len(taken) == len(set(taken)), "each step once"
    late = max(looks, default=0)
    if fills:
        due = {number for number, step in enumerate(plan, 1) if step.after_seconds <= late and step is not GIVE_UP}
        assert set(taken) <= due
        assert set(taken) == due or late >= 86_400, "and each that was due"
    again = desk.restart()
    assert again.state.lists == desk.state.lists


@pytest.mark.parametrize("sold", ["60", "100"])
def test_what_is_bought_after_a_closing_is_nobody_elses(make: Any, sold: str) -> None:
    """Some of it was sold by hand: the list tells that, closes the rest, is over, and leaves later positions alone."""
    desk = held(make, HOLD)
    desk.run(make.approved("own", 7, side=Side.SELL))
    by_hand = make.fill(sold, order_id="own", execution_id="x", side=Side.SELL)
    if sold == "60":
        desk.run(by_hand)
    wake(make, desk, 86_400)
    if sold == "100":
        desk.run(by_hand)
    desk.run(canceled(make, "b.stop"), canceled(make, "b.target1"))
    if sold == "60":
        assert desk.works() == {"b.flatten": "40", "own": "40"}
        desk.run(make.fill("40", order_id="b.flatten", execution_id="out", side=Side.SELL))
    assert list(desk.state.lists_over) == ["b"]
    told = [event.reason for event in desk.log if isinstance(event, ListAlarmed)]
    assert told == [f"{sold} of what was to be closed is not held any more: it was closed in another way"]
    desk.run(make.approved("fresh", 8), make.fill("50", order_id="fresh", execution_id="y"))
    again = desk.restart()
    assert again.follow(after(make, 90_000)) == []
    assert not [key for key in again.works() if key.startswith("b.")]


def test_the_end_of_a_closing_is_told_once(make: Any) -> None:
    """What its entry has filled comes late, when the account holds nothing of it: there is nothing to close again."""
    desk = begun(make, HOLD)
    desk.take(make.fill("60", order_id="b.entry", execution_id="in1"))
    desk.run(make.accepted("b.stop", "9002"), make.accepted("b.target1", "9003"))
    desk.run(make.approved("own", 7, side=Side.SELL))
    wake(make, desk, 86_400)
    desk.run(make.fill("100", order_id="own", execution_id="x", side=Side.SELL))
    desk.run(*(canceled(make, name) for name in ("b.entry", "b.stop", "b.target1")))
    desk.take(make.fill("40", order_id="b.entry", execution_id="in2"))
    told = [event.about for event in desk.log if isinstance(event, ListAlarmed)]
    assert told == ["b/closing"]
    assert desk.works() == {}

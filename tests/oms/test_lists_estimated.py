"""Exits at a distance from the fill that leave before it: at an estimate first, then moved to where they belong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oms.attaching import REFUSALS_MAX
from oms.sizes import EXIT_WINDOW
from signalbox import messages
from signalbox.messages import ListAction, ModifyOrder, OffsetUnit, OrderStatus, PriceOffset, Side, TimeInForce

from tests.oms.test_lists_attached import alarms, answered, bought, canceled, sent, sold
from tests.oms.test_schedule import BREAK_EVEN, HALF_AN_HOUR, move, wake

EXITS = ("b.target", "b.stop")


def away(amount: str, unit: OffsetUnit = OffsetUnit.PRICE) -> PriceOffset:
    return PriceOffset(amount=Decimal(amount), unit=unit)


def bracket(
    make: Any,
    entry: dict[str, Any] | None = None,
    stop: PriceOffset | None = None,
    target: PriceOffset | None = None,
    side: Side = Side.BUY,
    **fields: Any,
) -> Any:
    """100 at the market, which is at 10, a stop 1 behind the fill, a target at twice that; `entry` = others terms."""
    closes = Side.SELL if side is Side.BUY else Side.BUY
    market = {"order_type": "MARKET", "quantity": Decimal(100)}
    legs = [
        make.leg("entry", side, **(market | (entry or {}))),
        make.leg("stop", closes, stop_offset=stop or away("-1")),
        make.leg("target", closes, order_type="LIMIT", limit_offset=target or away("2", OffsetUnit.R)),
    ]
    return make.order_list("b", "BRACKET", *legs, **fields)


def at_limit(price: str) -> dict[str, Any]:
    return {"order_type": "LIMIT", "limit_price": Decimal(price)}


def prices(desk: Any, *names: str) -> tuple[str, ...]:
    found = (desk.state.orders[name].order for name in names or EXITS)
    return tuple(f"{(each.stop_price or each.limit_price).normalize():f}" for each in found)


def moves(desk: Any) -> list[tuple[str, str, str]]:
    """Which orders were asked to be where, for how much."""
    return [
        (
            each.order_id,
            f"{(each.order.stop_price or each.order.limit_price).normalize():f}",
            f"{each.order.quantity:f}",
        )
        for each in desk.commands.values()
        if isinstance(each, ModifyOrder)
    ]


def standing(make: Any, *args: Any, **fields: Any) -> Any:
    desk = make.desk().run(bracket(make, *args, **fields), make.accepted("b.entry"))
    for number, name in enumerate(EXITS, 1):
        desk.run(make.accepted(name, f"91{number}"), make.report(messages.VenueHeld, name, "1", reason="child"))
    return desk


def settled(make: Any, desk: Any) -> Any:
    while changing := [key for key in sorted(desk.state.working) if desk.state.orders[key].change is not None]:
        answered(make, desk, changing[0])
    return desk


def filled(make: Any, quantity: str, price: str, execution_id: str = "in1", side: Side = Side.BUY) -> Any:
    return make.fill(quantity, price, order_id="b.entry", execution_id=execution_id, side=side)


# --------------------------------------------------------------------------------------------------- the estimate


@pytest.mark.parametrize(
    ("side", "entry", "expected"),
    [
        (Side.BUY, {}, ("12", "9")),  # the reference price of the decision is 10
        (Side.BUY, {"order_type": "MARKET_TO_LIMIT"}, ("12", "9")),
        (Side.BUY, at_limit("8"), ("10", "7")),  # it rests: its limit is what it fills at
        (Side.BUY, at_limit("10.5"), ("12.5", "9")),  # it takes: at the market, or up to its limit
        (Side.SELL, at_limit("12"), ("10", "13")),
        (Side.SELL, at_limit("9.5"), ("7.5", "11")),
        (Side.SELL, {}, ("8", "11")),
    ],
)
def test_exits_leave_at_what_the_entry_is_taken_to_fill_at(
    make: Any, side: Side, entry: dict[str, Any], expected: tuple[str, str]
) -> None:
    desk = make.desk().run(bracket(make, entry, side=side))
    assert sent(desk) == ["b.entry+b.target+b.stop"]
    assert prices(desk) == expected
    command = next(iter(desk.commands.values()))
    assert [each.stop_price or each.limit_price for each in command.attached] == [Decimal(each) for each in expected]
    assert desk.restart().follow(make.at) == []


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (away("-3", OffsetUnit.PERCENT), "9.7"),
        (away("-20", OffsetUnit.TICKS), "9.8"),
        (away("-0.125"), "9.88"),
    ],
)
def test_the_distance_is_in_any_unit(make: Any, offset: PriceOffset, expected: str) -> None:
    assert prices(make.desk().run(bracket(make, stop=offset)), "b.stop") == (expected,)


@pytest.mark.parametrize("order_type", ["STOP", "MARKET_IF_TOUCHED", "STOP_LIMIT", "LIMIT_IF_TOUCHED"])
def test_where_the_market_will_be_nobody_knows_they_follow_the_fill(make: Any, order_type: str) -> None:
    entry = {"order_type": order_type, "stop_price": Decimal(11), "limit_price": Decimal(12)}
    desk = make.desk().run(bracket(make, entry), make.accepted("b.entry"))
    assert sent(desk) == ["b.entry"]
    desk.run(filled(make, "100", "11"))
    assert (sent(desk)[1:], prices(desk)) == (["b.stop", "b.target"], ("13", "10"))


def test_without_a_reference_price_they_follow_the_fill(make: Any) -> None:
    decision = messages.IntentApproved(
        **{
            name: getattr(bracket(make), name)
            for name in messages.IntentApproved.__struct_fields__
            if name != "reference_price"
        }
    )
    assert sent(make.desk().run(decision)) == ["b.entry"]


# ----------------------------------------------------------------------------------------------------- it is moved


def test_a_fill_at_the_estimate_moves_nothing(make: Any) -> None:
    desk = standing(make).run(filled(make, "100", "10"))
    assert (moves(desk), alarms(desk)) == ([], [])


def test_exits_are_moved_to_the_price_of_the_fill_in_place(make: Any) -> None:
    desk = standing(make).run(filled(make, "100", "10.2"))
    assert moves(desk) == [("b.stop", "9.2", "100"), ("b.target", "12.2", "100")]
    assert prices(desk) == ("12", "9"), "until it is answered it stands at the estimate"
    settled(make, desk)
    assert (prices(desk), len(moves(desk)), sent(desk)) == (("12.2", "9.2"), 2, ["b.entry+b.target+b.stop"])
    command = next(each for each in desk.commands.values() if isinstance(each, ModifyOrder))
    assert command.deadline - make.at == EXIT_WINDOW


def test_one_change_says_price_and_quantity_and_the_price_follows_the_average(make: Any) -> None:
    desk = standing(make).run(filled(make, "40", "10.2"))
    assert moves(desk) == [("b.stop", "9.2", "40"), ("b.target", "12.2", "40")]
    settled(make, desk).run(filled(make, "60", "10.1", "in2"))
    settled(make, desk)
    assert moves(desk)[2:] == [("b.stop", "9.14", "100"), ("b.target", "12.14", "100")]
    desk.run(make.fill("40", "10.1", order_id="b.entry", execution_id="in1", revision=2))
    settled(make, desk)
    assert prices(desk) == ("12.1", "9.1"), "a fill that is corrected moves them again"


def test_what_a_target_has_filled_is_not_asked_for_again(make: Any) -> None:
    desk = standing(make).run(filled(make, "40", "10"))
    settled(make, desk).run(sold(make, "b.target", "10"), filled(make, "60", "10.1", "in2"))
    settled(make, desk)
    assert desk.works() == {"b.stop": "90", "b.target": "90"}
    assert prices(desk) == ("12.06", "9.06")


def test_one_that_the_venue_has_not_shown_yet_is_moved_when_it_has(make: Any) -> None:
    desk = make.desk().run(bracket(make), make.accepted("b.entry"), filled(make, "100", "10.2"))
    assert moves(desk) == []
    desk.run(make.accepted("b.stop", "912"))
    assert moves(desk) == [("b.stop", "9.2", "100")]


def test_each_pair_of_several_is_moved(make: Any) -> None:
    legs = [
        make.leg("entry", "BUY", "MARKET", quantity=Decimal(100)),
        make.leg("stop", stop_offset=away("-1")),
        make.leg("one", order_type="LIMIT", limit_offset=away("1", OffsetUnit.R), share=Decimal("0.5")),
        make.leg("two", order_type="LIMIT", limit_offset=away("2", OffsetUnit.R)),
    ]
    desk = make.desk().run(make.order_list("b", "BRACKET", *legs), make.accepted("b.entry"))
    assert sent(desk) == ["b.entry+b.one+b.stop+b.two+b.stop-2"]
    names = ("b.one", "b.stop", "b.two", "b.stop-2")
    for number, name in enumerate(names):
        desk.run(make.accepted(name, f"91{number}"))
    desk.run(filled(make, "100", "9.9"))
    settled(make, desk)
    assert prices(desk, *names) == ("10.9", "8.9", "11.9", "8.9")
    assert {quantity for _, _, quantity in moves(desk)} == {"50"}


def test_a_target_by_the_risk_is_moved_behind_a_stop_that_has_its_price(make: Any) -> None:
    legs = [
        make.leg("entry", "BUY", "MARKET", quantity=Decimal(100)),
        make.leg("stop", stop_price=Decimal(9)),
        make.leg("target", order_type="LIMIT", limit_offset=away("2", OffsetUnit.R)),
    ]
    desk = make.desk().run(make.order_list("b", "BRACKET", *legs), make.accepted("b.entry"))
    for number, name in enumerate(EXITS):
        desk.run(make.accepted(name, f"91{number}"))
    assert prices(desk) == ("12", "9")
    settled(make, desk.run(filled(make, "100", "10.1")))
    assert prices(desk) == ("12.3", "9")
    assert len(moves(desk)) == 1


# ------------------------------------------------------------------------------------------- somebody else has it


def test_a_stop_that_a_person_has_moved_stays_where_he_has_it(make: Any) -> None:
    desk = standing(make).run(make.modify("b.stop", stop_price=Decimal("8.5")))
    settled(make, desk).run(filled(make, "100", "10.2"))
    settled(make, desk)
    assert prices(desk) == ("12.2", "8.5")


def test_a_stop_that_the_schedule_has_moved_stays_there(make: Any) -> None:
    desk = standing(make, timed=(BREAK_EVEN,)).run(filled(make, "50", "10.2"))
    settled(make, desk)
    wake(make, desk, HALF_AN_HOUR)
    settled(make, desk)
    assert prices(desk, "b.stop") == ("10.2",)
    desk.run(filled(make, "50", "10.4", "in2"))
    settled(make, desk)
    assert prices(desk) == ("12.3", "10.2")


def test_a_step_that_is_due_before_the_stop_has_been_moved_knows_where_it_belongs(make: Any) -> None:
    desk = standing(make, timed=(move(60, "9.2"),)).run(filled(make, "100", "10.4"))
    wake(make, desk, 60)
    (step,) = [each for each in desk.log if isinstance(each, messages.ListStepTaken)]
    assert step.result is messages.StepResult.SKIPPED, "9.4 is asked for, which is tighter"
    desk = make.desk().run(bracket(make, timed=(move(60, "9.2"),)), make.accepted("b.entry"))
    desk.run(make.accepted("b.stop", "912"))
    desk.take(filled(make, "100", "10.1"))
    wake(make, desk, 60)
    settled(make, desk)
    assert prices(desk, "b.stop") == ("9.2",)


def test_the_entry_goes_to_another_limit_and_its_exits_with_it_before_it_can_fill_there(make: Any) -> None:
    """A stop that lies above a lower limit would close at once what is bought there."""
    desk = standing(make, at_limit("8") | {"time_in_force": TimeInForce.DAY})
    assert prices(desk) == ("10", "7")
    desk.run(make.modify("b.entry", limit_price=Decimal("6.5")))
    assert moves(desk) == [("b.entry", "6.5", "100"), ("b.stop", "5.5", "100")], (
        "the target stays while either may fill"
    )
    answered(make, desk, "b.stop")
    answered(make, desk, "b.entry")
    assert moves(desk)[2:] == [("b.target", "8.5", "100")]
    answered(make, desk, "b.target")
    desk.run(filled(make, "100", "6.5"))
    assert (prices(desk), len(moves(desk))) == (("8.5", "5.5"), 3)


def test_exits_come_back_where_the_entrys_change_is_refused(make: Any) -> None:
    desk = standing(make, at_limit("8")).run(make.modify("b.entry", limit_price=Decimal("6.5")))
    answered(make, desk, "b.stop")
    answered(make, desk, "b.entry", refused=True)
    answered(make, desk, "b.stop")
    assert prices(desk) == ("10", "7")


# -------------------------------------------------------------------------------------------------- it is refused


def test_a_move_that_is_refused_again_and_again_is_told_and_the_stop_stays(make: Any) -> None:
    desk = standing(make).run(filled(make, "100", "10.2"))
    answered(make, desk, "b.target")
    for _ in range(REFUSALS_MAX):
        answered(make, desk, "b.stop", refused=True)
    assert moves(desk).count(("b.stop", "9.2", "100")) == REFUSALS_MAX
    assert alarms(desk) == [("b.stop/price", ListAction.ALARM)]
    assert (prices(desk), desk.works()) == (("12.2", "9"), {"b.stop": "100", "b.target": "100"})
    (told,) = [each for each in desk.log if isinstance(each, messages.ListAlarmed)]
    assert "b.stop was not moved to 9.2, where the fill has it: it stays at 9" in told.reason


def test_a_move_that_is_refused_while_the_quantity_is_wrong_makes_another_order_at_the_fills_price(make: Any) -> None:
    desk = standing(make).run(filled(make, "40", "10.2"))
    answered(make, desk, "b.target")
    for _ in range(REFUSALS_MAX):
        answered(make, desk, "b.stop", refused=True)
    desk.run(canceled(make, "b.stop"))
    assert desk.works()["b.stop-2"] == "40"
    assert prices(desk, "b.stop-2") == ("9.2",)


def test_a_withdrawn_list_moves_nothing(make: Any) -> None:
    desk = standing(make).run(make.cancel("b"), filled(make, "100", "10.2"))
    assert moves(desk) == []


def test_a_stop_that_has_been_triggered_is_left_alone(make: Any) -> None:
    desk = standing(make)
    desk.run(make.report(messages.VenueReleased, "b.stop", "1"), make.report(messages.VenueTriggered, "b.stop", "1"))
    assert desk.state.orders["b.stop"].status is OrderStatus.TRIGGERED
    desk.run(filled(make, "100", "10.2"))
    assert moves(desk) == [("b.target", "12.2", "100")]


# ------------------------------------------------------------------------------------------------------- it dies


def story(make: Any) -> list[Any]:
    stop = {"revision": 1, "venue_order_id": "9", "quantity": Decimal(31), "stop_price": Decimal("9.20")}
    return [
        bracket(make),
        make.accepted("b.entry"),
        make.accepted("b.stop", "9101"),
        make.accepted("b.target", "9102"),
        filled(make, "31", "10.2"),
        make.report(messages.VenueReplaced, "b.stop", "1", **stop),
        sold(make, "b.target", "5"),
        filled(make, "69", "10", "in2"),
        make.cancel("b"),
    ]


def test_it_dies_between_any_two_lines_and_the_next_one_moves_exactly_what_is_missing(make: Any) -> None:
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
    assert lines > 30


def test_an_entry_that_has_filled_before_its_exits_are_written_down_says_what_was_sent(make: Any) -> None:
    """The OMS dies behind the command: what the venue has of the exits is the estimate, and that is what stands."""
    desk = make.desk()
    desk.lines_left = 2
    with pytest.raises(make.died):
        desk.take(bracket(make))
    again = desk.restart()
    again.follow(make.at)
    again.run(make.accepted("b.entry"), bought(make, "100"))
    assert prices(again) == ("12", "9")

"""Exits that were sized before others of their group filled: the gateway, which knows first, does not send them.

Their venue keeps the group (IBKR). What the gateway says uses up no try, and what is left is sized at once.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from oms import waiting
from oms.attaching import REFUSALS_MAX
from signalbox.messages import (
    CancelOrder,
    ListAction,
    ListAlarmed,
    ModifyOrder,
    RefusedBy,
    SubmitOrder,
    TimeInForce,
    VenueHeld,
    VenueRejected,
    VenueReleased,
)

from .list_reports import alarms, answered, canceled, sold

LASTING = {"time_in_force": TimeInForce.GTC}
"""An entry that outlives its exits leaves without them."""


def outdated(make: Any, order_id: str) -> VenueRejected:
    """The gateway has not sent it, since others of its group have filled."""
    by = RefusedBy.GATEWAY
    report: VenueRejected = make.report(
        VenueRejected, order_id, code="", reason="others", refused_by=by, room_at=make.at
    )
    return report


def not_changed(make: Any, desk: Any, order_id: str) -> None:
    answered(make, desk, order_id, refused=True, code="", reason="others", room_at=make.at)


def entered(make: Any, *accepted: str, quantity: str = "100") -> Any:
    legs = [
        make.leg("entry", "BUY", "LIMIT", limit_price=Decimal(10), quantity=Decimal(quantity), **LASTING),
        make.leg("stop", stop_price=Decimal(9)),
        make.leg("target", order_type="LIMIT", limit_price=Decimal(11)),
    ]
    desk = make.desk().run(make.order_list("b", "BRACKET", *legs), make.accepted("b.entry"))
    desk.take(make.fill(quantity, order_id="b.entry"))
    for number, name in enumerate(accepted, 1):
        desk.take(make.accepted(name, f"9{number}"))
    return desk


def pair(make: Any, *accepted: str) -> Any:
    legs = [
        make.leg("high", order_type="LIMIT", limit_price=Decimal(11), quantity=Decimal(10)),
        make.leg("low", stop_price=Decimal(9), quantity=Decimal(10)),
    ]
    desk = make.desk().run(make.order_list("b", "OUO", *legs))
    for number, name in enumerate(accepted, 1):
        desk.take(make.accepted(name, f"9{number}"))
    return desk


def known(desk: Any) -> dict[str, str | None]:
    """What each command says that the others of its group had filled."""
    found = [each for each in desk.commands.values() if isinstance(each, SubmitOrder | ModifyOrder)]
    filled = {each.order.order_id: each.order.part.others_filled for each in found}
    return {name: None if each is None else f"{each:f}" for name, each in filled.items()}


def cancels(desk: Any) -> list[str]:
    return [each.order_id for each in desk.commands.values() if isinstance(each, CancelOrder)]


def test_each_exit_says_what_the_others_had_filled_when_it_was_sized(make: Any) -> None:
    desk = entered(make)
    assert known(desk) == {"b.entry": None, "b.stop": "0", "b.target": "0"}
    desk.run(sold(make, "b.stop", "40", price="9"), outdated(make, "b.target"))
    assert known(desk)["b.target-2"] == "40"


def test_what_depends_on_no_other_says_nothing(make: Any) -> None:
    legs = [
        make.leg("entry", "BUY", "LIMIT", limit_price=Decimal(10), quantity=Decimal(10), **LASTING),
        make.leg("stop", stop_price=Decimal(9)),
    ]
    desk = make.desk().run(make.order_list("b", "BRACKET", *legs), make.accepted("b.entry"))
    desk.take(make.fill("10", order_id="b.entry"))
    assert known(desk) == {"b.entry": None, "b.stop": None}
    desk.run(make.accepted("b.stop", "91"), make.modify("b.stop", stop_price=Decimal(8)))
    assert known(desk)["b.stop"] is None


def test_what_is_left_is_sized_at_once_and_no_try_is_used_up(make: Any) -> None:
    desk = entered(make, "b.stop").run(sold(make, "b.stop", "40", price="9"), outdated(make, "b.target"))
    assert (desk.works(), alarms(desk)) == ({"b.stop": "60", "b.target-2": "60"}, [])
    assert desk.state.orders["b.target-2"].order.part.quantity == 100, "it is of the same group"


def test_nothing_is_sent_where_nothing_is_left(make: Any) -> None:
    desk = entered(make, "b.stop").run(sold(make, "b.stop", "100", price="9"), outdated(make, "b.target"))
    assert (desk.works(), alarms(desk), list(desk.state.lists_over)) == ({}, [], ["b"])


def test_one_of_a_pair_of_which_another_has_filled_is_not_sent_again(make: Any) -> None:
    legs = [make.leg("high", order_type="LIMIT", limit_price=Decimal(11), quantity=Decimal(10)),
            make.leg("low", stop_price=Decimal(9), quantity=Decimal(10))]  # fmt: skip
    desk = make.desk().run(make.order_list("b", "OCO", *legs), sold(make, "b.high", "1"), outdated(make, "b.low"))
    assert (desk.works(), alarms(desk)) == ({"b.high": "9"}, [])


def test_a_fill_that_nobody_books_has_it_refused_for_good_at_last(make: Any) -> None:
    desk = entered(make, "b.stop")
    for number in range(waiting.REFUSALS_MAX):
        desk.take(outdated(make, "b.target" if not number else f"b.target-{number + 1}"))
    assert alarms(desk) == []
    desk.take(outdated(make, f"b.target-{waiting.REFUSALS_MAX + 1}"))
    assert alarms(desk) == [(f"b.target-{waiting.REFUSALS_MAX + 1}", ListAction.RETRY)]


# ------------------------------------------------------------------------------------------------------ what is changed


def test_a_change_says_so_too_and_a_price_is_asked_for_again_by_who_wants_it(make: Any) -> None:
    desk = entered(make, "b.stop", "b.target").run(make.modify("b.stop", stop_price=Decimal(8)))
    assert known(desk)["b.stop"] == "0"
    desk.take(sold(make, "b.target", "40"))
    not_changed(make, desk, "b.stop")
    assert (desk.works(), desk.state.orders["b.stop"].change.order.quantity) == (
        {"b.stop": "100", "b.target": "60"},
        60,
    )
    asked = [each for each in desk.commands.values() if isinstance(each, ModifyOrder)]
    assert (asked[-1].order.quantity, asked[-1].order.part.others_filled) == (60, 40)
    assert (cancels(desk), alarms(desk)) == ([], [])


def test_where_the_venue_keeps_the_group_none_is_cancelled_to_be_made_smaller(make: Any) -> None:
    """A cancel of one would take the other, which protects, with it."""
    desk = pair(make, "b.high", "b.low").run(make.modify("b.low", stop_price=Decimal(8)))
    answered(make, desk, "b.low")
    desk.take(sold(make, "b.low", "4", price="8"))
    asked = [each for each in desk.commands.values() if isinstance(each, ModifyOrder)]
    assert [(each.order_id, each.order.quantity) for each in asked[1:]] == [("b.high", 6)]
    assert cancels(desk) == []


def test_one_of_which_the_venue_has_not_heard_is_resized_once_it_has(make: Any) -> None:
    desk = pair(make, "b.low").run(make.modify("b.low", stop_price=Decimal(8)))
    answered(make, desk, "b.low")
    desk.take(sold(make, "b.low", "4", price="8"))
    assert (cancels(desk), len([each for each in desk.commands.values() if isinstance(each, ModifyOrder)])) == ([], 1)
    desk.take(make.accepted("b.high", "99"))
    asked = [each for each in desk.commands.values() if isinstance(each, ModifyOrder)]
    assert [(each.order_id, each.order.quantity) for each in asked[1:]] == [("b.high", 6)]
    assert cancels(desk) == []


# ------------------------------------------------------------------------------------ what was sent with its entry


def attached(make: Any) -> Any:
    """A bracket whose entry has filled in part: its stop is to be made smaller."""
    desk = make.desk().run(make.bracket(), make.accepted("b.entry"))
    for number, name in enumerate(("b.target1", "b.stop"), 1):
        desk.run(make.accepted(name, f"91{number}"), make.report(VenueHeld, name, "1", reason="child"))
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    desk.run(*(make.report(VenueReleased, name, "1") for name in ("b.target1", "b.stop")))
    return desk


def test_its_change_is_asked_for_again_as_often_as_others_of_its_group_have_filled(make: Any) -> None:
    desk = attached(make)
    for _ in range(REFUSALS_MAX + 1):
        assert desk.state.orders["b.stop"].change is not None
        not_changed(make, desk, "b.stop")
    assert (cancels(desk), desk.state.orders["b.stop"].change.order.quantity) == ([], 30)
    assert [event for event in desk.log if isinstance(event, ListAlarmed)] == []


def test_but_not_for_ever(make: Any) -> None:
    desk = attached(make)
    for _ in range(waiting.REFUSALS_MAX + REFUSALS_MAX):
        assert cancels(desk) == []
        not_changed(make, desk, "b.stop")
    assert "b.stop" in cancels(desk)
    desk.run(canceled(make, "b.stop"))


def test_a_time_that_is_still_to_come_is_waited_for(make: Any) -> None:
    desk = entered(make, "b.stop").take(sold(make, "b.stop", "40", price="9"))
    later = make.at + timedelta(seconds=5)
    refused = make.report(VenueRejected, "b.target", code="", reason="others", refused_by="GATEWAY", room_at=later)
    desk = entered(make, "b.stop").run(sold(make, "b.stop", "40", price="9"), refused)
    assert desk.works() == {"b.stop": "60"}
    desk.follow(later)
    assert desk.works() == {"b.stop": "60", "b.target-2": "60"}


@pytest.mark.parametrize("lines", range(12))
def test_it_may_die_between_any_two_lines(make: Any, lines: int) -> None:
    desk = entered(make, "b.stop").run(sold(make, "b.stop", "40", price="9"))
    desk.lines_left = lines
    word = outdated(make, "b.target")
    try:
        desk.take(word)
    except make.died:
        desk = desk.restart()
        desk.follow(make.at, resumes=True)
        desk.take(word)
    desk.lines_left = None
    assert (desk.works(), alarms(desk)) == ({"b.stop": "60", "b.target-2": "60"}, [])


def test_what_an_order_has_filled_itself_is_not_of_the_others(make: Any) -> None:
    desk = entered(make, "b.stop", "b.target").run(sold(make, "b.stop", "4", price="9"))
    desk.take(make.modify("b.stop", stop_price=Decimal(8)))
    assert known(desk)["b.stop"] == "0"

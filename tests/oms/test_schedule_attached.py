"""The schedule of a list whose exits were sent with its entry: what waits for it is moved once it protects."""

from __future__ import annotations

from typing import Any

from signalbox.messages import CancelOrder, ListAlarmed, SubmitOrder

from tests.oms.test_lists_attached import EXITS, answered, bought, canceled, standing
from tests.oms.test_schedule import BREAK_EVEN, GIVE_UP, HALF_AN_HOUR, HOLD, asked, commands, move, wake


def cancels(desk: Any) -> list[str]:
    return [command.order_id for command in commands(desk, CancelOrder)]


def test_an_entry_that_is_given_up_takes_its_exits_with_it(make: Any) -> None:
    desk = standing(make, timed=(GIVE_UP,))
    wake(make, desk, 598)
    assert cancels(desk) == ["b.entry"]
    desk.run(*(canceled(make, name) for name in ("b.entry", *EXITS)))
    assert (desk.works(), list(desk.state.lists_over)) == ({}, ["b"])
    assert not [event for event in desk.log if isinstance(event, ListAlarmed)]


def test_a_stop_is_moved_where_it_stands_once_it_protects(make: Any) -> None:
    desk = standing(make, timed=(BREAK_EVEN,))
    assert desk.wakes == {}, "nothing is held yet"
    desk.take(bought(make, "100"))
    wake(make, desk, HALF_AN_HOUR)
    assert asked(desk) == [("b.stop", "10")]
    answered(make, desk, "b.stop")
    assert desk.works() == {"b.stop": "100", "b.target1": "100"}
    assert len(commands(desk, SubmitOrder)) == 1, "nothing else was sent"


def test_a_stop_that_has_to_shrink_is_moved_all_the_same(make: Any) -> None:
    desk = standing(make, timed=(move(60, "9.5"),))
    desk.take(bought(make, "40"))
    for name in EXITS:
        answered(make, desk, name)
    wake(make, desk, 60)
    answered(make, desk, "b.stop")
    stop = desk.state.orders["b.stop"]
    assert (f"{stop.order.stop_price:f}", f"{stop.order.quantity:f}") == ("9.5", "40")
    desk.take(bought(make, "60", "in2"))
    answered(make, desk, "b.stop")
    stop = desk.state.orders[stop.key]
    assert (f"{stop.order.stop_price:f}", f"{stop.order.quantity:f}") == ("9.5", "100")


def test_what_was_held_long_enough_is_closed_and_its_exits_go_first(make: Any) -> None:
    desk = standing(make, timed=(HOLD,))
    desk.take(bought(make, "100"))
    wake(make, desk, 86_400)
    assert sorted(cancels(desk)) == sorted(EXITS)
    desk.run(*(canceled(make, name) for name in EXITS))
    assert desk.works() == {"b.flatten": "100"}

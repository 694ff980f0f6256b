"""What campaigns have found: an exit that is late in its group, a cancel that crosses a fill, an entry never sent."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox import messages
from signalbox.messages import ListAlarmed, ModifyOrder, OrderDenied, Side, TimedAction, TimedStep

OCO_UPDATES = {"side": "BUY", "quantity": Decimal(100)}


def ouo(make: Any) -> Any:
    """Of two purchases what one fills the other is for no more; the venue has neither yet."""
    near = make.leg("near", order_type="LIMIT", limit_price=Decimal(9), **OCO_UPDATES)
    beyond = make.leg("beyond", stop_price=Decimal(11), **OCO_UPDATES)
    return make.desk().run(make.order_list("b", "OUO", near, beyond), make.accepted("b.near", "9001"))


def sizes_asked(desk: Any) -> list[tuple[str, str]]:
    return [
        (each.order_id, f"{each.order.quantity:f}") for each in desk.commands.values() if isinstance(each, ModifyOrder)
    ]


@pytest.mark.parametrize("is_late", [True, False])
def test_an_order_that_comes_when_its_group_has_filled_is_told_what_is_left(make: Any, is_late: bool) -> None:
    """The venue takes what one fills from the orders that it has, and from no other."""
    desk, beyond = ouo(make), make.accepted("b.beyond", "9002")
    filled = make.fill("40", "9", order_id="b.near", execution_id="in1")
    desk.run(*((filled, beyond) if is_late else (beyond, filled)))
    assert sizes_asked(desk) == ([("b.beyond", "60")] if is_late else [])
    assert desk.restart().follow(make.at) == []


def test_exits_that_were_withdrawn_and_close_what_crossed_that_leave_nothing_for_others(make: Any) -> None:
    """The entry fills as its list is cancelled, and its target with it: what was sent for that fill goes again."""
    desk = make.desk().run(make.bracket(), make.accepted("b.entry"))
    for number, name in enumerate(("b.target1", "b.stop"), 1):
        desk.run(make.accepted(name, f"91{number}"), make.report(messages.VenueHeld, name, "1", reason="child"))
    desk.run(make.cancel("b"), make.fill("100", order_id="b.entry", execution_id="in1"))
    assert desk.works() == {"b.stop": "100*", "b.target1": "100*", "b.stop-2": "100", "b.target1-2": "100"}
    desk.run(make.fill("100", "11", order_id="b.target1", execution_id="out1", side=Side.SELL))
    assert desk.works() == {"b.stop": "100*", "b.stop-2": "100*", "b.target1-2": "100*"}
    assert not [event for event in desk.log if isinstance(event, ListAlarmed)]


GIVE_UP = TimedStep(action=TimedAction.CANCEL_ENTRY, after_seconds=600)
LATER = timedelta(minutes=20)


def test_an_entry_whose_time_was_over_before_it_was_sent_is_told_as_denied_once(make: Any) -> None:
    """Risk counts it from its approval on, until it hears of its end."""
    desk = make.desk()
    desk.take(make.bracket(timed=(GIVE_UP,)), make.at + LATER)
    assert [(event.order_id, event.status) for event in desk.log if isinstance(event, OrderDenied)] == [
        ("b.entry", "DENIED")
    ]
    assert desk.commands == {}
    assert desk.follow(make.at + LATER) == desk.restart().follow(make.at + LATER) == []


def test_that_is_told_as_well_by_the_next_process(make: Any) -> None:
    desk = make.desk()
    desk.lines_left = 2
    with pytest.raises(make.died):
        desk.take(make.bracket(timed=(GIVE_UP,)), make.at + LATER)
    again = desk.restart()
    (told,) = again.follow(make.at + LATER)
    assert [type(event) for event in told.events] == [OrderDenied]


def test_what_the_process_before_had_begun_comes_before_a_step_that_has_come_due_since(make: Any) -> None:
    """The command of the entry is stored, and its event is not: the venue may have it."""
    desk = make.desk()
    desk.lines_left = 4
    with pytest.raises(make.died):
        desk.take(make.bracket(timed=(GIVE_UP,)))
    assert [command.id for command in desk.commands.values()] == ["command/b.entry/0"]
    again = desk.restart()
    again.follow(make.at + LATER, resumes=True)
    assert "b.entry" in again.works()
    again.follow(make.at + LATER)
    assert again.works()["b.entry"] == "100*"

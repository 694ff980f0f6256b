"""Exits that are sent with their entry: one command, one group, and another quantity where the entry fills in part."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oms.attaching import REFUSALS_MAX
from oms.sizes import EXIT_WINDOW
from signalbox import messages
from signalbox.messages import (
    ListAction,
    ListAlarmed,
    ModifyOrder,
    OffsetUnit,
    OrderStatus,
    PriceOffset,
    Side,
    TimeInForce,
)

EXITS = ("b.target1", "b.stop")


def alarms(desk: Any) -> list[tuple[str, ListAction]]:
    return [(event.about, event.action) for event in desk.log if isinstance(event, ListAlarmed)]


def sent(desk: Any) -> list[str]:
    """What was submitted, each with what was attached to it."""
    return [
        "+".join((command.order.order_id, *(each.order_id for each in command.attached)))
        for command in desk.commands.values()
        if isinstance(command, messages.SubmitOrder)
    ]


def asked(desk: Any) -> list[tuple[str, str]]:
    """Other quantities that were asked for."""
    return [
        (command.order_id, f"{command.order.quantity:f}")
        for command in desk.commands.values()
        if isinstance(command, ModifyOrder)
    ]


def canceled(make: Any, order_id: str, key: str = "") -> Any:
    return make.report(messages.VenueCanceled, order_id, key, reason="its own")


def rejected(make: Any, order_id: str) -> Any:
    return make.report(messages.VenueRejected, order_id, code="201", reason="no")


def bought(make: Any, quantity: str, execution_id: str = "in1", **fields: Any) -> Any:
    return make.fill(quantity, order_id="b.entry", execution_id=execution_id, **fields)


def sold(make: Any, order_id: str, quantity: str, execution_id: str = "out1") -> Any:
    return make.fill(quantity, "11", order_id=order_id, execution_id=execution_id, side=Side.SELL)


def answered(make: Any, desk: Any, order_id: str, *, refused: bool = False) -> None:
    """The venue makes the open change of an order, or does not."""
    change = desk.state.orders[order_id].change
    key, terms = f"{change.revision}", change.order
    if refused:
        kind, fields = messages.VenueReplaceRejected, {"code": "104", "reason": "no"}
    else:
        kind = messages.VenueReplaced
        fields = {"venue_order_id": "9", "quantity": terms.quantity}
        fields |= {"limit_price": terms.limit_price, "stop_price": terms.stop_price}
    desk.take(make.report(kind, order_id, key, revision=change.revision, **fields))


def standing(make: Any, **fields: Any) -> Any:
    """A bracket of 100 that the venue has, exits and all."""
    desk = make.desk().run(make.bracket(**fields), make.accepted("b.entry"))
    for number, name in enumerate(EXITS, 1):
        desk.run(make.accepted(name, f"91{number}"))
        desk.run(make.report(messages.VenueHeld, name, "1", reason="child"))
    return desk


def released(make: Any, desk: Any) -> Any:
    return desk.run(*(make.report(messages.VenueReleased, name, "1") for name in EXITS))


# ------------------------------------------------------------------------------------------------- what is attached


def test_exits_leave_with_their_entry_as_one_command_the_stop_last(make):
    desk = make.desk().run(make.bracket())
    assert sent(desk) == ["b.entry+b.target1+b.stop"]
    assert desk.works() == {"b.entry": "100", "b.stop": "100", "b.target1": "100"}
    entry, stop = (desk.state.orders[key].order.part for key in ("b.entry", "b.stop"))
    assert (entry.attaches, stop.attached_to, stop.group) == (("target1", "stop"), "b.entry", 1)
    assert desk.restart().follow(make.at) == []


AT_TEN = {"order_type": "LIMIT", "limit_price": Decimal(10)}
AT_11_STOP = {"order_type": "STOP", "stop_price": Decimal(11)}
HALF_AT_11 = {"limit_price": Decimal(11), "share": Decimal("0.5")}
GTC = {"time_in_force": TimeInForce.GTC}
BELOW_THE_FILL = {"stop_price": None, "stop_offset": PriceOffset(amount=Decimal(-2), unit=OffsetUnit.PERCENT)}


def offset(amount: str) -> dict[str, Any]:
    return {"limit_offset": PriceOffset(amount=Decimal(amount), unit=OffsetUnit.R)}


@pytest.mark.parametrize(
    ("entry", "stop", "others", "expected"),
    [
        ({}, {}, [{"limit_price": Decimal(11)}], "b.entry+b.t0+b.stop"),
        ({}, {}, [], "b.entry+b.stop"),
        (AT_TEN, {}, [], "b.entry+b.stop"),
        (AT_11_STOP, {}, [offset("1")], "b.entry+b.stop"),  # the target follows when its price is known
        (AT_11_STOP, BELOW_THE_FILL, [], "b.entry"),
        (AT_11_STOP, BELOW_THE_FILL, [{"limit_price": Decimal(11)}], "b.entry"),
        ({}, BELOW_THE_FILL, [{"limit_price": Decimal(11)}], "b.entry+b.t0+b.stop"),
        ({}, {}, [HALF_AT_11], "b.entry+b.t0+b.stop+b.stop-2"),  # what the target leaves has a stop alone
        (AT_TEN | GTC, {}, [], "b.entry"),  # it outlives its stop
        (AT_TEN | GTC, GTC, [], "b.entry+b.stop"),
        ({}, GTC, [], "b.entry+b.stop"),
        (AT_TEN | {"time_in_force": TimeInForce.IOC}, GTC, [], "b.entry"),
        ({"order_type": "MARKET_ON_CLOSE"}, {}, [], "b.entry"),
    ],
)
def test_what_is_attached_has_a_price_of_its_own_and_outlives_its_entry(make, entry, stop, others, expected):
    legs = [
        make.leg("entry", "BUY", **({"order_type": "MARKET", "quantity": Decimal(100)} | entry)),
        make.leg("stop", **({"stop_price": Decimal(9)} | stop)),
        *(make.leg(f"t{number}", order_type="LIMIT", **each) for number, each in enumerate(others)),
    ]
    assert sent(make.desk().run(make.order_list("b", "BRACKET", *legs))) == [expected]


def test_what_follows_one_entry_is_attached_without_a_bracket(make):
    legs = [make.leg("entry", "BUY", "MARKET", quantity=Decimal(100)), make.leg("stop", stop_price=Decimal(9))]
    assert sent(make.desk().run(make.order_list("b", "OTO", *legs))) == ["b.entry+b.stop"]


def test_legs_of_no_entry_are_sent_each_by_itself(make):
    legs = [make.leg(name, quantity=Decimal(10), stop_price=Decimal(9)) for name in ("one", "two")]
    assert sent(make.desk().run(make.order_list("b", "OCO", *legs))) == ["b.one", "b.two"]


def test_a_list_that_was_sent_before_exits_were_attached_goes_on_as_it_was(make, monkeypatch):
    monkeypatch.setattr("oms.attaching.ATTACHING", frozenset())
    desk = make.desk().run(make.bracket(), make.accepted("b.entry"))
    monkeypatch.undo()
    desk.run(bought(make, "30"))
    assert desk.works() == {"b.entry": "70", "b.stop": "30", "b.target1": "30"}
    assert sent(desk) == ["b.entry", "b.stop", "b.target1"]


# ------------------------------------------------------------------------------------------------- the entry fills


def test_a_fill_of_the_whole_entry_makes_nothing_necessary(make):
    desk = released(make, standing(make).run(bought(make, "100")))
    assert desk.works() == {"b.stop": "100", "b.target1": "100"}
    assert (len(desk.commands), alarms(desk)) == (1, [])
    assert desk.state.lists["b"].unprotected_since is None


def test_what_is_held_back_protects_nothing(make):
    desk = standing(make).run(bought(make, "100"))
    assert desk.state.orders["b.stop"].status is OrderStatus.HELD
    assert desk.state.lists["b"].unprotected_since is not None
    assert released(make, desk).state.lists["b"].unprotected_since is None


def test_exits_are_for_what_has_filled_and_grow_with_it(make):
    desk = standing(make).run(bought(make, "30"))
    assert asked(desk) == [("b.stop", "30"), ("b.target1", "30")]
    desk.run(bought(make, "10", "in2"))
    assert len(asked(desk)) == 2, "one change at a time"
    for name in EXITS:
        answered(make, desk, name)
    assert asked(desk)[2:] == [("b.target1", "40"), ("b.stop", "40")]
    for name in EXITS:
        answered(make, desk, name)
    assert desk.works() == {"b.entry": "60", "b.stop": "40", "b.target1": "40"}
    desk.run(bought(make, "60", "in3"))
    for name in EXITS:
        answered(make, desk, name)
    assert desk.works() == {"b.stop": "100", "b.target1": "100"}
    assert sent(desk) == ["b.entry+b.target1+b.stop"]


def test_a_fill_of_the_entry_that_is_taken_back_makes_its_exits_smaller(make):
    desk = released(make, standing(make).run(bought(make, "60"), bought(make, "40", "in2")))
    for name in EXITS:
        answered(make, desk, name)
    for name in EXITS:
        answered(make, desk, name)
    desk.run(make.fill("0", "0", order_id="b.entry", execution_id="in2", revision=2))
    assert asked(desk)[-2:] == [("b.stop", "60"), ("b.target1", "60")]


def test_a_new_quantity_may_be_told_as_late_as_a_new_exit(make):
    desk = standing(make).run(bought(make, "30"))
    command = next(each for each in desk.commands.values() if isinstance(each, ModifyOrder))
    assert command.deadline - make.at == EXIT_WINDOW


def test_an_exit_that_the_venue_has_not_shown_is_not_changed_yet(make):
    desk = make.desk().run(make.bracket(), make.accepted("b.entry"), bought(make, "30"))
    assert asked(desk) == []
    desk.run(make.accepted("b.stop", "9101"))
    assert asked(desk) == [("b.stop", "30")]


def test_a_quantity_that_is_refused_again_and_again_is_another_order(make):
    desk = standing(make).run(bought(make, "30"))
    for _ in range(REFUSALS_MAX):
        assert "b.stop" in desk.works()
        answered(make, desk, "b.stop", refused=True)
    assert desk.works()["b.stop"] == "100*", "it is taken away"
    desk.run(canceled(make, "b.stop"))
    assert desk.works()["b.stop-2"] == "30"
    assert (asked(desk).count(("b.stop", "30")), alarms(desk)) == (REFUSALS_MAX, [])


# ---------------------------------------------------------------------------------------- what its group does there


def test_what_the_venue_takes_from_the_other_exit_is_counted(make):
    """60 are held; the target has filled 10, so that its group has made the stop 50; then 10 more are bought."""
    desk = standing(make).run(bought(make, "60"))
    for name in EXITS:
        answered(make, desk, name)
    desk.run(sold(make, "b.target1", "10"))
    assert len(asked(desk)) == 2, "it is left to the venue"
    desk.run(bought(make, "10", "in2"))
    assert asked(desk)[2:] == [("b.stop", "60"), ("b.target1", "70")]
    answered(make, desk, "b.stop")
    desk.run(sold(make, "b.target1", "5", "out2"))
    assert len(asked(desk)) == 4, "what it had filled before is in what was asked"
    desk.run(bought(make, "5", "in3"))
    assert asked(desk)[-1] == ("b.stop", "60"), "less the 5 that its group has taken since, and 5 more"


def test_a_growth_that_is_refused_leaves_what_the_venue_has_taken_before_to_be_asked_for(make):
    desk = standing(make).run(bought(make, "60"))
    for name in EXITS:
        answered(make, desk, name)
    desk.run(sold(make, "b.target1", "10"), bought(make, "10", "in2"))
    answered(make, desk, "b.stop", refused=True)
    assert asked(desk).count(("b.stop", "60")) == 3, "first of all, and twice now: the venue has 50"


def test_what_is_closed_at_the_market_is_closed_by_one_order_more_as_the_entry_fills_on(make):
    desk = make.desk().run(make.bracket(), make.accepted("b.entry"), make.accepted("b.target1", "911"))
    desk.run(rejected(make, "b.stop"), bought(make, "40"), rejected(make, "b.stop-2"), canceled(make, "b.target1"))
    desk.run(make.accepted("b.flatten", "912"), bought(make, "10", "in2"))
    assert desk.works() == {"b.entry": "50", "b.flatten": "40", "b.flatten-2": "10"}


def test_what_an_enlarged_entry_fills_beyond_the_list_has_exits_of_its_own(make):
    """Attached exits are for what they were sent for: nothing joins them, however many orders work beside."""
    desk = standing(make)
    desk.run(*(make.approved(f"o-{number}", 10 + number, side=Side.SELL) for number in range(14)))
    desk.run(make.modify("b.entry", quantity=Decimal(150)))
    answered(make, desk, "b.entry")
    desk.run(bought(make, "150"))
    exits = {key: size for key, size in desk.works().items() if key.startswith("b.")}
    assert exits == {"b.stop": "100", "b.target1": "100", "b.stop-2": "50", "b.target1-2": "50"}


def test_a_target_that_an_older_desk_did_not_attach_is_sent_when_the_entry_fills(make, monkeypatch):
    """A list goes on as its entry was sent, whatever would be attached today."""
    at_two_r = make.leg("target", order_type="LIMIT", **offset("2"))
    legs = [make.leg("entry", "BUY", "MARKET", quantity=Decimal(100)), make.leg("stop", stop_price=Decimal(9))]
    monkeypatch.setattr("oms.attaching.estimate", lambda *_: None)
    desk = make.desk().run(make.order_list("b", "BRACKET", *legs, at_two_r))
    monkeypatch.undo()
    assert sent(desk) == ["b.entry+b.stop"]
    desk = desk.restart()
    assert desk.follow(make.at) == []
    desk.run(make.accepted("b.entry"), make.accepted("b.stop", "911"), bought(make, "100"))
    assert sent(desk)[1:] == ["b.target"]
    assert desk.works() == {"b.stop": "100", "b.target": "100"}


def test_an_exit_that_goes_with_the_fills_of_the_other_is_not_lost(make):
    desk = standing(make).run(bought(make, "40"))
    for name in EXITS:
        answered(make, desk, name)
    desk.run(sold(make, "b.stop", "40"), canceled(make, "b.target1"), bought(make, "60", "in2"))
    assert alarms(desk) == []
    assert desk.works() == {"b.stop-2": "60", "b.target1-2": "60"}


def test_exits_that_fill_more_than_is_held_are_told_and_the_rest_is_taken_away(make):
    desk = standing(make).run(bought(make, "40"), sold(make, "b.stop", "60"))
    assert alarms(desk) == [("b.1", ListAction.ALARM)]
    assert desk.works() == {"b.entry": "60", "b.stop": "40*", "b.target1": "100*"}


# ------------------------------------------------------------------------------------------------ it does not fill


def test_exits_go_with_an_entry_that_ends_unfilled(make):
    desk = standing(make).run(canceled(make, "b.entry"))
    assert desk.works() == {"b.stop": "100*", "b.target1": "100*"}
    desk.run(*(canceled(make, name) for name in EXITS))
    assert (desk.works(), alarms(desk), list(desk.state.lists_over)) == ({}, [], ["b"])


def test_exits_that_the_venue_ends_before_it_tells_of_their_entry_are_no_loss(make):
    desk = standing(make).run(*(canceled(make, name) for name in EXITS), canceled(make, "b.entry"))
    assert (desk.works(), alarms(desk), list(desk.state.lists_over)) == ({}, [], ["b"])


def test_nothing_is_cancelled_of_what_was_never_sent(make):
    desk = make.desk().run(make.bracket(), rejected(make, "b.entry"))
    assert desk.works() == {"b.stop": "100", "b.target1": "100"}, "whoever refused the entry refuses them"
    desk.run(*(rejected(make, name) for name in EXITS))
    assert (desk.works(), alarms(desk), len(desk.commands)) == ({}, [], 1)


def test_an_exit_that_lives_on_although_its_entry_was_refused_is_cancelled(make):
    desk = make.desk().run(make.bracket(), rejected(make, "b.entry"), make.accepted("b.stop", "9101"))
    assert desk.works() == {"b.stop": "100*", "b.target1": "100"}


def test_an_exit_that_is_refused_while_its_entry_stands_is_told_at_once_and_sent_when_that_fills(make):
    desk = make.desk().run(make.bracket(), make.accepted("b.entry"), rejected(make, "b.stop"))
    assert alarms(desk) == [("b.stop", ListAction.RETRY)]
    assert sent(desk) == ["b.entry+b.target1+b.stop"]
    desk.run(bought(make, "100"))
    assert sent(desk)[1:] == ["b.stop-2"]
    desk.run(rejected(make, "b.stop-2"))
    assert alarms(desk)[1:] == [("b.stop-2", ListAction.FLATTEN)]


def test_exits_stay_for_what_had_filled_before_the_entry_was_cancelled(make):
    desk = standing(make).run(bought(make, "30"))
    for name in EXITS:
        answered(make, desk, name)
    desk.run(make.cancel("b.entry"), canceled(make, "b.entry"))
    assert desk.works() == {"b.stop": "30", "b.target1": "30"}


def test_exits_that_the_venue_ends_with_an_entry_that_has_filled_in_part_are_sent_again(make):
    desk = standing(make).run(bought(make, "30"))
    for name in EXITS:
        answered(make, desk, name)
    desk.run(canceled(make, "b.entry"), *(canceled(make, name) for name in EXITS))
    assert desk.works() == {"b.stop-2": "30", "b.target1-2": "30"}
    assert [action for _, action in alarms(desk)] == [ListAction.RETRY, ListAction.RETRY]


def test_a_cancel_of_the_list_takes_all_of_it_and_what_fills_later_has_exits_of_its_own(make):
    desk = standing(make).run(make.cancel("b"))
    assert desk.works() == {"b.entry": "100*", "b.stop": "100*", "b.target1": "100*"}
    desk.run(bought(make, "20"), canceled(make, "b.entry"), *(canceled(make, name) for name in EXITS))
    assert desk.works() == {"b.stop-2": "20", "b.target1-2": "20"}
    assert [part.group for part in (desk.state.orders["b.stop-2"].order.part,)] == [2]


def test_what_a_person_cancels_stays_away(make):
    desk = standing(make).run(make.cancel("b.stop"), canceled(make, "b.stop"), bought(make, "100"))
    assert desk.works() == {"b.target1": "100"}
    assert alarms(desk) == []


# ------------------------------------------------------------------------------------------------------ it dies


def story(make: Any) -> list[Any]:
    quantities = {"quantity": Decimal(31), "venue_order_id": "9"}
    stop = {"revision": 1, "stop_price": Decimal(9)} | quantities
    return [
        make.bracket(),
        make.accepted("b.entry"),
        make.accepted("b.stop", "9101"),
        make.accepted("b.target1", "9102"),
        bought(make, "31"),
        make.report(messages.VenueReplaced, "b.stop", "1", **stop),
        sold(make, "b.target1", "5"),
        bought(make, "69", "in2"),
        make.cancel("b"),
    ]


def test_it_dies_between_any_two_lines_and_the_next_one_sends_exactly_what_is_missing(make):
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
        assert again.commands == {**again.commands, **whole.commands}, lines
        assert set(again.commands) == set(whole.commands), lines
        assert [type(event) for event in again.log] == [type(event) for event in whole.log]
        lines += 1
    assert lines > 30


def test_an_exit_of_which_nobody_hears_is_unknown_as_any_order(make):
    desk = make.desk().run(make.bracket())
    assert set(desk.timers) == {"b.entry", "b.stop", "b.target1"}

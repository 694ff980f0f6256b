"""Orders that depend on each other: what each fill, cancel and rejection of a leg makes necessary for the others.

The venue here keeps nothing by itself: what it is asked for is all that happens.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from oms import attaching, lists
from oms.checkpoint import StateLoader, capture
from oms.list_decisions import EXIT_WINDOW
from oms.lists import JOINT, Act, Leg, Need
from oms.state import Keep
from signalbox import messages
from signalbox.messages import ListAction, ListAlarmed, ListCreated, OrderCanceled, OrderCreated, OrderStatus, Side

from .list_reports import alarms, canceled, rejected, sold

SOLD = Side.SELL


@pytest.fixture(autouse=True)
def keeps_nothing(monkeypatch):
    monkeypatch.setattr(lists, "GROUPING", frozenset())
    monkeypatch.setattr(attaching, "ATTACHING", frozenset())


def test_every_pair_of_the_joint_table_says_what_is_done():
    assert set(JOINT) == set(product(Leg, Need))
    assert all(JOINT[leg, Need.NONE] is Act.CANCEL for leg in Leg)
    assert [leg for leg in Leg if JOINT[leg, Need.MORE] is Act.RELEASE] == [Leg.HELD, Leg.WORKING]


def entered(make, *parts: str, targets: tuple[str, ...] = ("1",), **fields):
    """A bracket of 100 whose entry has filled in those parts, at 10."""
    desk = make.desk().run(make.bracket(targets=targets, **fields), make.accepted("b.entry"))
    for number, part in enumerate(parts, 1):
        desk.take(make.fill(part, order_id="b.entry", execution_id=f"in{number}"))
    return desk


# ------------------------------------------------------------------------------------------------------ the entry


def test_exits_wait_until_the_entry_fills(make):
    desk = make.desk().run(make.bracket())
    assert desk.works() == {"b.entry": "100"}
    assert [type(event) for event in desk.log] == [ListCreated, OrderCreated]
    desk.run(make.accepted("b.entry"))
    assert desk.works() == {"b.entry": "100"}


def test_the_exits_are_for_what_has_filled_and_follow_each_part(make):
    desk = entered(make, "30")
    assert desk.works() == {"b.entry": "70", "b.stop": "30", "b.target1": "30"}
    desk.take(make.fill("70", order_id="b.entry", execution_id="in2"))
    assert desk.works() == {"b.stop": "30", "b.stop-2": "70", "b.target1": "30", "b.target1-2": "70"}


def test_a_fill_of_the_entry_that_comes_twice_makes_no_second_exit(make):
    desk = entered(make, "30")
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    assert desk.works() == {"b.entry": "70", "b.stop": "30", "b.target1": "30"}


def test_targets_have_their_shares_and_each_has_its_part_of_the_stop(make):
    desk = entered(make, "100", targets=("0.5", "0.25"))
    assert desk.works() == {
        "b.stop": "50",
        "b.stop-2": "25",
        "b.stop-3": "25",
        "b.target1": "50",
        "b.target2": "25",
    }


def test_an_entry_that_ends_unfilled_leaves_nothing(make):
    for end in (canceled(make, "b.entry"), rejected(make, "b.entry")):
        desk = make.desk().run(make.bracket(), end)
        assert (desk.works(), alarms(desk)) == ({}, [])
        assert list(desk.state.lists_over) == ["b"]


def test_exits_stay_for_what_had_filled_before_the_entry_was_cancelled(make):
    desk = entered(make, "30").run(make.cancel("b.entry"), canceled(make, "b.entry"))
    assert desk.works() == {"b.stop": "30", "b.target1": "30"}


def test_a_fill_that_comes_after_the_entrys_cancel_gets_its_exits(make):
    desk = make.desk().run(make.bracket(), make.cancel("b.entry"), canceled(make, "b.entry"))
    desk.take(make.fill("20", order_id="b.entry", execution_id="late"))
    assert desk.works() == {"b.stop": "20", "b.target1": "20"}


def test_a_fill_of_the_entry_that_is_taken_back_takes_its_exits(make):
    desk = entered(make, "30", "70")
    desk.take(make.fill("0", "0", order_id="b.entry", execution_id="in2", revision=2))
    assert desk.works() == {"b.stop": "30", "b.stop-2": "70*", "b.target1": "30", "b.target1-2": "70*"}


def test_prices_are_stated_relative_to_the_entrys_fill(make):
    offset, unit = messages.PriceOffset, messages.OffsetUnit
    stop = make.leg("stop", stop_offset=offset(amount=Decimal("-2"), unit=unit.PERCENT))
    half = make.leg(
        "half", order_type="LIMIT", share=Decimal("0.5"), limit_offset=offset(amount=Decimal(2), unit=unit.R)
    )
    rest = make.leg("rest", order_type="LIMIT", limit_offset=offset(amount=Decimal(50), unit=unit.TICKS))
    entry = make.leg("entry", "BUY", "MARKET", quantity=Decimal(10))
    desk = make.desk().run(make.order_list("b", "BRACKET", entry, stop, half, rest))
    desk.run(
        make.fill("4", "10", order_id="b.entry", execution_id="1"),
        make.fill("6", "10.11", order_id="b.entry", execution_id="2"),
    )
    prices = {
        key: order.order.limit_price or order.order.stop_price
        for key, order in desk.state.orders.items()
        if order.order is not None
    }
    assert prices["b.stop"] == Decimal("9.8")  # of 4 at 10
    assert prices["b.half"] == Decimal("10.4")
    assert prices["b.rest"] == Decimal("10.5")
    assert prices["b.stop-3"] == Decimal("9.87")  # of 10 at 10.066: 9.86468, to the tick nearer to the fill
    assert prices["b.half-2"] == Decimal("10.45")  # 10.066 + 2 x 0.196
    assert prices["b.rest-2"] == Decimal("10.56")


# ------------------------------------------------------------------------------------------------------ the exits


def test_a_target_takes_its_stop_away(make):
    desk = entered(make, "100").take(sold(make, "b.target1", "100"))
    assert [command.order_id for _, command in desk.commands] == ["b.stop"]


def test_a_target_that_fills_in_part_leaves_a_stop_for_the_rest(make):
    desk = entered(make, "100")
    desk.run(sold(make, "b.target1", "40"))
    assert desk.works() == {"b.stop": "100*", "b.target1": "60"}
    desk.run(canceled(make, "b.stop"))
    assert desk.works() == {"b.stop-2": "60", "b.target1": "60"}


def test_a_fill_of_the_stop_while_it_leaves_is_for_no_order_any_more(make):
    desk = entered(make, "100").run(sold(make, "b.target1", "40"), sold(make, "b.stop", "10", "out2", "9"))
    desk.run(canceled(make, "b.stop"))
    assert desk.works() == {"b.stop-2": "50", "b.target1": "60*"}
    desk.run(canceled(make, "b.target1"))
    assert desk.works() == {"b.stop-2": "50", "b.target1-2": "50"}


def test_the_stop_fills_while_the_entry_is_filled_in_part(make):
    desk = entered(make, "30").run(make.accepted("b.stop", "9002"), sold(make, "b.stop", "30", price="9"))
    assert desk.works() == {"b.entry": "70", "b.target1": "30*"}
    desk.run(canceled(make, "b.target1"), make.fill("70", order_id="b.entry", execution_id="in2"))
    assert desk.works() == {"b.stop-2": "70", "b.target1-2": "70"}


def test_four_are_never_sent_to_close_three(make):
    desk = entered(make, "3", quantity="3", targets=("0.34", "0.33"))
    assert desk.works() == {"b.stop": "1", "b.stop-2": "1", "b.stop-3": "1", "b.target1": "1", "b.target2": "1"}
    one = entered(make, "1", quantity="3", targets=("0.5", "0.5"))
    one.take(make.fill("2", order_id="b.entry", execution_id="in2"))
    stops = [order.order.quantity for key, order in one.state.orders.items() if key.startswith("b.stop")]
    assert sum(stops) == 3


def test_both_exits_fill_in_a_race_and_that_is_told_once(make):
    desk = entered(make, "100").run(sold(make, "b.target1", "100"), sold(make, "b.stop", "100", "out2", "9"))
    assert (desk.works(), alarms(desk)) == ({}, [("b.1", ListAction.ALARM)])
    desk.run(sold(make, "b.stop", "100", "out2", "9"))
    assert len(alarms(desk)) == 1
    told = next(event for event in desk.log if isinstance(event, ListAlarmed))
    assert "100 more than the entry has opened" in told.reason


def test_what_a_stop_has_filled_and_was_taken_back_is_protected_again(make):
    desk = entered(make, "100").run(sold(make, "b.stop", "100", price="9"), canceled(make, "b.target1"))
    assert desk.works() == {}
    desk.take(make.fill("0", "0", order_id="b.stop", execution_id="out1", revision=2, side=SOLD))
    assert desk.works() == {"b.stop-2": "100", "b.target1-2": "100"}


def test_what_a_person_cancels_is_not_sent_again(make):
    desk = entered(make, "100").run(make.cancel("b.stop"), canceled(make, "b.stop"))
    assert (desk.works(), alarms(desk)) == ({"b.target1": "100"}, [])


def test_one_cancels_the_others(make):
    legs = [
        make.leg("high", order_type="LIMIT", limit_price=Decimal(11), quantity=Decimal(10)),
        make.leg("low", stop_price=Decimal(9), quantity=Decimal(10)),
    ]
    desk = make.desk().run(make.order_list("b", "OCO", *legs))
    assert desk.works() == {"b.high": "10", "b.low": "10"}
    desk.run(sold(make, "b.high", "1"))
    assert desk.works() == {"b.high": "9", "b.low": "10*"}
    desk.run(canceled(make, "b.low"))
    assert desk.works() == {"b.high": "9"}
    updates = make.desk().run(make.order_list("b", "OUO", *legs), sold(make, "b.high", "1"), canceled(make, "b.low"))
    assert updates.works() == {"b.high": "9", "b.low-2": "9"}


def test_one_triggers_the_others(make):
    entry = make.leg("entry", "BUY", "MARKET", quantity=Decimal(10))
    exits = [make.leg("a", stop_price=Decimal(9), share=Decimal("0.5")), make.leg("z", stop_price=Decimal(8))]
    desk = make.desk().run(make.order_list("b", "OTO", entry, *exits), make.fill("10", order_id="b.entry"))
    assert desk.works() == {"b.a": "5", "b.z": "5"}
    desk.run(sold(make, "b.a", "5"))
    assert desk.works() == {"b.z": "5"}


# ------------------------------------------------------------------------------------------------- a leg is lost


def test_a_refused_stop_is_sent_once_more_and_its_loss_told(make):
    desk = entered(make, "100").run(rejected(make, "b.stop"))
    assert desk.works() == {"b.stop-2": "100", "b.target1": "100"}
    assert alarms(desk) == [("b.stop", ListAction.RETRY)]


def test_a_stop_refused_twice_has_its_position_closed_at_the_market(make):
    desk = entered(make, "100").run(sold(make, "b.target1", "10"), canceled(make, "b.stop"))
    desk.run(rejected(make, "b.stop-2"), rejected(make, "b.stop-3"))
    assert desk.works() == {"b.target1": "90*"}, "what works may fill yet: nothing is sold beside it"
    desk.run(sold(make, "b.target1", "5", "out2"), canceled(make, "b.target1"))
    assert desk.works() == {"b.flatten": "85"}
    terms = desk.state.orders["b.flatten"].order
    assert (terms.order_type, terms.side, terms.reduce_only) == ("MARKET", "SELL", True)
    desk.run(sold(make, "b.flatten", "85", "out3"))
    assert (desk.works(), list(desk.state.lists_over)) == ({}, ["b"])


def closing(make):
    """Its stop was refused twice, and its target is gone: it is closed at the market."""
    desk = entered(make, "100").run(rejected(make, "b.stop"), rejected(make, "b.stop-2"), canceled(make, "b.target1"))
    assert desk.works() == {"b.flatten": "100"}
    return desk


def test_what_nobody_takes_at_the_market_is_offered_once_more_and_then_told(make):
    desk = closing(make).run(canceled(make, "b.flatten"))
    assert desk.works() == {"b.flatten-2": "100"}
    desk.run(canceled(make, "b.flatten-2"))
    assert desk.works() == {}
    assert alarms(desk)[-2:] == [("b.flatten", ListAction.RETRY), ("b.flatten-2", ListAction.ALARM)]
    assert desk.state.lists["b"].unprotected_since is not None


def test_a_thin_book_is_sold_into_for_as_long_as_it_takes_some(make):
    desk, left = closing(make), 100
    for number in range(1, 6):
        order_id = "b.flatten" if number == 1 else f"b.flatten-{number}"
        if number != 3:  # once nobody takes any
            desk.run(sold(make, order_id, "20", f"out{number}"))
            left -= 20
        desk.run(canceled(make, order_id))
        assert desk.works() == {f"b.flatten-{number + 1}": str(left)}
    desk.run(canceled(make, "b.flatten-6"))
    assert (desk.works(), alarms(desk)[-1]) == ({}, ("b.flatten-6", ListAction.ALARM))


def test_a_stop_refused_twice_is_a_persons_matter_where_the_list_says_so(make):
    desk = entered(make, "100", exit_policy=messages.ExitPolicy.ALARM)
    desk.run(rejected(make, "b.stop"), rejected(make, "b.stop-2"))
    assert desk.works() == {"b.target1": "100"}
    assert alarms(desk) == [("b.stop", ListAction.RETRY), ("b.stop-2", ListAction.ALARM)]


def test_a_target_refused_twice_leaves_the_stop(make):
    desk = entered(make, "100").run(rejected(make, "b.target1"), rejected(make, "b.target1-2"))
    assert desk.works() == {"b.stop": "100"}
    assert alarms(desk) == [("b.target1", ListAction.RETRY), ("b.target1-2", ListAction.ALARM)]


def test_a_stop_whose_day_is_over_is_told_and_not_sent_again(make):
    desk = entered(make, "100").run(make.report(messages.VenueExpired, "b.stop", reason="its day is over"))
    assert (desk.works(), alarms(desk)) == ({"b.target1": "100"}, [("b.stop", ListAction.ALARM)])


def test_a_stop_that_is_unknown_is_not_sent_twice(make):
    desk = entered(make, "100").run(make.report(messages.VenueUnknown, "b.stop", reason="no word"))
    assert desk.works() == {"b.stop": "100", "b.target1": "100"}
    assert desk.state.orders["b.stop"].status is OrderStatus.UNKNOWN


def test_a_cancel_that_is_refused_again_and_again_is_told(make):
    desk = entered(make, "100").run(sold(make, "b.target1", "100"))
    for number in range(5):
        refused = make.report(messages.VenueCancelRejected, "b.stop", str(number), code="", reason="too late")
        desk.run(refused)
    assert [key for key in desk.commands if "b%2Estop" in key] == [
        f"command.ibkr.b%2Estop.{revision}" for revision in range(4)
    ]
    assert alarms(desk) == [("b.stop", ListAction.ALARM)]


# --------------------------------------------------------------------------------------------- a list as a whole


def test_a_cancel_of_the_list_takes_all_of_it(make):
    desk = entered(make, "30").run(make.cancel("b"))
    assert desk.works() == {"b.entry": "70*", "b.stop": "30*", "b.target1": "30*"}
    desk.run(*(canceled(make, name) for name in ("b.entry", "b.stop", "b.target1")))
    assert (desk.works(), alarms(desk), list(desk.state.lists_over)) == ({}, [], ["b"])
    desk.run(make.cancel("b", number=51))
    assert len([event for event in desk.log if isinstance(event, OrderCanceled)]) == 3


def test_what_fills_after_the_lists_cancel_is_protected_all_the_same(make):
    desk = entered(make, "30").run(make.cancel("b"))
    desk.run(*(canceled(make, name) for name in ("b.entry", "b.stop", "b.target1")))
    desk.run(make.fill("20", order_id="b.entry", execution_id="late"))
    assert desk.works() == {"b.stop-2": "20", "b.target1-2": "20"}


def test_an_exit_may_be_sent_for_hours_an_entry_for_seconds(make):
    desk = entered(make, "100")
    deadlines = {key: command.deadline - make.at for key, command in desk.commands.items()}
    assert deadlines == {
        "command.ibkr.b%2Eentry.0": make.rules.submit_window,
        "command.ibkr.b%2Estop.0": EXIT_WINDOW,
        "command.ibkr.b%2Etarget1.0": EXIT_WINDOW,
    }


def test_a_list_of_what_nobody_knows_is_denied_in_each_of_its_orders(make):
    desk = make.desk().run(make.bracket(symbol="MSFT"))
    assert [(type(event).__name__, event.order_id) for event in desk.log] == [
        ("OrderDenied", "b"), ("OrderDenied", "b.entry"),
    ]  # fmt: skip
    assert len(desk.run(make.bracket(symbol="MSFT")).log) == 2


def test_seconds_without_the_stop_that_was_promised_are_counted(make):
    desk = entered(make, "100")  # filled at second 2
    assert (desk.state.lists["b"].unprotected_since - make.at).total_seconds() == 2
    desk.run(make.accepted("b.stop", "9002", seconds=5))
    known = desk.state.lists["b"]
    assert (known.unprotected_since, known.unprotected_seconds) == (None, 3.0)
    desk.run(make.accepted("b.target1", "9003", seconds=5), make.fill("0", "0", order_id="b.entry", execution_id="x"))
    assert desk.state.lists["b"].unprotected_seconds == 3.0


# ------------------------------------------------------------------------------------------------------ it dies


def story(make):
    """A bracket with all that can happen to one."""
    return [
        make.bracket(targets=("0.5", "0.5")),
        make.accepted("b.entry"),
        make.fill("31", order_id="b.entry", execution_id="in1"),
        make.accepted("b.stop", "9002"),
        sold(make, "b.target1", "5"),
        canceled(make, "b.stop"),
        rejected(make, "b.stop-2"),
        make.fill("69", order_id="b.entry", execution_id="in2"),
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
        assert set(again.commands) == set(whole.commands), lines
        assert [type(event) for event in again.log] == [type(event) for event in whole.log]
        lines += 1
    assert lines > 60


def test_the_same_decision_again_changes_nothing(make):
    desk = entered(make, "100")
    before = len(desk.log)
    desk.run(make.bracket())
    assert len(desk.log) == before
    assert desk.run(make.bracket(number=2)).outcomes[-1].notes == ("second_decision",)


@pytest.mark.parametrize("at_restart", [False, True])
def test_nothing_is_left_to_do_once_it_has_been_done(make, at_restart):
    desk = entered(make, "30")
    desk = desk.restart() if at_restart else desk
    assert desk.follow(make.at) == []


def test_a_checkpoint_has_lists_with_their_orders(make):
    desk = entered(make, "30")
    desk.run(make.bracket("over", number=2), rejected(make, "over.entry"))
    _, frames = capture(desk.state)
    loader = StateLoader(desk.state.keep)
    for frame in frames:
        loader.take(frame)
    again = loader.state
    assert (again.lists, list(again.lists_over), list(again.ended)) == (desk.state.lists, ["over"], [])
    assert again.orders == desk.state.orders
    assert list(again.lists_awake) == ["b"], "the next process asks it what is missing"


def test_lists_that_are_over_leave_with_their_orders_and_are_known_all_the_same(make):
    keep = Keep(ended_orders=2, ended_lists=1, at_once=1)
    desk = make.desk()
    desk.state.keep = keep
    for number in range(1, 5):
        desk.run(make.bracket(f"b{number}", number=number), rejected(make, f"b{number}.entry"))
    assert (list(desk.state.lists), list(desk.state.orders)) == (["b4"], ["b2.entry", "b3.entry", "b4.entry"])
    before = len(desk.log)
    desk.run(make.bracket("b1", number=1))
    assert (len(desk.log), list(desk.state.lists)) == (before, ["b4", "b1"])
    desk.run(make.bracket("b4", number=4))
    assert (len(desk.log), list(desk.state.lists)) == (before, ["b4"]), "it was here for one message"


def test_what_the_venue_keeps_by_itself_is_left_to_it(make, monkeypatch):
    monkeypatch.setattr(lists, "GROUPING", frozenset({"ibkr"}))
    desk = entered(make, "100").run(sold(make, "b.target1", "40"))
    assert desk.works() == {"b.stop": "100", "b.target1": "60"}, "its group has made it 60 there"
    desk.run(sold(make, "b.stop", "60", "out2", "9"), canceled(make, "b.stop"))
    assert desk.works() == {"b.target1": "60*"}
    taken_back = entered(make, "30", "70")
    taken_back.take(make.fill("0", "0", order_id="b.entry", execution_id="in2", revision=2))
    assert taken_back.works()["b.stop-2"] == "70*", "of that no group knows"

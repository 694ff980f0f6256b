"""Changes of what works: asked for once, never two orders, and a fill in between is booked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from oms.changes import replace_order
from oms.outcome import NOTHING
from oms.protection import protecting_quantity
from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    ModifyOrder,
    OpenOrder,
    OrderFilled,
    OrderPartiallyFilled,
    OrderPendingReplace,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceUnknown,
    OrderStatus,
    OrderType,
    RefusedBy,
    Side,
    VenueCanceled,
    VenueCancelRejected,
    VenueExpired,
    VenueReplaced,
    VenueReplaceRejected,
    VenueReplaceUnknown,
    VenueUnknown,
)

NEW, PENDING_REPLACE, PENDING_CANCEL = OrderStatus.NEW, OrderStatus.PENDING_REPLACE, OrderStatus.PENDING_CANCEL
PARTIALLY_FILLED, FILLED, UNKNOWN = OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.UNKNOWN
LIMIT = {"order_type": OrderType.LIMIT, "limit_price": Decimal(10)}


def replaced(make: Any, quantity: str = "100", limit: str | None = "11", revision: int = 1) -> VenueReplaced:
    prices = {"quantity": Decimal(quantity), "limit_price": Decimal(limit) if limit else None}
    report: VenueReplaced = make.report(
        VenueReplaced, key=f"{revision}", venue_order_id="9001", revision=revision, **prices
    )
    return report


def refused(make: Any, revision: int = 1) -> VenueReplaceRejected:
    report: VenueReplaceRejected = make.report(
        VenueReplaceRejected, key=f"{revision}", code="104", reason="too late", revision=revision
    )
    return report


def working(make: Any, *more: Any) -> Any:
    return make.desk().run(make.approved(**LIMIT), make.accepted(), *more)


def asked(make: Any, **changes: Any) -> Any:
    """A limit order of 100 at 10 of which 110 at 11 were asked for, or `changes`."""
    return working(make, make.modify(**(changes or {"quantity": Decimal(110), "limit_price": Decimal(11)})))


def status_of(desk: Any) -> OrderStatus:
    status: OrderStatus = desk.state.orders["o-1"].status
    return status


def test_an_approved_change_is_an_event_and_a_command_with_the_whole_order(make: Any) -> None:
    desk = working(make)
    outcome = desk.take(make.modify(limit_price=Decimal(11)))
    [event], [(revision, command)] = outcome.events, outcome.commands
    assert isinstance(event, OrderPendingReplace)
    assert isinstance(command, ModifyOrder)
    assert (event.status, event.revision, revision, command.revision) == (PENDING_REPLACE, 1, 1, 1)
    assert event.order == command.order == replace(desk.state.orders["o-1"].order, limit_price=Decimal(11))
    assert (command.id, command.cause, command.venue_order_id) == ("command/o-1/1", "decision-60", "9001")
    assert command.deadline == make.at + make.rules.submit_window
    assert desk.state.orders["o-1"].order.limit_price == 10, "until the venue has said, the order is as it was"


def test_what_the_venue_has_changed_is_the_order_from_then_on(make: Any) -> None:
    desk = asked(make)
    [event] = desk.take(replaced(make, "110")).events
    assert isinstance(event, OrderReplaced)
    assert (event.status, event.leaves_quantity, event.revision) == (NEW, 110, 1)
    order = desk.state.orders["o-1"]
    assert (order.order.quantity, order.order.limit_price, order.change) == (110, 11, None)


def test_a_change_that_fails_leaves_the_order_as_it_was_and_says_so(make: Any) -> None:
    desk = asked(make)
    [event] = desk.take(refused(make)).events
    assert isinstance(event, OrderReplaceRejected)
    assert (event.status, event.reason) == (NEW, "104: too late")
    order = desk.state.orders["o-1"]
    assert (order.order.quantity, order.order.limit_price, order.change) == (100, 10, None)


def test_an_order_filled_in_part_is_so_again_after_its_change(make: Any) -> None:
    for answer in (replaced(make), refused(make)):
        desk = working(make, make.fill("40"), make.modify(limit_price=Decimal(11)), answer)
        assert status_of(desk) is PARTIALLY_FILLED


def test_a_change_of_which_nobody_knows_leaves_the_order_pending(make: Any) -> None:
    desk = asked(make)
    [event] = desk.take(make.report(VenueReplaceUnknown, revision=1, reason="the socket broke")).events
    assert isinstance(event, OrderReplaceUnknown)
    assert (event.status, event.reason) == (PENDING_REPLACE, "the socket broke")
    desk.run(replaced(make, "110"))
    assert status_of(desk) is NEW


def test_a_fill_in_between_is_booked_and_does_not_end_what_may_be_larger(make: Any) -> None:
    desk = asked(make, quantity=Decimal(150))
    [event] = desk.take(make.fill("100")).events
    assert isinstance(event, OrderPartiallyFilled)
    assert (event.status, event.leaves_quantity) == (PENDING_REPLACE, 50)
    assert status_of(desk.restart().run(replaced(make, "150", "10"))) is PARTIALLY_FILLED
    assert status_of(desk.restart().run(refused(make))) is FILLED, "it was filled before the change could be made"


def test_a_change_to_what_has_filled_meanwhile_fills_the_order(make: Any) -> None:
    desk = asked(make, quantity=Decimal(60))
    [event] = desk.take(make.fill("60")).events
    assert (type(event), event.status, event.leaves_quantity) == (OrderPartiallyFilled, PENDING_REPLACE, 40)
    desk.run(replaced(make, "60", "10"))
    assert status_of(desk) is FILLED


def test_all_of_the_larger_fills_it_before_the_venue_has_answered(make: Any) -> None:
    desk = asked(make, quantity=Decimal(60))
    [event] = desk.take(make.fill("100")).events
    assert isinstance(event, OrderFilled)
    assert desk.take(refused(make)).events == (), "its end has said it all"
    assert status_of(desk) is FILLED


def test_a_fill_beyond_the_larger_is_an_overfill(make: Any) -> None:
    assert asked(make, quantity=Decimal(150)).take(make.fill("150")).notes == ()
    assert asked(make, quantity=Decimal(60)).take(make.fill("101")).notes != ()


def test_a_person_who_wants_out_may_cancel_what_is_being_changed(make: Any) -> None:
    desk = asked(make)
    [(revision, _)] = desk.take(make.cancel()).commands
    assert (revision, status_of(desk)) == (2, PENDING_CANCEL)
    still = desk.restart().run(make.report(VenueCancelRejected, code="1", reason="no"))
    assert status_of(still) is PENDING_REPLACE, "the change is open all the same"
    assert status_of(still.run(replaced(make, "110"))) is NEW
    late = desk.restart().run(replaced(make, "110"))
    assert (status_of(late), late.state.orders["o-1"].order.quantity) == (PENDING_CANCEL, 110)
    gone = desk.restart().run(make.report(VenueCanceled, reason="as asked"))
    assert (status_of(gone), gone.state.orders["o-1"].change) == (OrderStatus.CANCELED, None)


def test_what_ends_meanwhile_is_over_and_the_change_with_it(make: Any) -> None:
    desk = asked(make).run(make.report(VenueExpired, reason="its day is over"))
    assert (status_of(desk), desk.state.orders["o-1"].change) == (OrderStatus.EXPIRED, None)


def test_an_unknown_order_is_found_by_its_change(make: Any) -> None:
    desk = asked(make).run(make.report(VenueUnknown, reason="not listed"))
    assert status_of(desk) is UNKNOWN
    assert status_of(desk.restart().run(replaced(make, "110"))) is NEW
    assert status_of(desk.restart().run(refused(make))) is UNKNOWN, "a refusal does not say that it lives"


def test_an_unknown_order_that_is_found_is_still_being_changed(make: Any) -> None:
    desk = asked(make).run(make.report(VenueUnknown, reason="not listed"), make.accepted(venue_order_id="9002"))
    assert status_of(desk) is PENDING_REPLACE


def test_a_redelivered_change_gives_the_command_again_while_it_is_open(make: Any) -> None:
    desk = asked(make)
    modify = make.modify(quantity=Decimal(110), limit_price=Decimal(11))
    again = desk.restart().decide(modify)
    assert (again.events, [each for _, each in again.commands]) == ((), [desk.commands["command.ibkr.o-1.1"]])
    assert desk.run(refused(make)).decide(modify) == NOTHING


def test_the_answer_to_the_change_before_says_nothing_of_this_one(make: Any) -> None:
    desk = asked(make).run(refused(make), make.modify(number=61, limit_price=Decimal(12)))
    assert desk.take(make.with_id(refused(make), "again")).events == ()
    assert desk.take(make.report(VenueReplaceUnknown, key="old", revision=1, reason="x")).events == ()
    assert desk.state.orders["o-1"].change.revision == 2


@pytest.mark.parametrize("name", ["ended", "being cancelled", "being changed", "not taken", "filled beyond"])
def test_what_can_not_be_changed_now_is_said_and_nothing_is_sent(make: Any, name: str) -> None:
    more, reason = {
        "ended": ((make.accepted(), make.fill("100")), "the order is FILLED already"),
        "being cancelled": ((make.accepted(), make.cancel()), "the order is PENDING_CANCEL"),
        "being changed": ((make.accepted(), make.modify(number=61, limit_price=Decimal(9))), "another change"),
        "not taken": ((), "the order is PENDING_NEW"),
        "filled beyond": ((make.accepted(), make.fill("60")), "60 of it have filled already"),
    }[name]
    desk = make.desk().run(make.approved(**LIMIT), *more)
    before = desk.state.orders["o-1"]
    outcome = desk.take(make.modify(quantity=Decimal(50)))
    [event] = outcome.events
    assert isinstance(event, OrderReplaceRejected)
    assert event.reason.startswith(reason)
    assert (event.status, event.refused_by, event.revision) == (before.status, RefusedBy.DESK, 0)
    assert (outcome.commands, desk.state.orders["o-1"].change) == ((), before.change)
    assert desk.decide(make.modify(quantity=Decimal(50))) == NOTHING


def test_a_change_of_an_order_that_there_is_not_is_an_error(make: Any) -> None:
    with pytest.raises(IllegalTransitionError):
        make.desk().take(make.modify(quantity=Decimal(50)))


def test_the_oms_may_ask_for_other_terms_by_itself_once_for_each_cause(make: Any) -> None:
    desk = working(make)
    order = desk.state.orders["o-1"]
    wanted = replace(order.order, quantity=Decimal(40))
    outcome = replace_order(desk.state, order, wanted, make.at, "report/ibkr/DU1/fill/e9", make.rules)
    [event], [(_, command)] = outcome.events, outcome.commands
    assert (event.cause, command.cause) == ("report/ibkr/DU1/fill/e9", "report/ibkr/DU1/fill/e9")
    desk.store(event)
    again = replace_order(desk.state, desk.state.orders["o-1"], wanted, make.at, "report/ibkr/DU1/fill/e9", make.rules)
    assert (again.events, again.commands) == ((), outcome.commands)


def test_what_was_changed_by_hand_at_the_venue_is_told(make: Any) -> None:
    desk = working(make)
    [event] = desk.take(replaced(make, "70", "10", revision=0)).events
    assert (type(event), event.status, event.revision) == (OrderReplaced, NEW, 0)
    assert desk.take(make.with_id(replaced(make, "70", "10", revision=0), "again")).events == ()
    assert desk.state.orders["o-1"].order.quantity == 70


def test_a_stop_that_is_being_changed_protects_with_the_smaller_quantity(make: Any) -> None:
    stop = {"side": Side.SELL, "order_type": OrderType.STOP, "stop_price": Decimal(9)}
    desk = make.desk().run(make.approved(**stop), make.accepted(), make.modify(quantity=Decimal(60)))
    assert protecting_quantity(desk.state, ("ibkr", "DU1", "AAPL"), Side.SELL) == 60
    assert status_of(desk) is PENDING_REPLACE
    desk.run(refused(make))
    assert protecting_quantity(desk.state, ("ibkr", "DU1", "AAPL"), Side.SELL) == 100


@pytest.mark.parametrize("lines", range(4))
def test_a_crash_at_any_line_of_a_change_makes_it_once(make: Any, lines: int) -> None:
    desk = working(make)
    desk.lines_left = lines
    modify = make.modify(limit_price=Decimal(11))
    try:
        desk.take(modify)
    except make.died:
        desk = desk.restart()
        desk.take(modify)
    changes = [each for each in desk.log if isinstance(each, OrderPendingReplace)]
    assert (len(changes), len([1 for each in desk.commands.values() if isinstance(each, ModifyOrder)])) == (1, 1)
    assert desk.restart().state.orders == desk.state.orders


def test_a_change_that_is_over_asks_for_nothing_when_it_comes_again_while_another_is_open(make: Any) -> None:
    desk = asked(make).run(refused(make), make.modify(number=61, limit_price=Decimal(12)))
    assert desk.decide(make.modify(quantity=Decimal(110), limit_price=Decimal(11))) == NOTHING


def test_an_unknown_order_that_a_snapshot_lists_is_still_being_changed(make: Any) -> None:
    desk = asked(make).run(make.report(VenueUnknown, reason="not listed"))
    listed = OpenOrder(
        order_id="o-1", venue_order_id="9001", symbol="AAPL", side=Side.BUY, quantity=Decimal(100),
        filled_quantity=Decimal(0),
    )  # fmt: skip
    assert status_of(desk.run(make.snapshot(9, open_orders=(listed,)))) is PENDING_REPLACE

"""An approved order for a group of accounts: an order in each, announced, sent and counted by itself."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from oms.outcome import NOTHING
from oms.recall import wanted_by_message
from oms.step import instrument_needed
from signalbox.messages import (
    Allocation,
    CancelIntent,
    GroupPart,
    IntentApproved,
    ModifyIntent,
    OrderDenied,
    OrderPendingCancel,
    OrderPendingReplace,
    SubmitOrder,
)

SHARES = {"DU1": Decimal(60), "DU2": Decimal(40)}


def approved(make: Any, shares: dict[str, Decimal] = SHARES) -> IntentApproved:
    wish = make.intent("X", account="", group="both", quantity=sum(shares.values()))
    parts = tuple(
        GroupPart(
            intent=make.intent(f"X.{number}", account=account, quantity=quantity),
            estimated_commission=Decimal(number),
        )
        for number, (account, quantity) in enumerate(shares.items(), 1)
    )
    return replace(make.approved("X", account=""), intent=wish, parts=parts)


def about_both(make: Any, decision: IntentApproved, kind: type[Any], **changes: Any) -> IntentApproved:
    """A cancel or change of the whole, as risk approves it."""
    parts = [
        GroupPart(
            intent=kind(
                id=f"{decision.cause}.{number}",
                at=make.at,
                venue="ibkr",
                symbol="AAPL",
                account=account,
                order_id=f"X.{number}",
                **changes,
            )
        )
        for number, account in enumerate(SHARES, 1)
    ]
    return replace(decision, order_id="X", parts=tuple(parts))


def taken(make: Any) -> Any:
    """The venue has both."""
    desk = make.desk()
    desk.take(desk.decided(approved(make)))
    for number, account in enumerate(SHARES, 1):
        values = {"order_id": f"X.{number}", "venue_order_id": f"900{number}"}
        desk.take(replace(make.accepted(), account=account, id=f"accepted-{number}", **values))
    return desk


def test_each_account_has_an_order_of_its_part(make: Any) -> None:
    desk = make.desk()
    desk.take(desk.decided(approved(make)))
    found = [
        (order.account, order.order_id, order.intent_id, order.quantity, order.estimated_commission, order.allocation)
        for order in (state.order for state in desk.state.orders.values())
    ]
    of_both = Allocation(group="both", parts=2)
    assert found == [("DU1", "X.1", "X", 60, 1, of_both), ("DU2", "X.2", "X", 40, 2, of_both)]
    sent = [command.order.account for command in desk.commands.values() if isinstance(command, SubmitOrder)]
    assert sent == ["DU1", "DU2"]
    assert len(desk.timers) == 2


def test_the_same_decision_again_is_no_second_order(make: Any) -> None:
    desk = make.desk()
    decision = desk.decided(approved(make))
    desk.take(decision)
    commands = dict(desk.commands)
    assert desk.take(decision).events == ()
    assert desk.commands == commands


@pytest.mark.parametrize("lines", range(8))
def test_whoever_dies_between_any_two_lines_leaves_nothing_twice_and_nothing_out(make: Any, lines: int) -> None:
    desk = make.desk()
    decision = desk.decided(approved(make))
    desk.lines_left = lines
    with contextlib.suppress(make.died):
        desk.take(decision)
    desk = desk.restart()
    desk.take(decision)
    assert desk.works() == {"X.1": "60", "X.2": "40"}
    assert len(desk.commands) == 2


def test_a_cancel_of_it_asks_each_account(make: Any) -> None:
    desk = taken(make)
    cancel = desk.decided(about_both(make, make.cancel("X", account=""), CancelIntent))
    outcome = desk.take(cancel)
    asked = [(event.account, event.order_id) for event in outcome.events if isinstance(event, OrderPendingCancel)]
    assert asked == [("DU1", "X.1"), ("DU2", "X.2")]
    assert [command.venue_order_id for _, command in outcome.commands] == ["9001", "9002"]
    again = desk.take(cancel)
    assert (again.events, [revision for revision, _ in again.commands]) == ((), [1, 1])


def test_a_change_of_it_asks_each_account(make: Any) -> None:
    desk = taken(make)
    change = desk.decided(about_both(make, make.modify("X"), ModifyIntent, quantity=Decimal(30)))
    outcome = desk.take(change)
    asked = [
        (event.account, event.order.quantity) for event in outcome.events if isinstance(event, OrderPendingReplace)
    ]
    assert asked == [("DU1", 30), ("DU2", 30)]


def test_of_an_instrument_that_nobody_has_told_no_account_has_an_order(make: Any) -> None:
    desk = make.desk()
    desk.state.instruments.clear()
    decision = desk.decided(approved(make))
    assert instrument_needed(decision) == ("ibkr", "AAPL")
    events = desk.take(decision).events
    assert [(type(event), event.account, event.order_id) for event in events] == [
        (OrderDenied, "DU1", "X.1"),
        (OrderDenied, "DU2", "X.2"),
    ]
    assert (desk.take(decision), desk.commands) == (NOTHING, {})


def test_what_has_left_memory_is_looked_up_by_part(make: Any) -> None:
    desk = make.desk()
    desk.state.left.add("X.2", 7)
    wanted = wanted_by_message(desk.state, about_both(make, make.cancel("X", account=""), CancelIntent))
    assert wanted.owners == (("ibkr", "DU2", "X.2"),)

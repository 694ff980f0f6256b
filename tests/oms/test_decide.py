"""Given a state, when risk decides or a timer fires, then these events, commands and timers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from oms.outcome import NOTHING, NoteKind
from oms.recall import wanted_by_message
from oms.step import instrument_needed
from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    CancelOrder,
    Check,
    OrderCancelRejected,
    OrderCreated,
    OrderDenied,
    OrderPendingCancel,
    OrderStatus,
    OrderUnknown,
    PositionAction,
    PositionIntent,
    SubmitOrder,
    TimeInForce,
    VenueCanceled,
    VenueCancelRejected,
    VenueUnknown,
)


def test_an_approved_intent_becomes_an_order_a_command_and_a_timer(make: Any) -> None:
    outcome = make.desk().decide(make.approved(time_in_force=TimeInForce.GTC, limit_price=Decimal("9.50")))
    [created] = outcome.events
    [(revision, submit)] = outcome.commands
    [timer] = outcome.timers
    assert isinstance(created, OrderCreated)
    assert (created.id, created.cause, created.status) == ("o-1/1", "decision-1", OrderStatus.PENDING_NEW)
    assert (created.order.time_in_force, created.order.limit_price) == (TimeInForce.GTC, Decimal("9.50"))
    assert isinstance(submit, SubmitOrder)
    assert (revision, submit.id, submit.order) == (0, "command/o-1/0", created.order)
    assert submit.deadline == make.at + timedelta(seconds=30)
    assert timer.due == make.at + timedelta(seconds=45)


def test_an_order_takes_currency_and_multiplier_from_its_instrument(make: Any) -> None:
    for symbol, money in (("0700.HK", ("HKD", 1)), ("AAPL 240119C00190000", ("USD", 100))):
        [created] = make.desk().decide(make.approved(symbol=symbol)).events
        assert (created.order.currency, created.order.multiplier) == money


def test_an_approved_intent_for_an_unknown_instrument_is_denied(make: Any) -> None:
    outcome = make.desk().decide(make.approved(symbol="MSFT"))
    [denied] = outcome.events
    assert isinstance(denied, OrderDenied)
    assert "MSFT" in denied.reason
    assert not outcome.commands


def wished(make: Any, **fields: Any) -> Any:
    """The approval of a wish for a position, which has come to the order `o-1`."""
    order = make.approved(**fields).intent
    wish = PositionIntent(
        id=order.id, at=make.at, venue=order.venue, account=order.account, symbol=order.symbol,
        action=PositionAction.TARGET, quantity=Decimal(999),
    )  # fmt: skip
    return replace(make.approved(**fields), intent=wish, order=order)


def test_of_a_wish_for_a_position_comes_the_order_that_risk_has_sized(make: Any) -> None:
    [created] = make.desk().decide(wished(make)).events
    assert created == make.desk().decide(make.approved()).events[0]
    assert created.order.quantity != Decimal(999)
    desk = make.desk().run(wished(make))
    assert desk.decide(wished(make)).events == ()  # delivered again: the command alone


def test_a_wish_for_a_position_that_is_there_makes_nothing(make: Any) -> None:
    assert make.desk().decide(replace(wished(make), order=None, order_id="")) == NOTHING


def test_a_denied_wish_for_a_position_is_announced_under_its_id(make: Any) -> None:
    [denied] = make.desk().take(replace(make.denied(reason="nothing held"), intent=wished(make).intent)).events
    assert isinstance(denied, OrderDenied)
    assert (denied.id, denied.reason) == ("o-1/1", "nothing held")


def test_the_instrument_of_a_wish_is_asked_for(make: Any) -> None:
    assert instrument_needed(wished(make, symbol="MSFT")) == ("ibkr", "MSFT")


def test_a_denied_intent_is_announced_under_its_id(make: Any) -> None:
    desk = make.desk()
    [denied] = desk.take(make.denied(reason="too large")).events
    assert isinstance(denied, OrderDenied)
    assert (denied.id, denied.status, denied.reason) == ("o-1/1", OrderStatus.DENIED, "too large")
    assert desk.take(make.denied()) == NOTHING


def test_a_denied_duplicate_leaves_the_order_alone(make: Any) -> None:
    desk = make.desk().run(make.approved())
    assert desk.decide(make.denied(number=2)) == NOTHING
    assert desk.decide(make.denied(number=3, account="DU2")) == NOTHING


def test_an_approval_under_another_accounts_order_id_makes_no_order(make: Any) -> None:
    outcome = make.desk().run(make.approved()).decide(make.approved(number=2, account="DU2"))
    assert (outcome.events, outcome.notes) == ((), (NoteKind.SECOND_DECISION,))


def test_the_denial_of_an_id_that_was_used_up_announces_nothing_also_before_its_order(make: Any) -> None:
    """Denials have a consumer of their own: this one may overtake the approval that it repeats the id of."""
    used_up = Check(name="duplicate_intent", passed=False, limit="", observed="", source="")
    desk = make.desk()
    assert desk.take(replace(make.denied(number=2), checks=(used_up,))) == NOTHING
    assert [type(event) for event in desk.take(make.approved()).events] == [OrderCreated]


@pytest.mark.parametrize("fields", [{"order_id": "_baseline"}, {"order_id": "a b"}, {"venue": "no.such>"}])
def test_a_denied_intent_that_fits_no_subject_makes_no_event(make: Any, fields: dict[str, str]) -> None:
    assert make.desk().decide(make.denied(**fields)) == NOTHING


def test_a_second_approval_of_an_order_is_noted_and_nothing_more(make: Any) -> None:
    outcome = make.desk().run(make.approved()).decide(make.approved(number=2))
    assert outcome.notes == (NoteKind.SECOND_DECISION,)
    assert not outcome.events
    assert not outcome.commands


def test_a_redelivered_approval_gives_the_command_again_while_nobody_has_answered(make: Any) -> None:
    desk = make.desk()
    first = desk.take(make.approved())
    again = desk.restart().decide(make.approved())
    assert (again.events, again.commands, again.timers) == ((), first.commands, first.timers)


def test_a_redelivered_approval_of_an_order_turned_unknown_still_gives_the_command(make: Any) -> None:
    desk = make.desk()
    first = desk.take(make.approved())
    desk.take(first.timers[0], at=first.timers[0].due)
    assert desk.decide(make.approved()).commands == first.commands


def test_a_redelivered_approval_of_an_answered_order_gives_nothing(make: Any) -> None:
    assert make.desk().run(make.approved(), make.accepted()).decide(make.approved()) == NOTHING


# ---------------------------------------------------------------------------------------------------------- cancels


def test_an_approved_cancel_is_an_event_and_a_command_of_the_next_revision(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.accepted())
    for number in (1, 2):
        outcome = desk.take(make.cancel(number=50 + number))
        [event] = outcome.events
        [(revision, command)] = outcome.commands
        assert isinstance(event, OrderPendingCancel)
        assert event.status is OrderStatus.PENDING_CANCEL
        assert isinstance(command, CancelOrder)
        assert (revision, command.id, command.venue_order_id) == (number, f"command/o-1/{number}", "9001")


def test_a_redelivered_cancel_gives_its_own_revision_again(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.accepted())
    first = desk.take(make.cancel(number=51))
    desk.take(make.cancel(number=52))
    again = desk.restart().decide(make.cancel(number=51))
    assert (again.events, again.commands) == ((), first.commands)


def test_a_cancel_while_pending_new_is_asked_and_a_late_acceptance_does_not_recall_it(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.cancel(), make.accepted())
    assert desk.state.orders["o-1"].status is OrderStatus.PENDING_CANCEL


def test_a_cancel_of_an_ended_order_is_answered_once_and_not_sent(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("100"))
    outcome = desk.take(make.cancel())
    [event] = outcome.events
    assert isinstance(event, OrderCancelRejected)
    assert (event.status, event.reason) == (OrderStatus.FILLED, "the order is FILLED already")
    assert not outcome.commands
    assert desk.take(make.cancel()) == NOTHING


def test_a_cancel_of_an_order_that_does_not_exist_is_illegal_and_changes_nothing(make: Any) -> None:
    desk = make.desk()
    with pytest.raises(IllegalTransitionError, match="OrderPendingCancel"):
        desk.take(make.cancel("nobody"))
    assert not desk.log


def test_a_refused_cancel_puts_the_order_back(make: Any) -> None:
    refused = make.report(VenueCancelRejected, code="10148", reason="can not be cancelled")
    desk = make.desk().run(make.approved(), make.accepted(), make.cancel(), refused)
    assert desk.state.orders["o-1"].status is OrderStatus.NEW
    assert desk.log[-1].reason == "10148: can not be cancelled"


def test_a_cancel_of_an_unknown_order_is_sent_and_the_order_stays_unknown(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.report(VenueUnknown, reason="no answer"))
    outcome = desk.take(make.cancel())
    assert len(outcome.commands) == 1
    statuses = [desk.state.orders["o-1"].status]
    desk.take(make.report(VenueCanceled, reason="by request"))
    statuses.append(desk.state.orders["o-1"].status)
    assert statuses == [OrderStatus.UNKNOWN, OrderStatus.CANCELED]


# ----------------------------------------------------------------------------------------------------------- timers


def test_silence_until_the_timer_makes_an_order_unknown(make: Any) -> None:
    desk = make.desk()
    [timer] = desk.take(make.approved()).timers
    [event] = desk.take(timer, at=timer.due).events
    assert isinstance(event, OrderUnknown)
    assert event.at == timer.due
    assert "45 s" in event.reason
    assert desk.take(timer, at=timer.due + timedelta(hours=1)).events == ()


def test_a_timer_that_fires_early_is_set_again(make: Any) -> None:
    desk = make.desk()
    [timer] = desk.take(make.approved()).timers
    outcome = desk.take(timer, at=timer.due - timedelta(microseconds=1))
    assert (outcome.events, outcome.timers) == ((), (timer,))


def test_a_timer_of_an_answered_ended_or_unheard_of_order_means_nothing(make: Any) -> None:
    desk = make.desk()
    [timer] = desk.take(make.approved()).timers
    desk.take(make.accepted())
    assert desk.take(timer, at=timer.due) == NOTHING
    assert make.desk().take(timer, at=timer.due) == NOTHING


def test_a_cancel_that_nobody_answers_for_an_order_that_nobody_acknowledged_is_unknown(make: Any) -> None:
    desk = make.desk()
    [timer] = desk.take(make.approved()).timers
    desk.take(make.cancel())
    desk.take(timer, at=timer.due)
    assert desk.state.orders["o-1"].status is OrderStatus.UNKNOWN


def test_an_acceptance_after_unknown_resolves_it(make: Any) -> None:
    desk = make.desk()
    [timer] = desk.take(make.approved()).timers
    desk.take(timer, at=timer.due)
    desk.take(make.accepted())
    assert desk.state.orders["o-1"].status is OrderStatus.NEW


def test_the_order_bears_what_risk_has_estimated_that_it_costs(make: Any) -> None:
    [created] = make.desk().decide(replace(make.approved(), estimated_commission=Decimal("1.25"))).events
    assert isinstance(created, OrderCreated)
    assert created.order.estimated_commission == Decimal("1.25")


def test_the_order_of_a_wish_is_looked_up_once_it_has_left_memory(make: Any) -> None:
    """Else its approval, delivered again long after it ended, would place it anew."""
    desk = make.desk()
    desk.state.left.add("o-1")
    assert wanted_by_message(desk.state, wished(make)).owners == (("ibkr", "DU1", "o-1"),)

"""What follows from what the venue says of an order: given state, when fact, then reports and questions."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from gateway_ibkr import fees
from gateway_ibkr.decide import decide, end_of_day, question
from gateway_ibkr.facts import (
    CommissionSeen,
    CompletedOrderSeen,
    ErrorSeen,
    ExecutionSeen,
    OpenOrderSeen,
    OrderFact,
    OrderStatusSeen,
    VenueContract,
)
from gateway_ibkr.state import OwnState, State, Tracked, fold_report, raise_number, state_of
from hypothesis import given
from hypothesis import strategies as st
from signalbox.gateway.actions import Ask, CancelStray, Park, RecordSent
from signalbox.gateway.reports import NOTES_MAX
from signalbox.gateway.state import Standing, fold_cancel, fold_ledger, take_number, track
from signalbox.messages import (
    CancelOrder,
    Contingency,
    LedgerClaimed,
    LedgerSent,
    ListPart,
    Order,
    OrderType,
    Side,
    TimeInForce,
    VenueAccepted,
    VenueCanceled,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueHeld,
    VenueNoted,
    VenueRejected,
    VenueReleased,
    VenueTriggered,
)
from signalbox.order_terms import AT_ONCE, TRIGGERED, WHY_OVER

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)  # 10:00 in New York
CLOSE = datetime(2024, 3, 5, 21, 0, tzinfo=UTC)
ACCOUNT, CLIENT, PERM = "DU1", 11, 9001
SPY = VenueContract(con_id=1, symbol="SPY", security_type="STK", currency="USD")


def order(**terms: Any) -> Order:
    values = {
        "order_id": "a-1",
        "intent_id": "a-1",
        "venue": "ibkr",
        "account": ACCOUNT,
        "symbol": "SPY",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": OrderType.LIMIT,
        "limit_price": Decimal(400),
    }
    return Order(**(values | terms))


def claim(number: int = 5, **terms: Any) -> LedgerClaimed:
    return LedgerClaimed(id="claim", at=AT, venue="ibkr", order=order(**terms), attempt_id=str(number))


def sent(**terms: Any) -> tuple[State, Tracked]:
    """A state with one order that has been sent."""
    state = state_of(ACCOUNT, OwnState(CLIENT, calendars={"SPY": "XNYS"}, symbols={1: "SPY"}))
    tracked = track(state, claim(**terms), 1)
    tracked.standing = Standing.SENT
    return state, tracked


def status(word: str, filled: float = 0.0, **changes: Any) -> OrderStatusSeen:
    values = {
        "order_number": 5,
        "client_id": CLIENT,
        "perm_id": PERM,
        "status": word,
        "filled": filled,
        "remaining": 0.0,
    }
    return OrderStatusSeen(**(values | changes))


def opened(word: str = "Submitted", **changes: Any) -> OpenOrderSeen:
    values = {
        "order_number": 5,
        "client_id": CLIENT,
        "perm_id": PERM,
        "account": ACCOUNT,
        "reference": "a-1",
        "status": word,
        "contract": SPY,
        "action": "BUY",
        "quantity": 10.0,
    }
    return OpenOrderSeen(**(values | changes))


def execution(execution_id: str = "x.01", shares: float = 4.0, **changes: Any) -> ExecutionSeen:
    values = {
        "execution_id": execution_id,
        "order_number": 5,
        "client_id": CLIENT,
        "perm_id": PERM,
        "account": ACCOUNT,
        "reference": "a-1",
        "contract": SPY,
        "side": "BOT",
        "shares": shares,
        "price": 400.0,
        "at": AT,
    }
    return ExecutionSeen(**(values | changes))


def completed(word: str = "Cancelled", at: str = "20240305-15:30:00", **changes: Any) -> CompletedOrderSeen:
    values = {
        "perm_id": PERM,
        "account": ACCOUNT,
        "reference": "a-1",
        "status": word,
        "completed_status": "",
        "completed_time": at,
        "filled": 0.0,
    }
    return CompletedOrderSeen(**(values | changes))


def error(code: int, text: str = "why", number: int = 5) -> ErrorSeen:
    return ErrorSeen(request_id=number, code=code, text=text)


def reports(state: State, *facts: OrderFact, at: datetime = AT) -> list[Any]:
    """The reports that follow from facts, in order, but for words that change nothing."""
    actions = [action for fact in facts for action in decide(state, fact, at)]
    return [action for action in actions if not isinstance(action, Ask | RecordSent | CancelStray | VenueNoted)]


def kinds(state: State, *facts: OrderFact, at: datetime = AT) -> list[type]:
    return [type(report) for report in reports(state, *facts, at=at)]


def asks(state: State, *facts: OrderFact) -> list[Ask]:
    return [action for fact in facts for action in decide(state, fact, AT) if isinstance(action, Ask)]


# ------------------------------------------------------------------------------------------------------- statuses


def test_an_order_is_accepted_once_however_often_the_venue_says_so() -> None:
    state, _ = sent()
    found = reports(state, opened(), status("PreSubmitted"), status("Submitted"), status("Submitted"), opened())
    assert [type(report) for report in found] == [VenueAccepted]
    assert found[0].venue_order_id == str(PERM)


def test_pending_submit_is_no_acceptance() -> None:
    state, tracked = sent()
    assert kinds(state, status("PendingSubmit"), status("ApiPending")) == []
    assert tracked.seen


@pytest.mark.parametrize("order_type", sorted(TRIGGERED))
def test_a_stop_triggers_when_it_goes_from_held_to_submitted(order_type: OrderType) -> None:
    state, _ = sent(order_type=order_type, stop_price=Decimal(390))
    assert kinds(state, status("PreSubmitted", why_held="trigger")) == [VenueAccepted]
    assert kinds(state, status("Submitted"), status("Submitted")) == [VenueTriggered]


@pytest.mark.parametrize("order_type", sorted(TRIGGERED))
def test_a_stop_that_fills_has_triggered_though_nobody_said_so(order_type: OrderType) -> None:
    state, _ = sent(order_type=order_type, stop_price=Decimal(390))
    assert kinds(state, execution()) == [VenueTriggered, VenueFill]


def test_a_limit_order_never_triggers() -> None:
    state, _ = sent()
    assert kinds(state, status("Submitted")) == [VenueAccepted]


def test_a_status_by_permanent_id_alone_finds_the_order() -> None:
    state, _ = sent()
    reports(state, opened())
    assert kinds(state, status("Cancelled", order_number=0, client_id=0)) == [VenueCanceled]


def test_the_same_number_of_another_client_is_another_order() -> None:
    state, _ = sent()
    assert kinds(state, status("Cancelled", client_id=3, perm_id=77)) == []


def test_a_number_that_was_rolled_back_does_not_find_the_older_order() -> None:
    state, _ = sent()
    reports(state, opened())
    assert kinds(state, status("Cancelled", perm_id=PERM + 1)) == []


def test_an_order_of_another_account_is_not_ours() -> None:
    state, _ = sent()
    assert kinds(state, opened(account="DU2")) == []
    assert kinds(state, execution(account="DU2")) == []


# ----------------------------------------------------------------------------------------------------------- ends


def test_cancelled_after_our_cancel_is_canceled() -> None:
    state, tracked = sent()
    tracked.cancel_command = "command/a-1/1"
    found = reports(state, opened(), error(202), status("Cancelled"), status("Cancelled"))
    assert [type(report) for report in found] == [VenueAccepted, VenueCanceled]
    assert found[1].cause == "command/a-1/1"


def test_cancelled_in_the_session_by_somebody_else_says_so() -> None:
    state, _ = sent()
    (found,) = reports(state, status("Cancelled"))
    assert type(found) is VenueCanceled
    assert "not by this desk" in found.reason


@pytest.mark.parametrize("validity", sorted(AT_ONCE))
@pytest.mark.parametrize("at", [AT, CLOSE], ids=["in the session", "at the close"])
def test_what_is_over_at_once_is_canceled_by_nobody(validity: TimeInForce, at: datetime) -> None:
    state, _ = sent(time_in_force=validity)
    found = reports(state, error(202, "Order Canceled - reason:"), status("Cancelled"), at=at)
    assert [(type(report), report.reason) for report in found] == [(VenueCanceled, WHY_OVER[validity])]


def test_an_order_at_once_that_the_desk_cancels_or_the_venue_refuses_says_so() -> None:
    state, tracked = sent(time_in_force=TimeInForce.IOC)
    tracked.cancel_command = "command/a-1/1"
    assert reports(state, status("Cancelled"))[0].reason == "cancelled as asked"
    state, _ = sent(time_in_force=TimeInForce.IOC)
    assert kinds(state, error(201, "Order rejected - reason:no"), status("Cancelled")) == [VenueRejected]


def test_an_order_at_once_that_a_preset_has_made_a_days_order_rests_and_expires() -> None:
    state, tracked = sent(time_in_force=TimeInForce.IOC)
    tracked.own.made_day = True
    assert kinds(state, status("Cancelled"), at=CLOSE) == [VenueExpired]
    state, tracked = sent(time_in_force=TimeInForce.IOC)
    tracked.own.made_day = True
    assert "not by this desk" in reports(state, status("Cancelled"))[0].reason


@pytest.mark.parametrize("late", [timedelta(seconds=-30), timedelta(0), timedelta(hours=2)])
def test_a_day_order_that_ends_at_the_close_has_expired(late: timedelta) -> None:
    state, _ = sent()
    assert kinds(state, status("Cancelled"), at=CLOSE + late) == [VenueExpired]


def test_a_day_order_of_late_hours_expires_at_their_end() -> None:
    state, _ = sent(outside_regular_hours=True)
    assert kinds(state, status("Cancelled"), at=CLOSE) == [VenueCanceled]
    state, _ = sent(outside_regular_hours=True)
    assert kinds(state, status("Cancelled"), at=CLOSE + timedelta(hours=4)) == [VenueExpired]


def test_a_good_till_cancelled_order_does_not_expire_at_the_close() -> None:
    state, _ = sent(time_in_force=TimeInForce.GTC)
    assert kinds(state, status("Cancelled"), at=CLOSE) == [VenueCanceled]


def test_a_good_till_date_order_expires_at_its_date() -> None:
    state, _ = sent(time_in_force=TimeInForce.GTD, good_till=AT + timedelta(hours=1))
    assert kinds(state, status("Cancelled"), at=AT + timedelta(hours=1)) == [VenueExpired]


def test_our_cancel_at_the_close_is_no_expiry() -> None:
    state, tracked = sent()
    tracked.cancel_command = "command/a-1/1"
    assert kinds(state, status("Cancelled"), at=CLOSE) == [VenueCanceled]


def test_a_desk_clock_behind_the_venues_still_sees_the_expiry() -> None:
    state, _ = sent()
    state.own.venue_time = CLOSE
    assert kinds(state, status("Cancelled"), at=CLOSE - timedelta(minutes=5)) == [VenueExpired]


def test_a_completed_order_ended_when_the_venue_says() -> None:
    state, _ = sent()
    state.own.venue_time = CLOSE + timedelta(hours=1)
    assert kinds(state, completed(at="20240305-15:30:00"), at=CLOSE + timedelta(hours=1)) == [VenueCanceled]


def test_an_order_entered_after_the_close_expires_at_the_next_one() -> None:
    assert end_of_day("XNYS", CLOSE + timedelta(minutes=1), order()) == CLOSE + timedelta(days=1)
    assert end_of_day("XNYS", datetime(2024, 3, 9, 12, tzinfo=UTC), order()) == datetime(2024, 3, 11, 20, tzinfo=UTC)


def test_an_order_for_the_opening_expires_when_that_is_over() -> None:
    opening = order(order_type=OrderType.LIMIT_ON_OPEN, limit_price=Decimal(390))
    open_ = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
    assert end_of_day("XNYS", open_ - timedelta(hours=1), opening) == open_
    assert end_of_day("XNYS", CLOSE, opening) == open_ + timedelta(days=1)
    state, tracked = sent(order_type=OrderType.LIMIT_ON_OPEN, limit_price=Decimal(390))
    tracked.claimed_at = open_ - timedelta(hours=1)
    assert kinds(state, status("Cancelled"), at=open_) == [VenueExpired]
    state, tracked = sent(order_type=OrderType.LIMIT_ON_OPEN, limit_price=Decimal(390))
    tracked.claimed_at = open_ - timedelta(hours=1)
    assert kinds(state, status("Cancelled"), at=open_ - timedelta(minutes=30)) == [VenueCanceled]


def test_what_the_first_fill_of_a_market_to_limit_order_leaves_is_told_once() -> None:
    def notes(state: State, *facts: OrderFact) -> list[str]:
        made = [action for fact in facts for action in decide(state, fact, AT)]
        return [action.reason for action in made if isinstance(action, VenueNoted)]

    state, _ = sent(order_type=OrderType.MARKET_TO_LIMIT)
    assert notes(state, opened(limit_price=0.0)) == []
    rests = opened(limit_price=400.5)
    assert notes(state, rests) == []  # a limit without a fill is none of its own making
    told = notes(state, status("Submitted", filled=4.0), rests, rests)
    assert told == ["what its first fill has left works as a limit order at 400.5"]
    state, _ = sent(order_type=OrderType.LIMIT, limit_price=Decimal("400.5"))
    assert notes(state, status("Submitted", filled=4.0), rests) == []


def test_a_refusal_is_rejected_by_its_status_and_not_by_its_error() -> None:
    state, _ = sent()
    assert kinds(state, error(201, "margin")) == []
    (found,) = reports(state, opened("Cancelled"), status("Cancelled"))
    assert type(found) is VenueRejected
    assert found.code == "201"
    assert "margin" in found.reason


def test_inactive_ends_nothing_by_itself_and_is_asked_about_at_once_when_an_error_says_why() -> None:
    for facts in ((error(201, "margin"), status("Inactive")), (status("Inactive"), error(201, "margin"))):
        state, _ = sent()
        assert kinds(state, facts[0]) == []
        assert asks(state, facts[1])[-1].urgent


def test_a_completed_order_that_is_inactive_was_refused() -> None:
    state, _ = sent()
    (found,) = reports(state, error(201, "margin"), status("Inactive"), completed("Inactive"))
    assert type(found) is VenueRejected
    assert "margin" in found.reason


def test_an_order_held_for_shares_comes_to_life_each_time_it_is_held() -> None:
    state, tracked = sent()
    words = error(404, "Order held while securities are located.")
    held, works = status("PreSubmitted", why_held="locate"), status("Submitted")
    found = reports(state, words, opened("PreSubmitted"), held, opened("PreSubmitted"), held)
    assert [type(each) for each in found] == [VenueAccepted, VenueHeld]
    assert "securities are located" in found[1].reason
    assert question(state, tracked) == ""
    again = reports(state, opened("Submitted"), works, held, status("PreSubmitted"))
    assert [type(each) for each in again] == [VenueReleased, VenueHeld, VenueReleased]
    assert len({each.id for each in (*found, *again)}) == 5


@pytest.mark.parametrize("why", ["child", "child,trigger"])
def test_what_waits_for_its_parent_is_held_until_that_fills(why: str) -> None:
    state, _ = sent()
    held, works = status("PreSubmitted", why_held=why), status("PreSubmitted", why_held="trigger")
    found = reports(state, opened("PreSubmitted"), held, opened("PreSubmitted"), held, works)
    assert [type(each) for each in found] == [VenueAccepted, VenueHeld, VenueReleased]
    assert found[1].reason == "it waits for its parent"


@pytest.mark.parametrize("why", ["trigger", ""])
def test_what_waits_for_its_trigger_is_not_held(why: str) -> None:
    state, _ = sent()
    assert kinds(state, status("PreSubmitted", why_held=why)) == [VenueAccepted]


@pytest.mark.parametrize("code", [10349, 399, 2109])
def test_information_ends_no_order_and_asks_nothing(code: int) -> None:
    state, tracked = sent()
    reports(state, opened())
    assert [type(each) for each in decide(state, error(code), AT)] == [VenueNoted]
    assert decide(state, error(code), AT) == []
    assert question(state, tracked) == ""


@pytest.mark.parametrize("code", [9999, 161, 10147, 10148, 202, 201])
def test_any_other_error_asks_and_ends_nothing(code: int) -> None:
    state, tracked = sent()
    reports(state, opened())
    assert kinds(state, error(code)) == []
    assert tracked.standing is Standing.SENT
    assert question(state, tracked) or code == 202


def test_an_error_after_the_end_changes_nothing_and_its_words_are_kept() -> None:
    state, _ = sent()
    reports(state, status("Cancelled"))
    (kept,) = decide(state, error(9999, "so it is"), AT)
    assert (type(kept), kept.code, kept.reason) == (VenueNoted, "9999", "so it is")
    assert decide(state, error(9999, "so it is"), AT) == []


def test_the_text_of_a_cancellation_is_in_what_is_told_of_it_also_when_it_comes_late() -> None:
    text = "Order Canceled - reason:the exchange shut"
    state, _ = sent()
    (found,) = reports(state, error(202, text), status("Cancelled"))
    assert found.reason == "cancelled at the venue, not by this desk: the exchange shut"
    state, _ = sent()
    reports(state, status("Cancelled"))
    (kept,) = decide(state, error(202, text), AT)
    assert "the exchange shut" in kept.reason
    state, tracked = sent()
    tracked.cancel_command = "command/a-1/1"
    (found,) = reports(state, error(202, "Order Canceled - reason:"), status("Cancelled"))
    assert found.reason == "cancelled as asked"


def test_an_order_that_a_preset_made_day_expires_and_says_so_also_after_a_restart() -> None:
    state, _ = sent(time_in_force=TimeInForce.GTC)
    said = decide(state, error(10349, "Order TIF was set to DAY based on order preset."), AT)
    assert "preset" in said[0].reason
    again = state_of(ACCOUNT, OwnState(CLIENT, calendars={"SPY": "XNYS"}, symbols={1: "SPY"}))
    fold_ledger(again, claim(time_in_force=TimeInForce.GTC), 1)
    fold_report(again, said[0])
    for each in (state, again):
        (found,) = reports(each, opened(), status("Cancelled"), at=CLOSE)[-1:]
        assert type(found) is VenueExpired
        assert "preset" in found.reason


def test_a_second_cancel_refuses_nothing_while_the_first_is_under_way() -> None:
    state, tracked = sent()
    tracked.cancel_command = "command/a-1/1"
    assert kinds(state, opened("PendingCancel"), status("PendingCancel")) == [VenueAccepted]
    tracked.cancel_command = "command/a-1/2"
    assert kinds(state, error(10148, "OrderId 5 can not be cancelled, state: PendingCancel.")) == []
    assert tracked.own.cancel_refusal is None
    tracked.cancel_command = ""
    (found,) = reports(state, status("Cancelled"))
    assert found.reason == "cancelled as asked"


def test_a_venue_that_says_something_else_each_time_is_not_kept_for_ever() -> None:
    state, _ = sent()
    notes = [each for number in range(50) for each in decide(state, error(399, f"words {number}"), AT)]
    assert len(notes) == NOTES_MAX


def test_a_late_status_of_an_order_that_is_over_changes_nothing() -> None:
    state, _ = sent()
    reports(state, opened(), status("Cancelled"))
    assert decide(state, status("Submitted"), AT) == []


def test_an_order_that_was_given_up_and_works_is_cancelled() -> None:
    state, tracked = sent()
    tracked.standing, tracked.presumed_lost = Standing.OVER, True
    assert decide(state, opened(), AT) == [CancelStray("a-1")]


# ----------------------------------------------------------------------------------------------------- executions


def test_an_execution_before_any_status_is_a_fill() -> None:
    state, tracked = sent()
    (found,) = reports(state, execution())
    assert type(found) is VenueFill
    assert (found.fill.quantity, found.fill.execution_id, found.fill.order_id) == (Decimal(4), "x", "a-1")
    assert tracked.filled == Decimal(4)


def test_an_execution_is_reported_once() -> None:
    state, tracked = sent()
    assert kinds(state, execution(), execution(), execution()) == [VenueFill]
    assert tracked.filled == Decimal(4)


def test_a_correction_is_reported_and_replaces() -> None:
    state, tracked = sent()
    assert kinds(state, execution("x.01", 4.0), execution("x.02", 3.0)) == [VenueFill, VenueFill]
    assert tracked.filled == Decimal(3)


def test_a_correction_that_overtakes_stands() -> None:
    state, tracked = sent()
    assert kinds(state, execution("x.02", 3.0), execution("x.01", 4.0)) == [VenueFill, VenueFill]
    assert tracked.filled == Decimal(3)


def test_a_fill_after_a_cancel_is_reported() -> None:
    state, tracked = sent()
    tracked.cancel_command = "c"
    assert kinds(state, status("Cancelled"), execution()) == [VenueCanceled, VenueFill]


def test_a_fill_of_an_order_that_is_not_the_desks_has_no_order_id() -> None:
    state, _ = sent()
    (found,) = reports(state, execution(reference="", perm_id=5, order_number=0, client_id=0))
    assert found.fill.order_id == ""


def test_a_commission_before_its_execution_is_reported_without_an_order() -> None:
    state, _ = sent()
    commission = CommissionSeen(execution_id="x.01", commission=1.0, currency="USD")
    found = reports(state, commission, execution(), commission)
    assert [type(report) for report in found] == [VenueCommission, VenueFill]
    assert found[0].order_id == ""


def test_a_commission_after_its_execution_names_the_order() -> None:
    state, _ = sent()
    found = reports(state, execution(), CommissionSeen(execution_id="x.01", commission=1.0, currency="USD"))
    assert found[1].order_id == "a-1"


def test_a_fee_of_a_login_with_several_accounts_waits_until_its_execution_says_whose_it_is() -> None:
    fee = CommissionSeen(execution_id="x.01", commission=1.0, currency="USD")
    state, _ = sent()
    state.own.is_shared = True
    assert reports(state, fee) == []
    told = reports(state, execution())
    assert [type(report) for report in told] == [VenueFill, VenueCommission]
    assert told[1].order_id == "a-1"
    assert not state.own.early_fees


def test_a_fee_of_another_account_is_nobodys_whenever_it_comes() -> None:
    fee = CommissionSeen(execution_id="x.01", commission=1.0, currency="USD")
    state, _ = sent()
    state.own.is_shared = True
    others = execution(account="DU9", reference="theirs")
    assert reports(state, fee, others, others, fee) == []


def test_fees_that_nobody_claims_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fees, "EARLY_FEES_MAX", 2)
    state, _ = sent()
    state.own.is_shared = True
    for number in range(5):
        reports(state, CommissionSeen(execution_id=f"x{number}.01", commission=1.0, currency="USD"))
    assert [*state.own.early_fees] == ["x3", "x4"]


def test_a_status_that_says_more_than_the_executions_asks() -> None:
    state, tracked = sent()
    assert asks(state, status("Filled", 10.0))
    assert question(state, tracked) == "an execution is missing"
    reports(state, execution(shares=10.0))
    assert question(state, tracked) == "a commission is missing"
    reports(state, CommissionSeen(execution_id="x.01", commission=1.0, currency="USD"))
    assert question(state, tracked) == ""


# ------------------------------------------------------------------------------------------------ claims and memory


def test_a_claimed_order_that_the_venue_shows_is_recorded_as_sent() -> None:
    state, tracked = sent()
    tracked.standing = Standing.CLAIMED
    assert decide(state, opened(), AT)[0] == RecordSent("a-1")


def test_numbers_never_go_back() -> None:
    state = state_of(ACCOUNT, OwnState(CLIENT))
    raise_number(state, 40)
    assert take_number(state) == 40
    raise_number(state, 3)
    assert take_number(state) == 41
    fold_ledger(state, claim(number=60), 1)
    assert take_number(state) == 61
    other = LedgerClaimed(id="c", at=AT, venue="ibkr", order=order(order_id="b", account="DU2"), attempt_id="70")
    fold_ledger(state, other, 2)
    assert take_number(state) == 71
    assert "b" not in state.orders


def test_what_was_reported_before_a_restart_is_not_reported_again() -> None:
    facts = [
        opened(),
        execution(),
        CommissionSeen(execution_id="x.01", commission=1.0, currency="USD"),
        status("Cancelled"),
    ]
    state, tracked = sent()
    tracked.cancel_command = "command/a-1/1"
    before = reports(state, *facts)
    assert len(before) == 4
    again = state_of(ACCOUNT, OwnState(CLIENT, calendars={"SPY": "XNYS"}))
    fold_ledger(again, claim(), 1)
    fold_ledger(again, LedgerSent(id="s", at=AT, venue="ibkr", order=order(), attempt_id="5"), 2)
    cancel = CancelOrder(id="command/a-1/1", at=AT, venue="ibkr", account=ACCOUNT, order_id="a-1", venue_order_id="")
    fold_cancel(again, cancel, comes_again=False)
    for report in before:
        fold_report(again, report)
    assert reports(again, *facts) == []
    assert again.orders["a-1"].standing is Standing.OVER
    assert again.orders["a-1"].filled == Decimal(4)


ALL_FACTS: list[OrderFact] = [
    opened("PreSubmitted"),
    opened(),
    status("PreSubmitted"),
    status("Submitted"),
    execution("x.01", 4.0),
    execution("y.01", 6.0),
    CommissionSeen(execution_id="x.01", commission=1.0, currency="USD"),
    CommissionSeen(execution_id="y.01", commission=1.0, currency="USD"),
    status("Submitted", 4.0),
    status("Filled", 10.0),
    completed("Filled", filled=10.0),
    error(399),
]


@given(st.lists(st.sampled_from(ALL_FACTS), max_size=40), st.integers(min_value=0, max_value=1000))
def test_duplicates_and_disorder_lose_nothing_and_report_nothing_twice(noise: list[OrderFact], seed: int) -> None:
    facts = ALL_FACTS + noise
    random.Random(seed).shuffle(facts)
    state, tracked = sent()
    found = reports(state, *facts)
    assert len({report.id for report in found}) == len(found)
    assert sorted(type(report).__name__ for report in found) == [
        "VenueAccepted",
        "VenueCommission",
        "VenueCommission",
        "VenueFill",
        "VenueFill",
    ]
    assert tracked.filled == Decimal(10)
    assert question(state, tracked) == ""


def test_every_report_survives_the_wire() -> None:
    state, _ = sent()
    for report in reports(state, *ALL_FACTS):
        assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report


@pytest.mark.parametrize("said", [-1.0, 1.7976931348623157e308])
def test_a_commission_that_is_not_reckoned_is_asked_for_and_told_if_it_stays(said: float) -> None:
    state, _ = sent()
    decide(state, execution(), AT)
    awaited = CommissionSeen(execution_id=execution().execution_id, commission=said, currency="USD")
    assert [type(each) for each in decide(state, awaited, AT)] == [Ask]
    [parked] = decide(state, awaited, AT + timedelta(minutes=10))
    assert isinstance(parked, Park)
    assert "not reckoned" in parked.reason
    rebate = CommissionSeen(execution_id=execution().execution_id, commission=-1.01, currency="USD")
    [report] = decide(state, rebate, AT)
    assert report.commission == Decimal("-1.01")


GROUPED = ListPart(list_id="b", leg="stop", group=1, quantity=Decimal(10), contingency=Contingency.OUO)


@pytest.mark.parametrize("late", [False, True])
def test_an_order_that_its_group_has_reduced_ends_when_the_venue_says_that_it_is_filled(late: bool) -> None:
    state, _ = sent(part=GROUPED)
    facts = [execution(shares=4.0), status("Filled", 4.0)]
    told = reports(state, opened(quantity=4.0), *(facts[::-1] if late else facts))
    assert [type(report) for report in told] == [VenueAccepted, VenueFill, VenueCanceled]
    assert "its OCA group" in told[-1].reason
    assert kinds(state, completed("Filled", filled=4.0)) == []


def test_an_order_of_no_group_does_not_end_filled_in_part() -> None:
    state, tracked = sent()
    assert VenueCanceled not in kinds(state, execution(shares=4.0), status("Filled", 4.0))
    assert not tracked.done


def test_an_order_of_a_group_that_works_on_has_not_ended() -> None:
    state, tracked = sent(part=GROUPED)
    facts = execution(shares=4.0), status("Submitted", 4.0, remaining=6.0)
    assert VenueCanceled not in kinds(state, *facts)
    assert not tracked.done

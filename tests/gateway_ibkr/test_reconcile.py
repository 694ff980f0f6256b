"""What follows from complete answers: what is there, and what is missing from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from gateway_ibkr.asking import Questions
from gateway_ibkr.decide import decide, question
from gateway_ibkr.facts import (
    AccountAnswers,
    CommissionSeen,
    CompletedOrderSeen,
    ErrorSeen,
    ExecutionSeen,
    OpenOrderSeen,
    OrderFact,
    OrderStatusSeen,
    PositionSeen,
    VenueContract,
)
from gateway_ibkr.reconcile import (
    BEYOND_MEMORY,
    CANCELS_MAX,
    NEVER_REACHED,
    SAID_OVER,
    Answers,
    reconcile,
    snapshot,
)
from gateway_ibkr.sense import EXECUTION as EXECUTION_KIND
from gateway_ibkr.state import OwnState, State, Tracked, fold_report, state_of
from msgspec.structs import replace
from signalbox.clock import FixedClock
from signalbox.errors import TranslationError
from signalbox.gateway.actions import Action, Ask, CancelAgain, RecordSent, Strand
from signalbox.gateway.ledger import Step, step_for
from signalbox.gateway.parking import parked
from signalbox.gateway.state import Standing, outstanding, track
from signalbox.messages import (
    LedgerClaimed,
    Order,
    OrderType,
    PositionHeld,
    RefusedBy,
    Side,
    TimeInForce,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueExpired,
    VenueFill,
    VenueHeld,
    VenueNoted,
    VenueRejected,
    VenueReleased,
    VenueUnknown,
)

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
ACCOUNT, CLIENT, PERM = "DU1", 11, 9001
SPY = VenueContract(con_id=1, symbol="SPY", security_type="STK", currency="USD")
VISIBILITY_SECONDS = 3.0


def claimed(standing: Standing = Standing.CLAIMED, **terms: Any) -> tuple[State, Tracked]:
    order = Order(
        order_id="a-1",
        intent_id="a-1",
        venue="ibkr",
        account=ACCOUNT,
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(400),
        **terms,
    )
    state = state_of(ACCOUNT, OwnState(CLIENT, calendars={"SPY": "XNYS"}, symbols={1: "SPY"}))
    tracked = track(state, LedgerClaimed(id="c", at=AT, venue="ibkr", order=order, attempt_id="5"), 1)
    tracked.standing = standing
    return state, tracked


OPEN = OpenOrderSeen(
    order_number=5,
    client_id=CLIENT,
    perm_id=PERM,
    account=ACCOUNT,
    reference="a-1",
    status="Submitted",
    contract=SPY,
    action="BUY",
    quantity=10.0,
)
STATUS = OrderStatusSeen(order_number=5, client_id=CLIENT, perm_id=PERM, status="Submitted", filled=4.0, remaining=6.0)
EXECUTION = ExecutionSeen(
    execution_id="x.01",
    order_number=5,
    client_id=CLIENT,
    perm_id=PERM,
    account=ACCOUNT,
    reference="a-1",
    contract=SPY,
    side="BOT",
    shares=4.0,
    price=400.0,
    at=AT,
)
COMPLETED = CompletedOrderSeen(
    perm_id=PERM,
    account=ACCOUNT,
    reference="a-1",
    status="Cancelled",
    completed_status="Cancelled by Trader",
    completed_time="20240305-15:00:00",
    filled=0.0,
)


def answers(state: State, **parts: Any) -> Answers:
    empty = {"open_orders": (), "statuses": (), "executions": (), "completed": ()}
    return Answers(asked_about=outstanding(state), **({"inactive": frozenset(state.orders)} | empty | parts))


def after(state: State, given: Answers, *, at: datetime = AT, wall_seconds: float = 100.0) -> list[Action]:
    return reconcile(state, given, at, wall_seconds=wall_seconds, visibility_seconds=VISIBILITY_SECONDS)


def kinds(actions: list[Action]) -> list[type]:
    return [type(action) for action in actions if not isinstance(action, Ask)]


def test_a_claim_is_never_sent_again() -> None:
    state, _ = claimed()
    assert step_for(state, "a-1") is Step.ASK
    assert step_for(state, "new") is Step.CLAIM


@pytest.mark.parametrize("standing", [Standing.SENT, Standing.OVER])
def test_what_was_sent_needs_nothing(standing: Standing) -> None:
    state, _ = claimed(standing)
    assert step_for(state, "a-1") is Step.NOTHING


def test_an_order_that_the_gateway_refused_unclaimed_is_never_claimed() -> None:
    state = state_of(ACCOUNT, OwnState(CLIENT))
    fold_report(
        state,
        VenueRejected(
            id="report/ibkr/DU1/rejected/a-1", at=AT, venue="ibkr", account=ACCOUNT, order_id="a-1", code="", reason=""
        ),
    )
    assert step_for(state, "a-1") is Step.NOTHING


def test_a_claimed_order_found_working_is_recorded_and_accepted() -> None:
    state, _ = claimed()
    assert kinds(after(state, answers(state, open_orders=(OPEN,)))) == [RecordSent, VenueAccepted]


def test_a_claimed_order_found_by_its_execution_is_recorded_and_filled() -> None:
    state, _ = claimed()
    assert kinds(after(state, answers(state, executions=(EXECUTION,)))) == [RecordSent, VenueFill]


def test_a_claimed_order_found_completed_is_recorded_and_canceled() -> None:
    state, _ = claimed()
    assert kinds(after(state, answers(state, completed=(COMPLETED,)))) == [RecordSent, VenueCanceled]


def test_fills_come_before_the_end_of_their_order() -> None:
    state, _ = claimed(Standing.SENT)
    given = answers(state, executions=(EXECUTION,), completed=(COMPLETED,))
    assert kinds(after(state, given)) == [VenueFill, VenueCanceled]


@pytest.mark.parametrize("standing", [Standing.CLAIMED, Standing.SENT])
def test_not_found_is_unknown_first_and_rejected_only_after_the_venues_delay(standing: Standing) -> None:
    state, tracked = claimed(standing)
    first = after(state, answers(state), wall_seconds=100.0)
    assert kinds(first) == [VenueUnknown]
    assert any(isinstance(action, Ask) for action in first)
    assert kinds(after(state, answers(state), wall_seconds=102.9)) == []
    (rejected,) = (a for a in after(state, answers(state), wall_seconds=103.0) if isinstance(a, VenueRejected))
    assert rejected.reason == NEVER_REACHED
    assert tracked.presumed_lost
    assert after(state, answers(state), wall_seconds=110.0) == []


def test_an_order_that_shows_late_is_not_given_up() -> None:
    state, _ = claimed()
    after(state, answers(state), wall_seconds=100.0)
    assert kinds(after(state, answers(state, open_orders=(OPEN,)), wall_seconds=110.0)) == [RecordSent, VenueAccepted]
    assert kinds(after(state, answers(state), wall_seconds=120.0)) == [], "absent again: the count begins anew"


def test_an_order_in_hand_is_not_asked_about() -> None:
    state, tracked = claimed()
    tracked.in_hand = True
    assert outstanding(state) == frozenset()
    assert after(state, answers(state)) == []


def test_an_order_sent_after_the_question_is_not_missing_from_the_answer() -> None:
    state, tracked = claimed()
    tracked.in_hand = True
    given = answers(state)
    tracked.in_hand, tracked.standing = False, Standing.SENT
    assert after(state, given) == []


def test_an_order_of_an_earlier_day_stays_unknown() -> None:
    state, _ = claimed(Standing.SENT)
    tomorrow = AT + timedelta(days=1)
    (unknown, _) = after(state, answers(state), at=tomorrow, wall_seconds=100.0)
    assert isinstance(unknown, VenueUnknown)
    assert unknown.reason == BEYOND_MEMORY
    assert kinds(after(state, answers(state), at=tomorrow, wall_seconds=102.9)) == []
    assert after(state, answers(state), at=tomorrow, wall_seconds=200.0) == [Strand("a-1")]
    assert state.own.stranded == {"a-1"}
    assert question(state, state.orders["a-1"]) == ""
    assert after(state, answers(state), at=tomorrow, wall_seconds=300.0) == []


def stranded(**seen: Any) -> tuple[State, datetime]:
    """An order of yesterday that two complete answers do not have, and now."""
    state, tracked = claimed(Standing.SENT)
    for name, value in seen.items():
        setattr(tracked, name, value)
    tomorrow = AT + timedelta(days=1)
    for wall_seconds in (100.0, 200.0):
        after(state, answers(state), at=tomorrow, wall_seconds=wall_seconds)
    return state, tomorrow


def test_a_stranded_order_that_turns_up_is_stranded_no_more() -> None:
    state, tomorrow = stranded()
    assert kinds(after(state, answers(state, executions=(EXECUTION,)), at=tomorrow)) == [VenueFill]
    assert state.own.stranded == set()


def test_a_day_order_that_may_have_filled_on_a_forgotten_day_has_not_expired() -> None:
    state, _ = stranded(seen=True, shown_at=AT)
    assert state.own.stranded == {"a-1"}


def test_an_operators_word_ends_an_order_that_the_venue_has_forgotten() -> None:
    state, tracked = claimed(Standing.SENT)
    state.own.said_over = frozenset({"a-1"})
    tomorrow = AT + timedelta(days=1)
    assert kinds(after(state, answers(state), at=tomorrow, wall_seconds=100.0)) == [VenueUnknown]
    (ended,) = after(state, answers(state), at=tomorrow, wall_seconds=200.0)
    assert isinstance(ended, VenueCanceled)
    assert ended.reason == SAID_OVER
    assert tracked.done


def test_an_operators_word_ends_nothing_that_the_venue_still_has() -> None:
    state, tracked = claimed(Standing.SENT)
    state.own.said_over = frozenset({"a-1"})
    for wall_seconds in (100.0, 200.0):
        given = answers(state, open_orders=(OPEN,))
        after(state, given, at=AT + timedelta(days=1), wall_seconds=wall_seconds)
    assert not tracked.done


def test_an_operators_word_is_not_asked_for_within_the_venues_memory() -> None:
    state, _ = claimed(Standing.SENT)
    state.own.said_over = frozenset({"a-1"})
    after(state, answers(state), wall_seconds=100.0)
    assert kinds(after(state, answers(state), wall_seconds=200.0)) == [VenueRejected]


def test_a_day_order_that_worked_and_is_gone_after_its_close_has_expired() -> None:
    state, tracked = claimed(Standing.SENT)
    tracked.seen, tracked.own.shown_at = True, AT
    assert kinds(after(state, answers(state), at=AT + timedelta(hours=6))) == [VenueExpired]


def test_an_order_at_once_whose_end_was_missed_is_found_among_the_days_executions_and_completed_orders() -> None:
    state, tracked = claimed(time_in_force=TimeInForce.IOC)
    told = after(state, answers(state, executions=(EXECUTION,), completed=(replace(COMPLETED, filled=4.0),)))
    assert kinds(told) == [RecordSent, VenueFill, RecordSent, VenueCanceled]
    assert tracked.done


def test_an_order_at_once_that_the_venue_lists_nowhere_is_unknown_and_never_sent_again() -> None:
    """Its day over, nothing of it can work: what it did is among the executions, or it did nothing."""
    state, tracked = claimed(Standing.SENT, time_in_force=TimeInForce.IOC)
    tracked.seen, tracked.own.shown_at = True, AT
    assert kinds(after(state, answers(state))) == [VenueUnknown]
    assert kinds(after(state, answers(state), wall_seconds=200.0)) == []
    assert kinds(after(state, answers(state), at=AT + timedelta(hours=6), wall_seconds=300.0)) == [VenueExpired]


def test_an_order_that_worked_and_vanishes_in_its_day_is_unknown_for_good() -> None:
    state, tracked = claimed(Standing.SENT)
    tracked.seen = True
    assert kinds(after(state, answers(state), wall_seconds=100.0)) == [VenueUnknown]
    assert kinds(after(state, answers(state), wall_seconds=200.0)) == []
    assert tracked.standing is Standing.SENT


def test_a_refused_order_that_the_venue_does_not_have_is_rejected_in_its_words() -> None:
    state, _ = claimed(Standing.SENT)
    decide(state, ErrorSeen(request_id=5, code=110, text="bad price"), AT)
    (rejected,) = (a for a in after(state, answers(state)) if isinstance(a, VenueRejected))
    assert rejected.code == "110"
    assert "tick" in rejected.reason


def test_an_error_about_an_order_that_works_ends_nothing_and_its_words_are_kept() -> None:
    state, tracked = claimed(Standing.SENT)
    decide(state, ErrorSeen(request_id=5, code=201, text="modify refused"), AT)
    found = after(state, answers(state, open_orders=(OPEN,)))
    assert kinds(found) == [VenueAccepted, VenueNoted]
    assert "modify refused" in next(each.reason for each in found if isinstance(each, VenueNoted))
    assert tracked.own.refusal is None


@pytest.mark.parametrize("code", [10268, 10311, 9999])
def test_an_order_that_was_answered_with_an_error_alone_was_refused_by_the_venue(code: int) -> None:
    state, _ = claimed(Standing.SENT)
    decide(state, ErrorSeen(request_id=5, code=code, text="not like that"), AT)
    found = [*after(state, answers(state)), *after(state, answers(state), wall_seconds=100.0 + VISIBILITY_SECONDS)]
    (rejected,) = (each for each in found if isinstance(each, VenueRejected))
    assert (rejected.code, rejected.refused_by) == (str(code), RefusedBy.VENUE)
    assert "not like that" in rejected.reason


def test_a_refused_cancel_of_an_order_that_works_is_reported() -> None:
    state, tracked = claimed(Standing.SENT)
    tracked.cancel_command = "command/a-1/1"
    decide(state, ErrorSeen(request_id=5, code=161, text="not now"), AT)
    (found,) = (a for a in after(state, answers(state, open_orders=(OPEN,))) if isinstance(a, VenueCancelRejected))
    assert (found.id, found.code) == ("report/ibkr/DU1/cancel_rejected/command/a-1/1", "161")
    assert tracked.cancel_command == ""


def test_a_cancel_that_was_lost_is_sent_again_while_the_order_works() -> None:
    state, tracked = claimed(Standing.SENT)
    tracked.cancel_command = "command/a-1/1"
    assert CancelAgain("a-1") in after(state, answers(state, open_orders=(OPEN,)))


def test_a_cancel_that_is_in_hand_is_not_sent_beside() -> None:
    state, tracked = claimed(Standing.SENT)
    tracked.cancel_command, tracked.cancel_in_hand = "command/a-1/1", True
    assert CancelAgain("a-1") not in after(state, answers(state, open_orders=(OPEN,)))


def test_a_cancel_is_not_sent_again_before_it_can_have_been_answered() -> None:
    state, tracked = claimed(Standing.SENT)
    tracked.cancel_command, tracked.own.cancels_sent, tracked.own.cancel_sent_seconds = "command/a-1/1", 1, 100.0
    early = after(state, answers(state, open_orders=(OPEN,)), wall_seconds=100.0 + VISIBILITY_SECONDS / 2)
    late = after(state, answers(state, open_orders=(OPEN,)), wall_seconds=100.0 + VISIBILITY_SECONDS)
    assert (CancelAgain("a-1") in early, CancelAgain("a-1") in late) == (False, True)


def test_a_cancel_that_the_venue_is_at_is_not_sent_again() -> None:
    state, tracked = claimed(Standing.SENT)
    tracked.cancel_command = "command/a-1/1"
    canceling = replace(OPEN, status="PendingCancel")
    assert CancelAgain("a-1") not in after(state, answers(state, open_orders=(canceling,)))


def test_a_cancel_that_is_never_answered_is_refused_in_the_end() -> None:
    state, tracked = claimed(Standing.SENT)
    tracked.cancel_command, tracked.own.cancels_sent = "command/a-1/1", CANCELS_MAX
    (found,) = (a for a in after(state, answers(state, open_orders=(OPEN,))) if isinstance(a, VenueCancelRejected))
    assert found.cause == "command/a-1/1"
    assert tracked.cancel_command == ""


INACTIVE = replace(OPEN, status="Inactive")


def test_an_inactive_order_that_is_listed_is_held_and_in_the_snapshot() -> None:
    state, tracked = claimed(Standing.SENT)
    given = answers(state, open_orders=(INACTIVE,))
    found = after(state, given)
    assert kinds(found) == [VenueAccepted, VenueHeld]
    assert [each.order_id for each in snapshot(state, given, FIGURES, AT).open_orders] == ["a-1"]
    assert kinds(after(state, given)) == []
    assert question(state, tracked) == ""


def test_an_order_that_becomes_inactive_while_it_is_asked_about_is_asked_about_again() -> None:
    """The venue's own word of a refusal comes among its answers, and looks like one that lists the order."""
    state, tracked = claimed(Standing.SENT)
    decide(state, ErrorSeen(request_id=5, code=201, text="too many orders"), AT)
    found = after(state, answers(state, open_orders=(INACTIVE,), inactive=frozenset()))
    assert {type(each) for each in found} == {Ask}
    assert question(state, tracked)
    (told,) = (each for each in after(state, answers(state)) if not isinstance(each, Ask))
    assert isinstance(told, VenueRejected)


LOCATING, AT_WORK = replace(STATUS, filled=0.0, why_held="locate"), replace(STATUS, filled=0.0, why_held="")
"""Of an order that is held, and of the same once it works."""


def test_an_order_that_comes_to_life_while_it_is_asked_about_is_held_and_released_once() -> None:
    """What the venue says of its own accord comes among its answers, after what they had listed before."""
    state, _ = claimed(Standing.SENT)
    held = decide(state, LOCATING, AT)
    released = decide(state, AT_WORK, AT)
    assert (kinds(held), kinds(released)) == ([VenueAccepted, VenueHeld], [VenueReleased])
    assert kinds(after(state, answers(state, open_orders=(OPEN,), statuses=(LOCATING, AT_WORK)))) == []


class Listing:
    """A venue that lists these rows, and has news of its own accord while it is asked what else there is."""

    def __init__(self, state: State, rows: tuple[OrderFact, ...], news: OrderFact) -> None:
        self._state, self._rows, self._news = state, rows, news

    async def open_orders(self) -> tuple[OrderFact, ...]:
        for row in self._rows:
            decide(self._state, row, AT)
        return self._rows

    async def executions(self) -> tuple[Any, ...]:
        decide(self._state, self._news, AT)
        return ()

    async def completed_orders(self) -> tuple[Any, ...]:
        return ()


async def listed(state: State, *rows: OrderFact, news: OrderFact) -> Answers:
    """What is answered while `news` comes."""
    venue: Any = Listing(state, rows, news)
    unused: Any = None
    return await Questions(FixedClock(AT), state, unused, unused, unused, lambda: venue).ask()


async def test_a_list_that_the_venues_own_word_has_overtaken_changes_nothing() -> None:
    state, tracked = claimed(Standing.SENT)
    given = await listed(state, OPEN, LOCATING, news=AT_WORK)
    assert kinds(after(state, given)) == []
    assert not tracked.held


async def test_an_order_that_is_heard_of_after_the_list_is_not_missing_from_it() -> None:
    state, tracked = claimed(Standing.SENT)
    given = await listed(state, news=AT_WORK)
    assert {type(action) for action in after(state, given)} == {Ask}
    assert tracked.own.absences == 0


async def test_an_inactive_order_that_comes_to_life_while_it_is_asked_about_is_open_in_the_snapshot() -> None:
    """Not held any more, and listed as inactive: it would be missing, and UNKNOWN until the next snapshot."""
    state, tracked = claimed(Standing.SENT)
    after(state, answers(state, open_orders=(INACTIVE,)))
    assert tracked.held
    given = await listed(state, INACTIVE, news=AT_WORK)
    after(state, given)
    assert not tracked.held
    assert [each.order_id for each in snapshot(state, given, FIGURES, AT).open_orders] == ["a-1"]


async def test_an_order_that_ends_while_it_is_asked_about_is_not_open_in_the_snapshot() -> None:
    state, _ = claimed(Standing.SENT)
    given = await listed(state, OPEN, LOCATING, news=replace(STATUS, status="Cancelled", filled=0.0))
    assert kinds(after(state, given)) == []
    assert snapshot(state, given, FIGURES, AT).open_orders == ()


def test_an_inactive_order_that_is_not_listed_any_more_is_rejected_with_the_venues_words() -> None:
    state, _ = claimed(Standing.SENT)
    decide(state, ErrorSeen(request_id=5, code=201, text="no shares"), AT)
    decide(state, replace(STATUS, status="Inactive"), AT)
    (found,) = (each for each in after(state, answers(state)) if not isinstance(each, Ask))
    assert isinstance(found, VenueRejected)
    assert "no shares" in found.reason


@pytest.mark.parametrize("code", [110, 113, 200, 201, 334, 336, 337, 387, 434, 435, 10052, 10243, 10268, 10311])
def test_an_order_that_the_venue_refused_in_so_many_words_is_never_unknown(code: int) -> None:
    """With a code that answers new orders, and without a status: the first complete answer that lacks it is enough."""
    state, _ = claimed(Standing.SENT)
    decide(state, ErrorSeen(request_id=5, code=code, text="no such thing"), AT)
    assert kinds(after(state, answers(state))) == [VenueRejected]


CORRECTED = replace(EXECUTION, execution_id="x.02", shares=9.0)
FILLED = replace(COMPLETED, status="Filled", completed_status="Filled Size: 10", filled=10.0)


def test_an_order_whose_fill_was_corrected_before_anybody_heard_of_it_is_over() -> None:
    """The venue has filled all ten, and its one execution is of nine."""
    state, tracked = claimed(Standing.SENT)
    given = answers(state, executions=(CORRECTED,), completed=(FILLED,))
    found = after(state, given)
    assert kinds(found) == [VenueFill, VenueAccepted, VenueCanceled]
    assert "9 of 10 stand" in found[-1].reason  # type: ignore[union-attr]
    assert kinds(after(state, given)) == []
    decide(state, CommissionSeen(execution_id="x.02", commission=1.0, currency="USD"), AT)
    assert question(state, tracked) == ""


@pytest.mark.parametrize(
    "not_sure",
    [
        {"executions": (replace(EXECUTION, shares=9.0),)},
        {"executions": (CORRECTED,), "overtaken": frozenset({"a-1"})},
        {"executions": (CORRECTED,), "unread": (parked(EXECUTION_KIND, "y", "no price", None),)},
    ],
    ids=["first told", "more said since", "one can not be read"],
)
def test_an_execution_may_be_missing_while_nothing_else_explains_what_is_filled(not_sure: dict[str, Any]) -> None:
    state, tracked = claimed(Standing.SENT)
    found = after(state, answers(state, completed=(FILLED,), **not_sure))
    assert VenueCanceled not in kinds(found)
    assert question(state, tracked) == "an execution is missing"


def test_an_order_that_works_on_is_not_over_when_some_of_it_is_taken_back() -> None:
    state, tracked = claimed(Standing.SENT)
    part = replace(STATUS, filled=4.0)
    given = answers(state, open_orders=(OPEN,), statuses=(part,), executions=(replace(CORRECTED, shares=3.0),))
    assert kinds(after(state, given)) == [VenueAccepted, VenueFill]
    decide(state, CommissionSeen(execution_id="x.02", commission=1.0, currency="USD"), AT)
    assert (tracked.done, question(state, tracked)) == (False, "")


def test_an_order_of_which_some_was_taken_back_is_asked_about_once_the_rest_is_filled_and_over_then() -> None:
    state, tracked = claimed(Standing.SENT)
    part, busted = replace(STATUS, filled=4.0), replace(EXECUTION, execution_id="x.02", shares=0.0)
    after(state, answers(state, open_orders=(OPEN,), statuses=(part,), executions=(busted,)))
    decide(state, CommissionSeen(execution_id="x.02", commission=1.0, currency="USD"), AT)
    assert question(state, tracked) == ""
    rest = replace(EXECUTION, execution_id="y.01", shares=6.0)
    decide(state, rest, AT)
    decide(state, CommissionSeen(execution_id="y.01", commission=1.0, currency="USD"), AT)
    assert question(state, tracked) == "it is filled, and not all of that stands"
    over = after(state, answers(state, executions=(busted, rest), completed=(FILLED,)))
    assert kinds(over) == [VenueCanceled]
    assert (tracked.done, question(state, tracked)) == (True, "")


def test_a_filled_order_whose_fill_is_taken_back_is_asked_about_no_more() -> None:
    state, tracked = claimed(Standing.SENT)
    after(state, answers(state, executions=(replace(EXECUTION, shares=10.0),), completed=(FILLED,)))
    bust = replace(EXECUTION, execution_id="x.02", shares=0.0)
    decide(state, bust, AT)
    assert question(state, tracked) == "an execution is missing"
    after(state, answers(state, executions=(bust,), completed=(FILLED,)))
    assert question(state, tracked) == ""


def test_reconciling_twice_reports_once() -> None:
    state, _ = claimed()
    given = answers(state, open_orders=(OPEN,), statuses=(STATUS,), executions=(EXECUTION,))
    first = [kind for kind in kinds(after(state, given)) if kind is not RecordSent]
    second = [kind for kind in kinds(after(state, given)) if kind is not RecordSent]
    assert (first, second) == ([VenueAccepted, VenueFill], [])


FIGURES = AccountAnswers(
    positions=(
        PositionSeen(account=ACCOUNT, contract=SPY, quantity=4.0, average_cost=400.25),
        PositionSeen(account="DU2", contract=SPY, quantity=9.0, average_cost=1.0),
        PositionSeen(account=ACCOUNT, contract=SPY, quantity=0.0, average_cost=0.0),
    ),
    values={
        ("NetLiquidation", "USD"): "1000",
        ("TotalCashValue", "USD"): "900",
        ("AvailableFunds", "USD"): "800",
        ("BuyingPower", "USD"): "3200",
        ("InitMarginReq", "USD"): "100",
        ("MaintMarginReq", "USD"): "50",
    },
)


def test_a_snapshot_states_what_the_account_holds() -> None:
    state, _ = claimed()
    given = answers(state, open_orders=(OPEN,), statuses=(STATUS,), executions=(EXECUTION, EXECUTION))
    after(state, given)
    made = snapshot(state, given, FIGURES, AT)
    assert made.positions == (
        PositionHeld(symbol="SPY", quantity=Decimal(4), average_price=Decimal("400.25"), currency="USD"),
    )
    assert made.execution_ids == ("x",)
    (working,) = made.open_orders
    assert (working.order_id, working.filled_quantity, working.quantity) == ("a-1", Decimal(4), Decimal(10))


def test_a_snapshot_has_the_cash_of_each_currency() -> None:
    """What was bought in another currency is not missing in the account's, whatever the total has become."""
    state, _ = claimed()
    base = {("CashBalance", "USD"): "1000000", ("CashBalance", "BASE"): "994959.23"}
    abroad = base | {("CashBalance", "HKD"): "-39375.06"}
    made = snapshot(state, answers(state), with_values(abroad), AT)
    assert (made.cash, made.other_cash) == (Decimal(1_000_000), {"HKD": Decimal("-39375.06")})
    at_home = snapshot(state, answers(state), with_values(base), AT)
    assert (at_home.cash, at_home.other_cash) == (Decimal(1_000_000), {})
    elsewhere = snapshot(state, answers(state), with_values({("CashBalance", "HKD"): "5"}), AT)
    assert (elsewhere.cash, elsewhere.other_cash) == (Decimal(0), {"HKD": Decimal(5)})
    total = snapshot(state, answers(state), FIGURES, AT)
    assert total.other_cash is None, "the total is all that there is"


def with_values(more: dict[tuple[str, str], str]) -> AccountAnswers:
    return AccountAnswers(positions=(), values=FIGURES.values | more)


def test_an_order_that_the_desk_did_not_place_is_in_the_snapshot_without_an_id() -> None:
    state = state_of(ACCOUNT, OwnState(CLIENT))
    given = answers(state, open_orders=(OPEN,))
    assert snapshot(state, given, FIGURES, AT).open_orders[0].order_id == ""


def test_a_snapshot_without_figures_is_none() -> None:
    state = state_of(ACCOUNT, OwnState(CLIENT))
    with pytest.raises(TranslationError):
        snapshot(state, answers(state), AccountAnswers(positions=(), values={}), AT)

"""How an order's end is known: state and answers in, reports and questions out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from gateway_dydx import decide, reconcile
from gateway_dydx.facts import FillSeen, Height, OrderSeen, PositionSeen, Subaccount, SubaccountChanged, Unreadable
from gateway_dydx.reconcile import Answers
from gateway_dydx.state import OwnState, State, Tracked, fold_report, state_of, take_number
from hypothesis import given
from hypothesis import strategies as some
from signalbox.gateway.actions import Ask, CancelStray, RecordSent
from signalbox.gateway.state import Standing, outstanding, track
from signalbox.messages import (
    LedgerClaimed,
    Liquidity,
    Order,
    OrderType,
    Side,
    TimeInForce,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueFunding,
    VenueRejected,
    VenueTriggered,
    VenueUnknown,
)

AT = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
ACCOUNT = "dydx1xyz-0"
GOOD_TIL_BLOCK = 110


def order_of(order_id: str = "o-1", **terms: Any) -> Order:
    return msgspec.convert(
        {
            "order_id": order_id,
            "intent_id": order_id,
            "venue": "dydx",
            "account": ACCOUNT,
            "symbol": "BTC-USD",
            "side": Side.BUY,
            "quantity": Decimal(10),
            "order_type": OrderType.MARKET,
        }
        | terms,
        Order,
    )


def tracked_in(state: State, good_til_block: int = GOOD_TIL_BLOCK, **terms: Any) -> Tracked:
    """An order that was claimed, with 1 second of process time on the clock."""
    order = order_of(f"o-{len(state.orders) + 1}", **terms)
    number = take_number(state, AT)
    claim = LedgerClaimed(
        id=f"c-{number}",
        at=AT,
        venue="dydx",
        order=order,
        attempt_id=str(number),
        venue_order_id=f"uuid-{number}",
        good_til_block=good_til_block,
    )
    return track(state, claim, len(state.orders) + 1, 1.0)


def limit_in(state: State, **terms: Any) -> Tracked:
    tracked = tracked_in(state, order_type=OrderType.LIMIT, limit_price=Decimal(100), **terms)
    tracked.standing = Standing.SENT
    return tracked


def stop_in(state: State, **terms: Any) -> Tracked:
    terms = {"order_type": OrderType.STOP, "stop_price": Decimal(90), "time_in_force": TimeInForce.GTC} | terms
    return tracked_in(state, 0, **terms)


def seen(tracked: Tracked, status: str, **fields: Any) -> OrderSeen:
    return OrderSeen(id=tracked.venue_order_id, status=status, **fields)


def fill(tracked: Tracked | None, size: int, number: int = 1, height: int = 105, fee: str | None = "0.5") -> FillSeen:
    return FillSeen(
        id=f"fill-{number}",
        order_id=tracked.venue_order_id if tracked is not None else "uuid-of-others",
        ticker="BTC-USD",
        side=Side.BUY,
        size=Decimal(size),
        price=Decimal(100),
        liquidity=Liquidity.TAKER,
        type="LIMIT",
        at=AT + timedelta(seconds=height - 100),
        height=height,
        fee=Decimal(fee) if fee is not None else None,
    )


def answers(
    state: State, height: int, *, orders: Any = (), fills: Any = (), absent: Any = (), since: int = 0
) -> Answers:
    return Answers(
        asked_about=outstanding(state),
        height=height,
        orders=tuple(orders),
        absent=frozenset(absent),
        fills=tuple(fills),
        fills_from_height=since,
    )


def take(state: State, found: Answers, at: datetime = AT, wall_seconds: float = 2.0) -> list[Any]:
    return reconcile.reconcile(state, found, at, wall_seconds=wall_seconds, sequence_seconds=60.0)


def kinds(actions: list[Any]) -> list[type]:
    return [type(action) for action in actions]


# ---------------------------------------------------------------------------------------------------- short-term orders


def test_an_order_of_unknown_outcome_is_open_until_the_indexer_has_passed_its_last_block() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked_in(state)
    assert take(state, answers(state, GOOD_TIL_BLOCK)) == []


def test_an_order_that_was_never_seen_is_rejected_once_its_last_block_is_over() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked_in(state)
    (rejected,) = take(state, answers(state, GOOD_TIL_BLOCK + 1))
    assert isinstance(rejected, VenueRejected)
    assert "good-til-block 110 has passed" in rejected.reason
    assert take(state, answers(state, GOOD_TIL_BLOCK + 2)) == []


def test_an_unknown_order_that_filled_is_booked_and_its_rest_is_cancelled() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = tracked_in(state)
    actions = take(state, answers(state, GOOD_TIL_BLOCK + 1, fills=[fill(tracked, 4)]))
    assert kinds(actions) == [RecordSent, VenueFill, VenueCommission, VenueCanceled]
    assert "no more was to be had" in actions[-1].reason


def test_a_complete_fill_needs_no_end() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = tracked_in(state)
    actions = take(state, answers(state, GOOD_TIL_BLOCK + 1, fills=[fill(tracked, 10)]))
    assert kinds(actions) == [RecordSent, VenueFill, VenueCommission]
    assert tracked.done


def test_a_best_effort_cancel_is_not_an_end_and_the_order_may_fill_after_it() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = limit_in(state)
    said = seen(tracked, "BEST_EFFORT_CANCELED", removal_reason="UNDERCOLLATERALIZED")
    assert decide.decide(state, said, AT) == []
    assert not tracked.done
    assert kinds(decide.decide(state, fill(tracked, 3), AT)) == [VenueFill, VenueCommission]
    (canceled,) = take(state, answers(state, GOOD_TIL_BLOCK + 1))
    assert isinstance(canceled, VenueCanceled)
    assert "not enough free collateral" in canceled.reason


def test_a_cancelled_order_ends_when_nothing_can_fill_it_any_more() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = limit_in(state)
    tracked.cancel_command = "command/o-1/1"
    assert take(state, answers(state, GOOD_TIL_BLOCK)) == []
    (canceled,) = take(state, answers(state, GOOD_TIL_BLOCK + 1))
    assert (canceled.cause, canceled.reason) == ("command/o-1/1", "cancelled as asked")


def test_a_cancelled_order_that_filled_meanwhile_is_filled() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = limit_in(state)
    tracked.cancel_command = "command/o-1/1"
    actions = take(state, answers(state, GOOD_TIL_BLOCK + 1, fills=[fill(tracked, 10)]))
    assert kinds(actions) == [VenueFill, VenueCommission]


def test_a_resting_order_that_nobody_renewed_expires_with_the_reason() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = limit_in(state)
    tracked.own.not_renewed = "it has filled in part"
    (expired,) = take(state, answers(state, GOOD_TIL_BLOCK + 1))
    assert isinstance(expired, VenueExpired)
    assert "it has filled in part" in expired.reason


def test_a_day_order_whose_day_is_over_expires_by_its_time() -> None:
    state = state_of(ACCOUNT, OwnState())
    limit_in(state)
    (expired,) = take(state, answers(state, GOOD_TIL_BLOCK + 1), AT + timedelta(days=1))
    assert expired.reason == "its time in force is over"


def test_an_immediate_order_that_met_nothing_is_cancelled() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked_in(state).standing = Standing.SENT
    (canceled,) = take(state, answers(state, GOOD_TIL_BLOCK + 1))
    assert "nothing was to be had within its price" in canceled.reason


def test_an_immediate_limit_order_is_cancelled_and_not_expired_whatever_the_venue_says_of_it() -> None:
    """Its last block passes, or the indexer says why; a resting one would be said not to have been renewed."""
    for word in ("", "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"):
        state = state_of(ACCOUNT, OwnState())
        tracked = limit_in(state, time_in_force=TimeInForce.IOC)
        if word:
            decide.decide(state, seen(tracked, "CANCELED", removal_reason=word), AT)
        told = take(state, answers(state, GOOD_TIL_BLOCK + 1, fills=[fill(tracked, 4)]), AT + timedelta(days=2))
        assert kinds(told) == [VenueFill, VenueCommission, VenueCanceled]
        assert told[-1].reason.startswith("immediate-or-cancel: no")


def test_an_order_is_not_over_while_a_fill_that_was_told_is_missing() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = limit_in(state)
    decide.decide(state, seen(tracked, "OPEN", total_filled=Decimal(4)), AT)
    assert kinds(take(state, answers(state, GOOD_TIL_BLOCK + 1))) == [Ask]
    actions = take(state, answers(state, GOOD_TIL_BLOCK + 2, fills=[fill(tracked, 4)]))
    assert kinds(actions) == [VenueFill, VenueCommission, VenueExpired]


def test_an_order_in_hand_is_not_asked_about() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked_in(state).in_hand = True
    assert take(state, answers(state, GOOD_TIL_BLOCK + 1)) == []


# ------------------------------------------------------------------------------------------------------ stateful orders


def test_a_stateful_order_is_cancelled_when_the_indexer_says_so_and_has_all_fills() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state)
    over = seen(tracked, "CANCELED", removal_reason="USER_CANCELED", updated_at_height=120, total_filled=Decimal(0))
    assert kinds(take(state, answers(state, 119, orders=[over]))) == [RecordSent, Ask, Ask]
    canceled = take(state, answers(state, 120, orders=[over]))[-1]
    assert (type(canceled), canceled.reason) == (VenueCanceled, "cancelled at the venue, not by this desk")


def test_a_post_only_order_that_the_chain_turned_away_says_so_whoever_tells_of_it() -> None:
    """The websocket has the reason, REST has not: then it may as well have been somebody else's cancel."""
    for reason, kind in (("POST_ONLY_WOULD_CROSS_MAKER_ORDER", VenueRejected), ("", VenueCanceled)):
        state = state_of(ACCOUNT, OwnState())
        terms = {"order_type": OrderType.LIMIT, "limit_price": Decimal(100), "time_in_force": TimeInForce.GTC}
        tracked = tracked_in(state, 0, post_only=True, **terms)
        decide.decide(state, seen(tracked, "OPEN"), AT)
        told = take(state, answers(state, 105, orders=[seen(tracked, "CANCELED", removal_reason=reason)]))
        (ended,) = [each for each in told if isinstance(each, VenueRejected | VenueCanceled)]
        assert type(ended) is kind
        assert "post-only" in ended.reason


def test_a_stateful_order_cancelled_by_the_desk_says_so() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state)
    tracked.cancel_command = "command/o-1/1"
    over = seen(tracked, "CANCELED", updated_at_height=120)
    canceled = take(state, answers(state, 120, orders=[over]))[-1]
    assert (canceled.reason, canceled.cause) == ("cancelled as asked", "command/o-1/1")


def test_a_stop_with_a_limit_is_triggered_and_rests_until_somebody_ends_it() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state, order_type=OrderType.STOP_LIMIT, limit_price=Decimal(89))
    told = [each for word in ("UNTRIGGERED", "OPEN", "OPEN") for each in decide.decide(state, seen(tracked, word), AT)]
    assert [type(each) for each in told if not isinstance(each, RecordSent)] == [VenueAccepted, VenueTriggered]
    told = take(state, answers(state, 105, orders=[seen(tracked, "CANCELED")]))
    assert [each.reason for each in told if isinstance(each, VenueCanceled)] == [reconcile.BY_OTHERS]


def test_a_stop_is_triggered_once_and_before_its_fills() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state)
    untriggered = take(state, answers(state, 100, orders=[seen(tracked, "UNTRIGGERED")]))
    assert kinds(untriggered) == [RecordSent, VenueAccepted]
    actions = decide.decide(state, fill(tracked, 4), AT)
    assert kinds(actions) == [RecordSent, VenueTriggered, VenueFill, VenueCommission]
    assert kinds(decide.decide(state, seen(tracked, "OPEN"), AT)) == [RecordSent]


@pytest.mark.parametrize("kind", [OrderType.STOP, OrderType.MARKET_IF_TOUCHED])
def test_what_the_market_did_not_give_is_said_where_the_venue_does_not_say_why(kind: OrderType) -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state, order_type=kind)
    canceled = take(state, answers(state, 121, orders=[seen(tracked, "CANCELED")]))[-1]
    assert canceled.reason == "the venue has ended it: the rest was not to be had in its price"


def test_a_stop_whose_rest_the_market_did_not_give_is_cancelled_with_the_reason() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state)
    over = seen(tracked, "CANCELED", removal_reason="IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK", updated_at_height=120)
    canceled = take(state, answers(state, 121, orders=[over], fills=[fill(tracked, 4)]))[-1]
    assert isinstance(canceled, VenueCanceled)
    assert "immediate-or-cancel" in canceled.reason


def test_a_stateful_order_that_is_nowhere_is_rejected_when_its_signature_is_too_old_to_count() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state)
    assert kinds(take(state, answers(state, 120, absent=["o-1"]), wall_seconds=61.0)) == [Ask]
    (rejected,) = take(state, answers(state, 120, absent=["o-1"]), wall_seconds=61.5)
    assert isinstance(rejected, VenueRejected)
    assert tracked.done


def test_a_stateful_order_that_was_shown_and_is_gone_is_unknown_and_asked_about() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state)
    take(state, answers(state, 120, orders=[seen(tracked, "UNTRIGGERED")]))
    assert kinds(take(state, answers(state, 121, absent=["o-1"]), wall_seconds=99.0)) == [VenueUnknown, Ask]
    assert decide.question(state, tracked)


def test_a_cancel_that_the_chain_never_took_is_refused_and_the_order_works_on() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = stop_in(state)
    tracked.cancel_command, tracked.own.cancel_seconds = "command/o-1/1", 10.0
    shown = [seen(tracked, "UNTRIGGERED")]
    assert kinds(take(state, answers(state, 120, orders=shown), wall_seconds=70.0)) == [RecordSent, VenueAccepted]
    tracked.cancel_in_hand = True
    assert kinds(take(state, answers(state, 121, orders=shown), wall_seconds=71.0)) == [RecordSent]
    tracked.cancel_in_hand = False
    refused = take(state, answers(state, 121, orders=shown), wall_seconds=71.0)[-1]
    assert (type(refused), refused.cause) == (VenueCancelRejected, "command/o-1/1")
    assert not tracked.cancel_command


# ---------------------------------------------------------------------------------------------- facts of any order


def test_a_fill_of_another_program_is_reported_without_an_order() -> None:
    state = state_of(ACCOUNT, OwnState())
    booked, fee = decide.decide(state, fill(None, 2), AT)
    assert (booked.fill.order_id, booked.venue_order_id, fee.order_id) == ("", "uuid-of-others", "")


def test_a_fill_without_its_fee_is_asked_about_until_the_fee_is_there() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = limit_in(state)
    assert kinds(decide.decide(state, fill(tracked, 2, fee=None), AT)) == [VenueFill, Ask]
    assert decide.question(state, tracked) == "a commission is missing"
    assert kinds(decide.decide(state, fill(tracked, 2), AT)) == [VenueCommission]
    assert decide.question(state, tracked) == ""


def test_an_order_given_up_that_works_after_all_is_cancelled() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = tracked_in(state)
    take(state, answers(state, GOOD_TIL_BLOCK + 1))
    assert decide.decide(state, seen(tracked, "OPEN", good_til_block=GOOD_TIL_BLOCK + 9), AT) == [CancelStray("o-1")]


def test_a_fill_after_the_end_is_booked() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = limit_in(state)
    take(state, answers(state, GOOD_TIL_BLOCK + 1))
    assert kinds(decide.decide(state, fill(tracked, 2), AT)) == [VenueFill, VenueCommission]


def test_what_was_reported_before_a_restart_is_not_reported_again() -> None:
    before, after = state_of(ACCOUNT, OwnState()), state_of(ACCOUNT, OwnState())
    tracked = tracked_in(before)
    reports = [
        report
        for report in take(before, answers(before, GOOD_TIL_BLOCK + 1, fills=[fill(tracked, 4)]))
        if not isinstance(report, RecordSent)
    ]
    same = tracked_in(after)
    for report in reports:
        fold_report(after, report)
    assert same.standing is Standing.OVER
    assert same.filled == 4
    assert take(after, answers(after, GOOD_TIL_BLOCK + 9, fills=[fill(same, 4)])) == []


CHUNKS = some.lists(some.integers(1, 4), max_size=3)


@given(some.permutations(range(6)), CHUNKS, some.booleans())
def test_whatever_order_the_facts_come_in_the_books_are_the_same(
    order: list[int], sizes: list[int], twice: bool
) -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = tracked_in(state)
    fills = [fill(tracked, size, number) for number, size in enumerate(sizes)]
    total = Decimal(sum(min(size, 10) for size in sizes))
    facts: list[Any] = [
        seen(tracked, "BEST_EFFORT_OPENED"),
        SubaccountChanged(fills=tuple(fills[:1])),
        SubaccountChanged(fills=tuple(fills[1:])),
        seen(tracked, "BEST_EFFORT_CANCELED", total_filled=total),
        seen(tracked, "CANCELED", removal_reason="INDEXER_EXPIRED", total_filled=total),
        Height(height=GOOD_TIL_BLOCK + 1),
    ]
    reported = []
    for number in [*order, *order] if twice else order:
        reported += decide.decide(state, facts[number], AT)
    reported += take(state, answers(state, GOOD_TIL_BLOCK + 1, fills=fills))
    booked = [action for action in reported if isinstance(action, VenueFill)]
    assert sum((each.fill.quantity for each in booked), Decimal(0)) == total == tracked.filled
    assert len({each.id for each in booked}) == len(booked) == len(sizes)
    ends = [action for action in reported if isinstance(action, VenueCanceled | VenueExpired | VenueRejected)]
    assert len(ends) == (0 if total >= 10 else 1)
    assert tracked.done


# ------------------------------------------------------------------------------------------------------------ snapshot


def test_a_snapshot_lists_the_desks_working_orders_and_those_of_others_but_none_that_is_over() -> None:
    state = state_of(ACCOUNT, OwnState())
    ours, ended = limit_in(state), limit_in(state)
    ours.seen = True
    ended.seen, ended.standing = True, Standing.OVER
    theirs = OrderSeen(
        id="uuid-of-others", status="OPEN", ticker="ETH-USD", side=Side.SELL, size=Decimal(2), good_til_block=130
    )
    past = OrderSeen(
        id="uuid-past", status="OPEN", ticker="ETH-USD", side=Side.SELL, size=Decimal(2), good_til_block=99
    )
    held = PositionSeen(ticker="BTC-USD", status="OPEN", size=Decimal(3), entry_price=Decimal(100))
    subaccount = Subaccount(
        address="dydx1xyz", number=0, equity=Decimal(7), free_collateral=Decimal(7), usdc=Decimal(-5), positions=(held,)
    )
    paid = VenueFunding(
        id="f", at=AT, venue="dydx", account=ACCOUNT, funding_id="BTC-USD/x", symbol="BTC-USD", amount=Decimal(1),
        currency="USD", rate=Decimal(0),
    )  # fmt: skip
    told = answers(state, 100, orders=[theirs, past], fills=[fill(ours, 1)])
    made = reconcile.snapshot(state, told, subaccount, (paid,), AT, AT)
    assert [(each.order_id, each.venue_order_id) for each in made.open_orders] == [
        ("", "uuid-of-others"),
        ("o-1", ours.venue_order_id),
    ]
    assert (made.cash, made.execution_ids, made.funding_ids) == (Decimal(-5), ("fill-1",), ("BTC-USD/x",))
    assert (made.funding_until, made.funding_times) == (AT, (AT,))
    restarted = state_of(ACCOUNT, OwnState())
    fold_report(restarted, made)
    assert restarted.own.complete_height == 100
    assert set(restarted.own.funding_rows) == {"BTC-USD"}


def test_fills_are_complete_up_to_the_height_noted_only_if_they_were_asked_for_without_a_gap() -> None:
    state = state_of(ACCOUNT, OwnState(complete_height=90))
    take(state, answers(state, 100, since=92))
    assert state.own.complete_height == 90
    take(state, answers(state, 100, since=91))
    assert state.own.complete_height == 100


def test_a_stateful_order_whose_transaction_failed_in_its_block_is_rejected_with_the_chains_code() -> None:
    state = state_of(ACCOUNT, OwnState())
    stop_in(state)
    found = msgspec.structs.replace(
        answers(state, 120, absent=["o-1"]), failed={"o-1": ("clob/3007", "not enough collateral")}
    )
    (rejected,) = take(state, found)
    assert (rejected.code, rejected.reason) == ("clob/3007", "not enough collateral")


def test_an_order_that_goes_on_with_what_is_left_is_not_over_with_its_version() -> None:
    state = state_of(ACCOUNT, OwnState())
    tracked = limit_in(state)
    tracked.own.continues = True
    assert take(state, answers(state, GOOD_TIL_BLOCK + 1)) == []
    assert decide.question(state, tracked) == ""
    tracked.cancel_command = "command/o-1/1"
    assert kinds(take(state, answers(state, GOOD_TIL_BLOCK + 1))) == [VenueCanceled]


def test_an_order_does_not_end_while_a_row_of_its_market_can_not_be_read() -> None:
    for symbol, ends in (("BTC-USD", False), ("", False), ("ETH-USD", True)):
        state = state_of(ACCOUNT, OwnState(height=100))
        tracked_in(state)
        row = Unreadable(kind="order", key="uuid-9", symbol=symbol, reason="size is missing", text="{}")
        found = msgspec.structs.replace(answers(state, GOOD_TIL_BLOCK + 1), unreadable=(row,))
        assert (kinds(take(state, found)) == [VenueRejected]) is ends


def test_a_fill_that_can_not_be_read_is_asked_for_again() -> None:
    for kind, complete in (("fill", 0), ("order", 105)):
        state = state_of(ACCOUNT, OwnState(height=100))
        row = Unreadable(kind=kind, key="f", symbol="BTC-USD", reason="price is missing", text="{}")
        take(state, msgspec.structs.replace(answers(state, 105), unreadable=(row,)))
        assert state.own.complete_height == complete

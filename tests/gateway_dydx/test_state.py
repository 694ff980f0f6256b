"""What is remembered: client ids that no order ever shares, and a fold that gives the same after any restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway_dydx.plans import OrderFlags
from gateway_dydx.state import (
    Standing,
    State,
    assume_renewed,
    fold_cancel,
    fold_ledger,
    fold_report,
    forget,
    take_number,
    track,
)
from hypothesis import given
from hypothesis import strategies as some
from signalbox.messages import (
    CancelOrder,
    LedgerClaimed,
    LedgerSent,
    Order,
    OrderType,
    Side,
    TimeInForce,
    VenueCancelRejected,
)

AT = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)


def claim(
    number: int, order_type: OrderType = OrderType.LIMIT, block: int = 110, account: str = "a-0"
) -> LedgerClaimed:
    order = Order(
        order_id=f"o-{number}",
        intent_id=f"o-{number}",
        venue="dydx",
        account=account,
        symbol="BTC-USD",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=order_type,
        time_in_force=TimeInForce.DAY if block else TimeInForce.GTC,
    )
    return LedgerClaimed(
        id=f"claim-{number}", at=AT, venue="dydx", order=order, attempt_id=str(number), venue_order_id=f"uuid-{number}",
        good_til_block=block,
    )  # fmt: skip


@given(some.lists(some.integers(1, 2**31), max_size=8), some.integers(1, 20))
def test_a_client_id_is_never_handed_out_twice(before: list[int], count: int) -> None:
    state = State("a-0")
    for number in before:
        fold_ledger(state, claim(number), number)
    taken = [take_number(state, AT) for _ in range(count)]
    assert len({*taken, *before}) == count + len({*before})
    assert all(number > max(before, default=0) for number in taken)


def test_the_first_client_id_of_an_empty_ledger_is_above_those_of_a_former_life() -> None:
    former, now = State("a-0"), State("a-0")
    last = [take_number(former, AT) for _ in range(1000)][-1]
    assert take_number(now, AT + timedelta(hours=1)) > last


def test_a_client_id_of_another_subaccount_of_the_desk_is_taken_too() -> None:
    state = State("a-0")
    fold_ledger(state, claim(7_000_000, account="a-1"), 1)
    assert not state.orders
    assert take_number(state, AT) == 7_000_001


def test_a_claim_without_sent_stays_claimed_and_one_with_it_is_sent() -> None:
    state = State("a-0")
    for number in (1, 2):
        fold_ledger(state, claim(number), number)
    fold_ledger(state, LedgerSent(id="s", at=AT, venue="dydx", order=claim(2).order, attempt_id="2"), 3)
    assert [tracked.standing for tracked in state.orders.values()] == [Standing.CLAIMED, Standing.SENT]


def test_the_kind_of_an_order_is_known_again_from_its_claim() -> None:
    state = State("a-0")
    kinds = [
        track(state, claim(1), 1).flags,
        track(state, claim(2, block=0), 2).flags,
        track(state, claim(3, OrderType.STOP, block=0), 3).flags,
    ]
    assert kinds == [OrderFlags.SHORT_TERM, OrderFlags.LONG_TERM, OrderFlags.CONDITIONAL]


def test_after_a_restart_a_resting_order_may_live_as_long_as_a_renewal_of_this_moment_would() -> None:
    state = State("a-0", height=500)
    resting, immediate = track(state, claim(1), 1), track(state, claim(2, OrderType.MARKET), 2)
    ours = track(state, claim(3), 3)
    ours.watched = True
    assume_renewed(state)
    assert (resting.good_til_block, immediate.good_til_block, ours.good_til_block) == (520, 110, 110)


def test_a_cancel_command_of_before_the_restart_is_remembered() -> None:
    state = State("a-0")
    tracked = track(state, claim(1), 1)
    fold_cancel(state, CancelOrder(id="c", at=AT, venue="dydx", account="a-0", order_id="o-1", venue_order_id="uuid-1"))
    assert tracked.cancel_command == "c"


def test_what_is_over_and_old_is_forgotten_and_what_is_not_over_is_kept() -> None:
    state = State("a-0")
    for number in (1, 2, 3):
        track(state, claim(number), number)
    state.orders["o-1"].standing = state.orders["o-3"].standing = Standing.OVER
    forget(state, AT, {"o-3"})
    assert [*state.orders] == ["o-2", "o-3"]
    assert state.order_by_venue_id == {"uuid-2": "o-2", "uuid-3": "o-3"}
    assert take_number(state, AT) == 4


def test_a_cancel_is_not_forgotten_because_an_earlier_one_was_refused() -> None:
    state = State("a-0")
    fold_ledger(state, claim(1), 1)
    for revision in (1, 2):
        asked = CancelOrder(
            id=f"command/o-1/{revision}", at=AT, venue="dydx", account="a-0", order_id="o-1", venue_order_id=""
        )
        fold_cancel(state, asked)
    refused = VenueCancelRejected(
        id="r-1", at=AT, cause="command/o-1/1", venue="dydx", account="a-0", order_id="o-1", code="", reason="no"
    )
    fold_report(state, refused)
    assert state.orders["o-1"].cancel_command == "command/o-1/2"

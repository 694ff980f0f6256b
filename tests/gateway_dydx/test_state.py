"""What is remembered: client ids that no order ever shares, and a fold that gives the same after any restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway_dydx.state import OwnState, assume_renewed, state_of, take_number
from hypothesis import given
from hypothesis import strategies as some
from signalbox.gateway.state import fold_ledger, track
from signalbox.messages import (
    LedgerClaimed,
    Order,
    OrderType,
    Side,
    TimeInForce,
)

AT = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)


def claim(
    number: int,
    order_type: OrderType = OrderType.LIMIT,
    block: int = 110,
    account: str = "a-0",
    validity: TimeInForce | None = None,
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
        time_in_force=validity or (TimeInForce.DAY if block else TimeInForce.GTC),
    )
    return LedgerClaimed(
        id=f"claim-{number}", at=AT, venue="dydx", order=order, attempt_id=str(number), venue_order_id=f"uuid-{number}",
        good_til_block=block,
    )  # fmt: skip


@given(some.lists(some.integers(1, 2**31), max_size=8), some.integers(1, 20))
def test_a_client_id_is_never_handed_out_twice(before: list[int], count: int) -> None:
    state = state_of("a-0", OwnState())
    for number in before:
        fold_ledger(state, claim(number), number)
    taken = [take_number(state, AT) for _ in range(count)]
    assert len({*taken, *before}) == count + len({*before})
    assert all(number > max(before, default=0) for number in taken)


def test_the_first_client_id_of_an_empty_ledger_is_above_those_of_a_former_life() -> None:
    former, now = state_of("a-0", OwnState()), state_of("a-0", OwnState())
    last = [take_number(former, AT) for _ in range(1000)][-1]
    assert take_number(now, AT + timedelta(hours=1)) > last


def test_after_a_restart_a_resting_order_may_live_as_long_as_a_renewal_of_this_moment_would() -> None:
    state = state_of("a-0", OwnState(height=500))
    resting, immediate = track(state, claim(1), 1), track(state, claim(2, OrderType.MARKET), 2)
    ours = track(state, claim(3), 3)
    limited = track(state, claim(4, validity=TimeInForce.IOC), 4)
    ours.own.watched = True
    assume_renewed(state)
    assert (limited.own.rests, limited.own.good_til_block) == (False, 110)
    assert (resting.own.good_til_block, immediate.own.good_til_block, ours.own.good_til_block) == (520, 110, 110)

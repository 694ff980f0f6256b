"""How many stateful orders the chain takes: what is kept for what protects, and when there is room again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_dydx.pacing import BLOCK_SECONDS, ROOM_SECONDS_MIN, BlockBudget, BlockPace
from gateway_dydx.plans import ChainTimeInForce, Condition, OrderFlags, OrderIdentity, OrderPlan, Subaccount
from signalbox.messages import Side

AT = datetime(2024, 3, 4, 15, tzinfo=UTC)


def sent(*heights: int) -> BlockBudget:
    budget = BlockBudget()
    for height in heights:
        budget.note(height)
    return budget


def test_two_in_a_block_and_twenty_in_a_hundred() -> None:
    assert sent(7, 7).free_from(7) == 8
    assert sent(*range(1, 20)).free_from(50) == 50
    assert sent(*range(1, 21)).free_from(50) == 101


def test_what_only_takes_profits_leaves_five_of_them_to_what_protects() -> None:
    budget = sent(*range(1, 16))
    assert (budget.free_from(50), budget.free_from(50, protects=False)) == (50, 101)
    assert sent(*range(1, 15)).free_from(50, protects=False) == 50
    assert sent(7).free_from(7, protects=False) == 7, "and both of a block's are anybody's"


def test_a_block_to_come_comes_as_the_last_ones_came() -> None:
    pace = BlockPace()
    assert pace.time_of(105, AT) == AT + timedelta(seconds=ROOM_SECONDS_MIN), "no height is known"
    pace.note(100, AT)
    assert pace.time_of(110, AT) == AT + timedelta(seconds=10 * BLOCK_SECONDS)
    pace.note(104, AT + timedelta(seconds=10))
    now = AT + timedelta(seconds=12)
    assert pace.time_of(110, now) == now + timedelta(seconds=15)


def test_a_time_is_never_just_now() -> None:
    pace = BlockPace()
    pace.note(100, AT)
    pace.note(104, AT)
    assert pace.time_of(200, AT) == AT + timedelta(seconds=ROOM_SECONDS_MIN)


@pytest.mark.parametrize(
    ("reduce_only", "condition", "takes_profit"),
    [
        (True, Condition.TAKE_PROFIT, True),
        (True, Condition.STOP_LOSS, False),
        (False, Condition.TAKE_PROFIT, False),
        (True, Condition.UNSPECIFIED, False),
    ],
)
def test_what_takes_a_profit(reduce_only: bool, condition: Condition, takes_profit: bool) -> None:
    identity = OrderIdentity(
        subaccount=Subaccount("dydx1a", 0), client_id=1, clob_pair_id=0, flags=OrderFlags.CONDITIONAL
    )
    plan = OrderPlan(
        identity=identity,
        side=Side.SELL,
        quantums=int(Decimal(1)),
        subticks=1,
        time_in_force=ChainTimeInForce.UNSPECIFIED,
        reduce_only=reduce_only,
        condition=condition,
    )
    assert plan.takes_profit is takes_profit

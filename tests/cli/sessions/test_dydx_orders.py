"""Which order of the desk a recorded transaction was, and what of it must be the same when it is placed again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from gateway_dydx.plans import (
    OrderFlags,
    PriceBounds,
    Subaccount,
    order_plan,
)
from gateway_dydx.translate import MarketTerms
from signalbox.errors import ConfigurationError
from signalbox.messages import Order, OrderType, Side, TimeInForce
from signalbox_cli.sessions.dydx_orders import differing_terms, order_of
from signalbox_cli.sessions.session_file import Header

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
HEADER = Header(
    format="signalbox-session", version=1, venue="dydx", started=AT, account="dydx1x-0", clock="wall",
    market_data_type="LIVE", timeframes=("1m",), instruments=(),
)  # fmt: skip
BTC = MarketTerms(
    ticker="BTC-USD",
    clob_pair_id=0,
    atomic_resolution=-10,
    quantum_conversion_exponent=-9,
    step_base_quantums=1_000_000,
    subticks_per_tick=100_000,
    step_size=Decimal("0.0001"),
    tick_size=Decimal(1),
)


def written(order: Order) -> dict[str, Any]:
    """The transaction of an order as a recorder keeps it."""
    bounds = PriceBounds(
        market_slippage_fraction=Decimal("0.02"),
        stop_slippage_fraction=Decimal("0.05"),
        reference_price=Decimal(100_000),
    )
    plan = order_plan(order, BTC, Subaccount("dydx1x", 0), 7, bounds, 100, AT)
    end = plan.good_til_time
    return {
        "pair": 0,
        "flags": int(plan.identity.flags),
        "side": 1 if plan.side is Side.BUY else 2,
        "quantums": str(plan.quantums),
        "subticks": str(plan.subticks),
        "time_in_force": int(plan.time_in_force),
        "reduce_only": plan.reduce_only,
        "condition": int(plan.condition),
        "trigger_subticks": str(plan.trigger_subticks),
        **({"good_til_block": plan.good_til_block} if end is None else {"good_til_block_time": int(end.timestamp())}),
    }


def order(**terms: Any) -> Order:
    return Order(
        **{
            "order_id": "order-1", "intent_id": "order-1", "venue": "dydx", "account": "dydx1x-0", "symbol": "BTC-USD",
            "side": Side.SELL, "quantity": Decimal("0.0123"), "order_type": OrderType.MARKET,
            "time_in_force": TimeInForce.DAY,
        }
        | terms
    )  # fmt: skip


PRICE = {"limit_price": Decimal(98_765)}
ORDERS = [
    order(),
    order(side=Side.BUY, reduce_only=True),
    order(order_type=OrderType.LIMIT, **PRICE),
    order(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, **PRICE),
    order(order_type=OrderType.LIMIT, post_only=True, **PRICE),
    order(order_type=OrderType.LIMIT, post_only=True, time_in_force=TimeInForce.GTC, **PRICE),
    order(order_type=OrderType.STOP, stop_price=Decimal(91_000), time_in_force=TimeInForce.GTC),
    order(order_type=OrderType.MARKET_IF_TOUCHED, stop_price=Decimal(99_000), time_in_force=TimeInForce.GTC),
    order(order_type=OrderType.LIMIT_IF_TOUCHED, stop_price=Decimal(99_000), time_in_force=TimeInForce.GTC, **PRICE),
    order(order_type=OrderType.STOP_LIMIT, stop_price=Decimal(91_000), time_in_force=TimeInForce.GTC, **PRICE),
    order(
        order_type=OrderType.STOP,
        stop_price=Decimal(91_000),
        time_in_force=TimeInForce.GTD,
        good_till=AT + timedelta(days=3),
    ),
]


@pytest.mark.parametrize("placed", ORDERS)
def test_an_order_of_the_desk_is_read_from_its_transaction(placed: Order) -> None:
    assert order_of(HEADER, written(placed), "order-1", AT, {0: BTC}) == placed


@pytest.mark.parametrize(
    "change", [{"flags": 16}, {"time_in_force": 3}, {"condition": 2}, {"flags": int(OrderFlags.LONG_TERM)}, {"pair": 5}]
)
def test_what_the_desk_does_not_place_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        order_of(HEADER, written(ORDERS[0]) | change, "order-1", AT, {0: BTC})


@pytest.mark.parametrize("placed", ORDERS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("side", 0), ("quantums", "1"), ("reduce_only", None), ("flags", 1), ("time_in_force", 7), ("condition", 9),
        ("trigger_subticks", "3"), ("pair", 9), ("subticks", "1"),
    ],
)  # fmt: skip
def test_everything_that_is_money_must_be_as_it_was(placed: Order, name: str, value: Any) -> None:
    assert differing_terms(written(placed), written(placed)) == []
    assert len(differing_terms(written(placed), written(placed) | {name: value})) == 1


def test_a_bound_may_differ_a_little_and_a_limit_may_not() -> None:
    market, limit = written(ORDERS[0]), written(ORDERS[2])

    def moved(placed: dict[str, Any], fraction: str) -> list[str]:
        subticks = int(int(placed["subticks"]) * (1 + Decimal(fraction)))
        return differing_terms(placed, placed | {"subticks": str(subticks)})

    assert moved(market, "0.015") == []
    assert len(moved(market, "0.03")) == 1
    assert len(moved(limit, "0.0001")) == 1


@pytest.mark.parametrize(("name", "near", "far"), [("good_til_block", 20, 30), ("good_til_block_time", 60, 300)])
def test_an_end_may_be_a_little_other(name: str, near: int, far: int) -> None:
    placed = written(ORDERS[0] if name == "good_til_block" else ORDERS[3])
    assert differing_terms(placed, placed | {name: placed[name] + near}) == []
    assert len(differing_terms(placed, placed | {name: placed[name] - far})) == 1

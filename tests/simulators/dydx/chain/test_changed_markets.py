"""What the chain takes in a market whose status or type was changed, through the real client over gRPC."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from simulators.dydx.records import LONG_TERM, STATUSES, ChainOrderStatus
from v4_proto.dydxprotocol.clob.order_pb2 import Order

POST_ONLY, IOC = Order.TimeInForce.TIME_IN_FORCE_POST_ONLY, Order.TimeInForce.TIME_IN_FORCE_IOC


async def taken(bench: Any, status: str, **changes: Any) -> bool:
    """Whether an order is taken; one that is not is refused with the chain's code."""
    bench.chain.change_market("BTC-USD", status=status)
    response = await bench.place(bench.order(1, **changes))
    assert (response.codespace, response.code) in (("", 0), ("clob", 34)), response.raw_log
    return bool(response.code == 0)


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "ACTIVE"])
async def test_an_ordinary_order_is_taken_in_an_active_market_alone(bench: Any, status: str) -> None:
    assert not await taken(bench, status)
    assert await taken(bench, "ACTIVE")


@pytest.mark.parametrize("status", ["INITIALIZING", "POST_ONLY"])
async def test_a_post_only_order_is_taken_where_nothing_trades_yet(bench: Any, status: str) -> None:
    assert await taken(bench, status, time_in_force=POST_ONLY, price="90000")


async def test_an_initializing_market_wants_no_stateful_order_and_no_wrong_side_of_the_oracle(bench: Any) -> None:
    terms = {"time_in_force": POST_ONLY}
    assert not await taken(bench, "INITIALIZING", **terms, flags=LONG_TERM, price="90000")
    assert not await taken(bench, "INITIALIZING", **terms, price="110000")
    assert not await taken(bench, "INITIALIZING", **terms, price="90000", sells=True)


@pytest.mark.parametrize("status", STATUSES)
async def test_a_cancel_is_taken_in_every_market(bench: Any, status: str) -> None:
    message = bench.order(1, price="90000")
    await bench.place(message)
    bench.blocks()
    bench.chain.change_market("BTC-USD", status=status)
    response = await bench.cancel(bench.order_id(1), good_til_block=bench.chain.height + 5)
    assert response.code == 0


async def test_final_settlement_ends_what_rests(bench: Any) -> None:
    await bench.place(bench.order(1, price="90000", flags=LONG_TERM))
    bench.blocks()
    bench.chain.change_market("BTC-USD", status="FINAL_SETTLEMENT")
    bench.blocks()
    order = bench.chain_order(1)
    assert (order.status, order.removal_reason) == (ChainOrderStatus.CANCELED, "FINAL_SETTLEMENT")


async def test_who_holds_an_isolated_market_holds_nothing_else(bench: Any) -> None:
    bench.chain.change_market("ETH-USD", market_type="ISOLATED")
    price = f"{bench.chain.oracle_price('ETH-USD') * Decimal('1.02'):.1f}"
    await bench.place(bench.order(1, time_in_force=IOC))
    bench.blocks()
    await bench.place(bench.order(2, pair=1, size="0.1", price=price, time_in_force=IOC))
    bench.blocks()
    assert [each.ticker for each in bench.subaccount.positions] == ["BTC-USD"]
    assert bench.chain_order(2).removal_reason == "VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS"
    await bench.place(bench.order(3, price="99000", sells=True, time_in_force=IOC))
    bench.blocks()
    await bench.place(bench.order(4, pair=1, size="0.1", price=price, time_in_force=IOC))
    bench.blocks()
    await bench.place(bench.order(5, time_in_force=IOC))
    bench.blocks()
    assert bench.chain_order(5).removal_reason == "VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS"
    await bench.place(bench.order(6, pair=1, size="0.05", price="1000", sells=True, time_in_force=IOC))
    bench.blocks()
    assert bench.chain_order(6).status is ChainOrderStatus.FILLED

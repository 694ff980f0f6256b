"""What the node client signs is what the simulated chain takes: every kind of order, at every edge that must hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from gateway_dydx.keys import KeySource, key_source
from gateway_dydx.plans import (
    SHORT_BLOCK_WINDOW,
    OrderFlags,
    OrderPlan,
    PriceBounds,
    Subaccount,
    cancel_plan,
    order_plan,
    renewed,
)
from gateway_dydx.settings import USDC, Endpoints
from gateway_dydx.translate import MarketTerms
from gateway_dydx.venue_errors import Verdict, problem_of
from gateway_dydx.venue_node import BroadcastResult, Node
from msgspec.structs import replace
from signalbox.errors import VenueUnavailableError
from signalbox.messages import Order, OrderType, Side, TimeInForce
from signalbox.settings import Secret
from simulators.dydx.markets import MARKET_OF_TICKER
from simulators.dydx.options import DEFAULT_CHAIN_ID, DydxOptions
from simulators.dydx.venue import DydxVenue
from simulators.world import World, WorldOptions

WORDS = "abandon " * 11 + "about"
ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRICE = Decimal(50_000)
FOUND = MARKET_OF_TICKER["BTC-USD"]
BTC = MarketTerms(
    ticker=FOUND.ticker,
    clob_pair_id=FOUND.clob_pair_id,
    atomic_resolution=FOUND.atomic_resolution,
    quantum_conversion_exponent=FOUND.quantum_conversion_exponent,
    step_base_quantums=FOUND.step_base_quantums,
    subticks_per_tick=FOUND.subticks_per_tick,
    step_size=FOUND.step_size,
    tick_size=FOUND.tick_size,
)
BOUNDS = PriceBounds(
    market_slippage_fraction=Decimal("0.02"), stop_slippage_fraction=Decimal("0.05"), reference_price=PRICE
)


@dataclass
class Desk:
    """A node client at a chain whose blocks come when the test says so."""

    venue: DydxVenue
    node: Node

    @property
    def at(self) -> datetime:
        return self.venue.chain.block_time

    @property
    def height(self) -> int:
        return self.venue.chain.height

    def plan(self, client_id: int, order_type: OrderType, **terms: Any) -> OrderPlan:
        values: dict[str, Any] = {"side": Side.BUY, "quantity": Decimal("0.01")} | terms
        order = Order(
            order_id="a",
            intent_id="a",
            venue="dydx",
            account=f"{ADDRESS}-0",
            symbol="BTC-USD",
            order_type=order_type,
            **values,
        )
        return order_plan(order, BTC, Subaccount(ADDRESS, 0), client_id, BOUNDS, self.height, self.at)

    async def place(self, plan: OrderPlan) -> BroadcastResult:
        return await self.node.broadcast(self.node.prepare_place(plan, self.at))


def make_node(venue: DydxVenue, chain_id: str = DEFAULT_CHAIN_ID, source: KeySource | None = None) -> Node:
    endpoints = Endpoints(
        chain_id=chain_id,
        denomination=USDC,
        node=f"127.0.0.1:{venue.grpc_port}",
        indexer_url="",
        websocket_url="",
        secure=False,
    )
    source = source or key_source(Secret(WORDS), None)
    return Node(endpoints, source, ADDRESS, connect_seconds_max=5.0, answer_seconds_max=5.0, broadcast_seconds_max=5.0)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    world = World(
        WorldOptions(
            symbols=("BTC-USD",), accounts=(), start=START, speed=0.0, prices=(("BTC-USD", PRICE),), step_seconds=1
        )
    )
    options = DydxOptions(block_ms=0, fund=((ADDRESS, Decimal(100_000)),))
    async with DydxVenue(world, options) as venue:
        node = make_node(venue)
        await node.connect()
        yield Desk(venue, node)
        await node.close()


RESTING = {"limit_price": Decimal(40_000)}
KINDS: list[tuple[OrderType, dict[str, Any], OrderFlags]] = [
    (OrderType.MARKET, {}, OrderFlags.SHORT_TERM),
    (OrderType.LIMIT, RESTING, OrderFlags.SHORT_TERM),
    (OrderType.LIMIT, RESTING | {"time_in_force": TimeInForce.GTC}, OrderFlags.LONG_TERM),
    (OrderType.STOP, {"stop_price": Decimal(60_000)}, OrderFlags.CONDITIONAL),
    (OrderType.STOP, {"stop_price": Decimal(60_000), "time_in_force": TimeInForce.GTC}, OrderFlags.CONDITIONAL),
    (
        OrderType.STOP,
        {"stop_price": Decimal(40_000), "side": Side.SELL, "time_in_force": TimeInForce.GTC, "reduce_only": True},
        OrderFlags.CONDITIONAL,
    ),
]


@pytest.mark.parametrize(("order_type", "terms", "flags"), KINDS)
async def test_the_chain_takes_every_kind_of_order(
    desk: Desk, order_type: OrderType, terms: dict[str, Any], flags: OrderFlags
) -> None:
    plan = desk.plan(7, order_type, **terms)
    assert plan.identity.flags is flags
    result = await desk.place(plan)
    assert (result.code, result.raw_log) == (0, "")
    desk.venue.chain.produce_block()
    [order] = [order for order in desk.venue.chain.orders if order.client_id == 7][-1:]
    assert order.id == plan.identity.venue_order_id
    assert order.size == Decimal("0.01")
    assert order.side is plan.side


async def test_a_price_and_a_trigger_arrive_as_they_were_meant(desk: Desk) -> None:
    await desk.place(desk.plan(1, OrderType.LIMIT, limit_price=Decimal(43_217)))
    await desk.place(desk.plan(2, OrderType.STOP, stop_price=Decimal(61_111), time_in_force=TimeInForce.GTC))
    desk.venue.chain.produce_block()
    orders = {order.client_id: order for order in desk.venue.chain.orders}
    assert orders[1].price == 43_217
    assert orders[2].trigger_price == 61_111
    assert orders[2].price == 64_166  # 61111 * 1.05 = 64166.55, down to the tick


async def test_the_account_the_block_and_the_limits_are_read(desk: Desk) -> None:
    block = await desk.node.latest_block()
    assert (block.height, block.at) == (desk.height, desk.at)
    limits = await desk.node.limits()
    assert limits.equity_tiers[0] == (Decimal(0), 0)
    assert [tier[0] for tier in limits.equity_tiers] == sorted(tier[0] for tier in limits.equity_tiers)
    assert [(limit.blocks, limit.limit) for limit in limits.stateful_orders] == [(1, 2), (100, 20)]


async def test_a_transaction_is_found_once_it_is_in_a_block(desk: Desk) -> None:
    result = await desk.place(desk.plan(1, OrderType.LIMIT, **RESTING, time_in_force=TimeInForce.GTC))
    assert await desk.node.transaction(result.transaction_hash) is None
    desk.venue.chain.produce_block()
    found = await desk.node.transaction(result.transaction_hash)
    assert found is not None
    assert (found.height, found.code) == (desk.height, 0)


async def test_a_stateful_order_is_on_the_chain_until_it_is_cancelled(desk: Desk) -> None:
    plan = desk.plan(1, OrderType.LIMIT, **RESTING, time_in_force=TimeInForce.GTC)
    assert not await desk.node.has_stateful_order(plan.identity)
    await desk.place(plan)
    desk.venue.chain.produce_block()
    assert await desk.node.has_stateful_order(plan.identity)
    result = await desk.node.broadcast(desk.node.prepare_cancel(cancel_plan(plan, desk.height), desk.at))
    assert (result.code, result.raw_log) == (0, "")
    desk.venue.chain.produce_block()
    assert not await desk.node.has_stateful_order(plan.identity)


async def test_a_short_term_order_is_cancelled(desk: Desk) -> None:
    plan = desk.plan(1, OrderType.LIMIT, **RESTING)
    await desk.place(plan)
    desk.venue.chain.produce_block()
    result = await desk.node.broadcast(desk.node.prepare_cancel(cancel_plan(plan, desk.height), desk.at))
    assert (result.code, result.raw_log) == (0, "")


async def test_two_stateful_orders_go_into_one_block(desk: Desk) -> None:
    for client_id in (1, 2):
        result = await desk.place(desk.plan(client_id, OrderType.LIMIT, **RESTING, time_in_force=TimeInForce.GTC))
        assert (result.code, result.raw_log) == (0, "")


async def test_a_renewal_replaces_and_the_same_block_again_is_known_to_be_there(desk: Desk) -> None:
    plan = desk.plan(1, OrderType.LIMIT, **RESTING)
    assert (await desk.place(plan)).code == 0
    assert (await desk.place(renewed(plan, plan.good_til_block + 5))).code == 0
    again = await desk.place(replace(plan, quantums=plan.quantums * 2))
    assert problem_of(again.codespace, again.code).verdict is Verdict.PRESENT


@pytest.mark.parametrize("ahead", [1, 1 + SHORT_BLOCK_WINDOW])
async def test_the_edges_of_the_block_window_are_taken(desk: Desk, ahead: int) -> None:
    plan = replace(desk.plan(1, OrderType.LIMIT, **RESTING), good_til_block=desk.height + ahead)
    assert (await desk.place(plan)).code == 0


@pytest.mark.parametrize("ahead", [0, 2 + SHORT_BLOCK_WINDOW])
async def test_beyond_the_block_window_an_order_is_surely_refused(desk: Desk, ahead: int) -> None:
    plan = replace(desk.plan(1, OrderType.LIMIT, **RESTING), good_til_block=desk.height + ahead)
    result = await desk.place(plan)
    assert problem_of(result.codespace, result.code).verdict is Verdict.REFUSED


async def test_a_sequence_outside_the_chains_window_is_refused_and_may_be_tried_again(desk: Desk) -> None:
    plan = desk.plan(1, OrderType.LIMIT, **RESTING, time_in_force=TimeInForce.GTC)
    signed = desk.node.prepare_place(plan, desk.at - timedelta(hours=1))
    result = await desk.node.broadcast(signed)
    assert (result.codespace, result.code) == ("sdk", 32)
    assert problem_of(result.codespace, result.code).again
    assert (await desk.place(plan)).code == 0


async def test_a_signature_for_another_chain_is_refused(desk: Desk) -> None:
    node = make_node(desk.venue, "dydx-testnet-4")
    await node.connect()
    try:
        result = await node.broadcast(node.prepare_place(desk.plan(1, OrderType.LIMIT, **RESTING), desk.at))
    finally:
        await node.close()
    assert (result.codespace, result.code) == ("sdk", 4)
    assert problem_of(result.codespace, result.code).verdict is Verdict.REFUSED


async def test_with_a_trading_key_nothing_is_signed_before_the_chain_has_said_that_it_may_trade(desk: Desk) -> None:
    node = make_node(desk.venue, source=key_source(None, None, Secret("11" * 32)))
    await node.connect()
    try:
        with pytest.raises(VenueUnavailableError, match="has not been asked yet what the trading key may do"):
            node.prepare_place(desk.plan(1, OrderType.MARKET), desk.at)
    finally:
        await node.close()

"""The node over gRPC with the real client: queries, simulation, transactions, faults."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import grpc
import pytest
from dydx_v4_client.node.builder import Builder
from dydx_v4_client.node.message import place_order, send_token, subaccount, transfer
from simulators.dydx.accounts import NATIVE_DENOM, USDC_DENOM
from simulators.dydx.records import LONG_TERM
from v4_proto.cosmos.tx.v1beta1 import service_pb2, service_pb2_grpc
from v4_proto.dydxprotocol.clob import query_pb2, query_pb2_grpc
from v4_proto.dydxprotocol.clob.order_pb2 import Order

IOC = Order.TimeInForce.TIME_IN_FORCE_IOC
DEADLINE_SECONDS = 0.4
"""Of a call that has no answer to come, however long one waits."""
ANSWER_SECONDS_MAX = 60.0


def raw_order(bench: Any, client_id: int) -> bytes:
    """Sign a short-term order that rests."""
    builder = Builder(bench.chain.chain_id, USDC_DENOM)
    transaction = builder.build(bench.wallet, place_order(bench.order(client_id, price="90000")))
    return bytes(transaction.SerializeToString())


async def broadcast(bench: Any, raw: bytes, seconds_max: float = ANSWER_SECONDS_MAX) -> Any:
    """Broadcast bytes with a deadline, as a program that wants to go on does."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{bench.port}") as channel:
        request = service_pb2.BroadcastTxRequest(tx_bytes=raw, mode=2)
        return await service_pb2_grpc.ServiceStub(channel).BroadcastTx(request, timeout=seconds_max)


# ----------------------------------------------------------------------------------------------------------- queries


async def test_the_client_reads_account_and_block(bench: Any) -> None:
    account = await bench.call(lambda: bench.client.get_account(bench.address))
    assert (account.address, account.account_number, account.sequence) == (bench.address, 0, 0)
    block = await bench.call(bench.client.latest_block)
    assert (block.block.header.height, block.block.header.chain_id) == (1, "localdydxprotocol")
    assert block.block.header.time.ToSeconds() == bench.now
    assert await bench.call(lambda: bench.client.query_address(bench.address)) == (0, 0)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("dydx1qyqszqgpqyqszqgpqyqszqgpqyqszqgpm206dt", grpc.StatusCode.NOT_FOUND),
        ("cosmos1nonsense", grpc.StatusCode.INVALID_ARGUMENT),
        ("", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_an_account_that_is_not_there_is_an_error(bench: Any, address: str, status: grpc.StatusCode) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        await bench.call(lambda: bench.client.get_account(address))
    assert caught.value.code() is status


async def test_the_client_reads_markets_and_prices(bench: Any) -> None:
    pairs = (await bench.call(bench.client.get_clob_pairs)).clob_pair
    assert [each.id for each in pairs] == [0, 1, 10, 28]
    pair = await bench.call(lambda: bench.client.get_clob_pair(0))
    assert (pair.step_base_quantums, pair.subticks_per_tick, pair.quantum_conversion_exponent) == (
        1_000_000,
        100_000,
        -9,
    )
    price = await bench.call(lambda: bench.client.get_price(0))
    assert Decimal(price.price).scaleb(price.exponent) == 100_000
    assert len((await bench.call(bench.client.get_prices)).market_prices) == 4
    perpetual = (await bench.call(lambda: bench.client.get_perpetual(28))).perpetual
    assert (perpetual.params.ticker, perpetual.params.atomic_resolution) == ("PEPE-USD", 1)
    assert len((await bench.call(bench.client.get_perpetuals)).perpetual) == 4
    with pytest.raises(grpc.RpcError) as caught:
        await bench.call(lambda: bench.client.get_clob_pair(999))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_the_client_reads_limits_and_fees(bench: Any) -> None:
    config = await bench.call(bench.client.get_equity_tier_limit_config)
    assert [each.limit for each in config.stateful_order_equity_tiers] == [0, 4, 8, 10, 100, 200]
    stub = query_pb2_grpc.QueryStub(bench.client.channel)
    limits = (
        await asyncio.to_thread(stub.BlockRateLimitConfiguration, query_pb2.QueryBlockRateLimitConfigurationRequest())
    ).block_rate_limit_config
    short = limits.max_short_term_orders_and_cancels_per_n_blocks
    assert [(each.limit, each.num_blocks) for each in short] == [(4000, 5)]
    assert [(each.limit, each.num_blocks) for each in limits.max_stateful_orders_per_n_blocks] == [(2, 1), (20, 100)]
    assert len((await bench.call(bench.client.get_fee_tiers)).params.tiers) == 9
    tier = await bench.call(lambda: bench.client.get_user_fee_tier(bench.address))
    assert (tier.index, tier.tier.taker_fee_ppm, tier.tier.maker_fee_ppm) == (0, 500, 100)


async def test_the_client_reads_a_subaccount_and_statistics(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.1", time_in_force=IOC))
    bench.blocks()
    found = await bench.call(lambda: bench.client.get_subaccount(bench.address, 0))
    (asset,), (position,) = found.asset_positions, found.perpetual_positions
    assert asset.quantums[0] == 2
    assert int.from_bytes(asset.quantums[1:], "big") == int(bench.subaccount.usdc * 1_000_000)
    assert int.from_bytes(position.quantums[1:], "big") == 10**9
    stats = (await bench.call(lambda: bench.client.get_user_stats(bench.address))).stats
    assert stats.taker_notional == int(bench.chain.fills[0].price / 10 * 1_000_000)
    assert len((await bench.call(bench.client.get_subaccounts)).subaccount) == 1
    assert not (await bench.call(lambda: bench.client.get_subaccount(bench.address, 9))).asset_positions


async def test_nothing_holds_withdrawals_back(bench: Any) -> None:
    told = await bench.call(lambda: bench.client.get_withdrawal_and_transfer_gating_status(0))
    assert (told.negative_tnc_subaccount_seen_at_block, told.withdrawals_and_transfers_unblocked_at_block) == (0, 0)
    assert not (
        await bench.call(lambda: bench.client.get_withdrawal_capacity_by_denom(USDC_DENOM))
    ).limiter_capacity_list


async def test_what_the_chain_does_not_have_is_not_answered(bench: Any) -> None:
    for ask in (bench.client.get_all_validators, bench.client.get_affiliate_whitelist, bench.client.get_rewards_params):
        with pytest.raises(grpc.RpcError) as caught:
            await bench.call(ask)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "does not answer /" in caught.value.details()


# ------------------------------------------------------------------------------------------------------ transactions


async def test_a_stateful_transaction_is_found_from_its_block_on(bench: Any) -> None:
    response = await bench.place(bench.order(1, price="90000", flags=LONG_TERM))
    stub = service_pb2_grpc.ServiceStub(bench.client.channel)
    request = service_pb2.GetTxRequest(hash=response.txhash)
    with pytest.raises(grpc.RpcError) as caught:
        await asyncio.to_thread(stub.GetTx, request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    bench.blocks()
    found = await asyncio.to_thread(stub.GetTx, request)
    assert (found.tx_response.height, found.tx_response.code, found.tx_response.txhash) == (2, 0, response.txhash)
    assert found.tx.body.messages[0].type_url == "/dydxprotocol.clob.MsgPlaceOrder"
    account = await bench.call(lambda: bench.client.get_account(bench.address))
    assert account.sequence == 1
    assert account.pub_key.type_url == "/cosmos.crypto.secp256k1.PubKey"


async def test_a_short_term_order_is_no_transaction_of_a_block(bench: Any) -> None:
    response = await bench.place(bench.order(1, time_in_force=IOC))
    bench.blocks()
    assert len(bench.chain.fills) == 1
    stub = service_pb2_grpc.ServiceStub(bench.client.channel)
    with pytest.raises(grpc.RpcError) as caught:
        await asyncio.to_thread(stub.GetTx, service_pb2.GetTxRequest(hash=response.txhash))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_transaction_that_was_built_with_simulated_gas_is_found_as_it_was(bench: Any) -> None:
    message = send_token(bench.address, bench.address, 10, NATIVE_DENOM)
    transaction = await bench.call(lambda: bench.client.create_transaction(bench.wallet, message))
    response = (await bench.call(lambda: bench.client.broadcast(transaction))).tx_response
    assert response.code == 0
    bench.blocks()
    assert await bench.call(lambda: bench.client.query_transaction(response.txhash)) == transaction


async def test_simulation_gives_gas_or_the_chains_refusal(bench: Any) -> None:
    builder = Builder(bench.chain.chain_id, USDC_DENOM)
    simulated = await bench.call(
        lambda: bench.client.simulate(builder.build(bench.wallet, place_order(bench.order(1))))
    )
    assert simulated.gas_info.gas_used > 0
    source, target = subaccount(bench.address, 0), subaccount(bench.address, 1)
    too_much = builder.build(bench.wallet, transfer(source, target, 0, 10**15))
    with pytest.raises(grpc.RpcError) as caught:
        await bench.call(lambda: bench.client.simulate(too_much))
    assert "NewlyUndercollateralized" in caught.value.details()


async def test_bytes_that_are_no_transaction_are_refused(bench: Any) -> None:
    response = (await broadcast(bench, b"\x0a\x05nope!")).tx_response
    assert (response.codespace, response.code) == ("sdk", 2)


# ------------------------------------------------------------------------------------------------------------ faults


async def test_a_lost_reply_leaves_the_order_on_the_chain(bench: Any) -> None:
    bench.control["lose_reply"]({"count": 1})
    raw = raw_order(bench, 1)
    unanswered = asyncio.create_task(broadcast(bench, raw))
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while bench.faults.lose_reply:
            await asyncio.sleep(0.01)
    assert not unanswered.done()
    unanswered.cancel()
    again = (await broadcast(bench, raw)).tx_response
    assert (again.codespace, again.code) == ("sdk", 19)
    bench.blocks()
    assert bench.chain_order(1).status == "OPEN"


async def test_a_dropped_broadcast_never_arrives(bench: Any) -> None:
    bench.control["drop_broadcast"]({"count": 1})
    with pytest.raises(grpc.RpcError) as caught:
        await broadcast(bench, raw_order(bench, 1), DEADLINE_SECONDS)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    bench.blocks()
    assert bench.chain.orders == []


async def test_a_frozen_node_answers_nothing_and_makes_no_blocks(bench: Any) -> None:
    bench.control["node_frozen"]({"frozen": True})
    with pytest.raises(grpc.RpcError) as caught:
        await broadcast(bench, raw_order(bench, 1), DEADLINE_SECONDS)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(Exception, match="frozen"):
        await bench.control["blocks"]({"count": 1})
    bench.control["node_frozen"]({"frozen": False})
    # Another order: whether the first arrives in the end, although its sender has given up, is the network's affair
    assert (await broadcast(bench, raw_order(bench, 2))).tx_response.code == 0


async def test_a_broadcast_that_arrives_twice_says_that_it_is_known(bench: Any) -> None:
    bench.control["duplicate_broadcast"]({"count": 1})
    response = (await broadcast(bench, raw_order(bench, 1))).tx_response
    assert (response.codespace, response.code) == ("sdk", 19)
    bench.blocks()
    assert bench.chain_order(1).status == "OPEN"


async def test_the_node_limits_rates_when_it_is_told_to(bench: Any) -> None:
    bench.control["rate_limit"]({"count": 1, "grpc": False})
    response = (await broadcast(bench, raw_order(bench, 1))).tx_response
    assert (response.codespace, response.code) == ("clob", 5001)
    bench.control["rate_limit"]({"count": 1, "grpc": True})
    with pytest.raises(grpc.RpcError) as caught:
        await broadcast(bench, raw_order(bench, 1))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await broadcast(bench, raw_order(bench, 1))).tx_response.code == 0


async def test_the_next_broadcast_is_refused_with_any_code(bench: Any) -> None:
    bench.control["refuse_next"]({"codespace": "clob", "code": 47, "text": "not now", "count": 1})
    response = (await broadcast(bench, raw_order(bench, 1))).tx_response
    assert (response.codespace, response.code, response.raw_log) == ("clob", 47, "not now")
    assert (await broadcast(bench, raw_order(bench, 1))).tx_response.code == 0


async def test_the_next_sequence_is_refused_when_it_is_told_to(bench: Any) -> None:
    bench.control["refuse_sequence"]({"count": 1})
    message = bench.order(1, price="90000", flags=LONG_TERM)
    first = await bench.place(message)
    assert (first.codespace, first.code) == ("sdk", 32)
    assert (await bench.place(message)).code == 0


async def test_another_program_places_and_cancels_an_order(bench: Any) -> None:
    placed = bench.control["place_external"](
        {
            "account": f"{bench.address}-0",
            "symbol": "BTC-USD",
            "side": "SELL",
            "quantity": Decimal("0.01"),
            "price": Decimal(110_000),
            "kind": "LONG_TERM",
            "time_in_force": "GTT",
            "reduce_only": False,
            "trigger_price": None,
            "client_id": None,
            "good_til_blocks": 20,
        }
    )
    bench.blocks()
    (order,) = bench.control["chain_orders"]({"account": f"{bench.address}-0"})["orders"]
    assert (order["id"], order["side"], order["status"]) == (placed["id"], "SELL", "OPEN")
    bench.control["cancel_external"]({"id": placed["id"]})
    bench.blocks()
    assert bench.chain.orders[0].status == "CANCELED"

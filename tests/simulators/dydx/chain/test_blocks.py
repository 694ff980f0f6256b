"""What blocks do with what was taken: fills, ends, replacements, cancels, triggers, money."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from dydx_v4_client.node.message import deposit, send_token, subaccount, transfer, withdraw
from msgspec.structs import replace
from signalbox.messages import Liquidity, Side
from simulators.dydx.accounts import NATIVE_DENOM, USDC_DENOM
from simulators.dydx.interest import Interest
from simulators.dydx.records import CONDITIONAL, LONG_TERM, ChainOrderStatus
from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import OrderBatch

IOC = Order.TimeInForce.TIME_IN_FORCE_IOC
POST_ONLY = Order.TimeInForce.TIME_IN_FORCE_POST_ONLY
Status = ChainOrderStatus


async def test_an_ioc_order_fills_at_the_quote_and_pays_the_takers_fee(bench: Any) -> None:
    ask = bench.world.quote("BTC-USD").ask
    await bench.place(bench.order(1, size="0.1", price="101000", time_in_force=IOC))
    bench.blocks()
    (fill,) = bench.chain.fills
    assert (fill.size, fill.price, fill.liquidity, fill.side) == (Decimal("0.1"), ask, Liquidity.TAKER, Side.BUY)
    assert fill.fee == (ask / 10 * Decimal("0.0005")).quantize(Decimal("0.000001"))
    assert fill.order_id == bench.chain_order(1).id
    assert bench.chain_order(1).status is Status.FILLED
    assert bench.subaccount.usdc == 100_000 - ask / 10 - fill.fee
    assert bench.cash_and_positions() == (bench.subaccount.usdc, {"BTC-USD": Decimal("0.1")})


async def test_what_an_ioc_order_can_not_fill_is_canceled_in_the_same_block(bench: Any) -> None:
    offered = bench.world.quote("BTC-USD").ask_size
    await bench.place(bench.order(1, size=str(offered + 1), time_in_force=IOC))
    bench.blocks()
    order = bench.chain_order(1)
    assert (order.status, order.total_filled) == (Status.CANCELED, offered)
    assert order.removal_reason == "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"


async def test_an_ioc_order_that_does_not_reach_the_quote_ends_unfilled(bench: Any) -> None:
    await bench.place(bench.order(1, price="90000", time_in_force=IOC))
    bench.blocks()
    assert bench.chain_order(1).status is Status.CANCELED
    assert bench.chain.fills == []


async def test_a_resting_order_fills_when_the_market_comes_to_it_as_maker(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.001", price="99000"))
    bench.blocks()
    assert bench.chain_order(1).status is Status.OPEN
    bench.world.set_price("BTC-USD", Decimal(98_000))
    bench.blocks()
    (fill,) = bench.chain.fills
    assert fill.liquidity is Liquidity.MAKER
    assert fill.fee == (fill.size * fill.price * Decimal("0.0001")).quantize(Decimal("0.000001"))
    assert bench.chain_order(1).status is Status.FILLED


async def test_a_makers_rebate_of_the_highest_tier_is_paid_out(bench: Any) -> None:
    bench.chain.set_fee_tier(bench.address, "9")
    await bench.place(bench.order(1, size="0.001", price="99000"))
    bench.blocks()
    bench.world.set_price("BTC-USD", Decimal(98_000))
    bench.blocks()
    (fill,) = bench.chain.fills
    assert fill.fee < 0
    assert bench.cash_and_positions()[0] == bench.subaccount.usdc == 100_000 - fill.size * fill.price - fill.fee


async def test_a_short_term_order_ends_with_its_good_til_block(bench: Any) -> None:
    await bench.place(bench.order(1, price="90000", good_til_block=bench.chain.height + 3))
    bench.blocks(2)
    assert bench.chain_order(1).status is Status.OPEN
    bench.blocks()
    order = bench.chain_order(1)
    assert (order.status, order.removal_reason) == (Status.CANCELED, "INDEXER_EXPIRED")
    bench.world.set_price("BTC-USD", Decimal(85_000))
    bench.blocks()
    assert bench.chain.fills == []


async def test_a_replacement_keeps_the_id_and_what_was_filled(bench: Any) -> None:
    offered = bench.world.quote("BTC-USD").ask_size
    await bench.place(bench.order(1, size=str(offered + 1), price="101000"))
    bench.blocks()
    first = bench.chain_order(1)
    assert (first.status, first.total_filled) == (Status.OPEN, offered)
    block = bench.chain.height + 20
    await bench.place(bench.order(1, size=str(offered + 2), price="90000", good_til_block=block))
    bench.blocks()
    second = bench.chain_order(1)
    assert (second.id, second.created_at_height, second.good_til_block) == (first.id, first.created_at_height, block)
    assert (second.total_filled, second.price, second.size) == (offered, Decimal(90_000), offered + 2)
    assert len(bench.world.orders()) == 2


async def test_a_canceled_short_term_order_is_certainly_over_only_after_its_block(bench: Any) -> None:
    told = []
    bench.chain.on_order(told.append)
    block = bench.chain.height + 4
    await bench.place(bench.order(1, price="90000", good_til_block=block))
    bench.blocks()
    await bench.cancel(bench.order_id(1), good_til_block=block)
    assert [each.status for each in told] == [Status.BEST_EFFORT_OPENED, Status.BEST_EFFORT_CANCELED]
    bench.blocks()
    assert bench.chain_order(1).status is Status.BEST_EFFORT_CANCELED
    bench.blocks(2)
    assert bench.chain.height == block
    assert (bench.chain_order(1).status, bench.chain_order(1).removal_reason) == (Status.CANCELED, "USER_CANCELED")


async def test_an_order_fills_between_its_cancel_and_the_block(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.001", price="99000"))
    bench.blocks()
    await bench.cancel(bench.order_id(1), good_til_block=bench.chain.height + 20)
    bench.world.set_price("BTC-USD", Decimal(98_000))
    bench.blocks()
    assert bench.chain_order(1).status is Status.FILLED
    assert len(bench.chain.fills) == 1


async def test_a_batch_of_cancels_ends_the_orders_it_names(bench: Any) -> None:
    for client_id in (1, 2, 3):
        await bench.place(bench.order(client_id, price="90000"))
    bench.blocks()
    batch = [OrderBatch(clob_pair_id=0, client_ids=[1, 3])]
    response = await bench.call(
        lambda: bench.client.batch_cancel_orders(
            bench.wallet, subaccount(bench.address, 0), batch, bench.chain.height + 20
        )
    )
    assert response.tx_response.code == 0
    bench.blocks()
    statuses = [bench.chain_order(client_id).status for client_id in (1, 2, 3)]
    assert statuses == [Status.BEST_EFFORT_CANCELED, Status.OPEN, Status.BEST_EFFORT_CANCELED]


async def test_a_long_term_order_rests_past_every_short_window(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.001", price="99000", flags=LONG_TERM))
    bench.blocks(100)
    assert bench.chain_order(1).status is Status.OPEN
    bench.world.set_price("BTC-USD", Decimal(98_000))
    bench.blocks()
    assert bench.chain_order(1).status is Status.FILLED


async def test_a_stateful_cancel_is_final_in_its_block(bench: Any) -> None:
    message = bench.order(1, price="90000", flags=LONG_TERM)
    await bench.place(message)
    bench.blocks()
    await bench.cancel(bench.order_id(1, LONG_TERM), good_til_block_time=message.good_til_block_time)
    bench.blocks()
    assert (bench.chain_order(1).status, bench.chain_order(1).removal_reason) == (Status.CANCELED, "USER_CANCELED")


async def test_a_stop_waits_for_the_oracle_then_takes_within_its_limit(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.001", price="101000", time_in_force=IOC))
    bench.blocks()
    await bench.place(
        bench.order(2, size="0.001", price="90000", sells=True, flags=CONDITIONAL, trigger="95000", time_in_force=IOC)
    )
    bench.blocks()
    stop = bench.chain_order(2)
    assert (stop.status, stop.type, stop.trigger_price) == (Status.UNTRIGGERED, "STOP_MARKET", Decimal(95_000))
    bench.world.set_price("BTC-USD", Decimal(95_001))
    bench.blocks()
    assert bench.chain_order(2).status is Status.UNTRIGGERED
    bench.world.set_price("BTC-USD", Decimal(94_500))
    bench.blocks(2)
    assert bench.chain_order(2).status is Status.FILLED
    assert bench.chain.fills[-1].price < 95_000
    assert bench.cash_and_positions() == (bench.subaccount.usdc, {})


async def test_a_stop_whose_limit_the_market_has_passed_ends_unfilled(bench: Any) -> None:
    await bench.place(
        bench.order(1, size="0.001", price="94900", sells=True, flags=CONDITIONAL, trigger="95000", time_in_force=IOC)
    )
    bench.blocks()
    bench.world.set_price("BTC-USD", Decimal(90_000))
    bench.blocks(2)
    order = bench.chain_order(1)
    assert (order.status, order.removal_reason) == (Status.CANCELED, "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")


async def test_reduce_only_fills_no_more_than_the_position(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.01", time_in_force=IOC))
    bench.blocks()
    await bench.place(bench.order(2, size="0.05", price="99000", sells=True, time_in_force=IOC, reduce_only=True))
    bench.blocks()
    order = bench.chain_order(2)
    assert (order.status, order.total_filled) == (Status.CANCELED, Decimal("0.01"))
    assert order.removal_reason == "REDUCE_ONLY_RESIZE"
    assert bench.cash_and_positions()[1] == {}


async def test_an_order_that_can_not_be_paid_is_taken_and_then_removed(bench: Any) -> None:
    told = []
    bench.chain.on_order(told.append)
    await bench.place(bench.order(1, size="0.1", number=5, time_in_force=IOC))
    assert (told[-1].status, told[-1].removal_reason) == (Status.BEST_EFFORT_CANCELED, "UNDERCOLLATERALIZED")
    bench.blocks()
    assert bench.chain_order(1).removal_reason == "UNDERCOLLATERALIZED"
    assert bench.chain.fills == []


async def test_a_position_below_its_maintenance_margin_is_liquidated(bench: Any) -> None:
    bench.chain.deposit(bench.address, 1, Decimal(300))
    bench.blocks()
    await bench.place(bench.order(1, size="0.1", number=1, time_in_force=IOC))
    bench.blocks()
    bench.world.set_price("BTC-USD", Decimal(98_000))
    bench.blocks(2)
    forced = bench.chain.fills[-1]
    assert (forced.type, forced.side, forced.size) == ("LIQUIDATED", Side.SELL, Decimal("0.1"))
    assert forced.fee > forced.size * forced.price * Decimal("0.015")
    left = bench.chain.subaccount(bench.address, 1)
    assert [each.size for each in left.positions] == [0]
    assert bench.cash_and_positions(1) == (left.usdc, {})


async def test_funding_is_paid_at_the_hour_of_block_time(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.1", time_in_force=IOC))
    bench.blocks()
    running = asyncio.get_running_loop().create_task(bench.world.run())
    reached = asyncio.Event()

    async def look(_: Any) -> None:
        if bench.world.now() >= bench.chain.block_time.replace(minute=0) + timedelta(hours=1):
            bench.world.pause()
            reached.set()

    bench.world.on_quote(look)
    bench.world.set_speed(float("inf"))
    async with asyncio.timeout(60):
        await reached.wait()
    bench.blocks()
    (payment,) = bench.chain.funding_payments
    assert payment.size == Decimal("0.1")
    assert (payment.created_at.minute, payment.created_at.second) == (0, 0)
    assert payment.payment == (-payment.size * payment.oracle_price * payment.rate).quantize(
        Decimal("0.000001"), rounding="ROUND_FLOOR"
    )
    assert payment.payment < 0
    assert bench.subaccount.positions[0].net_funding == payment.payment
    assert bench.cash_and_positions()[0] == bench.subaccount.usdc
    assert {rate.ticker for rate in bench.chain.funding_rates} == set(bench.chain.book.markets)
    bench.world.stop()
    await running


async def test_a_transfer_between_subaccounts_moves_the_money(bench: Any) -> None:
    source, target = subaccount(bench.address, 0), subaccount(bench.address, 1)
    response = await bench.call(lambda: bench.client.transfer(bench.wallet, source, target, 0, 5_000_000))
    assert response.tx_response.code == 0
    bench.blocks()
    moved = bench.chain.transfers[-1]
    assert (moved.type, moved.size, moved.recipient_subaccount_number) == ("TRANSFER", Decimal(5), 1)
    assert moved.transaction_hash == response.tx_response.txhash
    assert bench.cash_and_positions(0)[0] == bench.subaccount.usdc == 99_995
    assert bench.cash_and_positions(1)[0] == 5


async def test_wallets_deposit_withdraw_and_send(bench: Any) -> None:
    own = subaccount(bench.address, 0)
    other = "dydx1qyqszqgpqyqszqgpqyqszqgpqyqszqgpm206dt"
    for sequence, message in enumerate(
        (
            deposit(bench.address, own, 0, 10_000_000),
            withdraw(own, bench.address, 0, 20_000_000),
            send_token(bench.address, other, 7, NATIVE_DENOM),
        )
    ):
        assert (await bench.broadcast(message, sequence=sequence)).code == 0
    bench.blocks()
    assert bench.subaccount.usdc == 99_990
    balance = await bench.call(lambda: bench.client.get_account_balance(bench.address, USDC_DENOM))
    assert int(balance.balance.amount) == 110_000_000 - 3 * 5_000
    received = await bench.call(lambda: bench.client.get_account_balance(other, NATIVE_DENOM))
    assert received.balance.amount == "7"


async def test_a_transfer_that_would_undercollateralize_fails_in_its_block(bench: Any) -> None:
    message = transfer(subaccount(bench.address, 0), subaccount(bench.address, 1), 0, 100_001_000_000)
    response = await bench.broadcast(message)
    assert response.code == 0
    bench.blocks()
    committed = bench.chain.state.committed[response.txhash]
    assert (committed.codespace, committed.code) == ("subaccounts", 102)
    assert "NewlyUndercollateralized" in committed.log
    assert bench.subaccount.usdc == 100_000


async def test_a_gap_through_several_orders_keeps_the_two_books_alike(bench: Any) -> None:
    for client_id in range(1, 6):
        await bench.place(bench.order(client_id, size="0.002", price=str(100_000 - 500 * client_id)))
    bench.blocks()
    for price in (98_000, 97_000, 99_000):
        bench.world.set_price("BTC-USD", Decimal(price))
        bench.blocks()
    assert len(bench.chain.fills) == 5
    assert bench.cash_and_positions() == (bench.subaccount.usdc, {"BTC-USD": Decimal("0.010")})


async def test_post_only_rests_at_its_price(bench: Any) -> None:
    await bench.place(bench.order(1, price="99000", time_in_force=POST_ONLY))
    bench.blocks()
    order = bench.chain_order(1)
    assert (order.status, order.post_only, order.time_in_force) == (Status.OPEN, True, "GTT")


async def test_open_interest_near_its_cap_makes_the_chain_want_more_margin(bench: Any) -> None:
    """A position of 20,000 at an open interest of 4.5 million binds 17,000: 85 % of it, and not a tenth."""
    book = bench.chain.book
    book.markets["BTC-USD"] = replace(book.markets["BTC-USD"], initial_margin_fraction=Decimal("0.1"))
    price = bench.chain.oracle_price("BTC-USD")
    others = Decimal(4_500_000) / price - Decimal("0.2")
    book.interest["BTC-USD"] = Interest(lower_cap=Decimal(2_000_000), upper_cap=Decimal(5_000_000), others=others)
    bench.chain.deposit(bench.address, 1, Decimal(12_000))
    bench.blocks()
    refused = await bench.place(bench.order(1, size="0.2", number=1, time_in_force=IOC))
    bench.blocks()
    assert bench.chain.subaccount(bench.address, 1).positions == (), refused
    bench.chain.deposit(bench.address, 1, Decimal(6_000))
    bench.blocks()
    await bench.place(bench.order(2, size="0.2", number=1, time_in_force=IOC))
    bench.blocks()
    held = bench.chain.subaccount(bench.address, 1)
    value = Decimal("0.2") * bench.chain.oracle_price("BTC-USD")
    assert held.initial_margin == pytest.approx(value * Decimal("0.85"), rel=Decimal("0.001"))
    assert held.free_collateral == held.equity - held.initial_margin


async def test_leverage_that_the_owner_set_binds_margin(bench: Any) -> None:
    bench.chain.deposit(bench.address, 1, Decimal(30_000))
    bench.blocks()
    await bench.place(bench.order(1, size="0.1", number=1, time_in_force=IOC))
    bench.blocks()
    bench.chain.book.leverage[bench.address, 1] = {"BTC-USD": 500_000}
    held = bench.chain.subaccount(bench.address, 1)
    assert held.initial_margin == Decimal("0.05") * bench.chain.oracle_price("BTC-USD")
    assert held.maintenance_margin == Decimal("0.0012") * bench.chain.oracle_price("BTC-USD")

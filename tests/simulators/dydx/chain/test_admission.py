"""What the chain refuses, each with its codespace and code, through the real client over gRPC."""

from __future__ import annotations

from typing import Any

import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.node.message import batch_cancel, cancel_order, place_order, subaccount
from dydx_v4_client.wallet import Wallet
from simulators.dydx.records import CONDITIONAL, LONG_TERM
from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import OrderBatch

TIMES_IN_FORCE = Order.TimeInForce
IOC, POST_ONLY = TIMES_IN_FORCE.TIME_IN_FORCE_IOC, TIMES_IN_FORCE.TIME_IN_FORCE_POST_ONLY
DAY_SECONDS = 86_400


def verdict(response: Any) -> tuple[str, int]:
    return response.codespace, response.code


async def test_an_order_that_is_right_is_taken(bench: Any) -> None:
    response = await bench.place(bench.order(1))
    assert (response.code, response.codespace, response.raw_log) == (0, "", "")
    assert len(response.txhash) == 64


# ---------------------------------------------------------------------------------------- the message alone


async def test_fill_or_kill_is_deprecated(bench: Any) -> None:
    response = await bench.place(bench.order(1, time_in_force=TIMES_IN_FORCE.TIME_IN_FORCE_FILL_OR_KILL))
    assert verdict(response) == ("clob", 48)
    assert response.raw_log == "Fill-or-kill has been deprecated: This field has been deprecated"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"side": Order.Side.SIDE_UNSPECIFIED}, 3),
        ({"quantums": 0}, 4),
        ({"good_til_block": 0}, 5),
        ({"subticks": 0}, 6),
        ({"flags": 7}, 3000),
        ({"flags": LONG_TERM, "good_til_block_time": 0}, 3001),
        ({"flags": LONG_TERM, "time_in_force": IOC}, 3002),
        ({"flags": CONDITIONAL}, 6000),
        ({"flags": CONDITIONAL, "condition_type": 1}, 6001),
        ({"condition_type": 1}, 6000),
        ({"conditional_order_trigger_subticks": 100_000}, 6001),
        ({"reduce_only": True}, 9003),
    ],
)
async def test_a_message_that_can_never_be_right_is_refused(bench: Any, changes: dict[str, Any], code: int) -> None:
    assert verdict(await bench.place(bench.order(1, **changes))) == ("clob", code)


async def test_a_subaccount_number_above_128000_is_refused(bench: Any) -> None:
    assert verdict(await bench.place(bench.order(1, number=128_001))) == ("subaccounts", 200)


async def test_two_orders_in_one_transaction_are_refused(bench: Any) -> None:
    response = await bench.broadcast(place_order(bench.order(1)), place_order(bench.order(2)))
    assert verdict(response) == ("sdk", 18)


# --------------------------------------------------------------------------------- who sends it, and how it is signed


async def test_a_signature_for_another_chain_is_refused(bench: Any) -> None:
    response = await bench.broadcast(place_order(bench.order(1)), chain_id="dydx-mainnet-1")
    assert verdict(response) == ("sdk", 4)
    assert "chain-id (localdydxprotocol)" in response.raw_log


async def test_a_signature_with_another_account_number_is_refused(bench: Any) -> None:
    wallet = Wallet(bench.wallet.key, 7, 0)
    assert verdict(await bench.place(bench.order(1), wallet)) == ("sdk", 4)


async def test_a_key_that_is_not_the_senders_is_refused(bench: Any) -> None:
    bench.client.sequence_manager = None
    wallet = Wallet(KeyPair.from_hex("11" * 32), 0, 0)
    assert verdict(await bench.place(bench.order(1), wallet)) == ("sdk", 8)


async def test_an_address_without_account_is_refused(bench: Any) -> None:
    stranger = Wallet(KeyPair.from_hex("11" * 32), 0, 0)
    message = bench.order(1)
    message.order_id.subaccount_id.owner = stranger.address
    bench.client.sequence_manager = None
    assert verdict(await bench.place(message, stranger)) == ("sdk", 9)


async def test_the_same_bytes_are_taken_once(bench: Any) -> None:
    message = place_order(bench.order(1))
    first = await bench.broadcast(message)
    again = await bench.broadcast(message)
    assert verdict(first) == ("", 0)
    assert verdict(again) == ("sdk", 19)
    assert again.txhash == first.txhash


async def test_a_refused_transaction_may_come_again(bench: Any) -> None:
    message = place_order(bench.order(1, good_til_block=bench.chain.height + 42))
    assert verdict(await bench.broadcast(message)) == ("clob", 11)
    bench.blocks()
    assert verdict(await bench.broadcast(message)) == ("", 0)


async def test_a_short_term_order_needs_no_sequence(bench: Any) -> None:
    assert verdict(await bench.broadcast(place_order(bench.order(1)), sequence=99)) == ("", 0)


async def test_a_stateful_order_with_another_sequence_is_refused(bench: Any) -> None:
    message = place_order(bench.order(1, flags=LONG_TERM))
    response = await bench.broadcast(message, sequence=1)
    assert verdict(response) == ("sdk", 32)
    assert response.raw_log == "account sequence mismatch, expected 0, got 1: incorrect account sequence"


async def test_the_clients_second_stateful_order_in_a_block_is_refused(bench: Any) -> None:
    """The client reads the committed sequence, which only a block moves."""
    assert verdict(await bench.place(bench.order(1, price="90000", flags=LONG_TERM))) == ("", 0)
    assert verdict(await bench.place(bench.order(2, price="90000", flags=LONG_TERM))) == ("sdk", 32)
    bench.blocks()
    assert verdict(await bench.place(bench.order(2, price="90000", flags=LONG_TERM))) == ("", 0)


async def test_a_timestamp_is_a_sequence_once(bench: Any) -> None:
    now = bench.now * 1000
    for client_id, sequence, expected in ((1, now, 0), (2, now, 32), (3, now + 1, 0)):
        message = place_order(bench.order(client_id, price="90000", flags=LONG_TERM))
        assert (await bench.broadcast(message, sequence=sequence)).code == expected


@pytest.mark.parametrize(("offset_ms", "code"), [(-30_001, 32), (-30_000, 0), (30_000, 0), (30_001, 32)])
async def test_a_timestamp_is_near_the_block_time(bench: Any, offset_ms: int, code: int) -> None:
    message = place_order(bench.order(1, price="90000", flags=LONG_TERM))
    assert (await bench.broadcast(message, sequence=bench.now * 1000 + offset_ms)).code == code


async def test_a_failed_order_does_not_use_its_sequence(bench: Any) -> None:
    bad = bench.order(1, price="90000", flags=LONG_TERM, subticks=1)
    assert verdict(await bench.broadcast(place_order(bad), sequence=0)) == ("clob", 12)
    good = bench.order(1, price="90000", flags=LONG_TERM)
    assert verdict(await bench.broadcast(place_order(good), sequence=0)) == ("", 0)


# ------------------------------------------------------------------------------------------------------- rate limits


async def test_stateful_orders_are_two_a_block_and_failed_ones_count(bench: Any) -> None:
    start = bench.now * 1000
    codes = []
    for number in range(3):
        subticks = {"subticks": 1} if number == 0 else {}
        message = place_order(bench.order(number, price="90000", flags=LONG_TERM, **subticks))
        response = await bench.broadcast(message, sequence=start + number)
        codes.append(verdict(response))
    assert codes == [("clob", 12), ("", 0), ("clob", 5001)]
    bench.blocks()
    message = place_order(bench.order(9, price="90000", flags=LONG_TERM))
    assert verdict(await bench.broadcast(message, sequence=start + 9)) == ("", 0)


# --------------------------------------------------------------------------------------------------------- the order


async def test_a_market_that_does_not_exist_is_refused(bench: Any) -> None:
    assert verdict(await bench.place(bench.order(1, pair=999))) == ("clob", 8)


@pytest.mark.parametrize("changes", [{"subticks": 100_000 * 90_000 + 1}, {"quantums": 1_000_001}])
async def test_prices_and_sizes_off_the_grid_are_refused(bench: Any, changes: dict[str, int]) -> None:
    assert verdict(await bench.place(bench.order(1, **changes))) == ("clob", 12)


@pytest.mark.parametrize(("blocks", "code"), [(0, 10), (1, 0), (41, 0), (42, 11)])
async def test_a_good_til_block_is_within_the_next_forty_one(bench: Any, blocks: int, code: int) -> None:
    message = bench.order(1, good_til_block=bench.chain.height + blocks)
    assert (await bench.place(message)).code == code


@pytest.mark.parametrize(("seconds", "code"), [(0, 3003), (1, 0), (95 * DAY_SECONDS, 0), (95 * DAY_SECONDS + 1, 3004)])
async def test_a_good_til_block_time_is_within_95_days(bench: Any, seconds: int, code: int) -> None:
    message = bench.order(1, price="90000", flags=LONG_TERM, good_til_block_time=bench.now + seconds)
    assert (await bench.place(message)).code == code


async def test_a_post_only_order_that_would_cross_is_refused(bench: Any) -> None:
    response = await bench.place(bench.order(1, time_in_force=POST_ONLY))
    assert verdict(response) == ("clob", 2003)
    assert verdict(await bench.place(bench.order(1, price="90000", time_in_force=POST_ONLY))) == ("", 0)


async def test_reduce_only_needs_a_position_to_reduce(bench: Any) -> None:
    response = await bench.place(bench.order(1, time_in_force=IOC, reduce_only=True))
    assert verdict(response) == ("clob", 2001)


async def test_a_replacement_needs_a_later_block(bench: Any) -> None:
    await bench.place(bench.order(1, price="90000", good_til_block=bench.chain.height + 10))
    for blocks, changes in ((9, {}), (11, {"sells": True, "price": "110000"}), (11, {"time_in_force": POST_ONLY})):
        message = bench.order(1, **{"price": "90000", "good_til_block": bench.chain.height + blocks} | changes)
        assert verdict(await bench.place(message)) == ("clob", 20)
    message = bench.order(1, price="90000", good_til_block=bench.chain.height + 11)
    assert verdict(await bench.place(message)) == ("", 0)


async def test_a_replacement_of_the_size_already_filled_is_refused(bench: Any) -> None:
    quote = bench.world.quote("BTC-USD")
    await bench.place(bench.order(1, size=str(quote.ask_size + 1), price="101000"))
    bench.blocks()
    assert bench.chain_order(1).total_filled == quote.ask_size
    message = bench.order(1, size=str(quote.ask_size), price="101000", good_til_block=bench.chain.height + 20)
    response = await bench.place(message)
    assert verdict(response) == ("clob", 24)
    assert "Remaining amount: 0" in response.raw_log


async def test_an_ioc_order_that_has_filled_does_not_fill_again(bench: Any) -> None:
    quote = bench.world.quote("BTC-USD")
    await bench.place(bench.order(1, size=str(quote.ask_size + 1), time_in_force=IOC))
    bench.blocks()
    message = bench.order(1, size=str(quote.ask_size + 1), time_in_force=IOC, good_til_block=bench.chain.height + 20)
    assert verdict(await bench.place(message)) == ("clob", 2004)


async def test_the_same_ioc_order_signed_again_is_refused(bench: Any) -> None:
    message = bench.order(1, time_in_force=IOC)
    assert verdict(await bench.broadcast(place_order(message), sequence=1)) == ("", 0)
    assert verdict(await bench.broadcast(place_order(message), sequence=2)) == ("clob", 20)
    bench.blocks()
    assert verdict(await bench.broadcast(place_order(message), sequence=3)) == ("clob", 24)
    assert len(bench.chain.fills) == 1


async def test_a_stateful_order_exists_once(bench: Any) -> None:
    message = bench.order(1, price="90000", flags=LONG_TERM)
    now = bench.now * 1000
    assert (await bench.broadcast(place_order(message), sequence=now)).code == 0
    assert verdict(await bench.broadcast(place_order(message), sequence=now + 1)) == ("clob", 3005)
    bench.blocks()
    assert verdict(await bench.broadcast(place_order(message), sequence=now + 2)) == ("clob", 3005)


async def test_a_stateful_order_that_can_not_be_paid_is_refused(bench: Any) -> None:
    assert verdict(await bench.place(bench.order(1, size="60", price="100000", flags=LONG_TERM))) == ("clob", 3007)


async def test_a_subaccount_with_little_equity_has_no_stateful_orders(bench: Any) -> None:
    message = bench.order(1, size="0.0001", price="90000", flags=LONG_TERM, number=1)
    response = await bench.place(message)
    assert verdict(response) == ("clob", 10001)
    bench.chain.deposit(bench.address, 1, 20)
    bench.blocks()
    for client_id, code in ((1, 0), (2, 0), (3, 0), (4, 0), (5, 10001)):
        message = bench.order(client_id, size="0.0001", price="90000", flags=LONG_TERM, number=1)
        assert (await bench.place(message)).code == code
        bench.blocks()


# ----------------------------------------------------------------------------------------------------------- cancels


async def test_a_cancel_keeps_the_order_out_that_comes_after_it(bench: Any) -> None:
    block = bench.chain.height + 10
    assert verdict(await bench.cancel(bench.order_id(1), good_til_block=block)) == ("", 0)
    response = await bench.place(bench.order(1, good_til_block=block))
    assert verdict(response) == ("clob", 7)
    assert f"Cancellation GoodTilBlock: {block}" in response.raw_log
    assert verdict(await bench.place(bench.order(1, good_til_block=block + 1))) == ("", 0)


async def test_the_same_cancel_twice_is_refused(bench: Any) -> None:
    block = bench.chain.height + 10
    await bench.cancel(bench.order_id(1), good_til_block=block)
    response = await bench.broadcast(cancel_order(bench.order_id(1), good_til_block=block), sequence=5)
    assert verdict(response) == ("clob", 9)
    assert verdict(await bench.cancel(bench.order_id(1), good_til_block=block + 1)) == ("", 0)


@pytest.mark.parametrize(("blocks", "code"), [(0, 10), (1, 0), (41, 0), (42, 11)])
async def test_a_cancels_good_til_block_has_the_same_window(bench: Any, blocks: int, code: int) -> None:
    response = await bench.cancel(bench.order_id(1), good_til_block=bench.chain.height + blocks)
    assert response.code == code


async def test_a_stateful_cancel_of_nothing_is_refused(bench: Any) -> None:
    response = await bench.cancel(bench.order_id(1, LONG_TERM), good_til_block_time=bench.now + 10)
    assert verdict(response) == ("clob", 3006)
    assert response.raw_log.endswith("Stateful order does not exist")


async def test_a_stateful_cancel_outlasts_its_order(bench: Any) -> None:
    await bench.place(bench.order(1, price="90000", flags=LONG_TERM, good_til_block_time=bench.now + 100))
    bench.blocks()
    identity = bench.order_id(1, LONG_TERM)
    assert verdict(await bench.cancel(identity, good_til_block_time=bench.now + 99)) == ("clob", 29)
    assert verdict(await bench.cancel(identity, good_til_block_time=bench.now)) == ("clob", 3003)
    assert verdict(await bench.cancel(identity, good_til_block_time=bench.now + 100)) == ("", 0)
    again = await bench.broadcast(cancel_order(identity, good_til_block_time=bench.now + 100), sequence=2)
    assert verdict(again) == ("clob", 32)


async def test_a_stateful_order_does_not_follow_its_cancel_in_one_block(bench: Any) -> None:
    message = bench.order(1, price="90000", flags=LONG_TERM)
    await bench.place(message)
    bench.blocks()
    now = bench.now * 1000
    cancel = cancel_order(bench.order_id(1, LONG_TERM), good_til_block_time=message.good_til_block_time)
    assert (await bench.broadcast(cancel, sequence=now)).code == 0
    assert verdict(await bench.broadcast(place_order(message), sequence=now + 1)) == ("clob", 3008)


@pytest.mark.parametrize(
    ("batches", "code"),
    [
        ([], 45),
        ([(0, [])], 45),
        ([(0, [1]), (0, [2])], 45),
        ([(0, [1, 1])], 45),
        ([(0, list(range(101)))], 45),
        ([(999, [1])], 0),  # ante/clob.go shadows what only the keeper sees
        ([(0, [1, 2])], 0),
    ],
)
async def test_a_batch_of_cancels_is_checked(bench: Any, batches: list[tuple[int, list[int]]], code: int) -> None:
    made = [OrderBatch(clob_pair_id=pair, client_ids=ids) for pair, ids in batches]
    message = batch_cancel(subaccount(bench.address, 0), made, bench.chain.height + 5)
    response = await bench.broadcast(message)
    assert response.code == code

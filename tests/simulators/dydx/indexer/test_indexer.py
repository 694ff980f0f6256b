"""The indexer's own state: lag, late and missing expiries, hourly figures, the past it starts with."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from simulators.dydx.records import ChainOrderStatus


async def test_an_indexer_that_is_behind_shows_old_blocks_with_their_own_height(serve: Any, address: str) -> None:
    async with serve(lag_blocks=2) as indexer:
        chain = indexer.chain
        chain.account()
        chain.block(transfers=(chain.transfer(),))
        chain.account(usdc="0.10005", positions=(chain.position(),))
        chain.block(fills=(chain.fill(),))
        chain.block()
        assert (await indexer.get("/height"))["height"] == "1001"
        account = (await indexer.get(f"/addresses/{address}/subaccountNumber/0"))["subaccount"]
        assert account["assetPositions"]["USDC"]["size"] == "10000"
        assert account["openPerpetualPositions"] == {}
        assert (await indexer.get("/fills", address=address, subaccountNumber=0))["fills"] == []
        chain.block()
        assert len((await indexer.get("/fills", address=address, subaccountNumber=0))["fills"]) == 1


async def test_the_lag_can_be_set_while_it_runs(indexer: Any) -> None:
    await indexer.do("indexer_behind", blocks=5)
    for _ in range(3):
        indexer.chain.block()
    assert (await indexer.get("/height"))["height"] == "1000"
    assert (await indexer.do("indexer_behind", blocks=0))["height"] == 1003
    assert (await indexer.get("/height"))["height"] == "1003"


async def test_the_word_of_an_order_waits_for_the_lag_too(indexer: Any, address: str) -> None:
    await indexer.do("indexer_behind", blocks=1)
    indexer.chain.block()
    indexer.chain.say(indexer.chain.order(status=ChainOrderStatus.BEST_EFFORT_OPENED))
    assert await indexer.get("/orders", address=address, subaccountNumber=0) == []
    indexer.chain.block()
    assert len(await indexer.get("/orders", address=address, subaccountNumber=0)) == 1


async def test_the_end_of_a_short_term_order_is_told_late(serve: Any, address: str) -> None:
    async with serve(rest_expiry_blocks=3, expiry_message_blocks=6) as indexer:
        chain, socket = indexer.chain, await indexer.connect()
        chain.account()
        await socket.subscribe("v4_subaccounts", f"{address}/0")
        order = chain.order()
        chain.block(orders=(order,))
        ended = replace(order, status=ChainOrderStatus.CANCELED, removal_reason="INDEXER_EXPIRED")
        chain.block(orders=(ended,))

        async def status() -> str:
            answer = await indexer.get(f"/orders/{order.id}")
            return str(answer["status"])

        assert await status() == "OPEN"
        for _ in range(3):
            chain.block()
        assert await status() == "CANCELED"
        for _ in range(3):
            chain.block()
        message = await socket.got("channel_data", 2)
        told = message["contents"]["orders"][0]
        assert (told["status"], told["removalReason"]) == ("CANCELED", "ORDER_REMOVAL_REASON_INDEXER_EXPIRED")
        assert message["contents"]["blockHeight"] == str(chain.height)


async def test_the_end_of_a_short_term_order_may_never_be_told(serve: Any) -> None:
    async with serve(rest_expiry_blocks=1, expiry_message_blocks=1) as indexer:
        await indexer.do("never_expire")
        chain = indexer.chain
        order = chain.order()
        chain.block(orders=(order,))
        chain.block(orders=(replace(order, status=ChainOrderStatus.CANCELED, removal_reason="INDEXER_EXPIRED"),))
        for _ in range(50):
            chain.block()
        assert (await indexer.get(f"/orders/{order.id}"))["status"] == "OPEN"


async def test_the_end_of_a_long_term_order_is_told_at_once(indexer: Any) -> None:
    chain = indexer.chain
    order = chain.order(
        order_flags=64,
        good_til_block=0,
        good_til_block_time=chain.block_time,
        status=ChainOrderStatus.CANCELED,
        removal_reason="EXPIRED",
    )
    chain.block(orders=(order,))
    assert (await indexer.get(f"/orders/{order.id}"))["status"] == "CANCELED"


async def test_a_replacement_is_not_ended_by_the_late_end_of_what_it_replaced(serve: Any) -> None:
    async with serve(rest_expiry_blocks=2) as indexer:
        chain = indexer.chain
        chain.block(orders=(chain.order(status=ChainOrderStatus.CANCELED, removal_reason="INDEXER_EXPIRED"),))
        later = chain.order(good_til_block=chain.height + 30)
        chain.block(orders=(later,))
        for _ in range(3):
            chain.block()
        assert (await indexer.get(f"/orders/{later.id}"))["status"] == "OPEN"


async def test_figures_are_kept_by_the_hour(serve: Any, address: str) -> None:
    async with serve() as indexer:
        chain = indexer.chain
        chain.account()
        chain.block(transfers=(chain.transfer(),))
        chain.block_time += timedelta(hours=1)
        chain.account(usdc="9000")
        chain.block(orders=(chain.order(),))
        ticks = (await indexer.get("/historical-pnl", address=address, subaccountNumber=0))["historicalPnl"]
        assert [(each["equity"], each["netTransfers"], each["totalPnl"]) for each in ticks] == [
            ("9000", "10000", "-1000"),
            ("10000", "10000", "0"),
        ]


async def test_what_happened_before_the_start_is_there(serve: Any, address: str) -> None:
    def remember(chain: Any) -> None:
        chain.account(positions=(chain.position(),))
        chain.orders.append(chain.order(status=ChainOrderStatus.FILLED, total_filled=Decimal("0.1")))
        chain.fills.append(chain.fill())
        chain.transfers.append(chain.transfer())

    async with serve(prepare=remember) as indexer:
        assert len(await indexer.get("/orders", address=address, subaccountNumber=0)) == 1
        assert len((await indexer.get("/fills", address=address, subaccountNumber=0))["fills"]) == 1
        assert len((await indexer.get("/transfers", address=address, subaccountNumber=0))["transfers"]) == 1
        markets = (await indexer.get("/perpetualMarkets"))["markets"]
        assert markets["BTC-USD"]["openInterest"] == "0.1"

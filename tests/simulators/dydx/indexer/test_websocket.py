"""The websocket API: envelope, first contents, updates, batches, limits and faults; the real client and a bare one."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
from dydx_v4_client.indexer.candles_resolution import CandlesResolution
from dydx_v4_client.indexer.socket.websocket import IndexerSocket
from msgspec.structs import replace
from simulators.dydx.records import ChainOrderStatus


async def test_a_client_is_told_its_connection_id_first(indexer: Any) -> None:
    socket = await indexer.connect()
    assert socket.messages[0]["message_id"] == 0
    assert len(socket.messages[0]["connection_id"]) == 36


async def test_first_contents_mirror_rest(indexer: Any, address: str) -> None:
    socket, get = await indexer.connect(), indexer.get
    first = await socket.subscribe("v4_markets")
    assert first["contents"] == await get("/perpetualMarkets")
    assert "id" not in first
    first = await socket.subscribe("v4_orderbook", "BTC-USD")
    assert first["contents"] == await get("/orderbooks/perpetualMarket/BTC-USD")
    first = await socket.subscribe("v4_trades", "BTC-USD")
    assert first["contents"] == await get("/trades/perpetualMarket/BTC-USD")
    first = await socket.subscribe("v4_candles", "BTC-USD/1MIN")
    assert first["contents"] == await get("/candles/perpetualMarkets/BTC-USD", resolution="1MIN")
    first = await socket.subscribe("v4_block_height")
    assert first["contents"] == await get("/height")
    first = await socket.subscribe("v4_subaccounts", f"{address}/0")
    rest = await get(f"/addresses/{address}/subaccountNumber/0")
    assert first["contents"] == {**rest, "orders": [], "blockHeight": "1000"}
    first = await socket.subscribe("v4_parent_subaccounts", f"{address}/0")
    rest = await get(f"/addresses/{address}/parentSubaccountNumber/0")
    assert first["contents"] == {**rest, "orders": [], "blockHeight": "1000"}


async def test_a_subaccount_that_is_not_there_yet_has_empty_contents(indexer: Any, other_address: str) -> None:
    socket = await indexer.connect()
    first = await socket.subscribe("v4_subaccounts", f"{other_address}/0")
    assert first["contents"] == {}
    indexer.chain.account(address=other_address)
    indexer.chain.block(transfers=(indexer.chain.transfer(recipient=other_address),))
    update = (await socket.got("channel_data"))["contents"]
    assert update["transfers"]["type"] == "DEPOSIT"
    assert update["assetPositions"][0]["size"] == "10000"


async def test_a_new_subscriber_is_told_active_orders_only(indexer: Any, address: str) -> None:
    chain = indexer.chain
    chain.block(
        orders=(
            chain.order(id="a", status=ChainOrderStatus.OPEN),
            chain.order(id="b", status=ChainOrderStatus.FILLED),
            chain.order(id="c", status=ChainOrderStatus.BEST_EFFORT_CANCELED),
            chain.order(id="d", status=ChainOrderStatus.BEST_EFFORT_CANCELED, good_til_block=chain.height - 30),
        )
    )
    socket = await indexer.connect()
    first = await socket.subscribe("v4_subaccounts", f"{address}/0")
    assert [order["id"] for order in first["contents"]["orders"]] == ["a", "c"]


async def test_an_order_is_told_from_best_effort_to_its_fill(indexer: Any, address: str) -> None:
    socket, chain = await indexer.connect(), indexer.chain
    await socket.subscribe("v4_subaccounts", f"{address}/0")
    chain.say(chain.order(status=ChainOrderStatus.BEST_EFFORT_OPENED))
    word = await socket.got("channel_data")
    assert (word["version"], word["channel"], word["id"]) == ("3.0.0", "v4_subaccounts", f"{address}/0")
    order = word["contents"]["orders"][0]
    assert order["status"] == "BEST_EFFORT_OPENED"
    assert "updatedAt" not in order
    assert word["contents"]["blockHeight"] == "1000"

    chain.account(usdc="0.10005", positions=(chain.position(),))
    filled = chain.order(status=ChainOrderStatus.FILLED, total_filled=Decimal("0.1"))
    chain.block(orders=(filled,), fills=(chain.fill(),))
    contents = (await socket.got("channel_data", 2))["contents"]
    assert (contents["orders"][0]["status"], contents["orders"][0]["totalFilled"]) == ("FILLED", "0.1")
    fill = contents["fills"][0]
    assert (fill["liquidity"], fill["fee"], fill["quoteAmount"], fill["ticker"]) == (
        "TAKER",
        "4.99995",
        "9999.9",
        "BTC-USD",
    )
    assert contents["perpetualPositions"][0]["market"] == "BTC-USD"
    assert contents["assetPositions"][0]["size"] == "0.10005"
    assert contents["blockHeight"] == "1001"


async def test_a_removal_says_its_reason(indexer: Any, address: str) -> None:
    socket, chain = await indexer.connect(), indexer.chain
    await socket.subscribe("v4_subaccounts", f"{address}/0")
    chain.block(orders=(chain.order(status=ChainOrderStatus.CANCELED, removal_reason="USER_CANCELED"),))
    order = (await socket.got("channel_data"))["contents"]["orders"][0]
    assert order["removalReason"] == "ORDER_REMOVAL_REASON_USER_CANCELED"


async def test_a_parents_updates_name_the_child(indexer: Any, address: str) -> None:
    socket, chain = await indexer.connect(), indexer.chain
    chain.account(number=128)
    await socket.subscribe("v4_parent_subaccounts", f"{address}/0")
    chain.block(orders=(chain.order(subaccount_number=128),))
    update = await socket.got("channel_data")
    assert (update["id"], update["subaccountNumber"]) == (f"{address}/0", 128)


async def test_oracle_prices_and_heights_come_with_every_block(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_markets")
    await socket.subscribe("v4_block_height")
    indexer.chain.block(oracle_prices={"BTC-USD": Decimal("100123.5")})
    await socket.got("channel_data", 2)
    height, prices = sorted(socket.of("channel_data"), key=lambda each: each["channel"])
    assert height["contents"] == {"blockHeight": "1001", "time": "2026-03-10T14:30:00.600Z"}
    assert prices["contents"]["oraclePrices"]["BTC-USD"] == {
        "oraclePrice": "100123.5",
        "effectiveAt": "2026-03-10T14:30:00.600Z",
        "effectiveAtHeight": "1001",
        "marketId": 0,
    }


async def test_the_markets_figures_are_told_now_and_then(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_markets")
    for _ in range(16):
        indexer.chain.block()
    trading = (await socket.got("channel_data"))["contents"]["trading"]
    assert trading["BTC-USD"]["nextFundingRate"] == "0.0000125"
    assert "oraclePrice" not in trading["BTC-USD"]


async def test_a_batch_may_begin_with_the_markets_figures(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_markets", batched=True)
    for number in range(16):
        indexer.chain.block(oracle_prices={"BTC-USD": Decimal(100_000)} if number == 15 else {})
    batch = (await socket.got("channel_batch_data"))["contents"]
    assert [next(iter(each)) for each in batch] == ["trading", "oraclePrices"], "clients look at the first"


# ------------------------------------------------------------------------------------------------------- market data


async def test_a_book_kept_by_updates_is_the_book_of_rest(serve: Any, wait_until: Any) -> None:
    async with serve(speed=200.0) as indexer:
        socket = await indexer.connect()
        first = await socket.subscribe("v4_orderbook", "BTC-USD", batched=True)
        await socket.got("channel_batch_data", 8)
        indexer.world.pause()
        book = {side: {each["price"]: each["size"] for each in levels} for side, levels in first["contents"].items()}
        rest = await indexer.get("/orderbooks/perpetualMarket/BTC-USD")
        wanted = {side: {each["price"]: each["size"] for each in levels} for side, levels in rest.items()}
        done = 0

        def is_same() -> bool:
            nonlocal done
            for message in socket.of("channel_batch_data")[done:]:
                for contents in message["contents"]:
                    for side, levels in contents.items():
                        for price, size in levels:
                            book[side][price] = size
                            if size == "0":
                                del book[side][price]
                done += 1
            return book == wanted

        await wait_until(is_same, "the book")
        assert len(book["bids"]) == len(book["asks"]) == 10


async def test_candles_and_trades_of_a_minute_agree(serve: Any, wait_until: Any) -> None:
    async with serve(speed=100.0) as indexer:
        socket = await indexer.connect()
        await socket.subscribe("v4_trades", "BTC-USD", batched=True)
        await socket.subscribe("v4_candles", "BTC-USD/1MIN", batched=True)

        def candles() -> list[dict[str, Any]]:
            return [
                each
                for message in socket.of("channel_batch_data")
                if message["channel"] == "v4_candles"
                for each in message["contents"]
            ]

        await wait_until(lambda: len({each["startedAt"] for each in candles()}) > 3, "three minutes")
        indexer.world.pause()
        minute = sorted({each["startedAt"] for each in candles()})[1]
        told = [each for each in candles() if each["startedAt"] == minute][-1]
        rest = (await indexer.get("/candles/perpetualMarkets/BTC-USD", resolution="1MIN"))["candles"]
        shown = next(each for each in rest if each["startedAt"] == minute)
        assert {name: shown[name] for name in told} == told
        trades = [
            trade
            for message in socket.of("channel_batch_data")
            if message["channel"] == "v4_trades"
            for contents in message["contents"]
            for trade in contents["trades"]
            if trade["createdAt"][:16] == minute[:16]
        ]
        assert sum(Decimal(each["size"]) for each in trades) == Decimal(told["baseTokenVolume"])
        assert len(trades) == told["trades"]
        prices = [Decimal(each["price"]) for each in trades]
        assert (max(prices), min(prices)) == (Decimal(told["high"]), Decimal(told["low"]))
        assert (trades[0]["price"], trades[-1]["price"]) == (told["open"], told["close"])


async def test_batches_are_lists_and_come_every_quarter_of_a_second(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_block_height", batched=True)
    for _ in range(3):
        indexer.chain.block()
    batch = await socket.got("channel_batch_data")
    assert [each["blockHeight"] for each in batch["contents"]] == ["1001", "1002", "1003"]
    assert batch["version"] == "1.0.0"


# ---------------------------------------------------------------------------------------------------- what is refused


async def test_what_can_not_be_subscribed_to_is_refused_in_the_indexers_words(indexer: Any) -> None:
    socket = await indexer.connect()
    wanted = [
        ({"channel": "v4_nothing", "id": "x"}, "Invalid channel: v4_nothing"),
        ({}, "Invalid subscribe message: channel is required"),
        ({"channel": "v4_trades"}, "Invalid id: undefined"),
        ({"channel": "v4_trades", "id": "XYZ-USD"}, "Invalid subscription id for channel: (v4_trades-XYZ-USD)"),
        (
            {"channel": "v4_candles", "id": "BTC-USD/2MIN"},
            "Invalid subscription id for channel: (v4_candles-BTC-USD/2MIN)",
        ),
        ({"channel": "v4_subaccounts", "id": "dydx1"}, "Invalid subscription id for channel: (v4_subaccounts-dydx1)"),
    ]
    for number, (message, text) in enumerate(wanted, 1):
        await socket.say(type="subscribe", **message)
        assert (await socket.got("error", number))["message"] == text


async def test_a_second_subscription_to_the_same_is_refused(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_trades", "BTC-USD")
    await socket.say(type="subscribe", channel="v4_trades", id="BTC-USD")
    error = await socket.got("error")
    assert error["message"] == "Invalid subscribe message: already subscribed (v4_trades-BTC-USD)"
    assert (error["channel"], error["id"]) == ("v4_trades", "BTC-USD")


async def test_the_third_subscribe_to_one_id_in_a_second_closes_the_connection(indexer: Any, wait_until: Any) -> None:
    socket = await indexer.connect()
    for _ in range(3):
        await socket.say(type="subscribe", channel="v4_trades", id="BTC-USD")
    error = await socket.got("error", 2)
    assert error["message"].startswith("Too many subscribe attempts for channel v4_trades-BTC-USD.")
    await wait_until(lambda: socket.socket.closed, "the close")
    assert socket.socket.close_code == 1008


async def test_the_third_unreadable_message_in_a_second_closes_the_connection(indexer: Any, wait_until: Any) -> None:
    socket = await indexer.connect()
    for _ in range(3):
        await socket.socket.send_str("{")
    assert (await socket.got("error"))["message"] == "Invalid message: could not parse"
    await wait_until(lambda: socket.socket.closed, "the close")
    assert socket.socket.close_code == 1008


async def test_a_connection_has_32_trade_subscriptions_at_most(serve: Any) -> None:
    async with serve(prepare=lambda chain: setattr(chain, "markets", many_markets(chain))) as indexer:
        socket = await indexer.connect()
        ids = [f"M{number}-USD" for number in range(33)]
        for id_ in ids:
            await socket.say(type="subscribe", channel="v4_trades", id=id_)
        error = await socket.got("error")
    assert error["message"] == "Per-connection subscription limit reached for v4_trades (limit=32)."


def many_markets(chain: Any) -> Any:
    """Markets enough for the limit; the world knows one of them under every name."""
    market = chain.markets[0]
    history, quote = chain.world.history, chain.world.quote
    chain.world.history = lambda _, *more, **named: history("BTC-USD", *more, **named)
    chain.world.quote = lambda _: quote("BTC-USD")
    return tuple(replace(market, ticker=f"M{number}-USD") for number in range(33))


async def test_unsubscribing_ends_the_updates(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_block_height")
    await socket.say(type="unsubscribe", channel="v4_block_height")
    await socket.got("unsubscribed")
    indexer.chain.block()
    await socket.say(type="ping", id=5)
    assert (await socket.got("pong"))["id"] == 5
    assert not socket.of("channel_data")


async def test_a_protocol_ping_is_answered(indexer: Any) -> None:
    async with indexer.session.ws_connect(indexer.websocket_url, autoping=False) as socket:
        assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
        await socket.ping(b"are you there")
        answer = await socket.receive(timeout=5)
        assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"are you there")


# ------------------------------------------------------------------------------------------------------------- faults


async def test_websockets_can_be_cut(indexer: Any, wait_until: Any) -> None:
    socket = await indexer.connect()
    assert (await indexer.do("cut_websockets"))["connections"] == 1
    await wait_until(lambda: socket.socket.closed, "the cut")


async def test_a_half_open_websocket_says_nothing_and_stays_open(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_block_height")
    await indexer.do("half_open")
    indexer.chain.block()
    await socket.say(type="ping")
    other = await indexer.connect()
    await other.say(type="ping")
    await other.got("pong")
    assert not socket.of("channel_data")
    assert not socket.of("pong")
    assert not socket.socket.closed


async def test_updates_can_be_dropped_doubled_and_reordered(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_block_height")
    await indexer.do("drop_updates", count=1, channel="v4_block_height")
    indexer.chain.block()
    await indexer.do("duplicate_updates", count=1)
    indexer.chain.block()
    await indexer.do("reorder_updates", count=1)
    indexer.chain.block()
    indexer.chain.block()
    await socket.got("channel_data", 4)
    heights = [each["contents"]["blockHeight"] for each in socket.of("channel_data")]
    assert heights == ["1002", "1002", "1004", "1003"]


async def test_updates_can_be_late(indexer: Any) -> None:
    socket = await indexer.connect()
    await socket.subscribe("v4_block_height")
    await indexer.do("delay_updates_ms", milliseconds=300)
    before = asyncio.get_running_loop().time()
    indexer.chain.block()
    await socket.got("channel_data")
    assert asyncio.get_running_loop().time() - before >= 0.3


async def test_a_book_can_be_crossed_on_the_websocket_alone(indexer: Any) -> None:
    socket = await indexer.connect()
    first = await socket.subscribe("v4_orderbook", "BTC-USD")
    await indexer.do("crossed_book", symbol="BTC-USD")
    update = (await socket.got("channel_data"))["contents"]
    best_ask = Decimal(first["contents"]["asks"][0]["price"])
    assert Decimal(update["bids"][0][0]) > best_ask
    assert await indexer.get("/orderbooks/perpetualMarket/BTC-USD") == first["contents"]
    await indexer.do("crossed_book", symbol="BTC-USD", on=False)
    assert (await socket.got("channel_data", 2))["contents"]["bids"] == [[update["bids"][0][0], "0"]]


# --------------------------------------------------------------------------------------------------- the real client


async def test_the_real_client_hears_every_channel(indexer: Any, address: str, wait_until: Any) -> None:
    heard: list[dict[str, Any]] = []

    def hear(socket: IndexerSocket, message: dict[str, Any]) -> None:
        heard.append(message)
        if message["type"] == "connected":
            socket.markets.subscribe()
            socket.order_book.subscribe(id="BTC-USD")
            socket.trades.subscribe(id="BTC-USD")
            socket.candles.subscribe(id="BTC-USD", resolution=CandlesResolution.ONE_MINUTE)
            socket.subaccounts.subscribe(address=address, subaccount_number=0)

    client = IndexerSocket(indexer.websocket_url, on_message=hear)
    thread = threading.Thread(target=client.run_forever, daemon=True)
    thread.start()
    await wait_until(lambda: len([each for each in heard if each["type"] == "subscribed"]) == 5, "five channels")
    indexer.chain.block(orders=(indexer.chain.order(),), oracle_prices={"BTC-USD": Decimal(5)})
    updates = ("channel_data", "channel_batch_data")
    await wait_until(lambda: len([each for each in heard if each["type"] in updates]) == 2, "two updates")
    client.keep_running = False
    await indexer.do("cut_websockets")  # its own `close` waits ten seconds for a select
    await asyncio.to_thread(thread.join, timedelta(seconds=10).total_seconds())
    assert not thread.is_alive()


async def test_a_market_can_be_left_without_its_oracle_price_while_all_else_goes_on(indexer: Any) -> None:
    """Over REST and on the websocket, for that market alone."""
    socket = await indexer.connect()
    await socket.subscribe("v4_markets")
    await indexer.do("withhold_oracle_price", symbol="BTC-USD")
    markets = (await indexer.get("/perpetualMarkets"))["markets"]
    assert markets["BTC-USD"]["oraclePrice"] is None
    assert all(market["oraclePrice"] for ticker, market in markets.items() if ticker != "BTC-USD")
    prices = {"BTC-USD": Decimal(1), "ETH-USD": Decimal(2)}
    indexer.chain.block(oracle_prices=prices)
    told = (await socket.got("channel_data"))["contents"]["oraclePrices"]
    assert set(told) == {"ETH-USD"}
    await indexer.do("withhold_oracle_price", symbol="BTC-USD", on=False)
    indexer.chain.block(oracle_prices=prices)
    assert set((await socket.got("channel_data", 2))["contents"]["oraclePrices"]) == set(prices)

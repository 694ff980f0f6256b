"""The REST API: shapes as published, filters, refusals, limits; every method of the real client."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from dydx_v4_client.indexer.rest.constants import TradingRewardAggregationPeriod
from signalbox.messages import Liquidity, Side
from simulators.dydx.records import ChainFundingPayment, ChainFundingRate, ChainOrderStatus


def trade_all(chain: Any) -> None:
    """Let a subaccount have something of everything."""
    chain.account()
    chain.block(transfers=(chain.transfer(),))
    chain.account(usdc="0.10005", positions=(chain.position(),))
    stop = chain.order(
        id="2f0a5b0e-0000-5000-8000-000000000001",
        client_id=8,
        order_flags=32,
        type="STOP_MARKET",
        time_in_force="IOC",
        trigger_price=Decimal(90_000),
        good_til_block=0,
        good_til_block_time=chain.block_time + timedelta(days=90),
        status=ChainOrderStatus.UNTRIGGERED,
    )
    filled = chain.order(status=ChainOrderStatus.FILLED, total_filled=Decimal("0.1"))
    chain.block(orders=(filled, stop), fills=(chain.fill(),), oracle_prices={"BTC-USD": Decimal(101_000)})
    payment = ChainFundingPayment(
        address=chain.fill().address,
        subaccount_number=0,
        ticker="BTC-USD",
        side=Side.BUY,
        size=Decimal("0.1"),
        rate=Decimal("0.0000125"),
        oracle_price=Decimal(101_000),
        payment=Decimal("-0.12625"),
        created_at=chain.block_time,
        created_at_height=chain.height + 1,
    )
    rate = ChainFundingRate(
        ticker="BTC-USD",
        rate=Decimal("0.0000125"),
        price=Decimal(101_000),
        effective_at=chain.block_time,
        effective_at_height=chain.height + 1,
    )
    chain.block(funding_rates=(rate,), funding_payments=(payment,))


@pytest.fixture
async def traded(serve: Any) -> Any:
    async with serve() as indexer:
        trade_all(indexer.chain)
        yield indexer


OF_SUBACCOUNT = (
    "/orders",
    "/fills",
    "/tradeHistory",
    "/transfers",
    "/perpetualPositions",
    "/assetPositions",
    "/historical-pnl",
    "/pnl",
    "/fundingPayments",
)


@pytest.mark.parametrize("path", OF_SUBACCOUNT)
async def test_answers_about_a_subaccount_are_as_published(traded: Any, address: str, conforms: Any, path: str) -> None:
    answer = await traded.get(path, address=address, subaccountNumber=0)
    conforms(path, answer)
    assert answer if isinstance(answer, list) else next(iter(answer.values()))


@pytest.mark.parametrize("path", [each for each in OF_SUBACCOUNT if each not in ("/transfers", "/fills")])
async def test_answers_about_a_parent_subaccount_are_as_published(
    traded: Any, address: str, conforms: Any, path: str
) -> None:
    served = "/parentSubaccount" if path == "/fundingPayments" else "/parentSubaccountNumber"
    answer = await traded.get(path + served, address=address, parentSubaccountNumber=0)
    conforms(path + served, answer)


async def test_a_parents_fills_and_transfers_are_those_of_its_children(traded: Any, address: str) -> None:
    fills = await traded.get("/fills/parentSubaccountNumber", address=address, parentSubaccountNumber=0)
    assert len(fills["fills"]) == 1
    transfers = await traded.get("/transfers/parentSubaccountNumber", address=address, parentSubaccountNumber=0)
    assert transfers["transfers"][0]["recipient"] == {"address": address, "parentSubaccountNumber": 0}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/height", {}),
        ("/time", {}),
        ("/screen", {"address": "dydx1abc"}),
        ("/perpetualMarkets", {}),
        ("/perpetualMarkets", {"ticker": "BTC-USD"}),
        ("/sparklines", {"timePeriod": "ONE_DAY"}),
        ("/vault/v1/megavault/historicalPnl", {"resolution": "day"}),
        ("/vault/v1/vaults/historicalPnl", {}),
        ("/vault/v1/megavault/positions", {}),
        ("/affiliates/snapshot", {}),
    ],
)
async def test_answers_about_the_venue_are_as_published(
    indexer: Any, conforms: Any, path: str, parameters: dict[str, str]
) -> None:
    conforms(path, await indexer.get(path, **parameters))


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/orderbooks/perpetualMarket/{ticker}", {}),
        ("/trades/perpetualMarket/{ticker}", {}),
        ("/trades/perpetualMarket/{ticker}", {"page": 1, "limit": 2}),
        ("/candles/perpetualMarkets/{ticker}", {"resolution": "1MIN", "limit": 5}),
        ("/historicalFunding/{ticker}", {}),
    ],
)
async def test_answers_about_a_market_are_as_published(
    traded: Any, conforms: Any, path: str, parameters: dict[str, Any]
) -> None:
    answer = await traded.get(path.format(ticker="BTC-USD"), **parameters)
    conforms(path, answer)
    assert next(iter(answer.values()))


@pytest.mark.parametrize(
    "path",
    [
        "/addresses/{address}",
        "/compliance/screen/{address}",
        "/historicalBlockTradingRewards/{address}",
        "/historicalTradingRewardAggregations/{address}?period=DAILY",
        "/affiliates/metadata?address={address}",
        "/affiliates/total_volume?address={address}",
        "/trader/search?searchParam={address}",
    ],
)
async def test_answers_about_an_address_are_as_published(traded: Any, address: str, conforms: Any, path: str) -> None:
    published = path.split("?")[0]
    conforms(published, await traded.get(path.format(address=address)))


async def test_one_subaccount_comes_inside_an_object(traded: Any, address: str, conforms: Any) -> None:
    path = "/addresses/{address}/subaccountNumber/{subaccountNumber}"
    answer = await traded.get(path.format(address=address, subaccountNumber=0))
    assert list(answer) == ["subaccount"]  # the published description leaves this out; the indexer sends it
    conforms(path, answer["subaccount"])
    path = "/addresses/{address}/parentSubaccountNumber/{parentSubaccountNumber}"
    answer = await traded.get(path.format(address=address, parentSubaccountNumber=0))
    conforms(path, answer["subaccount"])


async def test_equity_is_cash_and_positions_at_the_oracles_price(traded: Any, address: str) -> None:
    account = (await traded.get(f"/addresses/{address}/subaccountNumber/0"))["subaccount"]
    assert account["equity"] == "10100.10005"
    assert account["freeCollateral"] == "9898.10005"  # less 2% of 10100
    assert account["openPerpetualPositions"]["BTC-USD"]["unrealizedPnl"] == "100.1"
    assert account["assetPositions"]["USDC"]["side"] == "LONG"


async def test_cash_below_zero_is_a_short_position(serve: Any, address: str) -> None:
    async with serve(prepare=lambda chain: chain.account(usdc="-12.5")) as indexer:
        positions = (await indexer.get("/assetPositions", address=address, subaccountNumber=0))["positions"]
    assert positions == [{"symbol": "USDC", "side": "SHORT", "size": "12.5", "assetId": "0", "subaccountNumber": 0}]


# ------------------------------------------------------------------------------------------------------------ filters


async def test_orders_are_filtered_by_status_side_type_and_end(traded: Any, address: str) -> None:
    async def ids(**parameters: Any) -> list[str]:
        orders = await traded.get("/orders", address=address, subaccountNumber=0, **parameters)
        return [order["clientId"] for order in orders]

    assert await ids() == ["8", "7"]  # a time is later than every block
    assert await ids(returnLatestOrders="false") == ["7", "8"]
    assert await ids(status="UNTRIGGERED") == ["8"]
    assert await ids(status="UNTRIGGERED,FILLED") == ["8", "7"]
    assert await ids(status="OPEN") == []
    assert await ids(side="SELL") == []
    assert await ids(type="STOP_MARKET") == ["8"]
    assert await ids(excludeTypes="STOP_MARKET") == ["7"]
    assert await ids(ticker="ETH-USD") == []
    assert await ids(goodTilBlockBeforeOrAt=5000) == ["7"]
    assert await ids(goodTilBlockAfter=5000) == []
    assert await ids(goodTilBlockTimeAfter="2026-03-10T00:00:00Z") == ["8"]
    assert await ids(limit=1) == ["8"]


async def test_an_order_is_found_by_its_id(traded: Any) -> None:
    order = await traded.get("/orders/64fe30a2-006d-5108-a156-cb0c8443546c")
    assert (order["status"], order["totalFilled"]) == ("FILLED", "0.1")
    assert "removalReason" not in order
    missing = await traded.get("/orders/00000000-0000-0000-0000-000000000000", expected=404)
    assert missing == {"errors": [{"msg": "Unable to find order id 00000000-0000-0000-0000-000000000000"}]}


async def test_pages_count_from_the_oldest_fill(serve: Any, address: str) -> None:
    async with serve() as indexer:
        indexer.chain.account()
        for number in range(5):
            indexer.chain.block(fills=(indexer.chain.fill(id=f"fill-{number}"),))
        newest = await indexer.get("/fills", address=address, subaccountNumber=0, limit=2)
        assert [each["id"] for each in newest["fills"]] == ["fill-4", "fill-3"]
        assert "totalResults" not in newest
        page = await indexer.get("/fills", address=address, subaccountNumber=0, limit=2, page=2)
        assert [each["id"] for each in page["fills"]] == ["fill-2", "fill-3"]
        assert (page["pageSize"], page["totalResults"], page["offset"]) == (2, 5, 2)
        old = await indexer.get("/fills", address=address, subaccountNumber=0, createdBeforeOrAtHeight=1002)
        assert [each["id"] for each in old["fills"]] == ["fill-1", "fill-0"]


async def test_positions_are_filtered_by_status(traded: Any, address: str) -> None:
    open_ = await traded.get("/perpetualPositions", address=address, subaccountNumber=0, status="OPEN")
    assert [each["market"] for each in open_["positions"]] == ["BTC-USD"]
    closed = await traded.get("/perpetualPositions", address=address, subaccountNumber=0, status="CLOSED")
    assert closed["positions"] == []


async def test_transfers_between_two_subaccounts_add_up(serve: Any, address: str, other_address: str) -> None:
    async with serve() as indexer:
        chain = indexer.chain
        chain.account()
        chain.account(address=other_address)
        there = chain.transfer(type="TRANSFER", sender=address, recipient=other_address, size=Decimal(30))
        back = chain.transfer(type="TRANSFER", sender=other_address, recipient=address, size=Decimal(10))
        chain.block(transfers=(there, back))
        answer = await indexer.client.account.get_transfer_between(address, 0, other_address, 0)
    assert answer["totalNetTransfers"] == "20"
    assert [each["type"] for each in answer["transfersSubset"]] == ["TRANSFER_IN", "TRANSFER_OUT"]


# ----------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("path", "parameters", "name", "message"),
    [
        (
            "/orders",
            {"address": "no-address", "subaccountNumber": 0},
            "address",
            "address must be a valid dydx address",
        ),
        (
            "/orders",
            {"address": "dydx1a", "subaccountNumber": 128_001},
            "subaccountNumber",
            "subaccountNumber must be a non-negative integer less than 128001",
        ),
        (
            "/fills",
            {"address": "dydx1a", "subaccountNumber": 0, "limit": 1001},
            "limit",
            "limit must be a positive integer that is not greater than max: 1000",
        ),
        (
            "/fills",
            {"address": "dydx1a", "subaccountNumber": 0, "market": "BTC-USD"},
            "marketType",
            "marketType must be provided if market is provided",
        ),
        (
            "/tradeHistory",
            {"address": "dydx1a", "subaccountNumber": 0, "marketType": "PERPETUAL"},
            "market",
            "market must be provided if marketType is provided",
        ),
        (
            "/fills",
            {"address": "dydx1a", "subaccountNumber": 0, "createdBeforeOrAtHeight": -1},
            "createdBeforeOrAtHeight",
            "createdBeforeOrAtHeight must be a non-negative integer",
        ),
        (
            "/orders",
            {"address": "dydx1a", "subaccountNumber": 0, "side": "UP"},
            "side",
            "side must be one of BUY,SELL",
        ),
        (
            "/candles/perpetualMarkets/BTC-USD",
            {"resolution": "2MINS"},
            "resolution",
            "resolution must be a valid Candle Resolution, one of 1MIN,5MINS,15MINS,30MINS,1HOUR,4HOURS,1DAY",
        ),
        (
            "/candles/perpetualMarkets/XYZ-USD",
            {"resolution": "1MIN"},
            "ticker",
            "ticker must be a valid ticker (BTC-USD, etc)",
        ),
        ("/historicalFunding/BTC-USD", {"effectiveBeforeOrAt": "yesterday"}, "effectiveBeforeOrAt", "Invalid value"),
    ],
)
async def test_a_wrong_parameter_is_refused_with_its_name(
    indexer: Any, path: str, parameters: dict[str, Any], name: str, message: str
) -> None:
    errors = (await indexer.get(path, expected=400, **parameters))["errors"]
    assert [(error["param"], error["msg"]) for error in errors] == [(name, message)]
    assert errors[0]["location"] in ("query", "params")


async def test_what_is_not_there_is_404_with_a_text(indexer: Any, other_address: str) -> None:
    answer = await indexer.get(f"/addresses/{other_address}/subaccountNumber/3", expected=404)
    assert answer["errors"][0]["msg"] == (f"No subaccount found with address {other_address} and subaccountNumber 3")
    answer = await indexer.get("/orderbooks/perpetualMarket/XYZ-USD", expected=404)
    assert answer["errors"][0]["msg"] == "XYZ-USD not found in markets of type PERPETUAL"
    assert await indexer.get("/no/such/path", expected=404) == {"error": "Not Found", "errorCode": 404}


async def test_more_than_100_requests_in_ten_seconds_are_refused(serve: Any) -> None:
    async with serve(rest_limit=100) as indexer:
        for left in range(99, -1, -1):
            async with indexer.session.get(f"{indexer.url}/v4/height") as response:
                assert response.status == 200
                assert response.headers["RateLimit-Remaining"] == str(left)
        async with indexer.session.get(f"{indexer.url}/v4/height") as response:
            assert response.status == 429
            assert await response.json() == {"errors": [{"msg": "Too many requests"}]}
            assert 0 < int(response.headers["Retry-After"]) <= 10_000  # milliseconds
            assert response.headers["RateLimit-Limit"] == "100"
        await indexer.do("rest_rate_limit", requests=0)
        await indexer.get("/height")


async def test_the_next_requests_can_be_refused_by_command(indexer: Any) -> None:
    await indexer.do("refuse_rest", count=2, status=503)
    await indexer.get("/height", expected=503)
    await indexer.get("/time", expected=503)
    await indexer.get("/height")


# --------------------------------------------------------------------------------------------------------- the client


async def test_every_method_of_the_client_works(traded: Any, address: str) -> None:
    account, markets = traded.client.account, traded.client.markets
    await account.get_subaccounts(address)
    await account.get_subaccount(address, 0)
    await account.get_parent_subaccount(address, 0)
    await account.get_subaccount_perpetual_positions(address, 0, status="OPEN")
    await account.get_parent_subaccount_positions(address, 0)
    await account.get_subaccount_asset_positions(address, 0)
    await account.get_parent_subaccount_asset_positions(address, 0)
    await account.get_subaccount_transfers(address, 0)
    await account.get_parent_transfers(address, 0)
    orders = await account.get_subaccount_orders(address, 0, return_latest_orders=True)
    await account.get_order(orders[0]["id"])
    await account.list_parent_orders(address, 0)
    await account.get_subaccount_fills(address, 0)
    await account.get_parent_fills(address, 0)
    await account.get_subaccount_historical_pnls(address, 0)
    await account.get_parent_historical_pnls(address, 0)
    await account.get_historical_block_trading_rewards(address)
    await account.get_historical_trading_rewards_aggregated(address, TradingRewardAggregationPeriod.DAILY)
    await account.search_traders(address)
    await account.get_funding_payments(address, 0)
    await account.get_funding_payments_for_parent_subaccount(address, 0)
    assert set(await markets.get_perpetual_markets("BTC-USD")) == {"markets"}
    await markets.get_perpetual_market_orderbook("BTC-USD")
    await markets.get_perpetual_market_trades("BTC-USD")
    await markets.get_perpetual_market_candles("BTC-USD", "1MIN")
    await markets.get_perpetual_market_historical_funding("BTC-USD")
    await markets.get_perpetual_market_sparklines()
    await traded.client.utility.get_time()
    await traded.client.utility.get_height()
    await traded.client.utility.screen(address)
    await traded.client.utility.compliance_screen(address)
    await traded.client.megavault.get_megavault_historical_pnl("day")
    await traded.client.megavault.get_vaults_historical_pnl("hour")
    await traded.client.megavault.get_megavault_positions()
    code = (await traded.client.affiliate.get_metadata(address))["referralCode"]
    assert (await traded.client.affiliate.get_address(code))["address"] == address
    await traded.client.affiliate.get_snapshot()
    assert (await traded.client.affiliate.get_total_volume(address))["totalVolume"] == pytest.approx(9999.9)


async def test_a_refusal_reaches_the_client_as_an_error(indexer: Any, address: str) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await indexer.client.account.get_subaccount(address, 99)


async def test_a_taken_trade_is_on_the_markets_tape(traded: Any) -> None:
    trades = (await traded.get("/trades/perpetualMarket/BTC-USD"))["trades"]
    assert (trades[0]["size"], trades[0]["price"], trades[0]["side"]) == ("0.1", "99999", "BUY")


async def test_a_made_trade_is_not_told_twice(serve: Any) -> None:
    async with serve() as indexer:
        before = (await indexer.get("/trades/perpetualMarket/BTC-USD"))["trades"]
        indexer.chain.account()
        indexer.chain.block(fills=(indexer.chain.fill(liquidity=Liquidity.MAKER),))
        assert (await indexer.get("/trades/perpetualMarket/BTC-USD"))["trades"] == before


async def test_funding_can_be_listed_long_after_it_was_paid(traded: Any, address: str) -> None:
    async def listed() -> int:
        answer = await traded.get("/fundingPayments", address=address, subaccountNumber=0)
        return len(answer["fundingPayments"])

    assert await listed() == 1
    await traded.do("late_funding", seconds=60, symbol="ETH-USD")
    assert await listed() == 1
    await traded.do("late_funding", seconds=60)
    assert await listed() == 0
    traded.chain.block_time += timedelta(seconds=61)
    traded.chain.block()
    assert await listed() == 1

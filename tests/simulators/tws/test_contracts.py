"""What contract descriptions mean and what is told of contracts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ib_async import Contract, Stock
from simulators.listings import offer
from simulators.tws.contracts import Unresolved, matches, resolve, trading_hours
from simulators.tws.place_order import WireContract

LISTINGS = offer(("SPY", "AAPL", "0700.HK"))
NOW = datetime(2024, 3, 28, 15, 0, tzinfo=UTC)  # the day before Good Friday


def wanted(**fields: Any) -> WireContract:
    return WireContract(**{"sec_type": "STK", **fields})


@pytest.mark.parametrize(
    ("contract", "keys"),
    [
        (wanted(symbol="AAPL"), ["AAPL"]),
        (wanted(con_id=265598, sec_type=""), ["AAPL"]),
        (wanted(symbol="AAPL", primary_exchange="ISLAND"), ["AAPL"]),
        (wanted(symbol="AAPL", exchange="ARCA"), ["AAPL"]),
        (wanted(local_symbol="AAPL"), ["AAPL"]),
        (wanted(symbol="700"), ["0700.HK"]),
        (wanted(symbol="700", exchange="SEHK", currency="HKD"), ["0700.HK"]),
        (wanted(symbol="TWIN"), ["TWIN", "TWIN.SEHK"]),
        (wanted(symbol="TWIN", currency="HKD"), ["TWIN.SEHK"]),
        (wanted(symbol="TWIN", exchange="SEHK"), ["TWIN.SEHK"]),
        (wanted(symbol="TWIN", primary_exchange="NYSE"), ["TWIN"]),
    ],
)
def test_a_description_means_its_listings(contract: WireContract, keys: list[str]) -> None:
    found = matches(LISTINGS, contract)
    assert not isinstance(found, Unresolved)
    assert [listing.key for listing in found] == keys


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        (wanted(symbol="NOSUCH"), 200),
        (wanted(symbol="AAPL", currency="EUR"), 200),
        (wanted(symbol="AAPL", exchange="SEHK"), 200),
        (wanted(symbol="AAPL", exchange="NOWHERE"), 200),
        (wanted(symbol="0700"), 200),
        (wanted(con_id=1), 200),
        (wanted(symbol="AAPL", sec_type="OPT"), 200),
        (wanted(symbol="AAPL", sec_type="XXX"), 321),
        (wanted(symbol="AAPL", sec_type=""), 321),
        (wanted(), 321),
    ],
)
def test_an_impossible_description_means_nothing(contract: WireContract, code: int) -> None:
    found = matches(LISTINGS, contract)
    assert isinstance(found, Unresolved)
    assert found.code == code


def test_an_order_needs_an_exchange_and_one_contract() -> None:
    assert resolve(LISTINGS, wanted(symbol="AAPL")) == Unresolved(
        321, "Error validating request.-'bO' : cause - Missing order exchange"
    )
    ambiguous = resolve(LISTINGS, wanted(symbol="TWIN", exchange="SMART"))
    assert ambiguous == Unresolved(200, "The contract description specified for TWIN is ambiguous.")


def test_trading_hours_are_the_exchanges_own_with_holidays_closed() -> None:
    apple = next(listing for listing in LISTINGS if listing.key == "AAPL")
    trading, liquid = trading_hours(apple, NOW)
    assert trading.split(";")[:2] == ["20240328:0400-20240328:2000", "20240329:CLOSED"]
    assert liquid.split(";")[0] == "20240328:0930-20240328:1600"


def test_hong_kongs_lunch_break_is_in_its_hours() -> None:
    tencent = next(listing for listing in LISTINGS if listing.key == "0700.HK")
    for hours in trading_hours(tencent, datetime(2024, 3, 5, 2, 0, tzinfo=UTC)):
        assert hours.split(";")[:2] == ["20240305:0930-20240305:1200", "20240305:1300-20240305:1600"]


async def test_details_tell_a_us_share(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect(quotes=False)
    (details,) = await client.ib.reqContractDetailsAsync(aapl)
    assert details.contract.conId == 265598
    assert details.contract.primaryExchange == "NASDAQ"
    assert (details.minTick, details.minSize, details.timeZoneId) == (0.01, 1.0, "US/Eastern")
    assert details.longName == "APPLE INC"
    sessions = details.liquidSessions()
    assert (sessions[0].start.hour, sessions[0].end.hour) == (9, 16)


async def test_details_tell_a_hong_kong_share(simulator: Any, tencent: Contract) -> None:
    client = await simulator.connect(quotes=False)
    (details,) = await client.ib.reqContractDetailsAsync(tencent)
    assert (details.contract.currency, details.contract.exchange) == ("HKD", "SEHK")
    assert (details.minTick, details.minSize, details.sizeIncrement) == (0.2, 100.0, 100.0)
    before_lunch, after_lunch = details.liquidSessions()[:2]
    assert (before_lunch.end.hour, after_lunch.start.hour) == (12, 13)
    rule = await client.ib.reqMarketRuleAsync(int(details.marketRuleIds.split(",")[0]))
    assert [increment.increment for increment in rule] == [0.2]


async def test_an_ambiguous_symbol_has_several_details(simulator: Any) -> None:
    client = await simulator.connect(quotes=False)
    found = await client.ib.reqContractDetailsAsync(Stock("TWIN"))
    assert {each.contract.exchange for each in found} == {"SMART", "SEHK"}


async def test_an_unknown_symbol_is_error_200(simulator: Any) -> None:
    client = await simulator.connect(quotes=False)
    assert await client.ib.reqContractDetailsAsync(Stock("NOSUCH", "SMART", "USD")) == []
    assert (await client.error(200))[2] == "No security definition has been found for the request"


async def test_symbols_are_found_by_beginning(simulator: Any) -> None:
    client = await simulator.connect(quotes=False)
    found = await client.ib.reqMatchingSymbolsAsync("TENC")
    assert [each.contract.symbol for each in found] == ["700"]


async def test_small_requests_are_answered(simulator: Any) -> None:
    client = await simulator.connect(quotes=False)
    assert (await client.ib.reqCurrentTimeAsync()).year == 2024
    assert await client.ib.reqSecDefOptParamsAsync("700", "", "STK", 148623117) == []
    assert await client.ib.reqMktDepthExchangesAsync() == []
    assert await client.ib.reqNewsProvidersAsync() == []
    assert await client.ib.reqSmartComponentsAsync("9c0001") == []
    raw = await simulator.raw(2)
    for message in ((79, 1), (80,), (104, 2), (17, 1), (91, 99999)):
        raw.say(*message)
    for kind in (77, 78, 107):
        await raw.got(kind)
    await raw.got(15, 2)
    await raw.error(321)


def test_lots_and_ticks_are_those_of_the_listing() -> None:
    assert {listing.lot for listing in LISTINGS if listing.currency == "HKD"} == {Decimal(100)}

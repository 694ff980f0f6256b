"""Options through a real client: found by their own name and by description, quoted with greeks, traded, charged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ib_async import Contract, LimitOrder, MarketOrder, Option, Order

CALL, PUT = "SPY 240315C00450000", "AAPL 240315P00190000"
SYMBOLS = ("SPY", CALL, PUT)


@pytest.fixture
async def simulator(simulate: Callable[..., Any]) -> Any:
    async with simulate(symbols=SYMBOLS, prices=(("SPY", Decimal(450)), ("AAPL", Decimal(190)))) as simulator:
        yield simulator


def by_name(name: str = "SPY   240315C00450000") -> Contract:
    return Contract(secType="OPT", localSymbol=name, exchange="SMART", currency="USD")


async def qualified(client: Any, name: str = "SPY   240315C00450000") -> Contract:
    (found,) = await client.ib.reqContractDetailsAsync(by_name(name))
    contract: Contract = found.contract
    contract.exchange = "SMART"
    return contract


async def test_the_occ_name_finds_one_contract_with_its_terms(simulator: Any) -> None:
    client = await simulator.connect(quotes=False)
    (found,) = await client.ib.reqContractDetailsAsync(by_name())
    contract = found.contract
    assert (contract.secType, contract.symbol, contract.strike, contract.right) == ("OPT", "SPY", 450.0, "C")
    assert (contract.multiplier, contract.localSymbol) == ("100", "SPY   240315C00450000")
    assert (contract.lastTradeDateOrContractMonth, found.lastTradeTime) == ("20240315", "16:00:00")
    assert (found.minTick, found.underSymbol, found.underSecType, found.underConId) == (0.01, "SPY", "STK", 756_733)
    assert found.realExpirationDate == "20240315"


async def test_a_symbol_alone_finds_the_chain(simulator: Any) -> None:
    client = await simulator.connect(quotes=False)
    found = await client.ib.reqContractDetailsAsync(Option("SPY", "20240315", 0, "C", "SMART"))
    strikes = [each.contract.strike for each in found]
    assert len(set(strikes)) == len(strikes) == 41
    assert {each.contract.right for each in found} == {"C"}
    assert found[0].contract.localSymbol.startswith("SPY   240315C")


async def test_the_parameters_of_a_chain_are_its_expirations_and_strikes(simulator: Any) -> None:
    client = await simulator.connect(quotes=False)
    chains = await client.ib.reqSecDefOptParamsAsync("SPY", "", "STK", 756_733)
    smart = next(each for each in chains if each.exchange == "SMART")
    assert smart.expirations[:3] == ["20240308", "20240315", "20240322"]
    assert "20240328" in smart.expirations  # the 29th is Good Friday
    assert {440.0, 445.0, 450.0} <= set(smart.strikes)
    assert (smart.multiplier, smart.tradingClass) == ("100", "SPY")


async def test_ticks_are_finer_below_three(simulator: Any) -> None:
    client = await simulator.connect(quotes=False)
    (found,) = await client.ib.reqContractDetailsAsync(by_name("AAPL  240315P00190000"))
    rule = await client.ib.reqMarketRuleAsync(int(found.marketRuleIds.split(",")[0]))
    assert [(each.lowEdge, each.increment) for each in rule] == [(0.0, 0.01), (3.0, 0.05)]


async def test_quotes_bear_greeks(simulator: Any, wait_until: Callable[..., Any]) -> None:
    client = await simulator.connect()
    ticker = client.ib.reqMktData(await qualified(client), "", False, False)
    await wait_until(lambda: ticker.modelGreeks and ticker.bidGreeks and ticker.bid > 0, "greeks")
    model, spot = ticker.modelGreeks, float(simulator.world.last("SPY"))
    assert model.undPrice == pytest.approx(spot, rel=0.01)
    assert 0.3 < model.delta < 0.7
    assert model.gamma > 0
    assert model.vega > 0 > model.theta
    assert ticker.bid <= model.optPrice + 0.05
    assert ticker.ask >= model.optPrice - 0.05
    assert ticker.bidGreeks.impliedVol == pytest.approx(model.impliedVol, rel=0.2)


async def test_its_price_follows_the_underlyings(simulator: Any, wait_until: Callable[..., Any]) -> None:
    client = await simulator.connect()
    before = simulator.world.quote(CALL).last
    await simulator.do("pause")
    await simulator.do("set_speed", speed="100")
    simulator.world.set_price("SPY", Decimal(480))
    await wait_until(lambda: simulator.world.quote(CALL).last > before + 15, "the price of the option")
    assert simulator.world.quote(CALL).last == pytest.approx(Decimal(30), abs=Decimal(3))
    assert client.errors is not None


async def test_the_price_of_an_option_is_not_set_by_hand(simulator: Any) -> None:
    with pytest.raises(ValueError, match="set that one"):
        simulator.world.set_price(CALL, Decimal(5))


async def test_an_order_fills_at_a_hundred_times_its_price_and_is_charged_by_the_contract(
    simulator: Any, wait_until: Callable[..., Any]
) -> None:
    client = await simulator.connect()
    contract = await qualified(client)
    cash = simulator.world.figures("DU1234567").total_cash
    trade = client.ib.placeOrder(contract, MarketOrder("BUY", 2))
    await wait_until(lambda: trade.orderStatus.status == "Filled" and trade.fills[-1].commissionReport.execId)
    (execution,) = simulator.world.executions()
    assert (execution.quantity, execution.commission) == (Decimal(2), Decimal("1.30"))
    assert simulator.world.figures("DU1234567").total_cash == cash - execution.price * 200 - Decimal("1.30")
    fill = trade.fills[0]
    assert (fill.contract.secType, fill.contract.conId) == ("OPT", contract.conId)
    (position,) = await client.ib.reqPositionsAsync()
    assert (position.position, position.avgCost) == (2.0, pytest.approx(float(execution.price) * 100))


async def test_a_writer_puts_up_a_margin_of_the_underlyings_size(simulator: Any) -> None:
    client = await simulator.connect()
    contract = await qualified(client)
    state = await client.ib.whatIfOrderAsync(contract, MarketOrder("SELL", 1))
    assert 5_000 < float(state.initMarginChange) < 15_000
    state = await client.ib.whatIfOrderAsync(contract, MarketOrder("BUY", 1))
    assert 0 < float(state.initMarginChange) < 2_000


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (LimitOrder("BUY", 1, 3.01), 110),
        (Order(action="BUY", totalQuantity=1, orderType="MOC"), 387),
        (MarketOrder("BUY", 1, tif="OPG"), 387),
    ],
    ids=["between two ticks", "no auction", "no opening"],
)
async def test_what_an_option_does_not_have_is_refused(
    simulator: Any, wait_until: Callable[..., Any], order: Order, code: int
) -> None:
    client = await simulator.connect()
    client.ib.placeOrder(await qualified(client, "AAPL  240315P00190000"), order)
    await wait_until(lambda: any(error[1] == code for error in client.errors), f"error {code}")


async def test_nobody_quotes_and_nothing_trades_before_the_open(simulate: Callable[..., Any]) -> None:
    early = datetime(2024, 3, 5, 13, 0, tzinfo=UTC)
    async with simulate(symbols=SYMBOLS, start=early, speed=0.0) as simulator:
        client = await simulator.connect(quotes=False)
        ticker = client.ib.reqMktData(await qualified(client), "", True, False)
        await ticker.updateEvent
        assert not ticker.bid > 0
        assert not ticker.ask > 0


async def test_what_has_expired_is_found_no_more(simulate: Callable[..., Any]) -> None:
    after = datetime(2024, 3, 15, 20, 0, tzinfo=UTC)
    async with simulate(symbols=SYMBOLS, start=after, speed=0.0) as simulator:
        client = await simulator.connect(quotes=False)
        assert await client.ib.reqContractDetailsAsync(by_name()) == []
        assert client.errors[-1][1] == 200


async def hold(client: Any, side: str, quantity: int, wait_until: Callable[..., Any]) -> None:
    """Have the account hold, or owe, so many."""
    trade = client.ib.placeOrder(await qualified(client), MarketOrder(side, quantity))
    await wait_until(lambda: trade.orderStatus.status == "Filled")


@pytest.mark.parametrize(
    ("side", "command", "shares"), [("BUY", "exercise", 100), ("SELL", "assign", -100)], ids=["exercised", "assigned"]
)
async def test_a_call_is_settled_at_zero_and_the_shares_at_the_strike(
    simulator: Any, wait_until: Callable[..., Any], side: str, command: str, shares: int
) -> None:
    client = await simulator.connect()
    await hold(client, side, 2, wait_until)
    await simulator.do(command, symbol=CALL)
    fills = await client.ib.reqExecutionsAsync()
    told = {(each.contract.secType, each.execution.side, each.execution.shares, each.execution.price) for each in fills}
    opposite = "SLD" if side == "BUY" else "BOT"
    assert ("OPT", opposite, 1.0, 0.0) in told
    assert ("STK", "BOT" if shares > 0 else "SLD", 100.0, 450.0) in told
    positions = {each.contract.secType: each.position for each in await client.ib.reqPositionsAsync()}
    assert positions == {"OPT": 1.0 if side == "BUY" else -1.0, "STK": float(shares)}
    assert all(each.commissionReport.commission == 0 for each in fills if each.execution.price in (0.0, 450.0))


async def test_what_was_sold_is_not_exercised_nor_more_than_there_is(
    simulator: Any, wait_until: Callable[..., Any]
) -> None:
    client = await simulator.connect()
    await hold(client, "SELL", 1, wait_until)
    for command, quantity in (("exercise", "1"), ("assign", "2")):
        with pytest.raises(AssertionError):
            await simulator.do(command, symbol=CALL, quantity=quantity)


@pytest.mark.parametrize(("spot", "positions"), [("460", {"SPY": "100"}), ("440", {})], ids=["in", "out of the money"])
async def test_the_day_after_its_last_an_option_is_exercised_or_gone(
    simulate: Callable[..., Any], wait_until: Callable[..., Any], spot: str, positions: dict[str, str]
) -> None:
    last_day = datetime(2024, 3, 15, 19, 0, tzinfo=UTC)
    async with simulate(symbols=("SPY", CALL), start=last_day, prices=(("SPY", Decimal(450)),)) as simulator:
        client = await simulator.connect(quotes=False)
        await hold(client, "BUY", 1, wait_until)
        simulator.world.set_price("SPY", Decimal(spot))
        await simulator.do("run_until", time="2024-03-18T08:30:00+00:00")
        assert simulator.world.snapshot()["DU1234567"]["positions"] == positions

"""Account values, positions and PnL as the real client gets them; they agree with the world's own books."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ib_async import Contract, MarketOrder


async def bought(client: Any, wait_until: Any, contract: Contract, quantity: int = 100) -> Any:
    trade = client.ib.placeOrder(contract, MarketOrder("BUY", quantity))
    await wait_until(lambda: trade.orderStatus.status == "Filled" and trade.fills[-1].commissionReport.execId)
    return trade


async def test_account_values_are_the_books(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    await bought(client, wait_until, aapl)
    cash = Decimal(simulator.world.snapshot()["DU1234567"]["cash"]["USD"])

    def told(tag: str) -> list[Decimal]:
        return [Decimal(v.value) for v in client.ib.accountValues() if v.tag == tag and v.currency == "USD"]

    await wait_until(lambda: told("TotalCashValue") == told("CashBalance") == [cash])


async def test_the_portfolio_follows_a_fill(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    trade = await bought(client, wait_until, aapl)
    (item,) = await wait_until(lambda: client.ib.portfolio())
    assert (item.position, item.averageCost) == (100, pytest.approx(trade.orderStatus.avgFillPrice))
    assert item.marketValue == pytest.approx(100 * item.marketPrice)


async def test_positions_are_told_and_pushed(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    assert await client.ib.reqPositionsAsync() == []
    await bought(client, wait_until, aapl)
    (position,) = await wait_until(lambda: client.ib.positions())
    assert (position.account, position.position) == ("DU1234567", 100)
    client.ib.placeOrder(aapl, MarketOrder("SELL", 100))
    await wait_until(lambda: client.ib.positions() == [])


async def test_closed_positions_are_not_listed(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect(1)
    await bought(client, wait_until, aapl)
    trade = client.ib.placeOrder(aapl, MarketOrder("SELL", 100))
    await wait_until(lambda: trade.orderStatus.status == "Filled")
    assert await (await simulator.connect(2)).ib.reqPositionsAsync() == []


async def test_the_summary_has_every_tag_of_the_real_client(simulator: Any) -> None:
    client = await simulator.connect()
    summary = await client.ib.accountSummaryAsync()
    tags = {value.tag for value in summary}
    assert {"NetLiquidation", "TotalCashValue", "BuyingPower", "InitMarginReq", "MaintMarginReq", "Cushion"} <= tags
    assert next(v.value for v in summary if v.tag == "NetLiquidation") == "1000000.00"
    assert {v.currency for v in summary if v.tag == "CashBalance"} == {"USD", "BASE"}


async def test_a_third_summary_is_322(simulator: Any) -> None:
    client = await simulator.raw(1)
    for number in (1, 2, 3):
        client.say(62, 1, number, "All", "NetLiquidation")
    assert (await client.error(322))[2] == "3"
    client.say(63, 1, 1)
    client.say(62, 1, 4, "All", "NetLiquidation")
    await client.got(64, 3)


async def test_pnl_comes_at_once_and_again(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    await bought(client, wait_until, aapl)
    pnl = client.ib.reqPnL("DU1234567")
    single = client.ib.reqPnLSingle("DU1234567", "", 265598)
    updates: list[Any] = []
    client.ib.pnlEvent += updates.append
    await wait_until(lambda: len(updates) >= 3 and single.position == 100)
    figures = simulator.world.figures("DU1234567")
    assert pnl.realizedPnL == figures.realized_pnl == 0
    client.ib.cancelPnL("DU1234567")


async def test_updates_of_one_account_under_a_request_id(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(76, 1, 5, "DU1234567", "", 0)
    await client.got(74)
    assert ["73", "1", "5", "DU1234567", "", "NetLiquidation", "1000000.00", "USD"] in client.of(73)
    client.say(74, 1, 6, "DU1234567", "")
    await client.got(72)


async def test_values_come_again_after_three_minutes_of_desk_time(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    client.say(6, 2, 1, "DU1234567")
    await client.got(54)
    await simulator.do("run_until", time="2024-03-05T15:10:00Z")
    await client.got(54, 2)


async def test_what_comes_again_are_the_values_that_changed(simulator: Any) -> None:
    """TWS says a value that stands once; all of them come to who subscribes anew."""
    client = await simulator.raw(1)
    client.say(6, 2, 1, "DU1234567")
    await client.got(54)
    all_of_them = len(client.of(6))
    await simulator.do("place_by_hand", symbol="AAPL", side="BUY", quantity="10")
    await simulator.do("run_until", time="2024-03-05T15:10:00Z")
    await client.got(54, 2)
    tags = [message[2] for message in client.of(6)[all_of_them:]]
    assert "TotalCashValue" in tags
    assert "AccountType" not in tags
    client.say(6, 2, 0, "DU1234567")
    client.say(6, 2, 1, "DU1234567")
    before = len(client.of(6))
    await client.got(54, len(client.of(54)) + 1)
    assert "AccountType" in [message[2] for message in client.of(6)[before:]]


async def test_one_figure_can_be_withheld_while_the_others_go_on(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("withhold", tag="NetLiquidation")
    client.say(6, 2, 1, "DU1234567")
    client.say(62, 1, 4, "All", "NetLiquidation,TotalCashValue")
    client.say(76, 1, 5, "DU1234567", "", 0)
    for end in (54, 64, 74):
        await client.got(end)
    told = [
        *(each[2] for each in client.of(6)),
        *(each[4] for each in client.of(63)),
        *(each[5] for each in client.of(73)),
    ]
    assert "NetLiquidation" not in told
    assert told.count("TotalCashValue") == 3
    await simulator.do("withhold", tag="NetLiquidation", on=False)
    client.say(6, 2, 1, "DU1234567")
    await client.got(54, 2)
    assert "NetLiquidation" in [each[2] for each in client.of(6)]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ((6, 2, 1, "DU999"), 321),
        ((62, 1, 4, "NoGroup", "NetLiquidation"), 321),
        ((76, 1, 4, "DU999", "", 0), 321),
        ((92, 4, "DU999", ""), 321),
        ((94, 4, "DU999", "", 265598), 321),
        ((93, 4), 300),
    ],
)
async def test_a_bad_request_about_an_account_is_refused(simulator: Any, message: tuple[Any, ...], code: int) -> None:
    client = await simulator.raw(1)
    client.say(*message)
    await client.error(code)


async def test_with_several_accounts_one_must_be_named(simulate: Any) -> None:
    async with simulate(accounts=("DU1", "DU2")) as simulator:
        client = await simulator.raw(1)
        assert client.of(15)[0][2] == "DU1,DU2"
        client.say(6, 2, 1, "")
        assert "account code is required" in (await client.error(321))[4]
        client.say(62, 1, 1, "All", "NetLiquidation")
        await client.got(64)
        assert {message[3] for message in client.of(63)} == {"DU1", "DU2"}


async def test_an_advisors_login_lists_its_accounts_and_tells_their_aliases(simulate: Any) -> None:
    async with simulate(accounts=("DF1", "DU1", "DU2")) as simulator:
        client = await simulator.raw(1)
        assert client.of(15)[0][2] == "DF1,DU1,DU2"
        client.say(18, 1, 3)
        told = (await client.got(16))[0]
        assert told[2] == "3"
        assert all(f"<account>{name}</account>" in told[3] for name in ("DF1", "DU1", "DU2"))


async def test_whoever_is_no_advisor_has_no_such_data(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(18, 1, 1)
    assert "non FA" in (await client.error(321))[4]

"""The account's figures at the simulated venue: several currencies, and a figure that is no longer said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox import messages
from signalbox.desk import DeskInstrument
from signalbox.messages import AccountState, VenueSnapshot
from simulators.world import WorldOptions

ORDERS = 11
ACCOUNT = "DU1234567"


async def told(desk: Any) -> AccountState | None:
    """The account as the gateway told it last."""
    found = [
        messages.decode(each.payload, AccountState) async for each in desk.recorder.read("STATE", "account.ibkr.*")
    ]
    return found[-1] if found else None


async def last_snapshot(desk: Any) -> VenueSnapshot:
    found: VenueSnapshot = [each for each in await desk.reports() if isinstance(each, VenueSnapshot)][-1]
    return found


class TestAPurchaseInAnotherCurrency:
    @pytest.fixture
    def world_options(self) -> WorldOptions:
        start = datetime(2024, 3, 5, 2, 0, tzinfo=UTC)
        return WorldOptions(symbols=("0700.HK",), speed=20.0, start=start, seed=5)

    async def test_it_leaves_the_accounts_own_cash_as_it_is(self, desk: Any) -> None:
        desk.desk = replace(desk.desk, instruments=(DeskInstrument(venue="ibkr", symbol="0700.HK"),))
        await desk.start()
        await desk.ready()
        first = await last_snapshot(desk)
        assert first.other_cash == {}
        await desk.submit("hk-1", symbol="0700.HK", quantity=Decimal(100))
        await desk.has("hk-1", "VenueFill")
        desk.mark = len(desk.links)
        await desk.dropped(ORDERS)
        await desk.ready()
        theirs = {name: Decimal(text) for name, text in desk.venue.world.snapshot()[ACCOUNT]["cash"].items()}
        assert theirs["HKD"] < 0
        snapshot = await last_snapshot(desk)
        assert (snapshot.cash, snapshot.other_cash) == (first.cash, {"HKD": theirs["HKD"]})

        async def stated() -> bool:
            state = await told(desk)
            return state is not None and state.cash_by_currency == theirs

        await desk.eventually(stated, "the account with its currencies")
        state = await told(desk)
        assert state is not None
        assert state.rates == {"HKD": Decimal("0.1280000")}
        assert state.cash == (theirs["USD"] + theirs["HKD"] * state.rates["HKD"]).quantize(Decimal("0.01"))

    async def test_money_that_comes_in_another_currency_is_told(self, desk: Any) -> None:
        desk.desk = replace(desk.desk, instruments=(DeskInstrument(venue="ibkr", symbol="0700.HK"),))
        await desk.start()
        await desk.ready()
        await desk.venue.do("deposit", amount="5000", currency="EUR")

        async def stated() -> bool:
            state = await told(desk)
            return state is not None and state.cash_by_currency.get("EUR") == 5000 and "EUR" in state.rates

        await desk.eventually(stated, "the euros")


@pytest.mark.parametrize("tag", ["AvailableFunds", "NetLiquidation", "TotalCashValue", "InitMarginReq"])
async def test_a_figure_that_is_no_longer_said_grows_old_beside_fresh_ones(desk: Any, tag: str) -> None:
    figure = {
        "AvailableFunds": "available_funds",
        "NetLiquidation": "net_liquidation",
        "TotalCashValue": "cash",
        "InitMarginReq": "initial_margin",
    }[tag]
    await desk.start()
    await desk.ready()
    await desk.eventually(lambda: told(desk), "the account")
    await desk.venue.do("withhold", tag=tag)
    began = desk.venue.world.now()

    async def grown() -> bool:
        state = await told(desk)
        assert state is not None
        fresh = state.said_at["buying_power"]
        return state.said_at[figure] <= began and fresh - began > timedelta(minutes=3)

    await desk.eventually(grown, "an old figure beside fresh ones")

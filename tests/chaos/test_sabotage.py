"""A campaign would see it: with a guard taken out of a gateway, the desk's books are not the venue's any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox.messages import OrderIntent, OrderType, Side, TimeInForce, VenueAccepted, VenueFill

from tests.chaos.campaign import SETTLE_SECONDS_MAX, Campaign
from tests.chaos.dydx_lots import SUBACCOUNTS
from tests.chaos.sabotaged.__main__ import VARIABLE
from tests.chaos.seeds import SIDES
from tests.conftest import ROOT, NatsServer
from tests.venue.processes import ForkServer

SEED = 2
"""With it the markets are open and their clock is ours."""
WAIT_SECONDS_MAX, RECHECK_SECONDS = 120.0, 0.05
SETTLE_SABOTAGED_SECONDS_MAX = 6.0
"""It need not be waited for what never comes."""
SEEN = {"claim": "nobody claimed", "dedupe": "times: ('VenueFill'", "recovery": "a fill was not reported", "": ""}
MARKET = {"ibkr": ("SPY", Decimal(450)), "dydx": ("BTC-USD", Decimal(100_000))}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ForkServer]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=":")
        sabotaged, oms = ForkServer("tests.chaos.sabotaged"), ForkServer("oms")
    yield {"gateway_ibkr": sabotaged, "gateway_dydx": sabotaged, "oms": oms}
    sabotaged.close()
    oms.close()


@pytest.mark.parametrize("venue", SIDES)
@pytest.mark.parametrize("guard", SEEN)
async def test_a_campaign_sees_which_guard_is_missing_and_nothing_if_none_is(
    venue: str, guard: str, servers: dict[str, ForkServer], nats_server: NatsServer, tmp_path: Path
) -> None:
    settle_seconds_max = SETTLE_SABOTAGED_SECONDS_MAX if guard else SETTLE_SECONDS_MAX
    sabotage = {VARIABLE: f"{venue}:{guard}"}
    campaign = Campaign(SIDES[venue], SEED, tmp_path, nats_server, servers, settle_seconds_max, sabotage)
    try:
        await campaign.open()
        await fills_before_and_after_a_death(campaign)
        wrong = await campaign.settle()
    finally:
        await campaign.close()
    assert any(SEEN[guard] in each for each in wrong) if guard else wrong == [], "\n".join(
        [*wrong, *campaign.hand.story]
    )


async def fills_before_and_after_a_death(campaign: Campaign) -> None:
    """An order is filled, which the venue tells twice; another one rests, and is filled while the gateway is dead."""
    symbol, price = MARKET[campaign.side.venue]
    terms: dict[str, Any] = {"venue": campaign.side.venue, "account": campaign.side.account, "symbol": symbol}
    terms |= {"at": campaign.hand.clock.now(), "side": Side.BUY, "quantity": Decimal(1)}
    resting = {"order_type": OrderType.LIMIT, "limit_price": price * 95 / 100, "time_in_force": TimeInForce.GTC}

    async def told(what: type, order_id: str) -> bool:
        return any(
            isinstance(each, what) and order_id in (getattr(each, "order_id", ""), getattr(each, "fill", each).order_id)
            for each in await campaign.reports()
        )

    async def both_are_filled() -> bool:
        await campaign.wrong()
        return campaign.side.fills >= 2

    if campaign.side.venue == "dydx":  # IBKR does so whenever it is asked
        await campaign.hand.do("duplicate_updates", count=6, **SUBACCOUNTS)
    await campaign.place(OrderIntent(id="at-once", order_type=OrderType.MARKET, **terms))
    await until(lambda: told(VenueFill, "at-once"))
    await campaign.place(OrderIntent(id="later", **terms, **resting))
    await until(lambda: told(VenueAccepted, "later"))
    async with campaign.gateway_killed():
        await campaign.hand.do("set_price", symbol=symbol, price=str(price * 90 / 100))
        await until(both_are_filled)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(RECHECK_SECONDS)

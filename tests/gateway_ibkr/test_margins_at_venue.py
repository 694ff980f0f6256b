"""What opening binds, asked of the simulated venue by orders that are not placed, where the desk wants that."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from gateway_ibkr.settings import Margin
from signalbox import messages
from signalbox.messages import AccountState, MarginRate


async def rates(desk: Any) -> dict[str, MarginRate]:
    """As the gateway told them last."""
    found = [
        messages.decode(each.payload, AccountState) async for each in desk.recorder.read("STATE", "account.ibkr.*")
    ]
    return {rate.symbol: rate for rate in found[-1].margin_rates} if found else {}


class TestADeskThatAsks:
    @pytest.fixture
    def gateway_settings(self) -> dict[str, Any]:
        return {"ibkr_margin": Margin.WHAT_IF}

    async def test_the_venue_says_a_part_of_the_value_and_nothing_is_placed(self, desk: Any) -> None:
        await desk.start()
        await desk.ready()

        async def told() -> bool:
            return "SPY" in await rates(desk)

        await desk.eventually(told, "what opening binds")
        rate = (await rates(desk))["SPY"]
        # Its prices move between the question and the quote that it is held against
        assert Decimal("0.45") < rate.initial < Decimal("0.55")
        assert Decimal("0.2") < rate.maintenance_buying < Decimal("0.3")
        assert desk.venue.world.orders() == ()

    async def test_what_the_venue_does_not_answer_is_not_told_and_ends_nothing(self, desk: Any) -> None:
        await desk.venue.do("omit", kind="openOrder", client=11, count=1)
        await desk.start()
        await desk.ready()
        await desk.submit("after", quantity=Decimal(1))
        await desk.has("after", "VenueFill")


async def test_a_desk_that_does_not_want_it_asks_nothing(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("o-1", quantity=Decimal(1))
    await desk.has("o-1", "VenueFill")
    assert await rates(desk) == {}

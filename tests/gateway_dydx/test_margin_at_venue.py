"""The account's margins at the simulated chain: what the gateway reckons is what the chain wants."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox import messages
from signalbox.messages import AccountState


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    return {"reconcile_seconds": 0.3}


async def told(desk: Any) -> AccountState | None:
    """The account as the gateway told it last."""
    found = [
        messages.decode(each.payload, AccountState) async for each in desk.recorder.read("STATE", "account.dydx.*")
    ]
    return found[-1] if found else None


def wanted(desk: Any) -> Any:
    """What the chain has of the account."""
    address, _, number = desk.account.rpartition("-")
    return desk.venue.chain.subaccount(address, int(number))


async def agrees(desk: Any) -> bool:
    """The gateway's margins are the chain's, at the price of this moment or of a moment before."""
    state, theirs = await told(desk), wanted(desk)
    if state is None or not theirs.initial_margin or not state.initial_margin:
        return False
    return bool(
        abs(state.initial_margin / theirs.initial_margin - 1) < Decimal("0.01")
        and abs(state.maintenance_margin / theirs.maintenance_margin - 1) < Decimal("0.01")
    )


async def test_margins_follow_open_interest_and_the_owners_leverage(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    price = str(desk.venue.price() + 1000)
    placing = {"account": desk.account, "symbol": "BTC-USD", "side": "BUY", "quantity": "0.1", "price": price}
    await desk.venue.do("place_external", kind="SHORT_TERM", time_in_force="IOC", **placing)
    await desk.eventually(lambda: agrees(desk), "the margin of the market alone")
    alone = wanted(desk).initial_margin
    others = Decimal(4_500_000) / desk.venue.price()
    await desk.venue.do("open_interest", symbol="BTC-USD", lower_cap="2000000", upper_cap="5000000", others=str(others))

    async def raised() -> bool:
        state = await told(desk)
        return state is not None and "BTC-USD" in state.initial_margin_fractions and await agrees(desk)

    await desk.eventually(raised, "the margin near the cap")
    assert wanted(desk).initial_margin > 40 * alone
    await desk.venue.do("open_interest", symbol="BTC-USD", lower_cap="0", upper_cap="0")
    await desk.venue.do("leverage", account=desk.account, symbol="BTC-USD", leverage="2")
    await desk.eventually(raised, "the margin of the owner's leverage")

    async def half() -> bool:
        state = await told(desk)
        return state is not None and state.initial_margin_fractions == {"BTC-USD": Decimal("0.5")}

    await desk.eventually(half, "half of the value, by leverage")
    assert runtime.details()["leverage"] == "BTC-USD: 2", "`signalbox status` shows it"

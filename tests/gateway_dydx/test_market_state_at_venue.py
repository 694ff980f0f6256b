"""The state of a market, from governance at the venue to the instrument, the screens and the gateway's own door."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.messages import Instrument, MarketState, OrderType, TimeInForce

STATES = {
    "PAUSED": MarketState.PAUSED,
    "CANCEL_ONLY": MarketState.CANCEL_ONLY,
    "POST_ONLY": MarketState.POST_ONLY,
    "INITIALIZING": MarketState.INITIALIZING,
    "FINAL_SETTLEMENT": MarketState.SETTLING,
}
RESTING = {"order_type": OrderType.LIMIT, "limit_price": Decimal(90_000), "time_in_force": TimeInForce.GTC}


async def told(desk: Any, symbol: str = "BTC-USD") -> Instrument | None:
    stored = await desk.recorder.last("STATE", subjects.instrument("dydx", symbol))
    return messages.decode(stored.payload, Instrument) if stored is not None else None


async def becomes(desk: Any, state: MarketState) -> None:
    async def is_so() -> bool:
        found = await told(desk)
        return found is not None and found.market_state is state

    await desk.eventually(is_so, f"{state}")


@pytest.mark.parametrize("status", STATES)
async def test_a_state_reaches_the_instrument_and_the_screens_and_nothing_is_sent(
    desk: Any, metric: Any, status: str
) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.submit("rests", **RESTING)
    await desk.has("rests", "VenueAccepted")
    await desk.venue.do("market", symbol="BTC-USD", status=status)
    await becomes(desk, STATES[status])
    assert f"BTC-USD: {status}" in runtime.details()["not_open"]
    state = STATES[status]
    assert metric("signalbox_venue_market_state", venue="dydx", symbol="BTC-USD", state=state.value) == 1
    assert metric("signalbox_venue_market_state", venue="dydx", symbol="BTC-USD", state="OPEN") == 0
    await desk.submit("late")
    await desk.has("late", "VenueRejected")
    (rejected,) = await desk.reports("late")
    assert status in rejected.reason
    assert await desk.ledger("late") == []
    if status == "POST_ONLY":
        await desk.submit("posts", post_only=True, **RESTING)
        await desk.has("posts", "VenueAccepted")
        await desk.cancel("posts")
        await desk.has("posts", "VenueCanceled")
    if status == "FINAL_SETTLEMENT":
        await desk.has("rests", "VenueCanceled")
        return
    await desk.cancel("rests")
    await desk.has("rests", "VenueCanceled")
    await desk.venue.do("market", symbol="BTC-USD", status="ACTIVE")
    await becomes(desk, MarketState.OPEN)
    await desk.submit("then")
    await desk.has("then", "VenueFill")


@pytest.mark.parametrize("status", STATES)
async def test_a_state_that_holds_at_the_start_is_told_at_the_start(desk: Any, status: str) -> None:
    await desk.venue.do("market", symbol="BTC-USD", status=status)
    runtime = await desk.start()
    await desk.ready()
    await becomes(desk, STATES[status])
    assert runtime.details()["not_open"] == f"BTC-USD: {status}"
    await desk.submit("eth", symbol="ETH-USD", quantity=Decimal("0.1"))
    await desk.has("eth", "VenueFill")


async def test_a_word_that_nobody_knows_is_not_taken_for_open(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.venue.do("garble", field="status", value="HALTED_FOR_TEA", symbol="BTC-USD")
    await desk.venue.do("market", symbol="BTC-USD", status="PAUSED")
    await becomes(desk, MarketState.UNKNOWN)
    assert "BTC-USD: HALTED_FOR_TEA" in runtime.details()["not_open"]


async def test_an_isolated_market_says_so_in_its_instrument(desk: Any) -> None:
    await desk.venue.do("market", symbol="ETH-USD", type="ISOLATED")
    await desk.start()
    await desk.ready()
    found = await told(desk, "ETH-USD")
    assert found is not None
    assert found.is_isolated
    await desk.venue.do("market", symbol="BTC-USD", type="ISOLATED")

    async def both() -> bool:
        later = await told(desk)
        return later is not None and later.is_isolated

    await desk.eventually(both, "the other one too")


async def test_what_the_websocket_tells_counts_before_what_rest_said_a_second_ago(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await becomes(desk, MarketState.OPEN)
    await desk.venue.do("market", symbol="BTC-USD", status="PAUSED")
    await desk.venue.do("garble", field="status", value="ACTIVE", symbol="BTC-USD")  # REST alone: that was told already
    await becomes(desk, MarketState.PAUSED)
    await becomes(desk, MarketState.OPEN)  # REST has the last word all the same

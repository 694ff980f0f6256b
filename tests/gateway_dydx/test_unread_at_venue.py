"""Rows that make no sense, through the real client library: their market waits, and the others trade on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import LinkStatus, OrderType, TimeInForce

ETH = {"symbol": "ETH-USD", "quantity": Decimal("0.1")}


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    return {"reconcile_seconds": 2.0, "data_reconcile_seconds": 1.0}


async def others_trade_and_it_does_not(desk: Any, runtime: Any) -> None:
    await desk.eventually(lambda: "ETH-USD" in runtime.details()["unread"], "what stands unread")
    await desk.submit("eth-now", **ETH)
    await desk.has("eth-now", "VenueRejected")
    (rejected,) = await desk.reports("eth-now")
    assert "what the venue says of ETH-USD can not be read" in rejected.reason
    assert await desk.ledger("eth-now") == []
    await desk.submit("btc-now")
    await desk.has("btc-now", "VenueFill")
    await desk.eventually(lambda: desk.status is LinkStatus.READY, "READY for the others")
    await desk.venue.do("ungarble")
    await desk.eventually(lambda: not runtime.details()["unread"], "nothing unread")
    await desk.submit("eth-then", **ETH)
    await desk.has("eth-then", "VenueFill")


@pytest.mark.parametrize(
    ("field", "value"),
    [("oraclePrice", "0"), ("oraclePrice", "-1"), ("initialMarginFraction", "some"), ("stepBaseQuantums", "")],
)
async def test_a_market_that_makes_no_sense_waits_alone(desk: Any, field: str, value: str) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.venue.do("garble", field=field, value=value, symbol="ETH-USD")
    await others_trade_and_it_does_not(desk, runtime)


@pytest.mark.parametrize("field", ["entryPrice", "createdAtHeight", "liquidity"])
async def test_what_is_held_and_filled_there_and_makes_no_sense_has_its_market_wait(desk: Any, field: str) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.submit("eth-before", **ETH)
    await desk.has("eth-before", "VenueFill", "VenueCommission")
    await desk.venue.do("garble", field=field, value="?" if field != "liquidity" else "", symbol="ETH-USD")
    if field == "liquidity":  # it may be missing: nothing follows from that
        await desk.submit("eth-again", **ETH)
        await desk.has("eth-again", "VenueFill")
        return
    await desk.venue.do("place_external", account=desk.account, symbol="ETH-USD", side="BUY", quantity=0.1, price=4100)
    await others_trade_and_it_does_not(desk, runtime)


async def test_a_fill_that_makes_no_sense_is_booked_once_when_it_can_be_read(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.venue.do("garble", field="price", value="?", symbol="ETH-USD")
    await desk.submit("eth-hidden", **ETH)
    await desk.eventually(lambda: "fill" in runtime.details()["unread"], "an unread fill")
    await desk.blocks(60)  # long after its last block nothing is made of the order: its fills are not known
    assert "VenueCanceled" not in await desk.kinds("eth-hidden")
    assert "VenueExpired" not in await desk.kinds("eth-hidden")
    await desk.venue.do("ungarble")
    await desk.has("eth-hidden", "VenueFill", "VenueCommission")
    assert (await desk.kinds("eth-hidden")).count("VenueFill") == 1


async def test_a_restart_while_a_fill_can_not_be_read_loses_nothing(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.venue.do("garble", field="price", value="?", symbol="ETH-USD")
    await desk.submit("eth-hidden", **ETH)
    await desk.eventually(lambda: "fill" in runtime.details()["unread"], "an unread fill")
    await desk.stop(runtime)
    desk.mark = len(desk.links)
    await desk.start()
    await desk.ready()
    await desk.blocks(20)
    await desk.venue.do("ungarble")
    await desk.has("eth-hidden", "VenueFill", "VenueCommission")


async def test_orders_of_other_programs_that_make_no_sense_stop_their_market_alone(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    resting = {"order_type": OrderType.LIMIT, "limit_price": Decimal(90_000), "time_in_force": TimeInForce.GTC}
    await desk.submit("btc-rests", **resting)
    await desk.has("btc-rests", "VenueAccepted")
    await desk.venue.do("garble", field="size", value="?", symbol="ETH-USD")
    await desk.venue.do("place_external", account=desk.account, symbol="ETH-USD", side="BUY", quantity=0.1, price=3000)
    await others_trade_and_it_does_not(desk, runtime)
    await desk.cancel("btc-rests")
    await desk.has("btc-rests", "VenueCanceled")

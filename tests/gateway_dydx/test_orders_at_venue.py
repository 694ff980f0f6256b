"""Orders of every kind at the simulated dYdX: placed, filled, cancelled, expired, refused, renewed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from signalbox.messages import Liquidity, OrderType, Side, VenueFill


async def test_a_market_order_fills_as_taker_with_its_commission(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("m-1", quantity=Decimal("0.01"))
    await desk.has("m-1", "VenueAccepted", "VenueFill", "VenueCommission")
    fills = [each for each in await desk.reports("m-1") if isinstance(each, VenueFill)]
    assert sum(each.fill.quantity for each in fills) == Decimal("0.01")
    assert {each.fill.liquidity for each in fills} == {Liquidity.TAKER}


async def test_a_resting_order_is_cancelled_and_its_end_reported_once_its_last_block_is_over(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    price = desk.venue.price() - 5000
    await desk.submit("l-1", order_type=OrderType.LIMIT, limit_price=price, side=Side.BUY)
    await desk.has("l-1", "VenueAccepted")
    await desk.cancel("l-1")
    await desk.has("l-1", "VenueCanceled")
    assert (await desk.at_venue("l-1")).status in ("CANCELED", "BEST_EFFORT_CANCELED")
    assert await desk.kinds("l-1") == ["VenueAccepted", "VenueCanceled"]

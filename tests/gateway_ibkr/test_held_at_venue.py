"""Held is not rejected: an order that the venue has and does not work can come to life, be refused, or be cancelled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import OrderType, Side, TimeInForce, VenueHeld, VenueRejected, VenueSnapshot

SHORT = {"side": Side.SELL, "quantity": Decimal(10)}
RESTING = {"order_type": OrderType.LIMIT, "limit_price": Decimal(300), "time_in_force": TimeInForce.GTC}
REASONS = ["locate", "No shares to borrow at present"]


async def held(desk: Any, order_id: str, reason: str, **terms: Any) -> int:
    """Have an order held; the venue's number of it."""
    await desk.venue.do("hold_next", reason=reason)
    await desk.submit(order_id, **terms)
    await desk.has(order_id, "VenueAccepted", "VenueHeld")
    (number,) = (await desk.venue.do("held"))["numbers"]
    return int(number)


async def reconciled(desk: Any) -> None:
    desk.mark = len(desk.links)
    await desk.dropped(11)
    await desk.ready()


@pytest.mark.parametrize("reason", REASONS)
async def test_a_held_order_comes_to_life_and_fills(desk: Any, reason: str) -> None:
    await desk.start()
    await desk.ready()
    number = await held(desk, "h-1", reason, **SHORT)
    (told,) = [each for each in await desk.reports("h-1") if isinstance(each, VenueHeld)]
    assert ("located" if reason == "locate" else reason) in told.reason
    await reconciled(desk)
    snapshot = [each for each in await desk.reports() if isinstance(each, VenueSnapshot)][-1]
    assert [each.order_id for each in snapshot.open_orders] == ["h-1"]
    await desk.venue.do("release", number=number)
    kinds = await desk.has("h-1", "VenueReleased", "VenueFill", "VenueCommission")
    assert kinds.count("VenueHeld") == kinds.count("VenueReleased") == 1
    assert "VenueRejected" not in kinds
    assert len(desk.venue.orders_of("h-1")) == 1


@pytest.mark.parametrize("reason", REASONS)
async def test_a_held_order_can_be_cancelled(desk: Any, reason: str) -> None:
    await desk.start()
    await desk.ready()
    await held(desk, "h-1", reason, **SHORT)
    await desk.cancel("h-1")
    kinds = await desk.has("h-1", "VenueCanceled")
    assert "VenueRejected" not in kinds
    assert desk.venue.orders_of("h-1") == []


@pytest.mark.parametrize("reason", REASONS)
async def test_a_held_order_that_is_refused_after_all_is_rejected_with_the_venues_words(desk: Any, reason: str) -> None:
    await desk.start()
    await desk.ready()
    number = await held(desk, "h-1", reason, **SHORT)
    await desk.venue.do("refuse_held", number=number, reason="none were found")
    await desk.has("h-1", "VenueRejected")
    (report,) = [each for each in await desk.reports("h-1") if isinstance(each, VenueRejected)]
    assert "none were found" in report.reason


@pytest.mark.parametrize("reason", REASONS)
async def test_a_held_order_that_is_refused_unheard_is_rejected_by_the_next_gateway(desk: Any, reason: str) -> None:
    runtime = await desk.start()
    await desk.ready()
    number = await held(desk, "h-1", reason, **SHORT)
    await desk.stop(runtime)
    await desk.venue.do("refuse_held", number=number, reason="none were found")
    await desk.start()
    await desk.has("h-1", "VenueRejected")
    (report,) = [each for each in await desk.reports("h-1") if isinstance(each, VenueRejected)]
    assert "none were found" in report.reason


@pytest.mark.parametrize("reason", REASONS)
async def test_a_held_order_is_held_for_the_next_gateway_and_told_once(desk: Any, reason: str) -> None:
    runtime = await desk.start()
    await desk.ready()
    number = await held(desk, "h-1", reason, **RESTING)
    await desk.stop(runtime)
    desk.mark = len(desk.links)
    await desk.start()
    await desk.ready()
    assert (await desk.kinds("h-1")).count("VenueHeld") == 1
    await desk.venue.do("release", number=number)
    await desk.has("h-1", "VenueReleased")
    await desk.cancel("h-1")
    await desk.has("h-1", "VenueCanceled")

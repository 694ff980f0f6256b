"""V0x: orders of each kind reach the venue once, and do there what they say."""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import LedgerClaimed, LedgerSent

from .desk import Desk, OrderStatus, OrderType, Side


async def test_v01_market_order_fills(desk: Desk, order_id: str) -> None:
    """A market order to buy is approved.

    It is claimed, then sent, then recorded as sent; the venue has one order; the fills add up to its quantity.
    """
    await desk.submit(order_id)
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert desk.filled_quantity(order_id) == desk.bench.small
    (placed,) = desk.bench.placed(order_id)
    assert (placed.filled, placed.working) == (desk.bench.small, False)
    assert [type(entry) for entry in await desk.ledger(order_id)] == [LedgerClaimed, LedgerSent]


async def test_v02_limit_order_rests(desk: Desk, order_id: str) -> None:
    """A limit order is placed away from the market.

    It is accepted under the venue's own id, works there, and nothing of it trades.
    """
    await desk.working(order_id)
    accepted = await desk.reported(order_id, "VenueAccepted")
    (placed,) = desk.bench.placed(order_id)
    assert accepted.venue_order_id == placed.number
    assert (placed.filled, placed.working) == (Decimal(0), True)
    await desk.bench_market.trade()
    assert desk.status(order_id) is OrderStatus.NEW


async def test_v03_limit_order_that_crosses_fills_within_its_limit(desk: Desk, order_id: str) -> None:
    """A limit order is placed at a price beyond the other side of the book.

    It fills at once, at its limit or better.
    """
    limit = desk.bench_market.crossing_price(Side.BUY)
    await desk.filled(order_id, order_type=OrderType.LIMIT, limit_price=limit)
    assert all(fill.price <= limit for fill in desk.fills(order_id))

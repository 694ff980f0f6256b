"""V3x: the desk changes an order by ending it and placing another; a venue's short life of orders is made longer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from signalbox.messages import OrderStatus, OrderType, Side, TimeInForce

from .desk import Desk


async def test_v30_order_is_changed_in_place(desk: Desk, order_id: str) -> None:
    """A resting order is to have another price.

    The venue changes its price, and it keeps its id.
    """
    assert desk.cannot is not None
    second = f"{order_id}-second"
    await desk.working(order_id)
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    await desk.working(second, limit_price=desk.bench_market.price("0.92"))
    ((first_placed,), (second_placed,)) = desk.bench.placed(order_id), desk.bench.placed(second)
    assert (first_placed.working, second_placed.working) == (False, True)
    assert first_placed.number != second_placed.number


async def test_v31_partly_filled_order_is_changed_in_place(desk: Desk, order_id: str) -> None:
    """An order that is filled in part is to have another price.

    The venue changes the price of the rest; what has traded counts.
    """
    assert desk.cannot is not None
    second = f"{order_id}-second"
    await desk.partially_filled(order_id)
    (placed,) = desk.bench.placed(order_id)
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    rest = placed.quantity - desk.filled_quantity(order_id)
    assert rest > 0
    await desk.submit(
        second, order_type=OrderType.LIMIT, quantity=rest, limit_price=desk.bench_market.crossing_price(Side.BUY)
    )
    await desk.trades_until(second, OrderStatus.FILLED)
    assert desk.filled_quantity(order_id) + desk.filled_quantity(second) == placed.quantity


async def test_v32_day_order_is_kept_alive_by_renewal(desk: Desk, order_id: str) -> None:
    """An order for the day rests for longer than the venue lets such an order live.

    The gateway renews it: it works on, as one order with one id, accepted once.
    """
    if desk.cannot is not None:
        await desk.working(order_id, time_in_force=TimeInForce.DAY)
        await desk.bench_market.trade(3600)
        assert desk.status(order_id) is OrderStatus.NEW
        return
    await desk.working(order_id, time_in_force=TimeInForce.DAY)
    await desk.bench.outlive(order_id)
    assert desk.status(order_id) is OrderStatus.NEW
    assert await desk.kinds(order_id) == ["VenueAccepted"]
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert desk.filled_quantity(order_id) == Decimal(0)


async def test_v33_renewed_order_keeps_count_of_its_fills(desk: Desk, order_id: str) -> None:
    """An order for the day is filled in part, is renewed, and the market brings the rest.

    It is FILLED with its quantity, and nothing more trades.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.partially_filled(order_id, time_in_force=TimeInForce.DAY)
    await desk.bench.renewal(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    (placed,) = desk.bench.placed(order_id)
    assert desk.filled_quantity(order_id) == placed.quantity


async def test_v34_renewed_order_trades_no_more_than_its_quantity(desk: Desk, order_id: str) -> None:
    """An order for the day is filled in part, rests longer than the venue remembers that, and the market goes on.

    It trades its quantity altogether and nothing more, or ends EXPIRED, with the reason, and what it has traded.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    quantity = desk.bench_market.beyond_the_book(Side.BUY)
    await desk.partially_filled(order_id, time_in_force=TimeInForce.DAY, quantity=quantity)
    for _ in range(2):
        await desk.bench.outlive(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED, OrderStatus.EXPIRED)
    if desk.status(order_id) is OrderStatus.EXPIRED:
        assert "filled in part" in (await desk.reported(order_id, "VenueExpired")).reason
    else:
        assert desk.filled_quantity(order_id) == quantity
    await desk.bench_market.trade(30)
    await desk.bench.outlive(order_id)
    assert sum(placed.filled for placed in desk.bench.placed(order_id)) == desk.filled_quantity(order_id) <= quantity

"""V6x: messages that come twice, late, in another order or never change nothing of what is booked."""

from __future__ import annotations

import pytest
from signalbox.messages import OrderStatus

from .desk import Desk


async def test_v60_news_that_comes_twice(desk: Desk, order_id: str) -> None:
    """The venue sends its messages about an order and its fills twice.

    Each report is made once, each fill booked once.
    """
    await desk.bench.duplicate_news()
    await desk.partially_filled(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.adds_up()


async def test_v61_news_that_changes_places(desk: Desk, order_id: str) -> None:
    """The venue's messages overtake each other: fills before the acceptance, fees before fills.

    The order is FILLED, and all of it is booked once.
    """
    await desk.bench.reorder_news()
    await desk.submit(order_id)
    await desk.becomes(order_id, OrderStatus.FILLED)
    await desk.adds_up()
    assert "VenueAccepted" in await desk.kinds(order_id)


async def test_v62_news_that_never_comes(desk: Desk, order_id: str) -> None:
    """The venue's messages about an order and its fills are lost; the connection stays.

    The gateway asks by itself, and nothing is missing in the end.
    """
    await desk.bench.lose_news()
    await desk.submit(order_id)
    await desk.becomes(order_id, OrderStatus.FILLED)
    await desk.adds_up()


async def test_v63_fill_that_is_told_after_the_cancel(desk: Desk, order_id: str) -> None:
    """An order trades in part, the news of it is lost, and the order is cancelled.

    It is CANCELED, and the fill is booked when it is told at last.
    """
    await desk.working(order_id, quantity=desk.bench.large)
    await desk.bench.lose_news()
    desk.bench_market.move("0.89")
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    await desk.adds_up()
    (placed,) = desk.bench.placed(order_id)
    assert desk.filled_quantity(order_id) == placed.filled > 0
    assert desk.status(order_id) is OrderStatus.CANCELED


async def test_v64_execution_that_the_venue_corrects(desk: Desk, order_id: str) -> None:
    """The venue corrects the price of an execution after it was booked.

    The fill has a new revision, which replaces the old one in the books.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    desk.spoiled = True
    await desk.filled(order_id)
    (first,) = desk.fills(order_id)
    corrected = first.price - 1
    await desk.bench_market.do("correct_execution", execution_id=first.execution_id, price=str(corrected))
    await desk.eventually(lambda: desk.fills(order_id)[0].price == corrected, "the corrected price")
    (fill,) = desk.fills(order_id)
    assert (fill.execution_id, fill.quantity) == (first.execution_id, first.quantity)
    assert fill.revision > first.revision


async def test_v65_execution_that_the_venue_takes_back(desk: Desk, order_id: str) -> None:
    """The venue busts an execution after it was booked.

    Its quantity is 0 in the books; the order's end stands, and is not guessed anew.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    desk.spoiled = True
    await desk.filled(order_id)
    (first,) = desk.fills(order_id)
    await desk.bench_market.do("correct_execution", execution_id=first.execution_id, quantity="0")
    await desk.eventually(lambda: desk.fills(order_id)[0].quantity == 0, "the bust")
    assert desk.status(order_id) is OrderStatus.FILLED


async def test_v66_news_that_comes_late(desk: Desk, order_id: str) -> None:
    """The venue's messages are held up for a while, and then come all at once.

    Nothing is given up meanwhile; the order is FILLED, and booked once.
    """
    desk.bench.hold_news()
    await desk.submit(order_id)
    await desk.at_venue(order_id)
    await desk.until_done_at_venue(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED)
    await desk.adds_up()

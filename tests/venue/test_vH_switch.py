"""VHx: The desk's switch, which a gateway obeys by itself."""

from __future__ import annotations

from signalbox.messages import OrderStatus, Side, TradingMode

from .desk import Desk


async def test_vH0_order_that_was_approved_before_a_halt(desk: Desk, order_id: str) -> None:
    """The desk is halted; then comes the command of an order that risk had approved before. Later it is armed again.

    The order is REJECTED by the gateway, with who and why, and never sent, also when its command comes again.
    """
    async with desk.switched(TradingMode.HALTED, "the feed is mad"):
        await desk.submit(order_id)
        await desk.becomes(order_id, OrderStatus.REJECTED)
        report = await desk.reported(order_id, "VenueRejected")
        assert "trading is halted by operator: the feed is mad" in report.reason
    await desk.submit(f"{order_id}-2")
    await desk.becomes(f"{order_id}-2", OrderStatus.FILLED)
    assert desk.bench.placed(order_id) == []
    assert desk.status(order_id) is OrderStatus.REJECTED
    await desk.flat(f"{order_id}-3")


async def test_vH1_what_reduces_goes_through_a_halt(desk: Desk, order_id: str) -> None:
    """A position is held, and an order works. The desk is halted: the position is closed, and the order is cancelled.

    Both are done.
    """
    await desk.filled(order_id)
    await desk.working(f"{order_id}-rests")
    async with desk.switched(TradingMode.HALTED, "everybody out"):
        await desk.submit(f"{order_id}-out", side=Side.SELL)
        await desk.becomes(f"{order_id}-out", OrderStatus.FILLED)
        await desk.cancel(f"{order_id}-rests")
        await desk.becomes(f"{order_id}-rests", OrderStatus.CANCELED)

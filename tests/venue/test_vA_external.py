"""VAx: others trade in the same account, and the desk's books are the account's all the same."""

from __future__ import annotations

from signalbox.messages import OrderStatus, Side
from signalbox.subjects import EXTERNAL_PREFIX

from .desk import Desk


async def test_vA0_order_placed_by_somebody_else_trades(desk: Desk, order_id: str) -> None:
    """Another program buys in the same account.

    Its fill is booked under an external order, with its fee; the desk placed nothing.
    """
    before = len(desk.fills())
    number = await desk.bench.place_by_hand(Side.BUY, desk.bench.small, None)
    await desk.eventually(lambda: len(desk.fills()) > before, "the fill on the desk")
    await desk.adds_up()
    assert desk.filled_quantity(EXTERNAL_PREFIX + number) == desk.bench.small


async def test_vA1_order_placed_by_somebody_else_is_in_the_snapshot(desk: Desk, order_id: str) -> None:
    """Another program's order rests in the account when the gateway reconciles.

    The snapshot lists it under the venue's id and no order of the desk; the desk leaves it alone.
    """
    price = desk.bench_market.resting_price(Side.BUY)
    number = await desk.bench.place_by_hand(Side.BUY, desk.bench.small, price)
    await desk.kill()
    await desk.start()
    listed = [each for each in (await desk.snapshots())[-1].open_orders if each.venue_order_id == number]
    assert [each.order_id.removeprefix(EXTERNAL_PREFIX) for each in listed] in ([""], [number])
    await desk.bench.cancel_by_hand(number)


async def test_vA2_desks_order_is_cancelled_by_somebody_else(desk: Desk, order_id: str) -> None:
    """Another program cancels the desk's order while the gateway watches.

    It is CANCELED, with words that say it was not this desk.
    """
    await desk.working(order_id)
    await desk.bench.cancel_by_hand(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert "not by this desk" in (await desk.reported(order_id, "VenueCanceled")).reason


async def test_vA3_somebody_else_trades_while_the_gateway_is_away(desk: Desk, order_id: str) -> None:
    """Another program trades in the account while the gateway is dead.

    Its fill is booked once when the next gateway reconciles.
    """
    await desk.kill()
    number = await desk.bench.place_by_hand(Side.SELL, desk.bench.small, None)
    await desk.until_executed()
    await desk.start()
    await desk.adds_up()
    assert desk.filled_quantity(EXTERNAL_PREFIX + number) == desk.bench.small


async def test_vA4_external_order_comes_and_goes(desk: Desk, order_id: str) -> None:
    """Another program's order rests and is cancelled by that program, while the desk's own order rests beside it.

    The desk's order is untouched, and nothing is booked.
    """
    await desk.working(order_id)
    before = len(desk.fills())
    number = await desk.bench.place_by_hand(Side.BUY, desk.bench.small, desk.bench_market.resting_price(Side.BUY))
    await desk.bench.cancel_by_hand(number)
    await desk.bench_market.trade()
    await desk.adds_up()
    assert len(desk.fills()) == before
    assert desk.status(order_id) is OrderStatus.NEW

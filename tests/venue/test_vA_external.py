"""VAx: others trade in the same account, and the desk's books are the account's all the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import OrderCreated, OrderStatus, OrderType, Side
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


def order_of(desk: Desk, number: str) -> Any:
    return desk.oms.state.find_order(desk.bench.venue, desk.bench.account, EXTERNAL_PREFIX + number)


async def shown(desk: Desk, price: Decimal | None = None) -> str:
    """Have an order of another program rest, and the desk know it; the venue's id of it."""
    if not desk.bench.tells_of_others:
        pytest.skip("this broker's gateway is not told of the orders of others")
    number = await desk.bench.place_by_hand(
        Side.BUY, desk.bench.small, price or desk.bench_market.resting_price(Side.BUY)
    )
    await desk.becomes(EXTERNAL_PREFIX + number, OrderStatus.NEW)
    return number


async def goes(desk: Desk, number: str) -> None:
    """Have its owner cancel it, and the desk know that."""
    await desk.bench.cancel_by_hand(number)
    await desk.becomes(EXTERNAL_PREFIX + number, OrderStatus.CANCELED)


async def test_vA5_external_order_is_shown_as_it_is(desk: Desk, order_id: str) -> None:
    """Another program's order rests in the account, and is cancelled there.

    It is an order of the desk's record under the venue's id, with its terms and who placed it, until it is CANCELED.
    """
    price = desk.bench_market.resting_price(Side.BUY)
    number = await shown(desk, price)
    order = order_of(desk, number)
    assert (order.order.symbol, order.order.side, order.order.quantity) == (
        desk.bench.symbol,
        Side.BUY,
        desk.bench.small,
    )
    assert (order.order.order_type, order.order.limit_price) == (OrderType.LIMIT, price)
    assert order.order.placed_by
    assert order.order.venue_type
    assert order.venue_order_id == number
    await goes(desk, number)


async def test_vA6_restart_finds_an_external_order_as_it_is(desk: Desk, order_id: str) -> None:
    """The gateway is killed while another program's order rests, and started again.

    The order is the same one, told once.
    """
    number = await shown(desk)
    await desk.kill()
    await desk.start()
    begun = [each for each in await desk.events() if each.order_id == EXTERNAL_PREFIX + number]
    assert [type(each) for each in begun].count(OrderCreated) == 1
    assert len(begun) == 2
    assert order_of(desk, number).status is OrderStatus.NEW
    await goes(desk, number)


async def test_vA7_external_order_is_cancelled_by_the_desk(desk: Desk, order_id: str) -> None:
    """A person asks the desk to cancel what another program has placed.

    It is CANCELED, as asked, and the venue works it no more.
    """
    number = await shown(desk)
    await desk.cancel(EXTERNAL_PREFIX + number)
    if desk.cannot is not None:
        refused = await desk.reported(EXTERNAL_PREFIX + number, "VenueCancelRejected")
        assert "by hand in TWS" in refused.reason
        await desk.becomes(EXTERNAL_PREFIX + number, OrderStatus.NEW)
        await goes(desk, number)
        return
    await desk.becomes(EXTERNAL_PREFIX + number, OrderStatus.CANCELED)
    assert (await desk.reported(EXTERNAL_PREFIX + number, "VenueCanceled")).reason == "cancelled as asked"


async def test_vA8_external_order_ends_while_the_gateway_is_dead(desk: Desk, order_id: str) -> None:
    """Another program cancels its order while the gateway is dead.

    It is CANCELED once the next gateway has asked the venue.
    """
    number = await shown(desk)
    await desk.kill()
    await desk.bench.cancel_by_hand(number)
    await desk.start()
    await desk.becomes(EXTERNAL_PREFIX + number, OrderStatus.CANCELED)


async def test_vA9_external_order_is_placed_while_the_gateway_is_dead(desk: Desk, order_id: str) -> None:
    """Another program places an order while the gateway is dead, beside one of the desk's.

    The next gateway shows it, and leaves the desk's order as it was.
    """
    await desk.working(order_id)
    await desk.kill()
    number = await shown_after(desk)
    assert desk.status(order_id) is OrderStatus.NEW
    await goes(desk, number)


async def shown_after(desk: Desk) -> str:
    if not desk.bench.tells_of_others:
        pytest.skip("this broker's gateway is not told of the orders of others")
    number = await desk.bench.place_by_hand(Side.BUY, desk.bench.small, desk.bench_market.resting_price(Side.BUY))
    await desk.start()
    await desk.becomes(EXTERNAL_PREFIX + number, OrderStatus.NEW)
    return number


async def test_vAA_external_order_fills_in_part_and_is_cancelled(desk: Desk, order_id: str) -> None:
    """Another program's order takes all that the book has, rests for more, and is cancelled.

    What it has filled is booked under it, once, and it is CANCELED.
    """
    if not desk.bench.tells_of_others:
        pytest.skip("this broker's gateway is not told of the orders of others")
    side, market = Side.BUY, desk.bench_market
    wanted = market.beyond_the_book(side)
    number = await desk.bench.place_by_hand(side, wanted, market.crossing_price(side))
    name = EXTERNAL_PREFIX + number

    def works_on() -> bool:
        order = order_of(desk, number)
        return order is not None and order.order.quantity == wanted and 0 < order.filled_quantity < wanted

    await desk.eventually(works_on, "an external order that is filled in part")
    assert order_of(desk, number).status is OrderStatus.PARTIALLY_FILLED
    await desk.bench.cancel_by_hand(number)
    await desk.becomes(name, OrderStatus.CANCELED)
    await desk.adds_up()


async def test_vAB_cancel_of_many_leaves_an_external_order_alone(desk: Desk, order_id: str) -> None:
    """A person cancels all that works while another program's order rests beside the desk's.

    The desk's is CANCELED; the other one works on, as its owner left it.
    """
    await desk.working(order_id)
    number = await shown(desk)
    await desk.cancel_many(f"{order_id}-all")
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert order_of(desk, number).status is OrderStatus.NEW
    await goes(desk, number)

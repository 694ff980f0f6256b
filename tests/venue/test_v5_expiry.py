"""V5x: an order ends when its time is over, by itself, and says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from signalbox.messages import OrderStatus, TimeInForce

from .desk import Desk

BEFORE_THE_DAYS_END = {
    "ibkr": datetime(2024, 3, 5, 20, 57, tzinfo=UTC),
    "dydx": datetime(2024, 3, 5, 23, 57, tzinfo=UTC),
}
PAST_THE_DAYS_END_SECONDS = 2 * 60


@pytest.mark.fresh_desk(start=BEFORE_THE_DAYS_END)
async def test_v50_day_order_expires_at_the_days_end(desk: Desk, order_id: str) -> None:
    """One order for the day and one that is good till cancelled rest, and the day ends.

    The first is EXPIRED, not CANCELED; the second works on.
    """
    lasting = f"{order_id}-lasting"
    await desk.working(order_id, time_in_force=TimeInForce.DAY)
    await desk.working(lasting, time_in_force=TimeInForce.GTC)
    ends = BEFORE_THE_DAYS_END[desk.bench.venue] + timedelta(minutes=3)
    await desk.bench_market.trade((ends - desk.bench.world.now()).total_seconds() - 30)
    nearly = desk.bench.world.now() - timedelta(seconds=1)
    await desk.eventually(lambda: desk.links[-1].at >= nearly, "the gateway knows that the day is nearly over")
    await desk.bench_market.trade(PAST_THE_DAYS_END_SECONDS)
    await desk.becomes(order_id, OrderStatus.EXPIRED)
    assert desk.status(lasting) is OrderStatus.NEW
    assert [placed.working for placed in desk.bench.placed(lasting)] == [True]


async def test_v51_order_good_till_a_date_expires_then(desk: Desk, order_id: str) -> None:
    """An order that is good till a minute from now rests, and the minute passes.

    It is EXPIRED, and not before.
    """
    good_till = (desk.bench.world.now() + timedelta(seconds=60)).replace(microsecond=0)
    await desk.working(order_id, time_in_force=TimeInForce.GTD, good_till=good_till)
    await desk.bench_market.trade(30)
    assert desk.status(order_id) is OrderStatus.NEW
    await desk.bench_market.trade(40)
    await desk.becomes(order_id, OrderStatus.EXPIRED)
    assert [placed.working for placed in desk.bench.placed(order_id)] == [False]


async def test_v52_partly_filled_order_expires_and_keeps_its_fills(desk: Desk, order_id: str) -> None:
    """An order that is good till a minute from now is filled in part, then the market leaves it, and the minute passes.

    It is EXPIRED; what has traded is booked, and what has not never trades.
    """
    good_till = (desk.bench.world.now() + timedelta(seconds=60)).replace(microsecond=0)
    price = desk.bench_market.quote().ask
    await desk.partially_filled(order_id, time_in_force=TimeInForce.GTD, good_till=good_till, limit_price=price)
    desk.bench_market.move("1.05")
    await desk.bench_market.trade(90)
    await desk.becomes(order_id, OrderStatus.EXPIRED, OrderStatus.FILLED)
    (placed,) = desk.bench.placed(order_id)
    assert not placed.working
    assert desk.filled_quantity(order_id) == placed.filled
    assert desk.status(order_id) is OrderStatus.EXPIRED


async def test_v53_order_that_nobody_watches_ends_by_itself(desk: Desk, order_id: str) -> None:
    """An order for the day rests, and the gateway is killed and not started again.

    The venue ends it within blocks; the next gateway reports it EXPIRED.
    """
    await desk.working(order_id, time_in_force=TimeInForce.DAY)
    await desk.kill()
    if desk.cannot is not None:
        await desk.bench_market.trade(60)
        assert [placed.working for placed in desk.bench.placed(order_id)] == [True]
        return
    await desk.bench.outlive(order_id)
    assert [placed.working for placed in desk.bench.placed(order_id)] == [False]
    await desk.start()
    await desk.becomes(order_id, OrderStatus.EXPIRED)


async def test_v54_expiry_that_the_venue_does_not_tell(desk: Desk, order_id: str) -> None:
    """An order that is good till a minute from now rests, the minute passes, and the news of its end never comes.

    The gateway asks by itself, and it is EXPIRED.
    """
    good_till = (desk.bench.world.now() + timedelta(seconds=60)).replace(microsecond=0)
    await desk.working(order_id, time_in_force=TimeInForce.GTD, good_till=good_till)
    await desk.bench.lose_news()
    await desk.bench_market.trade(90)
    await desk.becomes(order_id, OrderStatus.EXPIRED)

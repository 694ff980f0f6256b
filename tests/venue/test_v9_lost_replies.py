"""V9x: what is not known is asked, never guessed and never sent again."""

from __future__ import annotations

from signalbox.messages import OrderStatus, OrderType, Side, TimeInForce

from .desk import Desk


async def test_v90_order_accepted_and_the_reply_lost(desk: Desk, order_id: str) -> None:
    """An order arrives and rests; what the venue says of it is lost.

    It is found under its id when the venue can be heard again: NEW, placed once.
    """
    desk.bench.lose_replies()
    await desk.submit(
        order_id,
        order_type=OrderType.LIMIT,
        limit_price=desk.bench_market.resting_price(Side.BUY),
        time_in_force=desk.bench.lasting,
    )
    await desk.at_venue(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.NEW)
    assert [placed.working for placed in desk.bench.placed(order_id)] == [True]


async def test_v91_order_that_never_arrived(desk: Desk, order_id: str) -> None:
    """An order is sent and lost on its way.

    It is not sent again: it ends REJECTED or EXPIRED with the reason, placed never.
    """
    desk.bench.lose_orders()
    await desk.submit(order_id)
    await desk.claimed(order_id)
    desk.look_from_here()
    await desk.not_ready()
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.REJECTED, OrderStatus.EXPIRED)
    assert desk.bench.placed(order_id) == []
    assert (await desk.reports(order_id))[-1].reason


async def test_v92_order_filled_and_the_reply_lost(desk: Desk, order_id: str) -> None:
    """An order arrives and trades; what the venue says of it is lost.

    It is FILLED when the venue can be heard again, placed once, each fill booked once.
    """
    desk.bench.lose_replies()
    await desk.submit(order_id)
    await desk.at_venue(order_id)
    await desk.until_done_at_venue(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert len(desk.bench.placed(order_id)) == 1
    await desk.adds_up()


async def test_v93_cancel_done_and_the_reply_lost(desk: Desk, order_id: str) -> None:
    """A cancel arrives and ends the order; what the venue says of it is lost.

    The order is CANCELED when the venue can be heard again.
    """
    await desk.working(order_id)
    desk.bench.lose_replies()
    await desk.cancel(order_id)
    await desk.eventually(lambda: not desk.bench.placed(order_id)[0].working, "the cancel at the venue")
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.CANCELED)


async def test_v94_unknown_order_is_said_to_be_unknown(desk: Desk, order_id: str) -> None:
    """A resting order is sent, no answer comes, and the gateway is killed while nobody knows.

    The desk has it as UNKNOWN, with the reason, before it has it as anything else.
    """
    price = desk.bench_market.resting_price(Side.BUY)
    desk.bench.lose_orders()
    await desk.submit(order_id, order_type=OrderType.LIMIT, limit_price=price, time_in_force=desk.bench.lasting)
    await desk.claimed(order_id)
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    await desk.becomes(order_id, OrderStatus.REJECTED, OrderStatus.EXPIRED)
    kinds = await desk.kinds(order_id)
    assert kinds[0] == "VenueUnknown"
    assert (await desk.reports(order_id))[0].reason


async def test_v95_immediate_order_over_and_the_reply_lost(desk: Desk, order_id: str) -> None:
    """An IOC order arrives, takes what there is and is over; what the venue says of it is lost.

    It is CANCELED when the venue can be heard again, placed once, each fill booked once.
    """
    quantity = desk.bench_market.beyond_the_book(Side.BUY)
    limit = desk.bench_market.crossing_price(Side.BUY)
    desk.bench.lose_replies()
    at_once = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC}
    await desk.submit(order_id, quantity=quantity, limit_price=limit, **at_once)
    await desk.at_venue(order_id)
    await desk.eventually(lambda: not desk.bench.placed(order_id)[0].working, "its end at the venue")
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.CANCELED)
    (placed,) = desk.bench.placed(order_id)
    assert 0 < desk.filled_quantity(order_id) == placed.filled < quantity
    await desk.adds_up()

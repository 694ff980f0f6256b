"""V7x: the connection fails in every state of an order, and the desk knows afterwards what became of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from signalbox.messages import LinkStatus, OrderStatus, Side, TimeInForce

from .desk import Desk


async def cut_and_back(desk: Desk) -> None:
    """Cut every connection, and wait until the gateway is READY again."""
    desk.look_from_here()
    desk.bench.cut()
    await desk.goes(LinkStatus.DOWN, LinkStatus.RECONCILING)
    await desk.ready()


async def test_v70_order_approved_while_the_connection_is_down(desk: Desk, order_id: str) -> None:
    """An order is approved while the venue refuses connections; then it takes them again.

    The order waits, is placed once, and fills.
    """
    desk.look_from_here()
    desk.bench.refuse()
    await desk.not_ready()
    await desk.submit(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert len(desk.bench.placed(order_id)) == 1


async def test_v71_cut_with_an_order_working(desk: Desk, order_id: str) -> None:
    """The connection is cut while an order rests.

    It works on, nothing is told twice, and it can be cancelled afterwards.
    """
    await desk.working(order_id)
    await cut_and_back(desk)
    assert desk.status(order_id) is OrderStatus.NEW
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert await desk.kinds(order_id) == ["VenueAccepted", "VenueCanceled"]


async def test_v72_cut_with_an_order_partly_filled(desk: Desk, order_id: str) -> None:
    """The connection is cut while an order is filled in part; afterwards the market brings the rest.

    It is FILLED, each fill booked once.
    """
    await desk.partially_filled(order_id)
    await cut_and_back(desk)
    assert desk.status(order_id) is OrderStatus.PARTIALLY_FILLED
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.adds_up()


async def test_v73_cut_with_a_cancel_under_way(desk: Desk, order_id: str) -> None:
    """A cancel is sent and lost on the way, and the connection with it.

    The order ends CANCELED, or the cancel is refused and the order is as it was: nobody waits for ever.
    """
    await desk.working(order_id)
    desk.look_from_here()
    desk.bench.lose_orders()
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.PENDING_CANCEL)
    await desk.goes(LinkStatus.DOWN, LinkStatus.FROZEN)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.CANCELED, OrderStatus.NEW)
    works = [placed.working for placed in desk.bench.placed(order_id)]
    assert works == [desk.status(order_id) is OrderStatus.NEW]


async def test_v74_filled_while_away(desk: Desk, order_id: str) -> None:
    """The venue refuses connections, and meanwhile the rest of an order trades.

    Every fill is booked once when the gateway is back, and the order is FILLED.
    """
    await desk.partially_filled(order_id)
    desk.look_from_here()
    desk.bench.refuse()
    await desk.not_ready()
    await desk.until_done_at_venue(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED)
    await desk.adds_up()


async def test_v75_cancelled_while_away(desk: Desk, order_id: str) -> None:
    """The venue refuses connections, and meanwhile somebody else cancels the order there.

    It is CANCELED when the gateway is back, with words that say it was not this desk.
    """
    await desk.working(order_id)
    desk.look_from_here()
    desk.bench.refuse()
    await desk.not_ready()
    await desk.bench.cancel_by_hand(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert "not by this desk" in (await desk.reported(order_id, "VenueCanceled")).reason


async def test_v76_expired_while_away(desk: Desk, order_id: str) -> None:
    """The venue refuses connections, and meanwhile the order's time is over.

    It is EXPIRED when the gateway is back.
    """
    good_till = (desk.bench.world.now() + timedelta(seconds=60)).replace(microsecond=0)
    await desk.working(order_id, time_in_force=TimeInForce.GTD, good_till=good_till)
    desk.look_from_here()
    desk.bench.refuse()
    await desk.not_ready()
    await desk.bench_market.trade(120)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.EXPIRED)


async def test_v77_half_open_connection(desk: Desk, order_id: str) -> None:
    """Connections stay open and nothing arrives any more, while an order rests.

    It is noticed within seconds, the link says so, the order is as it was, and can be cancelled afterwards.
    """
    await desk.working(order_id)
    desk.look_from_here()
    desk.bench.half_open()
    await desk.not_ready()
    await desk.bench.mend()
    await desk.ready()
    assert desk.status(order_id) is OrderStatus.NEW
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)


async def test_v78_order_sent_into_a_half_open_connection(desk: Desk, order_id: str) -> None:
    """An order is approved when nothing arrives any more, and nobody has noticed yet.

    It is placed once or never; whichever it was is known in the end, and it is not sent again blindly.
    """
    desk.bench.half_open()
    await desk.submit(order_id)
    await desk.claimed(order_id)
    desk.look_from_here()
    await desk.not_ready()
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED, OrderStatus.REJECTED, OrderStatus.EXPIRED)
    placed = desk.bench.placed(order_id)
    assert len(placed) == (desk.status(order_id) is OrderStatus.FILLED)


async def test_v79_cuts_again_and_again_while_orders_flow(desk: Desk, order_id: str) -> None:
    """Ten orders are approved while the connection is cut again and again.

    Every order has an end, each was placed once at most, and what traded is booked once.
    """
    names = [f"{order_id}-{number}" for number in range(10)]
    for number, name in enumerate(names):
        await desk.submit(name, side=(Side.BUY, Side.SELL)[number % 2])
        if number % 2:
            was_ready = desk.links[-1].status is LinkStatus.READY
            desk.look_from_here()
            desk.bench.cut()
            if was_ready:
                await desk.not_ready()
    for name in names:
        await desk.ends(name)
        assert len(desk.bench.placed(name)) <= 1
    await desk.adds_up()


@pytest.mark.fresh_desk(start={"ibkr": datetime(2024, 3, 5, 15, 0, tzinfo=UTC)}, gateway=False)
async def test_v7A_venue_that_is_not_there_yet(desk: Desk, order_id: str) -> None:
    """The gateway starts before the venue takes connections.

    Its link says DOWN and what to look at; it is READY as soon as the venue is there.
    """
    desk.bench.refuse()
    desk.look_from_here()
    desk.gateway.start()
    await desk.goes(LinkStatus.DOWN)
    await desk.eventually(lambda: any(link.reason not in ("", "starting") for link in desk.links), "a reason")
    await desk.bench.mend()
    await desk.ready()
    await desk.filled(order_id)


async def test_v7B_venue_that_stands_still_behind_its_connection(desk: Desk, order_id: str) -> None:
    """The connection stays, and the venue behind it stands still; an order is approved meanwhile.

    The link says so, the order is not sent until the venue goes on, and then it is placed once.
    """
    resting = f"{order_id}-resting"
    await desk.working(resting)
    desk.look_from_here()
    await desk.bench.freeze()
    await desk.not_ready()
    assert desk.links[-1].reason
    await desk.submit(order_id)
    await desk.becomes(order_id, OrderStatus.PENDING_NEW)
    assert desk.bench.placed(order_id) == []
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert len(desk.bench.placed(order_id)) == 1
    assert desk.status(resting) is OrderStatus.NEW


async def test_v7C_stop_that_triggers_while_away(desk: Desk, order_id: str) -> None:
    """The venue refuses connections, and meanwhile the market falls through a stop order's price.

    It is told as triggered, then as filled, when the gateway is back.
    """
    await desk.resting_stop(order_id)
    desk.look_from_here()
    desk.bench.refuse()
    await desk.not_ready()
    desk.bench_market.move("0.94")
    await desk.until_done_at_venue(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueTriggered") < kinds.index("VenueFill")

"""VFx: what comes over a connection stops, or comes back only by half, and nobody says so."""

from __future__ import annotations

from signalbox.messages import OrderStatus

from .desk import Desk


async def test_vF0_loss_that_nobody_takes_back(desk: Desk, order_id: str) -> None:
    """The venue stands still behind its connection, twice, and goes on without a word. An order is approved meanwhile.

    Each time the link is READY again by what the venue then tells, and the order is placed once and fills.
    """
    for number in range(2):
        order = f"{order_id}-{number}"
        desk.look_from_here()
        await desk.bench.freeze()
        await desk.not_ready()
        await desk.submit(order)
        await desk.becomes(order, OrderStatus.PENDING_NEW)
        assert desk.bench.placed(order) == []
        await desk.bench.go_on_silently()
        await desk.becomes(order, OrderStatus.FILLED)
        assert len(desk.bench.placed(order)) == 1


async def test_vF1_quotes_that_stop_without_a_word(desk: Desk, order_id: str) -> None:
    """A symbol's quotes are lost behind a connection that stays, and no word says so.

    They come again by themselves, and an order fills.
    """
    began = desk.bench.world.now()
    await desk.bench.silence_quotes()
    await desk.quoted_after(began)
    await desk.filled(order_id)


async def test_vF2_every_feed_is_ended(desk: Desk, order_id: str) -> None:
    """Everything that the gateway is subscribed to ends at once, while an order rests.

    Quotes come again, the order is as it was, and what another order trades is told and adds up.
    """
    resting = f"{order_id}-resting"
    await desk.working(resting)
    began = desk.bench.world.now()
    await desk.bench.end_feeds()
    await desk.quoted_after(began)
    await desk.filled(order_id)
    assert desk.status(resting) is OrderStatus.NEW
    await desk.adds_up()


async def test_vF3_feeds_that_are_ended_again_and_again(desk: Desk, order_id: str) -> None:
    """Everything that the gateway is subscribed to ends five times while orders flow.

    Every order has an end, each was placed once at most, and quotes come again.
    """
    names = [f"{order_id}-{number}" for number in range(5)]
    for name in names:
        await desk.submit(name)
        await desk.bench.end_feeds()
    for name in names:
        await desk.ends(name)
        assert len(desk.bench.placed(name)) <= 1
    await desk.quoted_after(desk.bench.world.now())
    await desk.adds_up()

"""V8x: the gateway is killed (SIGKILL) in every state of an order, and the next one knows what became of it."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from signalbox.messages import LedgerClaimed, LinkStatus, OrderStatus, OrderType, Side, TimeInForce, VenueAccepted

from .desk import Desk


async def restart(desk: Desk) -> None:
    """SIGKILL, and a new one until it is READY."""
    await desk.kill()
    await desk.start()


async def test_v80_killed_with_nothing_open(desk: Desk, order_id: str) -> None:
    """The gateway is killed when every order is done, and started again.

    It tells a snapshot, and nothing that was told before.
    """
    await desk.filled(order_id)
    await desk.adds_up()

    async def all_told() -> list[Any]:
        """The venue's word that it has the order may come after its fill."""
        reports = await desk.reports()
        return reports if any(isinstance(each, VenueAccepted) and each.order_id == order_id for each in reports) else []

    before = await desk.eventually(all_told, "the order accepted")
    await restart(desk)

    async def told() -> list[Any]:
        new = (await desk.reports())[len(before) :]
        return [each for each in new if getattr(each, "order_id", order_id) == order_id]  # not of an earlier case

    assert {type(each).__name__ for each in await desk.eventually(told, "a snapshot")} == {"VenueSnapshot"}


async def test_v81_killed_between_claim_and_send(desk: Desk, order_id: str) -> None:
    """The gateway is killed when an order is claimed, and the order never reaches the venue.

    The next gateway does not send it: it asks, and reports it REJECTED, never placed.
    """
    desk.bench.lose_orders()
    await desk.submit(order_id)
    await desk.claimed(order_id)
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    await desk.becomes(order_id, OrderStatus.REJECTED, OrderStatus.EXPIRED)
    assert desk.bench.placed(order_id) == []
    assert isinstance(next(iter(await desk.ledger(order_id))), LedgerClaimed)


async def test_v82_killed_before_the_venues_answer_to_an_order(desk: Desk, order_id: str) -> None:
    """An order arrives, the answer to it is lost, and the gateway is killed.

    The next gateway finds the order under its id, and does not send it again.
    """
    desk.bench.lose_replies()
    await desk.submit(order_id)
    await desk.at_venue(order_id)
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert len(desk.bench.placed(order_id)) == 1


async def test_v83_killed_with_an_order_working(desk: Desk, order_id: str) -> None:
    """The gateway is killed while an order rests.

    The next one knows it as it was, says nothing twice, and can cancel it.
    """
    await desk.working(order_id)
    await restart(desk)
    assert desk.status(order_id) is OrderStatus.NEW
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert await desk.kinds(order_id) == ["VenueAccepted", "VenueCanceled"]


async def test_v84_killed_with_an_order_partly_filled(desk: Desk, order_id: str) -> None:
    """The gateway is killed while an order is filled in part; afterwards the market brings the rest.

    It is FILLED, each fill booked once.
    """
    await desk.partially_filled(order_id)
    await restart(desk)
    assert desk.status(order_id) is OrderStatus.PARTIALLY_FILLED
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.adds_up()


async def test_v85_killed_with_a_cancel_under_way(desk: Desk, order_id: str) -> None:
    """A cancel is lost on its way to the venue, and the gateway is killed.

    The order ends CANCELED, or the cancel is refused and the order is as it was: nobody waits for ever.
    """
    await desk.working(order_id)
    desk.bench.lose_orders()
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.PENDING_CANCEL)
    if desk.bench.insists_on_cancels:
        await desk.eventually(desk.bench.has_lost_orders, "something lost")
    else:
        await desk.commands_are_taken()
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    await desk.becomes(order_id, OrderStatus.CANCELED, OrderStatus.NEW)
    works = [placed.working for placed in desk.bench.placed(order_id)]
    assert works == [desk.status(order_id) is OrderStatus.NEW]


async def test_v86_filled_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, and meanwhile the rest of an order trades.

    The next one books every fill once, and the order is FILLED.
    """
    await desk.partially_filled(order_id)
    await desk.kill()
    await desk.until_done_at_venue(order_id)
    await desk.start()
    await desk.becomes(order_id, OrderStatus.FILLED)
    await desk.adds_up()


async def test_v87_cancelled_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, and meanwhile somebody else cancels the order.

    The next one reports it CANCELED, with words that say it was not this desk.
    """
    await desk.working(order_id)
    await desk.kill()
    await desk.bench.cancel_by_hand(order_id)
    await desk.start()
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert "not by this desk" in (await desk.reported(order_id, "VenueCanceled")).reason


async def test_v88_expired_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, and meanwhile the order's time is over.

    The next one reports it EXPIRED.
    """
    good_till = (desk.bench.world.now() + timedelta(seconds=60)).replace(microsecond=0)
    await desk.working(order_id, time_in_force=TimeInForce.GTD, good_till=good_till)
    await desk.kill()
    await desk.bench_market.trade(120)
    await desk.start()
    await desk.becomes(order_id, OrderStatus.EXPIRED)


async def test_v89_killed_at_any_moment_while_orders_flow(desk: Desk, order_id: str) -> None:
    """Orders are approved one after the other while gateways are killed at moments drawn by lot.

    Every order has an end, each was placed once at most, and what traded is booked once.
    """
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    names = []
    for _ in range(4):
        for number in range(5):
            names.append(f"{order_id}-{len(names)}")
            await desk.submit(names[-1], side=(Side.BUY, Side.SELL)[number % 2])
        await desk.after(chance.uniform(0.0, 0.05))
        await restart(desk)
    for name in names:
        await desk.ends(name)
        assert len(desk.bench.placed(name)) <= 1, f"seed {seed}"
    await desk.adds_up()
    assert any(desk.bench.placed(name) for name in names), f"seed {seed}"


async def test_v8A_told_to_stop_it_leaves_orders_as_they_are(desk: Desk, order_id: str) -> None:
    """The gateway is told to stop (SIGTERM) while an order rests, and started again.

    The order is neither cancelled nor told twice.
    """
    await desk.working(order_id)
    await desk.gateway.stop()
    assert [placed.working for placed in desk.bench.placed(order_id)] == [True]
    await desk.start()
    assert desk.link_status is LinkStatus.READY
    assert await desk.kinds(order_id) == ["VenueAccepted"]
    assert desk.status(order_id) is OrderStatus.NEW


async def test_v8B_stop_that_triggers_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, and meanwhile the market falls through a stop order's price.

    It is told as triggered, then as filled, by the next one.
    """
    await desk.resting_stop(order_id)
    await desk.kill()
    desk.bench_market.move("0.94")
    await desk.until_done_at_venue(order_id)
    await desk.start()
    await desk.becomes(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueTriggered") < kinds.index("VenueFill")


async def test_v8C_killed_at_any_moment_while_cancels_flow(desk: Desk, order_id: str) -> None:
    """Resting orders are cancelled all at once, and the gateway is killed at a moment drawn by lot.

    Each ends, or its cancel is refused and it works on: desk and venue agree on which.
    """
    seed = random.randrange(10**6)
    names = [f"{order_id}-{number}" for number in range(6)]
    for name in names:
        await desk.working(name, time_in_force=TimeInForce.DAY)
    for name in names:
        await desk.cancel(name)
    await desk.after(random.Random(seed).uniform(0.0, 0.03))
    await restart(desk)
    for name in names:
        await desk.becomes(name, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.NEW)
        works = [placed.working for placed in desk.bench.placed(name)]
        assert works == [desk.status(name) is OrderStatus.NEW], f"seed {seed}"


async def test_v8D_killed_when_an_immediate_order_was_sent(desk: Desk, order_id: str) -> None:
    """An IOC order arrives, takes what there is and is over; the gateway hears nothing of it, and is killed.

    The next one finds what it traded and that it is over: CANCELED, placed once, and never sent again.
    """
    quantity = desk.bench_market.beyond_the_book(Side.BUY)
    limit = desk.bench_market.crossing_price(Side.BUY)
    desk.bench.lose_replies()
    at_once = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC}
    await desk.submit(order_id, quantity=quantity, limit_price=limit, **at_once)
    await desk.at_venue(order_id)
    await desk.kill()
    await desk.eventually(lambda: not desk.bench.placed(order_id)[0].working, "its end at the venue")
    await desk.bench_market.trade(60)
    await desk.bench.mend()
    await desk.start()
    await desk.becomes(order_id, OrderStatus.CANCELED)
    (placed,) = desk.bench.placed(order_id)
    assert 0 < desk.filled_quantity(order_id) == placed.filled < quantity


async def test_v8E_stop_limit_order_that_triggers_and_rests_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, and the market jumps over a stop-limit order's stop and limit; then it is killed again.

    The next one tells that it is TRIGGERED, once, and works; the one after knows it so, and can cancel it.
    """
    limit = desk.bench_market.price("0.95")
    await desk.resting_stop(order_id, order_type=OrderType.STOP_LIMIT, limit_price=limit)
    await desk.kill()
    desk.bench_market.move("0.90")
    await desk.bench_market.trade()
    await desk.bench.settle()
    await desk.start()
    await desk.becomes(order_id, OrderStatus.TRIGGERED)
    await restart(desk)
    assert desk.status(order_id) is OrderStatus.TRIGGERED
    assert [placed.working for placed in desk.bench.placed(order_id)] == [True]
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert await desk.kinds(order_id) == ["VenueAccepted", "VenueTriggered", "VenueCanceled"]


async def test_v8F_order_that_is_touched_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, and meanwhile the market rises through a market-if-touched order's price.

    It is told as triggered, then as filled, by the next one.
    """
    touch = {"order_type": OrderType.MARKET_IF_TOUCHED, "stop_price": desk.bench_market.price("1.05")}
    await desk.working(order_id, side=Side.SELL, limit_price=None, **touch)
    await desk.kill()
    desk.bench_market.move("1.06")
    await desk.until_done_at_venue(order_id)
    await desk.start()
    await desk.becomes(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueTriggered") < kinds.index("VenueFill")

"""V2x: an order ends when it is cancelled, unless it was quicker."""

from __future__ import annotations

import asyncio

from signalbox.messages import OrderStatus, OrderType, Side, VenueCanceled, VenueCancelRejected

from .desk import Desk


async def test_v20_cancel_of_a_working_order(desk: Desk, order_id: str) -> None:
    """A resting order is cancelled.

    It is PENDING_CANCEL, then CANCELED, caused by the cancel, and works at the venue no more.
    """
    await desk.working(order_id)
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    (placed,) = desk.bench.placed(order_id)
    assert not placed.working
    assert await desk.kinds(order_id) == ["VenueAccepted", "VenueCanceled"]
    assert (await desk.reported(order_id, "VenueCanceled")).cause == f"command/{order_id}/1"


async def test_v21_cancel_of_a_partially_filled_order(desk: Desk, order_id: str) -> None:
    """An order that has been filled in part is cancelled.

    It is CANCELED; what has traded stays booked, and nothing trades after.
    """
    await desk.partially_filled(order_id)
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    filled = desk.filled_quantity(order_id)
    await desk.bench_market.trade()
    (placed,) = desk.bench.placed(order_id)
    assert (placed.filled, placed.working) == (filled, False)
    assert 0 < filled < placed.quantity


async def test_v22_cancel_that_the_fill_outruns(desk: Desk, order_id: str) -> None:
    """The rest of an order trades while the news of it is still on its way; the desk, not knowing, cancels it.

    It is FILLED, never CANCELED, and all its fills are booked.
    """
    await desk.partially_filled(order_id)
    desk.bench.hold_news()
    await desk.until_done_at_venue(order_id)
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.PENDING_CANCEL)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED)
    (placed,) = desk.bench.placed(order_id)
    assert desk.filled_quantity(order_id) == placed.quantity
    await desk.adds_up()
    assert desk.status(order_id) is OrderStatus.FILLED


async def test_v23_cancels_that_race_with_fills(desk: Desk, order_id: str) -> None:
    """Orders that are filled in part are cancelled while the market goes on.

    Each ends FILLED, with its whole quantity, or CANCELED, with what the venue has traded of it.
    """
    names = [f"{order_id}-{number}" for number in range(4)]
    for number, name in enumerate(names):
        await desk.bench_market.trade()
        await desk.partially_filled(name, side=(Side.BUY, Side.SELL)[number % 2])
        await asyncio.gather(desk.bench_market.trade(10), desk.cancel(name))
    for name in names:
        await desk.becomes(name, OrderStatus.FILLED, OrderStatus.CANCELED)
    await desk.adds_up()
    for name in names:
        (placed,) = desk.bench.placed(name)
        assert (desk.status(name) is OrderStatus.FILLED) == (placed.filled == placed.quantity)
        assert desk.filled_quantity(name) == placed.filled


async def test_v24_cancel_of_an_order_that_is_done(desk: Desk, order_id: str) -> None:
    """A filled order is cancelled.

    The cancel is refused with a reason, and the order stays FILLED.
    """
    await desk.filled(order_id)
    await desk.command_cancel(order_id)
    refusal = await desk.reported(order_id, "VenueCancelRejected")
    assert refusal.reason
    assert desk.status(order_id) is OrderStatus.FILLED


async def test_v25_cancel_twice(desk: Desk, order_id: str) -> None:
    """A resting order is cancelled twice, the second time before the first is answered.

    It is CANCELED once; the second cancel is refused or says nothing.
    """
    await desk.working(order_id)
    await desk.cancel(order_id, attempt=1)
    await desk.cancel(order_id, attempt=2)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    await desk.adds_up()
    ends = [each for each in await desk.reports(order_id) if isinstance(each, VenueCanceled | VenueCancelRejected)]
    assert sum(isinstance(each, VenueCanceled) for each in ends) == 1


async def test_v26_cancel_of_an_order_that_nobody_knows(desk: Desk, order_id: str) -> None:
    """A cancel names an order that was never placed.

    It is refused with a reason, and nothing is sent.
    """
    await desk.command_cancel(order_id)
    refusal = await desk.reported(order_id, "VenueCancelRejected")
    assert refusal.reason
    assert desk.bench.placed(order_id) == []


async def test_v27_cancel_on_the_heels_of_the_submission(desk: Desk, order_id: str) -> None:
    """An order is approved, and its cancel at once, before the venue can have said anything.

    It ends CANCELED, having been placed once, and works at the venue no more.
    """
    price = desk.bench_market.resting_price(Side.BUY)
    await desk.submit(order_id, order_type=OrderType.LIMIT, limit_price=price, time_in_force=desk.bench.lasting)
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert [placed.working for placed in desk.bench.placed(order_id)] == [False]


async def test_v28_cancel_while_the_venue_can_not_be_reached(desk: Desk, order_id: str) -> None:
    """An order is cancelled while the connection is down; then it is back.

    The cancel waits and is carried out, or is refused with a reason: it does not vanish.
    """
    await desk.working(order_id)
    desk.look_from_here()
    desk.bench.refuse()
    await desk.not_ready()
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.PENDING_CANCEL)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.CANCELED, OrderStatus.NEW)
    if desk.status(order_id) is OrderStatus.NEW:
        assert (await desk.reported(order_id, "VenueCancelRejected")).reason


async def test_v29_one_intent_cancels_all_that_works_at_an_account(desk: Desk, order_id: str) -> None:
    """One intent cancels many: first of another account and symbol, then of a strategy, then all that an account has.

    Each order that works there and has what is named ends CANCELED by one cancel; what was done stays as it was, and
    what is approved after works on.
    """
    resting, part, done, mine, young = (f"{order_id}-{name}" for name in ("resting", "part", "done", "mine", "young"))
    await desk.filled(done)
    await desk.bench_market.trade()
    await desk.partially_filled(part)
    await desk.working(resting)
    await desk.working(mine, strategy="trend")
    await desk.cancel_many(f"{order_id}-elsewhere", account=desk.bench.other_account)
    await desk.cancel_many(f"{order_id}-other", venue=desk.bench.venue, symbol=desk.bench.other_symbol)
    await desk.cancel_many(f"{order_id}-trend", strategy="trend")
    await desk.becomes(mine, OrderStatus.CANCELED)
    assert [desk.status(name) for name in (resting, part)] == [OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED]
    await desk.cancel_many(f"{order_id}-all", account=desk.bench.account)
    await desk.working(young)
    for name in (resting, part):
        await desk.becomes(name, OrderStatus.CANCELED)
        assert [placed.working for placed in desk.bench.placed(name)] == [False]
        assert (await desk.reported(name, "VenueCanceled")).cause == f"command/{name}/1"
    assert [placed.working for placed in desk.bench.placed(young)] == [True]
    assert [desk.status(name) for name in (done, young)] == [OrderStatus.FILLED, OrderStatus.NEW]


async def test_v2A_flatten_cancels_what_works_then_closes_what_is_held(desk: Desk, order_id: str) -> None:
    """The desk is long, with an order that rests and a stop behind it; then it is flattened.

    Both end CANCELED; once they have, the closing order, whose id is made of the flatten's, is placed once and FILLED,
    and nothing is held at the venue. Told again, nothing of it happens twice.
    """
    await desk.flat(f"{order_id}-flat")
    resting, stop, flatten = (f"{order_id}-{name}" for name in ("resting", "stop", "home"))
    await desk.filled(f"{order_id}-long")
    await desk.working(resting)
    await desk.resting_stop(stop)
    for _ in range(2):
        await desk.flatten(flatten, account=desk.bench.account)
        for name in (resting, stop):
            await desk.becomes(name, OrderStatus.CANCELED)
    closing = f"{flatten}.1"
    for _ in range(2):
        await desk.submit(closing, side=Side.SELL, quantity=desk.bench.small, reduce_only=True)
        await desk.trades_until(closing, OrderStatus.FILLED)
    assert [len(desk.bench.placed(name)) for name in (resting, stop, closing)] == [1, 1, 1]
    await desk.adds_up()
    assert desk.bench.position(desk.bench.symbol) == 0


async def test_v2B_wish_for_a_position_is_the_order_that_risk_made_of_it(desk: Desk, order_id: str) -> None:
    """The desk is long; half of that is wished away, and risk has made an order of it.

    It is placed once, under the wish's id, and what is left is held at the venue and on the desk.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.filled(f"{order_id}-long", quantity=desk.bench.small * 2)
    await desk.wish(order_id, side=Side.SELL, quantity=desk.bench.small, reduce_only=True)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    assert len(desk.bench.placed(order_id)) == 1
    await desk.adds_up()
    assert desk.bench.position(desk.bench.symbol) == desk.bench.small

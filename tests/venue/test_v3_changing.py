"""V3x: an order is given other terms, and stays one order; a venue's short life of orders is made longer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from signalbox.messages import OrderStatus, OrderType, Side, TimeInForce

from .desk import Desk
from .held import changes


def terms(desk: Desk, order_id: str) -> tuple[Decimal, Decimal | None]:
    """Quantity and limit price of the order, as the OMS knows it."""
    state = desk.oms.state.find_order(desk.bench.venue, desk.bench.account, order_id)
    assert state is not None
    assert state.order is not None
    return state.order.quantity, state.order.limit_price


async def resting(desk: Desk, order_id: str) -> Decimal:
    """Have an order for the day rest, of a quantity that can become less; that quantity."""
    changes(desk)
    quantity = desk.bench.small * 4
    await desk.working(order_id, time_in_force=TimeInForce.DAY, quantity=quantity)
    return quantity


async def has_terms(desk: Desk, order_id: str, quantity: Decimal, limit_price: Decimal | None) -> None:
    """The order works once, as the same order, in these terms, at the venue as on the desk."""
    assert terms(desk, order_id) == (quantity, limit_price)
    await desk.eventually(lambda: at_venue(desk, order_id) == (True, quantity, limit_price), "the terms at the venue")


def at_venue(desk: Desk, order_id: str) -> tuple[bool, Decimal, Decimal | None]:
    """Whether it works there, and in which terms; there is one of it."""
    (placed,) = desk.bench.placed(order_id)
    return placed.working, placed.quantity, placed.limit_price


async def test_v30_order_is_changed_in_place(desk: Desk, order_id: str) -> None:
    """A resting order is to have another price, then a smaller quantity, then both larger again.

    It is PENDING_REPLACE, then NEW, in the new terms at the venue too, each time as the same order.
    """
    quantity = await resting(desk, order_id)
    (before,) = desk.bench.placed(order_id)
    wanted = [
        (quantity, desk.bench_market.price("0.92")),
        (quantity / 2, desk.bench_market.price("0.92")),
        (quantity * 2, desk.bench_market.price("0.93")),
    ]
    for attempt, (total, price) in enumerate(wanted, start=1):
        await desk.modify(order_id, attempt=attempt, quantity=total, limit_price=price)
        await desk.replaced(order_id, attempt)
        await has_terms(desk, order_id, total, price)
    assert await desk.kinds(order_id) == ["VenueAccepted", *["VenueReplaced"] * 3]
    assert desk.bench.placed(order_id)[0].number == before.number
    statuses = [each.status for each in await desk.events(order_id)]
    assert statuses[-2:] == [OrderStatus.PENDING_REPLACE, OrderStatus.NEW]


async def test_v31_partly_filled_order_is_changed_in_place(desk: Desk, order_id: str) -> None:
    """An order that is filled in part is to be for a smaller total, what has filled included.

    It works on for the rest of that, and is FILLED with the new total: never more.
    """
    changes(desk)
    await desk.partially_filled(order_id, time_in_force=TimeInForce.DAY)
    filled, total = desk.filled_quantity(order_id), desk.bench.placed(order_id)[0].quantity
    wanted = filled + desk.bench.small
    assert filled < wanted < total
    await desk.modify(order_id, quantity=wanted)
    await desk.replaced(order_id)
    assert (await desk.kinds(order_id))[-1] == "VenueReplaced", (await desk.reports(order_id))[-1]
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.bench_market.trade(30)
    assert desk.filled_quantity(order_id) == desk.bench.placed(order_id)[0].filled == wanted


async def test_v32_day_order_is_kept_alive_by_renewal(desk: Desk, order_id: str) -> None:
    """An order for the day rests for longer than the venue lets such an order live.

    The gateway renews it: it works on, as one order with one id, accepted once.
    """
    if desk.cannot is not None:
        await desk.working(order_id, time_in_force=TimeInForce.DAY)
        await desk.bench_market.trade(3600)
        assert desk.status(order_id) is OrderStatus.NEW
        return
    await desk.working(order_id, time_in_force=TimeInForce.DAY)
    await desk.bench.outlive(order_id)
    assert desk.status(order_id) is OrderStatus.NEW
    assert await desk.kinds(order_id) == ["VenueAccepted"]
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert desk.filled_quantity(order_id) == Decimal(0)


async def test_v33_renewed_order_keeps_count_of_its_fills(desk: Desk, order_id: str) -> None:
    """An order for the day is filled in part, is renewed, and the market brings the rest.

    It is FILLED with its quantity, and nothing more trades.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.partially_filled(order_id, time_in_force=TimeInForce.DAY)
    await desk.bench.renewal(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    (placed,) = desk.bench.placed(order_id)
    assert desk.filled_quantity(order_id) == placed.quantity


async def test_v34_renewed_order_trades_no_more_than_its_quantity(desk: Desk, order_id: str) -> None:
    """An order for the day is filled in part, rests longer than the venue remembers that, and the market goes on.

    It trades its quantity altogether and nothing more, or ends EXPIRED, with the reason, and what it has traded.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    quantity = desk.bench_market.beyond_the_book(Side.BUY)
    await desk.partially_filled(order_id, time_in_force=TimeInForce.DAY, quantity=quantity)
    for _ in range(2):
        await desk.bench.outlive(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED, OrderStatus.EXPIRED)
    if desk.status(order_id) is OrderStatus.EXPIRED:
        assert "filled in part" in (await desk.reported(order_id, "VenueExpired")).reason
    else:
        assert desk.filled_quantity(order_id) == quantity
    await desk.bench_market.trade(30)
    await desk.bench.outlive(order_id)
    assert sum(placed.filled for placed in desk.bench.placed(order_id)) == desk.filled_quantity(order_id) <= quantity


async def test_v35_change_that_the_fill_outruns(desk: Desk, order_id: str) -> None:
    """The rest of an order trades while the news of it is still on its way; the desk, not knowing, changes its price.

    It is FILLED, with its quantity and nothing more, and the change is refused or was made: it does not vanish.
    """
    changes(desk)
    await desk.partially_filled(order_id, time_in_force=TimeInForce.DAY)
    desk.bench.hold_news()
    await desk.until_done_at_venue(order_id)
    await desk.modify(order_id, limit_price=desk.bench_market.crossing_price(Side.BUY) + desk.bench_market.tick_size())
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.FILLED)
    (placed,) = desk.bench.placed(order_id)
    assert desk.filled_quantity(order_id) == placed.filled == placed.quantity
    await desk.adds_up()


async def test_v36_cancel_while_a_change_is_under_way(desk: Desk, order_id: str) -> None:
    """An order is changed, and cancelled before the venue's answer is heard.

    It ends CANCELED, and works at the venue no more.
    """
    quantity = await resting(desk, order_id)
    desk.bench.hold_news()
    await desk.modify(order_id, quantity=quantity / 2)
    await desk.cancel(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.CANCELED)
    (placed,) = desk.bench.placed(order_id)
    assert not placed.working


async def test_v37_change_made_and_the_reply_lost(desk: Desk, order_id: str) -> None:
    """A change arrives; what the venue says of it is lost.

    While nobody knows, it is one order, PENDING_REPLACE; then it works in one of the two terms, and the desk knows in
    which.
    """
    quantity, before = await resting(desk, order_id), terms(desk, order_id)
    desk.bench.lose_replies()
    await desk.modify(order_id, quantity=quantity / 2)
    await desk.eventually(lambda: desk.bench.placed(order_id)[0].quantity == quantity / 2, "the change at the venue")
    assert desk.status(order_id) is OrderStatus.PENDING_REPLACE
    await desk.bench.mend()
    await settled(desk, order_id, before)


async def settled(desk: Desk, order_id: str, before: tuple[Decimal, Decimal | None]) -> None:
    """Wait until it is known what became of the change; the desk has the terms that stand at the venue, of one order.

    What nobody has kept alive meanwhile may have ended.
    """
    await desk.becomes(order_id, OrderStatus.NEW, OrderStatus.EXPIRED)
    if desk.status(order_id) is OrderStatus.NEW:
        wanted = (True, *terms(desk, order_id))
        await desk.eventually(lambda: at_venue(desk, order_id) == wanted, "the same terms at desk and venue")
        assert (terms(desk, order_id) == before) == ("VenueReplaceRejected" in await desk.kinds(order_id))


async def test_v38_change_that_never_arrived(desk: Desk, order_id: str) -> None:
    """A change is sent and lost on its way.

    The order works on as it was, and says that it was not changed, or it has what was asked for: as the venue.
    """
    quantity, before = await resting(desk, order_id), terms(desk, order_id)
    desk.bench.lose_orders()
    await desk.modify(order_id, quantity=quantity / 2)
    await desk.eventually(desk.bench.has_lost_orders, "a lost change")
    await desk.bench.mend()
    await settled(desk, order_id, before)


async def test_v39_killed_between_the_claim_of_a_change_and_its_sending(desk: Desk, order_id: str) -> None:
    """The gateway is killed when a change is claimed, and the change never reaches the venue.

    The next gateway finds out in which terms the order works; there is one order.
    """
    quantity, before = await resting(desk, order_id), terms(desk, order_id)
    desk.bench.lose_orders()
    await desk.modify(order_id, quantity=quantity / 2)
    await desk.change_claimed(order_id)
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    await settled(desk, order_id, before)


async def test_v3A_killed_before_the_venues_answer_to_a_change(desk: Desk, order_id: str) -> None:
    """A change arrives, the answer to it is lost, and the gateway is killed.

    The next gateway finds out in which terms the order works; there is one order.
    """
    quantity, before = await resting(desk, order_id), terms(desk, order_id)
    desk.bench.lose_replies()
    await desk.modify(order_id, quantity=quantity / 2)
    await desk.eventually(lambda: desk.bench.placed(order_id)[0].quantity == quantity / 2, "the change at the venue")
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    await settled(desk, order_id, before)


async def test_v3B_change_approved_while_the_gateway_is_dead(desk: Desk, order_id: str) -> None:
    """A change whose deadline has come, and then one that is good still, are approved while no gateway is there.

    The first is refused with the deadline, never sent; of the second the desk knows what became of it.
    """
    quantity, price = await resting(desk, order_id), terms(desk, order_id)[1]
    await desk.kill()
    await desk.command_change(order_id, quantity=quantity * 2, deadline_seconds=-1)
    await desk.modify(order_id, attempt=2, quantity=quantity / 2)
    await desk.start()
    refusal = await desk.reported(order_id, "VenueReplaceRejected")
    assert ("deadline" in refusal.reason) or "over" in refusal.reason
    await desk.becomes(order_id, OrderStatus.NEW, OrderStatus.EXPIRED)
    assert desk.bench.placed(order_id)[0].quantity < quantity * 2
    if desk.status(order_id) is OrderStatus.NEW:
        await has_terms(desk, order_id, quantity / 2, price)


async def test_v3C_change_that_the_venue_refuses(desk: Desk, order_id: str) -> None:
    """An order is filled in part while the news of it is on its way; the desk, not knowing, asks for a smaller total.

    The change is refused, with the reason, or the order ends with what it has: never does it fill for more than it was.
    """
    changes(desk)
    await desk.partially_filled(order_id, time_in_force=TimeInForce.DAY)
    (placed,) = desk.bench.placed(order_id)
    known = desk.filled_quantity(order_id)
    desk.bench.hold_news()
    await desk.eventually(lambda: fills_more(desk, order_id, known), "a fill that nobody has told")
    await desk.modify(order_id, quantity=known + desk.bench.small)
    await desk.commands_are_taken()
    await desk.bench.mend()
    await desk.trades_until(order_id, OrderStatus.FILLED, OrderStatus.CANCELED)
    assert desk.filled_quantity(order_id) == desk.bench.placed(order_id)[0].filled <= placed.quantity


async def fills_more(desk: Desk, order_id: str, known: Decimal) -> bool:
    await desk.bench_market.trade()
    await desk.after(desk.bench.spare_seconds)
    return desk.bench.placed(order_id)[0].filled > known


async def test_v3E_trailing_stop_follows_the_market_and_never_goes_back(desk: Desk, order_id: str) -> None:
    """A trailing stop to sell lies 5 % behind the market, which rises by 10 %, then falls by 3 %, then by 4 % more.

    It is NEW while the market rises and falls a little, TRIGGERED by the fall that reaches its stop, and FILLED.
    """
    trail = {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(5), "time_in_force": TimeInForce.GTC}
    await desk.submit(order_id, side=Side.SELL, **trail)
    await desk.becomes(order_id, OrderStatus.NEW)
    for factor in ("1.10", "0.97"):
        await desk.bench_market.trade()
        desk.bench_market.move(factor)
        for _ in range(10):  # where the gateway moves it, that takes some blocks
            await desk.bench.settle()
    await desk.bench_market.trade()
    assert desk.status(order_id) is OrderStatus.NEW
    desk.bench_market.move("0.96")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueAccepted") < kinds.index("VenueTriggered") < kinds.index("VenueFill")


async def test_v3F_trailing_stop_that_trails_and_triggers_while_dead(desk: Desk, order_id: str) -> None:
    """A trailing stop works; the gateway is killed; the market rises, and falls by more than the trail.

    The next one tells that it was triggered, and filled.
    """
    trail = {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(5), "time_in_force": TimeInForce.GTC}
    await desk.submit(order_id, side=Side.SELL, **trail)
    await desk.becomes(order_id, OrderStatus.NEW)
    await desk.bench_market.trade()
    await desk.kill()
    for factor in ("1.10", "0.94") if desk.cannot is None else ("0.93",):
        desk.bench_market.move(factor)
        await desk.bench_market.trade()
    await desk.until_done_at_venue(order_id)
    await desk.start()
    await desk.becomes(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueTriggered") < kinds.index("VenueFill")

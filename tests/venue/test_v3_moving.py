"""V3G on: orders that outlive the gateway are given other terms, and stay one order, whatever the venue makes of it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from signalbox.messages import OrderStatus, TimeInForce

from .desk import Desk
from .test_v3_changing import changes, terms


async def resting(desk: Desk, order_id: str) -> Decimal:
    """Have an order rest until it is cancelled; its quantity, which can become less."""
    changes(desk)
    quantity = desk.bench.small * 4
    await desk.working(order_id, time_in_force=TimeInForce.GTC, quantity=quantity)
    return quantity


async def protected(desk: Desk, order_id: str) -> Decimal:
    """Have a position, and a stop that only closes it; its stop price."""
    changes(desk)
    quantity = desk.bench.small * 4
    await desk.filled(f"{order_id}-held", quantity=quantity)
    price = desk.bench_market.price("0.95")
    await desk.resting_stop(
        order_id, stop_price=price, quantity=quantity, reduce_only=True, time_in_force=TimeInForce.GTC
    )
    return price


def stop_of(desk: Desk, order_id: str) -> Decimal | None:
    state = desk.oms.state.find_order(desk.bench.venue, desk.bench.account, order_id)
    assert state is not None
    assert state.order is not None
    return state.order.stop_price


async def works_once(desk: Desk, order_id: str) -> None:
    """There is one of it at the venue that works."""
    await desk.eventually(lambda: working(desk, order_id) == 1, f"one {order_id} that works")


def working(desk: Desk, order_id: str) -> int:
    return sum(placed.working for placed in desk.bench.placed(order_id))


async def answered(desk: Desk, order_id: str) -> bool:
    """Whether the change was made, once the venue, or its gateway, has said so."""
    answers = {"VenueReplaced", "VenueReplaceRejected"}

    async def told() -> bool:
        return bool(answers & {*await desk.kinds(order_id)})

    await desk.eventually(told, f"an answer of the change of {order_id}")
    await desk.becomes(order_id, OrderStatus.NEW)
    await works_once(desk, order_id)
    assert OrderStatus.PENDING_REPLACE in [each.status for each in await desk.events(order_id)]
    return "VenueReplaced" in await desk.kinds(order_id)


async def test_v3G_order_that_outlives_the_gateway_is_changed(desk: Desk, order_id: str) -> None:
    """An order that rests until it is cancelled is to have another price, then a smaller total.

    It is PENDING_REPLACE, then NEW, each time; one of it works at the venue, in the new terms, and never do two.
    """
    quantity = await resting(desk, order_id)
    price = desk.bench_market.price("0.92")
    for attempt, total in enumerate((quantity, quantity / 2), start=1):
        await desk.modify(order_id, attempt=attempt, quantity=total, limit_price=price)
        await desk.replaced(order_id, attempt)
        assert terms(desk, order_id) == (total, price)
        await works_once(desk, order_id)
        (placed,) = [each for each in desk.bench.placed(order_id) if each.working]
        assert (placed.quantity, placed.limit_price) == (total, price)
    assert await desk.kinds(order_id) == ["VenueAccepted", "VenueReplaced", "VenueReplaced"]
    statuses = [each.status for each in await desk.events(order_id)]
    assert statuses[-2:] == [OrderStatus.PENDING_REPLACE, OrderStatus.NEW]


async def test_v3H_stop_that_only_closes_is_moved(desk: Desk, order_id: str) -> None:
    """A stop that protects a position is moved nearer; the market then falls through it.

    It is PENDING_REPLACE, then NEW; one of it works; it is FILLED with what is held, and nothing is held then.
    """
    left_by_others = desk.bench.position(desk.bench.symbol)
    before = await protected(desk, order_id)
    price = desk.bench_market.price("0.97")
    assert price > before
    await desk.modify(order_id, stop_price=price)
    await desk.replaced(order_id)
    assert stop_of(desk, order_id) == price
    await works_once(desk, order_id)
    desk.bench_market.move("0.96")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.eventually(lambda: desk.bench.position(desk.bench.symbol) == left_by_others, "nothing held")
    assert working(desk, order_id) == 0


async def test_v3I_change_of_a_resting_order_whose_reply_is_lost(desk: Desk, order_id: str) -> None:
    """What the venue says of a change of an order that rests until it is cancelled is lost.

    It is one order, PENDING_REPLACE, then in one of the two terms, of which the desk knows which.
    """
    quantity, before = await resting(desk, order_id), terms(desk, order_id)
    desk.bench.lose_replies()
    await desk.modify(order_id, quantity=quantity / 2)
    await desk.change_claimed(order_id)
    await desk.bench.mend()
    made = await answered(desk, order_id)
    assert (terms(desk, order_id) != before) is made


async def test_v3J_move_of_a_stop_whose_reply_is_lost(desk: Desk, order_id: str) -> None:
    """What the venue says of the move of a stop that protects is lost.

    It protects all the while, at one of the two prices in the end, of which the desk knows which.
    """
    before, price = await protected(desk, order_id), desk.bench_market.price("0.97")
    desk.bench.lose_replies()
    await desk.modify(order_id, stop_price=price)
    await desk.change_claimed(order_id)
    assert working(desk, order_id) >= 1
    await desk.bench.mend()
    made = await answered(desk, order_id)
    assert stop_of(desk, order_id) == (price if made else before)


async def test_v3K_killed_between_the_claim_of_a_move_and_its_sending(desk: Desk, order_id: str) -> None:
    """The gateway is killed when the move of a stop is claimed, and nothing of it reaches the venue.

    The stop protects as it did, and the next gateway tells that it was not moved.
    """
    before, price = await protected(desk, order_id), desk.bench_market.price("0.97")
    desk.bench.lose_orders()
    await desk.modify(order_id, stop_price=price)
    await desk.change_claimed(order_id)
    await desk.kill()
    assert working(desk, order_id) == 1
    await desk.bench.mend()
    await desk.start()
    made = await answered(desk, order_id)
    assert stop_of(desk, order_id) == (price if made else before)


@pytest.mark.parametrize("kind", ["limit", "stop"])
async def test_v3L_killed_before_the_venues_answer_to_a_move(desk: Desk, order_id: str, kind: str) -> None:
    """A change of an order that outlives the gateway arrives, the answer is lost, and the gateway is killed.

    The next one goes on where the venue stands: one order works, in terms that the desk knows.
    """
    if kind == "limit":
        wanted = {"quantity": await resting(desk, order_id) / 2}
    else:
        await protected(desk, order_id)
        wanted = {"stop_price": desk.bench_market.price("0.97")}
    before = (terms(desk, order_id), stop_of(desk, order_id))
    desk.bench.lose_replies()
    await desk.modify(order_id, **wanted)
    await desk.change_claimed(order_id)
    await desk.bench.settle()
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    made = await answered(desk, order_id)
    assert ((terms(desk, order_id), stop_of(desk, order_id)) != before) is made


async def test_v3M_partly_filled_order_that_outlives_the_gateway_is_changed(desk: Desk, order_id: str) -> None:
    """An order that rests until it is cancelled is filled in part, and to be for a smaller total.

    It works on for the rest of that, and is FILLED with the new total: never more.
    """
    changes(desk)
    await desk.partially_filled(order_id, time_in_force=TimeInForce.GTC)
    filled, total = desk.filled_quantity(order_id), desk.bench.placed(order_id)[0].quantity
    wanted = filled + desk.bench.small
    assert filled < wanted < total
    await desk.modify(order_id, quantity=wanted)
    await desk.replaced(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.bench_market.trade(30)
    at_venue = sum(placed.filled for placed in desk.bench.placed(order_id))
    assert desk.filled_quantity(order_id) == at_venue
    assert at_venue <= total
    assert at_venue == wanted or "VenueReplaced" not in await desk.kinds(order_id)


async def test_v3N_cancel_while_a_stop_is_moved(desk: Desk, order_id: str) -> None:
    """A stop is moved, and cancelled before the venue's answer is heard.

    It ends CANCELED, and nothing of it works at the venue.
    """
    await protected(desk, order_id)
    desk.bench.hold_news()
    await desk.modify(order_id, stop_price=desk.bench_market.price("0.97"))
    await desk.cancel(order_id)
    await desk.bench.mend()
    await desk.becomes(order_id, OrderStatus.CANCELED)
    await desk.eventually(lambda: working(desk, order_id) == 0, "nothing of it works")
    await desk.flat(f"{order_id}-flat")
    assert desk.bench.position(desk.bench.symbol) == 0
    assert desk.filled_quantity(order_id) == 0

"""V1x: what trades is booked once, with its fee, in as many pieces as it came."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from signalbox.messages import Liquidity, OrderStatus, OrderType, Side, TimeInForce, TriggerMethod, VenueCommission

from .desk import Desk


async def test_v10_partial_fills_then_complete(desk: Desk, order_id: str) -> None:
    """A limit order takes all there is of the book and rests; the market brings more until it is filled.

    It is PARTIALLY_FILLED, then FILLED; every fill says what is left; their sum is its quantity.
    """
    await desk.partially_filled(order_id)
    (placed,) = desk.bench.placed(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    assert desk.filled_quantity(order_id) == placed.quantity
    fills = [each for each in await desk.events(order_id) if hasattr(each, "leaves_quantity")]
    assert len(fills) >= 2
    assert all(each.cumulative_quantity + each.leaves_quantity == placed.quantity for each in fills)
    assert [each.status for each in fills][-1] is OrderStatus.FILLED


async def test_v11_market_order_larger_than_the_book(desk: Desk, order_id: str) -> None:
    """A market order is twice as large as what the book shows.

    It takes what there is, and the rest from the next quotes, until it is filled.
    """
    quantity = desk.bench_market.beyond_the_book(Side.BUY)
    await desk.submit(order_id, quantity=quantity)
    if desk.cannot is not None:
        await desk.becomes(order_id, OrderStatus.CANCELED)
        assert 0 < desk.filled_quantity(order_id) < quantity
        assert (await desk.reported(order_id, "VenueCanceled")).reason
        return
    await desk.trades_until(order_id, OrderStatus.FILLED)
    assert desk.filled_quantity(order_id) == quantity


async def test_v12_every_execution_has_its_fee_once(desk: Desk, order_id: str) -> None:
    """An order fills in several executions.

    Each has one commission report under the execution's own id, in money, for that order.
    """
    await desk.partially_filled(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.adds_up()
    ids = {fill.execution_id for fill in desk.fills(order_id)}
    fees = [each for each in await desk.reports() if isinstance(each, VenueCommission) and each.execution_id in ids]
    assert Counter(each.execution_id for each in fees) == Counter(ids)
    assert {each.currency for each in fees} == {"USD"}


async def test_v13_fill_says_whether_it_made_or_took(desk: Desk, order_id: str) -> None:
    """A market order fills, and a resting order is filled by the market.

    The first fill is a taker's, the second a maker's, as the venue tells it.
    """
    taking, making = f"{order_id}-taking", f"{order_id}-making"
    await desk.filled(taking)
    await desk.working(making)
    desk.bench_market.move("0.89")
    await desk.becomes(making, OrderStatus.FILLED)
    told = {fill.liquidity for fill in desk.fills(taking)}, {fill.liquidity for fill in desk.fills(making)}
    if desk.cannot is not None:
        assert told == ({Liquidity.UNSTATED}, {Liquidity.UNSTATED})
        return
    assert told == ({Liquidity.TAKER}, {Liquidity.MAKER})


async def test_v14_resting_order_is_filled_when_the_market_comes(desk: Desk, order_id: str) -> None:
    """A limit order rests until the market falls to it.

    It is accepted, then filled, at its price or better.
    """
    limit = desk.bench_market.resting_price(Side.BUY)
    await desk.working(order_id, limit_price=limit)
    desk.bench_market.move("0.89")
    await desk.becomes(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueAccepted") < kinds.index("VenueFill")
    assert all(fill.price <= limit for fill in desk.fills(order_id))


async def test_v15_orders_of_two_symbols_do_not_mix(desk: Desk, order_id: str) -> None:
    """Two orders of the same quantity in two symbols are approved at once.

    Each fill is booked under its own order and symbol.
    """
    other = f"{order_id}-other"
    await desk.submit(order_id)
    await desk.submit(other, symbol=desk.bench.other_symbol)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.trades_until(other, OrderStatus.FILLED)
    assert {fill.symbol for fill in desk.fills(order_id)} == {desk.bench.symbol}
    assert {fill.symbol for fill in desk.fills(other)} == {desk.bench.other_symbol}


async def test_v16_order_ids_are_the_same_at_desk_ledger_and_venue(desk: Desk, order_id: str) -> None:
    """An order fills.

    The venue's id in the acceptance, in the fills and in the OMS is the venue's own id of the one order it has.
    """
    await desk.filled(order_id)
    (placed,) = desk.bench.placed(order_id)
    accepted = await desk.reported(order_id, "VenueAccepted")
    fills = [each for each in await desk.reports(order_id) if type(each).__name__ == "VenueFill"]
    assert {accepted.venue_order_id, *(each.venue_order_id for each in fills)} == {placed.number}


async def test_v17_rebate_is_booked_as_a_fee_below_zero(desk: Desk, order_id: str) -> None:
    """The account is in a fee tier in which the venue pays those who make, and a resting order is filled.

    The fee is below zero, and the cash is the venue's.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.bench.pay_makers(True)
    await desk.working(order_id)
    desk.bench_market.move("0.89")
    await desk.becomes(order_id, OrderStatus.FILLED)
    await desk.adds_up()
    await desk.bench.pay_makers(False)
    ids = {fill.execution_id for fill in desk.fills(order_id)}
    fees = [each for each in await desk.reports() if isinstance(each, VenueCommission) and each.execution_id in ids]
    assert fees
    assert all(each.commission < 0 for each in fees)


async def test_v18_market_if_touched_order_takes_the_profit(desk: Desk, order_id: str) -> None:
    """A market-if-touched order to sell lies above the market; the market falls, and then rises through its price.

    It is NEW until it is touched; then it is told as triggered before it is told as filled, and it fills whole.
    """
    touch = {"order_type": OrderType.MARKET_IF_TOUCHED, "stop_price": desk.bench_market.price("1.05")}
    await desk.working(order_id, side=Side.SELL, limit_price=None, **touch)
    desk.bench_market.move("0.98")
    await desk.bench_market.trade()
    assert desk.status(order_id) is OrderStatus.NEW
    desk.bench_market.move("1.09")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueAccepted") < kinds.index("VenueTriggered") < kinds.index("VenueFill")


async def test_v19_limit_if_touched_order_does_no_worse_than_its_limit(desk: Desk, order_id: str) -> None:
    """A limit-if-touched order to sell lies above the market, its limit higher still; the market comes to the one, then
    to the other.

    It is TRIGGERED and rests, and is FILLED at its limit or better.
    """
    limit = desk.bench_market.price("1.10")
    touch = {"order_type": OrderType.LIMIT_IF_TOUCHED, "stop_price": desk.bench_market.price("1.05")}
    await desk.working(order_id, side=Side.SELL, limit_price=limit, **touch)
    desk.bench_market.move("1.06")
    await desk.trades_until(order_id, OrderStatus.TRIGGERED)
    assert [(placed.working, placed.filled) for placed in desk.bench.placed(order_id)] == [(True, Decimal(0))]
    desk.bench_market.move("1.08")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    assert all(fill.price >= limit for fill in desk.fills(order_id))


@pytest.mark.fresh_desk(start={"ibkr": datetime(2024, 3, 5, 20, 40, tzinfo=UTC)})
async def test_v1A_limit_on_close_order_fills_at_the_close_or_not_at_all(desk: Desk, order_id: str) -> None:
    """Two orders with a limit are placed for the closing auction, one within it and one far from it; the day ends.

    Both rest until then; the first is FILLED whole, no worse than its limit, and the second is EXPIRED.
    """
    limit, far = desk.bench_market.crossing_price(Side.BUY), f"{order_id}-far"
    await desk.submit(order_id, order_type=OrderType.LIMIT_ON_CLOSE, limit_price=limit)
    if desk.cannot is not None:
        await refused_before_a_claim(desk, order_id, "close")
        return
    resting = desk.bench_market.resting_price(Side.BUY)
    await desk.submit(far, order_type=OrderType.LIMIT_ON_CLOSE, limit_price=resting)
    for name in (order_id, far):
        await desk.becomes(name, OrderStatus.NEW)
    await desk.bench_market.trade(25 * 60)
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert [fill.price <= limit for fill in desk.fills(order_id)] == [True]
    await desk.becomes(far, OrderStatus.EXPIRED)
    assert desk.fills(far) == []


@pytest.mark.fresh_desk(start={"ibkr": datetime(2024, 3, 5, 14, 10, tzinfo=UTC)})
async def test_v1B_orders_for_the_opening_fill_there_or_not_at_all(desk: Desk, order_id: str) -> None:
    """Before the market opens, orders are placed for its auction: one at the market, one with a limit far from it.

    Both rest until then; the first is FILLED whole, by one execution, and the second is EXPIRED.
    """
    await desk.submit(order_id, order_type=OrderType.MARKET_ON_OPEN)
    if desk.cannot is not None:
        await refused_before_a_claim(desk, order_id, "opening")
        return
    far, limit = f"{order_id}-far", desk.bench_market.resting_price(Side.BUY)
    await desk.submit(far, order_type=OrderType.LIMIT_ON_OPEN, limit_price=limit)
    for name in (order_id, far):
        await desk.becomes(name, OrderStatus.NEW)
    await desk.bench_market.trade(25 * 60)
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert len(desk.fills(order_id)) == 1
    await desk.becomes(far, OrderStatus.EXPIRED)
    assert desk.fills(far) == []


async def test_v1C_market_to_limit_order_rests_at_the_price_of_its_first_fill(desk: Desk, order_id: str) -> None:
    """A market-to-limit order is larger than the book, and then the market leaves its price.

    It takes what there is; the rest works as a limit order, which is told, and trades no worse when the market is back.
    """
    quantity = desk.bench_market.beyond_the_book(Side.BUY)
    await desk.submit(order_id, order_type=OrderType.MARKET_TO_LIMIT, quantity=quantity)
    if desk.cannot is not None:
        await refused_before_a_claim(desk, order_id, "LIMIT order")
        return
    await desk.becomes(order_id, OrderStatus.PARTIALLY_FILLED)
    desk.bench_market.move("1.05")
    first = desk.fills(order_id)[0].price
    noted = await desk.reported(order_id, "VenueNoted")
    assert noted.reason == f"what its first fill has left works as a limit order at {first.normalize():f}"
    await desk.bench_market.trade()
    await desk.bench.settle()
    assert [placed.working for placed in desk.bench.placed(order_id)] == [True]
    desk.bench_market.move("0.90")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    assert all(fill.price <= first for fill in desk.fills(order_id))


async def test_v1D_all_or_none_order_waits_until_all_of_it_is_to_be_had(desk: Desk, order_id: str) -> None:
    """An all-or-none order is larger than the book has for it; another one is not.

    The first works, and nothing of it trades; the second is FILLED by one execution.
    """
    limit = desk.bench_market.crossing_price(Side.BUY)
    whole = {"order_type": OrderType.LIMIT, "limit_price": limit, "all_or_none": True}
    quantity = desk.bench_market.beyond_the_book(Side.BUY)
    await desk.submit(order_id, quantity=quantity, **whole)
    if desk.cannot is not None:
        await refused_before_a_claim(desk, order_id, "all-or-none")
        return
    await desk.becomes(order_id, OrderStatus.NEW)
    small = f"{order_id}-small"
    await desk.filled(small, **whole)
    assert len(desk.fills(small)) == 1
    assert (desk.status(order_id), desk.fills(order_id)) == (OrderStatus.NEW, [])


async def test_v1E_order_that_begins_later_does_nothing_before(desk: Desk, order_id: str) -> None:
    """A market order is not to work before a minute has passed; the market goes on.

    It is NEW until then, and FILLED afterwards; nothing of it trades before its time.
    """
    begins = desk.bench.world.now() + timedelta(seconds=60)
    await desk.submit(order_id, not_before=begins)
    if desk.cannot is not None:
        await refused_before_a_claim(desk, order_id, "begin later")
        return
    await desk.becomes(order_id, OrderStatus.NEW)
    await desk.bench_market.trade(20)
    assert desk.status(order_id) is OrderStatus.NEW
    await desk.trades_until(order_id, OrderStatus.FILLED, seconds=20)
    assert all(fill.at >= begins for fill in desk.fills(order_id))


async def test_v1F_stop_order_goes_by_the_price_that_it_names(desk: Desk, order_id: str) -> None:
    """A stop order to sell is to be triggered by the middle of bid and ask; the market falls through its stop.

    It is NEW until then; it is told as triggered, then as filled.
    """
    stop = {"order_type": OrderType.STOP, "stop_price": desk.bench_market.price("0.95"), "trigger": TriggerMethod.MID}
    await desk.submit(order_id, side=Side.SELL, time_in_force=TimeInForce.GTC, **stop)
    if desk.cannot is not None:
        await refused_before_a_claim(desk, order_id, "ORACLE")
        return
    await desk.becomes(order_id, OrderStatus.NEW)
    desk.bench_market.move("0.94")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueAccepted") < kinds.index("VenueTriggered") < kinds.index("VenueFill")


async def refused_before_a_claim(desk: Desk, order_id: str, word: str) -> None:
    """The gateway refuses what its venue can not do, with the table's sentence, and nothing gets there."""
    await desk.becomes(order_id, OrderStatus.REJECTED)
    assert (desk.bench.placed(order_id), await desk.ledger(order_id)) == ([], [])
    assert word in (await desk.reported(order_id, "VenueRejected")).reason

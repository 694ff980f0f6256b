"""V0x: orders of each kind reach the venue once, and do there what they say."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from signalbox.messages import LedgerClaimed, LedgerSent, OrderStatus, OrderType, Side, TimeInForce
from signalbox.order_terms import WHY_OVER

from .desk import Desk


async def test_v01_market_order_fills(desk: Desk, order_id: str) -> None:
    """A market order to buy is approved.

    It is claimed, then sent, then recorded as sent; the venue has one order; the fills add up to its quantity.
    """
    await desk.submit(order_id)
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert desk.filled_quantity(order_id) == desk.bench.small
    (placed,) = desk.bench.placed(order_id)
    assert (placed.filled, placed.working) == (desk.bench.small, False)
    assert [type(entry) for entry in await desk.ledger(order_id)] == [LedgerClaimed, LedgerSent]


async def test_v02_limit_order_rests(desk: Desk, order_id: str) -> None:
    """A limit order is placed away from the market.

    It is accepted under the venue's own id, works there, and nothing of it trades.
    """
    await desk.working(order_id)
    accepted = await desk.reported(order_id, "VenueAccepted")
    (placed,) = desk.bench.placed(order_id)
    assert accepted.venue_order_id == placed.number
    assert (placed.filled, placed.working) == (Decimal(0), True)
    await desk.bench_market.trade()
    assert desk.status(order_id) is OrderStatus.NEW


async def test_v03_limit_order_that_crosses_fills_within_its_limit(desk: Desk, order_id: str) -> None:
    """A limit order is placed at a price beyond the other side of the book.

    It fills at once, at its limit or better.
    """
    limit = desk.bench_market.crossing_price(Side.BUY)
    await desk.filled(order_id, order_type=OrderType.LIMIT, limit_price=limit)
    assert all(fill.price <= limit for fill in desk.fills(order_id))


async def test_v04_sell_order_opens_a_short_position(desk: Desk, order_id: str) -> None:
    """A market order to sell is approved.

    It fills, and the position is smaller by its quantity, at the venue and on the desk.
    """
    before = desk.bench.position(desk.bench.symbol)
    await desk.filled(order_id, side=Side.SELL)
    assert desk.bench.position(desk.bench.symbol) == before - desk.bench.small
    assert all(fill.side is Side.SELL for fill in desk.fills(order_id))


async def test_v05_stop_order_triggers_and_fills(desk: Desk, order_id: str) -> None:
    """A stop order to sell is placed just above the market, and the market goes on.

    It is told as triggered before it is told as filled, and it fills whole.
    """
    await desk.submit(order_id, side=Side.SELL, order_type=OrderType.STOP, stop_price=desk.bench_market.price("1.002"))
    await desk.trades_until(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueTriggered") < kinds.index("VenueFill")
    assert desk.filled_quantity(order_id) == desk.bench.small


async def test_v06_stop_order_that_is_not_reached_rests(desk: Desk, order_id: str) -> None:
    """A stop order to buy is placed far above the market, and the market goes on; then it is cancelled.

    It is accepted, neither triggers nor trades, and can be cancelled.
    """
    stop_price = desk.bench_market.crossing_price(Side.BUY)
    await desk.submit(order_id, order_type=OrderType.STOP, stop_price=stop_price)
    await desk.becomes(order_id, OrderStatus.NEW)
    await desk.bench_market.trade()
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert await desk.kinds(order_id) == ["VenueAccepted", "VenueCanceled"]


async def test_v07_lasting_order_outlives_the_gateway(desk: Desk, order_id: str) -> None:
    """An order that is good till cancelled rests, the gateway is killed, and the market goes on without it.

    The venue still works it when the gateway comes back, and the desk has it as it was.
    """
    await desk.working(order_id, time_in_force=TimeInForce.GTC)
    await desk.kill()
    await desk.bench_market.trade(60)
    (placed,) = desk.bench.placed(order_id)
    assert placed.working
    await desk.start()
    assert desk.status(order_id) is OrderStatus.NEW
    assert (await desk.kinds(order_id)).count("VenueAccepted") == 1


@pytest.mark.fresh_desk(start={"ibkr": datetime(2024, 3, 5, 20, 40, tzinfo=UTC)})
async def test_v08_market_on_close_order_fills_at_the_close(desk: Desk, order_id: str) -> None:
    """An order for the closing auction is placed in time, and the day ends.

    It rests until then, and fills whole.
    """
    await desk.submit(order_id, order_type=OrderType.MARKET_ON_CLOSE)
    if desk.cannot is not None:
        await desk.becomes(order_id, OrderStatus.REJECTED)
        assert desk.bench.placed(order_id) == []
        assert await desk.ledger(order_id) == []
        assert "close" in (await desk.reported(order_id, "VenueRejected")).reason
        return
    await desk.becomes(order_id, OrderStatus.NEW)
    await desk.bench_market.trade(25 * 60)
    await desk.becomes(order_id, OrderStatus.FILLED)


async def test_v09_reduce_only_order_closes_and_does_not_turn_the_position(desk: Desk, order_id: str) -> None:
    """The desk is long; a reduce-only order to sell twice as much is approved.

    It sells what is held and no more.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.flat(f"{order_id}-flat")
    await desk.filled(f"{order_id}-long")
    await desk.submit(order_id, side=Side.SELL, quantity=desk.bench.small * 2, reduce_only=True)
    await desk.becomes(order_id, OrderStatus.CANCELED, OrderStatus.FILLED)
    await desk.adds_up()
    assert desk.bench.position(desk.bench.symbol) == 0


async def test_v0A_burst_of_orders_is_placed_once_each(desk: Desk, order_id: str) -> None:
    """Twelve orders are approved at once, of both sides.

    Each is placed once and filled.
    """
    names = [f"{order_id}-{number}" for number in range(12)]
    for number, name in enumerate(names):
        await desk.submit(name, side=(Side.BUY, Side.SELL)[number % 2])
    for name in names:
        await desk.trades_until(name, OrderStatus.FILLED)
        assert len(desk.bench.placed(name)) == 1


async def test_v0B_immediate_order_takes_what_there_is_and_its_rest_is_over(desk: Desk, order_id: str) -> None:
    """An IOC order is larger than what the book has for it; another one's limit does not reach the market.

    The first trades in part, the second not at all; both are CANCELED, of themselves, and nothing of them works.
    """
    at_once = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC}
    quantity, limit = desk.bench_market.beyond_the_book(Side.BUY), desk.bench_market.crossing_price(Side.BUY)
    await desk.submit(order_id, quantity=quantity, limit_price=limit, **at_once)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert 0 < desk.filled_quantity(order_id) < quantity
    short = f"{order_id}-short"
    await desk.submit(short, limit_price=desk.bench_market.resting_price(Side.BUY), **at_once)
    await desk.becomes(short, OrderStatus.CANCELED)
    assert desk.filled_quantity(short) == 0
    for name in (order_id, short):
        assert [placed.working for placed in desk.bench.placed(name)] == [False]
        assert (await desk.reported(name, "VenueCanceled")).reason.startswith("immediate-or-cancel: no")


async def test_v0C_fill_or_kill_order_fills_whole_or_not_at_all(desk: Desk, order_id: str) -> None:
    """A FOK order is larger than what the book has for it; another one is not.

    The first is CANCELED, of itself, and nothing of it trades; the second is FILLED.
    """
    limit = desk.bench_market.crossing_price(Side.BUY)
    whole = {"order_type": OrderType.LIMIT, "limit_price": limit, "time_in_force": TimeInForce.FOK}
    await desk.submit(order_id, quantity=desk.bench_market.beyond_the_book(Side.BUY), **whole)
    if desk.cannot is not None:
        await desk.becomes(order_id, OrderStatus.REJECTED)
        assert (desk.bench.placed(order_id), await desk.ledger(order_id)) == ([], [])
        assert "use IOC" in (await desk.reported(order_id, "VenueRejected")).reason
        return
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert (await desk.reported(order_id, "VenueCanceled")).reason == WHY_OVER[TimeInForce.FOK]
    assert desk.fills(order_id) == []
    await desk.filled(f"{order_id}-small", **whole)


async def test_v0D_post_only_order_rests_or_is_turned_away(desk: Desk, order_id: str) -> None:
    """A post-only order is placed away from the market; others, for the day and until cancelled, would trade at once.

    The first works; the others are REJECTED, or CANCELED where the venue has not said why, and nothing of them trades.
    """
    resting = {"order_type": OrderType.LIMIT, "post_only": True}
    if desk.cannot is not None:
        await desk.submit(order_id, limit_price=desk.bench_market.resting_price(Side.BUY), **resting)
        await desk.becomes(order_id, OrderStatus.REJECTED)
        assert (desk.bench.placed(order_id), await desk.ledger(order_id)) == ([], [])
        assert "post-only" in (await desk.reported(order_id, "VenueRejected")).reason
        return
    for validity in (TimeInForce.DAY, TimeInForce.GTC):
        name = f"{order_id}-{validity.lower()}"
        await desk.working(name, time_in_force=validity, **resting)
        limit = desk.bench_market.crossing_price(Side.BUY)
        await desk.submit(f"{name}-crosses", limit_price=limit, time_in_force=validity, **resting)
        await desk.becomes(f"{name}-crosses", OrderStatus.REJECTED, OrderStatus.CANCELED)
        assert "post-only" in (await desk.reports(f"{name}-crosses"))[-1].reason.lower()
        assert desk.fills(f"{name}-crosses") == []
        assert desk.status(name) is OrderStatus.NEW


async def test_v0E_stop_limit_order_waits_for_its_stop(desk: Desk, order_id: str) -> None:
    """A stop-limit order to sell is placed, its limit within the market and its stop below; then the market falls.

    It rests until its stop is reached; it is told as triggered, then as filled, at its limit or better.
    """
    limit = desk.bench_market.price("0.90")
    await desk.resting_stop(order_id, order_type=OrderType.STOP_LIMIT, limit_price=limit)
    await desk.bench_market.trade()
    assert desk.status(order_id) is OrderStatus.NEW
    desk.bench_market.move("0.94")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueAccepted") < kinds.index("VenueTriggered") < kinds.index("VenueFill")
    assert all(fill.price >= limit for fill in desk.fills(order_id))


async def test_v0F_stop_limit_order_rests_where_the_market_jumps_over_its_limit(desk: Desk, order_id: str) -> None:
    """The market falls through the stop of a stop-limit order and its limit at once; later it comes back.

    It is TRIGGERED and works; nothing trades below its limit; it is FILLED when the market is there again.
    """
    limit = desk.bench_market.price("0.95")
    await desk.resting_stop(order_id, order_type=OrderType.STOP_LIMIT, limit_price=limit)
    desk.bench_market.move("0.90")
    await desk.trades_until(order_id, OrderStatus.TRIGGERED)
    await desk.bench_market.trade()
    await desk.bench.settle()
    assert [(placed.working, placed.filled) for placed in desk.bench.placed(order_id)] == [(True, Decimal(0))]
    desk.bench_market.move("1.10")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    assert all(fill.price >= limit for fill in desk.fills(order_id))

"""V3O on: stops that follow the market, with a limit, or from a stated price on."""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import OrderStatus, OrderType, Side, TimeInForce

from .desk import Desk


async def test_v3O_trailing_stop_with_a_limit_follows_the_market_and_rests_there(desk: Desk, order_id: str) -> None:
    """A trailing stop to sell with a limit lies 5 % behind the market, which rises by 10 %, then falls by 3 % and 4 %.

    It is NEW while the market rises and falls a little, TRIGGERED by the fall that reaches its stop, and FILLED for no
    less than its limit.
    """
    offset = desk.bench_market.price("0.08")
    trail = {"order_type": OrderType.TRAILING_STOP_LIMIT, "trail_percent": Decimal(5), "limit_offset": offset}
    await desk.submit(order_id, side=Side.SELL, time_in_force=TimeInForce.GTC, **trail)
    await desk.becomes(order_id, OrderStatus.NEW)
    lowest = desk.bench_market.quote().last * Decimal("1.04") - offset
    for factor in ("1.10", "0.97"):
        await desk.bench_market.trade()
        desk.bench_market.move(factor)
        for _ in range(10):  # where the gateway moves it, that takes some blocks
            await desk.bench.settle()
    await desk.bench_market.trade()
    assert desk.status(order_id) is OrderStatus.NEW
    await desk.eventually(lambda: sum(each.working for each in desk.bench.placed(order_id)) == 1, "one that works")
    desk.bench_market.move("0.96")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueAccepted") < kinds.index("VenueTriggered") < kinds.index("VenueFill")
    assert all(fill.price >= lowest for fill in desk.fills(order_id))


async def test_v3P_trailing_stop_begins_at_its_activation_price(desk: Desk, order_id: str) -> None:
    """A trailing stop to sell, 5 % behind, is to begin 5 % above the market, which falls by 8 %, then rises by 20 %.

    It is NEW while the market falls: nothing triggers it; once the market has been there it follows, and is FILLED by
    the turn.
    """
    begins = desk.bench_market.price("1.05")
    trail = {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(5), "activation_price": begins}
    await desk.submit(order_id, side=Side.SELL, time_in_force=TimeInForce.GTC, **trail)
    await desk.becomes(order_id, OrderStatus.NEW)
    for factor in ("0.92", "1.20", "0.97"):
        await moved(desk, factor)
        assert desk.status(order_id) is OrderStatus.NEW
    desk.bench_market.move("0.96")
    await desk.trades_until(order_id, OrderStatus.FILLED)
    kinds = await desk.kinds(order_id)
    assert kinds.index("VenueAccepted") < kinds.index("VenueTriggered") < kinds.index("VenueFill")


async def moved(desk: Desk, factor: str) -> None:
    """The market goes there, and is looked at for some blocks."""
    await desk.bench_market.trade()
    desk.bench_market.move(factor)
    await desk.bench_market.trade()
    for _ in range(10):  # where the gateway moves it, that takes some blocks
        await desk.bench.settle()


async def test_v3Q_killed_before_and_after_a_trailing_stop_has_begun(desk: Desk, order_id: str) -> None:
    """A trailing stop is to begin 5 % above the market; the gateway is killed; the next one sees the market come there,
    and is killed; the market falls by less than the trail, and then by more.

    It waits, begins once, and is not begun anew: it is FILLED by the fall, under the third gateway.
    """
    begins = desk.bench_market.price("1.05")
    trail = {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(5), "activation_price": begins}
    await desk.submit(order_id, side=Side.SELL, time_in_force=TimeInForce.GTC, **trail)
    await desk.becomes(order_id, OrderStatus.NEW)
    await desk.kill()
    await desk.start()
    await moved(desk, "0.92")
    assert desk.status(order_id) is OrderStatus.NEW
    await moved(desk, "1.20")
    await desk.kill()
    desk.bench_market.move("0.97")
    await desk.start()
    await moved(desk, "1")
    assert desk.status(order_id) is OrderStatus.NEW
    desk.bench_market.move("0.96")
    await desk.trades_until(order_id, OrderStatus.FILLED)

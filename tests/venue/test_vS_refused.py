"""VS9: a stop that the venue refuses again and again, of a list that halts its symbol then."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from risk.state import opening_state
from risk.switches import fold_alarm
from signalbox.desk import load_desk
from signalbox.messages import (
    Contingency,
    ExitPolicy,
    ListAction,
    ListAlarmed,
    ListLeg,
    OffsetUnit,
    OrderStatus,
    OrderType,
    PriceOffset,
    Side,
    TradingMode,
)

from .desk import Desk
from .held import alarms, orders_of


async def test_vS9_stop_refused_twice_halts_its_symbol(desk: Desk, order_id: str) -> None:
    """An entry fills, and its stop is refused, and once more; the list's policy is HALT.

    Nothing is closed, and nothing of the list works; the alarm says which symbol, and by it only what reduces is let
    through there. What is held can be sold.
    """
    await desk.flat(f"{order_id}-flat")
    before = desk.bench.position(desk.bench.symbol)
    entry = f"{order_id}.entry"
    await rests(desk, order_id)
    await desk.bench.reject_next(2)
    desk.bench.move("0.98")
    await fills(desk, entry)

    async def halted() -> bool:
        return (f"{order_id}.stop-2", ListAction.HALT) in await alarms(desk, order_id)

    await desk.eventually(halted, "an alarm that halts the symbol")
    assert await alarms(desk, order_id) == [
        (f"{order_id}.stop", ListAction.RETRY),
        (f"{order_id}.stop-2", ListAction.HALT),
    ]
    await desk.eventually(lambda: order_id in desk.oms.state.lists_over, "a list of which nothing works")
    assert not any(placed.working for key in orders_of(desk, order_id, "stop") for placed in desk.bench.placed(key))
    assert orders_of(desk, order_id, "flatten") == []
    assert desk.bench.position(desk.bench.symbol) == before + desk.filled_quantity(entry)
    assert await switched(desk, order_id) is TradingMode.REDUCING
    await desk.flat(f"{order_id}-out")


async def rests(desk: Desk, list_id: str) -> None:
    """Have an entry that rests 1 % below the market, and whose stop is behind its fill: no venue has that before."""
    bench, market = desk.bench, desk.bench_market
    away = PriceOffset(amount=Decimal(-5), unit=OffsetUnit.PERCENT)
    entry = ListLeg(
        name="entry",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        limit_price=market.price("0.99"),
        quantity=bench.small,
        time_in_force=bench.lasting,
    )
    stop = ListLeg(
        name="stop", side=Side.SELL, order_type=OrderType.STOP, stop_offset=away, time_in_force=bench.lasting
    )
    await desk.list_of(list_id, Contingency.OTO, entry, stop, exit_policy=ExitPolicy.HALT)
    await desk.becomes(f"{list_id}.entry", OrderStatus.NEW)
    await desk.at_venue(f"{list_id}.entry")
    await bench.settle()


async def fills(desk: Desk, order_id: str) -> None:
    """Let the market go on until the order is filled."""

    async def filled() -> bool:
        if desk.status(order_id) is not OrderStatus.FILLED:
            await desk.bench_market.trade(5)
            await asyncio.sleep(desk.bench.spare_seconds)
        return desk.status(order_id) is OrderStatus.FILLED

    await desk.eventually(filled, f"{order_id} filled")


async def switched(desk: Desk, list_id: str) -> TradingMode | None:
    """What risk makes of the list's alarms, for its symbol."""
    state = opening_state(load_desk(desk.desk_file))
    for event in await desk.events(list_id):
        if isinstance(event, ListAlarmed):
            fold_alarm(state, event, "TRADE")
    found = state.switches.get((desk.bench.venue, desk.bench.account, desk.bench.symbol, ""))
    return found.mode if found is not None else None

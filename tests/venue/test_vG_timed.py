"""VGx: what a list does at times of its own. The market stands still until it is told, and so does the desk's clock."""

from __future__ import annotations

from signalbox.messages import FINAL_STATUSES, OrderStatus, OrderType, Side, TimedAction, TimedStep

from .desk import Desk
from .test_v3_changing import changes
from .test_vG_lists import over

MINUTE = 60


async def later(desk: Desk, seconds: float) -> None:
    """Let so much of the venue's time pass at once."""
    await desk.bench_market.trade(seconds)


async def test_vGB_stop_goes_to_break_even_after_a_delay(desk: Desk, order_id: str) -> None:
    """A bracket fills; the stop is to go to the entry's price a minute later, and the minute passes.

    One stop works at the venue, for what is held, at the price of the fill; the market falls to it: nothing is held.
    """
    changes(desk)
    before = desk.bench.position(desk.bench.symbol)
    await desk.protected(order_id, TimedStep(action=TimedAction.BREAK_EVEN, after_seconds=MINUTE))
    desk.bench.move("1.02")
    await later(desk, MINUTE)
    entry_price = desk.oms.state.lists[order_id].entry_value / desk.filled_quantity(f"{order_id}.entry")

    def stops() -> list[str]:
        keys = [key for key in desk.oms.state.lists[order_id].orders if ".stop" in key]
        return [key for key in keys if any(placed.working for placed in desk.bench.placed(key))]

    def is_moved() -> bool:
        state = desk.oms.state
        found = [state.orders[key] for key in stops()]
        return len(found) == 1 and all(
            each.status is OrderStatus.NEW and each.change is None and each.order.stop_price >= entry_price
            for each in found
            if each.order is not None
        )

    await desk.eventually(is_moved, "one stop, at the entry's price")
    (stop,) = stops()
    order = desk.oms.state.orders[stop].order
    assert order is not None
    assert order.stop_price - entry_price < desk.bench_market.tick_size()
    assert order.quantity == desk.filled_quantity(f"{order_id}.entry")
    desk.bench.move("0.97")
    await desk.trades_until(stop, OrderStatus.FILLED)
    await over(desk, order_id, "target")
    assert desk.bench.position(desk.bench.symbol) == before


async def test_vGC_entry_is_cancelled_when_its_time_is_over(desk: Desk, order_id: str) -> None:
    """A bracket's entry rests below the market, and is to be cancelled if it has not filled within a minute.

    It is CANCELED then, at the venue too; nothing is left behind it, and the list is over.
    """
    limit = desk.bench_market.resting_price(Side.BUY)
    await desk.bracket(
        order_id,
        TimedStep(action=TimedAction.CANCEL_ENTRY, after_seconds=MINUTE),
        order_type=OrderType.LIMIT,
        limit_price=limit,
        time_in_force=desk.bench.lasting,
    )
    await desk.becomes(f"{order_id}.entry", OrderStatus.NEW)
    await desk.at_venue(f"{order_id}.entry")
    await later(desk, MINUTE + 1)
    await desk.becomes(f"{order_id}.entry", OrderStatus.CANCELED)
    await over(desk, order_id, "entry")
    assert all(not placed.filled for key in desk.oms.state.lists[order_id].orders for placed in desk.bench.placed(key))


async def test_vGD_position_is_closed_after_its_longest_holding_time(desk: Desk, order_id: str) -> None:
    """A bracket fills, and is to be held for a minute at most.

    Its exits are taken away, then what it holds is closed at the market: nothing works, and nothing is held.
    """
    before = desk.bench.position(desk.bench.symbol)
    await desk.protected(order_id, TimedStep(action=TimedAction.CLOSE_POSITION, after_seconds=MINUTE))
    await later(desk, MINUTE)
    closing = f"{order_id}.flatten"
    await desk.eventually(lambda: closing in desk.oms.state.orders, "an order that closes")
    for leg in ("stop", "target"):
        assert desk.status(f"{order_id}.{leg}") in FINAL_STATUSES, "what could close it twice has gone first"
    await desk.ends(closing)
    await over(desk, order_id, "stop", "target", "flatten")
    assert desk.bench.position(desk.bench.symbol) == before

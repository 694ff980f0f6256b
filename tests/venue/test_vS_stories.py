"""VSx: what broke order lists elsewhere. Each names the report that tells of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from signalbox.messages import OrderStatus, Side, TimeInForce

from .desk import Desk
from .held import (
    alarms,
    bought_in_parts,
    changes,
    crossing,
    ends_all,
    goes_flat,
    is_held_by,
    orders_of,
    over,
    targets_of,
    works,
)

PARTS, ORDERS_A_SIDE_MAX = 30, 20


async def test_vS0_stop_fires_while_the_entry_still_works(desk: Desk, order_id: str) -> None:
    """A bracket's entry is filled in part, and works on; the market falls through the stop (nautilus_trader #2704).

    What the entry goes on to buy has its own stops; in the end nothing is held, nothing works, and never was more sold
    than was held.
    """
    await bought_in_parts(desk, order_id)
    await desk.becomes(f"{order_id}.stop", OrderStatus.NEW)
    desk.bench.move("0.94")
    await desk.ends(f"{order_id}.entry")
    await goes_flat(desk, order_id)


async def test_vS1_target_fills_in_part_and_the_stop_is_for_the_rest(desk: Desk, order_id: str) -> None:
    """A target takes what the book has, and is filled in part; then the market falls (jesse #510, freqtrade #8374).

    The stop is for what is left, and closes just that.
    """
    await bought_in_parts(desk, order_id)
    await desk.trades_until(f"{order_id}.entry", OrderStatus.FILLED)
    await is_held_by(desk, order_id, market_goes_on=True)  # the case before may have left no room at dYdX for now
    bought = desk.filled_quantity(f"{order_id}.entry")
    desk.bench.move("1.06")

    async def sold_some() -> bool:
        await desk.bench_market.trade(1)
        await asyncio.sleep(desk.bench.spare_seconds)
        return desk.bench.position(desk.bench.symbol) < bought

    await desk.eventually(sold_some, "a target that fills")
    left = desk.bench.position(desk.bench.symbol)
    if left:
        await is_held_by(desk, order_id, "stop")
    else:
        await over(desk, order_id)  # where nobody but the desk keeps the group, its stop goes a moment later
    desk.bench.move("0.85")  # of what it is now: the stop is 5 % below where the market began
    await goes_flat(desk, order_id)
    assert sum(desk.filled_quantity(key) for leg in ("stop", "target", "flatten") for key in orders_of(
        desk, order_id, leg
    )) == bought  # fmt: skip


async def test_vS2_entry_fills_in_parts_and_the_exits_follow(desk: Desk, order_id: str) -> None:
    """An entry fills in two parts or more (crypto-trading-bot #84: the exit stays at the first part).

    After each the stop and the target work for all that is held.
    """
    await bought_in_parts(desk, order_id)
    await is_held_by(desk, order_id)
    first = desk.bench.position(desk.bench.symbol)
    await desk.trades_until(f"{order_id}.entry", OrderStatus.FILLED)
    await is_held_by(desk, order_id)
    assert works(desk, order_id, "stop") > first
    await ends_all(desk, order_id)


async def test_vS3_total_of_a_partly_filled_entry_is_made_smaller(desk: Desk, order_id: str) -> None:
    """A bracket's entry is filled in part, and is to be for a smaller total (Alpaca-API #165: all of it once more).

    It fills to that total, what had filled included, and the exits are for that.
    """
    changes(desk)
    await desk.flat(f"{order_id}-flat")
    entry = f"{order_id}.entry"
    await desk.bracket(order_id, **(crossing(desk) | {"time_in_force": TimeInForce.DAY}))
    await desk.becomes(entry, OrderStatus.PARTIALLY_FILLED)
    total = desk.filled_quantity(entry) + desk.bench.small
    await desk.modify(entry, quantity=total)
    await desk.replaced(entry)
    await desk.trades_until(entry, OrderStatus.FILLED)
    await desk.bench_market.trade(30)
    assert desk.bench.position(desk.bench.symbol) == desk.filled_quantity(entry) == total
    await is_held_by(desk, order_id)
    await ends_all(desk, order_id)


async def test_vS4_half_is_taken_and_the_stop_of_the_rest_goes_to_the_entry(desk: Desk, order_id: str) -> None:
    """Half is taken at the first target; then the stop of the rest is moved to the entry's price (traderui #12).

    The stop of that half goes with it; the other one is for the rest, at its new price, and closes it there.
    """
    changes(desk)
    quantity = desk.bench.small * 2
    entered = desk.bench_market.price("1")
    await targets_of(desk, order_id, quantity, ("0.5", "1.03"), ("0.5", "1.20"))
    for leg in ("stop", "stop-2", "target1", "target2"):
        await desk.becomes(f"{order_id}.{leg}", OrderStatus.NEW)
        await desk.at_venue(f"{order_id}.{leg}")
    await desk.bench.settle()
    desk.bench.move("1.04")
    await desk.trades_until(f"{order_id}.target1", OrderStatus.FILLED)
    await desk.becomes(f"{order_id}.stop", OrderStatus.CANCELED)
    await is_held_by(desk, order_id, "stop", "target2", quantity=quantity / 2)
    stop = f"{order_id}.stop-2"
    await desk.modify(stop, stop_price=entered)
    await desk.replaced(stop)
    desk.bench.move("0.955")  # below the entry's price, above where the stop was
    await goes_flat(desk, order_id)
    assert desk.filled_quantity(stop) == quantity / 2


async def test_vS5_three_are_closed_by_three(desk: Desk, order_id: str) -> None:
    """Three targets share three lots, in shares that do not divide, and the stop is reached (NinjaTrader: four sold).

    Just three are sold.
    """
    lot = desk.bench.small / 10
    await targets_of(desk, order_id, lot * 3, ("0.34", "1.03"), ("0.33", "1.04"), ("0.33", "1.05"))
    await is_held_by(desk, order_id, "stop")
    desk.bench.move("0.94")
    await goes_flat(desk, order_id)
    sold = [desk.filled_quantity(key) for key in desk.oms.state.lists[order_id].orders if not key.endswith("entry")]
    assert sum(sold) == lot * 3


async def test_vS6_moved_stop_whose_reply_is_lost_is_one_stop(desk: Desk, order_id: str) -> None:
    """A bracket's stop is moved, and what the venue says of it is lost (nautilus_trader #4564: two orders).

    One stop works, in the terms that the desk knows; when it fires, what is held is sold, and no more.
    """
    changes(desk)
    await desk.flat(f"{order_id}-flat")
    await desk.protected(order_id)
    stop = f"{order_id}.stop"
    desk.bench.lose_replies()
    await desk.modify(stop, stop_price=desk.bench_market.price("0.96"))
    await desk.after(desk.bench.spare_seconds)
    await desk.bench.mend()
    await desk.becomes(stop, OrderStatus.NEW)
    assert sum(placed.working for placed in desk.bench.placed(stop)) == 1
    await is_held_by(desk, order_id)
    desk.bench.move("0.94")
    await goes_flat(desk, order_id)


async def test_vS7_thirty_small_fills_have_few_exits(desk: Desk, order_id: str) -> None:
    """A bracket's entry fills in thirty parts or more. IBKR takes 20 working orders on a side, dYdX 20 in 100 blocks.

    None of its exits is lost: what there is no room for waits. They are few, and for all that is held.
    """
    changes(desk)
    await desk.flat(f"{order_id}-flat")
    entry = f"{order_id}.entry"
    await desk.bracket(order_id, **crossing(desk, 2 * PARTS))

    async def many() -> bool:
        await desk.bench_market.trade(1)
        await asyncio.sleep(desk.bench.spare_seconds)
        return len(desk.fills(entry)) >= PARTS or desk.status(entry) is OrderStatus.FILLED

    await desk.eventually(many, f"{PARTS} fills of {entry}")
    assert len(desk.fills(entry)) >= PARTS, "not small enough: nothing was tested"
    await desk.cancel(entry)
    await desk.becomes(entry, OrderStatus.CANCELED, OrderStatus.FILLED)
    await is_held_by(desk, order_id, market_goes_on=True)
    assert await alarms(desk, order_id) == []
    keys = desk.oms.state.lists[order_id].orders
    working = [placed for key in keys for placed in desk.bench.placed(key) if placed.working]
    assert len(working) < ORDERS_A_SIDE_MAX / 2
    await ends_all(desk, order_id)


async def test_vS8_gateway_dies_in_the_middle_of_a_flatten(desk: Desk, order_id: str) -> None:
    """A bracket is flattened: the gateway is killed as the cancels are asked for, and as the closing order is claimed.

    Its orders end, what is held is sold by one order, and nothing is sold twice.
    """
    changes(desk)
    await desk.flat(f"{order_id}-flat")
    await desk.protected(order_id)
    held = desk.bench.position(desk.bench.symbol)
    flatten, stop = f"{order_id}-home", f"{order_id}.stop"
    await desk.flatten(flatten, account=desk.bench.account)
    await desk.becomes(stop, OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED)
    await desk.kill()
    await desk.start()
    await over(desk, order_id)
    assert desk.bench.position(desk.bench.symbol) == held
    closing = f"{flatten}.1"
    await desk.submit(closing, side=Side.SELL, quantity=held, reduce_only=True)
    await desk.claimed(closing)
    await desk.kill()
    await desk.start()
    await desk.ends(closing)
    assert len(desk.bench.placed(closing)) <= 1
    assert desk.bench.position(desk.bench.symbol) in (Decimal(0), held), "it was sold whole, or never sent"
    await desk.flat(f"{order_id}-out")

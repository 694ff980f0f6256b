"""VGx: exits that leave with their entry, in more shapes: several targets, each with its part of the stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import Contingency, ListLeg, OrderStatus, OrderType, Side

from .desk import Desk
from .held import crossing, ends_all, goes_flat, is_held_by, orders_of, over, works

EXITS = ("target1", "stop", "target2", "stop-2")


async def several(desk: Desk, list_id: str, **entry: Any) -> None:
    """Approve a bracket of two halves: targets 5 and 10 % above the market, a stop 5 % below it; its entry rests."""
    market, lasting = desk.bench_market, desk.bench.lasting
    rest = {"order_type": OrderType.LIMIT, "limit_price": market.price("0.99"), "time_in_force": lasting}
    terms: dict[str, Any] = rest | {"quantity": desk.bench.small} | entry
    legs = [ListLeg(name="entry", side=Side.BUY, **terms)]
    legs.append(
        ListLeg(
            name="stop",
            side=Side.SELL,
            order_type=OrderType.STOP,
            stop_price=market.price("0.95"),
            time_in_force=lasting,
        )
    )
    for number, factor in enumerate(("1.05", "1.10"), 1):
        price = market.price(factor)
        target = {"order_type": OrderType.LIMIT, "limit_price": price, "time_in_force": lasting}
        legs.append(ListLeg(name=f"target{number}", side=Side.SELL, share=Decimal("0.5"), **target))
    await desk.list_of(list_id, Contingency.BRACKET, *legs)


async def rests(desk: Desk, list_id: str) -> None:
    """Have one of which nothing has filled, and whose exits the venue holds."""
    await desk.flat(f"{list_id}-flat")
    await several(desk, list_id)
    await desk.becomes(f"{list_id}.entry", OrderStatus.NEW)
    for leg in EXITS:
        await desk.becomes(f"{list_id}.{leg}", OrderStatus.HELD)


async def trades(desk: Desk, condition: Callable[[], bool], what: str) -> None:
    """Let the market go on until the condition holds."""

    async def there() -> bool:
        if not condition():
            await desk.bench_market.trade(5)
            await asyncio.sleep(desk.bench.spare_seconds)
        return condition()

    await desk.eventually(there, what)


def filled(desk: Desk, order_id: str) -> Decimal:
    """What of an order has filled at the venue."""
    return sum((placed.filled for placed in desk.bench.placed(order_id)), Decimal(0))


async def test_vG7_several_targets_do_their_work_while_the_oms_is_dead(desk: Desk, order_id: str) -> None:
    """A bracket of two targets rests; the OMS is killed. The market comes to the entry, rises to one, then falls.

    Half went at the first target, whose part of the stop went with it; the stop closed the other half. The OMS finds
    all of it: each order was sent once, nothing works, and nothing is held.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    before = desk.bench.position(desk.bench.symbol)
    legs = {leg: f"{order_id}.{leg}" for leg in ("entry", *EXITS)}
    half = desk.bench.small / 2
    await rests(desk, order_id)
    await desk.oms_dies()
    desk.bench.move("0.98")
    await trades(desk, lambda: filled(desk, legs["entry"]) == desk.bench.small, "a fill of the entry")
    desk.bench.move("1.09")
    await trades(desk, lambda: filled(desk, legs["target1"]) == half, "a fill of the first target")
    desk.bench.move("0.85")
    await trades(desk, lambda: desk.bench.position(desk.bench.symbol) == before, "the stop has closed the rest")
    await desk.oms_returns()
    await over(desk, order_id)
    assert {leg: desk.status(key) for leg, key in legs.items()} == {
        "entry": OrderStatus.FILLED,
        "target1": OrderStatus.FILLED,
        "stop": OrderStatus.CANCELED,
        "target2": OrderStatus.CANCELED,
        "stop-2": OrderStatus.FILLED,
    }
    assert all(len(desk.bench.placed(key)) == 1 for key in legs.values())
    assert set(desk.oms.state.lists[order_id].orders) == set(legs.values())


async def test_vG8_gateway_dies_while_an_entry_with_several_targets_rests(desk: Desk, order_id: str) -> None:
    """The entry rests with its pairs; the gateway is killed, the market comes to the entry, it returns.

    Each was placed once, and works for its part of what has filled.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await rests(desk, order_id)
    await desk.kill()
    desk.bench.move("0.98")
    await desk.until_done_at_venue(f"{order_id}.entry")
    await desk.start()
    await desk.becomes(f"{order_id}.entry", OrderStatus.FILLED)
    for leg in EXITS:
        await desk.becomes(f"{order_id}.{leg}", OrderStatus.NEW)
        assert len(desk.bench.placed(f"{order_id}.{leg}")) == 1
    await is_held_by(desk, order_id, "stop")
    assert works(desk, order_id, "target1") == works(desk, order_id, "target2") == desk.bench.small / 2
    await ends_all(desk, order_id)


async def test_vG9_several_targets_follow_an_entry_that_fills_in_parts(desk: Desk, order_id: str) -> None:
    """An entry with two targets takes what there is of the book, and works on; the gateway is killed; the rest fills.

    Together the stops are for what is held, each time; no more is sold than that.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.flat(f"{order_id}-flat")
    entry = f"{order_id}.entry"
    await several(desk, order_id, **crossing(desk))
    await desk.becomes(entry, OrderStatus.PARTIALLY_FILLED)
    await desk.kill()
    await desk.until_done_at_venue(entry)
    await desk.start()
    await desk.becomes(entry, OrderStatus.FILLED)
    await is_held_by(desk, order_id, "stop")
    assert works(desk, order_id, "target1") + works(desk, order_id, "target2") == works(desk, order_id, "stop")
    desk.bench.move("0.85")
    await goes_flat(desk, order_id)
    sold = [desk.filled_quantity(key) for leg in ("stop", "target1", "target2") for key in orders_of(
        desk, order_id, leg
    )]  # fmt: skip
    assert sum(sold) == desk.filled_quantity(entry)

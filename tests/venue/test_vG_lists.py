"""VGx: orders that depend on each other protect what has filled, and nothing more."""

from __future__ import annotations

import asyncio
from functools import partial

from signalbox.messages import FINAL_STATUSES, OrderStatus, OrderType, Side

from .desk import Desk


async def over(desk: Desk, list_id: str, *legs: str) -> None:
    """Wait until nothing of the list works, at the desk and at the venue."""
    for leg in legs:
        await desk.becomes(f"{list_id}.{leg}", *FINAL_STATUSES)
        assert not any(placed.working for placed in desk.bench.placed(f"{list_id}.{leg}"))
    await desk.eventually(lambda: list_id in desk.oms.state.lists_over, "a list that is over")


async def test_vG0_target_of_a_bracket_takes_its_stop_away(desk: Desk, order_id: str) -> None:
    """A bracket's entry fills; the market rises to its target.

    Stop and target rest at the venue for what has filled; the target is FILLED, the stop CANCELED, and nothing is held.
    """
    before = desk.bench.position(desk.bench.symbol)
    await desk.protected(order_id)
    assert desk.oms.state.lists[order_id].unprotected_since is None
    desk.bench.move("1.06")
    await desk.trades_until(f"{order_id}.target", OrderStatus.FILLED)
    await over(desk, order_id, "stop")
    assert desk.status(f"{order_id}.stop") is OrderStatus.CANCELED
    assert desk.bench.position(desk.bench.symbol) == before


async def test_vG1_stop_of_a_bracket_takes_its_target_away(desk: Desk, order_id: str) -> None:
    """A bracket's entry fills; the market falls to its stop.

    The stop is FILLED, the target CANCELED, and nothing is held.
    """
    before = desk.bench.position(desk.bench.symbol)
    await desk.protected(order_id)
    desk.bench.move("0.94")
    await desk.trades_until(f"{order_id}.stop", OrderStatus.FILLED)
    await over(desk, order_id, "target")
    assert desk.status(f"{order_id}.target") is OrderStatus.CANCELED
    assert desk.bench.position(desk.bench.symbol) == before


async def test_vG2_stop_fires_while_the_entry_is_filled_in_part(desk: Desk, order_id: str) -> None:
    """A bracket's entry takes what there is of the book and is cancelled; then the market falls to the stop.

    The exits are for what has filled and stay when the entry is gone; the stop closes just that.
    """
    before = desk.bench.position(desk.bench.symbol)
    market, entry, stop = desk.bench_market, f"{order_id}.entry", f"{order_id}.stop"
    await desk.bracket(
        order_id,
        order_type=OrderType.LIMIT,
        limit_price=market.crossing_price(Side.BUY),
        quantity=market.beyond_the_book(Side.BUY),
        time_in_force=desk.bench.lasting,
    )
    await desk.becomes(entry, OrderStatus.PARTIALLY_FILLED)
    await desk.cancel(entry)
    await desk.becomes(entry, OrderStatus.CANCELED)
    await desk.becomes(stop, OrderStatus.NEW)
    state = desk.oms.state
    stops = [key for key in state.lists[order_id].orders if ".stop" in key]
    for key in stops:
        await desk.becomes(key, OrderStatus.NEW)
    sizes = [order.quantity for key in stops if (order := state.orders[key].order) is not None]
    assert sum(sizes) == desk.filled_quantity(entry) == desk.bench.position(desk.bench.symbol) - before
    desk.bench.move("0.94")

    async def closed() -> bool:
        if desk.bench.position(desk.bench.symbol) != before:  # a stop that takes at once may find too little at first
            await market.trade(5)
            await asyncio.sleep(desk.bench.spare_seconds)
        return desk.bench.position(desk.bench.symbol) == before

    await desk.eventually(closed, "what was bought is sold again")
    await desk.eventually(lambda: order_id in state.lists_over, "a list that is over")
    assert not any(placed.working for key in stops for placed in desk.bench.placed(key))
    assert desk.bench.position(desk.bench.symbol) == before


async def test_vG3_exits_wait_for_a_gateway_that_died_with_the_entrys_fill(desk: Desk, order_id: str) -> None:
    """The gateway is killed as soon as the entry is filled, and comes back.

    One order of each exit works at the venue, and none was sent twice: one that had been claimed and not sent when the
    gateway died is another one now. The list is cancelled as one: nothing of it works.
    """
    await desk.bracket(order_id)
    await desk.becomes(f"{order_id}.entry", OrderStatus.FILLED)
    await desk.kill()
    await desk.start()
    state = desk.oms.state

    def of(leg: str) -> list[str]:
        return [key for key in state.lists[order_id].orders if f".{leg}" in key]

    def stands(leg: str) -> bool:
        works = [placed for key in of(leg) for placed in desk.bench.placed(key) if placed.working]
        assert len(works) <= 1
        return bool(works) and desk.status(of(leg)[-1]) is OrderStatus.NEW

    for leg in ("stop", "target"):
        await desk.eventually(partial(stands, leg), f"a {leg} that stands at the venue")
        assert all(len(desk.bench.placed(key)) <= 1 for key in of(leg))
    legs = [key.partition(".")[2] for leg in ("stop", "target") for key in of(leg)]
    await desk.cancel(order_id)
    await over(desk, order_id, *legs)
    await desk.submit(f"{order_id}-out", side=Side.SELL)
    await desk.ends(f"{order_id}-out")

"""What the cases of lists look at: what of a list's exits works at the venue, beside what is held there.

It must not know which venue it is.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from signalbox.messages import Contingency, ListAction, ListAlarmed, ListLeg, OrderStatus, OrderType, Side
from signalbox.order_support import REDUCING

from .desk import Desk

EXITS = ("stop", "target")


def orders_of(desk: Desk, list_id: str, leg: str) -> list[str]:
    """The leg's orders, in the order in which they began."""
    return [key for key in desk.oms.state.lists[list_id].orders if key.partition(".")[2].partition("-")[0] == leg]


def works(desk: Desk, list_id: str, leg: str) -> Decimal:
    """What of a leg works at the venue."""
    found = (placed for key in orders_of(desk, list_id, leg) for placed in desk.bench.placed(key) if placed.working)
    return sum((placed.quantity - placed.filled for placed in found), Decimal(0))


def changes(desk: Desk) -> None:
    """Of a venue that changes no order there is nothing to see here."""
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)


async def is_held_by(
    desk: Desk, list_id: str, *legs: str, quantity: Decimal | None = None, market_goes_on: bool = False
) -> None:
    """Wait until each leg works at the venue for just what is held there (`quantity`, or the position).

    `market_goes_on`: it takes until a time that is to come.
    """

    async def there() -> bool:
        if market_goes_on:
            await desk.bench_market.trade(1)
            await asyncio.sleep(desk.bench.spare_seconds)
        held = desk.bench.position(desk.bench.symbol) if quantity is None else quantity
        is_known = desk.oms.state.lists[list_id].unprotected_since is None
        return held > 0 and is_known and all(works(desk, list_id, leg) == held for leg in legs or EXITS)

    await desk.eventually(there, f"exits of {list_id} for what is held")


async def goes_flat(desk: Desk, list_id: str) -> None:
    """Let the market go on until nothing is held and the list is over; nothing is ever sold that was not held."""
    bench = desk.bench

    async def flat() -> bool:
        assert bench.position(bench.symbol) >= 0, "an exit has turned the position round"
        if bench.position(bench.symbol):
            await desk.bench_market.trade(5)
            await asyncio.sleep(bench.spare_seconds)
        return bench.position(bench.symbol) == 0

    await desk.eventually(flat, "nothing is held")
    await over(desk, list_id)
    assert bench.position(bench.symbol) == 0


async def over(desk: Desk, list_id: str) -> None:
    """Wait until nothing of the list works, at the desk and at the venue; no part of its plan was refused for good."""
    await desk.eventually(lambda: list_id in desk.oms.state.lists_over, "a list that is over")
    keys = desk.oms.state.lists[list_id].orders
    await desk.eventually(
        lambda: not any(placed.working for key in keys for placed in desk.bench.placed(key)), "nothing at the venue"
    )


async def ends_all(desk: Desk, list_id: str) -> None:
    """Cancel the list as one, and sell what is held."""
    await desk.cancel(list_id)
    await over(desk, list_id)
    await desk.flat(f"{list_id}-out")
    assert desk.bench.position(desk.bench.symbol) == 0


async def bought_in_parts(desk: Desk, list_id: str) -> None:
    """Have a bracket whose entry took all there was of the book, and works on."""
    await desk.flat(f"{list_id}-flat")
    await desk.bracket(list_id, **crossing(desk))
    await desk.becomes(f"{list_id}.entry", OrderStatus.PARTIALLY_FILLED)


def crossing(desk: Desk, times: int = 1) -> dict[str, object]:
    """An entry that takes what there is, and works on."""
    market = desk.bench_market
    return {
        "order_type": OrderType.LIMIT,
        "limit_price": market.crossing_price(Side.BUY),
        "quantity": market.beyond_the_book(Side.BUY) * times,
        "time_in_force": desk.bench.lasting,
    }


async def targets_of(desk: Desk, list_id: str, quantity: Decimal, *targets: tuple[str, str]) -> None:
    """Approve a bracket with several targets: each a share of it, and at which multiple of the market's price."""
    await desk.flat(f"{list_id}-flat")
    market, lasting = desk.bench_market, desk.bench.lasting
    touched = desk.bench.venue in REDUCING  # what rests is not taken reduce-only there
    kind, name = (OrderType.MARKET_IF_TOUCHED, "stop_price") if touched else (OrderType.LIMIT, "limit_price")
    exits = [
        ListLeg(
            name=f"target{number}",
            side=Side.SELL,
            order_type=kind,
            time_in_force=lasting,
            share=Decimal(share),
            **{name: market.price(factor)},
        )
        for number, (share, factor) in enumerate(targets, 1)
    ]
    entry = ListLeg(name="entry", side=Side.BUY, order_type=OrderType.MARKET, quantity=quantity)
    stop_price = market.price("0.97")
    stop = ListLeg(name="stop", side=Side.SELL, order_type=OrderType.STOP, stop_price=stop_price, time_in_force=lasting)
    await desk.list_of(list_id, Contingency.BRACKET, entry, stop, *exits)
    await desk.becomes(f"{list_id}.entry", OrderStatus.FILLED)


async def alarms(desk: Desk, list_id: str) -> list[tuple[str, ListAction]]:
    """What was told of its legs."""
    found = [each for each in await desk.events(list_id) if isinstance(each, ListAlarmed)]
    return [(each.about, each.action) for each in found]

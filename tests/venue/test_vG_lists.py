"""VGx: orders that depend on each other protect what has filled, and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace
from signalbox.messages import FINAL_STATUSES, OrderStatus, OrderType, RefusedBy, Side

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

    def works() -> list[str]:
        return [key for key in state.lists[order_id].orders if ".stop" in key and not state.orders[key].is_final]

    def sized() -> bool:
        orders = [state.orders[key] for key in works()]
        sizes = [each.order.quantity for each in orders if each.order is not None and each.status is OrderStatus.NEW]
        return len(sizes) == len(orders) and sum(sizes) == desk.filled_quantity(entry)

    await desk.eventually(sized, "a stop for what has filled")
    stops = works()
    assert desk.filled_quantity(entry) == desk.bench.position(desk.bench.symbol) - before
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


async def test_vG4_stop_stands_although_the_oms_is_dead_when_the_entry_fills(desk: Desk, order_id: str) -> None:
    """A bracket's entry rests; the OMS is killed, the market comes to the entry, then falls to the stop. It returns.

    The stop was at the venue before the entry could fill, and has closed what that bought; the OMS finds all of it:
    entry and stop FILLED, the target CANCELED, each sent once, and nothing is held.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    before = desk.bench.position(desk.bench.symbol)
    legs = tuple(f"{order_id}.{leg}" for leg in ("entry", "target", "stop"))
    await rests(desk, order_id)
    assert [desk.status(key) for key in legs[1:]] == [OrderStatus.HELD] * 2
    await desk.oms_dies()
    desk.bench.move("0.98")
    await trades(desk, lambda: desk.bench.placed(legs[0])[0].filled > 0, "a fill of the entry")
    desk.bench.move("0.94")
    await trades(desk, lambda: desk.bench.position(desk.bench.symbol) == before, "the stop has closed it")
    await desk.oms_returns()
    await over(desk, order_id, "entry", "target", "stop")
    assert [desk.status(key) for key in legs] == [OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.FILLED]
    assert all(len(desk.bench.placed(key)) == 1 for key in legs)
    assert set(desk.oms.state.lists[order_id].orders) == set(legs)


async def test_vG5_exits_go_with_an_entry_that_is_cancelled(desk: Desk, order_id: str) -> None:
    """A bracket's entry rests, with its exits, and is cancelled; then another's stop is moved while its entry rests.

    Nothing of the first works at the desk or at the venue. The second fills, and its stop works where it was moved to.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await rests(desk, order_id)
    await desk.cancel(f"{order_id}.entry")
    await over(desk, order_id, "entry", "target", "stop")
    other = f"{order_id}-2"
    await rests(desk, other)
    stop = f"{other}.stop"
    where = desk.bench_market.price("0.9")
    await desk.modify(stop, stop_price=where)
    await desk.replaced(stop)
    await desk.becomes(stop, OrderStatus.HELD)
    desk.bench.move("0.98")
    await trades(desk, lambda: desk.status(stop) is OrderStatus.NEW, "a stop that works")
    order = desk.oms.state.orders[stop].order
    assert order is not None
    assert order.stop_price == where
    await desk.cancel(other)
    await over(desk, other, "target", "stop")
    await desk.flat(f"{order_id}-out")


async def test_vG6_gateway_dies_while_the_entry_rests(desk: Desk, order_id: str) -> None:
    """A bracket's entry rests with its exits; the gateway is killed, the market comes to the entry, it returns.

    Entry and exits are known by their references: each was placed once, the exits work for what has filled.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await rests(desk, order_id)
    await desk.kill()
    desk.bench.move("0.98")
    await trades(desk, lambda: desk.bench.placed(f"{order_id}.entry")[0].filled > 0, "a fill of the entry")
    await desk.start()
    await desk.becomes(f"{order_id}.entry", OrderStatus.FILLED)
    for leg in ("stop", "target"):
        await desk.becomes(f"{order_id}.{leg}", OrderStatus.NEW)
        assert len(desk.bench.placed(f"{order_id}.{leg}")) == 1
    assert desk.oms.state.lists[order_id].unprotected_since is None
    await desk.cancel(order_id)
    await over(desk, order_id, "target", "stop")
    await desk.flat(f"{order_id}-out")


async def rests(desk: Desk, list_id: str) -> None:
    """Have a bracket whose entry rests 1 % below the market, and whose exits the venue holds."""
    limit = desk.bench_market.price("0.99")
    await desk.bracket(list_id, order_type=OrderType.LIMIT, limit_price=limit, time_in_force=desk.bench.lasting)
    await desk.becomes(f"{list_id}.entry", OrderStatus.NEW)
    for leg in ("stop", "target"):
        await desk.becomes(f"{list_id}.{leg}", OrderStatus.HELD)


async def trades(desk: Desk, condition: Callable[[], bool], what: str) -> None:
    """Let the market go on until the condition holds."""

    async def there() -> bool:
        if not condition():
            await desk.bench_market.trade(5)
            await asyncio.sleep(desk.bench.spare_seconds)
        return condition()

    await desk.eventually(there, what)


async def test_vGM_exit_that_comes_when_the_other_of_its_pair_has_filled_is_not_sent(desk: Desk, order_id: str) -> None:
    """A bracket's target fills. Then a stop of the same pair is commanded that was sized before that fill.

    The gateway refuses it before it is claimed, with what the others have filled, and says that what is left may be
    sent at once; nothing of it comes to the venue, and nothing is held.
    """
    before = desk.bench.position(desk.bench.symbol)
    await desk.protected(order_id)
    desk.bench.move("1.06")
    await desk.trades_until(f"{order_id}.target", OrderStatus.FILLED)
    await over(desk, order_id, "stop")
    sized = desk.oms.state.orders[f"{order_id}.stop"].order
    assert sized is not None
    assert sized.part is not None
    assert (sized.part.others_filled, sized.part.quantity) == (0, desk.bench.small)
    late = f"{order_id}.stop-2"
    await desk.command(replace(sized, order_id=late))
    refusal = await desk.reported(late, "VenueRejected")
    assert (refusal.refused_by, f"have filled {desk.bench.small:f}" in refusal.reason) == (RefusedBy.GATEWAY, True)
    assert refusal.room_at is not None
    assert (await desk.ledger(late), desk.bench.placed(late)) == ([], [])
    assert desk.bench.position(desk.bench.symbol) == before

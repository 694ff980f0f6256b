"""VGx: exits that leave with their entry, in more shapes: several targets, and prices relative to the entry's fill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import Contingency, ListLeg, OffsetUnit, OrderStatus, OrderType, PriceOffset, Side

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
    await desk.flat(f"{order_id}-flat")
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
    await is_held_by(desk, order_id, "stop")  # what protects grows first
    await desk.eventually(
        lambda: works(desk, order_id, "target1") + works(desk, order_id, "target2") == works(desk, order_id, "stop"),
        "the targets are for as much as the stops",
    )
    desk.bench.move("0.85")
    await goes_flat(desk, order_id)
    sold = [desk.filled_quantity(key) for leg in ("stop", "target1", "target2") for key in orders_of(
        desk, order_id, leg
    )]  # fmt: skip
    assert sum(sold) == desk.filled_quantity(entry)


async def reckoned(desk: Desk, list_id: str) -> Decimal:
    """Have a bracket whose entry rests 1 % below the market, decided when that was 4 % lower; how far its stop is away.

    That is about 4 % of the fill: until there is one, the stop lies where it would had it filled then.
    """
    await desk.flat(f"{list_id}-flat")
    market, lasting, reference = desk.bench_market, desk.bench.lasting, desk.bench_market.price("0.96")
    limit, away = market.price("0.99"), distance(desk)
    behind, ahead = (PriceOffset(amount=amount, unit=OffsetUnit.PRICE) for amount in (-away, away * 2))
    legs = (
        ListLeg(
            name="entry",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            limit_price=limit,
            quantity=desk.bench.small,
            time_in_force=lasting,
        ),
        ListLeg(name="stop", side=Side.SELL, order_type=OrderType.STOP, stop_offset=behind, time_in_force=lasting),
        ListLeg(name="target", side=Side.SELL, order_type=OrderType.LIMIT, limit_offset=ahead, time_in_force=lasting),
    )
    await desk.list_of(list_id, Contingency.BRACKET, *legs, reference_price=reference)
    await desk.becomes(f"{list_id}.entry", OrderStatus.NEW)
    for leg in ("stop", "target"):
        await desk.becomes(f"{list_id}.{leg}", OrderStatus.HELD)
    assert stop_at_venue(desk, list_id) == reference - away
    return away


def distance(desk: Desk) -> Decimal:
    """About 4 % of the price near which the market begins with each case."""
    away: Decimal = (desk.bench_market.price("0.04") / 10).quantize(Decimal(1)) * 10
    return away


def stop_at_venue(desk: Desk, list_id: str) -> Decimal:
    """Where the one stop of the list lies at the venue."""
    (order,) = [each for each in desk.bench.world.orders() if each.terms.client_reference == f"{list_id}.stop"]
    assert order.terms.stop_price is not None
    return order.terms.stop_price


async def is_moved(desk: Desk, list_id: str, away: Decimal) -> None:
    """Wait until the stop is where the fill has it, at the desk and at the venue, and works as one order."""
    stop, fills = f"{list_id}.stop", desk.fills(f"{list_id}.entry")
    (paid,) = {fill.price for fill in fills}
    belongs = paid - away

    def there() -> bool:
        order = desk.oms.state.orders[stop]
        return order.order is not None and order.change is None and order.order.stop_price == belongs

    await desk.eventually(there, f"{stop} at {belongs}")
    await desk.becomes(stop, OrderStatus.NEW)
    assert stop_at_venue(desk, list_id) == belongs
    assert sum(placed.working for placed in desk.bench.placed(stop)) == 1
    await is_held_by(desk, list_id)


async def test_vGA_stop_protects_where_it_was_reckoned_until_the_oms_is_back(desk: Desk, order_id: str) -> None:
    """A bracket whose stop is at a distance from the fill rests; the OMS is killed, the entry fills, it returns.

    Until then the stop works where it was reckoned from the price of the decision; then it is moved in place to its
    distance from the fill, and closes the position there.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    away = await reckoned(desk, order_id)
    estimate = stop_at_venue(desk, order_id)
    await desk.oms_dies()
    desk.bench.move("0.985")
    await trades(desk, lambda: filled(desk, f"{order_id}.entry") == desk.bench.small, "a fill of the entry")
    assert (works_at_venue(desk, f"{order_id}.stop"), stop_at_venue(desk, order_id)) == (desk.bench.small, estimate)
    await desk.oms_returns()
    await desk.becomes(f"{order_id}.entry", OrderStatus.FILLED)
    await is_moved(desk, order_id, away)
    assert stop_at_venue(desk, order_id) != estimate
    desk.bench.move("0.90")
    await goes_flat(desk, order_id)
    assert desk.filled_quantity(f"{order_id}.stop") == desk.bench.small


def works_at_venue(desk: Desk, order_id: str) -> Decimal:
    return sum((each.quantity - each.filled for each in desk.bench.placed(order_id) if each.working), Decimal(0))


async def test_vGE_gateway_dies_between_the_entrys_fill_and_the_move(desk: Desk, order_id: str) -> None:
    """The entry fills while no gateway works; the next one is killed as soon as the stop's move is asked for.

    The stop works all the time, as one order; in the end it is at its distance from the fill.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    away = await reckoned(desk, order_id)
    await desk.kill()
    desk.bench.move("0.985")
    await desk.until_done_at_venue(f"{order_id}.entry")
    await desk.start()
    stop = f"{order_id}.stop"
    await desk.eventually(lambda: bool(desk.oms.state.orders[stop].command_causes), "a move that is asked for")
    await desk.kill()
    assert works_at_venue(desk, stop) == desk.bench.small
    await desk.start()
    await is_moved(desk, order_id, away)
    await ends_all(desk, order_id)


async def test_vGF_stop_is_moved_and_the_replies_are_lost(desk: Desk, order_id: str) -> None:
    """The entry fills; its stop and target are asked to move, and what the venue says from then on is lost.

    Each is one order, where it belongs, in the terms that the desk knows.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    away = await reckoned(desk, order_id)
    desk.bench.move("0.985")
    await trades(desk, lambda: filled(desk, f"{order_id}.entry") == desk.bench.small, "a fill of the entry")
    desk.bench.lose_replies()
    await desk.after(desk.bench.spare_seconds)
    await desk.bench.mend()
    await desk.becomes(f"{order_id}.entry", OrderStatus.FILLED)
    await is_moved(desk, order_id, away)
    await ends_all(desk, order_id)


async def test_vGG_entry_is_moved_while_it_rests_and_its_exits_with_it(desk: Desk, order_id: str) -> None:
    """The limit of an entry that rests is lowered by a person, beyond where its stop was reckoned; then it fills.

    Its exits went with it, and have not closed what was bought.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    away, entry = await reckoned(desk, order_id), f"{order_id}.entry"
    lower = stop_at_venue(desk, order_id) - 1
    await desk.modify(entry, limit_price=lower)
    await desk.replaced(entry)
    await desk.eventually(lambda: stop_at_venue(desk, order_id) == lower - away, "a stop below the new limit")
    desk.bench.world.set_price(desk.bench.symbol, lower - Decimal("0.5"))
    await desk.trades_until(entry, OrderStatus.FILLED)
    await is_moved(desk, order_id, away)
    await ends_all(desk, order_id)

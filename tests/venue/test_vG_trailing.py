"""VGx: stops of lists that follow the market, from the first or from a stated time on. It moves when it is told to."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from signalbox.messages import (
    Contingency,
    ListLeg,
    OrderStatus,
    OrderType,
    Side,
    TimedAction,
    TimedStep,
)
from signalbox.order_support import REDUCING

from .desk import Desk
from .held import changes
from .test_vG_lists import over
from .test_vG_timed import MINUTE, later

PERCENT_5 = {"trail_percent": Decimal(5)}
LATER = TimedStep(action=TimedAction.TRAIL_STOP, after_seconds=MINUTE, **PERCENT_5)


async def bracket(desk: Desk, list_id: str, *steps: TimedStep, trails: bool, **entry: Any) -> None:
    """Approve a bracket with a target 30 % above the market, and a stop 5 % behind it: there, or following."""
    bench, market = desk.bench, desk.bench_market
    touched = bench.venue in REDUCING
    kind = OrderType.MARKET_IF_TOUCHED if touched else OrderType.LIMIT
    price = {"stop_price" if touched else "limit_price": market.price("1.30")}
    stop: dict[str, Any] = {"order_type": OrderType.STOP, "stop_price": market.price("0.95")}
    if trails:
        stop = {"order_type": OrderType.TRAILING_STOP} | PERCENT_5
    legs = (
        ListLeg(name="entry", side=Side.BUY, **{"order_type": OrderType.MARKET, "quantity": bench.small} | entry),
        ListLeg(name="stop", side=Side.SELL, time_in_force=bench.lasting, **stop),
        ListLeg(name="target", side=Side.SELL, order_type=kind, time_in_force=bench.lasting, **price),
    )
    await desk.list_of(list_id, Contingency.BRACKET, *legs, timed=steps)


async def protected(desk: Desk, list_id: str, *steps: TimedStep, trails: bool) -> None:
    """Have such a bracket whose entry has filled, and whose exits rest at the venue."""
    await bracket(desk, list_id, *steps, trails=trails)
    await desk.becomes(f"{list_id}.entry", OrderStatus.FILLED)
    for leg in ("stop", "target"):
        await desk.becomes(f"{list_id}.{leg}", OrderStatus.NEW)
        await desk.at_venue(f"{list_id}.{leg}")
    await desk.bench.settle()


def works(desk: Desk, list_id: str) -> list[str]:
    """The orders of the stop that work at the venue, once for each that does."""
    orders = (key for key in desk.oms.state.lists[list_id].orders if ".stop" in key)
    return [key for key in orders for placed in desk.bench.placed(key) if placed.working]


def trails(desk: Desk, list_id: str) -> bool:
    """Whether one stop works, at the desk and at the venue, and follows the market."""
    found = works(desk, list_id)
    if len(found) != 1:
        return False
    order = desk.oms.state.orders[found[0]]
    assert order.order is not None
    is_so = order.order.order_type is OrderType.TRAILING_STOP and order.order.trail_percent == 5
    return is_so and order.status is OrderStatus.NEW and order.change is None


async def moves(desk: Desk, *factors: str) -> None:
    """The market goes to so much of where it is, and is looked at for some blocks each time."""
    for factor in factors:
        desk.bench.move(factor)
        await desk.bench_market.trade()
        for _ in range(10):  # where the gateway moves a stop, that takes some blocks
            await desk.bench.settle()


async def closes(desk: Desk, list_id: str, before: Decimal) -> None:
    """The market turns by more than the trail: what was bought is sold for more than it cost, and nothing works."""
    (stop,) = works(desk, list_id)
    desk.bench.move("0.94")
    await desk.trades_until(stop, OrderStatus.FILLED)
    await over(desk, list_id, "target")
    assert desk.bench.position(desk.bench.symbol) == before
    (bought, *_), (sold, *_) = desk.fills(f"{list_id}.entry"), desk.fills(stop)
    assert sold.price > bought.price


async def test_vGH_stop_of_a_bracket_trails_the_market(desk: Desk, order_id: str) -> None:
    """A bracket's stop lies 5 % behind the market; the entry fills, the market rises by 10 %, then falls by 6 %.

    One stop works for what is held, all the time; it is FILLED above the entry's price, the target is CANCELED, and
    nothing is held.
    """
    before = desk.bench.position(desk.bench.symbol)
    await protected(desk, order_id, trails=True)
    assert desk.oms.state.lists[order_id].unprotected_since is None
    await moves(desk, "1.10", "0.99")
    assert desk.status(f"{order_id}.stop") is OrderStatus.NEW
    await desk.eventually(lambda: trails(desk, order_id), "one stop that trails")
    await closes(desk, order_id, before)


async def test_vGI_stop_that_trails_is_for_what_an_entry_has_filled_in_part(desk: Desk, order_id: str) -> None:
    """The entry of such a bracket takes what there is of the book and is cancelled; the market rises, and turns.

    The stops are for what has filled, and close just that.
    """
    before, market, entry = desk.bench.position(desk.bench.symbol), desk.bench_market, f"{order_id}.entry"
    await bracket(
        desk,
        order_id,
        trails=True,
        order_type=OrderType.LIMIT,
        limit_price=market.crossing_price(Side.BUY),
        quantity=market.beyond_the_book(Side.BUY),
        time_in_force=desk.bench.lasting,
    )
    await desk.becomes(entry, OrderStatus.PARTIALLY_FILLED)
    await desk.cancel(entry)
    await desk.becomes(entry, OrderStatus.CANCELED)
    state = desk.oms.state

    def is_held() -> bool:
        stops = [state.orders[key] for key in state.lists[order_id].orders if ".stop" in key]
        found = [each for each in stops if not each.is_final]
        sizes = [each.order.quantity for each in found if each.order is not None and each.status is OrderStatus.NEW]
        return len(sizes) == len(found) and sum(sizes) == desk.filled_quantity(entry)

    await desk.eventually(is_held, "stops for what has filled")
    await moves(desk, "1.10")
    desk.bench.move("0.94")

    async def closed() -> bool:
        if desk.bench.position(desk.bench.symbol) != before:  # a stop that takes at once may find too little at first
            await market.trade(5)
            await asyncio.sleep(desk.bench.spare_seconds)
        return desk.bench.position(desk.bench.symbol) == before

    await desk.eventually(closed, "what was bought is sold again")
    await desk.eventually(lambda: order_id in state.lists_over, "a list that is over")
    assert not works(desk, order_id)


async def test_vGJ_stop_trails_from_its_time_on(desk: Desk, order_id: str) -> None:
    """A bracket fills; its stop is to trail a minute later; the minute passes, the market rises by 10 %, then turns.

    One stop works, before and after; it is FILLED above the entry's price, and nothing is held.
    """
    changes(desk)
    before = desk.bench.position(desk.bench.symbol)
    await protected(desk, order_id, LATER, trails=False)
    await later(desk, MINUTE)
    await desk.eventually(lambda: trails(desk, order_id), "one stop that trails")
    await moves(desk, "1.10", "0.99")
    await desk.eventually(lambda: trails(desk, order_id), "one stop that trails")
    await closes(desk, order_id, before)


async def test_vGK_gateway_dies_while_a_stop_is_made_to_trail(desk: Desk, order_id: str) -> None:
    """The gateway is killed as soon as it has claimed the change that makes a stop trail, and comes back.

    One stop works; the desk knows whether it trails: if not, that is told, and it is where it was. Nothing is sold.
    """
    changes(desk)
    await protected(desk, order_id, LATER, trails=False)
    await later(desk, MINUTE)
    await desk.change_claimed(f"{order_id}.stop")
    await desk.kill()
    await desk.start()
    stop = desk.oms.state.orders[_stop(desk, order_id)]

    def is_answered() -> bool:
        found = desk.oms.state.orders[stop.key]
        return found.change is None and found.status is OrderStatus.NEW and len(works(desk, order_id)) == 1

    await desk.eventually(is_answered, "an answer, and one stop")
    found = desk.oms.state.orders[stop.key].order
    assert found is not None
    if found.order_type is OrderType.STOP:
        assert found.stop_price is not None
        await desk.eventually(lambda: bool(alarms(desk, order_id)), "an alarm")
    await desk.cancel(order_id)
    await over(desk, order_id, "target")
    await desk.submit(f"{order_id}-out", side=Side.SELL)
    await desk.ends(f"{order_id}-out")


def _stop(desk: Desk, list_id: str) -> str:
    return next(key for key in desk.oms.state.lists[list_id].orders if ".stop" in key)


def alarms(desk: Desk, list_id: str) -> list[str]:
    """What the OMS has said of a list that is not as was promised: of which orders."""
    return [about for about, *_ in desk.oms.state.lists[list_id].alarms]


async def test_vGL_stop_that_the_venue_does_not_make_trail_stays_as_it_was(desk: Desk, order_id: str) -> None:
    """A stop is to trail a minute after the fill, and the venue refuses that; the market falls to the stop.

    That is told once (`ListAlarmed`); the stop works where it was, is FILLED there, and nothing is held.
    """
    changes(desk)
    before = desk.bench.position(desk.bench.symbol)
    await protected(desk, order_id, LATER, trails=False)
    await desk.bench.refuse_change_of_type()
    await later(desk, MINUTE)
    await desk.eventually(lambda: bool(alarms(desk, order_id)), "an alarm")
    stop = _stop(desk, order_id)
    order = desk.oms.state.orders[stop].order
    assert order is not None
    assert (order.order_type, works(desk, order_id)) == (OrderType.STOP, [stop])
    desk.bench.move("0.94")
    await desk.trades_until(stop, OrderStatus.FILLED)
    await over(desk, order_id, "target")
    assert desk.bench.position(desk.bench.symbol) == before

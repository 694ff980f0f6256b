"""VGx: orders that depend on each other protect what has filled, and nothing more."""

from __future__ import annotations

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
    for key in stops:
        await desk.trades_until(key, OrderStatus.FILLED)
    await over(desk, order_id, *(key.partition(".")[2].replace("stop", "target") for key in stops))
    assert desk.bench.position(desk.bench.symbol) == before


async def test_vG3_exits_wait_for_a_gateway_that_died_with_the_entrys_fill(desk: Desk, order_id: str) -> None:
    """The gateway is killed as soon as the entry is filled, and comes back.

    The exits are at the venue once each, and the list is cancelled as one: nothing of it works.
    """
    await desk.bracket(order_id)
    await desk.becomes(f"{order_id}.entry", OrderStatus.FILLED)
    await desk.kill()
    await desk.start()
    for leg in ("stop", "target"):
        await desk.becomes(f"{order_id}.{leg}", OrderStatus.NEW)
        await desk.at_venue(f"{order_id}.{leg}")
        assert len(desk.bench.placed(f"{order_id}.{leg}")) == 1
    await desk.cancel(order_id)
    await over(desk, order_id, "stop", "target")
    assert not desk.oms.state.lists[order_id].alarms
    await desk.submit(f"{order_id}-out", side=Side.SELL)
    await desk.ends(f"{order_id}-out")

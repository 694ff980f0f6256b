"""VEx: facts that make no sense end nothing, and an order that the venue holds is not refused."""

from __future__ import annotations

import pytest
from signalbox.messages import OrderStatus, OrderType, Side

from .desk import Desk


async def test_vE0_fill_that_is_corrected_to_nonsense(desk: Desk, order_id: str) -> None:
    """An order fills, the venue then corrects the price to 0, and the connection is cut.

    The gateway is the same process, READY again, with the fill as it was booked; no order leaves for that symbol, and
    one of another symbol is placed and fills.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.filled(order_id)
    await desk.adds_up()
    await desk.bench.correct_to_nonsense()
    desk.look_from_here()
    desk.bench.cut()
    await desk.ready()
    await desk.eventually(lambda: desk.bench.symbol in desk.links[-1].unread, "the symbol is unread")
    await desk.submit(f"{order_id}-same")
    assert "no price" in (await desk.reported(f"{order_id}-same", "VenueRejected")).reason
    await desk.filled(f"{order_id}-other", symbol=desk.bench.other_symbol)
    assert desk.bench.placed(f"{order_id}-same") == []
    await desk.bench.correct_to_sense()
    desk.bench.cut()
    await desk.eventually(lambda: not desk.links[-1].unread, "it can be read again")
    assert len(desk.fills(order_id)) == len({fill.execution_id for fill in desk.fills(order_id)})


async def test_vE1_order_that_is_held_comes_to_life(desk: Desk, order_id: str) -> None:
    """The venue holds an order to sell short until shares are located, and then works it.

    It is HELD, with the venue's words, not REJECTED; it is FILLED when the venue works it, placed once.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.bench.hold_next()
    await desk.submit(order_id, side=Side.SELL)
    await desk.becomes(order_id, OrderStatus.HELD)
    assert "located" in (await desk.reported(order_id, "VenueHeld")).reason
    await desk.bench.release_held()
    await desk.bench_market.trade()
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert len(desk.bench.placed(order_id)) == 1


async def test_vE2_order_that_is_held_is_cancelled(desk: Desk, order_id: str) -> None:
    """The venue holds an order, and it is cancelled while it does.

    It is CANCELED, and never placed in the market.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.bench.hold_next()
    await desk.submit(order_id, side=Side.SELL, order_type=OrderType.MARKET)
    await desk.becomes(order_id, OrderStatus.HELD)
    await desk.cancel(order_id)
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert desk.bench.placed(order_id) == []

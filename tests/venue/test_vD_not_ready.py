"""VDx: commands that come while the gateway can not act. Each is carried out once it can, or refused with the truth.

The gateway is dead, starting, standing by while another process works, or reconciling: what is approved then waits.
"""

from __future__ import annotations

import pytest
from signalbox.messages import LinkStatus, OrderStatus, RefusedBy, Side

from .desk import Desk


async def starts_in_vain(desk: Desk) -> None:
    """Kill the gateway, and start one that does not reach the venue."""
    await desk.kill()
    desk.bench.refuse()
    desk.look_from_here()
    desk.gateway.start()
    await desk.goes(LinkStatus.DOWN)


async def reconciles_in_vain(desk: Desk) -> None:
    """Cut the connection; the venue then leaves one part of the reconciliation unanswered."""
    await desk.bench.leave_unanswered()
    desk.look_from_here()
    desk.bench.cut()
    await desk.goes(LinkStatus.RECONCILING)
    desk.look_from_here()


async def is_filled(desk: Desk, order_id: str) -> None:
    """The order has been placed once, by nobody's refusal."""
    await desk.becomes(order_id, OrderStatus.FILLED)
    assert len(desk.bench.placed(order_id)) == 1
    assert "VenueRejected" not in await desk.kinds(order_id)


async def is_canceled(desk: Desk, order_id: str) -> None:
    """The order has been cancelled, by nobody's refusal, and works no more."""
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert [placed.working for placed in desk.bench.placed(order_id)] == [False]
    assert "VenueCancelRejected" not in await desk.kinds(order_id)


async def test_vD0_order_approved_while_the_gateway_is_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, an order is approved, and the gateway is started again.

    The order is placed once, when the gateway is READY, and fills.
    """
    await desk.kill()
    await desk.submit(order_id)
    await desk.start()
    await is_filled(desk, order_id)


async def test_vD1_order_approved_while_the_gateway_starts(desk: Desk, order_id: str) -> None:
    """The gateway starts, the venue can not be reached yet, and the gateway is given an order.

    The order waits in its hand, and is placed once when the venue is there.
    """
    await starts_in_vain(desk)
    await desk.submit(order_id)
    await desk.command_in_hand()
    await desk.bench.mend()
    await is_filled(desk, order_id)


async def test_vD2_order_approved_while_the_gateway_stands_by(desk: Desk, order_id: str) -> None:
    """Another process works; the gateway stands by, and an order is approved that the other one leaves.

    The gateway takes no command while it stands by. Once it works, the order is placed once.
    """
    await desk.kill()
    async with desk.another_works():
        desk.gateway.start()
        await desk.stands_by()
        await desk.submit(order_id)
        await desk.becomes(order_id, OrderStatus.PENDING_NEW)
        assert await desk.ledger(order_id) == []
    await is_filled(desk, order_id)


async def test_vD3_order_approved_while_the_gateway_reconciles(desk: Desk, order_id: str) -> None:
    """The connection is cut, the venue leaves one part of the reconciliation unanswered, and an order is approved.

    The order waits in the gateway's hand, and is placed once when the reconciliation is complete.
    """
    await reconciles_in_vain(desk)
    await desk.submit(order_id)
    await desk.command_in_hand()
    assert desk.bench.placed(order_id) == []
    await desk.bench.mend()
    await is_filled(desk, order_id)


async def test_vD4_cancel_approved_while_the_gateway_is_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, the cancel of a resting order is approved, and the gateway is started again.

    The order is CANCELED.
    """
    await desk.working(order_id)
    await desk.kill()
    await desk.cancel(order_id)
    await desk.start()
    await is_canceled(desk, order_id)


async def test_vD5_cancel_approved_while_the_gateway_starts(desk: Desk, order_id: str) -> None:
    """The gateway starts, the venue can not be reached yet, and the gateway is given the cancel of a resting order.

    The cancel waits in its hand, and the order is CANCELED when the venue is there.
    """
    await desk.working(order_id)
    await starts_in_vain(desk)
    await desk.cancel(order_id)
    await desk.command_in_hand()
    await desk.bench.mend()
    await is_canceled(desk, order_id)


async def test_vD6_cancel_approved_while_the_gateway_stands_by(desk: Desk, order_id: str) -> None:
    """Another process works; the gateway stands by, and the cancel of a resting order is approved.

    Once the gateway works, the order is CANCELED.
    """
    await desk.working(order_id)
    await desk.kill()
    async with desk.another_works():
        desk.gateway.start()
        await desk.stands_by()
        await desk.cancel(order_id)
        await desk.becomes(order_id, OrderStatus.PENDING_CANCEL)
    await is_canceled(desk, order_id)


async def test_vD7_cancel_approved_while_the_gateway_reconciles(desk: Desk, order_id: str) -> None:
    """The connection is cut, one part of the reconciliation has no answer, and a resting order's cancel is approved.

    The cancel waits in the gateway's hand; the order is CANCELED when the reconciliation is complete.
    """
    await desk.working(order_id)
    await reconciles_in_vain(desk)
    await desk.cancel(order_id)
    await desk.command_in_hand()
    await desk.bench.mend()
    await is_canceled(desk, order_id)


async def test_vD8_deadline_that_passes_while_the_gateway_is_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed; a command to submit comes, its deadline passes, and the gateway is started again.

    The gateway refuses it without a claim, says that it is the one who does and names the deadline; nothing is sent.
    """
    await desk.kill()
    await desk.command(desk.order(order_id), deadline_seconds=60)
    await desk.bench_market.trade(120)
    await desk.start()
    refusal = await desk.reported(order_id, "VenueRejected")
    assert refusal.refused_by is RefusedBy.GATEWAY
    assert "deadline" in refusal.reason
    assert await desk.ledger(order_id) == []
    assert desk.bench.placed(order_id) == []


async def test_vD9_symbol_that_is_not_offered_approved_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, an order for a symbol that it does not offer is approved, and it is started again.

    It is refused without a claim once it is known what the venue offers, and the refusal says why.
    """
    await desk.kill()
    await desk.command(desk.order(order_id, symbol=desk.bench.unlisted))
    await desk.start()
    refusal = await desk.reported(order_id, "VenueRejected")
    assert refusal.refused_by is RefusedBy.GATEWAY
    assert refusal.reason == f"{desk.bench.unlisted} is not offered: the desk file does not name it for this venue"
    assert await desk.ledger(order_id) == []


async def test_vDA_order_and_its_cancel_approved_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed; an order that would rest is approved, then its cancel, and the gateway is started again.

    The order is placed once at most, and ends CANCELED.
    """
    await desk.kill()
    price = desk.bench_market.resting_price(Side.BUY)
    await desk.submit(order_id, order_type="LIMIT", limit_price=price, time_in_force=desk.bench.lasting)
    await desk.becomes(order_id, OrderStatus.PENDING_NEW)
    await desk.cancel(order_id)
    await desk.start()
    await desk.becomes(order_id, OrderStatus.CANCELED)
    assert [placed.working for placed in desk.bench.placed(order_id)] == [False]


async def test_vDB_many_orders_approved_while_dead(desk: Desk, order_id: str) -> None:
    """The gateway is killed, ten orders of two symbols and both sides are approved, and the gateway is started again.

    Each is placed once, and fills.
    """
    await desk.kill()
    names = [f"{order_id}-{number}" for number in range(10)]
    for number, name in enumerate(names):
        symbol = (desk.bench.symbol, desk.bench.other_symbol)[number // 2 % 2]
        await desk.submit(name, side=(Side.BUY, Side.SELL)[number % 2], symbol=symbol)
    await desk.start()
    for name in names:
        await is_filled(desk, name)


@pytest.mark.fresh_desk
async def test_vDC_nats_is_away_for_longer_than_the_lease(desk: Desk, order_id: str) -> None:
    """NATS goes away for longer than the gateway's lease is valid, while an order rests, and comes back.

    The gateway is the same process as before, and READY again; the order works on and can be cancelled.
    """
    await desk.working(order_id)
    process_id = desk.gateway.process_id
    await desk.nats_is_away_beyond_the_lease()
    await desk.cancel(order_id)
    await is_canceled(desk, order_id)
    assert desk.gateway.process_id == process_id
    assert desk.gateway.runs()

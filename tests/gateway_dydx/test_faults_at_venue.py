"""A venue that misbehaves: lost replies, a frozen node, a cut or silent websocket, an indexer that is behind."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import LinkStatus, OrderType, VenueFill, VenueRejected, VenueUnknown
from simulators.dydx.options import DydxOptions

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"


async def running(desk: Any) -> Any:
    runtime = await desk.start()
    await desk.ready()
    return runtime


async def until(desk: Any, status: LinkStatus, seconds_max: float = 20.0) -> str:
    """Wait until the link has this status; its reason."""
    await desk.eventually(lambda: desk.status is status, f"{status}; {desk.links[-3:]}", seconds_max)
    return str(desk.links[-1].reason)


async def settled(desk: Any, order_id: str) -> None:
    """The order was placed at most once, and each of its fills was reported once."""
    claims = await desk.ledger(order_id)
    placed = [each for each in desk.venue.orders() if each.id == claims[0].venue_order_id]
    fills = [each for each in await desk.reports(order_id) if isinstance(each, VenueFill)]
    assert len(placed) <= 1
    assert sorted(each.fill.execution_id for each in fills) == sorted(
        each.id for each in desk.venue.fills(claims[0].venue_order_id)
    )
    assert len(desk.venue.orders()) <= len({each.client_id for each in desk.venue.orders()})


async def test_a_lost_reply_is_unknown_and_then_found_with_its_fill(desk: Any, metric: Any) -> None:
    await running(desk)
    before = metric("signalbox_venue_orders_unknown_total", venue="dydx")
    await desk.venue.do("lose_reply")
    await desk.submit("lost-1")
    kinds = await desk.has("lost-1", "VenueFill", "VenueCommission")
    assert metric("signalbox_venue_orders_unknown_total", venue="dydx") == before + 1 or "VenueUnknown" not in kinds
    await settled(desk, "lost-1")
    await desk.submit("next-1")
    await desk.has("next-1", "VenueFill")


async def test_an_order_that_never_arrived_is_rejected_once_nothing_can_bring_it_there(desk: Any) -> None:
    await running(desk)
    await desk.venue.do("drop_broadcast")
    await desk.submit("dropped-1")
    await desk.has("dropped-1", "VenueUnknown", "VenueRejected")
    unknown, rejected = await desk.reports("dropped-1")
    assert isinstance(unknown, VenueUnknown)
    assert "has passed, and it was never seen" in rejected.reason
    assert desk.venue.orders() == []


async def test_a_stateful_order_that_never_arrived_is_rejected_when_its_sequence_is_too_old(desk: Any) -> None:
    await running(desk)
    await desk.venue.do("drop_broadcast")
    stop = desk.venue.price() + 5000
    await desk.submit("dropped-2", order_type=OrderType.STOP, stop_price=stop, time_in_force="GTC")
    await desk.has("dropped-2", "VenueUnknown", "VenueRejected")
    assert "too old" in (await desk.reports("dropped-2"))[-1].reason


async def test_the_same_bytes_twice_are_one_order(desk: Any) -> None:
    await running(desk)
    await desk.venue.do("duplicate_broadcast")
    await desk.submit("twice-1")
    await desk.has("twice-1", "VenueFill", "VenueCommission")
    await settled(desk, "twice-1")


async def test_a_refusal_that_may_pass_is_tried_again_with_the_same_client_id(desk: Any) -> None:
    await running(desk)
    await desk.venue.do("rate_limit", count=1)
    await desk.submit("again-1")
    await desk.has("again-1", "VenueFill")
    (order,) = desk.venue.orders()
    assert order.client_id == int((await desk.ledger("again-1"))[0].attempt_id)
    await desk.venue.do("refuse_sequence")
    stop = desk.venue.price() + 5000
    await desk.submit("again-2", order_type=OrderType.STOP, stop_price=stop, time_in_force="GTC")
    await desk.has("again-2", "VenueAccepted")


class TestAtTheChainsOwnPace:
    """Blocks so slow that all attempts are made before an order's good-til-block."""

    @pytest.fixture
    def dydx_options(self) -> DydxOptions:
        return DydxOptions(block_ms=600, fund=((ADDRESS, Decimal(1_000_000)),))

    async def test_a_refusal_that_stays_is_rejected(self, desk: Any) -> None:
        await running(desk)
        await desk.venue.do("rate_limit", count=3)
        await desk.submit("limit-1")
        await desk.has("limit-1", "VenueRejected")
        (rejected,) = await desk.reports("limit-1")
        assert isinstance(rejected, VenueRejected)
        assert rejected.code == "clob/5001"


async def test_a_chain_that_stands_freezes_the_link_and_it_is_reconciled_when_blocks_come_again(desk: Any) -> None:
    await running(desk)
    await desk.venue.do("node_frozen", frozen=True)
    reason = await until(desk, LinkStatus.FROZEN)
    assert "has stood" in reason
    await desk.submit("frozen-1", deadline_seconds=0.5)
    await desk.has("frozen-1", "VenueRejected")
    assert "FROZEN" in (await desk.reports("frozen-1"))[0].reason
    await desk.venue.do("node_frozen", frozen=False)
    await until(desk, LinkStatus.READY)


async def test_a_fill_while_the_websocket_is_away_is_found_by_reconciling(desk: Any) -> None:
    await running(desk)
    price = desk.venue.price() - 200
    await desk.submit("away-1", order_type=OrderType.LIMIT, limit_price=price)
    await desk.has("away-1", "VenueAccepted")
    await desk.blocks(2)
    await desk.venue.do("drop_updates", count=50, channel="v4_subaccounts")
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(price - 900))
    await desk.eventually(lambda: desk.venue.fills(), "a fill at the venue")
    await desk.venue.do("cut_websockets")
    await desk.has("away-1", "VenueFill", "VenueCommission")
    await settled(desk, "away-1")


async def test_a_half_open_websocket_is_noticed(desk: Any) -> None:
    await running(desk)
    desk.mark = len(desk.links)
    await desk.venue.do("half_open")
    reason = await until(desk, LinkStatus.DOWN)
    assert "no message for" in reason
    await until(desk, LinkStatus.READY)


async def test_updates_twice_and_out_of_order_book_each_fill_once(desk: Any) -> None:
    await running(desk)
    await desk.venue.do("duplicate_updates", count=20, channel="v4_subaccounts")
    await desk.venue.do("reorder_updates", count=3, channel="v4_subaccounts")
    for number in range(4):
        await desk.submit(f"odd-{number}", quantity=Decimal("0.02"))
    for number in range(4):
        await desk.has(f"odd-{number}", "VenueFill", "VenueCommission")
        await settled(desk, f"odd-{number}")
    ids = Counter(each.id for each in await desk.reports())
    assert [each for each, count in ids.items() if count > 1] == []


class TestAnIndexerThatIsBehind:
    @pytest.fixture
    def gateway_settings(self) -> dict[str, Any]:
        return {"indexer_lag_blocks_max": 25}

    async def test_some_blocks_behind_orders_are_closed_later_and_correctly(self, desk: Any) -> None:
        await running(desk)
        await desk.venue.do("indexer_behind", blocks=10)
        await desk.submit("late-1", quantity=Decimal(500))
        await desk.has("late-1", "VenueFill", "VenueCanceled")
        claim = await desk.claim_of("late-1")
        assert desk.venue.chain.height > claim.good_til_block + 10
        await settled(desk, "late-1")

    async def test_too_many_blocks_behind_the_link_is_frozen(self, desk: Any) -> None:
        await running(desk)
        await desk.venue.do("indexer_behind", blocks=200)
        reason = await until(desk, LinkStatus.FROZEN)
        assert "blocks behind the chain" in reason or "has stood" in reason
        await desk.venue.do("indexer_behind", blocks=0)
        await until(desk, LinkStatus.READY)


async def test_a_rest_that_fails_gives_no_snapshot(desk: Any) -> None:
    await desk.venue.do("refuse_rest", count=9, status=503)
    await desk.start()
    await desk.ready()
    snapshots = [each for each in await desk.reports() if type(each).__name__ == "VenueSnapshot"]
    assert [each.cash for each in snapshots] == [Decimal(1_000_000)]


async def test_a_command_that_waits_for_the_link_is_left_to_the_next_process_when_this_one_is_told_to_stop(
    desk: Any,
) -> None:
    first = await running(desk)
    await desk.venue.do("node_frozen", frozen=True)
    await until(desk, LinkStatus.FROZEN)
    await desk.submit("wait-1")
    await desk.stop(first)
    assert await desk.reports("wait-1") == []
    await desk.venue.do("node_frozen", frozen=False)
    await running(desk)
    await desk.has("wait-1", "VenueFill")

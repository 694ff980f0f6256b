"""Orders of every kind at the simulated dYdX: placed, filled, cancelled, expired, refused, renewed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from signalbox.messages import (
    LedgerClaimed,
    LedgerSent,
    Liquidity,
    OrderType,
    Side,
    TimeInForce,
    VenueCanceled,
    VenueFill,
    VenueRejected,
    VenueSnapshot,
)

LOW, HIGH = Decimal(5000), Decimal(5000)


def limit(desk: Any, below: Decimal = LOW, **terms: Any) -> dict[str, Any]:
    """Terms of a buy that rests far below the market."""
    return {"order_type": OrderType.LIMIT, "limit_price": desk.venue.price() - below} | terms


async def running(desk: Any) -> Any:
    runtime = await desk.start()
    await desk.ready()
    return runtime


async def reason_of(desk: Any, order_id: str) -> str:
    """Why an order is over."""
    return str((await desk.reports(order_id))[-1].reason)


async def test_a_market_order_fills_as_taker_with_its_commission(desk: Any) -> None:
    await running(desk)
    await desk.submit("m-1", quantity=Decimal("0.01"))
    await desk.has("m-1", "VenueAccepted", "VenueFill", "VenueCommission")
    fills = [each for each in await desk.reports("m-1") if isinstance(each, VenueFill)]
    assert sum(each.fill.quantity for each in fills) == Decimal("0.01")
    assert {each.fill.liquidity for each in fills} == {Liquidity.TAKER}
    claim, sent = await desk.ledger("m-1")
    assert (type(claim), type(sent)) == (LedgerClaimed, LedgerSent)
    order = desk.venue.order(claim.venue_order_id)
    assert (order.client_id, order.time_in_force, order.order_flags) == (int(claim.attempt_id), "IOC", 0)


async def test_an_immediate_order_that_fills_in_part_is_cancelled_when_its_last_block_is_over(desk: Any) -> None:
    await running(desk)
    await desk.submit("part-1", quantity=Decimal(500))
    await desk.has("part-1", "VenueFill", "VenueCanceled")
    filled = sum(each.fill.quantity for each in await desk.reports("part-1") if isinstance(each, VenueFill))
    assert filled == (await desk.at_venue("part-1")).total_filled
    assert 0 < filled < 500


async def test_a_resting_order_is_renewed_until_it_is_cancelled(desk: Any) -> None:
    await running(desk)
    await desk.submit("l-1", **limit(desk))
    await desk.has("l-1", "VenueAccepted")
    claim = await desk.claim_of("l-1")
    await desk.eventually(
        lambda: desk.venue.chain.height > claim.good_til_block + 25, "many blocks after the first good-til-block"
    )
    order = await desk.at_venue("l-1")
    assert order.good_til_block > desk.venue.chain.height
    assert [each.id for each in desk.venue.orders()] == [claim.venue_order_id]
    await desk.cancel("l-1")
    await desk.has("l-1", "VenueCanceled")
    assert await desk.kinds("l-1") == ["VenueAccepted", "VenueCanceled"]
    assert await reason_of(desk, "l-1") == "cancelled as asked"


async def test_a_resting_order_fills_as_maker_when_the_market_comes(desk: Any) -> None:
    await running(desk)
    price = desk.venue.price() - 200
    await desk.submit("maker-1", order_type=OrderType.LIMIT, limit_price=price)
    await desk.has("maker-1", "VenueAccepted")
    await desk.blocks(3)
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(price - 500))
    await desk.has("maker-1", "VenueFill", "VenueCommission")
    fills = [each.fill for each in await desk.reports("maker-1") if isinstance(each, VenueFill)]
    assert {each.liquidity for each in fills} == {Liquidity.MAKER}


async def test_an_order_good_till_a_date_expires_at_its_date(desk: Any) -> None:
    await running(desk)
    end = desk.venue.world.now() + timedelta(seconds=2)
    await desk.submit("gtd-1", **limit(desk, time_in_force=TimeInForce.GTD, good_till=end))
    await desk.has("gtd-1", "VenueExpired")
    assert await reason_of(desk, "gtd-1") == "its time in force is over"
    assert desk.venue.world.now() >= end


async def test_an_order_until_cancelled_is_long_term_and_is_cancelled_on_the_chain(desk: Any) -> None:
    await running(desk)
    await desk.submit("gtc-1", **limit(desk, time_in_force=TimeInForce.GTC))
    await desk.has("gtc-1", "VenueAccepted")
    await desk.eventually(lambda: [each for each in desk.venue.orders() if each.status == "OPEN"], "an open order")
    assert (await desk.at_venue("gtc-1")).order_flags == 64
    await desk.cancel("gtc-1")
    await desk.has("gtc-1", "VenueCanceled")
    assert (await desk.at_venue("gtc-1")).status == "CANCELED"


async def test_a_stop_is_triggered_by_the_oracle_and_fills(desk: Any) -> None:
    await running(desk)
    stop = desk.venue.price() + 1000
    await desk.submit("stop-1", order_type=OrderType.STOP, stop_price=stop, time_in_force=TimeInForce.GTC)
    await desk.has("stop-1", "VenueAccepted")
    await desk.blocks(3)
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(stop + 300))
    kinds = await desk.has("stop-1", "VenueTriggered", "VenueFill", "VenueCommission")
    assert kinds.index("VenueTriggered") < kinds.index("VenueFill")


async def test_what_the_venue_can_not_do_is_refused_before_anything_is_claimed(desk: Any) -> None:
    await running(desk)
    refused = {
        "moc": {"order_type": OrderType.MARKET_ON_CLOSE},
        "tick": {"order_type": OrderType.LIMIT, "limit_price": Decimal("99999.123")},
        "small": {"quantity": Decimal("0.00001")},
        "symbol": {"symbol": "XYZ-USD"},
        "reduce": limit(desk, reduce_only=True),
        "account": {"account": "dydx1other-0"},
    }
    for order_id, terms in refused.items():
        await desk.submit(order_id, **terms)
    for order_id in refused:
        (rejected,) = await desk.eventually(lambda name=order_id: desk.reports(name), f"an answer to {order_id}")
        assert isinstance(rejected, VenueRejected)
        assert (rejected.code, await desk.ledger(order_id)) == ("", [])
    assert desk.venue.orders() == []


async def test_what_the_chain_refuses_is_rejected_with_its_code_and_a_sentence(desk: Any) -> None:
    await running(desk)
    await desk.submit("rich-1", quantity=Decimal(900), **limit(desk, Decimal(1), time_in_force=TimeInForce.GTC))
    await desk.has("rich-1", "VenueRejected")
    (rejected,) = await desk.reports("rich-1")
    assert (rejected.code, "collateral" in rejected.reason) == ("clob/3007", True)


async def test_an_order_of_another_program_is_in_the_snapshot_and_its_fill_is_reported(desk: Any) -> None:
    desk.settings = desk.with_settings(reconcile_seconds=0.5)
    await running(desk)
    placed = await desk.venue.do(
        "place_external",
        account=desk.account,
        symbol="BTC-USD",
        side="BUY",
        quantity="0.02",
        price=str(desk.venue.price() - 300),
    )

    async def listed() -> bool:
        snapshots = [each for each in await desk.reports() if isinstance(each, VenueSnapshot)]
        return any(placed["id"] == each.venue_order_id for each in snapshots[-1].open_orders)

    await desk.eventually(listed, "the order in a snapshot")
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(desk.venue.price() - 900))

    async def booked() -> Any:
        return [each for each in await desk.reports() if isinstance(each, VenueFill)]

    fills = await desk.eventually(booked, "its fill")
    assert {(each.fill.order_id, each.venue_order_id) for each in fills} == {("", placed["id"])}


async def test_cancels_of_what_is_over_or_unknown_are_refused(desk: Any) -> None:
    await running(desk)
    await desk.submit("done-1")
    await desk.has("done-1", "VenueFill", "VenueCommission")
    await desk.cancel("done-1")
    await desk.cancel("never-1")
    await desk.has("done-1", "VenueCancelRejected")
    await desk.has("never-1", "VenueCancelRejected")


async def test_a_filled_order_beats_its_cancel(desk: Any) -> None:
    await running(desk)
    price = desk.venue.price() - 200
    await desk.submit("race-1", order_type=OrderType.LIMIT, limit_price=price)
    await desk.has("race-1", "VenueAccepted")
    await desk.blocks(2)
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(price - 500))
    await desk.cancel("race-1")
    await desk.has("race-1", "VenueFill")
    await desk.blocks(30)
    reports = await desk.reports("race-1")
    filled = sum(each.fill.quantity for each in reports if isinstance(each, VenueFill))
    canceled = [each for each in reports if isinstance(each, VenueCanceled)]
    assert filled == (await desk.at_venue("race-1")).total_filled
    assert len(canceled) == (0 if filled == Decimal("0.01") else 1)


async def test_no_more_than_two_stateful_orders_go_into_one_block(desk: Any) -> None:
    await running(desk)
    names = [f"many-{number}" for number in range(5)]
    for name in names:
        await desk.submit(name, quantity=Decimal("0.001"), **limit(desk, time_in_force=TimeInForce.GTC))
    for name in names:
        await desk.has(name, "VenueAccepted")
    heights = [each.created_at_height for each in desk.venue.orders()]
    assert max(heights.count(height) for height in heights) <= 2


async def test_a_snapshot_agrees_with_the_chain(desk: Any) -> None:
    desk.settings = desk.with_settings(reconcile_seconds=0.5)
    await running(desk)
    await desk.submit("buy-1", quantity=Decimal("0.05"))
    await desk.submit("sell-1", quantity=Decimal("0.02"), side=Side.SELL)
    for name in ("buy-1", "sell-1"):
        await desk.has(name, "VenueFill", "VenueCommission")
    since = len(await desk.reports())

    async def later() -> Any:
        return [each for each in (await desk.reports())[since:] if isinstance(each, VenueSnapshot)]

    snapshot = (await desk.eventually(later, "a snapshot"))[-1]
    chain = desk.venue.chain.subaccount(desk.account.rpartition("-")[0], 0)
    assert snapshot.cash == chain.usdc
    assert {held.symbol: held.quantity for held in snapshot.positions} == {"BTC-USD": Decimal("0.03")}


async def test_an_order_that_has_filled_in_part_works_on_when_the_chain_has_forgotten_what_it_filled(desk: Any) -> None:
    await running(desk)
    start = desk.venue.price()
    await desk.submit("go-1", quantity=Decimal(60), order_type=OrderType.LIMIT, limit_price=start - 200)
    await desk.has("go-1", "VenueAccepted")
    await desk.blocks(3)
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(start - 500))
    await desk.has("go-1", "VenueFill")
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(start + 900))
    claim = await desk.claim_of("go-1")
    last = desk.venue.fills(claim.venue_order_id)[-1].created_at_height
    await desk.eventually(lambda: desk.venue.chain.height > last + 90, "many blocks later")
    order = await desk.at_venue("go-1")
    assert 0 < order.total_filled < 60
    await desk.eventually(
        lambda: desk.venue.order(claim.venue_order_id).good_til_block > desk.venue.chain.height, "a version that works"
    )
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(start - 900))

    async def more() -> bool:
        fills = [each for each in await desk.reports("go-1") if isinstance(each, VenueFill)]
        return sum(each.fill.quantity for each in fills) > order.total_filled

    await desk.eventually(more, "another fill")
    await desk.cancel("go-1")
    await desk.blocks(40)
    reports = await desk.reports("go-1")
    filled = sum(each.fill.quantity for each in reports if isinstance(each, VenueFill))
    assert filled == sum(fill.size for fill in desk.venue.fills(claim.venue_order_id)) <= 60
    assert filled == 60 or sum(isinstance(each, VenueCanceled) for each in reports) == 1

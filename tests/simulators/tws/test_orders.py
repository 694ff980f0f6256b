"""Orders over the socket, with the real client: every state, every error code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ib_async import LimitOrder, MarketOrder, Order, Stock, StopLimitOrder, StopOrder
from signalbox.messages import OrderType

UNMARKETABLE = 50.0


async def placed(client: Any, wait_until: Any, contract: Any, order: Order, status: str) -> Any:
    trade = client.ib.placeOrder(contract, order)
    await wait_until(lambda: trade.orderStatus.status == status, f"{status}: {trade.orderStatus} {client.errors}")
    return trade


async def test_a_market_order_fills_with_execution_and_commission(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    trade = await placed(client, wait_until, aapl, MarketOrder("BUY", 100, orderRef="mine"), "Filled")
    await wait_until(lambda: trade.fills and trade.fills[-1].commissionReport.commission)
    fill = trade.fills[0]
    assert trade.order.permId > 0
    assert trade.filled() == 100
    assert fill.execution.side == "BOT"
    assert fill.execution.orderRef == "mine"
    assert fill.execution.acctNumber == "DU1234567"
    assert fill.execution.execId.endswith(".01")
    assert sum(each.commissionReport.commission for each in trade.fills) == 1.0
    assert fill.execution.time.tzinfo is not None
    assert client.codes() == []


async def test_messages_come_in_tws_order(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    await wait_until(lambda: simulator.world.quote("AAPL"))
    client.say(*order_fields(5, orderType="MKT", lmtPrice=""))
    await client.got(59)
    kinds = [message[0] for message in client.messages[1:] if message[0] in ("3", "5", "11", "59")]
    assert kinds[:2] == ["5", "3"]
    assert kinds[-4:] == ["5", "3", "11", "59"]
    assert client.of(3)[0][2] == "Submitted"
    assert all(int(message[6]) > 0 for message in client.of(3))
    assert all(len(message) == 135 for message in client.of(5))


async def test_a_large_order_fills_in_parts_and_the_fee_is_right_in_sum(
    simulator: Any, wait_until: Any, aapl: Any
) -> None:
    client = await simulator.connect()
    trade = await placed(client, wait_until, aapl, MarketOrder("BUY", 4000), "Filled")
    await wait_until(lambda: all(fill.commissionReport.commission for fill in trade.fills))
    assert len(trade.fills) > 1
    assert sum(fill.execution.shares for fill in trade.fills) == 4000
    assert sum(fill.commissionReport.commission for fill in trade.fills) == pytest.approx(20)


async def test_a_resting_order_is_modified_and_cancelled(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    trade = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, UNMARKETABLE), "Submitted")
    trade.order.lmtPrice, trade.order.totalQuantity = UNMARKETABLE + 1, 200
    client.ib.placeOrder(aapl, trade.order)
    await wait_until(lambda: trade.orderStatus.remaining == 200)
    (order,) = await client.ib.reqOpenOrdersAsync()
    assert (order.order.lmtPrice, order.order.totalQuantity) == (UNMARKETABLE + 1, 200)
    client.ib.cancelOrder(trade.order)
    assert (await client.error(202))[2].startswith("Order Canceled - reason:")
    await wait_until(lambda: trade.orderStatus.status == "Cancelled")
    assert [entry.status for entry in trade.log][-2:] == ["PendingCancel", "Cancelled"]


async def test_stops_and_orders_for_the_close_are_presubmitted(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    stop = await placed(client, wait_until, aapl, StopOrder("SELL", 100, 100), "PreSubmitted")
    on_close = Order(action="BUY", totalQuantity=100, orderType="MOC")
    close = await placed(client, wait_until, aapl, on_close, "PreSubmitted")
    assert stop.isActive()
    await simulator.do("run_until", time="2024-03-05T21:00:05Z")
    await wait_until(lambda: close.orderStatus.status == "Filled")


async def test_orders_for_the_opening_are_so_by_their_time_in_force(simulate: Any, wait_until: Any, aapl: Any) -> None:
    async with simulate(start=datetime(2024, 3, 5, 14, 20, tzinfo=UTC), speed=1.0) as simulator:
        client = await simulator.connect()
        opening = await placed(client, wait_until, aapl, MarketOrder("BUY", 100, tif="OPG"), "PreSubmitted")
        beyond = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 50, tif="OPG"), "PreSubmitted")
        assert (beyond.order.orderType, beyond.order.tif, beyond.order.lmtPrice) == ("LMT", "OPG", 50)
        await simulator.do("run_until", time="2024-03-05T14:30:05Z")
        await wait_until(lambda: opening.orderStatus.status == "Filled")
        await wait_until(lambda: beyond.orderStatus.status == "Cancelled")


async def test_the_rest_of_a_market_to_limit_order_is_shown_with_its_limit(
    simulator: Any, wait_until: Any, aapl: Any
) -> None:
    client = await simulator.connect()
    await simulator.do("run_until", time="2024-03-05T15:00:30Z")
    trade = client.ib.placeOrder(aapl, Order(action="BUY", totalQuantity=4_000, orderType="MTL"))
    await wait_until(lambda: trade.fills)
    (rests,) = await client.ib.reqOpenOrdersAsync()
    assert (rests.order.orderType, rests.order.lmtPrice) == ("MTL", trade.fills[0].execution.price)


async def test_an_order_for_the_opening_after_its_deadline_is_rejected(simulator: Any, aapl: Any) -> None:
    client = await simulator.connect()
    client.ib.placeOrder(aapl, MarketOrder("BUY", 100, tif="OPG"))
    assert "must be in by 14:28" in (await client.error(201))[2]


async def test_how_an_order_is_to_be_worked_is_kept_and_shown(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    whole = LimitOrder("BUY", 100, UNMARKETABLE, allOrNone=True)
    part = LimitOrder("BUY", 500, UNMARKETABLE, displaySize=100)
    for each in (whole, part):
        await placed(client, wait_until, aapl, each, "Submitted")
    mid = StopOrder("SELL", 100, UNMARKETABLE, triggerMethod=8)
    await placed(client, wait_until, aapl, mid, "PreSubmitted")
    shown = {each.order.orderId: each.order for each in await client.ib.reqOpenOrdersAsync()}
    assert shown[whole.orderId].allOrNone
    assert shown[part.orderId].displaySize == 100
    assert shown[mid.orderId].triggerMethod == 8


async def test_an_order_that_is_good_after_a_time_works_from_then_on(
    simulator: Any, wait_until: Any, aapl: Any
) -> None:
    client = await simulator.connect()
    order = MarketOrder("BUY", 100, goodAfterTime="20240305 10:30:00 US/Eastern")
    trade = await placed(client, wait_until, aapl, order, "PreSubmitted")
    await simulator.do("run_until", time="2024-03-05T15:29:55Z")
    assert trade.orderStatus.status == "PreSubmitted"
    await simulator.do("run_until", time="2024-03-05T15:30:10Z")
    await wait_until(lambda: trade.orderStatus.status == "Filled")
    assert trade.fills[0].execution.time >= datetime(2024, 3, 5, 15, 30, tzinfo=UTC)


async def test_a_trailing_stop_is_shown_with_its_stop_and_fills_when_the_market_turns(
    simulator: Any, wait_until: Any, aapl: Any
) -> None:
    client = await simulator.connect()
    await simulator.do("run_until", time="2024-03-05T15:00:30Z")
    trail = Order(action="SELL", totalQuantity=100, orderType="TRAIL", auxPrice=5)
    trade = await placed(client, wait_until, aapl, trail, "PreSubmitted")
    last = simulator.world.last("AAPL")
    simulator.world.set_price("AAPL", last + 10)
    other = await simulator.connect(2)
    (shown,) = await other.ib.reqAllOpenOrdersAsync()
    assert (shown.order.orderType, shown.order.auxPrice) == ("TRAIL", 5)
    assert shown.order.trailStopPrice == float(last + 5), str(simulator.world.orders()[0].terms)[-420:]
    simulator.world.set_price("AAPL", last + 4)
    await wait_until(lambda: trade.orderStatus.status == "Filled")


async def test_a_trail_by_percent_has_a_limit_beyond_its_stop(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    await simulator.do("run_until", time="2024-03-05T15:00:30Z")
    trail = Order(action="SELL", totalQuantity=100, orderType="TRAIL LIMIT", trailingPercent=10, lmtPriceOffset=0.5)
    await placed(client, wait_until, aapl, trail, "PreSubmitted")
    other = await simulator.connect(2)
    (shown,) = await other.ib.reqAllOpenOrdersAsync()
    assert (shown.order.trailingPercent, shown.order.lmtPriceOffset) == (10, 0.5)
    assert shown.order.lmtPrice == pytest.approx(shown.order.trailStopPrice - 0.5)


async def test_a_triggered_stop_fills(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    trade = await placed(client, wait_until, aapl, StopOrder("BUY", 100, 100), "Filled")
    assert trade.filled() == 100


async def test_day_orders_end_with_the_day_and_gtc_orders_do_not(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    day = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 50), "Submitted")
    kept = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 51, tif="GTC"), "Submitted")
    await simulator.do("run_until", time="2024-03-06T15:00:00Z")
    await wait_until(lambda: day.orderStatus.status == "Cancelled")
    await wait_until(lambda: kept.orderStatus.status == "Submitted")
    assert await client.error(202)


async def test_an_order_good_till_a_date_ends_then(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    order = LimitOrder("BUY", 100, 50, tif="GTD", goodTillDate="20240305 10:30:00 US/Eastern")
    trade = await placed(client, wait_until, aapl, order, "Submitted")
    await simulator.do("run_until", time="2024-03-05T15:30:05Z")
    await wait_until(lambda: trade.orderStatus.status == "Cancelled")


async def test_a_stop_limit_order_waits_for_its_trigger_and_is_a_limit_order_then(
    simulator: Any, wait_until: Any, aapl: Any
) -> None:
    client = await simulator.connect()
    resting = StopLimitOrder("BUY", 100, 250, 240)
    await placed(client, wait_until, aapl, resting, "PreSubmitted")  # its limit is beyond the market: it waits for 240
    at_once = await placed(client, wait_until, aapl, StopLimitOrder("BUY", 100, 250, 100), "Filled")
    assert at_once.orderStatus.avgFillPrice < 240
    below = await placed(client, wait_until, aapl, StopLimitOrder("BUY", 100, 50, 40), "Submitted")  # triggered, rests
    assert (below.order.orderType, below.order.lmtPrice, below.order.auxPrice) == ("STP LMT", 50, 40)


async def test_an_order_to_be_touched_waits_on_the_side_where_it_wins(
    simulator: Any, wait_until: Any, aapl: Any
) -> None:
    client = await simulator.connect()
    touch = {"action": "SELL", "totalQuantity": 100, "lmtPrice": 100}
    await placed(client, wait_until, aapl, Order(orderType="MIT", auxPrice=250, **touch), "PreSubmitted")
    await placed(client, wait_until, aapl, Order(orderType="LIT", auxPrice=250, **touch), "PreSubmitted")
    for kind in ("MIT", "LIT"):
        trade = await placed(client, wait_until, aapl, Order(orderType=kind, auxPrice=150, **touch), "Filled")
        assert trade.order.orderType == kind


async def test_an_immediate_order_takes_what_there_is_and_its_rest_is_cancelled(
    simulator: Any, wait_until: Any, aapl: Any
) -> None:
    client = await simulator.connect()
    await simulator.do("run_until", time="2024-03-05T15:00:30Z")
    trade = await placed(client, wait_until, aapl, LimitOrder("BUY", 4000, 250, tif="IOC"), "Cancelled")
    assert 0 < trade.filled() < 4000
    assert (await client.error(202))[2].startswith("Order Canceled - reason:")
    completed = await client.ib.reqCompletedOrdersAsync(apiOnly=False)
    assert [(each.order.tif, each.orderStatus.status) for each in completed] == [("IOC", "Cancelled")]


async def test_a_fill_or_kill_order_is_filled_whole_or_not_at_all(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    await simulator.do("run_until", time="2024-03-05T15:00:30Z")
    assert (await placed(client, wait_until, aapl, LimitOrder("BUY", 4000, 250, tif="FOK"), "Cancelled")).filled() == 0
    assert (await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 250, tif="FOK"), "Filled")).filled() == 100


async def test_an_immediate_order_before_the_open_is_over_and_waits_for_nothing(
    simulate: Any, wait_until: Any, aapl: Any
) -> None:
    async with simulate(start=datetime(2024, 3, 5, 13, 0, tzinfo=UTC)) as simulator:
        client = await simulator.connect()
        await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 250, tif="IOC"), "Cancelled")
        assert 399 not in client.codes()


async def test_an_order_before_the_open_waits_and_is_then_submitted(simulate: Any, wait_until: Any, aapl: Any) -> None:
    async with simulate(start=datetime(2024, 3, 5, 13, 0, tzinfo=UTC)) as simulator:
        client = await simulator.connect()
        trade = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 50), "PreSubmitted")
        assert "until 20240305 09:30:00 US/Eastern" in (await client.error(399))[2]
        await simulator.do("run_until", time="2024-03-05T14:31:00Z")
        await wait_until(lambda: trade.orderStatus.status == "Submitted")


async def test_an_order_in_the_lunch_of_hong_kong_waits_for_the_afternoon(
    simulate: Any, wait_until: Any, tencent: Any
) -> None:
    async with simulate(start=datetime(2024, 3, 5, 4, 30, tzinfo=UTC)) as simulator:
        client = await simulator.connect()
        await placed(client, wait_until, tencent, LimitOrder("BUY", 100, 200), "PreSubmitted")
        assert "until 20240305 13:00:00 Asia/Hong_Kong" in (await client.error(399))[2]


async def test_outside_regular_hours_only_who_asks_for_it_fills(simulate: Any, wait_until: Any, aapl: Any) -> None:
    async with simulate(start=datetime(2024, 3, 5, 13, 0, tzinfo=UTC)) as simulator:
        client = await simulator.connect()
        order = LimitOrder("BUY", 100, 250, outsideRth=True)
        await placed(client, wait_until, aapl, order, "Filled")
        assert 399 not in client.codes()


@pytest.mark.parametrize("order_type", ["MKT", "MTL"])
async def test_outside_hours_is_ignored_for_market_orders_with_2109(
    simulator: Any, wait_until: Any, aapl: Any, order_type: str
) -> None:
    client = await simulator.connect()
    trade = client.ib.placeOrder(aapl, Order(action="BUY", totalQuantity=100, orderType=order_type, outsideRth=True))
    await client.error(2109)
    await wait_until(lambda: trade.filled() == 100)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (LimitOrder("BUY", 0, 50), 434),
        (LimitOrder("BUY", -100, 50), 321),
        (LimitOrder("BUY", 1.5, 50), 10243),
        (LimitOrder("BUY", 1e20, 50), 321),
        (LimitOrder("BUY", 100, 1e20), 321),
        (LimitOrder("BUY", 100, 50.001), 110),
        (LimitOrder("BUY", 100, 0.0), 321),
        (LimitOrder("BUY", 100, -5), 321),
        (Order(action="BUY", totalQuantity=100, orderType="LMT"), 321),
        (Order(action="BUY", totalQuantity=100, orderType="STP"), 321),
        (Order(action="HOLD", totalQuantity=100, orderType="MKT"), 321),
        (Order(action="BUY", totalQuantity=100, orderType="TRAIL"), 321),
        (Order(action="BUY", totalQuantity=100, orderType="TRAIL", auxPrice=1, trailingPercent=2), 321),
        (Order(action="BUY", totalQuantity=100, orderType="TRAIL", trailingPercent=100), 321),
        (Order(action="BUY", totalQuantity=100, orderType="TRAIL", auxPrice=0.001), 110),
        (Order(action="BUY", totalQuantity=100, orderType="TRAIL", auxPrice=1, tif="IOC"), 10052),
        (Order(action="BUY", totalQuantity=100, orderType="TRAIL LIMIT", auxPrice=1), 321),
        (LimitOrder("BUY", 100, 50, trailingPercent=1), 201),
        (LimitOrder("BUY", 100, 50, trailStopPrice=49), 201),
        (Order(action="BUY", totalQuantity=100, orderType="TRAIL", auxPrice=1, trailStopPrice=1e20), 321),
        (Order(action="BUY", totalQuantity=100, orderType="REL"), 387),
        (Order(action="BUY", totalQuantity=100, orderType="NONSENSE"), 321),
        (StopOrder("SELL", 100, 50, tif="IOC"), 10052),
        (StopOrder("SELL", 100, 50, tif="OPG"), 10052),
        (MarketOrder("BUY", 100, allOrNone=True), 201),
        (LimitOrder("BUY", 100, 50, allOrNone=True, tif="IOC"), 201),
        (LimitOrder("BUY", 500, 50, allOrNone=True, displaySize=100), 201),
        (LimitOrder("BUY", 100, 50, displaySize=100), 201),
        (MarketOrder("BUY", 500, displaySize=100), 201),
        (LimitOrder("BUY", 100, 50, goodAfterTime="soon"), 337),
        (Order(action="BUY", totalQuantity=100, orderType="MOC", goodAfterTime="20240305 15:00:00 US/Eastern"), 201),
        (StopOrder("SELL", 100, 50, triggerMethod=7), 201),
        (Order(action="BUY", totalQuantity=100, orderType="MTL", tif="IOC"), 10052),
        (Order(action="BUY", totalQuantity=100, orderType="LOC", lmtPrice=50, tif="OPG"), 113),
        (Order(action="BUY", totalQuantity=100, orderType="LOC"), 321),
        (Order(action="BUY", totalQuantity=100, orderType="LOC", lmtPrice=50.001), 110),
        (LimitOrder("BUY", 100, 50.001, tif="OPG"), 110),
        (StopLimitOrder("BUY", 100, 50, 0.0), 321),
        (StopLimitOrder("BUY", 100, 50.001, 50), 110),
        (StopLimitOrder("BUY", 100, 50, 50, tif="FOK"), 10052),
        (LimitOrder("BUY", 100, 50, tif="XYZ"), 10052),
        (Order(action="BUY", totalQuantity=100, orderType="MOC", tif="GTC"), 113),
        (LimitOrder("BUY", 100, 50, tif="GTD"), 337),
        (LimitOrder("BUY", 100, 50, tif="GTD", goodTillDate="20240301 10:00:00 US/Eastern"), 334),
        (LimitOrder("BUY", 100, 50, account="DU999"), 321),
        (LimitOrder("BUY", 100, 50, ocaGroup="x", ocaType=4), 321),
        (LimitOrder("BUY", 100, 50, parentId=4), 135),
        (LimitOrder("BUY", 100, 50, hidden=True), 201),
        (LimitOrder("BUY", 100, 50, algoStrategy="Adaptive"), 201),
        (LimitOrder("BUY", 1_000_000, 150), 201),
    ],
)
async def test_an_order_tws_would_not_take_is_refused_with_its_code(
    simulator: Any, aapl: Any, order: Order, code: int
) -> None:
    client = await simulator.connect()
    client.ib.placeOrder(aapl, order)
    assert (await client.error(code))[0] == order.orderId
    assert not [each for each in simulator.world.orders() if each.status == "WORKING"]


async def test_a_rejection_is_201_then_open_order_then_status(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    await wait_until(lambda: simulator.world.quote("AAPL"))
    client.say(*order_fields(5, totalQuantity=1_000_000, lmtPrice=150))
    await client.got(3)
    tail = [message for message in client.messages if message[0] in ("3", "4", "5")][-3:]
    assert [message[0] for message in tail] == ["4", "5", "3"]
    assert tail[0][3:5] == ["201", "Order rejected - reason:insufficient margin"]
    assert "Inactive" in tail[1]
    assert tail[2][2] == "Inactive"


async def test_an_odd_lot_in_hong_kong_is_rejected(simulate: Any, tencent: Any) -> None:
    async with simulate(symbols=("0700.HK", "AAPL"), start=datetime(2024, 3, 5, 2, 0, tzinfo=UTC)) as simulator:
        client = await simulator.connect(quotes=False)
        client.ib.placeOrder(tencent, LimitOrder("BUY", 50, 300))
        assert "lot" in (await client.error(201))[2]


async def test_a_hong_kong_order_fills_in_hong_kong_dollars(simulate: Any, wait_until: Any, tencent: Any) -> None:
    async with simulate(symbols=("0700.HK", "AAPL"), start=datetime(2024, 3, 5, 2, 0, tzinfo=UTC)) as simulator:
        client = await simulator.connect(quotes=False)
        await wait_until(lambda: simulator.world.quote("0700.HK"))
        trade = await placed(client, wait_until, tencent, MarketOrder("BUY", 100), "Filled")
        await wait_until(lambda: trade.fills[0].commissionReport.currency)
        assert trade.fills[0].commissionReport.currency == "HKD"


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        (Stock("NOSUCH", "SMART", "USD"), 200),
        (Stock("AAPL", "SEHK", "USD"), 200),
        (Stock("AAPL", "", "USD"), 321),
        (Stock("700", "SEHK", "USD"), 200),
    ],
)
async def test_an_order_for_no_contract_is_refused(simulator: Any, contract: Stock, code: int) -> None:
    client = await simulator.connect()
    client.ib.placeOrder(contract, LimitOrder("BUY", 100, 50))
    await client.error(code)


async def test_an_order_for_an_ambiguous_symbol_is_refused(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*order_fields(5, contract=(0, "TWIN", "STK", "", 0, "", "", "SMART", "", "", "", "")))
    assert (await client.error(200))[2] == "5"


async def test_with_several_accounts_an_order_must_name_one(simulate: Any, wait_until: Any, aapl: Any) -> None:
    async with simulate(accounts=("DU1", "DU2")) as simulator:
        client = await simulator.connect()
        client.ib.placeOrder(aapl, LimitOrder("BUY", 100, 50))
        await client.error(435)
        trade = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 50, account="DU2"), "Submitted")
        assert simulator.world.order(trade.order.permId).terms.account == "DU2"


async def test_a_market_on_close_order_in_the_last_quarter_hour_is_rejected(simulate: Any, aapl: Any) -> None:
    async with simulate(start=datetime(2024, 3, 5, 20, 50, tzinfo=UTC), speed=5.0) as simulator:
        client = await simulator.connect()
        client.ib.placeOrder(aapl, Order(action="BUY", totalQuantity=100, orderType="MOC"))
        assert (await client.error(201))[2].startswith("Order rejected - reason:")


async def test_a_market_on_close_order_before_an_early_close_is_judged_by_that_close(simulate: Any, aapl: Any) -> None:
    async with simulate(start=datetime(2024, 7, 3, 16, 50, tzinfo=UTC), speed=5.0) as simulator:  # closes at 13:00 ET
        client = await simulator.connect()
        client.ib.placeOrder(aapl, Order(action="BUY", totalQuantity=100, orderType="MOC"))
        await client.error(201)


async def test_the_21st_working_order_of_a_side_is_rejected(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    for _ in range(20):
        client.ib.placeOrder(aapl, LimitOrder("BUY", 1, 50))
    client.ib.placeOrder(aapl, LimitOrder("BUY", 1, 50))
    assert "20 working orders" in (await client.error(201))[2]


async def test_whatif_tells_margin_and_commission_and_places_nothing(simulator: Any, aapl: Any) -> None:
    client = await simulator.connect()
    state = await client.ib.whatIfOrderAsync(aapl, LimitOrder("BUY", 100, 190))
    assert 0 < float(state.initMarginChange) < 19_000
    assert state.commission == 1.0
    assert simulator.world.orders() == ()


async def test_a_whatif_that_would_be_rejected_is_201(simulator: Any, aapl: Any) -> None:
    client = await simulator.connect()
    await client.ib.whatIfOrderAsync(aapl, LimitOrder("BUY", 1_000_000, 190))
    await client.error(201)


async def test_an_untransmitted_order_waits_for_its_client(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    order = LimitOrder("BUY", 100, 50, transmit=False)
    trade = client.ib.placeOrder(aapl, order)
    assert await client.ib.reqOpenOrdersAsync() == []
    order.transmit = True
    client.ib.placeOrder(aapl, order)
    await wait_until(lambda: trade.orderStatus.status == "Submitted")


async def test_a_cancel_of_nothing_is_10147(simulator: Any) -> None:
    client = await simulator.connect()
    client.ib.client.cancelOrder(4711)
    assert await client.error(10147) == (4711, 10147, "OrderId 4711 that needs to be cancelled is not found.")


async def test_a_cancel_of_a_filled_order_is_10148(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    trade = await placed(client, wait_until, aapl, MarketOrder("BUY", 100), "Filled")
    client.ib.client.cancelOrder(trade.order.orderId)
    assert "state: Filled" in (await client.error(10148))[2]


async def test_a_cancel_of_a_rejected_order_is_161(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    await placed(client, wait_until, aapl, order := LimitOrder("BUY", 1_000_000, 150), "Inactive")
    client.ib.client.cancelOrder(order.orderId)
    await client.error(161)


async def test_an_order_of_another_client_is_not_ours_to_cancel(simulator: Any, wait_until: Any, aapl: Any) -> None:
    one, two = await simulator.connect(1), await simulator.connect(2)
    trade = await placed(one, wait_until, aapl, LimitOrder("BUY", 100, 50), "Submitted")
    two.ib.client.cancelOrder(trade.order.orderId)
    await two.error(10147)


async def test_a_global_cancel_ends_everybodys_orders(simulator: Any, wait_until: Any, aapl: Any) -> None:
    one, two = await simulator.connect(1), await simulator.connect(2)
    trade = await placed(one, wait_until, aapl, LimitOrder("BUY", 100, 50), "Submitted")
    two.ib.reqGlobalCancel()
    await wait_until(lambda: trade.orderStatus.status == "Cancelled")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"action": "SELL"}, 105),
        ({"tif": "GTC"}, 105),
        ({"orderType": "MKT"}, 329),
        ({"lmtPrice": 50.001}, 110),
        ({"totalQuantity": 0}, 434),
        ({"totalQuantity": 1_000_000}, 201),
    ],
)
async def test_a_modify_that_is_refused_leaves_the_order_as_it_was(
    simulator: Any, wait_until: Any, aapl: Any, change: dict[str, Any], code: int
) -> None:
    client = await simulator.connect()
    trade = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 50), "Submitted")
    before = simulator.world.order(trade.order.permId)
    order = LimitOrder("BUY", 100, 50, orderId=trade.order.orderId)
    for name, value in change.items():
        setattr(order, name, value)
    client.ib.client.placeOrder(order.orderId, aapl, order)
    await client.error(code)
    assert simulator.world.order(trade.order.permId) == before


async def stopped(simulator: Any, wait_until: Any, aapl: Any) -> tuple[Any, Any]:
    """A client, and its stop 10 below the market."""
    client = await simulator.connect()
    await simulator.do("run_until", time="2024-03-05T15:00:30Z")
    price = float(simulator.world.last("AAPL")) - 10
    return client, await placed(client, wait_until, aapl, StopOrder("SELL", 100, price), "PreSubmitted")


def trail_of(trade: Any, **terms: Any) -> Order:
    changed = {"totalQuantity": 100, "auxPrice": 5} | terms
    return Order(action="SELL", orderType="TRAIL", orderId=trade.order.orderId, **changed)


async def test_a_stop_becomes_one_that_trails_from_where_it_is_told(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client, trade = await stopped(simulator, wait_until, aapl)
    last = simulator.world.last("AAPL")

    def terms() -> Any:
        return simulator.world.order(trade.order.permId).terms

    client.ib.client.placeOrder(trade.order.orderId, aapl, trail_of(trade, trailStopPrice=float(last) - 2))
    await wait_until(lambda: terms().order_type is OrderType.TRAILING_STOP)
    assert terms().stop_price == last - 2, "nearer than its distance, and not moved back"
    simulator.world.set_price("AAPL", last + 10)
    assert terms().stop_price == last + 5
    simulator.world.set_price("AAPL", last + 8)
    client.ib.client.placeOrder(trade.order.orderId, aapl, trail_of(trade, totalQuantity=60))
    await wait_until(lambda: terms().quantity == 60)
    assert terms().stop_price == last + 3, "without its stop it begins anew"


async def test_a_stop_stays_one_where_that_is_so_told(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client, trade = await stopped(simulator, wait_until, aapl)
    before = simulator.world.order(trade.order.permId)
    await simulator.do("keep_types")
    client.ib.client.placeOrder(trade.order.orderId, aapl, trail_of(trade))
    await client.error(329)
    assert simulator.world.order(trade.order.permId) == before


async def test_a_modify_of_a_filled_order_is_104(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    trade = await placed(client, wait_until, aapl, MarketOrder("BUY", 100), "Filled")
    client.ib.client.placeOrder(trade.order.orderId, aapl, trade.order)
    await client.error(104)


async def test_an_order_id_that_was_used_is_103(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    trade = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 50), "Submitted")
    client.ib.cancelOrder(trade.order)
    await wait_until(lambda: trade.orderStatus.status == "Cancelled")
    client.ib.client.placeOrder(trade.order.orderId, aapl, LimitOrder("BUY", 100, 50))
    await client.error(103)


async def test_next_valid_id_is_above_every_used_one(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*order_fields(500))
    await client.got(3)
    client.say(8, 1, 1)
    await client.got(9, 2)
    assert client.of(9)[-1][2] == "501"


async def test_open_orders_are_ones_own_and_all_open_orders_everybodys(
    simulator: Any, wait_until: Any, aapl: Any
) -> None:
    one, two = await simulator.connect(1), await simulator.connect(2)
    await placed(one, wait_until, aapl, LimitOrder("BUY", 100, 50, orderRef="a"), "Submitted")
    await placed(two, wait_until, aapl, LimitOrder("BUY", 100, 51, orderRef="b"), "Submitted")
    assert {each.order.orderRef for each in await one.ib.reqOpenOrdersAsync()} == {"a"}
    everybody = await one.ib.reqAllOpenOrdersAsync()
    assert {(each.order.clientId, each.order.orderRef) for each in everybody} == {(1, "a"), (2, "b")}


async def test_orders_survive_their_clients_connection(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect(1)
    trade = await placed(client, wait_until, aapl, LimitOrder("BUY", 100, 50, orderRef="kept"), "Submitted")
    client.ib.disconnect()
    await wait_until(lambda: simulator.server.clients() == [])
    again = await simulator.connect(1)
    (found,) = again.ib.openTrades()
    assert (found.order.orderRef, found.order.permId) == ("kept", trade.order.permId)


async def test_completed_orders_have_no_order_id_and_a_status(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    await placed(client, wait_until, aapl, MarketOrder("BUY", 100, orderRef="done"), "Filled")
    (trade,) = await client.ib.reqCompletedOrdersAsync(False)
    assert (trade.order.orderRef, trade.order.filledQuantity, trade.order.orderId) == ("done", 100, 0)
    assert trade.orderStatus.status == "Filled"


async def test_completed_orders_are_a_hundred_fields(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    await wait_until(lambda: simulator.world.quote("AAPL"))
    client.say(*order_fields(5, orderType="MKT", lmtPrice=""))
    await client.got(59)
    client.say(99, 0)
    await client.got(102)
    assert [len(message) for message in client.of(101)] == [100]


async def test_executions_are_told_again_with_their_commissions(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect(1)
    await placed(client, wait_until, aapl, MarketOrder("BUY", 100, orderRef="x"), "Filled")
    await placed(client, wait_until, aapl, MarketOrder("SELL", 100, orderRef="y"), "Filled")
    other = await simulator.raw(2)
    filters = {"": 2, "BUY": 1, "SLD": 1}
    for number, (side, count) in enumerate(filters.items(), 1):
        other.say(7, 3, number, 0, "", "", "AAPL", "STK", "SMART", side)
        await other.got(55, number)
        assert len([m for m in other.of(11) if m[1] == str(number)]) == count
    nothing = [(2, "", "", ""), (0, "DU9", "", ""), (0, "", "20240306-00:00:00", ""), (0, "", "", "SPY")]
    for number, rest in enumerate(nothing, 10):
        other.say(7, 3, number, *rest, "", "", "")
        await other.got(55, number - 6)
        assert [m for m in other.of(11) if m[1] == str(number)] == []
    assert {m[2].split(".")[2] for m in await other.got(59)} == {"01"}


async def test_an_execution_filter_with_a_bad_time_is_321(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(7, 3, 9, 0, "", "yesterday", "", "", "", "")
    assert (await client.error(321))[2] == "9"


async def test_only_client_zero_may_bind_orders_placed_by_hand(simulator: Any, wait_until: Any) -> None:
    one = await simulator.raw(1)
    one.say(15, 1, 1)
    await one.error(327)
    zero = await simulator.raw(0)
    zero.say(15, 1, 1)
    zero.say(49, 1)
    await zero.got(49)
    await wait_until(lambda: simulator.world.quote("AAPL"))
    number = (await simulator.do("place_by_hand", symbol="AAPL", side="BUY", quantity=100, limit_price="50"))["number"]
    await zero.got(100)
    assert zero.of(100) == [["100", str(number), "0", "-1"]]
    assert zero.of(5)[0][1] == "-1"
    assert one.of(5) == []


async def test_asking_for_open_orders_binds_those_by_hand_to_client_zero(simulator: Any, wait_until: Any) -> None:
    await wait_until(lambda: simulator.world.quote("AAPL"))
    zero, one = await simulator.raw(0), await simulator.raw(1)
    number = (await simulator.do("place_by_hand", symbol="AAPL", side="BUY", quantity=100, limit_price="50"))["number"]
    await zero.got(3)
    for client in (one, zero):
        client.say(5, 1)
        await client.got(53)
    assert (one.of(5), one.of(100)) == ([], [])
    assert zero.of(100) == [["100", str(number), "0", "-1"]]
    zero.say(4, 1, -1, "")
    await zero.error(202)


FIELDS = (
    *("secIdType", "secId", "action", "totalQuantity", "orderType", "lmtPrice", "auxPrice", "tif", "ocaGroup"),
    *("account", "openClose", "origin", "orderRef", "transmit"),
)


def order_fields(order_id: int, contract: tuple[Any, ...] | None = None, **changes: Any) -> tuple[Any, ...]:
    """Message 3 of a plain order, 114 fields."""
    contract = contract or (265598, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "")
    values = dict.fromkeys(FIELDS, "") | {"action": "BUY", "totalQuantity": 100, "orderType": "LMT", "lmtPrice": 50}
    values |= {"transmit": 1, "origin": 0} | changes
    return (3, order_id, *contract, *values.values(), *[""] * 86)


async def test_orders_of_one_oca_group_end_together(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    group = {"ocaGroup": "exits", "ocaType": 2}
    low = await placed(client, wait_until, aapl, StopOrder("SELL", 100, UNMARKETABLE, **group), "PreSubmitted")
    high = await placed(client, wait_until, aapl, LimitOrder("SELL", 100, 1000, **group), "Submitted")
    client.ib.cancelOrder(low.order)
    await wait_until(lambda: high.orderStatus.status == "Cancelled", f"{high.orderStatus}")
    assert low.orderStatus.status == "Cancelled"
    (shown, *_) = [trade.order for trade in client.ib.trades() if trade.order.orderId == high.order.orderId]
    assert (shown.ocaGroup, shown.ocaType) == ("exits", 2)

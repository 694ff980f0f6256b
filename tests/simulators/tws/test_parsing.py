"""Every request as the real ib_async client writes it is read without a field left over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_async import (
    ComboLeg,
    Contract,
    ExecutionCondition,
    ExecutionFilter,
    LimitOrder,
    MarginCondition,
    Order,
    PercentChangeCondition,
    PriceCondition,
    ScannerSubscription,
    Stock,
    TagValue,
    TimeCondition,
    VolumeCondition,
    WshEventData,
)
from ib_async.client import Client
from ib_async.contract import DeltaNeutralContract
from ib_async.order import OrderComboLeg
from simulators.tws import requests
from simulators.tws.kinds import Inbound
from simulators.tws.parsing import parse, request_id_of
from simulators.tws.place_order import PlaceOrder
from simulators.tws.wire import FieldError

AAPL = Stock("AAPL", "SMART", "USD")
BAG = Contract("BAG", symbol="A,B", exchange="SMART", currency="USD", comboLegs=[ComboLeg(1, 1, "BUY", "SMART")] * 2)


class Recorder(Client):
    """The real client, its messages kept instead of sent."""

    def __init__(self) -> None:
        super().__init__(object())
        self.sent: list[list[str]] = []
        self._serverVersion = 178

    def isConnected(self) -> bool:
        return True

    def sendMsg(self, msg: str) -> None:
        self.sent.append(msg[:-1].split("\0"))


def sent(say: Callable[[Client], Any]) -> list[str]:
    client = Recorder()
    say(client)
    (fields,) = client.sent
    return fields


REQUESTS: dict[str, Callable[[Client], Any]] = {
    "market data": lambda c: c.reqMktData(1, AAPL, "233", False, False, []),
    "market data of a combination": lambda c: c.reqMktData(1, BAG, "", True, False, []),
    "cancel market data": lambda c: c.cancelMktData(1),
    "cancel order": lambda c: c.cancelOrder(1),
    "open orders": lambda c: c.reqOpenOrders(),
    "account updates": lambda c: c.reqAccountUpdates(True, "DU1"),
    "executions": lambda c: c.reqExecutions(1, ExecutionFilter()),
    "ids": lambda c: c.reqIds(1),
    "contract details": lambda c: c.reqContractDetails(1, AAPL),
    "auto open orders": lambda c: c.reqAutoOpenOrders(True),
    "all open orders": lambda c: c.reqAllOpenOrders(),
    "managed accounts": lambda c: c.reqManagedAccts(),
    "history": lambda c: c.reqHistoricalData(1, AAPL, "", "1 D", "1 min", "TRADES", True, 1, False, []),
    "history of a combination": lambda c: c.reqHistoricalData(1, BAG, "", "1 D", "1 min", "TRADES", True, 1, False, []),
    "cancel history": lambda c: c.cancelHistoricalData(1),
    "current time": lambda c: c.reqCurrentTime(),
    "real-time bars": lambda c: c.reqRealTimeBars(1, AAPL, 5, "TRADES", True, []),
    "cancel real-time bars": lambda c: c.cancelRealTimeBars(1),
    "global cancel": lambda c: c.reqGlobalCancel(),
    "market data type": lambda c: c.reqMarketDataType(3),
    "positions": lambda c: c.reqPositions(),
    "account summary": lambda c: c.reqAccountSummary(1, "All", "NetLiquidation"),
    "cancel account summary": lambda c: c.cancelAccountSummary(1),
    "cancel positions": lambda c: c.cancelPositions(),
    "start": lambda c: c.startApi(),
    "positions multi": lambda c: c.reqPositionsMulti(1, "DU1", ""),
    "cancel positions multi": lambda c: c.cancelPositionsMulti(1),
    "account updates multi": lambda c: c.reqAccountUpdatesMulti(1, "DU1", "", False),
    "cancel account updates multi": lambda c: c.cancelAccountUpdatesMulti(1),
    "option parameters": lambda c: c.reqSecDefOptParams(1, "AAPL", "", "STK", 265598),
    "soft dollar tiers": lambda c: c.reqSoftDollarTiers(1),
    "family codes": lambda c: c.reqFamilyCodes(),
    "matching symbols": lambda c: c.reqMatchingSymbols(1, "A"),
    "depth exchanges": lambda c: c.reqMktDepthExchanges(),
    "smart components": lambda c: c.reqSmartComponents(1, "9c0001"),
    "news providers": lambda c: c.reqNewsProviders(),
    "head timestamp": lambda c: c.reqHeadTimeStamp(1, AAPL, "TRADES", True, 1),
    "market rule": lambda c: c.reqMarketRule(26),
    "pnl": lambda c: c.reqPnL(1, "DU1", ""),
    "cancel pnl": lambda c: c.cancelPnL(1),
    "pnl single": lambda c: c.reqPnLSingle(1, "DU1", "", 265598),
    "cancel pnl single": lambda c: c.cancelPnLSingle(1),
    "completed orders": lambda c: c.reqCompletedOrders(False),
    "user info": lambda c: c.reqUserInfo(1),
    "depth": lambda c: c.reqMktDepth(1, AAPL, 5, False, []),
    "news bulletins": lambda c: c.reqNewsBulletins(True),
    "scanner": lambda c: c.reqScannerSubscription(1, ScannerSubscription(), [], []),
    "fundamentals": lambda c: c.reqFundamentalData(1, AAPL, "ReportSnapshot", []),
    "tick by tick": lambda c: c.reqTickByTickData(1, AAPL, "Last", 0, False),
    "historical ticks": lambda c: c.reqHistoricalTicks(1, AAPL, "", "", 10, "TRADES", True, False, []),
    "histogram": lambda c: c.reqHistogramData(1, AAPL, True, "1 day"),
    "calendar events": lambda c: c.reqWshEventData(1, WshEventData()),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_of_ib_async_is_read_whole(name: str) -> None:
    fields = sent(REQUESTS[name])
    request = parse(fields)
    assert getattr(request, "req_id", 1) in (1, -1)
    assert request_id_of(fields) in (1, -1)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_cut_short_or_drawn_out_is_refused(name: str) -> None:
    fields = sent(REQUESTS[name])
    if isinstance(parse(fields), requests.Numbered) and Inbound(int(fields[0])).name.startswith("REQ"):
        return  # declined or ignored: nothing in it is read
    for spoilt in (fields[:-1], [*fields, ""]):
        if len(spoilt) > 1 and not isinstance(parse(fields), requests.Numbered):
            with pytest.raises(FieldError):
                parse(spoilt)


def test_contracts_arrive_with_all_twelve_fields() -> None:
    contract = Contract("STK", 7, "AAPL", "202401", 1.5, "C", "100", "SMART", "NASDAQ", "USD", "AAPL X", "NMS")
    request = parse(sent(lambda c: c.reqContractDetails(1, contract)))
    assert isinstance(request, requests.ContractDetails)
    got = request.contract
    assert (got.con_id, got.symbol, got.sec_type, got.expiry, got.strike) == (
        7,
        "AAPL",
        "STK",
        "202401",
        Decimal("1.5"),
    )
    assert (got.right, got.multiplier, got.exchange, got.primary_exchange) == ("C", "100", "SMART", "NASDAQ")
    assert (got.currency, got.local_symbol, got.trading_class) == ("USD", "AAPL X", "NMS")


def place(order: Order, contract: Contract = AAPL) -> PlaceOrder:
    request = parse(sent(lambda c: c.placeOrder(5, contract, order)))
    assert isinstance(request, PlaceOrder)
    return request


def test_a_plain_limit_order_is_read_whole() -> None:
    request = place(LimitOrder("BUY", 100, 190.5, tif="GTC", account="DU1", orderRef="mine", outsideRth=True))
    assert request.order_id == 5
    assert request.number("lmtPrice") == Decimal("190.5")
    assert request.number("auxPrice") is None
    assert [request.text(name) for name in ("action", "tif", "account", "orderRef")] == ["BUY", "GTC", "DU1", "mine"]
    assert request.flag("outsideRth")
    assert request.flag("transmit")
    assert not request.blocks


CONDITIONS = [
    PriceCondition(price=1, conId=5, exch="SMART"),
    TimeCondition(time="20240305 10:00:00 UTC"),
    MarginCondition(percent=3),
    ExecutionCondition(secType="STK", exch="SMART", symbol="A"),
    VolumeCondition(volume=4, conId=5, exch="SMART"),
    PercentChangeCondition(changePercent=2, conId=5, exch="SMART"),
]
ODD_ORDERS: dict[str, tuple[Order, Contract, str]] = {
    "conditions": (LimitOrder("BUY", 1, 1, conditions=CONDITIONS), AAPL, "conditions"),
    "algorithm": (
        LimitOrder("BUY", 1, 1, algoStrategy="Adaptive", algoParams=[TagValue("adaptivePriority", "Normal")]),
        AAPL,
        "algorithm",
    ),
    "delta neutral": (
        Order(action="BUY", totalQuantity=1, orderType="VOL", deltaNeutralOrderType="LMT", deltaNeutralConId=3),
        AAPL,
        "delta-neutral order",
    ),
    "scale": (LimitOrder("BUY", 1, 1, scalePriceIncrement=0.1, scaleInitLevelSize=5), AAPL, "scale order"),
    "hedge": (LimitOrder("BUY", 1, 1, hedgeType="D", hedgeParam="x"), AAPL, "hedge order"),
    "legs": (
        LimitOrder("BUY", 1, 1, orderComboLegs=[OrderComboLeg(1.5)], smartComboRoutingParams=[TagValue("a", "b")]),
        BAG,
        "combination legs",
    ),
    "delta-neutral contract": (
        LimitOrder("BUY", 1, 1),
        Stock("AAPL", "SMART", "USD", deltaNeutralContract=DeltaNeutralContract(1, 2.0, 3.0)),
        "delta-neutral contract",
    ),
    "peg bench": (Order(action="BUY", totalQuantity=1, orderType="PEG BENCH"), AAPL, ""),
    "peg best": (Order(action="BUY", totalQuantity=1, orderType="PEG BEST"), AAPL, ""),
    "peg best to mid": (
        Order(action="BUY", totalQuantity=1, orderType="PEG BEST", competeAgainstBestOffset=float("inf")),
        AAPL,
        "",
    ),
    "peg mid": (Order(action="BUY", totalQuantity=1, orderType="PEG MID"), AAPL, ""),
    "ibkrats": (LimitOrder("BUY", 1, 1), Stock("AAPL", "IBKRATS", "USD"), ""),
}


@pytest.mark.parametrize("name", ODD_ORDERS)
def test_every_conditional_block_is_read_in_step(name: str) -> None:
    order, contract, block = ODD_ORDERS[name]
    request = place(order, contract)
    assert request.blocks == ({block} if block else set())
    assert request.text("manualOrderTime") == ""  # the last common field is where it belongs


@given(st.integers(0, 113), st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8))
def test_an_order_with_one_field_spoilt_is_read_or_refused(place_of_field: int, text: str) -> None:
    fields = sent(lambda c: c.placeOrder(5, AAPL, LimitOrder("BUY", 100, 190.5)))
    fields[place_of_field % len(fields)] = text
    with suppress(FieldError):
        parse(fields)


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=6), max_size=30))
def test_any_fields_are_read_or_refused(fields: list[str]) -> None:
    try:
        parse(fields)
    except FieldError:
        assert isinstance(request_id_of(fields), int)


@pytest.mark.parametrize("fields", [[], [""], ["0"], ["999"], ["x"], ["-1"], ["1.0"]])
def test_an_unknown_message_id_is_refused(fields: list[str]) -> None:
    with pytest.raises(FieldError):
        parse(fields)


def test_another_version_of_a_message_is_refused() -> None:
    with pytest.raises(FieldError, match="version 2 of message 5 is not 1"):
        parse(["5", "2"])

"""The callbacks that ib_async's decoder calls, each turned into a fact.

Owns the reading of the library's objects. It keeps nothing and decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from signalbox.metrics import VENUE_MESSAGES, VENUE_UNDECODABLE

from gateway_ibkr.facts import (
    AccountValueSeen,
    CommissionSeen,
    CompletedOrderSeen,
    ContractFound,
    ExecutionSeen,
    FiveSecondBarSeen,
    HistoryBarSeen,
    MarketDataTypeSeen,
    OpenOrderSeen,
    OrderStatusSeen,
    PnlSeen,
    PositionSeen,
    PriceTickSeen,
    SizeTickSeen,
    VenueContract,
)
from gateway_ibkr.translate import UNSET_DOUBLE, VENUE, time_of, venue_time

if TYPE_CHECKING:
    from gateway_ibkr.venue import Session

log = logging.getLogger(__name__)

OPEN_ORDERS, COMPLETED_ORDERS, POSITIONS, ACCOUNT_VALUES, CURRENT_TIME = -2, -3, -4, -5, -6
"""Keys of requests that carry no id on the wire; two of the same kind at once would mix their answers."""

UNSET_INTEGER = 2_147_483_647
EXECUTION, EXECUTION_TIME_FIELD = 11, 15


def guard(decoder: Any, session: Session) -> None:
    """Have every message of `decoder` counted, and one that can not be decoded told instead of lost.

    An execution whose time zone the library does not know would be dropped with a log line (ib_async's decoder): its
    time is rewritten as UTC first.
    """

    def guarded(kind: int, handler: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
        taken = VENUE_MESSAGES.labels(VENUE, session.endpoint.name, "in")
        unreadable = VENUE_UNDECODABLE.labels(VENUE, session.endpoint.name)

        def handle(fields: list[str]) -> None:
            taken.inc()
            if kind == EXECUTION and len(fields) > EXECUTION_TIME_FIELD:
                at = time_of(fields[EXECUTION_TIME_FIELD]) or datetime.now(UTC)
                fields[EXECUTION_TIME_FIELD] = venue_time(at)
            try:
                handler(fields)
            except Exception:
                unreadable.inc()
                log.exception("a message of the venue can not be read", extra={"kind": kind, "fields": fields[:20]})

        return handle

    decoder.handlers = {kind: guarded(kind, handler) for kind, handler in decoder.handlers.items()}


def contract_of(vendor: Any) -> VenueContract:
    """Read the library's contract."""
    return VenueContract(
        con_id=vendor.conId,
        symbol=vendor.symbol,
        security_type=vendor.secType,
        exchange=vendor.exchange,
        primary_exchange=vendor.primaryExchange,
        currency=vendor.currency,
        local_symbol=vendor.localSymbol,
        trading_class=vendor.tradingClass,
        multiplier=vendor.multiplier,
        expiry=vendor.lastTradeDateOrContractMonth,
        strike=vendor.strike,
        right=vendor.right,
    )


def _number(value: float) -> float:
    return 0.0 if value == UNSET_DOUBLE else value


class Callbacks:
    """What the library calls `wrapper`. The names of the methods are the library's."""

    defaultTimezone = UTC

    def __init__(self, session: Session) -> None:
        self._session = session
        self.ib = SimpleNamespace(TimezoneTWS="UTC")

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Callbacks of things that the gateway never asks for."""
        if name.startswith("_"):
            raise AttributeError(name)
        return _ignore

    # -------------------------------------------------------------------------------------------- the connection

    def tcpDataArrived(self) -> None:
        self._session.heard()

    def nextValidId(self, reqId: int) -> None:
        self._session.next_valid_id = max(self._session.next_valid_id, reqId)

    def currentTime(self, time: int) -> None:
        self._session.item(CURRENT_TIME, time)
        self._session.end(CURRENT_TIME)

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str) -> None:
        self._session.error(reqId, errorCode, errorString)

    # ---------------------------------------------------------------------------------------------------- orders

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:
        if order.whatIf:
            return
        seen = OpenOrderSeen(
            order_number=orderId,
            client_id=order.clientId,
            perm_id=order.permId,
            account=order.account,
            reference=order.orderRef,
            status=orderState.status,
            contract=contract_of(contract),
            action=order.action,
            quantity=_number(order.totalQuantity),
        )
        self._session.item(OPEN_ORDERS, seen)
        self._session.on_fact(seen)

    def openOrderEnd(self) -> None:
        self._session.end(OPEN_ORDERS)

    def orderStatus(
        self,
        orderId: int,
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,
        permId: int,
        parentId: int,
        lastFillPrice: float,
        clientId: int,
        whyHeld: str,
        mktCapPrice: float = 0.0,
    ) -> None:
        seen = OrderStatusSeen(
            order_number=orderId,
            client_id=clientId,
            perm_id=permId,
            status=status,
            filled=_number(filled),
            remaining=_number(remaining),
            why_held=whyHeld,
        )
        self._session.item(OPEN_ORDERS, seen)
        self._session.on_fact(seen)

    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:
        seen = CompletedOrderSeen(
            perm_id=order.permId,
            account=order.account,
            reference=order.orderRef,
            status=orderState.status,
            completed_status=orderState.completedStatus,
            completed_time=orderState.completedTime,
            filled=_number(order.filledQuantity),
        )
        self._session.item(COMPLETED_ORDERS, seen)
        self._session.on_fact(seen)

    def completedOrdersEnd(self) -> None:
        self._session.end(COMPLETED_ORDERS)

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:
        seen = ExecutionSeen(
            execution_id=execution.execId,
            order_number=0 if execution.orderId == UNSET_INTEGER else execution.orderId,
            client_id=execution.clientId,
            perm_id=execution.permId,
            account=execution.acctNumber,
            reference=execution.orderRef,
            contract=contract_of(contract),
            side=execution.side,
            shares=execution.shares,
            price=execution.price,
            at=execution.time,
        )
        self._session.item(reqId, seen)
        self._session.on_fact(seen)

    def execDetailsEnd(self, reqId: int) -> None:
        self._session.end(reqId)

    def commissionReport(self, report: Any) -> None:
        self._session.on_fact(
            CommissionSeen(execution_id=report.execId, commission=report.commission, currency=report.currency)
        )

    # --------------------------------------------------------------------------------------------------- account

    def position(self, account: str, contract: Any, posSize: float, avgCost: float) -> None:
        seen = PositionSeen(account=account, contract=contract_of(contract), quantity=posSize, average_cost=avgCost)
        self._session.item(POSITIONS, seen)
        self._session.on_fact(seen)

    def positionEnd(self) -> None:
        self._session.end(POSITIONS)

    def updateAccountValue(self, tag: str, val: str, currency: str, account: str) -> None:
        seen = AccountValueSeen(account=account, tag=tag, value=val, currency=currency)
        self._session.item(ACCOUNT_VALUES, seen)
        self._session.on_fact(seen)

    def accountDownloadEnd(self, account: str) -> None:
        self._session.end(ACCOUNT_VALUES)

    def pnl(self, reqId: int, dailyPnL: float, unrealizedPnL: float, realizedPnL: float) -> None:
        self._session.on_fact(PnlSeen(request_id=reqId, daily=dailyPnL, unrealized=unrealizedPnL, realized=realizedPnL))

    # ----------------------------------------------------------------------------------- contracts and market data

    def contractDetails(self, reqId: int, details: Any) -> None:
        self._session.item(
            reqId,
            ContractFound(
                contract=contract_of(details.contract),
                min_tick=details.minTick,
                min_size=_number(details.minSize),
                size_increment=_number(details.sizeIncrement),
                long_name=details.longName,
            ),
        )

    def contractDetailsEnd(self, reqId: int) -> None:
        self._session.end(reqId)

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:
        self._session.on_fact(PriceTickSeen(request_id=reqId, kind=tickType, price=price, size=size))

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:
        self._session.on_fact(SizeTickSeen(request_id=reqId, kind=tickType, size=size))

    def marketDataType(self, reqId: int, marketDataId: int) -> None:
        self._session.on_fact(MarketDataTypeSeen(request_id=reqId, kind=marketDataId))

    def realtimeBar(
        self,
        reqId: int,
        time: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        wap: float,
        count: int,
    ) -> None:
        self._session.on_fact(
            FiveSecondBarSeen(
                request_id=reqId, start=time, open=open_, high=high, low=low, close=close, volume=volume, trades=count
            )
        )

    def historicalData(self, reqId: int, bar: Any) -> None:
        at = time_of(bar.date)
        if at is None:
            raise ValueError(f"a history bar's date {bar.date!r} can not be read")
        self._session.item(
            reqId,
            HistoryBarSeen(
                start=int(at.timestamp()),
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=bar.volume,
                trades=bar.barCount,
            ),
        )

    def historicalDataEnd(self, reqId: int, start: str, end: str) -> None:
        self._session.end(reqId)


def _ignore(*_: object) -> None:
    return None

"""The callbacks that ib_async's decoder calls, each turned into a fact.

Owns the reading of the library's objects. It keeps nothing and decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from signalbox.errors import TranslationError
from signalbox.metrics import VENUE_MESSAGES, VENUE_UNDECODABLE

from gateway_ibkr import sense
from gateway_ibkr.facts import (
    AccountValueSeen,
    CommissionSeen,
    CompletedOrderSeen,
    ContractFound,
    ExecutionSeen,
    FiveSecondBarSeen,
    HistoryBarSeen,
    MarginSeen,
    MarketDataTypeSeen,
    OpenOrderSeen,
    OrderStatusSeen,
    PnlSeen,
    PositionSeen,
    PriceTickSeen,
    SizeTickSeen,
    Unreadable,
    VenueContract,
)
from gateway_ibkr.translate import UNSET_DOUBLE, VENUE, execution_key, time_of, venue_time
from gateway_ibkr.venue_option_callbacks import OptionCallbacks

if TYPE_CHECKING:
    from gateway_ibkr.venue import Session

log = logging.getLogger(__name__)

OPEN_ORDERS, COMPLETED_ORDERS, POSITIONS, ACCOUNT_VALUES, CURRENT_TIME = -2, -3, -4, -5, -6
"""Keys of requests that carry no id on the wire; two of the same kind at once would mix their answers."""

ORDER_NUMBERS_END = 1_000_000_000
"""Requests begin here: they and orders share the space of ids in errors."""

UNSET_INTEGER = 2_147_483_647
EXECUTION, EXECUTION_TIME_FIELD = 11, 15
NEVER_EMPTY = {
    EXECUTION: {19: "quantity", 20: "price"},
    59: {3: "commission"},
    61: {14: "quantity"},
    3: {3: "filled quantity", 4: "remaining quantity"},
}
"""By message, the places of numbers that the library reads as 0 where there is nothing: a fill that nobody has taken
back would be gone, a position flat, a trade free."""


def guard(decoder: Any, session: Session) -> None:
    """Have every message of `decoder` counted, and one that can not be decoded told instead of lost.

    An execution whose time zone the library does not know would be dropped with a log line (ib_async's decoder): its
    time is rewritten as UTC first. One whose time can not be read at all is told as unreadable, as any other.
    """

    def guarded(kind: int, handler: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
        taken = VENUE_MESSAGES.labels(VENUE, session.endpoint.name, "in")
        unreadable = VENUE_UNDECODABLE.labels(VENUE, session.endpoint.name)

        def handle(fields: list[str]) -> None:
            taken.inc()
            told = [*fields]
            try:
                if kind == EXECUTION:
                    at = time_of(fields[EXECUTION_TIME_FIELD])
                    if at is None:
                        raise TranslationError(f"its time {fields[EXECUTION_TIME_FIELD]!r:.40} can not be read")
                    fields[EXECUTION_TIME_FIELD] = venue_time(at)
                _require(kind, fields)
                handler(fields)
            except Exception as error:
                unreadable.inc()
                log.warning("a message of the venue can not be read", exc_info=True, extra={"kind": kind})
                session.unreadable(*_undecoded(kind, told, f"{error}" or type(error).__name__))

        return handle

    decoder.handlers = {kind: guarded(kind, handler) for kind, handler in decoder.handlers.items()}


def _require(kind: int, fields: list[str]) -> None:
    """Raise `TranslationError` where a number is missing that must be there: absent is not zero."""
    for place, what in NEVER_EMPTY.get(kind, {}).items():
        if place < len(fields) and not fields[place]:
            raise TranslationError(f"it has no {what}")


HISTORY = "history"
"""One message is a whole answer: nothing more comes of one that can not be decoded."""


class _Layout(Struct, frozen=True):
    """Where a kind of message has what can be told of one that is not decoded: places among its fields."""

    kind: str
    question: int = 0
    """The key of the request that it answers without naming it; 0 = it bears the request's id in its second field."""
    contract: int = 0
    name: int = 0


_LAYOUTS = {
    EXECUTION: _Layout(sense.EXECUTION, 0, 3, 14),
    5: _Layout(sense.OPEN_ORDER, OPEN_ORDERS, 2, 25),
    3: _Layout(sense.ORDER_STATUS, OPEN_ORDERS, 0, 6),
    101: _Layout(sense.COMPLETED_ORDER, COMPLETED_ORDERS, 1, 23),
    59: _Layout(sense.COMMISSION, 0, 0, 2),
    61: _Layout(sense.POSITION, POSITIONS, 3, 3),
    6: _Layout(sense.ACCOUNT_FIGURE, ACCOUNT_VALUES, 0, 2),
    10: _Layout(sense.CONTRACT, 0, 12, 12),
    17: _Layout(HISTORY),
}


def _undecoded(kind: int, fields: list[str], reason: str) -> tuple[int, Unreadable]:
    """What can still be told of a message that was not decoded, and the request that it belongs to."""
    layout = _LAYOUTS.get(kind, _Layout(f"message {kind}"))
    told = dict(enumerate(fields))
    con_id, key = told.get(layout.contract, ""), told.get(layout.name, "") if layout.name else str(kind)
    question = layout.question or _whole(told.get(1, "")) or 0
    name = execution_key(key)[0] if layout.kind in (sense.EXECUTION, sense.COMMISSION) else key
    text = " | ".join(fields)
    return question, Unreadable(kind=layout.kind, key=name, reason=reason, text=text, con_id=_whole(con_id) or 0)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


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
    """Where "unset" means none; anything else that makes no sense is seen later (`sense`)."""
    return 0.0 if value == UNSET_DOUBLE else value


class Callbacks(OptionCallbacks):
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
        if not 0 <= reqId < ORDER_NUMBERS_END:
            raise TranslationError(f"{reqId} is no order id")
        self._session.next_valid_id = max(self._session.next_valid_id, reqId)

    def currentTime(self, time: int) -> None:
        self._session.item(CURRENT_TIME, time)
        self._session.end(CURRENT_TIME)

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str) -> None:
        self._session.error(reqId, errorCode, errorString)

    # ---------------------------------------------------------------------------------------------------- orders

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:
        if order.whatIf:
            initial, maintenance = orderState.initMarginChange, orderState.maintMarginChange
            self._session.item(orderId, MarginSeen(initial_change=initial, maintenance_change=maintenance))
            self._session.end(orderId)
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
            limit_price=_number(order.lmtPrice),
            stop_price=_number(order.auxPrice),
            order_type=order.orderType,
            time_in_force=order.tif,
            trailing_percent=_number(order.trailingPercent),
            trail_stop_price=_number(order.trailStopPrice),
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
                last_trade_time=details.lastTradeTime,
                time_zone=details.timeZoneId,
                market_rules=details.marketRuleIds,
                exchanges=details.validExchanges,
                underlying=details.underSymbol,
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
        at = time_of(str(bar.date))
        self._session.item(
            reqId,
            HistoryBarSeen(
                start=int(at.timestamp()) if at is not None else -1,
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

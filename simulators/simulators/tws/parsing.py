"""Reading what clients send: fields in, requests out.

Owns the layout of every message but placeOrder (`place_order`). Pure. It must not know what is done about a request.
A field that can not be read raises `wire.FieldError`; so do an unknown version and fields that are left over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulators.tws import versions
from simulators.tws.kinds import DECLINED, SILENT, Inbound
from simulators.tws.place_order import WireContract, read_contract, read_place_order
from simulators.tws.requests import (
    AccountRequest,
    AccountSummary,
    AccountUpdates,
    AutoOpenOrders,
    CancelOrder,
    CompletedOrders,
    ContractDetails,
    Executions,
    HeadTimestamp,
    HistoricalData,
    MarketDataRequest,
    MarketDataType,
    Numbered,
    Plain,
    RealTimeBars,
    Request,
    StartApi,
    Texts,
)
from simulators.tws.wire import FieldError, FieldReader, integer_of

LEGS_MAX = 100
"""Combination legs in one request; more is garbage."""


def parse(fields: Sequence[str], server_version: int = versions.NEWEST) -> Request:
    """Read one message of a client that was served `server_version`.

    Raises FieldError; `field` is `message id` if there is no such message.
    """
    stated_id = fields[0] if fields else ""
    number = integer_of("message id", stated_id)
    if number is None or number not in list(Inbound):
        raise FieldError("message id", stated_id, f"Unknown message id: {stated_id[:20]}")
    kind = Inbound(number)
    reader = FieldReader(fields, server_version)
    reader.text("message id")
    if kind in DECLINED or kind in SILENT:
        return Numbered(kind, _request_id_of(kind, fields))  # not read further: nothing in it matters
    version = _VERSIONS.get(kind)
    if version is not None:
        stated = reader.integer("version")
        if stated != version:
            raise FieldError("version", str(stated), f"version {stated} of message {number} is not {version}")
    request = _READERS[kind](kind, reader)
    reader.end()
    return request


def request_id_of(fields: Sequence[str]) -> int:
    """The request or order id a refusal should name, as well as it can be found; else -1."""
    try:
        number = integer_of("message id", fields[0]) if fields else None
        return _request_id_of(Inbound(number), fields) if number in list(Inbound) else -1
    except FieldError:
        return -1


_WITHOUT_ID = frozenset(
    {
        Inbound.REQ_OPEN_ORDERS,
        Inbound.REQ_ACCOUNT_UPDATES,
        Inbound.REQ_IDS,
        Inbound.REQ_NEWS_BULLETINS,
        Inbound.CANCEL_NEWS_BULLETINS,
        Inbound.SET_SERVER_LOG_LEVEL,
        Inbound.REQ_AUTO_OPEN_ORDERS,
        Inbound.REQ_ALL_OPEN_ORDERS,
        Inbound.REQ_MANAGED_ACCOUNTS,
        Inbound.REQ_FA,
        Inbound.REPLACE_FA,
        Inbound.REQ_SCANNER_PARAMETERS,
        Inbound.REQ_CURRENT_TIME,
        Inbound.GLOBAL_CANCEL,
        Inbound.REQ_MARKET_DATA_TYPE,
        Inbound.REQ_POSITIONS,
        Inbound.CANCEL_POSITIONS,
        Inbound.VERIFY_REQUEST,
        Inbound.VERIFY_MESSAGE,
        Inbound.VERIFY_AND_AUTH_REQUEST,
        Inbound.VERIFY_AND_AUTH_MESSAGE,
        Inbound.START_API,
        Inbound.REQ_FAMILY_CODES,
        Inbound.REQ_MKT_DEPTH_EXCHANGES,
        Inbound.REQ_NEWS_PROVIDERS,
        Inbound.REQ_MARKET_RULE,
        Inbound.REQ_COMPLETED_ORDERS,
    }
)

_VERSIONS: dict[Inbound, int] = {
    Inbound.REQ_MKT_DATA: 11,
    Inbound.CANCEL_MKT_DATA: 2,
    Inbound.CANCEL_ORDER: 1,
    Inbound.REQ_OPEN_ORDERS: 1,
    Inbound.REQ_ACCOUNT_UPDATES: 2,
    Inbound.REQ_EXECUTIONS: 3,
    Inbound.REQ_IDS: 1,
    Inbound.REQ_FA: 1,
    Inbound.REQ_CONTRACT_DETAILS: 8,
    Inbound.REQ_AUTO_OPEN_ORDERS: 1,
    Inbound.REQ_ALL_OPEN_ORDERS: 1,
    Inbound.REQ_MANAGED_ACCOUNTS: 1,
    Inbound.CANCEL_HISTORICAL_DATA: 1,
    Inbound.REQ_CURRENT_TIME: 1,
    Inbound.REQ_REAL_TIME_BARS: 3,
    Inbound.CANCEL_REAL_TIME_BARS: 1,
    Inbound.GLOBAL_CANCEL: 1,
    Inbound.REQ_MARKET_DATA_TYPE: 1,
    Inbound.REQ_POSITIONS: 1,
    Inbound.REQ_ACCOUNT_SUMMARY: 1,
    Inbound.CANCEL_ACCOUNT_SUMMARY: 1,
    Inbound.CANCEL_POSITIONS: 1,
    Inbound.START_API: 2,
    Inbound.REQ_POSITIONS_MULTI: 1,
    Inbound.CANCEL_POSITIONS_MULTI: 1,
    Inbound.REQ_ACCOUNT_UPDATES_MULTI: 1,
    Inbound.CANCEL_ACCOUNT_UPDATES_MULTI: 1,
}
"""Messages that carry a version, and the one that IB's own client and ib_async send at server version 178."""

_DECLINED_WITH_VERSION = frozenset(
    {
        Inbound.REQ_MKT_DEPTH,
        Inbound.EXERCISE_OPTIONS,
        Inbound.REQ_FUNDAMENTAL_DATA,
        Inbound.CALC_IMPLIED_VOLATILITY,
        Inbound.CALC_OPTION_PRICE,
        Inbound.QUERY_DISPLAY_GROUPS,
        Inbound.SUBSCRIBE_TO_GROUP_EVENTS,
        Inbound.UPDATE_DISPLAY_GROUP,
    }
)


def _request_id_of(kind: Inbound, fields: Sequence[str]) -> int:
    if kind in _WITHOUT_ID:
        return -1
    place = 2 if kind in _VERSIONS or kind in _DECLINED_WITH_VERSION else 1
    number = integer_of("request id", fields[place]) if len(fields) > place else None
    return -1 if number is None else number


Reader = Callable[[Inbound, FieldReader], Request]


def _plain(kind: Inbound, reader: FieldReader) -> Request:
    return Plain(kind)


def _numbered(kind: Inbound, reader: FieldReader) -> Request:
    return Numbered(kind, reader.integer("request id"))


def _counted(kind: Inbound, reader: FieldReader) -> Request:
    reader.integer("number of ids")
    return Plain(kind)


def _start_api(kind: Inbound, reader: FieldReader) -> Request:
    return StartApi(reader.integer("client id"), reader.text("optional capabilities"))


def _skip_legs(contract: WireContract, reader: FieldReader) -> None:
    """A combination's legs are read, to stay in step; combinations themselves are refused as contracts."""
    if contract.sec_type == "BAG":
        for _ in range(reader.count("number of legs", LEGS_MAX)):
            for name in ("leg contract id", "leg ratio", "leg action", "leg exchange"):
                reader.text(name)


def _market_data(kind: Inbound, reader: FieldReader) -> Request:
    req_id = reader.integer("request id")
    contract = read_contract(reader)
    _skip_legs(contract, reader)
    if reader.flag("delta neutral"):
        for name in ("delta neutral contract id", "delta", "price"):
            reader.text(name)
    generic_ticks = reader.text("generic tick list")
    snapshot = reader.flag("snapshot")
    regulatory = reader.flag("regulatory snapshot")
    reader.text("market data options")
    return MarketDataRequest(req_id, contract, generic_ticks, snapshot, regulatory)


def _cancel_order(kind: Inbound, reader: FieldReader) -> Request:
    order_id = reader.integer("order id")
    if reader.server_version >= versions.WITH_MANUAL_TIME:
        reader.text("manual cancel time")
    return CancelOrder(order_id)


def _account_updates(kind: Inbound, reader: FieldReader) -> Request:
    return AccountUpdates(reader.flag("subscribe"), reader.text("account"))


def _executions(kind: Inbound, reader: FieldReader) -> Request:
    req_id = reader.integer("request id")
    client_id = reader.integer_or("client id", 0)
    names = ("account", "time", "symbol", "security type", "exchange", "side")
    return Executions(req_id, client_id, *(reader.text(name) for name in names))


def _contract_details(kind: Inbound, reader: FieldReader) -> Request:
    req_id = reader.integer("request id")
    contract = read_contract(reader)
    include_expired = reader.flag("include expired")
    sec_id_type, sec_id = reader.text("security id type"), reader.text("security id")
    issuer_id = reader.text("issuer id") if reader.server_version >= versions.WITH_BOND_ISSUER else ""
    return ContractDetails(req_id, contract, include_expired, sec_id_type, sec_id, issuer_id)


def _auto_open_orders(kind: Inbound, reader: FieldReader) -> Request:
    return AutoOpenOrders(reader.flag("bind"))


def _historical_data(kind: Inbound, reader: FieldReader) -> Request:
    req_id = reader.integer("request id")
    contract = read_contract(reader)
    reader.flag("include expired")
    end, bar_size, duration = reader.text("end"), reader.text("bar size"), reader.text("duration")
    use_rth, what = reader.flag("use regular hours"), reader.text("what to show")
    format_date = reader.integer("date format")
    _skip_legs(contract, reader)
    keep = reader.flag("keep up to date")
    reader.text("chart options")
    return HistoricalData(req_id, contract, end, bar_size, duration, use_rth, what, format_date, keep)


def _real_time_bars(kind: Inbound, reader: FieldReader) -> Request:
    req_id = reader.integer("request id")
    contract = read_contract(reader)
    seconds, what, use_rth = reader.integer("bar size"), reader.text("what to show"), reader.flag("use regular hours")
    reader.text("options")
    return RealTimeBars(req_id, contract, seconds, what, use_rth)


def _market_data_type(kind: Inbound, reader: FieldReader) -> Request:
    return MarketDataType(reader.integer("market data type"))


def _account_summary(kind: Inbound, reader: FieldReader) -> Request:
    return AccountSummary(reader.integer("request id"), reader.text("group"), reader.text("tags"))


def _account_request(kind: Inbound, reader: FieldReader) -> Request:
    req_id, account, model = reader.integer("request id"), reader.text("account"), reader.text("model")
    con_id = 0
    if kind is Inbound.REQ_PNL_SINGLE:
        con_id = reader.integer("contract id")
    elif kind is Inbound.REQ_ACCOUNT_UPDATES_MULTI:
        reader.flag("ledger and net liquidation")
    return AccountRequest(kind, req_id, account, model, con_id)


def _texts(*names: str) -> Reader:
    def read(kind: Inbound, reader: FieldReader) -> Request:
        req_id = -1 if kind in _WITHOUT_ID else reader.integer("request id")
        return Texts(kind, req_id, tuple(reader.text(name) for name in names))

    return read


def _head_timestamp(kind: Inbound, reader: FieldReader) -> Request:
    req_id = reader.integer("request id")
    contract = read_contract(reader)
    reader.flag("include expired")
    use_rth, what = reader.flag("use regular hours"), reader.text("what to show")
    return HeadTimestamp(req_id, contract, use_rth, what, reader.integer("date format"))


def _completed_orders(kind: Inbound, reader: FieldReader) -> Request:
    return CompletedOrders(reader.flag("api only"))


def _place_order(kind: Inbound, reader: FieldReader) -> Request:
    return read_place_order(reader)


_READERS: dict[Inbound, Reader] = {
    Inbound.REQ_MKT_DATA: _market_data,
    Inbound.CANCEL_MKT_DATA: _numbered,
    Inbound.PLACE_ORDER: _place_order,
    Inbound.CANCEL_ORDER: _cancel_order,
    Inbound.REQ_OPEN_ORDERS: _plain,
    Inbound.REQ_ACCOUNT_UPDATES: _account_updates,
    Inbound.REQ_EXECUTIONS: _executions,
    Inbound.REQ_IDS: _counted,
    Inbound.REQ_CONTRACT_DETAILS: _contract_details,
    Inbound.REQ_AUTO_OPEN_ORDERS: _auto_open_orders,
    Inbound.REQ_ALL_OPEN_ORDERS: _plain,
    Inbound.REQ_MANAGED_ACCOUNTS: _plain,
    Inbound.REQ_HISTORICAL_DATA: _historical_data,
    Inbound.CANCEL_HISTORICAL_DATA: _numbered,
    Inbound.REQ_CURRENT_TIME: _plain,
    Inbound.REQ_REAL_TIME_BARS: _real_time_bars,
    Inbound.CANCEL_REAL_TIME_BARS: _numbered,
    Inbound.GLOBAL_CANCEL: _plain,
    Inbound.REQ_MARKET_DATA_TYPE: _market_data_type,
    Inbound.REQ_POSITIONS: _plain,
    Inbound.REQ_ACCOUNT_SUMMARY: _account_summary,
    Inbound.CANCEL_ACCOUNT_SUMMARY: _numbered,
    Inbound.CANCEL_POSITIONS: _plain,
    Inbound.START_API: _start_api,
    Inbound.REQ_POSITIONS_MULTI: _account_request,
    Inbound.CANCEL_POSITIONS_MULTI: _numbered,
    Inbound.REQ_ACCOUNT_UPDATES_MULTI: _account_request,
    Inbound.CANCEL_ACCOUNT_UPDATES_MULTI: _numbered,
    Inbound.REQ_SEC_DEF_OPT_PARAMS: _texts("symbol", "exchange", "security type", "contract id"),
    Inbound.REQ_SOFT_DOLLAR_TIERS: _numbered,
    Inbound.REQ_FAMILY_CODES: _plain,
    Inbound.REQ_MATCHING_SYMBOLS: _texts("pattern"),
    Inbound.REQ_MKT_DEPTH_EXCHANGES: _plain,
    Inbound.REQ_SMART_COMPONENTS: _texts("exchange map"),
    Inbound.REQ_NEWS_PROVIDERS: _plain,
    Inbound.REQ_HEAD_TIMESTAMP: _head_timestamp,
    Inbound.REQ_MARKET_RULE: _texts("market rule id"),
    Inbound.REQ_FA: _texts("kind of data"),
    Inbound.REQ_PNL: _account_request,
    Inbound.CANCEL_PNL: _numbered,
    Inbound.REQ_PNL_SINGLE: _account_request,
    Inbound.CANCEL_PNL_SINGLE: _numbered,
    Inbound.REQ_COMPLETED_ORDERS: _completed_orders,
    Inbound.REQ_USER_INFO: _numbered,
}

"""What the gateway sends, but for open and completed orders (`order_replies`): facts in, messages out.

Owns the layout of those messages. Pure. A message is a tuple whose first item is its kind; `wire.encode_frame` makes
bytes of it. It must not know when a message is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from signalbox.exchange.listing import Listing
from signalbox.exchange.option_pricing import Greeks
from signalbox.exchange.orders import Execution
from signalbox.exchange.quoting import MarketBar

from simulators.option_listings import padded
from simulators.tws import times
from simulators.tws.elsewhere import Outside
from simulators.tws.kinds import Outbound
from simulators.tws.wire import UNSET_DOUBLE, Value, encode_frame

Message = tuple[Value, ...]

NO_REQUEST = -1
_AVERAGE = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class OptionFigures:
    """What is computed for one price of an option; None = it could not be."""

    price: float | None
    volatility: float | None = None
    greeks: Greeks | None = None
    spot: float | None = None


def handshake(version: int, at: datetime) -> bytes:
    """The one frame without a message id: server version and time."""
    return encode_frame((version, times.stamp(at)))


def error(req_id: int, code: int, text: str, advanced_json: str = "") -> Message:
    return (Outbound.ERROR, 2, req_id, code, text, advanced_json)


def managed_accounts(accounts: Sequence[str]) -> Message:
    return (Outbound.MANAGED_ACCOUNTS, 1, ",".join(accounts))


def next_valid_id(order_id: int) -> Message:
    return (Outbound.NEXT_VALID_ID, 1, order_id)


def current_time(at: datetime) -> Message:
    return (Outbound.CURRENT_TIME, 1, times.epoch(at))


def contract_fields(listing: Listing | Outside, right: str = "") -> tuple[Value, ...]:
    """The eleven fields of a contract as TWS writes them; `right` is what stands there for a share."""
    if isinstance(listing, Outside):
        return listing.fields(listing.exchange)
    return (
        listing.con_id,
        listing.symbol,
        *terms_fields(listing, right),
        listing.exchange,
        listing.currency,
        local_symbol(listing),
        trading_class(listing),
    )


def terms_fields(listing: Listing, right: str) -> tuple[Value, ...]:
    """Security type, expiry, strike, right and multiplier."""
    terms = listing.option
    if terms is None:
        return ("STK", "", "0", right, "")
    return (security_type(listing), times.day(terms.expiry), terms.strike, terms.right.value, listing.multiplier)


def security_type(listing: Listing) -> str:
    return "STK" if listing.option is None else "OPT"


def local_symbol(listing: Listing) -> str:
    """The venue's own name: of an option the OCC's in 21 characters."""
    return listing.symbol if listing.option is None else padded(listing)


def trading_class(listing: Listing) -> str:
    """NMS for a Nasdaq share, as TWS has it; else the listing's, or its symbol."""
    return listing.trading_class or ("NMS" if listing.primary_exchange == "NASDAQ" else listing.symbol)


# ------------------------------------------------------------------------------------------------- market data


def tick_price(req_id: int, tick: int, price: Decimal, size: Decimal, mask: int = 0) -> Message:
    return (Outbound.TICK_PRICE, 6, req_id, tick, price, size, mask)


def tick_size(req_id: int, tick: int, size: Decimal) -> Message:
    return (Outbound.TICK_SIZE, 6, req_id, tick, size)


def tick_string(req_id: int, tick: int, text: str) -> Message:
    return (Outbound.TICK_STRING, 6, req_id, tick, text)


def tick_req_params(req_id: int, tick: Decimal, exchange_map: str, permissions: int) -> Message:
    return (Outbound.TICK_REQ_PARAMS, req_id, tick, exchange_map, permissions)


def tick_snapshot_end(req_id: int) -> Message:
    return (Outbound.TICK_SNAPSHOT_END, 1, req_id)


def tick_option_computation(req_id: int, tick: int, figures: OptionFigures) -> Message:
    """-1 and -2 stand where nothing was computed: a delta of -1 is one (`ibapi.decoder`)."""
    greeks = figures.greeks
    money = (figures.price, 0.0) if figures.price is not None else (-1, -1)
    rest = (greeks.gamma, greeks.vega, greeks.theta) if greeks is not None else (-2, -2, -2)
    told: tuple[float, ...] = (
        -1 if figures.volatility is None else figures.volatility,
        -2 if greeks is None else greeks.delta,
        *money,
        *rest,
        -1 if figures.spot is None else figures.spot,
    )
    return (Outbound.TICK_OPTION_COMPUTATION, req_id, tick, 0, *(repr(float(each)) for each in told))


def market_data_type(req_id: int, number: int) -> Message:
    return (Outbound.MARKET_DATA_TYPE, 1, req_id, number)


def real_time_bar(req_id: int, bar: MarketBar) -> Message:
    prices = (bar.open, bar.high, bar.low, bar.close)
    return (Outbound.REAL_TIME_BAR, 3, req_id, times.epoch(bar.start), *prices, bar.volume, bar.wap, bar.trades)


def historical_data(req_id: int, start: str, end: str, bars: Sequence[tuple[str, MarketBar]]) -> Message:
    """`bars` with the date text that stands before each."""
    rows: list[Value] = []
    for date, bar in bars:
        rows += (date, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.wap, bar.trades)
    return (Outbound.HISTORICAL_DATA, req_id, start, end, len(bars), *rows)


def historical_data_update(req_id: int, date: str, bar: MarketBar) -> Message:
    """Mind the order: open, close, high, low, and the volume last."""
    prices = (bar.open, bar.close, bar.high, bar.low)
    return (Outbound.HISTORICAL_DATA_UPDATE, req_id, bar.trades, date, *prices, bar.wap, bar.volume)


def historical_schedule(
    req_id: int, start: str, end: str, zone: str, sessions: Sequence[tuple[str, str, str]]
) -> Message:
    rows = [text for session in sessions for text in session]
    return (Outbound.HISTORICAL_SCHEDULE, req_id, start, end, zone, len(sessions), *rows)


def head_timestamp(req_id: int, text: str) -> Message:
    return (Outbound.HEAD_TIMESTAMP, req_id, text)


# ------------------------------------------------------------------------------------------------------- orders


def order_status(
    order_id: int,
    status: str,
    filled: Decimal,
    remaining: Decimal,
    average_price: Decimal,
    perm_id: int,
    last_price: Decimal,
    client_id: int,
    why_held: str = "",
    parent_id: int = 0,
) -> Message:
    amounts = (status, filled, remaining, average(average_price), perm_id, parent_id, last_price)
    return (Outbound.ORDER_STATUS, order_id, *amounts, client_id, why_held, "0")


def average(price: Decimal) -> Decimal:
    """Round an average price as TWS does, to eight decimals."""
    return price.quantize(_AVERAGE, ROUND_HALF_UP)


def open_order_end() -> Message:
    return (Outbound.OPEN_ORDER_END, 1)


def completed_orders_end() -> Message:
    return (Outbound.COMPLETED_ORDERS_END,)


def order_bound(perm_id: int, client_id: int, order_id: int) -> Message:
    return (Outbound.ORDER_BOUND, perm_id, client_id, order_id)


def exec_details(
    req_id: int, order_id: int, client_id: int, listing: Listing | Outside, execution: Execution, execution_id: str
) -> Message:
    return (
        Outbound.EXEC_DETAILS,
        req_id,
        order_id,
        *contract_fields(listing),
        execution_id,
        times.stamp(execution.at),
        execution.account,
        listing.primary_exchange or "CBOE",
        "BOT" if execution.side == "BUY" else "SLD",
        execution.quantity,
        execution.price,
        execution.number,
        client_id,
        0,
        execution.cumulative,
        average(execution.average_price),
        execution.client_reference,
        "",
        "",
        "",
        2,  # liquidity: removed; the matching has no maker rebates
        0,
    )


def exec_details_end(req_id: int) -> Message:
    return (Outbound.EXEC_DETAILS_END, 1, req_id)


def commission_report(execution: Execution, execution_id: str) -> Message:
    """TWS leaves the realised PnL unset for an opening fill; yield is unset for stocks."""
    realized: Value = execution.realized_pnl if execution.realized_pnl else UNSET_DOUBLE
    fee = (execution.commission, execution.currency, realized)
    return (Outbound.COMMISSION_REPORT, 1, execution_id, *fee, UNSET_DOUBLE, "")


# ----------------------------------------------------------------------------------------------------- accounts


def receive_fa(kind: int, accounts: Sequence[str]) -> Message:
    """What an advisor has set up: no groups (1), and each account under its own name (3)."""
    aliases = "".join(
        f"<AccountAlias><account>{name}</account><alias>{name}</alias></AccountAlias>" for name in accounts
    )
    lists = {1: "<ListOfGroups></ListOfGroups>", 3: f"<ListOfAccountAliases>{aliases}</ListOfAccountAliases>"}
    body = lists.get(kind, "<ListOfAllocationProfiles></ListOfAllocationProfiles>")
    return (Outbound.RECEIVE_FA, 1, kind, f'<?xml version="1.0" encoding="UTF-8"?>{body}')


def account_value(tag: str, value: str, currency: str, account: str) -> Message:
    return (Outbound.ACCOUNT_VALUE, 2, tag, value, currency, account)


def portfolio_value(
    listing: Listing | Outside,
    account: str,
    position: Decimal,
    mark: Decimal,
    value: Decimal,
    average_cost: Decimal,
    unrealized: Decimal,
    realized: Decimal,
) -> Message:
    figures = (position, mark, value, average_cost, unrealized, realized)
    if isinstance(listing, Outside):
        return (Outbound.PORTFOLIO_VALUE, 8, *listing.fields(listing.exchange), *figures, account)
    contract = (
        listing.con_id,
        listing.symbol,
        *terms_fields(listing, "0"),  # TWS writes the right of a share as 0 here, as ? in orders
        listing.primary_exchange,
        listing.currency,
        local_symbol(listing),
        trading_class(listing),
    )
    return (Outbound.PORTFOLIO_VALUE, 8, *contract, *figures, account)


def account_update_time(at: datetime) -> Message:
    return (Outbound.ACCOUNT_UPDATE_TIME, 1, times.minute(at))


def account_download_end(account: str) -> Message:
    return (Outbound.ACCOUNT_DOWNLOAD_END, 1, account)


def account_summary(req_id: int, account: str, tag: str, value: str, currency: str) -> Message:
    return (Outbound.ACCOUNT_SUMMARY, 1, req_id, account, tag, value, currency)


def account_summary_end(req_id: int) -> Message:
    return (Outbound.ACCOUNT_SUMMARY_END, 1, req_id)


def account_update_multi(req_id: int, account: str, model: str, tag: str, value: str, currency: str) -> Message:
    return (Outbound.ACCOUNT_UPDATE_MULTI, 1, req_id, account, model, tag, value, currency)


def account_update_multi_end(req_id: int) -> Message:
    return (Outbound.ACCOUNT_UPDATE_MULTI_END, 1, req_id)


def position(account: str, listing: Listing | Outside, quantity: Decimal, average_cost: Decimal) -> Message:
    return (Outbound.POSITION, 3, account, *contract_fields(listing), quantity, average_cost)


def position_end() -> Message:
    return (Outbound.POSITION_END, 1)


def position_multi(
    req_id: int, account: str, listing: Listing | Outside, quantity: Decimal, average_cost: Decimal, model: str
) -> Message:
    contract = contract_fields(listing)
    return (Outbound.POSITION_MULTI, 1, req_id, account, *contract, quantity, average_cost, model)


def position_multi_end(req_id: int) -> Message:
    return (Outbound.POSITION_MULTI_END, 1, req_id)


def pnl(req_id: int, daily: Decimal, unrealized: Decimal, realized: Decimal) -> Message:
    return (Outbound.PNL, req_id, daily, unrealized, realized)


def pnl_single(
    req_id: int, position: Decimal, daily: Decimal, unrealized: Decimal, realized: Decimal, value: Decimal
) -> Message:
    return (Outbound.PNL_SINGLE, req_id, position, daily, unrealized, realized, value)

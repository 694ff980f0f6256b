"""Which facts of the venue make sense: each is looked at whole before anything follows from any part of it.

Owns what a contract, a price, a size, a time, a side, a status and an id can be here, for each class of asset. Pure. It
must not know what follows from a fact (`decide`), nor where one that makes no sense goes
(`signalbox.gateway.parking`). What makes no sense raises `TranslationError`, which says what of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from signalbox.errors import TranslationError
from signalbox.gateway.actions import Park
from signalbox.gateway.parking import parked

from gateway_ibkr.facts import (
    AccountValueSeen,
    CommissionSeen,
    CompletedOrderSeen,
    ContractFound,
    ErrorSeen,
    ExecutionSeen,
    FiveSecondBarSeen,
    HistoryBarSeen,
    OpenOrderSeen,
    OptionTickSeen,
    OrderStatusSeen,
    PnlSeen,
    PositionSeen,
    PriceTickSeen,
    SizeTickSeen,
    Unreadable,
    VenueContract,
)
from gateway_ibkr.state import OwnState
from gateway_ibkr.translate import (
    NOT_RECKONED,
    SECURITY_TYPES,
    UNSET_DOUBLE,
    canonical_symbol,
    decimal_of,
    execution_key,
    external_name,
    money_of,
    name_of,
    price_in,
    side_of,
)

EXECUTION, COMMISSION, POSITION, ACCOUNT_FIGURE = "execution", "commission", "position", "account figure"
OPEN_ORDER, ORDER_STATUS, COMPLETED_ORDER = "open order", "order status", "completed order"
CONTRACT, BAR, QUOTE, HISTORY_BAR, PROFIT, ERROR = "contract", "bar", "quote", "history bar", "profit", "error"

PASSING = frozenset({"history", BAR, QUOTE, HISTORY_BAR, PROFIT, ERROR})
"""Kinds of which the next one says how things are now, whatever this one was."""

STATUSES = frozenset(
    {"PendingSubmit", "ApiPending", "PreSubmitted", "Submitted", "PendingCancel", "Filled"}
    | {"Cancelled", "ApiCancelled", "Inactive"}
)
BASIS_TAGS = frozenset(
    {"NetLiquidation", "TotalCashValue", "AvailableFunds", "BuyingPower", "InitMarginReq", "MaintMarginReq"}
)
"""The account's figures that the desk goes by; the many others may be anything."""

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD_MAX = timedelta(hours=1)
"""How far the venue's time may be ahead of the desk's: one beyond it would make every order's day seem over."""
ID_CHARACTERS_MAX, TEXT_CHARACTERS_MAX = 100, 10_000
NUMBER_MAX = 2**63


def check(fact: Any, at: datetime, own: OwnState) -> None:
    """Look at a fact that has come at desk time `at`. Raises `TranslationError` if it makes no sense."""
    checker = _CHECKS.get(type(fact))
    if checker is not None:
        checker(fact, at)
    if isinstance(fact, ExecutionSeen | PositionSeen):
        name_of(fact.contract, own.symbols, own.untold)


def place_of(fact: Any) -> tuple[str, str]:
    """The kind of a fact, and what names it among its kind: a later one of the same replaces it."""
    match fact:
        case ExecutionSeen():
            return EXECUTION, _base(fact.execution_id)
        case CommissionSeen():
            return COMMISSION, _base(fact.execution_id)
        case PositionSeen():
            return POSITION, str(fact.contract.con_id)
        case AccountValueSeen():
            return ACCOUNT_FIGURE, f"{fact.tag} {fact.currency}"
        case OpenOrderSeen():
            return OPEN_ORDER, str(fact.perm_id)
        case OrderStatusSeen():
            return ORDER_STATUS, str(fact.perm_id)
        case CompletedOrderSeen():
            return COMPLETED_ORDER, str(fact.perm_id)
        case ContractFound():
            return CONTRACT, str(fact.contract.con_id)
        case Unreadable():
            return fact.kind, fact.key
    return _KINDS.get(type(fact), "fact"), ""


def park(fact: Any, error: TranslationError, own: OwnState) -> Park:
    """What becomes of a fact that makes no sense. `own`: which contracts the desk knows."""
    kind, key = place_of(fact)
    symbol = _symbol(fact, own) if kind in (EXECUTION, POSITION) else ""
    return parked(kind, key, str(error), fact, symbol=symbol, passes=kind in PASSING)


def _symbol(fact: Any, own: OwnState) -> str:
    """The symbol whose holding is not known for want of this fact; "" = it is not even known of which."""
    if isinstance(fact, Unreadable):
        return own.symbols.get(fact.con_id, "")
    try:
        found: VenueContract = fact.contract
        if found.con_id in own.symbols:
            return own.symbols[found.con_id]
        ticker = canonical_symbol(found)
        return ticker if ticker in own.untold else external_name(found)
    except (TypeError, AttributeError, ValueError):
        return ""


R = TypeVar("R")


def sift(rows: Iterable[R], at: datetime, own: OwnState) -> tuple[tuple[R, ...], tuple[Park, ...]]:
    """Part the rows of an answer into those that make sense, and what becomes of the others."""
    sane, unread = [], []
    for row in rows:
        try:
            check(row, at, own)
        except TranslationError as error:
            unread.append(park(row, error, own))
        else:
            sane.append(row)
    return tuple(sane), tuple(unread)


# ------------------------------------------------------------------------------------------------------------- values


def number(value: object, what: str) -> Decimal:
    """Any number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TranslationError(f"{what} {value!r} is no number")
    try:
        return decimal_of(float(value))
    except (TranslationError, ArithmeticError, ValueError):
        raise TranslationError(f"{what} {value!r} is no number") from None


def size(value: object, what: str) -> Decimal:
    """A number that is not below 0."""
    found = number(value, what)
    if found < 0:
        raise TranslationError(f"{what} {value!r} is below 0")
    return found


def whole(value: object, what: str, lowest: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value < NUMBER_MAX:
        raise TranslationError(f"{what} {value!r} is no number of the venue's")
    return value


def text(value: object, what: str) -> str:
    """Any text, perhaps none."""
    if not isinstance(value, str) or len(value) > TEXT_CHARACTERS_MAX:
        raise TranslationError(f"{what} {value!r:.40} is no text")
    return value


def name(value: object, what: str) -> str:
    """A text that names something: it goes into ids and subjects."""
    found = text(value, what)
    if not found or len(found) > ID_CHARACTERS_MAX or not found.isascii() or not found.isprintable() or " " in found:
        raise TranslationError(f"{what} {found!r:.40} names nothing")
    return found


def currency(value: object) -> str:
    found = text(value, "currency")
    if len(found) != 3 or not (found.isascii() and found.isalpha() and found.isupper()):
        raise TranslationError(f"{found!r:.40} is no currency")
    return found


def moment(value: object, at: datetime) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TranslationError(f"{value!r:.40} is no time")
    if not EARLIEST <= value <= at + AHEAD_MAX:
        raise TranslationError(f"{value.isoformat()} is no time of a trade: it is {at.isoformat(timespec='seconds')}")
    return value


def contract(value: VenueContract) -> VenueContract:
    """A contract that can be told from every other: by its number, its type and its money."""
    kind = text(value.security_type, "security type")
    if kind not in SECURITY_TYPES:
        raise TranslationError(f"{kind!r:.40} is no security type that is known here")
    whole(value.con_id, "contract id", 0 if kind == "BAG" else 1)
    currency(value.currency)
    if value.multiplier:
        worth = money_of(text(value.multiplier, "multiplier"))
        if worth is None or worth <= 0:
            raise TranslationError(f"{value.multiplier!r:.40} is no multiplier")
    elif kind in ("OPT", "FOP", "FUT"):
        raise TranslationError(f"a {kind} without its multiplier")
    for word in (value.symbol, value.local_symbol, value.exchange, value.primary_exchange, value.trading_class):
        text(word, "contract")
    if not (value.symbol or value.local_symbol):
        raise TranslationError("a contract without a symbol")
    return value


# -------------------------------------------------------------------------------------------------------------- facts


def _status(fact: OpenOrderSeen | OrderStatusSeen | CompletedOrderSeen) -> None:
    if fact.status not in STATUSES:
        raise TranslationError(f"{fact.status!r:.40} is no status of an order")
    whole(fact.perm_id, "permanent id")


def _open_order(fact: OpenOrderSeen, at: datetime) -> None:
    _status(fact)
    whole(fact.order_number, "order id", -NUMBER_MAX)
    whole(fact.client_id, "client id", -1)
    text(fact.account, "account")
    text(fact.reference, "reference")
    contract(fact.contract)
    side_of(text(fact.action, "side"))
    size(fact.quantity, "quantity")
    for value in (fact.limit_price, fact.stop_price):
        if value not in (0, UNSET_DOUBLE):
            number(value, "price")
    text(fact.order_type, "type of order")
    text(fact.time_in_force, "time in force")


def _order_status(fact: OrderStatusSeen, at: datetime) -> None:
    _status(fact)
    whole(fact.order_number, "order id", -NUMBER_MAX)
    whole(fact.client_id, "client id", -1)
    size(fact.filled, "filled quantity")
    size(fact.remaining, "remaining quantity")
    text(fact.why_held, "why held")


def _completed(fact: CompletedOrderSeen, at: datetime) -> None:
    _status(fact)
    for value in (fact.account, fact.reference, fact.completed_status, fact.completed_time):
        text(value, "completed order")
    size(fact.filled, "filled quantity")


def _execution(fact: ExecutionSeen, at: datetime) -> None:
    name(fact.execution_id, "execution id")
    _, revision = execution_key(fact.execution_id)
    whole(fact.order_number, "order id", -NUMBER_MAX)
    whole(fact.client_id, "client id", -1)
    whole(fact.perm_id, "permanent id")
    text(fact.account, "account")
    text(fact.reference, "reference")
    contract(fact.contract)
    side_of(text(fact.side, "side"))
    quantity = size(fact.shares, "quantity")
    if quantity:
        number(fact.price, "price")
        price_in(fact.contract, fact.price)
    elif revision <= 1:
        raise TranslationError("an execution of nothing")  # a later revision of none is a bust
    moment(fact.at, at)


def _commission(fact: CommissionSeen, at: datetime) -> None:
    name(fact.execution_id, "execution id")
    if fact.commission in NOT_RECKONED:
        return
    number(fact.commission, "commission")
    currency(fact.currency)


def _position(fact: PositionSeen, at: datetime) -> None:
    text(fact.account, "account")
    contract(fact.contract)
    if number(fact.quantity, "quantity"):
        number(fact.average_cost, "average cost")


def _account_value(fact: AccountValueSeen, at: datetime) -> None:
    for value in (fact.account, fact.tag, fact.value, fact.currency):
        text(value, "account value")
    if fact.tag in BASIS_TAGS and money_of(fact.value) is None:
        raise TranslationError(f"{fact.tag} {fact.value!r:.40} is no amount")
    if fact.tag in BASIS_TAGS and fact.currency not in ("", "BASE"):
        currency(fact.currency)


def _profit(fact: PnlSeen, at: datetime) -> None:
    for value in (fact.daily, fact.unrealized, fact.realized):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TranslationError(f"profit {value!r:.40} is no number")


def _error(fact: ErrorSeen, at: datetime) -> None:
    whole(fact.request_id, "request id", -NUMBER_MAX)
    whole(fact.code, "error code", -NUMBER_MAX)
    text(fact.text, "error text")


def _found(fact: ContractFound, at: datetime) -> None:
    contract(fact.contract)
    if number(fact.min_tick, "tick size") <= 0:
        raise TranslationError(f"{fact.min_tick!r} is no tick size")
    size(fact.min_size, "smallest size")
    size(fact.size_increment, "size increment")
    for words in (fact.long_name, fact.last_trade_time, fact.time_zone, fact.market_rules, fact.exchanges):
        text(words, "contract")
    text(fact.underlying, "underlying")


def _bar(fact: FiveSecondBarSeen | HistoryBarSeen, at: datetime) -> None:
    whole(fact.start, "start")
    if fact.start > (at + AHEAD_MAX).timestamp():
        raise TranslationError(f"{fact.start} is no start of a bar: it is ahead of the time")
    if whole(fact.trades, "trades", -1) <= 0:
        return
    prices = [number(value, "price") for value in (fact.open, fact.high, fact.low, fact.close)]
    if min(prices) <= 0:
        raise TranslationError(f"{min(prices)} is no price")
    if not prices[2] <= min(prices[0], prices[3]) <= max(prices[0], prices[3]) <= prices[1]:
        raise TranslationError("open and close are not between low and high")
    size(fact.volume, "volume")


def _price_tick(fact: PriceTickSeen, at: datetime) -> None:
    number(fact.price, "price")
    number(fact.size, "size")


def _option_tick(fact: OptionTickSeen, at: datetime) -> None:
    for name_, value in (("volatility", fact.implied_volatility), ("price", fact.price), ("vega", fact.vega)):
        if value is not None:
            size(value, name_)
    for value in (fact.delta, fact.gamma, fact.theta, fact.underlying_price):
        if value is not None:
            number(value, "greek")


def _size_tick(fact: SizeTickSeen, at: datetime) -> None:
    number(fact.size, "size")


def _unreadable(fact: Unreadable, at: datetime) -> None:
    raise TranslationError(fact.reason)


_CHECKS: dict[type, Callable[[Any, datetime], None]] = {
    OpenOrderSeen: _open_order,
    OrderStatusSeen: _order_status,
    CompletedOrderSeen: _completed,
    ExecutionSeen: _execution,
    CommissionSeen: _commission,
    ErrorSeen: _error,
    PositionSeen: _position,
    AccountValueSeen: _account_value,
    PnlSeen: _profit,
    ContractFound: _found,
    FiveSecondBarSeen: _bar,
    HistoryBarSeen: _bar,
    PriceTickSeen: _price_tick,
    SizeTickSeen: _size_tick,
    OptionTickSeen: _option_tick,
    Unreadable: _unreadable,
}
_KINDS: dict[type, str] = {
    PnlSeen: PROFIT,
    ErrorSeen: ERROR,
    FiveSecondBarSeen: BAR,
    HistoryBarSeen: HISTORY_BAR,
    PriceTickSeen: QUOTE,
    SizeTickSeen: QUOTE,
    OptionTickSeen: QUOTE,
}


def _base(execution_id: object) -> str:
    return execution_key(execution_id)[0] if isinstance(execution_id, str) else repr(execution_id)

"""Venue words to the desk's and back: pure, both ways.

Owns every conversion: contracts, orders, executions, times, prices, account values, ticks. It must not know the
vendor's library (`venue.py`), nor decide what follows (`decide.py`). What makes no sense raises `TranslationError`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from signalbox.errors import SymbolError, TranslationError
from signalbox.instruments import IbkrContract, Symbol, ibkr_contract, symbol_of_ibkr
from signalbox.messages import (
    Fill,
    Instrument,
    MarketDataType,
    Order,
    OrderType,
    PositionHeld,
    PriceStep,
    Side,
    TimeInForce,
    TriggerMethod,
)
from signalbox.order_terms import AT_OPEN, contradiction

from gateway_ibkr.facts import ContractFound, ExecutionSeen, OrderTerms, PositionSeen, VenueContract
from gateway_ibkr.oca import group_of

VENUE = "ibkr"

UNSET_DOUBLE = 1.7976931348623157e308
FRACTION_DIGITS_MAX = 10
NUMBER_MAX = Decimal(10) ** 15

ABOVE_ZERO = frozenset({"STK", "CASH", "BOND", "CFD", "CMDTY", "CRYPTO", "FUND", "IND", "BILL"})
ZERO_OR_ABOVE = frozenset({"OPT", "FOP", "WAR", "IOPT", "EC"})
"""An option, or a warrant, expires, is exercised or assigned at 0."""
ANY_PRICE = frozenset({"FUT", "CONTFUT", "BAG"})
"""Futures have settled below 0 (CL, April 2020); a combination is the difference of its legs."""
SECURITY_TYPES = ABOVE_ZERO | ZERO_OR_ABOVE | ANY_PRICE

OPTION, CURRENCY_PAIR = "OPT", "CASH"
NOT_RECKONED = frozenset({-1.0, UNSET_DOUBLE})
"""What TWS says in the place of a commission that it does not know yet."""
REVISION_DIGITS_MAX = 6

SMART = "SMART"


# ------------------------------------------------------------------------------------------------------- numbers


def decimal_of(value: float) -> Decimal:
    """Make a Decimal of a venue float: its shortest decimal form, rounded to 10 fraction digits if it has more.

    The venue sends decimal text and the library parses it to float, so the shortest form is what was sent; more than
    ten digits are the noise of somebody's arithmetic.
    Raises TranslationError for NaN, infinity, "unset" and beyond 1e15.
    """
    if not math.isfinite(value) or value == UNSET_DOUBLE:
        raise TranslationError(f"{value!r} is no number")
    number = Decimal(repr(value))
    if abs(number) >= NUMBER_MAX:
        raise TranslationError(f"{value!r} is beyond any price or size")
    if -int(number.as_tuple().exponent) > FRACTION_DIGITS_MAX:
        number = number.quantize(Decimal(1).scaleb(-FRACTION_DIGITS_MAX), ROUND_HALF_EVEN)
    number = number.normalize()
    return number.quantize(Decimal(1)) if int(number.as_tuple().exponent) > 0 else number


def price_of(value: float) -> Decimal:
    """Make a price: as `decimal_of`, and above zero."""
    price = decimal_of(value)
    if price <= 0:
        raise TranslationError(f"{value!r} is no price")
    return price


def price_in(contract: VenueContract, value: float) -> Decimal:
    """Make a price at which a contract of this type can trade: as `decimal_of`, and within what is possible for it."""
    price, kind = decimal_of(value), contract.security_type
    if (kind in ABOVE_ZERO and price <= 0) or (kind in ZERO_OR_ABOVE and price < 0):
        raise TranslationError(f"{value!r} is no price of a {kind}")
    return price


def float_of(value: Decimal) -> float:
    """Make the float that the venue's text will show as exactly `value`; raises TranslationError if there is none."""
    number = float(value)
    if not math.isfinite(number) or Decimal(repr(number)) != value:
        raise TranslationError(f"{value} has more digits than the venue takes")
    return number


def money_of(text: str) -> Decimal | None:
    """Read an account value; None when the venue has none."""
    if not text.isascii() or "_" in text:  # which Decimal would read
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < NUMBER_MAX else None


# --------------------------------------------------------------------------------------------------------- times

_ZONES = {"EST": "America/New_York", "EDT": "America/New_York", "CST": "America/Chicago", "CDT": "America/Chicago"}
_ZONES |= {"JST": "Asia/Tokyo", "HKT": "Asia/Hong_Kong", "MET": "Europe/Berlin", "CET": "Europe/Berlin"}
_ZONES |= {"GMT": "UTC", "BST": "Europe/London", "GB": "Europe/London", "PST": "America/Los_Angeles"}
_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)[ \-]+(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?: +(\S+))?")


def time_of(text: str) -> datetime | None:
    """Read a venue time in any of its forms as UTC: epoch seconds, or date and time with or without a zone.

    Without a zone it is UTC (the gateway asks for UTC). None = it can not be read: a fill must not be lost over it.
    """
    if text.isascii() and text.isdigit() and 8 < len(text) <= 11:
        return datetime.fromtimestamp(int(text), UTC)
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    zone = found[7] or "UTC"
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=ZoneInfo(_ZONES.get(zone, zone)))
    except (ValueError, OSError, KeyError):  # a zone that does not exist is a KeyError
        return None
    return local.astimezone(UTC)


def venue_time(at: datetime) -> str:
    """Write a time as the API takes it in UTC: `yyyymmdd-hh:mm:ss`."""
    return at.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S")


# ----------------------------------------------------------------------------------------------------- contracts


def contract_request(symbol: Symbol, exchange: str = SMART, currency: str = "") -> VenueContract:
    """Describe a symbol to the venue; `exchange` and `currency` are the desk file's, which settle an ambiguous one.

    Raises `SymbolError` for what IBKR does not trade.
    """
    named = ibkr_contract(symbol)
    return VenueContract(
        symbol=named.symbol,
        security_type=named.sec_type,
        exchange=named.exchange if exchange == SMART else exchange,
        currency=currency or named.currency,
        local_symbol=named.local_symbol,
    )


def canonical_symbol(contract: VenueContract) -> str:
    """Name a contract of the venue as the desk does; what the desk has no symbol for keeps the venue's name."""
    words = IbkrContract(
        contract.security_type, contract.symbol, contract.exchange, contract.currency, contract.local_symbol
    )
    try:
        return symbol_of_ibkr(words).canonical
    except SymbolError:
        return contract.local_symbol or contract.symbol


def name_of(contract: VenueContract, symbols: Mapping[int, str], untold: Collection[str] = ()) -> str:
    """Name a contract of the venue: the desk's symbol if it is one of the desk's, else a name that is only its own.

    A contract is its number: another one may have the same ticker, in another currency or at another exchange.
    `untold` are symbols of the desk whose contracts the venue has not told yet. Raises `TranslationError` for one that
    may be one of those.
    """
    known = symbols.get(contract.con_id)
    if known:
        return known
    ticker = canonical_symbol(contract)
    if ticker in untold and contract.security_type == OPTION:
        return ticker  # the OCC's name is of one contract alone, and the venue tells no more of one that has expired
    if ticker in untold:
        raise TranslationError(f"contract {contract.con_id} may be {ticker}, whose contract the venue has not told yet")
    return external_name(contract)


def external_name(contract: VenueContract) -> str:
    """The name of a contract that is not on the desk's list: what it is called, its currency and its number."""
    called = " ".join((contract.local_symbol or contract.symbol or contract.security_type).split())
    return f"{called}:{contract.currency}:{contract.con_id}"


def matching(request: VenueContract, found: tuple[ContractFound, ...]) -> tuple[ContractFound, ...]:
    """Keep what was asked for, one for each contract id: an answer may repeat a contract for each exchange."""
    unique = {
        item.contract.con_id: item
        for item in found
        if item.contract.security_type == request.security_type
        and (not request.currency or item.contract.currency == request.currency)
    }
    return tuple(unique.values())


def instrument(found: ContractFound, symbol: Symbol, at: datetime, steps: Sequence[PriceStep] = ()) -> Instrument:
    """Make the desk's instrument. Lots are whole shares at least: fractions can not be sent over this API.

    `steps` are its ticks where it has several.
    """
    contract = found.contract
    lot = max(decimal_of(found.size_increment), Decimal(1))
    return Instrument(
        id=f"instrument/{VENUE}/{symbol.canonical}/{contract.con_id}/{at.isoformat()}",
        at=at,
        venue=VENUE,
        symbol=symbol.canonical,
        kind=symbol.kind,
        currency=contract.currency,
        exchange=contract.primary_exchange or contract.exchange,
        calendar=symbol.calendar,
        tick_size=min((step.step for step in steps), default=price_of(found.min_tick)),
        lot_size=lot,
        minimum_quantity=max(decimal_of(found.min_size), lot),
        multiplier=multiplier_of(contract),
        venue_id=str(contract.con_id),
        name=found.long_name,
        price_steps=tuple(steps),
        base_currency=base_currency_of(contract),
    )


def base_currency_of(contract: VenueContract) -> str:
    """The currency that the quantity of a currency pair is in; "" = it is no pair."""
    return contract.symbol if contract.security_type == CURRENCY_PAIR else ""


def multiplier_of(contract: VenueContract) -> Decimal:
    """A contract's multiplier; stocks have none, which is 1."""
    return (money_of(contract.multiplier) or Decimal(1)) if contract.multiplier else Decimal(1)


# -------------------------------------------------------------------------------------------------------- orders

ORDER_TYPES = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP LMT",
    OrderType.MARKET_IF_TOUCHED: "MIT",
    OrderType.LIMIT_IF_TOUCHED: "LIT",
    OrderType.MARKET_ON_CLOSE: "MOC",
    OrderType.LIMIT_ON_CLOSE: "LOC",
    OrderType.MARKET_ON_OPEN: "MKT",
    OrderType.LIMIT_ON_OPEN: "LMT",
    OrderType.MARKET_TO_LIMIT: "MTL",
    OrderType.TRAILING_STOP: "TRAIL",
    OrderType.TRAILING_STOP_LIMIT: "TRAIL LIMIT",
}
_TRIGGER_METHODS = {
    TriggerMethod.DEFAULT: 0, TriggerMethod.LAST: 2, TriggerMethod.BID_ASK: 4, TriggerMethod.MID: 8,
}  # fmt: skip
AT_THE_OPENING = "OPG"
"""The time in force that makes an order one for the opening auction."""
_SIDES = {"BUY": Side.BUY, "BOT": Side.BUY, "SELL": Side.SELL, "SLD": Side.SELL, "SSHORT": Side.SELL}


def order_terms(order: Order) -> OrderTerms:
    """Write an order in the venue's words; raises TranslationError for terms that it can not express."""
    if wrong := contradiction(order):
        raise TranslationError(wrong)
    if order.trigger not in _TRIGGER_METHODS:
        raise TranslationError(f"the venue has no trigger {order.trigger}")
    if order.time_in_force is TimeInForce.GTD and order.good_till is None:
        raise TranslationError("a good-till-date order needs its date")
    group, group_type = group_of(order.part)
    return OrderTerms(
        action=order.side.value,
        quantity=float_of(order.quantity),
        order_type=ORDER_TYPES[order.order_type],
        time_in_force=AT_THE_OPENING if order.order_type in AT_OPEN else order.time_in_force.value,
        account=order.account,
        reference=order.order_id,
        limit_price=float_of(order.limit_price) if order.limit_price is not None else None,
        stop_price=_float_or_none(order.stop_price if order.trail_amount is None else order.trail_amount),
        trailing_percent=_float_or_none(order.trail_percent),
        limit_offset=_float_or_none(order.limit_offset),
        good_till=venue_time(order.good_till) if order.good_till is not None else "",
        outside_regular_hours=order.outside_regular_hours,
        group=group,
        group_type=group_type,
        all_or_none=order.all_or_none,
        display_size=_display_size(order.display_quantity),
        good_after=venue_time(order.not_before) if order.not_before is not None else "",
        trigger_method=_TRIGGER_METHODS[order.trigger],
    )


def _float_or_none(value: Decimal | None) -> float | None:
    return float_of(value) if value is not None else None


def _display_size(quantity: Decimal | None) -> int:
    if quantity is not None and (quantity <= 0 or quantity % 1):
        raise TranslationError(f"{quantity} can not be shown: whole shares or contracts, above zero")
    return int(quantity or 0)


def side_of(word: str) -> Side:
    """Read BUY/SELL of orders and BOT/SLD of executions."""
    try:
        return _SIDES[word]
    except KeyError:
        raise TranslationError(f"{word!r} is no side") from None


def execution_key(execution_id: str) -> tuple[str, int]:
    """Split an execution id into its base and its revision: `...01` the first report, `...02` its correction."""
    base, dot, revision = execution_id.rpartition(".")
    counts = dot and len(revision) <= REVISION_DIGITS_MAX and revision.isascii() and revision.isdigit()
    return (base, int(revision)) if counts else (execution_id, 1)


def fill_of(seen: ExecutionSeen, order_id: str, symbol: str) -> Fill:
    """Make a fill; a bust is a revision with no shares."""
    base, revision = execution_key(seen.execution_id)
    quantity = decimal_of(seen.shares)
    return Fill(
        execution_id=base,
        revision=revision,
        order_id=order_id,
        symbol=symbol,
        side=side_of(seen.side),
        quantity=quantity,
        price=price_in(seen.contract, seen.price) if quantity else Decimal(0),
        at=seen.at,
    )


# ----------------------------------------------------------------------------------------------------- positions


def position_of(seen: PositionSeen, symbols: Mapping[int, str], untold: Collection[str] = ()) -> PositionHeld:
    """Make a position; the venue's average cost is for the whole contract, ours is per unit."""
    multiplier = multiplier_of(seen.contract)
    return PositionHeld(
        symbol=name_of(seen.contract, symbols, untold),
        quantity=decimal_of(seen.quantity),
        average_price=decimal_of(seen.average_cost) / multiplier,
        currency=seen.contract.currency,
        multiplier=multiplier,
    )


# --------------------------------------------------------------------------------------------------- market data

_DATA_TYPE_NUMBERS = {
    MarketDataType.LIVE: 1,
    MarketDataType.FROZEN: 2,
    MarketDataType.DELAYED: 3,
    MarketDataType.DELAYED_FROZEN: 4,
}
_DATA_TYPES = {number: kind for kind, number in _DATA_TYPE_NUMBERS.items()}

PRICE_TICKS = {1: "bid", 2: "ask", 4: "last", 66: "bid", 67: "ask", 68: "last"}
"""Kinds of price ticks that a quote is made of; 66-68 are the delayed ones (IBKR: Available Tick Types)."""

SIZE_TICKS = {0: "bid_size", 3: "ask_size", 5: "last_size", 69: "bid_size", 70: "ask_size", 71: "last_size"}


def market_data_type(number: int) -> MarketDataType | None:
    """Read the venue's number of a kind of market data."""
    return _DATA_TYPES.get(number)


def market_data_number(kind: MarketDataType) -> int:
    """Write a kind of market data as the venue's number."""
    return _DATA_TYPE_NUMBERS[kind]


def history_duration(start: datetime, end: datetime, trading_days: int) -> str:
    """Ask for history back to `start`: in seconds within a day, else in trading days as the venue counts them."""
    seconds = math.ceil((end - start) / timedelta(seconds=1))
    if seconds <= 86_400:
        return f"{max(seconds, 60)} S"
    return f"{trading_days} D"

"""Every message of the desk, as frozen structs in tagged unions.

Owns the shape of what travels on the bus and its JSON form. It must not know who sends a message, on which
subject (`signalbox.subjects`) or in which stream (`signalbox.streams`).

Rules of all messages: prices, quantities and money are `Decimal` (strings on the wire); indicator values are
floats; every time is a timezone-aware UTC `datetime` of the desk clock, unless its name says `received_at`
(the wall clock of the process that received it). `id` names the message, `cause` the id of the message that made
it necessary; ids derive from inputs, so that a retry gives the same id and `Nats-Msg-Id` absorbs it. New fields
get defaults and nothing is ever retyped; unknown fields are refused in intents, allowed everywhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field

Utc = Annotated[datetime, Meta(tz=True)]
"""A time with its zone; a time without one is refused where it enters."""

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""The time of something that has not happened."""


class Message(Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """What every message carries."""

    id: str
    at: Utc
    cause: str = ""


# ------------------------------------------------------------------------------------------ words of the desk


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL: what a fill does to a position."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    MARKET_ON_CLOSE = "MARKET_ON_CLOSE"


class TimeInForce(StrEnum):
    DAY = "DAY"
    GTC = "GTC"
    GTD = "GTD"


class OrderStatus(StrEnum):
    """FIX order status words. `UNKNOWN` lasts until the venue has been asked."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    TRIGGERED = "TRIGGERED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"


FINAL_STATUSES = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.EXPIRED}
)


class InstrumentKind(StrEnum):
    STOCK = "STOCK"
    OPTION = "OPTION"
    PERPETUAL = "PERPETUAL"
    FOREX = "FOREX"


class Liquidity(StrEnum):
    """Whether a fill added liquidity (maker) or removed it (taker); not every venue says."""

    UNSTATED = "UNSTATED"
    MAKER = "MAKER"
    TAKER = "TAKER"


class MarketDataType(StrEnum):
    """IBKR's four kinds of market data; LIVE everywhere else."""

    LIVE = "LIVE"
    FROZEN = "FROZEN"
    DELAYED = "DELAYED"
    DELAYED_FROZEN = "DELAYED_FROZEN"


class BarSource(StrEnum):
    LIVE = "LIVE"
    BACKFILL = "BACKFILL"


class TradingMode(StrEnum):
    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class LinkStatus(StrEnum):
    """What a gateway can do now. Only READY lets risk approve an order."""

    DOWN = "DOWN"
    RECONCILING = "RECONCILING"
    FROZEN = "FROZEN"
    READY = "READY"


# ------------------------------------------------------------------------------------------------- the clock


class ClockTick(Message, frozen=True, kw_only=True):
    """The simulator's time: `at` is desk time, `speed` desk seconds per wall second (0 = stands still)."""

    speed: float


# ----------------------------------------------------------------------------------------------- market data


class Quote(Message, frozen=True, kw_only=True):
    """Top of book and last trade. `None` = the venue has not said. `at` is the venue's time.

    `oracle_price` is what a perpetual's margin, funding and stops go by.
    """

    venue: str
    symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None
    last_size: Decimal | None = None
    oracle_price: Decimal | None = None
    market_data_type: MarketDataType = MarketDataType.LIVE
    received_at: Utc = NEVER


class Bar(Message, frozen=True, kw_only=True):
    """One closed bar, never revised. `start` is its first instant, `at` its end (both venue time)."""

    venue: str
    symbol: str
    timeframe: str
    start: Utc
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int = 0
    source: BarSource = BarSource.LIVE
    received_at: Utc = NEVER


class Instrument(Message, frozen=True, kw_only=True):
    """What a venue says of a symbol: the facts that orders are checked against.

    The margins are fractions of a position's value; `None` = the venue does not state them.
    """

    venue: str
    symbol: str
    kind: InstrumentKind
    currency: str
    exchange: str
    calendar: str
    tick_size: Decimal
    lot_size: Decimal
    minimum_quantity: Decimal
    multiplier: Decimal = Decimal(1)
    venue_id: str = ""
    name: str = ""
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None


class FundingRate(Message, frozen=True, kw_only=True):
    """What a perpetual pays at the next hour: longs pay `rate` of the position's value to shorts (below 0: receive)."""

    venue: str
    symbol: str
    rate: Decimal
    oracle_price: Decimal | None = None
    received_at: Utc = NEVER


class Score(Message, frozen=True, kw_only=True):
    """Indicators and scores at the close of one bar; `None` until enough bars have been seen.

    `direction` is +1 long, -1 short (0 before the first ATR); `trend_score` counts consecutive bars in that
    direction (N3); `ema_deviation` = (close - EMA) / ATR (N4); `new_high_score` (N5).
    """

    venue: str
    symbol: str
    timeframe: str
    bar_start: Utc
    close: float
    supertrend: float | None
    direction: int
    ema: float | None
    atr: float | None
    trend_score: int
    ema_deviation: float | None
    new_high_score: int


# --------------------------------------------------------------------------------------------------- intents


class OrderIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish to trade. `id` becomes the order id: `[A-Za-z0-9][A-Za-z0-9-]{0,63}`, used once, ever.

    `account` may be left out where the desk has one account at that venue. `valid_until` bounds how late risk may
    still approve it; `good_till` is the order's own end (GTD only).
    """

    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    good_till: Utc | None = None
    outside_regular_hours: bool = False
    reduce_only: bool = False
    account: str = ""
    valid_until: Utc | None = None
    strategy: str = ""
    note: str = ""


class CancelIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish to cancel the order `order_id`."""

    venue: str
    symbol: str
    order_id: str
    account: str = ""
    note: str = ""


Intent = OrderIntent | CancelIntent

# ------------------------------------------------------------------------------------------------- decisions


class Check(Struct, frozen=True, kw_only=True):
    """One rule of the gate: the limit beside what was observed, and where the observation came from.

    `source` is `<stream>:<sequence>`, `quote:<message id>`, `desk-file`, `intent` or `clock`.
    """

    name: str
    passed: bool
    limit: str
    observed: str
    source: str
    reason: str = ""


class IntentApproved(Message, frozen=True, kw_only=True):
    """Risk lets the intent through. `intent` is normalised: symbol, account and times filled in.

    `by` is the name that the server saw send it. `intent_sequence` and `intent_stored_at` say together which message of
    INTENTS it was: sequences begin again where that stream is made anew.
    """

    intent_sequence: int
    intent: Intent
    order_id: str
    checks: tuple[Check, ...]
    reference_price: Decimal | None = None
    by: str = ""
    intent_stored_at: Utc = NEVER


class IntentDenied(Message, frozen=True, kw_only=True):
    """Risk refuses. `reason` is the first failed check's sentence; `intent` is None if it could not be read.

    `by`, `intent_sequence` and `intent_stored_at` as above. A denial on account of how much somebody sends has only the
    checks that failed.
    """

    intent_sequence: int
    intent: Intent | None
    checks: tuple[Check, ...]
    reason: str
    reference_price: Decimal | None = None
    by: str = ""
    intent_stored_at: Utc = NEVER


Decision = IntentApproved | IntentDenied

# ---------------------------------------------------------------------------------------- orders and positions


class Order(Struct, frozen=True, kw_only=True):
    """The terms of one venue order. `order_id` is also the venue's client reference (IBKR: orderRef)."""

    order_id: str
    intent_id: str
    venue: str
    account: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    good_till: Utc | None = None
    outside_regular_hours: bool = False
    reduce_only: bool = False
    multiplier: Decimal = Decimal(1)
    currency: str = "USD"


class Fill(Struct, frozen=True, kw_only=True):
    """One execution. `execution_id` is the venue's, without the revision it may carry (IBKR: `.01`, `.02`).

    A later revision corrects the earlier one: the same `execution_id`, a higher `revision`.
    """

    execution_id: str
    revision: int
    order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: Utc
    liquidity: Liquidity = Liquidity.UNSTATED


class RefusedBy(StrEnum):
    """Who refused what risk had approved. Only VENUE is an answer of the venue; the others are the desk's own doing."""

    UNSTATED = "UNSTATED"
    """Stored before refusals said it."""
    DESK = "DESK"
    """The OMS: no gateway was asked."""
    GATEWAY = "GATEWAY"
    """The gateway did not send it, or found that it never arrived."""
    VENUE = "VENUE"


class OrderEvent(Message, frozen=True, kw_only=True):
    """What every event of an order's life carries. `status` is the order's status after the event."""

    venue: str
    account: str
    order_id: str
    status: OrderStatus


class OrderCreated(OrderEvent, frozen=True, kw_only=True):
    """The first event of an approved order. `reference_price` is the market that risk held it against, if any."""

    order: Order
    reference_price: Decimal | None = None


class OrderDenied(OrderEvent, frozen=True, kw_only=True):
    """Risk refused the intent; the first and last event of that order."""

    reason: str


class OrderAccepted(OrderEvent, frozen=True, kw_only=True):
    venue_order_id: str


class OrderTriggered(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderPartiallyFilled(OrderEvent, frozen=True, kw_only=True):
    fill: Fill
    cumulative_quantity: Decimal
    leaves_quantity: Decimal


class OrderFilled(OrderEvent, frozen=True, kw_only=True):
    fill: Fill
    cumulative_quantity: Decimal
    leaves_quantity: Decimal


class FillCorrected(OrderEvent, frozen=True, kw_only=True):
    """The venue revised an execution; `fill` replaces `replaced` wholly (a bust has quantity 0)."""

    fill: Fill
    replaced: Fill
    cumulative_quantity: Decimal
    leaves_quantity: Decimal


class CommissionBooked(OrderEvent, frozen=True, kw_only=True):
    """The fee of one execution. It may come before its fill; it counts once both are there."""

    execution_id: str
    revision: int
    commission: Decimal
    currency: str


class FundingBooked(OrderEvent, frozen=True, kw_only=True):
    """A perpetual's funding payment. `order_id` is `subjects.FUNDING`; `amount` is what was received (paid < 0)."""

    funding_id: str
    symbol: str
    amount: Decimal
    currency: str


class OrderPendingCancel(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderCancelRejected(OrderEvent, frozen=True, kw_only=True):
    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED


class OrderCanceled(OrderEvent, frozen=True, kw_only=True):
    reason: str


class OrderRejected(OrderEvent, frozen=True, kw_only=True):
    """An approved order that will never work. Whoever it is that refused it says so: see `RefusedBy`."""

    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED


class OrderExpired(OrderEvent, frozen=True, kw_only=True):
    reason: str


class OrderUnknown(OrderEvent, frozen=True, kw_only=True):
    """What became of the order is not known; the gateway has been, or will be, asked."""

    reason: str


class PositionHeld(Struct, frozen=True, kw_only=True):
    """A position as the venue states it. `quantity` is signed; `average_price` per unit, without multiplier."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    currency: str = "USD"
    multiplier: Decimal = Decimal(1)


class AccountAdopted(OrderEvent, frozen=True, kw_only=True):
    """Where the desk's books of an account begin: what it held before the desk's first fill.

    `order_id` is `subjects.BASELINE`. `execution_ids` and `funding_ids` are what the figures already contain.
    """

    currency: str
    cash: Decimal
    positions: tuple[PositionHeld, ...]
    execution_ids: tuple[str, ...]
    funding_ids: tuple[str, ...] = ()


OrderEvents = (
    OrderCreated
    | OrderDenied
    | OrderAccepted
    | OrderTriggered
    | OrderPartiallyFilled
    | OrderFilled
    | FillCorrected
    | CommissionBooked
    | FundingBooked
    | OrderPendingCancel
    | OrderCancelRejected
    | OrderCanceled
    | OrderRejected
    | OrderExpired
    | OrderUnknown
    | AccountAdopted
)


class Position(Message, frozen=True, kw_only=True):
    """The desk's own position: average cost, revalued at every bar close. PnL excludes commission and funding."""

    venue: str
    account: str
    symbol: str
    currency: str
    multiplier: Decimal
    quantity: Decimal
    average_price: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    commission: Decimal
    mark_price: Decimal | None
    funding: Decimal = Decimal(0)


class Book(Message, frozen=True, kw_only=True):
    """The desk's own cash for an account: the adopted cash, plus all fills and funding, less all commissions.

    All figures are in the account's currency. `other_cash` is what fills and commissions in other currencies moved, by
    currency: nothing is converted.
    """

    venue: str
    account: str
    currency: str
    cash: Decimal
    realized_pnl: Decimal
    commission: Decimal
    fills: int
    trade_sequence: int
    funding: Decimal = Decimal(0)
    other_cash: dict[str, Decimal] = field(default_factory=dict)


class AccountState(Message, frozen=True, kw_only=True):
    """What the venue says of an account, published only once its end marker has come.

    `leverage` is the gross value of all positions over `net_liquidation`.
    """

    venue: str
    account: str
    currency: str
    cash: Decimal
    net_liquidation: Decimal
    available_funds: Decimal
    buying_power: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    daily_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    leverage: Decimal | None = None


# -------------------------------------------------------------------------------------------- venue commands


class SubmitOrder(Message, frozen=True, kw_only=True):
    """Place this order; after `deadline` (desk time) it must not be sent any more."""

    order: Order
    deadline: Utc


class CancelOrder(Message, frozen=True, kw_only=True):
    """Cancel this order."""

    venue: str
    account: str
    order_id: str
    venue_order_id: str


Command = SubmitOrder | CancelOrder

# ------------------------------------------------------------------------------------------------ venue reports


class VenueReport(Message, frozen=True, kw_only=True):
    """What every report of a venue carries. `at` is the venue's time."""

    venue: str
    account: str
    received_at: Utc = NEVER


class VenueAccepted(VenueReport, frozen=True, kw_only=True):
    order_id: str
    venue_order_id: str


class VenueTriggered(VenueReport, frozen=True, kw_only=True):
    order_id: str


class VenueFill(VenueReport, frozen=True, kw_only=True):
    """One execution. `fill.order_id` is empty for an order the desk did not place."""

    fill: Fill
    venue_order_id: str


class VenueCommission(VenueReport, frozen=True, kw_only=True):
    """The fee of one execution. `order_id` is empty if the execution has not been seen yet."""

    execution_id: str
    revision: int
    order_id: str
    commission: Decimal
    currency: str


class VenueFunding(VenueReport, frozen=True, kw_only=True):
    """A perpetual's funding payment. `amount` is signed: what the account received. `rate` is of one hour."""

    funding_id: str
    symbol: str
    amount: Decimal
    currency: str
    rate: Decimal


class VenueCanceled(VenueReport, frozen=True, kw_only=True):
    order_id: str
    reason: str


class VenueRejected(VenueReport, frozen=True, kw_only=True):
    """The venue will never work this order, or its gateway has not sent it. `code` is the venue's, or ""."""

    order_id: str
    code: str
    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED


class VenueExpired(VenueReport, frozen=True, kw_only=True):
    order_id: str
    reason: str


class VenueCancelRejected(VenueReport, frozen=True, kw_only=True):
    order_id: str
    code: str
    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED


class VenueUnknown(VenueReport, frozen=True, kw_only=True):
    """The gateway can not say what became of the order; it goes on asking."""

    order_id: str
    reason: str


class OpenOrder(Struct, frozen=True, kw_only=True):
    """A working order as the venue states it; `order_id` is empty if the desk did not place it."""

    order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal


class VenueSnapshot(VenueReport, frozen=True, kw_only=True):
    """All the venue holds for an account at one moment. It exists only when every end marker has come."""

    currency: str
    cash: Decimal
    positions: tuple[PositionHeld, ...]
    open_orders: tuple[OpenOrder, ...]
    execution_ids: tuple[str, ...]
    funding_ids: tuple[str, ...] = ()


Report = (
    VenueAccepted
    | VenueTriggered
    | VenueFill
    | VenueCommission
    | VenueFunding
    | VenueCanceled
    | VenueRejected
    | VenueExpired
    | VenueCancelRejected
    | VenueUnknown
    | VenueSnapshot
)


class VenueLink(Message, frozen=True, kw_only=True):
    """A gateway's heartbeat (each second of wall time) and every change of what it can do."""

    venue: str
    account: str
    status: LinkStatus
    reason: str = ""


# ------------------------------------------------------------------------------------------- the gateway's ledger


class LedgerClaimed(Message, frozen=True, kw_only=True):
    """Written before an order is sent: from here on it may be at the venue. `attempt_id` is the venue's own
    number for the attempt (IBKR: the API order id; dYdX: the client id), written down so that a report can be told
    apart. `venue_order_id` is the venue's id where it can be computed beforehand; `good_til_block` is the last block
    that can fill a short-term order (0 = it is none)."""

    venue: str
    order: Order
    attempt_id: str
    venue_order_id: str = ""
    good_til_block: int = 0


class LedgerSent(Message, frozen=True, kw_only=True):
    """Written after the order left on the socket, or after the venue was found to have it."""

    venue: str
    order: Order
    attempt_id: str
    venue_order_id: str = ""


LedgerEntry = LedgerClaimed | LedgerSent

# ------------------------------------------------------------------------------------ timers, control, dead letters


class TimerFired(Message, frozen=True, kw_only=True):
    """A timer set by the OMS has come due. `due` is desk time; fired early (the clock slowed), it is set again."""

    due: Utc
    order_id: str


class TradingState(Message, frozen=True, kw_only=True):
    """The desk's main switch (KV bucket CONTROL, key `trading-state`)."""

    mode: TradingMode
    reason: str
    by: str


class Lease(Message, frozen=True, kw_only=True):
    """Who may trade an account, or work as a service (KV bucket LEASES).

    `holder` is a process, "" = given back; `epoch` counts them. Either `venue` and `account` or `service` are set.
    """

    venue: str = ""
    account: str = ""
    holder: str
    epoch: int
    service: str = ""


class DeadLetter(Message, frozen=True, kw_only=True):
    """A message that could not be read: where it stands, what is wrong with it, and its first bytes (base64)."""

    service: str
    stream: str
    sequence: int
    subject: str
    error: str
    payload: bytes
    payload_bytes: int


class SetAside(Message, frozen=True, kw_only=True):
    """One message of a stream that a service is to go on without: who says so, and why."""

    service: str
    stream: str
    sequence: int
    by: str
    reason: str


# ------------------------------------------------------------------------------------------------ request / reply


class QueryRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One read-only SQL statement for the recorder's database."""

    sql: str
    row_limit: int = 1000


class QueryReply(Struct, frozen=True, kw_only=True):
    """Its result: JSON-safe values (Decimals and times as strings), or `error`, a sentence for a person."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    truncated: bool = False
    error: str = ""


class ServiceStatus(Struct, frozen=True, kw_only=True):
    """A process's answer to `status.<service>`: `ready`, and if not, `waiting_for`; figures for a person.

    `instance` names the process; one that is not `active` stands by while the one named in `standing_by` works.
    """

    service: str
    ready: bool
    waiting_for: tuple[str, ...]
    at: Utc
    details: dict[str, str] = field(default_factory=dict)
    instance: str = ""
    active: bool = True
    standing_by: str = ""


# -------------------------------------------------------------------------------------------------------- the codec

_T = TypeVar("_T")
_encoder = msgspec.json.Encoder(decimal_format="string")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(message: Struct) -> bytes:
    """Encode to JSON: Decimals as strings, times as RFC 3339 with `Z`, bytes as base64."""
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[_T] | Any) -> _T:
    """Decode JSON to `kind` (a struct or a union of them).

    Raises `msgspec.DecodeError` (not JSON) or its subclass `msgspec.ValidationError` (wrong type, unknown field in an
    intent, time without zone), whose text names the field. A JSON number becomes a Decimal of exactly its digits.
    """
    decoder = _decoders.get(kind) or _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        result: _T = decoder.decode(payload)
    except RecursionError:  # whoever reads what others wrote expects one kind of error
        raise msgspec.DecodeError("brackets are nested too deeply") from None
    except UnicodeError:
        raise msgspec.DecodeError("it is not UTF-8 text") from None
    return result

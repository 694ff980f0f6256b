"""Every message of the desk, as frozen structs in tagged unions.

Owns the shape of what travels on the bus and its JSON form. It must not know who sends a message, on which
subject (`signalbox.subjects`) or in which stream (`signalbox.streams`).

Rules of all messages: prices, quantities and money are `Decimal` (strings on the wire); indicator values are
floats; every time is a timezone-aware UTC `datetime` of the desk clock, unless its name says `received_at`
(the wall clock of the process that received it). `id` names the message, `cause` the id of the message that made
it necessary; ids derive from inputs, so that a retry gives the same id and `Nats-Msg-Id` absorbs it. New fields
get defaults and nothing is ever retyped: what means something else is another type, `OrderFilled2`, beside the old one
(decision 36). Unknown fields are refused in intents, allowed everywhere else.

A module is a conversation; the rest of the desk imports from here and knows no module of this package.
"""

from signalbox.messages.books import AccountState, Book, Position
from signalbox.messages.commands import CancelOrder, Command, SubmitOrder
from signalbox.messages.control import ClockTick, DeadLetter, Lease, SetAside, TimerFired, TradingState
from signalbox.messages.decisions import Check, Decision, IntentApproved, IntentDenied
from signalbox.messages.intents import CancelIntent, Intent, OrderIntent
from signalbox.messages.json_form import decode, encode
from signalbox.messages.ledger import LedgerClaimed, LedgerEntry, LedgerSent
from signalbox.messages.market import Bar, FundingRate, Instrument, Quote, Score
from signalbox.messages.orders import (
    AccountAdopted,
    CommissionBooked,
    Fill,
    FillCorrected,
    FundingBooked,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderCreated,
    OrderDenied,
    OrderEvent,
    OrderEvents,
    OrderExpired,
    OrderFilled,
    OrderPartiallyFilled,
    OrderPendingCancel,
    OrderRejected,
    OrderTriggered,
    OrderUnknown,
    PositionHeld,
)
from signalbox.messages.questions import QueryReply, QueryRequest, ServiceStatus
from signalbox.messages.reports import (
    OpenOrder,
    Report,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueFunding,
    VenueLink,
    VenueRejected,
    VenueReport,
    VenueSnapshot,
    VenueTriggered,
    VenueUnknown,
)
from signalbox.messages.words import (
    FINAL_STATUSES,
    NEVER,
    BarSource,
    InstrumentKind,
    LinkStatus,
    Liquidity,
    MarketDataType,
    Message,
    OrderStatus,
    OrderType,
    RefusedBy,
    Side,
    TimeInForce,
    TradingMode,
    Utc,
)

__all__ = [
    "FINAL_STATUSES",
    "NEVER",
    "AccountAdopted",
    "AccountState",
    "Bar",
    "BarSource",
    "Book",
    "CancelIntent",
    "CancelOrder",
    "Check",
    "ClockTick",
    "Command",
    "CommissionBooked",
    "DeadLetter",
    "Decision",
    "Fill",
    "FillCorrected",
    "FundingBooked",
    "FundingRate",
    "Instrument",
    "InstrumentKind",
    "Intent",
    "IntentApproved",
    "IntentDenied",
    "Lease",
    "LedgerClaimed",
    "LedgerEntry",
    "LedgerSent",
    "LinkStatus",
    "Liquidity",
    "MarketDataType",
    "Message",
    "OpenOrder",
    "Order",
    "OrderAccepted",
    "OrderCancelRejected",
    "OrderCanceled",
    "OrderCreated",
    "OrderDenied",
    "OrderEvent",
    "OrderEvents",
    "OrderExpired",
    "OrderFilled",
    "OrderIntent",
    "OrderPartiallyFilled",
    "OrderPendingCancel",
    "OrderRejected",
    "OrderStatus",
    "OrderTriggered",
    "OrderType",
    "OrderUnknown",
    "Position",
    "PositionHeld",
    "QueryReply",
    "QueryRequest",
    "Quote",
    "RefusedBy",
    "Report",
    "Score",
    "ServiceStatus",
    "SetAside",
    "Side",
    "SubmitOrder",
    "TimeInForce",
    "TimerFired",
    "TradingMode",
    "TradingState",
    "Utc",
    "VenueAccepted",
    "VenueCancelRejected",
    "VenueCanceled",
    "VenueCommission",
    "VenueExpired",
    "VenueFill",
    "VenueFunding",
    "VenueLink",
    "VenueRejected",
    "VenueReport",
    "VenueSnapshot",
    "VenueTriggered",
    "VenueUnknown",
    "decode",
    "encode",
]

"""Words of the desk: what several conversations say, and what every message carries.

Owns the enumerations and `Message`. It must not know a message.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

Utc = Annotated[datetime, Meta(tz=True)]
"""A time with its zone; a time without one is refused where it enters."""

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""The time of something that has not happened."""


class Message(Struct, frozen=True, kw_only=True, tag_field="type", tag=True, gc=False):
    """What every message carries. None can be part of a cycle: the garbage collector need not look at them."""

    id: str
    at: Utc
    cause: str = ""


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL: what a fill does to a position."""
        return 1 if self is Side.BUY else -1


class PositionAction(StrEnum):
    """What is to become of a position. OPEN begins one, ADD makes it larger, REDUCE smaller, CLOSE ends it; TARGET
    brings it to a quantity, whatever it is."""

    OPEN_LONG = "OPEN_LONG"
    ADD_LONG = "ADD_LONG"
    REDUCE_LONG = "REDUCE_LONG"
    CLOSE_LONG = "CLOSE_LONG"
    OPEN_SHORT = "OPEN_SHORT"
    ADD_SHORT = "ADD_SHORT"
    REDUCE_SHORT = "REDUCE_SHORT"
    CLOSE_SHORT = "CLOSE_SHORT"
    TARGET = "TARGET"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    MARKET_IF_TOUCHED = "MARKET_IF_TOUCHED"
    LIMIT_IF_TOUCHED = "LIMIT_IF_TOUCHED"
    MARKET_ON_CLOSE = "MARKET_ON_CLOSE"
    LIMIT_ON_CLOSE = "LIMIT_ON_CLOSE"
    MARKET_ON_OPEN = "MARKET_ON_OPEN"
    LIMIT_ON_OPEN = "LIMIT_ON_OPEN"
    MARKET_TO_LIMIT = "MARKET_TO_LIMIT"
    """It takes at the market; what its first fill leaves rests as a limit order at the price of that fill."""
    TRAILING_STOP = "TRAILING_STOP"
    """Its stop follows the market at a distance, and never goes back."""
    TRAILING_STOP_LIMIT = "TRAILING_STOP_LIMIT"


class AllocationMethod(StrEnum):
    """By what an account's part of a group's order is reckoned; the names are IBKR's."""

    EQUAL = "Equal"
    NET_LIQ = "NetLiq"
    """What it is worth: net liquidation value."""
    AVAILABLE_EQUITY = "AvailableEquity"
    """What it has free for new positions."""
    PCT_CHANGE = "PctChange"
    """What it holds: the position is to become larger or smaller by a percentage of it."""


class TriggerMethod(StrEnum):
    """What an order with a stop price is triggered by. DEFAULT = as its venue does it, unless it is told."""

    DEFAULT = "DEFAULT"
    LAST = "LAST"
    BID_ASK = "BID_ASK"
    MID = "MID"
    ORACLE = "ORACLE"


class TimeInForce(StrEnum):
    """IOC takes what there is as it comes, and the rest is over; FOK takes all of it as it comes, or nothing."""

    DAY = "DAY"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


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
    HELD = "HELD"
    """The venue has it and does not work it (shares must first be located, say); it may come to life."""
    PENDING_REPLACE = "PENDING_REPLACE"
    """Other terms were asked for, and the venue has not said what became of that: either may stand there."""


FINAL_STATUSES = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.EXPIRED}
)


class ChangeKind(StrEnum):
    """What an act does to a position: see `PositionChange`."""

    TRADE = "TRADE"
    SPLIT = "SPLIT"
    SET = "SET"


class InstrumentKind(StrEnum):
    STOCK = "STOCK"
    OPTION = "OPTION"
    PERPETUAL = "PERPETUAL"
    FOREX = "FOREX"


class MarketState(StrEnum):
    """Which orders a venue takes for an instrument now. A cancel it takes always."""

    OPEN = "OPEN"
    POST_ONLY = "POST_ONLY"
    CANCEL_ONLY = "CANCEL_ONLY"
    PAUSED = "PAUSED"
    INITIALIZING = "INITIALIZING"
    SETTLING = "SETTLING"
    """It is closed for good, and what is held there is settled by the venue."""
    UNKNOWN = "UNKNOWN"
    """The venue uses a word that the desk does not know, or has the instrument no more."""


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


class ScoreState(StrEnum):
    """How far a score may be relied upon."""

    UNSTATED = "UNSTATED"
    """Stored before scores said it."""
    LIVE = "LIVE"
    BACKFILL = "BACKFILL"
    """Of a bar that was fetched from the venue's history: it is right, and late."""
    WARMING = "WARMING"
    """Too few bars have been seen: the averages still depend on where they began, or something is not defined yet."""


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


class RefusedBy(StrEnum):
    """Who refused what risk had approved. Only VENUE is an answer of the venue; the others are the desk's own doing."""

    UNSTATED = "UNSTATED"
    """Stored before refusals said it."""
    DESK = "DESK"
    """The OMS: no gateway was asked."""
    GATEWAY = "GATEWAY"
    """The gateway did not send it, or found that it never arrived."""
    VENUE = "VENUE"

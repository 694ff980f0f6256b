"""The words of a market: what may trade, quotes, five-second bars."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class Phase(StrEnum):
    """What may trade: everything, only orders for outside regular hours, or nothing."""

    REGULAR = "REGULAR"
    EXTENDED = "EXTENDED"
    CLOSED = "CLOSED"


class MarketQuote(Struct, frozen=True):
    """Top of book and last trade at `at`; sizes are finite and bound what may fill before the next quote.

    `volume` is what has traded this trading day, `day_*` its prices so far, `previous_close` the last regular close.
    """

    symbol: str
    at: datetime
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    last: Decimal
    last_size: Decimal
    volume: Decimal
    day_open: Decimal
    day_high: Decimal
    day_low: Decimal
    previous_close: Decimal


class MarketBar(Struct, frozen=True):
    """One bar of `seconds` length from `start` (UTC). Without trades: volume, trades 0, prices the last close."""

    symbol: str
    start: datetime
    seconds: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    wap: Decimal
    trades: int


class SessionPhase(StrEnum):
    PRE_OPEN = "PRE_OPEN"
    OPEN = "OPEN"
    CLOSE = "CLOSE"
    POST_CLOSE = "POST_CLOSE"


class SessionEvent(Struct, frozen=True):
    """A calendar's trading day passes a boundary at `at`."""

    calendar: str
    day: str
    phase: SessionPhase
    at: datetime

"""What the line broker says, one fact a line. It counts and prices as the desk does: there is nothing to translate.

The venue's name is IBKR's: it is tried in its place, with its user and its subjects.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from signalbox.messages import InstrumentKind, PositionHeld, Side

VENUE = "ibkr"


class OrderSeen(Struct, frozen=True, kw_only=True, tag=True):
    """An order as it is now. `status` is one word: WORKING, TRIGGERED, FILLED, CANCELED, EXPIRED, REJECTED."""

    number: int
    reference: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    status: str
    reason: str
    limit_price: Decimal | None = None


class ExecutionSeen(Struct, frozen=True, kw_only=True, tag=True):
    execution_id: str
    number: int
    reference: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    currency: str
    at: datetime


class CancelRefused(Struct, frozen=True, kw_only=True, tag=True):
    reference: str
    reason: str


class QuoteSeen(Struct, frozen=True, kw_only=True, tag=True):
    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    last: Decimal
    last_size: Decimal


class Beat(Struct, frozen=True, kw_only=True, tag=True):
    """The broker is there. `frozen`: its market is not, and why."""

    frozen: str


class FiguresSeen(Struct, frozen=True, kw_only=True, tag=True):
    currency: str
    cash: Decimal
    net_liquidation: Decimal | None = None
    """None = the broker does not say."""
    available_funds: Decimal
    buying_power: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


class Listed(Struct, frozen=True, kw_only=True):
    symbol: str
    kind: InstrumentKind
    currency: str
    calendar: str
    tick: Decimal
    lot: Decimal


class Everything(Struct, frozen=True, kw_only=True, tag=True):
    """The broker's one answer: all that it knows at an instant, so it is complete and consistent by itself."""

    key: int
    orders: tuple[OrderSeen, ...]
    executions: tuple[ExecutionSeen, ...]
    positions: tuple[PositionHeld, ...]
    figures: FiguresSeen
    listed: tuple[Listed, ...]


Fact = OrderSeen | ExecutionSeen | CancelRefused | QuoteSeen | Beat | FiguresSeen | Everything

"""What the OMS remembers: orders, and each account's books. Plain data, built only by `oms.evolve`.

Owns the shape of that memory. It must not know messages that come in, the bus or time. Everything but `instruments`
follows from the order events in TRADE, so it can be thrown away and folded again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from signalbox.messages import FINAL_STATUSES, NEVER, Fill, Instrument, Order, OrderStatus
from signalbox.subjects import EXTERNAL_PREFIX, INTENT_ID

from oms.positions import FLAT, ZERO, Holding

AccountKey = tuple[str, str]
"""(venue, account)."""

Owner = tuple[str, str, str]
"""(venue, account, order id): whose event it is."""

PositionKey = tuple[str, str, str]
"""(venue, account, symbol)."""

UNATTRIBUTED = "_unattributed"
"""The reserved order id for fees of executions that nobody has reported yet (no intent id starts with `_`)."""


def order_key(venue: str, account: str, order_id: str) -> str:
    """What names an order in the whole desk, and its events (`<key>/<n>`).

    An intent id is used once, ever, and is its own key. Venues' ids and reserved ids repeat from account to account.
    """
    if INTENT_ID.fullmatch(order_id) and not order_id.startswith(EXTERNAL_PREFIX):
        return order_id
    return f"{venue}/{account}/{order_id}"


@dataclass(frozen=True, slots=True)
class Journal:
    """How far one order's subject in TRADE has been written: how many events, the sequence of the last."""

    events: int = 0
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class OrderState:
    """One order. `order` is None for a denied one, whose terms were never the desk's."""

    venue: str
    account: str
    order_id: str
    order: Order | None
    status: OrderStatus
    since: datetime
    """When it took this status."""
    heard_at: datetime
    """When the last event of its life happened, by the time of that event."""
    created_at: datetime
    created_cause: str
    acknowledged: bool = False
    """The venue has shown that it has, or had, the order."""
    venue_order_id: str = ""
    filled_quantity: Decimal = ZERO
    cancel_causes: tuple[str, ...] = ()
    """The decisions that asked for a cancel, in order: the n-th (from 1) is command revision n."""
    reference_price: Decimal | None = None
    """The market that risk held the order against; None where nobody has said."""
    causes: frozenset[str] = frozenset()
    """What has been turned into events already: the same message again changes nothing."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def owner(self) -> Owner:
        return self.venue, self.account, self.order_id

    @property
    def key(self) -> str:
        return order_key(*self.owner)


@dataclass(frozen=True, slots=True)
class Execution:
    """One booked fill: its newest revision, and in what money."""

    fill: Fill
    order_id: str
    currency: str
    multiplier: Decimal
    trade_sequence: int


@dataclass(frozen=True, slots=True)
class Fee:
    """What one execution cost; it counts once the execution is booked."""

    revision: int
    commission: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One funding payment of a perpetual: `amount` is what the account received (paid < 0)."""

    symbol: str
    amount: Decimal
    currency: str


@dataclass(slots=True)
class SymbolBook:
    """One symbol in one account: what it was taken over with, its executions in trading order, what follows."""

    currency: str
    multiplier: Decimal
    opening: Holding = FLAT
    execution_ids: list[str] = field(default_factory=list)
    holding: Holding = FLAT
    commission: Decimal = ZERO
    funding: Decimal = ZERO
    trade_sequence: int = 0
    changed_at: datetime = NEVER
    changed_by: str = ""


@dataclass(slots=True)
class AccountBook:
    """One account: cash, fees and funding by currency, symbols, executions. `adopted` = a baseline was taken over."""

    venue: str
    account: str
    currency: str = ""
    adopted: bool = False
    adopted_execution_ids: frozenset[str] = frozenset()
    adopted_funding_ids: frozenset[str] = frozenset()
    cash: dict[str, Decimal] = field(default_factory=dict)
    commission: dict[str, Decimal] = field(default_factory=dict)
    funding: dict[str, Decimal] = field(default_factory=dict)
    symbols: dict[str, SymbolBook] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    fees: dict[str, Fee] = field(default_factory=dict)
    funding_payments: dict[str, FundingPayment] = field(default_factory=dict)
    trade_sequence: int = 0
    changed_at: datetime = NEVER
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A position with less working stop quantity on the other side than its size, and since which event."""

    is_long: bool
    since: datetime


@dataclass(slots=True)
class State:
    """All of it. `working` holds the keys of the orders that are not final, `working_stops` those of STOP orders."""

    orders: dict[str, OrderState] = field(default_factory=dict)
    journals: dict[str, Journal] = field(default_factory=dict)
    accounts: dict[AccountKey, AccountBook] = field(default_factory=dict)
    working: set[str] = field(default_factory=set)
    working_stops: dict[PositionKey, set[str]] = field(default_factory=dict)
    unprotected: dict[PositionKey, Unprotected] = field(default_factory=dict)
    trade_sequence: int = 0
    instruments: dict[tuple[str, str], Instrument] = field(default_factory=dict)
    """By (venue, symbol), from STATE: not part of the fold, only asked when an order begins."""

    def journal(self, key: str) -> Journal:
        return self.journals.get(key, Journal())

    def find_order(self, venue: str, account: str, order_id: str) -> OrderState | None:
        """The order of that id in that account; not one that bears the id elsewhere."""
        order = self.orders.get(order_key(venue, account, order_id))
        return order if order is not None and order.owner == (venue, account, order_id) else None

"""What the venue says, as plain frozen data: no type of the vendor's library leaves `venue.py`.

Owns the shape of raw venue facts. Prices and sizes are still the venue's floats and words here; `translate` makes them
the desk's. It must not know what follows from a fact (`decide`).
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from signalbox.gateway.actions import Park


class VenueContract(Struct, frozen=True, kw_only=True):
    """A contract in the venue's words. `con_id` 0 = not yet qualified."""

    con_id: int = 0
    symbol: str = ""
    security_type: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    multiplier: str = ""
    expiry: str = ""
    strike: float = 0.0
    right: str = ""


class ContractFound(Struct, frozen=True, kw_only=True):
    """One answer to a contract request."""

    contract: VenueContract
    min_tick: float
    min_size: float
    size_increment: float
    long_name: str = ""
    last_trade_time: str = ""
    time_zone: str = ""
    market_rules: str = ""
    """Numbers of the rules of its price steps, for each of `exchanges` in turn; both comma separated."""
    exchanges: str = ""
    underlying: str = ""
    """The ticker of what an option is on."""


class MarginSeen(Struct, frozen=True, kw_only=True):
    """By how much an order would change the account's margin, in the account's currency."""

    initial_change: str
    maintenance_change: str = ""


class ChainSeen(Struct, frozen=True, kw_only=True):
    """What options of one trading class an exchange lists: days (yyyymmdd) and strikes, not which go together."""

    exchange: str
    trading_class: str
    multiplier: str
    expirations: tuple[str, ...]
    strikes: tuple[float, ...]


class PriceStepSeen(Struct, frozen=True, kw_only=True):
    """Part of a market rule: from a price on, prices are multiples of `increment`."""

    low_edge: float
    increment: float


class OrderTerms(Struct, frozen=True, kw_only=True):
    """An order as it goes out on the socket: plain floats and strings only (other types go out unrounded)."""

    action: str
    quantity: float
    order_type: str
    time_in_force: str
    account: str
    reference: str
    limit_price: float | None = None
    stop_price: float | None = None
    good_till: str = ""
    outside_regular_hours: bool = False
    group: str = ""
    group_type: int = 0
    """With a group: 1 cancels the others of it, 2 reduces them, both with overfill protection."""
    all_or_none: bool = False
    display_size: int = 0
    good_after: str = ""
    trigger_method: int = 0
    trailing_percent: float | None = None
    limit_offset: float | None = None
    trail_stop_price: float | None = None
    begins_at: float | None = None
    """Not before the contract has traded there, and (`begins_above`) higher, or lower."""
    begins_above: bool = False


# -------------------------------------------------------------------------------------------------------- orders


class OpenOrderSeen(Struct, frozen=True, kw_only=True):
    """`order_number` is the API order id, unique only within its client id; `perm_id` is the venue's own.

    `limit_price` 0 = it has none.
    """

    order_number: int
    client_id: int
    perm_id: int
    account: str
    reference: str
    status: str
    contract: VenueContract
    action: str
    quantity: float
    limit_price: float = 0.0
    stop_price: float = 0.0
    order_type: str = ""
    time_in_force: str = ""
    trailing_percent: float = 0.0
    trail_stop_price: float = 0.0


class OrderStatusSeen(Struct, frozen=True, kw_only=True):
    order_number: int
    client_id: int
    perm_id: int
    status: str
    filled: float
    remaining: float
    why_held: str = ""


class CompletedOrderSeen(Struct, frozen=True, kw_only=True):
    """An order that is over. It carries no order number and no client id, only `perm_id` and `reference`."""

    perm_id: int
    account: str
    reference: str
    status: str
    completed_status: str
    completed_time: str
    filled: float


class ExecutionSeen(Struct, frozen=True, kw_only=True):
    execution_id: str
    order_number: int
    client_id: int
    perm_id: int
    account: str
    reference: str
    contract: VenueContract
    side: str
    shares: float
    price: float
    at: datetime


class CommissionSeen(Struct, frozen=True, kw_only=True):
    execution_id: str
    commission: float
    currency: str


class ErrorSeen(Struct, frozen=True, kw_only=True):
    """`request_id` is an order number, a request's id, or -1 for the connection as a whole."""

    request_id: int
    code: int
    text: str


class Unreadable(Struct, frozen=True, kw_only=True):
    """A message that could not even be decoded; `con_id` is of its contract, 0 = that can not be told either."""

    kind: str
    key: str
    reason: str
    text: str
    con_id: int = 0


OrderFact = OpenOrderSeen | OrderStatusSeen | CompletedOrderSeen | ExecutionSeen | CommissionSeen | ErrorSeen

# ------------------------------------------------------------------------------------------------------- account


class PositionSeen(Struct, frozen=True, kw_only=True):
    """`average_cost` includes the multiplier and, at some venues, commission."""

    account: str
    contract: VenueContract
    quantity: float
    average_cost: float


class AccountValueSeen(Struct, frozen=True, kw_only=True):
    account: str
    tag: str
    value: str
    currency: str


class PnlSeen(Struct, frozen=True, kw_only=True):
    request_id: int
    daily: float
    unrealized: float
    realized: float


AccountFact = PositionSeen | AccountValueSeen | PnlSeen

# --------------------------------------------------------------------------------------------------- market data


class FiveSecondBarSeen(Struct, frozen=True, kw_only=True):
    """`start` in seconds since 1970 UTC. Without trades: `trades` 0 and the last price repeated."""

    request_id: int
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


class HistoryBarSeen(Struct, frozen=True, kw_only=True):
    """One bar of history; `start` in seconds since 1970 UTC."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


class PriceTickSeen(Struct, frozen=True, kw_only=True):
    """A price with its size (`size` is 0 where the kind has none, and when there is no quote on that side)."""

    request_id: int
    kind: int
    price: float
    size: float


class SizeTickSeen(Struct, frozen=True, kw_only=True):
    request_id: int
    kind: int
    size: float


class OptionTickSeen(Struct, frozen=True, kw_only=True):
    """What was computed of an option: of its bid, ask or last price, or by the venue's model, as `kind` says.

    None = not computed, for which the wire has -1 and -2.
    """

    request_id: int
    kind: int
    implied_volatility: float | None = None
    delta: float | None = None
    price: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    underlying_price: float | None = None


class MarketDataTypeSeen(Struct, frozen=True, kw_only=True):
    request_id: int
    kind: int


DataFact = FiveSecondBarSeen | PriceTickSeen | SizeTickSeen | OptionTickSeen | MarketDataTypeSeen

Fact = OrderFact | AccountFact | DataFact | Unreadable


class AccountAnswers(Struct, frozen=True, kw_only=True):
    """What the venue says of the account, each part up to its end marker. `values` is by (tag, currency)."""

    positions: tuple[PositionSeen, ...]
    values: dict[tuple[str, str], str]
    unread: tuple[Park, ...] = ()
    """Of the positions: rows that make no sense."""

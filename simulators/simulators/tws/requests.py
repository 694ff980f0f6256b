"""What clients ask for, as frozen requests.

Owns their shape. It must not know how they travel (`parsing`, `place_order`) or what is done about them.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.tws.kinds import Inbound
from simulators.tws.place_order import PlaceOrder, WireContract


@dataclass(frozen=True, slots=True)
class Plain:
    """A request that says nothing but its kind."""

    kind: Inbound


@dataclass(frozen=True, slots=True)
class Numbered:
    """A request about one request id, and nothing else: the cancels, and what is declined or ignored."""

    kind: Inbound
    req_id: int


@dataclass(frozen=True, slots=True)
class StartApi:
    client_id: int
    optional_capabilities: str


@dataclass(frozen=True, slots=True)
class MarketDataRequest:
    req_id: int
    contract: WireContract
    generic_ticks: str
    snapshot: bool
    regulatory_snapshot: bool


@dataclass(frozen=True, slots=True)
class CancelOrder:
    order_id: int


@dataclass(frozen=True, slots=True)
class AccountUpdates:
    subscribe: bool
    account: str


@dataclass(frozen=True, slots=True)
class Executions:
    """`time` is the earliest execution's time as text; empty fields do not filter."""

    req_id: int
    client_id: int
    account: str
    time: str
    symbol: str
    sec_type: str
    exchange: str
    side: str


@dataclass(frozen=True, slots=True)
class ContractDetails:
    req_id: int
    contract: WireContract
    include_expired: bool
    sec_id_type: str
    sec_id: str
    issuer_id: str


@dataclass(frozen=True, slots=True)
class AutoOpenOrders:
    bind: bool


@dataclass(frozen=True, slots=True)
class HistoricalData:
    req_id: int
    contract: WireContract
    end: str
    bar_size: str
    duration: str
    use_rth: bool
    what: str
    format_date: int
    keep_up_to_date: bool


@dataclass(frozen=True, slots=True)
class RealTimeBars:
    req_id: int
    contract: WireContract
    bar_seconds: int
    what: str
    use_rth: bool


@dataclass(frozen=True, slots=True)
class MarketDataType:
    number: int


@dataclass(frozen=True, slots=True)
class AccountSummary:
    req_id: int
    group: str
    tags: str


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """positionsMulti (74), accountUpdatesMulti (76), pnl (92) and pnlSingle (94)."""

    kind: Inbound
    req_id: int
    account: str
    model: str
    con_id: int = 0


@dataclass(frozen=True, slots=True)
class Texts:
    """Requests of a request id (0 where there is none) and a few texts: 78, 81, 83, 91."""

    kind: Inbound
    req_id: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeadTimestamp:
    req_id: int
    contract: WireContract
    use_rth: bool
    what: str
    format_date: int


@dataclass(frozen=True, slots=True)
class CompletedOrders:
    api_only: bool


Request = (
    Plain
    | Numbered
    | StartApi
    | MarketDataRequest
    | PlaceOrder
    | CancelOrder
    | AccountUpdates
    | Executions
    | ContractDetails
    | AutoOpenOrders
    | HistoricalData
    | RealTimeBars
    | MarketDataType
    | AccountSummary
    | AccountRequest
    | Texts
    | HeadTimestamp
    | CompletedOrders
)

"""What the indexer says, as plain frozen data in the desk's number and time types.

Owns the shape of facts: markets, books, trades, candles, heights, orders, fills, subaccounts, funding, transfers. Sizes
and prices are human (base units, USD), as the indexer states them. `reading` makes facts of JSON objects and
`stream_messages` of websocket messages. It must not know the client library, nor what follows from a fact.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from signalbox.messages import Liquidity, Side


class Fact(Struct, frozen=True, kw_only=True):
    """Anything the indexer has said."""


# --------------------------------------------------------------------------------------------------- market data


class Height(Fact, frozen=True, kw_only=True):
    """The newest block that the indexer has processed, and that block's time. `at` is None where it was not said."""

    height: int
    at: datetime | None = None


class Market(Fact, frozen=True, kw_only=True):
    """A perpetual market: the protocol's parameters and what changes. Margins are fractions of a position's value.

    `next_funding_rate` is for one hour, as all rates of the indexer are.
    """

    ticker: str
    clob_pair_id: int
    status: str
    oracle_price: Decimal | None
    next_funding_rate: Decimal | None
    initial_margin_fraction: Decimal
    maintenance_margin_fraction: Decimal
    atomic_resolution: int
    quantum_conversion_exponent: int
    step_base_quantums: int
    subticks_per_tick: int
    tick_size: Decimal
    step_size: Decimal
    market_type: str = "CROSS"
    open_interest: Decimal | None = None
    """What is held on one side, in base units; None = not said."""
    open_interest_lower_cap: Decimal = Decimal(0)
    open_interest_upper_cap: Decimal = Decimal(0)
    """USD; an upper one of 0 = none."""


class Unreadable(Fact, frozen=True, kw_only=True):
    """One row among others that makes no sense. `reason` names the field, `text` is the row.

    `key` names it among its `kind`; `symbol` is the market that it is about, "" = nobody can say.
    """

    kind: str
    key: str
    symbol: str
    reason: str
    text: str
    height: int | None = None
    """The block that it is of; None = it does not say."""


class MarketChanged(Fact, frozen=True, kw_only=True):
    """What an update of `v4_markets` says of one market; `None` = nothing."""

    ticker: str
    status: str | None = None
    market_type: str | None = None
    next_funding_rate: Decimal | None = None
    initial_margin_fraction: Decimal | None = None
    maintenance_margin_fraction: Decimal | None = None
    tick_size: Decimal | None = None
    step_size: Decimal | None = None
    open_interest: Decimal | None = None
    open_interest_lower_cap: Decimal | None = None
    open_interest_upper_cap: Decimal | None = None


class OraclePrice(Fact, frozen=True, kw_only=True):
    ticker: str
    price: Decimal
    at: datetime | None = None
    height: int | None = None


class Level(Struct, frozen=True):
    """One price of a book. Size 0 in an update takes the level away."""

    price: Decimal
    size: Decimal


class BookSnapshot(Fact, frozen=True, kw_only=True):
    """A whole book, in the order the indexer gave it (best first)."""

    ticker: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookUpdate(Fact, frozen=True, kw_only=True):
    """New sizes of some levels."""

    ticker: str
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()


class Trade(Fact, frozen=True, kw_only=True):
    """One trade. `side` is the taker's. `id` is "" and `height` None where the indexer does not say."""

    ticker: str
    id: str
    side: Side
    size: Decimal
    price: Decimal
    at: datetime
    height: int | None = None
    type: str = "LIMIT"


class CandleSeen(Fact, frozen=True, kw_only=True):
    """A candle as it stands: the present one changes until its time is over. A span without trades has none.

    `volume` is in base units.
    """

    ticker: str
    resolution: str
    started_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int


class HistoricalFunding(Fact, frozen=True, kw_only=True):
    """The funding rate of one past hour."""

    ticker: str
    rate: Decimal
    price: Decimal
    at: datetime
    height: int


# -------------------------------------------------------------------------------------------------- the account


class OrderSeen(Fact, frozen=True, kw_only=True):
    """An order as the indexer shows it. Statuses are its words, and hints: fills and heights are the truth.

    On the websocket any field but `id` and `status` may be missing: `None`, or "" for words. Over REST there is no
    `removal_reason`. `total_filled` counts what the indexer has seen filled in blocks.
    """

    id: str
    status: str
    client_id: int | None = None
    clob_pair_id: int | None = None
    ticker: str = ""
    side: Side | None = None
    size: Decimal | None = None
    total_filled: Decimal | None = None
    total_optimistic_filled: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    type: str = ""
    time_in_force: str = ""
    reduce_only: bool | None = None
    post_only: bool | None = None
    order_flags: int | None = None
    good_til_block: int | None = None
    good_til_block_time: datetime | None = None
    client_metadata: int | None = None
    created_at_height: int | None = None
    updated_at: datetime | None = None
    updated_at_height: int | None = None
    removal_reason: str = ""
    subaccount_id: str = ""


class FillSeen(Fact, frozen=True, kw_only=True):
    """All that one order filled in one block on one side. `fee` below 0 is a rebate; None = not said (websocket).

    `order_id` is "" where there is no order (liquidations, deleveraging). `ticker` is "" if only the pair was said.
    """

    id: str
    order_id: str
    ticker: str
    side: Side
    size: Decimal
    price: Decimal
    liquidity: Liquidity
    type: str
    at: datetime
    height: int
    fee: Decimal | None = None
    clob_pair_id: int | None = None
    client_metadata: int | None = None


class PositionSeen(Fact, frozen=True, kw_only=True):
    """A perpetual position. `size` is signed. `realized_pnl` is price PnL on what was closed and net funding."""

    ticker: str
    status: str
    size: Decimal
    entry_price: Decimal
    exit_price: Decimal | None = None
    max_size: Decimal | None = None
    sum_open: Decimal | None = None
    sum_close: Decimal | None = None
    realized_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    net_funding: Decimal | None = None
    created_at: datetime | None = None


class AssetPosition(Fact, frozen=True, kw_only=True):
    """A signed amount of an asset (USDC)."""

    symbol: str
    size: Decimal
    asset_id: str = ""


class Subaccount(Fact, frozen=True, kw_only=True):
    """A subaccount at a block. `usdc` is signed: what buying costs is taken from it."""

    address: str
    number: int
    equity: Decimal
    free_collateral: Decimal
    usdc: Decimal
    positions: tuple[PositionSeen, ...]
    updated_at_height: int | None = None
    height: int | None = None
    """The newest block that the indexer had processed when it said so; None = not said."""
    unreadable: tuple[Unreadable, ...] = ()
    """Positions and assets that it has beside these."""


class LeverageChosen(Fact, frozen=True, kw_only=True):
    """The initial margins that the owner of the subaccount has chosen, in parts per million."""

    ppm_by_clob_pair: dict[int, int]


class Transfer(Fact, frozen=True, kw_only=True):
    """USDC that came or left. A number of None is a wallet; `id` is "" on the websocket."""

    id: str
    sender: str
    sender_number: int | None
    recipient: str
    recipient_number: int | None
    symbol: str
    size: Decimal
    type: str
    transaction_hash: str
    at: datetime
    height: int


class FundingPayment(Fact, frozen=True, kw_only=True):
    """What a subaccount received (below 0: paid) for one hour in one market. `size` is the position's, signed."""

    ticker: str
    size: Decimal
    rate: Decimal
    oracle_price: Decimal
    payment: Decimal
    at: datetime
    height: int


class SubaccountSnapshot(Fact, frozen=True, kw_only=True):
    """The first contents of `v4_subaccounts`. `subaccount` is None while the address has never held anything."""

    subaccount: Subaccount | None
    orders: tuple[OrderSeen, ...]
    height: int | None
    unreadable: tuple[Unreadable, ...] = ()


class SubaccountChanged(Fact, frozen=True, kw_only=True):
    """One update of `v4_subaccounts`, its parts as they came together."""

    orders: tuple[OrderSeen, ...] = ()
    fills: tuple[FillSeen, ...] = ()
    positions: tuple[PositionSeen, ...] = ()
    assets: tuple[AssetPosition, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    height: int | None = None
    unreadable: tuple[Unreadable, ...] = ()


class StreamRefused(Fact, frozen=True, kw_only=True):
    """The websocket said `error`. `channel` and `id` are "" where it does not say."""

    text: str
    channel: str = ""
    id: str = ""

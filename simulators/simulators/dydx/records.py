"""What the chain tells the indexer: orders, fills, transfers, funding and blocks, as plain data.

Owns the words between `chain` (who makes them) and `indexer` (who shows them, late if told to). Sizes and prices are
human (base units, USD), converted from quantums and subticks; the raw protocol values stay in the chain.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct
from signalbox.messages import Liquidity, Side

STATUSES = ("ACTIVE", "PAUSED", "CANCEL_ONLY", "POST_ONLY", "INITIALIZING", "FINAL_SETTLEMENT")
"""Of a clob pair. The chain itself knows ACTIVE, INITIALIZING and FINAL_SETTLEMENT only (types/clob_pair.go)."""
MARKET_TYPES = ("CROSS", "ISOLATED")
SHORT_TERM, CONDITIONAL, LONG_TERM = 0, 32, 64
"""Order flags."""


class ChainOrderStatus(StrEnum):
    """The indexer's order statuses."""

    BEST_EFFORT_OPENED = "BEST_EFFORT_OPENED"
    OPEN = "OPEN"
    UNTRIGGERED = "UNTRIGGERED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    BEST_EFFORT_CANCELED = "BEST_EFFORT_CANCELED"


class ChainOrder(Struct, frozen=True, kw_only=True):
    """One order as the chain has it. `id` is the indexer's uuid. A replacement keeps the id and all fills."""

    id: str
    address: str
    subaccount_number: int
    client_id: int
    clob_pair_id: int
    order_flags: int
    ticker: str
    side: Side
    size: Decimal
    price: Decimal
    type: str
    """LIMIT, MARKET, STOP_LIMIT, STOP_MARKET, TAKE_PROFIT or TAKE_PROFIT_MARKET; short-term orders are always LIMIT."""
    time_in_force: str
    """GTT or IOC."""
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    good_til_block: int = 0
    """0 = the order has `good_til_block_time`."""
    good_til_block_time: datetime | None = None
    client_metadata: int = 0
    total_filled: Decimal = Decimal(0)
    status: ChainOrderStatus
    removal_reason: str = ""
    created_at_height: int
    updated_at: datetime
    updated_at_height: int


class ChainFill(Struct, frozen=True, kw_only=True):
    """All that one order filled in one block on one side, as the indexer shows it. `fee` below 0 is a rebate."""

    id: str
    order_id: str
    address: str
    subaccount_number: int
    ticker: str
    side: Side
    liquidity: Liquidity
    size: Decimal
    price: Decimal
    fee: Decimal
    type: str = "LIMIT"
    client_metadata: int = 0
    created_at: datetime
    created_at_height: int


class ChainTransfer(Struct, frozen=True, kw_only=True):
    """USDC that came to, or left, a subaccount. An empty address is outside (the faucet, a wallet)."""

    id: str
    sender: str
    sender_subaccount_number: int
    recipient: str
    recipient_subaccount_number: int
    size: Decimal
    type: str
    """TRANSFER_IN and TRANSFER_OUT are the indexer's view of a transfer; here DEPOSIT, WITHDRAWAL or TRANSFER."""
    transaction_hash: str
    created_at: datetime
    created_at_height: int


class ChainFundingRate(Struct, frozen=True, kw_only=True):
    """The rate of one past hour. Longs pay `rate` of `price` for each unit."""

    ticker: str
    rate: Decimal
    price: Decimal
    effective_at: datetime
    effective_at_height: int


class ChainFundingPayment(Struct, frozen=True, kw_only=True):
    """What one subaccount received (below 0: paid) for one market's hour."""

    address: str
    subaccount_number: int
    ticker: str
    side: Side
    """The position's: BUY for LONG, SELL for SHORT."""
    size: Decimal
    rate: Decimal
    oracle_price: Decimal
    payment: Decimal
    created_at: datetime
    created_at_height: int


class ChainBlock(Struct, frozen=True, kw_only=True):
    """Everything one block changed, in order. `orders` are whole new values."""

    height: int
    time: datetime
    orders: tuple[ChainOrder, ...] = ()
    fills: tuple[ChainFill, ...] = ()
    transfers: tuple[ChainTransfer, ...] = ()
    funding_rates: tuple[ChainFundingRate, ...] = ()
    funding_payments: tuple[ChainFundingPayment, ...] = ()
    oracle_prices: dict[str, Decimal] = {}


class ChainPosition(Struct, frozen=True, kw_only=True):
    """A perpetual position, open or closed since the subaccount first traded the market."""

    ticker: str
    size: Decimal
    """Signed."""
    entry_price: Decimal
    exit_price: Decimal | None
    max_size: Decimal
    sum_open: Decimal
    sum_close: Decimal
    realized_pnl: Decimal
    """Price PnL on what was closed, and net funding; without fees."""
    net_funding: Decimal
    created_at: datetime
    created_at_height: int
    closed_at: datetime | None = None


class ChainSubaccount(Struct, frozen=True, kw_only=True):
    """A subaccount at a block. `usdc` is signed: what buying costs is taken from it, at once."""

    address: str
    subaccount_number: int
    usdc: Decimal
    positions: tuple[ChainPosition, ...]
    equity: Decimal
    free_collateral: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    updated_at_height: int


class ChainMarket(Struct, frozen=True, kw_only=True):
    """A perpetual market: the protocol's parameters, and what the indexer derives from them."""

    ticker: str
    clob_pair_id: int
    atomic_resolution: int
    quantum_conversion_exponent: int
    step_base_quantums: int
    subticks_per_tick: int
    initial_margin_fraction: Decimal
    maintenance_margin_fraction: Decimal
    tick_size: Decimal
    step_size: Decimal
    status: str = "ACTIVE"
    """One of `STATUSES`."""
    market_type: str = "CROSS"
    """Or ISOLATED: a subaccount that holds it holds no other perpetual."""

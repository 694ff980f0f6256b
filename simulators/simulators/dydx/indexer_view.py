"""What the indexer has processed of the chain: orders, fills, subaccounts and prices up to its own height.

Owns the lag: everything that the chain tells waits here until the indexer's height reaches it, also the expiry of
short-term orders, which no block announces. It must not know how anything is shown, or to whom.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from simulators.dydx.interest import Interest
from simulators.dydx.records import (
    SHORT_TERM,
    ChainBlock,
    ChainFill,
    ChainFundingPayment,
    ChainFundingRate,
    ChainMarket,
    ChainOrder,
    ChainOrderStatus,
    ChainSubaccount,
    ChainTransfer,
)

EVENTS_WAITING_MAX = 200_000
"""Of an indexer that is behind; beyond it the oldest are processed, whatever the lag says."""
PNL_TICKS_MAX = 24 * 90

Account = tuple[str, int]
"""An address and a subaccount's number."""


class ChainSource(Protocol):
    """What the indexer needs of the chain."""

    @property
    def height(self) -> int: ...
    @property
    def block_time(self) -> datetime: ...
    @property
    def markets(self) -> tuple[ChainMarket, ...]: ...
    @property
    def orders(self) -> Sequence[ChainOrder]: ...
    @property
    def fills(self) -> Sequence[ChainFill]: ...
    @property
    def transfers(self) -> Sequence[ChainTransfer]: ...
    @property
    def funding_rates(self) -> Sequence[ChainFundingRate]: ...
    @property
    def funding_payments(self) -> Sequence[ChainFundingPayment]: ...
    def on_block(self, listener: Callable[[ChainBlock], None]) -> None: ...
    def on_order(self, listener: Callable[[ChainOrder], None]) -> None: ...
    def on_market(self, listener: Callable[[ChainMarket], None]) -> None: ...
    def addresses(self) -> tuple[str, ...]: ...
    def subaccounts(self, address: str) -> tuple[ChainSubaccount, ...]: ...
    def subaccount(self, address: str, number: int) -> ChainSubaccount | None: ...
    def oracle_price(self, ticker: str) -> Decimal: ...
    def interest(self, ticker: str) -> Interest: ...
    def funding_rate(self, ticker: str) -> Decimal: ...
    def deposit(self, address: str, number: int, amount: Decimal) -> object: ...
    def make_used(self, address: str, number: int, amount: Decimal) -> object: ...


class Expiry(Struct):
    """How late the end of a short-term order is told, in blocks after its last one. None = never."""

    rest_blocks: int | None
    message_blocks: int | None


class PnlTick(Struct, frozen=True):
    """A subaccount's figures at the first block of an hour."""

    equity: Decimal
    net_transfers: Decimal
    at: datetime
    height: int


class Processed(Struct, frozen=True):
    """A block that the indexer has processed, and the subaccounts that it changed, as they were after it."""

    block: ChainBlock
    accounts: dict[Account, ChainSubaccount]


class IndexerView:
    """The indexer's own state. Listeners hear of each block and each order between blocks once they are processed."""

    def __init__(self, chain: ChainSource, lag_blocks: int, expiry: Expiry) -> None:
        self._chain, self.lag_blocks, self.expiry = chain, lag_blocks, expiry
        self.markets = {each.ticker: each for each in chain.markets}
        self.height, self.time = chain.height, chain.block_time
        self.orders = {each.id: each for each in chain.orders}
        self.fills, self.transfers = list(chain.fills), list(chain.transfers)
        self.funding_rates, self.funding_payments = list(chain.funding_rates), list(chain.funding_payments)
        self.oracle_prices = {ticker: chain.oracle_price(ticker) for ticker in self.markets}
        self.funding_late: dict[str, timedelta] = {}
        """By ticker: so long after they were paid its payments are listed."""
        self.withheld_prices: set[str] = set()
        """Of these tickers nobody is told the oracle's price any more."""
        self.subaccounts: dict[Account, ChainSubaccount] = {}
        self.pnl_ticks: dict[Account, deque[PnlTick]] = {}
        for address in chain.addresses():
            for account in chain.subaccounts(address):
                self._learn(account)
        self.on_block: list[Callable[[Processed], None]] = []
        self.on_order: list[Callable[[ChainOrder], None]] = []
        self.on_market: list[Callable[[ChainMarket], None]] = []
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._expiring: list[tuple[int, int, ChainOrder, bool]] = []
        self._numbers = itertools.count()
        chain.on_block(self._take_block)
        chain.on_order(self._take_order)
        chain.on_market(self._take_market)

    # --------------------------------------------------------------------------------------------------- the chain

    def feed(self, process: Callable[[], None]) -> None:
        """Have `process` called when the indexer reaches the present block (market data goes this way)."""
        self._waiting.append((self._chain.height, process))
        self.catch_up()

    def catch_up(self) -> None:
        """Process what the lag no longer holds back."""
        until = self._chain.height - self.lag_blocks
        while self._waiting and (self._waiting[0][0] <= until or len(self._waiting) > EVENTS_WAITING_MAX):
            self._waiting.popleft()[1]()

    def _take_block(self, block: ChainBlock) -> None:
        touched = dict.fromkeys(_accounts(block))
        accounts = {}
        for address, number in touched:
            account = self._chain.subaccount(address, number)
            if account is not None:
                accounts[address, number] = account
        self._waiting.append((block.height, lambda: self._process(Processed(block, accounts))))
        self.catch_up()

    def _take_order(self, order: ChainOrder) -> None:
        self._waiting.append((self._chain.height, lambda: self._show(order)))
        self.catch_up()

    def _take_market(self, market: ChainMarket) -> None:
        self._waiting.append((self._chain.height, lambda: self._change(market)))
        self.catch_up()

    def _change(self, market: ChainMarket) -> None:
        self.markets[market.ticker] = market
        for listener in self.on_market:
            listener(market)

    def _process(self, done: Processed) -> None:
        block = done.block
        self.height, hour_before, self.time = block.height, self.time.hour, block.time
        self.oracle_prices.update(block.oracle_prices)
        shown = tuple(order for order in block.orders if not self._is_held_back(order, block.height))
        for order in shown:
            self.orders[order.id] = order
        self.fills += block.fills
        self.transfers += block.transfers
        self.funding_rates += block.funding_rates
        self.funding_payments += block.funding_payments
        for account in done.accounts.values():
            self._learn(account)
        if block.time.hour != hour_before:
            for key in self.subaccounts:
                self._tick(key)
        if len(shown) != len(block.orders):
            done = Processed(replace(block, orders=shown), done.accounts)
        for listener in self.on_block:
            listener(done)
        self._expire(block.height)

    def _show(self, order: ChainOrder) -> None:
        self.orders[order.id] = order
        for listener in self.on_order:
            listener(order)

    def _learn(self, account: ChainSubaccount) -> None:
        key = (account.address, account.subaccount_number)
        self.subaccounts[key] = account
        if key not in self.pnl_ticks:
            self.pnl_ticks[key] = deque(maxlen=PNL_TICKS_MAX)
            self._tick(key)

    def _tick(self, key: Account) -> None:
        equity, _ = self.equity_and_free_collateral(self.subaccounts[key])
        self.pnl_ticks[key].append(PnlTick(equity, self._net_transfers(key), self.time, self.height))

    def _net_transfers(self, key: Account) -> Decimal:
        total = Decimal(0)
        for each in self.transfers:
            if (each.recipient, each.recipient_subaccount_number) == key and each.type != "WITHDRAWAL":
                total += each.size
            if (each.sender, each.sender_subaccount_number) == key and each.type != "DEPOSIT":
                total -= each.size
        return total

    # ------------------------------------------------------------------------------------------------------ expiry

    def _is_held_back(self, order: ChainOrder, height: int) -> bool:
        """Put the end of a short-term order by its last block aside until the indexer's own clean-up finds it."""
        expired = order.status is ChainOrderStatus.CANCELED and "EXPIRED" in order.removal_reason
        if order.order_flags != SHORT_TERM or not expired:
            return False
        for blocks, is_message in ((self.expiry.rest_blocks, False), (self.expiry.message_blocks, True)):
            if blocks is not None:
                heapq.heappush(self._expiring, (height + blocks, next(self._numbers), order, is_message))
        return True

    def _expire(self, height: int) -> None:
        while self._expiring and self._expiring[0][0] <= height:
            _, _, order, is_message = heapq.heappop(self._expiring)
            present = self.orders.get(order.id)
            if present is None or present.good_til_block != order.good_til_block:
                continue  # its id lives again, as a later order
            self.orders[order.id] = order
            if is_message:
                for listener in self.on_order:
                    listener(order)

    # --------------------------------------------------------------------------------------------------- questions

    def equity_and_free_collateral(self, account: ChainSubaccount) -> tuple[Decimal, Decimal]:
        """Return USDC plus positions at the indexer's oracle prices, and that less the initial margin; USD."""
        equity, margin = account.usdc, Decimal(0)
        for position in account.positions:
            notional = position.size * self.oracle_prices[position.ticker]
            equity += notional
            margin += abs(notional) * self.markets[position.ticker].initial_margin_fraction
        return equity, equity - margin

    def subaccounts_of(self, address: str, numbers: frozenset[int] | None = None) -> list[ChainSubaccount]:
        """Return an address's subaccounts by number, all or some."""
        found = [
            account
            for (owner, number), account in self.subaccounts.items()
            if owner == address and (numbers is None or number in numbers)
        ]
        return sorted(found, key=lambda account: account.subaccount_number)

    def next_funding_rate(self, ticker: str) -> Decimal:
        """Return the estimate for the hour that runs, as a fraction."""
        return self._chain.funding_rate(ticker)

    def open_interest(self, ticker: str) -> Decimal:
        """Return what is held, in base units: by the subaccounts, the market taking the other side, and by others."""
        sizes = [
            position.size
            for account in self.subaccounts.values()
            for position in account.positions
            if position.ticker == ticker
        ]
        long = sum((size for size in sizes if size > 0), Decimal(0))
        return max(long, long - sum(sizes, Decimal(0))) + self.interest(ticker).others

    def interest(self, ticker: str) -> Interest:
        """Return a market's caps on open interest."""
        return self._chain.interest(ticker)

    def deposit(self, address: str, number: int, amount: Decimal, *, used: bool = False) -> None:
        """Have the chain credit a subaccount with USDC, and make it look used."""
        (self._chain.make_used if used else self._chain.deposit)(address, number, amount)


def _accounts(block: ChainBlock) -> Iterator[Account]:
    items: tuple[ChainOrder | ChainFill | ChainFundingPayment, ...] = (
        *block.orders,
        *block.fills,
        *block.funding_payments,
    )
    for item in items:
        yield item.address, item.subaccount_number
    for transfer in block.transfers:
        yield transfer.sender, transfer.sender_subaccount_number
        yield transfer.recipient, transfer.recipient_subaccount_number

"""The simulated chain: takes transactions, makes blocks, remembers everything, and tells who listens.

Owns the seams between CheckTx, blocks and memory, and the order of CheckTx's first checks (the order book's are in
`admission`). It must not know gRPC, the indexer, or when a block is due.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from signalbox.exchange.listing import Listing
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder

from simulators.dydx.accounts import TIMESTAMP_WINDOW_MILLISECONDS, Account, use_sequence
from simulators.dydx.admission import Admission
from simulators.dydx.block import BlockMaker, is_short_term
from simulators.dydx.book import Book
from simulators.dydx.chain_journal import ChainJournal, Line
from simulators.dydx.interest import NONE, Interest
from simulators.dydx.markets import market_of
from simulators.dydx.mempool import TRANSACTIONS_MAX, Mempool
from simulators.dydx.orders import PlacedOrder, record_of
from simulators.dydx.rate_limits import BATCH_CANCEL_WEIGHT, SHORT_TERM_LIMITS, STATEFUL_LIMITS, RateLimiter
from simulators.dydx.records import (
    SHORT_TERM,
    ChainBlock,
    ChainFill,
    ChainFundingPayment,
    ChainFundingRate,
    ChainMarket,
    ChainOrder,
    ChainSubaccount,
    ChainTransfer,
)
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.state import ChainState
from simulators.dydx.subaccounts import Subaccount
from simulators.dydx.transactions import (
    Transaction,
    decode_transaction,
    is_clob,
    transaction_hash,
    verify_signature,
)
from simulators.dydx.validation import validate_messages
from simulators.world import World

SPEED_FOR_WINDOW_MAX = 1_000_000.0
MEMO_CHARACTERS_MAX = 256


class Verdict(Struct, frozen=True, kw_only=True):
    """CheckTx's answer; code 0 = taken."""

    hash: str
    code: int = 0
    codespace: str = ""
    log: str = ""


class Chain:
    """One chain over one world. Not thread-safe; nothing in it waits."""

    def __init__(self, world: World, chain_id: str, file: Path | None = None) -> None:
        self.world, self.chain_id = world, chain_id
        markets = (market_of(listing.key) for listing in world.listings_of("dydx"))
        self.markets = tuple(sorted(filter(None, markets), key=lambda market: market.clob_pair_id))
        self.state, self._mempool = ChainState(), Mempool()
        self.book = Book(world, self.state, self.markets)
        self._blocks = BlockMaker(world, self.state, self._mempool, self.book)
        self.smart_accounts = self._blocks.smart_accounts
        self._admission = Admission(self.state, self._mempool, self.book, self._tell_order)
        self._short_term_rate = RateLimiter("MaxShortTermOrdersAndCancelsPerNBlocks", SHORT_TERM_LIMITS)
        self._stateful_rate = RateLimiter("MaxStatefulOrdersPerNBlocks", STATEFUL_LIMITS)
        self._block_listeners: list[Callable[[ChainBlock], None]] = []
        self._market_listeners: list[Callable[[ChainMarket], None]] = []
        self._order_listeners: list[Callable[[ChainOrder], None]] = []
        self._refuse_sequence_next = 0
        self._journal = ChainJournal(file)
        self._remember(self._journal.open())
        world.charge("dydx", self._fee)

    def close(self) -> None:
        """Close the file; what happens later is not kept."""
        self._journal.close()

    # ------------------------------------------------------------------------------------------------ what is known

    @property
    def is_new(self) -> bool:
        """Whether there has been no block yet, in this run or one before."""
        return self.state.height == 0

    @property
    def height(self) -> int:
        """The last block."""
        return self.state.height

    @property
    def block_time(self) -> datetime:
        """The last block's time: desk time."""
        return self.state.time

    @property
    def orders(self) -> list[ChainOrder]:
        """Every order ever, as it stands, oldest first."""
        return [self._record(each) for each in self.state.orders.values()]

    @property
    def fills(self) -> list[ChainFill]:
        """Every fill ever."""
        return self.state.fills

    @property
    def transfers(self) -> list[ChainTransfer]:
        """Every transfer ever."""
        return self.state.transfers

    @property
    def funding_rates(self) -> list[ChainFundingRate]:
        """Every hour's rates."""
        return self.state.funding_rates

    @property
    def funding_payments(self) -> list[ChainFundingPayment]:
        """Every funding payment ever."""
        return self.state.funding_payments

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that have an account."""
        return tuple(self.state.accounts)

    def subaccount(self, address: str, number: int) -> ChainSubaccount | None:
        """Return a subaccount as of the last block, None if it never held anything."""
        found = self.state.subaccounts.of.get((address, number))
        return None if found is None else self._told(found)

    def subaccounts(self, address: str) -> tuple[ChainSubaccount, ...]:
        """Return an address' subaccounts."""
        return tuple(self._told(each) for each in self.state.subaccounts.of.values() if each.address == address)

    def _told(self, found: Subaccount) -> ChainSubaccount:
        return found.record(self.book.oracle_prices(), self.book.markets, self.book.fractions(found))

    def interest(self, ticker: str) -> Interest:
        """Return a market's caps on open interest, and what others than the subaccounts hold of it."""
        return self.book.interest.get(ticker, NONE)

    def oracle_price(self, ticker: str) -> Decimal:
        """Return a market's oracle price, USD."""
        return self.book.oracle_price(ticker)

    def funding_rate(self, ticker: str) -> Decimal:
        """Return the estimate of the next hour's funding rate."""
        return self.book.funding_rate(ticker)

    # --------------------------------------------------------------------------------------------------- listeners

    def on_block(self, listener: Callable[[ChainBlock], None]) -> None:
        """Call `listener` with each block."""
        self._block_listeners.append(listener)

    def on_market(self, listener: Callable[[ChainMarket], None]) -> None:
        """Call `listener` with each market that changes."""
        self._market_listeners.append(listener)

    def change_market(self, ticker: str, *, status: str = "", market_type: str = "") -> ChainMarket:
        """Change a market as governance does, at once; it is not kept over restarts. Raises KeyError.

        The orders of a market that is settled for good leave the book with the next block.
        """
        before = self.book.markets[ticker]
        market = replace(before, status=status or before.status, market_type=market_type or before.market_type)
        self.book.change(market)
        for listener in self._market_listeners:
            listener(market)
        return market

    def on_order(self, listener: Callable[[ChainOrder], None]) -> None:
        """Call `listener` with what is known of an order between blocks, best effort."""
        self._order_listeners.append(listener)

    # ------------------------------------------------------------------------------------------------ what is asked

    def check_tx(self, raw: bytes) -> Verdict:
        """Take or refuse a transaction; what is taken waits for the next block."""
        hash_ = transaction_hash(raw)
        try:
            if self._mempool.has_seen(hash_):
                raise RefusedError(Code.TX_IN_MEMPOOL_CACHE)
            if len(self._mempool.transactions) >= TRANSACTIONS_MAX:
                raise RefusedError(Code.MEMPOOL_IS_FULL)
            self._take(decode_transaction(raw))
        except RefusedError as error:
            return Verdict(hash=hash_, code=error.code.number, codespace=error.code.codespace, log=error.log)
        return Verdict(hash=hash_)

    def simulate(self, raw: bytes) -> None:
        """Check what simulation checks: no signature, no order book. Raises RefusedError."""
        transaction = decode_transaction(raw)
        validate_messages(transaction.messages)
        self._use_sequence(transaction, simulates=True)
        if transaction.authenticators:
            self.smart_accounts.check_simulated(transaction)
        for message in transaction.messages:
            if not isinstance(message, MsgPlaceOrder | MsgCancelOrder | MsgBatchCancel):
                self._blocks.check(message)

    def take_unsigned(self, transaction: Transaction) -> None:
        """Take a transaction without signature and sequence, as of another program. Raises RefusedError."""
        validate_messages(transaction.messages)
        self._admit(transaction)
        self._mempool.accept(transaction)

    def deposit(self, address: str, number: int, amount: Decimal) -> None:
        """Credit a subaccount with USDC in the next block; an address without an account gets one, with gas money."""
        self._blocks.queue_deposit(address, number, amount)

    def make_used(self, address: str, number: int, amount: Decimal) -> None:
        """Credit a subaccount, and have the next two blocks make it look used (`usage`)."""
        self._blocks.queue_usage(address, number, amount)

    def set_fee_tier(self, address: str, tier: str) -> None:
        """Put an address in a fee tier, whatever its volume; "" gives it back to its volume."""
        self.state.fees.set_tiers[address] = tier
        if not tier:
            del self.state.fees.set_tiers[address]

    def refuse_sequences(self, count: int) -> None:
        """Refuse the next transactions that use a sequence, as if another had used it first."""
        self._refuse_sequence_next += count

    def produce_block(self) -> ChainBlock:
        """Make the next block, write it down and tell it."""
        line = self._blocks.make(self.world.now())
        self._journal.write(line)
        self._blocks.settle(line)
        block = ChainBlock(
            height=line.height,
            time=line.time,
            # Of what is only forgotten the indexer hears nothing.
            orders=tuple(self._record(each) for each in line.orders if each.updated_at_height == line.height),
            fills=line.fills,
            transfers=line.transfers,
            funding_rates=line.funding_rates,
            funding_payments=line.funding_payments,
            oracle_prices=self.book.oracle_prices(),
        )
        for listener in self._block_listeners:
            listener(block)
        return block

    # ------------------------------------------------------------------------------------------------------- inside

    def _take(self, transaction: Transaction) -> None:
        messages = transaction.messages
        validate_messages(messages)
        if 0 < transaction.timeout_height <= self.height:
            raise RefusedError(
                Code.TX_TIMEOUT_HEIGHT, f"block height: {self.height}, timeout height: {transaction.timeout_height}"
            )
        if len(transaction.memo) > MEMO_CHARACTERS_MAX:
            raise RefusedError(Code.MEMO_TOO_LARGE, f"maximum number of characters is {MEMO_CHARACTERS_MAX}")
        account = self._use_sequence(transaction, simulates=False)
        if transaction.authenticators:
            self.smart_accounts.check(transaction, account, self.chain_id)
        else:
            verify_signature(transaction, account.number, self.chain_id)
            account = replace(account, public_key=transaction.public_key)
        if is_clob(messages):
            self._admit(transaction)
        if not is_short_term(messages):
            self._mempool.accounts[account.address] = account
        self._mempool.accept(transaction)

    def _use_sequence(self, transaction: Transaction, *, simulates: bool) -> Account:
        account = self._mempool.accounts.get(transaction.signer) or self.state.accounts.get(transaction.signer)
        if account is None:
            raise RefusedError(Code.UNKNOWN_ADDRESS, f"account {transaction.signer} does not exist")
        if is_short_term(transaction.messages):
            return account
        if not simulates and not is_clob(transaction.messages):
            account = _pay_gas(account, transaction)
        if self._refuse_sequence_next > 0 and not simulates:
            self._refuse_sequence_next -= 1
            raise RefusedError(
                Code.WRONG_SEQUENCE,
                f"account sequence mismatch, expected {account.sequence + 1}, got {transaction.sequence}",
            )
        # At a higher speed of the desk's clock, its 30 seconds pass sooner than a caller's.
        speed = max(1.0, min(self.world.speed, SPEED_FOR_WINDOW_MAX))
        now = math.floor(self.block_time.timestamp() * 1000)
        return use_sequence(account, transaction.sequence, now, int(TIMESTAMP_WINDOW_MILLISECONDS * speed))

    def _admit(self, transaction: Transaction) -> None:
        for message in transaction.messages:
            match message:
                case MsgPlaceOrder():
                    short_term = message.order.order_id.order_flags == SHORT_TERM
                    rate = self._short_term_rate if short_term else self._stateful_rate
                    rate.attempt(transaction.signer, self.height)
                case MsgCancelOrder() if message.order_id.order_flags == SHORT_TERM:
                    self._short_term_rate.attempt(transaction.signer, self.height)
                case MsgBatchCancel():
                    self._short_term_rate.attempt(transaction.signer, self.height, BATCH_CANCEL_WEIGHT)
        for message in transaction.messages:
            match message:
                case MsgPlaceOrder():
                    self._admission.place(message, transaction.timeout_height)
                case MsgCancelOrder():
                    self._admission.cancel(message)
                case MsgBatchCancel():
                    self._admission.batch_cancel(message)
                case _:
                    self._blocks.check(message)

    def _remember(self, lines: list[Line]) -> None:
        for line in lines:
            self.state.fold(line)
        if lines:
            self._blocks.settle(lines[-1])
        else:
            self.state.time = self.world.now()

    def _fee(self, account: str, _: Listing, liquidity: Any, notional: Decimal) -> Decimal:
        return self.state.fees.fee(account.rpartition("-")[0], liquidity, notional, self.block_time)

    def _record(self, order: PlacedOrder) -> ChainOrder:
        market = self.book.market(order.clob_pair_id)
        assert market is not None  # admission refused the others
        return record_of(order, market)

    def _tell_order(self, order: PlacedOrder) -> None:
        record = self._record(order)
        for listener in self._order_listeners:
            listener(record)


def _pay_gas(account: Account, transaction: Transaction) -> Account:
    if not any(transaction.fee.values()):
        raise RefusedError(Code.INSUFFICIENT_FEE, "insufficient fees; got:  required: a fee in USDC or the native coin")
    for denomination, amount in transaction.fee.items():
        if amount:
            account = account.with_balance(denomination, -amount)
    return account

"""The making of one block: transactions applied, executions taken in, orders ended, triggers, funding, liquidations.

Owns the order in which a block does things. Everything happens at once, without a wait: orders go into the simulated
world, which writes them down itself; the block's own line is handed back to be written, and then the world's cash is
moved as the line says, each move once (by its key), so that a kill between any two steps loses nothing.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from signalbox.messages import Side
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder

from simulators.dydx.accounts import Account
from simulators.dydx.admission import batched_ids
from simulators.dydx.book import Book
from simulators.dydx.chain_journal import Committed, Line
from simulators.dydx.exchange import Draft, Exchange
from simulators.dydx.funding import hours_between, payment_of
from simulators.dydx.leverage import MsgUpdateLeverage
from simulators.dydx.leverage_updates import update as update_leverage
from simulators.dydx.mempool import Mempool
from simulators.dydx.orders import SHORT_BLOCK_WINDOW, PlacedOrder, account_name, placed, uuid_of
from simulators.dydx.records import (
    CONDITIONAL,
    SHORT_TERM,
    ChainFundingPayment,
    ChainFundingRate,
    ChainOrderStatus,
    ChainTransfer,
)
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.smart_accounts import SmartAccounts
from simulators.dydx.state import ChainState
from simulators.dydx.subaccounts import Subaccount
from simulators.dydx.transactions import AUTHENTICATOR_MESSAGES, Transaction
from simulators.dydx.transfers import Treasury
from simulators.dydx.usage import Usage, Wanted, begun_at
from simulators.world import World

GAS_PER_TRANSACTION = 100_000
DEPOSITS_WAITING_MAX = 10_000


class BlockMaker:
    """Makes blocks of one chain. The state is changed in place; the world keeps its own books."""

    def __init__(self, world: World, state: ChainState, mempool: Mempool, book: Book) -> None:
        self._world, self._state, self._mempool, self._book = world, state, mempool, book
        self.treasury, self.smart_accounts = Treasury(state, book), SmartAccounts(state)
        self._deposits: list[tuple[str, int, Decimal]] = []
        self._exchange, self._recovered = Exchange(world, state, book), False
        self._usage = Usage(state, book)

    def queue_deposit(self, address: str, number: int, amount: Decimal) -> None:
        """Have the next block credit a subaccount from outside. Raises RefusedError when too many wait."""
        if len(self._deposits) >= DEPOSITS_WAITING_MAX:
            raise RefusedError(Code.MEMPOOL_IS_FULL, "too many deposits wait for the next block")
        self._deposits.append((address, number, amount))

    def queue_usage(self, address: str, number: int, amount: Decimal) -> None:
        """Have the next two blocks make a subaccount look used. Raises RefusedError when too many wait."""
        if not self._usage.queue(Wanted(address, number, amount)):
            raise RefusedError(Code.MEMPOOL_IS_FULL, "too many subaccounts wait to look used")

    def make(self, time: datetime) -> Line:
        """Make the next block and return its line; the caller writes it and then calls `settle`."""
        self._exchange.draft = draft = Draft()
        state, before = self._state, self._state.time
        state.height, state.time = state.height + 1, max(time, before)
        self._fund(before)
        begun = self._usage.closing()
        for wanted, hour in begun:
            self._fund_begun(wanted, hour)
        if not self._recovered:
            self._exchange.recover()
            self._recovered = True
        self._exchange.collect()
        self._apply_deposits()
        for order in state.live_orders():
            if order.is_working and order.world_number == 0 and (order.order_flags != CONDITIONAL or order.triggered):
                self._exchange.match(order)
        for account in self._mempool.accounts.values():
            self._keep_account(account)
        for transaction in self._mempool.take(state.height):
            self._apply(transaction)
        for wanted, _ in begun:
            self._go_on(wanted)
        for wanted, hour in self._usage.opening():
            self._begin(wanted, hour)
        self._expire()
        self._exchange.settle_for_good()
        self._trigger()
        self._exchange.liquidate()
        for order in state.prunable_orders():
            self._exchange.forget(order)
        return Line(
            height=state.height,
            time=state.time,
            executions=state.executions,
            orders=tuple(state.orders[each] for each in draft.orders),
            fills=tuple(draft.fills),
            transfers=tuple(draft.transfers),
            funding_rates=tuple(draft.funding_rates),
            funding_payments=tuple(draft.funding_payments),
            accounts=tuple(state.accounts[each] for each in draft.accounts),
            committed=tuple(draft.committed),
            cash={account: amount for account, amount in draft.cash.items() if amount},
            tiers=dict(state.fees.set_tiers),
        )

    def settle(self, line: Line) -> None:
        """Do to the world what a written line says: cash moved, sizes restored; doing it again changes nothing."""
        for account, amount in line.cash.items():
            self._world.open_account(account)
            self._world.adjust_cash(account, "USD", amount, "dydx", f"block-{line.height}")
        for order in line.orders:
            self._exchange.restore_size(order)

    # ------------------------------------------------------------------------------------------------ transactions

    def _apply(self, transaction: Transaction) -> None:
        try:
            if transaction.authenticators:
                self.smart_accounts.check_simulated(transaction)  # they may have been removed since it was taken
            for index, message in enumerate(transaction.messages):
                self._execute(message, transaction, index)
            code, codespace, log = 0, "", ""
        except RefusedError as error:
            code, codespace, log = error.code.number, error.code.codespace, error.log
        if not is_short_term(transaction.messages):
            self._exchange.draft.committed.append(
                Committed(
                    hash=transaction.hash,
                    raw=transaction.raw,
                    height=self._state.height,
                    time=self._state.time,
                    code=code,
                    codespace=codespace,
                    log=log,
                    gas=GAS_PER_TRANSACTION,
                )
            )
            self._state.committed[transaction.hash] = self._exchange.draft.committed[-1]

    def check(self, message: Any) -> None:
        """Check that a message which places and cancels nothing could be executed now. Raises RefusedError."""
        if isinstance(message, AUTHENTICATOR_MESSAGES):
            self.smart_accounts.execute(message, lambda _: None)
        elif isinstance(message, MsgUpdateLeverage):
            update_leverage(message, self._book, self._state, keeps=False)
        else:
            self.treasury.check(message)

    def _execute(self, message: Any, transaction: Transaction, index: int) -> None:
        match message:
            case MsgPlaceOrder():
                selected = transaction.authenticators
                self._place(replace(placed(message.order), authenticator=selected[index] if selected else None))
            case MsgCancelOrder():
                self._cancel(uuid_of(message.order_id), message.good_til_block)
            case MsgBatchCancel():
                for order_id in batched_ids(message):
                    if self._mempool.cancels.get(order_id, 0) >= message.good_til_block:  # else it was passed over
                        self._cancel(order_id, message.good_til_block)
            case MsgUpdateLeverage():
                update_leverage(message, self._book, self._state, keeps=True)
            case MsgAddAuthenticator() | MsgRemoveAuthenticator():
                self.smart_accounts.execute(message, self._keep_account)
            case _:
                self.treasury.execute(message, transaction.hash, index, self._keep)

    def _keep_account(self, account: Account) -> None:
        self._state.put_account(account)
        self._exchange.draft.accounts[account.address] = None

    def _keep(self, changed: Account | ChainTransfer) -> None:
        if isinstance(changed, Account):
            self._keep_account(changed)
            return
        self._state.add_transfer(changed)
        self._exchange.draft.transfers.append(changed)
        if changed.type != "DEPOSIT":
            self._exchange.draft.cash[account_name(changed.sender, changed.sender_subaccount_number)] -= changed.size
        if changed.type != "WITHDRAWAL":
            self._exchange.draft.cash[account_name(changed.recipient, changed.recipient_subaccount_number)] += (
                changed.size
            )

    def _apply_deposits(self) -> None:
        deposits, self._deposits = self._deposits, []
        for index, (address, number, amount) in enumerate(deposits):
            self.treasury.deposit(address, number, amount, f"faucet-{self._state.height}-{index}", self._keep)

    def _begin(self, wanted: Wanted, hour: datetime | None) -> None:
        """Deposit and buy, before the hour for which funding is paid."""
        now, key = self._state.time, f"used-{self._state.height}-{wanted.address}-{wanted.number}"
        self._state.time = now if hour is None else begun_at(hour)
        self.treasury.deposit(wanted.address, wanted.number, wanted.amount, key, self._keep)
        for order in self._usage.bought(wanted):
            self._place(order)
        self._state.time = now

    def _fund_begun(self, wanted: Wanted, hour: datetime | None) -> None:
        """Pay what it held at the hour before which it began; None = that is long paid."""
        if hour is None:
            return
        subaccount = self._state.subaccounts.ensure(wanted.address, wanted.number)
        for ticker in subaccount.sizes():
            known = (each for each in reversed(self._state.funding_rates) if each.ticker == ticker)
            told = next((each for each in known if each.effective_at == hour), None)
            self._pay_one(told or self._told_rate(ticker, hour), subaccount)

    def _go_on(self, wanted: Wanted) -> None:
        """Sell a part, cancel an order, move USDC; what can not be done is left."""
        key = f"used-{self._state.height}-{wanted.address}-{wanted.number}"
        for order in self._usage.sold(wanted):
            self._place(order)
        rests = self._usage.rested(wanted)
        self._place(rests)
        self._cancel(rests.id, 0)
        for index, message in enumerate(self._usage.moved(wanted)):
            with suppress(RefusedError):
                self.treasury.execute(message, key, index, self._keep)

    def _place(self, order: PlacedOrder) -> None:
        height, existing = self._state.height, self._state.orders.get(order.id)
        created = height
        if existing is not None and order.is_short_term:
            if existing.is_working:
                self._exchange.withdraw(existing)
                existing = self._state.orders[order.id]
            if existing.good_til_block + SHORT_BLOCK_WINDOW >= height:
                created = existing.created_at_height
            order = order.with_fills_of(existing)
            if order.is_immediate and order.filled:
                return  # fills once
            if order.remaining == 0:
                if existing.is_working:
                    self._exchange.end(replace(order, created_at_height=created), "FULLY_FILLED")
                return
        order = replace(order, created_at_height=created)
        self._exchange.put(order)
        if order.is_short_term:
            self._exchange.match(order)

    def _cancel(self, order_id: str, good_til_block: int) -> None:
        order = self._state.orders.get(order_id)
        if order is None or not order.is_working:
            return
        if order.is_short_term and order.good_til_block > good_til_block:
            return
        self._exchange.withdraw(order)
        order = self._state.orders[order_id]
        if order.is_working:
            # A short-term cancel is no part of a block: the end is certain only once the good-til-block has passed.
            ended = ChainOrderStatus.BEST_EFFORT_CANCELED if order.is_short_term else ChainOrderStatus.CANCELED
            self._exchange.end(order, "USER_CANCELED", ended)

    # ------------------------------------------------------------------------------------------------ what time does

    def _expire(self) -> None:
        height, now = self._state.height, self._state.time.timestamp()
        for order in self._state.live_orders():
            over = order.good_til_block <= height if order.is_short_term else order.good_til_block_time <= now
            if not over:
                self._exchange.remove_unpayable(order)
                self._remove_unauthorized(order)
                continue
            self._exchange.withdraw(order)
            order = self._state.orders[order.id]
            if order.status is ChainOrderStatus.BEST_EFFORT_CANCELED:
                self._exchange.end(order, order.removal_reason)
            elif order.is_working:
                self._exchange.end(order, "INDEXER_EXPIRED" if order.is_short_term else "EXPIRED")

    def _remove_unauthorized(self, order: PlacedOrder) -> None:
        """End a short-term order whose authenticator is gone (v4-chain: memclob.go, PERMISSIONED_KEY_EXPIRED, which the
        indexer calls EXPIRED). The chain does it when somebody would fill it; it can not fill either way.
        """
        order = self._state.orders[order.id]
        if order.authenticator is None or not order.is_short_term or not order.is_working:
            return
        if self.smart_accounts.has(order.address, order.authenticator):
            return
        self._exchange.withdraw(order)
        order = self._state.orders[order.id]
        if order.is_working:
            self._exchange.end(order, "EXPIRED", ChainOrderStatus.BEST_EFFORT_CANCELED)

    def _trigger(self) -> None:
        for order in self._state.live_orders():
            if order.status is not ChainOrderStatus.UNTRIGGERED:
                continue
            market = self._exchange.market(order)
            if order.is_reached(self._book.oracle_price(market.ticker), market):
                self._exchange.put(replace(order, status=ChainOrderStatus.OPEN, triggered=True))

    def _fund(self, before: datetime) -> None:
        if before.timestamp() <= 0:
            return
        for hour in hours_between(before, self._state.time):
            for ticker in self._book.markets:
                self._pay(self._told_rate(ticker, hour))

    def _told_rate(self, ticker: str, hour: datetime) -> ChainFundingRate:
        rate, price = self._book.funding_rate(ticker), self._book.oracle_price(ticker)
        told = ChainFundingRate(
            ticker=ticker, rate=rate, price=price, effective_at=hour, effective_at_height=self._state.height
        )
        self._exchange.draft.funding_rates.append(told)
        self._state.funding_rates.append(told)
        return told

    def _pay(self, told: ChainFundingRate) -> None:
        for subaccount in list(self._state.subaccounts.of.values()):
            if subaccount.size(told.ticker):
                self._pay_one(told, subaccount)

    def _pay_one(self, told: ChainFundingRate, subaccount: Subaccount) -> None:
        size = subaccount.size(told.ticker)
        payment = ChainFundingPayment(
            address=subaccount.address,
            subaccount_number=subaccount.number,
            ticker=told.ticker,
            side=Side.BUY if size > 0 else Side.SELL,
            size=size,
            rate=told.rate,
            oracle_price=told.price,
            payment=payment_of(size, told.price, told.rate),
            created_at=told.effective_at,
            created_at_height=self._state.height,
        )
        self._state.add_funding_payment(payment)
        self._exchange.draft.funding_payments.append(payment)
        self._exchange.draft.cash[account_name(subaccount.address, subaccount.number)] += payment.payment


def is_short_term(messages: tuple[Any, ...]) -> bool:
    """Say whether a transaction is of a kind that never comes into a block by itself."""
    for message in messages:
        match message:
            case MsgPlaceOrder():
                flags = message.order.order_id.order_flags
            case MsgCancelOrder():
                flags = message.order_id.order_flags
            case MsgBatchCancel():
                flags = SHORT_TERM
            case _:
                continue
        if flags == SHORT_TERM:
            return True
    return False

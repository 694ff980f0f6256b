"""The making of one block: transactions applied, executions taken in, orders ended, triggers, funding, liquidations.

Owns the order in which a block does things. Everything happens at once, without a wait: orders go into the simulated
world, which writes them down itself; the block's own line is handed back to be written, and then the world's cash is
moved as the line says, each move once (by its key), so that a kill between any two steps loses nothing.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from signalbox.messages import Liquidity, OrderType, Side, TimeInForce, decode, encode
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder

from simulators.dydx.accounts import Account
from simulators.dydx.admission import SHORT_BLOCK_WINDOW, batched_ids
from simulators.dydx.book import Book
from simulators.dydx.chain_journal import Committed, Line
from simulators.dydx.fees import fee_of
from simulators.dydx.funding import hours_between, payment_of
from simulators.dydx.mempool import Mempool
from simulators.dydx.orders import (
    ID_NAMESPACE,
    PlacedOrder,
    account_name,
    placed,
    price_of,
    quantums_of,
    size_of,
    uuid_of,
)
from simulators.dydx.records import (
    CONDITIONAL,
    SHORT_TERM,
    ChainFill,
    ChainFundingPayment,
    ChainFundingRate,
    ChainMarket,
    ChainOrderStatus,
    ChainTransfer,
)
from simulators.dydx.refusals import RefusedError
from simulators.dydx.state import ChainState
from simulators.dydx.transactions import Transaction
from simulators.dydx.transfers import Treasury
from simulators.orders import DONE, Execution, OrderTerms, VenueOrderStatus
from simulators.world import World

VENUE = "dydx"
LIQUIDATION = "liquidation"
LIQUIDATION_FEE_PPM = 15_000
GAS_PER_TRANSACTION = 100_000


@dataclass(slots=True)
class Draft:
    """What a block has changed so far."""

    orders: dict[str, None] = field(default_factory=dict)
    fills: list[ChainFill] = field(default_factory=list)
    transfers: list[ChainTransfer] = field(default_factory=list)
    funding_rates: list[ChainFundingRate] = field(default_factory=list)
    funding_payments: list[ChainFundingPayment] = field(default_factory=list)
    accounts: dict[str, None] = field(default_factory=dict)
    committed: list[Committed] = field(default_factory=list)
    cash: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


class BlockMaker:
    """Makes blocks of one chain. The state is changed in place; the world keeps its own books."""

    def __init__(self, world: World, state: ChainState, mempool: Mempool, book: Book) -> None:
        self._world, self._state, self._mempool, self._book = world, state, mempool, book
        self.treasury = Treasury(state, book)
        self._deposits: list[tuple[str, int, Decimal]] = []
        self._draft, self._recovered = Draft(), False

    def queue_deposit(self, address: str, number: int, amount: Decimal) -> None:
        """Have the next block credit a subaccount from outside."""
        self._deposits.append((address, number, amount))

    def make(self, time: datetime) -> Line:
        """Make the next block and return its line; the caller writes it and then calls `settle`."""
        self._draft = draft = Draft()
        state, before = self._state, self._state.time
        state.height, state.time = state.height + 1, max(time, before)
        self._fund(before)
        if not self._recovered:
            self._recover()
        self._collect()
        self._apply_deposits()
        for order in state.live_orders():
            if order.is_working and order.world_number == 0 and (order.order_flags != CONDITIONAL or order.triggered):
                self._match(order)
        for account in self._mempool.accounts.values():
            self._keep_account(account)
        for transaction in self._mempool.take(state.height):
            self._apply(transaction)
        self._expire()
        self._trigger()
        self._liquidate()
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
        """Move the world's cash as a written line says; doing it again changes nothing."""
        for account, amount in line.cash.items():
            self._world.open_account(account)
            self._world.adjust_cash(account, "USD", amount, "dydx", f"block-{line.height}")

    # ------------------------------------------------------------------------------------------------ transactions

    def _apply(self, transaction: Transaction) -> None:
        try:
            for index, message in enumerate(transaction.messages):
                self._execute(message, transaction.hash, index)
            code, codespace, log = 0, "", ""
        except RefusedError as error:
            code, codespace, log = error.code.number, error.code.codespace, error.log
        if not is_short_term(transaction.messages):
            self._draft.committed.append(
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
            self._state.committed[transaction.hash] = self._draft.committed[-1]

    def _execute(self, message: Any, hash_: str, index: int) -> None:
        match message:
            case MsgPlaceOrder():
                self._place(placed(message.order))
            case MsgCancelOrder():
                self._cancel(uuid_of(message.order_id), message.good_til_block)
            case MsgBatchCancel():
                for order_id in batched_ids(message):
                    self._cancel(order_id, message.good_til_block)
            case _:
                self.treasury.execute(message, hash_, index, self._keep)

    def _keep_account(self, account: Account) -> None:
        self._state.accounts[account.address] = account
        self._draft.accounts[account.address] = None

    def _keep(self, changed: Account | ChainTransfer) -> None:
        if isinstance(changed, Account):
            self._keep_account(changed)
            return
        self._state.add_transfer(changed)
        self._draft.transfers.append(changed)
        if changed.type != "DEPOSIT":
            self._draft.cash[account_name(changed.sender, changed.sender_subaccount_number)] -= changed.size
        if changed.type != "WITHDRAWAL":
            self._draft.cash[account_name(changed.recipient, changed.recipient_subaccount_number)] += changed.size

    def _apply_deposits(self) -> None:
        deposits, self._deposits = self._deposits, []
        for index, (address, number, amount) in enumerate(deposits):
            self.treasury.deposit(address, number, amount, f"faucet-{self._state.height}-{index}", self._keep)

    def _place(self, order: PlacedOrder) -> None:
        height, existing = self._state.height, self._state.orders.get(order.id)
        created, filled = height, 0
        if existing is not None and order.is_short_term:
            if existing.is_working:
                self._withdraw(existing)
                existing = self._state.orders[order.id]
            if existing.good_til_block + SHORT_BLOCK_WINDOW >= height:
                created, filled = existing.created_at_height, existing.filled
            if filled >= order.quantums:
                if existing.is_working:
                    self._end(replace(order, filled=filled, created_at_height=created), "FULLY_FILLED")
                return
        order = replace(order, filled=filled, created_at_height=created)
        self._put(order)
        if order.is_short_term:
            self._match(order)

    def _cancel(self, order_id: str, good_til_block: int) -> None:
        order = self._state.orders.get(order_id)
        if order is None or not order.is_working:
            return
        if order.is_short_term and order.good_til_block > good_til_block:
            return
        self._withdraw(order)
        order = self._state.orders[order_id]
        if order.is_working:
            # A short-term cancel is no part of a block: the end is certain only once the good-til-block has passed.
            ended = ChainOrderStatus.BEST_EFFORT_CANCELED if order.is_short_term else ChainOrderStatus.CANCELED
            self._end(order, "USER_CANCELED", ended)

    # ---------------------------------------------------------------------------------------------------- matching

    def _match(self, order: PlacedOrder) -> None:
        """Hand an order to the matching engine, if its owner can pay; an immediate one ends here."""
        market = self._market(order)
        size, reason = size_of(order.remaining, market), ""
        if order.reduce_only:
            held = self._state.subaccounts.get(order.address, order.subaccount_number).size(market.ticker)
            if held * order.side.sign >= 0:
                self._end(order, "REDUCE_ONLY_RESIZE")
                return
            if abs(held) < size:
                size, reason = abs(held), "REDUCE_ONLY_RESIZE"
        crosses = self._book.crosses(order, market)
        if crosses and order.is_post_only:
            self._end(order, "POST_ONLY_WOULD_CROSS_MAKER_ORDER")
            return
        if crosses and not self._book.can_match(order, market):
            self._end(order, "UNDERCOLLATERALIZED")
            return
        if order.is_immediate and not crosses:
            self._end(order, "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")
            return
        self._submit(order, market, size)
        order = self._state.orders[order.id]
        if order.is_immediate and order.is_working:
            self._withdraw(order)
            self._end(self._state.orders[order.id], reason or "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")

    def _submit(self, order: PlacedOrder, market: ChainMarket, size: Decimal) -> None:
        self._world.open_account(order.account)
        taken = self._world.submit(
            OrderTerms(
                account=order.account,
                symbol=market.ticker,
                side=order.side,
                quantity=size,
                order_type=OrderType.LIMIT,
                limit_price=price_of(order.subticks, market),
                time_in_force=TimeInForce.GTC,
                outside_regular_hours=True,
                client_reference=order.id,
                client_tag=encode(order).decode(),
            )
        )
        if taken.status is VenueOrderStatus.REJECTED:
            self._end(order, "INTERNAL_ERROR")
            return
        self._put(replace(order, world_number=taken.number))
        self._collect()

    def _withdraw(self, order: PlacedOrder) -> None:
        """Take an order out of the matching engine, and take in what it had executed."""
        if order.world_number:
            self._world.cancel(order.world_number, "dydx")
            self._collect()

    def _collect(self) -> None:
        """Take in what the world has executed since: a fill for each order, liquidity and price."""
        together: dict[tuple[str, int, Liquidity, Decimal], list[Execution]] = {}
        news = self._world.executions_since(self._state.executions)
        self._state.executions += len(news)
        for each in news:
            if each.symbol in self._book.markets:
                key = (each.client_reference, each.number, each.liquidity, each.price)
                together.setdefault(key, []).append(each)
        for executions in together.values():
            self._fill(executions)

    def _fill(self, executions: list[Execution]) -> None:
        first, state = executions[0], self._state
        size = sum((each.quantity for each in executions), Decimal(0))
        order = state.orders.get(first.client_reference)
        address, _, number = first.account.rpartition("-")
        forced = first.client_reference == LIQUIDATION
        fee = sum((each.commission for each in executions), Decimal(0))
        if forced:
            surcharge = fee_of(size * first.price, LIQUIDATION_FEE_PPM)
            self._draft.cash[first.account] -= surcharge
            fee += surcharge
        event = f"{state.height}-{len(self._draft.fills)}-{first.liquidity}"
        fill = ChainFill(
            id=str(uuid.uuid5(ID_NAMESPACE, event)),
            order_id="" if order is None else order.id,
            address=address,
            subaccount_number=int(number),
            ticker=first.symbol,
            side=first.side,
            liquidity=first.liquidity,
            size=size,
            price=first.price,
            fee=fee,
            type="LIQUIDATED" if forced else "LIMIT",
            client_metadata=0 if order is None else order.client_metadata,
            created_at=state.time,
            created_at_height=state.height,
        )
        state.add_fill(fill)
        self._draft.fills.append(fill)
        if order is not None:
            order = replace(order, filled=order.filled + quantums_of(size, self._market(order)))
            if order.remaining == 0:
                self._end(order, "", ChainOrderStatus.FILLED)
            else:
                self._put(order)

    def _recover(self) -> None:
        """Take over what a block that a kill cut short had already done in the matching engine."""
        self._recovered = True
        for taken in self._world.orders_of(VENUE):
            if taken.terms.client_tag:
                order: PlacedOrder = decode(taken.terms.client_tag.encode(), PlacedOrder)
                known = self._state.orders.get(order.id)
                if known is None or known.world_number < taken.number:
                    carries = known is not None and known.created_at_height == order.created_at_height
                    filled = known.filled if known is not None and carries else 0
                    self._put(replace(order, world_number=taken.number, filled=filled))
        self._collect()
        for order in self._state.live_orders():
            taken_order = self._world.order(order.world_number)
            if taken_order is None or not order.is_working:
                continue
            if order.is_immediate:
                self._withdraw(order)
                self._end(self._state.orders[order.id], "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")
            elif taken_order.status in DONE:
                ended = ChainOrderStatus.BEST_EFFORT_CANCELED if order.is_short_term else ChainOrderStatus.CANCELED
                self._end(order, "USER_CANCELED", ended)

    # ------------------------------------------------------------------------------------------------ what time does

    def _expire(self) -> None:
        height, now = self._state.height, self._state.time.timestamp()
        for order in self._state.live_orders():
            over = order.good_til_block <= height if order.is_short_term else order.good_til_block_time <= now
            if not over:
                self._remove_unpayable(order)
                continue
            self._withdraw(order)
            order = self._state.orders[order.id]
            if order.status is ChainOrderStatus.BEST_EFFORT_CANCELED:
                self._end(order, order.removal_reason)
            elif order.is_working:
                self._end(order, "INDEXER_EXPIRED" if order.is_short_term else "EXPIRED")

    def _remove_unpayable(self, order: PlacedOrder) -> None:
        """Remove a resting order that is about to match and that its owner can not carry (the chain: at the match)."""
        if not order.is_working or not order.world_number:
            return
        market = self._market(order)
        price, near = price_of(order.subticks, market), Decimal("0.005")
        distance = (price - self._book.oracle_price(market.ticker)) * -order.side.sign
        if distance <= price * near and not self._book.can_pay(order, market):
            self._withdraw(order)
            order = self._state.orders[order.id]
            if order.is_working:
                self._end(order, "UNDERCOLLATERALIZED")

    def _trigger(self) -> None:
        for order in self._state.live_orders():
            if order.status is not ChainOrderStatus.UNTRIGGERED:
                continue
            market = self._market(order)
            if order.is_reached(self._book.oracle_price(market.ticker), market):
                self._put(replace(order, status=ChainOrderStatus.OPEN, triggered=True))

    def _fund(self, before: datetime) -> None:
        if before.timestamp() <= 0:
            return
        for hour in hours_between(before, self._state.time):
            for ticker in self._book.markets:
                rate, price = self._book.funding_rate(ticker), self._book.oracle_price(ticker)
                told = ChainFundingRate(
                    ticker=ticker, rate=rate, price=price, effective_at=hour, effective_at_height=self._state.height
                )
                self._draft.funding_rates.append(told)
                self._state.funding_rates.append(told)
                self._pay(told)

    def _pay(self, told: ChainFundingRate) -> None:
        for subaccount in list(self._state.subaccounts.of.values()):
            size = subaccount.size(told.ticker)
            if not size:
                continue
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
            self._draft.funding_payments.append(payment)
            self._draft.cash[account_name(subaccount.address, subaccount.number)] += payment.payment

    def _liquidate(self) -> None:
        """Close what a subaccount below its maintenance margin holds, at the market, for a fee."""
        for subaccount in list(self._state.subaccounts.of.values()):
            needs = subaccount.requirements(self._book.oracle_prices(), self._book.markets)
            if not subaccount.open or needs.equity >= needs.maintenance:
                continue
            account = account_name(subaccount.address, subaccount.number)
            for ticker, size in subaccount.sizes().items():
                self._world.open_account(account)
                taken = self._world.submit(
                    OrderTerms(
                        account=account,
                        symbol=ticker,
                        side=Side.SELL if size > 0 else Side.BUY,
                        quantity=abs(size),
                        order_type=OrderType.MARKET,
                        time_in_force=TimeInForce.GTC,
                        outside_regular_hours=True,
                        client_reference=LIQUIDATION,
                    )
                )
                if taken.status not in DONE:
                    self._world.cancel(taken.number, LIQUIDATION)  # the next block goes on
                self._collect()

    # ------------------------------------------------------------------------------------------------------- inside

    def _market(self, order: PlacedOrder) -> ChainMarket:
        market = self._book.market(order.clob_pair_id)
        assert market is not None  # admission refused the others
        return market

    def _put(self, order: PlacedOrder) -> None:
        order = replace(order, updated_at=self._state.time, updated_at_height=self._state.height)
        self._state.put_order(order)
        self._draft.orders[order.id] = None

    def _end(self, order: PlacedOrder, reason: str, status: ChainOrderStatus = ChainOrderStatus.CANCELED) -> None:
        if reason == "FULLY_FILLED":
            reason, status = "", ChainOrderStatus.FILLED
        self._put(replace(order, status=status, removal_reason=reason))


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

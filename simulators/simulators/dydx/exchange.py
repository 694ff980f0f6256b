"""The chain's orders in the simulated world's matching engine: in, out, and what they executed.

Owns the hand-over both ways: margin and reduce-only before a match, fills made of executions, liquidations, and the
taking over of what a block that a kill cut short had done. It must not know transactions or why an order comes or goes.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec.structs import replace
from signalbox.exchange.orders import DONE, Execution, OrderTerms, VenueOrderStatus
from signalbox.messages import Liquidity, OrderType, Side, TimeInForce, decode, encode

from simulators.dydx.book import Book
from simulators.dydx.chain_journal import Committed
from simulators.dydx.fees import fee_of
from simulators.dydx.orders import ID_NAMESPACE, PlacedOrder, account_name, price_of, quantums_of, size_of
from simulators.dydx.records import (
    ChainFill,
    ChainFundingPayment,
    ChainFundingRate,
    ChainMarket,
    ChainOrderStatus,
    ChainTransfer,
)
from simulators.dydx.state import ChainState
from simulators.world import World

VENUE = "dydx"
LIQUIDATION = "liquidation"
LIQUIDATION_FEE_PPM = 15_000
ABOUT_TO_MATCH = Decimal("0.005")
"""A resting order within this fraction of the oracle's price is about to match."""


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


class Exchange:
    """Keeps the orders of one chain in one world. `draft` is the present block's."""

    def __init__(self, world: World, state: ChainState, book: Book) -> None:
        self._world, self._state, self._book = world, state, book
        self.draft = Draft()

    def match(self, order: PlacedOrder) -> None:
        """Hand an order to the matching engine, if its owner can pay; an immediate one ends here."""
        market = self.market(order)
        size, reason = size_of(order.remaining, market), ""
        if order.reduce_only:
            held = self._state.subaccounts.get(order.address, order.subaccount_number).size(market.ticker)
            if held * order.side.sign >= 0:
                self.end(order, "REDUCE_ONLY_RESIZE")
                return
            if abs(held) < size:
                size, reason = abs(held), "REDUCE_ONLY_RESIZE"
        if self._book.is_kept_apart(order, market):
            self.end(order, "VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS")
            return
        crosses = self._book.crosses(order, market)
        if crosses and order.is_post_only:
            self.end(order, "POST_ONLY_WOULD_CROSS_MAKER_ORDER")
            return
        if crosses and not self._book.can_match(order, market):
            self.end(order, "UNDERCOLLATERALIZED")
            return
        if order.is_immediate and not crosses:
            self.end(order, "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")
            return
        self._submit(order, market, size)
        order = self._state.orders[order.id]
        if order.is_immediate and order.is_working:
            self.withdraw(order)
            self.end(self._state.orders[order.id], reason or "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")

    def withdraw(self, order: PlacedOrder) -> None:
        """Take an order out of the matching engine, and take in what it had executed."""
        if order.world_number:
            self._world.cancel(order.world_number, "dydx")
            self.collect()

    def forget(self, order: PlacedOrder) -> None:
        """Forget what a short-term order has filled; that is no update of the order."""
        self._state.put_order(order.without_fills())
        self.draft.orders[order.id] = None

    def restore_size(self, order: PlacedOrder) -> None:
        """Have a short-term order whose fills were forgotten, and that still rests, match with its whole size again."""
        resting = self._world.order(order.world_number)
        if resting is None or resting.status in DONE or not (order.is_short_term and order.is_working):
            return
        market = self.market(order)
        new = quantums_of(resting.filled, market) - self._book.executed_since(order.id, self._state.executions)
        quantity = size_of(new + order.remaining, market)
        if quantity > resting.terms.quantity:
            self._world.modify(resting.number, quantity=quantity)

    def collect(self) -> None:
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

    def remove_unpayable(self, order: PlacedOrder) -> None:
        """Remove a resting order that is about to match and that its owner can not carry (the chain: at the match)."""
        if not order.is_working or not order.world_number:
            return
        market = self.market(order)
        price, near = price_of(order.subticks, market), Decimal("0.005")
        distance = (price - self._book.oracle_price(market.ticker)) * -order.side.sign
        if distance <= price * near and not self._book.can_pay(order, market):
            self.withdraw(order)
            order = self._state.orders[order.id]
            if order.is_working:
                self.end(order, "UNDERCOLLATERALIZED")

    def settle_for_good(self) -> None:
        """End what rests in markets that are in final settlement."""
        for order in self._state.live_orders():
            if self.market(order).status == "FINAL_SETTLEMENT":
                self.withdraw(order)
                order = self._state.orders[order.id]
                if order.is_working:
                    self.end(order, "FINAL_SETTLEMENT")

    def liquidate(self) -> None:
        """Close what a subaccount below its maintenance margin holds, at the market, for a fee."""
        for subaccount in list(self._state.subaccounts.of.values()):
            needs = self._book.requirements(subaccount)
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
                self.collect()

    def recover(self) -> None:
        """Take over what a block that a kill cut short had already done in the matching engine."""
        for taken in self._world.orders_of(VENUE):
            if taken.terms.client_tag:
                order: PlacedOrder = decode(taken.terms.client_tag.encode(), PlacedOrder)
                known = self._state.orders.get(order.id)
                if known is None or known.world_number < taken.number:
                    same = order.is_short_term or (
                        known is not None and known.created_at_height == order.created_at_height
                    )
                    order = replace(order, filled=0, prunable_height=0).with_fills_of(known if same else None)
                    self.put(replace(order, world_number=taken.number))
        self.collect()
        for order in self._state.live_orders():
            taken_order = self._world.order(order.world_number)
            if taken_order is None or not order.is_working:
                continue
            if order.is_immediate:
                self.withdraw(order)
                self.end(self._state.orders[order.id], "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")
            elif taken_order.status in DONE:
                ended = ChainOrderStatus.BEST_EFFORT_CANCELED if order.is_short_term else ChainOrderStatus.CANCELED
                self.end(order, "USER_CANCELED", ended)

    def put(self, order: PlacedOrder) -> None:
        """Keep an order's new value."""
        order = replace(order, updated_at=self._state.time, updated_at_height=self._state.height)
        self._state.put_order(order)
        self.draft.orders[order.id] = None

    def end(self, order: PlacedOrder, reason: str, status: ChainOrderStatus = ChainOrderStatus.CANCELED) -> None:
        """End an order, or all but end it, for a reason in the indexer's words."""
        if reason == "FULLY_FILLED":
            reason, status = "", ChainOrderStatus.FILLED
        self.put(replace(order, status=status, removal_reason=reason))

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
            self.end(order, "INTERNAL_ERROR")
            return
        self.put(replace(order, world_number=taken.number))
        self.collect()

    def _fill(self, executions: list[Execution]) -> None:
        first, state = executions[0], self._state
        size = sum((each.quantity for each in executions), Decimal(0))
        order = state.orders.get(first.client_reference)
        address, _, number = first.account.rpartition("-")
        forced = first.client_reference == LIQUIDATION
        fee = sum((each.commission for each in executions), Decimal(0))
        if forced:
            surcharge = fee_of(size * first.price, LIQUIDATION_FEE_PPM)
            self.draft.cash[first.account] -= surcharge
            fee += surcharge
        event = f"{state.height}-{len(self.draft.fills)}-{first.liquidity}"
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
        self.draft.fills.append(fill)
        if order is not None:
            order = order.with_fill(quantums_of(size, self.market(order)))
            if order.remaining == 0:
                self.end(order, "", ChainOrderStatus.FILLED)
            else:
                self.put(order)

    def market(self, order: PlacedOrder) -> ChainMarket:
        """Return an order's market."""
        market = self._book.market(order.clob_pair_id)
        assert market is not None  # admission refused the others
        return market

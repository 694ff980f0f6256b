"""CheckTx of the order book: what a place, a cancel or a batch cancel must be to be taken.

Owns the stateful checks in v4-chain's order, and what the mempool remembers of what was taken. Source:
protocol/x/clob/keeper/orders.go (PerformStatefulOrderValidation, PerformOrderCancellationStatefulValidation),
protocol/x/clob/memclob/memclob.go (validateNewOrder, CancelOrder) and keeper/equity_tier_limit.go of v4-chain.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from simulators.dydx.book import Book
from simulators.dydx.margin import stateful_orders_max
from simulators.dydx.mempool import Mempool
from simulators.dydx.orders import (
    SHORT_BLOCK_WINDOW,
    PlacedOrder,
    check_replacement,
    order_uuid,
    placed,
    price_of,
    protocol_order,
    uuid_of,
)
from simulators.dydx.records import CONDITIONAL, SHORT_TERM, ChainMarket, ChainOrderStatus
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.state import ChainState
from simulators.dydx.validation import told

STATEFUL_WINDOW = timedelta(days=95)


class Admission:
    """Takes or refuses. `tell` is called with what the indexer hears of at once, best effort."""

    def __init__(self, state: ChainState, mempool: Mempool, book: Book, tell: Callable[[PlacedOrder], None]) -> None:
        self._state, self._mempool, self._book, self._tell = state, mempool, book, tell

    def place(self, message: Any, timeout_height: int = 0) -> None:
        """Check a MsgPlaceOrder and remember it. Raises RefusedError."""
        order = placed(message.order)
        market = self._book.market(order.clob_pair_id)
        if market is None:
            raise RefusedError(Code.INVALID_CLOB, f"Clob {order.clob_pair_id} is not a valid clob")
        self._check_status(order, market)
        self._check_grid(order, market)
        if order.is_short_term:
            self._place_short_term(order, market, timeout_height)
        else:
            self._place_stateful(order, market)

    def cancel(self, message: Any) -> None:
        """Check a MsgCancelOrder and remember it. Raises RefusedError."""
        order_id = uuid_of(message.order_id)
        if message.order_id.order_flags == SHORT_TERM:
            self._check_good_til_block(message.good_til_block)
            if self._book.market(message.order_id.clob_pair_id) is None:
                raise RefusedError(Code.INVALID_CLOB, f"Clob {message.order_id.clob_pair_id} is not a valid clob")
            self._cancel_short_term(order_id, message.good_til_block)
        else:
            self._cancel_stateful(message, order_id)

    def batch_cancel(self, message: Any) -> None:
        """Remember what of a MsgBatchCancel can be; never refused.

        The keeper has errors for a bad good-til-block, a bad pair, and for no cancel that can be, but ante/clob.go
        shadows them: the chain answers 0.
        """
        try:
            self._check_good_til_block(message.good_til_block)
        except RefusedError:
            return
        if any(self._book.market(batch.clob_pair_id) is None for batch in message.short_term_cancels):
            return
        for order_id in batched_ids(message):
            try:
                self._cancel_short_term(order_id, message.good_til_block)
            except RefusedError:
                continue

    # ---------------------------------------------------------------------------------------------------- placing

    def _check_status(self, order: PlacedOrder, market: ChainMarket) -> None:
        """Source: keeper/clob_pair.go, validateOrderAgainstClobPairStatus; its last rule, a side of the oracle, too."""
        status = market.status
        if status == "ACTIVE":
            return
        if status not in ("INITIALIZING", "POST_ONLY"):
            raise RefusedError(
                Code.CONFLICTS_WITH_STATUS,
                f"Order {_shown(order)} disallowed, trading is disabled for clob pair with status STATUS_{status}",
            )
        if status == "INITIALIZING" and not order.is_short_term:
            raise RefusedError(
                Code.CONFLICTS_WITH_STATUS,
                f"Order {_shown(order)} must not be stateful for clob pair with status STATUS_{status}",
            )
        if not order.is_post_only:
            raise RefusedError(
                Code.CONFLICTS_WITH_STATUS,
                f"Order {_shown(order)} must be post-only for clob pair with status STATUS_{status}",
            )
        better = (price_of(order.subticks, market) - self._book.oracle_price(market.ticker)) * order.side.sign
        if status == "INITIALIZING" and better > 0:
            raise RefusedError(
                Code.CONFLICTS_WITH_STATUS,
                f"Order subticks {order.subticks} are on the wrong side of the oracle price for clob pair with status "
                f"STATUS_{status}",
            )

    def _check_grid(self, order: PlacedOrder, market: ChainMarket) -> None:
        if order.subticks % market.subticks_per_tick:
            raise RefusedError(
                Code.INVALID_PLACE_ORDER,
                f"Order subticks {order.subticks} must be a multiple of the ClobPair's SubticksPerTick "
                f"{market.subticks_per_tick}",
            )
        if order.quantums % market.step_base_quantums:
            raise RefusedError(
                Code.INVALID_PLACE_ORDER,
                f"Order Quantums {order.quantums} must be a multiple of the ClobPair's StepBaseQuantums "
                f"{market.step_base_quantums}",
            )

    def _place_short_term(self, order: PlacedOrder, market: ChainMarket, timeout_height: int) -> None:
        if 0 < timeout_height < order.good_til_block:
            raise RefusedError(
                Code.INVALID_REQUEST,
                "timeout height (if non-zero) may not be less than `goodTilBlock` for a short-term place order",
            )
        self._check_good_til_block(order.good_til_block)
        canceled_til = self._mempool.cancels.get(order.id, 0)
        if canceled_til >= order.good_til_block:
            raise RefusedError(
                Code.ORDER_IS_CANCELED, f"Order: {_shown(order)}, Cancellation GoodTilBlock: {canceled_til}"
            )
        waiting = self._mempool.short_term.get(order.id)
        if waiting is not None and waiting.is_immediate and self._book.crosses(waiting, market):
            check_replacement(waiting, order)  # the node has matched it already, whatever the next block brings
            raise RefusedError(Code.IMMEDIATE_ORDER_ALREADY_FILLED, f"Order: {_shown(order)}")
        resting = self._resting(order.id)
        if resting is not None:
            check_replacement(resting, order)
        filled = self._filled(order.id)
        remaining = order.quantums - filled
        if remaining < market.step_base_quantums:
            raise RefusedError(
                Code.ORDER_FULLY_FILLED,
                "Order remaining amount is less than `MinOrderBaseQuantums`. "
                f"Remaining amount: {max(remaining, 0)}. Order: {_shown(order)}",
            )
        if order.reduce_only and not self._book.reduces(order, market):
            raise RefusedError(Code.REDUCE_ONLY_WOULD_INCREASE)
        if order.is_immediate and filled:
            if resting is not None:
                raise RefusedError(
                    Code.INVALID_REPLACEMENT,
                    f"Cannot replace partially filled order with IOC order. Size: {order.quantums}, "
                    f"Fill Amount: {filled}.",
                )
            raise RefusedError(Code.IMMEDIATE_ORDER_ALREADY_FILLED, f"Order: {_shown(order)}")
        if order.is_post_only and self._book.crosses(order, market):
            raise RefusedError(Code.POST_ONLY_WOULD_CROSS)
        self._mempool.short_term[order.id] = order
        height = self._state.height
        told_order = replace(
            order.with_fills_of(self._state.orders.get(order.id)),
            filled=filled,
            status=ChainOrderStatus.BEST_EFFORT_OPENED,
            created_at_height=resting.created_at_height
            if resting is not None and resting.created_at_height
            else height,
            updated_at=self._state.time,
            updated_at_height=height,
        )
        self._tell(told_order)
        # Too little collateral for a match is no refusal: the transaction is taken, the order removed.
        if self._book.crosses(order, market) and not self._book.can_match(told_order, market):
            self._tell(
                replace(told_order, status=ChainOrderStatus.BEST_EFFORT_CANCELED, removal_reason="UNDERCOLLATERALIZED")
            )

    def _place_stateful(self, order: PlacedOrder, market: ChainMarket) -> None:
        now = int(self._state.time.timestamp())
        if order.good_til_block_time <= now:
            raise RefusedError(
                Code.TIME_EXCEEDS_GOOD_TIL_BLOCK_TIME,
                f"GoodTilBlockTime {order.good_til_block_time} is less than the previous blockTime {now}",
            )
        latest = int((self._state.time + STATEFUL_WINDOW).timestamp())
        if order.good_til_block_time > latest:
            raise RefusedError(
                Code.GOOD_TIL_BLOCK_TIME_TOO_FAR,
                f"GoodTilBlockTime {order.good_til_block_time} exceeds the previous blockTime plus "
                f"StatefulOrderTimeWindow {latest}",
            )
        if order.id in self._mempool.cancellations:
            raise RefusedError(
                Code.STATEFUL_ORDER_PREVIOUSLY_CANCELLED,
                "An uncommitted stateful order cancellation with this OrderId already exists. "
                f"New order: ({_shown(order)}).",
            )
        for kind, existing in (
            ("An uncommitted", self._mempool.placements.get(order.id)),
            ("A", self._committed(order.id)),
        ):
            if existing is not None:
                raise RefusedError(
                    Code.STATEFUL_ORDER_EXISTS,
                    f"{kind} stateful order with this OrderId already exists and stateful order replacement is not "
                    f"supported. Existing order GoodTilBlockTime ({existing.good_til_block_time}), New order "
                    f"GoodTilBlockTime ({order.good_til_block_time}). Existing order: ({_shown(existing)}). "
                    f"New order: ({_shown(order)}).",
                )
        if order.order_flags == CONDITIONAL and order.trigger_subticks % market.subticks_per_tick:
            raise RefusedError(
                Code.INVALID_PLACE_ORDER,
                f"Conditional order trigger subticks {order.trigger_subticks} must be a multiple of the ClobPair's "
                f"SubticksPerTick {market.subticks_per_tick}",
            )
        self._check_equity_tier(order)
        if order.order_flags != CONDITIONAL and not self._book.can_pay(order, market):
            raise RefusedError(
                Code.COLLATERALIZATION_CHECK_FAILED, f"Order: ({_shown(order)}), result: NewlyUndercollateralized"
            )
        self._mempool.placements[order.id] = order

    def _check_equity_tier(self, order: PlacedOrder) -> None:
        equity = self._book.equity(order.address, order.subaccount_number)
        limit = stateful_orders_max(equity)
        mine = (order.address, order.subaccount_number)
        count = sum(
            (each.address, each.subaccount_number) == mine and not each.is_short_term and each.is_working
            for each in (*self._state.live_orders(), *self._mempool.placements.values())
        )
        if limit == 0:
            raise RefusedError(
                Code.EQUITY_TIER_LIMIT,
                f"Opening order would exceed equity tier limit of 0, for subaccount {order.account} with net "
                f"collateral {equity}",
            )
        if count >= limit:
            raise RefusedError(
                Code.EQUITY_TIER_LIMIT,
                f"Opening order would exceed equity tier limit of {limit}. Order count: {count}, total net "
                f"collateral: {equity}, order id: {_shown(order)}",
            )

    # -------------------------------------------------------------------------------------------------- cancelling

    def _cancel_short_term(self, order_id: str, good_til_block: int) -> None:
        if self._mempool.cancels.get(order_id, 0) >= good_til_block:
            raise RefusedError(Code.CANCEL_ALREADY_EXISTS)
        resting = self._resting(order_id)
        self._mempool.cancels[order_id] = good_til_block
        if resting is not None and good_til_block >= resting.good_til_block:
            self._tell(
                replace(
                    resting.with_fills_of(self._state.orders.get(order_id)),
                    filled=self._filled(order_id),
                    status=ChainOrderStatus.BEST_EFFORT_CANCELED,
                    removal_reason="USER_CANCELED",
                    updated_at=self._state.time,
                    updated_at_height=self._state.height,
                )
            )

    def _cancel_stateful(self, message: Any, order_id: str) -> None:
        now = int(self._state.time.timestamp())
        good_til = message.good_til_block_time
        if good_til <= now:
            raise RefusedError(Code.TIME_EXCEEDS_GOOD_TIL_BLOCK_TIME)
        latest = int((self._state.time + STATEFUL_WINDOW).timestamp())
        if good_til > latest:
            raise RefusedError(
                Code.GOOD_TIL_BLOCK_TIME_TOO_FAR,
                f"GoodTilBlockTime {good_til} exceeds the previous blockTime plus StatefulOrderTimeWindow {latest}",
            )
        if order_id in self._mempool.cancellations:
            raise RefusedError(
                Code.STATEFUL_CANCELLATION_EXISTS,
                "An uncommitted stateful order cancellation with this OrderId already exists and stateful order "
                f"cancellation replacement is not supported. New order cancellation GoodTilBlockTime ({good_til}).",
            )
        existing = self._committed(order_id) or self._mempool.placements.get(order_id)
        if existing is None:
            raise RefusedError(
                Code.STATEFUL_ORDER_DOES_NOT_EXIST,
                f"Order Id to cancel does not exist. OrderId : {told(message.order_id)}",
            )
        if good_til < existing.good_til_block_time:
            raise RefusedError(
                Code.INVALID_STATEFUL_CANCELLATION,
                "cancellation goodTilBlockTime less than stateful order goodTilBlockTime. "
                f"cancellation {good_til}, order {existing.good_til_block_time}",
            )
        self._mempool.cancellations.add(order_id)

    # ------------------------------------------------------------------------------------------------------- inside

    def _check_good_til_block(self, good_til_block: int) -> None:
        height = self._state.height + 1
        if good_til_block < height:
            raise RefusedError(
                Code.HEIGHT_EXCEEDS_GOOD_TIL_BLOCK,
                f"GoodTilBlock {good_til_block} is less than the current blockHeight {height}",
            )
        if good_til_block > height + SHORT_BLOCK_WINDOW:
            raise RefusedError(
                Code.GOOD_TIL_BLOCK_TOO_FAR,
                f"The GoodTilBlock {good_til_block} exceeds the current blockHeight {height} plus ShortBlockWindow "
                f"{SHORT_BLOCK_WINDOW}",
            )

    def _resting(self, order_id: str) -> PlacedOrder | None:
        """Return the short-term order that is in the book, or will be in the next block."""
        waiting = self._mempool.short_term.get(order_id)
        if waiting is not None:
            canceled = self._mempool.cancels.get(order_id, 0) >= waiting.good_til_block
            return None if canceled or waiting.is_immediate else waiting
        order = self._state.orders.get(order_id)
        if order is None or not order.is_working:
            return None
        return None if self._mempool.cancels.get(order_id, 0) >= order.good_til_block else order

    def _filled(self, order_id: str) -> int:
        known = self._state.orders.get(order_id)
        if known is None:
            return 0
        return known.filled + self._book.executed_since(order_id, self._state.executions)

    def _committed(self, order_id: str) -> PlacedOrder | None:
        order = self._state.orders.get(order_id)
        return order if order is not None and order.is_working and not order.is_short_term else None


def batched_ids(message: Any) -> list[str]:
    """Return the indexer's ids of the orders that a MsgBatchCancel names."""
    subaccount = message.subaccount_id
    return [
        order_uuid(subaccount.owner, subaccount.number, client_id, batch.clob_pair_id, SHORT_TERM)
        for batch in message.short_term_cancels
        for client_id in batch.client_ids
    ]


def _shown(order: PlacedOrder) -> str:
    return told(protocol_order(order).order_id)

"""An order as the chain keeps it: the protocol's integers, what has become of it, and its face to the indexer.

Owns the order's identity, the conversions between protocol and human units, and the rules of replacement. Pure. It
must not know the book, subaccounts or blocks.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from signalbox.messages import Side
from v4_proto.dydxprotocol.clob.order_pb2 import Order, OrderId
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from simulators.dydx.records import CONDITIONAL, SHORT_TERM, ChainMarket, ChainOrder, ChainOrderStatus
from simulators.dydx.refusals import Code, RefusedError

ID_NAMESPACE = uuid.UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
SHORT_BLOCK_WINDOW = 40
"""So many blocks ahead a good-til-block may be, and so many after it the chain remembers what has filled."""
QUOTE_RESOLUTION = -6
"""USDC's atomic resolution: one quote quantum is a millionth."""

OPEN_STATUSES = (ChainOrderStatus.OPEN, ChainOrderStatus.UNTRIGGERED)
_IOC, _POST_ONLY = Order.TimeInForce.TIME_IN_FORCE_IOC, Order.TimeInForce.TIME_IN_FORCE_POST_ONLY
_STOP_LOSS = Order.ConditionType.CONDITION_TYPE_STOP_LOSS


class PlacedOrder(Struct, frozen=True, kw_only=True):
    """One order id's latest order. `world_number` 0 = not in the matching engine.

    `filled` is what the chain remembers of its fills, in base quantums. Of a short-term order it forgets them in block
    `prunable_height`, whether the order still rests or not; `forgotten` is how much it forgot last.
    """

    id: str
    address: str
    subaccount_number: int
    client_id: int
    clob_pair_id: int
    order_flags: int
    buys: bool
    quantums: int
    subticks: int
    time_in_force: int
    reduce_only: bool
    good_til_block: int = 0
    good_til_block_time: int = 0
    condition_type: int = 0
    trigger_subticks: int = 0
    client_metadata: int = 0
    content_hash: str = ""
    filled: int = 0
    prunable_height: int = 0
    forgotten: int = 0
    status: ChainOrderStatus = ChainOrderStatus.OPEN
    removal_reason: str = ""
    world_number: int = 0
    authenticator: int | None = None
    """Through which it was placed; None = its owner's own key."""
    triggered: bool = False
    created_at_height: int = 0
    updated_at: datetime = datetime.fromtimestamp(0, UTC)
    updated_at_height: int = 0

    @property
    def account(self) -> str:
        """The name of the subaccount in the simulated world."""
        return account_name(self.address, self.subaccount_number)

    @property
    def is_short_term(self) -> bool:
        return self.order_flags == SHORT_TERM

    @property
    def is_immediate(self) -> bool:
        return bool(self.time_in_force == _IOC)

    @property
    def is_post_only(self) -> bool:
        return bool(self.time_in_force == _POST_ONLY)

    @property
    def is_working(self) -> bool:
        """Whether it may still fill, once triggered."""
        return self.status in OPEN_STATUSES

    @property
    def remaining(self) -> int:
        return max(self.quantums - self.filled, 0)

    @property
    def side(self) -> Side:
        return Side.BUY if self.buys else Side.SELL

    def with_fill(self, quantums: int) -> PlacedOrder:
        """Return the order after a fill: it is remembered for as long as the good-til-block now in force asks for."""
        height = max(self.prunable_height, self.good_til_block + SHORT_BLOCK_WINDOW) if self.is_short_term else 0
        return replace(self, filled=self.filled + quantums, prunable_height=height)

    def with_fills_of(self, known: PlacedOrder | None) -> PlacedOrder:
        """Return the order with what the chain remembers of its id; a replacement alone moves nothing."""
        if known is None:
            return self
        return replace(self, filled=known.filled, prunable_height=known.prunable_height, forgotten=known.forgotten)

    def without_fills(self) -> PlacedOrder:
        """Return the order after the pruning: the chain knows of no fill of this id any more."""
        return replace(self, filled=0, prunable_height=0, forgotten=self.filled)

    def is_reached(self, oracle_price: Decimal, market: ChainMarket) -> bool:
        """Say whether the oracle's price triggers it: a stop against its side's interest, a take-profit for it."""
        trigger = price_of(self.trigger_subticks, market)
        if (self.condition_type == _STOP_LOSS) == self.buys:
            return oracle_price >= trigger
        return oracle_price <= trigger


def account_name(address: str, number: int) -> str:
    """Return how the simulated world names a subaccount."""
    return f"{address}-{number}"


def order_uuid(address: str, number: int, client_id: int, clob_pair_id: int, order_flags: int) -> str:
    """Return the indexer's id of an order."""
    subaccount = uuid.uuid5(ID_NAMESPACE, account_name(address, number))
    return str(uuid.uuid5(ID_NAMESPACE, f"{subaccount}-{client_id}-{clob_pair_id}-{order_flags}"))


def uuid_of(order_id: Any) -> str:
    """Return the indexer's id of a protocol OrderId."""
    subaccount = order_id.subaccount_id
    return order_uuid(
        subaccount.owner, subaccount.number, order_id.client_id, order_id.clob_pair_id, order_id.order_flags
    )


def placed(order: Any) -> PlacedOrder:
    """Make the chain's order of a protocol Order."""
    order_id = order.order_id
    return PlacedOrder(
        id=uuid_of(order_id),
        address=order_id.subaccount_id.owner,
        subaccount_number=order_id.subaccount_id.number,
        client_id=order_id.client_id,
        clob_pair_id=order_id.clob_pair_id,
        order_flags=order_id.order_flags,
        buys=order.side == Order.Side.SIDE_BUY,
        quantums=order.quantums,
        subticks=order.subticks,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        good_til_block=order.good_til_block,
        good_til_block_time=order.good_til_block_time,
        condition_type=order.condition_type,
        trigger_subticks=order.conditional_order_trigger_subticks,
        client_metadata=order.client_metadata,
        content_hash=hashlib.sha256(order.SerializeToString(deterministic=True)).hexdigest(),
        status=ChainOrderStatus.UNTRIGGERED if order_id.order_flags == CONDITIONAL else ChainOrderStatus.OPEN,
    )


def protocol_order(order: PlacedOrder) -> Any:
    """Write an order back as the protocol's message."""
    good_til = (
        {"good_til_block": order.good_til_block}
        if order.is_short_term
        else {"good_til_block_time": order.good_til_block_time}
    )
    return Order(
        order_id=OrderId(
            subaccount_id=SubaccountId(owner=order.address, number=order.subaccount_number),
            client_id=order.client_id,
            order_flags=order.order_flags,
            clob_pair_id=order.clob_pair_id,
        ),
        side=Order.Side.SIDE_BUY if order.buys else Order.Side.SIDE_SELL,
        quantums=order.quantums,
        subticks=order.subticks,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        client_metadata=order.client_metadata,
        condition_type=order.condition_type,
        conditional_order_trigger_subticks=order.trigger_subticks,
        **good_til,
    )


def check_replacement(existing: PlacedOrder, new: PlacedOrder) -> None:
    """Check that `new` may take the place of a resting order. Raises RefusedError clob/20."""
    older = (existing.good_til_block, existing.content_hash) >= (new.good_til_block, new.content_hash)
    rules = (
        (not older, "New order cannot reduce the GoodTilBlock or GoodTilBlockTime of existing order"),
        (existing.buys == new.buys, "New order cannot change the Side of the existing order"),
        (existing.time_in_force == new.time_in_force, "New order cannot change the TimeInForce of the existing order"),
        (
            existing.reduce_only == new.reduce_only,
            "New order cannot change the ReduceOnly field of the existing order",
        ),
    )
    for holds, sentence in rules:
        if not holds:
            raise RefusedError(Code.INVALID_REPLACEMENT, sentence)


# ------------------------------------------------------------------------------------------------------- conversions


def size_of(quantums: int, market: ChainMarket) -> Decimal:
    """Return base quantums as a size."""
    return _plain(Decimal(quantums).scaleb(market.atomic_resolution))


def quantums_of(size: Decimal, market: ChainMarket) -> int:
    """Return a size as base quantums; it must be whole."""
    quantums = size.scaleb(-market.atomic_resolution)
    if quantums != quantums.to_integral_value():
        raise ValueError(f"{size} is no whole number of quantums of {market.ticker}")
    return int(quantums)


def price_of(subticks: int, market: ChainMarket) -> Decimal:
    """Return subticks as a price in USD."""
    return _plain(Decimal(subticks).scaleb(_price_exponent(market)))


def subticks_of(price: Decimal, market: ChainMarket) -> int:
    """Return a price as subticks; it must be whole."""
    subticks = price.scaleb(-_price_exponent(market))
    if subticks != subticks.to_integral_value():
        raise ValueError(f"{price} is no whole number of subticks of {market.ticker}")
    return int(subticks)


def _price_exponent(market: ChainMarket) -> int:
    return market.quantum_conversion_exponent + QUOTE_RESOLUTION - market.atomic_resolution


def _plain(number: Decimal) -> Decimal:
    """Drop trailing zeros, but never write an exponent."""
    normal = number.normalize()
    return normal.quantize(Decimal(1)) if normal == normal.to_integral_value() else normal


# -------------------------------------------------------------------------------------------------- face to indexer


def record_of(order: PlacedOrder, market: ChainMarket) -> ChainOrder:
    """Return the order as the indexer is told."""
    conditional = order.order_flags == CONDITIONAL
    return ChainOrder(
        id=order.id,
        address=order.address,
        subaccount_number=order.subaccount_number,
        client_id=order.client_id,
        clob_pair_id=order.clob_pair_id,
        order_flags=order.order_flags,
        ticker=market.ticker,
        side=order.side,
        size=size_of(order.quantums, market),
        price=price_of(order.subticks, market),
        type=_type(order),
        time_in_force="IOC" if order.is_immediate else "GTT",
        post_only=order.is_post_only,
        reduce_only=order.reduce_only,
        trigger_price=price_of(order.trigger_subticks, market) if conditional else None,
        good_til_block=order.good_til_block,
        good_til_block_time=None if order.is_short_term else datetime.fromtimestamp(order.good_til_block_time, UTC),
        client_metadata=order.client_metadata,
        # The indexer keeps the last sum it was told; the next fill brings it a new one, which starts at 0 again.
        total_filled=size_of(order.filled or order.forgotten, market),
        status=order.status,
        removal_reason=order.removal_reason,
        created_at_height=order.created_at_height,
        updated_at=order.updated_at,
        updated_at_height=order.updated_at_height,
    )


def _type(order: PlacedOrder) -> str:
    if order.order_flags != CONDITIONAL:
        return "LIMIT"
    if order.condition_type == _STOP_LOSS:
        return "STOP_MARKET" if order.is_immediate else "STOP_LIMIT"
    return "TAKE_PROFIT_MARKET" if order.is_immediate else "TAKE_PROFIT"

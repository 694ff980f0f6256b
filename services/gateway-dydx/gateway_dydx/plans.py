"""The plan of an order: of which kind it is on the chain, until when, at what worst price, and its ids. Pure.

Owns how the desk's order types become the chain's (docs/decisions tell why). It must not know how anything is sent.

    MARKET            short-term, immediate-or-cancel, with a bound of the price
    LIMIT, IOC        short-term, immediate-or-cancel, at its limit
    LIMIT, DAY/GTD    short-term, renewed by the gateway until its end: one that nobody watches ends by itself
    LIMIT, GTC        long-term: it must outlive the gateway
    STOP              conditional: it must outlive the gateway; its trigger goes by the oracle price
    STOP_LIMIT        the same, but for what it becomes: an order that rests at its limit until its end
    ..._IF_TOUCHED    the same two as take-profits: triggered from the other side
    TRAILING_STOP     a STOP that lies where the trail is, and is moved (`trailing`); with a limit, a STOP_LIMIT
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace
from signalbox.errors import TranslationError
from signalbox.messages import Order, OrderType, Side, TimeInForce
from signalbox.order_terms import AT_ONCE, IF_TOUCHED, TRAILING, WITH_STOP, contradiction

from gateway_dydx.translate import UNSIGNED_32_MAX, MarketTerms, bound_subticks, quantums, subticks

SUBACCOUNT_NUMBER_MAX = 128_000

SHORT_BLOCK_WINDOW = 40
"""A good-til-block may be at most so many blocks after the next one (v4-chain: x/clob/types/constants.go)."""

MARKET_ORDER_BLOCKS = 10
QUOTE_ORDER_BLOCKS = 20
"""How far ahead the good-til-block of an immediate and of a resting short-term order is (docs/decisions)."""

GOOD_TIL_CANCELED = timedelta(days=90)
"""How long the chain is asked to keep an order without an end of its own; it takes 95 days at most."""

STATEFUL_WINDOW = timedelta(days=95)

_NAMESPACE = uuid.UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
"""The indexer's (v4-chain: indexer/packages/postgres/src/helpers/uuid.ts)."""


class OrderFlags(IntEnum):
    """The kinds of order: the last part of an order's identity."""

    SHORT_TERM = 0
    CONDITIONAL = 32
    LONG_TERM = 64


class ChainTimeInForce(IntEnum):
    """UNSPECIFIED rests until its good-til block or time."""

    UNSPECIFIED = 0
    IMMEDIATE_OR_CANCEL = 1
    POST_ONLY = 2
    FILL_OR_KILL = 3
    """Refused by the chain since v5 (clob/48)."""


class Condition(IntEnum):
    UNSPECIFIED = 0
    STOP_LOSS = 1
    TAKE_PROFIT = 2


class Subaccount(Struct, frozen=True):
    """One of an address's accounts; the desk calls it `<address>-<number>`."""

    address: str
    number: int

    @property
    def account(self) -> str:
        """The desk's name of it."""
        return f"{self.address}-{self.number}"


class OrderIdentity(Struct, frozen=True, kw_only=True):
    """What makes an order the same order for the chain: a second one with it replaces the first."""

    subaccount: Subaccount
    client_id: int
    clob_pair_id: int
    flags: OrderFlags

    @property
    def venue_order_id(self) -> str:
        """The indexer's uuid of the order."""
        return order_uuid(
            self.subaccount.address, self.subaccount.number, self.client_id, self.clob_pair_id, self.flags
        )


class OrderPlan(Struct, frozen=True, kw_only=True):
    """An order as the chain takes it.

    A short-term one has `good_til_block`, a stateful one `good_til_time` (whole seconds). `kept_until` is when the
    desk's order itself ends: until then the gateway renews a short-term order; None = nothing is to be renewed.
    """

    identity: OrderIdentity
    side: Side
    quantums: int
    subticks: int
    time_in_force: ChainTimeInForce
    reduce_only: bool = False
    good_til_block: int = 0
    good_til_time: datetime | None = None
    condition: Condition = Condition.UNSPECIFIED
    trigger_subticks: int = 0
    kept_until: datetime | None = None

    @property
    def is_stateful(self) -> bool:
        return self.identity.flags is not OrderFlags.SHORT_TERM

    @property
    def takes_profit(self) -> bool:
        """Whether it only closes, and where the position wins: what protects goes before it."""
        return self.reduce_only and self.condition is Condition.TAKE_PROFIT


class CancelPlan(Struct, frozen=True, kw_only=True):
    """A cancel: its good-til block or time must reach at least the order's."""

    identity: OrderIdentity
    good_til_block: int = 0
    good_til_time: datetime | None = None


class PriceBounds(Struct, frozen=True, kw_only=True):
    """How much worse than expected an order may fill, as fractions of the price.

    `reference_price` is what a market order is expected to cost: the best price on the other side, or the oracle's.
    """

    market_slippage_fraction: Decimal
    stop_slippage_fraction: Decimal
    reference_price: Decimal | None = None


# ---------------------------------------------------------------------------------------------------- accounts, ids


def subaccount_of(account: str) -> Subaccount:
    """Read the desk's account name, `<address>-<number>`; raises TranslationError for anything else."""
    address, dash, number = account.rpartition("-")
    if not dash or not address.startswith("dydx1") or not number.isascii() or not number.isdigit():
        raise TranslationError(f"{account} is no account of dYdX: write <address>-<number>, as dydx1...-0")
    if int(number) > SUBACCOUNT_NUMBER_MAX or str(int(number)) != number:
        raise TranslationError(f"{account}: subaccounts have the numbers 0 to {SUBACCOUNT_NUMBER_MAX}")
    return Subaccount(address, int(number))


def subaccount_uuid(address: str, number: int) -> str:
    """Compute the indexer's id of a subaccount."""
    return str(uuid.uuid5(_NAMESPACE, f"{address}-{number}"))


def order_uuid(address: str, subaccount_number: int, client_id: int, clob_pair_id: int, flags: int) -> str:
    """Compute the indexer's id of an order, which is known before the order is sent."""
    subaccount = subaccount_uuid(address, subaccount_number)
    return str(uuid.uuid5(_NAMESPACE, f"{subaccount}-{client_id}-{clob_pair_id}-{int(flags)}"))


# ----------------------------------------------------------------------------------------------------------- orders


def order_plan(
    order: Order,
    market: MarketTerms,
    subaccount: Subaccount,
    client_id: int,
    bounds: PriceBounds,
    height: int,
    at: datetime,
) -> OrderPlan:
    """Write an order as the chain takes it at `height` and desk time `at`.

    Raises TranslationError for terms that the venue can not express; its text tells a person which.
    """
    if not 0 <= client_id <= UNSIGNED_32_MAX:
        raise TranslationError(f"{client_id} is no client id: those have 32 bits")
    if wrong := contradiction(order):
        raise TranslationError(wrong)
    match order.order_type:
        case OrderType.MARKET:
            flags, build = OrderFlags.SHORT_TERM, _market_plan
        case OrderType.LIMIT if order.time_in_force is TimeInForce.GTC:
            flags, build = OrderFlags.LONG_TERM, _limit_plan
        case OrderType.LIMIT:
            flags, build = OrderFlags.SHORT_TERM, _limit_plan
        case kind if kind in WITH_STOP:
            flags, build = OrderFlags.CONDITIONAL, _stop_plan
        case _:
            raise TranslationError(f"the gateway has no plan of a {order.order_type} order")
    identity = OrderIdentity(subaccount=subaccount, client_id=client_id, clob_pair_id=market.clob_pair_id, flags=flags)
    return build(order, market, identity, bounds, height, at)


def kept(order: Order, stop_price: Decimal | None) -> Order:
    """The order as the chain keeps it: of one that trails, a stop that lies at `stop_price` where it says none."""
    if order.order_type not in TRAILING:
        return order
    stop = order.stop_price if order.stop_price is not None else stop_price
    beyond = order.limit_offset
    return replace(
        order,
        order_type=OrderType.STOP if beyond is None else OrderType.STOP_LIMIT,
        stop_price=stop,
        limit_price=None if stop is None or beyond is None else stop + order.side.sign * beyond,
        trail_amount=None,
        trail_percent=None,
        limit_offset=None,
        activation_price=None,
    )


def _market_plan(
    order: Order, market: MarketTerms, identity: OrderIdentity, bounds: PriceBounds, height: int, at: datetime
) -> OrderPlan:
    if bounds.reference_price is None:
        raise TranslationError(f"there is no price of {market.ticker} to bound a market order with")
    worst = _worst(bounds.reference_price, bounds.market_slippage_fraction, order.side)
    return OrderPlan(
        identity=identity,
        side=order.side,
        quantums=quantums(order.quantity, market),
        subticks=bound_subticks(worst, market, order.side),
        time_in_force=ChainTimeInForce.IMMEDIATE_OR_CANCEL,
        reduce_only=order.reduce_only,
        good_til_block=height + MARKET_ORDER_BLOCKS,
    )


def _limit_plan(
    order: Order, market: MarketTerms, identity: OrderIdentity, bounds: PriceBounds, height: int, at: datetime
) -> OrderPlan:
    assert order.limit_price is not None
    plan = OrderPlan(
        identity=identity,
        side=order.side,
        quantums=quantums(order.quantity, market),
        subticks=subticks(order.limit_price, market),
        time_in_force=ChainTimeInForce.POST_ONLY if order.post_only else ChainTimeInForce.UNSPECIFIED,
        reduce_only=order.reduce_only,
    )
    if order.time_in_force is TimeInForce.IOC:
        at_once = ChainTimeInForce.IMMEDIATE_OR_CANCEL
        return replace(plan, time_in_force=at_once, good_til_block=height + MARKET_ORDER_BLOCKS)
    end = order_end(order, at)
    if identity.flags is OrderFlags.LONG_TERM:
        return replace(plan, good_til_time=_stateful_end(end, at))
    return replace(plan, good_til_block=height + QUOTE_ORDER_BLOCKS, kept_until=end)


def _stop_plan(
    order: Order, market: MarketTerms, identity: OrderIdentity, bounds: PriceBounds, height: int, at: datetime
) -> OrderPlan:
    assert order.stop_price is not None
    if order.limit_price is None:
        worst = _worst(order.stop_price, bounds.stop_slippage_fraction, order.side)
        price, becomes = bound_subticks(worst, market, order.side), ChainTimeInForce.IMMEDIATE_OR_CANCEL
    else:
        price, becomes = subticks(order.limit_price, market), ChainTimeInForce.UNSPECIFIED
    return OrderPlan(
        identity=identity,
        side=order.side,
        quantums=quantums(order.quantity, market),
        subticks=price,
        time_in_force=becomes,
        reduce_only=order.reduce_only,
        good_til_time=_stateful_end(order_end(order, at), at),
        condition=Condition.TAKE_PROFIT if order.order_type in IF_TOUCHED else Condition.STOP_LOSS,
        trigger_subticks=subticks(order.stop_price, market),
    )


def _worst(price: Decimal, fraction: Decimal, side: Side) -> Decimal:
    return price * (1 + side.sign * fraction)


def order_end(order: Order, at: datetime) -> datetime | None:
    """When an order that began at desk time `at` ends by its own terms: DAY at the end of the UTC day; GTC never.

    What takes at once has no time that could end it. Raises TranslationError for a date that is missing or past.
    """
    if order.time_in_force is TimeInForce.GTC or order.time_in_force in AT_ONCE:
        return None
    if order.time_in_force is TimeInForce.DAY:
        return datetime.combine(at.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    if order.good_till is None:
        raise TranslationError("a good-till-date order needs its date")
    if order.good_till <= at:
        raise TranslationError(f"the order's own end, {order.good_till:%Y-%m-%d %H:%M:%S}, has passed")
    return order.good_till.astimezone(UTC)


def _stateful_end(end: datetime | None, at: datetime) -> datetime:
    """The good-til-time: whole seconds, never later than asked for."""
    if end is None:
        return (at.astimezone(UTC) + GOOD_TIL_CANCELED).replace(microsecond=0)
    if end > at + STATEFUL_WINDOW:
        raise TranslationError(f"dYdX keeps an order for {STATEFUL_WINDOW.days} days at most, not until {end:%Y-%m-%d}")
    return end.replace(microsecond=0)


def renewed(plan: OrderPlan, good_til_block: int) -> OrderPlan:
    """The same order with a later good-til-block: it replaces the earlier one, and what that filled counts."""
    if plan.is_stateful or good_til_block <= plan.good_til_block:
        raise TranslationError(f"an order good till block {plan.good_til_block} can not become {good_til_block}")
    return replace(plan, good_til_block=good_til_block)


def cancel_plan(plan: OrderPlan, height: int) -> CancelPlan:
    """Cancel an order at `height`.

    A short-term cancel holds as long as the venue takes it: it must reach the good-til-block of whatever version of
    the order is on its way, and a place that arrives after its cancel must find it.
    """
    if plan.is_stateful:
        return CancelPlan(identity=plan.identity, good_til_time=plan.good_til_time)
    return CancelPlan(identity=plan.identity, good_til_block=max(plan.good_til_block, height + QUOTE_ORDER_BLOCKS))

"""The words of an order at an exchange: its terms, its state and the events of its life."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from signalbox.messages import Liquidity, OrderType, Side, TimeInForce, TriggerMethod


class OrderTerms(Struct, frozen=True, kw_only=True):
    """What the owner of an order wants. `client_reference` is opaque to the venue (IBKR: orderRef).

    Orders with the same `oca_group` cancel (`oca_type` 1) or reduce (2, 3) each other; 3 has no overfill protection.
    With a `parent_number` it waits for a fill of that order, and ends with it.
    `client_tag` is kept with the order for the protocol front (IBKR: client id and order id), also over a restart.
    """

    account: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    good_till: datetime | None = None
    outside_regular_hours: bool = False
    post_only: bool = False
    all_or_none: bool = False
    display_quantity: Decimal | None = None
    not_before: datetime | None = None
    trigger: TriggerMethod = TriggerMethod.DEFAULT
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    limit_offset: Decimal | None = None
    activation_price: Decimal | None = None
    client_reference: str = ""
    client_tag: str = ""
    oca_group: str = ""
    oca_type: int = 0
    parent_number: int = 0


class VenueOrderStatus(StrEnum):
    HELD = "HELD"
    """It waits for the fill of the order that it is attached to."""
    WORKING = "WORKING"
    TRIGGERED = "TRIGGERED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


DONE = frozenset(
    {VenueOrderStatus.FILLED, VenueOrderStatus.CANCELED, VenueOrderStatus.EXPIRED, VenueOrderStatus.REJECTED}
)


class VenueOrder(Struct, frozen=True, kw_only=True):
    """An order as the venue knows it. `number` is the venue's own, unique and rising over restarts (IBKR: permId)."""

    number: int
    terms: OrderTerms
    status: VenueOrderStatus
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    filled: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    fills: int = 0
    reason: str = ""
    is_taking: bool = False
    """It came with a limit beyond the market, which has not left that limit since: it has not rested yet."""

    @property
    def leaves(self) -> Decimal:
        """What may still fill; 0 once the order is done."""
        return Decimal(0) if self.status in DONE else self.terms.quantity - self.filled


class OrderEvent(Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """What every event carries: the order's number and the desk time."""

    number: int
    at: datetime


class Accepted(OrderEvent, frozen=True, kw_only=True):
    """The order works, or rests until its market opens."""


class Triggered(OrderEvent, frozen=True, kw_only=True):
    """The stop order's price has traded; it is a market order, or a limit order, from now on."""


class Filled(OrderEvent, frozen=True, kw_only=True):
    """One execution; `leaves` 0 means the order is done. `commission` is this execution's share of the order's fee."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    leaves: Decimal
    average_price: Decimal
    commission: Decimal = Decimal(0)
    currency: str = ""
    realized_pnl: Decimal = Decimal(0)
    liquidity: Liquidity = Liquidity.UNSTATED


class Canceled(OrderEvent, frozen=True, kw_only=True):
    reason: str


class Expired(OrderEvent, frozen=True, kw_only=True):
    reason: str


class Rejected(OrderEvent, frozen=True, kw_only=True):
    """The order will never work; the first and last event of its life."""

    reason: str


class Modified(OrderEvent, frozen=True, kw_only=True):
    """The order has new terms."""

    terms: OrderTerms


VenueOrderEvent = Accepted | Triggered | Filled | Canceled | Expired | Rejected | Modified


class Execution(Struct, frozen=True, kw_only=True):
    """A fill with the order's facts beside it, as kept for the execution history."""

    execution_id: str
    number: int
    at: datetime
    account: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    average_price: Decimal
    commission: Decimal
    currency: str
    realized_pnl: Decimal
    client_reference: str
    client_tag: str
    liquidity: Liquidity = Liquidity.UNSTATED


class RefusalReason(StrEnum):
    """Why a cancel or modify was refused."""

    UNKNOWN_ORDER = "unknown order"
    ORDER_IS_DONE = "order is done"
    BAD_TERMS = "bad terms"
    INSUFFICIENT_MARGIN = "insufficient margin"


class Refusal(Struct, frozen=True):
    """A cancel or modify that changed nothing."""

    number: int
    reason: RefusalReason
    text: str

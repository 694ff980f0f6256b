"""Orders, and what has happened to each: the events of stream TRADE."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from signalbox.messages.acts import Act
from signalbox.messages.list_events import (
    ListAlarmed,
    ListCreated,
    ListPendingCancel,
    ListScheduled,
    ListStepTaken,
    ListWaits,
)
from signalbox.messages.lists import ListPart
from signalbox.messages.order_event import OrderEvent
from signalbox.messages.words import (
    ChangeKind,
    Liquidity,
    OrderType,
    RefusedBy,
    Side,
    TimeInForce,
    TriggerMethod,
    Utc,
)


class Allocation(Struct, frozen=True, kw_only=True, gc=False):
    """Which part an order is of one for a group of accounts, whose id is `Order.intent_id`: of so many `parts`."""

    group: str
    parts: int


class Order(Struct, frozen=True, kw_only=True, gc=False):
    """The terms of one venue order. `order_id` is also the venue's client reference (IBKR: orderRef).

    `base_currency` is what the quantity of a currency pair is in: a trade moves that cash, too. "" = it is no pair.
    `strategy` is what its intent says of whose it is. `estimated_commission` is what it costs if all of it fills, in
    `currency`, as risk reckoned it; None = nobody has. What it did cost: `CommissionBooked`.
    `trail_stop_price` is where the stop of one that trails begins, if it is not nearer to the market then; None = it
    begins with the market.
    `part` is where it stands in its list; None = it is of none. `allocation` is of one for a group of accounts.
    `placed_by` is who has placed it elsewhere, as far as the venue says; "" = the desk, or nobody has said. Its type
    and validity in the venue's words are `venue_type` and `venue_time_in_force`: where we have no word for it
    `order_type` is MARKET, the one that bounds nothing.
    """

    order_id: str
    intent_id: str
    venue: str
    account: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    good_till: Utc | None = None
    outside_regular_hours: bool = False
    reduce_only: bool = False
    post_only: bool = False
    multiplier: Decimal = Decimal(1)
    currency: str = "USD"
    base_currency: str = ""
    strategy: str = ""
    estimated_commission: Decimal | None = None
    part: ListPart | None = None
    all_or_none: bool = False
    display_quantity: Decimal | None = None
    not_before: Utc | None = None
    trigger: TriggerMethod = TriggerMethod.DEFAULT
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    limit_offset: Decimal | None = None
    activation_price: Decimal | None = None
    trail_stop_price: Decimal | None = None
    placed_by: str = ""
    venue_type: str = ""
    venue_time_in_force: str = ""
    allocation: Allocation | None = None


class Fill(Struct, frozen=True, kw_only=True, gc=False):
    """One execution. `execution_id` is the venue's, without the revision it may carry (IBKR: `.01`, `.02`).

    A later revision corrects the earlier one: the same `execution_id`, a higher `revision`.
    """

    execution_id: str
    revision: int
    order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: Utc
    liquidity: Liquidity = Liquidity.UNSTATED


class OrderCreated(OrderEvent, frozen=True, kw_only=True):
    """The first event of an approved order. `reference_price` is the market that risk held it against, if any.

    `decision_sequence` is where TRADE has its approval; 0 = it has none (it was placed elsewhere), or nobody has said.
    """

    order: Order
    reference_price: Decimal | None = None
    decision_sequence: int = 0


class OrderDenied(OrderEvent, frozen=True, kw_only=True):
    """Risk refused the intent; the first and last event of that order."""

    reason: str


class OrderAccepted(OrderEvent, frozen=True, kw_only=True):
    venue_order_id: str


class OrderTriggered(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderHeld(OrderEvent, frozen=True, kw_only=True):
    """The venue has the order and does not work it; `reason` is what it says of that."""

    reason: str


class OrderNoted(OrderEvent, frozen=True, kw_only=True):
    """What the venue has said of the order; nothing follows from it."""

    reason: str


class OrderReleased(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderPartiallyFilled(OrderEvent, frozen=True, kw_only=True):
    fill: Fill
    cumulative_quantity: Decimal
    leaves_quantity: Decimal


class OrderFilled(OrderEvent, frozen=True, kw_only=True):
    fill: Fill
    cumulative_quantity: Decimal
    leaves_quantity: Decimal


class FillCorrected(OrderEvent, frozen=True, kw_only=True):
    """The venue revised an execution; `fill` replaces `replaced` wholly (a bust has quantity 0)."""

    fill: Fill
    replaced: Fill
    cumulative_quantity: Decimal
    leaves_quantity: Decimal


class CommissionBooked(OrderEvent, frozen=True, kw_only=True):
    """The fee of one execution. It may come before its fill; it counts once both are there.

    A later revision, or a higher `correction` of the same one, replaces it.
    """

    execution_id: str
    revision: int
    commission: Decimal
    currency: str
    correction: int = 0


class FundingBooked(OrderEvent, frozen=True, kw_only=True):
    """A perpetual's funding payment. `order_id` is `subjects.FUNDING`; `amount` is what was received (paid < 0)."""

    funding_id: str
    symbol: str
    amount: Decimal
    currency: str


class OrderPendingReplace(OrderEvent, frozen=True, kw_only=True):
    """The order is to have other terms: `order` is all of it as it is to be. Either may stand meanwhile.

    `revision` is the command's. `reference_price` is the market that risk held the change against, if any.
    """

    order: Order
    revision: int
    reference_price: Decimal | None = None


class OrderReplaced(OrderEvent, frozen=True, kw_only=True):
    """The venue has given the order other terms: `order` is all of it from now on.

    `revision` is that of the command that asked for it; 0 = nobody here has.
    """

    order: Order
    leaves_quantity: Decimal
    revision: int = 0


class OrderReplaceRejected(OrderEvent, frozen=True, kw_only=True):
    """A change has not been made: the order is as it was. `revision` as above; 0 = no gateway was asked."""

    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED
    revision: int = 0
    room_at: Utc | None = None
    """When it may be sent anew, where the refusal says nothing against it: the venue takes no more of the account
    before then, or others of its group have filled more than was known when it was sized."""


class OrderReplaceUnknown(OrderEvent, frozen=True, kw_only=True):
    """Whether a change has been made is not known; the gateway has been, or will be, asked."""

    reason: str


class OrderPendingCancel(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderCancelRejected(OrderEvent, frozen=True, kw_only=True):
    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED


class OrderCanceled(OrderEvent, frozen=True, kw_only=True):
    reason: str


class OrderRejected(OrderEvent, frozen=True, kw_only=True):
    """An approved order that will never work. Whoever it is that refused it says so: see `RefusedBy`."""

    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED
    room_at: Utc | None = None
    """When it may be sent anew, where the refusal says nothing against it: the venue takes no more of the account
    before then, or others of its group have filled more than was known when it was sized."""


class OrderExpired(OrderEvent, frozen=True, kw_only=True):
    reason: str


class OrderUnknown(OrderEvent, frozen=True, kw_only=True):
    """What became of the order is not known; the gateway has been, or will be, asked."""

    reason: str


class PositionHeld(Struct, frozen=True, kw_only=True, gc=False):
    """A position as the venue states it. `quantity` is signed; `average_price` per unit, without multiplier."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    currency: str = "USD"
    multiplier: Decimal = Decimal(1)


class AccountAdopted(OrderEvent, frozen=True, kw_only=True):
    """Where the desk's books of an account begin: what it held before the desk's first fill, cash by currency.

    `order_id` is `subjects.BASELINE`. `execution_ids` and `funding_ids` are what the figures already contain, and every
    payment of funding up to `funding_until`, whenever the venue lists it.
    """

    currency: str
    cash: Decimal
    positions: tuple[PositionHeld, ...]
    execution_ids: tuple[str, ...]
    funding_ids: tuple[str, ...] = ()
    funding_until: Utc | None = None
    other_cash: dict[str, Decimal] = field(default_factory=dict)


class PositionChange(Struct, frozen=True, kw_only=True, gc=False):
    """What an act does to one position; its place is `at` among the fills of the symbol.

    TRADE: `quantity` (signed) more, which cost `cost` (signed like it). SPLIT: `denominator` units are `numerator`.
    SET: `quantity` is held from here on, and has cost `cost`; what was realised before stays. Costs are without
    multiplier.
    `moved` is by how much the quantity held has changed.
    """

    symbol: str
    currency: str
    multiplier: Decimal
    kind: ChangeKind
    at: Utc
    moved: Decimal
    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    numerator: Decimal = Decimal(1)
    denominator: Decimal = Decimal(1)


class BooksAdjusted(OrderEvent, frozen=True, kw_only=True):
    """An operator's act is booked: who, why, and what it did. `order_id` is `subjects.ACTS`.

    `cash` is by currency what it moved. `left_orders` are orders of the desk that worked in the symbol meanwhile, and
    whose terms are the venue's to change.
    """

    act: Act
    changes: tuple[PositionChange, ...] = ()
    cash: dict[str, Decimal] = field(default_factory=dict)
    left_orders: tuple[str, ...] = ()


class BooksActRefused(OrderEvent, frozen=True, kw_only=True):
    """An operator's act changed nothing, and why. `order_id` is `subjects.ACTS`; its id is used up."""

    act: Act
    reason: str


class OrderClaimed(OrderEvent, frozen=True, kw_only=True):
    """An order that others have placed is a strategy's from now on: `order` is all of it, `act` says who and why.

    What it fills from here on is that strategy's.
    """

    order: Order
    act: Act


OrderEvents = (
    OrderCreated
    | OrderDenied
    | OrderAccepted
    | OrderTriggered
    | OrderHeld
    | OrderReleased
    | OrderNoted
    | OrderPartiallyFilled
    | OrderFilled
    | FillCorrected
    | CommissionBooked
    | FundingBooked
    | OrderPendingReplace
    | OrderReplaced
    | OrderReplaceRejected
    | OrderReplaceUnknown
    | OrderPendingCancel
    | OrderCancelRejected
    | OrderCanceled
    | OrderRejected
    | OrderExpired
    | OrderUnknown
    | AccountAdopted
    | BooksAdjusted
    | BooksActRefused
    | OrderClaimed
    | ListCreated
    | ListPendingCancel
    | ListAlarmed
    | ListScheduled
    | ListStepTaken
    | ListWaits
)

"""What a gateway reports of its venue, and of its own link to it."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from signalbox.messages.orders import Fill, PositionHeld
from signalbox.messages.words import NEVER, LinkStatus, Message, OrderType, RefusedBy, Side, TimeInForce, Utc


class VenueReport(Message, frozen=True, kw_only=True):
    """What every report of a venue carries. `at` is the venue's time."""

    venue: str
    account: str
    received_at: Utc = NEVER


class VenueAccepted(VenueReport, frozen=True, kw_only=True):
    order_id: str
    venue_order_id: str


class VenueTriggered(VenueReport, frozen=True, kw_only=True):
    order_id: str


class VenueHeld(VenueReport, frozen=True, kw_only=True):
    """The venue has the order and does not work it. It may come to life, or end."""

    order_id: str
    reason: str


class VenueNoted(VenueReport, frozen=True, kw_only=True):
    """Words of the venue about an order, which change nothing by themselves. `code` is the venue's, or ""."""

    order_id: str
    code: str
    reason: str


class VenueReleased(VenueReport, frozen=True, kw_only=True):
    """The venue works an order that it had held."""

    order_id: str


class VenueFill(VenueReport, frozen=True, kw_only=True):
    """One execution. `fill.order_id` is empty for an order the desk did not place.

    `currency` and `multiplier` are what the venue says of the contract; "" and None = it has not. `base_currency`: see
    `Order`.
    """

    fill: Fill
    venue_order_id: str
    currency: str = ""
    multiplier: Decimal | None = None
    base_currency: str = ""


class VenueCommission(VenueReport, frozen=True, kw_only=True):
    """The fee of one execution. `order_id` is empty if the execution has not been seen yet.

    `correction` counts what the venue has said of one revision's fee: a higher one replaces those before it.
    """

    execution_id: str
    revision: int
    order_id: str
    commission: Decimal
    currency: str
    correction: int = 0


class VenueFunding(VenueReport, frozen=True, kw_only=True):
    """A perpetual's funding payment. `amount` is signed: what the account received. `rate` is of one hour."""

    funding_id: str
    symbol: str
    amount: Decimal
    currency: str
    rate: Decimal


class VenueCanceled(VenueReport, frozen=True, kw_only=True):
    order_id: str
    reason: str


class VenueRejected(VenueReport, frozen=True, kw_only=True):
    """The venue will never work this order, or its gateway has not sent it. `code` is the venue's, or ""."""

    order_id: str
    code: str
    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED
    room_at: Utc | None = None
    """When it may be sent anew, where the refusal says nothing against it: the venue takes no more of the account
    before then, or others of its group have filled more than was known when it was sized."""


class VenueExpired(VenueReport, frozen=True, kw_only=True):
    order_id: str
    reason: str


class VenueCancelRejected(VenueReport, frozen=True, kw_only=True):
    order_id: str
    code: str
    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED


class VenueReplaced(VenueReport, frozen=True, kw_only=True):
    """The order has these terms at the venue from now on. `revision` is the command's; 0 = the desk has not asked."""

    order_id: str
    venue_order_id: str
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    revision: int = 0


class VenueReplaceRejected(VenueReport, frozen=True, kw_only=True):
    """The change that the command of that revision asked for is not made, and will not be: the order is as it was."""

    order_id: str
    revision: int
    code: str
    reason: str
    refused_by: RefusedBy = RefusedBy.UNSTATED
    room_at: Utc | None = None
    """When it may be sent anew, where the refusal says nothing against it: the venue takes no more of the account
    before then, or others of its group have filled more than was known when it was sized."""


class VenueReplaceUnknown(VenueReport, frozen=True, kw_only=True):
    """The gateway can not say whether the change was made; it goes on asking."""

    order_id: str
    revision: int
    reason: str


class VenueUnknown(VenueReport, frozen=True, kw_only=True):
    """The gateway can not say what became of the order; it goes on asking."""

    order_id: str
    reason: str


class VenueOrderFound(VenueReport, frozen=True, kw_only=True):
    """The venue works an order that this gateway has not sent: its terms as they are, told anew when they change.

    How it ends, or that a cancel of it was refused, other reports say, under `subjects.external_order` of its id.
    `venue_type` and `venue_time_in_force` are the venue's words; `order_type` and `time_in_force` ours, None = we have
    none. `placed_by` is whom the venue names, `reference` what he calls it. `quantity` is the total.
    """

    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal = Decimal(0)
    venue_type: str = ""
    order_type: OrderType | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    venue_time_in_force: str = ""
    time_in_force: TimeInForce | None = None
    reduce_only: bool = False
    post_only: bool = False
    placed_by: str = ""
    reference: str = ""
    currency: str = ""
    multiplier: Decimal | None = None
    base_currency: str = ""


class OpenOrder(Struct, frozen=True, kw_only=True):
    """A working order as the venue states it; `order_id` is empty if the desk did not place it."""

    order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal


class VenueSnapshot(VenueReport, frozen=True, kw_only=True):
    """All the venue holds for an account at one moment. It exists only when every end marker has come.

    Of `unread` symbols the venue's rows make no sense: what is held of them is not known.
    `cash` is that in `currency`, `other_cash` what there is in others; None = the venue says one figure alone.
    `cash` has all funding that was paid up to `funding_until`, whether the venue lists it yet or not (None = what is
    listed). `funding_ids` are payments that it lists, `funding_times` when each was paid. `funding_awaited` = it will
    list more of what is in `cash`: until then the two can not be compared.
    """

    currency: str
    cash: Decimal
    positions: tuple[PositionHeld, ...]
    open_orders: tuple[OpenOrder, ...]
    execution_ids: tuple[str, ...]
    funding_ids: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    other_cash: dict[str, Decimal] | None = None
    funding_until: Utc | None = None
    funding_times: tuple[Utc, ...] = ()
    funding_awaited: bool = False


Report = (
    VenueAccepted
    | VenueTriggered
    | VenueHeld
    | VenueReleased
    | VenueNoted
    | VenueFill
    | VenueCommission
    | VenueFunding
    | VenueCanceled
    | VenueRejected
    | VenueExpired
    | VenueCancelRejected
    | VenueReplaced
    | VenueReplaceRejected
    | VenueReplaceUnknown
    | VenueUnknown
    | VenueOrderFound
    | VenueSnapshot
)


class VenueLink(Message, frozen=True, kw_only=True):
    """A gateway's heartbeat (each second of wall time) and every change of what it can do."""

    venue: str
    account: str
    status: LinkStatus
    reason: str = ""
    unread: dict[str, str] = field(default_factory=dict)
    """Symbols that nothing is sent for: a fact of the venue about them makes no sense, and which."""

"""Which orders TWS takes, and the words it has for their states.

Owns the checks that the gateway makes before an order reaches the venue, in TWS's order and with its error codes.
Pure. It must not know which orders exist, nor the venue's own checks (margin, lot, market on close too late).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from signalbox.errors import CalendarError
from signalbox.exchange.groups import OCA_TYPES, REDUCES_WITHOUT_BLOCK
from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import OrderTerms, VenueOrder, VenueOrderStatus
from signalbox.messages import InstrumentKind, OrderType, Side, TimeInForce, TriggerMethod
from signalbox.order_terms import AT_ONCE, AT_OPEN, IN_AUCTION, TRAILING, TRIGGERED, WHY_OVER, WITH_LIMIT, WITH_STOP
from signalbox.sessions import is_open, session_at

from simulators.tws import times, trailing
from simulators.tws.contracts import Unresolved, invalid
from simulators.tws.place_order import PRICE_CONDITIONED, PlaceOrder
from simulators.tws.wire import decimal_text

ORDER_TYPES = {
    "LMT": OrderType.LIMIT,
    "MKT": OrderType.MARKET,
    "STP": OrderType.STOP,
    "STP LMT": OrderType.STOP_LIMIT,
    "MIT": OrderType.MARKET_IF_TOUCHED,
    "LIT": OrderType.LIMIT_IF_TOUCHED,
    "MTL": OrderType.MARKET_TO_LIMIT,
    "TRAIL": OrderType.TRAILING_STOP,
    "TRAIL LIMIT": OrderType.TRAILING_STOP_LIMIT,
    "MOC": OrderType.MARKET_ON_CLOSE,
    "LOC": OrderType.LIMIT_ON_CLOSE,
}
AT_THE_OPENING = {"MKT": OrderType.MARKET_ON_OPEN, "LMT": OrderType.LIMIT_ON_OPEN}
"""What an order is whose time in force is `OPG`."""
KNOWN_ORDER_TYPES = frozenset(
    {"REL", "MIDPRICE", "PEG MID", "PEG MKT", "PEG BEST"}
    | {"PEG BENCH", "PEGMID", "PEGBEST", "PEGBENCH", "BOX TOP", "VOL", "STP PRT", "MKT PRT", "SNAP MKT", "SNAP MID"}
)
OPENING = "OPG"
TIMES_IN_FORCE = {"": TimeInForce.DAY, OPENING: TimeInForce.DAY, **{each.value: each for each in TimeInForce}}
KNOWN_TIMES_IN_FORCE = frozenset({"DTC", "AUC", "GTX", "Minutes"})
_FOR_THE_CLOSE = ("MOC", "LOC")

PRICE_MAX = QUANTITY_MAX = 10**9
"""What is larger is a mistake, and would not survive decimal arithmetic."""

TRIGGERS = {
    0: TriggerMethod.DEFAULT, 2: TriggerMethod.LAST, 4: TriggerMethod.BID_ASK, 8: TriggerMethod.MID,
}  # fmt: skip
"""What `triggerMethod` says, as far as this venue has it."""
_TRIGGER_NUMBERS = {ours: theirs for theirs, ours in TRIGGERS.items()}
_BAD_TIME = "The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xx/xxxx"

TWS_ORDER_TYPE = {ours: theirs for words in (ORDER_TYPES, AT_THE_OPENING) for theirs, ours in words.items()}


def rejected(reason: str) -> Unresolved:
    return Unresolved(201, f"Order rejected - reason:{reason}")


def terms_of(
    request: PlaceOrder, listing: Listing, accounts: tuple[str, ...], now: datetime, client_tag: str, parent: int = 0
) -> OrderTerms | Unresolved:
    """Return the order that the venue is to take, attached to order `parent`, or the error that the client gets."""
    account = _account(request, accounts)
    if isinstance(account, Unresolved):
        return account
    quantity = request.number("totalQuantity")
    objection = (
        _bad_size(quantity)
        or _bad_kind(request, listing)
        or _unsupported(request)
        or _bad_prices(request, listing)
        or _bad_instructions(request, listing)
        or trailing.fault(request, type_of(request), listing.tick, PRICE_MAX)
    )
    if objection:
        return objection
    good_till, not_before = _good_till(request, listing, now), _good_after(request, listing)
    if isinstance(good_till, Unresolved):
        return good_till
    if isinstance(not_before, Unresolved):
        return not_before
    assert quantity is not None
    order_type = type_of(request)
    return OrderTerms(
        account=account,
        symbol=listing.key,
        side=Side(request.text("action")),
        quantity=quantity,
        order_type=order_type,
        limit_price=request.number("lmtPrice") if order_type in WITH_LIMIT else None,
        stop_price=trailing.stop_of(request, order_type),
        time_in_force=TIMES_IN_FORCE[request.text("tif")],
        good_till=good_till,
        outside_regular_hours=request.flag("outsideRth") and not ignores_outside_hours(request, listing),
        all_or_none=request.flag("allOrNone"),
        display_quantity=Decimal(request.integer("displaySize")) if request.integer("displaySize") > 0 else None,
        not_before=not_before,
        trigger=TRIGGERS[request.integer("triggerMethod")],
        **trailing.distances(request, order_type),
        activation_price=trailing.activation_of(request),
        client_reference=request.text("orderRef"),
        client_tag=client_tag,
        parent_number=parent,
        **_group_of(request, client_tag),
    )


class _Group(TypedDict):
    oca_group: str
    oca_type: int


def _group_of(request: PlaceOrder, client_tag: str) -> _Group:
    """The group that an order says, or that the children of one parent are by themselves."""
    if request.text("ocaGroup"):
        return _Group(oca_group=request.text("ocaGroup"), oca_type=request.integer("ocaType"))
    if request.integer("parentId") > 0:
        client_id = client_tag.partition(":")[0]
        return _Group(oca_group=f"{client_id}:{request.integer('parentId')}", oca_type=REDUCES_WITHOUT_BLOCK)
    return _Group(oca_group="", oca_type=0)


def type_of(request: PlaceOrder) -> OrderType:
    """What an order is, of which `_bad_kind` has found nothing wrong."""
    of_day = ORDER_TYPES[request.text("orderType")]
    return AT_THE_OPENING[request.text("orderType")] if request.text("tif") == OPENING else of_day


def tif_of(terms: OrderTerms) -> str:
    """The time in force of an order, in TWS's word."""
    return OPENING if terms.order_type in AT_OPEN else terms.time_in_force.value


def ignores_outside_hours(request: PlaceOrder, listing: Listing) -> bool:
    """Whether the order asks for trading outside regular hours, which its type or contract does not have (2109)."""
    has_none = request.text("orderType") in ("MKT", "MTL", *_FOR_THE_CLOSE) or request.text("tif") == OPENING
    has_none = has_none or listing.option is not None
    return request.flag("outsideRth") and has_none


def _account(request: PlaceOrder, accounts: tuple[str, ...]) -> str | Unresolved:
    account = request.text("account")
    if account in accounts:
        return account
    if account:
        return invalid(f"Invalid account code '{account}'")
    return accounts[0] if len(accounts) == 1 else Unresolved(435, "You must specify an account.")


def _bad_size(quantity: Decimal | None) -> Unresolved | None:
    if quantity is None or quantity == 0:
        return Unresolved(434, "The order size cannot be zero.")
    if not 0 < quantity <= QUANTITY_MAX:
        return invalid(f"The order size must be above 0 and at most {QUANTITY_MAX}")
    if quantity != quantity.to_integral_value():
        text = "Fractional-sized order cannot be placed via API. Please use desktop version to place it."
        return Unresolved(10243, text)
    return None


def _bad_kind(request: PlaceOrder, listing: Listing) -> Unresolved | None:
    action, order_type, tif = request.text("action"), request.text("orderType"), request.text("tif")
    if action not in ("BUY", "SELL"):
        return invalid(f"Invalid side: {action}")
    if (order_type in _FOR_THE_CLOSE or tif == OPENING) and listing.option is not None:
        return Unresolved(387, "Unsupported order type for this exchange and security type.")
    if order_type not in ORDER_TYPES:
        if order_type in KNOWN_ORDER_TYPES:
            return Unresolved(387, "Unsupported order type for this exchange and security type.")
        return invalid(f"Invalid order type was entered: {order_type}")
    if tif in KNOWN_TIMES_IN_FORCE:
        return Unresolved(
            10052, f"Invalid time in force:{tif}. The gateway is simulated and has {', '.join(TimeInForce)}."
        )
    if tif not in TIMES_IN_FORCE:
        return Unresolved(10052, f"Invalid time in force:{tif}")
    if ORDER_TYPES[order_type] in (*TRIGGERED, OrderType.MARKET_TO_LIMIT) and tif in AT_ONCE:
        return Unresolved(10052, f"Invalid time in force:{tif}")  # it could not wait: for its trigger, or at its limit
    if tif == OPENING and order_type not in (*AT_THE_OPENING, *_FOR_THE_CLOSE):
        return Unresolved(10052, f"Invalid time in force:{tif}")
    if order_type in _FOR_THE_CLOSE and tif not in ("DAY", ""):
        return Unresolved(113, "The Tif option should be set to DAY for MOC and LOC orders.")
    return None


def _unsupported(request: PlaceOrder) -> Unresolved | None:
    """Refuse what the venue can not do; taking the order without it would be another order."""
    parts = set(request.blocks) - ({PRICE_CONDITIONED} if trailing.is_activated(request) else set())
    for name in ("faGroup", "modelCode", "scaleTable", "adjustedOrderType"):
        if request.text(name):
            parts.add(name)
    if request.integer("triggerMethod") not in TRIGGERS:
        parts.add(f"triggerMethod {request.integer('triggerMethod')}")
    for name in ("discretionaryAmt", "cashQty"):
        if request.number(name):
            parts.add(name)
    for name in ("hidden", "sweepToFill", "blockOrder"):
        if request.flag(name):
            parts.add(name)
    if parts:
        return rejected(f"this simulated venue has no {', '.join(sorted(parts))}")
    if request.text("ocaGroup") and request.integer("ocaType") not in OCA_TYPES:
        return invalid(f"Invalid OCA type: {request.text('ocaType')}")
    return None


def _bad_prices(request: PlaceOrder, listing: Listing) -> Unresolved | None:
    for name, word, types in (("lmtPrice", "limit", WITH_LIMIT), ("auxPrice", "stop", WITH_STOP)):
        if type_of(request) not in types:
            continue
        price = request.number(name)
        if price is None or not 0 < price <= PRICE_MAX:
            return invalid(f"Please enter a valid {word} price")
        if price % listing.tick_at(price):
            return Unresolved(110, "The price does not conform to the minimum price variation for this contract.")
    return None


def _bad_instructions(request: PlaceOrder, listing: Listing) -> Unresolved | None:
    """Refuse what an order of its type, or of its contract, does not have (IB: "Order Types and Algos")."""
    order_type, shown = type_of(request), request.integer("displaySize")
    rests = order_type in WITH_LIMIT - IN_AUCTION and request.text("tif") not in AT_ONCE
    if shown > 0 and (not rests or listing.kind is InstrumentKind.FOREX):
        return rejected("the display size is not allowed for this order")
    if shown > 0 and shown >= (request.number("totalQuantity") or 0):
        return rejected("the display size must be below the order's size")
    if request.flag("allOrNone") and (not rests or listing.kind is InstrumentKind.FOREX or shown > 0):
        return rejected("all-or-none is not allowed for this order")
    if request.text("goodAfterTime") and (order_type in IN_AUCTION or request.text("tif") in AT_ONCE):
        return rejected("the good-after time is not allowed for this order")
    return None


def _good_after(request: PlaceOrder, listing: Listing) -> datetime | Unresolved | None:
    if not request.text("goodAfterTime"):
        return None
    try:
        return times.read(request.text("goodAfterTime"), listing.time_zone)
    except ValueError:
        return Unresolved(337, _BAD_TIME)


def _good_till(request: PlaceOrder, listing: Listing, now: datetime) -> datetime | Unresolved | None:
    if request.text("tif") != "GTD":
        return None
    try:
        good_till = times.read(request.text("goodTillDate"), listing.time_zone)
    except ValueError:
        return Unresolved(337, _BAD_TIME)
    return good_till if good_till > now else Unresolved(334, "Invalid Good Till Date order")


def fields_of(terms: OrderTerms) -> dict[str, str]:
    """The texts of an order's terms: they stand over what its client wrote, which may be older or not known."""
    return {
        "action": terms.side.value,
        "totalQuantity": decimal_text(terms.quantity),
        "orderType": TWS_ORDER_TYPE[terms.order_type],
        "lmtPrice": "" if terms.limit_price is None else decimal_text(terms.limit_price),
        "auxPrice": "" if terms.stop_price is None else decimal_text(terms.stop_price),
        "tif": tif_of(terms),
        "account": terms.account,
        "orderRef": terms.client_reference,
        "outsideRth": "1" if terms.outside_regular_hours else "0",
        "goodTillDate": "" if terms.good_till is None else times.stamp(terms.good_till),
        **({"ocaGroup": terms.oca_group, "ocaType": str(terms.oca_type)} if terms.oca_group else {}),
        "goodAfterTime": "" if terms.not_before is None else times.stamp(terms.not_before),
        "allOrNone": "1" if terms.all_or_none else "0",
        "displaySize": "0" if terms.display_quantity is None else decimal_text(terms.display_quantity),
        "triggerMethod": str(_TRIGGER_NUMBERS[terms.trigger]),
        **(trailing.fields_of(terms) if terms.order_type in TRAILING else {}),
    }


def reason_of(order: VenueOrder) -> str:
    """What TWS says of why an order has been cancelled: of one that is over at once, nothing."""
    return "" if order.reason == WHY_OVER.get(order.terms.time_in_force) else order.reason


def status_of(order: VenueOrder, calendar: str, now: datetime) -> str:
    """TWS's word for the order's state now.

    PreSubmitted is what TWS itself still holds: stops that have not triggered, orders for an auction, and orders whose
    market is shut.
    """
    match order.status:
        case VenueOrderStatus.FILLED:
            return "Filled"
        case VenueOrderStatus.CANCELED | VenueOrderStatus.EXPIRED:
            return "Cancelled"
        case VenueOrderStatus.REJECTED:
            return "Inactive"
        case VenueOrderStatus.TRIGGERED:
            return "Submitted"
        case VenueOrderStatus.HELD:
            return "PreSubmitted"
    begins = order.terms.not_before
    held = order.terms.order_type in TRIGGERED | IN_AUCTION or (begins is not None and now < begins)
    return "PreSubmitted" if held or not can_trade(order.terms, calendar, now) else "Submitted"


def why_held(order: VenueOrder) -> str:
    """What an orderStatus says of why TWS holds an order that waits for its parent; "" = it does not."""
    if order.status is not VenueOrderStatus.HELD:
        return ""
    return "child,trigger" if order.terms.order_type in TRIGGERED else "child"


def can_trade(terms: OrderTerms, calendar: str, now: datetime) -> bool:
    """Whether the order's market is open for it."""
    try:
        return is_open(calendar, now) or (terms.outside_regular_hours and session_at(calendar, now) is not None)
    except CalendarError:
        return False


def waits_for_the_open(terms: OrderTerms, calendar: str, now: datetime) -> bool:
    """Whether the order is held until its market opens: one that never rests is not, it is over at once."""
    return terms.time_in_force not in AT_ONCE and not can_trade(terms, calendar, now)


_BECOMES = {OrderType.STOP: OrderType.TRAILING_STOP, OrderType.STOP_LIMIT: OrderType.TRAILING_STOP_LIMIT}
"""A stop that works can be made one that trails."""


def may_become(new: OrderTerms, old: OrderTerms) -> bool:
    """Whether the venue can change an order to that type."""
    return new.order_type is old.order_type or new.order_type is _BECOMES.get(old.order_type)


def same_order(new: OrderTerms, old: OrderTerms) -> bool:
    """Whether the new terms differ only in what the venue can change: quantity, prices, and how far a stop trails."""
    unchangeable = (
        "account symbol side time_in_force good_till outside_regular_hours client_reference oca_group "
        "all_or_none display_quantity not_before trigger activation_price"
    )
    return all(getattr(new, name) == getattr(old, name) for name in unchangeable.split())

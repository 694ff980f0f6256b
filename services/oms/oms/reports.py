"""What a venue's report makes necessary: accepted, filled, fee, ended, unknown; and a perpetual's funding.

Owns how reports become order events, and that each counts once however often, late or out of order it comes: an
execution by (execution id, revision), funding by its own id, every other report by the report's. Pure, like
`oms.decide`. Snapshots of a whole account: `oms.snapshots`.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import (
    CommissionBooked,
    Fill,
    FillCorrected,
    FundingBooked,
    Instrument,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderCreated,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderHeld,
    OrderNoted,
    OrderPartiallyFilled,
    OrderRejected,
    OrderReleased,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceUnknown,
    OrderStatus,
    OrderTriggered,
    OrderUnknown,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueFunding,
    VenueHeld,
    VenueNoted,
    VenueRejected,
    VenueReleased,
    VenueReplaced,
    VenueReplaceRejected,
    VenueReplaceUnknown,
    VenueTriggered,
    VenueUnknown,
)
from signalbox.subjects import EXTERNAL_PREFIX, FUNDING, external_order

from oms.books import contains_funding
from oms.found import external_terms
from oms.outcome import NoteKind, Outcome, carried
from oms.positions import ZERO, add, subtract
from oms.state import UNATTRIBUTED, AccountBook, OrderState, Owner, State, order_key
from oms.transitions import ACKNOWLEDGING, next_status

OrderReport = (
    VenueAccepted
    | VenueTriggered
    | VenueHeld
    | VenueReleased
    | VenueNoted
    | VenueCanceled
    | VenueRejected
    | VenueExpired
    | VenueCancelRejected
    | VenueReplaced
    | VenueReplaceRejected
    | VenueReplaceUnknown
    | VenueUnknown
)

_EVENTS: dict[type[OrderReport], type[OrderEvent]] = {
    VenueAccepted: OrderAccepted,
    VenueTriggered: OrderTriggered,
    VenueHeld: OrderHeld,
    VenueReleased: OrderReleased,
    VenueNoted: OrderNoted,
    VenueCanceled: OrderCanceled,
    VenueRejected: OrderRejected,
    VenueExpired: OrderExpired,
    VenueCancelRejected: OrderCancelRejected,
    VenueReplaced: OrderReplaced,
    VenueReplaceRejected: OrderReplaceRejected,
    VenueReplaceUnknown: OrderReplaceUnknown,
    VenueUnknown: OrderUnknown,
}

# ------------------------------------------------------------------------------------------------- an order's status


def decide_order_report(state: State, report: OrderReport) -> Outcome:
    """What a report that is no fill and no fee makes of its order: one event, or none if it says nothing new.

    Raises `IllegalTransitionError` where the order can not take it (it was denied and never sent).
    """
    order = state.find_order(report.venue, report.account, report.order_id)
    if order is None:
        return Outcome(notes=(NoteKind.FOREIGN_REPORT,))
    kind = _EVENTS[type(report)]
    status = next_status(
        order.order_id,
        order.status,
        kind,
        acknowledged=order.acknowledged or kind in ACKNOWLEDGING,
        filled=order.filled_quantity > 0,
        complete=_completes(order, report),
        replacing=order.change is not None and not _answers(order, report),
    )
    if report.id in order.causes or not _is_news(order, report, status):
        return Outcome(notes=(NoteKind.REPEATED_REPORT,))
    return Outcome(events=(_order_event(state, order, report, status),))


def _answers(order: OrderState, report: OrderReport) -> bool:
    """Whether the report says what became of the change that is open."""
    if order.change is None or not isinstance(report, VenueReplaced | VenueReplaceRejected):
        return False
    return report.revision == order.change.revision


def _completes(order: OrderState, report: OrderReport) -> bool:
    """Whether what has filled is all of the order, by the terms that stand after the report."""
    if order.is_final or order.order is None or not order.filled_quantity:
        return False
    if isinstance(report, VenueReplaced):
        return order.filled_quantity >= report.quantity and (order.change is None or _answers(order, report))
    return _answers(order, report) and order.filled_quantity >= order.order.quantity


def _replaced_terms(order: OrderState, report: VenueReplaced) -> Order:
    assert order.order is not None  # a denied order has no row for this
    asked = order.change.order if order.change is not None and _answers(order, report) else order.order
    new = {"quantity": report.quantity, "limit_price": report.limit_price, "stop_price": report.stop_price}
    return replace(asked, **new)


def _is_news(order: OrderState, report: OrderReport, status: OrderStatus) -> bool:
    """Whether the report changes the status, or tells a person or a program something not known before."""
    if status is not order.status:
        return True
    if isinstance(report, VenueAccepted):
        return report.venue_order_id != order.venue_order_id
    if isinstance(report, VenueTriggered):  # hidden behind a pending cancel or a fill, and announced all the same
        return order.status in (OrderStatus.PENDING_CANCEL, OrderStatus.PARTIALLY_FILLED)
    if isinstance(report, VenueReplaced):
        return _answers(order, report) or _replaced_terms(order, report) != order.order
    if isinstance(report, VenueReplaceRejected | VenueReplaceUnknown):  # of the change before this one it says nothing
        return order.change is not None and report.revision == order.change.revision
    return isinstance(report, VenueCancelRejected | VenueNoted)


def _order_event(state: State, order: OrderState, report: OrderReport, status: OrderStatus) -> OrderEvent:
    common = carried(state, order.owner, status, report.at, report.id)
    match report:
        case VenueAccepted():
            return OrderAccepted(**common, venue_order_id=report.venue_order_id)
        case VenueTriggered():
            return OrderTriggered(**common)
        case VenueHeld():
            return OrderHeld(**common, reason=report.reason)
        case VenueNoted():
            return OrderNoted(**common, reason=_with_code(report))
        case VenueReleased():
            return OrderReleased(**common)
        case VenueCanceled():
            return OrderCanceled(**common, reason=report.reason)
        case VenueRejected():
            why, by = _with_code(report), report.refused_by
            return OrderRejected(**common, reason=why, refused_by=by, room_at=report.room_at)
        case VenueExpired():
            return OrderExpired(**common, reason=report.reason)
        case VenueCancelRejected():
            return OrderCancelRejected(**common, reason=_with_code(report), refused_by=report.refused_by)
        case VenueReplaced():
            terms = _replaced_terms(order, report)
            leaves = max(ZERO, subtract(terms.quantity, order.filled_quantity))
            return OrderReplaced(**common, order=terms, leaves_quantity=leaves, revision=report.revision)
        case VenueReplaceRejected():
            why, by = _with_code(report), report.refused_by
            revision, room_at = report.revision, report.room_at
            return OrderReplaceRejected(**common, reason=why, refused_by=by, revision=revision, room_at=room_at)
        case VenueReplaceUnknown():
            return OrderReplaceUnknown(**common, reason=report.reason)
        case VenueUnknown():
            return OrderUnknown(**common, reason=report.reason)


def _with_code(report: VenueRejected | VenueCancelRejected | VenueReplaceRejected | VenueNoted) -> str:
    return f"{report.code}: {report.reason}" if report.code else report.reason


# ------------------------------------------------------------------------------------------------------------- fills


def decide_fill(state: State, report: VenueFill, instrument: Instrument | None) -> Outcome:
    """Book an execution once; a higher revision corrects the lower one, whatever the order's status.

    A fill of an order that the desk did not place, or does not know, is booked under `external-<venue order id>`, which
    begins with it. The venue's word gives such an order its currency and multiplier, else `instrument`.
    """
    fill = report.fill
    book = state.accounts.get((report.venue, report.account))
    if book is not None and fill.execution_id in book.adopted_execution_ids:
        return Outcome(notes=(NoteKind.ADOPTED_FILL,))
    booked = book.find_execution(fill.execution_id) if book is not None else None
    if booked is not None:
        if fill.revision <= booked.fill.revision:
            return Outcome(notes=(NoteKind.DUPLICATE_FILL,))
        order = state.orders[order_key(report.venue, report.account, booked.order_id)]
        return Outcome(events=(_corrected(state, order, report, booked.fill),))
    known = state.find_order(report.venue, report.account, fill.order_id) if fill.order_id else None
    if known is not None and known.order is not None:
        return _filled(state, known, report)
    return _external(state, book, report, instrument)


def _filled(state: State, order: OrderState, report: VenueFill) -> Outcome:
    cumulative = add(order.filled_quantity, report.fill.quantity)
    event = _fill_event(state, order.owner, order.status, report, cumulative, order.quantity_max)
    overfilled = cumulative > order.quantity_max and not order.order_id.startswith(EXTERNAL_PREFIX)
    return Outcome(events=(event,), notes=(NoteKind.OVERFILL,) if overfilled else ())


def _fill_event(
    state: State,
    owner: Owner,
    before: OrderStatus,
    report: VenueFill,
    cumulative: Decimal,
    quantity: Decimal,
    ahead: int = 0,
) -> OrderEvent:
    leaves = subtract(quantity, cumulative)
    if not leaves or leaves.is_signed():  # it may be filled for more
        leaves = ZERO
    kind = OrderPartiallyFilled if leaves else OrderFilled
    status = next_status(owner[2], before, kind, filled=True)
    return kind(
        **carried(state, owner, status, report.at, report.id, ahead=ahead),
        fill=_of_order(report.fill, owner[2]),
        cumulative_quantity=cumulative,
        leaves_quantity=leaves,
    )


def _corrected(state: State, order: OrderState, report: VenueFill, replaced: Fill) -> OrderEvent:
    assert order.order is not None  # it has fills
    fill = _of_order(report.fill, order.order_id)
    cumulative = add(subtract(order.filled_quantity, replaced.quantity), fill.quantity)
    leaves = max(ZERO, subtract(order.quantity_max, cumulative))
    status = next_status(order.order_id, order.status, FillCorrected, filled=cumulative > 0, complete=not leaves)
    return FillCorrected(
        **carried(state, order.owner, status, report.at, report.id),
        fill=fill,
        replaced=replaced,
        cumulative_quantity=cumulative,
        leaves_quantity=leaves,
    )


def _external(state: State, book: AccountBook | None, report: VenueFill, instrument: Instrument | None) -> Outcome:
    """Book a fill of an order placed elsewhere. While its terms are not known (`oms.found`) what has traded is all
    there is of it.

    An order has one contract: the legs of a combination, which bear the one number, are orders each, by execution.
    """
    order_id = external_order(report.venue_order_id or report.fill.execution_id)
    order = state.find_order(report.venue, report.account, order_id)
    if order is not None and order.order is not None and order.order.symbol != report.fill.symbol:
        order_id = external_order(f"{report.venue_order_id}-{report.fill.execution_id}")
        order = state.find_order(report.venue, report.account, order_id)
    owner = (report.venue, report.account, order_id)
    if order is not None and order.order is not None:
        return _filled(state, order, report)
    status = next_status(order_id, None, OrderCreated)
    created = OrderCreated(
        **carried(state, owner, status, report.at, report.id),
        order=external_terms(book, report, order_id, instrument),
    )
    quantity = report.fill.quantity
    filled = _fill_event(state, owner, status, report, quantity, quantity, ahead=1)
    return Outcome(
        events=(created, filled), notes=() if instrument or report.currency else (NoteKind.UNKNOWN_INSTRUMENT,)
    )


def _of_order(fill: Fill, order_id: str) -> Fill:
    return fill if fill.order_id == order_id else replace(fill, order_id=order_id)


# -------------------------------------------------------------------------------------------------------------- fees


def decide_commission(state: State, report: VenueCommission) -> Outcome:
    """Keep the fee of an execution once per revision and correction, also before the execution is there.

    It is written under the execution's order; while nobody knows which that is, under `_unattributed`.
    """
    book = state.accounts.get((report.venue, report.account))
    if book is not None and report.execution_id in book.adopted_execution_ids:
        return Outcome(notes=(NoteKind.ADOPTED_FILL,))
    fee = book.find_fee(report.execution_id) if book is not None else None
    if fee is not None and (report.revision, report.correction) <= (fee.revision, fee.correction):
        return Outcome(notes=(NoteKind.DUPLICATE_COMMISSION,))
    execution = book.find_execution(report.execution_id) if book is not None else None
    order_id = execution.order_id if execution is not None else report.order_id
    order = state.find_order(report.venue, report.account, order_id) if order_id else None
    if order is None or order.order is None:
        # FILLED: there is an execution, and a reader who counts what works must not count this.
        order_id, status = UNATTRIBUTED, OrderStatus.FILLED
    else:
        status = next_status(order_id, order.status, CommissionBooked)
    event = CommissionBooked(
        **carried(state, (report.venue, report.account, order_id), status, report.at, report.id),
        execution_id=report.execution_id,
        revision=report.revision,
        commission=report.commission,
        currency=report.currency,
        correction=report.correction,
    )
    return Outcome(events=(event,))


# ----------------------------------------------------------------------------------------------------------- funding


def decide_funding(state: State, report: VenueFunding) -> Outcome:
    """Book a funding payment once, under the account's reserved order id; it belongs to no order."""
    book = state.accounts.get((report.venue, report.account))
    if book is not None and contains_funding(book, report.funding_id, report.at):
        return Outcome(notes=(NoteKind.ADOPTED_FUNDING,))
    if book is not None and report.funding_id in book.funding_payments:
        return Outcome(notes=(NoteKind.DUPLICATE_FUNDING,))
    # FILLED: this is no order, and a reader who counts what works must not count it.
    event = FundingBooked(
        **carried(state, (report.venue, report.account, FUNDING), OrderStatus.FILLED, report.at, report.id),
        funding_id=report.funding_id,
        symbol=report.symbol,
        amount=report.amount,
        currency=report.currency,
    )
    return Outcome(events=(event,))

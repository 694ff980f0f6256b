"""Orders that others have placed in an account: by hand at the venue, or by another program. They are EXTERNAL.

Owns how what a gateway says of one becomes an order of the desk's record: it begins with its terms as they are, under
`external-<venue order id>`, which no order of the desk's own can have; it is given other terms when the venue shows
others, and works again where one that had ended (or of which only a fill was known) is shown to. Its fills, its end and
refused cancels come as those of any order (`oms.reports`). Pure.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import (
    Instrument,
    Order,
    OrderAccepted,
    OrderCreated,
    OrderEvent,
    OrderReplaced,
    OrderStatus,
    OrderType,
    TimeInForce,
    VenueFill,
    VenueOrderFound,
)
from signalbox.subjects import external_order

from oms.outcome import NoteKind, Outcome, carried
from oms.positions import ZERO, subtract
from oms.state import AccountBook, OrderState, Owner, State
from oms.transitions import next_status


def decide_found(state: State, report: VenueOrderFound, instrument: Instrument | None) -> Outcome:
    """Begin the order, or take what is news of it; nothing where it says what is known."""
    order_id = external_order(report.venue_order_id)
    owner = (report.venue, report.account, order_id)
    if not report.quantity.is_finite() or report.quantity <= 0:
        return Outcome(notes=(NoteKind.FOREIGN_REPORT,))  # no gateway of ours says so
    order = state.find_order(*owner)
    if order is None or order.order is None:
        return _begun(state, owner, report, instrument)
    if order.order.symbol != report.symbol:  # the legs of a combination trade under its number
        return Outcome(notes=(NoteKind.FOREIGN_REPORT,))
    events = _restated(state, order, order.order, report)
    return Outcome(events=events) if events else Outcome(notes=(NoteKind.REPEATED_REPORT,))


def _begun(state: State, owner: Owner, report: VenueOrderFound, instrument: Instrument | None) -> Outcome:
    book = state.accounts.get(owner[:2])
    status = next_status(owner[2], None, OrderCreated)
    begun = _terms(external_terms(book, report, owner[2], instrument), report)
    created = OrderCreated(**carried(state, owner, status, report.at, report.id), order=begun)
    accepted = _accepted(state, owner, status, report, ahead=1)
    unknown = not (instrument or report.currency)
    return Outcome(events=(created, accepted), notes=(NoteKind.UNKNOWN_INSTRUMENT,) if unknown else ())


def _restated(state: State, order: OrderState, known: Order, report: VenueOrderFound) -> tuple[OrderEvent, ...]:
    """What is news of an order that has begun: with its terms, or with a fill that came before them."""
    events: list[OrderEvent] = []
    status, terms = order.status, _terms(known, report)
    filled = order.filled_quantity > 0
    is_new = report.id not in order.causes
    reopened = order.is_final and report.quantity > order.filled_quantity
    if is_new and (reopened or (not order.is_final and terms != known)):
        status = next_status(
            order.order_id,
            status,
            OrderReplaced,
            filled=filled,
            complete=order.filled_quantity >= terms.quantity,
            reopened=reopened,
        )
        leaves = max(ZERO, subtract(terms.quantity, order.filled_quantity))
        common = carried(state, order.owner, status, report.at, report.id)
        events.append(OrderReplaced(**common, order=terms, leaves_quantity=leaves))
    lacks_name = order.venue_order_id != report.venue_order_id
    if lacks_name or (is_new and status is OrderStatus.UNKNOWN):
        events.append(_accepted(state, order.owner, status, report, ahead=len(events), filled=filled))
    return tuple(events)


def _accepted(
    state: State, owner: Owner, before: OrderStatus, report: VenueOrderFound, *, ahead: int, filled: bool = False
) -> OrderAccepted:
    status = next_status(owner[2], before, OrderAccepted, filled=filled)
    common = carried(state, owner, status, report.at, report.id, ahead=ahead)
    return OrderAccepted(**common, venue_order_id=report.venue_order_id)


def _terms(order: Order, report: VenueOrderFound) -> Order:
    """The order as the venue shows it now. What it is of, its side, in which money and whose it is stays."""
    return replace(
        order,
        quantity=report.quantity,
        order_type=report.order_type or OrderType.MARKET,
        limit_price=report.limit_price,
        stop_price=report.stop_price,
        time_in_force=report.time_in_force or TimeInForce.GTC,
        reduce_only=report.reduce_only,
        post_only=report.post_only,
        placed_by=f"{report.placed_by} ({report.reference})" if report.reference else report.placed_by,
        venue_type=report.venue_type,
        venue_time_in_force=report.venue_time_in_force,
    )


def external_terms(
    book: AccountBook | None, report: VenueFill | VenueOrderFound, order_id: str, instrument: Instrument | None
) -> Order:
    """An order placed elsewhere, of which nothing is known but what this report says: its money is the position's, else
    what the venue says, else the instrument's."""
    said = report.fill if isinstance(report, VenueFill) else report
    held = book.symbols.get(said.symbol) if book is not None else None
    if held is not None:
        currency, multiplier = held.currency, held.multiplier
    elif report.currency:
        currency, multiplier = report.currency, report.multiplier or Decimal(1)
    elif instrument is not None:
        currency, multiplier = instrument.currency, instrument.multiplier
    else:  # a fill is never lost for want of a name for its money: the account's own, told by UNKNOWN_INSTRUMENT
        currency, multiplier = (book.currency if book is not None else "") or "USD", Decimal(1)
    return Order(
        order_id=order_id,
        intent_id="",
        venue=report.venue,
        account=report.account,
        symbol=said.symbol,
        side=said.side,
        quantity=said.quantity,
        order_type=OrderType.MARKET,
        multiplier=multiplier,
        currency=currency,
        base_currency=report.base_currency or (instrument.base_currency if instrument is not None else ""),
    )

"""What a venue's snapshot of an account makes necessary: the books' baseline once, comparison ever after.

Owns where the books of an account begin, and the question "does the venue see what we see?". Differences are reported
(`Drift`), never mended: mending would be guessing which of the two is right. Pure, like `oms.decide`.

A snapshot is a moment, and reports overtake it: whatever we have heard of since that moment is not compared.
"""

from __future__ import annotations

from signalbox.messages import (
    AccountAdopted,
    OpenOrder,
    OrderAccepted,
    OrderEvent,
    OrderStatus,
    OrderUnknown,
    VenueSnapshot,
)
from signalbox.subjects import BASELINE, external_order

from oms.books import contains_funding
from oms.outcome import Drift, DriftKind, Outcome, carried
from oms.positions import ZERO, plain, subtract
from oms.state import AccountBook, OrderState, State
from oms.transitions import next_status


def decide_snapshot(state: State, snapshot: VenueSnapshot) -> Outcome:
    """Adopt the account if its books have no baseline yet, compare them otherwise; say which orders are not known."""
    book = state.accounts.get((snapshot.venue, snapshot.account))
    orders = _order_events(state, snapshot)
    if book is None or not book.adopted:
        return Outcome(events=(_adopted(state, snapshot), *orders), drift=())
    return Outcome(events=orders, drift=_drift(state, book, snapshot))


def _adopted(state: State, snapshot: VenueSnapshot) -> AccountAdopted:
    # FILLED: this is no order, and a reader who counts what works must not count it.
    owner = (snapshot.venue, snapshot.account, BASELINE)
    return AccountAdopted(
        **carried(state, owner, OrderStatus.FILLED, snapshot.at, snapshot.id),
        currency=snapshot.currency,
        cash=snapshot.cash,
        positions=snapshot.positions,
        execution_ids=snapshot.execution_ids,
        funding_ids=snapshot.funding_ids,
        funding_until=snapshot.funding_until,
        other_cash=snapshot.other_cash or {},
    )


# ------------------------------------------------------------------------------------------------------------ orders


def _order_events(state: State, snapshot: VenueSnapshot) -> tuple[OrderEvent, ...]:
    """An UNKNOWN order that the venue lists is found; one that works for us and is not listed becomes UNKNOWN."""
    at_venue = {order.order_id or external_order(order.venue_order_id): order for order in snapshot.open_orders}
    events: list[OrderEvent] = []
    for key in sorted(state.working):
        order = state.orders[key]
        if (order.venue, order.account) != (snapshot.venue, snapshot.account):
            continue
        open_order = at_venue.get(order.order_id)
        if open_order is not None and order.status is OrderStatus.UNKNOWN:
            events.append(_found(state, order, open_order, snapshot))
        elif open_order is None and _should_be_there(order, snapshot):
            events.append(_missing(state, order, snapshot))
    return tuple(events)


def _should_be_there(order: OrderState, snapshot: VenueSnapshot) -> bool:
    """Whether the venue had it before that moment. What it never acknowledged is on its way still: a timer asks."""
    return order.acknowledged and order.status is not OrderStatus.UNKNOWN and order.heard_at < snapshot.at


def _found(state: State, order: OrderState, open_order: OpenOrder, snapshot: VenueSnapshot) -> OrderAccepted:
    filled, replacing = order.filled_quantity > 0, order.change is not None
    status = next_status(order.order_id, order.status, OrderAccepted, filled=filled, replacing=replacing)
    return OrderAccepted(
        **carried(state, order.owner, status, snapshot.at, snapshot.id),
        venue_order_id=open_order.venue_order_id,
    )


def _missing(state: State, order: OrderState, snapshot: VenueSnapshot) -> OrderUnknown:
    status = next_status(order.order_id, order.status, OrderUnknown)
    return OrderUnknown(
        **carried(state, order.owner, status, snapshot.at, snapshot.id),
        reason=f"{order.venue} does not list it among its open orders, and has not said what became of it",
    )


# ------------------------------------------------------------------------------------------------------------- drift


def _drift(state: State, book: AccountBook, snapshot: VenueSnapshot) -> tuple[Drift, ...]:
    return (
        *_execution_drift(book, snapshot),
        *_funding_drift(book, snapshot),
        *_position_drift(book, snapshot),
        *_cash_drift(book, snapshot),
        *_order_drift(state, snapshot),
    )


def is_missing_executions(book: AccountBook, snapshot: VenueSnapshot) -> bool:
    """Whether the venue has executions that are not booked."""
    return bool(_execution_drift(book, snapshot))


def _execution_drift(book: AccountBook, snapshot: VenueSnapshot) -> list[Drift]:
    """Executions that the venue has and we have not: reports that are still to come, or were lost."""
    known = book.executions.keys() | book.adopted_execution_ids  # of what has left the fingerprint will do
    return [
        Drift(DriftKind.EXECUTION, execution_id, "not booked", "executed")
        for execution_id in snapshot.execution_ids
        if execution_id not in known and execution_id not in book.left
    ]


def _funding_drift(book: AccountBook, snapshot: VenueSnapshot) -> list[Drift]:
    """Funding payments that the venue has made and we have not booked."""
    times = dict(zip(snapshot.funding_ids, snapshot.funding_times, strict=False))
    return [
        Drift(DriftKind.FUNDING, funding_id, "not booked", "paid")
        for funding_id in snapshot.funding_ids
        if not contains_funding(book, funding_id, times.get(funding_id))
        and funding_id not in book.funding_payments
        and funding_id not in book.left
    ]


def _position_drift(book: AccountBook, snapshot: VenueSnapshot) -> list[Drift]:
    theirs = {held.symbol: held.quantity for held in snapshot.positions}
    found = []
    for name in sorted(theirs.keys() | book.symbols.keys()):
        symbol = book.symbols.get(name)
        if symbol is not None and symbol.changed_at > snapshot.at:
            continue
        if name in snapshot.unread:
            continue  # the venue's row makes no sense: its gateway has told so
        quantity = symbol.holding.quantity if symbol is not None else ZERO
        if quantity != theirs.get(name, ZERO):
            found.append(Drift(DriftKind.POSITION, name, plain(quantity), plain(theirs.get(name, ZERO))))
    return found


def _cash_drift(book: AccountBook, snapshot: VenueSnapshot) -> list[Drift]:
    """Interest, dividends and fees that no execution carries show here too; they are told, not booked.

    Each currency by itself: what a purchase in another one took is not missing in the account's.
    Funding is in a venue's cash before the venue lists it.
    """
    if snapshot.funding_awaited:
        return []
    if book.changed_at > snapshot.at:
        return []
    theirs = {snapshot.currency: snapshot.cash} | (snapshot.other_cash or {})
    found = []
    for currency in sorted(theirs if snapshot.other_cash is None else theirs.keys() | book.cash.keys()):
        ours, there = book.cash.get(currency, ZERO), theirs.get(currency, ZERO)
        if subtract(ours, there):
            found.append(Drift(DriftKind.CASH, currency, plain(ours), plain(there)))
    return found


def _order_drift(state: State, snapshot: VenueSnapshot) -> list[Drift]:
    """Orders that the venue works and we take for ended. Their status stays: their last report said so."""
    found = []
    for open_order in snapshot.open_orders:
        order = state.find_order(snapshot.venue, snapshot.account, open_order.order_id) if open_order.order_id else None
        if order is not None and order.is_final and order.heard_at < snapshot.at:
            found.append(Drift(DriftKind.ORDER, order.order_id, order.status.value, "open"))
    return found

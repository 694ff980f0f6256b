"""Fold one stored order event into the state. Recovery is this function over all of `order.>` in TRADE.

Owns what an event means for memory. It must not judge: the event has happened, and whether it might was settled when
it was decided (`oms.decide`, `oms.transitions`). Live and recovery run the same line of code, so they can not differ.
The state is changed in place, by this module and `oms.books` only.
"""

from __future__ import annotations

from msgspec.structs import replace
from signalbox.messages import (
    FINAL_STATUSES,
    AccountAdopted,
    BooksActRefused,
    BooksAdjusted,
    CommissionBooked,
    FillCorrected,
    FundingBooked,
    ListCreated,
    OrderAccepted,
    OrderClaimed,
    OrderCreated,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderPartiallyFilled,
    OrderPendingCancel,
    OrderPendingReplace,
    OrderRejected,
    OrderReplaced,
    OrderReplaceRejected,
)
from signalbox.subjects import EXTERNAL_PREFIX

from oms.adjusting import book_act, note_act
from oms.books import adopt, book_execution, book_fee, book_funding
from oms.list_folding import fold_list
from oms.protection import note_protection
from oms.state import (
    NOT_BEGUN,
    AccountBook,
    Change,
    Execution,
    Fee,
    FundingPayment,
    Journal,
    OrderState,
    State,
    order_key,
)
from oms.transitions import ACKNOWLEDGING

EXTERNAL_CAUSES_MAX = 256

# Tuples: a union would be made anew at every event
BEGINNING = (OrderCreated, OrderDenied)
BOOKING = (OrderPartiallyFilled, OrderFilled, FillCorrected)
OF_BOOKS = frozenset(
    {*BOOKING, CommissionBooked, FundingBooked, AccountAdopted, BooksAdjusted, BooksActRefused, OrderClaimed}
)


def evolve_nothing(state: State, venue: str, account: str, order_id: str, sequence: int) -> None:
    """Pass over an event that a person has set aside: the order's next one stands behind it."""
    key = order_key(venue, account, order_id)
    journal = state.journal(key)
    if sequence > journal.sequence:
        state.journals[key] = Journal(journal.events + 1, sequence)
        state.events += 1
        state.trade_sequence = max(state.trade_sequence, sequence)


def evolve(state: State, event: OrderEvent, sequence: int) -> None:
    """Apply `event`, stored in TRADE under `sequence`. An event already applied (by sequence) changes nothing."""
    key = order_key(event.venue, event.account, event.order_id)
    journal = state.journals.get(key, NOT_BEGUN)
    if sequence <= journal.sequence:
        return
    state.journals[key] = Journal(journal.events + 1, sequence)
    state.events += 1
    if sequence > state.trade_sequence:
        state.trade_sequence = sequence
    symbols = _evolve_book(state, key, event, sequence)
    if isinstance(event, BEGINNING):
        state.orders_begun += 1
        _keep(state, key, _begin(event, sequence))
    elif key in state.orders:
        _keep(state, key, evolve_order(state.orders[key], event))
    # else: the account's own events: its baseline, its funding, fees of executions not seen yet
    note_protection(state, event, key, symbols)
    if state.lists or isinstance(event, ListCreated):
        fold_list(state, event, key)
        let_lists_leave(state)


def _keep(state: State, key: str, order: OrderState) -> None:
    state.orders[key] = order
    if order.status in FINAL_STATUSES:
        state.working.discard(key)
        keep_ended(state, key)
    else:
        state.working.add(key)
        if key in state.ended:  # the venue has what it had refused
            del state.ended[key]


def keep_ended(state: State, key: str) -> None:
    """An order that has ended is the last one to leave; one of a list that is here leaves with its list."""
    order = state.orders[key].order
    if order is not None and order.part is not None and order.part.list_id in state.lists:
        return
    state.ended[key] = None
    state.ended.move_to_end(key)
    let_orders_leave(state)


def let_orders_leave(state: State) -> None:
    """Of more ended orders than are kept the first ones go: they are in TRADE."""
    keep = state.keep
    if len(state.ended) < keep.ended_orders + keep.at_once:
        return
    while len(state.ended) > keep.ended_orders:
        leaving = next(iter(state.ended))
        del state.ended[leaving], state.orders[leaving], state.journals[leaving]
        state.left.add(leaving)


def let_lists_leave(state: State) -> None:
    """Of more lists that are over than are kept the first ones go, and their orders then as any that have ended."""
    while len(state.lists_over) > state.keep.ended_lists:
        leaving = next(iter(state.lists_over))
        del state.lists_over[leaving]
        orders = state.lists.pop(leaving).orders
        state.lists_awake.pop(leaving, None)
        state.left.add(leaving)
        del state.journals[leaving]
        for key in orders:
            keep_ended(state, key)


def _begin(event: OrderCreated | OrderDenied, sequence: int) -> OrderState:
    approved_at = event.decision_sequence if isinstance(event, OrderCreated) else 0
    return OrderState(
        venue=event.venue,
        account=event.account,
        order_id=event.order_id,
        order=event.order if isinstance(event, OrderCreated) else None,
        status=event.status,
        since=event.at,
        heard_at=event.at,
        created_at=event.at,
        created_cause=event.cause,
        reference_price=event.reference_price if isinstance(event, OrderCreated) else None,
        causes=(event.cause,),
        begun_at_sequence=approved_at or sequence,
    )


def evolve_order(order: OrderState, event: OrderEvent) -> OrderState:
    """The order after a later event of its life."""
    venue_order_id, filled_quantity, command_causes = order.venue_order_id, order.filled_quantity, order.command_causes
    terms, change, cancel_causes, no_room = order.order, order.change, order.cancel_causes, order.no_room
    if isinstance(event, OrderAccepted):
        venue_order_id = event.venue_order_id
    elif isinstance(event, BOOKING):
        filled_quantity = event.cumulative_quantity
    elif isinstance(event, OrderPendingCancel):
        command_causes, cancel_causes = (*command_causes, event.cause), (*cancel_causes, event.cause)
    elif isinstance(event, OrderPendingReplace):
        command_causes = (*command_causes, event.cause)
        change = Change(event.order, event.revision, event.at)
    elif isinstance(event, OrderReplaced | OrderClaimed):
        terms = event.order
    elif isinstance(event, OrderRejected | OrderReplaceRejected) and event.room_at is not None:
        no_room = (*no_room, event.room_at)
    if event.status in FINAL_STATUSES or _answers(event, change):
        if change is not None and terms is not None and filled_quantity > terms.quantity:
            terms = change.order  # the smaller order could not have filled so much: it was made
        change = None
    return replace(
        order,
        order=terms,
        change=change,
        status=event.status,
        since=event.at if event.status is not order.status else order.since,
        heard_at=event.at if event.at > order.heard_at else order.heard_at,
        acknowledged=order.acknowledged or type(event) in ACKNOWLEDGING,
        venue_order_id=venue_order_id,
        filled_quantity=filled_quantity,
        command_causes=command_causes,
        cancel_causes=cancel_causes,
        no_room=no_room,
        causes=_with(order, event.cause),
    )


def _with(order: OrderState, cause: str) -> tuple[str, ...]:
    """What has been turned into events; of an order that somebody else may move each second the last ones."""
    causes = (*order.causes, cause)
    return causes[-EXTERNAL_CAUSES_MAX:] if order.order_id.startswith(EXTERNAL_PREFIX) else causes


def _answers(event: OrderEvent, change: Change | None) -> bool:
    """Whether the event says what became of the change that is open."""
    if change is None or not isinstance(event, OrderReplaced | OrderReplaceRejected):
        return False
    return event.revision == change.revision


def _evolve_book(state: State, key: str, event: OrderEvent, sequence: int) -> tuple[str, ...]:
    """Book the event; the symbols whose position it may have changed."""
    if type(event) not in OF_BOOKS:
        return ()
    account_key = (event.venue, event.account)
    book = state.accounts.get(account_key)
    if book is None:
        book = state.accounts[account_key] = AccountBook(event.venue, event.account, state.keep)
    symbols: tuple[str, ...]
    if isinstance(event, BOOKING):
        terms = state.orders[key].order
        assert terms is not None  # a denied order has no row for fills
        fill, order_id = event.fill, event.order_id
        book_execution(book, Execution(fill, order_id, terms.currency, terms.multiplier, sequence, terms.base_currency))
        symbols = (event.fill.symbol,)
    elif isinstance(event, AccountAdopted):
        before = book.symbols
        adopt(book, event)
        symbols = tuple({**before, **book.symbols})
    elif isinstance(event, CommissionBooked):
        fee = Fee(event.revision, event.commission, event.currency, event.order_id, event.correction)
        book_fee(book, event.execution_id, fee)
        execution = book.find_execution(event.execution_id)
        symbols = (execution.fill.symbol,) if execution else ()
    elif isinstance(event, BooksActRefused | OrderClaimed):
        note_act(book, event.act.id, sequence)
        return ()
    elif isinstance(event, BooksAdjusted):
        symbols = book_act(book, event, sequence)
    else:
        assert isinstance(event, FundingBooked)
        payment = FundingPayment(event.symbol, event.amount, event.currency, sequence, event.at)
        book_funding(book, event.funding_id, payment)
        symbols = (event.symbol,)
    book.recalled.clear()
    book.recalled_fees.clear()
    book.trade_sequence, book.changed_at, book.changed_by = sequence, event.at, event.id
    for name in symbols:
        if name in book.symbols:
            symbol = book.symbols[name]
            symbol.trade_sequence, symbol.changed_at, symbol.changed_by = sequence, event.at, event.id
    return symbols

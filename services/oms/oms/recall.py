"""What has left memory and is spoken of again: which of it a message needs, and how it comes back.

Owns the question "what must be looked up in TRADE before this can be judged?" and the fold of what was found there.
It must not know how TRADE is read (`oms.looking_up`). An order comes back by the events on its subject, which are all
there is of it; an execution by where it was booked first, which names its order. What is not found was never there:
fingerprints may say yes of what has never been.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from msgspec.structs import replace
from signalbox.messages import (
    BooksAct,
    CancelIntent,
    CommissionBooked,
    Decision,
    FillCorrected,
    FundingBooked,
    Intent,
    IntentApproved,
    IntentDenied,
    Message,
    ModifyIntent,
    OrderEvent,
    OrderIntent,
    OrderListIntent,
    PositionIntent,
    TimerFired,
    VenueCommission,
    VenueFill,
    VenueFunding,
    VenueOrderFound,
    VenueSnapshot,
)
from signalbox.subjects import external_order

from oms.books import keep_payments
from oms.evolve import BEGINNING, evolve, evolve_nothing, let_orders_leave
from oms.state import AccountBook, FundingPayment, Keep, Owner, State, order_key

_ALL = Keep(ended_orders=1, executions=2**62, funding_payments=2**62)
"""Of one order nothing leaves while its events are folded."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look up: whose orders, and where in TRADE an event stands that names one."""

    owners: tuple[Owner, ...] = ()
    places: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.owners or self.places)


NOTHING_WANTED = Wanted()


def wanted_by_message(state: State, message: Message) -> Wanted:
    """What has left and a message that comes in speaks of."""
    owners: list[Owner] = []
    places: tuple[int, ...] = ()
    match message:
        case VenueFill(venue=venue, account=account, fill=fill):
            owners = [(venue, account, fill.order_id)]
            known = state.find_order(venue, account, fill.order_id)
            if known is None or known.order is None:
                placed_elsewhere = external_order(message.venue_order_id or fill.execution_id)
                owners.append((venue, account, placed_elsewhere))
            owners += _booked_under(state, venue, account, fill.execution_id)
            places = _places(state, venue, account, fill.execution_id)
        case VenueCommission(venue=venue, account=account):
            owners = [(venue, account, message.order_id)]
            owners += _booked_under(state, venue, account, message.execution_id)
            places = _places(state, venue, account, message.execution_id)
        case VenueOrderFound(venue=venue, account=account):
            owners = [(venue, account, external_order(message.venue_order_id))]
        case VenueFunding(venue=venue, account=account):
            places = _places(state, venue, account, message.funding_id)
        case VenueSnapshot(venue=venue, account=account):
            owners = [(venue, account, each.order_id) for each in message.open_orders]
        case TimerFired() | BooksAct():  # of an order that has ended they say nothing
            pass
        case IntentApproved() | IntentDenied():
            owners = _decided(message)
        case _:
            owners = [(message.venue, message.account, message.order_id)]  # type: ignore[attr-defined]  # a report
    left = [owner for owner in owners if _has_left(state, owner)]
    return Wanted(tuple(left), places) if left or places else NOTHING_WANTED


def _decided(decision: Decision) -> list[Owner]:
    parts = decision.parts if isinstance(decision, IntentApproved) else ()
    return [owner for intent in (decision.intent, *(part.intent for part in parts)) for owner in _of_intent(intent)]


def _of_intent(intent: Intent | None) -> list[Owner]:
    if isinstance(intent, OrderIntent | OrderListIntent | PositionIntent):
        return [(intent.venue, intent.account, intent.id)]
    if isinstance(intent, CancelIntent | ModifyIntent):
        return [(intent.venue, intent.account, intent.order_id)]
    return []


def wanted_by_event(state: State, event: OrderEvent) -> Wanted:
    """What has left and a stored event changes, which is about to be folded."""
    if isinstance(event, BEGINNING):
        return NOTHING_WANTED
    owner = (event.venue, event.account, event.order_id)
    places: tuple[int, ...] = ()
    if isinstance(event, FillCorrected):
        places = _places(state, event.venue, event.account, event.fill.execution_id)
    elif isinstance(event, CommissionBooked):
        places = _places(state, event.venue, event.account, event.execution_id)
    if not places and not _has_left(state, owner):
        return NOTHING_WANTED
    return Wanted((owner,) if _has_left(state, owner) else (), places)


def _has_left(state: State, owner: Owner) -> bool:
    key = order_key(*owner)
    return key not in state.orders and key not in state.lists and key in state.left


def _booked_under(state: State, venue: str, account: str, execution_id: str) -> list[Owner]:
    """Whose an execution is that is here: its order may have left before it."""
    book = state.accounts.get((venue, account))
    execution = book.executions.get(execution_id) if book is not None else None
    return [(venue, account, execution.order_id)] if execution is not None else []


def _places(state: State, venue: str, account: str, name: str) -> tuple[int, ...]:
    """Where an execution or a payment that has left may have been booked first."""
    book = state.accounts.get((venue, account))
    if book is None or name in book.executions or name in book.funding_payments or name in book.recalled:
        return ()
    return book.left.numbers(name)


def forget_recalled(state: State) -> None:
    """What was recalled for the message before is of no use to the next one."""
    let_orders_leave(state)
    for list_id in state.lists_recalled:
        del state.lists[list_id], state.journals[list_id]
    state.lists_recalled.clear()
    for book in state.accounts.values():
        book.recalled.clear()
        book.recalled_fees.clear()


def recall_order(state: State, owner: Owner, events: Iterable[tuple[int, OrderEvent | None]]) -> None:
    """Take an order back in, with its executions and fees, by all of its events (each with its sequence), in order.

    None = one that was set aside.
    """
    alone = State(keep=_ALL)
    for sequence, event in events:
        if event is None:
            evolve_nothing(alone, *owner, sequence)
        else:
            evolve(alone, event, sequence)
    key = order_key(*owner)
    if key in alone.lists:
        # What it was for is over: it is here to be known, and asks for nothing
        state.lists[key], state.journals[key] = replace(alone.lists[key], is_recalled=True), alone.journals[key]
        state.lists_recalled.append(key)
    order = alone.orders.get(key)
    if order is None:
        return
    if key not in state.orders:
        state.orders[key], state.journals[key] = order, alone.journals[key]
        state.ended[key] = None  # nothing leaves for it while others are recalled
    book, own = state.accounts.get(owner[:2]), alone.accounts.get(owner[:2])
    if book is not None and own is not None:
        for execution_id in _gone(book, own.executions):
            book.recalled[execution_id] = own.executions[execution_id]
            if execution_id in own.fees and execution_id not in book.fees:
                book.recalled_fees[execution_id] = own.fees[execution_id]


def _gone(book: AccountBook, names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name not in book.executions and name in book.left)


def recall_funding(state: State, event: FundingBooked, sequence: int) -> None:
    """Take a payment back in, as the newest of those that are here."""
    book = state.accounts[event.venue, event.account]
    payment = FundingPayment(event.symbol, event.amount, event.currency, sequence, event.at)
    book.funding_payments[event.funding_id] = payment
    keep_payments(book)

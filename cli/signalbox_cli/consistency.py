"""Does the desk add up? The promises of the desk as one check over its streams, the venue's books and the database.

Pure: it is given what was read and returns sentences, one for each thing that is wrong. The demo and the chaos tests
pass the very same check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from signalbox import messages, subjects
from signalbox.bus import Received
from signalbox.messages import (
    AccountAdopted,
    Book,
    Decision,
    FillCorrected,
    FlattenEnded,
    FlattenIntent,
    FundingBooked,
    IntentApproved,
    ListEvents,
    OrderCreated,
    OrderEvents,
    OrderFilled,
    OrderListIntent,
    OrderPartiallyFilled,
    OrderRejected,
    OrderStatus,
    Position,
    RefusedBy,
    Ruling,
)

UNSETTLED = frozenset(
    {OrderStatus.PENDING_NEW, OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE, OrderStatus.UNKNOWN}
)
"""An order that nothing happens to any more must not stay in one of these."""

AT_VENUE = frozenset(
    {OrderStatus.NEW, OrderStatus.TRIGGERED, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.HELD}
)
"""The venue must know an order that stands in one of these."""


@dataclass(frozen=True)
class VenueOrderSeen:
    """An order as the venue's own books have it; `reference` is the desk's order id, by what the gateway sent."""

    reference: str
    venue_order_id: str


@dataclass(frozen=True, kw_only=True)
class VenueBooks:
    """One venue's own books: cash by account and currency, signed positions by account and symbol.

    Execution ids are without the revision that a correction adds. `funding` is what each account has received, by
    account and symbol (paid < 0).
    """

    venue: str
    orders: Sequence[VenueOrderSeen]
    execution_ids: Sequence[str]
    cash: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    positions: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    funding: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trade:
    """The TRADE stream, decoded."""

    decisions: list[Decision]
    events: list[OrderEvents]
    flattens_ended: list[FlattenEnded] = field(default_factory=list)

    @property
    def intents(self) -> Counter[tuple[int, datetime]]:
        """How many decisions each intent has, by its place in INTENTS and when it was stored there.

        What a flatten made necessary bears that one's place, and is no intent of its own.
        """
        return Counter(
            (decision.intent_sequence, decision.intent_stored_at)
            for decision in self.decisions
            if decision.basis is None or not decision.basis.closes
        )

    @property
    def approved(self) -> list[IntentApproved]:
        return [decision for decision in self.decisions if isinstance(decision, IntentApproved)]

    @property
    def approved_orders(self) -> list[str]:
        single = [order.id for decision in self.approved for order in decision.places]
        return [*single, *(order_id for order_id, _ in self._of_lists())]

    def _of_lists(self) -> list[tuple[str, str]]:
        """The orders of approved lists, which follow from the one approval, and where each is."""
        lists = {decision.order_id for decision in self.approved if isinstance(decision.intent, OrderListIntent)}
        begun = (event for event in self.events if isinstance(event, OrderCreated))
        return [
            (event.order_id, event.venue)
            for event in begun
            if event.order.part is not None and event.order.part.list_id in lists
        ]

    def approved_orders_at(self, venue: str) -> list[str]:
        single = [order.id for decision in self.approved for order in decision.places if order.venue == venue]
        return [*single, *(order_id for order_id, at in self._of_lists() if at == venue)]

    def events_at(self, venue: str) -> list[OrderEvents]:
        return [event for event in self.events if event.venue == venue]

    @property
    def fills(self) -> list[OrderPartiallyFilled | OrderFilled]:
        return [event for event in self.events if isinstance(event, OrderPartiallyFilled | OrderFilled)]


@dataclass(frozen=True)
class Intake:
    """The INTENTS stream: since when there is this one, how many it ever had, and those that have not left it.

    `last_sequence` is what it was before TRADE was read, `last_sequence_after` afterwards.
    """

    created: datetime
    last_sequence: int
    waiting: Sequence[Received]
    last_sequence_after: int


def read_trade(received: Sequence[Received]) -> Trade:
    """Sort the TRADE stream by kind."""
    trade = Trade([], [])
    for message in received:
        head = message.subject.split(".", 1)[0]
        if head == subjects.DECISION and not subjects.is_decision(message.subject):
            ruling: Ruling = messages.decode(message.payload, Ruling)
            trade.flattens_ended.extend([ruling] if isinstance(ruling, FlattenEnded) else [])
            continue
        if head == subjects.DECISION:
            trade.decisions.append(messages.decode(message.payload, Decision))
        else:
            trade.events.append(messages.decode(message.payload, OrderEvents))
    return trade


def check_decisions(trade: Trade, intake: Intake) -> list[str]:
    """Every intent has exactly one decision, and no decision is without an intent.

    Of a stream that was made anew (restored, say) the sequences begin again: what left it is then only known to have
    had a decision under its sequence.
    """
    decided = trade.intents
    sequences = {sequence for sequence, _ in decided}
    waiting = {each.sequence: each.stored_at for each in intake.waiting}
    wrong = [
        f"the intent INTENTS:{sequence} has no decision"
        for sequence, stored_at in waiting.items()
        if (sequence, stored_at) not in decided
    ]
    wrong += [
        f"the intent INTENTS:{sequence} has left without a decision"
        for sequence in range(1, intake.last_sequence + 1)
        if sequence not in sequences and sequence not in waiting
    ]
    wrong += [
        f"the intent INTENTS:{sequence} has {count} decisions" for (sequence, _), count in decided.items() if count != 1
    ]
    wrong += [
        f"a decision speaks of INTENTS:{sequence}, which is no intent"
        for sequence, stored_at in decided
        if sequence > intake.last_sequence_after and stored_at >= intake.created
    ]
    return wrong


def check_flattens(trade: Trade) -> list[str]:
    """Every flatten that was approved is over, once."""
    ended = Counter(each.cause for each in trade.flattens_ended)
    approved = [each.intent.id for each in trade.approved if isinstance(each.intent, FlattenIntent)]
    wrong = [f"the flatten {name} is under way" for name in approved if not ended[name]]
    wrong += [f"the flatten {name} has ended {count} times" for name, count in ended.items() if count != 1]
    return wrong + [f"a flatten {name} has ended that was never approved" for name in ended if name not in approved]


NO_ORDERS = AccountAdopted | ListEvents
"""Events that stand under an id and are of no order."""


def check_orders(trade: Trade) -> list[str]:
    """Every approved order was created once and stands in one final or working status; no other was created."""
    created = Counter(event.order_id for event in trade.events if isinstance(event, OrderCreated))
    approved = Counter(trade.approved_orders)
    status = {event.order_id: event.status for event in trade.events if not isinstance(event, NO_ORDERS)}
    wrong = [f"order {order} was approved {count} times" for order, count in approved.items() if count != 1]
    wrong += [f"order {order} was created {count} times" for order, count in created.items() if count != 1]
    wrong += [f"order {order} was approved, but never created" for order in approved if order not in created]
    wrong += [f"order {order} was created without an approval" for order in created if order not in approved]
    wrong += [
        f"order {order} stands in {status[order]}"
        for order in approved
        if order in status and status[order] in UNSETTLED
    ]
    return wrong


OWN = frozenset({RefusedBy.GATEWAY, RefusedBy.DESK})
"""Who of those that refuse is the desk itself."""


def rejections(trade: Trade) -> dict[str, OrderRejected]:
    """The approved orders that will never work, each with its first rejection."""
    approved = set(trade.approved_orders)
    found: dict[str, OrderRejected] = {}
    for event in trade.events:
        if isinstance(event, OrderRejected) and event.status is OrderStatus.REJECTED and event.order_id in approved:
            found.setdefault(event.order_id, event)
    return found


def check_refusals(trade: Trade) -> list[str]:
    """No approved order was refused by the desk itself: settled it is, but the venue was never asked.

    On a healthy desk there is none. After an outage there may be: each says why.
    """
    return [
        f"order {order} was approved, and then refused by the desk itself ({event.refused_by.lower()}, not the venue "
        f"{event.venue}): {event.reason}"
        for order, event in rejections(trade).items()
        if event.refused_by in OWN
    ]


def check_venue(trade: Trade, positions: Sequence[Position], books: Sequence[Book], venue: VenueBooks) -> list[str]:
    """The venue has no order without approval and none twice; fills, positions and cash are the venue's own."""
    approved = set(trade.approved_orders_at(venue.venue))
    sent = Counter(order.reference for order in venue.orders)
    wrong = [f"the venue has {count} orders for {order}" for order, count in sent.items() if count != 1]
    wrong += [f"the venue has the order {order!r}, which was never approved" for order in sent if order not in approved]
    status = {event.order_id: event.status for event in trade.events_at(venue.venue)}
    wrong += [
        f"order {order} stands in {status[order]}, but the venue has no such order"
        for order in sorted(approved - sent.keys())
        if status.get(order) in AT_VENUE
    ]
    wrong += _check_fills(trade, venue)
    wrong += _check_funding(trade, venue)
    held = {(p.account, p.symbol): p.quantity for p in positions if p.quantity and p.venue == venue.venue}
    theirs = _flat(venue.positions)
    for key in sorted(held.keys() | theirs.keys()):
        ours, there = held.get(key, Decimal(0)), theirs.get(key, Decimal(0))
        if ours != there:
            wrong.append(f"position {key[1]} in {key[0]}: the desk has {ours}, the venue {there}")
    cash = {
        (book.account, currency): amount
        for book in books
        if book.venue == venue.venue
        for currency, amount in {**book.other_cash, book.currency: book.cash}.items()
    }
    venue_cash = {
        (account, currency): amount
        for account, by_currency in venue.cash.items()
        for currency, amount in by_currency.items()
    }
    for account, currency in sorted(venue_cash.keys() | cash.keys()):
        ours, amount = cash.get((account, currency), Decimal(0)), venue_cash.get((account, currency), Decimal(0))
        if ours != amount:
            wrong.append(f"cash of {account}: the desk has {ours} {currency}, the venue {amount}")
    return wrong


def _check_fills(trade: Trade, venue: VenueBooks) -> list[str]:
    events = trade.events_at(venue.venue)
    adopted = {name for event in events if isinstance(event, AccountAdopted) for name in event.execution_ids}
    booked = Counter(
        event.fill.execution_id for event in events if isinstance(event, OrderPartiallyFilled | OrderFilled)
    )
    corrected = {event.fill.execution_id for event in events if isinstance(event, FillCorrected)}
    theirs = set(venue.execution_ids) - adopted
    wrong = [f"fill {name} is booked {count} times" for name, count in booked.items() if count != 1]
    wrong += [f"fill {name} of the venue is not booked" for name in sorted(theirs - booked.keys())]
    wrong += [f"fill {name} is booked, but not the venue's" for name in sorted((booked.keys() | corrected) - theirs)]
    return wrong


def _check_funding(trade: Trade, venue: VenueBooks) -> list[str]:
    """Each payment is booked once, and what was booked since the books began is what the venue paid since."""
    events = trade.events_at(venue.venue)
    booked = [event for event in events if isinstance(event, FundingBooked)]
    times = Counter((event.account, event.funding_id) for event in booked)
    wrong = [f"funding {name} is booked {count} times" for (_, name), count in times.items() if count != 1]
    if any(event.funding_ids for event in events if isinstance(event, AccountAdopted)):
        return wrong  # the baseline holds some of the venue's: their sum shows in cash
    ours: dict[tuple[str, str], Decimal] = {}
    for event in booked:
        key = (event.account, event.symbol)
        ours[key] = ours.get(key, Decimal(0)) + event.amount
    theirs = _flat(venue.funding)
    for key in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(key, Decimal(0)), theirs.get(key, Decimal(0))
        if here != there:
            wrong.append(f"funding of {key[1]} in {key[0]}: the desk has booked {here}, the venue paid {there}")
    return wrong


def _flat(figures: Mapping[str, Mapping[str, Decimal]]) -> dict[tuple[str, str], Decimal]:
    """By (account, symbol), without what is 0."""
    return {
        (account, symbol): figure
        for account, by_symbol in figures.items()
        for symbol, figure in by_symbol.items()
        if figure
    }


def check_record(
    stream: str,
    stored: Sequence[Received],
    later: Sequence[Received],
    rows: Mapping[int, tuple[str, bytes]],
    *,
    replaces: bool,
) -> list[str]:
    """The database holds the stream's messages, byte for byte: `rows` by sequence, (subject, payload).

    `later` came after the recorder was asked to stop: it may have them. `replaces` = the stream drops messages that
    others replace, so the database holds more than the stream does now.
    """
    wrong = []
    for message in stored:
        row = rows.get(message.sequence)
        if row is None:
            wrong.append(f"{stream}:{message.sequence} ({message.subject}) is not in the database")
        elif row != (message.subject, message.payload):
            wrong.append(f"{stream}:{message.sequence} differs in the database")
    known = {message.sequence for message in (*stored, *later)}
    if not replaces:
        wrong += [
            f"the database has {stream}:{sequence}, the stream has not" for sequence in rows if sequence not in known
        ]
    return wrong

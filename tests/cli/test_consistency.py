"""The check of the whole desk: silent on a log that adds up, and each single fault planted in one is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox import messages, subjects
from signalbox.bus import Received
from signalbox.messages import (
    AccountAdopted,
    Basis,
    Book,
    Fill,
    FlattenEnded,
    FlattenIntent,
    FundingBooked,
    IntentApproved,
    IntentDenied,
    LimitsByScope,
    LimitsRefused,
    LimitsSet,
    MassCancelIntent,
    Message,
    Order,
    OrderAccepted,
    OrderCreated,
    OrderFilled,
    OrderIntent,
    OrderRejected,
    OrderStatus,
    OrderType,
    OrderUnknown,
    Position,
    RefusedBy,
    Side,
)
from signalbox_cli import consistency
from signalbox_cli.auditing import Audit
from signalbox_cli.consistency import Intake, Trade, VenueBooks, VenueOrderSeen, check_record, read_trade

AT = datetime(2024, 3, 5, 15, tzinfo=UTC)
VENUE, ACCOUNT, SYMBOL = "ibkr", "DU1", "SPY"
OTHER = "dydx"
PRICE, OPENING_CASH = Decimal(10), Decimal(1000)


@dataclass
class Log:
    """What the check reads."""

    trade: list[tuple[str, bytes]] = field(default_factory=list)
    last_intent: int = 0
    waiting: list[Received] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    books: list[Book] = field(default_factory=list)
    venue: VenueBooks = field(default_factory=lambda: VenueBooks(venue=VENUE, orders=[], execution_ids=[]))
    other: VenueBooks = field(default_factory=lambda: VenueBooks(venue=OTHER, orders=[], execution_ids=[]))

    def read(self) -> Trade:
        return read_trade([received(n, subject, payload) for n, (subject, payload) in enumerate(self.trade, 1)])

    def wrong(self) -> list[str]:
        trade = self.read()
        return [
            *consistency.check_decisions(trade, Intake(AT, self.last_intent, self.waiting, self.last_intent)),
            *consistency.check_orders(trade),
            *consistency.check_flattens(trade),
            *consistency.check_venue(trade, self.positions, self.books, self.venue),
            *consistency.check_venue(trade, self.positions, self.books, self.other),
        ]


def received(sequence: int, subject: str, payload: bytes) -> Received:
    return Received(subject, payload, "TRADE", sequence, AT, str(sequence), 0)


def position(quantity: Decimal) -> Position:
    zero = Decimal(0)
    return Position(
        id="p", at=AT, venue=VENUE, account=ACCOUNT, symbol=SYMBOL, currency="USD", multiplier=Decimal(1),
        quantity=quantity, average_price=PRICE, realized_pnl=zero, unrealized_pnl=zero, commission=zero,
        mark_price=None,
    )  # fmt: skip


def book(cash: Decimal) -> Book:
    return Book(
        id="b", at=AT, venue=VENUE, account=ACCOUNT, currency="USD", cash=cash, realized_pnl=Decimal(0),
        commission=Decimal(0), fills=0, trade_sequence=0,
    )  # fmt: skip


def order_intent(name: str, quantity: Decimal) -> OrderIntent:
    return OrderIntent(
        id=name, at=AT, venue=VENUE, symbol=SYMBOL, side=Side.BUY, quantity=quantity, order_type=OrderType.MARKET
    )


def build(outcomes: list[str]) -> Log:
    """A desk that adds up: one intent for each outcome, `filled`, `working`, `denied` or `malformed`."""
    log = Log()
    held, orders, executions = Decimal(0), [], []
    adopted = AccountAdopted(
        id="_baseline/1", at=AT, venue=VENUE, account=ACCOUNT, order_id=subjects.BASELINE, status=OrderStatus.FILLED,
        currency="USD", cash=OPENING_CASH, positions=(), execution_ids=("x-before",),
    )  # fmt: skip
    log.trade.append((subjects.order(VENUE, ACCOUNT, subjects.BASELINE), messages.encode(adopted)))
    for number, outcome in enumerate(outcomes, 1):
        name, quantity = f"i-{number}", Decimal(number)
        intent = order_intent(name, quantity)
        log.last_intent = sequence = number
        if outcome in ("denied", "malformed"):
            read = None if outcome == "malformed" else intent
            denied = IntentDenied(
                id=f"decision-{sequence}",
                at=AT,
                intent_sequence=sequence,
                intent_stored_at=AT,
                intent=read,
                checks=(),
                reason="no",
            )
            log.trade.append((subjects.decision(denied, ACCOUNT, VENUE), messages.encode(denied)))
            continue
        approved = IntentApproved(
            id=f"decision-{sequence}",
            at=AT,
            intent_sequence=sequence,
            intent_stored_at=AT,
            intent=intent,
            order_id=name,
            checks=(),
        )
        log.trade.append((subjects.decision(approved, ACCOUNT, VENUE), messages.encode(approved)))
        terms = {"at": AT, "venue": VENUE, "account": ACCOUNT, "order_id": name}
        order = Order(
            order_id=name, intent_id=name, venue=VENUE, account=ACCOUNT, symbol=SYMBOL, side=Side.BUY,
            quantity=quantity, order_type=OrderType.MARKET,
        )  # fmt: skip
        events: list[Message] = [
            OrderCreated(id=f"{name}/1", status=OrderStatus.PENDING_NEW, order=order, **terms),
            OrderAccepted(id=f"{name}/2", status=OrderStatus.NEW, venue_order_id=str(number), **terms),
        ]
        orders.append(VenueOrderSeen(name, str(number)))
        if outcome == "filled":
            fill = Fill(
                execution_id=f"x-{number}", revision=1, order_id=name, symbol=SYMBOL, side=Side.BUY,
                quantity=quantity, price=PRICE, at=AT,
            )  # fmt: skip
            events.append(
                OrderFilled(
                    id=f"{name}/3",
                    status=OrderStatus.FILLED,
                    fill=fill,
                    cumulative_quantity=quantity,
                    leaves_quantity=Decimal(0),
                    **terms,
                )
            )
            executions.append(f"x-{number}")
            held += quantity
        log.trade.extend((subjects.order(VENUE, ACCOUNT, name), messages.encode(event)) for event in events)
    cash = OPENING_CASH - held * PRICE
    log.positions, log.books = [position(held)], [book(cash)]
    log.venue = VenueBooks(
        venue=VENUE,
        orders=orders,
        execution_ids=["x-before", *executions],
        cash={ACCOUNT: {"USD": cash}},
        positions={ACCOUNT: {SYMBOL: held}},
    )
    add_perpetual(log)
    return log


def add_perpetual(log: Log) -> None:
    """The same account name at the other venue, where it has paid funding twice and received it once."""
    paid = {"h1": Decimal("-0.5"), "h2": Decimal("-0.25"), "h3": Decimal("0.125")}
    begun = AccountAdopted(
        id="_baseline/2", at=AT, venue=OTHER, account=ACCOUNT, order_id=subjects.BASELINE, status=OrderStatus.FILLED,
        currency="USD", cash=OPENING_CASH, positions=(), execution_ids=(),
    )  # fmt: skip
    log.trade.append((subjects.order(OTHER, ACCOUNT, subjects.BASELINE), messages.encode(begun)))
    for hour, amount in paid.items():
        booked = FundingBooked(
            id=f"f/{hour}", at=AT, venue=OTHER, account=ACCOUNT, order_id=subjects.FUNDING, status=OrderStatus.FILLED,
            funding_id=hour, symbol="BTC-USD", amount=amount, currency="USD",
        )  # fmt: skip
        log.trade.append((subjects.order(OTHER, ACCOUNT, subjects.FUNDING), messages.encode(booked)))
    cash = OPENING_CASH + sum(paid.values())
    log.books.append(msgspec.structs.replace(book(cash), venue=OTHER))
    log.other = VenueBooks(
        venue=OTHER,
        orders=[],
        execution_ids=[],
        cash={ACCOUNT: {"USD": cash}},
        positions={ACCOUNT: {}},
        funding={ACCOUNT: {"BTC-USD": sum(paid.values(), Decimal(0))}},
    )


OUTCOMES = st.lists(st.sampled_from(("filled", "working", "denied", "malformed")), max_size=6).map(
    lambda more: ["filled", "working", "denied", *more]
)


@given(OUTCOMES)
def test_desk_that_adds_up_is_right(outcomes: list[str]) -> None:
    assert build(outcomes).wrong() == []


def drop(log: Log, kind: str) -> None:
    index = next(n for n, (_, payload) in enumerate(log.trade) if kind.encode() in payload)
    log.trade[index] = ("order.ibkr.DU1._baseline", log.trade[0][1])  # keeps the sequences of the others


def wait(log: Log, sequence: int, stored_at: datetime) -> None:
    log.waiting.append(msgspec.structs.replace(received(sequence, "intent.alice", b""), stored_at=stored_at))


def test_an_intent_whose_acknowledgement_was_lost_is_no_fault() -> None:
    log = build(["filled"])
    wait(log, 1, AT)
    assert log.wrong() == []


def test_a_queue_made_anew_is_no_fault() -> None:
    log = build(["filled", "denied"])
    trade = log.read()
    later = AT + timedelta(days=1)
    assert consistency.check_decisions(trade, Intake(later, 0, [], 0)) == []
    assert consistency.check_decisions(trade, Intake(later, 3, [], 3)) == [
        "the intent INTENTS:3 has left without a decision"
    ]


def repeat(log: Log, kind: str) -> None:
    log.trade.append(next(entry for entry in log.trade if kind.encode() in entry[1]))


def change_status(log: Log, status: OrderStatus) -> None:
    event = OrderUnknown(id="i-2/9", at=AT, venue=VENUE, account=ACCOUNT, order_id="i-2", status=status, reason="")
    log.trade.append((subjects.order(VENUE, ACCOUNT, "i-2"), messages.encode(event)))


def forge_decision(log: Log) -> None:
    denied = IntentDenied(
        id="decision-999", at=AT, intent_sequence=999, intent_stored_at=AT, intent=None, checks=(), reason="no"
    )
    log.trade.append(("decision.denied.ibkr.DU1", messages.encode(denied)))


def create_unapproved(log: Log) -> None:
    subject, payload = next(entry for entry in log.trade if b"OrderCreated" in entry[1])
    event = messages.decode(payload, OrderCreated)
    log.trade.append((subject, messages.encode(msgspec.structs.replace(event, order_id="i-none", status="NEW"))))


def at_other(log: Log, **changed: object) -> None:
    log.other = replace(log.other, **changed)  # type: ignore[arg-type]


def at_venue(log: Log, **changed: object) -> None:
    log.venue = replace(log.venue, **changed)  # type: ignore[arg-type]


FAULTS: dict[str, tuple[Callable[[Log], None], str]] = {
    "an intent that left without a decision": (lambda log: drop(log, "IntentDenied"), "has left without a decision"),
    "an intent that nobody decides": (lambda log: wait(log, 1, AT + timedelta(seconds=1)), "has no decision"),
    "an intent decided twice": (lambda log: repeat(log, "IntentDenied"), "has 2 decisions"),
    "a decision of nothing": (forge_decision, "which is no intent"),
    "an order never created": (lambda log: drop(log, "OrderCreated"), "approved, but never created"),
    "an order created twice": (lambda log: repeat(log, "OrderCreated"), "was created 2 times"),
    "an order nobody approved": (create_unapproved, "created without an approval"),
    "an order that stays unknown": (lambda log: change_status(log, OrderStatus.UNKNOWN), "stands in UNKNOWN"),
    "an order that stays pending": (lambda log: change_status(log, OrderStatus.PENDING_CANCEL), "PENDING_CANCEL"),
    "a fill booked twice": (lambda log: repeat(log, "OrderFilled"), "is booked 2 times"),
    "a fill lost": (lambda log: drop(log, "OrderFilled"), "of the venue is not booked"),
    "a fill that never was": (
        lambda log: at_venue(log, execution_ids=log.venue.execution_ids[2:]), "but not the venue's"
    ),
    "an order at the venue twice": (
        lambda log: at_venue(log, orders=[*log.venue.orders, VenueOrderSeen("i-2", "99")]), "has 2 orders for i-2"
    ),
    "an order that the venue lost": (
        lambda log: at_venue(log, orders=[o for o in log.venue.orders if o.reference != "i-2"]),
        "the venue has no such order",
    ),
    "an order past risk": (
        lambda log: at_venue(log, orders=[*log.venue.orders, VenueOrderSeen("x", "99")]), "never approved"
    ),
    "another position": (
        lambda log: at_venue(log, positions={ACCOUNT: {SYMBOL: log.positions[0].quantity + 1}}), "position SPY in DU1"
    ),
    "a position the desk does not have": (
        lambda log: at_venue(log, positions={ACCOUNT: {**log.venue.positions[ACCOUNT], "AAPL": Decimal(1)}}),
        "position AAPL in DU1: the desk has 0, the venue 1",
    ),
    "a position the venue does not have": (lambda log: at_venue(log, positions={}), "position SPY in DU1"),
    "other cash": (lambda log: at_venue(log, cash={ACCOUNT: {"USD": Decimal("0.01")}}), "cash of DU1"),
    "funding booked twice": (lambda log: repeat(log, '"funding_id":"h2"'), "funding h2 is booked 2 times"),
    "funding lost": (lambda log: drop(log, '"funding_id":"h2"'), "BTC-USD in DU1: the desk has booked -0.375"),
    "funding of another amount": (
        lambda log: at_other(log, funding={ACCOUNT: {"BTC-USD": Decimal(-1)}}), "the venue paid -1"
    ),
    "a position at the other venue alone": (
        lambda log: at_other(log, positions={ACCOUNT: {SYMBOL: Decimal(1)}}), "position SPY in DU1: the desk has 0"
    ),
    "an order at the other venue": (
        lambda log: at_other(log, orders=[VenueOrderSeen("i-1", "99")]), "the order 'i-1', which was never approved"
    ),
    "a fill at the other venue": (lambda log: at_other(log, execution_ids=["u"]), "fill u of the venue is not booked"),
    "other cash at the other venue": (lambda log: at_other(log, cash={ACCOUNT: {"USD": Decimal(2)}}), "the venue 2"),
    "cash in another currency": (
        lambda log: at_venue(log, cash={ACCOUNT: {**log.venue.cash[ACCOUNT], "HKD": Decimal(1)}}), "0 HKD"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@given(outcomes=OUTCOMES)
def test_one_fault_is_found(fault: str, outcomes: list[str]) -> None:
    plant, told = FAULTS[fault]
    log = build(outcomes)
    plant(log)
    assert any(told in sentence for sentence in log.wrong()), log.wrong()


def test_cash_in_another_currency_adds_up_by_itself() -> None:
    log = build(["filled"])
    log.books[0] = msgspec.structs.replace(log.books[0], other_cash={"HKD": Decimal(-5)})
    assert any("-5 HKD, the venue 0" in sentence for sentence in log.wrong())
    at_venue(log, cash={ACCOUNT: {**log.venue.cash[ACCOUNT], "HKD": Decimal(-5)}})
    assert log.wrong() == []


STORED = [received(n, f"intent.ibkr.S{n}", b"payload %d" % n) for n in (1, 2, 3)]
ROWS = {message.sequence: (message.subject, message.payload) for message in STORED}


def test_database_with_every_message_is_right() -> None:
    assert check_record("TRADE", STORED, [], ROWS, replaces=False) == []


def test_message_that_came_after_the_end_may_be_there_or_not() -> None:
    for rows in (ROWS, {n: row for n, row in ROWS.items() if n < 3}):
        assert check_record("TRADE", STORED[:2], STORED[2:], rows, replaces=False) == []


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({n: row for n, row in ROWS.items() if n != 2}, "TRADE:2 (intent.ibkr.S2) is not in the database"),
        (ROWS | {2: ("intent.ibkr.S2", b"payload 9")}, "TRADE:2 differs in the database"),
        (ROWS | {2: ("intent.ibkr.S9", b"payload 2")}, "TRADE:2 differs in the database"),
    ],
)
def test_fault_of_the_database_is_found(rows: dict[int, tuple[str, bytes]], told: str, replaces: bool) -> None:
    assert check_record("TRADE", STORED, [], rows, replaces=replaces) == [told]


def test_row_that_no_stream_had_is_found_unless_the_stream_drops_messages() -> None:
    rows = ROWS | {9: ("intent.ibkr.S9", b"x")}
    assert check_record("TRADE", STORED, [], rows, replaces=False) == ["the database has TRADE:9, the stream has not"]
    assert check_record("STATE", STORED, [], rows, replaces=True) == []


# ------------------------------------------------------------------------------------------------------- refusals


def rejected(log: Log, name: str, refused_by: RefusedBy) -> None:
    """Plant a rejection of an order behind what is there."""
    event = OrderRejected(
        id=f"{name}/rejected", at=AT, venue=VENUE, account=ACCOUNT, order_id=name, status=OrderStatus.REJECTED,
        reason="SPY is not offered", refused_by=refused_by,
    )  # fmt: skip
    log.trade.append((subjects.order(VENUE, ACCOUNT, name), messages.encode(event)))


@pytest.mark.parametrize("refused_by", [RefusedBy.GATEWAY, RefusedBy.DESK])
def test_the_desks_own_refusal_of_an_approved_order_is_found(refused_by: RefusedBy) -> None:
    log = build(["filled", "working"])
    assert consistency.check_refusals(log.read()) == []
    rejected(log, "i-2", refused_by)
    (found,) = consistency.check_refusals(log.read())
    assert "i-2" in found
    assert "the desk itself" in found
    assert "SPY is not offered" in found


@pytest.mark.parametrize("refused_by", [RefusedBy.VENUE, RefusedBy.UNSTATED])
def test_the_venues_refusal_is_the_venues_and_an_old_one_is_nobodys(refused_by: RefusedBy) -> None:
    log = build(["working"])
    rejected(log, "i-1", refused_by)
    assert consistency.check_refusals(log.read()) == []
    assert [event.refused_by for event in consistency.rejections(log.read()).values()] == [refused_by]


def test_a_rejection_as_it_was_stored_before_it_said_who_refused_is_read() -> None:
    old = b'{"type":"OrderRejected","id":"1","at":"2026-01-01T00:00:00Z","venue":"ibkr","account":"DU1",'
    old += b'"order_id":"o","status":"REJECTED","reason":"no"}'
    event: OrderRejected = messages.decode(old, OrderRejected)
    assert event.refused_by is RefusedBy.UNSTATED


def test_the_summary_says_who_refused_and_is_not_content_with_the_desks_own_refusals() -> None:
    figures = {"bars": 0, "scores": 0, "intents": 1, "approved": 1, "denied": 0, "fills": 0, "rows": 0}
    audit = Audit(wrong=[], **figures, rejected={RefusedBy.VENUE: 2, RefusedBy.GATEWAY: 1, RefusedBy.UNSTATED: 3})
    assert audit.who_refused() == "1 by the gateway, 3 nobody said by whom, 2 by the venue"
    assert audit.line().endswith(" ok")
    assert Audit(wrong=[], **figures, refused=["an order"]).line().endswith(" WRONG")


def flattened() -> Log:
    """A desk that has been flattened: the flatten, an order that it made, and its end."""
    log = build(["filled"])
    flatten = FlattenIntent(id="home", at=AT)
    log.last_intent = 2
    told: dict[str, Any] = {"at": AT, "intent_sequence": 2, "intent_stored_at": AT, "checks": ()}
    plan = IntentApproved(id="decision-2", intent=flatten, order_id="", **told)
    closes = Basis(rules="", trade_sequence=1, closes="home")
    asked = MassCancelIntent(id="home.1", at=AT)
    own = IntentApproved(id="decision-2.1", intent=asked, order_id="", basis=closes, **told)
    for decision in (plan, own):
        log.trade.append((subjects.decision(decision, "", ""), messages.encode(decision)))
    ended = FlattenEnded(id="e", at=AT, cause="home", venue="", account="", symbol="", is_flat=True, orders=1)
    log.trade.append((subjects.flatten_ended(ended), messages.encode(ended)))
    return log


def test_what_a_flatten_makes_necessary_is_no_second_decision() -> None:
    assert flattened().wrong() == []


def test_limits_that_were_set_and_refused_are_no_decisions_on_intents() -> None:
    log = flattened()
    told: dict[str, Any] = {"at": AT, "by": "olga", "reason": "why"}
    made = LimitsSet(id="limits/l-1", version=1, limits=LimitsByScope(), desk_file="f", **told)
    refused = LimitsRefused(id="limits/l-2", version=1, **told)
    for ruling in (made, refused):
        log.trade.append((subjects.limits_ruled(ruling), messages.encode(ruling)))
    assert log.wrong() == []


def test_a_flatten_that_has_not_ended_or_twice_or_that_nobody_wanted_is_found() -> None:
    log = flattened()
    *rest, end = log.trade
    log.trade = rest
    assert log.wrong() == ["the flatten home is under way"]
    log.trade = [*rest, end, end]
    assert log.wrong() == ["the flatten home has ended 2 times"]
    other = (end[0], end[1].replace(b"home", b"away"))
    log.trade = [*rest, end, other]
    assert log.wrong() == ["a flatten away has ended that was never approved"]

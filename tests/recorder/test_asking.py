"""What is asked of the record with arguments: positions, and one order's story, as of any place in TRADE."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from recorder.reading import checked, read
from signalbox.messages import (
    AccountAdopted,
    BooksAdjusted,
    ChangeKind,
    Contingency,
    CorrectPosition,
    Fill,
    FillCorrected,
    IntentApproved,
    IntentDenied,
    LedgerSent,
    ListLeg,
    Order,
    OrderAccepted,
    OrderCreated,
    OrderDenied,
    OrderFilled,
    OrderIntent,
    OrderListIntent,
    OrderPartiallyFilled,
    OrderStatus,
    OrderType,
    PayDividend,
    Position,
    PositionAction,
    PositionChange,
    PositionIntent,
    Side,
    SplitPosition,
    SubmitOrder,
    VenueAccepted,
)
from signalbox_cli import story
from signalbox_cli.day import ACTS
from signalbox_cli.made import made_by_strategy

from .recording import Recording

AT = datetime(2026, 1, 5, 14, 31, tzinfo=UTC)
DESK = {"venue": "ibkr", "account": "DU1"}
NOW = 9223372036854775807


@pytest.fixture
def recording(tmp_path: Path, empty_record: Path) -> Iterator[Recording]:
    made = Recording(shutil.copy(empty_record, tmp_path / "desk.duckdb"), one_clock=True)
    yield made
    made.database.close()


def adopted() -> AccountAdopted:
    return AccountAdopted(
        id="_baseline/1", at=AT, order_id="_baseline", status=OrderStatus.FILLED, currency="USD", cash=Decimal(0),
        positions=(), execution_ids=(), **DESK,
    )  # fmt: skip


def fill(number: int, quantity: int, side: Side = Side.BUY, revision: int = 1) -> Fill:
    return Fill(
        execution_id=f"e{number}", revision=revision, order_id="o1", symbol="SPY", side=side,
        quantity=Decimal(quantity), price=Decimal(100), at=AT,
    )  # fmt: skip


def filled(number: int, quantity: int, side: Side = Side.BUY, order_id: str = "o1") -> OrderPartiallyFilled:
    return OrderPartiallyFilled(
        id=f"{order_id}/f{number}", at=AT, order_id=order_id, status=OrderStatus.PARTIALLY_FILLED,
        fill=fill(number, quantity, side), cumulative_quantity=Decimal(quantity), leaves_quantity=Decimal(1), **DESK,
    )  # fmt: skip


def position(quantity: int, trade_sequence: int, mark: str = "") -> Position:
    return Position(
        id=f"position/ibkr/DU1/SPY/{trade_sequence}/{mark}", at=AT, symbol="SPY", currency="USD", multiplier=Decimal(1),
        quantity=Decimal(quantity), average_price=Decimal(100), realized_pnl=Decimal(0), commission=Decimal(0),
        unrealized_pnl=Decimal(len(mark)), mark_price=Decimal(101) if mark else None, **DESK,
    )  # fmt: skip


def said(recording: Recording, message: Position) -> None:
    recording.put("STATE", "position.ibkr.DU1.SPY", message)


def at(recording: Recording, place: int, what: str = "quantity, average_price") -> list[tuple[Any, ...]]:
    return recording.rows(f"SELECT {what} FROM positions_at({place})")


def test_a_position_is_as_it_was_at_any_sequence_of_trade(recording: Recording) -> None:
    recording.event(adopted())
    first, second, third = (recording.event(filled(number, 10)) for number in (1, 2, 3))
    said(recording, position(20, second))  # one word on two fills
    said(recording, position(30, third))
    assert at(recording, 0) == at(recording, 1) == []
    assert at(recording, first) == [(Decimal(10), None)]  # what it had cost by then nobody has said
    assert at(recording, second) == [(Decimal(20), Decimal(100))]
    assert at(recording, third) == at(recording, NOW) == [(Decimal(30), Decimal(100))]
    sold = recording.event(filled(4, 4, Side.SELL))
    assert at(recording, sold, "quantity, average_price, fills_since") == [(Decimal(26), None, 1)]


def test_a_mark_of_later_is_not_of_then(recording: Recording) -> None:
    recording.event(adopted())
    sequence = recording.event(filled(1, 10))
    said(recording, position(10, sequence))
    said(recording, position(10, sequence, "bar"))
    later = recording.event(filled(2, 1))
    said(recording, position(11, later, "bars"))
    said(recording, position(11, later, "later"))
    assert at(recording, later - 1, "quantity, unrealized_pnl") == [(Decimal(10), Decimal(0))]
    assert at(recording, later, "quantity, unrealized_pnl") == [(Decimal(11), Decimal(5))]


def test_what_more_than_fills_has_moved_meanwhile_is_not_guessed(recording: Recording) -> None:
    recording.event(adopted())
    first = recording.event(filled(1, 10))
    said(recording, position(10, first))
    act = CorrectPosition(id="a", at=AT, symbol="SPY", quantity=Decimal(5), price=Decimal(1), reason="r", **DESK)
    change = PositionChange(
        symbol="SPY", currency="USD", multiplier=Decimal(1), kind=ChangeKind.TRADE, at=AT, moved=Decimal(5)
    )
    booked = BooksAdjusted(
        id="_acts/1", at=AT, order_id="_acts", status=OrderStatus.FILLED, act=act, changes=(change,), **DESK
    )
    moved = recording.put("TRADE", "order.ibkr.DU1._acts", booked)
    assert at(recording, moved, "quantity") == [(None,)]
    said(recording, position(15, moved))
    assert at(recording, moved, "quantity") == [(Decimal(15),)]
    corrected = FillCorrected(
        id="o1/c", at=AT, order_id="o1", status=OrderStatus.FILLED, fill=fill(1, 9, revision=2), replaced=fill(1, 10),
        cumulative_quantity=Decimal(9), leaves_quantity=Decimal(0), **DESK,
    )  # fmt: skip
    assert at(recording, recording.event(corrected), "quantity") == [(None,)]
    said(recording, position(14, recording.sequences["TRADE"]))
    assert at(recording, recording.event(adopted()), "quantity") == [(None,)]


def test_a_position_of_an_account_that_was_never_taken_over_is_not_reckoned(recording: Recording) -> None:
    assert at(recording, recording.event(filled(1, 10))) == []
    assert at(recording, recording.event(adopted())) == []  # what filled before that is in what was taken over


# --------------------------------------------------------------------------------------------------------- one story


def put_bracket(recording: Recording) -> dict[str, int]:
    """An entry of 10 that fills, its stop (which stands two seconds later) and its target, by their places."""
    recording.event(adopted())
    legs = (
        ListLeg(
            name="entry", side=Side.BUY, order_type=OrderType.LIMIT, quantity=Decimal(10), limit_price=Decimal(100)
        ),
        ListLeg(name="stop", side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(90)),
    )
    wish = OrderListIntent(id="b", symbol="SPY", contingency=Contingency.BRACKET, legs=legs, **DESK)
    approved = IntentApproved(
        id="decision/b", at=AT, cause="b", by="alice", intent_sequence=1, intent=wish, order_id="b", checks=(),
        intent_stored_at=datetime.fromtimestamp(1_700_000_000, UTC),
    )  # fmt: skip
    places = {"decided": recording.put("TRADE", "decision.approved.ibkr.DU1", approved)}
    terms: dict[str, Any] = {"intent_id": "b", "symbol": "SPY", **DESK, "quantity": Decimal(10)}
    orders = {
        "entry": Order(
            order_id="b.entry", side=Side.BUY, order_type=OrderType.LIMIT, limit_price=Decimal(100), **terms
        ),
        "stop": Order(order_id="b.stop", side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(90), **terms),
        "target": Order(order_id="b.t", side=Side.SELL, order_type=OrderType.LIMIT, limit_price=Decimal(120), **terms),
    }
    for name, order in orders.items():
        order_id, cause = order.order_id, "decision/b" if name == "entry" else "b.entry/f1"
        event: dict[str, Any] = {"order_id": order_id, **DESK}
        recording.put(
            "COMMANDS", f"cmd.{order_id}", SubmitOrder(id=f"c/{order_id}", at=AT, cause=cause, order=order, deadline=AT)
        )
        created = OrderCreated(
            id=f"{order_id}/1", at=AT, cause=cause, status=OrderStatus.PENDING_NEW, order=order, **event
        )
        places[f"{name} created"] = recording.event(created)
        sent = LedgerSent(id=f"l/{order_id}", at=AT, venue="ibkr", order=order, attempt_id="7")
        recording.put("LEDGER", f"ledger.{order_id}", sent)
        report = VenueAccepted(id=f"r/{order_id}", at=AT, venue_order_id="v", **event)
        recording.put("REPORTS", f"report.{order_id}", report)
        later = AT + timedelta(seconds=0 if name == "entry" else 2)
        accepted = OrderAccepted(
            id=f"{order_id}/2", at=later, cause=f"r/{order_id}", status=OrderStatus.NEW, venue_order_id="v", **event
        )
        places[f"{name} accepted"] = recording.event(accepted)
        if name == "entry":
            done = OrderFilled(
                id="b.entry/f1", at=AT, status=OrderStatus.FILLED, fill=fill(1, 10), cumulative_quantity=Decimal(10),
                leaves_quantity=Decimal(0), **event,
            )  # fmt: skip
            places["filled"] = recording.event(done)
            said(recording, position(10, places["filled"]))
    return places


def test_a_story_ends_at_the_place_that_it_is_asked_for(recording: Recording) -> None:
    places = put_bracket(recording)

    def whats(place: int) -> list[str]:
        return [what for (what,) in recording.rows(f"SELECT what FROM order_story('b', {place})")]

    assert whats(1) == []
    assert whats(places["decided"]) == ["OrderListIntent", "APPROVED"]
    begun = ["OrderListIntent", "APPROVED", "SubmitOrder", "OrderCreated"]
    assert whats(places["entry created"]) == begun
    assert whats(places["entry accepted"]) == [*begun, "LedgerSent", "VenueAccepted", "OrderAccepted"]
    assert whats(NOW)[-4:] == ["OrderCreated", "LedgerSent", "VenueAccepted", "OrderAccepted"]
    assert recording.rows("SELECT what FROM order_story('b')") == [(what,) for what in whats(NOW)]
    steps = recording.rows("SELECT after_milliseconds FROM order_story('b')")
    assert steps[0] == (None,)
    assert all(step == (1.0,) for step in steps[2:7])
    assert recording.rows("SELECT what FROM order_story('b.')") == []


def test_each_hop_of_an_order_is_told_and_an_exit_begins_with_what_made_it_necessary(recording: Recording) -> None:
    places = put_bracket(recording)
    hops = recording.rows("SELECT order_id, hop, milliseconds FROM order_hops('b')")
    assert [(hop, step) for order, hop, step in hops if order == "b.entry"] == [
        ("intent_to_decision", 2.0),
        ("decision_to_command", 1.0),
        ("command_to_venue", 2.0),
        ("venue_to_report", 1.0),
        ("report_to_event", 1.0),
    ]
    assert [hop for order, hop, _ in hops if order == "b.stop"] == [
        "event_to_command",
        "command_to_venue",
        "venue_to_report",
        "report_to_event",
    ]
    of_then = recording.rows(f"SELECT DISTINCT hop FROM order_hops('b', {places['entry created']})")
    assert {hop for (hop,) in of_then} == {"intent_to_decision", "decision_to_command"}


def test_what_protects_is_told_with_kind_price_and_what_is_held(recording: Recording) -> None:
    places = put_bracket(recording)
    wanted = 'order_id, kind, protects, held, "open", stop_price, limit_price'

    def protection(place: int) -> list[tuple[Any, ...]]:
        return recording.rows(f"SELECT {wanted} FROM order_protection('b', {place})")

    ten = Decimal(10)
    target = ("b.t", "TARGET", False, ten, ten, None, Decimal(120))
    assert protection(NOW) == [("b.stop", "STOP", True, ten, ten, Decimal(90), None), target]
    assert protection(places["filled"]) == []
    assert protection(places["stop created"]) == [("b.stop", "STOP", False, ten, ten, Decimal(90), None)]
    assert recording.rows("SELECT order_id FROM order_protection('another')") == []


def test_how_long_each_stop_of_a_list_took_to_stand(recording: Recording) -> None:
    places = put_bracket(recording)
    stood = "SELECT order_id, quantity, unprotected_seconds FROM list_stops"
    assert recording.rows(f"{stood}('b')") == [("b.stop", Decimal(10), 2.0)]
    assert recording.rows(f"{stood}('b', {places['stop created']})") == [("b.stop", Decimal(10), None)]
    assert recording.rows(f"{stood}('b', {places['filled']})") == []


@pytest.mark.parametrize("asked", [story.STORY, story.NOW, story.HOPS, story.PROTECTION, story.STOOD, story.EVENTS])
def test_the_command_line_asks_the_same(recording: Recording, asked: str) -> None:
    put_bracket(recording)
    table = "o." if "orders_at" in asked else ""
    sql = asked.format(id="'b'", place=NOW, owner=f"{table}venue = 'ibkr' AND {table}account = 'DU1'")
    assert recording.rows(checked(recording.database.connection, sql))
    nowhere = asked.format(id="'b'", place=NOW, owner=f"{table}venue = 'dydx'")
    assert recording.rows(nowhere) == []


def test_what_acts_did_to_positions_and_the_income_that_they_booked_are_rows(recording: Recording) -> None:
    said(recording, position(10, 1))
    act: dict[str, Any] = {"at": AT, "symbol": "SPY", "reason": "r", **DESK}
    event: dict[str, Any] = {"at": AT, "order_id": "_acts", "status": OrderStatus.FILLED, **DESK}
    split = PositionChange(
        symbol="SPY", currency="USD", multiplier=Decimal(1), kind=ChangeKind.SPLIT, at=AT, moved=Decimal(30),
        numerator=Decimal(4),
    )  # fmt: skip
    paid = PayDividend(id="d", amount_per_share=Decimal("0.24"), **act)
    for adjusted in (
        BooksAdjusted(
            id="_acts/1",
            act=SplitPosition(id="s", numerator=Decimal(4), denominator=Decimal(1), effective_at=AT, **act),
            changes=(split,),
            **event,
        ),
        BooksAdjusted(id="_acts/2", act=paid, cash={"USD": Decimal("2.40")}, **event),
        BooksAdjusted(id="_acts/3", act=paid, cash={"EUR": Decimal(1)}, **event),
    ):
        recording.put("TRADE", "order.ibkr.DU1._acts", adjusted)
    until = "9999-01-01T00:00:00Z"
    reply = read(recording.database.connection, ACTS.format(until=until), 10)
    rows = [dict(zip(reply.columns, row, strict=True)) for row in reply.rows]
    assert [(row["type"], row["kind"], row["numerator"], row["income"]) for row in rows] == [
        ("SplitPosition", "SPLIT", "4", None),
        ("PayDividend", None, None, "2.4"),
    ]
    held = {
        "strategy": "s",
        "side": "BUY",
        "quantity": "10",
        "price": "40",
        "commission": None,
        "symbol": "SPY",
        **DESK,
    }
    made = made_by_strategy([{**held, "at": "2026-01-05T14:00:00.000000Z"}], {}, "", rows)
    [(_, of_strategy)] = made.items()
    assert (of_strategy.quantity, of_strategy.income) == (Decimal(40), Decimal("2.4"))
    assert recording.rows(ACTS.format(until="2026-01-01T00:00:00Z")) == []


# ---------------------------------------------------------------------------------------------------- what was denied


def denied(recording: Recording, wish: PositionIntent | OrderListIntent | OrderIntent) -> None:
    decision = IntentDenied(
        id=f"d/{wish.id}", at=AT, cause=wish.id, intent_sequence=1, intent=wish, checks=(), reason="no"
    )
    recording.put("TRADE", "decision.denied.ibkr.DU1", decision)
    event: dict[str, Any] = {"order_id": wish.id, "status": OrderStatus.DENIED, "reason": "no", **DESK}
    recording.event(OrderDenied(id=f"{wish.id}/1", at=AT, cause=f"d/{wish.id}", **event))


def test_a_denied_wish_for_a_position_or_a_list_keeps_its_terms(recording: Recording) -> None:
    at_market: dict[str, Any] = {"symbol": "SPY", **DESK}
    for action in ("ADD_LONG", "REDUCE_SHORT", "CLOSE_LONG", "OPEN_SHORT", "TARGET"):
        denied(recording, PositionIntent(id=action, action=PositionAction(action), quantity=Decimal(5), **at_market))
    limited = PositionIntent(
        id="limited", action=PositionAction.OPEN_LONG, quantity=Decimal(5), limit_price=Decimal(99), **at_market
    )
    denied(recording, limited)
    legs = (
        ListLeg(name="entry", side=Side.BUY, order_type=OrderType.LIMIT, quantity=Decimal(7), limit_price=Decimal(98)),
        ListLeg(name="stop", side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(90)),
    )
    denied(recording, OrderListIntent(id="list", contingency=Contingency.BRACKET, legs=legs, **at_market))
    rows = recording.rows(
        "SELECT order_id, symbol, side, quantity, order_type, limit_price FROM orders ORDER BY sequence"
    )
    five = Decimal(5)
    assert rows == [
        ("ADD_LONG", "SPY", "BUY", five, "MARKET", None),
        ("REDUCE_SHORT", "SPY", "BUY", five, "MARKET", None),
        ("CLOSE_LONG", "SPY", "SELL", five, "MARKET", None),
        ("OPEN_SHORT", "SPY", "SELL", five, "MARKET", None),
        ("TARGET", "SPY", None, five, "MARKET", None),
        ("limited", "SPY", "BUY", five, "LIMIT", Decimal(99)),
        ("list", "SPY", "BUY", Decimal(7), "LIMIT", Decimal(98)),
    ]
    assert recording.rows("SELECT contingency, len(legs), legs[2].name FROM intents WHERE intent_id = 'list'") == [
        ("BRACKET", 2, "stop")
    ]

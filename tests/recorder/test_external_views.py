"""Orders that others have placed, as people read them: in the venue's words, whose they are, and their fills."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox.messages import (
    ClaimOrder,
    Fill,
    Order,
    OrderAccepted,
    OrderClaimed,
    OrderCreated,
    OrderPartiallyFilled,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    VenueOrderFound,
)
from signalbox_cli.day import FILLS, STRATEGY
from signalbox_cli.looking import EXTERNAL, ORDERS
from signalbox_cli.story import STORY

from tests.recorder.test_views import Recording

AT = datetime(2026, 1, 5, 14, 31, tzinfo=UTC)
DESK = {"venue": "ibkr", "account": "DU1"}
NAME = "external-77"
SUBJECT = f"order.ibkr.DU1.{NAME}"


@pytest.fixture
def recording(tmp_path: Path, empty_record: Path) -> Iterator[Recording]:
    made = Recording(shutil.copy(empty_record, tmp_path / "views.duckdb"))
    yield made
    made.database.close()


def terms(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "order_id": NAME, "intent_id": "", "symbol": "SPY", "side": Side.SELL, "quantity": Decimal(100),
        "order_type": OrderType.MARKET, "limit_price": Decimal(500), "placed_by": "client 33", "venue_type": "PEG MID",
        "venue_time_in_force": "OVT", "time_in_force": TimeInForce.GTC, **DESK,
    }  # fmt: skip
    return Order(**(values | changes))


def put(recording: Recording, kind: Any, number: int, status: OrderStatus = OrderStatus.NEW, **facts: Any) -> None:
    event = kind(
        id=f"ibkr/DU1/{NAME}/{number}", at=AT, cause=f"c{number}", order_id=NAME, status=status, **DESK, **facts
    )
    recording.put("TRADE", SUBJECT, event)


def fill(recording: Recording, number: int) -> None:
    execution = Fill(
        execution_id=f"e{number}", revision=1, order_id=NAME, symbol="SPY", side=Side.SELL, quantity=Decimal(10),
        price=Decimal(500), at=AT,
    )  # fmt: skip
    status = OrderStatus.PARTIALLY_FILLED
    facts = {"fill": execution, "cumulative_quantity": Decimal(10), "leaves_quantity": Decimal(90)}
    put(recording, OrderPartiallyFilled, number, status, **facts)


def claimed(recording: Recording) -> None:
    found = VenueOrderFound(
        id="r1", at=AT, venue_order_id="77", symbol="SPY", side=Side.SELL, quantity=Decimal(100),
        limit_price=Decimal(500), **DESK,
    )  # fmt: skip
    recording.put("REPORTS", "report.ibkr.DU1.found", found)
    put(recording, OrderCreated, 1, OrderStatus.PENDING_NEW, order=terms())
    put(recording, OrderAccepted, 2, venue_order_id="77")
    fill(recording, 3)
    act = ClaimOrder(id="b1", at=AT, reason="its stop", by="carol", order_id=NAME, strategy="trend", **DESK)
    put(recording, OrderClaimed, 4, OrderStatus.PARTIALLY_FILLED, order=terms(strategy="trend"), act=act)
    fill(recording, 5)


def test_an_order_is_shown_in_the_venues_words_and_whose_it_is(recording: Recording) -> None:
    claimed(recording)
    listed = ORDERS.format(where=f"WHERE {EXTERNAL}", orders="orders")
    shown = recording.rows(f'SELECT order_id, "by", type, tif, price FROM ({listed})')
    assert shown == [(NAME, "client 33", "PEG MID", "OVT", Decimal(500))]
    assert recording.rows("SELECT strategy, placed_by, events FROM orders") == [("trend", "client 33", 5)]


def test_what_it_fills_after_its_claim_is_the_strategys(recording: Recording) -> None:
    claimed(recording)
    assert recording.rows("SELECT execution_id, strategy FROM fills_of_strategies") == [("e5", "trend")]
    told = FILLS.format(where="", way="")
    assert recording.rows(f"SELECT execution_id, strategy FROM ({told})") == [("e3", ""), ("e5", "trend")]
    told = FILLS.format(where=f"WHERE {STRATEGY} = 'trend'", way="")
    assert recording.rows(f"SELECT execution_id FROM ({told})") == [("e5",)]


def test_its_story_has_what_the_venue_showed_and_who_claimed_it_and_why(recording: Recording) -> None:
    claimed(recording)
    told = recording.rows(f"SELECT what, said FROM ({STORY.format(id=repr(NAME), place=2**62, owner='true')})")
    said = dict(told)
    assert said["VenueOrderFound"]
    assert "claimed for trend by carol: its stop" in said["OrderClaimed"]


def test_a_claim_stands_among_the_acts(recording: Recording) -> None:
    claimed(recording)
    assert recording.rows('SELECT act_id, type, outcome, "by", reason FROM books_acts') == [
        ("b1", "ClaimOrder", "BOOKED", "carol", "its stop")
    ]

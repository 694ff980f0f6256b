"""Risk counts with what an operator's act has made of a position, and with late fills in the units that they are in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox.messages import (
    BooksActRefused,
    BooksAdjusted,
    ChangeKind,
    CorrectCash,
    FillCorrected,
    IntentApproved,
    OrderEvents,
    OrderStatus,
    PositionChange,
    decode,
)

D = Decimal


def adjusted(w: Any, kind: ChangeKind, moved: str, **figures: Any) -> BooksAdjusted:
    change = PositionChange(
        symbol="SPY", currency="USD", multiplier=D(1), kind=kind, at=w.now, moved=D(moved), **figures
    )
    act = CorrectCash(
        id="a", at=w.now, venue="ibkr", account="DU1234567", reason="r", by="b", currency="USD", amount=D(1)
    )
    common: Any = {"at": w.now, "venue": "ibkr", "account": "DU1234567", "order_id": "_acts"}
    return BooksAdjusted(id=f"_acts/{w.sequence}", status=OrderStatus.FILLED, act=act, changes=(change,), **common)


def position(w: Any) -> Decimal:
    quantity: Decimal = w.state.books["ibkr", "DU1234567"].holdings["SPY"].quantity
    return quantity


def test_what_an_act_has_moved_can_be_sold_reduce_only(world: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "100"),))
    sale = {"side": "SELL", "quantity": "200", "limit": "99", "reduce_only": True}
    assert not isinstance(w.decide(w.order(**sale)), IntentApproved)
    w.event(adjusted(w, ChangeKind.SPLIT, "100", numerator=D(2)))
    assert isinstance(w.decide(w.order(**sale)), IntentApproved)


@pytest.mark.parametrize(
    ("kind", "figures", "moved", "after_bust"),
    [
        (ChangeKind.SPLIT, {"numerator": D(3), "denominator": D(2)}, "20", "45"),  # 40 x 3/2, less 10 x 3/2
        (ChangeKind.SET, {"quantity": D(60), "cost": D(6000)}, "20", "60"),
        (ChangeKind.TRADE, {"quantity": D(20), "cost": D(2000)}, "20", "50"),
    ],
)
def test_a_fill_of_before_an_act_is_busted_in_its_own_units(
    world: Any, kind: ChangeKind, figures: dict[str, Any], moved: str, after_bust: str
) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "30"),))
    order = w.order(quantity="10")
    w.decide(order)
    w.created(order).fill(order, "10", "0")
    fill = w.log[-1]
    assert position(w) == 40
    w.later(5).event(adjusted(w, kind, moved, **figures))
    assert position(w) == 60
    booked = decode(fill[2], OrderEvents)
    bust = FillCorrected(
        id="bust",
        at=w.now,
        venue="ibkr",
        account="DU1234567",
        order_id=order.id,
        status=OrderStatus.FILLED,
        fill=replace(booked.fill, quantity=D(0), revision=2),
        replaced=booked.fill,
        cumulative_quantity=D(0),
        leaves_quantity=D(0),
    )
    w.event(bust)
    assert position(w) == D(after_bust)


def test_an_act_that_was_refused_moves_nothing(world: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "30"),))
    event = adjusted(w, ChangeKind.TRADE, "1")
    w.event(
        BooksActRefused(
            id="x", at=w.now + timedelta(seconds=1), venue="ibkr", account="DU1234567", order_id="_acts",
            status=OrderStatus.FILLED, act=event.act, reason="no",
        )
    )  # fmt: skip
    assert position(w) == 30

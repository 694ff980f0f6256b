"""What is forgotten, and what is not: memory is bounded by days, not by how long the gateway runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_ibkr.decide import question
from gateway_ibkr.state import OwnState, State, fold_report, forget, state_of
from signalbox.gateway.state import Standing, new_to, report_id, track
from signalbox.messages import (
    Fill,
    LedgerClaimed,
    Order,
    OrderType,
    Side,
    VenueAccepted,
    VenueCommission,
    VenueFill,
)

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
LATER = AT + timedelta(days=8)
ACCOUNT = "DU1"


def state_with(order_id: str, standing: Standing, *, filled: int = 0) -> State:
    """One order of 10 claimed at AT, accepted, and filled in part or not."""
    state = state_of(ACCOUNT, OwnState(11))
    order = Order(
        order_id=order_id,
        intent_id=order_id,
        venue="ibkr",
        account=ACCOUNT,
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.MARKET,
    )
    tracked = track(state, LedgerClaimed(id="c", at=AT, venue="ibkr", order=order, attempt_id="5"), 1)
    common = {"at": AT, "venue": "ibkr", "account": ACCOUNT}
    accepted = report_id("ibkr", ACCOUNT, "accepted", order_id)
    fold_report(state, VenueAccepted(id=accepted, order_id=order_id, venue_order_id="9001", **common))
    if filled:
        fill = Fill(
            execution_id="x",
            revision=1,
            order_id=order_id,
            symbol="SPY",
            side=Side.BUY,
            quantity=Decimal(filled),
            price=Decimal(400),
            at=AT,
        )
        fold_report(
            state, VenueFill(id=report_id("ibkr", ACCOUNT, "fill", "x.1"), fill=fill, venue_order_id="9001", **common)
        )
        commission = VenueCommission(
            id=report_id("ibkr", ACCOUNT, "commission", "x.1"),
            execution_id="x",
            revision=1,
            order_id=order_id,
            commission=Decimal(1),
            currency="USD",
            **common,
        )
        fold_report(state, commission)
    tracked.standing = standing
    return state


@pytest.mark.parametrize(("standing", "filled"), [(Standing.OVER, 0), (Standing.SENT, 10)])
def test_an_order_that_is_over_is_forgotten_with_all_that_names_it(standing: Standing, filled: int) -> None:
    state = state_with("a-1", standing, filled=filled)
    forget(state, LATER, ())
    assert (state.orders, state.reported) == ({}, {})
    assert (state.order_by_number, state.order_by_venue_id, state.own.order_by_execution) == ({}, {}, {})
    assert state.highest_number == 5, "its number is not handed out again"


@pytest.mark.parametrize(("standing", "filled"), [(Standing.SENT, 4), (Standing.CLAIMED, 0)])
def test_an_order_that_is_not_over_is_remembered_however_old(standing: Standing, filled: int) -> None:
    state = state_with("a-1", standing, filled=filled)
    before = set(state.reported)
    forget(state, LATER, ())
    assert set(state.orders) == {"a-1"}
    assert set(state.reported) == before
    assert question(state, state.orders["a-1"]) != "a commission is missing"


def test_what_ended_lately_or_is_being_asked_about_is_remembered() -> None:
    state = state_with("a-1", Standing.OVER)
    forget(state, AT - timedelta(days=8), ())
    assert "a-1" in state.orders
    forget(state, LATER, ("a-1",))
    assert "a-1" in state.orders


def test_a_report_of_this_week_is_not_made_again() -> None:
    state = state_with("a-1", Standing.OVER)
    again = VenueAccepted(
        id=report_id("ibkr", ACCOUNT, "accepted", "a-1"),
        at=AT,
        venue="ibkr",
        account=ACCOUNT,
        order_id="a-1",
        venue_order_id="",
    )
    forget(state, AT - timedelta(seconds=1), ())
    assert not new_to(state, again)

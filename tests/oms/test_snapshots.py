"""Where an account's books begin, and what a venue's snapshot is compared with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oms.outcome import DriftKind, NoteKind
from signalbox.messages import (
    AccountAdopted,
    OpenOrder,
    OrderAccepted,
    OrderStatus,
    OrderUnknown,
    Side,
    VenueCanceled,
    VenueUnknown,
)

DU1 = ("ibkr", "DU1")


def open_order(order_id: str) -> OpenOrder:
    return OpenOrder(
        order_id=order_id,
        venue_order_id="9001",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(100),
        filled_quantity=Decimal(0),
    )


def test_the_first_snapshot_is_the_baseline(make: Any) -> None:
    desk = make.desk()
    snapshot = make.snapshot(positions=(make.held("-30", "12.5"),), execution_ids=("old",))
    [event] = desk.take(snapshot).events
    assert isinstance(event, AccountAdopted)
    assert (event.id, event.order_id) == ("ibkr/DU1/_baseline/1", "_baseline")
    book = desk.state.accounts[DU1]
    assert (book.cash, book.symbols["AAPL"].holding.quantity) == ({"USD": 100_000}, -30)
    assert desk.take(make.fill(execution_id="old", order_id="")).notes == (NoteKind.ADOPTED_FILL,)
    assert desk.take(make.commission(execution_id="old")).notes == (NoteKind.ADOPTED_FILL,)
    assert not desk.state.working
    assert desk.restart().state.accounts == desk.state.accounts


def test_a_fill_reported_before_the_baseline_that_contains_it_counts_once(make: Any) -> None:
    inside, later = make.fill("40", execution_id="e1", order_id=""), make.fill("2", execution_id="e2", order_id="")
    snapshot = make.snapshot(positions=(make.held("40", "10"),), execution_ids=("e1",), cash=Decimal(99_600))
    for reports in ((inside, later, snapshot), (snapshot, inside, later), (inside, snapshot, later)):
        desk = make.desk().run(*reports, make.commission("1", execution_id="e2"))
        book = desk.state.accounts[DU1]
        assert book.symbols["AAPL"].holding.quantity == 42
        assert book.cash["USD"] == 99_600 - 20 - 1


def test_each_account_has_a_baseline_of_its_own(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.snapshot(account="DU2", cash=Decimal(5)))
    assert [event.id for event in desk.log] == ["ibkr/DU1/_baseline/1", "ibkr/DU2/_baseline/1"]


def test_a_snapshot_that_agrees_shows_no_drift_and_makes_no_event(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.approved(), make.accepted(), make.fill("40"))
    held = make.snapshot(
        9,
        cash=Decimal(99_600),
        positions=(make.held("40", "10"),),
        execution_ids=("e1",),
        open_orders=(open_order("o-1"), open_order("")),
    )
    outcome = desk.take(held)
    assert (outcome.events, outcome.drift) == ((), ())


def test_drift_is_told_and_not_mended(make: Any) -> None:
    canceled = make.report(VenueCanceled, reason="x")
    desk = make.desk().run(make.snapshot(), make.approved(), make.accepted(), canceled)
    before = desk.state.accounts[DU1].cash.copy()
    outcome = desk.take(
        make.snapshot(
            9,
            cash=Decimal(7),
            positions=(make.held("3", "10", "MSFT"),),
            execution_ids=("lost",),
            open_orders=(open_order("o-1"),),
        )
    )
    assert outcome.events == ()
    assert {(drift.kind, drift.name, drift.ours, drift.theirs) for drift in outcome.drift or ()} == {
        (DriftKind.EXECUTION, "lost", "not booked", "executed"),
        (DriftKind.POSITION, "MSFT", "0", "3"),
        (DriftKind.CASH, "USD", "100000", "7"),
        (DriftKind.ORDER, "o-1", "CANCELED", "open"),
    }
    assert desk.state.accounts[DU1].cash == before


def test_of_a_symbol_whose_row_makes_no_sense_nothing_is_compared(make: Any) -> None:
    held = make.held("3", "10", "MSFT")
    desk = make.desk().run(make.snapshot(positions=(held, make.held("5", "10"))))
    [drift] = desk.take(make.snapshot(9, unread=("MSFT",))).drift
    assert (drift.kind, drift.name) == (DriftKind.POSITION, "AAPL")


def test_what_was_heard_since_the_snapshot_was_taken_is_not_compared(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.approved(), make.accepted(seconds=20), make.fill("40", seconds=21))
    outcome = desk.take(make.snapshot(10))
    assert (outcome.events, outcome.drift) == ((), ())


def test_a_working_order_that_the_venue_does_not_list_is_unknown_once(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.approved(), make.accepted())
    [event] = desk.take(make.snapshot(9)).events
    assert isinstance(event, OrderUnknown)
    desk.take(make.fill("40", seconds=10))
    assert desk.state.orders["o-1"].status is OrderStatus.PARTIALLY_FILLED
    assert desk.restart().take(make.snapshot(9)).events == ()


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_order_on_its_way_is_not_expected_at_the_venue(make: Any, cancelled: bool) -> None:
    desk = make.desk().run(make.snapshot(), make.approved(), *([make.cancel()] if cancelled else []))
    assert desk.take(make.snapshot(9)).events == ()


def test_orders_of_another_account_are_not_compared(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.snapshot(account="DU2"), make.approved(), make.accepted())
    assert desk.take(make.snapshot(9, account="DU2")).events == ()


def test_an_unknown_order_that_the_venue_lists_is_found(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.approved(), make.report(VenueUnknown, reason="no answer"))
    [event] = desk.take(make.snapshot(9, open_orders=(open_order("o-1"),))).events
    assert isinstance(event, OrderAccepted)
    assert (event.status, event.venue_order_id) == (OrderStatus.NEW, "9001")


def test_funding_that_the_venue_paid_and_nobody_booked_is_drift(make: Any) -> None:
    payment = make.funding("-1")
    desk = make.desk().run(make.snapshot(cash=Decimal(1000)))
    later = make.snapshot(7200, cash=Decimal(999), funding_ids=(payment.funding_id,))
    found = desk.take(later).drift
    assert {drift.kind for drift in found} == {DriftKind.FUNDING, DriftKind.CASH}
    desk.take(payment)
    again = make.snapshot(7201, cash=Decimal(999), funding_ids=(payment.funding_id,))
    assert desk.take(again).drift == ()


def test_cash_is_not_compared_while_the_venue_owes_rows_of_funding(make: Any) -> None:
    desk = make.desk().run(make.snapshot(cash=Decimal(1000)))
    waiting = make.snapshot(1, cash=Decimal(999), funding_awaited=True)
    assert desk.take(waiting).drift == ()
    listed = make.snapshot(2, cash=Decimal(999))
    assert [each.kind for each in desk.take(listed).drift] == [DriftKind.CASH]


def test_a_payment_of_before_the_baseline_that_is_listed_later_is_no_drift(make: Any) -> None:
    payment = make.funding(hour=16)
    desk = make.desk().run(make.snapshot(funding_until=payment.at))
    late = make.snapshot(1, funding_ids=(payment.funding_id, "other"), funding_times=(payment.at,))
    assert [each.name for each in desk.take(late).drift] == ["other"]


def test_cash_is_adopted_and_compared_by_currency(make: Any) -> None:
    desk = make.desk().run(make.snapshot(cash=Decimal(1000), other_cash={"HKD": Decimal(5)}))
    assert desk.state.accounts[DU1].cash == {"USD": 1000, "HKD": 5}
    assert desk.take(make.snapshot(1, cash=Decimal(1000), other_cash={"HKD": Decimal(5)})).drift == ()
    found = desk.take(make.snapshot(2, cash=Decimal(1000), other_cash={"EUR": Decimal(3)})).drift
    assert [(each.kind, each.name, each.ours, each.theirs) for each in found] == [
        (DriftKind.CASH, "EUR", "0", "3"),
        (DriftKind.CASH, "HKD", "5", "0"),
    ]


def test_a_venue_that_says_one_figure_is_held_against_that_alone(make: Any) -> None:
    desk = make.desk().run(make.snapshot(cash=Decimal(1000)))
    desk.state.accounts[DU1].cash["HKD"] = Decimal(-5)
    assert desk.take(make.snapshot(1, cash=Decimal(1000))).drift == ()
    assert [each.name for each in desk.take(make.snapshot(2, cash=Decimal(1000), other_cash={})).drift] == ["HKD"]

"""What the OMS shows of its state: of the desk file's accounts and symbols, as it is when scraped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from math import isnan
from typing import Any

import pytest
from oms import attaching
from oms.metrics import Shown
from oms.statements import Mark, book_message, position_message
from prometheus_client import REGISTRY
from signalbox.clock import FixedClock
from signalbox.messages import VenueCanceled, VenueUnknown

LABELS = {"venue": "ibkr", "account": "DU1"}


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"signalbox_oms_{name}", labels)


def of(name: str, symbol: str = "AAPL") -> float | None:
    return value(name, **LABELS, symbol=symbol)


class Screen:
    """A pure desk whose state is shown a minute after it began, and its books as they are published."""

    def __init__(self, make: Any) -> None:
        self.desk = make.desk()
        self.clock = FixedClock(make.at + timedelta(seconds=61))
        self.shown = Shown(self.desk.state, self.clock)
        self.shown.watch(make.desk_file)

    def publish(self, account: str = "DU1", mark: Mark | None = None) -> None:
        book = self.desk.state.accounts["ibkr", account]
        for symbol in book.symbols:
            self.shown.books(position_message(book, symbol, mark))
        self.shown.books(book_message(book))


@pytest.fixture
def screen(make: Any) -> Iterator[Screen]:
    yield Screen(make)
    for collector in set(REGISTRY._names_to_collectors.values()):
        if any(name.startswith("signalbox_oms_") for name in REGISTRY._collector_to_names[collector]):
            getattr(collector, "_metrics", {}).clear()


def test_orders_are_counted_by_account_and_status_and_the_oldest_of_each_has_an_age(screen: Screen, make: Any) -> None:
    assert value("oldest_order_seconds", **LABELS, status="UNKNOWN") == 0
    desk = screen.desk.run(make.approved("a", 1), make.approved("b", 2), make.approved("c", 3), make.accepted("b"))
    desk.run(make.fill("100", order_id="c"), make.report(VenueUnknown, "a", reason="no answer"))
    desk.run(make.approved("d", 4, account="DU9"))  # not an account of the desk file
    counted = {status: value("orders", **LABELS, status=status) for status in ("UNKNOWN", "NEW", "PENDING_NEW")}
    assert counted == {"UNKNOWN": 1, "NEW": 1, "PENDING_NEW": 0}
    assert value("orders", **LABELS, status="FILLED") is None
    assert value("oldest_order_seconds", **LABELS, status="UNKNOWN") == 60
    assert value("orders", venue="ibkr", account="DU9", status="PENDING_NEW") is None


def test_counters_of_the_desks_venues_begin_at_zero(screen: Screen) -> None:
    assert value("fills_total", venue="ibkr") == 0
    assert value("order_events_total", venue="ibkr", event="OrderRejected") == 0
    assert value("fills_total", venue="dydx") is None


def test_unprotected_position_has_an_age_of_desk_time(screen: Screen, make: Any) -> None:
    assert of("unprotected_position_seconds") == 0
    screen.desk.run(make.snapshot(), make.approved(), make.fill("10", seconds=2))
    assert of("unprotected_position_seconds") == 59
    screen.clock.at += timedelta(seconds=1)
    assert of("unprotected_position_seconds") == 60


def test_position_and_cash_are_those_that_are_published(screen: Screen, make: Any) -> None:
    screen.desk.run(make.snapshot(), make.approved(), make.fill("40", "10"), make.commission("2"), make.funding("-3"))
    screen.publish(mark=Mark(Decimal(11), make.at, "bar-1"))
    assert (of("position_quantity"), of("position_value"), of("unrealised_pnl")) == (40, 440, 40)
    assert of("realised_pnl") == 0
    assert value("commission_paid", **LABELS) == 2
    assert value("funding_received", **LABELS) == -3
    assert value("cash", **LABELS, currency="USD") == 100_000 - 400 - 2 - 3


def test_position_in_another_currency_is_in_the_accounts_and_its_cash_in_its_own(screen: Screen, make: Any) -> None:
    hong_kong = make.approved(symbol="0700.HK", quantity=Decimal(8))
    screen.desk.run(make.snapshot(), hong_kong, make.fill("8", "100", symbol="0700.HK"))
    screen.publish(mark=Mark(Decimal(110), make.at, "bar-1"))
    assert (of("position_value", "0700.HK"), of("unrealised_pnl", "0700.HK")) == (110, 10)
    assert value("cash", **LABELS, currency="HKD") == -800


def test_desk_symbol_without_a_position_is_flat_once_the_account_is_known(screen: Screen, make: Any) -> None:
    assert of("position_quantity", "MSFT") is None
    screen.desk.run(make.snapshot())
    screen.publish()
    assert (of("position_quantity", "MSFT"), of("position_value", "MSFT")) == (0, 0)


def test_symbols_and_accounts_beside_the_desk_file_have_no_series(screen: Screen, make: Any) -> None:
    screen.desk.run(make.snapshot(positions=(make.held("5", "10", "GME"),)), make.snapshot(account="DU9"))
    screen.publish()
    screen.publish("DU9")
    assert of("position_quantity", "GME") is None
    assert value("commission_paid", venue="ibkr", account="DU9") is None


def test_position_without_a_mark_has_no_value_that_anybody_could_add_up(screen: Screen, make: Any) -> None:
    screen.desk.run(make.snapshot(), make.approved(), make.fill("40"))
    screen.publish()
    assert of("position_quantity") == 40
    assert isnan(of("position_value") or 0)


def test_drift_is_shown_by_kind_and_by_symbol_and_goes_when_the_venue_agrees(screen: Screen, make: Any) -> None:
    screen.desk.run(make.snapshot(), make.approved(), make.fill("100"))
    for quantity, difference in (("70", 30), ("100", 0)):
        snapshot = make.snapshot(
            60, positions=(make.held(quantity, "10"),), cash=Decimal(99_000), execution_ids=("e1",)
        )
        screen.shown.drift("ibkr", "DU1", screen.desk.take(snapshot).drift)
        assert of("drift_quantity") == difference
        assert of("drift_quantity", "MSFT") == 0
        assert value("drift", **LABELS, kind="position") == (1 if difference else 0)


@pytest.fixture
def attaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exits are sent once their entry fills."""
    monkeypatch.setattr(attaching, "ATTACHING", frozenset())


def phases() -> dict[str, float | None]:
    return {phase: value("lists", **LABELS, phase=phase) for phase in ("ENTERING", "WORKING", "UNPROTECTED", "LEAVING")}


@pytest.mark.usefixtures("attaches_nothing")
def test_a_list_is_in_one_phase_and_its_seconds_without_a_stop_are_added_up(screen: Screen, make: Any) -> None:
    assert phases() == {"ENTERING": 0, "WORKING": 0, "UNPROTECTED": 0, "LEAVING": 0}
    assert value("list_unprotected_in_all_seconds", **LABELS) == 0
    screen.desk.run(make.bracket(), make.accepted("b.entry"))
    assert phases() == {"ENTERING": 1, "WORKING": 0, "UNPROTECTED": 0, "LEAVING": 0}
    screen.desk.run(make.fill("30", order_id="b.entry", seconds=2))
    assert phases() == {"ENTERING": 0, "WORKING": 0, "UNPROTECTED": 1, "LEAVING": 0}
    assert value("list_unprotected_seconds", **LABELS) == 59
    screen.desk.run(make.accepted("b.stop", "9002", seconds=5))
    assert phases() == {"ENTERING": 0, "WORKING": 1, "UNPROTECTED": 0, "LEAVING": 0}
    screen.desk.run(make.fill("20", order_id="b.entry", execution_id="more", seconds=11))
    seconds = (value("list_unprotected_seconds", **LABELS), value("list_unprotected_in_all_seconds", **LABELS))
    assert seconds == (50, 53)
    screen.desk.run(make.accepted("b.stop-2", "9003", seconds=12), make.cancel("b"))
    assert phases() == {"ENTERING": 0, "WORKING": 0, "UNPROTECTED": 0, "LEAVING": 1}


@pytest.mark.usefixtures("attaches_nothing")
def test_a_list_that_is_over_is_in_no_phase(screen: Screen, make: Any) -> None:
    screen.desk.run(make.bracket(), make.accepted("b.entry"), make.cancel("b"))
    screen.desk.run(make.report(VenueCanceled, "b.entry", reason="as asked"))
    assert set(phases().values()) == {0}
    assert value("list_unprotected_in_all_seconds", **LABELS) == 0

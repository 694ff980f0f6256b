"""What risk shows: of the desk file's accounts and symbols, and of each decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY
from risk import metrics
from signalbox.messages import Contingency, FlattenEnded, IntentApproved, IntentDenied, OrderListIntent, TradingMode

ACCOUNT = {"venue": "ibkr", "account": "DU1234567"}


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"signalbox_risk_{name}", labels)


@pytest.fixture(autouse=True)
def nothing_shown() -> None:
    for gauge in (
        *(metrics.LIMIT_USE, metrics.ACCOUNT_EQUITY, metrics.ACCOUNT_AGE_SECONDS),
        *(metrics.ACCOUNT_FIGURE_AGE_SECONDS, metrics.QUOTE_AGE_SECONDS),
    ):
        gauge.clear()
    metrics.DECISIONS.clear()
    metrics.DENIALS.clear()


def test_limits_equity_and_ages_are_shown_by_account_and_symbol(world: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "500"),)).later(30)
    w.quote("SPY", "99.99", "100")
    metrics.show_state(w.later(5).state, w.now)
    assert value("limit_use", **ACCOUNT, limit="position_quantity_max") == 500 / 2000
    assert value("account_equity", **ACCOUNT) == 1_000_000
    assert value("account_age_seconds", **ACCOUNT) == 35
    w.account(said_at={"cash": w.now - timedelta(seconds=50)})
    metrics.show_state(w.state, w.now)
    assert value("account_age_seconds", **ACCOUNT) == 50
    assert value("account_figure_age_seconds", **ACCOUNT, figure="cash") == 50
    assert value("quote_age_seconds", venue="ibkr", symbol="SPY") == 5
    assert value("quote_age_seconds", venue="ibkr", symbol="AAPL") == 35
    assert value("trading_mode", mode="ACTIVE") == 1


def test_what_has_not_been_heard_has_no_series_and_no_mode_is_halted(world: Any) -> None:
    w = world()
    metrics.show_state(w.state, w.now)
    assert value("account_equity", **ACCOUNT) is None
    assert value("account_age_seconds", **ACCOUNT) is None
    assert value("quote_age_seconds", venue="ibkr", symbol="SPY") is None
    assert value("trading_mode", mode="HALTED") == 1


def test_accounts_and_symbols_beside_the_desk_file_have_no_series(world: Any) -> None:
    w = world()
    w.ready().account(account="DU9999999")
    w.quote("GME", "9", "10")
    metrics.show_state(w.state, w.now)
    assert value("account_equity", venue="ibkr", account="DU9999999") is None
    assert value("quote_age_seconds", venue="ibkr", symbol="GME") is None


def test_decisions_are_counted_by_venue_from_zero_on(world: Any) -> None:
    w = world().ready()
    metrics.begin_counts(w.state)
    counted = {"venue": "ibkr", "kind": "order"}
    assert value("decisions_total", **counted, verdict="approved") == 0
    approved = w.decide(w.order())
    assert isinstance(approved, IntentApproved)
    metrics.count_decision(approved, "ibkr")
    metrics.count_decision(w.mode(TradingMode.HALTED).decide(w.order()), "ibkr")
    assert value("decisions_total", **counted, verdict="approved") == 1
    assert value("decisions_total", **counted, verdict="denied") == 1
    assert value("denials_total", venue="ibkr", check="trading_state") == 1


def test_a_flatten_has_an_age_until_it_is_over_and_then_is_counted_by_how_it_ended(world: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "500"),))
    metrics.FLATTENS_ENDED.clear()
    metrics.begin_counts(w.state)
    metrics.show_state(w.state, w.now)
    assert (value("flattens"), value("oldest_flatten_seconds")) == (0, 0)
    assert isinstance(w.decide(w.flatten(valid_until=w.now + timedelta(seconds=60))), IntentApproved)
    metrics.show_state(w.later(40).state, w.now)
    assert (value("flattens"), value("oldest_flatten_seconds")) == (1, 40)
    [ended] = [ruling for ruling in w.later(21).look() if isinstance(ruling, FlattenEnded)]
    metrics.count_flatten_ended(ended)
    metrics.show_state(w.state, w.now)
    assert (value("flattens"), value("oldest_flatten_seconds")) == (0, 0)
    assert value("flattens_ended_total", outcome="left") == 1
    assert value("flattens_ended_total", outcome="flat") == 0
    metrics.count_flatten_ended(replace(ended, is_flat=True))
    assert value("flattens_ended_total", outcome="flat") == 1


def test_a_list_is_counted_among_the_orders(world: Any) -> None:
    w = world().ready()
    wish = OrderListIntent(id="b", venue="ibkr", symbol="SPY", contingency=Contingency.BRACKET, legs=())
    denied = IntentDenied(id="d", at=w.now, cause="b", intent_sequence=1, intent=wish, checks=(), reason="no")
    metrics.count_decision(denied, "ibkr")
    assert value("decisions_total", venue="ibkr", kind="order", verdict="denied") == 1

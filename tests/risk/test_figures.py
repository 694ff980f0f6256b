"""What risk's metrics show, worked out: the figures are those that the checks hold orders against."""

from __future__ import annotations

from decimal import Decimal
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk.figures import account_age_seconds, equity, quote_age_seconds
from risk.limits import limit_use
from signalbox.messages import NEVER

ACCOUNT = ("ibkr", "DU1234567")


def use(world: Any) -> dict[str, float]:
    return limit_use(world.state, ACCOUNT, world.now)


def test_ready_desk_that_has_not_traded_uses_nothing(world: Any) -> None:
    assert use(world().ready()) == {
        "gross_exposure_max": 0,
        "position_quantity_max": 0,
        "position_notional_max": 0,
        "open_orders_max": 0,
        "intents_per_minute_max": 0,
        "intents_per_minute_per_name_max": 0,
        "account_age_seconds_max": 0,
    }


def test_position_limits_are_used_by_the_worst_symbol_and_exposure_by_all(world: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "-1000"), w.held("AAPL", "500", "50")))
    found = use(w)
    assert found["position_quantity_max"] == 1000 / 2000
    assert found["position_notional_max"] == pytest.approx(99_995 / 400_000)
    assert found["gross_exposure_max"] == pytest.approx((99_995 + 24_997.5) / 600_000)


def test_working_order_counts_as_filled_at_its_worst(world: Any) -> None:
    w = world().ready()
    w.decide(w.order("BUY", "300", "100"))
    found = use(w)
    assert found["position_quantity_max"] == 300 / 2000
    assert found["gross_exposure_max"] == 30_000 / 600_000
    assert found["open_orders_max"] == 1 / 20
    assert found["intents_per_minute_max"] == 1 / 60


def test_approvals_of_more_than_a_minute_ago_are_not_counted_though_no_intent_comes(world: Any) -> None:
    w = world().ready()
    w.decide(w.order())
    assert use(w.later(59))["intents_per_minute_max"] == 1 / 60
    assert use(w.later(1))["intents_per_minute_max"] == 0


def test_what_is_not_known_is_no_figure(world: Any) -> None:
    w = world()
    found = use(w)
    assert all(isnan(found[name]) for name in ("gross_exposure_max", "position_quantity_max", "position_notional_max"))
    assert isnan(found["account_age_seconds_max"])
    assert isnan(equity(w.state, ACCOUNT))
    assert isnan(quote_age_seconds(w.state, ("ibkr", "SPY"), w.now))
    assert isnan(account_age_seconds(w.ready().state, ACCOUNT, NEVER))


def test_symbol_without_a_rate_leaves_the_money_unknown_and_the_quantity_known(world: Any) -> None:
    w = world(desk={"fx_rates": {}})
    w.ready(positions=(w.held("0700.HK", "500", "300", "HKD"),))
    found = use(w)
    assert found["position_quantity_max"] == 500 / 2000
    assert isnan(found["gross_exposure_max"])
    assert isnan(found["position_notional_max"])


def test_account_and_quotes_grow_old_by_the_desk_clock(world: Any) -> None:
    w = world().ready().later(150)
    assert equity(w.state, ACCOUNT) == 1_000_000
    assert account_age_seconds(w.state, ACCOUNT, w.now) == 150
    assert use(w)["account_age_seconds_max"] == 150 / 300
    assert quote_age_seconds(w.state, ("ibkr", "SPY"), w.now) == 150


@given(data=st.data())
def test_use_is_what_the_checks_see_before_the_next_order(
    two_currencies: Any, steps: Any, check: Any, data: Any
) -> None:
    w = two_currencies()
    w.walk(data.draw(steps))
    shown, limits = use(w), w.state.desk.limits
    decision = w.decide(w.order("BUY", "1", "100"))
    observed = {
        name: Decimal(check(decision, name).observed)
        for name in ("open_orders", "intent_rate", "gross_exposure", "position_quantity")
    }
    assert shown["open_orders_max"] * limits.open_orders_max == pytest.approx(float(observed["open_orders"]) - 1)
    assert shown["intents_per_minute_max"] * limits.intents_per_minute_max == pytest.approx(
        float(observed["intent_rate"]) - 1
    )
    exposure = shown["gross_exposure_max"] * float(limits.gross_exposure_max)
    assert exposure - 0.01 <= float(observed["gross_exposure"]) <= exposure + 100.01
    quantity = shown["position_quantity_max"] * float(limits.position_quantity_max)
    assert abs(float(observed["position_quantity"]) - 1) <= quantity + 1e-6

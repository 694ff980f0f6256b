"""The checks that an option adds: its ticks, its end, its hours, and what may be sold short."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox.desk import DeskInstrument
from signalbox.messages import InstrumentKind, IntentApproved, OrderType, PriceStep, TimeInForce

CALL = "AAPL 240105C00050000"
ENDS = datetime(2024, 1, 5, 21, 0, tzinfo=UTC)
STEPS = (
    PriceStep(at_least=Decimal(0), step=Decimal("0.05")),
    PriceStep(at_least=Decimal(3), step=Decimal("0.10")),
)
BOTH = tuple(DeskInstrument(venue="ibkr", symbol=symbol) for symbol in ("SPY", "AAPL", "700", CALL))


def desk_with(world: Any, bid: str = "1.90", ask: str = "2.00", **changes: Any) -> Any:
    facts: dict[str, Any] = {
        "kind": InstrumentKind.OPTION,
        "multiplier": Decimal(100),
        "tick_size": Decimal("0.05"),
        "price_steps": STEPS,
        "last_trade_at": ENDS,
        "underlying": "AAPL",
    }
    w = world(desk={"instruments": BOTH}).ready()
    return w.instrument(CALL, **{**facts, **changes}).quote(CALL, bid, ask)


def of(w: Any, side: str = "BUY", quantity: str = "1", limit: str | None = "2.00", **changes: Any) -> Any:
    return w.order(side, quantity, limit, symbol=CALL, **changes)


def test_a_bought_option_is_worth_its_premium_a_hundred_times(world: Any, check: Any) -> None:
    w = desk_with(world)
    decision = w.decide(of(w, quantity="3"))
    assert isinstance(decision, IntentApproved)
    assert check(decision, "order_notional").observed == "600"
    assert check(decision, "funds").observed == "600"


@pytest.mark.parametrize(
    ("limit", "passes"),
    [("1.95", True), ("1.96", False), ("2.95", True), ("3", True), ("3.05", False), ("3.10", True)],
)
def test_the_tick_is_that_of_the_price(world: Any, check: Any, limit: str, passes: bool) -> None:
    w = desk_with(world, "3", "3.10")
    found = check(w.decide(of(w, limit=limit)), "tick_size")
    assert found.passed is passes
    assert found.limit == "0.05 from 0, 0.1 from 3"


@pytest.mark.parametrize(("seconds", "passes"), [(-1, True), (0, False), (1, False), (86_400, False)])
def test_an_option_is_traded_until_its_end(world: Any, check: Any, seconds: int, passes: bool) -> None:
    w = desk_with(world)
    w.now = ENDS + timedelta(seconds=seconds)
    found = check(w.decide(of(w)), "expiry")
    assert found.passed is passes
    if not passes:
        assert found.reason == f"{CALL} has expired: it was traded until 2024-01-05 21:00:00 UTC"


def test_an_option_that_the_venue_knows_no_more_is_denied_for_its_expiry(world: Any) -> None:
    w = world(desk={"instruments": BOTH}).ready()
    w.now = ENDS + timedelta(days=3)
    assert "has expired" in w.decide(of(w)).reason


def test_an_option_of_which_the_venue_has_not_said_until_when_it_is_traded_is_denied(world: Any, check: Any) -> None:
    w = desk_with(world, last_trade_at=None)
    assert "until when" in check(w.decide(of(w)), "expiry").reason


@pytest.mark.parametrize(
    "changes",
    [{"outside_regular_hours": True}, {"order_type": OrderType.MARKET_ON_CLOSE, "limit_price": None}],
    ids=["early or late", "at the close"],
)
def test_options_are_traded_in_regular_hours_alone(world: Any, check: Any, changes: dict[str, Any]) -> None:
    w = desk_with(world)
    assert "options" in check(w.decide(of(w, **changes)), "order_support").reason
    assert check(w.decide(of(w, time_in_force=TimeInForce.GTC)), "order_support").passed


def test_an_option_is_sold_short_only_where_the_venue_has_said_what_that_binds(world: Any, check: Any) -> None:
    w = desk_with(world)
    decision = w.decide(of(w, "SELL"))
    assert not isinstance(decision, IntentApproved)
    assert "margin" in check(decision, "option_writing").reason
    w = desk_with(world, short_margin=Decimal(1_200))
    decision = w.decide(of(w, "SELL", "2"))
    assert isinstance(decision, IntentApproved)
    assert check(decision, "funds").observed == "2400"


def test_what_is_held_may_be_sold_whatever_the_margin(world: Any) -> None:
    w = desk_with(world)
    bought = of(w, quantity="2")
    assert isinstance(w.decide(bought), IntentApproved)
    w.created(bought).fill(bought, "2", "0", "2.00").account()
    assert isinstance(w.decide(of(w, "SELL", "2", "1.90")), IntentApproved)
    assert not isinstance(w.decide(of(w, "SELL", "1", "1.90")), IntentApproved)


def test_sales_under_way_reserve_the_margin_of_what_they_leave_short(world: Any, check: Any) -> None:
    w = desk_with(world, short_margin=Decimal(300_000))
    first = of(w, "SELL", "2")
    assert check(w.decide(first), "funds").observed == "600000"
    w.created(first)
    denied = check(w.decide(of(w, "SELL", "2")), "funds")
    assert (denied.passed, denied.observed) == (False, "1200000")
    w.fill(first, "2", "0", "2.00")
    assert check(w.decide(of(w, "SELL", "2")), "funds").observed == "1200000"


def test_what_sales_under_way_bind_counts_for_orders_in_other_symbols(world: Any, check: Any) -> None:
    w = desk_with(world, short_margin=Decimal(300_000))
    sold = of(w, "SELL", "2")
    w.decide(sold)
    w.created(sold)
    assert check(w.decide(w.order(quantity="10")), "funds").observed == "601000"

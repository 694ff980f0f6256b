"""How wide a market may be, and what an order has to be worth: at the limit, just past it, and with nothing to see."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import IntentApproved, IntentDenied, OrderType


def names(decision: Any) -> list[str]:
    also = decision.also_failed if isinstance(decision, IntentDenied) else ()
    return [*(check.name for check in decision.checks), *also]


@pytest.mark.parametrize(
    ("bid", "ask", "reason"),
    [
        ("99", "101", ""),
        ("98.99", "101", "the market of SPY is 98.99 to 101, 2.01% wide; 2.00% is allowed"),
        ("100", "100", "the market of SPY is locked, at 100 to 100"),
        ("100.01", "100", "the market of SPY is crossed, at 100.01 to 100"),
        (None, "100", "has not both a bid and an ask"),
        ("100", None, "has not both a bid and an ask"),
    ],
)
def test_spread(world: Any, bid: str | None, ask: str | None, reason: str) -> None:
    w = world(limits={"spread_max_fraction": Decimal("0.02")}).ready().quote("SPY", bid, ask)
    decision = w.decide(w.order(limit="100"))
    assert names(decision) == (["spread"] if reason else [])
    if reason:
        assert reason in decision.reason


def test_no_quote_at_all_is_no_market(world: Any) -> None:
    w = world(limits={"spread_max_fraction": Decimal("0.02")})
    w.instrument("SPY").adopt().account().link()
    assert "spread" in names(w.decide(w.order()))


def test_what_reduces_passes_whatever_the_market_looks_like(world: Any) -> None:
    w = world(limits={"spread_max_fraction": Decimal("0.02"), "opening_notional_min": Decimal(5000)})
    w.ready(positions=(w.held("SPY", "10"),)).quote("SPY", "90", "110")
    assert isinstance(w.decide(w.order("SELL", "10", "90")), IntentApproved)
    denied = w.decide(w.order("SELL", "1", "90"))
    assert names(denied) == ["spread", "opening_notional_min"], "all that is held is being sold"


def test_without_the_limit_a_market_may_be_as_wide_as_it_is(world: Any) -> None:
    w = world().ready().quote("SPY", "90", "100")
    assert isinstance(w.decide(w.order()), IntentApproved)


def test_of_a_wide_market_what_reduces_would_have_passed(world: Any) -> None:
    w = world(limits={"spread_max_fraction": Decimal("0.02")})
    w.ready(positions=(w.held("SPY", "10"),)).quote("SPY", "90", "110")
    denied = w.decide(w.order("SELL", "15", "90"))
    assert denied.would_pass.quantity == 10


@pytest.mark.parametrize(
    ("quantity", "terms", "observed", "passes"),
    [
        ("5", {"limit": "100"}, "500", True),
        ("5", {"limit": "99.99"}, "499.95", False),
        ("5", {"limit": None}, "500", True),  # at the market, without what it may slip
        ("4", {"limit": None}, "400", False),
        ("5", {"order_type": OrderType.STOP, "limit": None, "stop_price": Decimal(104)}, "520", True),
    ],
)
def test_opening_notional_min(
    world: Any, check: Any, quantity: str, terms: dict[str, Any], observed: str, passes: bool
) -> None:
    w = world(limits={"opening_notional_min": Decimal(500)}).ready()
    decision = w.decide(w.order(quantity=quantity, **terms))
    found = check(decision, "opening_notional_min")
    assert (found.passed, found.limit, found.observed) == (passes, "at least 500", observed)
    assert isinstance(decision, IntentApproved) is passes


def test_an_order_that_can_not_be_valued_is_not_worth_enough(world: Any) -> None:
    w = world(limits={"opening_notional_min": Decimal(1)}, desk={"fx_rates": {}}).ready()
    assert "opening_notional_min" in names(w.decide(w.order(symbol="0700.HK", quantity="100", limit="300")))

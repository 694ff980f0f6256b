"""What an order may lose at its stop, and whether it has to have one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from risk.decide import explain
from signalbox.messages import Decision, IntentApproved, IntentDenied, OrderListIntent, Side

from tests.risk.test_order_lists import leg, of

TARGET = leg("target", "SELL", "LIMIT", limit_price="60")


def failed(decision: Decision) -> list[str]:
    return [check.name for check in decision.checks]


def bracket(w: Any, quantity: str, price: str | None = "50", stop: str = "48", **terms: Any) -> OrderListIntent:
    kind = {"limit_price": price} if price is not None else {}
    entry = leg("entry", "BUY", "LIMIT" if price is not None else "MARKET", quantity=quantity, **kind)
    return of(w, "BRACKET", entry, leg("stop", "SELL", "STOP", stop_price=stop), TARGET, symbol="AAPL", **terms)


def test_the_example_of_the_documentation(world: Any) -> None:
    """100 at 50 with a stop at 48 lose 200 at it."""
    w = world(limits={"risk_per_trade_max": Decimal(200)}).ready()
    assert isinstance(w.decide(bracket(w, "100")), IntentApproved)
    denied = w.decide(bracket(w, "101"))
    assert failed(denied) == ["risk_per_trade"]
    assert denied.reason == "leg entry: at its stop 202.00 USD would be lost; one trade may lose 200.00 USD at most"
    assert denied.would_pass is not None
    assert denied.would_pass.quantity == 100


def test_an_entry_at_the_market_is_taken_to_fill_there(world: Any) -> None:
    w = world(limits={"risk_per_trade_max": Decimal(200)}).ready()
    assert isinstance(w.decide(bracket(w, "100", None)), IntentApproved)
    assert failed(w.decide(bracket(w, "100", None, "47.99"))) == ["risk_per_trade"]


def test_a_sale_loses_upwards(world: Any) -> None:
    w = world(limits={"risk_per_trade_max": Decimal(200)}).ready()
    legs = (
        leg("entry", "SELL", "LIMIT", quantity="100", limit_price="50"),
        leg("target", "BUY", "LIMIT", limit_price="40"),
    )
    for stop, passes in (("52", True), ("52.01", False)):
        asked = of(w, "BRACKET", legs[0], leg("stop", "BUY", "STOP", stop_price=stop), legs[1], symbol="AAPL")
        assert isinstance(w.decide(asked), IntentApproved) is passes


def test_a_trailing_stop_counts_where_it_begins(world: Any) -> None:
    w = world(limits={"risk_per_trade_max": Decimal(200)}).ready()
    entry = leg("entry", "BUY", "LIMIT", quantity="100", limit_price="50")
    for amount, passes in (("2", True), ("2.01", False)):
        stop = leg("stop", "SELL", "TRAILING_STOP", trail_amount=amount)
        assert isinstance(w.decide(of(w, "BRACKET", entry, stop, TARGET, symbol="AAPL")), IntentApproved) is passes


def test_what_follows_an_entry_and_is_no_stop_leaves_all_of_it_at_risk(world: Any) -> None:
    w = world(limits={"risk_per_trade_max": Decimal(4999), "stop_required": 1}).ready()
    entry = leg("entry", "BUY", "LIMIT", quantity="100", limit_price="50")
    denied = w.decide(of(w, "OTO", entry, TARGET, symbol="AAPL"))
    assert failed(denied) == ["risk_per_trade", "stop_required"]
    assert "at its stop 5,000.00 USD would be lost" in denied.reason
    assert "and a part of it has none" in denied.checks[1].reason


def test_the_account_s_currency_and_the_multiplier_count(world: Any) -> None:
    w = world(limits={"risk_per_trade_max": Decimal(50)}, desk={"fx_rates": {"HKD": Decimal("0.125")}})
    w.ready().instrument("AAPL", currency="HKD", multiplier=2)
    assert isinstance(w.decide(bracket(w, "100")), IntentApproved)
    assert failed(w.decide(bracket(w, "101"))) == ["risk_per_trade"]


def test_what_opens_without_a_stop_is_denied_only_where_one_is_required(world: Any) -> None:
    w = world(limits={"risk_per_trade_max": Decimal(1)}).ready()
    assert isinstance(w.decide(w.order()), IntentApproved)
    w = world(limits={"stop_required": 1}).ready()
    denied = w.decide(w.order())
    assert failed(denied) == ["stop_required"]
    assert denied.reason == (
        "what opens has to come with a stop for all of its quantity, and it has none: send it with its stop "
        "(`signalbox bracket`)"
    )
    assert failed(w.decide(w.position("OPEN_LONG", "10"))) == ["stop_required"]
    assert isinstance(w.decide(bracket(w, "100")), IntentApproved)


def test_what_only_reduces_needs_no_stop(world: Any) -> None:
    w = world(limits={"stop_required": 1}).ready(positions=(w_held(world, "SPY", "10"),))
    assert isinstance(w.decide(w.order("SELL", "10")), IntentApproved)
    assert failed(w.decide(w.order("SELL", "1"))) == ["stop_required"], "with the first it turns round"
    denied = w.decide(w.order("SELL", "11", id="again"))
    assert isinstance(denied, IntentDenied)


def test_a_smaller_order_that_only_reduces_would_have_passed(world: Any) -> None:
    w = world(limits={"stop_required": 1}).ready(positions=(w_held(world, "SPY", "10"),))
    denied = w.decide(w.order("SELL", "30"))
    assert isinstance(denied, IntentDenied)
    assert denied.would_pass is not None
    assert denied.would_pass.quantity == 10


def test_a_change_of_what_was_let_through_is_not_asked_for_a_stop(world: Any) -> None:
    w = world(limits={"stop_required": 1}).ready()
    asked = bracket(w, "10")
    assert isinstance(w.decide(asked), IntentApproved)
    entry = w.order("BUY", "10", "50", id=f"{asked.id}.entry", symbol="AAPL")
    w.created(entry).accepted(entry)
    assert isinstance(w.decide(w.modify(entry.id, limit="49.9", symbol="AAPL")), IntentApproved)


@pytest.mark.parametrize("side", Side)
def test_an_oco_that_opens_has_no_stop(world: Any, side: Side) -> None:
    w = world(limits={"stop_required": 1}).ready()
    below, above = ("40", "60") if side is Side.BUY else ("60", "40")
    legs = (
        leg("one", side, "LIMIT", quantity="10", limit_price=below),
        leg("two", side, "STOP", quantity="10", stop_price=above),
    )
    denied = w.decide(of(w, "OCO", *legs, symbol="AAPL"))
    assert failed(denied) == ["stop_required"]
    assert isinstance(denied, IntentDenied)
    assert denied.also_failed == ("stop_required",)


def test_it_is_told_beside_the_limit(world: Any) -> None:
    w = world(limits={"risk_per_trade_max": Decimal(200), "stop_required": 1}).ready()
    decision = w.decide(bracket(w, "100"))
    told = {check.name: check for check in explain(w.state.rules, decision) if check.observed.startswith("entry")}
    assert (told["risk_per_trade"].limit, told["risk_per_trade"].observed) == ("200", "entry: 200")
    assert told["stop_required"].observed == "entry: a stop for all of it"


def w_held(world: Any, symbol: str, quantity: str) -> Any:
    return world().held(symbol, quantity)

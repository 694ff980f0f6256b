"""`signalbox why`: what decided, what was seen and where, and what would have passed, in words for a person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox.messages import IntentDenied, MarketDataType, TradingMode, WouldPass
from signalbox_cli.verdicts import passing_in_words, show_decision
from signalbox_cli.why import told

from tests.risk.conftest import World


@pytest.fixture
def w() -> World:
    return World().ready()


def lines(w: World, decision: Any, **changes: Any) -> list[str]:
    return told(replace(decision, **changes), 17, {w.state.rules.version: w.state.rules})


def test_a_denial_tells_what_decided_what_was_seen_and_what_would_have_passed(w: World) -> None:
    found = lines(w, w.decide(w.order(quantity="1500", id="mine")))
    assert found[0] == "mine: BUY 1500 SPY LIMIT 100 DAY, sent by alice"
    assert found[1].startswith("DENIED at 2024-01-02 17:00:00 UTC, decision-")
    assert found[1].endswith("(TRADE:17)")
    assert found[2] == "because the order is for 1500; one order may be for 1000 at most"
    assert found[4] == "decided by order_quantity"
    assert found[5] == f"  limit 1000; seen 1500, from the desk file (its limits are called {w.state.rules.version})"
    place = found.index("would pass, this alone changed:")
    assert found[place + 1] == "  the largest quantity: 1000"
    assert "the market: bid 99.99, ask 100, 0.000 s old (quote q1)" in found
    assert "held 0, working to buy 0 and to sell 0: all that TRADE has up to message 1" in found
    assert "available funds 1000000 USD, said at 17:00:00 UTC (message 9 of STATE)" in found
    assert found[-1].endswith("other checks passed (signalbox explain mine lists them)")


def test_each_check_that_failed_says_where_its_figure_is_from(w: World) -> None:
    w.quote("SPY", "99.99", "100", market_data_type=MarketDataType.DELAYED)
    found = "\n".join(lines(w, w.mode(TradingMode.HALTED, "lunch").decide(w.order("BUY", "5000", "130"))))
    assert "decided by trading_state" in found
    assert "limit ACTIVE; seen HALTED, from message 3 of KV_CONTROL" in found
    assert "seen 130, from quote q4 of 17:00:00 UTC" in found
    assert "no other quantity or price would pass" in found


def test_checks_that_a_long_denial_only_names_are_told_with_the_rules_and_named_without(w: World) -> None:
    decision = w.mode(TradingMode.HALTED).decide(w.order("BUY", "5000", "130", note="n" * 250, strategy="s" * 200))
    assert isinstance(decision, IntentDenied)
    assert decision.also_failed
    name = decision.also_failed[-1]
    assert f"failed too: {name}" in lines(w, decision)
    assert f"failed too: {', '.join(decision.also_failed)}" in told(decision, 17, {})


def test_what_an_older_denial_does_not_say_is_found_now(w: World) -> None:
    decision = w.decide(w.order(quantity="1500"))
    assert "  the largest quantity: 1000" in lines(w, decision, would_pass=None)
    assert "would pass" not in "\n".join(told(replace(decision, would_pass=None), 17, {}))


def test_an_approval_tells_the_limits_that_it_came_nearest_to(w: World) -> None:
    found = lines(w, w.decide(w.order(quantity="900")))
    assert found[1].startswith("APPROVED at")
    assert "  order_quantity: 900 of 1000 (90%), from the desk file" in "\n".join(found)


def test_a_list_and_a_wish_and_a_cancel_are_told_too(w: World) -> None:
    assert lines(w, w.decide(w.position("TARGET", "1700")))[0].split(": ")[1] == "TARGET 1700 SPY, sent by alice"
    cancel = lines(w, w.decide(w.cancel("nobody-s", id="c-1")))
    assert cancel[0] == "c-1: cancel nobody-s SPY, sent by alice"
    assert "would pass" not in "\n".join(cancel)
    assert "what was looked at is not kept" in "\n".join(lines(w, w.decide(w.order(quantity="5000")), basis=None))


def test_what_was_sent_is_told_at_once_what_would_pass(w: World, capsys: pytest.CaptureFixture[str]) -> None:
    order = w.order(quantity="1500")
    show_decision(w.decide(order), order, as_json=False)
    assert "    the largest quantity: 1000\n" in capsys.readouterr().out
    show_decision(w.mode(TradingMode.HALTED).decide(w.order()), order, as_json=False)
    assert "would pass" not in capsys.readouterr().out


def test_each_figure_that_would_pass_has_its_words() -> None:
    found = WouldPass(quantity=Decimal(5), limit_price=Decimal("9.5"), stop_price=Decimal("9.4"))
    words = ["the largest quantity: 5", "the nearest limit price: 9.5", "the nearest stop price: 9.4"]
    assert passing_in_words(found)[1:] == [f"  {each}" for each in words]
    assert passing_in_words(None) == []
    both = passing_in_words(WouldPass(quantity=Decimal(5), limit_price=Decimal("9.5"), together=True))
    assert both == ["would pass, these together:", *(f"  {each}" for each in words[:1]), f"  {words[1]}"]

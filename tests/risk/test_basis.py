"""What a decision keeps of what it looked at: enough to make it again without any state, and little to store.

That it is enough is held against every decision of these tests, as it is made (`World.decide` in conftest.py).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from risk.decide import decide, decide_again, explain, failed_checks
from risk.facts import Request
from risk.rules import rules_of
from risk.state import opening_state
from signalbox import messages
from signalbox.desk import NatsServers
from signalbox.messages import (
    CancelIntent,
    Decision,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    TradingMode,
)

STORED_BYTES_MAX = 2350
ID = "9f1c2b34-5d6e-4f70-8a9b-0c1d2e3f4a5b"
NOTE = "the score has turned: 3 up, above its EMA"


def busy(make: Any, symbol: str) -> Any:
    """A desk on which everything that a decision may keep is there, in figures of the usual length."""
    w = make()
    w.quote(symbol, "99987.4321", "100012.5678", last=Decimal("100001.2345"), oracle_price=Decimal("100000.000123"))
    w.mode(TradingMode.ACTIVE, "the morning meeting has agreed to it; see the note of the day")
    for side in ("BUY", "SELL", "BUY"):
        w.decide(w.order(side, "0.0123" if symbol == "BTC-USD" else "13", "100012", symbol=symbol))
    return w


def test_a_stored_decision_is_small(perpetuals: Any, world: Any) -> None:
    stocks = {"limits": {"position_notional_max": Decimal(10**9), "order_notional_max": Decimal(10**9)}}
    sizes: dict[type, int] = {}
    for w, symbol in (
        (busy(perpetuals, "BTC-USD"), "BTC-USD"),
        (busy(lambda: world(**stocks).ready(positions=(world().held("SPY", "-137", "471.2345"),)), "SPY"), "SPY"),
    ):
        for number, quantity in enumerate(("0.0123", "13", "-1", "99999")):
            named = {"id": f"{ID}-{number}", "symbol": symbol, "note": NOTE, "strategy": "momentum-5m"}
            for intent in (w.order(limit="100012", quantity=quantity, **named), w.cancel(f"{ID}-{number}")):
                decision = w.decide(intent)
                sizes[type(decision)] = max(sizes.get(type(decision), 0), len(messages.encode(decision)))
    assert sizes.keys() == {IntentApproved, IntentDenied}
    assert max(sizes.values()) <= STORED_BYTES_MAX, sizes


def test_whoever_has_sent_a_great_deal_is_not_told_what_was_looked_at(world: Any) -> None:
    w = world().ready()
    denied, approved = (
        decide(w.state, Request(sequence=50, intent=w.order(quantity=quantity), brief=True), w.now)
        for quantity in ("5000", "10")
    )
    assert isinstance(denied, IntentDenied)
    assert (denied.basis, len(failed_checks(denied))) == (None, 4)
    assert isinstance(approved, IntentApproved)  # what is approved can be made again, whoever sent it
    assert approved.basis is not None


def test_every_check_is_told_whether_it_passed_or_not(world: Any) -> None:
    w = world().ready().mode(TradingMode.HALTED)
    decision = w.decide(w.order())
    told = explain(w.state.rules, decision)
    assert tuple(check for check in told if not check.passed) == decision.checks
    assert len(told) - len(decision.checks) == decision.passed
    assert {check.name: check.observed for check in told}["gross_exposure"] == "1000"


def test_another_rule_another_decision(world: Any) -> None:
    """What is kept is what was looked at, and not what came of it."""
    w, stricter = world().ready(), world(limits={"order_quantity_max": Decimal(5)})
    decision = w.decide(w.order())
    again = decide_again(stricter.state.rules, decision)
    assert (type(decision), type(again)) == (IntentApproved, IntentDenied)
    assert decision.basis is not None
    assert decision.basis.rules != stricter.state.rules.version


def test_the_version_of_the_rules_is_all_that_a_decision_takes_from_the_desk_file(world: Any) -> None:
    desk = world().state.desk
    version = rules_of(desk).version
    assert rules_of(messages.decode(messages.encode(desk), type(desk))).version == version
    others: tuple[dict[str, Any], ...] = (
        {"limits": world(limits={"open_orders_max": 9}).state.desk.limits},
        {"fx_rates": {"HKD": Decimal("0.1")}},
        {"instruments": desk.instruments[:1]},
        {"venues": {}},
        {"nats": NatsServers(room_used_fraction_max=Decimal("0.8"))},
    )
    assert all(rules_of(replace(desk, **other)).version != version for other in others)
    assert rules_of(replace(desk, name="another name", timeframes=("1m",))).version == version


@pytest.mark.parametrize("error", ["not JSON: x", "risk could not judge the intent: ArithmeticError"])
def test_what_could_not_be_judged_is_made_again_too(world: Any, error: str) -> None:
    w = world().ready()
    w.decide(w.order(id="used"))
    for intent in (None, w.order(id="new"), w.order(id="used"), w.cancel("used")):
        request = Request(sequence=50, intent=intent, error=error, message_id="m" * 999)
        decision = decide(w.state, request, w.now)
        stored = messages.encode(decision)
        assert messages.encode(decide_again(w.state.rules, messages.decode(stored, Decision))) == stored
        assert explain(w.state.rules, decision) == decision.checks


def test_a_desk_that_has_heard_nothing_keeps_that(world: Any) -> None:
    w = world()
    decision = w.decide(w.order())
    assert decision.basis is not None
    assert (decision.basis.quote, decision.basis.switch, decision.basis.link) == (None, None, None)
    assert isinstance(w.link(LinkStatus.DOWN, "no answer").decide(w.order()), IntentDenied)
    empty = opening_state(w.state.desk)
    cancel = CancelIntent(id="c", at=w.now, venue="ibkr", symbol="SPY", order_id="nobody", account="DU1234567")
    unknown = decide(empty, Request(sequence=1, intent=cancel), w.now)
    assert unknown.basis is not None
    assert (unknown.basis.order, unknown.basis.ended, unknown.basis.order_id_used) == (None, None, None)

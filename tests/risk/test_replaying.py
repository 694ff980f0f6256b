"""A recorded TRADE is decided again: no difference where nothing has changed, and exactly those that a change makes."""

from __future__ import annotations

from dataclasses import replace as with_changes
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from risk import decide
from risk.asked import ground_of
from risk.checks.rows import Rows
from risk.facts import OrderFacts
from risk.replaying import Difference, Replay, differing
from signalbox import messages
from signalbox.messages import Decision, OrderIntent, OrderRejected, OrderStatus, TradingMode

Log = list[tuple[int, str, bytes]]


def replayed(log: Log, *worlds: Any) -> tuple[Replay, list[Difference]]:
    replay = Replay({w.state.rules.version: w.state.rules for w in worlds})
    return replay, [found for stored in log if (found := replay.take(*stored)) is not None]


def a_day(make: Any) -> tuple[Any, Log]:
    """Orders that fill, end and are cancelled, some denied, one id used twice, a switch."""
    w = make()
    w.ready(positions=(w.held("SPY", "-5"),))
    orders = [w.order(side, str(10 + number)) for number, side in enumerate(("BUY", "SELL", "BUY", "BUY"))]
    for order in orders:
        w.later(0.5).decide(order)
        w.created(order).accepted(order)
    w.fill(orders[0], "4", "6").fill(orders[0], "6", "0").canceled(orders[1])
    w.decide(orders[2])
    w.decide(w.order(quantity="1001"))
    w.decide(w.cancel(orders[1].id))
    w.decide(w.cancel(orders[3].id))
    w.mode(TradingMode.REDUCING, "lunch")
    w.decide(w.order("BUY", "1"))
    w.decide(w.order("SELL", "1"))
    return w, w.log


@pytest.fixture
def day(world: Any) -> tuple[Any, Log]:
    return a_day(world)


def test_a_day_is_decided_again_without_a_difference(day: tuple[Any, Log]) -> None:
    w, log = day
    replay, differences = replayed(log, w)
    assert differences == []
    assert (replay.tally.again, replay.tally.from_before) == (10, 0)


def test_risk_may_have_folded_less_than_was_stored(world: Any) -> None:
    """Order events reach it a little later than they are stored: a decision says up to which it knew them."""
    w = world().ready()
    order = w.order()
    w.decide(order)
    w.decide(w.order())
    early = w.log.pop()
    w.created(order).fill(order, "10", "0")
    assert replayed([*w.log, (w.sequence + 1, *early[1:])], w)[1] == []
    w.decide(w.order())
    late = messages.decode(w.log[-1][2], Decision)
    assert late.basis is not None
    assert (late.basis.position.quantity, late.basis.trade_sequence) == (10, w.log[-2][0])


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_history_is_decided_again_without_a_difference(two_currencies: Any, steps: Any, data: Any) -> None:
    w = two_currencies()
    w.walk(data.draw(steps))
    assert replayed(w.log, w)[1] == []


def test_another_check_changes_exactly_its_decisions(day: tuple[Any, Log], monkeypatch: pytest.MonkeyPatch) -> None:
    w, log = day

    def stricter(facts: OrderFacts) -> str:
        return "" if facts.intent.quantity < 12 else "a planted change"

    planted = [with_changes(row, why_not=stricter) if row.name == "order_quantity" else row for row in decide.OF_ORDERS]
    monkeypatch.setattr(decide, "OF_ORDERS", Rows(planted, ground_of))
    differences = replayed(log, w)[1]
    stored = [messages.decode(payload, Decision) for _, subject, payload in log if subject.startswith("decision")]
    orders = [decision for decision in stored if isinstance(decision.intent, OrderIntent)]
    concerned = [decision.id for decision in orders if decision.intent.quantity >= 12]  # type: ignore[union-attr]
    assert [found.decision_id for found in differences] == concerned
    assert 1 < len(concerned) < len(orders) - 1
    first = {part.what: part for part in differences[0].parts}
    assert (first["type"].stored, first["type"].again) == ("IntentApproved", "IntentDenied")
    assert first["reason"].again == "a planted change"


def test_a_decision_that_does_not_follow_from_trade_is_told(day: tuple[Any, Log]) -> None:
    """It is the same when it is made again from what it kept; that was not so."""
    w, log = day
    kept = [stored for stored in log if b"OrderPartiallyFilled" not in stored[2]]
    differences = replayed(kept, w)[1]
    assert {part.what for part in differences[0].parts} == {"basis.position.quantity in TRADE"}
    assert differences[0].parts[0].stored != differences[0].parts[0].again


def test_a_stored_decision_that_somebody_has_changed_is_told(day: tuple[Any, Log]) -> None:
    w, log = day
    sequence, subject, payload = next(stored for stored in log if b"IntentApproved" in stored[2])
    changed = replace(messages.decode(payload, Decision), reference_price=Decimal("99.5"))
    place = log.index((sequence, subject, payload))
    [difference] = replayed([*log[:place], (sequence, subject, messages.encode(changed)), *log[place + 1 :]], w)[1]
    [part] = difference.parts
    assert (difference.sequence, part.what, part.stored, part.again) == (sequence, "reference_price", "99.5", "100")


def test_a_cancel_of_many_that_says_another_number_than_trade_is_told(world: Any) -> None:
    w = world().ready()
    w.decide(w.order())
    w.decide(w.mass_cancel())
    assert replayed(w.log, w)[1] == []
    sequence, subject, payload = w.log[-1]
    decision = messages.decode(payload, Decision)
    assert decision.basis is not None
    changed = replace(decision, basis=replace(decision.basis, covered_orders=2))
    [difference] = replayed([*w.log[:-1], (sequence, subject, messages.encode(changed))], w)[1]
    [part] = difference.parts
    assert (part.what, part.stored, part.again) == ("basis.covered_orders in TRADE", "2", "1")


def test_what_can_not_be_made_again_is_counted(day: tuple[Any, Log], world: Any) -> None:
    w, log = day
    another = world(limits={"open_orders_max": 7})
    replay, differences = replayed(log, another)
    assert (differences, replay.tally.again) == ([], 0)
    assert replay.tally.of_other_rules == {w.state.rules.version: 10}
    both, differences = replayed(log, another, w)
    assert (differences, both.tally.again) == ([], 10)
    decision = messages.decode(log[-1][2], Decision)
    for change, count in (({"passed": 0}, "from_before"), ({}, "told_briefly")):
        old = messages.encode(replace(decision, basis=None, **change))
        assert getattr(replayed([(1, log[-1][1], old)], w)[0].tally, count) == 1
    unreadable = replayed([(7, log[-1][1], b"{}")], w)[1]
    assert "can not be read" in unreadable[0].parts[0].stored


def test_a_rejected_order_that_works_after_all_has_its_terms_from_its_events(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world().ready()
    order = w.order(strategy="trend")
    w.decide(order)
    w.created(order, strategy="trend").event(OrderRejected(**w._of(order.id, OrderStatus.REJECTED), reason="no"))
    w.accepted(order)
    w.decide(w.order())
    w.decide(w.mass_cancel(strategy="trend"))
    monkeypatch.setattr("risk.evolve.REFUSED_MAX", 0)
    assert replayed(w.log, w)[1] == []


def test_only_the_form_may_differ_too() -> None:
    [part] = differing(b'{"a": 1}', b'{"a":1}')
    assert (part.what, part.stored, part.again) == ("bytes", '{"a": 1}', '{"a":1}')
    assert [part.what for part in differing(b'{"a":[1,{"b":2}],"d":0}', b'{"a":[1,{"b":3}],"c":4}')] == [
        "a[1].b",
        "d",
        "c",
    ]

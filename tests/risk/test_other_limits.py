"""What other limits would have said to what was decided: by which check, how often, worth how much."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from risk.other_limits import OtherLimits, value_of
from risk.replaying import Replay
from risk.rules import Rules, rules_of
from signalbox import messages
from signalbox.messages import Decision, OrderIntent, TradingMode

from tests.risk.conftest import limits
from tests.risk.test_passing import bracket


def with_limits(w: Any, **changes: Any) -> Rules:
    return rules_of(replace(w.state.desk, limits=limits(**changes)))


def held_against(w: Any, rules: Rules) -> OtherLimits:
    """What the limits of some rules would have said to all that was decided."""
    found = OtherLimits(rules)
    for sequence, subject, payload in w.log:
        if subject.startswith("decision.approved"):
            found.take(sequence, messages.decode(payload, Decision))
    return found


@pytest.fixture
def w(world: Any) -> Any:
    """Orders of 100 to 1,050 of which the last is too large, a wish, a list, a cancel, a halt."""
    w = world().ready()
    orders = [w.order(quantity=str(quantity)) for quantity in (100, 350, 500, 1050)]
    for order in orders:
        w.decide(order)
    w.decide(w.position("TARGET", "1900"))
    w.decide(bracket(w, "30"))
    w.decide(w.cancel(orders[0].id))
    w.mode(TradingMode.HALTED)
    w.decide(w.order(quantity="5"))
    return w


def test_the_same_limits_change_nothing(w: Any) -> None:
    found = held_against(w, w.state.rules)
    assert (found.would_be_denied, found.would_pass) == ({}, {})
    assert found.approved + found.denied == 8


def test_tighter_limits_deny_what_is_larger_by_check_with_the_money(w: Any) -> None:
    found = held_against(w, with_limits(w, order_quantity_max=Decimal(300)))
    [(check, total)] = found.would_be_denied.items()
    assert (check, total.count, total.worth, total.not_valued) == (
        "order_quantity",
        3,
        {"USD": Decimal("184750.00")},
        0,
    )
    assert found.would_pass == {}


def test_looser_limits_let_through_what_was_denied_and_not_what_a_halt_denied(w: Any) -> None:
    found = held_against(w, with_limits(w, order_quantity_max=Decimal(1100)))
    [(check, total)] = found.would_pass.items()
    assert (check, total.count, total.worth) == ("order_quantity", 1, {"USD": Decimal(105_000)})
    assert found.would_be_denied == {}


def test_each_is_held_against_the_desk_as_it_was(w: Any) -> None:
    """The orders before it still count, though they would not have been let through."""
    found = held_against(w, with_limits(w, position_quantity_max=Decimal(600)))
    assert {check: total.count for check, total in found.would_be_denied.items()} == {"position_quantity": 3}


def test_what_an_order_is_worth_is_what_its_check_goes_by(w: Any, check: Any) -> None:
    decisions = [messages.decode(payload, Decision) for _, subject, payload in w.log if subject.startswith("decision")]
    for decision in decisions:
        value = value_of(w.state.rules, decision)
        if isinstance(decision.intent, OrderIntent):
            assert str(value).rstrip("0").rstrip(".") == check(decision, "order_notional").observed.rstrip("0").rstrip(
                "."
            )
        if isinstance(decision.intent, messages.CancelIntent):
            assert value is None
    assert value_of(w.state.rules, replace(decisions[0], basis=None)) is None


def test_a_list_that_is_none_is_worth_nothing_that_could_be_told(world: Any) -> None:
    w = world().ready()
    whole = bracket(w, "30")
    assert value_of(w.state.rules, w.decide(whole)) == Decimal("3150.00")
    broken = replace(whole, id="b-broken", legs=whole.legs[1:])
    assert value_of(w.state.rules, w.decide(broken)) is None


def test_a_replay_hands_on_what_was_decided_in_its_time(world: Any) -> None:
    w = world().ready()
    times = []
    for _ in range(3):
        w.decide(w.later(10).order(quantity="10"))
        times.append(w.now)
    handed: list[tuple[int, str]] = []
    rules = {w.state.rules.version: w.state.rules}
    replay = Replay(rules, times[1], times[2], lambda sequence, decision: handed.append((sequence, decision.cause)))
    assert [found for stored in w.log if (found := replay.take(*stored)) is not None] == []
    assert [cause for _, cause in handed] == [messages.decode(w.log[2][2], Decision).cause]
    assert (replay.tally.again, replay.tally.outside) == (1, 2)


def test_what_is_outside_the_time_still_counts_for_what_is_in_it(world: Any) -> None:
    w = world().ready()
    order = w.order(quantity="10")
    w.decide(order)
    w.created(order).fill(order, "10", "0")
    w.later(60).decide(w.order(quantity="10"))
    replay = Replay({w.state.rules.version: w.state.rules}, w.now, None)
    assert [found for stored in w.log if (found := replay.take(*stored)) is not None] == []
    assert (replay.tally.again, replay.tally.outside) == (1, 1)

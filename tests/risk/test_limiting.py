"""Limits that an operator proposes: set from there on or refused with a sentence, once, the same from TRADE."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from risk import limiting
from risk.answered import ANSWERED_LIMITS_MAX
from risk.checkpoint import StateLoader, capture
from risk.limiting import told
from risk.replaying import Replay
from risk.rules import rules_of
from risk.state import opening_state
from risk.step import step
from signalbox import messages, subjects
from signalbox.limits import of_desk_file
from signalbox.messages import (
    IntentApproved,
    IntentDenied,
    LimitsByScope,
    LimitsProposed,
    LimitsRefused,
    LimitsSet,
    Loosening,
    Ruling,
)
from signalbox_cli.doctor.judging import FILE_CHANGED


def stated(**limits: str | int) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in limits.items()}


def proposal(w: Any, number: int = 1, desk: dict[str, Decimal] | None = None, **changes: Any) -> LimitsProposed:
    """What the desk file has, with `desk` changed."""
    whole = of_desk_file(w.state.desk.limits)
    values: dict[str, Any] = {
        "id": f"l-{number}",
        "at": w.now,
        "limits": LimitsByScope(desk={**whole.desk, **(desk or {})}),
        "replaces": w.state.rules.limits_version,
        "reason": "a quiet day",
        "by": "olga",
    }
    return LimitsProposed(**{**values, **changes})


def ruled(w: Any, proposed: LimitsProposed) -> Any:
    """What is said to it, which stands in TRADE then."""
    (ruling,) = step(w.state, proposed, w.now)
    w.sequence += 1
    w.log.append((w.sequence, subjects.limits_ruled(ruling), messages.encode(ruling)))
    return ruling


TIGHT = stated(order_quantity_max=5)


def test_what_is_set_holds_from_the_next_intent_on(world: Any) -> None:
    w = world().ready()
    assert isinstance(w.decide(w.order(quantity="6")), IntentApproved)
    made = ruled(w, proposal(w, desk=TIGHT))
    assert isinstance(made, LimitsSet)
    assert (made.version, made.by, made.reason, made.cause, made.loosened) == (1, "olga", "a quiet day", "l-1", ())
    denied = w.decide(w.order(quantity="6"))
    assert isinstance(denied, IntentDenied)
    assert (denied.basis.limits_version, denied.checks[0].scope) == (1, "desk")
    assert isinstance(w.decide(w.order(quantity="5")), IntentApproved)


def test_a_proposal_is_answered_once(world: Any) -> None:
    w = world().ready()
    proposed = proposal(w, desk=TIGHT)
    ruled(w, proposed)
    assert step(w.state, proposed, w.now) == ()
    refused = proposal(w, 2, desk=TIGHT)
    assert isinstance(ruled(w, refused), LimitsRefused)
    assert step(w.state, refused, w.now) == ()


def test_nobody_replaces_a_version_that_he_has_not_seen(world: Any) -> None:
    w = world().ready()
    late = proposal(w, 2, desk=stated(order_quantity_max=4))
    ruled(w, proposal(w, 1, desk=TIGHT))
    refused = ruled(w, late)
    assert isinstance(refused, LimitsRefused)
    assert refused.reason == (
        "it is to replace version 0, and version 1 holds (set by olga: a quiet day): look what that has (`signalbox "
        "limits show`), and propose it again"
    )
    assert w.state.rules.limits_for("", "", "", "").limits.order_quantity_max == 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"by": ""}, "nobody knows who wants it, or why"),
        ({"reason": "  "}, "nobody knows who wants it, or why"),
        ({"reason": "x" * 501}, "nobody knows who wants it, or why"),
        ({"limits": LimitsByScope()}, "It states no limit at all"),
        ({"limits": LimitsByScope(desk=stated(nothing=1))}, "desk.nothing is no limit of the desk"),
        ({"limits": LimitsByScope(desk={"order_quantity_max": Decimal("NaN")})}, "a limit is a number above 0"),
        ({"limits": LimitsByScope(venue={"kraken": TIGHT})}, "venue.kraken names nothing that the desk trades"),
        (
            {"limits": LimitsByScope(desk=TIGHT, symbol={"SPY": stated(order_quantity_max=6)})},
            "symbol:SPY has order_quantity_max 6, and desk 5: the tightest holds",
        ),
        ({}, "it is what holds already"),
    ],
)
def test_what_makes_no_sense_is_refused_and_what_was_set_stands(world: Any, changes: Any, reason: str) -> None:
    w = world().ready()
    before = w.state.rules
    refused = ruled(w, proposal(w, **changes))
    assert isinstance(refused, LimitsRefused)
    assert reason in refused.reason
    assert w.state.rules is before
    assert refused.waiting is None
    assert f"refused since: {refused.by}: {refused.reason[:200]}" in told(w.state)
    assert isinstance(w.decide(w.order()), IntentApproved)


def test_all_mistakes_are_told_as_far_as_a_sentence_goes(world: Any) -> None:
    w = world().ready()
    many = LimitsByScope(desk={f"limit{number}": Decimal(1) for number in range(20)})
    reason = ruled(w, proposal(w, limits=many)).reason
    assert reason.count("is no limit of the desk") == limiting.TOLD_MAX
    assert reason.endswith(" (And 12 more.)")


@pytest.mark.parametrize(("seconds", "is_set"), [(300, True), (301, False), (-30, True), (-31, False)])
def test_a_proposal_that_waited_for_long_is_not_acted_on(world: Any, seconds: int, is_set: bool) -> None:
    w = world().ready()
    ruling = ruled(w, proposal(w, desk=TIGHT, at=w.now - timedelta(seconds=seconds)))
    assert isinstance(ruling, LimitsSet) is is_set
    assert is_set or f"it was proposed {seconds} s ago" in ruling.reason


def test_whoever_loosens_has_to_say_that_he_means_to(world: Any) -> None:
    w = world().ready()
    loose = stated(order_quantity_max=1001)
    refused = ruled(w, proposal(w, 1, desk=loose))
    assert refused.reason == ("it loosens desk order_quantity_max: 1000 -> 1001: say that it is meant to (--loosen)")
    made = ruled(w, proposal(w, 2, desk=loose, loosens=True))
    assert made.loosened == ("desk order_quantity_max: 1000 -> 1001",)
    assert isinstance(w.decide(w.order(quantity="1001")), IntentApproved)


def test_what_the_file_is_changed_to_since_is_not_loosened_unnoticed(world: Any) -> None:
    w = world().ready()
    ruled(w, proposal(w, desk=TIGHT))
    other = world(limits={"order_quantity_max": Decimal(2)}).ready()
    limiting.fold_limits(other.state, w.state.rules.limits)
    assert f"{FILE_CHANGED}, which hold too where they are tighter" in told(other.state)
    assert isinstance(other.decide(other.order(quantity="3")), IntentDenied)
    again = proposal(other, 2, desk=TIGHT)
    assert "it loosens desk order_quantity_max: 2 -> 5" in ruled(other, again).reason
    kept = proposal(other, 3, desk=stated(order_quantity_max=2))
    assert isinstance(ruled(other, kept), LimitsSet)
    assert not other.state.rules.is_file_changed


def two(world: Any) -> Any:
    return world(desk={"loosen_limits": Loosening.TWO}).ready()


def test_where_loosening_is_for_two_a_second_operator_has_to_want_the_same(world: Any) -> None:
    w = two(world)
    loose = stated(order_quantity_max=2000)
    first = ruled(w, proposal(w, 1, desk=loose, loosens=True))
    assert isinstance(first, LimitsRefused)
    assert first.waiting == proposal(w, 1, desk=loose).limits
    assert "another one says `signalbox limits agree l-1`" in first.reason
    w.later(400)  # the second one has all the time that nothing else is proposed
    made = ruled(w, proposal(w, 2, desk=loose, loosens=True, by="pete", agrees="l-1"))
    assert isinstance(made, LimitsSet)
    assert (made.by, made.agreed_with) == ("pete", "olga")


@pytest.mark.parametrize(
    "changes",
    [
        {"by": "olga", "agrees": "l-1"},
        {"by": "pete"},
        {"by": "pete", "agrees": "l-0"},
        {"by": "pete", "agrees": "l-1", "desk": stated(order_quantity_max=3000)},
    ],
)
def test_nobody_is_the_second_of_himself_nor_of_something_else(world: Any, changes: Any) -> None:
    w = two(world)
    loose = stated(order_quantity_max=2000)
    ruled(w, proposal(w, 1, desk=loose, loosens=True))
    assert isinstance(ruled(w, proposal(w, 2, **{"desk": loose, "loosens": True, **changes})), LimitsRefused)


def test_what_another_version_came_between_is_not_agreed_with(world: Any) -> None:
    w = two(world)
    loose = stated(order_quantity_max=2000)
    ruled(w, proposal(w, 1, desk=loose, loosens=True))
    ruled(w, proposal(w, 2, desk=TIGHT))
    assert isinstance(ruled(w, proposal(w, 3, desk=loose, loosens=True, by="pete", agrees="l-1")), LimitsRefused)


def test_to_tighten_is_for_one_alone(world: Any) -> None:
    w = two(world)
    assert isinstance(ruled(w, proposal(w, desk=TIGHT)), LimitsSet)


def test_the_fold_of_what_was_said_is_what_holds(world: Any) -> None:
    w = world().ready()
    ruled(w, proposal(w, 1, desk=TIGHT))
    ruled(w, proposal(w, 2, desk=TIGHT))
    ruled(w, proposal(w, 3, desk=stated(order_quantity_max=4)))
    state = opening_state(w.state.desk)
    for _, subject, payload in w.log:
        if subject.startswith("decision.limits"):
            for _ in range(2):  # it is read again behind a checkpoint
                step(state, messages.decode(payload, Ruling))
    assert (state.rules, state.limits_answered) == (w.state.rules, w.state.limits_answered)
    assert state.rules.limits_version == 2


def test_an_older_version_that_is_read_again_takes_nothing_back(world: Any) -> None:
    w = world().ready()
    first = ruled(w, proposal(w, 1, desk=TIGHT))
    ruled(w, proposal(w, 2, desk=stated(order_quantity_max=4)))
    step(w.state, first)
    assert w.state.rules.limits_version == 2


def test_a_checkpoint_has_what_holds_and_what_was_answered(world: Any) -> None:
    w = world().ready()
    ruled(w, proposal(w, 1, desk=TIGHT))
    waits = ruled(w, proposal(w, 2, desk=stated(order_quantity_max=9)))
    loader = StateLoader()
    for frame in capture(w.state, 7, 9):
        loader.take(frame)
    loader.finish()
    again = opening_state(w.state.desk)
    loader.restore(again)
    assert again.rules == w.state.rules
    assert again.limits_answered == w.state.limits_answered
    assert again.limits_answered.refused == waits
    assert step(again, proposal(w, 1), w.now) == ()


def test_a_day_with_several_versions_is_decided_again_without_a_difference(world: Any) -> None:
    w = world().ready()
    w.decide(w.order(quantity="6"))
    ruled(w, proposal(w, 1, desk=TIGHT))
    w.decide(w.order(quantity="6"))
    ruled(w, proposal(w, 2, desk=stated(order_quantity_max=7), loosens=True))
    w.decide(w.order(quantity="6"))
    base = rules_of(w.state.desk)
    replay = Replay({base.version: base})
    assert [found for stored in w.log if (found := replay.take(*stored)) is not None] == []
    assert (replay.tally.again, replay.tally.of_other_rules) == (3, {})


def test_how_many_answers_are_remembered_is_bounded(world: Any) -> None:
    w = world().ready()
    for number in range(ANSWERED_LIMITS_MAX + 5):
        step(w.state, proposal(w, number), w.now)
    assert len(w.state.limits_answered.ids) == ANSWERED_LIMITS_MAX


def test_a_fault_of_the_judging_is_a_refusal(world: Any) -> None:
    w = world().ready()
    refused = limiting.refuse(w.state, proposal(w, desk=TIGHT), w.now, "risk could not judge it: KeyError")
    assert refused.reason == "risk could not judge it: KeyError"
    assert step(w.state, proposal(w, desk=TIGHT), w.now) == ()

"""What would become of an intent: the answer that a decision would be, and nothing of it is left behind."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from risk import what_if as module
from risk.checkpoint import capture
from risk.facts import Request
from risk.what_if import ASKED_BURST_MAX, ASKED_PER_SECOND, NAMES_MAX, WhatIfs, what_if
from signalbox import messages, subjects
from signalbox.clock import FixedClock
from signalbox.messages import (
    Command,
    Decision,
    Intent,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    OrderEvents,
    OrderIntent,
    Ruling,
    WhatIfAnswer,
    WouldBe,
    WouldPass,
)
from signalbox.registry import REGISTRY as SUBJECTS
from signalbox.schemas import message_types
from signalbox.seals import link_of

from tests.risk.test_passing import bracket


class Asked:
    """Risk, as it is asked: `seconds` is wall time, `held` whether it decides."""

    def __init__(self, w: Any) -> None:
        self.w, self.seconds, self.held = w, 0.0, True
        self.what_ifs = WhatIfs(w.state, FixedClock(w.now), self, lambda: self.seconds)

    def is_held(self) -> bool:
        return self.held

    async def ask(self, intent: Intent | bytes, by: str = "alice") -> WhatIfAnswer:
        payload = intent if isinstance(intent, bytes) else messages.encode(intent)
        answer: WhatIfAnswer = messages.decode(await self.what_ifs.answer(payload, by), WhatIfAnswer)
        return answer


@pytest.fixture
def asked(world: Any) -> Asked:
    return Asked(world().ready())


def folded(w: Any) -> bytes:
    """All that is folded of TRADE, in bytes."""
    return b"".join(capture(w.state, 0, 0))


def what_a_day_asks(w: Any) -> list[Intent]:
    """Of every kind one that would pass and one that would not."""
    working = next(iter(w.state.orders), "nobody-s")
    return [
        w.order(quantity="10"),
        w.order(quantity="5000", limit="130"),
        bracket(w, "10"),
        bracket(w, "9000"),
        w.position("TARGET", "300"),
        w.position("TARGET", "90000"),
        w.modify(working, quantity="20"),
        w.modify("nobody-s", quantity="20"),
        w.cancel(working),
        w.cancel("nobody-s"),
        w.mass_cancel(),
        w.flatten(),
    ]


async def test_a_thousand_questions_leave_the_state_as_it_was_byte_for_byte(asked: Asked) -> None:
    w = asked.w
    order = w.order(quantity="10")
    w.decide(order)
    w.created(order).accepted(order)
    before, kept, trade = folded(w), deepcopy(w.state), list(w.log)
    answers = []
    for number in range(1_000):
        asked.seconds += 1 / ASKED_PER_SECOND
        intents = what_a_day_asks(w)
        answers.append((await asked.ask(intents[number % len(intents)])).would_be)
    assert {WouldBe.APPROVED, WouldBe.DENIED} == set(answers)
    assert folded(w) == before
    assert w.state == kept  # and what is in no checkpoint: prices, links, the switch
    assert w.log == trade


def test_the_answer_is_what_the_decision_then_is(world: Any) -> None:
    w = world().ready()
    order = w.order(quantity="10")
    w.decide(order)
    w.created(order).accepted(order)
    for intent in what_a_day_asks(w):
        answer = what_if(w.state, Request(sequence=0, intent=intent, by="alice"), w.now)
        decision = w.decide(intent)
        same = ("intent", "checks", "passed", "reference_price", "basis")
        assert [getattr(answer, name) for name in same] == [getattr(decision, name) for name in same]
        if isinstance(decision, IntentApproved):
            assert answer.would_be is WouldBe.APPROVED
            assert (answer.order, answer.estimated_commission) == (decision.order, decision.estimated_commission)
        else:
            assert answer.would_be is WouldBe.DENIED
            assert (answer.reason, answer.also_failed, answer.would_pass) == (
                decision.reason,
                decision.also_failed,
                decision.would_pass,
            )


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_after_any_history_it_is_so_and_nothing_is_left_behind(two_currencies: Any, steps: Any, data: Any) -> None:
    w = two_currencies()
    w.walk(data.draw(steps))
    before, kept = folded(w), deepcopy(w.state)
    intent = w.order("BUY", str(data.draw(st.integers(1, 2000))), None)
    answer = what_if(w.state, Request(sequence=0, intent=intent, by="alice"), w.now)
    assert (folded(w), w.state) == (before, kept)
    decision = w.decide(intent)
    assert (answer.would_be is WouldBe.APPROVED) is isinstance(decision, IntentApproved)


async def test_asking_uses_up_no_id_and_no_rate(asked: Asked, world: Any) -> None:
    w = world(limits={"intents_per_minute_max": 2, "intents_per_minute_per_name_max": 2}).ready()
    asked = Asked(w)
    order = w.order(quantity="10")
    for _ in range(5):
        assert (await asked.ask(order)).would_be is WouldBe.APPROVED
    assert isinstance(w.decide(order), IntentApproved)
    assert (await asked.ask(order)).reason.startswith("duplicate intent id")
    assert isinstance(w.decide(w.order()), IntentApproved)
    answer = await asked.ask(w.order())
    assert [*(check.name for check in answer.checks), *answer.also_failed] == ["intent_rate", "name_rate"]
    another = await asked.ask(w.order(), by="bob")
    assert [*(check.name for check in another.checks), *another.also_failed] == ["intent_rate"]


async def test_what_would_pass_is_told(asked: Asked) -> None:
    answer = await asked.ask(asked.w.order(quantity="1500"))
    assert (answer.would_be, answer.would_pass) == (WouldBe.DENIED, WouldPass(quantity=Decimal(1000)))


async def test_a_wish_that_would_wait_for_its_venue_says_so(asked: Asked) -> None:
    w = asked.w.link(LinkStatus.DOWN)
    answer = await asked.ask(w.position("TARGET", "5", valid_until=w.now + timedelta(hours=1)))
    assert answer.would_be is WouldBe.WAITING
    assert "until 2024-01-02 18:00:00 UTC" in answer.reason
    assert (await asked.ask(w.position("TARGET", "5"))).would_be is WouldBe.DENIED


async def test_whoever_asks_too_often_is_told_so_and_nobody_else_waits_for_him(asked: Asked) -> None:
    order = asked.w.order()
    for _ in range(int(ASKED_BURST_MAX)):
        assert not (await asked.ask(order)).error
    answer = await asked.ask(order)
    assert (answer.would_be, answer.intent) == (WouldBe.UNKNOWN, None)
    assert "alice has asked too often" in answer.error
    assert (await asked.ask(order, by="bob")).would_be is WouldBe.APPROVED
    asked.seconds += 1 / ASKED_PER_SECOND
    assert (await asked.ask(order)).would_be is WouldBe.APPROVED
    assert (await asked.ask(order)).would_be is WouldBe.UNKNOWN


async def test_who_has_asked_is_remembered_within_bounds(asked: Asked) -> None:
    order = messages.encode(asked.w.order())
    for number in range(NAMES_MAX + 50):
        await asked.what_ifs.answer(order, f"name-{number}")
    assert len(asked.what_ifs._asked) == NAMES_MAX


async def test_a_process_that_does_not_decide_does_not_answer_for_the_one_that_does(asked: Asked) -> None:
    asked.held = False
    answer = await asked.ask(asked.w.order())
    assert (answer.would_be, answer.error) == (WouldBe.UNKNOWN, "this process of risk does not decide now: ask again")


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b"[[", b'{"type":"OrderIntent"}', b"x" * 9000])
async def test_what_is_no_intent_would_be_denied_and_ends_nothing(asked: Asked, payload: bytes) -> None:
    answer = await asked.ask(payload)
    assert answer.would_be is WouldBe.DENIED
    assert answer.reason


async def test_a_fault_of_risks_own_is_an_answer_too(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "decide", broken)
    answer = await asked.ask(asked.w.order())
    assert (answer.would_be, answer.error) == (WouldBe.UNKNOWN, "risk could not judge the intent: ZeroDivisionError")


async def test_answers_are_counted(asked: Asked) -> None:
    name, labels = "signalbox_risk_what_ifs_total", {"would_be": "denied"}
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    await asked.ask(asked.w.order(quantity="5000"))
    assert REGISTRY.get_sample_value(name, labels) == before + 1


async def test_an_answer_is_no_decision_in_any_place_that_acts_upon_one(asked: Asked) -> None:
    """It has no type that a decision, a command or an event has, and its subject is one that nobody seals."""
    payload = await asked.what_ifs.answer(messages.encode(asked.w.order()), "alice")
    acted_upon = {kind for each in SUBJECTS if each.pattern != "whatif.intent" for kind in message_types(each.message)}
    assert WhatIfAnswer not in acted_upon
    for kind in (Decision, Ruling, Command, OrderEvents, IntentApproved, IntentDenied):
        with pytest.raises(msgspec.ValidationError):
            messages.decode(payload, kind)
    assert b'"IntentApproved"' not in payload
    assert link_of(subjects.WHAT_IF) == link_of(subjects.ALL_WHAT_IFS) == ""
    assert isinstance(messages.decode(payload, WhatIfAnswer).intent, OrderIntent)

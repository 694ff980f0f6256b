"""Proposed limits on a real nats-server: one answer each, whoever dies, and the same limits afterwards."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY
from risk import proposing
from signalbox import messages, subjects
from signalbox.errors import BusPermissionError, LeaseLostError
from signalbox.limits import of_desk_file
from signalbox.messages import (
    DeadLetter,
    IntentApproved,
    IntentDenied,
    LimitsByScope,
    LimitsProposed,
    LimitsRefused,
    LimitsSet,
    Ruling,
)

from tests.risk.test_service import Stage, eventually, intent_bytes


@pytest.fixture
async def stage(nats_server: Any, world: Any, held_lease: Any) -> Stage:
    stage = Stage(nats_server, world(), held_lease)
    await stage.set()
    return stage


def proposal(stage: Stage, number: int, quantity: int, **changes: Any) -> LimitsProposed:
    whole = of_desk_file(stage.w.state.desk.limits)
    values: dict[str, Any] = {
        "id": f"l-{number}",
        "at": stage.w.now,
        "limits": LimitsByScope(desk={**whole.desk, "order_quantity_max": Decimal(quantity)}),
        "replaces": 0,
        "reason": "a quiet day",
        "by": "somebody else",
    }
    return LimitsProposed(**{**values, **changes})


async def propose(stage: Stage, proposed: Any, user: str = "operator") -> None:
    await (await stage.bus(user)).publish(subjects.LIMITS_PROPOSED, proposed)


async def said(stage: Stage, count: int) -> list[Ruling]:
    """What risk has written into TRADE, once there is so much of it."""
    reader = await stage.bus("recorder")
    found: list[Ruling] = []

    async def enough() -> bool:
        found[:] = [messages.decode(each.payload, Ruling) async for each in reader.read("TRADE", "decision.>")]
        return len(found) >= count

    await eventually(enough)
    assert len(found) == count
    return found


async def test_an_operators_limits_hold_from_the_next_intent_on_in_his_name(stage: Stage) -> None:
    running = await stage.risk()
    await stage.send(intent_bytes(stage, id="before", quantity="6"))
    await said(stage, 1)
    await propose(stage, proposal(stage, 1, 5))
    _, made = await said(stage, 2)
    await stage.send(intent_bytes(stage, id="after", quantity="6"))
    before, made, after = await said(stage, 3)
    assert isinstance(before, IntentApproved)
    assert isinstance(made, LimitsSet)
    assert (made.version, made.by, made.cause) == (1, "operator", "l-1")
    assert isinstance(after, IntentDenied)
    assert after.basis is not None
    assert (after.basis.limits_version, after.checks[0].scope) == (1, "desk")
    assert running.service.details()["limits_version"] == "1 by operator: a quiet day"
    assert REGISTRY.get_sample_value("signalbox_risk_limits_version") == 1
    assert REGISTRY.get_sample_value("signalbox_risk_limit", {"limit": "order_quantity_max"}) == 5


async def test_who_takes_over_decides_under_the_version_that_holds(stage: Stage) -> None:
    first = await stage.risk()
    await propose(stage, proposal(stage, 1, 5))
    await said(stage, 1)
    await stage.kill(first)
    second = await stage.risk()
    assert second.state.rules == first.state.rules
    assert second.state.rules.limits_version == 1
    await stage.send(intent_bytes(stage, id="after", quantity="6"))
    _, after = await said(stage, 2)
    assert isinstance(after, IntentDenied)


async def test_a_proposal_that_waits_is_answered_by_whoever_comes(stage: Stage) -> None:
    await propose(stage, proposal(stage, 1, 5))
    running = await stage.risk()
    [made] = await said(stage, 1)
    assert isinstance(made, LimitsSet)
    assert running.state.rules.limits_version == 1


async def test_one_that_died_before_it_acknowledged_has_answered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is in TRADE, and the proposal comes again: it has none then."""
    first = await stage.risk(consume=False)
    service = proposing.Proposals(first.bus, first.state, first.clock, stage.lease, first.service.log)
    await propose(stage, proposal(stage, 1, 5))
    control = await stage.bus("recorder")
    [waits] = [each async for each in control.read("KV_CONTROL", subjects.ALL_LIMITS_PROPOSED)]
    await service.handle(waits)
    await stage.kill(first)
    second = await stage.risk()
    await propose(stage, proposal(stage, 2, 4, replaces=1))
    made, then = await said(stage, 2)
    assert [(each.cause, type(each)) for each in (made, then)] == [("l-1", LimitsSet), ("l-2", LimitsSet)]
    assert second.state.rules.limits_version == 2


async def waiting(stage: Stage) -> Any:
    """A proposal as it stands in KV_CONTROL."""
    await propose(stage, proposal(stage, 1, 5))
    control = await stage.bus("recorder")
    [waits] = [each async for each in control.read("KV_CONTROL", subjects.ALL_LIMITS_PROPOSED)]
    return waits


class Lost:
    """A lease that another process holds."""

    async def until_held(self) -> None:
        raise LeaseLostError("another process works")


async def test_a_process_that_works_no_more_says_nothing(stage: Stage) -> None:
    running = await stage.risk(consume=False)
    lost: Any = Lost()
    service = proposing.Proposals(running.bus, running.state, running.clock, lost, running.service.log)
    with pytest.raises(LeaseLostError):
        await service.handle(await waiting(stage))
    assert running.state.rules.limits_version == 0


async def test_nothing_is_set_between_a_decision_and_its_storing(stage: Stage) -> None:
    running = await stage.risk(consume=False)
    log = running.service.log
    service = proposing.Proposals(running.bus, running.state, running.clock, stage.lease, log)
    waits = await waiting(stage)
    async with log.storing:
        handling = asyncio.create_task(service.handle(waits))
        await waiting_again(stage)
        assert running.state.rules.limits_version == 0
    await handling
    assert running.state.rules.limits_version == 1


async def waiting_again(stage: Stage) -> None:
    """As long as some answers of the server take: others have had many turns."""
    reader = await stage.bus("recorder")
    for _ in range(3):
        assert [each async for each in reader.read("TRADE", "decision.>")] == []


async def test_of_two_operators_who_replace_the_same_version_one_is_refused(stage: Stage) -> None:
    await stage.risk()
    await propose(stage, proposal(stage, 1, 5))
    await propose(stage, proposal(stage, 2, 4))
    first, second = await said(stage, 2)
    assert isinstance(first, LimitsSet)
    assert isinstance(second, LimitsRefused)
    assert "it is to replace version 0, and version 1 holds" in second.reason


async def test_what_can_not_be_read_is_parked_and_the_next_one_is_answered(stage: Stage) -> None:
    running = await stage.risk()
    for number, nonsense in enumerate((b"", b"[" * 900, b'{"type":"LimitsProposed"}', b"\xff" * 90)):
        bus = await stage.bus("operator")
        await bus.raw_publish(subjects.LIMITS_PROPOSED, nonsense, {"Nats-Msg-Id": f"n{number}"})
    await propose(stage, proposal(stage, 1, 5, limits=LimitsByScope(desk={"open_orders_max": Decimal("NaN")})))
    await propose(stage, proposal(stage, 2, 5, id="no id"))
    await propose(stage, proposal(stage, 3, 5))
    [made] = await said(stage, 1)
    assert made.cause == "l-3"
    reader = await stage.bus("recorder")

    async def parked() -> bool:
        letters = [messages.decode(each.payload, DeadLetter) async for each in reader.read("DEAD", "dead.>")]
        return [letter.stream for letter in letters] == ["KV_CONTROL"] * 6

    await eventually(parked)
    assert running.failures == []


async def test_a_fault_of_the_judging_refuses_and_ends_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    running = await stage.risk()

    def fails(*_: object) -> Any:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(proposing, "step", fails)
    await propose(stage, proposal(stage, 1, 5))
    [refused] = await said(stage, 1)
    monkeypatch.undo()
    assert isinstance(refused, LimitsRefused)
    assert refused.reason == "risk could not judge it: KeyError"
    await propose(stage, proposal(stage, 2, 5))
    assert isinstance((await said(stage, 2))[1], LimitsSet)
    assert running.failures == []


async def test_nobody_but_an_operator_may_propose(stage: Stage) -> None:
    for user in ("user", "oms", "gateway-ibkr", "risk"):
        bus = await stage.bus(user)
        with pytest.raises(BusPermissionError):
            await bus.publish(subjects.LIMITS_PROPOSED, proposal(stage, 1, 5))

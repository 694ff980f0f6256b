"""Switches that pull themselves on a real nats-server: stored once, before any later intent is approved, by anybody."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY
from risk import watching
from signalbox import messages, subjects
from signalbox.errors import BusPermissionError, LeaseLostError
from signalbox.messages import (
    BooksAdjusted,
    BooksCompared,
    IntentApproved,
    IntentDenied,
    OrderRejected,
    OrderStatus,
    PositionDiffers,
    RefusedBy,
    Ruling,
    SwitchScope,
    SwitchTrading,
    TradingMode,
    TradingSwitched,
)
from signalbox.switches import Switches

from tests.risk.test_service import Stage, eventually, intent_bytes

OWNER = {"venue": "ibkr", "account": "DU1234567"}
LOAD = 300


@pytest.fixture
async def stage(nats_server: Any, world: Any, held_lease: Any) -> Stage:
    stated = Switches(rejections_per_minute_max=3, drift_seconds_max=30)
    stage = Stage(nats_server, world(limits={"intents_per_minute_max": 10_000, "open_orders_max": 10_000,
                                             "gross_exposure_max": 10**9, "position_quantity_max": 10**6,
                                             "position_notional_max": 10**9},
                                     desk={"switches": stated}), held_lease)  # fmt: skip
    await stage.set()
    return stage


async def rejected(stage: Stage, *names: str) -> None:
    oms = await stage.bus("oms")
    for name in names:
        event = OrderRejected(
            id=f"{name}/1", at=stage.w.now, order_id=name, status=OrderStatus.REJECTED, reason="no",
            refused_by=RefusedBy.VENUE, **OWNER,
        )  # fmt: skip
        await oms.publish(subjects.order("ibkr", "DU1234567", name), event)


async def acted(stage: Stage, name: str, mode: TradingMode, scope: SwitchScope) -> int:
    act = SwitchTrading(id=name, at=stage.w.now, scope=scope, mode=mode, reason="a look", by="carol", **OWNER)
    event = BooksAdjusted(
        id=f"_acts/{name}", at=stage.w.now, order_id=subjects.ACTS, status=OrderStatus.FILLED, act=act, **OWNER
    )
    stored = await (await stage.bus("oms")).publish(subjects.order("ibkr", "DU1234567", subjects.ACTS), event)
    return stored.sequence


async def said(stage: Stage) -> list[tuple[int, Ruling]]:
    reader = await stage.bus("recorder")
    return [(each.sequence, messages.decode(each.payload, Ruling)) async for each in reader.read("TRADE", "decision.>")]


async def decided(stage: Stage, count: int) -> list[tuple[int, Ruling]]:
    found: list[tuple[int, Ruling]] = []

    async def enough() -> bool:
        found[:] = await said(stage)
        return sum(isinstance(each, IntentApproved | IntentDenied) for _, each in found) >= count

    await eventually(enough)
    return found


async def load(stage: Stage, name: str, count: int = LOAD) -> None:
    for number in range(count):
        await stage.send(intent_bytes(stage, id=f"{name}{number}", quantity="1"))


async def test_nothing_is_approved_behind_a_switch_that_pulled_itself_while_intents_pour_in(stage: Stage) -> None:
    await stage.risk()
    await load(stage, "before", 20)
    await decided(stage, 20)
    pouring = asyncio.create_task(load(stage, "i"))
    await rejected(stage, "a", "b", "c", "d", "e")
    await pouring
    await load(stage, "after", 20)
    found = await decided(stage, LOAD + 40)
    [(place, switched)] = [(place, each) for place, each in found if isinstance(each, TradingSwitched)]
    assert (switched.pulled_by, switched.mode, switched.account) == ("rejections", TradingMode.HALTED, "DU1234567")
    later = [each for sequence, each in found if sequence > place]
    assert {type(each) for each in later} == {IntentDenied}
    assert {each.reason for each in later if isinstance(each, IntentDenied)} == {
        f"trading in account DU1234567 is halted by risk: {switched.reason}"
    }
    assert len(later) >= 20


async def test_nothing_is_approved_on_a_word_of_an_operator_that_is_folded_while_intents_pour_in(
    stage: Stage,
) -> None:
    await stage.risk()
    pouring = asyncio.create_task(load(stage, "i"))
    place = await acted(stage, "a1", TradingMode.HALTED, SwitchScope.VENUE)
    await pouring
    await load(stage, "after", 20)
    found = [each for _, each in await decided(stage, LOAD + 20)]
    knew = [each for each in found if isinstance(each, IntentApproved | IntentDenied) and each.basis is not None
            and each.basis.trade_sequence >= place]  # fmt: skip
    assert knew
    assert not [each for each in knew if isinstance(each, IntentApproved)]


async def test_who_takes_over_has_it_pulls_it_no_second_time_and_arms_it_when_that_is_said(stage: Stage) -> None:
    first = await stage.risk()
    await rejected(stage, "a", "b", "c", "d")
    await stage.send(intent_bytes(stage, id="one"))
    await decided(stage, 1)

    async def pulled() -> bool:
        await first.service.watch.look()
        return bool(first.state.pulls.pulled)

    await eventually(pulled)
    assert first.service.details()["switched"].startswith("ibkr DU1234567 is HALTED by risk: ibkr has refused 4")
    await stage.kill(first)
    second = await stage.risk()
    assert second.state.pulls == first.state.pulls
    await second.service.watch.look()
    await stage.send(intent_bytes(stage, id="two"))
    found = [each for _, each in await decided(stage, 2)]
    assert isinstance(found[-1], IntentDenied)
    assert sum(isinstance(each, TradingSwitched) for each in found) == 1
    await acted(stage, "a1", TradingMode.ACTIVE, SwitchScope.ACCOUNT)

    async def armed() -> bool:
        return not second.state.pulls.pulled

    await eventually(armed)
    await stage.send(intent_bytes(stage, id="three"))
    assert isinstance((await decided(stage, 3))[-1][1], IntentApproved)


async def test_it_is_looked_for_while_nobody_sends_anything(stage: Stage) -> None:
    running = await stage.risk()
    ticking = asyncio.create_task(running.service.watch.run())
    oms = await stage.bus("oms")
    differs = PositionDiffers(symbol="SPY", ours=Decimal(5), theirs=Decimal(7))

    async def snapshot(number: int) -> None:
        told = BooksCompared(id=f"s{number}", at=running.clock.now(), differ=(differs,), **OWNER)
        await oms.send(subjects.compared("ibkr", "DU1234567"), told)

    async def seen(count: int) -> bool:
        return [each.snapshots for each in running.state.pulls.drifted.values()] == [count]

    await oms.send(subjects.compared("ibkr", "X"), BooksCompared(id="x", at=running.clock.now(), differ=(differs,),
                                                                venue="ibkr", account="X"))  # fmt: skip
    await snapshot(1)
    await eventually(lambda: seen(1))
    running.clock.at += timedelta(seconds=31)
    await snapshot(2)

    async def switched() -> bool:
        return [each.pulled_by for _, each in await said(stage) if isinstance(each, TradingSwitched)] == ["drift"]

    try:
        await eventually(switched)
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking


async def test_nothing_is_switched_between_a_decision_and_its_storing(stage: Stage) -> None:
    running = await stage.risk(consume=False)
    running.state.pulls.rejections[OWNER["venue"], OWNER["account"]] = [stage.w.now] * 4  # type: ignore[assignment]
    async with running.service.log.storing:
        looking = asyncio.create_task(running.service.watch.look())
        for _ in range(3):
            assert await said(stage) == []
    await looking
    assert len(await said(stage)) == 1


class Lost:
    """A lease that another process holds."""

    async def until_held(self) -> None:
        raise LeaseLostError("another process works")


async def test_a_process_that_works_no_more_switches_nothing(stage: Stage) -> None:
    running = await stage.risk(consume=False)
    lost: Any = Lost()
    watch = watching.Watch(running.state, running.clock, lost, running.service.log)
    with pytest.raises(LeaseLostError):
        await watch.run()


async def test_a_fault_of_a_cause_is_counted_pulls_nothing_and_ends_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await stage.risk(consume=False)

    def failed() -> float:
        return REGISTRY.get_sample_value("signalbox_risk_switch_looks_failed_total") or 0.0

    def fails(*_: object) -> Any:
        raise KeyError("a fault of ours")

    before = failed()
    monkeypatch.setattr(watching, "step", fails)
    await running.service.watch.look()
    await running.service.watch.look()
    monkeypatch.undo()
    assert (failed() - before, await said(stage)) == (2, [])


@pytest.mark.parametrize("user", ["user", "operator", "oms", "gateway-ibkr", "recorder"])
async def test_nobody_but_risk_may_say_that_it_has_switched(stage: Stage, user: str) -> None:
    forged = TradingSwitched(
        id="forged", at=stage.w.now, mode=TradingMode.ACTIVE, pulled_by="rejections", reason="", **OWNER
    )
    with pytest.raises(BusPermissionError):
        await (await stage.bus(user)).publish(subjects.switched(forged), forged)


async def test_nobody_but_an_operator_may_switch_a_scope(stage: Stage) -> None:
    act = SwitchTrading(
        id="a1", at=stage.w.now, scope=SwitchScope.VENUE, mode=TradingMode.ACTIVE, reason="r", by="carol", **OWNER
    )
    for user in ("user", "oms", "risk", "gateway-ibkr"):
        with pytest.raises(BusPermissionError):
            await (await stage.bus(user)).publish(subjects.books_act("ibkr", "DU1234567", "a1"), act)

"""Risk's checkpoints on a real nats-server: what the next process begins with, and what it does not believe."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY
from risk import trade_log
from signalbox import messages, subjects
from signalbox.checkpoints import CheckpointManifest, decode_manifest, encode_manifest
from signalbox.messages import IntentApproved, OrderAccepted, OrderCreated, OrderStatus

from tests.risk.conftest import ACCOUNT, NOON, VENUE
from tests.risk.test_checkpoint import comparable
from tests.risk.test_service import Running, Stage, eventually, intent_bytes

ORDERS = 4


@pytest.fixture
async def stage(nats_server: Any, world: Any, held_lease: Any) -> Stage:
    stage = Stage(nats_server, world(), held_lease)
    await stage.set()
    return stage


def ignored(reason: str) -> float:
    labels = {"service": "risk", "reason": reason}
    return REGISTRY.get_sample_value("signalbox_checkpoints_ignored_total", labels) or 0.0


async def announce(on: Stage, *order_ids: str) -> None:
    """What the OMS says of orders that were approved."""
    oms = await on.bus("oms")
    approved = {each.order_id: each for each in await on.decisions() if isinstance(each, IntentApproved)}
    for order_id in order_ids:
        intent = approved[order_id].intent
        order = messages.Order(
            order_id=order_id, intent_id=order_id, venue=VENUE, account=ACCOUNT, symbol="SPY", side=intent.side,  # type: ignore[union-attr]
            quantity=intent.quantity, order_type=intent.order_type, limit_price=intent.limit_price,  # type: ignore[union-attr]
        )  # fmt: skip
        common = {"at": NOON, "venue": VENUE, "account": ACCOUNT, "order_id": order_id}
        subject = subjects.order(VENUE, ACCOUNT, order_id)
        created = OrderCreated(id=f"{order_id}/1", status=OrderStatus.PENDING_NEW, order=order, **common)
        await oms.publish(subject, created)
        await oms.publish(
            subject, OrderAccepted(id=f"{order_id}/2", status=OrderStatus.NEW, venue_order_id="7", **common)
        )


async def folded(running: Running, on: Stage) -> None:
    """This process knows all that TRADE has."""

    async def there() -> bool:
        last = await (await on.bus("recorder")).last("TRADE", ">")
        events = await (await on.bus("recorder")).last("TRADE", "order.>")
        known = running.service.log
        assert last is not None
        assert events is not None
        return known._newest_sequence() == last.sequence and running.state.folded_up_to == events.sequence

    await eventually(there)


async def trade(on: Stage, running: Running, *order_ids: str) -> None:
    have = len(await on.decisions())
    for order_id in order_ids:
        await on.send(intent_bytes(on, id=order_id, quantity="1"))
    await on.decided(have + len(order_ids))
    await announce(on, *order_ids)
    await folded(running, on)


async def written(on: Stage) -> Running:
    """A process that has written a checkpoint and gone on: two decisions, and the events of one of them."""
    running = await on.risk()
    await trade(on, running, "a", "b")
    log = running.service.log
    assert await log.checkpoints.write(await log.capture())
    await trade(on, running, "c")
    await on.send(intent_bytes(on, id="d", quantity="1"))
    await on.decided(ORDERS)
    await folded(running, on)
    return running


def read_messages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sequences that are folded at starts from now on."""
    seen: list[int] = []
    first = trade_log.TradeLog._note_place

    def note(log: Any, received: Any) -> None:
        seen.append(received.sequence)
        first(log, received)

    monkeypatch.setattr(trade_log.TradeLog, "_note_place", note)
    return seen


async def whole(on: Stage, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A process that looks for no checkpoint."""

    async def nothing(log: Any) -> None:
        return None

    with monkeypatch.context() as patched:
        patched.setattr(trade_log.TradeLog, "_begin_with_checkpoint", nothing)
        return await on.risk(consume=False)


def same(one: Running, other: Running) -> None:
    """What TRADE makes of both; what they have heard beside it may differ by a moment."""
    ours, theirs = comparable(one.state), comparable(other.state)
    for heard in ("trading_state", "room", "quotes", "links", "accounts"):
        del ours[heard], theirs[heard]
    assert ours == theirs
    assert one.service.log.last_decision == other.service.log.last_decision
    assert one.service.log._folded_messages == other.service.log._folded_messages


async def test_the_next_process_begins_with_the_checkpoint_and_decides_on(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = await written(stage)
    captured_at = running.service.log.checkpoints._sequence
    await stage.kill(running)
    seen = read_messages(monkeypatch)
    after = await stage.risk()
    assert seen
    assert min(seen) == captured_at + 1
    same(after, await whole(stage, monkeypatch))
    await stage.send(intent_bytes(stage, id="a", quantity="1"))  # used up in the checkpoint
    await stage.send(intent_bytes(stage, id="e", quantity="1"))
    *_, again, good = await stage.decided(ORDERS + 2)
    assert again.reason.endswith("already decided: approved at INTENTS:1")
    assert isinstance(good, IntentApproved)


async def test_a_state_with_a_decision_that_is_not_stored_yet_is_not_written_down(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a decision of no TRADE if the process died now."""
    running = await stage.risk()
    await trade(stage, running, "a")
    under_way, may_go_on = asyncio.Event(), asyncio.Event()
    first_publish = running.bus.publish

    async def publish(*args: Any, **options: Any) -> Any:
        under_way.set()
        await may_go_on.wait()
        return await first_publish(*args, **options)

    monkeypatch.setattr(running.bus, "publish", publish)
    await stage.send(intent_bytes(stage, id="b", quantity="1"))
    await under_way.wait()
    assert "b" in running.state.orders
    capturing = asyncio.ensure_future(running.service.log.capture())
    await stage.decisions()  # as long as a question to NATS takes
    was_captured = capturing.done()
    may_go_on.set()
    assert not was_captured
    assert (await capturing).messages == running.service.log._folded_messages - 1


async def test_where_nothing_but_decisions_has_come_for_long_the_last_of_them_is_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trade_log, "DECISIONS_BEHIND_MAX", 1)
    running = await stage.risk()
    await trade(stage, running, "a")
    for number in range(3):
        await stage.send(intent_bytes(stage, id=f"large-{number}", quantity="1001"))
    await stage.decided(4)
    await folded(running, stage)
    log = running.service.log
    captured = await log.capture()
    assert captured.sequence == log.last_decision > running.state.folded_up_to
    assert await log.checkpoints.write(captured)
    await stage.kill(running)
    seen = read_messages(monkeypatch)
    after = await stage.risk(consume=False)
    assert not seen
    same(after, await whole(stage, monkeypatch))


@pytest.mark.parametrize("reason", ["shape", "context", "elsewhere", "damaged"])
async def test_a_checkpoint_that_is_not_to_be_believed_costs_time_only(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
) -> None:
    running = await written(stage)
    bus, subject = running.bus, subjects.checkpoint_manifest("risk", 1)
    stored = await bus.last("CHECKPOINTS", subject)
    assert stored is not None
    told = decode_manifest(stored.payload)
    assert isinstance(told, CheckpointManifest)
    spoilt = {
        "shape": msgspec.structs.replace(told, shape=0),
        "context": msgspec.structs.replace(told, context="of another desk file"),
        "elsewhere": msgspec.structs.replace(told, last="0" * 64),
        "damaged": msgspec.structs.replace(told, parts=told.parts[:-1]),
    }[reason]
    await bus.raw_publish(subject, encode_manifest(spoilt))
    await stage.kill(running)
    seen, before = read_messages(monkeypatch), ignored(reason)
    after = await stage.risk(consume=False)
    assert (min(seen), ignored(reason)) == (1, before + 1)
    same(after, await whole(stage, monkeypatch))


async def test_a_decision_of_a_former_holder_is_not_left_out(stage: Stage) -> None:
    """It has been stored behind what this process knows, which has decided nothing since."""
    running = await stage.risk()
    await trade(stage, running, "a")
    former = next(each for each in await stage.decisions())
    late = msgspec.structs.replace(former, id="decision-of-the-former", intent_sequence=77, order_id="late")
    await running.bus.publish(subjects.decision(late, ACCOUNT, VENUE), late)
    await announce(stage, "late")
    log = running.service.log

    async def followed() -> bool:
        return "late" in running.state.orders

    await eventually(followed)
    before = ignored("unwritten")
    assert not await log.checkpoints.write(await log.capture())
    assert ignored("unwritten") == before + 1

"""Checkpoints on a real nats-server: what the next process begins with, and what it does not believe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from oms import metrics
from oms.checkpoint import capture
from oms.late_fills import LateFills
from oms.service import OrderManagement
from oms.state import Keep, State
from prometheus_client import REGISTRY
from signalbox import checkpointing, subjects
from signalbox.bus import Bus
from signalbox.checkpoints import CheckpointManifest, decode_manifest, encode_manifest, parts_of
from signalbox.errors import BusUnavailableError, LeaseLostError
from signalbox.messages import Position, Side, VenueCanceled

from tests.oms.test_checkpoint import comparable
from tests.oms.test_forgetting import filled
from tests.oms.test_service import WAIT_SECONDS_MAX, Live, until

CHECKPOINTS = "CHECKPOINTS"


def ignored(reason: str) -> float:
    labels = {"service": "oms", "reason": reason}
    return REGISTRY.get_sample_value("signalbox_checkpoints_ignored_total", labels) or 0.0


def rebuilt_events() -> float:
    return REGISTRY.get_sample_value("signalbox_oms_rebuilt_events") or 0.0


class NoCheckpoints:
    """There are none, and none are written."""

    async def find(self, begin: object) -> None:
        return None

    def folded(self, sequence: int, messages: int) -> None:
        """It does not matter."""


class Running:
    """OMS processes one after the other on one server, with a small memory."""

    def __init__(self, desk: Live, make: Any) -> None:
        self.desk, self.make = desk, make
        self.keep = Keep(ended_orders=2, executions=2, funding_payments=2, at_once=1)
        self.buses: list[Bus] = []

    async def begin(self, *, all_of_it: bool = False) -> OrderManagement:
        """The next process as it is once it has folded; `all_of_it` = it looks for no checkpoint."""
        bus = await self.desk.server.connect("oms")
        service = OrderManagement(bus, self.desk.clock, self.make.rules, self.desk.lease, self.keep)
        if all_of_it:
            service.checkpoints = NoCheckpoints()  # type: ignore[assignment]
        async with asyncio.timeout(WAIT_SECONDS_MAX):  # an event that can not be folded holds it for ever
            await service.rebuild()
        self.buses.append(bus)
        return service

    async def trade(self, service: OrderManagement, first: int, last: int) -> None:
        """Orders that fill, as the service's own consumers would give them."""
        for number in range(first, last + 1):
            for message in filled(self.make, number):
                await self.give(service, message)

    async def give(self, service: OrderManagement, message: Any) -> None:
        outcome = await service._step(message, 0)
        for event in outcome.events:
            await service._store(event)

    async def manifest(self, service: OrderManagement, slot: int) -> CheckpointManifest:
        received = await service._bus.last(CHECKPOINTS, subjects.checkpoint_manifest("oms", slot))
        assert received is not None
        found = decode_manifest(received.payload)
        assert found is not None
        return found


@pytest.fixture
async def running(nats_server: Any, make: Any, held_lease: Any) -> AsyncIterator[Running]:
    desk = Live(nats_server, make, held_lease)
    await desk.open()
    yield Running(desk, make)
    await desk.stop_tasks()


async def written(running: Running, make: Any) -> OrderManagement:
    """A service that has written a checkpoint, and gone on for a while."""
    service = await running.begin()
    await running.give(service, make.snapshot())
    await running.trade(service, 1, 6)
    assert await service.checkpoints.write(await service.capture())
    await running.trade(service, 7, 8)
    return service


async def test_the_next_process_begins_with_the_checkpoint_and_folds_the_rest(running: Running, make: Any) -> None:
    before = await written(running, make)
    after = await running.begin()
    assert rebuilt_events() == 4
    whole = await running.begin(all_of_it=True)
    assert rebuilt_events() == 1 + 2 * 8
    assert comparable(after.state) == comparable(before.state) == comparable(whole.state)
    await running.trade(after, 9, 9)
    assert after.state.accounts["ibkr", "DU1"].symbols["AAPL"].holding.quantity == 900


async def test_without_a_checkpoint_all_is_folded(running: Running, make: Any) -> None:
    service = await running.begin()
    await running.give(service, make.snapshot())
    await running.trade(service, 1, 2)
    assert comparable((await running.begin()).state) == comparable(service.state)


async def damage_a_part(running: Running, service: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    await service._bus.raw_publish(subjects.checkpoint_part("oms", 1, 0), b"something else, with a true seal")


async def mix_the_parts(running: Running, service: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is whole and ours, of another checkpoint."""
    (part,) = parts_of(capture(State())[1])
    await service._bus.raw_publish(subjects.checkpoint_part("oms", 1, 0), part)


async def lose_a_part(running: Running, service: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    told = await running.manifest(service, 1)
    longer = msgspec.structs.replace(told, parts=(*told.parts, "0" * 64))
    await service._bus.raw_publish(subjects.checkpoint_manifest("oms", 1), encode_manifest(longer))


async def damage_the_manifest(running: Running, service: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    await service._bus.raw_publish(subjects.checkpoint_manifest("oms", 1), b"{")


async def be_of_another_version(running: Running, service: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms.checkpoint.SHAPE", 77)


async def depend_on_something_else(running: Running, service: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    told = await running.manifest(service, 1)
    other = msgspec.structs.replace(told, context="another desk")
    await service._bus.raw_publish(subjects.checkpoint_manifest("oms", 1), encode_manifest(other))


async def be_beyond_the_end(running: Running, service: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    told = await running.manifest(service, 1)
    ahead = msgspec.structs.replace(told, sequence=10_000)
    await service._bus.raw_publish(subjects.checkpoint_manifest("oms", 1), encode_manifest(ahead))


async def be_of_another_trade(running: Running, service: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    told = await running.manifest(service, 1)
    other = msgspec.structs.replace(told, sequence=told.sequence - 1)
    await service._bus.raw_publish(subjects.checkpoint_manifest("oms", 1), encode_manifest(other))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage_a_part, "damaged"),
        (mix_the_parts, "damaged"),
        (lose_a_part, "damaged"),
        (damage_the_manifest, "unreadable"),
        (be_of_another_version, "shape"),
        (depend_on_something_else, "context"),
        (be_beyond_the_end, "elsewhere"),
        (be_of_another_trade, "elsewhere"),
    ],
)
async def test_a_checkpoint_that_is_not_to_be_believed_costs_time_only(
    running: Running, make: Any, monkeypatch: pytest.MonkeyPatch, spoil: Callable[..., Any], reason: str
) -> None:
    service = await written(running, make)
    before = ignored(reason)
    await spoil(running, service, monkeypatch)
    after = await running.begin()
    assert (rebuilt_events(), ignored(reason)) == (1 + 2 * 8, before + 1)
    assert comparable(after.state) == comparable(service.state)


async def test_a_checkpoint_of_somebody_else_is_not_looked_at(running: Running, make: Any, forger: Any) -> None:
    """Its parts, and even its words, may be our own: what is missing is our seal."""
    service = await written(running, make)
    told = await running.manifest(service, 1)
    subject = subjects.checkpoint_manifest("oms", 1)
    await forger.plant("oms", subject, encode_manifest(told))
    after = await running.begin()
    assert rebuilt_events() == 1 + 2 * 8
    assert comparable(after.state) == comparable(service.state)


class Dying:
    """A bus that dies after some parts."""

    def __init__(self, bus: Bus, parts: int) -> None:
        self._bus, self._parts = bus, parts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def raw_publish(self, *args: Any) -> Any:
        if not self._parts:
            raise BusUnavailableError("dead")
        self._parts -= 1
        return await self._bus.raw_publish(*args)


@pytest.mark.parametrize("parts", [0, 1, 2, 3])
async def test_one_that_was_not_finished_leaves_the_last_one_as_it_was(
    running: Running, make: Any, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr("signalbox.checkpoints.PART_BYTES", 900)
    service = await written(running, make)
    for _ in range(2):  # both slots have been used
        await running.trade(service, 9, 9)
        assert await service.checkpoints.write(await service.capture())
    await running.trade(service, 10, 11)
    service.checkpoints._bus = Dying(service._bus, parts)  # type: ignore[assignment]
    assert not await service.checkpoints.write(await service.capture())
    after = await running.begin()
    assert rebuilt_events() == 4
    assert comparable(after.state) == comparable(service.state)


async def test_of_two_checkpoints_the_newer_one_is_begun_with(running: Running, make: Any) -> None:
    service = await written(running, make)
    for number in (9, 10):  # into the first slot, and the second again
        await running.trade(service, number, number)
        assert await service.checkpoints.write(await service.capture())
    assert (await running.manifest(service, 0)).sequence < (await running.manifest(service, 1)).sequence
    await running.begin()
    assert rebuilt_events() == 0


class LosesLease(Dying):
    """A bus on which the lease is lost after some parts."""

    def __init__(self, bus: Bus, parts: int, lease: Any) -> None:
        super().__init__(bus, parts)
        self._lease = lease

    async def raw_publish(self, *args: Any) -> Any:
        self._parts -= 1
        self._lease.held = self._parts > 0
        return await self._bus.raw_publish(*args)


@pytest.mark.parametrize("when", ["before", "between the parts", "before the manifest"])
async def test_who_has_lost_the_lease_writes_nothing_more(
    running: Running, make: Any, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr("signalbox.checkpoints.PART_BYTES", 1200)
    service = await written(running, make)
    before = await running.manifest(service, 1)
    all_parts = len(list(parts_of((await service.capture()).frames)))
    assert all_parts > 1
    parts = {"before": 0, "between the parts": 1, "before the manifest": all_parts}[when]
    lease: Any = running.desk.lease
    lease.held = parts > 0
    service.checkpoints._bus = LosesLease(service._bus, parts, lease)  # type: ignore[assignment]
    with pytest.raises(LeaseLostError):
        await service.checkpoints.write(await service.capture())
    stored = [found.subject async for found in running.desk.auditor.read(CHECKPOINTS, "checkpoint.oms.0.>")]
    assert len(stored) == parts
    assert await running.manifest(service, 1) == before


async def test_what_another_process_has_written_into_trade_is_not_left_out(running: Running, make: Any) -> None:
    """A former holder that wakes up: this process has not folded its event, and does not know it."""
    service = await written(running, make)
    former = await running.begin()
    await running.give(former, make.approved("of-the-former", 99))
    await running.trade(service, 9, 9)
    before = ignored("unwritten")
    assert not await service.checkpoints.write(await service.capture())
    assert ignored("unwritten") == before + 1
    after = await running.begin()
    assert "of-the-former" in after.state.orders


async def test_one_is_due_after_so_many_messages_or_so_long_after_one(running: Running, make: Any) -> None:
    service = await written(running, make)
    checkpoints, at = service.checkpoints, (await service.capture()).sequence
    assert not checkpoints.is_due(checkpoints._sequence, 0.0)
    assert not checkpoints.is_due(at, 100.0)
    assert not checkpoints.is_due(at, 100.0 + checkpointing.SECONDS_BETWEEN_MAX - 1)
    assert checkpoints.is_due(at, 100.0 + checkpointing.SECONDS_BETWEEN_MAX)
    assert checkpoints.is_due(checkpoints._sequence + checkpointing.MESSAGES_BETWEEN, 100.0)


async def test_a_start_looks_up_what_a_later_event_changes(running: Running, make: Any) -> None:
    """A fee, a correction and a cancel that came when their order had left: folded as they were lived."""
    service = await written(running, make)
    await running.give(service, make.commission("3", execution_id="e1"))
    await running.give(service, make.commission("2", execution_id="e1", revision=2))
    await running.give(service, make.fill("90", "10", order_id="o-2", execution_id="e2", revision=2, seconds=2))
    await running.trade(service, 9, 12)
    await running.give(service, make.fill("80", "10", order_id="o-2", execution_id="e2", revision=3, seconds=2))
    for again in (await running.begin(all_of_it=True), await running.begin()):
        ours, theirs = (each.state.accounts["ibkr", "DU1"] for each in (service, again))
        assert theirs.cash == ours.cash
        assert theirs.commission == ours.commission == {"USD": 2}
        assert theirs.symbols["AAPL"].holding.quantity == ours.symbols["AAPL"].holding.quantity == 1180
        assert theirs.fills == ours.fills == 12


async def test_a_late_fill_that_comes_while_another_is_put_in_its_place_counts_too(
    running: Running, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await written(running, make)
    late = [
        make.fill("50", price, order_id="o-3", execution_id=f"late-{price}", seconds=2.5, side=Side.SELL)
        for price in ("7", "8")
    ]
    await running.give(service, late[0])
    first_fold = LateFills._fold

    async def fold(late_fills: LateFills, *args: Any) -> Any:
        found = await first_fold(late_fills, *args)
        if late:
            await running.give(service, late.pop())
            late.clear()
        return found

    monkeypatch.setattr(LateFills, "_fold", fold)
    await service.late_fills._settle(("ibkr", "DU1"), "AAPL")
    whole = OrderManagement(service._bus, running.desk.clock, make.rules, running.desk.lease, Keep())
    whole.checkpoints = NoCheckpoints()  # type: ignore[assignment]
    await whole.rebuild()
    ours, theirs = (each.state.accounts["ibkr", "DU1"].symbols["AAPL"] for each in (service, whole))
    assert not ours.is_late
    assert ours.holding == theirs.holding
    assert ours.holding.quantity == 700


async def test_what_an_account_has_realised_is_not_said_while_a_cost_is_not_known(running: Running, make: Any) -> None:
    service = await written(running, make)
    await service.publisher.flush()
    await running.give(service, make.fill("50", "7", order_id="o-3", execution_id="late", seconds=2.5, side=Side.SELL))
    subject = subjects.book("ibkr", "DU1")
    before = await service._bus.last("STATE", subject)
    await service.publisher.flush()
    after = await service._bus.last("STATE", subject)
    assert before is not None
    assert after is not None
    assert after.sequence == before.sequence
    await service.late_fills._settle(("ibkr", "DU1"), "AAPL")
    await service.publisher.flush()
    settled = await service._bus.last("STATE", subject)
    assert settled is not None
    assert settled.sequence > before.sequence


async def test_what_has_left_is_looked_up_and_a_late_fill_is_put_in_its_place(running: Running, make: Any) -> None:
    """On the running service: an order, an execution and its correction that memory has lost."""
    service = await written(running, make)
    assert "o-1" not in service.state.orders
    before = metrics.LATE_POSITIONS.labels("ibkr")._value.get()
    await running.give(service, make.report(VenueCanceled, "o-1", reason="late", seconds=99))
    await running.give(service, filled(make, 2)[1])  # twice
    book = service.state.accounts["ibkr", "DU1"]
    assert (book.fills, book.symbols["AAPL"].holding.quantity) == (8, 800)
    bust = make.fill("0", "10", order_id="o-2", execution_id="e2", revision=2, seconds=2, venue_order_id="2")
    late = make.fill("50", "7", order_id="o-3", execution_id="late", seconds=2.5, side=Side.SELL, venue_order_id="3")
    await running.give(service, bust)
    await running.give(service, late)
    assert book.symbols["AAPL"].is_late
    running.desk.start_task(service.publisher.run())
    running.desk.start_task(service.late_fills.run())
    service.late_fills.look()

    async def settled() -> bool:
        return metrics.LATE_POSITIONS.labels("ibkr")._value.get() > before

    await until(settled)
    whole = OrderManagement(service._bus, running.desk.clock, make.rules, running.desk.lease, Keep())
    whole.checkpoints = NoCheckpoints()  # type: ignore[assignment]
    await whole.rebuild()
    theirs = whole.state.accounts["ibkr", "DU1"].symbols["AAPL"].holding
    assert book.symbols["AAPL"].holding == theirs
    assert theirs.quantity == 650
    position = await running.desk.wait_for_last(
        subjects.position("ibkr", "DU1", "AAPL"), Position, lambda position: position.quantity == 650
    )
    assert position.realized_pnl == -150

"""Two gateways for one account: one trades, the other waits for its lease, and no order goes twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gateway_dydx.venue_node import BroadcastResult, Node, SignedTransaction
from signalbox import messages, subjects
from signalbox.lease import LEASES, TAKE_SECONDS
from signalbox.messages import Lease, LedgerClaimed, LedgerSent

from tests.gateway_dydx.test_crashes import Process, process, settled

__all__ = ["process"]

REBUILT_SECONDS_MAX = 20.0


async def epoch(desk: Any) -> int:
    last = await desk.gateway_bus.last(LEASES, subjects.lease("dydx", desk.account))
    return messages.decode(last.payload, Lease).epoch if last is not None else 0


async def test_a_suspended_gateway_is_taken_over_and_ends_when_it_wakes_up(
    desk: Any, process: Process, tmp_path: Path
) -> None:
    """It may wake up at any line: with a claim stored and the order signed, it still does not send."""
    desk.gateway_bus = await desk.connect("gateway-dydx")
    second = Process(process._environment, tmp_path / "second.log", tmp_path / "second")
    process.start()
    await desk.ready()
    await desk.submit("first-1", deadline_seconds=36_000)
    await settled(desk, "first-1")
    assert await epoch(desk) == 1
    try:
        process._process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
        began = time.monotonic()
        for number in range(4):
            await desk.submit(f"second-{number}", deadline_seconds=36_000)
        second.start()
        await desk.eventually(lambda: _has_epoch(desk, 2), "the second gateway to hold the account", 30.0)
        took_seconds = time.monotonic() - began
        assert TAKE_SECONDS <= took_seconds < TAKE_SECONDS + REBUILT_SECONDS_MAX
        process._process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
        await desk.eventually(lambda: process.is_over, "the first gateway to end", 30.0)
        for number in range(4):
            await settled(desk, f"second-{number}")
        claims = [
            messages.decode(received.payload, messages.LedgerEntry)
            async for received in desk.recorder.read("LEDGER", "ledger.>")
        ]
        numbers = Counter(entry.attempt_id for entry in claims if isinstance(entry, LedgerClaimed))
        assert set(numbers.values()) == {1}
        assert second.end() == 0
        assert await epoch(desk) == 2
    finally:
        second.kill()


async def test_a_second_gateway_waits_and_begins_at_once_when_the_first_ends(
    desk: Any, process: Process, tmp_path: Path
) -> None:
    desk.gateway_bus = await desk.connect("gateway-dydx")
    second = Process(process._environment, tmp_path / "second.log", tmp_path / "second")
    process.start()
    await desk.ready()
    try:
        second.start()
        log = tmp_path / "second.log"
        await desk.eventually(lambda: "standing by" in log.read_text(), "the second to wait", 30.0)
        assert await epoch(desk) == 1
        assert process.end() == 0
        began = time.monotonic()
        await desk.eventually(lambda: _has_epoch(desk, 2), "the second gateway to hold the account", 30.0)
        assert time.monotonic() - began < TAKE_SECONDS
        await desk.submit("handed-1", deadline_seconds=36_000)
        await settled(desk, "handed-1")
        assert second.end() == 0
    finally:
        second.kill()


async def test_the_lease_is_given_back_only_when_the_command_that_has_begun_is_written_down(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next gateway reads a ledger in which the order on its way is not, or is not known to have gone."""
    broadcast, going_on, under_way = Node.broadcast, asyncio.Event(), asyncio.Event()

    async def slow(node: Node, signed: SignedTransaction) -> BroadcastResult:
        under_way.set()
        await going_on.wait()
        return await broadcast(node, signed)

    monkeypatch.setattr(Node, "broadcast", slow)
    observer = await desk.connect("gateway-dydx")

    async def present() -> Lease:
        last = await observer.last(LEASES, subjects.lease("dydx", desk.account))
        return messages.decode(last.payload, Lease)

    runtime = await desk.start()
    await desk.ready()
    await desk.submit("leaving-1", deadline_seconds=36_000)
    async with asyncio.timeout(60):
        await under_way.wait()
    stopping = asyncio.create_task(desk.stop(runtime))
    async with asyncio.timeout(60):
        await asyncio.wait(runtime._tasks)  # all but the command has ended
    assert (await present()).holder
    going_on.set()
    await stopping
    assert not (await present()).holder
    assert [type(entry) for entry in await desk.ledger("leaving-1")] == [LedgerClaimed, LedgerSent]


async def _has_epoch(desk: Any, wanted: int) -> bool:
    return await epoch(desk) == wanted

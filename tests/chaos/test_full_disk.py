"""The disk under NATS is full: what is acknowledged is kept, what is not waits, and all goes on when there is room.

A real nats-server on a file system of 64 MiB. It takes root to mount one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from signalbox.accounts import JETSTREAM
from signalbox.bus import Bus
from signalbox_cli.local_desk import DeskPlan, LocalDesk

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 60.0
PAYLOAD = b"x" * 50_000


@pytest.fixture
async def desk(small_disk: Path) -> AsyncIterator[tuple[LocalDesk, list[str]]]:
    """nats-server as `signalbox up` runs it, and what `up` says."""
    said: list[str] = []
    desk = LocalDesk(DeskPlan(directory=small_disk, desk_file=ROOT / "deploy/desk.toml"), said.append)
    await desk.start_nats()
    yield desk, said
    await desk.close()


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    junk = disk / "junk"
    with junk.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return junk


async def until_said(said: list[str], words: str) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not any(words in line for line in said):
            await asyncio.sleep(0.05)


async def test_desk_outlives_a_full_disk_and_goes_on_by_itself(
    desk: tuple[LocalDesk, list[str]], small_disk: Path
) -> None:
    running, said = desk
    oms = await Bus.connect(running.bus_settings("oms"))
    operator = await Bus.connect(running.bus_settings("operator"))
    recorder = await Bus.connect(running.bus_settings("recorder"))
    waits: list[tuple[str, str]] = []
    oms.on_room(lambda stream, problem: waits.append((stream, problem)))
    for number in range(20):
        await oms.raw_publish("order.ibkr.DU1.x", PAYLOAD, {"Nats-Msg-Id": f"before-{number}"})
    junk = fill(small_disk)
    storing = [
        asyncio.create_task(oms.raw_publish("order.ibkr.DU1.x", PAYLOAD, {"Nats-Msg-Id": f"during-{number}"}))
        for number in range(20)
    ]
    await until_said(said, "TRADE stores nothing")
    async with asyncio.timeout(SECONDS_MAX):
        while not waits:
            await asyncio.sleep(0.05)
    assert waits == [("TRADE", "no answer")]
    assert not all(task.done() for task in storing)
    await operator.raw_publish("$KV.CONTROL.trading-state", b"HALT")  # another stream, whose disk is as full
    junk.unlink()
    await until_said(said, "starting nats-server again with room")
    async with asyncio.timeout(SECONDS_MAX):
        await asyncio.gather(*storing)
    found = [received.message_id async for received in recorder.read("TRADE", "order.>")]
    assert sorted(found) == sorted(f"{when}-{number}" for when in ("before", "during") for number in range(20))
    assert waits == [("TRADE", "no answer"), ("TRADE", "")]
    for bus in (oms, operator, recorder):
        await bus.drain()


async def test_parts_of_the_streams_fit_onto_the_disk(desk: tuple[LocalDesk, list[str]], small_disk: Path) -> None:
    running, _ = desk
    recorder = await Bus.connect(running.bus_settings("recorder"))
    account = json.loads(await recorder.request(f"{JETSTREAM}.INFO", b"", 5))
    await recorder.drain()
    assert 0 < account["reserved_storage"] <= 64 * 1024**2

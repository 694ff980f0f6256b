"""`python -m risk` as a process of its own: starts from nothing but its settings, and survives SIGKILL at any time."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import BusError
from signalbox.messages import (
    Decision,
    IntentApproved,
    ServiceStatus,
)

WAIT_SECONDS_MAX = 60.0
INTENTS = 60


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(0.02)


async def decisions(reader: Bus) -> list[Decision]:
    return [messages.decode(found.payload, Decision) async for found in reader.read("TRADE", subjects.ALL_DECISIONS)]


async def test_killed_again_and_again_each_intent_has_exactly_one_decision(
    nats_server: Any, gateway: Bus, process: Any, resting_order: Any
) -> None:
    user, reader = await nats_server.connect("user"), await nats_server.connect("recorder")
    process.start()

    async def publish_all() -> None:
        for number in range(INTENTS):
            intent = resting_order(f"i-{number}")
            await user.publish(subjects.intent(intent), intent)

    publishing = asyncio.create_task(publish_all())
    for count in (1, INTENTS // 3, 2 * INTENTS // 3):

        async def enough(count: int = count) -> bool:
            return len(await decisions(reader)) >= count

        await eventually(enough)
        process.end(signal.SIGKILL)
        process.start()
    await publishing

    async def all_decided() -> bool:
        return len(await decisions(reader)) >= INTENTS

    await eventually(all_decided)
    made = await decisions(reader)
    assert Counter(decision.cause for decision in made) == Counter(f"i-{number}" for number in range(INTENTS))
    assert all(isinstance(decision, IntentApproved) for decision in made), [
        decision.reason for decision in made if not isinstance(decision, IntentApproved)
    ][:3]
    assert made[-1].basis is not None
    assert made[-1].basis.books.worst_value == (INTENTS - 1) * 100


async def test_ready_when_rebuilt_and_links_are_heard_and_told_to_stop_it_ends_well(
    nats_server: Any, gateway: Bus, process: Any
) -> None:
    user = await nats_server.connect("user")
    process.start()

    async def ready() -> bool:
        try:
            answer = await user.request(subjects.status("risk"), b"", timeout_seconds=0.5)
        except BusError:
            return False
        status = messages.decode(answer, ServiceStatus)
        return bool(status.ready)

    await eventually(ready)
    assert process.end(signal.SIGTERM) == 0

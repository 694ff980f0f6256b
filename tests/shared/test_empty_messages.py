"""A stored message without headers and payload ends, for nats-server, the answers to the pull that brought it.

What follows it comes all the same, without anybody waiting for a pull to be over or a silence to be noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from signalbox.bus import Received, consuming, queueing
from signalbox.bus.follow import Follow, stream_facts

WAIT_SECONDS_MAX = 60.0
LATER_SECONDS = 300.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_consumer_goes_on(nats_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "HEARTBEAT_SECONDS", LATER_SECONDS / 3)
    monkeypatch.setattr(consuming, "PULL_EXPIRES_SECONDS", LATER_SECONDS)
    oms, risk = await nats_server.connect("oms"), await nats_server.connect("risk")
    bare = await nats_server.client("oms")
    handled: list[bytes] = []

    async def handle(received: Received) -> None:
        handled.append(received.payload)

    await risk.consume("TRADE", "risk", handle)
    await bare.request("order.ibkr.DU1.i", b"", timeout=5)
    await oms.raw_publish("order.ibkr.DU1.i", b"good")
    await until(lambda: handled == [b"good"])
    await bare.close()


async def test_a_queue_goes_on(nats_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "SILENCE_SECONDS_MAX", LATER_SECONDS)
    user, risk = await nats_server.connect("user"), await nats_server.connect("risk")
    taken: set[int] = set()

    def take(received: Received, reply: str) -> None:
        taken.add(received.sequence)
        queue.acknowledge(reply)

    async def turn() -> float | None:
        return None

    queue = await risk.queue("INTENTS", "risk", take, turn)
    count = 4 * queueing.PULLS_STANDING
    await asyncio.gather(*(user.raw_publish("intent.ibkr.SPY", b"good" * (number % 2)) for number in range(count)))
    await until(lambda: len(taken) == count)


async def test_a_follow_is_over_at_once_and_says_that_nothing_is_wrong(nats_server: Any) -> None:
    recorder, indicators = await nats_server.connect("recorder"), await nats_server.connect("indicators")
    taken: list[bytes] = []
    follow = Follow(recorder, "SCORES", "recorder", take=lambda *row: taken.append(row[-1]), has_room=lambda: True)
    await follow.start(1, (await stream_facts(recorder, "SCORES")).created)
    await indicators.raw_publish("ind.score.ibkr.SPY.1m", b"")
    await until(lambda: taken == [b""])
    assert (follow.broken.is_set(), follow.goes_on_at_once) == (True, True)
    await follow.stop()

"""Several copies of the service that know nothing of each other, in one process, on a real nats-server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from indicators.service import Indicators
from indicators.state import Rules, Series
from indicators.step import step
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.bus.bootstrap import stream_config
from signalbox.messages import Bar, DeadLetter, Score
from signalbox.streams import BAR_PARTITIONS, STREAMS

RULES = Rules(parameters=(3, 2.0, 0.25, 3), timeframes=frozenset({"1m"}))
OPEN = datetime(2020, 12, 15, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WAIT_SECONDS_MAX = 60.0
FIRST, LAST = [0] * BAR_PARTITIONS, [9] * BAR_PARTITIONS
"""Places at all consumers."""
WINDOW_SECONDS = 0.1
"""The shortest that NATS has."""


def a_bar(number: int) -> Bar:
    price, start = Decimal(100 + number * 7 % 11), OPEN + MINUTE * number
    return Bar(
        id=f"bar/ibkr/SPY/1m/{start.isoformat()}",
        at=start + MINUTE,
        venue="ibkr",
        symbol="SPY",
        timeframe="1m",
        start=start,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=Decimal(10),
    )


BARS = [a_bar(number) for number in range(60)]


def expected_scores(bars: list[Bar]) -> list[Score]:
    series, scores = Series(), []
    for bar in bars:
        series, score = step(series, bar, RULES)
        assert isinstance(score, Score)
        scores.append(score)
    return scores


async def publish(gateway: Bus, bars: list[Bar]) -> None:
    for bar in bars:
        await gateway.publish(subjects.bar("ibkr", "SPY", "1m"), bar)


async def stored(bus: Bus) -> list[Score]:
    return [messages.decode(received.payload, Score) async for received in bus.read("SCORES")]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.01)


async def until_scored(bus: Bus, number: int) -> list[Score]:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while len(scores := await stored(bus)) < number:
            await asyncio.sleep(0.01)
    return scores


async def replica(nats_server: Any, places: list[int]) -> tuple[Bus, Indicators]:
    """One more copy of the service, at these places."""
    bus = await nats_server.connect("indicators")
    bus._places = list(places)
    service = Indicators(bus, RULES)
    await service.rebuild()
    await service.consume()
    return bus, service


def scored(service: Indicators) -> int:
    return int(service.details()["scores_stored"])


@pytest.fixture
async def short_memory(nats_server: Any) -> None:
    """SCORES forgets message ids at once: what was stored long ago, in less time."""
    client = await nats_server.client("bootstrap")
    (scores,) = (stream for stream in STREAMS if stream.name == "SCORES")
    config = stream_config(scores) | {"duplicate_window": int(WINDOW_SECONDS * 1e9)}
    reply = json.loads((await client.request("$JS.API.STREAM.UPDATE.SCORES", json.dumps(config).encode())).data)
    await client.close()
    assert reply["config"]["duplicate_window"] == config["duplicate_window"]


class Freezable:
    """Holds up a replica right before it publishes, as SIGSTOP would: nothing is said to the server meanwhile."""

    def __init__(self, bus: Bus, at: Bar) -> None:
        self._pulls, self._publish, self._at = bus._pulls, bus.publish, at
        self.frozen, self.thaw = asyncio.Event(), asyncio.Event()
        bus.publish = self._wait  # type: ignore[method-assign]
        for pull in self._pulls:
            pull._in_progress_seconds = 3600.0

    async def _wait(self, subject: str, message: Any, **options: Any) -> Any:
        if message.bar_start == self._at.start and not self.thaw.is_set():
            self.frozen.set()
            self._ask(False)
            await self.thaw.wait()
            self._ask(True)
        return await self._publish(subject, message, **options)

    def _ask(self, whether: bool) -> None:
        for pull in self._pulls:
            pull._stopping = not whether


@pytest.mark.usefixtures("short_memory")
async def test_a_replica_that_wakes_when_ids_are_forgotten_doubles_and_disorders_nothing(nats_server: Any) -> None:
    gateway, reader = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    frozen_bus, frozen = await replica(nats_server, FIRST)
    freeze = Freezable(frozen_bus, at=BARS[3])
    await publish(gateway, BARS[:3])
    await until_scored(reader, 3)
    other_bus, other = await replica(nats_server, LAST)
    await publish(gateway, BARS[3:10])
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await freeze.frozen.wait()
    await until_scored(reader, 10)
    assert (scored(frozen), scored(other)) == (3, 7)
    last = await reader.last("SCORES", subjects.score("ibkr", "SPY", "1m"))
    assert last is not None
    await until(lambda: datetime.now(UTC) - last.stored_at > timedelta(seconds=10 * WINDOW_SECONDS))
    freeze.thaw.set()
    await publish(gateway, BARS[10:20])
    await until_scored(reader, 20)
    await other_bus.drain()
    await publish(gateway, BARS[20:30])
    assert await until_scored(reader, 30) == expected_scores(BARS[:30])
    assert scored(frozen) >= 13


async def test_two_replicas_at_the_same_place_take_turns_rightly_and_then_part(nats_server: Any) -> None:
    gateway, reader = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    one_bus, one = await replica(nats_server, [4] * BAR_PARTITIONS)
    other_bus, other = await replica(nats_server, [4] * BAR_PARTITIONS)
    await publish(gateway, BARS)
    assert await until_scored(reader, len(BARS)) == expected_scores(BARS)
    assert min(scored(one), scored(other)) > 0
    moved = [pull._standing.place for bus in (one_bus, other_bus) for pull in bus._pulls if pull._standing is not None]
    assert set(moved) != {4}


async def test_a_better_placed_replica_takes_over_and_gives_back_when_it_ends(nats_server: Any) -> None:
    gateway, reader = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    _, staying = await replica(nats_server, LAST)
    await publish(gateway, BARS[:10])
    await until_scored(reader, 10)
    passing_bus, passing = await replica(nats_server, FIRST)
    await publish(gateway, BARS[10:25])
    await until_scored(reader, 25)
    await passing_bus.drain()
    await publish(gateway, BARS[25:40])
    assert await until_scored(reader, 40) == expected_scores(BARS[:40])
    assert scored(staying) + scored(passing) == 40
    assert scored(passing) >= 14  # a bar may come before its first request does


async def test_while_nothing_changes_hands_nothing_is_read_but_what_is_given(nats_server: Any) -> None:
    gateway, reader = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    bus, _ = await replica(nats_server, FIRST)
    await replica(nats_server, LAST)
    read: list[str] = []
    of_stream, last = bus.read, bus.last

    def reading(*asked: Any) -> Any:
        read.append("stream")
        return of_stream(*asked)

    async def reading_last(*asked: Any) -> Any:
        read.append("last score")
        return await last(*asked)

    bus.read, bus.last = reading, reading_last  # type: ignore[method-assign]
    await publish(gateway, BARS)
    assert await until_scored(reader, len(BARS)) == expected_scores(BARS)
    assert read == ["stream", "last score"]


async def test_a_state_that_misses_a_bar_is_read_anew_before_it_scores(nats_server: Any) -> None:
    """Were the consumer's numbers ever to mislead: the last score shows that there was another bar."""
    gateway, reader = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    _, service = await replica(nats_server, FIRST)
    await publish(gateway, BARS[:20])
    await until_scored(reader, 20)
    await until(lambda: max(each.folded_sequence for each in service._partitions) == 20)
    for partition in service._partitions:
        partition.series.clear()
        partition.last_scores.clear()
    await publish(gateway, BARS[20:30])
    assert await until_scored(reader, 30) == expected_scores(BARS[:30])


async def test_a_replica_that_owns_nothing_keeps_up_and_is_caught_up(nats_server: Any) -> None:
    gateway, reader = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    await replica(nats_server, FIRST)
    bus = await nats_server.connect("indicators")
    bus._places = list(LAST)
    await publish(gateway, BARS[:30])
    caught_up = asyncio.Event()
    idle = Indicators(bus, RULES, caught_up=caught_up.set)
    await idle.rebuild()
    await idle.consume()
    following = asyncio.create_task(idle.follow())
    try:
        await publish(gateway, BARS[30:40])
        assert await until_scored(reader, 40) == expected_scores(BARS[:40])
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await caught_up.wait()
        await until(lambda: max(each.folded_sequence for each in idle._partitions) == 40)
    finally:
        following.cancel()
    assert scored(idle) == 0


async def test_a_bar_that_cannot_be_read_is_one_dead_letter_whoever_meets_it(nats_server: Any) -> None:
    gateway, reader = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    first_bus, _ = await replica(nats_server, FIRST)
    _, second = await replica(nats_server, LAST)
    await publish(gateway, BARS[:2])
    await gateway.raw_publish(subjects.bar("ibkr", "SPY", "1m"), b"{")
    await publish(gateway, BARS[2:4])
    await until_scored(reader, 4)
    await first_bus.drain()
    await publish(gateway, BARS[4:6])
    assert await until_scored(reader, 6) == expected_scores(BARS[:6])
    letters = [messages.decode(received.payload, DeadLetter) async for received in reader.read("DEAD")]
    assert [(letter.sequence, letter.payload) for letter in letters] == [(3, b"{")]
    assert scored(second) == 2

"""A follow gives every message in order, or breaks: whatever is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from signalbox.bus import Bus, follow
from signalbox.bus.follow import PULL_MESSAGES, Follow, stream_facts
from signalbox.bus.wire import Delivery
from signalbox.streams import STREAMS

WAIT_SECONDS_MAX = 60.0


class Reader:
    """A follow of TRADE from its first message, and what it gave."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.taken: list[tuple[int, str, str, bytes]] = []
        self.room = True
        self.follow = Follow(bus, "TRADE", "recorder", take=self._take, has_room=lambda: self.room)

    def _take(self, sequence: int, subject: str, stored_at_ns: int, message_id: str, payload: bytes) -> None:
        self.taken.append((sequence, subject, message_id, payload))

    async def start(self) -> None:
        await self.follow.start(1, (await stream_facts(self.bus, "TRADE")).created)

    async def lose(self, number: int) -> None:
        """Let delivery `number` get lost between the server and the follow."""
        takers = self.bus._client._takers
        listening = self.follow._listening
        assert listening is not None
        arrived = takers[listening._sid]
        seen = 0

        def arrives(delivery: Delivery) -> None:
            nonlocal seen
            seen += bool(delivery.reply)
            if not delivery.reply or seen != number:
                arrived(delivery)

        takers[listening._sid] = arrives

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not condition():
                await asyncio.sleep(0.01)


@pytest.fixture
async def reader(nats_server: Any) -> Any:
    made = Reader(await nats_server.connect("recorder"))
    yield made
    await made.follow.stop()


async def publish(nats_server: Any, count: int) -> None:
    oms = await nats_server.connect("oms")
    for number in range(count):
        await oms.raw_publish("order.ibkr.DU1.i", b"%d" % number, {"Nats-Msg-Id": f"m{number}"})


async def test_everything_comes_in_order_with_its_id(nats_server: Any, reader: Reader) -> None:
    await publish(nats_server, 5)
    await reader.start()
    await reader.until(lambda: len(reader.taken) == 5)
    assert reader.taken == [(n + 1, "order.ibkr.DU1.i", f"m{n}", b"%d" % n) for n in range(5)]
    assert not reader.follow.broken.is_set()


async def test_a_message_lost_on_the_way_breaks_the_follow_before_anything_later_is_taken(
    nats_server: Any, reader: Reader
) -> None:
    await reader.start()
    await reader.lose(3)
    await publish(nats_server, 6)
    await reader.until(reader.follow.broken.is_set)
    assert [sequence for sequence, *_ in reader.taken] == [1, 2]


async def test_a_lost_message_with_none_behind_it_is_noticed_by_the_next_heartbeat(
    nats_server: Any, reader: Reader
) -> None:
    await reader.start()
    await reader.lose(3)
    await publish(nats_server, 3)
    await reader.until(reader.follow.broken.is_set)
    assert [sequence for sequence, *_ in reader.taken] == [1, 2]


async def test_a_stream_made_at_another_time_is_not_read(nats_server: Any, reader: Reader) -> None:
    await publish(nats_server, 1)
    await reader.follow.start(1, "2020-01-01T00:00:00Z")
    assert reader.follow.broken.is_set()
    assert reader.taken == []


async def test_nothing_comes_while_there_is_no_room(nats_server: Any, reader: Reader) -> None:
    reader.room = False
    await publish(nats_server, 2)
    await reader.start()
    await stream_facts(reader.bus, "TRADE")
    assert reader.taken == []
    reader.room = True
    reader.follow.resume()
    await reader.until(lambda: len(reader.taken) == 2)


async def test_a_reader_that_has_everything_rests_and_is_not_woken_by_each_message(
    nats_server: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "REST_SECONDS", 3600.0)
    await reader.start()
    await publish(nats_server, 1)
    await reader.until(lambda: reader.follow._rest is not None)
    for number in range(1, 4):
        await (await nats_server.connect("oms")).raw_publish("order.ibkr.DU1.i", b"%d" % number)
        await stream_facts(reader.bus, "TRADE")
    assert [payload for *_, payload in reader.taken] == [b"0"]
    reader.follow._rested()
    await reader.until(lambda: len(reader.taken) == 4)
    assert not reader.follow.broken.is_set()


async def test_a_pull_that_has_brought_all_it_may_is_followed_by_another_at_once(
    nats_server: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "REST_SECONDS", 3600.0)
    count, asked, ask = 3 * PULL_MESSAGES + 1, 0, reader.follow._ask

    async def counted() -> None:
        nonlocal asked
        asked += 1
        await ask()

    monkeypatch.setattr(reader.follow, "_ask", counted)
    oms = await nats_server.connect("oms")
    await asyncio.gather(*(oms.raw_publish("order.ibkr.DU1.i", b"%d" % number) for number in range(count)))
    await reader.start()
    await reader.until(lambda: len(reader.taken) == count and reader.follow._rest is not None)
    assert [sequence for sequence, *_ in reader.taken] == list(range(1, count + 1))
    assert asked == 4  # one for each thousand, and one for the rest: as many as stand are counted, not fewer


async def test_the_largest_message_that_a_stream_takes_comes_too(nats_server: Any, reader: Reader) -> None:
    oms = await nats_server.connect("oms")
    await oms.raw_publish("order.ibkr.DU1.i", b"small", {"Nats-Msg-Id": "small"})
    small = await oms.at("TRADE", 1)
    assert small is not None
    bytes_max = next(stream.message_bytes_max for stream in STREAMS if stream.name == "TRADE")
    largest = bytes_max - len(small.headers) - len("\r\n")
    await oms.raw_publish("order.ibkr.DU1.i", b"x" * largest, {"Nats-Msg-Id": "large"})
    await oms.raw_publish("order.ibkr.DU1.i", b"next")
    await reader.start()
    await reader.until(lambda: len(reader.taken) == 3)
    assert [len(payload) for *_, payload in reader.taken] == [5, largest, 4]

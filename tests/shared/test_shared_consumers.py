"""A consumer that several processes share: who is served, what each knows of the others, and how one leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from signalbox import subjects
from signalbox.bus import Bus, Received
from signalbox.bus.bootstrap import consumer_config
from signalbox.streams import BAR_PARTITIONS, REPLICAS, STREAMS, Consumer

WAIT_SECONDS_MAX = 60.0
ACK_WAIT_SECONDS = 2.0
SUBJECT = subjects.bar("ibkr", "SPY", "1m")
FIRST, LAST = 0, 9

SHARED = [consumer for stream in STREAMS for consumer in stream.consumers if consumer.shared]


class Reader:
    """Takes every bar that it is given, and waits with one in hand when told to."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.taken: list[Received] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def start(self, place: int) -> None:
        self.bus._places = [place] * BAR_PARTITIONS
        for consumer in SHARED:
            await self.bus.consume("BARS", consumer.name, self._take)
        await self.bus.consumer_progress("BARS", SHARED[0].name)  # answered after the requests for messages are in

    async def _take(self, received: Received) -> None:
        self.taken.append(received)
        await self.go_on.wait()

    def sequences(self) -> list[int]:
        return [received.sequence for received in self.taken]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.005)


async def publish(gateway: Bus, count: int) -> None:
    for _ in range(count):
        await gateway.raw_publish(SUBJECT, b"a bar")


@pytest.fixture
async def readers(nats_server: Any) -> list[Reader]:
    return [Reader(await nats_server.connect("indicators")) for _ in range(2)]


@pytest.fixture
async def gateway(nats_server: Any) -> Bus:
    bus: Bus = await nats_server.connect("gateway-ibkr")
    return bus


async def test_all_goes_to_the_first_in_line_and_it_knows_that(readers: list[Reader], gateway: Bus) -> None:
    first, last = readers
    await first.start(FIRST)
    await last.start(LAST)
    await publish(gateway, 20)
    await until(lambda: len(first.taken) == 20)
    assert [received.continues for received in first.taken] == [False] + [True] * 19
    assert [received.delivery for received in first.taken] == list(range(1, 21))
    assert last.taken == []


async def test_a_request_is_renewed_before_it_ends(readers: list[Reader]) -> None:
    """Without one for a moment, the next message would go to the next in line."""
    reader = readers[0]
    await reader.start(FIRST)
    waiting = 0
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while waiting < 2:
            answer = await reader.bus.request(f"$JS.desk.API.CONSUMER.INFO.BARS.{SHARED[0].name}", b"", 2.0)
            waiting = json.loads(answer)["num_waiting"]
            assert waiting > 0
            await asyncio.sleep(0.02)


async def test_who_is_given_a_message_after_another_process_had_some_is_told(
    readers: list[Reader], gateway: Bus
) -> None:
    first, last = readers
    await last.start(LAST)
    await publish(gateway, 3)
    await until(lambda: len(last.taken) == 3)
    await first.start(FIRST)
    await publish(gateway, 3)
    await until(lambda: len(first.taken) == 3)
    await first.bus.drain()
    await publish(gateway, 3)
    await until(lambda: len(last.taken) == 6)
    assert [received.continues for received in last.taken] == [False, True, True, False, True, True]


async def test_after_a_reconnect_the_numbers_of_deliveries_are_not_trusted(readers: list[Reader], gateway: Bus) -> None:
    """A server that was killed may number its deliveries again. What was under way does not count as a beginning."""
    reader = readers[0]
    await reader.start(FIRST)
    await publish(gateway, 5)
    await until(lambda: len(reader.taken) == 5)
    for pull in reader.bus._pulls:
        await pull.restart()
    await publish(gateway, 5)
    await until(lambda: len(reader.taken) == 10)
    assert [received.continues for received in reader.taken[5:]] == [False, False, True, True, True]
    assert {pull._standing.place for pull in reader.bus._pulls if pull._standing} == {FIRST}


async def test_who_leaves_gives_back_at_once_what_it_does_not_take(readers: list[Reader], gateway: Bus) -> None:
    leaving, staying = readers
    leaving.go_on.clear()
    await leaving.start(FIRST)
    await staying.start(LAST)
    await publish(gateway, 10)
    await until(lambda: leaving.taken)
    began = asyncio.get_running_loop().time()
    drained = asyncio.create_task(leaving.bus.drain())
    await asyncio.sleep(0)
    leaving.go_on.set()
    await drained
    await until(lambda: len(leaving.taken) + len(staying.taken) == 10)
    assert asyncio.get_running_loop().time() - began < ACK_WAIT_SECONDS / 2
    assert leaving.sequences() + staying.sequences() == list(range(1, 11))


@pytest.mark.streams_of_its_own  # one that was started again keeps a consumer's groups, whatever it is asked
async def test_a_consumer_of_an_earlier_version_becomes_shared_and_keeps_its_place(
    nats_server: Any, readers: list[Reader], gateway: Bus
) -> None:
    client = await nats_server.client("bootstrap")
    for consumer in SHARED:
        earlier = consumer_config(Consumer(consumer.name, consumer.filter_subjects))
        assert "priority_groups" not in earlier
        ask = json.dumps({"stream_name": "BARS", "config": earlier}).encode()
        answer = json.loads((await client.request(f"$JS.API.CONSUMER.CREATE.BARS.{consumer.name}", ask)).data)
        assert "priority_groups" not in answer["config"]
    await readers[0].start(FIRST)  # which also works there: only nobody is preferred
    await publish(gateway, 4)
    await until(lambda: len(readers[0].taken) == 4)
    await readers[0].bus.drain()
    await nats_server.bootstrap()
    for consumer in SHARED:
        ask = json.dumps({"stream_name": "BARS", "config": consumer_config(consumer)}).encode()
        answer = json.loads((await client.request(f"$JS.API.CONSUMER.CREATE.BARS.{consumer.name}", ask)).data)
        assert answer["config"]["priority_groups"] == [REPLICAS]
    await client.close()
    await readers[1].start(FIRST)
    await publish(gateway, 2)
    await until(lambda: len(readers[1].taken) == 2)
    assert readers[1].sequences() == [5, 6]

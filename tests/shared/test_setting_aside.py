"""A message that holds a service: it says which, is not ready, goes on when an operator sets the message aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.errors import BusRefusedError
from signalbox.messages import DeadLetter, SetAside

WAIT_SECONDS_MAX = 60.0


class Held:
    """What a bus says of the message that holds it."""

    def __init__(self, bus: Bus) -> None:
        self.by: dict[str, str] = {}
        self.failures: list[BaseException] = []
        bus.on_held, bus.on_failure = self._note, self.failures.append

    def _note(self, condition: str, reason: str) -> None:
        if reason:
            self.by[condition] = reason
        else:
            self.by.pop(condition, None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.01)


async def skip(server: Any, service: str, sequence: int, says: int | None = None) -> None:
    aside = SetAside(
        id=f"skip/{service}/{sequence}/{says}",
        at=datetime.now(UTC),
        service=service,
        stream="TRADE",
        sequence=sequence if says is None else says,
        by="anna",
        reason="ticket 17",
    )
    operator = await server.connect("operator")
    await operator.publish(subjects.set_aside(service, "TRADE", sequence), aside)


async def letters(bus: Bus) -> list[DeadLetter]:
    return [messages.decode(found.payload, DeadLetter) async for found in bus.read("DEAD")]


@pytest.fixture
async def oms(nats_server: Any) -> Bus:
    bus: Bus = await nats_server.connect("oms")
    return bus


async def test_a_fold_is_held_by_what_it_can_not_take_until_that_is_set_aside(nats_server: Any, oms: Bus) -> None:
    for payload in (b"1", b"poison", b"3"):
        await oms.raw_publish("order.ibkr.DU1.i", payload)
    bus = await nats_server.connect("risk")
    held, folded, passed = Held(bus), list[bytes](), list[int]()

    def take(received: Received) -> None:
        if received.payload == b"poison":
            raise ValueError("unreadable")
        folded.append(received.payload)

    def pass_over(received: Received) -> None:
        passed.append(received.sequence)

    folding = asyncio.create_task(bus.fold("TRADE", take, pass_over=pass_over))
    await until(lambda: "held by TRADE:2" in held.by)
    assert "unreadable" in held.by["held by TRADE:2"]
    assert "signalbox skip TRADE 2 --service risk" in held.by["held by TRADE:2"]
    assert folded == [b"1"]
    await skip(nats_server, "risk", 1)  # another one
    await skip(nats_server, "oms", 2)  # another service
    await skip(nats_server, "risk", 2)
    await asyncio.wait_for(folding, WAIT_SECONDS_MAX)
    assert (folded, passed, held.by, held.failures) == ([b"1", b"3"], [2], {}, [])
    [letter] = await letters(bus)
    assert letter.error == "set aside by operator: ticket 17 (ValueError: unreadable)"
    folded.clear()
    passed.clear()
    await bus.fold("TRADE", take, pass_over=pass_over)  # the next start is not held; what it can take, it takes
    assert (folded, passed) == ([b"1", b"3"], [2])


async def test_nobody_sets_aside_what_is_to_come(nats_server: Any, oms: Bus) -> None:
    bus = await nats_server.connect("risk")
    held = Held(bus)
    for sequence in range(1, 4):
        await skip(nats_server, "risk", sequence)
    await oms.raw_publish("order.ibkr.DU1.i", b"1")

    def take(received: Received) -> None:
        raise ValueError("unreadable")

    folding = asyncio.create_task(bus.fold("TRADE", take))
    await until(lambda: "held by TRADE:1" in held.by)
    await skip(nats_server, "risk", 1, says=1)
    await asyncio.wait_for(folding, WAIT_SECONDS_MAX)


async def test_what_says_another_place_than_its_subject_sets_nothing_aside(nats_server: Any, oms: Bus) -> None:
    await oms.raw_publish("order.ibkr.DU1.i", b"1")
    await skip(nats_server, "risk", 2, says=1)
    operator = await nats_server.connect("operator")
    await operator.raw_publish(subjects.set_aside("risk", "TRADE", 1), b"\xff not a message")
    bus = await nats_server.connect("risk")
    taken: list[int] = []
    await bus.fold("TRADE", lambda received: taken.append(received.sequence))
    assert taken == [1]


@pytest.mark.parametrize("recovers", [True, False])
async def test_a_consumer_is_held_by_what_jetstream_refuses_and_goes_on(
    nats_server: Any, oms: Bus, recovers: bool
) -> None:
    bus = await nats_server.connect("risk")
    held, handled, refusing = Held(bus), list[bytes](), True

    async def handle(received: Received) -> None:
        if received.payload == b"poison" and refusing:
            raise BusRefusedError("message size exceeds maximum allowed")
        handled.append(received.payload)

    await bus.consume("TRADE", "risk", handle)
    for payload in (b"1", b"poison", b"3"):
        await oms.raw_publish("order.ibkr.DU1.i", payload)
    await until(lambda: "held by TRADE:2" in held.by)
    assert "message size" in held.by["held by TRADE:2"]
    assert handled == [b"1"]
    if recovers:
        refusing = False
        await until(lambda: handled == [b"1", b"poison", b"3"])
        assert await letters(bus) == []
    else:
        await skip(nats_server, "risk", 2)
        await until(lambda: handled == [b"1", b"3"])
        [letter] = await letters(bus)
        assert (letter.sequence, letter.error) == (2, "set aside by operator: ticket 17")
    assert (held.by, held.failures) == ({}, [])
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while (await bus.consumer_progress("TRADE", "risk")).floor < 3:
            await asyncio.sleep(0.01)


async def test_a_held_consumer_stops_at_once_and_gives_its_message_back(nats_server: Any, oms: Bus) -> None:
    bus = await nats_server.connect("risk")
    held = Held(bus)

    async def refuse(_: Received) -> None:
        raise BusRefusedError("no")

    await bus.consume("TRADE", "risk", refuse)
    await oms.raw_publish("order.ibkr.DU1.i", b"1")
    await until(lambda: bool(held.by))
    await asyncio.wait_for(bus.stop_consuming(), WAIT_SECONDS_MAX)
    handled: list[bytes] = []

    async def handle(received: Received) -> None:
        handled.append(received.payload)

    after = await nats_server.connect("risk")
    await after.consume("TRADE", "risk", handle)
    await until(lambda: handled == [b"1"])


async def test_several_at_once_are_acknowledged_together_and_one_bad_one_is_parked_alone(
    nats_server: Any, oms: Bus
) -> None:
    bus = await nats_server.connect("risk")
    handled: list[list[bytes]] = []

    async def handle(received: Any) -> None:
        if any(each.payload == b"bad" for each in received):
            raise ValueError("bad")
        handled.append([each.payload for each in received])

    for payload in (b"1", b"bad", b"3"):
        await oms.raw_publish("order.ibkr.DU1.i", payload)
    await bus.consume_many("TRADE", "risk", handle, messages_max=10)
    await until(lambda: [payload for group in handled for payload in group] == [b"1", b"3"])
    assert [letter.sequence for letter in await letters(bus)] == [2]

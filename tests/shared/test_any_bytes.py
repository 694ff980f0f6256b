"""Whatever bytes a person's credential can have NATS deliver: what comes after them is handled, read and followed.

At the level of the protocol, on a raw socket, against a real nats-server: subjects, header blocks, payloads and sizes.
After each batch a good message goes through everything that receives: a consumer, a read, the last word, a follow, a
live subscription, a watch, a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signalbox.bus import Bus, Received
from signalbox.bus.follow import Follow, stream_facts

from tests.conftest import NatsServer

WAIT_SECONDS_MAX = 30.0
SIZE_BYTES_MAX = 1_048_576

TOKEN = st.binary(min_size=1, max_size=12).map(lambda data: data.translate(None, b" \t\r\n.") or b"\xff")
SUBJECT = st.builds(lambda venue, symbol: b"intent." + venue + b"." + symbol, TOKEN, TOKEN) | st.sampled_from(
    [
        b"intent.ibkr.SPY",
        b"intent.\xff\xfe.SPY",
        b"intent.\x00.\x0b\x0c",
        b"intent." + b"x" * 2000 + b".SPY",
        b"intent.*.SPY",
        b"intent.a.>",
        b"intent.\xc3\x84.%",
        b"intent.$JS.ACK",
        b"intent.ibkr.\\xff",
    ]
)
LINE = st.sampled_from(
    [
        b"Status: 100",
        b"Status: 503",
        b"Description: Idle Heartbeat",
        b"Nats-Msg-Id: mine",
        b"Nats-Msg-Id: \xff",
        b"Nats-Msg-Id:",
        b"nats-msg-id: a",
        b"Nats-Sequence: 1",
        b"Nats-Sequence: x",
        b"Nats-Stream: TRADE",
        b"Nats-Subject: order.a.b.c",
        b"Nats-Time-Stamp: never",
        b"Nats-Num-Pending: 0",
        b"Nats-Last-Consumer: 99",
        b"Nats-Pending-Messages: 64",
        b"Nats-Consumer-Stalled: decision.approved.a.b",
        b"no colon",
        b": no name",
        b"\x00\xff\xfe",
        b"Nats-Msg-Id: " + b"y" * 5000,
        b"Signalbox-Seal: \xff\x00",
    ]
)
FIRST = st.sampled_from([b"NATS/1.0", b"NATS/1.0 100 Idle Heartbeat", b"NATS/1.0 503", b"NATS/1.0 404", b"NATS/9", b""])
END = st.sampled_from([b"\r\n\r\n", b"\r\n", b"", b"\n\n"])
BLOCK = st.builds(
    lambda first, lines, end: b"\r\n".join([first, *lines]) + end, FIRST, st.lists(LINE, max_size=5), END
) | st.binary(max_size=60)
PAYLOAD = (
    st.binary(max_size=80)
    | st.sampled_from([b"", b"{}", b"MSG a 1 5\r\n", b"\r\n", b"[" * 5000])
    | st.sampled_from([20_000, 131_072, 200_000, 900_000]).map(lambda size: b"z" * size)
)
MESSAGES = st.lists(st.tuples(SUBJECT, st.none() | BLOCK, PAYLOAD), min_size=1, max_size=8)


def command(subject: bytes, block: bytes | None, payload: bytes) -> bytes:
    if block is None:
        return b"PUB %s %d\r\n%s\r\n" % (subject, len(payload), payload)
    total = len(block) + len(payload)
    return b"HPUB %s %d %d\r\n%s%s\r\n" % (subject, len(block), total, block, payload)


class Desk:
    """A nats-server, everything of ours that receives from it, and a person with a raw socket."""

    def __init__(self, folder: Path) -> None:
        self.server = NatsServer(folder)
        self.handled: list[Received] = []
        self.taken: list[tuple[int, str, int, str, bytes]] = []
        self.heard: list[bytes] = []
        self.failures: list[BaseException] = []
        self.risk: Bus
        self.user: Bus
        self._follow: Follow
        self._number = 0

    async def start(self) -> None:
        self.server.start()
        await self.server.bootstrap()
        await self.begin()

    async def begin(self) -> None:
        """Connect as a service that starts: consume, follow, watch and listen."""
        self.risk, self.user = await self.server.connect("risk"), await self.server.connect("user")
        recorder = await self.server.connect("recorder")
        for bus in (self.risk, self.user, recorder):
            bus.on_failure = self.failures.append
        await self.risk.consume("TRADE", "risk", self._handle)
        await self.user.subscribe("intent.>", self._hear)
        self._follow = Follow(
            recorder, "TRADE", "recorder", take=lambda *row: self.taken.append(row), has_room=lambda: True
        )
        await self._follow.start(1, (await stream_facts(recorder, "TRADE")).created)

    async def restart(self) -> None:
        for bus in self.server.buses():
            await bus.drain()
        self.taken.clear()
        self.server.restart()
        await self.server.listening()
        await self.begin()

    async def _handle(self, received: Received) -> None:
        self.handled.append(received)
        if not received.payload.startswith(b"good"):
            raise ValueError("it makes no sense")

    async def _hear(self, received: Received) -> None:
        self.heard.append(received.payload)

    async def send(self, data: bytes) -> None:
        """Publish on a raw socket; what the server stores of it is stored when this returns."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        connect = {"user": "user", "pass": self.server.password("user"), "headers": True, "verbose": False}
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(b"CONNECT " + json.dumps(connect).encode() + b"\r\nSUB _INBOX.user.raw 1\r\n" + data)
            writer.write(b"PUB intent.ibkr.BEHIND _INBOX.user.raw 4\r\ngood\r\n")  # one connection's are in order
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await reader.readuntil(b"MSG _INBOX.user.raw ")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def good(self) -> None:
        """The next good message comes through everywhere."""
        self._number += 1
        payload = b"good %d" % self._number
        stored = await self.user.raw_publish("intent.ibkr.SPY", payload, {"Nats-Msg-Id": payload.decode()})
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not any(received.payload == payload for received in self.handled):
                await asyncio.sleep(0.005)
            while not any(row[0] == stored.sequence for row in self.taken):
                assert not self._follow.broken.is_set(), self._follow.reason
                await asyncio.sleep(0.005)
            while payload not in self.heard:
                await asyncio.sleep(0.005)
        last = await self.risk.last("TRADE", "intent.ibkr.SPY")
        assert last is not None
        assert (last.sequence, last.payload, last.message_id) == (stored.sequence, payload, payload.decode())
        found = [received async for received in self.risk.read("TRADE")]
        assert [received.sequence for received in found] == list(range(1, found[-1].sequence + 1))
        assert [row[:2] + row[3:] for row in self.taken] == [
            (received.sequence, received.subject, received.message_id, received.payload) for received in found
        ]
        by_place = {received.sequence: received for received in found}
        for received in self.handled:
            same = by_place[received.sequence]
            assert (received.subject, received.payload) == (same.subject, same.payload)
            assert (received.message_id, received.header("Signalbox-Seal")) == (
                same.message_id,
                same.header("Signalbox-Seal"),
            )
        assert all(received.subject.isprintable() for received in found)
        assert self.failures == []


@pytest.fixture(scope="module")
def loop() -> AsyncIterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def desk(loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One for all examples: a poison of one example would still be there for the next."""
    made = Desk(tmp_path_factory.mktemp("any-bytes"))
    loop.run(made.start())
    yield made
    loop.run(made.server.close())


NAMED: list[tuple[bytes, bytes | None, bytes]] = [
    (b"intent.ibkr.SPY", b"NATS/1.0\r\nStatus: 100\r\n\r\n", b"{}"),
    (b"intent.ibkr.SPY", b"NATS/1.0 100 Idle Heartbeat\r\n\r\n", b""),
    (b"intent.ibkr.SPY", b"NATS/1.0 503\r\n\r\n", b""),
    (b"intent.ibkr.SPY", b"NATS/1.0 404 Message Not Found\r\n\r\n", b""),
    (b"intent.ibkr.SPY", b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\n\r\n", b""),
    (b"intent.\xff\xfe.SPY", None, b"{}"),
    (b"intent.\x0b.\x0c", None, b"{}"),
    (b"intent.ibkr.SPY", b"a", b""),
    (b"intent.ibkr.SPY", b"", b""),
    (b"intent.ibkr.SPY", b"NATS/1.0\r\nNats-Stream: TRADE\r\nNats-Sequence: 1\r\n", b"x"),
    (b"intent.ibkr.SPY", b"\xff" * 9000, b"x"),
]


def test_what_was_seen_to_stop_the_desk_stops_nothing(desk: Desk, loop: asyncio.Runner) -> None:
    async def run() -> None:
        for message in NAMED:
            await desk.send(command(*message))
            await desk.good()

    loop.run(run())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(sent=MESSAGES)
def test_after_any_bytes_the_next_good_message_is_handled(
    desk: Desk, loop: asyncio.Runner, sent: list[tuple[bytes, bytes | None, bytes]]
) -> None:
    async def run() -> None:
        await desk.send(b"".join(command(*message) for message in sent))
        await desk.good()

    loop.run(run())


def test_the_same_after_a_restart_of_everything(desk: Desk, loop: asyncio.Runner) -> None:
    async def run() -> None:
        await desk.restart()
        await desk.good()

    loop.run(run())

"""Whatever bytes a credential can have NATS deliver: what comes after them is handled, read and followed.

At the level of the protocol, on a raw socket, against a real nats-server: subjects, header blocks, payloads and sizes.
The same bytes come from a person, into the queue of intents, and from services, into streams that are kept. After each
batch a good message of each goes through everything that receives: the queue, consumers, a read, the last word, a
follow, a live subscription, a request.
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
from signalbox.streams import BAR_PARTITIONS

from tests.conftest import NatsServer

WAIT_SECONDS_MAX = 60.0
SIZE_BYTES_MAX = 1_048_576

PERSON, GATEWAY, SERVICE = "user", "gateway-ibkr", "indicators"
PREFIXES = {PERSON: b"intent.", GATEWAY: b"md.bar.ibkr.", SERVICE: b"ind.score.ibkr."}
"""What each of them may publish two more words behind."""

TOKEN = st.binary(min_size=1, max_size=12).map(lambda data: data.translate(None, b" \t\r\n.") or b"\xff")
SUBJECT = st.builds(lambda venue, symbol: venue + b"." + symbol, TOKEN, TOKEN) | st.sampled_from(
    [
        b"ibkr.SPY",
        b"\xff\xfe.SPY",
        b"\x00.\x0b\x0c",
        b"" + b"x" * 2000 + b".SPY",
        b"*.SPY",
        b"a.>",
        b"\xc3\x84.%",
        b"$JS.ACK",
        b"ibkr.\\xff",
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
        b"Nats-Stream: SCORES",
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
    """A nats-server, everything of ours that receives from it, and a person and a service with a raw socket."""

    def __init__(self, folder: Path) -> None:
        self.server = NatsServer(folder)
        self.queued: list[bytes] = []
        self.handled: list[bytes] = []
        self.taken: list[tuple[int, str, int, str, bytes]] = []
        self.heard: list[bytes] = []
        self.failures: list[BaseException] = []
        self.user: Bus
        self.gateway: Bus
        self.indicators: Bus
        self.recorder: Bus
        self._follow: Follow
        self._number = 0

    async def start(self) -> None:
        self.server.start()
        await self.server.bootstrap()
        await self.begin()

    async def begin(self) -> None:
        """Connect as services that start: consume, follow and listen."""
        names = (PERSON, GATEWAY, SERVICE, "recorder", "risk")
        buses = [await self.server.connect(name) for name in names]
        self.user, self.gateway, self.indicators, self.recorder, risk = buses
        for bus in buses:
            bus.on_failure = self.failures.append
        self._queue = await risk.queue("INTENTS", "risk", self._take_queued, self._turn)
        for number in range(BAR_PARTITIONS):
            await self.indicators.consume("BARS", f"indicators-{number}", self._handle)
        await self.user.subscribe("ind.score.>", self._hear)
        self._created = (await stream_facts(self.recorder, "SCORES")).created
        await self._follow_on()

    async def _follow_on(self) -> None:
        self._follow = Follow(
            self.recorder, "SCORES", "recorder", take=lambda *row: self.taken.append(row), has_room=lambda: True
        )
        await self._follow.start(self.taken[-1][0] + 1 if self.taken else 1, self._created)

    async def restart(self) -> None:
        for bus in self.server.buses():
            await bus.drain()
        self.taken.clear()
        self.server.restart()
        await self.server.listening()
        await self.begin()

    def _take_queued(self, received: Received, reply: str) -> None:
        assert received.subject.isprintable()
        self.queued.append(received.payload)
        self._queue.acknowledge(reply)

    async def _turn(self) -> float | None:
        return None

    async def _handle(self, received: Received) -> None:
        assert received.subject.isprintable()
        self.handled.append(received.payload)
        if not received.payload.startswith(b"good"):
            raise ValueError("it makes no sense")

    async def _hear(self, received: Received) -> None:
        self.heard.append(received.payload)

    async def send(self, messages: list[tuple[bytes, bytes | None, bytes]]) -> None:
        """Publish on a raw socket as each of them; what the server stores of it is stored when this returns."""
        for sender, prefix in PREFIXES.items():
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            connect = {"user": sender, "pass": self.server.password(sender), "headers": True, "verbose": False}
            inbox = b"_INBOX.%s.raw" % sender.encode()
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                writer.write(b"CONNECT " + json.dumps(connect).encode() + b"\r\nSUB %s 1\r\n" % inbox)
                writer.writelines(command(prefix + words, block, payload) for words, block, payload in messages)
                writer.write(b"PUB %sSPY.BEHIND %s 4\r\ngood\r\n" % (prefix, inbox))  # one connection's are in order
                async with asyncio.timeout(WAIT_SECONDS_MAX):
                    await reader.readuntil(b"MSG %s " % inbox)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def good(self) -> None:
        """The next good message comes through everywhere."""
        self._number += 1
        payload = b"good %d" % self._number
        headers = {"Nats-Msg-Id": payload.decode()}
        await self.user.raw_publish("intent.ibkr.SPY", payload, headers)
        await self.gateway.raw_publish("md.bar.ibkr.SPY.1m", payload, headers)
        stored = await self.indicators.raw_publish("ind.score.ibkr.SPY.1m", payload, headers)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while payload not in self.queued:
                await asyncio.sleep(0.005)
            while payload not in self.handled:
                await asyncio.sleep(0.005)
            while not any(row[0] == stored.sequence for row in self.taken):
                if self._follow.broken.is_set():  # as the recorder does
                    await self._follow.stop()
                    await self._follow_on()
                await asyncio.sleep(0.005)
            while payload not in self.heard:
                await asyncio.sleep(0.005)
        last = await self.recorder.last("SCORES", "ind.score.ibkr.SPY.1m")
        assert last is not None
        assert (last.sequence, last.payload, last.message_id) == (stored.sequence, payload, payload.decode())
        found = [received async for received in self.recorder.read("SCORES")]
        assert [received.sequence for received in found] == list(range(1, found[-1].sequence + 1))
        assert [row[:2] + row[3:] for row in self.taken] == [
            (received.sequence, received.subject, received.message_id, received.payload) for received in found
        ]
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
    (b"ibkr.SPY", b"NATS/1.0\r\nStatus: 100\r\n\r\n", b"{}"),
    (b"ibkr.SPY", b"NATS/1.0 100 Idle Heartbeat\r\n\r\n", b""),
    (b"ibkr.SPY", b"NATS/1.0 503\r\n\r\n", b""),
    (b"ibkr.SPY", b"NATS/1.0 404 Message Not Found\r\n\r\n", b""),
    (b"ibkr.SPY", b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\n\r\n", b""),
    (b"\xff\xfe.SPY", None, b"{}"),
    (b"\x0b.\x0c", None, b"{}"),
    (b"ibkr.SPY", b"a", b""),
    (b"ibkr.SPY", b"", b""),
    (b"ibkr.SPY", b"NATS/1.0\r\nNats-Stream: SCORES\r\nNats-Sequence: 1\r\n", b"x"),
    (b"ibkr.SPY", b"\xff" * 9000, b"x"),
    (b"ibkr.SPY", None, b""),
    (b"ibkr.SPY", b"NATS/1.0\r\n\r\n", b""),
]


def test_what_was_seen_to_stop_the_desk_stops_nothing(desk: Desk, loop: asyncio.Runner) -> None:
    async def run() -> None:
        for message in NAMED:
            await desk.send([message])
            await desk.good()

    loop.run(run())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(sent=MESSAGES)
def test_after_any_bytes_the_next_good_message_is_handled(
    desk: Desk, loop: asyncio.Runner, sent: list[tuple[bytes, bytes | None, bytes]]
) -> None:
    async def run() -> None:
        await desk.send(sent)
        await desk.good()

    loop.run(run())


def test_the_same_after_a_restart_of_everything(desk: Desk, loop: asyncio.Runner) -> None:
    async def run() -> None:
        await desk.restart()
        await desk.good()

    loop.run(run())

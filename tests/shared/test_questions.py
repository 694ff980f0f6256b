"""What people ask the services leaves the services their work: questions come on a connection of their own, bounded."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import Any, cast

import pytest
from signalbox.bus import Bus, asking
from signalbox.bus.client import BusClient, FrameParser, Take
from signalbox.bus.wire import Delivery

WAIT_SECONDS_MAX = 60.0
PENDING_BYTES_MAX = 16_000_000
"""What deploy/nats/nats.conf lets wait for a connection that does not read."""
PAYLOAD = b"x" * 120_000


def flood(port: int, password: str) -> None:
    """Ask risk how it is, in large words, until far more waits for it than the server keeps."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS_MAX) as connection:
        connect = {"user": "user", "pass": password, "headers": True, "verbose": False, "no_responders": True}
        connection.sendall(b"CONNECT " + json.dumps(connect).encode() + b"\r\nSUB _INBOX.user.x 1\r\n")
        for _ in range(5 * PENDING_BYTES_MAX // len(PAYLOAD)):
            connection.sendall(b"PUB status.risk _INBOX.user.x %d\r\n%s\r\n" % (len(PAYLOAD), PAYLOAD))
        connection.sendall(b"PING\r\n")
        data = b""
        while b"PONG" not in data:
            data = data[-4:] + connection.recv(65_536)


async def test_a_flood_of_questions_cuts_no_service_off_its_work(nats_server: Any) -> None:
    risk: Bus = await nats_server.connect("risk")
    user: Bus = await nats_server.connect("user")
    reconnects = 0

    async def reconnected() -> None:
        nonlocal reconnects
        reconnects += 1

    async def answer(question: bytes, asker: str) -> bytes:
        return b"well"

    risk.on_reconnect(reconnected)
    await risk.serve("status.risk", answer)
    flooding = threading.Thread(target=flood, args=(nats_server.port, nats_server.password("user")))
    flooding.start()
    flooding.join()  # nothing is read here meanwhile: the server gives the connection of questions up
    assert await risk.last("TRADE", "order.a.b.c") is None
    assert risk.connected
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not (answers := await user.request_all("status.risk", b"", 1.0, 0.1)):
            continue
    assert answers == [b"well"]
    assert reconnects == 0


class Asked:
    """Stands for the client of a service: counts what it answers."""

    def __init__(self) -> None:
        self.answers = 0
        self.take: Take = lambda delivery: None
        self.heard: list[str] = []

    async def listen(self, subject: str, take: Take) -> None:
        self.take = take
        self.heard.append(subject)

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        self.answers += 1


async def test_so_many_questions_a_second_are_answered_and_no_more() -> None:
    client = Asked()

    async def answer(question: bytes, asker: str) -> bytes:
        return b""

    loop = asyncio.get_running_loop()
    began_seconds = loop.time()
    served = await asking.serve(cast("BusClient", client), "risk", "$SRV.PING", answer, ("$SRV.PING.risk",))
    assert client.heard == ["$SRV.PING", "$SRV.PING.risk"]
    for number in range(3000):
        subject = client.heard[number % 2].encode()  # one bound for both
        client.take(Delivery(1, subject, b"_R_.a", b"", b""))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    passed_seconds = loop.time() - began_seconds
    assert served.questions == client.answers >= asking.QUESTIONS_MAX
    assert client.answers <= asking.QUESTIONS_MAX + passed_seconds * asking.QUESTIONS_PER_SECOND_MAX + 1


class Listened:
    """Stands for a client that is read from."""

    def __init__(self, is_unhurried: bool) -> None:
        self.is_unhurried = is_unhurried

    def deliver(self, delivery: Delivery) -> None:
        """Nobody listens."""


async def test_who_is_not_in_a_hurry_rests_after_each_read() -> None:
    for is_unhurried in (True, False):
        parser = FrameParser(cast("BusClient", Listened(is_unhurried)))
        reading = asyncio.create_task(parser.parse(b"MSG status.risk 1 0\r\n\r\n" * 100))
        await asyncio.sleep(0)
        assert reading.done() is not is_unhurried
        await reading


@pytest.mark.parametrize(
    "reply", [b"", b"_INBOX.oms.a", b"decision.approved.ibkr.A1", b"$JS.ACK.a", b"_R_", b"_R_.\xff"]
)
async def test_only_who_asks_from_another_account_is_answered(reply: bytes) -> None:
    """Within the desk a reply subject is whatever somebody wrote; the server writes `_R_.` for who asks across."""
    client = Asked()

    async def answer(question: bytes, asker: str) -> bytes:
        return b""

    served = await asking.serve(cast("BusClient", client), "risk", "status.risk", answer)
    client.take(Delivery(1, b"status.risk", reply, b"", b""))
    client.take(Delivery(1, b"status.risk", b"_R_.a", b"", b""))
    while not served.questions:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (served.questions, client.answers) == (1, 1)

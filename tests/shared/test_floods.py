"""What a server answers late, or not at all, while somebody floods it, is asked again and ends nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest
from signalbox.bus import answers, reading
from signalbox.bus.client import BusClient
from signalbox.bus.publishing import TOO_MANY_REQUESTS, Publisher
from signalbox.bus.received import Received
from signalbox.bus.sealing import Sealing
from signalbox.bus.wire import Delivery
from signalbox.seals import NO_SEALS

FLOOD, ROUNDS_MAX = 9_000, 50
STORED = Received("intent.alice", b"{}", "INTENTS", 7, datetime(2026, 1, 5, tzinfo=UTC), "", 0)


class Flooded:
    """Stands for a client whose server answers every request after the first few."""

    is_connected, is_closed, waits_for_server, max_payload = True, False, False, 1_000_000

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.take: Any = None

    def new_inbox(self) -> str:
        return "_INBOX.alice.x"

    async def listen(self, subject: str, take: Any) -> None:
        self.take = take

    async def publish(self, subject: str, payload: bytes, reply: str = "", headers: Any = None) -> None:
        self.take(Delivery(1, reply.encode(), b"", b"", self.answers.pop(0)))


async def test_a_stored_message_that_is_not_answered_at_once_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[tuple[list[Received], bool, str]] = [([], False, "no answer"), ([STORED], True, ""), ([], True, "")]

    async def answer(*_: Any, **__: Any) -> tuple[list[Received], bool, str]:
        return batches.pop(0)

    monkeypatch.setattr(reading, "_read_batch", answer)
    client = cast("BusClient", Flooded([]))
    assert await reading.at(client, "INTENTS", 7) == STORED
    assert await reading.at(client, "INTENTS", 7) is None


async def test_what_a_stream_has_no_place_for_in_memory_is_sent_again() -> None:
    refused = {"error": {"code": TOO_MANY_REQUESTS, "err_code": 10167, "description": "too many requests"}}
    client = Flooded([msgspec.json.encode(refused), msgspec.json.encode({"stream": "INTENTS", "seq": 7})])
    publisher = Publisher(cast("BusClient", client), "alice", Sealing("alice", NO_SEALS))
    assert (await publisher.publish_bytes("intent.ibkr.SPY", b"{}", {"Nats-Msg-Id": "x"})).sequence == 7


class Late(Flooded):
    """One that answers an attempt when the next one is made, and once more after it."""

    def __init__(self, answers: list[bytes]) -> None:
        super().__init__(answers)
        self.replies: list[str] = []

    async def publish(self, subject: str, payload: bytes, reply: str = "", headers: Any = None) -> None:
        self.replies.append(reply)
        if len(self.replies) > 1:
            self.take(Delivery(1, self.replies[0].encode(), b"", b"", self.answers.pop(0)))


async def test_an_answer_that_comes_after_its_attempt_was_given_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ATTEMPT_SECONDS_MAX", 0.01)
    client = Late([msgspec.json.encode({"stream": "INTENTS", "seq": 7})])
    publisher = Publisher(cast("BusClient", client), "alice", Sealing("alice", NO_SEALS))
    async with asyncio.timeout(10):
        assert (await publisher.publish_bytes("intent.ibkr.SPY", b"{}", {"Nats-Msg-Id": "x"})).sequence == 7


async def test_an_answer_that_comes_between_two_attempts_saves_the_second() -> None:
    client = Flooded([])
    asks = answers.Answers(cast("BusClient", client))
    with asks.question("intent.ibkr.SPY") as question:
        await asks._open_for(question)
        client.take(Delivery(1, question.reply.encode(), b"", b"", b"yes"))
        assert await asks.ask(question, b"{}", {}) == b"yes"  # it would have nothing to say to an attempt
        client.answers.append(b"once more")
        assert await asks.ask(question, b"{}", {}) == b"once more"


async def test_an_answer_to_another_message_does_not_count() -> None:
    client = Flooded([b"second"])
    asks = answers.Answers(cast("BusClient", client))
    with asks.question("intent.ibkr.SPY") as first:
        await asks._open_for(first)
    with asks.question("intent.ibkr.SPY") as second:
        await asks._open_for(second)
        client.take(Delivery(1, first.reply.encode(), b"", b"", b"first"))
        assert await asks.ask(second, b"{}", {}) == b"second"


async def test_what_waits_for_a_stream_is_bounded_so_that_others_do_not_wait_behind_a_flood(nats_server: Any) -> None:
    """More than may wait, and less than NATS would take by itself, in one write: some of it is refused at once.

    Unless the server stores as fast as it reads, which it may do once, and not each time.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
    login = {"user": "user", "pass": nats_server.password("user"), "verbose": False}
    writer.write(b"CONNECT %s\r\nSUB _INBOX.user.x 1\r\n" % json.dumps(login).encode())
    refused = 0
    for _ in range(ROUNDS_MAX):
        writer.write(b"PUB intent.ibkr.SPY _INBOX.user.x 1\r\n1\r\n" * FLOOD)
        answers_left = FLOOD
        async with asyncio.timeout(60):
            while answers_left:
                line = await reader.readline()
                answers_left -= line.startswith(b"{")
                refused += b'"code":429' in line
        if refused:
            break
    writer.close()
    assert refused

"""What a server answers late, or not at all, while somebody floods it, is asked again and ends nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest
from signalbox.bus import reading
from signalbox.bus.client import BusClient
from signalbox.bus.publishing import TOO_MANY_REQUESTS, Publisher
from signalbox.bus.received import Received
from signalbox.bus.sealing import Sealing
from signalbox.bus.wire import Delivery
from signalbox.seals import NO_SEALS

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
    answers: list[tuple[list[Received], bool, str]] = [([], False, "no answer"), ([STORED], True, ""), ([], True, "")]

    async def answer(*_: Any, **__: Any) -> tuple[list[Received], bool, str]:
        return answers.pop(0)

    monkeypatch.setattr(reading, "_read_batch", answer)
    client = cast("BusClient", Flooded([]))
    assert await reading.at(client, "INTENTS", 7) == STORED
    assert await reading.at(client, "INTENTS", 7) is None


async def test_what_a_stream_has_no_place_for_in_memory_is_sent_again() -> None:
    refused = {"error": {"code": TOO_MANY_REQUESTS, "err_code": 10167, "description": "too many requests"}}
    client = Flooded([msgspec.json.encode(refused), msgspec.json.encode({"stream": "INTENTS", "seq": 7})])
    publisher = Publisher(cast("BusClient", client), "alice", Sealing("alice", NO_SEALS))
    assert (await publisher.publish_bytes("intent.ibkr.SPY", b"{}", {"Nats-Msg-Id": "x"})).sequence == 7

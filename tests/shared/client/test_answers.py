"""What comes in the place of an answer is an error with a sentence, never "there is nothing"."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from signalbox.bus import Bus
from signalbox.client import record
from signalbox.client.answers import AnswerError, read_query_reply, read_status, read_what_if
from signalbox.client.record import query
from signalbox.errors import BusUnavailableError
from signalbox.messages import QueryReply, ServiceStatus, WhatIfAnswer, WouldBe
from signalbox_cli.connection import ask_status

GOOD = QueryReply(columns=("a", "b"), rows=((1, 2), (3, 4)))
STATUS = ServiceStatus(service="risk", ready=True, waiting_for=(), at=datetime(2026, 1, 31, tzinfo=UTC))
WAIT_SECONDS_MAX = 60.0
NO_ANSWERS = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"0",
    b'"orders"',
    b"\xff\xfe",
    b'{"rows": []}',
    b'{"columns": []}',
    b'{"columns": [], "rows": [[1]]}',
    b'{"columns": ["a"], "rows": [[1, 2]]}',
    b'{"columns": ["a"], "rows": {}}',
    b'{"columns": "a"}',
    b'{"columns": ["a"], "error": null}',
    b'{"columns": ["a"], "rows": [["\xff"]]}',
    b'{"stream": "TRADE", "seq": 1}',
    b'{"service": "risk"}',
    b'{"service": "oms", "ready": true, "waiting_for": [], "at": "2026-01-31T00:00:00Z"}',
)


def test_an_answer_is_read() -> None:
    assert read_query_reply(msgspec.json.encode(GOOD)) == GOOD
    assert read_query_reply(b'{"columns": ["a"]}').rows == ()
    assert read_query_reply(b'{"error": "no such table"}').error == "no such table"
    assert read_status(msgspec.json.encode(STATUS), "risk") == STATUS


@pytest.mark.parametrize("payload", NO_ANSWERS)
def test_what_is_no_answer_is_an_error(payload: bytes) -> None:
    with pytest.raises(AnswerError, match="nothing is known"):
        read_query_reply(payload)
    with pytest.raises(AnswerError, match="nothing is known"):
        read_status(payload, "risk")
    with pytest.raises(AnswerError, match="nothing is known"):
        read_what_if(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"would_be": "APPROVED", "error": "and yet"}',
        b'{"would_be": "UNKNOWN"}',
        b'{"would_be": "MAYBE"}',
        b'{"type": "IntentApproved", "id": "d", "at": "2026-01-31T00:00:00Z"}',
    ],
)
def test_an_answer_that_says_two_things_or_none_is_no_answer(payload: bytes) -> None:
    with pytest.raises(AnswerError, match="nothing is known"):
        read_what_if(payload)


def test_what_risk_would_say_is_read() -> None:
    for answer in (WhatIfAnswer(would_be=WouldBe.DENIED), WhatIfAnswer(would_be=WouldBe.UNKNOWN, error="too often")):
        assert read_what_if(msgspec.json.encode(answer)) == answer


@pytest.fixture
async def user(nats_server: Any) -> Bus:
    bus: Bus = await nats_server.connect("user")
    return bus


async def served(server: Any, subject: str, headers: dict[str, str] | None = None) -> Client:
    """Somebody in the recorder's place, who answers well, with these headers."""
    client: Client = await server.client("recorder")

    async def answer(message: Any) -> None:
        await client.publish(message.reply, msgspec.json.encode(GOOD), headers=headers)

    await client.subscribe(subject, cb=answer)
    await client.flush()
    return client


async def slow(server: Any, service: str, subject: str) -> Client:
    """A service that is there and has not answered yet: where nobody serves, the server's word of it comes first."""
    client: Client = await server.client(service)

    async def hear(_: Any) -> None:
        """It is not done yet."""

    await client.subscribe(subject, cb=hear)
    await client.flush()
    return client


async def test_a_good_answer_to_another_question_is_no_list(nats_server: Any, user: Bus) -> None:
    """Another program of the same name has the recorder itself say "there is nothing" there."""
    recorder = await nats_server.connect("recorder")

    async def answer(question: bytes, asker: str) -> bytes:
        return msgspec.json.encode(QueryReply(columns=("order_id",)) if b"false" in question else GOOD)

    await recorder.serve("query.sql.*", answer)
    await recorder._questions.flush()
    asked = msgspec.json.encode({"sql": "SELECT order_id FROM orders WHERE false"})
    assert await query(user, "SELECT * FROM orders") == GOOD
    question = user._client.ask

    async def overtaken(subject: str, payload: bytes, *rest: Any) -> Any:
        return await question(subject, asked, *rest)  # what comes first at the inbox is the other one's

    user._client.ask = overtaken  # type: ignore[assignment,method-assign]
    with pytest.raises(AnswerError, match="another question"):
        await query(user, "SELECT * FROM orders")


@pytest.mark.parametrize("question", ["intent.ibkr.SPY", "$SYS.REQ.SERVER.PING.IDZ"])
async def test_an_answer_that_another_program_of_the_same_name_has_sent_there_is_no_list(
    nats_server: Any, user: Bus, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears the inbox and may name it as where its own answers go: what comes first is another's answer."""
    monkeypatch.setattr(record, "QUERY_SECONDS_MAX", WAIT_SECONDS_MAX)
    silent = [await slow(nats_server, "recorder", "query.sql.*"), await slow(nats_server, "risk", "status.risk")]
    other: Client = await nats_server.client("user")

    async def heard(message: Any) -> None:
        await other.publish(question, b"{}", reply=message.reply)

    for subject in ("query.sql", "status.risk"):
        await other.subscribe(subject, cb=heard)
    await other.flush()
    with pytest.raises(AnswerError):
        await query(user, "SELECT * FROM orders")
    with pytest.raises(AnswerError):
        await ask_status(user, "risk", WAIT_SECONDS_MAX, 0.3)
    for client in (other, *silent):
        await client.close()


async def test_a_word_of_the_server_is_no_answer(nats_server: Any, user: Bus) -> None:
    recorder = await served(nats_server, "query.sql.*", {"Status": "100"})
    with pytest.raises(BusUnavailableError):
        await query(user, "SELECT * FROM orders")
    await recorder.close()


async def test_nobody_can_publish_on_an_inbox(nats_server: Any) -> None:
    said: list[str] = []

    async def refused(error: Exception) -> None:
        said.append(str(error).lower())

    client = await nats_server.client("user")
    client._error_cb = refused
    subjects = ("_INBOX.user.mine", "_INBOX.operator.his", "_R_.any")
    for subject in subjects:
        await client.publish(subject, b"{}")
    await client.flush()
    await client.flush()
    await client.close()
    assert [any(f'publish to "{subject.lower()}"' in text for text in said) for subject in subjects] == [True] * 3


async def test_people_do_not_hear_each_others_answers(nats_server: Any, user: Bus) -> None:
    operator = await nats_server.client("operator")
    heard: list[str] = []

    async def overheard(message: Any) -> None:
        heard.append(message.subject)

    for subject in ("_INBOX.>", "_R_.>", "query.>", "status.>", "intent.>", "$JS.>", "$SYS.>"):
        await operator.subscribe(subject, cb=overheard)
    await operator.flush()

    async def answer(_: bytes, asker: str) -> bytes:
        return msgspec.json.encode(GOOD)

    recorder = await nats_server.connect("recorder")
    await recorder.serve("query.sql.*", answer)
    await recorder._questions.flush()
    assert await query(user, "SELECT 1") == GOOD
    await user.raw_publish("intent.ibkr.SPY", b"{}")
    await asyncio.gather(operator.flush(), user._client.flush())
    assert heard == []
    await operator.close()

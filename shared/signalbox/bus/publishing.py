"""Publishing to JetStream: one message id, retried until it is stored.

A publish that timed out may have been stored: only a retry with the same `Nats-Msg-Id` resolves it. An expected
sequence that no longer fits may be our own first attempt: the last message on the subject then carries our id.

Ids are the stream's, not the subject's: only services write to a stream whose ids must not be taken by others.

A batch is stored as a whole or not at all. Its answer may be lost like any other; then the last message of its log says
whether it is there.
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from datetime import datetime
from secrets import token_hex

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from signalbox import messages, metrics
from signalbox.bus import reading
from signalbox.bus.received import MESSAGE_ID_HEADER, PublishAck
from signalbox.errors import BusError, BusFullError, BusPermissionError, BusUnavailableError, WrongSequenceError
from signalbox.messages import DeadLetter
from signalbox.streams import STREAMS

PUBLISH_SECONDS_MAX = 60.0
ATTEMPT_SECONDS_MAX = 2.0
RETRY_DELAY_SECONDS_MAX = 1.0

EXPECTED_HEADER = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OF_HEADER = "Nats-Expected-Last-Subject-Sequence-Subject"
WRONG_LAST_SEQUENCE = 10071
SUBJECT_IS_FULL = 10077
"""It has the one message that it takes; of a queue: as many as it takes."""
BATCH_REPEATS_ID = 10201
BATCH_HEADER, BATCH_PLACE_HEADER, BATCH_COMMIT_HEADER = "Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit"
RETRYABLE_CODES = frozenset({500, 503})

_QUEUES = {subject.split(".")[0] for each in STREAMS if each.leaves_when_acknowledged for subject in each.subjects}
_DENIED = re.compile(r'permissions violation for publish to "?([^"\s]+)"?', re.IGNORECASE)


class _Fault(Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Reply(Struct, frozen=True):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: _Fault | None = None


_decode_reply = msgspec.json.Decoder(_Reply).decode


def denied_subject(error: Exception) -> str | None:
    """The subject that NATS has just refused us, if that is what `error` says; nats-py gives it in lower case."""
    found = _DENIED.search(str(error))
    return found[1].lower() if found else None


class Publisher:
    """Publishes over one connection and matches JetStream's answers to what was published.

    With an inbox of its own: `request` of nats-py costs a fifth more, and can not be told that the connection went.
    """

    def __init__(self, client: Client, service: str) -> None:
        self._client, self._service = client, service
        self._stored_seconds = metrics.BUS_PUBLISH_SECONDS.labels(service)
        self._inbox = ""
        self._number = 0
        self._waiting: dict[str, tuple[str, asyncio.Future[bytes]]] = {}

    def refused(self, subject: str) -> None:
        """NATS has refused a publish on `subject` (in lower case): whoever waits for its answer waits in vain."""
        for waiting_subject, answer in self._waiting.values():
            if waiting_subject.lower() == subject and not answer.done():
                answer.set_exception(BusPermissionError(f"NATS does not let this user publish on {waiting_subject}"))

    def reconnected(self) -> None:
        """Answers to what was sent before may be lost: try again now."""
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the connection was lost before the answer"))

    async def publish(
        self, subject: str, message: Struct, expected_last_subject_sequence: int | None = None, last_of: str = ""
    ) -> PublishAck:
        """See `Bus.publish`."""
        headers = _headers(message, expected_last_subject_sequence, last_of)
        stored = await self.publish_bytes(subject, messages.encode(message), headers)
        if isinstance(message, DeadLetter) and not stored.duplicate:
            metrics.BUS_DEAD_LETTERS.labels(self._service, message.stream).inc()
        return stored

    async def publish_batch(self, batch: Sequence[tuple[str, Struct]], expected: int, last_of: str) -> PublishAck:
        """See `Bus.publish_batch`. Tried again only once it is known that nothing of it is stored."""
        began = time.perf_counter()
        packed = [
            (
                subject,
                messages.encode(message),
                _headers(message, None if place else expected, "" if place else last_of),
            )
            for place, (subject, message) in enumerate(batch)
        ]
        deadline = asyncio.get_running_loop().time() + PUBLISH_SECONDS_MAX
        delay_seconds = 0.02
        while True:
            problem = "not connected"
            if self._client.is_connected:
                try:
                    result = _decode_reply(await self._ask_batch(packed))
                    if result.error is None:
                        self._stored_seconds.observe(time.perf_counter() - began)
                        return PublishAck(result.stream, result.seq, duplicate=False)
                    problem = result.error.description
                    known = result.error.code in RETRYABLE_CODES
                    known |= result.error.err_code in (WRONG_LAST_SEQUENCE, BATCH_REPEATS_ID)
                    if not known:
                        raise BusError(f"JetStream refuses a batch on {last_of}: {json.dumps(problem)}")
                except (NatsError, TimeoutError, ConnectionError, msgspec.DecodeError) as error:
                    problem = str(error) or type(error).__name__
                last = await reading.last(self._client, reading.stream_of(last_of), last_of)
                if last is not None and last.message_id == packed[-1][2][MESSAGE_ID_HEADER]:
                    return PublishAck(last.stream, last.sequence, duplicate=True)
                if (last.sequence if last is not None else 0) != expected:
                    raise WrongSequenceError(last_of, expected)
            if asyncio.get_running_loop().time() + delay_seconds > deadline:
                raise BusUnavailableError(f"no batch stored on {last_of} within {PUBLISH_SECONDS_MAX:g} s: {problem}")
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(delay_seconds * 2, RETRY_DELAY_SECONDS_MAX)

    async def _ask_batch(self, packed: Sequence[tuple[str, bytes, dict[str, str]]]) -> bytes:
        """Publish a batch once, its last message as the question whether it is stored."""
        name = token_hex(16)
        *others, (subject, payload, headers) = [
            (subject, payload, headers | {BATCH_HEADER: name, BATCH_PLACE_HEADER: str(place)})
            for place, (subject, payload, headers) in enumerate(packed, 1)
        ]
        for other, other_payload, other_headers in others:
            await self._client.publish(other, other_payload, headers=other_headers)
        return await self._ask(subject, payload, headers | {BATCH_COMMIT_HEADER: "1"})

    async def publish_scheduled(self, subject: str, message: Struct, due_wall: datetime, target: str) -> None:
        """See `Bus.publish_scheduled`. Without a message id: a repeated schedule replaces the one before."""
        headers = {"Nats-Schedule": f"@at {due_wall:%Y-%m-%dT%H:%M:%S.%fZ}", "Nats-Schedule-Target": target}
        await self.publish_bytes(subject, messages.encode(message), headers)

    async def publish_bytes(self, subject: str, payload: bytes, headers: dict[str, str]) -> PublishAck:
        """Store `payload`, with retries; an id among `headers` makes them harmless."""
        began = time.perf_counter()
        stored = await self._until_stored(subject, payload, headers)
        self._stored_seconds.observe(time.perf_counter() - began)
        return stored

    async def _until_stored(self, subject: str, payload: bytes, headers: dict[str, str]) -> PublishAck:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PUBLISH_SECONDS_MAX
        delay_seconds = 0.02
        while True:
            problem = "not connected"
            if self._client.is_connected:
                try:
                    result = _decode_reply(await self._ask(subject, payload, headers))
                    if result.error is None:
                        return PublishAck(result.stream, result.seq, result.duplicate)
                    acknowledged = await self._settle(subject, headers, result.error)
                    if acknowledged is not None:
                        return acknowledged
                    problem = result.error.description
                except MaxPayloadError:
                    raise BusError(f"a message for {subject} has {len(payload)} bytes: more than NATS takes") from None
                except (NatsError, TimeoutError, ConnectionError, msgspec.DecodeError) as error:
                    problem = str(error) or type(error).__name__
            if loop.time() + delay_seconds > deadline:
                raise BusUnavailableError(f"nothing stored on {subject} within {PUBLISH_SECONDS_MAX:g} s: {problem}")
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(delay_seconds * 2, RETRY_DELAY_SECONDS_MAX)

    async def _ask(self, subject: str, payload: bytes, headers: dict[str, str]) -> bytes:
        """Publish once and return JetStream's answer; raises `TimeoutError` after `ATTEMPT_SECONDS_MAX`."""
        if not self._inbox:
            inbox = self._client.new_inbox()
            await self._client.subscribe(f"{inbox}.*", cb=self._answered)
            self._inbox = inbox
        self._number += 1
        reply = f"{self._inbox}.{self._number}"
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting[reply] = subject, answer
        overdue = loop.call_later(ATTEMPT_SECONDS_MAX, _time_out, answer)
        try:
            await self._client.publish(subject, payload, reply=reply, headers=dict(headers))
            return await answer
        finally:
            overdue.cancel()
            del self._waiting[reply]

    async def _answered(self, message: Msg) -> None:
        waiting = self._waiting.get(message.subject)
        if waiting is not None and not waiting[1].done():
            if message.headers and "Status" in message.headers:  # 503: nobody listens, so no such stream (yet)
                waiting[1].set_exception(ConnectionError(f"no stream stores {waiting[0]}"))
            else:
                waiting[1].set_result(message.data)

    async def _settle(self, subject: str, headers: dict[str, str], fault: _Fault) -> PublishAck | None:
        """What a refusal by JetStream means: stored already (an ack), try again (None), or an error."""
        if fault.err_code == SUBJECT_IS_FULL and EXPECTED_HEADER not in headers and subject.split(".")[0] in _QUEUES:
            raise BusFullError(
                f"NATS takes no more on {subject}: too much of this sender's waits already ({fault.description}). "
                "What waits will be decided; send again later"
            )
        if fault.err_code in (WRONG_LAST_SEQUENCE, SUBJECT_IS_FULL):
            last = await reading.last(
                self._client, reading.stream_of(subject), headers.get(EXPECTED_OF_HEADER, subject)
            )
            if last is not None and last.message_id == headers.get(MESSAGE_ID_HEADER, ""):
                return PublishAck(last.stream, last.sequence, duplicate=True)
            raise WrongSequenceError(subject, int(headers.get(EXPECTED_HEADER, "0")))
        if fault.code in RETRYABLE_CODES:
            return None
        raise BusError(f"JetStream refuses a message on {subject}: {json.dumps(fault.description)}")


def _headers(message: Struct, expected: int | None, last_of: str) -> dict[str, str]:
    """What every message of ours carries beside its payload."""
    headers = {MESSAGE_ID_HEADER: str(message.id)}  # type: ignore[attr-defined]  # every Message has one
    if expected is not None:
        headers[EXPECTED_HEADER] = str(expected)
        if last_of:
            headers[EXPECTED_OF_HEADER] = last_of
    return headers


def _time_out(answer: asyncio.Future[bytes]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError("no answer"))

"""Publishing to JetStream: one message id, retried until it is stored.

A publish that timed out may have been stored: only a retry with the same `Nats-Msg-Id` resolves it. An expected
sequence that no longer fits may be our own first attempt: the last message on the subject then carries our id.

Where there is no room, a message waits until there is (`signalbox.bus.waiting`); what is worth nothing by then, since a
newer one follows, is dropped and counted.

Ids are the stream's, not the subject's: only services write to a stream whose ids must not be taken by others.

Nor may anybody else stand in a writer's way: what is in the place where a message of ours belongs (its id, the sequence
after the last, its subject in COMMANDS) and bears no seal is passed over, and ours is stored behind it.

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
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex

import msgspec
from msgspec import Struct
from nats.errors import BadHeaderError, BadSubjectError, MaxPayloadError
from nats.errors import Error as NatsError

from signalbox import messages, metrics, subjects
from signalbox.bus import reading, waiting
from signalbox.bus.answers import Answers, Question
from signalbox.bus.client import BusClient
from signalbox.bus.received import MESSAGE_ID_HEADER, PublishAck, Received
from signalbox.bus.refusals import (
    NO_ROOM_CODES,
    STORE_FAILED,
    SUBJECT_IS_FULL,
    Fault,
    Problem,
    StoreReply,
    problem_of,
    problem_of_error,
)
from signalbox.bus.sealing import Sealing
from signalbox.bus.waiting import Wait, WaitsForRoom
from signalbox.errors import (
    BusError,
    BusFullError,
    BusRefusedError,
    BusUnavailableError,
    WrongSequenceError,
)
from signalbox.messages import DeadLetter, TradingMode, TradingState
from signalbox.seals import EXPECTED_HEADER
from signalbox.streams import STREAMS

LATE_SECONDS_MAX = 60.0
"""How long what is replaced soon is worth storing."""

EXPECTED_OF_HEADER = f"{EXPECTED_HEADER}-Subject"
WRONG_LAST_SEQUENCE = 10071
BATCH_REPEATS_ID = 10201
BATCH_HEADER, BATCH_PLACE_HEADER, BATCH_COMMIT_HEADER = "Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit"
TOO_MANY_REQUESTS = 429
"""So many wait to be stored in a stream that the server takes no more into memory: a moment later it does."""
RETRYABLE_CODES = frozenset({TOO_MANY_REQUESTS, 500, 503})

WRONG_LAST = re.compile(r"wrong last sequence: (\d+)")
"""JetStream's word for "another one is last", and which."""
_QUEUES = {subject.split(".")[0] for each in STREAMS if each.leaves_when_acknowledged for subject in each.subjects}
_DENIED = re.compile(r'permissions violation for publish to "?([^"\s]+)"?', re.IGNORECASE)


_decode_reply = msgspec.json.Decoder(StoreReply).decode


def denied_subject(error: Exception) -> str | None:
    """The subject that NATS has just refused us, if that is what `error` says; nats-py gives it in lower case."""
    found = _DENIED.search(str(error))
    return found[1].lower() if found else None


@dataclass(frozen=True)
class _Again:
    """Publish once more, there and with these headers."""

    subject: str
    headers: dict[str, str]


class Publisher:
    """Publishes over one connection and matches JetStream's answers to what was published.

    With an inbox of its own: who waits for an answer is told when the connection went.
    """

    def __init__(self, client: BusClient, service: str, sealing: Sealing) -> None:
        self._client, self._service, self._sealing = client, service, sealing
        self._stored_seconds = metrics.BUS_PUBLISH_SECONDS.labels(service)
        self._answers = Answers(client)
        self.waits_for_room = WaitsForRoom(service)
        self.stopping = False
        """Whether the process ends: what waits for room is left to the next one."""

    def refused(self, subject: str) -> None:
        """See `Answers.refused`."""
        self._answers.refused(subject)

    def reconnected(self) -> None:
        """See `Answers.reconnected`."""
        self._answers.reconnected()

    async def publish(
        self, subject: str, message: Struct, expected_last_subject_sequence: int | None = None, last_of: str = ""
    ) -> PublishAck:
        """See `Bus.publish`."""
        headers = _headers(message, expected_last_subject_sequence, last_of)
        if isinstance(message, TradingState) and message.mode is TradingMode.HALTED and self._sealing.gives(subject):
            # A halt follows the last word of its own name: whoever else writes there without an end is not in its way,
            # and one that came again would halt once more
            headers.setdefault(EXPECTED_HEADER, "0")
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
        wait = Wait(asyncio.get_running_loop().time())
        try:
            while True:
                problem = Problem(away="not connected")
                if self._client.is_connected:
                    told = await self._batch_attempt(packed, last_of)
                    if isinstance(told, PublishAck):
                        self._stored_seconds.observe(time.perf_counter() - began)
                        return told
                    problem = told
                self._is_dropped(packed[0][0], wait, problem)
                await asyncio.sleep(wait.next_delay_seconds())
        finally:
            self.waits_for_room.over(_stream_of(packed[0][0]), wait)

    async def _batch_attempt(
        self, packed: list[tuple[str, bytes, dict[str, str]]], last_of: str
    ) -> PublishAck | Problem:
        """Publish a batch once, and look whether it is there. What stands in its place unsealed it will follow."""
        try:
            result = _decode_reply(await self._ask_batch(packed))
            if result.error is None:
                return PublishAck(result.stream, result.seq, duplicate=False)
            problem = problem_of(result.error)
            known = bool(problem.no_room) or result.error.code in RETRYABLE_CODES
            known |= result.error.err_code in (WRONG_LAST_SEQUENCE, BATCH_REPEATS_ID)
            if not known:
                raise BusError(f"JetStream refuses a batch on {last_of}: {json.dumps(result.error.description)}")
        except (NatsError, TimeoutError, ConnectionError, msgspec.DecodeError) as error:
            problem = problem_of_error(error)
        first, payload, headers = packed[0]
        expected = int(headers[EXPECTED_HEADER])
        last = await reading.last(self._client, reading.stream_of(last_of), last_of)
        if last is not None and last.message_id == packed[-1][2][MESSAGE_ID_HEADER]:
            return PublishAck(last.stream, last.sequence, duplicate=True)
        if (last.sequence if last is not None else 0) != expected:
            if last is None or not (self._sealing.gives(first) and self._sealing.judge(last)):
                raise WrongSequenceError(last_of, expected)
            again = await self._passing_over(first, headers, last)
            if isinstance(again, PublishAck):
                raise WrongSequenceError(last_of, expected)
            packed[0] = first, payload, again.headers
        return problem

    async def _ask_batch(self, packed: Sequence[tuple[str, bytes, dict[str, str]]]) -> bytes:
        """Publish a batch once, its last message as the question whether it is stored."""
        name = token_hex(16)
        *others, (subject, payload, headers) = [
            (
                subject,
                payload,
                self._sealing.sealed(subject, headers, payload) | {BATCH_HEADER: name, BATCH_PLACE_HEADER: str(place)},
            )
            for place, (subject, payload, headers) in enumerate(packed, 1)
        ]
        for other, other_payload, other_headers in others:
            await self._client.publish(other, other_payload, headers=other_headers)
        with self._answers.question(subject) as question:
            return await self._answers.ask(question, payload, headers | {BATCH_COMMIT_HEADER: "1"})

    async def publish_scheduled(self, subject: str, message: Struct, due_wall: datetime, target: str) -> None:
        """See `Bus.publish_scheduled`. Without a message id: a repeated schedule replaces the one before."""
        headers = {"Nats-Schedule": f"@at {due_wall:%Y-%m-%dT%H:%M:%S.%fZ}", "Nats-Schedule-Target": target}
        await self.publish_bytes(subject, messages.encode(message), headers)

    async def publish_bytes(self, subject: str, payload: bytes, headers: dict[str, str]) -> PublishAck:
        """Store `payload`, with retries; an id among `headers` makes them harmless."""
        began = time.perf_counter()
        stored = await self._until_stored(subject, payload, headers)
        # What follows may be an order on its way to the venue: counted behind it
        asyncio.get_running_loop().call_soon(self._stored_seconds.observe, time.perf_counter() - began)
        return stored

    async def _until_stored(self, subject: str, payload: bytes, headers: dict[str, str]) -> PublishAck:
        clock = asyncio.get_running_loop().time
        if subjects.is_trading_state(subject) and self._sealing.gives(subject) and EXPECTED_HEADER not in headers:
            # Each says which it follows, so that no old one can come again
            headers = {EXPECTED_HEADER: "0", EXPECTED_OF_HEADER: subjects.ALL_TRADING_STATES} | headers
        wait = Wait(clock())
        try:
            while True:
                with self._answers.question(subject) as question:
                    told = await self._attempts(question, payload, headers, wait)
                if isinstance(told, PublishAck):
                    return told
                subject, headers = told.subject, told.headers
        finally:
            self.waits_for_room.over(_stream_of(subject), wait)

    async def _attempts(
        self, question: Question, payload: bytes, headers: dict[str, str], wait: Wait
    ) -> PublishAck | _Again:
        """Publish until it is stored, or has to be something else that is published."""
        subject, clock = question.subject, asyncio.get_running_loop().time
        again: _Again | None = None
        while again is None:
            problem = Problem(away="not connected")
            if self._client.is_connected:
                try:
                    sealed = self._sealing.sealed(subject, headers, payload)
                    result = _decode_reply(await self._answers.ask(question, payload, sealed))
                    if result.error is None:
                        if result.duplicate and await self._is_taken(result, subject):
                            message_id = f"{headers[MESSAGE_ID_HEADER]}~{token_hex(8)}"
                            return _Again(subject, headers | {MESSAGE_ID_HEADER: message_id})
                        return PublishAck(result.stream, result.seq, result.duplicate)
                    settled = await self._settle(subject, headers, result.error)
                    if isinstance(settled, PublishAck):
                        return settled
                    problem, again = problem_of(result.error), settled
                    if again is not None:
                        if clock() - wait.began_seconds < waiting.AWAY_SECONDS_MAX:
                            return again
                        problem = Problem(away=result.error.description)  # others write faster than we do
                except MaxPayloadError:
                    raise BusRefusedError(
                        f"a message for {subject} has {len(payload)} bytes: with its headers that is more than "
                        f"NATS takes ({self._client.max_payload})"
                    ) from None
                except (BadSubjectError, BadHeaderError) as error:
                    raise BusRefusedError(
                        f"{subject!r} with headers {headers!r} can not be published: {error}"
                    ) from None
                except (NatsError, TimeoutError, ConnectionError, msgspec.DecodeError) as error:
                    problem = problem_of_error(error)
            if self._is_dropped(subject, wait, problem):
                return PublishAck(_stream_of(subject), 0, duplicate=False)
            await asyncio.sleep(wait.next_delay_seconds())
        return again

    def _is_dropped(self, subject: str, wait: Wait, problem: Problem) -> bool:
        """Note a failed attempt. False = try again; raises `BusUnavailableError` when it is too late for that."""
        now_seconds = asyncio.get_running_loop().time()
        if not self._client.is_connected and self._client.waits_for_server:
            wait.without_server(now_seconds)
        elif problem.no_room:
            wait.no_room(now_seconds, problem.no_room)
        elif problem.away or _is_queued(subject):  # who sends to a queue is told soon, and asks again himself
            wait.away(now_seconds, problem.away or "no answer")
        else:
            wait.no_answer(now_seconds)
        stream, waited_seconds = _stream_of(subject), now_seconds - wait.began_seconds
        self.waits_for_room.note(stream, wait, now_seconds)
        if subjects.is_replaced_soon(subject) and wait.is_for_room(now_seconds) and waited_seconds > LATE_SECONDS_MAX:
            metrics.BUS_DROPPED.labels(self._service, stream).inc()
            return True
        ends = self._client.is_closed or (self.stopping and wait.is_for_room(now_seconds))
        if ends or wait.is_over(now_seconds):
            raise BusUnavailableError(f"nothing stored on {subject} within {waited_seconds:.0f} s: {wait.problem}")
        return False

    async def _is_taken(self, result: StoreReply, subject: str) -> bool:
        """Whether the message that ours is said to repeat is a forged one, of somebody who chose our id."""
        if subjects.is_trading_state(subject) or not self._sealing.gives(subject):
            return False
        stored = await reading.at(self._client, result.stream, result.seq)
        return stored is not None and self._sealing.judge(stored) != ""

    async def _settle(self, subject: str, headers: dict[str, str], fault: Fault) -> PublishAck | _Again | None:
        """What a refusal by JetStream means: stored already (an ack), try again (as it was, or anew), or an error."""
        if fault.err_code in NO_ROOM_CODES and EXPECTED_HEADER not in headers and _is_queued(subject):
            whose = "this sender's" if SUBJECT_IS_FULL in fault.description else "all senders'"
            raise BusFullError(
                f"NATS takes no more on {subject}: too much of {whose} waits already ({fault.description}). "
                "What waits will be decided; send again later"
            )
        if problem_of(fault).no_room:
            return None
        if fault.err_code in (WRONG_LAST_SEQUENCE, STORE_FAILED):
            found = WRONG_LAST.search(fault.description)
            if subjects.is_trading_state(subject) and self._sealing.gives(subject) and found:
                return _Again(subject, headers | {EXPECTED_HEADER: found[1]})
            pattern = headers.get(EXPECTED_OF_HEADER, subject)
            last = await reading.last(self._client, reading.stream_of(subject), pattern)
            if last is not None and self._sealing.gives(subject) and self._sealing.judge(last):
                return await self._passing_over(subject, headers, last)
            if last is not None and _is_ours(last, headers):
                return PublishAck(last.stream, last.sequence, duplicate=True)
            raise WrongSequenceError(subject, int(headers.get(EXPECTED_HEADER, "0")))
        if fault.code in RETRYABLE_CODES:
            return None
        raise BusRefusedError(f"JetStream refuses a message on {subject}: {json.dumps(fault.description)}")

    async def _passing_over(self, subject: str, headers: dict[str, str], last: Received) -> PublishAck | _Again:
        """Where to store a message of ours whose place is taken by what bears no seal.

        After all of it, if nothing genuine stands there too; in COMMANDS, on a subject beside its own.
        """
        if EXPECTED_HEADER not in headers:
            stem, _, number = subject.partition("~")
            return _Again(f"{stem}~{int(number or 0) + 1}", headers)
        expected = int(headers[EXPECTED_HEADER])
        pattern = headers.get(EXPECTED_OF_HEADER, subject)
        async for received in reading.read(self._client, last.stream, pattern, expected + 1):
            if self._sealing.judge(received):
                last = received
            elif _is_ours(received, headers):
                return PublishAck(received.stream, received.sequence, duplicate=True)
            else:
                raise WrongSequenceError(subject, expected)
        if last.sequence <= expected:  # the server has lost what we have read there
            raise WrongSequenceError(subject, expected)
        return _Again(subject, headers | {EXPECTED_HEADER: str(last.sequence)})


def _is_ours(stored: Received, headers: dict[str, str]) -> bool:
    return stored.message_id.split("~")[0] == headers.get(MESSAGE_ID_HEADER, "").split("~")[0]


def _headers(message: Struct, expected: int | None, last_of: str) -> dict[str, str]:
    """What every message of ours carries beside its payload."""
    headers = {MESSAGE_ID_HEADER: str(message.id)}  # type: ignore[attr-defined]  # every Message has one
    if expected is not None:
        headers[EXPECTED_HEADER] = str(expected)
        if last_of:
            headers[EXPECTED_OF_HEADER] = last_of
    return headers


def _stream_of(subject: str) -> str:
    """The stream that ought to store `subject`; "none" of a subject that no stream declares."""
    try:
        return reading.stream_of(subject)
    except KeyError:
        return "none"


def _is_queued(subject: str) -> bool:
    """Whether it is stored until somebody has acknowledged it, and refused when too much waits."""
    return subject.split(".")[0] in _QUEUES

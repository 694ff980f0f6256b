"""Publishing to JetStream: one message id, retried until it is stored.

A publish that timed out may have been stored: only a retry with the same `Nats-Msg-Id` resolves it. An expected
sequence that no longer fits may be our own first attempt: the last message on the subject then carries our id.

Where there is no room, a message waits until there is (`signalbox.bus.waiting`); what is worth nothing by then, since a
newer one follows, is dropped and counted.

Ids are the stream's, not the subject's: whoever may publish intents may give one the id of a decision to come, and
JetStream would take the decision for its duplicate. So a "duplicate" is looked at, and if an intent has the id, the
message is published under a second one that nobody can foresee.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from datetime import datetime
from secrets import token_hex

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from signalbox import messages, metrics, subjects
from signalbox.bus import reading
from signalbox.bus.received import MESSAGE_ID_HEADER, PublishAck
from signalbox.bus.waiting import Wait, WaitsForRoom
from signalbox.errors import BusError, BusPermissionError, BusUnavailableError, WrongSequenceError
from signalbox.messages import DeadLetter

ATTEMPT_SECONDS_MAX = 2.0
LATE_SECONDS_MAX = 60.0
"""How long what is replaced soon is worth storing."""

EXPECTED_HEADER = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OF_HEADER = "Nats-Expected-Last-Subject-Sequence-Subject"
WRONG_LAST_SEQUENCE = 10071
STORE_FAILED = 10077
SUBJECT_HAS_MESSAGE = "per subject"
"""What JetStream says of a store that failed when it was not for want of room."""
NO_ROOM_CODES = frozenset({10002, 10023, 10047, STORE_FAILED})
"""The account's, the server's or the stream's room is used up."""
RETRYABLE_CODES = frozenset({500, 503})

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


class _Problem(Struct, frozen=True):
    """Why a message is not stored yet; neither text = nobody answered."""

    no_room: str = ""
    away: str = ""


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
        self.waits_for_room = WaitsForRoom(service)
        self.stopping = False
        """Whether the process ends: what waits for room is left to the next one."""
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
        message_id: str = message.id  # type: ignore[attr-defined]  # every Message has one
        headers = {MESSAGE_ID_HEADER: message_id}
        if expected_last_subject_sequence is not None:
            headers[EXPECTED_HEADER] = str(expected_last_subject_sequence)
            if last_of:
                headers[EXPECTED_OF_HEADER] = last_of
        stored = await self.publish_bytes(subject, messages.encode(message), headers)
        if isinstance(message, DeadLetter) and not stored.duplicate:
            metrics.BUS_DEAD_LETTERS.labels(self._service, message.stream).inc()
        return stored

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
        clock = asyncio.get_running_loop().time
        wait: Wait | None = None
        try:
            while True:
                began_seconds, problem = clock(), _Problem(away="not connected")
                if self._client.is_connected:
                    try:
                        result = _decode_reply(await self._ask(subject, payload, headers))
                        if result.error is None:
                            if result.duplicate and await self._is_taken(result, subject):
                                headers = headers | {MESSAGE_ID_HEADER: f"{headers[MESSAGE_ID_HEADER]}~{token_hex(8)}"}
                                continue
                            return PublishAck(result.stream, result.seq, result.duplicate)
                        acknowledged = await self._settle(subject, headers, result.error)
                        if acknowledged is not None:
                            return acknowledged
                        problem = _problem_of(result.error)
                    except MaxPayloadError:
                        raise BusError(
                            f"a message for {subject}: {len(payload)} bytes are more than NATS takes"
                        ) from None
                    except TimeoutError:
                        problem = _Problem()
                    except (NatsError, ConnectionError, msgspec.DecodeError) as error:
                        problem = _Problem(away=str(error) or type(error).__name__)
                wait = wait or Wait(began_seconds)
                if self._is_dropped(subject, wait, problem, clock()):
                    return PublishAck(_stream_of(subject), 0, duplicate=False)
                await asyncio.sleep(wait.next_delay_seconds())
        finally:
            if wait is not None:
                self.waits_for_room.over(_stream_of(subject), wait)

    def _is_dropped(self, subject: str, wait: Wait, problem: _Problem, now_seconds: float) -> bool:
        """Note a failed attempt. False = try again; raises `BusUnavailableError` when it is too late for that."""
        if problem.no_room:
            wait.no_room(now_seconds, problem.no_room)
        elif problem.away:
            wait.away(now_seconds, problem.away)
        else:
            wait.no_answer(now_seconds)
        stream, waited_seconds = _stream_of(subject), now_seconds - wait.began_seconds
        self.waits_for_room.note(stream, wait, now_seconds)
        if subjects.is_replaced_soon(subject) and wait.is_for_room(now_seconds) and waited_seconds > LATE_SECONDS_MAX:
            metrics.BUS_DROPPED.labels(self._service, stream).inc()
            return True
        if wait.is_over(now_seconds) or (self.stopping and wait.is_for_room(now_seconds)):
            raise BusUnavailableError(f"nothing stored on {subject} within {waited_seconds:.0f} s: {wait.problem}")
        return False

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

    async def _is_taken(self, result: _Reply, subject: str) -> bool:
        """Whether the message that ours is said to repeat is an intent of somebody who chose our id."""
        if subjects.first_word(subject) == subjects.INTENT:
            return False  # people may not look into streams, and need not: theirs are the ids that must not repeat
        stored = await reading.at(self._client, result.stream, result.seq)
        return stored is not None and subjects.first_word(stored.subject) == subjects.INTENT

    async def _settle(self, subject: str, headers: dict[str, str], fault: _Fault) -> PublishAck | None:
        """What a refusal by JetStream means: stored already (an ack), try again (None), or an error."""
        if _problem_of(fault).no_room:
            return None
        if fault.err_code in (WRONG_LAST_SEQUENCE, STORE_FAILED):
            last = await reading.last(
                self._client, reading.stream_of(subject), headers.get(EXPECTED_OF_HEADER, subject)
            )
            if last is not None and last.message_id.split("~")[0] == headers.get(MESSAGE_ID_HEADER, "").split("~")[0]:
                return PublishAck(last.stream, last.sequence, duplicate=True)
            raise WrongSequenceError(subject, int(headers.get(EXPECTED_HEADER, "0")))
        if fault.code in RETRYABLE_CODES:
            return None
        raise BusError(f"JetStream refuses a message on {subject}: {json.dumps(fault.description)}")


def _stream_of(subject: str) -> str:
    """The stream that ought to store `subject`; "none" of a subject that no stream declares."""
    try:
        return reading.stream_of(subject)
    except KeyError:
        return "none"


def _problem_of(fault: _Fault) -> _Problem:
    """What a fault is that may go away by itself."""
    if fault.err_code in NO_ROOM_CODES and SUBJECT_HAS_MESSAGE not in fault.description:
        return _Problem(no_room=fault.description)
    return _Problem(away=fault.description or "refused")


def _time_out(answer: asyncio.Future[bytes]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError("no answer"))

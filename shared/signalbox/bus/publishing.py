"""Publishing to JetStream: one message id, retried until it is stored.

A publish that timed out may have been stored: only a retry with the same `Nats-Msg-Id` resolves it. An expected
sequence that no longer fits may be our own first attempt: the last message on the subject then carries our id.
"""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from signalbox import messages
from signalbox.bus import reading
from signalbox.bus.received import MESSAGE_ID_HEADER, PublishAck
from signalbox.errors import BusError, BusPermissionError, BusUnavailableError, WrongSequenceError

PUBLISH_SECONDS_MAX = 60.0
ATTEMPT_SECONDS_MAX = 2.0
RETRY_DELAY_SECONDS_MAX = 1.0

WRONG_LAST_SEQUENCE = 10071
SUBJECT_HAS_MESSAGE = 10077
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


_decode_reply = msgspec.json.Decoder(_Reply).decode


def denied_subject(error: Exception) -> str | None:
    """The subject that NATS has just refused us, if that is what `error` says; nats-py gives it in lower case."""
    found = _DENIED.search(str(error))
    return found[1].lower() if found else None


async def publish(
    client: Client, denied: set[str], subject: str, message: Struct, *, expected_last_subject_sequence: int | None = None
) -> PublishAck:
    """See `Bus.publish`."""
    message_id: str = message.id  # type: ignore[attr-defined]  # every Message has one
    headers = {MESSAGE_ID_HEADER: message_id}
    if expected_last_subject_sequence is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(expected_last_subject_sequence)
    return await publish_bytes(client, denied, subject, messages.encode(message), headers)


async def publish_scheduled(
    client: Client, denied: set[str], subject: str, message: Struct, *, due_wall: datetime, target: str
) -> None:
    """See `Bus.publish_scheduled`. Without a message id: a repeated schedule replaces the one before."""
    headers = {"Nats-Schedule": f"@at {due_wall:%Y-%m-%dT%H:%M:%S.%fZ}", "Nats-Schedule-Target": target}
    await publish_bytes(client, denied, subject, messages.encode(message), headers)


async def publish_bytes(
    client: Client, denied: set[str], subject: str, payload: bytes, headers: dict[str, str]
) -> PublishAck:
    """Store `payload`, with retries; an id among `headers` makes them harmless. `denied`: see `denied_subject`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PUBLISH_SECONDS_MAX
    delay_seconds = 0.02
    denied.discard(subject.lower())
    while True:
        problem = "not connected"
        if client.is_connected:
            try:
                reply = await client.request(subject, payload, timeout=ATTEMPT_SECONDS_MAX, headers=dict(headers))
                result = _decode_reply(reply.data)
                if result.error is None:
                    return PublishAck(result.stream, result.seq, result.duplicate)
                acknowledged = await _settle(client, subject, headers, result.error)
                if acknowledged is not None:
                    return acknowledged
                problem = result.error.description
            except MaxPayloadError:
                raise BusError(f"a message for {subject} has {len(payload)} bytes: more than NATS takes") from None
            except (NatsError, TimeoutError, ConnectionError) as error:
                problem = str(error) or type(error).__name__
        if subject.lower() in denied:
            raise BusPermissionError(f"NATS does not let this user publish on {subject}")
        if loop.time() + delay_seconds > deadline:
            raise BusUnavailableError(f"nothing stored on {subject} within {PUBLISH_SECONDS_MAX:g} s: {problem}")
        await asyncio.sleep(delay_seconds)
        delay_seconds = min(delay_seconds * 2, RETRY_DELAY_SECONDS_MAX)


async def _settle(client: Client, subject: str, headers: dict[str, str], fault: _Fault) -> PublishAck | None:
    """What a refusal by JetStream means: stored already (an ack), try again (None), or an error."""
    if fault.err_code in (WRONG_LAST_SEQUENCE, SUBJECT_HAS_MESSAGE):
        last = await reading.last(client, reading.stream_of(subject), subject)
        if last is not None and last.message_id == headers.get(MESSAGE_ID_HEADER):
            return PublishAck(last.stream, last.sequence, duplicate=True)
        raise WrongSequenceError(subject, int(headers.get("Nats-Expected-Last-Subject-Sequence", "0")))
    if fault.code in RETRYABLE_CODES:
        return None
    raise BusError(f"JetStream refuses a message on {subject}: {json.dumps(fault.description)}")

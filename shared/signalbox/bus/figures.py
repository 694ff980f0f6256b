"""What JetStream says of itself: how much an account, a stream and a consumer hold. Questions only, nothing changes.

Each raises `BusUnavailableError` when the server does not answer in time, or refuses. It must not know who asks why.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

from signalbox.accounts import JETSTREAM
from signalbox.bus.connection import Bus
from signalbox.errors import BusUnavailableError
from signalbox.messages import NEVER

REQUEST_SECONDS_MAX = 2.0


class Storage(Struct, frozen=True):
    """Bytes on file of all streams of the account, and how many it may hold (-1 = as many as its streams may)."""

    bytes: int
    limit_bytes: int


class StreamFigures(Struct, frozen=True):
    """What a stream holds. `last_message_age_seconds` by the server's own clock; None = it never held a message.

    `bytes_max` is its part of the store, -1 = it has none of its own. `by_subject`: how many stand on each of the
    subjects that were asked for.
    """

    messages: int
    bytes: int
    bytes_max: int
    last_message_age_seconds: float | None
    by_subject: dict[str, int]


class ConsumerFigures(Struct, frozen=True):
    """What a consumer has still to get (`pending`), has got and not acknowledged, and got more than once."""

    pending: int
    unacknowledged: int
    redelivered: int


Answer = TypeVar("Answer", Storage, StreamFigures, ConsumerFigures)


class _Fault(Struct, frozen=True):
    description: str = ""


class _Limits(Struct, frozen=True):
    max_storage: int = -1


class _Reply(Struct, frozen=True):
    error: _Fault | None = None


class _Account(_Reply, frozen=True):
    storage: int = 0
    limits: _Limits = _Limits()


class _StreamState(Struct, frozen=True):
    messages: int = 0
    bytes: int = 0
    last_ts: datetime = NEVER
    subjects: dict[str, int] | None = None


class _StreamConfig(Struct, frozen=True):
    max_bytes: int = -1


class _Stream(_Reply, frozen=True):
    config: _StreamConfig = _StreamConfig()
    state: _StreamState = _StreamState()
    ts: datetime = NEVER


class _Consumer(_Reply, frozen=True):
    num_pending: int = 0
    num_ack_pending: int = 0
    num_redelivered: int = 0


_R = TypeVar("_R", bound=_Reply)


async def storage(bus: Bus) -> Storage:
    """What all streams of this account hold, and may."""
    found = await _ask(bus, f"{JETSTREAM}.INFO", _Account)
    return Storage(found.storage, found.limits.max_storage)


async def stream_figures(bus: Bus, stream: str, subjects: str = "") -> StreamFigures:
    """What `stream` holds now, in all and on each of its `subjects` ("" = those are not counted)."""
    question = msgspec.json.encode({"subjects_filter": subjects}) if subjects else b""
    found = await _ask(bus, f"{JETSTREAM}.STREAM.INFO.{stream}", _Stream, question)
    age_seconds = None
    if found.state.last_ts > NEVER:
        age_seconds = max(0.0, (found.ts - found.state.last_ts).total_seconds())
    state, by_subject = found.state, found.state.subjects or {}
    return StreamFigures(state.messages, state.bytes, found.config.max_bytes, age_seconds, by_subject)


async def consumer_figures(bus: Bus, stream: str, consumer: str) -> ConsumerFigures:
    """How far `consumer` of `stream` is."""
    found = await _ask(bus, f"{JETSTREAM}.CONSUMER.INFO.{stream}.{consumer}", _Consumer)
    return ConsumerFigures(found.num_pending, found.num_ack_pending, found.num_redelivered)


async def _ask(bus: Bus, subject: str, kind: type[_R], question: bytes = b"") -> _R:
    answer = await bus.request(subject, question, REQUEST_SECONDS_MAX)
    try:
        found = msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        raise BusUnavailableError(f"{subject}: {error}") from error
    if found.error is not None:
        raise BusUnavailableError(f"{subject}: {found.error.description}")
    return found

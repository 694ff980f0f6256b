"""What the recorder's two processes say to each other: frames on one socket, questions on another.

On the first socket a frame is its length and a message; the service speaks, the keeper answers each. On the second
each datagram is a `Question`, with the socket on which the answer is to come; back comes an `Ended` for a question
whose process did not answer. Pure, but for `receive`.
"""

from __future__ import annotations

import socket
import struct

import msgspec

from recorder.state import Answer, Batch, Outcome, Place

_LENGTH = struct.Struct("!I")
_QUESTION = struct.Struct("!QdI")
_ENDED = struct.Struct("!QB")
FRAME_BYTES_MAX = 2**30


class Open(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Open the file, or answer why not."""

    path: str
    memory_megabytes_max: int


class Write(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    batches: list[Batch]


class Look(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Say how things are."""


class Close(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Close the file and end."""


Order = Open | Write | Look | Close


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was not done: the name of an error of `recorder.errors`, and its sentence."""

    kind: str
    sentence: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to each order: how things are now, and what was wrong, if anything was."""

    places: dict[str, Place]
    bytes_on_disk: int
    resident_bytes: int
    failure: Failure | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A query, for the process that will run it."""

    sql: str
    rows_max: int
    memory_megabytes: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A query, for the keeper: what it needs to know to bound it. `deadline_seconds` is of the monotonic clock."""

    number: int
    deadline_seconds: float
    memory_megabytes: int


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The process that ran a query has ended without an answer."""

    number: int
    outcome: Outcome


QUESTION_BYTES = _QUESTION.size
ENDED_BYTES = _ENDED.size

_encoder = msgspec.msgpack.Encoder()
_orders: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
_kept = msgspec.msgpack.Decoder(Kept)
_requests = msgspec.msgpack.Decoder(Request)


def frame(message: Order | Kept | Request) -> bytes:
    """A message with its length before it."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def answer_frame(answer: Answer) -> bytes:
    """An answer with its length before it."""
    return _LENGTH.pack(1 + len(answer.reply)) + bytes([answer.outcome.value]) + answer.reply


def length(head: bytes) -> int:
    """How many bytes follow the four at the beginning of a frame."""
    size: int = _LENGTH.unpack(head)[0]
    if size > FRAME_BYTES_MAX:
        raise EOFError("that is no frame")
    return size


HEAD_BYTES = _LENGTH.size


def read_order(body: bytes) -> Order:
    return _orders.decode(body)


def read_kept(body: bytes) -> Kept:
    return _kept.decode(body)


def read_request(body: bytes) -> Request:
    return _requests.decode(body)


def read_answer(body: bytes) -> Answer:
    return Answer(Outcome(body[0]), body[1:])


def question(asked: Question) -> bytes:
    return _QUESTION.pack(asked.number, asked.deadline_seconds, asked.memory_megabytes)


def read_question(datagram: bytes) -> Question:
    number, deadline_seconds, memory_megabytes = _QUESTION.unpack(datagram)
    return Question(number=number, deadline_seconds=deadline_seconds, memory_megabytes=memory_megabytes)


def ended(told: Ended) -> bytes:
    return _ENDED.pack(told.number, told.outcome.value)


def read_ended(datagram: bytes) -> Ended:
    number, outcome = _ENDED.unpack(datagram)
    return Ended(number=number, outcome=Outcome(outcome))


def receive(connection: socket.socket) -> bytes:
    """The next frame's message, from a socket that blocks; raises `EOFError` when the other side is gone."""
    return _exactly(connection, length(_exactly(connection, HEAD_BYTES)))


def _exactly(connection: socket.socket, count: int) -> bytes:
    body = bytearray(count)
    view = memoryview(body)
    while view:
        got = connection.recv_into(view)
        if not got:
            raise EOFError("the other side has closed the connection")
        view = view[got:]
    return bytes(body)

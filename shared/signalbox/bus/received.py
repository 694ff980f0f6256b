"""What comes from the bus, as plain data: no nats-py type leaves `signalbox.bus`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from signalbox.bus.headers import read_header

if TYPE_CHECKING:
    from nats.aio.msg import Msg

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MESSAGE_ID_HEADER = "Nats-Msg-Id"


@dataclass(frozen=True, slots=True)
class PublishAck:
    """JetStream has stored a message; `duplicate` = it had it already."""

    stream: str
    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a consumer is: all up to the stream sequence `floor` is acknowledged, `unfinished` messages are not."""

    floor: int
    unfinished: int


@dataclass(frozen=True, slots=True)
class Received:
    """One message. From core NATS, `stream` is empty and `sequence` 0.

    `pending` counts the messages of the same read or consumer that still follow: 0 = caught up at that moment.
    `continues`: the consumer it comes from has given nothing to another process since the message that was handled here
    before it. `delivery` is the consumer's own number of what it gives out, every repetition counted. `headers` is the
    header block as its sender wrote it, which may be any bytes: read it with `header`.
    """

    subject: str
    payload: bytes
    stream: str
    sequence: int
    stored_at: datetime
    message_id: str
    pending: int
    delivery: int = 0
    continues: bool = False
    headers: bytes = b""

    def header(self, name: str) -> str:
        """The first value of a header; "" = it has none that a person could have written (see `bus.headers`)."""
        return read_header(self.headers, name)


def from_consumer(message: Msg, last_delivery: int) -> Received:
    """A message of a pull consumer; its place is in the reply subject. `last_delivery` is that of the one before.

    `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>`, with two tokens
    (domain, account hash) before the stream, and one behind, where the server sends the longer form.
    """
    tokens = message.reply.split(".")
    shift = 0 if len(tokens) == 9 else 2
    delivery = int(tokens[6 + shift])
    return Received(
        subject=message.subject,
        payload=message.data,
        stream=tokens[2 + shift],
        sequence=int(tokens[5 + shift]),
        stored_at=EPOCH + timedelta(microseconds=int(tokens[7 + shift]) // 1000),
        message_id=(message.headers or {}).get(MESSAGE_ID_HEADER, ""),
        pending=int(tokens[8 + shift]),
        delivery=delivery,
        continues=delivery == last_delivery + 1,
        headers=_block(message),
    )


def from_direct_get(message: Msg) -> Received:
    """A message of a direct get; its place is in the headers."""
    headers = message.headers or {}
    return Received(
        subject=headers["Nats-Subject"],
        payload=message.data,
        stream=headers["Nats-Stream"],
        sequence=int(headers["Nats-Sequence"]),
        stored_at=_parse_time(headers["Nats-Time-Stamp"]),
        message_id=headers.get(MESSAGE_ID_HEADER, ""),
        pending=int(headers.get("Nats-Num-Pending", "0")),
        headers=_block(message),
    )


def from_core(message: Msg) -> Received:
    """A message of core NATS."""
    message_id = (message.headers or {}).get(MESSAGE_ID_HEADER, "")
    return Received(message.subject, message.data, "", 0, EPOCH, message_id, 0, headers=_block(message))


def _block(message: Msg) -> bytes:
    headers = message.headers or {}
    return b"".join(f"\r\n{name}: {value}".encode() for name, value in headers.items()) + b"\r\n\r\n"


def _parse_time(text: str) -> datetime:
    """RFC 3339 with up to nine digits of a second; `fromisoformat` of Python 3.11 takes six."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return at + timedelta(microseconds=int(fraction.ljust(9, "0")[:9]) // 1000) if fraction else at

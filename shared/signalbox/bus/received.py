"""What comes from the bus, as plain data: no nats-py type leaves `signalbox.bus`. Pure, and any bytes can be read.

What the server says is told from what a publisher wrote by what a publisher can not write:
- a delivery of a consumer bears a reply subject `$JS.ACK.`; a word of the server to whoever pulls bears none;
- a stored message that is asked for has its place in lines that the server writes behind all headers of the publisher,
  whatever these are; an answer that says something else has no such lines.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from signalbox.bus.headers import printable, read_header
from signalbox.bus.wire import Delivery

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MESSAGE_ID_HEADER = "Nats-Msg-Id"
ACK_PREFIX = b"$JS.ACK."

_STREAM_LINE = b"Nats-Stream: "
_PLACE = re.compile(
    rb"Nats-Stream: ([^\r\n]+)\r\nNats-Subject: ([^\r\n]*)\r\nNats-Sequence: (\d{1,20})\r\n"
    rb"Nats-Time-Stamp: ([0-9T:.Z-]+)\r\n(?:Nats-Num-Pending: (\d{1,20})\r\n)?(?:Nats-[A-Za-z-]+: [^\r\n]*\r\n)*\r\n"
)
_STATUS = re.compile(rb"NATS/1\.0 (\d{3})(?: ([^\r\n]*))?\r\n")
"""In the first line: of an answer that is no message. (A publisher's `Status:` is a line of its own.)"""


class PublishAck(Struct, frozen=True):
    """JetStream has stored a message; `duplicate` = it had it already."""

    stream: str
    sequence: int
    duplicate: bool


class Progress(Struct, frozen=True):
    """How far a consumer is: all up to the stream sequence `floor` is acknowledged, `unfinished` messages are not."""

    floor: int
    unfinished: int


class Received(Struct, frozen=True):
    """One message. From core NATS, `stream` is empty and `sequence` 0.

    `subject` has what is not printable ASCII as `\\xNN`. `pending` counts the messages of the same read or consumer
    that still follow: 0 = caught up at that moment. `continues`: the consumer it comes from has given nothing to
    another process since the message that was handled here before it. `delivery` is the consumer's own number of what
    it gives out, every repetition counted; `deliveries` how often it has given out this message. `headers` is what its
    sender wrote in front of the payload, any bytes, without the two that end it: read it with `header`.
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
    deliveries: int = 1
    headers: bytes = b""

    def header(self, name: str) -> str:
        """The first value of a header; "" = it has none that a person could have written (see `bus.headers`)."""
        return read_header(self.headers, name)


def ends_answers(delivery: Delivery) -> bool:
    """Whether a stored message is one that nats-server takes for the end of all answers to the request that brought it.

    Between accounts a message without headers and without payload is that; a consumer goes on to give out what follows
    to the same request, and it comes nowhere.
    """
    return not delivery.payload and not delivery.headers


class Status(Struct, frozen=True):
    """What the server says in place of a message: `code` as in HTTP, 0 = it can not be read."""

    code: int
    text: str
    headers: bytes

    def header(self, name: str) -> str:
        return read_header(self.headers, name)


class Place(Struct, frozen=True):
    """Where a delivered message stands, from its reply subject."""

    stream: str
    deliveries: int
    sequence: int
    delivery: int
    stored_at_ns: int
    pending: int


def place_of(reply: bytes) -> Place | None:
    """Read a delivery's reply subject; None = it is none.

    `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>`, with two tokens
    (domain, account hash) before the stream, and one behind, where the server sends the longer form.
    """
    if not reply.startswith(ACK_PREFIX):
        return None
    tokens = reply.split(b".")
    at = 4 if len(tokens) == 9 else 6
    try:
        return Place(
            tokens[at - 2].decode(),
            int(tokens[at]),
            int(tokens[at + 1]),
            int(tokens[at + 2]),
            int(tokens[at + 3]),
            int(tokens[at + 4]),
        )
    except (IndexError, ValueError):
        return None


def status_of(delivery: Delivery) -> Status:
    """What the server says where it gives no message."""
    found = _STATUS.match(delivery.headers)
    if found is None:
        return Status(0, printable(delivery.headers[:200]), delivery.headers)
    return Status(int(found[1]), printable(found[2] or b""), delivery.headers)


def from_consumer(delivery: Delivery, last_delivery: int) -> Received | None:
    """A message of a pull consumer, after the one numbered `last_delivery`; None = the server says something."""
    place = place_of(delivery.reply)
    if place is None:
        return None
    block = delivery.headers[:-2]
    return Received(
        subject=printable(delivery.subject),
        payload=delivery.payload,
        stream=place.stream,
        sequence=place.sequence,
        stored_at=EPOCH + timedelta(microseconds=place.stored_at_ns // 1000),
        message_id=read_header(block, MESSAGE_ID_HEADER),
        pending=place.pending,
        delivery=place.delivery,
        continues=place.delivery == last_delivery + 1,
        deliveries=place.deliveries,
        headers=block,
    )


def from_direct_get(delivery: Delivery) -> Received | None:
    """A stored message that was asked for; None = the answer is none.

    The server takes the last two bytes off the stored block (or, of one so short, all), and puts its own lines there.
    No subject has a space in it, so the last `Nats-Stream: ` is the server's.
    """
    headers = delivery.headers
    at = headers.rfind(_STREAM_LINE)
    found = _PLACE.fullmatch(headers, at) if at >= 0 else None
    if found is None:
        return None
    block = headers[:at]
    return Received(
        subject=printable(found[2]),
        payload=delivery.payload,
        stream=printable(found[1]),
        sequence=int(found[3]),
        stored_at=_parse_time(found[4].decode("ascii")),
        message_id=read_header(block, MESSAGE_ID_HEADER),
        pending=int(found[5] or b"0"),
        headers=block,
    )


def from_core(delivery: Delivery) -> Received:
    """A message of core NATS."""
    block = delivery.headers[:-2]
    message_id = read_header(block, MESSAGE_ID_HEADER)
    return Received(printable(delivery.subject), delivery.payload, "", 0, EPOCH, message_id, 0, headers=block)


def _parse_time(text: str) -> datetime:
    """RFC 3339 with up to nine digits of a second; `fromisoformat` of Python 3.11 takes six."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return at + timedelta(microseconds=int(fraction.ljust(9, "0")[:9]) // 1000) if fraction else at

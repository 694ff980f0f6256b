"""Frames and text fields of the TWS socket protocol, both ways.

Owns the form: a frame is a 4-byte big-endian length and that many bytes, which are text fields, each ended by NUL.
It must not know what any field means, and does no input or output.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

FRAME_BYTES_MAX = 0xFFFFFF
"""A longer frame is no frame but garbage: IB's own client gives up at this length (`ibapi.common.MAX_MSG_LEN`)."""

UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"

_INTEGER_MAX = 2**63 - 1
_NUMBER_CHARS_MAX = 40

Value = str | int | bool | Decimal | None


class WireError(Exception):
    """The client broke the framing; nothing after that can be read, so the connection ends."""


class FieldError(Exception):
    """A field can not be read. The client's fault; its request is refused, the connection lives.

    `field` is the field's name, `value` what stood there, `reason` the words TWS uses for it.
    """

    def __init__(self, field: str, value: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.value = value
        self.reason = reason


def text_of(value: Value) -> str:
    """Write one field: booleans 1/0, None empty, decimals plainly and without trailing zeros."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return decimal_text(value)
    return str(value)


def decimal_text(value: Decimal) -> str:
    """Write a decimal as TWS does: plain digits, no exponent, at least one digit after the point if any."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def encode_frame(fields: Iterable[Value]) -> bytes:
    """Make the frame of a message. A NUL inside a text would split the field, so it becomes a space."""
    payload = "".join(text_of(value).replace("\0", " ") + "\0" for value in fields).encode("utf-8", "replace")
    return struct.pack(">I", len(payload)) + payload


def decode_fields(payload: bytes) -> list[str]:
    """The fields of a frame's payload. Bytes that are no UTF-8 are kept visible as `\\xNN`.

    Raises WireError if the last field is not ended: TWS waits for the NUL for ever, a simulator says so.
    """
    if not payload.endswith(b"\0"):
        raise WireError("the message's last field is not ended by NUL")
    return payload[:-1].decode("utf-8", "backslashreplace").split("\0")


class FrameSplitter:
    """Cut a stream of bytes into payloads. Holds at most one incomplete frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they come and return the payloads that are now complete. Raises WireError on garbage."""
        self._buffer += data
        payloads = []
        start = 0
        while len(self._buffer) - start >= 4:
            (length,) = struct.unpack_from(">I", self._buffer, start)
            if length > FRAME_BYTES_MAX or length == 0:
                raise WireError(f"a message of {length} bytes")
            if len(self._buffer) - start - 4 < length:
                break
            payloads.append(bytes(self._buffer[start + 4 : start + 4 + length]))
            start += 4 + length
        del self._buffer[:start]
        return payloads

    def take(self, count: int) -> bytes | None:
        """The next `count` raw bytes (the `API` greeting stands before any frame), or None while they are missing."""
        if len(self._buffer) < count:
            return None
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def push(self, data: bytes) -> None:
        """Take bytes without cutting them."""
        self._buffer += data

    def __len__(self) -> int:
        return len(self._buffer)


def integer_of(name: str, text: str) -> int | None:
    """Read an integer field; empty and TWS's unset value are None. Raises FieldError."""
    if text == "" or text == UNSET_INTEGER:
        return None
    body = text[1:] if text[:1] in "+-" else text
    if not (body.isascii() and body.isdigit()) or len(body) > 19 or abs(int(text)) > _INTEGER_MAX:
        raise FieldError(name, text, number_format(text))
    return int(text)


def number_of(name: str, text: str) -> Decimal | None:
    """Read a decimal field; empty and TWS's unset value are None. NaN is refused. Raises FieldError."""
    if text == "" or text.upper().replace("E+", "E") == UNSET_DOUBLE:
        return None
    if text == "Infinite":  # ibapi's word; only `competeAgainstBestOffset` means something by it
        return Decimal("Infinity")
    try:
        value = Decimal(text) if len(text) <= _NUMBER_CHARS_MAX and text.isascii() and "_" not in text else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite() or abs(value.adjusted()) > 30:
        raise FieldError(name, text, number_format(text))
    return value


def flag_of(name: str, text: str) -> bool:
    """Read a boolean field: 1 or 0, empty is 0. Raises FieldError."""
    if text in ("1", "0", ""):
        return text == "1"
    raise FieldError(name, text, number_format(text))


def number_format(text: str) -> str:
    """TWS's words for a field that should be a number: those of the Java method that reads it."""
    shown = text if len(text) <= 80 else text[:80] + "..."
    return f'Unable to parse data. java.lang.NumberFormatException: For input string: "{shown}"'


class FieldReader:
    """Read a message's fields one after another, by name, so that a refusal can say which one was wrong."""

    def __init__(self, fields: Sequence[str], server_version: int) -> None:
        self._fields, self.server_version = fields, server_version
        self._next = 0

    def text(self, name: str) -> str:
        """The next field as it stands. Raises FieldError if the message ends before it."""
        if self._next >= len(self._fields):
            raise FieldError(name, "", f"the message ends before {name}")
        value = self._fields[self._next]
        self._next += 1
        return value

    def integer(self, name: str) -> int:
        """The next field as an integer. Raises FieldError if it is empty or none."""
        text = self.text(name)
        value = integer_of(name, text)
        if value is None:
            raise FieldError(name, text, number_format(text))
        return value

    def integer_or(self, name: str, default: int) -> int:
        value = integer_of(name, self.text(name))
        return default if value is None else value

    def number(self, name: str) -> Decimal | None:
        return number_of(name, self.text(name))

    def flag(self, name: str) -> bool:
        return flag_of(name, self.text(name))

    def count(self, name: str, most: int) -> int:
        """The next field as the length of a list. Raises FieldError outside 0..most."""
        value = self.integer_or(name, 0)
        if not 0 <= value <= most:
            raise FieldError(name, str(value), f"{name} must be from 0 to {most}")
        return value

    def end(self) -> None:
        """Raise FieldError if anything is left: then an earlier field was read as something that it is not."""
        if self._next < len(self._fields):
            left = len(self._fields) - self._next
            raise FieldError("message", self._fields[self._next], f"{left} fields more than the message has")

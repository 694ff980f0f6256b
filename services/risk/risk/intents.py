"""Reads an intent from bytes that anybody may have written.

Owns what counts as readable at all: JSON of a bounded size, the known fields with the right types, numbers that can be
reckoned with, times of this century, texts of a bounded length. What is readable may still be nonsense: that is for
the checks to say. Pure; no input makes it raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from signalbox import messages
from signalbox.messages import (
    NEVER,
    CancelIntent,
    FlattenIntent,
    Intent,
    ListLeg,
    MassCancelIntent,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    PositionIntent,
    PriceOffset,
    TimedStep,
)
from signalbox.streams import INTENT_BYTES_MAX

PAYLOAD_BYTES_MAX = INTENT_BYTES_MAX
TEXT_CHARACTERS_MAX = 256
DIGITS_MAX = 20
WHOLE_DIGITS_MAX = 15
DECIMALS_MAX = 12
FIRST_YEAR, LAST_YEAR = 2000, 2100

_NUMBERS = ("quantity", "limit_price", "stop_price", "display_quantity", "share", "percent", "amount")
_TRAIL = ("trail_amount", "trail_percent", "limit_offset", "activation_price")
"""Of an order; the offset of a leg's limit is none of these."""
_LEG_TRAIL = ("trail_amount", "trail_percent")
_NUMBER = re.compile(r"[0-9.eE+-]+|[+-]?s?nan|[+-]?inf(?:inity)?", re.IGNORECASE | re.ASCII)
"""What is not finite has a sentence of its own."""


class _Numbers(msgspec.Struct):
    """Numbers as they were written."""

    quantity: msgspec.Raw = msgspec.Raw()
    limit_price: msgspec.Raw = msgspec.Raw()
    stop_price: msgspec.Raw = msgspec.Raw()
    display_quantity: msgspec.Raw = msgspec.Raw()
    share: msgspec.Raw = msgspec.Raw()
    percent: msgspec.Raw = msgspec.Raw()


class _WrittenOffset(msgspec.Struct):
    amount: msgspec.Raw = msgspec.Raw()


class _WrittenLeg(_Numbers):
    trail_amount: msgspec.Raw = msgspec.Raw()
    trail_percent: msgspec.Raw = msgspec.Raw()
    limit_offset: _WrittenOffset | None = None
    stop_offset: _WrittenOffset | None = None


class _WrittenStep(msgspec.Struct):
    stop_price: msgspec.Raw = msgspec.Raw()
    trail_amount: msgspec.Raw = msgspec.Raw()
    trail_percent: msgspec.Raw = msgspec.Raw()
    offset: _WrittenOffset | None = None


class _Written(_Numbers):
    timed: tuple[_WrittenStep, ...] = ()
    trail_amount: msgspec.Raw = msgspec.Raw()
    trail_percent: msgspec.Raw = msgspec.Raw()
    limit_offset: msgspec.Raw = msgspec.Raw()
    activation_price: msgspec.Raw = msgspec.Raw()
    legs: tuple[_WrittenLeg, ...] = ()


_written = msgspec.json.Decoder(_Written)
_TIMES = ("at", "valid_until", "good_till", "not_before")
_TEXTS = ("id", "cause", "venue", "symbol", "account", "strategy", "note", "order_id", "group")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no intent; `reason` is a sentence for who wrote them."""

    reason: str


def read_intent(payload: bytes, sent_at: datetime = NEVER) -> Intent | Unreadable:
    """Read an intent, its times in UTC; any bytes may be given. One that leaves `at` out is of `sent_at`, desk time."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return Unreadable(f"the message has {len(payload)} bytes; an intent has at most {PAYLOAD_BYTES_MAX}")
    if not payload:
        return Unreadable("the message is empty")
    try:
        intent: Intent = messages.decode(payload, Intent)
    except msgspec.ValidationError as error:
        return Unreadable(f"not an intent: {error}")
    except (msgspec.DecodeError, UnicodeError) as error:
        return Unreadable(f"not JSON: {error}")
    except RecursionError:
        return Unreadable("not an intent: it is nested too deeply")
    mistake = _absurd_text(intent) or _foreign_number(payload) or _absurd_number(intent) or _absurd_time(intent)
    if mistake:
        return Unreadable(mistake)
    return _in_utc(msgspec.structs.replace(intent, at=sent_at) if intent.at == NEVER else intent)


class Head(msgspec.Struct, frozen=True):
    """What of an intent says whose turn it is."""

    type: str = ""
    id: str = ""
    order_id: str = ""

    @property
    def cancels(self) -> str:
        """The order that a cancel is about; the empty text of anything else."""
        return self.order_id if self.type == CancelIntent.__name__ else ""

    @property
    def cancels_many(self) -> bool:
        return self.type in (MassCancelIntent.__name__, FlattenIntent.__name__)


_NO_HEAD = Head()
_decode_head = msgspec.json.Decoder(Head).decode


def read_head(payload: bytes) -> Head:
    """Look at the beginning of an intent, quickly; of what can not be read there is nothing to see."""
    try:
        head = _decode_head(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _NO_HEAD
    return head if max(len(head.id), len(head.order_id)) <= TEXT_CHARACTERS_MAX else _NO_HEAD


class _Id(msgspec.Struct, frozen=True):
    id: str = ""


_decode_id = msgspec.json.Decoder(_Id).decode
_ID_IN_TEXT = re.compile(rb'"id"\s*:\s*"([A-Za-z0-9-]{1,64})"')


def read_id(payload: bytes) -> str:
    """What can be seen of the id of an intent that can not be read: its sender waits for a word on it; "" = nothing."""
    try:
        name = _decode_id(payload).id
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        found = _ID_IN_TEXT.search(payload[:PAYLOAD_BYTES_MAX])
        name = found[1].decode() if found is not None else ""
    return name if len(name) <= TEXT_CHARACTERS_MAX else ""


def _absurd_text(intent: Intent) -> str:
    texts = [(name, getattr(intent, name, "")) for name in _TEXTS]
    texts += [("a leg's name", leg.name) for leg in _legs_of(intent)]
    for name, text in texts:
        if len(text) > TEXT_CHARACTERS_MAX:
            return f"{name} has {len(text)} characters; at most {TEXT_CHARACTERS_MAX} are read"
    return ""


def _foreign_number(payload: bytes) -> str:
    """Refuse what only Python takes for a number: digits of other scripts, underscores, spaces.

    How a number was written is lost once it is one.
    """
    written = _written.decode(payload)
    parts: list[_Numbers | _WrittenOffset | _WrittenStep] = [written, *written.legs, *written.timed]
    parts += [step.offset for step in written.timed if step.offset is not None]
    parts += [offset for leg in written.legs for offset in (leg.limit_offset, leg.stop_offset) if offset is not None]
    for part in parts:
        for name in (*_NUMBERS, *(_TRAIL if part is written else _LEG_TRAIL)):
            raw = bytes(getattr(part, name, b""))
            if raw.startswith(b'"') and not _NUMBER.fullmatch(msgspec.json.decode(raw)):
                return f"{name} is not written as a number: digits 0 to 9, a point and a sign are read"
    return ""


def _with_numbers(
    intent: Intent,
) -> Iterator[OrderIntent | ModifyIntent | PositionIntent | ListLeg | TimedStep | PriceOffset]:
    """All that has numbers in it."""
    if isinstance(intent, OrderIntent | ModifyIntent | PositionIntent):
        yield intent
    elif isinstance(intent, OrderListIntent):
        yield from intent.legs
        for leg in intent.legs:
            yield from (offset for offset in (leg.limit_offset, leg.stop_offset) if offset is not None)
        yield from intent.timed
        yield from (step.offset for step in intent.timed if step.offset is not None)


def _absurd_number(intent: Intent) -> str:
    """Refuse by digits and exponent, before any arithmetic: 1E+999999 plus 1 has a million digits."""
    for part in _with_numbers(intent):
        for name in (*_NUMBERS, *(_TRAIL if isinstance(part, OrderIntent) else _LEG_TRAIL)):
            number: Decimal | None = getattr(part, name, None)
            if number is None:
                continue
            _, digits, exponent = number.as_tuple()
            if not isinstance(exponent, int):
                return f"{name} is {number}: a number is needed"
            if len(digits) > DIGITS_MAX or len(digits) + exponent > WHOLE_DIGITS_MAX or exponent < -DECIMALS_MAX:
                return (
                    f"{name} is too large or too precise: at most {WHOLE_DIGITS_MAX} digits before the point "
                    f"and {DECIMALS_MAX} behind it are read"
                )
    return ""


def _absurd_time(intent: Intent) -> str:
    for part in (intent, *_legs_of(intent)):
        for name in _TIMES:
            at: datetime | None = getattr(part, name, None)
            if at is not None and at != NEVER and not FIRST_YEAR < at.year < LAST_YEAR:
                return f"{name} is in the year {at.year}: is that meant?"
    return ""


def _legs_of(intent: Intent) -> tuple[ListLeg, ...]:
    return intent.legs if isinstance(intent, OrderListIntent) else ()


def _in_utc(intent: Intent) -> Intent:
    """The same instants in UTC, so that equal intents are equal bytes."""
    changes: dict[str, object] = {
        name: at.astimezone(UTC)
        for name in _TIMES
        if (at := getattr(intent, name, None)) is not None and at.tzinfo is not UTC
    }
    legs = tuple(
        [
            leg if leg.good_till is None else msgspec.structs.replace(leg, good_till=leg.good_till.astimezone(UTC))
            for leg in _legs_of(intent)
        ]
    )
    if legs:
        changes["legs"] = legs
    return msgspec.structs.replace(intent, **changes) if changes else intent

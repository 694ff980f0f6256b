"""What the words of a command line must look like; each refusal says what to write instead. Pure."""

from __future__ import annotations

import argparse
import math
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from signalbox.decimals import is_decimal_text
from signalbox.errors import SymbolError
from signalbox.instruments import parse_symbol

SUBJECT_CHARACTERS_MAX = 2_000
"""NATS ends the connection over one of twice as many."""


def decimal_number(text: str) -> Decimal:
    """A finite number, digit by digit as it was typed."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not number.is_finite():
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    if not is_decimal_text(text):
        raise argparse.ArgumentTypeError(f"{text[:60]!a} is not written as a number: use digits, as 470.25")
    return number


def quantity_or_percent(text: str) -> tuple[Decimal, Decimal | None]:
    """A quantity, or none and `25%`: so much of what is held."""
    number = decimal_number(text.removesuffix("%"))
    return (Decimal(0), number) if text.endswith("%") else (number, None)


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def size(text: str) -> int:
    """A number of bytes as nats.conf writes them: `20GB`, `512MB` (of 1024 each)."""
    found = re.fullmatch(r"([0-9]+)(MB|GB|TB)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write it like 512MB or 20GB")
    return int(found[1]) * {"MB": 1024**2, "GB": 1024**3, "TB": 1024**4}[found[2]]


def speed(text: str) -> float:
    """Desk seconds per second, above 0."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed: it must be above 0")
    return number


def symbol(text: str) -> str:
    """The canonical form of a symbol: `700` is `0700.HK`."""
    try:
        return parse_symbol(text).canonical
    except SymbolError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def subject(text: str) -> str:
    """A NATS subject or pattern: tokens between points, `*` for any one, `>` at the end for all that follow."""
    tokens = text.split(".")
    odd = any(not token or any(char.isspace() for char in token) for token in tokens) or not text.isprintable()
    if len(text) > SUBJECT_CHARACTERS_MAX:
        raise argparse.ArgumentTypeError(f"{text[:60]!r}... has {len(text)} characters, and is no subject")
    if odd or ">" in tokens[:-1]:
        raise argparse.ArgumentTypeError(f"{text!r} is not a subject like md.quote.* or order.>")
    return text


def day(text: str) -> datetime:
    """The beginning of a day of UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-01-31") from None


def time(text: str) -> datetime:
    """A time with its zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-01-31T21:00:00Z") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone: end it with Z or +01:00")
    return at

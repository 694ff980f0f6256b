"""What is wrong with the keys and types of a TOML document that should become a struct, and the words to say it in.

Every mistake is a sentence: the path (tables of an array counted from 1), what was found, what to do. It must not know
what the document is about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from signalbox.decimals import DIGITS_MAX, EXPONENT_MAX, is_decimal_text, is_sane

WHOLE_NUMBER_MAX = 1_000_000_000
"""Seconds, bars, counts of orders: more is a slip, and seconds beyond that are no time any more."""


def shape_mistakes(kind: type[Struct], document: dict[str, Any]) -> Iterator[str]:
    """Yield every key that is unknown or missing and every value of a wrong type, to any depth."""
    return _table(kind, document, "")


def _shape(hint: Any, value: object, path: str) -> Iterator[str]:
    if isinstance(hint, type) and issubclass(hint, Struct):
        yield from _table(hint, value, path)
    elif get_origin(hint) is dict:
        if not isinstance(value, dict):
            yield f"{path} is {shown(value)}: it must be a table."
            return
        for key, item in value.items():
            yield from _shape(get_args(hint)[1], item, f"{path}.{shown_key(key)}")
    elif get_origin(hint) is tuple:
        if not isinstance(value, list):
            yield f"{path} is {shown(value)}: it must be an array."
            return
        for number, item in enumerate(value, 1):
            yield from _shape(get_args(hint)[0], item, f"{path}[{number}]")
    elif not _is_a(hint, value):
        yield f"{path} is {shown(value)}: it must be {_words(hint, value)}."


def _table(kind: type[Struct], value: object, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path} is {shown(value)}: it must be a table."
        return
    hints = get_type_hints(kind)
    prefix = f"{path}." if path else ""
    for key in (key for key in value if key not in hints):
        yield f"{prefix}{shown_key(key)} is no key that is read: {instead_of(key, hints.keys() - value.keys())}"
    for field in msgspec.structs.fields(kind):
        if field.name in value:
            yield from _shape(hints[field.name], value[field.name], f"{prefix}{field.name}")
        elif field.required:
            yield f"{prefix}{field.name} is missing: state it, there is no default."


def _is_a(hint: Any, value: object) -> bool:
    if isinstance(value, bool) and hint in (float, Decimal):
        return False
    if isinstance(value, str) and hint is Decimal:
        return is_decimal_text(value)
    if isinstance(value, int | Decimal) and hint in (float, Decimal):
        return is_sane(Decimal(value)) or not Decimal(value).is_finite()  # of those the desk's own rules speak
    if isinstance(value, int) and hint is int:
        return not isinstance(value, bool) and abs(value) <= WHOLE_NUMBER_MAX
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def _words(hint: Any, value: object) -> str:
    if issubclass(hint, StrEnum):
        return any_of(hint)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return f"at most {WHOLE_NUMBER_MAX}"
    if hint in (float, Decimal) and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"a number of at most {DIGITS_MAX} digits, below 1e{EXPONENT_MAX} and not finer than 1e-{EXPONENT_MAX}"
    named = {
        str: "a text in quotes",
        int: "a whole number",
        float: "a number",
        Decimal: 'a decimal number, as "0.05"',
    }
    return named[hint]


def instead_of(found: str, allowed: Collection[str]) -> str:
    """End a sentence with what was probably meant, or else with all there is."""
    close = get_close_matches(found, sorted(allowed), n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"there is {', '.join(sorted(allowed))}." if allowed else "take it out."


def any_of(kind: type[StrEnum]) -> str:
    """List the words of an enum, in quotes."""
    return " or ".join(f'"{word.value}"' for word in kind)


def shown_key(key: str) -> str:
    """Write a key as a line can take it: what is in a file may be meant for the terminal."""
    return key if key.isascii() and key.isprintable() and len(key) <= 60 else shown(key)


def shown(value: object) -> str:
    """Write a value as in TOML, cut to what a line can take."""
    try:
        text = str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else ascii(value)
    except ValueError:  # Python writes out no number that long, and reads it in hexadecimal digits
        return "a number of thousands of digits"
    text = {"True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= 60 else text[:57] + "..."

"""Decimal numbers that come from outside: which texts are one.

Python reads far more: digits of every script, underscores, NaN, Infinity, and 1e999999, whose sum with 1 takes a
million digits. Owns the form that the desk takes from people, programs and files: ASCII digits, of a size that money
has.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

DIGITS_MAX = 40
EXPONENT_MAX = 30
"""Of the first digit, and of the last: 1e30 and 1e-30 are numbers of the desk, 1e31 is a slip."""

_FORM = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_CHARACTERS_MAX = 80


def is_decimal_text(text: str) -> bool:
    """Whether a text is a decimal number in the desk's form."""
    return len(text) <= _CHARACTERS_MAX and _FORM.fullmatch(text) is not None and is_sane(Decimal(text))


def can_be_reckoned_with(value: object) -> bool:
    """Whether every decimal in a message, to any depth, is sane: what a program sends may decode and be none."""
    if isinstance(value, Decimal):
        return is_sane(value)
    if isinstance(value, Struct):
        for name in _fields_with_numbers(type(value)):
            part = getattr(value, name)
            if part is not None and not can_be_reckoned_with(part):
                return False
        return True
    if isinstance(value, tuple | list):
        return all(map(can_be_reckoned_with, value))
    return not isinstance(value, dict) or all(map(can_be_reckoned_with, value.values()))


_WITHOUT_NUMBERS = (str, bytes, bool, int, float, datetime, Enum, type(None))


@cache
def _fields_with_numbers(kind: type[Struct]) -> tuple[str, ...]:
    """The fields of a struct in which a decimal may stand, by their types: a decision has some 150 without.

    A type that is not known to hold none may hold one. One that `is_only_told` has numbers that nobody reckons with.
    """
    if getattr(kind, "is_only_told", False):
        return ()
    try:
        return tuple(field.name for field in fields(kind) if _may_hold_a_number(field.type))
    except NameError:  # of a class within a function, whose annotations nobody else can look up
        return kind.__struct_fields__


def _may_hold_a_number(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _may_hold_a_number(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType, tuple, list, dict):
        return any(_may_hold_a_number(part) for part in get_args(kind) if part is not Ellipsis)
    if isinstance(kind, type) and issubclass(kind, Struct):
        return bool(_fields_with_numbers(kind))
    return not (isinstance(kind, type) and issubclass(kind, _WITHOUT_NUMBERS))


def is_sane(number: Decimal) -> bool:
    """Whether a number is finite, and its digits are within what the desk calculates with."""
    if not number.is_finite():
        return False
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    return (
        len(digits) <= DIGITS_MAX
        and exponent >= -EXPONENT_MAX
        and (exponent if number.is_zero() else number.adjusted()) <= EXPONENT_MAX
    )

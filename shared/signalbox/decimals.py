"""Decimal numbers that come from outside: which texts are one.

Python reads far more: digits of every script, underscores, NaN, Infinity, and 1e999999, whose sum with 1 takes a
million digits. Owns the form that the desk takes from people, programs and files: ASCII digits, of a size that money
has.
"""

from __future__ import annotations

import re
from decimal import Decimal

from msgspec import Struct

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
        return all(can_be_reckoned_with(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, tuple | list):
        return all(map(can_be_reckoned_with, value))
    return not isinstance(value, dict) or all(map(can_be_reckoned_with, value.values()))


def is_sane(number: Decimal) -> bool:
    """Whether a number is finite, and its digits are within what the desk calculates with."""
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return (
        len(number.as_tuple().digits) <= DIGITS_MAX
        and exponent >= -EXPONENT_MAX
        and (exponent if number.is_zero() else number.adjusted()) <= EXPONENT_MAX
    )

"""Printing: tables for people, JSON lines for programs."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

from signalbox.addresses import without_password

CELL_CHARACTERS_MAX = 80
"""A symbol is shown whole: those of tokens that anybody may list have some 65."""
DECIMALS_MAX, DIGITS_BELOW_ONE_MAX = 4, 6
_FRACTION = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$")


def show(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, as_json: bool, empty: str, as_csv: bool = False
) -> None:
    """Print rows: one JSON object a line, CSV with its names, or a table (`empty` when there is none)."""
    if as_csv:
        _show_csv(columns, rows)
        return
    if as_json:
        for row in rows:
            show_json(dict(zip(columns, row, strict=True)))
        return
    if not rows:
        print(empty)
        return
    cells = [[cell(value) for value in row] for row in rows]
    names = [printable(name) for name in columns]
    widths = [max(len(name), *(len(row[index]) for row in cells)) for index, name in enumerate(names)]
    print("  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip())
    for row, values in zip(cells, rows, strict=True):
        padded = (
            text.rjust(width) if is_number(value) else text.ljust(width)
            for text, width, value in zip(row, widths, values, strict=True)
        )
        print("  ".join(padded).rstrip())


def _show_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Every digit, as with JSON; what is not there is an empty field."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(columns)
    for row in rows:
        lines.writerow([printable(csv_value(value)) for value in row])


def csv_value(value: Any) -> str:
    """A value as a field of CSV, every digit; what is not there is an empty field."""
    if value is None:
        return ""
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def show_json(value: Any) -> None:
    """Print a line of JSON. What a terminal would act upon is written as `\\uXXXX`: a program reads the same."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    print(text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text))


def cell(value: Any) -> str:
    """A value for people: decimals rounded and without trailing zeros, times to the second, long texts cut."""
    if value is None:
        return "-"
    if isinstance(value, dict | list):
        value = json.dumps(value, default=str, ensure_ascii=False)
    text = _FRACTION.sub(r"\1Z", printable(str(value)))
    if is_number(value):
        return number_for_people(value)
    if len(text) > CELL_CHARACTERS_MAX:
        return text[: CELL_CHARACTERS_MAX - 1] + "…"
    return text


def number_for_people(value: object) -> str:
    """A number rounded to what a person reads: four decimals, below one six digits; all of its digits before the point.

    What is no number stays as it is written.
    """
    text = str(value)
    if not is_number(value) or "." not in text or not is_number(text):
        return text
    number = Decimal(text)
    decimals = DECIMALS_MAX if abs(number) >= 1 or not number else DIGITS_BELOW_ONE_MAX - 1 - number.adjusted()
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or -exponent <= decimals:
        return text.rstrip("0").rstrip(".")
    step, room = Decimal(1).scaleb(-decimals), Context(prec=len(digits) + DIGITS_BELOW_ONE_MAX)
    rounded = f"{number.quantize(step, context=room):f}"
    return rounded.rstrip("0").rstrip(".")


def printable(text: str) -> str:
    """The text without what would move a terminal's cursor: what others have sent may hold anything."""
    return text if text.isprintable() else re.sub(r" +", " ", "".join(c if c.isprintable() else " " for c in text))


def is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    if not isinstance(value, str):
        return False
    digits = value.removeprefix("-")
    return digits.replace(".", "", 1).isdigit()


def complain(*lines: str) -> None:
    """Say on standard error what went wrong."""
    for line in lines:
        print(f"signalbox: {printable(without_password(line))}", file=sys.stderr)

"""What a desk file asks for beside the set of indicators: its tables `[levels]` and `[[studies]]`, and their rules.

Owns their shape. Which studies there are, and which parameters each has, is known where they are computed: the
indicator service and `signalbox scores history` say so at their start.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct

from signalbox.toml_shape import instead_of, shown, shown_key

STUDIES_MAX = 64
PARAMETER_MAX = 10_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class LevelsParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """N6: of which timeframes' bars the day's levels are told (none = none are), and how long its opening range is."""

    timeframes: tuple[str, ...] = ()
    opening_range_minutes: int = 15


class DeskStudy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An indicator beside the set: under `name` in the scores, `formula` as docs/indicators.md has it (left out: as
    `name`), on `symbols` and `timeframes` of the desk (left out: on all). Of several of one name the last that fits a
    series counts: so one symbol has other parameters than the rest."""

    name: str
    formula: str = ""
    parameters: dict[str, float] = {}
    symbols: tuple[str, ...] = ()
    timeframes: tuple[str, ...] = ()


def study_rules(studies: object, symbols: Collection[str], timeframes: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each mistake in the tables `[[studies]]` of a desk of these symbols and timeframes."""
    if not isinstance(studies, list):
        return
    if len(studies) > STUDIES_MAX:
        yield f"studies has {len(studies)} tables: {STUDIES_MAX} at most, each costs time at every bar."
        return
    for number, table in enumerate(studies, 1):
        if isinstance(table, dict):
            yield from _table_rules(f"studies[{number}]", table, symbols, timeframes)


def levels_rules(table: dict[str, Any], scored: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each mistake in the table `[levels]` of a desk that scores these timeframes."""
    wanted, minutes = table.get("timeframes"), table.get("opening_range_minutes", 1)
    for number, text in enumerate(wanted if isinstance(wanted, list) else (), 1):
        if isinstance(text, str) and text not in scored:
            yield f"levels.timeframes[{number}] is {shown(text)}, not one of the desk's: {instead_of(text, scored)}"
        elif text == "1d":
            yield f"levels.timeframes[{number}] is a whole day's: a day has its levels by shorter bars."
    if isinstance(minutes, int) and not isinstance(minutes, bool) and not 1 <= minutes <= 720:
        yield f"levels.opening_range_minutes is {shown(minutes)}: it must be from 1 to 720."


def _table_rules(
    path: str, table: dict[str, Any], symbols: Collection[str], timeframes: Collection[str]
) -> Iterator[str]:
    for key in ("name", "formula"):
        text = table.get(key)
        if isinstance(text, str) and not _NAME.fullmatch(text) and (text or key == "name"):
            yield f"{path}.{key} is {shown(text)}: write small letters, digits and _, up to 32 of them."
    for key, there in (("symbols", symbols), ("timeframes", timeframes)):
        wanted = table.get(key)
        for position, text in enumerate(wanted if isinstance(wanted, list) else (), 1):
            if isinstance(text, str) and text not in there:
                yield f"{path}.{key}[{position}] is {shown(text)}, not one of the desk's: {instead_of(text, there)}"
    parameters = table.get("parameters")
    for name, value in (parameters if isinstance(parameters, dict) else {}).items():
        number = Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None
        if number is not None and not (number.is_finite() and 0 <= number <= PARAMETER_MAX):
            yield f"{path}.parameters.{shown_key(name)} is {shown(value)}: it must be from 0 to {PARAMETER_MAX}."

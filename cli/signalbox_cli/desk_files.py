"""Desk files made of another: the same desk with fewer venues, or with one symbol alone.

Owns which tables of the file stay; what stays is kept as it was written, comments too.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from signalbox.client.wishes import venue_of
from signalbox.desk import load_desk
from signalbox.instruments import parse_symbol

_TABLE = re.compile(r"^(?=\[)", re.M)
_NAMED = re.compile(r"\[+([^\]\n]+)\]+")


def replayed_symbol(bars: Path) -> str:
    """The symbol of a file of bars, by its name: `SPY_2011-01_eth.parquet` -> SPY."""
    return parse_symbol(bars.stem.split("_", 1)[0]).canonical


def with_venue_alone(text: str, venue: str) -> str:
    """The desk at one of its venues."""
    return "".join(table for table in _TABLE.split(text) if _is_of(table, venue))


def with_symbol_alone(text: str, symbol: str) -> str:
    """The desk with one symbol, at the venue that trades it, whether the file lists it or not."""
    venue = venue_of(symbol)
    kept = [table for table in _TABLE.split(with_venue_alone(text, venue)) if not table.startswith("[[instruments]]")]
    listed = f'[[instruments]]\nvenue = "{venue}"\nsymbol = "{symbol}"\n\n'
    head, *tables = kept
    return "".join([head, listed, *tables])


def write_desk_file(source: Path, folder: Path, bars: Path | None) -> Path:
    """Copy the desk file to `folder`; with a file of bars, the desk trades that symbol alone.

    Raises `ConfigurationError` where what is left is no desk: it has no account at the symbol's venue, say.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "desk.toml"
    text = source.read_text()
    target.write_text(text if bars is None else with_symbol_alone(text, replayed_symbol(bars)))
    load_desk(target)
    return target


def _is_of(table: str, venue: str) -> bool:
    """Whether a table, with its heading, belongs to the desk at that venue."""
    heading = _NAMED.match(table)
    name = heading[1].strip() if heading else ""
    if name.startswith("venues."):
        return name == f"venues.{venue}"
    if name in ("instruments", "commissions"):
        entries: list[dict[str, Any]] = tomllib.loads(table).get(name, [])
        return all(entry.get("venue") == venue for entry in entries)
    return True

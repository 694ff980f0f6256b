"""What the database looks like: the tables, the views, and the tables that are filled typed while recording.

Owns the four files of SQL and the rule when something of them has to be made anew: when its text has changed since.
Nothing is written at a start that changes nothing, so that a database opens on a full disk too.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import duckdb

FILL_ROWS = 20_000
"""So many rows of the raw record are made typed in one transaction when a typed table is filled anew."""

ARRIVED = """
CREATE OR REPLACE TEMP TABLE fresh AS SELECT *, NULL::VARCHAR AS whole FROM recorded LIMIT 0
"""
ARRIVED_VIEW = """
CREATE OR REPLACE TEMP VIEW arrived AS
SELECT stream, generation, sequence, subject, make_timestamptz(stored_at_ns // 1000) AS stored_at, message_id, payload,
       coalesce(whole, payload) AS whole
FROM temp.fresh
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """A table that is filled from each batch of `stream` by `select`, which reads `arrived`."""

    name: str
    stream: str
    select: str

    @property
    def table(self) -> str:
        return f"typed_{self.name}"


def _text(name: str) -> str:
    return resources.files("recorder").joinpath(name).read_text()


def typed_tables() -> tuple[Typed, ...]:
    """Every typed table, as typed.sql declares them."""
    found = []
    for part in _text("typed.sql").split("-- typed: ")[1:]:
        name, _, select = part.partition("\n")
        stream = re.search(r"stream = '(\w+)'", select)
        assert stream is not None, f"{name} in typed.sql does not say which stream it reads"
        found.append(Typed(name.strip(), stream[1], select.strip().removesuffix(";")))
    return tuple(found)


def prepare(connection: duckdb.DuckDBPyConnection, tables: tuple[Typed, ...]) -> None:
    """Make what is missing or has another text than what is written here; fill typed tables from the raw record."""
    _when_changed(connection, "schema", _text("schema.sql"))
    connection.execute(ARRIVED)
    connection.execute(ARRIVED_VIEW)
    changed = [typed for typed in tables if _digest_of(connection, typed.table) != _digest(typed.select)]
    for typed in changed:
        connection.execute(f"CREATE OR REPLACE TABLE {typed.table} AS SELECT * FROM ({typed.select}) LIMIT 0")
    _fill(connection, changed)
    for typed in changed:
        _note(connection, typed.table, _digest(typed.select))
    _when_changed(connection, "views", _text("views.sql"))
    _when_changed(connection, "asking", _text("asking.sql"))


def _fill(connection: duckdb.DuckDBPyConnection, changed: list[Typed]) -> None:
    """Read the raw record once, a slice at a time. Broken off, it begins again: no digest has been noted."""
    if not changed:
        return
    (rows,) = connection.execute("SELECT coalesce(max(rowid) + 1, 0) FROM recorded").fetchone() or (0,)
    for first in range(0, rows, FILL_ROWS):
        connection.begin()
        connection.execute(ARRIVED)
        connection.execute(
            "INSERT INTO temp.fresh SELECT *, NULL FROM recorded WHERE rowid >= ? AND rowid < ?",
            [first, first + FILL_ROWS],
        )
        for typed in changed:
            connection.execute(f"INSERT INTO {typed.table} {typed.select}")
        connection.commit()
        connection.execute("CHECKPOINT")
    connection.execute(ARRIVED)


def _when_changed(connection: duckdb.DuckDBPyConnection, name: str, text: str) -> None:
    if _digest_of(connection, name) != _digest(text):
        connection.execute(text)
        _note(connection, name, _digest(text))


def _note(connection: duckdb.DuckDBPyConnection, name: str, digest: str) -> None:
    connection.execute("DELETE FROM layouts WHERE name = ?", [name])
    connection.execute("INSERT INTO layouts VALUES (?, ?)", [name, digest])


def _digest_of(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    try:
        found = connection.execute("SELECT digest FROM layouts WHERE name = ?", [name]).fetchone()
    except duckdb.CatalogException:  # a file of before, or a new one
        return ""
    return str(found[0]) if found else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""One query, in a copy of the keeper process that lives for nothing else. Owns the bounds that the operating system
holds, the check of the statement, and the way from rows to a reply.

The copy sees the database as it was at the fork. It can write no file (RLIMIT_FSIZE), open none (RLIMIT_NOFILE), take
no more memory than it was given (RLIMIT_AS), and is ended by the kernel when its time is over (ITIMER_REAL) or the
keeper is gone (PR_SET_PDEATHSIG). Whatever it does to itself, nothing of it reaches the keeper: it answers on a socket,
and ends.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from signalbox import messages
from signalbox.messages import QueryReply

from recorder.state import Answer, Outcome
from recorder.statement import SQL_CHARACTERS_MAX, refusal

REPLY_BYTES_MAX = 900_000
FETCH_ROWS = 200
ERROR_CHARACTERS_MAX = 600
SPARE_MEGABYTES = 64
"""Beside what DuckDB may take: Python's objects of a reply, and what DuckDB charges to nobody."""
NICE = 5
"""Recording goes first where both want the processor; with 10, a busy machine runs no query within its time."""
JSON_INTEGER_MAX = 2**63 - 1
PR_SET_PDEATHSIG = 1
INNER_VIEWS = "SELECT DISTINCT view_name FROM duckdb_views() WHERE internal AND schema_name <> 'information_schema'"
"""Each is found by its bare name, pg_settings among them."""

_PLAIN_TYPES = frozenset(
    {
        "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
        "UBIGINT", "FLOAT", "DOUBLE", "VARCHAR",
    }
)  # fmt: skip
_decode_nested = msgspec.json.Decoder(float_hook=Decimal).decode


class RefusedError(Exception):
    """The query may not run. Its text is a sentence for who asked."""


def bound(memory_megabytes: int, deadline_seconds: float, prctl: Any) -> None:
    """Hold this process, a fresh copy, to its bounds. `deadline_seconds` is of the monotonic clock."""
    keeper = os.getppid()
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != keeper:  # it had gone before
        os._exit(1)
    for number in (signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, deadline_seconds - time.monotonic()))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # where memory runs out after all: this one, not the keeper
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    room_bytes = _address_bytes() + (memory_megabytes + SPARE_MEGABYTES) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (room_bytes, room_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _address_bytes() -> int:
    """What this process has mapped now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no Linux: there the address space is not bounded either
        return 2**46


def run(connection: duckdb.DuckDBPyConnection, sql: str, rows_max: int, memory_megabytes: int) -> Answer:
    """Run one statement; every failure is an answer."""
    try:
        connection.execute(f"SET memory_limit = '{memory_megabytes}MB'")
        connection.execute("SET lock_configuration = true")
        statement = checked(connection, sql)
        connection.execute("BEGIN TRANSACTION READ ONLY")
        return Answer(Outcome.ANSWERED, messages.encode(read(connection, statement, rows_max)))
    except RefusedError as error:
        return _refused(str(error))
    except (duckdb.OutOfMemoryException, MemoryError):
        return Answer(Outcome.OUT_OF_MEMORY, b"")
    except UnicodeError:
        return _refused("The query's text or its answer is no text in UTF-8.")
    except duckdb.Error as error:
        if "bad allocation" in str(error) or "bad_alloc" in str(error):
            return Answer(Outcome.OUT_OF_MEMORY, b"")
        return _refused(f"The query failed: {str(error).strip()[:ERROR_CHARACTERS_MAX]}")


def _refused(sentence: str) -> Answer:
    return Answer(Outcome.ANSWERED, messages.encode(QueryReply(error=sentence)))


def checked(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """The statement without its semicolon, if it is one that may run; else `RefusedError`."""
    if len(text) > SQL_CHARACTERS_MAX:
        raise RefusedError(f"The query is longer than {SQL_CHARACTERS_MAX} characters.")
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        raise RefusedError(f"Send exactly one statement: this is {len(statements)}.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise RefusedError(f"Only a SELECT can be run here: this is {statements[0].type.name}.")
    serialized = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    assert serialized is not None
    inner = connection.execute(INNER_VIEWS).fetchall()
    try:
        reason = refusal(msgspec.json.decode(serialized[0]), frozenset(name.lower() for (name,) in inner))
    except RecursionError:
        raise RefusedError("The query is nested too deeply.") from None
    if reason:
        raise RefusedError(reason)
    return statements[0].query.rstrip().rstrip(";")


def read(connection: duckdb.DuckDBPyConnection, sql: str, rows_max: int) -> QueryReply:
    """Run the checked statement inside one of ours, which turns every column into what JSON can carry exactly."""
    described = connection.execute(f"SELECT * FROM (\n{sql}\n) LIMIT 0").description or []
    columns = tuple(str(column[0]) for column in described)
    types = tuple(str(column[1]) for column in described)
    names = [f"c{number}" for number in range(len(columns))]
    expressions = ", ".join(_as_json_can(name, kind) for name, kind in zip(names, types, strict=True))
    nested = [number for number, kind in enumerate(types) if _is_nested(kind)]
    connection.execute(f"SELECT {expressions} FROM (\n{sql}\n) AS t({', '.join(names)}) LIMIT {rows_max + 1}")
    rows: list[tuple[Any, ...]] = []
    room_bytes = REPLY_BYTES_MAX - len(msgspec.json.encode((columns, types)))
    if room_bytes < 0:
        raise RefusedError(f"The names of the columns are larger than {REPLY_BYTES_MAX} bytes: select fewer columns.")
    while fetched := connection.fetchmany(FETCH_ROWS):
        for raw in fetched:
            row = _row(raw, nested)
            room_bytes -= len(messages.encode(QueryReply(rows=(row,))))
            if len(rows) == rows_max or room_bytes < 0:
                if not rows and rows_max:
                    raise RefusedError(
                        f"The first row alone is larger than {REPLY_BYTES_MAX} bytes: select fewer columns."
                    )
                return QueryReply(columns=columns, types=types, rows=tuple(rows), truncated=True)
            rows.append(row)
    return QueryReply(columns=columns, types=types, rows=tuple(rows))


def _is_nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))


def _as_json_can(name: str, kind: str) -> str:
    if kind in _PLAIN_TYPES:
        return name
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind.startswith("DECIMAL") and not kind.endswith(",0)"):
        return f"rtrim(rtrim({name}::VARCHAR, '0'), '.')"
    if _is_nested(kind):
        return f"to_json({name})::VARCHAR"
    return f"{name}::VARCHAR"


def _row(raw: tuple[Any, ...], nested: list[int]) -> tuple[Any, ...]:
    row = [_exact(value) for value in raw]
    for number in nested:
        if row[number] is not None:
            row[number] = _nested(row[number])
    return tuple(row)


def _nested(text: str) -> Any:
    """What DuckDB writes as JSON is not always: `[nan]` and the like stay text."""
    try:
        return _decode_nested(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _exact(value: Any) -> Any:
    """A number that JSON (or its readers) would lose, as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > JSON_INTEGER_MAX:
        return str(value)
    return value

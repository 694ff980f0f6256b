"""The query endpoint: SQL from a request, rows to a reply, within bounds of rows, bytes, time and memory.

Owns the reading side of the database: one thread, one query at a time. It can change nothing: the statement is checked,
runs in a read-only transaction, and the settings of the database are locked.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import duckdb
import msgspec
from signalbox import messages
from signalbox.messages import QueryReply, QueryRequest

from recorder import metrics
from recorder.database import Database
from recorder.memory import give_back
from recorder.settings import Settings
from recorder.statement import SQL_CHARACTERS_MAX, refusal

REPLY_BYTES_MAX = 900_000
FETCH_ROWS = 200
ERROR_CHARACTERS_MAX = 600
INTERRUPT_AGAIN_SECONDS = 0.1
QUIET_SECONDS = 10.0
"""So long after the last query, the memory that only queries need is given back."""
JSON_INTEGER_MAX = 2**63 - 1

_PLAIN_TYPES = frozenset(
    {
        "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
        "UBIGINT", "FLOAT", "DOUBLE", "VARCHAR",
    }
)  # fmt: skip
_decode_nested = msgspec.json.Decoder(float_hook=Decimal).decode


class RefusedError(Exception):
    """The query may not run, or did not come to its end. Its text is a sentence for who asked."""


class Queries:
    """Answers query requests, one at a time, beside the recording."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="query")
        self._waiting = 0
        self._giving_back: asyncio.TimerHandle | None = None
        self._closing, self._timed_out = threading.Event(), threading.Event()

    async def answer(self, payload: bytes, asker: str = "") -> bytes:
        """Answer one request of `asker`; every failure is a reply with an error."""
        try:
            reply = await self._queue(payload)
            metrics.QUERIES.labels("error" if reply.error else "ok").inc()
        except Exception as error:  # the endpoint's outer edge: whatever it is, who asked gets to know
            metrics.QUERIES.labels("failed").inc()
            reply = QueryReply(error=f"The recorder could not run the query: {type(error).__name__}.")
        return messages.encode(reply)

    def close(self) -> None:
        """Interrupt what runs and wait for its end."""
        self._closing.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _queue(self, payload: bytes) -> QueryReply:
        try:
            request: QueryRequest = messages.decode(payload, QueryRequest)
        except msgspec.DecodeError as error:
            return QueryReply(error=f"Not a query request: {error}.")
        if self._waiting >= self._settings.queries_waiting_max:
            return QueryReply(error=f"The recorder is busy: {self._waiting} queries are waiting. Try again later.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, request)
        finally:
            self._waiting -= 1
            self._give_back_when_quiet()

    def _give_back_when_quiet(self) -> None:
        if self._giving_back is not None:
            self._giving_back.cancel()
        self._giving_back = asyncio.get_running_loop().call_later(QUIET_SECONDS, give_back)

    def _run(self, request: QueryRequest) -> QueryReply:
        rows_max = max(0, min(request.row_limit, self._settings.query_rows_max))
        cursor = self._database.open_reader()
        self._timed_out.clear()
        try:
            with metrics.QUERY_SECONDS.time(), self._bounded(cursor):
                sql = _checked(cursor, request.sql)
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                return _read(cursor, sql, rows_max)
        except RefusedError as error:
            return QueryReply(error=str(error))
        except duckdb.Error as error:
            return QueryReply(error=self._sentence(error))
        finally:
            self._database.close_reader()

    @contextmanager
    def _bounded(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt whatever the cursor does once the time is over (again and again: it clears with each statement)."""
        done = threading.Event()

        def watch() -> None:
            waited_seconds = 0.0
            while not done.wait(INTERRUPT_AGAIN_SECONDS):
                waited_seconds += INTERRUPT_AGAIN_SECONDS
                if waited_seconds >= self._settings.query_seconds_max:
                    self._timed_out.set()
                if self._timed_out.is_set() or self._closing.is_set():
                    cursor.interrupt()

        watcher = threading.Thread(target=watch, name="query-timer", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _sentence(self, error: duckdb.Error) -> str:
        if isinstance(error, duckdb.InterruptException):
            if self._closing.is_set():
                return "The recorder is stopping: ask again when it is back."
            if self._timed_out.is_set():
                return f"The query took longer than {self._settings.query_seconds_max:g} s and was stopped: narrow it."
        if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
            megabytes = self._settings.database_memory_megabytes_max
            return f"The query needs more memory than the recorder has ({megabytes} MB): narrow it."
        return f"The query failed: {str(error).strip()[:ERROR_CHARACTERS_MAX]}"


def _checked(cursor: duckdb.DuckDBPyConnection, text: str) -> str:
    """The statement without its semicolon, if it is one that may run; else `RefusedError`."""
    if len(text) > SQL_CHARACTERS_MAX:
        raise RefusedError(f"The query is longer than {SQL_CHARACTERS_MAX} characters.")
    statements = cursor.extract_statements(text)
    if len(statements) != 1:
        raise RefusedError(f"Send exactly one statement: this is {len(statements)}.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise RefusedError(f"Only a SELECT can be run here: this is {statements[0].type.name}.")
    serialized = cursor.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    assert serialized is not None
    try:
        reason = refusal(msgspec.json.decode(serialized[0]))
    except RecursionError:
        raise RefusedError("The query is nested too deeply.") from None
    if reason:
        raise RefusedError(reason)
    return statements[0].query.rstrip().rstrip(";")


def _read(cursor: duckdb.DuckDBPyConnection, sql: str, rows_max: int) -> QueryReply:
    """Run the checked statement inside one of ours, which turns every column into what JSON can carry exactly."""
    described = cursor.execute(f"SELECT * FROM (\n{sql}\n) LIMIT 0").description or []
    columns = tuple(str(column[0]) for column in described)
    types = [str(column[1]) for column in described]
    names = [f"c{number}" for number in range(len(columns))]
    expressions = ", ".join(_as_json_can(name, kind) for name, kind in zip(names, types, strict=True))
    nested = [number for number, kind in enumerate(types) if _is_nested(kind)]
    cursor.execute(f"SELECT {expressions} FROM (\n{sql}\n) AS t({', '.join(names)}) LIMIT {rows_max + 1}")
    rows: list[tuple[Any, ...]] = []
    room_bytes = REPLY_BYTES_MAX - len(msgspec.json.encode(columns))
    while fetched := cursor.fetchmany(FETCH_ROWS):
        for raw in fetched:
            row = _row(raw, nested)
            room_bytes -= len(messages.encode(QueryReply(rows=(row,))))
            if len(rows) == rows_max or room_bytes < 0:
                if not rows and rows_max:
                    raise RefusedError(
                        f"The first row alone is larger than {REPLY_BYTES_MAX} bytes: select fewer columns."
                    )
                return QueryReply(columns=columns, rows=tuple(rows), truncated=True)
            rows.append(row)
    return QueryReply(columns=columns, rows=tuple(rows))


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
            row[number] = _decode_nested(row[number])
    return tuple(row)


def _exact(value: Any) -> Any:
    """A number that JSON (or its readers) would lose, as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > JSON_INTEGER_MAX:
        return str(value)
    return value

"""The query endpoint: what it answers, and everything it must not do."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from recorder.database import Database
from recorder.query import Queries
from recorder.settings import Settings
from recorder.state import Batch, Place, Stored
from signalbox import messages
from signalbox.messages import QueryReply, QueryRequest
from signalbox.settings import Secret

QUERY_SECONDS_MAX = 1.0


class Desk:
    def __init__(self, directory: Path) -> None:
        path = directory / "desk.duckdb"
        self.database = Database(path, 64)
        self.database.write(
            [
                Batch(
                    "TRADE",
                    Place(1, "monday", 1),
                    [Stored(1, "intent.ibkr.SPY", 1_700_000_000_000_000_000, "i", b"{}")],
                )
            ]
        )
        self.queries = Queries(
            self.database,
            Settings(
                nats_url="",
                nats_user="",
                nats_password=Secret(""),
                desk_file=path,
                database_file=path,
                query_seconds_max=QUERY_SECONDS_MAX,
                query_rows_max=5_000,
                queries_waiting_max=2,
            ),
        )

    async def ask(self, sql: str, row_limit: int = 1000) -> QueryReply:
        payload = await self.queries.answer(messages.encode(QueryRequest(sql=sql, row_limit=row_limit)))
        assert len(payload) < 1_000_000
        reply: QueryReply = messages.decode(payload, QueryReply)
        return reply


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.queries.close()
    made.database.close()


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT 1.50::DECIMAL(38,18)", "1.5"),
        ("SELECT 100::DECIMAL(38,0)", "100"),
        ("SELECT 0::DECIMAL(38,18)", "0"),
        ("SELECT 12345678901234567890.123456789012345678::DECIMAL(38,18)", "12345678901234567890.123456789012345678"),
        ("SELECT TIMESTAMPTZ '2026-01-05 14:31:00.123456+00'", "2026-01-05T14:31:00.123456Z"),
        ("SELECT 'NaN'::DOUBLE", "nan"),
        ("SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) t(x)", "9223372036854775808"),
        ("SELECT sum(1)", 1),
        ("SELECT NULL", None),
        ("SELECT true -- a comment", True),
        ("SELECT [1.5, 2.25]", ["1.50", "2.25"]),
        ("SELECT {'price': 1.5}", {"price": "1.5"}),
        ("SELECT DATE '2026-01-05';", "2026-01-05"),
        ("FROM (DESCRIBE watermarks) LIMIT 1", "stream"),
    ],
)
async def test_values_are_what_json_can_carry_exactly(desk: Desk, sql: str, value: Any) -> None:
    reply = await desk.ask(sql)
    assert reply.error == ""
    assert reply.rows[0][0] == value


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT stored_at FROM messages", "2023-11-14T22:13:20.000000Z"),
        ("SELECT {'at': stored_at}.at FROM messages", "2023-11-14T22:13:20.000000Z"),
        ("SELECT '09:30:00+00'::TIMETZ", "09:30:00+00"),
        ("SELECT NULL::TIMESTAMPTZ", None),
    ],
)
async def test_times_need_no_library_beside_duckdb(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, sql: str, value: Any
) -> None:
    monkeypatch.setitem(sys.modules, "pytz", None)  # DuckDB asks for it when Python fetches a TIMESTAMPTZ as it is
    reply = await desk.ask(sql)
    assert reply.error == ""
    assert reply.rows[0][0] == value
    assert (await desk.ask("SELECT [stored_at], {'at': stored_at} FROM messages")).error == ""


async def test_columns_keep_their_names_and_rows_their_order(desk: Desk) -> None:
    reply = await desk.ask("SELECT range AS n, -range AS m FROM range(500) ORDER BY n DESC", row_limit=3)
    assert reply.columns == ("n", "m")
    assert reply.rows == ([499, -499], [498, -498], [497, -497]) or reply.rows == (
        (499, -499),
        (498, -498),
        (497, -497),
    )
    assert reply.truncated


async def test_a_reply_that_is_complete_does_not_say_truncated(desk: Desk) -> None:
    assert not (await desk.ask("SELECT * FROM range(1000)")).truncated
    assert not (await desk.ask("SELECT * FROM range(3)", row_limit=3)).truncated


async def test_the_row_limit_has_a_ceiling(desk: Desk) -> None:
    reply = await desk.ask("SELECT * FROM range(100000000)", row_limit=100_000_000)
    assert len(reply.rows) == 5_000
    assert reply.truncated


async def test_a_reply_stays_below_the_size_of_a_nats_message(desk: Desk) -> None:
    reply = await desk.ask("SELECT repeat('\"', 100000) FROM range(100)")
    assert reply.truncated
    assert 1 <= len(reply.rows) < 10
    assert "larger than" in (await desk.ask("SELECT repeat('x', 2000000)")).error


ESCAPES = [
    "DROP TABLE recorded",
    "DELETE FROM recorded",
    "UPDATE recorded SET stream = ''",
    "INSERT INTO recorded SELECT * FROM recorded",
    "CREATE TABLE t (a INT)",
    "CREATE TEMP TABLE t (a INT)",
    "CREATE MACRO m() AS 1",
    "CREATE SECRET (TYPE s3)",
    "WITH x AS (INSERT INTO watermarks VALUES ('', 1, '', 1) RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM recorded RETURNING *) SELECT * FROM x",
    "SELECT 1; DROP TABLE recorded",
    "SELECT 1; SELECT 2",
    "",
    ";",
    "not sql",
    "SELECT 1) UNION (SELECT 2",
    "SELECT 1 /*",
    "SELECT 1 --\n; SELECT 2",
    "FROM checkpoint()",
    "FROM force_checkpoint()",
    "CALL checkpoint()",
    "CHECKPOINT",
    "VACUUM",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM main.read_csv('/etc/passwd')",
    "FROM READ_TEXT('/etc/passwd')",
    "FROM read_blob('/proc/self/environ')",
    "FROM read_parquet('x')",
    "FROM read_json('x')",
    "FROM read_duckdb('x')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM glob('/*')",
    "FROM parquet_metadata('x')",
    "FROM '/etc/passwd'",
    "FROM 'x.csv'",
    "FROM 'x.parquet'",
    "FROM 'https://example.com/x.csv'",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM recorded WHERE payload IN (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT getenv('HOME')",
    "SELECT \"GetEnv\"('HOME')",
    "SELECT system.main.getenv('HOME')",
    "SELECT write_log('x')",
    "SELECT sleep_ms(100000)",
    "SELECT current_setting('temp_directory')",
    "FROM duckdb_settings()",
    "FROM duckdb_secrets()",
    "FROM query('SELECT 1')",
    "FROM query_table('recorded')",
    "FROM json_execute_serialized_sql('x')",
    "FROM enable_logging()",
    "FROM pragma_table_info('bars')",
    "PRAGMA table_info('bars')",
    "PRAGMA enable_profiling",
    "SET threads = 4",
    "SET GLOBAL enable_external_access = true",
    "RESET lock_configuration",
    "SET VARIABLE a = 1",
    "ATTACH '/tmp/other.duckdb'",
    "DETACH desk",
    "USE memory",
    "COPY recorded TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO 'x'",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "EXPLAIN ANALYZE SELECT 1",
    "PIVOT recorded ON stream USING count(*)",
    "SELECT * FROM payload",
    "FROM rows",
    "FROM cursor",
    "SELECT ?",
    "SELECT $1",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT '" + "x" * 30_000 + "'",
]


@pytest.mark.parametrize("sql", ESCAPES, ids=[sql[:40] for sql in ESCAPES])
async def test_what_is_not_one_plain_select_is_refused_and_changes_nothing(desk: Desk, sql: str) -> None:
    reply = await desk.ask(sql)
    assert reply.error
    assert reply.rows == ()
    after = await desk.ask("SELECT (SELECT count(*) FROM recorded), (SELECT count(*) FROM watermarks)")
    assert [list(row) for row in after.rows] == [[1, 1]]


async def test_the_read_only_transaction_stands_behind_the_check(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.query.refusal", lambda tree: "")
    sql = "WITH x AS (INSERT INTO watermarks VALUES ('', 1, '', 1) RETURNING *) SELECT * FROM x"
    assert (await desk.ask(sql)).error
    assert "disabled" in (await desk.ask("SELECT * FROM read_csv('/etc/passwd')")).error
    assert [list(row) for row in (await desk.ask("SELECT count(*) FROM watermarks")).rows] == [[1]]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"sql": 1}', b'{"sql": "SELECT 1", "file": "x"}', b"\xff"])
async def test_a_request_that_can_not_be_read_is_answered_with_the_reason(desk: Desk, payload: bytes) -> None:
    reply = messages.decode(await desk.queries.answer(payload), QueryReply)
    assert reply.error.startswith("Not a query request: ")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    ],
)
async def test_a_long_query_is_stopped_and_the_next_one_runs(desk: Desk, sql: str) -> None:
    started = time.monotonic()
    assert "took longer than 1 s" in (await desk.ask(sql)).error
    assert time.monotonic() - started < QUERY_SECONDS_MAX + 2
    assert (await desk.ask("SELECT 1")).error == ""


async def test_a_query_that_needs_too_much_memory_is_refused_and_the_next_one_runs(desk: Desk) -> None:
    assert "more memory" in (await desk.ask("SELECT list(range) FROM range(100000000)")).error
    assert (await desk.ask("SELECT 1")).error == ""


async def test_recording_goes_on_beside_a_long_query(desk: Desk) -> None:
    long = asyncio.create_task(desk.ask("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"))
    await asyncio.sleep(0)
    for sequence in range(2, 22):
        row = Stored(sequence, "intent.ibkr.SPY", 1, "", b"{}")
        await asyncio.to_thread(desk.database.write, [Batch("TRADE", Place(1, "monday", sequence), [row])])
    assert not long.done()
    assert (await long).error


async def test_too_many_waiting_queries_are_refused_at_once(desk: Desk) -> None:
    slow = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    waiting = [asyncio.create_task(desk.ask(slow)) for _ in range(2)]
    await asyncio.sleep(0)
    assert "busy" in (await desk.ask("SELECT 1")).error
    await asyncio.gather(*waiting)


async def test_memory_is_given_back_once_queries_have_stopped_for_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back = asyncio.Event()
    monkeypatch.setattr("recorder.query.QUIET_SECONDS", 0.3)
    monkeypatch.setattr("recorder.query.give_back", given_back.set)
    for _ in range(3):
        await desk.ask("SELECT 1")
        assert not given_back.is_set()
    await asyncio.wait_for(given_back.wait(), 5.0)

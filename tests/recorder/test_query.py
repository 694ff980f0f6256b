"""The query endpoint: what it answers, and everything it must not do."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
from recorder.database import Database
from recorder.errors import StorageError
from recorder.keeper import Keeper
from recorder.query import Queries
from recorder.reading import RefusedError, bound, checked, read
from recorder.settings import Settings
from recorder.state import Batch, Place, Stored
from recorder.wire import Kept
from signalbox import messages
from signalbox.messages import QueryReply, QueryRequest
from signalbox.settings import Secret

QUERY_SECONDS_MAX, HASTY_SECONDS_MAX = 60.0, 4.0
WAIT_SECONDS_MAX = 60.0
SLOW = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"


class Desk:
    """A keeper with one recorded message, and the endpoint before it."""

    def __init__(self, directory: Path, query_seconds_max: float) -> None:
        self.path = directory / "desk.duckdb"
        self.keeper = Keeper(self.path, 64)
        self.queries = Queries(
            self.keeper,
            Settings(
                nats_url="",
                nats_user="",
                nats_password=Secret(""),
                desk_file=self.path,
                database_file=self.path,
                query_seconds_max=query_seconds_max,
                query_memory_megabytes_max=320,
                query_rows_max=5_000,
                queries_at_once_max=2,
                queries_per_asker_max=1,
                queries_waiting_max=2,
            ),
        )

    async def write(self, sequence: int, payload: bytes = b"{}") -> Kept:
        row = Stored(sequence, "intent.ibkr.SPY", 1_700_000_000_000_000_000, "i", payload)
        return await self.keeper.write([Batch("TRADE", Place(1, "monday", sequence), [row])])

    async def ask(self, sql: str, row_limit: int = 1000, asker: str = "") -> QueryReply:
        payload = await self.queries.answer(messages.encode(QueryRequest(sql=sql, row_limit=row_limit)), asker)
        assert len(payload) < 1_000_000
        reply: QueryReply = messages.decode(payload, QueryReply)
        return reply

    async def until_running(self, count: int) -> None:
        """Wait until so many queries have their turn."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while self.queries._turns._running.total() < count:
                await asyncio.sleep(0.01)

    async def first_children(self) -> list[int]:
        """Wait until a process runs a query; a query that has its turn has none yet."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not (children := children_of(self.keeper.pid)):
                await asyncio.sleep(0.01)
        return children

    async def end(self, asked: Sequence[asyncio.Task[QueryReply]]) -> list[QueryReply]:
        """What became of queries that never end, when their processes have been killed."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not all(each.done() for each in asked):
                for child in children_of(self.keeper.pid):
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                await asyncio.sleep(0.01)
        return await asyncio.gather(*asked)


@pytest.fixture(params=[QUERY_SECONDS_MAX], ids=[""])
async def desk(tmp_path: Path, request: pytest.FixtureRequest, empty_record: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, request.param)
    shutil.copy(empty_record, made.path)
    await made.keeper.open()
    await made.write(1)
    yield made
    await made.keeper.end()


hasty = pytest.mark.parametrize("desk", [HASTY_SECONDS_MAX], indirect=True, ids=["hasty"])
"""For queries that do not end: they are stopped after a few seconds."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(tmp_path_factory.mktemp("queries") / "desk.duckdb", 64)
    row = Stored(1, "intent.ibkr.SPY", 1_700_000_000_000_000_000, "i", b"{}")
    made.write([Batch("TRADE", Place(1, "monday", 1), [row])])
    yield made
    made.close()


def ask(database: Database, sql: str, row_limit: int = 1000) -> QueryReply:
    """What the process that runs a query does, without the process and its bounds."""
    connection = database.connection.cursor()
    connection.execute("USE desk")
    try:
        statement = checked(connection, sql)
        connection.execute("BEGIN TRANSACTION READ ONLY")
        reply = read(connection, statement, row_limit)
    except (RefusedError, duckdb.Error) as error:
        reply = QueryReply(error=str(error))
    finally:
        connection.close()
    payload = messages.encode(reply)
    assert len(payload) < 1_000_000
    decoded: QueryReply = messages.decode(payload, QueryReply)
    return decoded


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
        ("SELECT ['nan'::DOUBLE, 'inf'::DOUBLE]", "[NaN,Infinity]"),
        ("SELECT {'a': '-inf'::FLOAT}", '{"a":-Infinity}'),
        ("SELECT DATE '2026-01-05';", "2026-01-05"),
        ("FROM (DESCRIBE watermarks) LIMIT 1", "stream"),
    ],
)
def test_values_are_what_json_can_carry_exactly(database: Database, sql: str, value: Any) -> None:
    reply = ask(database, sql)
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
def test_times_need_no_library_beside_duckdb(database: Database, sql: str, value: Any) -> None:
    """DuckDB asks for pytz when Python fetches a TIMESTAMPTZ as it is; it is not installed."""
    reply = ask(database, sql)
    assert reply.error == ""
    assert reply.rows[0][0] == value
    assert (ask(database, "SELECT [stored_at], {'at': stored_at} FROM messages")).error == ""


def test_columns_keep_their_names_and_rows_their_order(database: Database) -> None:
    reply = ask(database, "SELECT range AS n, -range AS m FROM range(500) ORDER BY n DESC", row_limit=3)
    assert reply.columns == ("n", "m")
    assert reply.rows == ([499, -499], [498, -498], [497, -497]) or reply.rows == (
        (499, -499),
        (498, -498),
        (497, -497),
    )
    assert reply.truncated


def test_a_reply_that_is_complete_does_not_say_truncated(database: Database) -> None:
    assert not ask(database, "SELECT * FROM range(1000)").truncated
    assert not (ask(database, "SELECT * FROM range(3)", row_limit=3)).truncated


async def test_the_row_limit_has_a_ceiling(desk: Desk) -> None:
    reply = await desk.ask("SELECT * FROM range(100000000)", row_limit=100_000_000)
    assert len(reply.rows) == 5_000
    assert reply.truncated


def test_a_reply_stays_below_the_size_of_a_nats_message(database: Database) -> None:
    reply = ask(database, "SELECT repeat('\"', 100000) FROM range(100)")
    assert reply.truncated
    assert 1 <= len(reply.rows) < 10
    assert "larger than" in (ask(database, "SELECT repeat('x', 2000000)")).error
    tables = ", ".join(f"(SELECT 1 AS {'a' * 400}{number}) t{number}" for number in range(40))
    assert "names of the columns" in ask(database, f"SELECT {', '.join(['*'] * 60)} FROM {tables} WHERE false").error


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
    "FROM pg_settings",
    "FROM pg_catalog.pg_settings",
    "SELECT * FROM system.pg_catalog.pg_settings",
    "WITH pg_settings AS (SELECT 1) SELECT * FROM recorded, (SELECT * FROM pg_settings)",
    "FROM pg_catalog.pg_class",
    "FROM duckdb_databases",
    "FROM sqlite_master",
    "FROM temp.fresh",
    "FROM (SHOW memory_limit)",
    "FROM (DESCRIBE temp_directory)",
    "SELECT pg_catalog.current_setting('memory_limit')",
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
def test_what_is_not_one_plain_select_is_refused_and_changes_nothing(database: Database, sql: str) -> None:
    reply = ask(database, sql)
    assert reply.error
    assert reply.rows == ()
    after = ask(database, "SELECT (SELECT count(*) FROM recorded), (SELECT count(*) FROM watermarks)")
    assert [list(row) for row in after.rows] == [[1, 1]]


async def test_a_request_that_can_not_be_read_is_answered_with_the_reason(desk: Desk) -> None:
    for payload in (b"", b"{", b"[]", b'{"sql": 1}', b'{"sql": "SELECT 1", "file": "x"}', b"\xff", b'{"sql": "\xff"}'):
        reply: QueryReply = messages.decode(await desk.queries.answer(payload), QueryReply)
        assert reply.error.startswith("Not a query request: ")


@hasty
async def test_a_long_query_is_stopped_and_the_next_one_runs(desk: Desk) -> None:
    recursive = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t"
    for reply in await asyncio.gather(desk.ask(SLOW), desk.ask(recursive)):
        assert "took longer than 4 s" in reply.error
    assert (await desk.ask("SELECT 1")).error == ""


GREEDY = (
    "SELECT list(range) FROM range(100000000)",
    "SELECT len(range(100000000))",
    "SELECT len(repeat('x', 1000000000))",
    "SELECT len(list_transform(range(50000000), lambda x: x::VARCHAR))",
    "SELECT len(string_agg(range::VARCHAR, ',')) FROM range(100000000)",
    "SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY hash(range)) AS n FROM range(60000000))",
)


async def test_a_query_that_needs_too_much_memory_is_refused_and_the_next_one_runs(desk: Desk) -> None:
    before = (await desk.keeper.look()).resident_bytes
    for sql in GREEDY:
        assert "more memory than a query may take (320 MB)" in (await desk.ask(sql)).error, sql
    assert (await desk.ask("SELECT 1")).error == ""
    assert (await desk.keeper.look()).resident_bytes - before < 30e6


async def test_one_that_needs_more_than_the_others_have_gets_it(desk: Desk) -> None:
    reply = await desk.ask("SELECT len(list(range)) FROM range(7000000)")
    assert reply.error == ""
    assert [list(row) for row in reply.rows] == [[7_000_000]]


async def test_recording_goes_on_beside_long_queries_and_is_seen_by_the_next(desk: Desk) -> None:
    long = [asyncio.create_task(desk.ask(SLOW)) for _ in range(2)]
    await desk.until_running(2)
    for sequence in range(2, 12):
        await desk.write(sequence)
    assert not any(each.done() for each in long)
    assert all(reply.error for reply in await desk.end(long))
    assert [list(row) for row in (await desk.ask("SELECT count(*), max(sequence) FROM recorded")).rows] == [[11, 11]]


async def test_what_runs_sees_one_state_whatever_is_recorded_and_written_into_the_file_meanwhile(desk: Desk) -> None:
    sql = "SELECT count(*), max(sequence), sum(length(payload)) FROM recorded, range(5) GROUP BY range.range"
    asked: list[asyncio.Task[QueryReply]] = []
    sequence = 1
    for number in range(60):
        rows = [Stored(sequence + n, "order.a.b.c", 1, "", b"x" * 500) for n in range(1, 501)]
        sequence += 500
        await desk.keeper.write([Batch("TRADE", Place(1, "monday", sequence), rows)])
        if number % 10 == 0:
            asked.append(asyncio.create_task(desk.ask(sql)))
            asked = [each for each in asked if not each.done()] if len(asked) > 3 else asked
            await asyncio.sleep(0)
    for reply in await asyncio.gather(*asked):
        assert reply.error == ""
        for count, last, size in reply.rows:
            assert (count, size) == (last, 2 + 500 * (last - 1))


async def test_a_query_that_wants_the_processes_own_death_harms_nobody_else(desk: Desk) -> None:
    running = asyncio.create_task(desk.ask(SLOW))
    (child,) = await desk.first_children()
    os.kill(child, signal.SIGSEGV)
    assert "broke the process that ran it" in (await running).error
    await desk.write(2)
    assert (await desk.ask("SELECT count(*) FROM recorded")).error == ""


async def test_a_keeper_that_is_killed_takes_its_queries_along_and_is_started_again(desk: Desk) -> None:
    running = asyncio.create_task(desk.ask(SLOW))
    left = await desk.first_children()
    os.kill(desk.keeper.pid, signal.SIGKILL)
    assert "Try again" in (await running).error
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while any(alive(pid) for pid in left):
            await asyncio.sleep(0.01)
    with pytest.raises(StorageError):
        await desk.write(2)
    assert (await desk.keeper.look()).places == {"TRADE": Place(1, "monday", 1)}
    await desk.write(2)
    assert [list(row) for row in (await desk.ask("SELECT count(*) FROM recorded")).rows] == [[2]]


async def test_a_query_after_the_keepers_death_starts_it_again(desk: Desk) -> None:
    os.kill(desk.keeper.pid, signal.SIGKILL)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while (await desk.ask("SELECT count(*) FROM recorded")).error:
            await asyncio.sleep(0.01)


async def test_the_keeper_has_no_password_in_its_environment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_NATS_PASSWORD", "secret")
    os.kill(desk.keeper.pid, signal.SIGKILL)
    with pytest.raises(StorageError):
        await desk.write(2)
    await desk.keeper.look()
    assert b"secret" not in environment_of(desk.keeper.pid)


async def test_too_many_waiting_queries_are_refused_at_once(desk: Desk) -> None:
    waiting = [asyncio.create_task(desk.ask(SLOW)) for _ in range(4)]
    await desk.until_running(2)
    assert "busy: 2 queries are waiting" in (await desk.ask("SELECT 1")).error
    await desk.end(waiting)


async def test_one_askers_queries_leave_room_for_anothers(desk: Desk) -> None:
    slow = [asyncio.create_task(desk.ask(SLOW, asker="ann")) for _ in range(2)]
    await desk.until_running(1)
    assert (await desk.ask("SELECT 1", asker="bob")).error == ""
    assert not any(each.done() for each in slow)
    await desk.end(slow)


@pytest.mark.parametrize("sql", ["INSERT INTO watermarks VALUES ('', 1, '', 1)", "CHECKPOINT", "DROP TABLE recorded"])
def test_what_the_check_lets_pass_can_write_nothing_all_the_same(tmp_path: Path, sql: str) -> None:
    database = Database(tmp_path / "desk.duckdb", 64)
    size = database.bytes_on_disk()
    said = in_a_copy(lambda: database.connection.execute(sql))
    assert said.startswith(("IOException", "FatalException", "InvalidInput", "TransactionException", "done")), said
    assert database.bytes_on_disk() == size
    assert database.connection.execute("SELECT count(*) FROM watermarks").fetchall() == [(0,)]
    database.close()


def test_a_copy_can_open_no_file(tmp_path: Path) -> None:
    said = in_a_copy(lambda: (tmp_path / "x").read_text())
    assert "Too many open files" in said
    assert "Too many open files" in in_a_copy(lambda: (tmp_path / "x").write_text("x"))


def in_a_copy(does: Callable[[], object]) -> str:
    """What came of `does` in a bounded copy of a process."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        try:
            bound(96, time.monotonic() + WAIT_SECONDS_MAX, None)
            does()
            theirs.sendall(b"done")
        except BaseException as error:
            theirs.sendall(f"{type(error).__name__}: {error}".encode()[:500])
        finally:
            os._exit(0)
    theirs.close()
    with ours:
        said = ours.recv(1000).decode()
    os.waitpid(pid, 0)
    return said


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()

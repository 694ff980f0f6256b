"""The file: exact, each row once, rows and watermark together."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder.database import PAYLOAD_BYTES_MAX, Database
from recorder.errors import RecordingError
from recorder.state import Batch, Place, Stored
from signalbox.errors import ConfigurationError

MEMORY_MEGABYTES = 64
GENERATIONS = count(1)


def stored(sequence: int, payload: bytes = b"{}", subject: str = "intent.ibkr.SPY") -> Stored:
    return Stored(sequence, subject, 1_700_000_000_123_456_789, f"id-{sequence}", payload)


def batch(*rows: Stored, stream: str = "TRADE", generation: int = 1) -> Batch:
    return Batch(stream, Place(generation, "monday", rows[-1].sequence), list(rows))


@pytest.fixture
def database(tmp_path: Path, empty_record: Path) -> Iterator[Database]:
    opened = Database(shutil.copy(empty_record, tmp_path / "desk.duckdb"), MEMORY_MEGABYTES)
    yield opened
    opened.close()


def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = database.connection.execute(sql).fetchall()
    return found


@pytest.fixture(scope="module")
def filling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One that each example fills further, as a generation of its own."""
    opened = Database(tmp_path_factory.mktemp("filling") / "desk.duckdb", MEMORY_MEGABYTES)
    yield opened
    opened.close()


@settings(max_examples=30, deadline=None)
@given(payloads=st.lists(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), min_size=1, max_size=20))
def test_every_payload_is_kept_byte_for_byte(payloads: list[bytes], filling: Database) -> None:
    kept, generation = (stored(number + 1, payload) for number, payload in enumerate(payloads)), next(GENERATIONS)
    filling.write([batch(*kept, generation=generation)])
    wanted = f"WHERE generation = {generation} ORDER BY sequence"
    found = rows(filling, f"SELECT payload, payload_bytes FROM recorded {wanted}")
    assert [text.encode() if isinstance(text, str) else raw for text, raw in found] == payloads


def test_the_server_time_is_kept_to_the_nanosecond(database: Database) -> None:
    database.write([batch(stored(1))])
    assert rows(database, "SELECT stored_at_ns, stored_at::VARCHAR FROM recorded JOIN messages USING (sequence)") == [
        (1_700_000_000_123_456_789, "2023-11-14 22:13:20.123456+00")
    ]


def test_a_batch_that_repeats_a_row_changes_nothing(database: Database) -> None:
    database.write([batch(stored(1), stored(2))])
    with pytest.raises(RecordingError, match="recorded already"):
        database.write([batch(stored(2), stored(4))])
    assert rows(database, "SELECT sequence FROM recorded ORDER BY 1") == [(1,), (2,)]
    assert database.places["TRADE"].sequence == 2


def test_a_batch_that_fails_half_way_leaves_neither_rows_nor_watermark(database: Database) -> None:
    with pytest.raises(RecordingError):
        database.write([batch(stored(1), stream="BARS"), batch(stored(2), stored(2))])
    assert rows(database, "SELECT count(*) FROM recorded") == [(0,)]
    assert rows(database, "SELECT count(*) FROM watermarks") == [(0,)]
    assert database.places == {}


def test_rows_whose_watermark_can_not_be_moved_are_not_kept(database: Database) -> None:
    database.write([batch(stored(1))])
    database.connection.execute("UPDATE watermarks SET last_sequence = 7")  # somebody else wrote the file
    with pytest.raises(RecordingError, match="who else writes"):
        database.write([batch(stored(2))])
    assert rows(database, "SELECT sequence FROM recorded") == [(1,)]
    assert database.places["TRADE"].sequence == 1


def test_a_new_generation_may_use_the_same_sequences(database: Database) -> None:
    database.write([batch(stored(1), stored(2))])
    database.write([batch(stored(1, b"again"), generation=2)])
    assert rows(database, "SELECT generation, sequence, payload FROM recorded ORDER BY ALL") == [
        (1, 1, "{}"),
        (1, 2, "{}"),
        (2, 1, "again"),
    ]
    assert rows(database, "SELECT generation, last_sequence FROM watermarks ORDER BY 1") == [(1, 2), (2, 1)]


def test_places_survive_closing_and_the_file_is_plain_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "desk.duckdb"
    database = Database(path, MEMORY_MEGABYTES)
    database.write([batch(stored(1), stored(5))])
    database.close()
    with duckdb.connect(str(path), read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM messages").fetchall() == [(2,)]
    assert not path.with_name(path.name + ".wal").exists()
    reopened = Database(path, MEMORY_MEGABYTES)
    assert reopened.places == {"TRADE": Place(1, "monday", 5)}
    reopened.close()


def test_a_second_process_is_refused_with_the_pid_of_the_first(database: Database) -> None:
    program = (
        f"from pathlib import Path; from recorder.database import Database; Database(Path({str(database.path)!r}), 64)"
    )
    second = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert second.returncode != 0
    assert "is in use by another process (pid " in second.stderr


def test_a_file_that_is_no_database_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "desk.duckdb"
    path.write_text("not a database, " * 1000)
    with pytest.raises(ConfigurationError, match="can not be opened"):
        Database(path, MEMORY_MEGABYTES)
    with pytest.raises(ConfigurationError, match="can not be opened"):
        Database(tmp_path / "no such folder" / "desk.duckdb", MEMORY_MEGABYTES)


@settings(max_examples=40, deadline=None)
@given(
    subject=st.text(st.characters(), max_size=50) | st.just("x" * 9_000),
    message_id=st.text(st.characters(), max_size=50) | st.just("\udcff" * 9_000),
    payload=st.binary(max_size=60) | st.just(b"\xff" * 20_000) | st.just(b'{"id": "\\ud800"}') | st.just(b"[" * 12_000),
)
def test_no_subject_message_id_or_payload_breaks_the_record(
    subject: str, message_id: str, payload: bytes, filling: Database
) -> None:
    row, generation = Stored.received(1, f"intent.{subject}", 1, message_id, payload), next(GENERATIONS)
    filling.write([Batch("TRADE", Place(generation, "monday", 1), [row])])
    assert rows(filling, f"SELECT count(*) FROM recorded WHERE generation = {generation}") == [(1,)]
    assert rows(filling, "SELECT count(*) FROM orders") == [(0,)]


def test_a_long_payload_is_kept_cut_with_its_size_and_digest(database: Database) -> None:
    payload = b"x" * (PAYLOAD_BYTES_MAX + 1)
    database.write([batch(stored(1, payload))])
    assert rows(database, "SELECT length(payload), payload_size, payload_md5 FROM recorded") == [
        (PAYLOAD_BYTES_MAX, len(payload), hashlib.md5(payload).hexdigest())
    ]

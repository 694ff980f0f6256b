"""The DuckDB file: its only writer, and where its readers get their cursors. The only file that imports duckdb.

Owns the raw tables, the views over them, and the rule that rows and watermark are committed together. It knows
nothing of NATS. All methods block: they are called from the writer's thread, never from the event loop.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
from signalbox.errors import ConfigurationError, SignalboxError

from recorder.state import Batch, Place, Stored

TEMPORARY_MEGABYTES_MAX = 256
MEMORY_RETRIES_MAX = 40
MEMORY_RETRY_DELAY_SECONDS = 0.05
APPEND_ROWS = 500
"""So many rows are held a second time, as DuckDB takes them."""

Row = tuple[str, int, int, str, int, str, str | None, bytes | None]


class RecordingError(SignalboxError):
    """The database could not take a batch. Nothing is lost: a restart reads on from the watermark."""


class FileInUseError(ConfigurationError):
    """Another process has the file open: a suspended recorder, or a person who looks into it."""


class Database:
    """The open file. Raises `ConfigurationError` when it can not be opened, `FileInUseError` when another has it."""

    def __init__(self, path: Path, memory_megabytes_max: int) -> None:
        self.path = path
        self._connection = _open(path, memory_megabytes_max)
        self._reader: duckdb.DuckDBPyConnection | None = None
        self._reader_lock = threading.Lock()
        self._places = self._read_places()

    @property
    def places(self) -> dict[str, Place]:
        """Up to where each stream has been committed."""
        return dict(self._places)

    def open_reader(self) -> duckdb.DuckDBPyConnection:
        """A connection for the one reader; it sees what is committed and holds up no writer."""
        with self._reader_lock:
            self._reader = self._connection.cursor()
            return self._reader

    def close_reader(self) -> None:
        """End the reader's transaction and connection."""
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
            self._reader = None

    def write(self, batches: Iterable[Batch]) -> None:
        """Commit all batches and their places in one transaction, or raise `RecordingError` and change nothing.

        A row that is not beyond the stream's place is an error, not a duplicate to be dropped: the caller has lost
        count.
        """
        batches = [batch for batch in batches if batch.rows or batch.place != self._places.get(batch.stream)]
        for attempt in range(MEMORY_RETRIES_MAX + 1):
            try:
                self._transaction(batches)
                break
            except duckdb.OutOfMemoryException as error:
                if attempt == MEMORY_RETRIES_MAX:
                    raise RecordingError(f"DuckDB has too little memory to record: {_first_line(error)}") from error
                self._interrupt_reader()
                time.sleep(MEMORY_RETRY_DELAY_SECONDS)
            except duckdb.Error as error:
                raise RecordingError(f"{self.path} can not be written: {_first_line(error)}") from error
        self._places.update((batch.stream, batch.place) for batch in batches)

    def bytes_on_disk(self) -> int:
        """The size of the file and its write-ahead log."""
        log = self.path.with_name(self.path.name + ".wal")
        return sum(file.stat().st_size for file in (self.path, log) if file.exists())

    def close(self) -> None:
        """Write the log into the file and close it: from then on any DuckDB can read it."""
        try:
            self._connection.execute("CHECKPOINT")
        except duckdb.Error as error:
            raise RecordingError(f"{self.path} can not be written: {_first_line(error)}") from error
        finally:
            self._connection.close()

    def _transaction(self, batches: list[Batch]) -> None:
        self._connection.begin()
        try:
            for batch in batches:
                self._move_watermark(batch)
            with self._connection.appender("recorded") as appender:
                for batch in batches:
                    rows = _rows(batch, self._start_of(batch))
                    while part := list(islice(rows, APPEND_ROWS)):
                        appender.append_rows(part)
            self._connection.commit()
        except BaseException:
            self._roll_back()
            raise

    def _interrupt_reader(self) -> None:
        """Recording goes before reading: the memory is shared, and a query has it."""
        with self._reader_lock:
            if self._reader is not None:
                self._reader.interrupt()

    def _start_of(self, batch: Batch) -> int:
        """The sequence beyond which the batch's rows must lie."""
        before = self._places.get(batch.stream)
        return before.sequence if before is not None and before.generation == batch.place.generation else 0

    def _move_watermark(self, batch: Batch) -> None:
        place, before = batch.place, self._places.get(batch.stream)
        if before is None or before.generation != place.generation:
            self._connection.execute(
                "INSERT INTO watermarks VALUES (?, ?, ?, ?)",
                [batch.stream, place.generation, place.created, place.sequence],
            )
            return
        moved = self._connection.execute(
            "UPDATE watermarks SET last_sequence = ? WHERE stream = ? AND generation = ? AND last_sequence = ?",
            [place.sequence, batch.stream, place.generation, before.sequence],
        ).fetchone()
        if moved != (1,):
            raise RecordingError(
                f"the watermark of {batch.stream} is not at {before.sequence}: who else writes {self.path}?"
            )

    def _roll_back(self) -> None:
        with contextlib.suppress(duckdb.Error):  # the transaction, or all, is already gone: the first error says why
            self._connection.rollback()

    def _read_places(self) -> dict[str, Place]:
        rows: list[tuple[Any, ...]] = self._connection.execute(
            "SELECT stream, generation, created, last_sequence FROM watermarks ORDER BY generation"
        ).fetchall()
        return {stream: Place(generation, created, sequence) for stream, generation, created, sequence in rows}


def _open(path: Path, memory_megabytes_max: int) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": "1",  # each caller's own thread works: the writer's and the query's
        "memory_limit": f"{memory_megabytes_max}MB",
        "max_temp_directory_size": f"{TEMPORARY_MEGABYTES_MAX}MB",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",  # else a query could read this process's variables by name
    }
    try:
        connection = duckdb.connect(str(path), config=config)
        for name in ("schema.sql", "views.sql"):
            connection.execute(resources.files("recorder").joinpath(name).read_text())
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        raise _why_not(path, error) from error
    return connection


def _why_not(path: Path, error: duckdb.Error) -> ConfigurationError:
    text = str(error)
    if "onflicting lock" in text or "Could not set lock" in text:
        holder = text.split("PID ")[1].split(" ")[0].rstrip(".)") if "PID " in text else "unknown"
        return FileInUseError(
            [
                f"{path} is in use by another process (pid {holder}): one recorder "
                "writes a file. Stop it, or name another file."
            ]
        )
    return ConfigurationError([f"{path} can not be opened as the recorder's database: {_first_line(error)}"])


def _rows(batch: Batch, beyond: int) -> Iterator[Row]:
    stream, generation = batch.stream, batch.place.generation
    for row in batch.rows:
        if row.sequence <= beyond:
            raise RecordingError(f"{stream} {row.sequence} comes after {beyond}: it is recorded already")
        beyond = row.sequence
        yield (stream, generation, row.sequence, row.subject, row.stored_at_ns, row.message_id, *_payload(row))
    if batch.place.sequence < beyond:
        raise RecordingError(f"{stream} has rows up to {beyond}, beyond its place {batch.place.sequence}")


def _payload(row: Stored) -> tuple[str | None, bytes | None]:
    """The payload as text where that is lossless, else as bytes."""
    try:
        return row.payload.decode(), None
    except UnicodeDecodeError:
        return None, row.payload


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]

"""The DuckDB file: its only writer. Lives in the keeper process, alone with one thread; only here and in layout.py and
reading.py is duckdb imported.

Owns the raw table, the typed tables beside it, and the rule that rows and watermark are committed together. It knows
nothing of NATS. DuckDB has no thread of its own here and no file to spill into: the process can be forked at any time
between two calls, and a copy of it reads what was committed then (reading.py) - until the next checkpoint, which may
use the blocks of the file that the copy reads. So nothing is checkpointed unasked.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
from signalbox.errors import ConfigurationError

from recorder.errors import FileInUseError, RecordingError, StorageError
from recorder.layout import ARRIVED, Typed, prepare, typed_tables
from recorder.state import Batch, Place, Stored

MEMORY_MEGABYTES_AT_REST = 32
"""What DuckDB may keep of the file in memory after a checkpoint."""
MEMORY_MEGABYTES_TO_OPEN = 1_024
"""What reading the log again or a checkpoint may take: what is in the file already has to fit, whoever sent it."""
ROW_GROUP_ROWS = 8_192
"""A checkpoint holds the last row group in memory: at the usual 122,880 rows that is 60 MB of usual messages."""
LOG_BYTES_CHECKPOINT = 8_000_000
"""The log is written into the file once it is this long; what is in it is held in memory too."""
APPEND_ROWS = 500
"""So many rows are held a second time, as DuckDB takes them."""
PAYLOAD_BYTES_MAX = 16_384
"""A longer payload is kept up to here, with its true size and the MD5 of the whole. No message of the desk is longer;
at 1 MB each, the rows that DuckDB handles at once (2,048) would take 2 GB."""
FILE_MODE = 0o640
OF_THE_DISK = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
"""What DuckDB's error says when the file can not be written now, whatever is to be written there."""

Row = tuple[str, int, int, str, int, str, str | None, bytes | None, int | None, str | None, str | None]


class Database:
    """The open file. Raises `ConfigurationError` when it can not be opened, `FileInUseError` when another has it."""

    def __init__(self, path: Path, memory_megabytes_max: int) -> None:
        self.path = path
        self._log = path.with_name(path.name + ".wal")
        self._memory_megabytes_max = memory_megabytes_max
        self._typed = typed_tables()
        self._places: dict[str, Place] = {}
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._open()

    @property
    def places(self) -> dict[str, Place]:
        """Up to where each stream has been committed."""
        return dict(self._places)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The one connection; raises `StorageError` when the file could not be opened again after a failure."""
        if self._connection is None:
            self._reopen()
        assert self._connection is not None
        return self._connection

    def write(self, batches: Iterable[Batch]) -> None:
        """Commit all batches and their places in one transaction, or raise and change nothing.

        `StorageError`: the file can not be written now. A row that is not beyond the stream's place is a
        `RecordingError`, not a duplicate to be dropped: the caller has lost count. A row that DuckDB can not take with
        the others is found by halving, and then recorded without being made typed; `places` says how far that came if
        it ends with a `StorageError`.
        """
        batches = [batch for batch in batches if batch.rows or batch.place != self._places.get(batch.stream)]
        try:
            self._transaction(batches, self._typed)
        except duckdb.Error as error:
            self._mend(error)
            self._write_in_parts(batches)

    def checkpoint_is_due(self) -> bool:
        return self.log_bytes() > LOG_BYTES_CHECKPOINT

    def checkpoint(self) -> None:
        """Write the log into the file. Nobody may be reading in a copy of this process. Raises `StorageError`."""
        connection = self.connection
        try:
            connection.execute(f"SET memory_limit = '{MEMORY_MEGABYTES_TO_OPEN}MB'")
            connection.execute("CHECKPOINT")
            self._rest(connection)
        except duckdb.Error as error:
            self._mend(error)
            raise StorageError(self._sentence(error)) from error

    def log_bytes(self) -> int:
        """The size of what is not in the file yet."""
        return self._log.stat().st_size if self._log.exists() else 0

    def bytes_on_disk(self) -> int:
        """The size of the file and its write-ahead log."""
        return sum(file.stat().st_size for file in (self.path, self._log) if file.exists())

    def close(self) -> None:
        """Write the log into the file and close it: from then on any DuckDB can read it."""
        try:
            self.checkpoint()
        finally:
            self._close()

    # ----------------------------------------------------------------------------------------------------- writing

    def _write_in_parts(self, batches: list[Batch]) -> None:
        """What has failed together, in halves: one bad row holds up no other."""
        for batch in batches:
            rows = batch.rows
            if len(rows) <= 1:
                self._write_alone(batch)
                continue
            middle = len(rows) // 2
            first = Batch(batch.stream, batch.place.reached(rows[:middle]), rows[:middle])
            for half in (first, Batch(batch.stream, batch.place, rows[middle:])):
                try:
                    self._transaction([half], self._typed)
                except duckdb.Error as error:
                    self._mend(error)
                    self._write_in_parts([half])

    def _write_alone(self, batch: Batch) -> None:
        """One row that could not be taken: without making it typed, then without its text."""
        try:
            self._transaction([batch], ())
            return
        except duckdb.Error as error:
            self._mend(error)
        bare = [Stored(row.sequence, "", row.stored_at_ns, "", b"") for row in batch.rows]
        try:
            self._transaction([Batch(batch.stream, batch.place, bare)], ())
        except duckdb.Error as error:
            self._mend(error)
            raise StorageError(self._sentence(error)) from error

    def _transaction(self, batches: list[Batch], typed: tuple[Typed, ...]) -> None:
        connection = self.connection
        connection.begin()
        try:
            for batch in batches:
                self._move_watermark(connection, batch)
            connection.execute(ARRIVED)
            with connection.appender("fresh") as appender:
                for batch in batches:
                    rows = _rows(batch, self._start_of(batch))
                    while part := list(islice(rows, APPEND_ROWS)):
                        appender.append_rows(part)
            connection.execute("INSERT INTO recorded SELECT * EXCLUDE (whole) FROM temp.fresh")
            streams = {batch.stream for batch in batches}
            for table in typed:
                if table.stream in streams:
                    connection.execute(f"INSERT INTO {table.table} {table.select}")
            connection.commit()
        except BaseException:
            with contextlib.suppress(
                duckdb.Error
            ):  # the transaction, or all, is already gone: the first error says why
                connection.rollback()
            raise
        self._places.update((batch.stream, batch.place) for batch in batches)

    def _start_of(self, batch: Batch) -> int:
        """The sequence beyond which the batch's rows must lie."""
        before = self._places.get(batch.stream)
        return before.sequence if before is not None and before.generation == batch.place.generation else 0

    def _move_watermark(self, connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
        place, before = batch.place, self._places.get(batch.stream)
        if before is None or before.generation != place.generation:
            connection.execute(
                "INSERT INTO watermarks VALUES (?, ?, ?, ?)",
                [batch.stream, place.generation, place.created, place.sequence],
            )
            return
        moved = connection.execute(
            "UPDATE watermarks SET last_sequence = ? WHERE stream = ? AND generation = ? AND last_sequence = ?",
            [place.sequence, batch.stream, place.generation, before.sequence],
        ).fetchone()
        if moved != (1,):
            raise RecordingError(
                f"the watermark of {batch.stream} is not at {before.sequence}: who else writes {self.path}?"
            )

    # --------------------------------------------------------------------------------------- opening and mending

    def _open(self) -> None:
        try:
            self._connection = _connect(self.path)
            prepare(self._connection, self._typed)
            self._places = self._read_places(self._connection)
            self._rest(self._connection)
        except duckdb.Error as error:
            self._close()
            raise _why_not(self.path, error) from error
        self.path.chmod(self.path.stat().st_mode & FILE_MODE)

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(duckdb.Error):
                self._connection.close()
        self._connection = None

    def _mend(self, error: duckdb.Error) -> None:
        """Go on after `error`: DuckDB refuses a file for good after some of them, until it is opened again.

        Raises `StorageError` when it can not be opened, or the disk is full: then it is not tried in parts.
        """
        try:
            self.connection.execute("SELECT count(*) FROM watermarks").fetchall()
        except duckdb.Error:
            self._reopen()
        if any(text in str(error) for text in OF_THE_DISK):
            raise StorageError(self._sentence(error)) from error

    def _reopen(self) -> None:
        self._close()
        try:
            self._open()
        except ConfigurationError as error:
            raise StorageError(str(error)) from error

    def _rest(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let go of what has been read of the file, then allow what a batch may need."""
        with contextlib.suppress(duckdb.OutOfMemoryException):  # it holds more than that of what is not in the file yet
            connection.execute(f"SET memory_limit = '{MEMORY_MEGABYTES_AT_REST}MB'")
        connection.execute(f"SET memory_limit = '{self._memory_megabytes_max}MB'")

    def _read_places(self, connection: duckdb.DuckDBPyConnection) -> dict[str, Place]:
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT stream, generation, created, last_sequence FROM watermarks ORDER BY generation"
        ).fetchall()
        return {stream: Place(generation, created, sequence) for stream, generation, created, sequence in rows}

    def _sentence(self, error: duckdb.Error) -> str:
        return f"{self.path} can not be written: {_first_line(error)}"


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": "1",
        "async_threads": "0",  # no thread but the caller's: the process can be forked
        "memory_limit": f"{MEMORY_MEGABYTES_TO_OPEN}MB",
        "temp_directory": "",  # a copy would share the file into which the other spills
        "checkpoint_threshold": "1TB",
        "auto_checkpoint_skip_wal_threshold": str(10**12),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",  # else a query could read this process's variables by name
        "show_behavior": "table",  # else SHOW shows a setting where there is no table
    }
    connection = duckdb.connect(":memory:", config=config)
    quoted = str(path).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS desk (ROW_GROUP_SIZE {ROW_GROUP_ROWS})")
    connection.execute("USE desk")
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    return connection


def _why_not(path: Path, error: duckdb.Error) -> ConfigurationError | StorageError:
    text = str(error)
    if any(said in text for said in OF_THE_DISK):
        return StorageError(f"{path} can not be opened: {_first_line(error)}")
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


def _payload(row: Stored) -> tuple[str | None, bytes | None, int | None, str | None, str | None]:
    """The payload as text where that is lossless, else as bytes; of one that is too long the beginning, its size, its
    MD5, and the whole text to make typed."""
    payload = row.payload
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = None
    if len(payload) <= PAYLOAD_BYTES_MAX:
        return text, payload if text is None else None, None, None, None
    digest = hashlib.md5(payload, usedforsecurity=False).hexdigest()
    if text is None:
        return None, payload[:PAYLOAD_BYTES_MAX], len(payload), digest, None
    return payload[:PAYLOAD_BYTES_MAX].decode(errors="ignore"), None, len(payload), digest, text


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]

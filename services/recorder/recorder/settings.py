"""What the recorder is told at its start."""

from __future__ import annotations

from pathlib import Path

from signalbox.settings import ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Read from `SIGNALBOX_<FIELD>`."""

    database_file: Path
    """The DuckDB file. It belongs to this process alone while it runs."""
    batch_rows_max: int = 4_000
    """One transaction holds at most about this many rows: 2,000 are a tenth slower, more hold more
    memory."""
    batch_bytes_max: int = 8_000_000
    """And this many bytes of payload."""
    batch_delay_seconds_max: float = 0.25
    """How long a message may wait for others before it is committed."""
    database_memory_megabytes_max: int = 32
    """What DuckDB may hold, recording and all queries together."""
    query_seconds_max: float = 10.0
    """A query is interrupted after this time."""
    query_rows_max: int = 10_000
    """No reply has more rows, whatever was asked for."""
    queries_waiting_max: int = 16
    """One query runs at a time; when this many wait, the next is refused."""

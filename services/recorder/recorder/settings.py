"""What the recorder is told at its start."""

from __future__ import annotations

import os
from pathlib import Path

from signalbox.settings import ServiceSettings

PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL")


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Read from `SIGNALBOX_<FIELD>`."""

    database_file: Path
    """The DuckDB file. It belongs to this process alone while it runs."""
    batch_rows_max: int = 4_000
    """One transaction holds at most about this many rows: 2,000 are a tenth slower, more hold more
    memory."""
    batch_bytes_max: int = 4_000_000
    """And this many bytes of payload."""
    batch_delay_seconds_max: float = 0.25
    """How long a message may wait for others before it is committed."""
    database_memory_megabytes_max: int = 256
    """What DuckDB may hold to record. It rests at 32 MB; a backlog takes more while long queries run."""
    query_seconds_max: float = 10.0
    """A query is stopped after this time."""
    query_memory_megabytes_max: int = 768
    """What one query may take, the others being small then: 96 MB each."""
    query_rows_max: int = 10_000
    """No reply has more rows, whatever was asked for."""
    queries_at_once_max: int = 4
    """So many queries run at the same time, each in a process of its own."""
    queries_per_asker_max: int = 2
    """So many of them of one person or program."""
    queries_waiting_max: int = 16
    """When this many wait for their turn, the next is refused."""
    queries_waiting_per_asker_max: int = 4
    """When this many of one person or program wait, that one's next is refused."""


def keepers_environment() -> dict[str, str]:
    """All of the environment that the database's keeper gets: it needs no password, so it has none."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}

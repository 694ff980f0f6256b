"""What can go wrong with the database. Knows nothing of DuckDB: both processes of the recorder import it.

RecordingError          the file says something else than this process remembers; the process ends, its restart reads on
└── StorageError        the file can not be written now (a full disk); tried again until it can, nothing is lost
FileInUseError          somebody else has the file open; waited for
"""

from __future__ import annotations

from signalbox.errors import ConfigurationError, SignalboxError


class RecordingError(SignalboxError):
    """The database could not take a batch. Nothing is lost: a restart reads on from the watermark."""


class StorageError(RecordingError):
    """The database can not be written now. Nothing is lost: what has been collected is kept and tried again."""


class FileInUseError(ConfigurationError):
    """Another process has the file open: a suspended recorder, or a person who looks into it."""

"""Bounds what the processes of a local desk write into their logs.

What is logged may be of somebody's making: nats-server writes a line of kilobytes for each message that it refuses, and
the disk is the one that holds the streams. A log that is too long is begun anew, and its end kept beside it. The
processes need not know: they write at the end of the file, wherever that is.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path

from signalbox.room import MEBIBYTE

LOG_BYTES_MAX = 32 * MEBIBYTE
LOOK_SECONDS = 1.0


async def watch(folder: Path) -> None:
    """Keep each log of the folder within its bound; for ever."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await asyncio.to_thread(_look, folder)


def _look(folder: Path) -> None:
    for log in folder.glob("*.log"):
        begin_anew_if_long(log)


def begin_anew_if_long(log: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Empty a log of more than `bytes_max`; that much of its end is then in `<name>.1`, but for what is written now."""
    kept = log.with_name(f"{log.name}.1")
    with suppress(OSError), open(log, "rb") as before:
        size = os.fstat(before.fileno()).st_size
        if size <= bytes_max:
            return
        try:
            with open(kept, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as after:
                before.seek(size - bytes_max)
                shutil.copyfileobj(before, after, bytes_max)
                after.truncate(bytes_max)
        except OSError:  # the disk is full: room goes before what was said
            kept.unlink(missing_ok=True)
        os.truncate(log, 0)

"""What to do about a nats-server whose disk was full: rules over what it says of its health and what its disk has free.

A write that finds no room on the disk stops the stream until nats-server is started again: it answers nothing on it
any more, though there may be room by then, and says `write error` at /healthz (nats-server 2.15). Started again with
room it has every message that it acknowledged. Pure, but for looks at the disk.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from signalbox.room import MEBIBYTE, STORE_BYTES_MIN

FREE_BYTES_MIN = 32 * MEBIBYTE
"""Less than that on the disk would soon be full again."""
DISK_PART = (3, 4)
"""Of what a small disk could give to the streams, this part: their files are larger than what they hold."""

_STOPPED = re.compile(r"stream '[^']*\b(\w+)' write error")


@dataclass(frozen=True)
class StoreTrouble:
    """A stream that stores nothing, and whether starting nats-server again would help by now."""

    stream: str
    can_start_again: bool


def trouble_of(status: int, health: str, free_bytes: int) -> StoreTrouble | None:
    """What /healthz says of the store; None = nothing, or nothing that a start mends."""
    found = _STOPPED.search(health) if status == 503 else None
    return None if found is None else StoreTrouble(found[1], free_bytes >= FREE_BYTES_MIN)


def disk_bytes(store: Path) -> int:
    """What the disk of `store` can give to the streams, with what they have there already."""
    held = sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) if store.exists() else 0
    counted, whole = DISK_PART
    return max(STORE_BYTES_MIN, (free_bytes(store) + held) * counted // whole)


def free_bytes(store: Path) -> int:
    """What the disk has free where `store` is, or will be."""
    return shutil.disk_usage(next(folder for folder in (store, *store.parents) if folder.exists())).free

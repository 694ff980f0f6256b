"""What to do about a nats-server whose disk was full: rules over what it says of its health and what its disk has free.

A write that finds no room on the disk stops the stream until nats-server is started again: it answers nothing on it
any more, though there may be room by then, and says `write error` at /healthz (nats-server 2.15). Started again with
room it has every message that it acknowledged.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from signalbox.room import MEBIBYTE, STORE_BYTES_MIN

from signalbox_cli import local_http

LOOK_SECONDS = 2.0
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


async def watch(
    monitor_port: int, store: Path, say: Callable[[str], None], start_again: Callable[[], Awaitable[None]]
) -> None:
    """Start nats-server again, once there is room, when a full disk has stopped a stream; for ever."""
    told = ""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        status, health = await local_http.get(monitor_port, "/healthz")
        trouble = trouble_of(status, health, free_bytes(store))
        if trouble is None:
            told = ""
        elif trouble.can_start_again:
            say(f"the disk was full and {trouble.stream} stopped; starting nats-server again with room")
            await start_again()
        elif told != trouble.stream:
            told = trouble.stream
            say(
                f"the disk of {store} is full: {told} stores nothing and no order is let through. Make room; all goes "
                "on by itself then (docs/runbooks/stream-full.md)"
            )


def disk_bytes(store: Path) -> int:
    """What the disk of `store` can give to the streams, with what they have there already."""
    held = 0
    for file in store.rglob("*"):
        with suppress(OSError):  # nats-server runs, and may have taken it away
            held += file.stat().st_size
    counted, whole = DISK_PART
    return max(STORE_BYTES_MIN, (free_bytes(store) + held) * counted // whole)


def free_bytes(store: Path) -> int:
    """What the disk has free where `store` is, or will be."""
    return shutil.disk_usage(next(folder for folder in (store, *store.parents) if folder.exists())).free

"""How the store's room is shared out between the streams, and how much of it is used: rules over figures.

Each stream has a part of its own, and all parts together fit into the store. So none can take another's room: whatever
fills with market data, scores or intents, a halt, a decision, an order event, a claim and a report still have theirs.
Pure: `signalbox.bus.bootstrap` gives the streams their bounds, and risk denies orders before the room of what an order
needs is used up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signalbox.errors import ConfigurationError

MEBIBYTE = 1024 * 1024
STORE_BYTES_MIN = 64 * MEBIBYTE
"""With less, a stream's part would be too small for the largest messages."""

SHARES_PERMILLE: dict[str, int] = {
    # What an order needs. Nothing of it is ever dropped: a message that does not fit is refused, and waits.
    "TRADE": 360,
    "COMMANDS": 80,
    "LEDGER": 80,
    "REPORTS": 120,
    # What must always be taken: small, and the oldest makes room.
    "KV_CONTROL": 10,
    "KV_LEASES": 10,
    # What people want. It leaves the queue with its decision.
    "INTENTS": 50,
    # What is worth less by the day: the oldest makes room.
    "STATE": 40,
    "BARS": 80,
    "SCORES": 90,
    "TIMERS": 30,
    "DEAD": 30,
    # What follows from TRADE: without it a start takes longer.
    "CHECKPOINTS": 15,
}
"""Thousandths of the store, by stream. What is left over is nobody's: a stream to come needs some."""

NEARLY_FULL = 0.9
"""Above this part new orders are denied, unless the desk file says otherwise: the rest is for those under way."""
NEEDED_BY_ORDERS = ("TRADE", "COMMANDS", "LEDGER", "REPORTS")
"""The streams in which an order leaves something on its way. While one is nearly full, no new order is let through."""


def stream_bytes_max(stream: str, store_bytes: int) -> int:
    """The part of a stream in a store of so many bytes."""
    return store_bytes * SHARES_PERMILLE[stream] // 1000


def store_bytes_of(limit_bytes: int, copies: int, wanted_bytes: int | None) -> int:
    """How many bytes one copy of all streams may take: what is wanted, at most what NATS grants (-1 = any).

    Raises `ConfigurationError` when that is more than NATS grants, or too little to work with.
    """
    granted_bytes = limit_bytes // copies if limit_bytes > 0 else None
    of_copies = f" for each of {copies} copies" if copies > 1 else ""
    if granted_bytes is None and wanted_bytes is None:
        raise ConfigurationError(
            ["NATS sets no limit to what the desk may store: start it with deploy/nats/nats.conf, or give --store"]
        )
    if wanted_bytes is not None and granted_bytes is not None and wanted_bytes > granted_bytes:
        raise ConfigurationError(
            [
                f"--store is {shown_bytes(wanted_bytes)}, but NATS lets the desk store "
                f"{shown_bytes(granted_bytes)}{of_copies}: ask for less, or raise DESK_STORE_MAX in nats.conf"
            ]
        )
    store_bytes = wanted_bytes if wanted_bytes is not None else granted_bytes
    assert store_bytes is not None
    if store_bytes < STORE_BYTES_MIN:
        raise ConfigurationError(
            [
                f"the streams would have {shown_bytes(store_bytes)}{of_copies}; the desk needs "
                f"{shown_bytes(STORE_BYTES_MIN)} at least: give --store, or raise DESK_STORE_MAX in nats.conf"
            ]
        )
    return store_bytes


@dataclass(frozen=True)
class StreamRoom:
    """What a stream holds, and may hold (0 = nobody has set a bound)."""

    stream: str
    bytes: int
    bytes_max: int

    @property
    def used(self) -> float:
        """The used part, 1 = all of it; 0 where there is no bound."""
        return self.bytes / self.bytes_max if self.bytes_max else 0.0

    @property
    def used_percent(self) -> int:
        """The same in whole percent, rounded down."""
        return self.bytes * 100 // self.bytes_max if self.bytes_max else 0


def room_of(name: str, state: dict[str, Any], config: dict[str, Any]) -> StreamRoom:
    """The room of a stream in JetStream's own words."""
    return StreamRoom(name, int(state.get("bytes", 0)), max(0, int(config.get("max_bytes", 0))))


def fullest(rooms: Sequence[StreamRoom]) -> StreamRoom | None:
    """Of the streams that an order needs the one with the least left; None when none of them is among `rooms`."""
    needed = [room for room in rooms if room.stream in NEEDED_BY_ORDERS]
    return max(needed, key=lambda room: room.used, default=None)


def shown_bytes(count: int) -> str:
    """A number of bytes for a sentence: `1.5 GiB`, `340.0 MiB`, `12 bytes`."""
    for unit, size in (("GiB", 1024 * MEBIBYTE), ("MiB", MEBIBYTE), ("KiB", 1024)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"

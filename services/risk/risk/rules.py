"""What risk takes from the desk file, as one value with a name: the limits, and what may be traded where.

Owns the name. A decision bears it, so that it can be made again with the same rules or is known to have had others.
Pure; it must not know what a rule means for an intent.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Struct
from signalbox.desk import Desk
from signalbox.instruments import parse_symbol

VERSION_DIGITS = 16


class Rules(Struct, frozen=True):
    """`allowed` are (venue, canonical symbol)."""

    desk: Desk
    allowed: frozenset[tuple[str, str]]
    version: str


def rules_of(desk: Desk) -> Rules:
    """The rules of a desk file. Equal ones have the same version, whatever else in the file is another."""
    allowed = frozenset((line.venue, parse_symbol(line.symbol).canonical) for line in desk.instruments)
    taken = (
        desk.limits,
        sorted(desk.venues.items()),
        sorted(allowed),
        sorted(desk.fx_rates.items()),
        desk.nats.room_used_fraction_max,
    )
    return Rules(desk, allowed, sha256(msgspec.json.encode(taken)).hexdigest()[:VERSION_DIGITS])

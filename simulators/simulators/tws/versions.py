"""The server versions that this gateway speaks, and how messages of the older ones differ from those of the newest.

Owns the choice of a version and the rewriting of what is sent; everything else in this package writes the newest. Pure.
ib_insync, the library before ib_async, asks for 176; IB's own client on PyPI, `ibapi` 9.81.1, for 157. Layout: the
conditions on `serverVersion` in `ib_async`'s decoder and client and in IB's `ibapi.server_versions`.
"""

from __future__ import annotations

from simulators.tws.kinds import Outbound
from simulators.tws.order_replies import COMPLETED_ORDER_PROFILE_AT, OPEN_ORDER_PROFILE_AT
from simulators.tws.replies import Message

OLDEST, NEWEST = 157, 178

# The first version with, or without, a field
WITH_DURATION, WITH_POST_TO_ATS, WITH_AUTO_CANCEL_PARENT, WITH_PEGGED_OFFSETS = 158, 160, 162, 170
WITH_SUGGESTED_SIZE, WITH_SIZE_RULES = 163, 164
WITH_ADVANCED_REJECT, WITH_MANUAL_TIME, WITH_BOND_ISSUER = 166, 169, 176
WITHOUT_ALLOCATION_PROFILE = 177
WITH_PENDING_REVISION = 178

_PEGGED_OFFSETS = 5
_MINIMUM_TICK_AT = 13
_DETAILS_VERSION = 8


def agreed(lowest: int, highest: int) -> int | None:
    """Return the newest version that a client of versions `lowest` to `highest` and this gateway speak, or None."""
    version = min(highest, NEWEST)
    return version if version >= max(lowest, OLDEST) else None


def in_version(message: Message, version: int) -> Message:
    """Return a message as `version` has it."""
    if version >= NEWEST:
        return message
    match message[0]:
        case Outbound.EXEC_DETAILS if version < WITH_PENDING_REVISION:
            return message[:-1]
        case Outbound.OPEN_ORDER:
            gone = sum(version < first for first in (WITH_DURATION, WITH_POST_TO_ATS, WITH_AUTO_CANCEL_PARENT))
            return _order(message, OPEN_ORDER_PROFILE_AT, gone, version)
        case Outbound.COMPLETED_ORDER:
            return _order(message, COMPLETED_ORDER_PROFILE_AT, 0, version)
        case Outbound.ERROR if version < WITH_ADVANCED_REJECT:
            return message[:-1]
        case Outbound.CONTRACT_DETAILS if version < WITH_SIZE_RULES:
            return _details(message, version)
    return message


def _order(message: Message, profile_at: int, gone: int, version: int) -> Message:
    """`gone` = how many of the fields before the pegged offsets this version does not have."""
    if version < WITHOUT_ALLOCATION_PROFILE:
        message = (*message[:profile_at], "", *message[profile_at:])
    return message[: -_PEGGED_OFFSETS - gone] if version < WITH_PEGGED_OFFSETS else message


def _details(message: Message, version: int) -> Message:
    """Older ones begin with a version, have a size multiplier after the tick, and no rules about sizes at the end."""
    *shared, _, _, suggested_size = message
    head, rest = shared[: _MINIMUM_TICK_AT + 1], shared[_MINIMUM_TICK_AT + 1 :]
    size = (suggested_size,) if version >= WITH_SUGGESTED_SIZE else ()
    return (head[0], _DETAILS_VERSION, *head[1:], 1, *rest, *size)

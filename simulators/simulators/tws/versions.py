"""The server versions that this gateway speaks, and how messages of the older ones differ from those of the newest.

Owns the choice of a version and the rewriting of what is sent; everything else in this package writes the newest. Pure.
176 is what ib_insync, the library before ib_async, asks for. Layout: the conditions on `serverVersion` in
`ib_async.decoder.Decoder` and `ib_async.client.Client.placeOrder`.
"""

from __future__ import annotations

from simulators.tws.kinds import Outbound
from simulators.tws.order_replies import COMPLETED_ORDER_PROFILE_AT, OPEN_ORDER_PROFILE_AT
from simulators.tws.replies import Message
from simulators.tws.wire import Value

OLDEST, NEWEST = 176, 178
WITHOUT_ALLOCATION_PROFILE = 177
WITH_PENDING_REVISION = 178

_PROFILE_AT: dict[Value, int] = {
    Outbound.OPEN_ORDER: OPEN_ORDER_PROFILE_AT,
    Outbound.COMPLETED_ORDER: COMPLETED_ORDER_PROFILE_AT,
}


def agreed(lowest: int, highest: int) -> int | None:
    """Return the newest version that a client of versions `lowest` to `highest` and this gateway speak, or None."""
    version = min(highest, NEWEST)
    return version if version >= max(lowest, OLDEST) else None


def in_version(message: Message, version: int) -> Message:
    """Return a message as `version` has it."""
    kind = message[0]
    if version < WITH_PENDING_REVISION and kind is Outbound.EXEC_DETAILS:
        return message[:-1]
    if version < WITHOUT_ALLOCATION_PROFILE and (at := _PROFILE_AT.get(kind)):
        return (*message[:at], "", *message[at:])
    return message

"""Whether NATS keeps what it acknowledges as firmly as the desk file says: a rule over what the servers say.

Pure: `signalbox.bus` asks the servers. Live trading is refused on anything weaker than was stated, and on "relaxed".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signalbox.desk import Durability
from signalbox.room import StreamRoom

REPLICAS_MIN = 3
"""Of two servers neither can go on alone: a majority of three is what outlives one of them."""


@dataclass(frozen=True, kw_only=True)
class JetStreamServer:
    """What one server said of itself: its clock, whether it syncs each message, the streams of the desk that it has.

    `streams` are JetStream's own configurations, by name; `rooms` is how full they are.
    `store_bytes` is what the server may store in all; -1 = it does not say.
    """

    name: str
    at: datetime
    syncs_always: bool
    streams: dict[str, dict[str, Any]]
    rooms: tuple[StreamRoom, ...] = ()
    store_bytes: int = -1


def observed_durability(servers: Sequence[JetStreamServer], stream: str = "") -> Durability:
    """The durability that the servers give to `stream`, else to the least of all streams."""
    replicas = [
        int(config.get("num_replicas", 1))
        for server in servers
        for name, config in server.streams.items()
        if stream in ("", name)
    ]
    if replicas and min(replicas) >= REPLICAS_MIN:
        return Durability.REPLICATED
    if servers and all(server.syncs_always for server in servers):
        return Durability.FSYNC
    return Durability.RELAXED


def durability_mistake(stated: Durability, observed: Durability) -> str:
    """What is wrong with that for real money; "" = nothing."""
    if stated is Durability.RELAXED:
        return 'nats.durability in the desk file is "relaxed": with real money it must be "fsync" or "replicated"'
    if observed is Durability.RELAXED:
        return (
            f'nats.durability in the desk file is "{stated}", but NATS neither syncs each message to its disk nor '
            f"holds the streams {REPLICAS_MIN} times: {REMEDY[stated]}"
        )
    if stated is not observed:
        return (
            f'nats.durability in the desk file is "{stated}", but what NATS gives is "{observed}": say so in the desk '
            f"file, or {REMEDY[stated]}"
        )
    return ""


REMEDY = {
    Durability.FSYNC: "start nats-server with deploy/nats/fsync.conf",
    Durability.REPLICATED: f"run {REPLICAS_MIN} servers (deploy/nats/cluster.conf) and "
    f"`signalbox bootstrap --replicas {REPLICAS_MIN}`",
}
"""What brings about each durability."""

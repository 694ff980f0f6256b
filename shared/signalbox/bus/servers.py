"""Asks every nats-server what it is: its clock, whether it syncs each message, its streams and how full they are.

deploy/nats/nats.conf exports this one question from the system account; it can change nothing.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from signalbox.bus.client import BusClient, nobody_listens
from signalbox.bus.wire import Delivery
from signalbox.durability import JetStreamServer
from signalbox.errors import BusUnavailableError
from signalbox.room import room_of

JETSTREAM_OF_EACH_SERVER = "$SYS.REQ.SERVER.PING.JSZ"
FIRST_ANSWER_SECONDS_MAX = 3.0
NEXT_ANSWER_SECONDS_MAX = 0.3
SERVERS_MAX = 32
_QUESTION = msgspec.json.encode({"accounts": True, "streams": True, "config": True})


async def ask_servers(client: BusClient) -> tuple[JetStreamServer, ...]:
    """What each server that answers says. Raises `BusUnavailableError` when none does: it may not be allowed, too."""
    answers: asyncio.Queue[Delivery] = asyncio.Queue(SERVERS_MAX)

    def answered(delivery: Delivery) -> None:
        if not answers.full() and not nobody_listens(delivery):
            answers.put_nowait(delivery)

    inbox = client.new_inbox()
    listening = await client.listen(inbox, answered)
    servers: list[JetStreamServer] = []
    wait_seconds = FIRST_ANSWER_SECONDS_MAX
    try:
        await client.publish(JETSTREAM_OF_EACH_SERVER, _QUESTION, reply=inbox)
        while len(servers) < SERVERS_MAX:
            answer = await asyncio.wait_for(answers.get(), wait_seconds)
            try:
                servers.append(_server(msgspec.json.decode(answer.payload)))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise BusUnavailableError("what a nats-server says of itself makes no sense: is it one?") from None
            wait_seconds = NEXT_ANSWER_SECONDS_MAX
    except TimeoutError:
        pass
    finally:
        await listening.stop()
    if not servers:
        raise BusUnavailableError(
            "no nats-server says whether it syncs what it stores: was it started with another configuration than "
            "deploy/nats/nats.conf, or an older one?"
        )
    return tuple(servers)


def _server(answer: dict[str, Any]) -> JetStreamServer:
    """Read what a server says of itself; a figure that is not there counts as the weaker one."""
    told = answer.get("data") or {}
    details = [
        stream
        for account in told.get("account_details") or ()
        for stream in account.get("stream_detail") or ()
        if stream.get("config")
    ]
    return JetStreamServer(
        name=str(answer["server"]["name"]),
        at=datetime.fromisoformat(answer["server"]["time"]),
        syncs_always=bool((told.get("config") or {}).get("sync_always", False)),
        streams={stream["name"]: stream["config"] for stream in details},
        rooms=tuple(room_of(stream["name"], stream.get("state") or {}, stream["config"]) for stream in details),
        store_bytes=int((told.get("config") or {}).get("max_storage", -1)),
    )

"""Asks every nats-server what it is: its clock, whether it syncs each message, its streams and how full they are.

deploy/nats/nats.conf exports this one question from the system account; it can change nothing.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from signalbox.durability import JetStreamServer
from signalbox.errors import BusUnavailableError
from signalbox.room import room_of

JETSTREAM_OF_EACH_SERVER = "$SYS.REQ.SERVER.PING.JSZ"
FIRST_ANSWER_SECONDS_MAX = 3.0
NEXT_ANSWER_SECONDS_MAX = 0.3
SERVERS_MAX = 32
_QUESTION = msgspec.json.encode({"accounts": True, "streams": True, "config": True})


async def ask_servers(client: Client) -> tuple[JetStreamServer, ...]:
    """What each server that answers says. Raises `BusUnavailableError` when none does: it may not be allowed, too."""
    answers: asyncio.Queue[Msg] = asyncio.Queue(SERVERS_MAX)

    async def answered(message: Msg) -> None:
        if not answers.full():
            answers.put_nowait(message)

    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=answered)
    servers: list[JetStreamServer] = []
    wait_seconds = FIRST_ANSWER_SECONDS_MAX
    try:
        await client.publish(JETSTREAM_OF_EACH_SERVER, _QUESTION, reply=inbox)
        while len(servers) < SERVERS_MAX:
            message = await asyncio.wait_for(answers.get(), wait_seconds)
            servers.append(_server(msgspec.json.decode(message.data)))
            wait_seconds = NEXT_ANSWER_SECONDS_MAX
    except TimeoutError:
        pass
    finally:
        if client.is_connected:
            await subscription.unsubscribe()
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
    )

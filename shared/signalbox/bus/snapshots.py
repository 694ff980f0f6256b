"""Copies of whole streams, with their consumers, through JetStream's own snapshot and restore.

Owns the protocol: a snapshot comes as chunks, of which the server may want each acknowledged, and an empty one at the
end; a restore takes them back the same way, one answer a chunk. It must not know which streams there are, nor in which
order they must be copied for the copies to make sense together.

https://github.com/nats-io/nats-architecture-and-design (JetStream API: STREAM.SNAPSHOT, STREAM.RESTORE)
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from signalbox.errors import BusError, BusUnavailableError

CHUNK_BYTES = 128 * 1024
ANSWER_SECONDS_MAX = 10.0
"""Silence that ends a snapshot or a restore: a server that works sends or answers each chunk within milliseconds."""


async def save_stream(client: Client, stream: str, file: Path) -> dict[str, Any]:
    """Copy a stream and its consumers into `file`; what JetStream says of it: its `config` and `state`, and of the
    file its `sha256`.

    Raises `BusError` when JetStream refuses, `BusUnavailableError` when it falls silent; `file` is then incomplete.
    """
    inbox = client.new_inbox()
    chunks: asyncio.Queue[Msg] = asyncio.Queue()
    subscription = await client.subscribe(inbox, cb=chunks.put)
    try:
        request = {"deliver_subject": inbox, "chunk_size": CHUNK_BYTES, "no_consumers": False, "jsck": True}
        reply = await _ask(client, f"$JS.API.STREAM.SNAPSHOT.{stream}", request)
        digest = hashlib.sha256()
        with file.open("wb") as target:
            while (chunk := await _next(chunks, stream)).data:
                target.write(chunk.data)
                digest.update(chunk.data)
                if chunk.reply:  # a server that wants to know how far we are
                    await client.publish(chunk.reply)
        status = (chunk.headers or {}).get("Status", "204")
        if status != "204":
            description = (chunk.headers or {}).get("Description", "")
            raise BusError(f"JetStream broke the snapshot of {stream} off: {status} {description}")
    finally:
        await subscription.unsubscribe()
    return {"config": reply["config"], "state": reply["state"], "sha256": digest.hexdigest()}


async def restore_stream(client: Client, stream: str, file: Path, saved: dict[str, Any]) -> None:
    """Make a stream from `file`, and from what `save_stream` returned of it; a stream of that name must not exist.

    Raises `BusError` when JetStream refuses it, `BusUnavailableError` when it falls silent.
    """
    request = {"config": saved["config"], "state": saved["state"]}
    reply = await _ask(client, f"$JS.API.STREAM.RESTORE.{stream}", request)
    with file.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            _demand(await _send(client, reply["deliver_subject"], chunk, stream), stream)
    _demand(await _send(client, reply["deliver_subject"], b"", stream), stream)


async def consumer_place(client: Client, stream: str, consumer: str) -> int:
    """The sequence up to which a consumer has acknowledged everything."""
    info = await _ask(client, f"$JS.API.CONSUMER.INFO.{stream}.{consumer}", {})
    return int(info["ack_floor"]["stream_seq"])


async def set_consumer_place(client: Client, stream: str, consumer: str, place: int) -> None:
    """Have a consumer deliver again what comes behind `place`."""
    await _ask(client, f"$JS.API.CONSUMER.RESET.{stream}.{consumer}", {"seq": place + 1})


async def _ask(client: Client, subject: str, request: dict[str, Any]) -> dict[str, Any]:
    answer = await _send(client, subject, json.dumps(request).encode(), subject)
    return _demand(answer, subject)


async def _send(client: Client, subject: str, payload: bytes, what: str) -> bytes:
    try:
        answer = await client.request(subject, payload, timeout=ANSWER_SECONDS_MAX)
    except (NatsError, TimeoutError) as error:
        raise BusUnavailableError(
            f"JetStream does not answer for {what}: is it running, and may this user ask it?"
        ) from error
    return bytes(answer.data)


def _demand(answer: bytes, what: str) -> dict[str, Any]:
    """What JetStream answered (nothing at all is a yes to a chunk); raises `BusError` with its words if it is a no."""
    reply: dict[str, Any] = json.loads(answer) if answer else {}
    if "error" in reply:
        raise BusError(f"JetStream refuses {what}: {reply['error'].get('description', reply['error'])}")
    return reply


async def _next(chunks: asyncio.Queue[Msg], stream: str) -> Msg:
    try:
        return await asyncio.wait_for(chunks.get(), ANSWER_SECONDS_MAX)
    except TimeoutError:
        raise BusUnavailableError(f"the snapshot of {stream} stopped half-way: nothing came for a while") from None

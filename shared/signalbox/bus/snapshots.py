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

from nats.errors import Error as NatsError

from signalbox.bus.client import BusClient
from signalbox.bus.received import status_of
from signalbox.bus.wire import Delivery
from signalbox.errors import BusError, BusUnavailableError

CHUNK_BYTES = 128 * 1024
RESETS_MAX, LOOKS, LOOK_SECONDS = 50, 4, 0.1
"""How often a consumer is put back, and for how long it has to stay there before it is believed."""
ANSWER_SECONDS_MAX = 10.0
"""Silence that ends a snapshot or a restore: a server that works sends or answers each chunk within milliseconds."""


async def save_stream(client: BusClient, stream: str, file: Path) -> dict[str, Any]:
    """Copy a stream and its consumers into `file`; what JetStream says of it: its `config` and `state`, and of the
    file its `sha256`.

    Raises `BusError` when JetStream refuses, `BusUnavailableError` when it falls silent; `file` is then incomplete.
    """
    inbox = client.new_inbox()
    chunks: asyncio.Queue[Delivery] = asyncio.Queue()  # bounded by what the server sends before it wants an answer
    listening = await client.listen(inbox, chunks.put_nowait)
    try:
        request = {"deliver_subject": inbox, "chunk_size": CHUNK_BYTES, "no_consumers": False, "jsck": True}
        reply = await _ask(client, f"$JS.API.STREAM.SNAPSHOT.{stream}", request)
        digest = hashlib.sha256()
        with file.open("wb") as target:
            while (chunk := await _next(chunks, stream)).payload:
                target.write(chunk.payload)
                digest.update(chunk.payload)
                if chunk.reply:  # a server that wants to know how far we are
                    await client.publish(chunk.reply.decode())
        if chunk.headers and (status := status_of(chunk)).code != 204:
            raise BusError(f"JetStream broke the snapshot of {stream} off: {status.code} {status.text}")
    finally:
        await listening.stop()
    return {"config": reply["config"], "state": reply["state"], "sha256": digest.hexdigest()}


async def restore_stream(client: BusClient, stream: str, file: Path, saved: dict[str, Any]) -> None:
    """Make a stream from `file`, and from what `save_stream` returned of it; a stream of that name must not exist.

    Raises `BusError` when JetStream refuses it, `BusUnavailableError` when it falls silent.
    """
    request = {"config": saved["config"], "state": saved["state"]}
    reply = await _ask(client, f"$JS.API.STREAM.RESTORE.{stream}", request)
    with file.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            _demand(await _send(client, reply["deliver_subject"], chunk, stream), stream)
    _demand(await _send(client, reply["deliver_subject"], b"", stream), stream)


async def consumer_place(client: BusClient, stream: str, consumer: str) -> int:
    """The sequence up to which a consumer has acknowledged everything."""
    info = await _ask(client, f"$JS.API.CONSUMER.INFO.{stream}.{consumer}", {})
    return int(info["ack_floor"]["stream_seq"])


async def set_consumer_place(client: BusClient, stream: str, consumer: str, place: int) -> None:
    """Have a consumer deliver again what comes behind `place`; nobody may pull from it meanwhile.

    One whose stream was restored a moment ago may still be reading the state that it was copied with, which then
    stands in the place of this one: so it is looked at until it stays there, and put back again if it does not.

    Raises `BusError` when it never stays there.
    """
    for _ in range(RESETS_MAX):
        reset = _standing(await _ask(client, f"$JS.API.CONSUMER.RESET.{stream}.{consumer}", {"seq": place + 1}))
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_SECONDS)
            if _standing(await _ask(client, f"$JS.API.CONSUMER.INFO.{stream}.{consumer}", {})) != reset:
                break
        else:
            return
    raise BusError(f"the consumer {consumer} of {stream} does not stay where it was put: does a service run already?")


def _standing(info: dict[str, Any]) -> tuple[int, int, int]:
    """Up to where a consumer has delivered, and has heard that it was taken; how much of it is under way."""
    return info["delivered"]["stream_seq"], info["ack_floor"]["stream_seq"], info["num_ack_pending"]


async def _ask(client: BusClient, subject: str, request: dict[str, Any]) -> dict[str, Any]:
    answer = await _send(client, subject, json.dumps(request).encode(), subject)
    return _demand(answer, subject)


async def _send(client: BusClient, subject: str, payload: bytes, what: str) -> bytes:
    try:
        answer = await client.ask(subject, payload, ANSWER_SECONDS_MAX)
    except (NatsError, TimeoutError) as error:
        raise BusUnavailableError(
            f"JetStream does not answer for {what}: is it running, and may this user ask it?"
        ) from error
    return answer.payload


def _demand(answer: bytes, what: str) -> dict[str, Any]:
    """What JetStream answered (nothing at all is a yes to a chunk); raises `BusError` with its words if it is a no."""
    reply: dict[str, Any] = json.loads(answer) if answer else {}
    if "error" in reply:
        raise BusError(f"JetStream refuses {what}: {reply['error'].get('description', reply['error'])}")
    return reply


async def _next(chunks: asyncio.Queue[Delivery], stream: str) -> Delivery:
    try:
        return await asyncio.wait_for(chunks.get(), ANSWER_SECONDS_MAX)
    except TimeoutError:
        raise BusUnavailableError(f"the snapshot of {stream} stopped half-way: nothing came for a while") from None

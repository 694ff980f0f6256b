"""Reading what a stream holds, without a consumer: batched direct gets, resumed at the next sequence after any fault.

Needs no state on the server and no permission but `$JS.API.DIRECT.GET.<stream>`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import msgspec
from nats.errors import Error as NatsError

from signalbox.accounts import JETSTREAM
from signalbox.bus.client import BusClient, extended, nobody_listens
from signalbox.bus.received import Progress, Received, from_direct_get, status_of
from signalbox.bus.sealing import Sealing
from signalbox.bus.wire import Delivery
from signalbox.errors import BusError, BusUnavailableError
from signalbox.streams import STREAMS

BATCH_MESSAGES_MAX = 1000
BATCH_BYTES_MAX = 4_000_000
SILENCE_SECONDS_MAX = 2.0
READ_SECONDS_MAX = 60.0
"""Of a server that is there and does not answer; a service waits for one that is away as long as that takes."""
RETRY_DELAY_SECONDS = 0.2

_STREAM_BY_HEAD = {subject.split(".")[0]: stream.name for stream in STREAMS for subject in stream.subjects}
_STREAM_BY_HEAD_AND_NEXT = {
    tuple(subject.split(".")[:2]): stream.name for stream in STREAMS for subject in stream.subjects
}


def stream_of(subject: str) -> str:
    """The stream that stores `subject`, by the declaration."""
    head = tuple(subject.split(".")[:2])
    return _STREAM_BY_HEAD_AND_NEXT.get(head) or _STREAM_BY_HEAD[head[0]]


async def read_genuine(
    client: BusClient,
    sealing: Sealing,
    stream: str,
    subject: str,
    from_sequence: int,
    left_out: Callable[[Received], None],
) -> AsyncIterator[Received]:
    """See `Bus.read`."""
    async for received in read(client, stream, subject, from_sequence):
        if sealing.refuse(received):
            left_out(received)
        else:
            yield received


async def last_genuine(
    client: BusClient, sealing: Sealing, stream: str, subject: str, known_sequence: int = 0
) -> Received | None:
    """See `Bus.last`. Where the last one bears no seal, all of the subject is read.

    None also where so many of those were stored on one subject that it may have lost a genuine one to them, and none is
    left that is newer than what is known already.
    """
    newest = await last(client, stream, subject)
    if newest is None or not sealing.refuse(newest):
        return newest
    kept_max = next(each.per_subject_max for each in STREAMS if each.name == stream)
    found, forged = None, Counter[str]()
    async for received in read(client, stream, subject, 1):
        if sealing.judge(received):
            forged[received.subject] += 1
        else:
            found = received
    if found is not None and found.sequence > known_sequence > 0:
        return found
    return None if kept_max and max(forged.values(), default=0) >= kept_max else found


async def read(client: BusClient, stream: str, subject: str, from_sequence: int) -> AsyncIterator[Received]:
    """All that is stored, whoever wrote it. Raises `BusUnavailableError` after `READ_SECONDS_MAX` of silence."""
    next_sequence = max(1, from_sequence)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READ_SECONDS_MAX
    while True:
        batch, ended, problem = await _read_batch(client, stream, subject, next_sequence)
        for received in batch:
            yield received
        if batch:
            next_sequence = batch[-1].sequence + 1
            deadline = loop.time() + READ_SECONDS_MAX
        if ended:
            return
        if problem:
            deadline = extended(client, deadline, READ_SECONDS_MAX)
            if loop.time() > deadline:
                raise BusUnavailableError(f"stream {stream} can not be read: {problem}")
            await asyncio.sleep(RETRY_DELAY_SECONDS)


async def _read_batch(
    client: BusClient, stream: str, subject: str, from_sequence: int, batch_messages: int = BATCH_MESSAGES_MAX
) -> tuple[list[Received], bool, str]:
    """One batch: the messages, whether they were the last, and what went wrong ("" = nothing)."""
    if not client.is_connected:
        return [], False, "not connected"
    arrived: asyncio.Queue[Delivery] = asyncio.Queue()  # bounded by the batch
    inbox = client.new_inbox()
    listening = await client.listen(inbox, arrived.put_nowait)
    batch: list[Received] = []
    ask = {"seq": from_sequence, "batch": batch_messages, "max_bytes": BATCH_BYTES_MAX, "next_by_subj": subject}
    try:
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(ask), reply=inbox)
        while True:
            if arrived.empty():  # a timeout for each of a thousand messages costs more than reading it
                async with asyncio.timeout(SILENCE_SECONDS_MAX):
                    delivery = await arrived.get()
            else:
                delivery = arrived.get_nowait()
            received = from_direct_get(delivery)
            if received is not None:
                batch.append(received)
                continue
            status = status_of(delivery)
            if status.code == 204:  # end of batch; `pending` counts the message itself
                return batch, not batch or batch[-1].pending <= 1, ""
            if status.code == 404:
                return batch, True, ""
            if nobody_listens(delivery):
                return batch, False, f"no such stream, or JetStream is starting ({status.code})"
            raise BusError(f"stream {stream}: direct get answered {status.code} {status.text}")
    except (TimeoutError, NatsError, ConnectionError) as error:
        return batch, False, str(error) or "no answer"
    finally:
        await listening.stop()


async def at(client: BusClient, stream: str, sequence: int) -> Received | None:
    """The message stored at `sequence`; None = there is none any more. Asked again as `read`: a flood makes it late."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READ_SECONDS_MAX
    while True:
        batch, _, problem = await _read_batch(client, stream, ">", sequence, batch_messages=1)
        if not problem:
            return batch[0] if batch and batch[0].sequence == sequence else None
        deadline = extended(client, deadline, READ_SECONDS_MAX)
        if loop.time() > deadline:
            raise BusUnavailableError(f"{stream}:{sequence} can not be read: {problem}")
        await asyncio.sleep(RETRY_DELAY_SECONDS)


async def last(client: BusClient, stream: str, subject: str) -> Received | None:
    """The last message on `subject`, whoever wrote it."""
    if "*" in subject or ">" in subject:
        ask = f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode({"last_by_subj": subject})
    else:
        ask = f"$JS.API.DIRECT.GET.{stream}.{subject}", b""  # a user may be allowed to read this subject only
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READ_SECONDS_MAX
    while True:
        try:
            answer = await client.ask(*ask, SILENCE_SECONDS_MAX)
            received = from_direct_get(answer)
            if received is not None:
                return received
            status = status_of(answer)
            if status.code == 404:
                return None
            problem = f"{status.code} {status.text}"
        except (TimeoutError, NatsError, ConnectionError) as error:
            problem = str(error) or "no answer"
        deadline = extended(client, deadline, READ_SECONDS_MAX)
        if loop.time() > deadline:
            raise BusUnavailableError(f"the last message on {subject} can not be read: {problem}")
        await asyncio.sleep(RETRY_DELAY_SECONDS)


class _Floor(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class _ConsumerInfo(msgspec.Struct, frozen=True):
    ack_floor: _Floor = _Floor()
    num_pending: int = 0
    num_ack_pending: int = 0
    error: dict[str, object] | None = None


async def consumer_progress(client: BusClient, stream: str, consumer: str) -> Progress:
    """See `Bus.consumer_progress`."""
    deadline = asyncio.get_running_loop().time() + READ_SECONDS_MAX
    while True:
        try:
            asking = f"{JETSTREAM}.CONSUMER.INFO.{stream}.{consumer}"
            answer = await client.ask(asking, timeout_seconds=SILENCE_SECONDS_MAX)
            info = msgspec.json.decode(answer.payload, type=_ConsumerInfo)
            if info.error is None:
                return Progress(info.ack_floor.stream_seq, info.num_pending + info.num_ack_pending)
            problem = str(info.error)
        except (TimeoutError, NatsError, ConnectionError) as error:
            problem = str(error) or "no answer"
        deadline = extended(client, deadline, READ_SECONDS_MAX)
        if asyncio.get_running_loop().time() > deadline:
            raise BusUnavailableError(f"the consumer {consumer} of {stream} can not be read: {problem}")
        await asyncio.sleep(RETRY_DELAY_SECONDS)

"""Questions that several may answer, and answering them: each side bounded. It must not know what is asked."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from nats.errors import Error as NatsError

from signalbox import metrics
from signalbox.bus.client import BusClient, nobody_listens
from signalbox.bus.headers import printable
from signalbox.bus.wire import Delivery

log = logging.getLogger(__name__)

QUESTIONS_MAX = 256
"""Being answered at a time, by one handler."""
QUESTIONS_PER_SECOND_MAX = 500.0
"""Answered by one handler; what is asked beyond that is not, so that questions leave time for what they are about."""
ANSWERS_MAX = 256
QUESTION_HEADER = "Signalbox-Question"
"""Of an answer: which question it answers. Whoever shares a name may have the answer to another one sent here."""


@dataclass
class Served:
    """What was asked on a subject, and what became of it."""

    subject: str
    questions: int = 0
    failures: int = 0
    last_failure: str = ""
    """Its kind: the text may hold what somebody else asked."""
    nanoseconds: int = 0


def mark(question: bytes) -> str:
    """What names a question: the SHA-256 of its bytes."""
    return hashlib.sha256(question).hexdigest()


async def answers_to(
    client: BusClient, subject: str, payload: bytes, seconds_max: float, quiet_seconds_max: float
) -> list[bytes]:
    """See `Bus.request_all`."""
    arrived: asyncio.Queue[Delivery] = asyncio.Queue(ANSWERS_MAX)

    def take(delivery: Delivery) -> None:
        if not arrived.full():
            arrived.put_nowait(delivery)

    inbox = client.new_inbox()
    listening = await client.listen(inbox, take)
    answers: list[bytes] = []
    try:
        await client.publish(subject, payload, reply=inbox)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                while True:
                    async with asyncio.timeout(quiet_seconds_max if answers else None):
                        delivery = await arrived.get()
                    if nobody_listens(delivery) or len(answers) == ANSWERS_MAX:
                        break
                    answers.append(delivery.payload)
    finally:
        await listening.stop()
    return answers


async def serve(
    client: BusClient,
    service: str,
    subject: str,
    handler: Callable[[bytes, str], Awaitable[bytes]],
    also: Sequence[str] = (),
) -> Served:
    """See `Bus.serve`."""
    running: set[asyncio.Task[None]] = set()
    served = Served(subject)

    async def answer(reply: str, question: bytes, asker: str) -> None:
        began = time.perf_counter_ns()
        served.questions += 1
        try:
            await client.publish(reply, await handler(question, asker), headers={QUESTION_HEADER: mark(question)})
        except (NatsError, OSError) as error:
            log.warning("an answer could not be sent", extra={"subject": subject, "error": str(error)})
        except Exception as error:
            served.failures, served.last_failure = served.failures + 1, type(error).__name__
            log.exception("a question could not be answered", extra={"subject": subject})
        finally:
            served.nanoseconds += time.perf_counter_ns() - began

    loop = asyncio.get_running_loop()
    allowed, at_seconds = float(QUESTIONS_MAX), loop.time()

    def take(delivery: Delivery) -> None:
        nonlocal allowed, at_seconds
        if not delivery.reply.startswith(b"_R_.") or not delivery.reply.isascii():
            return
        now_seconds = loop.time()
        allowed = min(QUESTIONS_MAX, allowed + (now_seconds - at_seconds) * QUESTIONS_PER_SECOND_MAX)
        at_seconds = now_seconds
        if len(running) >= QUESTIONS_MAX or allowed < 1.0:
            metrics.BUS_SLOW_CONSUMERS.labels(service).inc()
            return
        allowed -= 1.0
        asker = printable(delivery.subject).rpartition(".")[2] if subject.endswith(".*") else ""
        task = asyncio.create_task(answer(delivery.reply.decode(), delivery.payload, asker))
        running.add(task)
        task.add_done_callback(running.discard)

    for each in (subject, *also):
        await client.listen(each, take)
    return served

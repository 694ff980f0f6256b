"""A continuous pull from one durable consumer: the raw `$JS.API.CONSUMER.MSG.NEXT` loop.

nats-py only has `fetch`, which can stall for its whole time-out with messages waiting. Here a pull request always
stands at the server: a new one is sent when half of the batch has come, when the old one has ended, after a reconnect,
and when nothing (not even a heartbeat) has come for two heartbeats. Handlers run one after the other.

A consumer that is shared by several processes is pulled with a priority, and with requests that are short and renewed
before they end: a process that is frozen is passed over after `SHARED_EXPIRES_SECONDS`, and one that is not never
leaves the server without a request of its own, which would hand its messages to the next in line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from signalbox import streams, subjects
from signalbox.bus.received import PublishAck, Received, from_consumer
from signalbox.bus.sealing import Sealing
from signalbox.bus.standing import Standing
from signalbox.errors import BusError
from signalbox.messages import DeadLetter

log = logging.getLogger(__name__)

BATCH_MESSAGES = 64
PULL_EXPIRES_SECONDS = 5.0
"""Shorter than a lease takes to pass on: what a suspended process had asked for goes to the next one by then."""
HEARTBEAT_SECONDS = 1.0
SHARED_EXPIRES_SECONDS = 1.5
SHARED_RENEW_SECONDS = 0.6
NO_DELIVERY = -1
UNACKED_MAX = 1
"""Of any consumer that is pulled here: one message at a time."""
DEAD_PAYLOAD_BYTES_MAX = 4096


class Publish(Protocol):
    def __call__(self, subject: str, message: Struct) -> Awaitable[PublishAck]: ...


class Pull:
    """One durable consumer being pulled."""

    def __init__(
        self,
        client: Client,
        service: str,
        stream: str,
        consumer: str,
        handler: Callable[[Received], Awaitable[None]],
        publish: Publish,
        on_failure: Callable[[BaseException], None],
        place: int,
        sealing: Sealing,
    ) -> None:
        self._client, self._service, self._handler, self._sealing = client, service, handler, sealing
        self._publish, self._on_failure = publish, on_failure
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        declared = next(c for s in streams.STREAMS if s.name == stream for c in s.consumers if c.name == consumer)
        self._in_progress_seconds = declared.ack_wait_seconds / 2
        self._standing = Standing(place) if declared.shared else None
        self._last_delivery, self._uncertain_messages = NO_DELIVERY, 0
        self._inbox = client.new_inbox()
        self._generation = 0
        self._wanted = 0
        self._last_heard = 0.0
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._subscription: Subscription | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._in_progress: asyncio.TimerHandle
        self._saying: asyncio.Task[None]

    async def start(self) -> None:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._arrived)
        self._generation = 1
        await self._ask()
        self._watchdog = asyncio.create_task(self._watch(), name=f"pull {self._next}")

    async def restart(self) -> None:
        """Forget the standing pull and send another: late words of the old one are ignored."""
        self._generation += 1
        self._wanted = 0
        self._last_delivery = NO_DELIVERY  # a server that was killed may number its deliveries again,
        self._uncertain_messages = UNACKED_MAX  # and what was under way came from the old one
        await self._ask()

    async def stop(self) -> None:
        """Take nothing more, give back what still comes; return when the running handler has ended."""
        self._stopping = True
        if self._watchdog is not None:
            self._watchdog.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watchdog
        if self._subscription is not None and self._client.is_connected:
            with contextlib.suppress(NatsError, ConnectionError, TimeoutError):
                # The server first: the next message is another process's
                await self._subscription.drain()  # type: ignore[no-untyped-call]
        await self._idle.wait()

    async def _ask(self) -> None:
        if self._stopping or not self._client.is_connected:
            return
        self._last_heard = asyncio.get_running_loop().time()
        self._wanted += BATCH_MESSAGES
        pull: dict[str, int | str] = {"batch": BATCH_MESSAGES}
        if self._standing is None:
            pull |= {"expires": int(PULL_EXPIRES_SECONDS * 1e9), "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9)}
        else:  # a request ends so often that no heartbeat is needed
            pull |= {"expires": int(SHARED_EXPIRES_SECONDS * 1e9)}
            pull |= {"group": streams.REPLICAS, "priority": self._standing.place}
        await self._client.publish(self._next, msgspec.json.encode(pull), reply=f"{self._inbox}.{self._generation}")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS if self._standing is None else SHARED_RENEW_SECONDS)
            silence_seconds = asyncio.get_running_loop().time() - self._last_heard
            if self._idle.is_set() and silence_seconds > 2 * HEARTBEAT_SECONDS and self._client.is_connected:
                log.warning("nothing heard from the consumer; pulling again", extra={"consumer": self._next})
                await self.restart()
            elif self._standing is not None:
                await self._ask()

    async def _arrived(self, message: Msg) -> None:
        self._last_heard = asyncio.get_running_loop().time()
        status = "Status" in (message.headers or {})
        if self._stopping:
            if not status:
                await self._client.publish(message.reply, b"-NAK")  # at once to the next process
            return
        if status:
            await self._status(message)
            return
        self._wanted -= 1
        self._idle.clear()
        try:
            await self._handle(message)
        finally:
            self._last_heard = asyncio.get_running_loop().time()
            self._idle.set()
        if self._wanted <= BATCH_MESSAGES // 2:
            await self._ask()

    async def _status(self, message: Msg) -> None:
        headers = message.headers or {}
        current = message.subject.rsplit(".", 1)[1] == str(self._generation)
        if headers["Status"] == "100" or not current:
            return
        # 404/408/409: that pull is over, with this many messages not delivered
        self._wanted = max(0, self._wanted - int(headers.get("Nats-Pending-Messages", BATCH_MESSAGES)))
        if headers["Status"] == "409" and "deleted" in str(headers).lower():
            log.error("the consumer is gone: was the bus bootstrapped?", extra={"consumer": self._next})
            await asyncio.sleep(HEARTBEAT_SECONDS)
        if self._wanted <= BATCH_MESSAGES // 2:
            await self._ask()

    async def _handle(self, message: Msg) -> None:
        received = from_consumer(message, self._last_delivery)
        if self._uncertain_messages:
            self._uncertain_messages -= 1
        else:
            if self._standing is not None and self._last_delivery != NO_DELIVERY:
                self._standing.took(received.continues, self._last_heard)
            self._last_delivery = received.delivery
        fault = self._sealing.refuse(received)
        if fault:
            await self._park(received, fault, message.reply)
            return
        self._in_progress = self._say_in_progress_later(message.reply)
        try:
            await self._handler(received)
            await self._client.publish(message.reply, b"+ACK")
        except BusError as error:
            log.error("the bus failed a handler; stopping", extra={"subject": received.subject, "error": str(error)})
            self._on_failure(error)
        except Exception as error:
            log.exception("a message could not be handled", extra={"subject": received.subject})
            await self._park(received, f"{type(error).__name__}: {error}", message.reply)
        finally:
            self._in_progress.cancel()

    def _say_in_progress_later(self, reply: str) -> asyncio.TimerHandle:
        """Tell the server, before `ack_wait` is over, that the handler still works on the message."""
        return asyncio.get_running_loop().call_later(self._in_progress_seconds, self._say_in_progress, reply)

    def _say_in_progress(self, reply: str) -> None:
        self._in_progress = self._say_in_progress_later(reply)
        if self._client.is_connected:
            self._saying = asyncio.create_task(self._client.publish(reply, b"+WPI"))

    async def _park(self, received: Received, error: str, reply: str) -> None:
        letter = dead_letter(received, self._service, error)
        try:
            await self._publish(subjects.dead(received.stream, self._service), letter)
            await self._client.publish(reply, b"+TERM")
        except BusError as failure:
            self._on_failure(failure)


def dead_letter(received: Received, service: str, error: str) -> DeadLetter:
    """The dead letter for a message of a stream; its id derives from where the message stands."""
    return DeadLetter(
        id=f"dead/{received.stream}/{received.sequence}/{service}",
        at=received.stored_at,
        cause=received.message_id,
        service=service,
        stream=received.stream,
        sequence=received.sequence,
        subject=received.subject,
        error=error,
        payload=received.payload[:DEAD_PAYLOAD_BYTES_MAX],
        payload_bytes=len(received.payload),
    )

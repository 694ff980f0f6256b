"""A continuous pull from one durable consumer: the raw `$JS.API.CONSUMER.MSG.NEXT` loop.

nats-py only has `fetch`, which can stall for its whole time-out with messages waiting. Here a pull request always
stands at the server: a new one is sent when half of the batch has come, when the old one has ended, after a reconnect,
and when nothing (not even a heartbeat) has come for two heartbeats. Handlers run one after the other.

A consumer that is shared by several processes is pulled with a priority, and with requests that are short and renewed
before they end: a process that is frozen is passed over after `SHARED_EXPIRES_SECONDS`, and one that is not never
leaves the server without a request of its own, which would hand its messages to the next in line.

A message that a handler can not make sense of is parked in DEAD, and the next one handled. One that the bus itself will
not let through (JetStream refuses what it makes us publish), or that is given out again and again without ever being
finished, holds the consumer: the service says which, is not ready, tries again at growing intervals, and asks each time
whether an operator has set the message aside (`bus.setting_aside`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct
from nats.errors import Error as NatsError

from signalbox import streams, subjects
from signalbox.bus.client import BusClient, Listening
from signalbox.bus.received import ACK_PREFIX, PublishAck, Received, ends_answers, from_consumer, status_of
from signalbox.bus.sealing import Sealing
from signalbox.bus.setting_aside import SettingAside
from signalbox.bus.standing import Standing
from signalbox.bus.wire import Delivery
from signalbox.errors import BusError, BusPermissionError, BusRefusedError
from signalbox.messages import DeadLetter

log = logging.getLogger(__name__)

BATCH_MESSAGES = 64
PULL_EXPIRES_SECONDS = 5.0
"""Shorter than a lease takes to pass on: what a suspended process had asked for goes to the next one by then."""
HEARTBEAT_SECONDS = 1.0
SHARED_EXPIRES_SECONDS = 1.5
SHARED_RENEW_SECONDS = 0.6
NO_DELIVERY = -1
QUEUED_MESSAGES_MAX = 2 * BATCH_MESSAGES
"""Given out to this process and not yet begun: more than a server that keeps to the pulls can send."""
DELIVERIES_MAX = 5
"""A message that was given out more often, and never finished, is not begun again at once."""
STUCK_RETRY_SECONDS, STUCK_RETRY_SECONDS_MAX = 2.0, 60.0
FLUSH_SECONDS_MAX = 2
DEAD_PAYLOAD_BYTES_MAX = 4096
DEAD_TEXT_CHARACTERS_MAX = 1000
"""Of a dead letter's reason and of its subject."""


class Publish(Protocol):
    def __call__(self, subject: str, message: Struct) -> Awaitable[PublishAck]: ...


class Pull:
    """One durable consumer being pulled. `handler` gets what has come, `messages_max` at a time, in order."""

    def __init__(
        self,
        client: BusClient,
        service: str,
        stream: str,
        consumer: str,
        handler: Callable[[Sequence[Received]], Awaitable[None]],
        publish: Publish,
        setting_aside: SettingAside,
        on_failure: Callable[[BaseException], None],
        place: int,
        sealing: Sealing,
        messages_max: int = 1,
    ) -> None:
        self._client, self._service, self._handler, self._sealing = client, service, handler, sealing
        self._publish, self._setting_aside, self._on_failure = publish, setting_aside, on_failure
        self._messages_max = messages_max
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        declared = next(c for s in streams.STREAMS if s.name == stream for c in s.consumers if c.name == consumer)
        self._unacked_max = declared.unacked_max
        self._in_progress_seconds = declared.ack_wait_seconds / 2
        self._standing = Standing(place) if declared.shared else None
        self._last_delivery, self._uncertain_messages = NO_DELIVERY, 0
        self._inbox = client.new_inbox()
        self._generation = 0
        self._wanted = 0
        self._last_heard = 0.0
        self._stopping = False
        self._queue: deque[Delivery] = deque()
        self._came = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._listening: Listening | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ask_later: asyncio.TimerHandle | None = None
        self._in_progress: asyncio.TimerHandle | None = None
        self._under_way: tuple[str, ...] = ()
        self._holding: asyncio.Task[str] | None = None

    async def start(self) -> None:
        self._listening = await self._client.listen(f"{self._inbox}.*", self._arrived)
        self._generation = 1
        self._ask()
        self._tasks = [
            asyncio.create_task(self._watch(), name=f"watch {self._next}"),
            asyncio.create_task(self._work(), name=f"pull {self._next}"),
        ]

    async def restart(self) -> None:
        """Forget the standing pull and send another: late words of the old one are ignored."""
        self._generation += 1
        self._wanted = 0
        self._last_delivery = NO_DELIVERY  # a server that was killed may number its deliveries again,
        self._uncertain_messages = self._unacked_max  # and what was under way came from the old one
        self._ask()

    async def _listen_elsewhere(self) -> None:
        """Pull anew, on another subject: what was asked for under one that nobody hears, the server forgets."""
        old, self._inbox = self._listening, self._client.new_inbox()
        self._listening = await self._client.listen(f"{self._inbox}.*", self._arrived)
        if old is not None:
            await old.stop()
        self._generation += 1
        self._wanted = 0
        self._ask()

    async def stop(self) -> None:
        """Take nothing more, give back what still comes; return when the running handler has ended."""
        self._stopping = True
        if self._ask_later is not None:
            self._ask_later.cancel()
        if self._listening is not None and self._client.is_connected:
            with contextlib.suppress(NatsError, ConnectionError, TimeoutError):
                # The server first: the next message is another process's
                await self._listening.leave()
                await self._client.flush(FLUSH_SECONDS_MAX)
        while self._queue:
            self._give_back(self._queue.popleft())
        if self._holding is not None:
            self._holding.cancel()
        await self._idle.wait()
        if self._in_progress is not None:
            self._in_progress.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            await self._listening.stop()

    # ------------------------------------------------------------------------------------------------------ asking

    def _ask(self) -> None:
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
        self._client.say(self._next, msgspec.json.encode(pull), reply=f"{self._inbox}.{self._generation}")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS if self._standing is None else SHARED_RENEW_SECONDS)
            silence_seconds = asyncio.get_running_loop().time() - self._last_heard
            if self._idle.is_set() and silence_seconds > 2 * HEARTBEAT_SECONDS and self._client.is_connected:
                log.warning("nothing heard from the consumer; pulling again", extra={"consumer": self._next})
                await self.restart()
            elif self._standing is not None:
                self._ask()

    # ----------------------------------------------------------------------------------------------------- arriving

    def _arrived(self, delivery: Delivery) -> None:
        self._last_heard = asyncio.get_running_loop().time()
        if not delivery.reply.startswith(ACK_PREFIX):
            if not self._stopping:
                self._status(delivery)
        elif self._stopping or len(self._queue) >= QUEUED_MESSAGES_MAX:
            self._give_back(delivery)
        else:
            self._wanted -= 1
            self._queue.append(delivery)
            self._came.set()

    def _status(self, delivery: Delivery) -> None:
        status = status_of(delivery)
        current = delivery.subject.rpartition(b".")[2] == b"%d" % self._generation
        if status.code == 100 or not current:
            return
        # 404/408/409: that pull is over, with this many messages not delivered
        undelivered = status.header("Nats-Pending-Messages")
        self._wanted = max(0, self._wanted - (int(undelivered) if undelivered.isdecimal() else BATCH_MESSAGES))
        if status.code == 409 and "deleted" in status.text.lower():
            log.error("the consumer is gone: was the bus bootstrapped?", extra={"consumer": self._next})
            if self._ask_later is None or self._ask_later.when() < asyncio.get_running_loop().time():
                self._ask_later = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._ask_when_few)
            return
        self._ask_when_few()

    def _ask_when_few(self) -> None:
        if self._wanted <= BATCH_MESSAGES // 2:
            self._ask()

    def _give_back(self, delivery: Delivery) -> None:
        self._say(delivery.reply.decode("ascii", "replace"), b"-NAK")  # at once to the next process

    def _say(self, reply: str, word: bytes) -> None:
        self._client.say(reply, word)

    # ----------------------------------------------------------------------------------------------------- handling

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._came.clear()
                await self._came.wait()
            deliveries = [self._queue.popleft()]
            self._idle.clear()
            try:
                while len(deliveries) < self._messages_max and self._queue:
                    deliveries.append(self._queue.popleft())
                await self._take(deliveries)
            finally:
                self._last_heard = asyncio.get_running_loop().time()
                self._idle.set()
            self._ask_when_few()

    async def _take(self, deliveries: list[Delivery]) -> None:
        if any(map(ends_answers, deliveries)) and not self._stopping:
            await self._listen_elsewhere()  # before it is acknowledged: the next one is given out then
        taken: list[tuple[Received, str]] = []
        for delivery in deliveries:
            received = from_consumer(delivery, self._last_delivery)
            if received is None:
                log.error("a delivery without a place", extra={"consumer": self._next, "reply": repr(delivery.reply)})
                continue
            if self._uncertain_messages:
                self._uncertain_messages -= 1
            else:
                if self._standing is not None and self._last_delivery != NO_DELIVERY:
                    self._standing.took(received.continues, self._last_heard)
                self._last_delivery = received.delivery
            reply = delivery.reply.decode("ascii")
            fault = self._sealing.refuse(received)
            if fault:
                await self._park(received, fault, reply)
            else:
                taken.append((received, reply))
        if not taken:
            return
        self._under_way = tuple([reply for _, reply in taken])
        if self._in_progress is None:
            self._say_in_progress_later()
        try:
            if len(taken) == 1 or not await self._handled_together(taken):
                for received, reply in taken:
                    await self._handle(received, reply)
        finally:
            self._under_way = ()

    async def _handled_together(self, taken: list[tuple[Received, str]]) -> bool:
        """Handle several messages at once; False = something is wrong with one of them, and each is to go alone."""
        if any(received.deliveries > 1 for received, _ in taken):
            return False
        try:
            await self._handler([received for received, _ in taken])
        except Exception as error:
            log.warning("several messages could not be handled together", extra={"error": str(error)})
            return False
        for _, reply in taken:
            self._say(reply, b"+ACK")
        return True

    async def _handle(self, received: Received, reply: str) -> None:
        """Handle one message to its end: done, parked, set aside, or the process gives up."""
        why = f"it was given out {received.deliveries} times and never finished"
        tries = max(0, received.deliveries - DELIVERIES_MAX)
        while True:
            if received.deliveries > 1 or tries:
                wait_seconds = min(STUCK_RETRY_SECONDS * 2.0 ** min(tries, 10), STUCK_RETRY_SECONDS_MAX)
                aside = await self._hold(received, why, wait_seconds if tries else 0.0)
                if aside:
                    await self._park(received, aside, reply)
                    return
            if self._stopping:
                self._say(reply, b"-NAK")
                return
            try:
                await self._handler([received])
                self._setting_aside.over(received)
                self._say(reply, b"+ACK")
                return
            except (BusRefusedError, BusPermissionError) as error:
                log.error("the bus refuses what a message asks for", extra={"subject": received.subject})
                why, tries = str(error), tries + 1
            except BusError as error:
                log.error("the bus failed a handler", extra={"subject": received.subject, "error": str(error)})
                self._on_failure(error)
                return
            except Exception as error:
                log.exception("a message could not be handled", extra={"subject": received.subject})
                await self._park(received, f"{type(error).__name__}: {error}", reply)
                return

    async def _hold(self, received: Received, why: str, seconds: float) -> str:
        """Wait for so long, or until the message is set aside; who did it and why, or "" = try it."""
        self._holding = asyncio.create_task(self._setting_aside.waited(received, why, seconds))
        try:
            return await self._holding
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            return ""
        finally:
            self._holding = None

    def _say_in_progress_later(self) -> None:
        """Tell the server, before `ack_wait` is over, that the handler still works on what it has.

        One timer runs on from message to message, for what each takes is far less: to set it anew costs them all.
        """
        self._in_progress = asyncio.get_running_loop().call_later(self._in_progress_seconds, self._say_in_progress)

    def _say_in_progress(self) -> None:
        if not self._under_way:
            self._in_progress = None
            return
        self._say_in_progress_later()
        if self._client.is_connected:
            for reply in self._under_way:
                self._say(reply, b"+WPI")

    async def _park(self, received: Received, reason: str, reply: str) -> None:
        letter = dead_letter(received, self._service, reason)
        try:
            await self._publish(subjects.dead(received.stream, self._service), letter)
        except BusError as failure:
            self._on_failure(failure)
            return
        self._setting_aside.over(received)
        self._say(reply, b"+TERM")


def dead_letter(received: Received, service: str, error: str) -> DeadLetter:
    """The dead letter for a message of a stream; its id derives from where that stands. Bounded in every part."""
    return DeadLetter(
        id=f"dead/{received.stream}/{received.sequence}/{service}",
        at=received.stored_at,
        cause=received.message_id,
        service=service,
        stream=received.stream,
        sequence=received.sequence,
        subject=_shortened(received.subject),
        error=_shortened(error),
        payload=received.payload[:DEAD_PAYLOAD_BYTES_MAX],
        payload_bytes=len(received.payload),
    )


def _shortened(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= DEAD_TEXT_CHARACTERS_MAX else f"{text[: DEAD_TEXT_CHARACTERS_MAX - 3]}..."

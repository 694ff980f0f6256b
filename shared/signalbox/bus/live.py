"""What is only sent live, on core NATS: taken one after the other, bounded, and never the end of the process.

Whoever may send there may send anything. What a handler can not make sense of is parked, one letter a second at most,
for such a message is not stored anywhere else and may come by the thousand. It must not know what is sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from secrets import token_hex

import msgspec
from msgspec.structs import replace

from signalbox import metrics, subjects
from signalbox.bus.client import BusClient, Listening
from signalbox.bus.consuming import Publish, dead_letter
from signalbox.bus.received import Received, from_core
from signalbox.bus.sealing import Sealing
from signalbox.bus.wire import Delivery
from signalbox.errors import BusError

log = logging.getLogger(__name__)

QUEUED_MESSAGES_MAX = 65_536
QUEUED_BYTES_MAX = 32_000_000
LETTER_INTERVAL_SECONDS = 1.0
STOP_SECONDS_MAX = 5.0
STREAM = "LIVE"
"""Named in a dead letter as where the message stands, for it stands in no stream."""


class Live:
    """One subscription with its handler. Without `publish` nothing is parked: what is no message is passed over, and
    any other error is a failure."""

    def __init__(
        self,
        client: BusClient,
        service: str,
        subject: str,
        handler: Callable[[Received], Awaitable[None]],
        publish: Publish | None,
        on_failure: Callable[[BaseException], None],
        sealing: Sealing,
    ) -> None:
        self._client, self._service, self._subject = client, service, subject
        self._handler, self._publish, self._on_failure, self._sealing = handler, publish, on_failure, sealing
        self._last_state = ""
        self._queue: deque[Delivery] = deque()
        self._queued_bytes = 0
        self._working: asyncio.Task[None] | None = None
        self._listening: Listening | None = None
        self._lettered_seconds = float("-inf")

    async def start(self) -> None:
        self._listening = await self._client.listen(self._subject, self._arrived)

    async def stop(self) -> None:
        """Take nothing more; return when what has come is handled, or has taken too long."""
        if self._listening is not None:
            await self._listening.stop()
        if self._working is not None and self._working is not asyncio.current_task():
            _, unfinished = await asyncio.wait([self._working], timeout=STOP_SECONDS_MAX)
            for task in unfinished:
                task.cancel()

    def _arrived(self, delivery: Delivery) -> None:
        size = len(delivery.payload) + len(delivery.headers)
        if len(self._queue) >= QUEUED_MESSAGES_MAX or self._queued_bytes + size > QUEUED_BYTES_MAX:
            metrics.BUS_SLOW_CONSUMERS.labels(self._service).inc()
            return
        self._queue.append(delivery)
        self._queued_bytes += size
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name=f"live {self._subject}")

    async def _work(self) -> None:
        try:
            while self._queue:
                delivery = self._queue.popleft()
                self._queued_bytes -= len(delivery.payload) + len(delivery.headers)
                received = from_core(delivery)
                if not self._sealing.refuse(received) and not self._is_heard(received):
                    await self._handle(received)
        finally:
            self._working = None

    def _is_heard(self, received: Received) -> bool:
        """Whether it is a trading state that has been heard: one is sent until it stands where it says that it does."""
        if received.subject != subjects.TRADING_STATE or not received.message_id:
            return False
        heard, self._last_state = received.message_id == self._last_state, received.message_id
        return heard

    async def _handle(self, received: Received) -> None:
        try:
            await self._handler(received)
        except BusError as error:
            log.exception("the bus failed a live handler", extra={"subject": received.subject})
            self._on_failure(error)
        except Exception as error:
            if self._publish is not None:
                await self._park(received, error, self._publish)
            elif isinstance(error, msgspec.MsgspecError):
                log.warning("a live message can not be read", extra={"subject": received.subject, "error": str(error)})
            else:
                self._on_failure(error)

    async def _park(self, received: Received, error: Exception, publish: Publish) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._lettered_seconds < LETTER_INTERVAL_SECONDS:
            return
        self._lettered_seconds = now
        log.warning("a live message could not be handled", extra={"subject": received.subject, "error": str(error)})
        parked = dead_letter(received, self._service, f"{type(error).__name__}: {error}")
        letter = replace(parked, id=f"dead/{STREAM}/{token_hex(8)}", at=datetime.now(UTC), stream=STREAM)
        try:
            await publish(subjects.dead(STREAM, self._service), letter)
        except BusError as failure:
            log.warning("it could not be parked either", extra={"error": str(failure)})

"""The connection to NATS and everything a service may do with it.

Owns the life of the connection: it reconnects for ever, tells who asks (`on_reconnect`), and calls `on_failure` when
it is gone for good, which must end the process. It knows nothing of trading.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import SlowConsumerError

from signalbox import messages, metrics
from signalbox.bus import reading
from signalbox.bus.consuming import Pull
from signalbox.bus.prompt import PromptClient
from signalbox.bus.publishing import Publisher, denied_subject
from signalbox.bus.received import Progress, PublishAck, Received, from_core
from signalbox.bus.servers import ask_servers
from signalbox.bus.standing import shuffled_places
from signalbox.bus.tls import PlainServerError, tls_of
from signalbox.bus.watching import Watch
from signalbox.durability import JetStreamServer
from signalbox.errors import BusPermissionError, BusUnavailableError

log = logging.getLogger(__name__)

Handler = Callable[[Received], Awaitable[None]]

RECONNECT_WAIT_SECONDS = 0.2
CONNECT_SECONDS_MAX = 30.0
PING_INTERVAL_SECONDS = 5
DRAIN_SECONDS_MAX = 5


@dataclass(frozen=True, kw_only=True)
class BusSettings:
    """Where NATS is, and who we are there. `name` is shown in NATS's own monitoring."""

    url: str
    user: str
    password: str
    name: str
    ca_file: Path | None = None
    """Whose certificates a server at a `tls://` address must show; None = the machine's own authorities."""


class Bus:
    """One connection. Make it with `await Bus.connect(...)`, end it with `await bus.drain()`."""

    def __init__(self, client: Client, settings: BusSettings) -> None:
        self._client, self._settings = client, settings
        self._pulls: list[Pull] = []
        self._places: list[int] = []
        self._watches: list[Watch] = []
        self._on_reconnect: list[Callable[[], Awaitable[None]]] = []
        self._publisher = Publisher(client, settings.name)
        self._denied: set[str] = set()
        self._open = False
        self.on_failure: Callable[[BaseException], None] = lambda error: None
        """Called when a handler failed in a way that must end the process."""

    @classmethod
    async def connect(cls, settings: BusSettings) -> Bus:
        """Connect; raises `BusUnavailableError` when NATS can not be reached within `CONNECT_SECONDS_MAX`,
        `BusPermissionError` when it refuses the user or password."""
        tls = tls_of(settings.url, settings.ca_file)
        client = PromptClient()
        bus = cls(client, settings)
        metrics.show_bus(settings.name, lambda: client.is_connected)
        refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def failed(error: Exception) -> None:
            if (problem := _refusal(error, settings)) and not refused.done():
                refused.set_result(problem)
            await bus._error(error)

        async def closed() -> None:
            if bus._open:
                bus._fail(BusUnavailableError("the connection to NATS is closed for good"))

        # With reconnects for ever, nats-py also tries the first connection for ever, whatever the answer
        connecting = asyncio.create_task(
            client.connect(
                settings.url,
                name=settings.name,
                user=settings.user,
                password=settings.password,
                inbox_prefix=f"_INBOX.{settings.user}".encode(),
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_WAIT_SECONDS,  # type: ignore[arg-type]  # seconds may be broken
                ping_interval=PING_INTERVAL_SECONDS,
                drain_timeout=DRAIN_SECONDS_MAX,
                error_cb=failed,
                reconnected_cb=bus._reconnected,
                closed_cb=closed,
                connect_timeout=2,
                tls=tls,
            )
        )
        either: tuple[asyncio.Future[Any], ...] = (connecting, refused)
        await asyncio.wait(either, timeout=CONNECT_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        if connecting.done():
            connecting.result()
            bus._open = True
            return bus
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await client.close()
        if refused.done():
            raise BusPermissionError(f"NATS at {settings.url} {refused.result()}")
        raise BusUnavailableError(f"NATS at {settings.url} can not be reached: is nats-server running there?")

    def on_room(self, callback: Callable[[str, str], None]) -> None:
        """Have `callback` told the stream and the problem whenever messages wait for room in it; "" = no more."""
        self._publisher.waits_for_room.changed = callback

    @property
    def connected(self) -> bool:
        return self._client.is_connected

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have `callback` called after each reconnect: what was live only may have been missed."""
        self._on_reconnect.append(callback)

    # ------------------------------------------------------------------------------------------------ JetStream

    async def publish(
        self,
        subject: str,
        message: Struct,
        *,
        expected_last_subject_sequence: int | None = None,
        last_of: str = "",
    ) -> PublishAck:
        """Store `message` under its id; retried with the same id until JetStream has it.

        The expected sequence is that of the subject's last message, or of the last one on any subject that fits the
        pattern `last_of`: a log of many subjects with one writer is fenced so.

        Raises `WrongSequenceError` when that last message is neither at the expected sequence nor this one,
        `BusPermissionError` when NATS refuses the subject, `BusUnavailableError` when NATS is away for longer than
        `waiting.AWAY_SECONDS_MAX`, or silent for longer than `waiting.UNCERTAIN_SECONDS_MAX`. Waits while there is no
        room, and tells `on_room`.
        """
        return await self._publisher.publish(subject, message, expected_last_subject_sequence, last_of)

    async def publish_scheduled(self, subject: str, message: Struct, *, due_wall: datetime, target: str) -> None:
        """Have the server publish `message` on `target` (of the same stream) at `due_wall`.

        A later schedule on the same `subject` replaces this one.
        """
        await self._publisher.publish_scheduled(subject, message, due_wall, target)

    async def consume(self, stream: str, consumer: str, handler: Handler) -> None:
        """Start to pull from a declared durable consumer, one message after the other, and return.

        A message is acknowledged once `handler` has returned. A `BusError` from it ends the process (its restart gets
        the message again); any other error parks the message as a dead letter.
        """
        self._places = self._places or shuffled_places()
        place = self._places.pop()
        pull = Pull(self._client, self._settings.name, stream, consumer, handler, self.publish, self._fail, place)
        self._pulls.append(pull)
        await pull.start()

    async def consumer_floor(self, stream: str, consumer: str) -> int:
        """The stream sequence up to which `consumer` has acknowledged everything."""
        return (await reading.consumer_progress(self._client, stream, consumer)).floor

    async def consumer_progress(self, stream: str, consumer: str) -> Progress:
        """How far `consumer` is, whichever process has its messages."""
        return await reading.consumer_progress(self._client, stream, consumer)

    def read(self, stream: str, subject: str = ">", from_sequence: int = 1) -> AsyncIterator[Received]:
        """Read what is stored from `from_sequence` on, in order, to the end of the stream as it is then."""
        return reading.read(self._client, stream, subject, from_sequence)

    async def last(self, stream: str, subject: str) -> Received | None:
        """The last message stored on `subject`, which may be a pattern."""
        return await reading.last(self._client, stream, subject)

    async def watch(self, bucket: str, key: str, callback: Callable[[Received | None], Awaitable[None]]) -> None:
        """Call `callback` with the value of a KV key now (None = absent), and after every change."""
        watch = Watch(self._client, bucket, key, callback, self._fail)
        self._watches.append(watch)
        await watch.start()

    # ------------------------------------------------------------------------------------------------- core NATS

    async def send(self, subject: str, message: Struct) -> None:
        """Send to whoever listens now. Dropped when not connected: what is sent this way is worthless later."""
        if self._client.is_connected:
            await self._client.publish(subject, messages.encode(message))

    async def subscribe(self, subject: str, callback: Handler) -> None:
        """Call `callback` for each message on `subject` from now on. Nothing is stored or repeated."""

        async def received(message: Msg) -> None:
            try:
                await callback(from_core(message))
            except Exception as error:
                log.exception("a live message could not be handled", extra={"subject": message.subject})
                self._fail(error)

        await self._client.subscribe(subject, cb=received)

    async def request(self, subject: str, payload: bytes, timeout_seconds: float) -> bytes:
        """Ask whoever serves `subject`; raises `BusUnavailableError` when nobody answers in time."""
        try:
            return (await self._client.request(subject, payload, timeout=timeout_seconds)).data
        except (NatsError, TimeoutError) as error:
            if subject.lower() in self._denied:
                raise BusPermissionError(f"{self._settings.user!r} may not publish on {subject}") from None
            raise BusUnavailableError(f"nobody answered on {subject} within {timeout_seconds:g} s") from error

    async def request_all(
        self, subject: str, payload: bytes, seconds_max: float, quiet_seconds_max: float
    ) -> list[bytes]:
        """Ask all who serve `subject`: their answers, until none has come for `quiet_seconds_max` after the last one.

        Empty when there is none within `seconds_max`, which bounds the whole. Raises `BusPermissionError`.
        """
        arrived: asyncio.Queue[Msg] = asyncio.Queue()
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=arrived.put)
        answers: list[bytes] = []
        try:
            await self._client.publish(subject, payload, reply=inbox)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds_max):
                    while True:
                        async with asyncio.timeout(quiet_seconds_max if answers else None):
                            message = await arrived.get()
                        if message.headers and "Status" in message.headers:  # 503: nobody serves it
                            break
                        answers.append(message.data)
        finally:
            if self._client.is_connected:
                await subscription.unsubscribe()
        if not answers and subject.lower() in self._denied:
            raise BusPermissionError(f"{self._settings.user!r} may not publish on {subject}")
        return answers

    async def servers(self) -> tuple[JetStreamServer, ...]:
        """What each nats-server says of itself; raises `BusUnavailableError` when none does."""
        return await ask_servers(self._client)

    async def serve(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer requests on `subject`; each runs on its own, so that a slow one holds up no other.

        Only to people: their requests cross from another account with a reply subject of the server's own making. A
        reply subject of the desk itself would have us publish there.
        """
        running: set[asyncio.Task[None]] = set()

        async def answer(message: Msg) -> None:
            await message.respond(await handler(message.data))

        async def received(message: Msg) -> None:
            if not message.reply.startswith("_R_."):
                return
            task = asyncio.create_task(answer(message))
            running.add(task)
            task.add_done_callback(running.discard)

        await self._client.subscribe(subject, cb=received)

    async def raw_publish(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> PublishAck:
        """Store bytes as they are: how a user's own program, or a test, publishes what may be malformed."""
        return await self._publisher.publish_bytes(subject, payload, headers or {})

    # --------------------------------------------------------------------------------------------------- the end

    def stop_waiting_for_room(self) -> None:
        """Give up what waits for room, with `BusUnavailableError`: the process ends, and the next one does it again."""
        self._publisher.stopping = True

    async def stop_consuming(self) -> None:
        """Take nothing more from consumers and watches; return when what has been begun is finished."""
        watches, self._watches = self._watches, []
        pulls, self._pulls = self._pulls, []
        for watch in watches:
            await watch.stop()
        await asyncio.gather(*(pull.stop() for pull in pulls))

    async def drain(self) -> None:
        """Stop pulling, let running handlers finish, flush, close."""
        self._open = False
        await self.stop_consuming()
        if self._client.is_connected:
            try:
                await self._client.drain()
            except (NatsError, TimeoutError):
                log.warning("the connection did not drain in time")
        if not self._client.is_closed:
            await self._client.close()

    # --------------------------------------------------------------------------------------------------- private

    def _fail(self, error: BaseException) -> None:
        self.on_failure(error)

    async def _reconnected(self) -> None:
        log.warning("reconnected to NATS")
        metrics.BUS_RECONNECTS.labels(self._settings.name).inc()
        self._publisher.reconnected()
        for pull in self._pulls:
            await pull.restart()
        for watch in self._watches:
            watch.wake()
        for callback in self._on_reconnect:
            await callback()

    async def _error(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            metrics.BUS_SLOW_CONSUMERS.labels(self._settings.name).inc()
        subject = denied_subject(error)
        if subject is not None:
            self._denied.add(subject)
            self._publisher.refused(subject)
        if self.connected or subject is not None:
            log.warning("NATS reports an error", extra={"error": str(error)})


def _refusal(error: Exception, settings: BusSettings) -> str:
    """Why no further attempt would end otherwise, as words after the server's address; "" = one may."""
    if "authorization violation" in str(error).lower():
        return f"refuses the user {settings.user!r}: check its password"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"shows a certificate that is not to be trusted: {error.verify_message} (SIGNALBOX_NATS_CA_FILE)"
    if isinstance(error, PlainServerError):
        return f"is not to be trusted: {error}"
    return ""

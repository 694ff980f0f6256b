"""The connection to NATS and everything a service may do with it.

Owns the life of the connection: it reconnects for ever, tells who asks (`on_reconnect`), and calls `on_failure` when
it is gone for good, which must end the process. It knows nothing of trading.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from msgspec import Struct
from nats.errors import Error as NatsError

from signalbox import messages, metrics, subjects
from signalbox.bus import asking, reading
from signalbox.bus.client import BusClient
from signalbox.bus.connecting import BusSettings, bounded, connect
from signalbox.bus.consuming import Pull, dead_letter
from signalbox.bus.headers import read_header
from signalbox.bus.live import Live
from signalbox.bus.publishing import Publisher, denied_subject
from signalbox.bus.queueing import Queue, Take, Turn
from signalbox.bus.received import Progress, PublishAck, Received, status_of
from signalbox.bus.sealing import Sealing
from signalbox.bus.servers import ask_servers
from signalbox.bus.setting_aside import LOOK_SECONDS, SettingAside
from signalbox.bus.standing import shuffled_places
from signalbox.bus.watching import Watch
from signalbox.durability import JetStreamServer
from signalbox.errors import BusAnswerError, BusError, BusPermissionError, BusUnavailableError
from signalbox.seals import shown_links

log = logging.getLogger(__name__)

Handler = Callable[[Received], Awaitable[None]]

STOP_SECONDS_MAX = 3.0
"""Without NATS a handler can not finish what it has begun: it is left to the next process."""


class Bus:
    """One connection. Make it with `await Bus.connect(...)`, end it with `await bus.drain()`."""

    def __init__(self, client: BusClient, settings: BusSettings) -> None:
        self._client, self._settings = client, settings
        self._pulls: list[Pull | Queue] = []
        self._places: list[int] = []
        self._watches: list[Watch] = []
        self._live: list[Live] = []
        self._on_reconnect: list[Callable[[], Awaitable[None]]] = []
        self._sealing = Sealing(settings.name, settings.seals)
        self._publisher = Publisher(client, settings.name, self._sealing)
        self._denied: set[str] = set()
        self._open = False
        self._questions: BusClient | None = None
        self.served: list[asking.Served] = []
        """What it answers, and how often it has."""
        self.on_failure: Callable[[BaseException], None] = lambda error: None
        """Called when a handler failed in a way that must end the process."""
        self.on_held: Callable[[str, str], None] = lambda condition, reason: None
        """Called when one message holds this service up, which is then not ready; with "" when it does no more."""
        self._setting_aside = SettingAside(client, settings.name, lambda *what: self.on_held(*what))

    @classmethod
    async def connect(cls, settings: BusSettings) -> Bus:
        """Connect; raises `BusUnavailableError` when NATS can not be reached within `CONNECT_SECONDS_MAX`,
        `BusPermissionError` when it refuses the user or password."""
        client = BusClient()
        client.waits_for_server = settings.waits_for_server
        bus = cls(client, settings)
        metrics.show_bus(settings.name, lambda: client.is_connected)

        async def closed() -> None:
            if bus._open:
                bus._fail(BusUnavailableError("the connection to NATS is closed for good"))

        await connect(client, settings, on_error=bus._error, on_reconnect=bus._reconnected, on_closed=closed)
        bus._open = True
        return bus

    def on_room(self, callback: Callable[[str, str], None]) -> None:
        """Have `callback` told the stream and the problem whenever messages wait for room in it; "" = no more."""
        self._publisher.waits_for_room.changed = callback

    @property
    def connected(self) -> bool:
        return self._client.is_connected

    def seals_told(self) -> dict[str, str]:
        """For a person: which seals this process checks, and how many messages it has met without a genuine one."""
        seals = self._settings.seals
        if not seals.judges:
            return {}
        return {"seals": shown_links(seals.links), "unsealed_messages": str(self._sealing.refused_messages)}

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
        `BusPermissionError` when NATS refuses the subject, `BusFullError` when a queue takes no more of this sender,
        `BusUnavailableError` when NATS is away for longer than `waiting.AWAY_SECONDS_MAX` (a service waits for it until
        it ends), or silent for longer than `waiting.UNCERTAIN_SECONDS_MAX`. Tells `on_room` that it waits for room.
        """
        return await self._publisher.publish(subject, message, expected_last_subject_sequence, last_of)

    async def publish_batch(
        self, stored: Sequence[tuple[str, Struct]], *, expected_last_subject_sequence: int, last_of: str
    ) -> PublishAck:
        """Store several messages, each (subject, message), one after the other and all or none; the last one's place.

        The stream must take batches. Raises as `publish`, with everything or nothing stored; `duplicate` = all of it
        was there already.
        """
        return await self._publisher.publish_batch(stored, expected_last_subject_sequence, last_of)

    async def publish_scheduled(self, subject: str, message: Struct, *, due_wall: datetime, target: str) -> None:
        """Have the server publish `message` on `target` (of the same stream) at `due_wall`.

        A later schedule on the same `subject` replaces this one.
        """
        await self._publisher.publish_scheduled(subject, message, due_wall, target)

    async def consume(self, stream: str, consumer: str, handler: Handler) -> None:
        """Start to pull from a declared durable consumer, one message after the other, and return.

        A message is acknowledged once `handler` has returned. What JetStream refuses to store for it holds the
        consumer, until it does or the message is set aside (`bus.consuming`); another `BusError` ends the process (its
        restart gets the message again); any other error parks the message as a dead letter.
        """

        async def one(received: Sequence[Received]) -> None:
            await handler(received[0])

        await self.consume_many(stream, consumer, one, messages_max=1)

    async def consume_many(
        self, stream: str, consumer: str, handler: Callable[[Sequence[Received]], Awaitable[None]], messages_max: int
    ) -> None:
        """As `consume`, but `handler` gets all that have come, in order, up to `messages_max`; acknowledged together.

        How many can come before one is acknowledged is the consumer's `unacked_max`. When the handler raises, each
        message is given to it alone, and what is wrong with one stops only that one.
        """
        self._places = self._places or shuffled_places()
        place = self._places.pop()
        pull = Pull(
            self._client,
            self._settings.name,
            stream,
            consumer,
            handler,
            self.publish,
            self._setting_aside,
            self._fail,
            place,
            self._sealing,
            messages_max,
        )
        self._pulls.append(pull)
        await pull.start()

    async def queue(self, stream: str, consumer: str, take: Take, turn: Turn) -> Queue:
        """Start to pull everything that waits at a declared durable consumer, and return; see `bus.queueing`.

        An error of `turn` ends the process. `Queue.acknowledge` says that a message is done with.
        """
        queue = Queue(self._client, stream, consumer, take, turn, self._fail)
        self._pulls.append(queue)
        await queue.start()
        return queue

    async def consumer_floor(self, stream: str, consumer: str) -> int:
        """The stream sequence up to which `consumer` has acknowledged everything."""
        return (await reading.consumer_progress(self._client, stream, consumer)).floor

    async def consumer_progress(self, stream: str, consumer: str) -> Progress:
        """How far `consumer` is, whichever process has its messages."""
        return await reading.consumer_progress(self._client, stream, consumer)

    def read(
        self,
        stream: str,
        subject: str = ">",
        from_sequence: int = 1,
        left_out: Callable[[Received], None] = lambda received: None,
    ) -> AsyncIterator[Received]:
        """Read what is stored from `from_sequence` on, in order, to the end of the stream as it is then.

        What needs a seal and has none is not given; `left_out` is called with it, for whoever counts what is there.
        """
        return reading.read_genuine(self._client, self._sealing, stream, subject, from_sequence, left_out)

    async def fold(
        self,
        stream: str,
        take: Callable[[Received], Awaitable[None] | None],
        subject: str = ">",
        from_sequence: int = 1,
        pass_over: Callable[[Received], None] = lambda received: None,
        left_out: Callable[[Received], None] = lambda received: None,
    ) -> None:
        """Call `take` with each stored message, as `read` gives them.

        What `take` returns is awaited, where it is anything. When it raises, the service is held there until an
        operator sets that message aside, and `pass_over` is called with it: it says which, and is not ready; but a
        `BusError` is raised. What can be taken is taken, whatever was said of it: nobody's word takes it out of books.
        """
        await self._setting_aside.look()
        async for received in self.read(stream, subject, from_sequence, left_out=left_out):
            try:
                waiting = take(received)
                if waiting is not None:
                    await waiting
            except BusError:
                raise
            except Exception as error:
                if aside := self._setting_aside.reason(received):
                    place = f"{stream}:{received.sequence}"
                    log.warning("going on without a message", extra={"place": place, "why": aside})
                else:
                    await self._until_set_aside(received, f"{type(error).__name__}: {error}")
                pass_over(received)

    async def _until_set_aside(self, received: Received, why: str) -> None:
        aside = ""
        while not aside:
            aside = await self._setting_aside.waited(received, why, LOOK_SECONDS)
        name = self._settings.name
        await self.publish(subjects.dead(received.stream, name), dead_letter(received, name, f"{aside} ({why})"))
        self._setting_aside.over(received)

    async def at(self, stream: str, sequence: int) -> Received | None:
        """The message stored at `sequence`; None = there is none any more."""
        return await reading.at(self._client, stream, sequence)

    async def last(self, stream: str, subject: str) -> Received | None:
        """The last message stored on `subject`, which may be a pattern; of what needs a seal, the last that has one."""
        return await reading.last_genuine(self._client, self._sealing, stream, subject)

    async def last_if_genuine(self, stream: str, subject: str) -> Received | None:
        """The last message on one subject; None also where it bears no seal that it needs: nothing older is read."""
        found = await reading.last(self._client, stream, subject)
        return None if found is None or self._sealing.refuse(found) else found

    async def watch(self, bucket: str, key: str, callback: Callable[[Received | None], Awaitable[None]]) -> None:
        """Call `callback` with the value of a KV key now (None = absent), and after every change."""
        watch = Watch(self._client, bucket, key, callback, self._fail, self._sealing)
        self._watches.append(watch)
        await watch.start()

    # ------------------------------------------------------------------------------------------------- core NATS

    async def send(self, subject: str, message: Struct) -> None:
        """Send to whoever listens now. Dropped when not connected: what is sent this way is worthless later."""
        if self._client.is_connected:
            await self._client.publish(subject, messages.encode(message))

    async def subscribe(self, subject: str, callback: Handler) -> Live:
        """Call `callback` for each message on `subject` from now on, one by one. Nothing is stored or repeated.

        One that it can not handle is parked as a dead letter (of several in a second the first); the next is handled.
        """
        parks = self.publish if self._settings.parks else None
        live = Live(self._client, self._settings.name, subject, callback, parks, self._fail, self._sealing)
        self._live.append(live)
        await live.start()
        return live

    async def request(self, subject: str, payload: bytes, timeout_seconds: float, *, of_service: bool = False) -> bytes:
        """Ask whoever serves `subject`; raises `BusUnavailableError` when nobody answers in time.

        `of_service`: one that answers by `serve`; `BusAnswerError` when what comes answers another question.
        """
        try:
            answer = await self._client.ask(subject, payload, timeout_seconds)
            told = status_of(answer).code or read_header(answer.headers, "Status")
            if told:  # by the server, in the place of an answer
                raise BusUnavailableError(f"what answered on {subject} is not who serves it")
            if of_service and read_header(answer.headers, asking.QUESTION_HEADER) != asking.mark(payload):
                raise BusAnswerError(f"what came from {subject} answers another question")
            return answer.payload
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
        answers = await asking.answers_to(self._client, subject, payload, seconds_max, quiet_seconds_max)
        if not answers and subject.lower() in self._denied:
            raise BusPermissionError(f"{self._settings.user!r} may not publish on {subject}")
        return answers

    async def servers(self) -> tuple[JetStreamServer, ...]:
        """What each nats-server says of itself; raises `BusUnavailableError` when none does."""
        return await ask_servers(self._client)

    async def serve(
        self, subject: str, handler: Callable[[bytes, str], Awaitable[bytes]], also: Sequence[str] = ()
    ) -> asking.Served:
        """Answer requests on `subject` with what `handler` makes of the payload and the name of who asks.

        The name is the last word of the subject, where `subject` ends in `*`: the server writes it. Otherwise it is "".
        Each request runs on its own, so that a slow one holds up no other. `also`: other subjects of the same handler,
        whose questions are counted, and bounded, together.

        Only to people: their requests cross from another account with a reply subject of the server's own making. A
        reply subject of the desk itself would have us publish there.
        """
        if self._questions is None:
            self._questions = await self._connect_for_questions()
        served = await asking.serve(self._questions, self._settings.name, subject, handler, also)
        self.served.append(served)
        return served

    async def _connect_for_questions(self) -> BusClient:
        """Connect once more: what people ask comes on a connection of its own, which the server closes when they ask
        more than is read; and nobody's order or halt waits behind questions."""
        client = BusClient()
        client.waits_for_server, client.is_unhurried = self._settings.waits_for_server, True

        async def nothing() -> None:
            """It reconnects by itself; what was asked meanwhile is asked again."""

        await connect(client, self._settings, on_error=self._error, on_reconnect=nothing, on_closed=nothing)
        return client

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
        stopping = {asyncio.ensure_future(pull.stop()) for pull in pulls}
        while stopping:
            stopped, stopping = await asyncio.wait(stopping, timeout=STOP_SECONDS_MAX)
            for each in stopped:
                each.result()
            if stopping and not self._client.is_connected:
                self._open = False
                await self._close(self._client)  # what waits for NATS in a handler ends with that

    async def drain(self) -> None:
        """Stop pulling, let running handlers finish, flush, close."""
        self._open = False
        await self.stop_consuming()
        for live in self._live:
            await live.stop()
        if self._questions is not None:
            await self._close(self._questions)
        if self._client.is_connected:
            try:
                await self._client.drain()
            except (NatsError, TimeoutError):
                log.warning("the connection did not drain in time")
        if not self._client.is_closed:
            await self._close(self._client)

    async def _close(self, client: BusClient) -> None:
        with contextlib.suppress(OSError):  # nats-py writes what is left on a socket that may be gone
            await bounded(asyncio.create_task(client.close()))

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
        subject = denied_subject(error)
        if subject is not None:
            self._denied.add(subject)
            self._publisher.refused(subject)
        if self.connected or subject is not None:
            log.warning("NATS reports an error", extra={"error": str(error)})

"""Following a stream at full speed from a sequence that the reader keeps itself: nothing lost, nothing twice.

The reader's watermark, not the server, says where to go on. `Follow.start` sets a declared consumer without acks back
to the sequence after the watermark, then keeps pull requests standing. From a reset on, the server numbers what it
delivers 1, 2, 3...; each heartbeat repeats the last number. So a message lost on the way shows as a missing number
within a second: the follow breaks, and the reader starts another one after what it has. A broken follow never
delivers anything more.

Messages are taken at 3 us each: 50,000 a second leave 20 us for everything, most of which the reader needs to store
one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import msgspec
from nats.errors import Error as NatsError

from signalbox.accounts import JETSTREAM
from signalbox.bus.client import Listening
from signalbox.bus.connection import Bus
from signalbox.bus.headers import printable, read_header
from signalbox.bus.received import ACK_PREFIX, MESSAGE_ID_HEADER, ends_answers, status_of
from signalbox.bus.wire import Delivery
from signalbox.errors import BusUnavailableError

PULL_MESSAGES = 1_000
PULL_BYTES_MAX = 1_200_000
"""More than a message can have (1 MiB with headers, by `max_payload`, and two subjects): a larger one never comes."""
PULL_EXPIRES_SECONDS = 30.0
PULLS_MAX = 2
REST_SECONDS = 0.1
HEARTBEAT_SECONDS = 0.5
SILENCE_SECONDS_MAX = 2.5
REQUEST_SECONDS_MAX = 2.0

_PULL = msgspec.json.encode(
    {
        "batch": PULL_MESSAGES,
        "max_bytes": PULL_BYTES_MAX,
        "no_wait": True,
        "expires": int(PULL_EXPIRES_SECONDS * 1e9),
        "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
    }
)


Take = Callable[[int, str, int, str, bytes], None]
"""Called with a message's sequence, subject, time of storing (nanoseconds since 1970, UTC), message id ("" without one)
and payload."""


class StreamFacts(msgspec.Struct, frozen=True):
    """What tells one stream from another of the same name, and where it stands."""

    created: str
    first_sequence: int
    last_sequence: int


class _State(msgspec.Struct, frozen=True):
    first_seq: int = 0
    last_seq: int = 0


class _Error(msgspec.Struct, frozen=True):
    description: str = ""


class _StreamInfo(msgspec.Struct, frozen=True):
    created: str = ""
    state: _State = _State()
    error: _Error | None = None


class _Reset(msgspec.Struct, frozen=True):
    error: _Error | None = None


async def stream_facts(bus: Bus, stream: str) -> StreamFacts:
    """Ask the server about `stream`; raises `BusUnavailableError` when it does not answer, or has no such stream."""
    answer = await bus.request(f"{JETSTREAM}.STREAM.INFO.{stream}", b"", REQUEST_SECONDS_MAX)
    info = msgspec.json.decode(answer, type=_StreamInfo)
    if info.error is not None:
        raise BusUnavailableError(f"stream {stream}: {info.error.description}")
    return StreamFacts(created=info.created, first_sequence=info.state.first_seq, last_sequence=info.state.last_seq)


class Follow:
    """One uninterrupted run through a stream. `broken` is set, with `reason`, when another must be started.

    `take` gets every message, in order; it must not wait. `has_room` says whether more may be asked for: after it
    said no, call `resume` once it would say yes. At most `PULLS_MAX * PULL_MESSAGES` messages come after that.
    """

    def __init__(self, bus: Bus, stream: str, consumer: str, *, take: Take, has_room: Callable[[], bool]) -> None:
        self._client = bus._client
        self._bus, self._stream, self._take, self._has_room = bus, stream, take, has_room
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._reset = f"{JETSTREAM}.CONSUMER.RESET.{stream}.{consumer}"
        self._inbox = self._client.new_inbox()
        self._listening: Listening | None = None
        self._asking: asyncio.Task[None] | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._reading = False
        self._pulls: deque[int] = deque()
        """What each pull that stands may still bring, the oldest first, as the server serves them."""
        self._delivered = 0
        self._heard = False
        self._silent_since = 0.0
        self.broken = asyncio.Event()
        self.reason = ""
        self.goes_on_at_once = False
        """Nothing is wrong: the next run may be started without a pause."""

    async def start(self, from_sequence: int, created: str) -> None:
        """Begin at `from_sequence` of the stream made at `created`; breaks at once when that stream has been replaced.

        Raises `BusUnavailableError` when the consumer can not be set there.
        """
        answer = await self._bus.request(self._reset, msgspec.json.encode({"seq": from_sequence}), REQUEST_SECONDS_MAX)
        reset = msgspec.json.decode(answer, type=_Reset)
        if reset.error is not None:
            raise BusUnavailableError(f"{self._reset}: {reset.error.description}")
        self._listening = await self._client.listen(self._inbox, self._arrived)
        if (await stream_facts(self._bus, self._stream)).created != created:
            self.end("the stream has been replaced")
        else:
            self._reading = True
            self.resume()

    async def stop(self) -> None:
        """Take nothing more."""
        self.end("stopped")
        if self._asking is not None:
            self._asking.cancel()
        if self._rest is not None:
            self._rest.cancel()
        if self._listening is not None:
            with contextlib.suppress(NatsError):
                await self._listening.stop()

    def end(self, reason: str) -> None:
        """Declare this run over."""
        if not self.broken.is_set():
            self.reason = reason
            self.broken.set()

    def check(self) -> None:
        """Break when the server has been silent for longer than its heartbeats allow. Call it every second or so."""
        now = asyncio.get_running_loop().time()
        if self._heard or not self._pulls:
            self._heard, self._silent_since = False, now
        elif now - self._silent_since > SILENCE_SECONDS_MAX:
            self.end(f"nothing heard for {now - self._silent_since:.1f} s")

    def resume(self) -> None:
        """Ask for more, if there is room, too little has been asked for, and there is no rest just now."""
        if self._asking is not None or self._rest is not None or len(self._pulls) == PULLS_MAX:
            return
        if self._pulls and self._pulls[0] > PULL_MESSAGES // 2:
            return
        if self._reading and self._client.is_connected and not self.broken.is_set() and self._has_room():
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)

    def _asked(self, _: asyncio.Task[None]) -> None:
        self._asking = None
        self.resume()

    async def _ask(self) -> None:
        self._pulls.append(PULL_MESSAGES)
        self._heard = True
        try:
            await self._client.publish(self._next, _PULL, reply=self._inbox)
        except NatsError as error:
            self.end(f"can not pull: {error}")

    def _rested(self) -> None:
        self._rest = None
        self.resume()

    def _arrived(self, delivery: Delivery) -> None:
        if self.broken.is_set():
            return
        self._heard = True
        _, subject, reply, headers, payload = delivery
        if not reply.startswith(ACK_PREFIX):
            self._status(delivery)
            return
        # Tokens as in `received.place_of`, which would cost more than all the rest here
        tokens = reply.split(b".")
        place = 5 if len(tokens) == 9 else 7
        self._delivered += 1
        if int(tokens[place + 1]) != self._delivered:
            self.end(f"delivery {self._delivered} is missing: {tokens[place + 1].decode()} has come")
            return
        message_id = read_header(headers[:-2], MESSAGE_ID_HEADER) if headers else ""
        self._take(int(tokens[place]), printable(subject), int(tokens[place + 2]), message_id, payload)
        if ends_answers(delivery):
            self.goes_on_at_once = True
            self.end("an empty message ends what comes of a pull")
            return
        if self._pulls:
            self._pulls[0] -= 1
        self.resume()

    def _status(self, delivery: Delivery) -> None:
        status = status_of(delivery)
        if status.code == 100:
            last = status.header("Nats-Last-Consumer")
            if last and last != str(self._delivered):
                self.end(f"{last} messages were delivered, {self._delivered} have come")
            return
        undelivered = status.header("Nats-Pending-Messages").isdecimal()
        if status.code != 404 and not (status.code in (408, 409) and undelivered):
            self.end(f"the pull was refused: {status.code} {status.text}")
            return
        if self._pulls:  # the oldest one is over; of one that has brought all it may the server says so (409)
            self._pulls.popleft()
        if status.code == 404 and not self._pulls and self._rest is None:  # and nothing is left
            loop = asyncio.get_running_loop()
            # All of a process's streams rest until the same instant: it is woken, and the server, once for all of them
            self._rest = loop.call_at((loop.time() // REST_SECONDS + 1) * REST_SECONDS, self._rested)
        self.resume()

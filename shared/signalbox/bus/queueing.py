"""An eager pull: everything that waits at a durable consumer is handed over at once, and acknowledged when it is done.

`consume` takes one message after the other, so that what was sent first holds up the rest. Here the service sees all
that waits and chooses: `take` is told of each message and must not wait; `turn` does a piece of work and says when the
next one is due. While a turn waits for something, more may be taken, and what is not acknowledged comes again.

Many pull requests stand at the server, each for one message: what a person sends can end the answers to the request
that brings it (`received.ends_answers`), and to no other. It must not know what is chosen, nor why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import msgspec

from signalbox.bus.client import BusClient, Listening
from signalbox.bus.received import Received, from_consumer, status_of
from signalbox.bus.wire import Delivery
from signalbox.errors import BusError

log = logging.getLogger(__name__)

PULLS_STANDING, PULLS_AT_REST = 64, 8
"""While much waits, and else: each that expires costs the server and this process a word or two."""
PULL_EXPIRES_SECONDS = 2.0
SILENCE_SECONDS_MAX = 2 * PULL_EXPIRES_SECONDS
TOP_UP_SECONDS = 1.0
EXPIRED = 408
TAKE_FIRST_SECONDS_MAX = 0.05
NO_DELIVERY = -1
_PULL = msgspec.json.encode({"batch": 1, "expires": int(PULL_EXPIRES_SECONDS * 1e9)})
QUIET_ROUNDS = 4
"""Of the event loop, without a message: as many as one needs from the socket to `take`."""

Take = Callable[[Received, str], None]
"""Called with a message and the subject that acknowledges it (`Queue.acknowledge`). It must not raise, nor wait."""
Turn = Callable[[], Awaitable[float | None]]
"""A piece of work: returns in how many seconds there may be more (0 = at once), None = when something has come."""


class Queue:
    """One durable consumer being pulled eagerly."""

    def __init__(
        self,
        client: BusClient,
        stream: str,
        consumer: str,
        take: Take,
        turn: Turn,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._client, self._take, self._turn, self._on_failure = client, take, turn, on_failure
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = client.new_inbox()
        self._generation = 0
        self._standing, self._standing_max = 0, PULLS_AT_REST
        self._last_heard_seconds = 0.0
        self._stopping = False
        self._taken_messages = 0
        self._came = asyncio.Event()
        self._came.set()  # there may be work from before the first message
        self._listening: Listening | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._listening = await self._client.listen(f"{self._inbox}.*", self._arrived)
        await self.restart()
        self._tasks = [
            asyncio.create_task(self._watch(), name=f"queue {self._next}"),
            asyncio.create_task(self._work(), name=f"work on {self._next}"),
        ]

    async def restart(self) -> None:
        """Forget the standing pulls and send others: late words of the old ones are ignored."""
        self._generation += 1
        self._standing = 0
        self._last_heard_seconds = asyncio.get_running_loop().time()
        self._ask()

    async def stop(self) -> None:
        """Take nothing more; return when the running turn has ended. What is not acknowledged comes again."""
        self._stopping = True
        self._came.set()
        watch, work = self._tasks
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        await work
        if self._listening is not None:
            await self._listening.stop()

    def acknowledge(self, reply: str) -> None:
        """The message is done with: the server forgets it."""
        self._client.say(reply, b"+ACK")

    def _ask(self) -> None:
        """Let as many pulls stand as there should."""
        if self._stopping or not self._client.is_connected:
            return
        reply = f"{self._inbox}.{self._generation}"
        while self._standing < self._standing_max:
            self._standing += 1
            self._client.say(self._next, _PULL, reply=reply)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TOP_UP_SECONDS)
            silence_seconds = asyncio.get_running_loop().time() - self._last_heard_seconds
            if silence_seconds > SILENCE_SECONDS_MAX and self._client.is_connected:
                log.warning("nothing heard from the consumer; pulling again", extra={"consumer": self._next})
                await self.restart()
            else:
                self._ask()

    def _arrived(self, delivery: Delivery) -> None:
        self._last_heard_seconds = asyncio.get_running_loop().time()
        if self._stopping:
            return
        received = from_consumer(delivery, NO_DELIVERY)
        if received is not None:
            self._standing = max(0, self._standing - 1)
            self._taken_messages += 1
            self._take(received, delivery.reply.decode("ascii", "replace"))
            self._came.set()
            if self._standing_max > PULLS_AT_REST or self._standing <= PULLS_AT_REST // 2:
                self._ask()  # else after the turn: what has come is more urgent
        elif delivery.subject.rpartition(b".")[2] == b"%d" % self._generation:
            self._standing -= 1
            if status_of(delivery).code == EXPIRED:  # what is wrong otherwise may take a while: `_watch` asks again
                self._ask()

    async def _take_first(self) -> None:
        """Let come what is on its way, for a while: what is urgent may be behind a flood that has to be taken first."""
        loop = asyncio.get_running_loop()
        deadline_seconds, quiet_rounds = loop.time() + TAKE_FIRST_SECONDS_MAX, 0
        while quiet_rounds < QUIET_ROUNDS and loop.time() < deadline_seconds:
            taken = self._taken_messages
            await asyncio.sleep(0)
            quiet_rounds = quiet_rounds + 1 if self._taken_messages == taken else 0

    async def _work(self) -> None:
        due_seconds: float | None = None
        try:
            while not self._stopping:
                if due_seconds is None:
                    await self._came.wait()
                elif due_seconds:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(due_seconds):
                            await self._came.wait()
                else:
                    await self._take_first()
                if not self._stopping:
                    self._came.clear()
                    due_seconds = await self._turn()
                    self._standing_max = PULLS_STANDING if due_seconds == 0 else PULLS_AT_REST
                    if self._standing <= self._standing_max // 2:  # several at once: each wakes the server
                        self._ask()
                    await asyncio.sleep(0)  # a watched switch, a price: they come in between
        except BusError as error:
            log.error("the bus failed; stopping", extra={"consumer": self._next, "error": str(error)})
            self._on_failure(error)
        except Exception as error:
            log.exception("the work on what has come failed", extra={"consumer": self._next})
            self._on_failure(error)

"""How full the streams are and how far their readers, asked of JetStream every few seconds and shown as metrics.

The recorder asks because it is the one service that may look at every stream. A question that is not answered is
counted, and what it was about is not shown until it is answered again: an old figure would look like a good one.
Nothing here can hurt recording: each question has a time-out, few are under way at once, and no error leaves `look`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from signalbox import subjects
from signalbox.bus import Bus, figures
from signalbox.errors import BusError
from signalbox.streams import STREAMS, Stream

from recorder import metrics

log = logging.getLogger(__name__)

LOOK_INTERVAL_SECONDS = 5.0
QUESTIONS_AT_ONCE_MAX = 4


class BusFigures:
    """Looks at every declared stream and consumer. `run` it as a task."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._turn = asyncio.Semaphore(QUESTIONS_AT_ONCE_MAX)
        self._failing = False
        self._parts_bytes: dict[str, int] = {}
        metrics.forget_storage()
        metrics.forget_stream(metrics.DEAD)

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_INTERVAL_SECONDS)

    async def look(self) -> None:
        """Ask everything once."""
        questions = [self._stream(stream) for stream in STREAMS]
        problems = [problem for problem in (*await asyncio.gather(*questions), await self._storage()) if problem]
        if problems and not self._failing:
            log.warning("figures of the bus are missing", extra={"missing": len(problems), "first": problems[0]})
        self._failing = bool(problems)

    async def _storage(self) -> str:
        try:
            found = await self._asked(figures.storage(self._bus))
        except BusError as error:
            metrics.forget_storage()
            return str(error)
        parts = self._parts_bytes.values()
        parts_bytes = sum(parts) if len(parts) == len(STREAMS) and min(parts) > 0 else -1
        metrics.show_storage(found.bytes, found.limit_bytes if found.limit_bytes > 0 else parts_bytes)
        return ""

    async def _stream(self, stream: Stream) -> str:
        problem = ""
        try:
            counted = subjects.dead("*", "*") if stream.name == metrics.DEAD else ""
            held = await self._asked(figures.stream_figures(self._bus, stream.name, counted))
            self._parts_bytes[stream.name] = held.bytes_max
            metrics.show_stream(stream.name, held)
        except BusError as error:
            metrics.forget_stream(stream.name)
            problem = str(error)
        for consumer in stream.consumers:
            try:
                found = await self._asked(figures.consumer_figures(self._bus, stream.name, consumer.name))
                metrics.show_consumer(stream.name, consumer.name, found)
            except BusError as error:
                metrics.forget_consumer(stream.name, consumer.name)
                problem = problem or str(error)
        return problem

    async def _asked(self, question: Awaitable[figures.Answer]) -> figures.Answer:
        async with self._turn:
            try:
                return await question
            except BusError:
                metrics.UNANSWERED.inc()
                raise

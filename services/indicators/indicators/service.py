"""The NATS shell: BARS in, SCORES out. Owns the order of things (publish, then acknowledge) and the rebuild at start.

It must not know what a score means. What if the process dies ...
- before the score is stored: the bar comes again and is scored then;
- between the score's storing and the bar's acknowledgement: the bar comes again, the rebuilt state is that from
  before it, so the same score is made under the same id, and is found to be stored already;
- later: the bar is behind the consumer's floor and is read silently at the next start.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import msgspec
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.errors import BusError, SignalboxError
from signalbox.messages import NEVER, Bar, Score
from signalbox.streams import BAR_PARTITIONS

from indicators import metrics
from indicators.decide import decide
from indicators.state import Ignored, Rules, Series, State, key_of

BARS, SCORES = "BARS", "SCORES"


def consumer_of(partition: int) -> str:
    return f"indicators-{partition}"


class Indicators:
    """The service on one bus. `await rebuild()` first, then `await consume()`."""

    def __init__(
        self,
        bus: Bus,
        rules: Rules,
        caught_up: Callable[[], None] = lambda: None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bus, self._rules, self._caught_up, self._wall = bus, rules, caught_up, wall
        self._state = State()
        self._behind: set[int] = set()
        self._resumed: set[int] = set()
        self._bars_rebuilt, self._scores_stored = 0, 0

    def details(self) -> dict[str, str]:
        """Figures for a person: series, bars rebuilt from, scores stored since the start."""
        return {
            "series": str(len(self._state.series)),
            "bars_rebuilt": str(self._bars_rebuilt),
            "scores_stored": str(self._scores_stored),
        }

    async def rebuild(self) -> None:
        """Read every bar that was acknowledged before, and publish nothing.

        BARS holds some days; what came before them no longer weighs in any average (0.9 to the power of hundreds).
        """
        for partition in range(BAR_PARTITIONS):
            await self._rebuild(partition, await self._bus.consumer_floor(BARS, consumer_of(partition)))
        metrics.REBUILT_BARS.set(self._bars_rebuilt)
        metrics.SERIES.set(len(self._state.series))

    async def _rebuild(self, partition: int, floor: int) -> None:
        async for received in self._bus.read(BARS, subjects.bars_of_partition(partition)):
            if received.sequence > floor:
                self._behind.add(partition)
                return
            self._bars_rebuilt += 1
            try:
                bar: Bar = messages.decode(received.payload, Bar)
                key = key_of(bar)
                self._state.series[key], _ = decide(self._state.series.get(key, Series()), bar, self._rules)
            except BusError:
                raise
            except (SignalboxError, msgspec.DecodeError):
                continue  # it became a dead letter when it first came

    async def consume(self) -> None:
        """Start to score the bars of every partition, and return; `caught_up` is called once none is left over."""
        if not self._behind:
            self._caught_up()
        for partition in range(BAR_PARTITIONS):
            await self._bus.consume(BARS, consumer_of(partition), partial(self._handle, partition))

    async def _handle(self, partition: int, received: Received) -> None:
        """Take one bar. It is acknowledged when this returns, and becomes a dead letter when it raises."""
        try:
            await self._score(partition, received)
        finally:
            if partition in self._behind and received.pending == 0:
                self._behind.discard(partition)
                if not self._behind:
                    self._caught_up()

    async def _score(self, partition: int, received: Received) -> None:
        try:
            bar: Bar = messages.decode(received.payload, Bar)
            key = key_of(bar)
            series, outcome = decide(self._state.series.get(key, Series()), bar, self._rules)
        except (SignalboxError, msgspec.DecodeError):
            metrics.BARS.labels("", metrics.UNREADABLE).inc()
            raise
        if isinstance(outcome, Ignored):
            metrics.BARS.labels(bar.timeframe, outcome).inc()
            return
        await self._store(partition, outcome)
        self._state.series[key] = series
        self._count(bar)

    async def _store(self, partition: int, score: Score) -> None:
        """Publish a score, once. The first of a partition after a start may have been stored by the process before,
        longer ago than JetStream remembers ids: then it is the last on its subject."""
        subject = subjects.score(score.venue, score.symbol, score.timeframe)
        if partition not in self._resumed:
            self._resumed.add(partition)
            last = await self._bus.last(SCORES, subject)
            if last is not None and last.message_id == score.id:
                metrics.DUPLICATES.labels(score.timeframe).inc()
                return
        acknowledged = await self._bus.publish(subject, score)
        if acknowledged.duplicate:
            metrics.DUPLICATES.labels(score.timeframe).inc()
            return
        self._scores_stored += 1
        metrics.SCORES.labels(score.timeframe).inc()

    def _count(self, bar: Bar) -> None:
        metrics.BARS.labels(bar.timeframe, metrics.SCORED).inc()
        metrics.SERIES.set(len(self._state.series))
        metrics.LAST_BAR_TIMESTAMP_SECONDS.labels(bar.venue, bar.symbol, bar.timeframe).set(bar.at.timestamp())
        if bar.received_at != NEVER:
            latency_seconds = (self._wall() - bar.received_at).total_seconds()
            metrics.SCORE_LATENCY_SECONDS.labels(bar.timeframe).observe(latency_seconds)

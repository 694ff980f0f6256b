"""The NATS shell: BARS in, SCORES out. Owns the order of things (publish, then acknowledge), the rebuild at start, and
what happens when a partition goes from one process to another.

It must not know what a score means. Any number of processes run at once, and know nothing of each other: a bar is given
to one of them, and the next bar of its partition to any of them once the first is acknowledged. What if ...
- the process dies before the score is stored: the bar is given out again, and is scored then;
- it dies between the score's storing and the bar's acknowledgement: the bar is given out again, and its score found;
- it dies later: the bar is behind the consumer's floor, and is read silently by whoever needs it;
- another process had bars in between: they are read from the stream and folded silently, then the bar is scored;
- it was frozen meanwhile, however long: its score is refused by the server, which expects another one before it, and
  turns out to be done. Its late acknowledgement is then as true as that of the process that took over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import msgspec
from signalbox import belonging, messages, subjects
from signalbox.bars import parse_timeframe
from signalbox.bus import Bus, Received
from signalbox.errors import BusError, BusUnavailableError, MessageError, SignalboxError, WrongSequenceError
from signalbox.messages import NEVER, Bar, Levels, Score
from signalbox.streams import BAR_PARTITIONS

from indicators import metrics
from indicators.decide import Fence, fence, levels_of
from indicators.readings import read
from indicators.state import Ignored, LastScore, Partition, Rules, Series, key_of
from indicators.step import step

log = logging.getLogger(__name__)

BARS, SCORES = "BARS", "SCORES"
CATCH_UP_SECONDS = 0.25
FOLLOW_SECONDS = 5.0
ATTEMPTS_MAX = 20
RETRY_DELAY_SECONDS = 0.1


def consumer_of(partition: int) -> str:
    return f"indicators-{partition}"


class Indicators:
    """The service on one bus. `await rebuild()` first, then `await consume()`, and `follow()` beside it."""

    def __init__(
        self,
        bus: Bus,
        rules: Rules,
        caught_up: Callable[[], None] = lambda: None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bus, self._rules, self._caught_up, self._wall = bus, rules, caught_up, wall
        self._partitions = [Partition() for _ in range(BAR_PARTITIONS)]
        self._one_at_a_time = [asyncio.Lock() for _ in range(BAR_PARTITIONS)]
        self._behind: set[int] = set()
        self._bars_rebuilt, self._scores_stored = 0, 0

    def details(self) -> dict[str, str]:
        """Figures for a person: series, bars rebuilt from, scores stored since the start, partitions owned."""
        return {
            "series": str(self._series()),
            "bars_rebuilt": str(self._bars_rebuilt),
            "scores_stored": str(self._scores_stored),
            "partitions": " ".join(str(number) for number, each in enumerate(self._partitions) if each.owned),
        }

    def _series(self) -> int:
        return sum(len(each.series) for each in self._partitions)

    async def rebuild(self) -> None:
        """Read every bar that was acknowledged before, and publish nothing.

        BARS holds some days; what came before them no longer weighs in any average (0.9 to the power of hundreds).
        """
        for number in range(BAR_PARTITIONS):
            metrics.PARTITION_OWNED.labels(str(number)).set(0)
            progress = await self._bus.consumer_progress(BARS, consumer_of(number))
            self._bars_rebuilt += (await self._fold(number, progress.floor))[0]
            if progress.unfinished:
                self._behind.add(number)
        metrics.REBUILT_BARS.set(self._bars_rebuilt)
        metrics.SERIES.set(self._series())

    async def consume(self) -> None:
        """Start to score the bars of every partition, and return; `caught_up` is called once none is left over."""
        if not self._behind:
            self._caught_up()
        for number in range(BAR_PARTITIONS):
            await self._bus.consume(BARS, consumer_of(number), partial(self._handle, number))

    async def follow(self) -> None:
        """Keep up, for ever, with the partitions that other processes own: a takeover then reads seconds, not days.

        Also how a process finds, within `FOLLOW_SECONDS`, that it no longer owns one: nobody tells it.
        """
        while True:
            await asyncio.sleep(CATCH_UP_SECONDS if self._behind else FOLLOW_SECONDS)
            try:
                for number in range(BAR_PARTITIONS):
                    await self._follow(number)
            except BusUnavailableError as error:
                log.warning("the bars can not be followed now", extra={"error": str(error)})

    async def _follow(self, number: int) -> None:
        partition = self._partitions[number]
        progress = await self._bus.consumer_progress(BARS, consumer_of(number))
        async with self._one_at_a_time[number]:
            if progress.floor > partition.folded_sequence:
                folded, _ = await self._fold(number, progress.floor)
                if folded and partition.owned:
                    self._disown(number)
        if not progress.unfinished:
            self._found_up_to_date(number)

    def _found_up_to_date(self, number: int) -> None:
        if number in self._behind:
            self._behind.discard(number)
            if not self._behind:
                self._caught_up()

    # --------------------------------------------------------------------------------------------- one bar at a time

    async def _handle(self, number: int, received: Received) -> None:
        """Take one bar. It is acknowledged when this returns, and becomes a dead letter when it raises."""
        try:
            async with self._one_at_a_time[number]:
                if not received.continues:
                    await self._take_over(number, received.sequence)
                self._own(number)
                if received.sequence <= self._partitions[number].folded_sequence:
                    return  # given out again by a server that was killed, which knows of no acknowledgement
                await self._score(number, received)
        finally:
            if received.pending == 0:
                self._found_up_to_date(number)

    async def _score(self, number: int, received: Received) -> None:
        partition = self._partitions[number]
        try:
            bar = _read(received)
            if not await self._decide_and_store(partition, bar):
                await self._read_anew(number, received.sequence)
                await self._decide_and_store(partition, bar, must=True)
        except BusError:
            raise
        except (SignalboxError, msgspec.DecodeError):
            metrics.BARS.labels("", metrics.UNREADABLE).inc()
            partition.folded_sequence = received.sequence
            raise
        partition.folded_sequence = received.sequence

    async def _decide_and_store(self, partition: Partition, bar: Bar, must: bool = False) -> bool:
        """Take the bar's series on, with its score stored. False = the partition is behind, and nothing was done
        (`must`: do it all the same)."""
        key = key_of(bar)
        series, outcome = step(partition.series.get(key, Series()), bar, self._rules)
        if isinstance(outcome, Ignored):
            # One that is not scored may be any word
            metrics.BARS.labels("" if outcome is Ignored.TIMEFRAME else bar.timeframe, outcome).inc()
            return True
        if not await self._store(partition, outcome, must):
            return False
        levels = levels_of(outcome)
        if levels is not None and not await self._store(partition, levels, must):
            return False
        partition.series[key] = series
        self._count(bar, outcome)
        return True

    async def _store(self, partition: Partition, score: Score | Levels, must: bool = False) -> bool:
        """Store a score, or levels, once, behind the last ones of the series; False as above."""
        key = score.venue, score.symbol, score.timeframe
        subject = subjects.score(*key) if isinstance(score, Score) else subjects.levels(*key)
        series = partition.series.get(key, Series())
        for _ in range(ATTEMPTS_MAX):
            last = partition.last_scores.get(subject) or await self._last_score(subject)
            match fence(last, series.last_start, score.bar_start):
                case Fence.DONE:
                    partition.last_scores[subject] = last
                    metrics.DUPLICATES.labels(score.timeframe).inc()
                    return True
                case Fence.BEHIND if not must:
                    return False
            try:
                stored = await self._bus.publish(subject, score, expected_last_subject_sequence=last.sequence)
            except WrongSequenceError:
                partition.last_scores.pop(subject, None)
                continue
            partition.last_scores[subject] = LastScore(stored.sequence, score.bar_start)
            if stored.duplicate:
                metrics.DUPLICATES.labels(score.timeframe).inc()
            elif isinstance(score, Levels):
                metrics.LEVELS.labels(score.timeframe).inc()
            else:
                self._scores_stored += 1
                metrics.SCORES.labels(score.timeframe).inc()
            return True
        raise BusUnavailableError(f"{subject} is written by others without an end")

    async def _last_score(self, subject: str) -> LastScore:
        last = await self._bus.last(SCORES, subject)
        return LastScore() if last is None else LastScore(last.sequence, _bar_start(last))

    def _count(self, bar: Bar, score: Score) -> None:
        metrics.BARS.labels(bar.timeframe, metrics.SCORED).inc()
        metrics.SERIES.set(self._series())
        metrics.show(*key_of(bar), bar.at.timestamp(), score)
        if bar.received_at != NEVER:
            latency_seconds = (self._wall() - bar.received_at).total_seconds()
            metrics.SCORE_LATENCY_SECONDS.labels(bar.timeframe).observe(latency_seconds)

    # ------------------------------------------------------------------------------------------ from hand to hand

    async def _take_over(self, number: int, sequence: int) -> None:
        """Fold what another process may have had before the bar at `sequence`, and forget where its scores stand.

        The bar itself has to be met: with several copies of the stream, the one that answers may lag behind.
        """
        partition = self._partitions[number]
        partition.last_scores.clear()
        if partition.folded_sequence >= sequence:
            return
        missed = 0
        for _ in range(ATTEMPTS_MAX):
            folded, met = await self._fold(number, sequence - 1)
            missed += folded
            if met:
                break
            await asyncio.sleep(RETRY_DELAY_SECONDS)
        else:
            raise BusUnavailableError(f"{BARS}:{sequence} was delivered, but is not found in the stream")
        if missed and partition.owned:
            self._disown(number)

    async def _fold(self, number: int, up_to: int) -> tuple[int, bool]:
        """Take the series on to the stream sequence `up_to`, silently: how many bars that were, and whether a bar
        behind them was met."""
        partition = self._partitions[number]
        folded = 0
        subject = subjects.bars_of_partition(number)
        async for received in self._bus.read(BARS, subject, partition.folded_sequence + 1):
            if received.sequence > up_to:
                return folded, True
            self._fold_one(partition, received)
            folded += 1
        return folded, False

    def _fold_one(self, partition: Partition, received: Received) -> None:
        partition.folded_sequence = received.sequence
        try:
            bar = _read(received)
            key = key_of(bar)
            partition.series[key], _ = step(partition.series.get(key, Series()), bar, self._rules)
        except BusError:
            raise
        except (SignalboxError, msgspec.DecodeError):
            pass  # it became a dead letter when it first came

    async def _read_anew(self, number: int, sequence: int) -> None:
        """Forget a partition and read it from its beginning: somebody has scored a bar that is missing here."""
        log.error("bars of a partition were missed; reading it anew", extra={"partition": number})
        partition = self._partitions[number]
        partition.series.clear()
        partition.folded_sequence = 0
        await self._take_over(number, sequence)

    def _own(self, number: int) -> None:
        """A bar of the partition came here: show what is known of its symbols; the next bar of some may be far off."""
        partition = self._partitions[number]
        if partition.owned:
            return
        partition.owned = True
        metrics.PARTITION_OWNED.labels(str(number)).set(1)
        if partition.folded_sequence:
            metrics.TAKEOVERS.labels(str(number)).inc()
            log.info("taking over a partition", extra={"partition": number})
        for key, series in partition.series.items():
            if series.last_start != NEVER:
                end_seconds = series.last_start.timestamp() + parse_timeframe(key[2]).seconds
                metrics.show(*key, end_seconds, read(series.memory, self._rules.parameters))

    def _disown(self, number: int) -> None:
        """Another process has had bars of the partition: what is shown here is old."""
        partition = self._partitions[number]
        partition.owned = False
        metrics.PARTITION_OWNED.labels(str(number)).set(0)
        for key in partition.series:
            metrics.hide(*key)


def _read(received: Received) -> Bar:
    """The bar. Raises `msgspec.DecodeError`, and `MessageError` where it is not of its subject's series."""
    bar: Bar = messages.decode(received.payload, Bar)
    if not belonging.belongs(bar, received.subject):
        raise MessageError(f"bar {bar.id} speaks of another venue, symbol or timeframe than its subject")
    return bar


def _bar_start(score: Received) -> datetime:
    found: Score | Levels = messages.decode(score.payload, Score | Levels)
    return found.bar_start

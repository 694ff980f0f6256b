"""The shell: follow every stream, collect, commit, answer queries.

What has been collected and not committed is bounded: the streams are asked for more only while there is room. If the
process dies between any two lines, the next one reads on from the committed watermarks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.bus.follow import Follow, Take, stream_facts
from signalbox.errors import BusUnavailableError
from signalbox.lease import service_lease
from signalbox.process import Runtime
from signalbox.streams import RECORDED_STREAMS
from signalbox.telemetry import Health

from recorder import metrics
from recorder.bus_figures import BusFigures
from recorder.decide import go_on, lag, not_recorded
from recorder.errors import FileInUseError, RecordingError, StorageError
from recorder.keeper import Keeper
from recorder.memory import give_back
from recorder.query import Queries
from recorder.settings import Settings
from recorder.state import Batch, Continuity, Place, Stored, StreamEnds
from recorder.wire import Kept

log = logging.getLogger(__name__)

CONSUMER = "recorder"
FACTS_INTERVAL_SECONDS = 1.0
RETRY_DELAY_SECONDS = 0.2
OPEN_RETRY_SECONDS = 0.5
STORAGE_RETRY_SECONDS = 1.0

CAUGHT_UP, DATABASE, STREAMS_THERE = "caught-up", "database", "streams"


async def start(settings: Settings, runtime: Runtime) -> None:
    """Take the lease, open the database and begin; ready once every stream has been recorded to its end of then.

    A second recorder stands by: the file and the consumers, whose place it sets, are the first one's.
    """
    await runtime.hold(service_lease(runtime.bus, CONSUMER))
    keeper = Keeper(settings.database_file, settings.database_memory_megabytes_max)
    try:
        recorder = Recorder(settings, runtime.bus, runtime.health, keeper, await _open(keeper, runtime))
    except BaseException:
        await keeper.end()
        raise
    runtime.stop = recorder.stop
    runtime.details = recorder.details
    runtime.bus.on_reconnect(recorder.reconnected)
    await runtime.spawn(recorder.commit_always(), "commit")
    for stream in RECORDED_STREAMS:
        await runtime.spawn(recorder.follow(stream.name), f"follow {stream.name}")
    await runtime.spawn(BusFigures(runtime.bus).run(), "figures of the bus")
    await runtime.bus.serve(subjects.ALL_QUERIES, recorder.queries.answer)


async def _open(keeper: Keeper, runtime: Runtime) -> Kept:
    """Open the database; wait while somebody else has it, or the disk is full: the streams keep what comes."""
    told = ""
    while True:
        try:
            kept = await keeper.open()
        except (FileInUseError, StorageError) as error:
            runtime.health.unmet(DATABASE, str(error))
            if str(error) != told:
                told = str(error)
                log.error("waiting for the database", extra={"error": told})
            await asyncio.sleep(OPEN_RETRY_SECONDS)
        else:
            runtime.health.met(DATABASE)
            metrics.WRITABLE.set(1)
            return kept


class Recorder:
    """The streams being recorded. `collected` is what the next transaction will hold."""

    def __init__(self, settings: Settings, bus: Bus, health: Health, keeper: Keeper, kept: Kept) -> None:
        self._settings, self._bus, self._health, self._keeper = settings, bus, health, keeper
        self.queries = Queries(keeper, settings)
        self._places = dict(kept.places)
        self._committed: Mapping[str, Place] = kept.places
        self._ends: dict[str, StreamEnds] = {}
        self._behind = {stream.name for stream in RECORDED_STREAMS}
        self._follows: dict[str, Follow] = {}
        self._collected: dict[str, list[Stored]] = {}
        self._collected_rows = self._collected_bytes = self._rows = 0
        self._some, self._enough = asyncio.Event(), asyncio.Event()
        self._committing = asyncio.Lock()
        self._stopping = self._closed = False
        health.require(CAUGHT_UP)

    def details(self) -> dict[str, str]:
        """For `signalbox status`."""
        behind = sum(lag(self._recorded(name), ends) for name, ends in self._ends.items())
        return {"database": str(self._keeper.path), "rows": str(self._rows), "messages behind": str(behind)}

    # ------------------------------------------------------------------------------------------------ following

    async def follow(self, stream: str) -> None:
        """Follow one stream for ever, starting again behind what has been taken whenever a run breaks."""
        while True:
            try:
                ends = await self._ask_ends(stream)
                await self._continue(stream, ends)
                run = await self._run(stream, ends.created)
                while run.goes_on_at_once and not self._stopping:
                    run = await self._run(stream, ends.created)
                if self._stopping:
                    return
                log.warning("reading the stream again", extra={"stream": stream, "reason": run.reason})
            except BusUnavailableError as error:
                self._health.unmet(f"{STREAMS_THERE} {stream}", str(error))
            metrics.RESTARTS.labels(stream).inc()
            await asyncio.sleep(RETRY_DELAY_SECONDS)

    async def _run(self, stream: str, created: str) -> Follow:
        """Take what there is behind what has been taken, until that breaks or is over. Commits nothing."""
        run = Follow(self._bus, stream, CONSUMER, take=self._taker(stream), has_room=self._has_room)
        self._follows[stream] = run
        await run.start(self._taken(stream) + 1, created)
        self._health.met(f"{STREAMS_THERE} {stream}")
        await self._watch(stream, run)
        if not self._stopping:
            await run.stop()
        return run

    def _taken(self, stream: str) -> int:
        """The last sequence taken of the stream as it is now, whether it is committed, is being, or waits for that."""
        collected = self._collected.get(stream)
        return collected[-1].sequence if collected else self._places[stream].sequence

    async def reconnected(self) -> None:
        """What was on its way when the connection broke is lost: read again."""
        for run in self._follows.values():
            run.end("reconnected")

    async def _ask_ends(self, stream: str) -> StreamEnds:
        facts = await stream_facts(self._bus, stream)
        return StreamEnds(facts.created, facts.first_sequence, facts.last_sequence)

    async def _continue(self, stream: str, ends: StreamEnds) -> None:
        await self._commit()  # a transaction holds one generation of a stream, and `_places` has what was taken
        place, continuity = go_on(self._places.get(stream), ends)
        if continuity in (Continuity.RECREATED, Continuity.REWOUND):
            metrics.GENERATIONS.labels(stream).inc()
            log.error(
                f"the stream was {continuity.value}: its messages are recorded as a new generation",
                extra={"stream": stream, "generation": place.generation, "stream_created": ends.created},
            )
        self._places[stream] = place
        self._ends[stream] = ends

    async def _watch(self, stream: str, run: Follow) -> None:
        """Return when the run is over: broken, or no longer the stream it was."""
        while not run.broken.is_set():
            run.check()
            try:
                ends = await self._ask_ends(stream)
            except BusUnavailableError as error:
                run.end(str(error))
                return
            self._ends[stream] = ends
            metrics.LAG.labels(stream).set(lag(self._recorded(stream), ends))
            self._note_progress(stream)
            if ends.created != self._places[stream].created or ends.last_sequence < self._recorded(stream):
                run.end("the stream is not the one it was")
            try:
                await asyncio.wait_for(run.broken.wait(), FACTS_INTERVAL_SECONDS)
            except TimeoutError:
                continue

    def _taker(self, stream: str) -> Take:
        """What takes the messages of `stream`: called for each of 50,000 a second."""
        settings = self._settings

        def take(sequence: int, subject: str, stored_at_ns: int, message_id: str, payload: bytes) -> None:
            if self._stopping:
                return
            rows = self._collected.get(stream)
            if rows is None:
                rows = self._collected[stream] = []
            rows.append(Stored.received(sequence, subject, stored_at_ns, message_id, payload))
            self._collected_rows += 1
            self._collected_bytes += len(payload)
            if self._collected_rows == 1:
                self._some.set()
            if self._collected_rows >= settings.batch_rows_max or self._collected_bytes >= settings.batch_bytes_max:
                self._enough.set()

        return take

    def _has_room(self) -> bool:
        return (
            self._collected_rows < self._settings.batch_rows_max
            and self._collected_bytes < self._settings.batch_bytes_max
        )

    # ------------------------------------------------------------------------------------------------ committing

    async def commit_always(self) -> None:
        """Commit what has been collected: when it is enough, or has waited long enough."""
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), self._settings.batch_delay_seconds_max)
            await self._commit()

    async def _commit(self) -> None:
        async with self._committing:
            if self._closed:
                return
            collected, self._collected = self._collected, {}
            self._collected_rows = self._collected_bytes = 0
            self._some.clear()
            self._enough.clear()
            batches = [Batch(stream, self._places[stream].reached(rows), rows) for stream, rows in collected.items()]
            self._places.update((batch.stream, batch.place) for batch in batches)
            for run in list(self._follows.values()):
                run.resume()
            with metrics.BATCH_SECONDS.time():
                kept = await self._kept(batches)
            self._committed = kept.places
            for batch in batches:
                self._rows += len(batch.rows)
                metrics.ROWS.labels(batch.stream).inc(len(batch.rows))
                self._note_progress(batch.stream)
            metrics.DATABASE_BYTES.set(kept.bytes_on_disk)
            metrics.KEEPER_BYTES.set(kept.resident_bytes)

    async def _kept(self, batches: list[Batch]) -> Kept:
        """Commit the batches, however long it takes until the file can be written; nothing more is read meanwhile."""
        told = ""
        while True:
            try:
                kept = await self._keeper.write(batches)
                if told:
                    log.info("the database can be written again")
                self._health.met(DATABASE)
                metrics.WRITABLE.set(1)
                return kept
            except StorageError as error:
                metrics.WRITABLE.set(0)
                metrics.WRITE_FAILURES.inc()
                self._health.unmet(DATABASE, f"{error}; nothing is lost: it is tried again")
                if not told:
                    log.error("the database can not be written: trying again", extra={"error": str(error)})
                told = str(error)
                if self._stopping:
                    raise
            except RecordingError as error:
                self._health.unmet(DATABASE, str(error))
                raise
            await asyncio.sleep(STORAGE_RETRY_SECONDS)
            with contextlib.suppress(StorageError, FileInUseError):
                batches = not_recorded(batches, (await self._keeper.look()).places)

    def _recorded(self, stream: str) -> int:
        """The last sequence committed of the stream as it is now."""
        committed, place = self._committed.get(stream), self._places.get(stream)
        if committed is None or place is None or committed.generation != place.generation:
            return 0
        return committed.sequence

    def _note_progress(self, stream: str) -> None:
        ends = self._ends.get(stream)
        if ends is None or stream not in self._behind or lag(self._recorded(stream), ends) > 0:
            return
        self._behind.discard(stream)
        if not self._behind:
            self._health.met(CAUGHT_UP)
            log.info("caught up with every stream")
            give_back()

    # --------------------------------------------------------------------------------------------------- the end

    async def stop(self) -> None:
        """Commit what has been collected, write everything into the file, and close it."""
        self._stopping = True
        for run in self._follows.values():
            await run.stop()
        try:
            await self._commit()
            async with self._committing:
                self._closed = True
                await self._keeper.close()
        except (RecordingError, TimeoutError) as error:
            log.error("the end could not be recorded; a restart will", extra={"error": str(error)})
        finally:
            await self._keeper.end()

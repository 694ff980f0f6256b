"""Writes a service's checkpoints into the stream CHECKPOINTS, beside its work, and finds the newest to be believed.

Owns when one is written and what is asked of one before it is believed: its seal, which nobody else can give
(`signalbox.seals`), its shape and context, its parts' hashes, and that TRADE has, where it ends, the very message that
it ended with. It must not know what is in it. What if the process dies ...
- while it writes the parts: they replace those of the last but one, whose manifest then fits no more; the last stays;
- after the parts, before the manifest: the same;
- and what if a former holder of the lease writes one? It is true up to its sequence, or its parts are mixed with others
  and fit no manifest.
What a former holder has written into TRADE meanwhile, this process may not have folded, and would leave out for ever:
so what TRADE has is read once more, and held against what was folded, before a manifest is written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from signalbox import metrics, subjects
from signalbox.bus import Bus, Received
from signalbox.checkpoints import (
    SLOTS,
    CheckpointManifest,
    Frames,
    Loader,
    decode_manifest,
    digest_of,
    encode_manifest,
    mark,
    parts_of,
)
from signalbox.errors import BusError, LeaseLostError
from signalbox.lease import OwnLease

log = logging.getLogger(__name__)

TRADE, CHECKPOINTS = "TRADE", "CHECKPOINTS"
MESSAGES_BETWEEN = 20_000
"""So many folded messages after the last checkpoint another one is due: a start folds about as many."""
SECONDS_BETWEEN_MAX = 600.0
"""So long after the first message that no checkpoint has, one is due too."""
LOOK_SECONDS = 1.0
MESSAGES_AT_A_STRETCH = 100
"""Read once more before anything else of the process has its turn."""

L = TypeVar("L", bound=Loader)


@dataclass(frozen=True, slots=True)
class Capture:
    """A state that is to be written down: up to where in TRADE it goes, how many messages are in it, its frames."""

    sequence: int
    messages: int
    frames: Iterable[bytes]


class Found(Generic[L]):
    """A checkpoint that is to be believed: what was loaded of it, and the message of TRADE that it ends with."""

    def __init__(self, loaded: L, last: Received) -> None:
        self.loaded, self.last = loaded, last


class Checkpoints:
    """The checkpoints of one service, which folds what is on `subject` of TRADE.

    `find` one at the start, say `folded` when the rest of TRADE is folded too; `run` as a task writes them.
    """

    def __init__(self, bus: Bus, service: str, shape: int, context: str, subject: str, lease: OwnLease) -> None:
        self._subject = subject
        self._bus, self._service, self._shape, self._context = bus, service, shape, context
        self._lease = lease
        self._slot = 0
        """Where the newest stands that is to be believed."""
        self._sequence = 0
        self._known_sequence = self._known_messages = 0
        """Up to where all that TRADE has is known to be folded."""
        self._parts: list[str] = []
        self._bytes = 0
        self._due_since: float | None = None

    def folded(self, sequence: int, messages: int) -> None:
        """All that TRADE has up to `sequence` was read from it, and folded: so many messages."""
        self._known_sequence, self._known_messages = sequence, messages

    # ------------------------------------------------------------------------------------------------------ reading

    async def find(self, begin: Callable[[], L]) -> Found[L] | None:
        """The newest that is to be believed, in what `begin` makes; None = fold TRADE from its beginning."""
        began_seconds = time.perf_counter()
        try:
            for slot, manifest in await self._manifests():
                found = await self._load(slot, manifest, begin())
                if found is not None:
                    self._slot, self._sequence = slot, manifest.sequence
                    metrics.CHECKPOINT_SEQUENCE.labels(self._service).set(manifest.sequence)
                    seconds = round(time.perf_counter() - began_seconds, 3)
                    log.info("began with a checkpoint", extra={"sequence": manifest.sequence, "seconds": seconds})
                    return found
        except BusError as error:
            self._ignore("unreadable", str(error))
        return None

    async def _manifests(self) -> list[tuple[int, CheckpointManifest]]:
        """Those that bear our seal, the newest first."""
        found = []
        for slot in range(SLOTS):
            received = await self._bus.last_if_genuine(CHECKPOINTS, subjects.checkpoint_manifest(self._service, slot))
            if received is None:
                continue
            manifest = decode_manifest(received.payload)
            if manifest is None or manifest.service != self._service:
                self._ignore("unreadable", "the manifest can not be read", slot)
            else:
                found.append((slot, manifest))
        return sorted(found, key=lambda each: -each[1].sequence)

    async def _load(self, slot: int, manifest: CheckpointManifest, loader: L) -> Found[L] | None:
        if manifest.shape != self._shape:
            self._ignore("shape", f"it has shape {manifest.shape}, and this version {self._shape}", slot)
            return None
        if manifest.context != self._context:
            self._ignore("context", "what the fold depends on is not what it was", slot)
            return None
        last = await self._bus.at(TRADE, manifest.sequence)
        if last is None or mark(last.subject, last.stored_at, last.payload) != manifest.last:
            why = "is not there" if last is None else "is another message"
            self._ignore("elsewhere", f"its last message, TRADE:{manifest.sequence}, {why}", slot)
            return None
        try:
            async for frame in self._frames(slot, manifest):
                loader.take(frame)
            loader.finish()
        except BusError:
            raise
        except Exception as error:  # whatever is wrong with it costs time only
            self._ignore("damaged", f"{type(error).__name__}: {error}", slot)
            return None
        return Found(loader, last)

    async def _frames(self, slot: int, manifest: CheckpointManifest) -> AsyncIterator[bytes]:
        frames = Frames()
        for number, digest in enumerate(manifest.parts):
            subject = subjects.checkpoint_part(self._service, slot, number)
            received = await self._bus.last_if_genuine(CHECKPOINTS, subject)
            if received is None or digest_of(received.payload) != digest:
                raise ValueError(f"part {number} of {len(manifest.parts)} is not there, or is another one's")
            for frame in frames.add(received.payload):
                yield frame
        frames.end()

    def _ignore(self, reason: str, why: str, slot: int = -1) -> None:
        metrics.CHECKPOINTS_IGNORED.labels(self._service, reason).inc()
        log.warning("a checkpoint is not used", extra={"slot": slot, "reason": reason, "error": why})

    # ------------------------------------------------------------------------------------------------------ writing

    async def run(self, sequence: Callable[[], int], capture: Callable[[], Awaitable[Capture]]) -> None:
        """Write one whenever it is due, for ever. `capture` takes hold of the state."""
        while True:
            if self.is_due(sequence(), time.monotonic()):
                self._due_since = None
                await self.write(await capture())
            await asyncio.sleep(LOOK_SECONDS)

    def is_due(self, sequence: int, now_seconds: float) -> bool:
        """Whether so much has been folded, or so long ago, that another one is worth it."""
        if sequence <= self._sequence:
            return False
        if self._due_since is None:
            self._due_since = now_seconds
        waited_seconds = now_seconds - self._due_since
        return sequence - self._sequence >= MESSAGES_BETWEEN or waited_seconds >= SECONDS_BETWEEN_MAX

    async def write(self, captured: Capture) -> bool:
        """Write one; False = it could not be, which costs the next start some time and nobody anything now."""
        sequence = captured.sequence
        try:
            await self._write(sequence, captured.frames)
            await self._count(captured)
            await self._write_manifest(captured)
        except LeaseLostError:
            raise
        except (BusError, ValueError) as error:
            metrics.CHECKPOINTS_IGNORED.labels(self._service, "unwritten").inc()
            log.warning("a checkpoint could not be written", extra={"sequence": sequence, "error": str(error)})
            self._sequence = sequence  # tried again when the next one is due
            return False
        return True

    async def _write(self, sequence: int, frames: Iterable[bytes]) -> None:
        slot, cut = (self._slot + 1) % SLOTS, parts_of(frames)
        self._parts, self._bytes = [], 0
        while True:
            began_seconds = time.perf_counter()
            part = next(cut, None)
            metrics.CHECKPOINT_SLICE_SECONDS.labels(self._service).observe(time.perf_counter() - began_seconds)
            if part is None:
                return
            await self._lease.until_held()
            await self._bus.raw_publish(subjects.checkpoint_part(self._service, slot, len(self._parts)), part)
            self._parts.append(digest_of(part))
            self._bytes += len(part)

    async def _count(self, captured: Capture) -> None:
        """Raise `ValueError` where TRADE has something that was not folded."""
        seen = 0
        async for received in self._bus.read(TRADE, self._subject, self._known_sequence + 1):
            if received.sequence > captured.sequence:
                break
            seen += 1
            if seen % MESSAGES_AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        if self._known_messages + seen != captured.messages:
            raise ValueError(f"not all of TRADE up to {captured.sequence} is in it: has another process written there?")

    async def _write_manifest(self, captured: Capture) -> None:
        sequence, slot = captured.sequence, (self._slot + 1) % SLOTS
        last = await self._bus.at(TRADE, sequence)
        if last is None:
            raise BusError(f"TRADE:{sequence} can not be read")
        manifest = CheckpointManifest(
            service=self._service,
            shape=self._shape,
            context=self._context,
            sequence=sequence,
            last=mark(last.subject, last.stored_at, last.payload),
            at=datetime.now(UTC),
            parts=tuple(self._parts),
        )
        await self._lease.until_held()
        await self._bus.raw_publish(subjects.checkpoint_manifest(self._service, slot), encode_manifest(manifest))
        self._slot, self._sequence = slot, sequence
        self.folded(sequence, captured.messages)
        metrics.CHECKPOINT_SEQUENCE.labels(self._service).set(sequence)
        metrics.CHECKPOINT_BYTES.labels(self._service).set(self._bytes)
        log.info("wrote a checkpoint", extra={"sequence": sequence, "bytes": self._bytes})

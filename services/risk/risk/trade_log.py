"""TRADE as risk folds it: rebuilt at the start, followed event by event, extended by its own decisions, written down.

Owns how far TRADE is folded, what stands last there, and when the state may be written down as a checkpoint. It must
not know what makes an intent good (`risk.decide`), nor whose turn it is.

Order events come from the consumer, decisions are folded when they are made: a checkpoint goes up to the last order
event that is folded, and the decisions behind that, which the state has too, are known again by `RiskState.answered`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Sequence
from contextlib import aclosing

import msgspec
from signalbox import messages, subjects
from signalbox.bus import Bus, PublishAck, Received
from signalbox.checkpointing import Capture, Checkpoints
from signalbox.errors import BusError, BusUnavailableError, MessageError
from signalbox.lease import OwnLease
from signalbox.messages import OrderEvents, Ruling

from risk import checkpoint, metrics
from risk.checkpoint import StateLoader
from risk.recall import needs_terms
from risk.state import RiskState
from risk.step import Recalled, TradeEvent, as_stored, step

log = logging.getLogger(__name__)

TRADE, CONSUMER = "TRADE", "risk"
READS_MAX, READ_AGAIN_SECONDS = 20, 0.1
"""How often a server is asked for what it should have, and may not have yet."""
DECISIONS_BEHIND_MAX = 10_000
"""Messages of TRADE behind the last order event that a start folds again though the checkpoint has them: far fewer than
the decisions that `answered` remembers."""


class TradeLog:
    """`await rebuild()`, then `await follow()`. `storing` is held while a decision is folded and not yet stored."""

    def __init__(self, bus: Bus, state: RiskState, lease: OwnLease) -> None:
        self._bus, self._state, self._lease = bus, state, lease
        self.last_decision = 0
        """Where TRADE has the newest decision that this process knows."""
        self.storing = asyncio.Lock()
        self._newest: tuple[int, str, bytes | Ruling] | None = None
        """The last message of TRADE that is known: where it stands, its subject, what it says."""
        self._left_out_sequence = 0
        """Where TRADE has the last message that was met and not taken in, for it bears no seal."""
        self._met_sequence = 0
        """Where the last message was that was met while folding; 0 = none, and any may be the first."""
        self._folded_messages = 0
        self._decided_at: deque[int] = deque()
        """Where TRADE has the decisions of this process behind the last checkpoint."""
        context = checkpoint.context_of(state.desk)
        self.checkpoints = Checkpoints(bus, "risk", checkpoint.SHAPE, context, ">", lease)

    async def rebuild(self) -> None:
        """Fold TRADE behind the last checkpoint, publishing nothing.

        Of several servers with a copy of TRADE, the one that answers may lag behind: what the process before has
        acknowledged must be met, or positions would be missing. Raises `BusUnavailableError` when it is not. Decisions
        that are not met are noticed at the first one of this process.
        """
        floor = await self._bus.consumer_floor(TRADE, CONSUMER)
        await self._begin_with_checkpoint()
        for _ in range(READS_MAX):
            await self._fold_stored()
            if max(self._newest_sequence(), self._left_out_sequence) >= floor:
                break
            await asyncio.sleep(READ_AGAIN_SECONDS)
        else:
            raise BusUnavailableError(f"{TRADE}:{floor} has been acknowledged, and can not be read")
        self.checkpoints.folded(self._newest_sequence(), self._folded_messages)

    async def _begin_with_checkpoint(self) -> None:
        found = await self.checkpoints.find(StateLoader)
        if found is None:
            return
        how_far, last = found.loaded.restore(self._state), found.last
        self.last_decision, self._folded_messages = how_far.last_decision, how_far.messages
        self._know(last.sequence, last.subject, last.payload)
        self._met_sequence = last.sequence

    def _newest_sequence(self) -> int:
        return self._newest[0] if self._newest is not None else 0

    def _know(self, sequence: int, subject: str, content: bytes | Ruling) -> None:
        if sequence > self._newest_sequence():
            self._newest = sequence, subject, content

    async def _fold_stored(self) -> None:
        """Fold what is stored behind the last message that was."""
        begin = self._newest_sequence() + 1
        await self._bus.fold(
            TRADE, self._fold, from_sequence=begin, pass_over=self._note_place, left_out=self._leave_out
        )

    def _fold(self, received: Received) -> Awaitable[None] | None:
        """Fold one stored message. A decision that can not be read holds the start: it could be an approval."""
        self._meet(received.sequence)
        if subjects.first_word(received.subject) == subjects.DECISION:
            step(self._state, as_stored(self._own_ruling(received), received.sequence))
        else:
            event = self._read_order_event(received)
            if event is not None and needs_terms(self._state, event):
                return self._fold_with_terms(received, event)
            self._fold_order_event(received, event)
        self._note_place(received)
        return None

    async def _fold_with_terms(self, received: Received, event: OrderEvents) -> None:
        await self._look_up_terms(received, event)
        self._fold_order_event(received, event)
        self._note_place(received)

    def _note_place(self, received: Received) -> None:
        """Know where TRADE is, also by a message that is set aside: the next decision is stored behind it."""
        self._folded_messages += 1
        if subjects.first_word(received.subject) == subjects.DECISION:
            self.last_decision = received.sequence
        self._know(received.sequence, received.subject, received.payload)

    def _leave_out(self, received: Received) -> None:
        self._meet(received.sequence)
        self._left_out_sequence = received.sequence

    def _meet(self, sequence: int) -> None:
        """Nothing ever leaves TRADE: what is missing in the middle the disk has lost, and it may have been a fill."""
        missing = self._met_sequence + 1
        if self._met_sequence and sequence > missing:
            log.error("TRADE has lost messages: every order is denied", extra={"first": missing, "next": sequence})
            step(self._state, TradeEvent(missing, None))
        self._met_sequence = max(self._met_sequence, sequence)

    async def store(self, placed: Sequence[tuple[str, Ruling]]) -> PublishAck:
        """Store what risk says, each on its subject, all or nothing, behind the last decision that this process knows.

        Raises `BusError` unless TRADE has it just as it was made.
        """
        await self._lease.until_held()
        expected = {"expected_last_subject_sequence": self.last_decision, "last_of": subjects.ALL_DECISIONS}
        stored: PublishAck
        if len(placed) == 1:
            stored = await self._bus.publish(*placed[0], **expected)  # type: ignore[arg-type]
        else:
            stored = await self._bus.publish_batch(placed, **expected)  # type: ignore[arg-type]
        if stored.duplicate:
            await self._must_be(placed, stored.sequence)
        self._decided(stored.sequence, placed)
        return stored

    async def _must_be(self, placed: Sequence[tuple[str, Ruling]], last_sequence: int) -> None:
        """Hold what was found in TRADE against what was made here: a process before may have been first."""
        found = []
        async for received in self._bus.read(TRADE, subjects.ALL_DECISIONS, last_sequence - len(placed) + 1):
            if received.sequence <= last_sequence:
                found.append((received.subject, received.payload))
        if found != [(subject, messages.encode(decision)) for subject, decision in placed]:
            raise BusError(
                f"{TRADE}:{last_sequence} is a decision of the process before, and not what this one has decided: "
                "folding the log anew"
            )

    def _decided(self, last_sequence: int, placed: Sequence[tuple[str, Ruling]]) -> None:
        """TRADE has what was decided, each on its subject, the last of it there."""
        self.last_decision = last_sequence
        self._folded_messages += len(placed)
        self._decided_at.extend(range(last_sequence - len(placed) + 1, last_sequence + 1))
        self._know(last_sequence, *placed[-1])

    async def follow(self) -> None:
        """Take the order events as they come."""
        self._bus.on_reconnect(self._still_there)
        await self._bus.consume(TRADE, CONSUMER, self.handle)

    async def _still_there(self) -> None:
        """End the process when TRADE is not the log that was folded: a server whose machine died may have lost its end.

        The lost sequences are given to other messages then, which would be taken for known ones.
        """
        newest = self._newest
        if newest is None:
            return
        sequence, subject, content = newest
        payload = content if isinstance(content, bytes) else messages.encode(content)
        for _ in range(READS_MAX):
            async with aclosing(self._bus.read(TRADE, from_sequence=sequence)) as reading:  # type: ignore[type-var]
                async for received in reading:
                    if (received.sequence, received.subject, received.payload) == (sequence, subject, payload):
                        return
                    break
                else:  # nothing there, or a copy that lags behind
                    await asyncio.sleep(READ_AGAIN_SECONDS)
                    continue
            break
        self._bus.on_failure(BusError(f"{TRADE}:{sequence} is not there any more: folding the log anew"))

    # ------------------------------------------------------------------------------------------------- order events

    async def handle(self, received: Received) -> None:
        """Take one order event of TRADE. It is acknowledged when this returns."""
        await self._lease.until_held()
        event = self._read_order_event(received)
        if event is not None and needs_terms(self._state, event):
            await self._look_up_terms(received, event)
        if received.sequence > self._state.folded_up_to:
            self._folded_messages += 1
        self._know(received.sequence, received.subject, received.payload)
        self._fold_order_event(received, event)
        if event is None:
            raise MessageError(f"{received.subject} can not be read as an order event")

    def _read_order_event(self, received: Received) -> OrderEvents | None:
        """Read an order event; None = it can not be read."""
        try:
            event: OrderEvents = messages.decode(received.payload, OrderEvents)
        except msgspec.MsgspecError as error:
            metrics.UNREADABLE_OBSERVATIONS.labels("OrderEvents").inc()
            log.error("an order event can not be read", extra={"sequence": received.sequence, "error": str(error)})
            return None
        return event

    def _fold_order_event(self, received: Received, event: OrderEvents | None) -> None:
        """Fold an order event; of one that is unreadable: positions are known no more, and every order is denied."""
        step(self._state, TradeEvent(received.sequence, event))

    async def _look_up_terms(self, received: Received, event: OrderEvents) -> None:
        events = []
        async for stored in self._bus.read(TRADE, received.subject):
            if stored.sequence >= received.sequence:
                break
            before = self._read_order_event(stored)
            events += [before] if before is not None else []
        step(self._state, Recalled(tuple(events)))

    def _own_ruling(self, received: Received) -> Ruling:
        """Read what risk has written. What can not be read stops the process: it could be an approval."""
        try:
            ruling: Ruling = messages.decode(received.payload, Ruling)
        except msgspec.MsgspecError as error:
            raise MessageError(f"the decision at {TRADE}:{received.sequence} can not be read: {error}") from error
        return ruling

    # -------------------------------------------------------------------------------------------------- checkpoints

    async def keep_checkpoints(self) -> None:
        """Write down what has been folded, whenever there is enough of it, for ever."""
        await self.checkpoints.run(self._newest_sequence, self.capture)

    async def capture(self) -> Capture:
        """The state between two turns, up to the last order event: what was decided behind that is folded again.

        Where nothing but decisions has come for long, up to the last of those.
        """
        async with self.storing:
            state = self._state
            sequence = state.folded_up_to
            if not sequence or self._newest_sequence() - sequence > DECISIONS_BEHIND_MAX:
                sequence = self._newest_sequence()
            while self._decided_at and self._decided_at[0] <= sequence:
                self._decided_at.popleft()
            messages_before = self._folded_messages - len(self._decided_at)
            return Capture(sequence, messages_before, checkpoint.capture(state, self.last_decision, messages_before))

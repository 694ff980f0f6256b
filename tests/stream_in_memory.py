"""A bus in memory: streams that know ids, expected sequences and nothing else. For tests of what hangs on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from msgspec import Struct
from signalbox import messages
from signalbox.bus import PublishAck, Received
from signalbox.errors import WrongSequenceError

STREAM = "MEMORY"


class MemoryBus:
    """One stream for all subjects, as JetStream has them: a repeated id is a duplicate, before anything is expected."""

    def __init__(self) -> None:
        self.stored: list[Received] = []
        self.attempts: list[str] = []
        """The ids of all that was published, in order, stored or not."""

    async def publish(
        self, subject: str, message: Struct, *, expected_last_subject_sequence: int | None = None, last_of: str = ""
    ) -> PublishAck:
        message_id: str = message.id  # type: ignore[attr-defined]  # every Message has one
        self.attempts.append(message_id)
        await asyncio.sleep(0)  # as whoever waits for an answer does
        for received in self.stored:
            if received.message_id == message_id:
                return PublishAck(STREAM, received.sequence, duplicate=True)
        last = next((each.sequence for each in reversed(self.stored) if each.subject == subject), 0)
        if expected_last_subject_sequence not in (None, last):
            raise WrongSequenceError(subject, expected_last_subject_sequence or 0)
        sequence = len(self.stored) + 1
        at = datetime.now(UTC)
        self.stored.append(Received(subject, messages.encode(message), STREAM, sequence, at, message_id, 0))
        return PublishAck(STREAM, sequence, duplicate=False)

    async def last(self, stream: str, subject: str) -> Received | None:
        return next((each for each in reversed(self.stored) if each.subject == subject), None)

    async def read(self, stream: str, subject: str = ">", from_sequence: int = 1) -> AsyncIterator[Received]:
        for received in [*self.stored]:
            if received.subject == subject and received.sequence >= from_sequence:
                yield received

    async def send(self, subject: str, message: Struct) -> None:
        """Live messages are not kept."""

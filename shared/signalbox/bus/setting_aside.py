"""The way out when one stored message holds a service up: an operator sets it aside for that service, by name.

`signalbox skip` writes a `SetAside` under KV_CONTROL, where it stays: who, when, why, which message of which stream,
for which service. A service that is held looks for it each second; one that rebuilds its state from a stream looks once
at the beginning, and goes on without what it can not take. Such a word bears no seal, so it is no more than that: of a
message that came after it, it does not count, nor does it take out of a state what can be taken. It must not know why a
message is held.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import msgspec

from signalbox import messages, subjects
from signalbox.bus import reading
from signalbox.bus.client import BusClient
from signalbox.bus.received import Received
from signalbox.errors import BusError
from signalbox.messages import SetAside

log = logging.getLogger(__name__)

STREAM = "KV_CONTROL"
LOOK_SECONDS = 1.0
LOOK_SECONDS_MAX = 3.0
SET_ASIDE_MAX = 10_000


class SettingAside:
    """What has been set aside for one service. `on_held` is told of a message that holds it, and "" when none does."""

    def __init__(self, client: BusClient, service: str, on_held: Callable[[str, str], None]) -> None:
        self._client, self._service, self._on_held = client, service, on_held
        self._aside: dict[tuple[str, int], tuple[SetAside, datetime]] = {}
        """What is set aside, and when NATS has stored that."""
        self._read_up_to = 0
        self._held: set[str] = set()

    async def look(self) -> None:
        """Read what has been set aside since the last look; a bus that does not answer is asked again later."""
        try:
            async with asyncio.timeout(LOOK_SECONDS_MAX):
                pattern = subjects.all_set_aside(self._service)
                async for received in reading.read(self._client, STREAM, pattern, self._read_up_to + 1):
                    self._read_up_to = received.sequence
                    self._note(received)
        except (BusError, TimeoutError) as error:
            log.warning("what is set aside can not be read", extra={"error": str(error)})

    def _note(self, received: Received) -> None:
        try:
            found: SetAside = messages.decode(received.payload, SetAside)
        except msgspec.MsgspecError as error:
            log.warning("not read as a message set aside", extra={"subject": received.subject, "error": str(error)})
            return
        belongs_on = subjects.set_aside(found.service, found.stream, found.sequence)
        published_on, _, name = received.subject.rpartition(".")  # the server adds whose word it is
        if found.service == self._service and belongs_on == published_on and len(self._aside) < SET_ASIDE_MAX:
            self._aside[found.stream, found.sequence] = msgspec.structs.replace(found, by=name), received.stored_at

    def reason(self, received: Received) -> str:
        """Who has set a message aside, and why, as far as has been looked; "" = nobody."""
        found, said_at = self._aside.get((received.stream, received.sequence), (None, received.stored_at))
        return f"set aside by {found.by}: {found.reason}" if found is not None and said_at > received.stored_at else ""

    async def waited(self, received: Received, why: str, seconds: float) -> str:
        """Look, for so long at most, until a message is set aside: `reason` then. The service says that it is held."""
        deadline = asyncio.get_running_loop().time() + seconds
        if seconds > 0:
            self.held(received, why)
        while True:
            await self.look()
            reason = self.reason(received)
            if reason or asyncio.get_running_loop().time() >= deadline:
                return reason
            await asyncio.sleep(min(LOOK_SECONDS, seconds))

    def held(self, received: Received, why: str) -> None:
        """Say which message holds this service, and what to do about it."""
        place = f"{received.stream}:{received.sequence}"
        if place not in self._held:
            log.error("held by a message", extra={"place": place, "subject": received.subject, "reason": why})
        self._held.add(place)
        self._on_held(
            f"held by {place}",
            f"{received.subject[:200]}: {why[:500]} (signalbox skip {received.stream} {received.sequence} "
            f'--service {self._service} --reason "..." sets it aside: docs/runbooks/service-not-ready.md)',
        )

    def over(self, received: Received) -> None:
        """Say that a message does not hold this service any more."""
        place = f"{received.stream}:{received.sequence}"
        if place in self._held:
            self._held.discard(place)
            self._on_held(f"held by {place}", "")

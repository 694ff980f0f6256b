"""How a process says that it is there, and how it is: `status.<service>`, and NATS's micro protocol.

Owns the answers' way to the bus. What `nats micro` is told is `signalbox.discovery`'s, how a process is its `Health`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version

import msgspec

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.discovery import Present, told
from signalbox.lease import shown, this_process
from signalbox.messages import ServiceStatus
from signalbox.telemetry import Health


async def serve_status(
    service: str, bus: Bus, clock: DeskClock, health: Health, details: Callable[[], dict[str, str]]
) -> None:
    """Answer to `signalbox status`, from the connection on; `details` are figures for a person."""
    instance = shown(this_process())

    async def status(_: bytes, __: str) -> bytes:
        return msgspec.json.encode(
            ServiceStatus(
                service=service,
                ready=health.ready,
                waiting_for=health.waiting_for,
                at=clock.now(),
                details={} if health.standing_by else details() | bus.seals_told(),
                instance=instance,
                active=not health.standing_by,
                standing_by=health.standing_by,
            )
        )

    await bus.serve(subjects.status(service), status)


async def serve_discovery(service: str, bus: Bus) -> None:
    """Answer to `nats micro ls`, `info` and `stats`, from the connection on, ready or not."""
    present = Present(service=service, version=version("signalbox"), instance=this_process(), started=datetime.now(UTC))

    def answering(verb: str) -> Callable[[bytes, str], Awaitable[bytes]]:
        async def answer(_: bytes, __: str) -> bytes:
            return told(verb, present, [each for each in bus.served if not subjects.is_discovery(each.subject)])

        return answer

    for verb in subjects.DISCOVERY_VERBS:
        subject, *also = present.subjects_of(verb)
        await bus.serve(subject, answering(verb), also)

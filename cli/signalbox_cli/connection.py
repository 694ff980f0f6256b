"""How a command speaks to the desk: over NATS, with a person's credentials.

Owns the waits of a command: for the connection, the clock, an answer. Where the desk is, `settings` finds out.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from signalbox import messages, subjects
from signalbox.bus import Bus, BusSettings, Received
from signalbox.client.answers import read_status
from signalbox.errors import BusPermissionError, BusUnavailableError
from signalbox.finding import Found
from signalbox.messages import ClockTick, ServiceStatus

from signalbox_cli.settings import ca_file, found_desk

CONNECT_SECONDS_MAX = 3.0
TICK_SECONDS_MAX = 1.0


@asynccontextmanager
async def desk_bus(*, operator: bool = False, auditor: bool = False) -> AsyncIterator[tuple[Bus, Found]]:
    """A connection to the desk for one command; what a callback of it raises ends the command."""
    found = found_desk(operator=operator, auditor=auditor)
    settings = BusSettings(
        url=found.nats_url,
        user=found.user,
        password=found.password.reveal(),
        name="signalbox-cli",
        ca_file=ca_file(),
        seals=found.seals,
        parks=False,
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            bus = await Bus.connect(settings)
    except TimeoutError:
        raise BusUnavailableError(found.silence) from None
    command = asyncio.current_task()
    assert command is not None
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        command.cancel()

    bus.on_failure = failed
    logging.getLogger("signalbox.bus").setLevel(logging.CRITICAL)  # what fails here is said by `main`
    try:
        yield bus, found
    except BusPermissionError as error:
        raise BusPermissionError(
            f"{error}: the role of {found.user!r} does not let him (docs/nats.md, People)"
        ) from None
    except asyncio.CancelledError:
        if not failures:
            raise
        command.uncancel()
        raise failures[0] from None
    finally:
        await bus.drain()


async def desk_time(bus: Bus, *, simulated: bool | None = None) -> datetime:
    """The desk's time: the simulator's if it ticks (`simulated` None = listen for a moment), else the wall clock's."""
    if simulated is False:
        return datetime.now(UTC)
    tick: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()

    async def ticked(received: Received) -> None:
        if not tick.done():
            tick.set_result(messages.decode(received.payload, ClockTick).at)

    await bus.subscribe(subjects.CLOCK, ticked)
    try:
        return await asyncio.wait_for(tick, TICK_SECONDS_MAX)
    except TimeoutError:
        if simulated:
            raise BusUnavailableError("the simulator's clock is silent: is the simulator running?") from None
        return datetime.now(UTC)


async def ask_status(bus: Bus, service: str, seconds_max: float, quiet_seconds_max: float) -> tuple[ServiceStatus, ...]:
    """What each process of a service says of itself; none = there is no answer. Raises `AnswerError`."""
    answers = await bus.request_all(subjects.status(service), b"", seconds_max, quiet_seconds_max)
    return tuple(read_status(answer, service) for answer in answers)


async def call_control(port: int, host: str = "127.0.0.1", **command: object) -> dict[str, Any]:
    """Send one command to a simulator's control port; raises `OSError`, or `ValueError` with its refusal."""
    reader, writer = await asyncio.open_connection(host, port, limit=2**26)
    try:
        writer.write(json.dumps(command).encode() + b"\n")
        reply: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), 30), parse_float=Decimal)
    finally:
        writer.close()
        await writer.wait_closed()
    if "error" in reply:
        raise ValueError(reply["error"])
    return reply

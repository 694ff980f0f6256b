"""How a command finds the desk and speaks to it: over NATS, with a person's credentials.

The address and password come from the environment (`SIGNALBOX_NATS_URL`, `SIGNALBOX_NATS_USER`,
`SIGNALBOX_NATS_PASSWORD` or `_FILE`), else from the `desk.json` that `signalbox up` leaves in `run/desk`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from signalbox import messages, subjects
from signalbox.bus import Bus, BusSettings, Received
from signalbox.errors import BusUnavailableError, ConfigurationError
from signalbox.messages import ClockTick, QueryReply, QueryRequest
from signalbox.settings import Secret, read_secret_file

RUN_FOLDER = Path("run/desk")
QUERY_SECONDS_MAX = 15.0
TICK_SECONDS_MAX = 1.0


@dataclass(frozen=True)
class Found:
    """Where the desk is. `desk_file` is None when only an address is known."""

    nats_url: str
    user: str
    password: Secret
    desk_file: Path | None
    control_port: int | None


def find_desk(environ: Mapping[str, str], *, operator: bool = False) -> Found:
    """Find the desk; raises `ConfigurationError` that says how to name one."""
    url = environ.get("SIGNALBOX_NATS_URL")
    if url:
        user = environ.get("SIGNALBOX_NATS_USER") or ("operator" if operator else "user")
        return Found(url, user, _password(environ), _path(environ.get("SIGNALBOX_DESK_FILE")), None)
    folder = Path(environ.get("SIGNALBOX_RUN_FOLDER", str(RUN_FOLDER)))
    try:
        desk: dict[str, Any] = json.loads((folder / "desk.json").read_text())
    except OSError:
        raise ConfigurationError(
            [
                f"no desk is running from {folder}: start one with `make up` (or `signalbox up`), run this in the "
                "folder it was started in, or name one with SIGNALBOX_NATS_URL, SIGNALBOX_NATS_USER and "
                "SIGNALBOX_NATS_PASSWORD_FILE."
            ]
        ) from None
    user = "operator" if operator else "user"
    password = read_secret_file(folder / "credentials" / user)
    return Found(desk["nats_url"], user, password, Path(desk["desk_file"]), desk["control_port"])


def _password(environ: Mapping[str, str]) -> Secret:
    if "SIGNALBOX_NATS_PASSWORD_FILE" in environ:
        return read_secret_file(Path(environ["SIGNALBOX_NATS_PASSWORD_FILE"]))
    if "SIGNALBOX_NATS_PASSWORD" in environ:
        return Secret(environ["SIGNALBOX_NATS_PASSWORD"])
    raise ConfigurationError(["SIGNALBOX_NATS_URL is set, but neither SIGNALBOX_NATS_PASSWORD nor its _FILE is."])


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


@asynccontextmanager
async def desk_bus(*, operator: bool = False) -> AsyncIterator[tuple[Bus, Found]]:
    """A connection to the desk for one command."""
    found = find_desk(os.environ, operator=operator)
    bus = await Bus.connect(
        BusSettings(url=found.nats_url, user=found.user, password=found.password.reveal(), name="signalbox-cli")
    )
    try:
        yield bus, found
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


class QueryFailedError(Exception):
    """The recorder refused or could not run a query; the text is its own."""


async def query(bus: Bus, sql: str, row_limit: int = 1000) -> QueryReply:
    """Ask the recorder. Raises `QueryFailedError` with its sentence, `BusUnavailableError` when it does not answer."""
    request = msgspec.json.encode(QueryRequest(sql=sql, row_limit=row_limit))
    try:
        answer = await bus.request(subjects.QUERY, request, QUERY_SECONDS_MAX)
    except BusUnavailableError:
        raise BusUnavailableError("the recorder does not answer: is it running? (`signalbox status`)") from None
    reply: QueryReply = messages.decode(answer, QueryReply)
    if reply.error:
        raise QueryFailedError(reply.error)
    return reply


def sql_text(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


async def call_control(port: int, **command: object) -> dict[str, Any]:
    """Send one command to a simulator's control port; raises `OSError`, or `ValueError` with its refusal."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        writer.write(json.dumps(command).encode() + b"\n")
        reply: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), 30), parse_float=Decimal)
    finally:
        writer.close()
        await writer.wait_closed()
    if "error" in reply:
        raise ValueError(reply["error"])
    return reply

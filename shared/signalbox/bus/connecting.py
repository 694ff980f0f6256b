"""To whom a bus connects and as whom, and how an attempt ends that comes to nothing.

nats-py tries for ever and loses cancellations, so an attempt that is given up is ended here, within a bound. It must
not know what the connection is for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signalbox.addresses import without_password
from signalbox.bus.client import BusClient
from signalbox.bus.tls import PlainServerError, tls_of
from signalbox.errors import BusPermissionError, BusUnavailableError
from signalbox.seals import NO_SEALS, Seals

RECONNECT_WAIT_SECONDS = 0.2
CONNECT_SECONDS_MAX = 30.0
PING_INTERVAL_SECONDS = 5
DRAIN_SECONDS_MAX = 5
CANCELLATIONS_MAX, CANCELLATION_SECONDS_MAX = 4, 0.25
CLOSE_SECONDS_MAX = 1.0


@dataclass(frozen=True, kw_only=True)
class BusSettings:
    """Where NATS is, and who we are there. `name` is shown in NATS's own monitoring."""

    url: str
    user: str
    password: str
    name: str
    ca_file: Path | None = None
    """Whose certificates a server at a `tls://` address must show; None = the machine's own authorities."""
    waits_for_server: bool = False
    """A service waits for a server that goes away, however long; a person's command says so and ends."""
    seals: Seals = NO_SEALS
    """With which what is sent is sealed, and what comes is judged."""
    parks: bool = True
    """Whether a live message that a handler can not take is parked. A command ends instead."""

    @property
    def shown_url(self) -> str:
        """The address as a log may show it."""
        return without_password(self.url)


async def connect(
    client: BusClient,
    settings: BusSettings,
    *,
    on_error: Callable[[Exception], Awaitable[None]],
    on_reconnect: Callable[[], Awaitable[None]],
    on_closed: Callable[[], Awaitable[None]],
) -> None:
    """Connect, to reconnect for ever from then on; raises `BusUnavailableError` when NATS can not be reached within
    `CONNECT_SECONDS_MAX`, `BusPermissionError` when it refuses the user or password."""
    tls = tls_of(settings.url, settings.ca_file)
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def failed(error: Exception) -> None:
        if (problem := refusal(error, settings)) and not refused.done():
            refused.set_result(problem)
        await on_error(error)

    # With reconnects for ever, nats-py also tries the first connection for ever, whatever the answer
    connecting = asyncio.create_task(
        client.connect(
            settings.url,
            name=settings.name,
            user=settings.user,
            password=settings.password,
            inbox_prefix=f"_INBOX.{settings.user}".encode(),
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_SECONDS,  # type: ignore[arg-type]  # seconds may be broken
            ping_interval=PING_INTERVAL_SECONDS,
            drain_timeout=DRAIN_SECONDS_MAX,
            error_cb=failed,
            reconnected_cb=on_reconnect,
            closed_cb=on_closed,
            connect_timeout=2,
            tls=tls,
        )
    )
    either: tuple[asyncio.Future[Any], ...] = (connecting, refused)
    is_connected = False
    try:
        await asyncio.wait(either, timeout=CONNECT_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        if connecting.done():
            connecting.result()
            is_connected = True
            return
    finally:
        if not is_connected:
            await abandon(client, connecting)
    if refused.done():
        raise BusPermissionError(f"NATS at {settings.shown_url} {refused.result()}")
    raise BusUnavailableError(
        f"NATS at {settings.shown_url} can not be reached{because(client)}: is nats-server running there?"
    )


async def abandon(client: BusClient, connecting: asyncio.Task[None]) -> None:
    """End a connect that may not end by itself: nats-py tries for ever, and loses cancellations while it closes, looks
    a name up or waits for an answer. With no server left to try it gives up."""
    client.options["max_reconnect_attempts"] = 0
    client._server_pool.clear()
    for _ in range(CANCELLATIONS_MAX):
        if connecting.done():
            break
        connecting.cancel()
        await asyncio.wait((connecting,), timeout=CANCELLATION_SECONDS_MAX)
    connecting.add_done_callback(_seen)
    await bounded(asyncio.create_task(client.close()))


async def bounded(closing: asyncio.Task[None]) -> None:
    """Wait for a close, but not for ever: a socket may be as stuck as the server behind it."""
    await asyncio.wait((closing,), timeout=CLOSE_SECONDS_MAX)
    closing.add_done_callback(_seen)
    if not closing.done():
        closing.cancel()


def _seen(task: asyncio.Task[None]) -> None:
    """Take the outcome of what nobody waits for, so that it is not reported as forgotten."""
    if not task.cancelled():
        task.exception()


def because(client: BusClient) -> str:
    """What the last attempt said, in brackets; "" = nothing."""
    text = str(client.last_error or "").strip()
    return f" ({text})" if text else ""


def refusal(error: Exception, settings: BusSettings) -> str:
    """Why no further attempt would end otherwise, as words after the server's address; "" = one may."""
    if "authorization violation" in str(error).lower():
        return f"refuses the user {settings.user!r}: check its password"
    if "maximum account active connections" in str(error).lower():
        return f"has as many connections of {settings.user!r} as one name may have: end some of its programs"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"shows a certificate that is not to be trusted: {error.verify_message} (SIGNALBOX_NATS_CA_FILE)"
    if isinstance(error, PlainServerError):
        return f"is not to be trusted: {error}"
    return ""

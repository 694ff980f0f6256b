"""Has nats-server take in who may come, as `bootstrap`, and looks whether it did.

Owns the two questions of that (`$SYS.REQ.SERVER.PING.JSZ`, `...RELOAD`) and a login to try. It must not know the file.
What a person sees of it is a `Standing`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from signalbox.accounts import BOOTSTRAP, RELOAD, SERVER_ID, SERVERS
from signalbox.bus.tls import VerifyingClient, tls_of
from signalbox.errors import BusPermissionError, BusUnavailableError, SignalboxError

CONNECT_SECONDS_MAX = 3
ATTEMPTS, ATTEMPT_WAIT_SECONDS = 4, 0.2
"""How often nobody listens before a person is told so: a server that starts again is there in a second."""
ANSWER_SECONDS_MAX, NEXT_ANSWER_SECONDS_MAX = 3.0, 0.3
RELOADS_MAX = 4
"""nats-server 2.15 lets an added person log in at once, and lets his words cross only once it has read all again."""
LOGINS_AT_ONCE_MAX = 32


class ReloadError(SignalboxError):
    """The server did not take in what it was to read; the text says why."""


class RefusedConfigurationError(ReloadError):
    """The server can not make sense of its configuration, and goes on with what it has read before."""


class Standing(StrEnum):
    """What becomes of somebody who comes with his name and password."""

    IN = "in"
    UNHEARD = "unheard"
    """He is let in, and what he says does not cross: the server has to read its configuration once more."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Server:
    """Where it is, and the password of `bootstrap` there, "" = it is not known, and not needed to try a login."""

    url: str
    password: str
    ca_file: Path | None = None


async def take_in(server: Server, name: str, password: str, *, may_come: bool) -> None:
    """Return once every server lets `name` in with `password`, or, unless he `may_come`, no more.

    Without a password there is nothing to try with. Raises `ReloadError`, or `BusUnavailableError` without a server.
    """
    client = await _as_bootstrap(server)
    try:
        for _ in range(RELOADS_MAX):
            await _reload(client)
            if not password or (await standing(server, name, password) is Standing.IN) == may_come:
                return
    finally:
        await client.close()
    wanted = "does not let him in" if may_come else "still lets him in"
    raise ReloadError(f"NATS at {server.url} has read its configuration again and {wanted}: does it read another file?")


async def take_in_all(server: Server, passwords: Mapping[str, str]) -> None:
    """Return once every server has read all again, and lets everybody in of whom there is a password here.

    Raises `ReloadError` that names who is not let in, or `BusUnavailableError` without a server.
    """
    client = await _as_bootstrap(server)
    try:
        for done in range(1, RELOADS_MAX + 1):
            await _reload(client)
            found = await standings(server, passwords)
            out = [name for name, each in found.items() if each is not Standing.IN]
            if not out and done > 1:  # somebody may be new of whom there is no password to try
                return
    finally:
        await client.close()
    raise ReloadError(
        f"NATS at {server.url} has read its configuration again and does not let in {', '.join(out)}: does it read "
        "another file, or is that an old password?"
    )


async def standings(server: Server, passwords: Mapping[str, str]) -> dict[str, Standing]:
    """How everybody stands whose password is given. Raises `BusUnavailableError` without a server."""
    free = asyncio.Semaphore(LOGINS_AT_ONCE_MAX)

    async def one(name: str) -> Standing:
        async with free:
            return await standing(server, name, passwords[name])

    return dict(zip(passwords, await asyncio.gather(*map(one, passwords)), strict=True))


async def standing(server: Server, name: str, password: str) -> Standing:
    """Whether the person can log in, and what he asks crosses. Raises `BusUnavailableError` without a server."""
    try:
        client = await _client(server, name, password)
    except BusPermissionError:
        return Standing.IN  # he has as many connections as he may
    if client is None:
        return Standing.REFUSED
    try:
        await client.request(SERVER_ID, b"", timeout=ANSWER_SECONDS_MAX)
    except (NatsError, TimeoutError):
        return Standing.UNHEARD
    else:
        return Standing.IN
    finally:
        await client.close()


async def _as_bootstrap(server: Server) -> Client:
    client = await _client(server, BOOTSTRAP, server.password)
    if client is None:
        raise ReloadError(f"NATS at {server.url} refuses `bootstrap`: is that its password?")
    return client


async def _reload(client: Client) -> None:
    """Every server reads its configuration again, one after the other."""
    for server in await _servers(client):
        answer = await _ask(client, RELOAD.replace("*", server))
        if error := answer.get("error"):
            raise RefusedConfigurationError(f"NATS does not take it in: {error.get('description', error)}")


async def _servers(client: Client) -> list[str]:
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    found: list[str] = []
    wait_seconds = ANSWER_SECONDS_MAX
    try:
        await client.publish(SERVERS, b"{}", reply=inbox)
        while True:
            message = await subscription.next_msg(wait_seconds)
            if not message.data:
                break
            found.append(str(json.loads(message.data)["server"]["id"]))
            wait_seconds = NEXT_ANSWER_SECONDS_MAX
    except (NatsError, TimeoutError):
        pass
    except (ValueError, KeyError, TypeError):
        raise ReloadError("what NATS says of its servers makes no sense") from None
    finally:
        await subscription.unsubscribe()
    if not found:
        raise ReloadError("no NATS server answers `bootstrap`: was it started with this version's deploy/nats?")
    return found


async def _ask(client: Client, subject: str) -> dict[str, Any]:
    try:
        answer = json.loads((await client.request(subject, b"", timeout=ANSWER_SECONDS_MAX)).data)
    except (NatsError, TimeoutError, ValueError):
        raise ReloadError("NATS did not say that it has read its configuration again") from None
    return answer if isinstance(answer, dict) else {}


async def _client(server: Server, user: str, password: str) -> Client | None:
    """A connection; None = the server refuses that user or password."""
    client = VerifyingClient()
    said: list[str] = []

    async def failed(error: Exception) -> None:
        said.append(str(error))

    try:
        async with asyncio.timeout(CONNECT_SECONDS_MAX + 2):
            await client.connect(
                server.url,
                user=user,
                password=password,
                name="signalbox-people",
                inbox_prefix=f"_INBOX.{user}".encode(),
                allow_reconnect=False,
                max_reconnect_attempts=ATTEMPTS,
                reconnect_time_wait=ATTEMPT_WAIT_SECONDS,  # type: ignore[arg-type]  # seconds may be broken
                connect_timeout=CONNECT_SECONDS_MAX,
                error_cb=failed,
                tls=tls_of(server.url, server.ca_file),
            )
    except (NatsError, OSError, TimeoutError) as error:
        await client.close()
        texts = [text.lower() for text in (*said, str(error))]
        if any("authorization violation" in text for text in texts):
            return None
        if any("maximum account active connections" in text for text in texts):
            raise BusPermissionError(f"{user!r} has as many connections as one name may have") from None
        raise BusUnavailableError(f"NATS at {server.url} can not be reached ({error}): is it running there?") from None
    return client

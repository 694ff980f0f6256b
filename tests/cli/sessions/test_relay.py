"""Bytes go on as they came, whoever looks on and whatever becomes of him."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import pytest
from signalbox_cli.sessions.relay import Relay

SECONDS_MAX = 60.0


class Watching:
    """Keeps what passed; fails at everything when told to."""

    def __init__(self) -> None:
        self.passing = {"gateway": b"", "venue": b""}
        self.events: list[str] = []
        self.fails = False

    def opened(self, link: int) -> None:
        self._note(f"opened {link}")

    def refused(self, link: int) -> None:
        self._note(f"refused {link}")

    def closed(self, link: int, by: str) -> None:
        self._note(f"closed {link} {by}")

    def passed(self, link: int, by: str, data: bytes) -> None:
        self._note("")
        self.passing[by] += data

    def _note(self, event: str) -> None:
        if self.fails:
            raise RuntimeError("who looks on has failed")
        if event:
            self.events.append(event)


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A venue that says back what it hears, and ends when it hears `end`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await reader.read(65536)) and not data.endswith(b"end"):
            writer.write(data)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("fails", [False, True])
async def test_bytes_go_on_as_they_came(echo: int, fails: bool) -> None:
    watching = Watching()
    watching.fails = fails
    data = os.urandom(1_000_000)
    async with Relay(0, ("127.0.0.1", echo), watching) as relay, asyncio.timeout(SECONDS_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()
        await writer.wait_closed()
        if not fails:
            await until(lambda: watching.events == ["opened 1", "closed 1 gateway"])
            assert watching.passing == {"gateway": data, "venue": data}


async def test_who_ended_it_is_told_and_the_other_side_ends_too(echo: int) -> None:
    watching = Watching()
    async with Relay(0, ("127.0.0.1", echo), watching) as relay, asyncio.timeout(SECONDS_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"the end")
        assert await reader.read() == b""
        await until(lambda: watching.events == ["opened 1", "closed 1 venue"])
        writer.close()
        await writer.wait_closed()


async def test_a_venue_that_is_not_there_refuses_here_too(echo: int) -> None:
    watching = Watching()
    async with Relay(0, ("127.0.0.1", 1), watching) as relay, asyncio.timeout(SECONDS_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        assert await reader.read() == b""
        await until(lambda: watching.events == ["refused 1"])
        writer.close()


async def test_no_more_connections_than_a_relay_holds(echo: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signalbox_cli.sessions.relay.CONNECTIONS_MAX", 1)
    async with Relay(0, ("127.0.0.1", echo), Watching()) as relay, asyncio.timeout(SECONDS_MAX):
        first, first_writer = await asyncio.open_connection("127.0.0.1", relay.port)
        first_writer.write(b"hello")
        assert await first.readexactly(5) == b"hello"
        second, second_writer = await asyncio.open_connection("127.0.0.1", relay.port)
        assert await second.read() == b""
        for writer in (first_writer, second_writer):
            writer.close()
            await writer.wait_closed()

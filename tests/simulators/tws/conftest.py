"""A gateway simulator inside the test's own event loop, real sockets, real ib_async clients, and raw ones."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ib_async import IB, Contract, Stock
from simulators.control import ControlServer, WorldControl
from simulators.tws.commands import TwsControl
from simulators.tws.gateway import Gateway
from simulators.tws.server import TwsServer
from simulators.tws.wire import FrameSplitter, Value, decode_fields, encode_frame
from simulators.world import World, WorldOptions

SECONDS_MAX = 60.0
OPEN = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)  # a Tuesday, half an hour after the open in New York


async def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait, with a bound, until `condition` gives something true, and return that."""
    deadline = asyncio.get_running_loop().time() + SECONDS_MAX
    while not (result := condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {SECONDS_MAX:g} s in vain for {what or condition}")
        await asyncio.sleep(0.005)
    return result


class RawClient:
    """A client that says exactly what a test wants, and keeps every message it gets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.messages: list[list[str]] = []
        self.closed = False
        self._splitter = FrameSplitter()
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(65_536):
                self.messages += [decode_fields(payload) for payload in self._splitter.feed(data)]
        except ConnectionError:
            pass
        self.closed = True

    def say(self, *fields: Value) -> None:
        self.writer.write(encode_frame(fields))

    def greet(self, versions: bytes = b"v157..178") -> None:
        self.writer.write(b"API\0" + len(versions).to_bytes(4, "big") + versions)

    async def start(self, client_id: int) -> None:
        """Shake hands and start the API."""
        self.greet()
        await until(lambda: self.messages, "the handshake")
        self.say(71, 2, client_id, "")
        await self.got(9)

    def of(self, kind: int) -> list[list[str]]:
        return [message for message in self.messages[1:] if message[0] == str(kind)]

    async def got(self, kind: int, count: int = 1) -> list[list[str]]:
        """Wait for `count` messages of a kind."""
        await until(lambda: len(self.of(kind)) >= count, f"{count} of message {kind}; there are {self.messages[-5:]}")
        return self.of(kind)

    async def error(self, code: int) -> list[str]:
        """Wait for an error: `4, version, id, code, text, json`."""
        return (await until(lambda: [m for m in self.of(4) if m[3] == str(code)], f"error {code}: {self.of(4)}"))[0]

    async def end(self) -> None:
        self.writer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@dataclass
class Client:
    """An ib_async client with the errors it got."""

    ib: IB
    errors: list[tuple[int, int, str]] = field(default_factory=list)

    async def error(self, code: int) -> tuple[int, int, str]:
        """Wait for an error: request id, code, text."""
        return (await until(lambda: [each for each in self.errors if each[1] == code], f"{code}: {self.errors}"))[0]

    def codes(self) -> list[int]:
        return [code for _, code, _ in self.errors if code not in (2104, 2106, 2158)]


class Simulator:
    """The running simulator and its clients."""

    def __init__(self, world: World, server: TwsServer, control: ControlServer, stack: AsyncExitStack) -> None:
        self.world, self.server, self.control, self._stack = world, server, control, stack

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a command to the control port's command table; it must be done."""
        reply = await self.control.answer(json.dumps({"do": command, **arguments}).encode())
        assert reply["ok"], reply
        return reply

    async def connect(self, client_id: int = 1, *, quotes: bool = True) -> Client:
        """Connect a real ib_async client; wait for the market's first quote."""
        client = Client(IB())
        client.ib.errorEvent += lambda req_id, code, text, _: client.errors.append((req_id, code, text))
        self._stack.callback(client.ib.disconnect)
        await client.ib.connectAsync("127.0.0.1", self.server.port, clientId=client_id, timeout=SECONDS_MAX)
        if quotes:
            await until(lambda: self.world.quote("AAPL"), "a quote")
        return client

    async def raw(self, client_id: int | None = None) -> RawClient:
        """Connect a raw client; with a client id its API is started."""
        client = RawClient(*await asyncio.open_connection("127.0.0.1", self.server.port))
        self._stack.push_async_callback(client.end)
        if client_id is not None:
            await client.start(client_id)
        return client


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Simulator]:
    defaults: dict[str, Any] = {"start": OPEN, "speed": 100.0, "seed": 7, "starting_cash": Decimal(1_000_000)}
    world = World(WorldOptions(**{**defaults, **options}))
    server = TwsServer(Gateway(world), "127.0.0.1", 0)
    commands = [*WorldControl(world, world.stop).commands(), *TwsControl(server).commands()]
    control = ControlServer(commands, "127.0.0.1", 0)
    async with server, control:
        run = asyncio.get_running_loop().create_task(world.run())
        async with AsyncExitStack() as stack:
            yield Simulator(world, server, control, stack)
        world.stop()
        await run


@pytest.fixture(autouse=True)
def _quiet_ib_async() -> None:
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A market that is open, twenty steps a second."""
    async with running() as simulator:
        yield simulator


@pytest.fixture
def simulate() -> Callable[..., Any]:
    """Make a simulator with other options: `async with simulate(speed=0) as simulator`."""
    return running


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[Any]]:
    return until


@pytest.fixture
def aapl() -> Contract:
    return Stock("AAPL", "SMART", "USD", conId=265598)


@pytest.fixture
def tencent() -> Contract:
    return Stock("700", "SEHK", "HKD")

"""What all tests share: a real nats-server on a free port with the desk's own permissions, and the market data."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from nats.aio.client import Client
from signalbox.accounts import password_variable
from signalbox.bus import Bus, BusSettings, Received
from signalbox.bus.bootstrap import (
    BOOTSTRAP,
    USERS,
    bootstrap_server,
    complete_seals,
    new_password,
)
from signalbox.bus.client import BusClient
from signalbox.clock import FixedClock
from signalbox.errors import LeaseLostError
from signalbox.messages import TradingMode
from signalbox.seals import COVERED_HEADERS, NO_SEALS, SEAL_HEADER, Seals, parse
from signalbox_cli.ports import free_port

from tests.left_behind import end_all_of

settings.register_profile("side by side", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("side by side")

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 60.0
PAUSE_SECONDS_MAX = 0.05
SHARED_DESK, SHARED_READING = "tests/system/", "tests/house_rules/"
TOGETHER = (SHARED_DESK, SHARED_READING)
LONG = (SHARED_DESK, "tests/venue/", "tests/gateway_dydx/", "tests/shared/test_lease.py")


def pytest_configure(config: pytest.Config) -> None:
    about = "streams_of_its_own: its nats-server has made them itself, and has not been started again since"
    config.addinivalue_line("markers", about)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each file goes to one process, and so does what shares a running desk, or what has been read of all our code."""
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return next((folder for folder in TOGETHER if file.startswith(folder)), file)

        def _reschedule(self, node: Any) -> None:
            """A process begins a test once it knows the next one, or that there is none: one alone would never begin,
            in a process that takes the place of one that died.
            """
            super()._reschedule(node)
            while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
                super()._reschedule(node)

        def remove_node(self, node: Any) -> str | None:
            """What its process died of is not begun again, as pytest-xdist would: it failed. The rest goes on."""
            work: dict[str, dict[str, bool]] = self.assigned_work.pop(node)
            died_of = next((test for tests in work.values() for test, done in tests.items() if not done), None)
            for scope, tests in work.items():
                left = {test: done or test == died_of for test, done in tests.items()}
                if not all(left.values()):
                    self.workqueue[scope] = left
            for other in self.assigned_work:
                self._reschedule(other)
            return died_of

    return Together(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """A process that died in the middle of a test leaves what it started: the next tests need the machine."""
    if error is not None:
        end_all_of(node.workerinput["testrunuid"], node.workerinput["workerid"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits longest begins first: whatever comes last, one process does alone."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def growing_pauses(seconds: float) -> Iterator[float]:
    """How long to pause between two looks at a condition: what takes long is looked at less often, down to 20 times a
    second. A look reads streams, and who waits for seconds would take a processor from those that he waits for.
    """
    while True:
        yield seconds
        seconds = min(seconds * 1.2, PAUSE_SECONDS_MAX)


def nats_server_binary() -> str:
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        pytest.fail("nats-server is missing: run `make env`")
    return found


class NatsServer:
    """A nats-server of its own, which can be killed and started again on the same port and store."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.store = directory, directory / "store"
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.configuration = ROOT / "deploy/nats/nats.conf"
        self.more_arguments: tuple[str, ...] = ()
        self._passwords = {user: new_password() for user in USERS}
        self.seal_texts = complete_seals({})
        self._process: subprocess.Popen[bytes] | None = None
        self._buses: list[Bus] = []

    def password(self, user: str) -> str:
        return self._passwords[user]

    def seals(self, user: str) -> Seals:
        text = self.seal_texts.get(user)
        return parse(text) if text else NO_SEALS

    def seal_settings(self, user: str) -> dict[str, str]:
        """What the environment of a process of this user has more than its password; nothing for most."""
        text = self.seal_texts.get(user)
        return {"SIGNALBOX_SEALS": text} if text else {}

    def start(self) -> None:
        environment = os.environ | {password_variable(user): password for user, password in self._passwords.items()}
        with (self.directory / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    nats_server_binary(),
                    *("-c", str(self.configuration)),
                    *("-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self.store)),
                    *self.more_arguments,
                ],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """SIGTERM, and wait until it is gone: what it knows is written down."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    def restart(self) -> None:
        """SIGKILL and start again on what is on the disk."""
        self.kill()
        self.start()

    async def connect(self, user: str) -> Bus:
        """A bus as `user`; drained when the test ends."""
        password, seals = self.password(user), self.seals(user)
        bus = await Bus.connect(BusSettings(url=self.url, user=user, password=password, name=user, seals=seals))
        self._buses.append(bus)
        return bus

    async def client(self, user: str) -> Client:
        """A bare nats-py client as `user`, for what a bus would not do. The caller closes it."""
        client = Client()
        await client.connect(
            self.url, user=user, password=self.password(user), inbox_prefix=f"_INBOX.{user}".encode(), connect_timeout=2
        )
        return client

    def buses(self) -> list[Bus]:
        """Those that `connect` has given out since the last call; the caller drains them."""
        given, self._buses = self._buses, []
        return given

    async def bus_client(self, user: str) -> BusClient:
        """The desk's own client as `user`, without a bus. The caller closes it."""
        client = BusClient()
        inbox = f"_INBOX.{user}".encode()
        await client.connect(self.url, user=user, password=self.password(user), inbox_prefix=inbox, connect_timeout=2)
        return client

    async def listening(self) -> None:
        """Return once the port answers (nats-py would wait 2 s after its first refused attempt)."""
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    await writer.wait_closed()
                    return

    async def bootstrap(self) -> None:
        await self.listening()
        await bootstrap_server(self.url, self.password(BOOTSTRAP), TradingMode.ACTIVE, self.seals(BOOTSTRAP))

    async def close(self) -> None:
        for bus in self._buses:
            await bus.drain()
        if self._process is not None and self._process.poll() is None:
            self.kill()  # nobody reads this store again, and a server that ends in order takes its time


class MadeStreams:
    """A desk's streams as `bootstrap` makes them: once in each test process, and every server has a copy of its own.

    What bootstrap itself does is the affair of its tests (tests/cli/test_bootstrap.py, tests/shared/test_streams.py).
    """

    def __init__(self) -> None:
        self._made: NatsServer | None = None

    async def begin(self, server: NatsServer, folder: pytest.TempPathFactory) -> None:
        """Start `server`, which was never started, on a copy; it has the seals that the streams were made with."""
        if self._made is None:
            made = NatsServer(folder.mktemp("streams"))
            made.start()
            await made.bootstrap()
            made.end()
            self._made = made
        server.seal_texts = dict(self._made.seal_texts)
        shutil.copytree(self._made.store, server.store)
        server.start()
        await server.listening()


STREAMS_MADE = MadeStreams()


class Forger:
    """Publishes whatever it likes as any user of the server: it has all passwords and no key of a seal."""

    KEPT = (SEAL_HEADER, *COVERED_HEADERS)

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._clients: dict[str, Client] = {}

    async def _client(self, user: str) -> Client:
        if user not in self._clients:
            self._clients[user] = await self._server.client(user)
        return self._clients[user]

    async def plant(self, user: str, subject: str, payload: bytes, **headers: str) -> dict[str, Any]:
        """Publish bytes; what JetStream answers. `Nats_Msg_Id` is the header `Nats-Msg-Id`."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        answer = await (await self._client(user)).request(subject, payload, timeout=5, headers=named or None)
        found: dict[str, Any] = json.loads(answer.data)
        return found

    async def again(self, user: str, received: Received, *, without: str = "", subject: str = "") -> dict[str, Any]:
        """Publish a stored message once more, with the headers that it has but one."""
        headers = {name: text for name in self.KEPT if name != without and (text := received.header(name))}
        return await self.plant(user, subject or received.subject, received.payload, **headers)

    async def have_copied(self, user: str, stream: str, sequence: int, subject: str) -> None:
        """Have the server send a stored message to `subject`, as the answer to a question."""
        client = await self._client(user)
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", b'{"seq":%d}' % sequence, reply=subject)
        await client.flush()

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


@pytest.fixture
async def forger(nats_server_without_streams: NatsServer) -> AsyncIterator[Forger]:
    forger = Forger(nats_server_without_streams)
    yield forger
    await forger.close()


class MovedClock(FixedClock):
    """A desk clock that a test moves, and that may be stale."""

    stale = False

    def is_stale(self) -> bool:
        return self.stale

    def wall_time_of(self, at: datetime) -> datetime:
        return datetime.now(UTC)


class HeldLease:
    """A lease that is held until a test says otherwise: for a service that runs without `signalbox.process`."""

    def __init__(self) -> None:
        self.held = True

    def is_held(self) -> bool:
        return self.held

    async def until_held(self) -> None:
        if not self.held:
            raise LeaseLostError("another process works")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB of its own."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounting.returncode:
        pytest.skip(f"a small file system can not be mounted here (it takes root): {mounting.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def held_lease() -> HeldLease:
    return HeldLease()


@pytest.fixture
async def nats_server_without_streams(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NatsServer]:
    """A server with nothing in it, unless the test asks for `nats_server` too."""
    server = NatsServer(tmp_path)
    if "nats_server" in request.fixturenames and request.node.get_closest_marker("streams_of_its_own") is None:
        await STREAMS_MADE.begin(server, tmp_path_factory)
    else:
        server.start()
        await server.listening()
    yield server
    await server.close()


@pytest.fixture
async def nats_server(request: pytest.FixtureRequest, nats_server_without_streams: NatsServer) -> NatsServer:
    """The same, with the desk's streams; of a test with the mark `streams_of_its_own` it has made them itself."""
    if request.node.get_closest_marker("streams_of_its_own") is not None:
        await nats_server_without_streams.bootstrap()
    return nats_server_without_streams


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder of recorded market data beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        reason = f"no market data: {folder} does not exist"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder

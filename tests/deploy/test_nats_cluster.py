"""Three real nats-servers by deploy/nats/cluster.conf: every stream is on each, and the desk's bus outlives any one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from signalbox import subjects
from signalbox.accounts import JETSTREAM, password_variable
from signalbox.bus import Bus, BusSettings, Received
from signalbox.bus.bootstrap import BOOTSTRAP, USERS, complete_seals, new_password
from signalbox.desk import Durability
from signalbox.durability import observed_durability
from signalbox.messages import OrderIntent, OrderType, Side
from signalbox.seals import parse
from signalbox.streams import STREAMS

ROOT = Path(__file__).resolve().parents[2]
SERVERS = 3
FORMED_SECONDS_MAX = 60.0
POLL_SECONDS = 0.1


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def nats_server_binary() -> str:
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server") or pytest.fail("run `make env`")


class Cluster:
    """The servers as the pods run them, but for addresses: those of the command line go before the file's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.passwords = {user: new_password() for user in (*USERS, "route")}
        ports = free_ports(3 * SERVERS)
        self.ports, self.route_ports, self.monitor_ports = ports[0:3], ports[3:6], ports[6:9]
        self.seals = complete_seals({})
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """Of the first that runs; it tells its clients where the others are."""
        return f"nats://127.0.0.1:{self.ports[min(self.processes)]}"

    def start(self, number: int, route_password: str | None = None) -> None:
        password = route_password or self.passwords["route"]
        routes = [f"nats://route:{password}@127.0.0.1:{port}" for port in self.route_ports]
        environment = os.environ | {password_variable(user): text for user, text in self.passwords.items()}
        environment |= {f"NATS_ROUTE_{index}": route for index, route in enumerate(routes)}
        environment |= {"POD_NAME": f"nats-{number}"}
        with (self.folder / f"nats-{number}.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                [
                    nats_server_binary(),
                    *("-c", str(ROOT / "deploy/nats/cluster.conf"), "-sd", str(self.folder / f"store-{number}")),
                    *("-a", "127.0.0.1", "-p", str(self.ports[number]), "-m", str(self.monitor_ports[number])),
                    *("-cluster", routes[number], "-P", str(self.folder / f"nats-{number}.pid")),
                ],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def end(self, number: int, sent: int) -> None:
        process = self.processes.pop(number)
        process.send_signal(sent)
        process.wait(60)

    def close(self) -> None:
        for number in list(self.processes):
            self.end(number, signal.SIGKILL)

    def monitor(self, number: int, path: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a monitoring path; 0 when nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor_ports[number]}{path}", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    async def healthy(self, path: str = "/healthz") -> None:
        async with asyncio.timeout(FORMED_SECONDS_MAX):
            while not all(self.monitor(number, path)[0] == 200 for number in self.processes):
                await asyncio.sleep(POLL_SECONDS)

    async def bootstrap(self, *options: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signalbox_cli", "bootstrap", "--wait", "60", *options),
            env=os.environ
            | {
                "SIGNALBOX_NATS_URL": self.url,
                "SIGNALBOX_NATS_PASSWORD": self.passwords[BOOTSTRAP],
                "SIGNALBOX_SEALS": self.seals[BOOTSTRAP],
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def streams(self) -> dict[str, dict[str, Any]]:
        """What JetStream says of every stream."""
        client = Client()
        await client.connect(
            self.url, user="auditor", password=self.passwords["auditor"], inbox_prefix=b"_INBOX.auditor"
        )
        try:
            found = {}
            for stream in STREAMS:
                async with asyncio.timeout(FORMED_SECONDS_MAX):
                    while "cluster" not in found.setdefault(stream.name, {}):
                        with contextlib.suppress(NatsError, TimeoutError):
                            answer = await client.request(f"{JETSTREAM}.STREAM.INFO.{stream.name}", timeout=5)
                            found[stream.name] = json.loads(answer.data)
            return found
        finally:
            await client.close()

    async def connect(self, user: str) -> Bus:
        password, seals = self.passwords[user], parse(self.seals.get(user, ""))
        return await Bus.connect(BusSettings(url=self.url, user=user, password=password, name=user, seals=seals))


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path)
    for number in range(SERVERS):
        cluster.start(number)
    yield cluster
    cluster.close()


def intent(number: int) -> OrderIntent:
    return OrderIntent(
        id=f"cluster-{number}", at=datetime.now(UTC), venue="ibkr", symbol="SPY", side=Side.BUY, quantity=Decimal(1),
        order_type=OrderType.MARKET,
    )  # fmt: skip


async def test_every_stream_is_held_three_times_and_stays_so_and_every_server_says_it(cluster: Cluster):
    await cluster.bootstrap("--replicas", "3")
    await cluster.bootstrap()  # who does not say how many leaves it as it is
    streams = await cluster.streams()
    assert streams.keys() == {stream.name for stream in STREAMS}
    for name, found in streams.items():
        assert found["config"]["num_replicas"] == SERVERS, name
        assert len(found["cluster"]["replicas"]) == SERVERS - 1, name
    risk = await cluster.connect("risk")
    servers = await risk.servers()
    assert {server.name for server in servers} == {f"nats-{number}" for number in range(SERVERS)}
    assert observed_durability(servers) is Durability.REPLICATED
    await risk.drain()


async def test_the_bus_goes_on_when_the_server_that_leads_is_killed(cluster: Cluster):
    await cluster.bootstrap("--replicas", "3")
    user, risk = await cluster.connect("user"), await cluster.connect("risk")
    seen: list[int] = []

    def take(received: Received, reply: str) -> None:
        seen.append(received.sequence)
        queue.acknowledge(reply)

    async def turn() -> float | None:
        return None

    queue = await risk.queue("INTENTS", "risk", take, turn)
    for number in range(20):
        await user.publish(subjects.intent(intent(number)), intent(number))
    leader = (await cluster.streams())["INTENTS"]["cluster"]["leader"]
    cluster.end(int(leader.removeprefix("nats-")), signal.SIGKILL)
    for number in range(20, 40):
        await user.publish(subjects.intent(intent(number)), intent(number))
    async with asyncio.timeout(FORMED_SECONDS_MAX):
        while set(seen) != set(range(1, 41)):
            await asyncio.sleep(POLL_SECONDS)
    assert (await cluster.streams())["INTENTS"]["state"]["last_seq"] == 40
    await user.drain()
    await risk.drain()


async def test_a_server_without_the_password_of_the_routes_does_not_join(cluster: Cluster):
    await cluster.healthy()
    cluster.end(2, signal.SIGKILL)
    cluster.start(2, route_password="guessed")
    async with asyncio.timeout(FORMED_SECONDS_MAX):
        while cluster.monitor(2, "/healthz?js-enabled-only=true")[0] != 200:
            await asyncio.sleep(POLL_SECONDS)
    refused = "authentication error"
    log = cluster.folder / "nats-0.log"
    async with asyncio.timeout(FORMED_SECONDS_MAX):
        while refused not in log.read_text().lower():
            await asyncio.sleep(POLL_SECONDS)
    assert cluster.monitor(2, "/routez")[1]["num_routes"] == 0


async def test_a_server_that_is_stopped_sends_its_clients_to_another(cluster: Cluster):
    """What the pod's preStop does: nobody waits for an election."""
    await cluster.bootstrap("--replicas", "3")
    user = await cluster.connect("user")
    await user.publish(subjects.intent(intent(0)), intent(0))
    stopped = min(cluster.processes)
    pid_file = cluster.folder / f"nats-{stopped}.pid"
    signalled = await asyncio.create_subprocess_exec(nats_server_binary(), f"-sl=ldm={pid_file}")
    assert await signalled.wait() == 0
    for number in range(1, 20):
        await user.publish(subjects.intent(intent(number)), intent(number))
    async with asyncio.timeout(FORMED_SECONDS_MAX):
        while cluster.processes[stopped].poll() is None:
            await asyncio.sleep(POLL_SECONDS)
    assert cluster.processes.pop(stopped).returncode == 0
    for number in range(20, 40):
        await user.publish(subjects.intent(intent(number)), intent(number))
    assert (await cluster.streams())["INTENTS"]["state"]["messages"] == 40
    await user.drain()

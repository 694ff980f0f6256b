"""Intent published -> order on the venue's socket, beside a bare four-process JetStream chain in the same run.

The desk is the real one: nats-server, gateway-ibkr, indicators, risk, oms and recorder as separate processes, with
their users and permissions, and the IB Gateway simulator. The socket is watched by a relay between gateway and
simulator, a process of its own: an order has arrived when the `placeOrder` message with its id passes.

The chain is the least that carries an order durably: as many processes (sender and three links), asyncio and nats-py
as they come, on a nats-server of the same version and storage; at each hop (intent, decision, command) a message of
the desk's size is stored under a message id. It decides nothing, checks nothing, claims nothing in a ledger, and
nobody else listens. Blocks of both alternate, with the same spacing, so that both see the same machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import secrets
import statistics
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import nats
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.messages import ClockTick, OrderEvents, OrderIntent, OrderStatus, OrderType, Quote, Side
from signalbox_cli.desk_files import with_venue_alone
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder, free_port

BLOCKS, ORDERS_PER_BLOCK, WARM_UP_ORDERS = 8, 50, 30
SPACING_SECONDS = 0.03
"""IBKR takes 50 messages a second from a client and the gateway keeps to that: a faster sender would see the queue."""
P50_RATIO_MAX, P99_RATIO_MAX = 1.5, 3.0
MEMORY_MEGABYTES_MAX = 90.0
ARRIVAL_SECONDS_MAX = 20.0
HOP_BYTES = {"intent": 400, "decision": 5000, "command": 700}
"""What the chain stores at each hop: as many messages, of the sizes, that the desk's order passes through."""
START = "2024-03-05T15:00:00Z"


class Relay:
    """A `benchmarks.relay` process, and when the names expected of it have passed."""

    def __init__(self, target_port: int = 0) -> None:
        self._target_port = target_port
        self._expected: dict[str, asyncio.Future[float]] = {}
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]

    async def start(self, port: int) -> None:
        command = [sys.executable, "-m", "benchmarks.relay", str(port), str(self._target_port)]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        await self._process.stdout.readline()
        self._reading = asyncio.create_task(self._read(self._process.stdout))

    def expect(self, name: str) -> asyncio.Future[float]:
        arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._expected[name] = arrived
        return arrived

    async def close(self) -> None:
        await _end(self._process)
        await self._reading

    async def _read(self, lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            name, at = line.decode().split()
            arrived = self._expected.pop(name, None)
            if arrived is not None:
                arrived.set_result(float(at))


class DeskPath:
    """Sends market orders through the desk, one at a time."""

    def __init__(self, bus: Bus, relay: Relay) -> None:
        self._bus, self._relay = bus, relay
        self._clock = FollowingClock()
        self._final: dict[str, asyncio.Event] = {}
        self._quoted = asyncio.Event()
        self._number = 0

    async def listen(self) -> None:
        async def tick(received: Received) -> None:
            self._clock.follow(messages.decode(received.payload, ClockTick))

        async def event(received: Received) -> None:
            message: OrderEvents = messages.decode(received.payload, OrderEvents)
            if message.status is OrderStatus.FILLED and message.order_id in self._final:
                self._final[message.order_id].set()

        async def quote(received: Received) -> None:
            if messages.decode(received.payload, Quote).ask is not None:
                self._quoted.set()

        await self._bus.subscribe(subjects.CLOCK, tick)
        await self._bus.subscribe("order.>", event)
        await self._bus.subscribe(subjects.quote("ibkr", "SPY"), quote)
        await asyncio.wait_for(self._quoted.wait(), ARRIVAL_SECONDS_MAX)

    async def one(self) -> float:
        """Seconds from the publish call to the socket; returns when the order has filled."""
        self._number += 1
        name = f"bench-{self._number}-{secrets.token_hex(4)}"
        intent = OrderIntent(
            id=name,
            at=self._clock.now(),
            venue="ibkr",
            symbol="SPY",
            side=Side.BUY if self._number % 2 else Side.SELL,
            quantity=Decimal(1),
            order_type=OrderType.MARKET,
        )
        arrived = self._relay.expect(name)
        done = self._final[name] = asyncio.Event()
        began = time.perf_counter()
        await self._bus.publish(subjects.intent(intent), intent)
        seconds = await asyncio.wait_for(arrived, ARRIVAL_SECONDS_MAX) - began
        await asyncio.wait_for(done.wait(), ARRIVAL_SECONDS_MAX)
        return seconds


class ChainPath:
    """Sends messages of an intent's size through the bare chain, one at a time."""

    def __init__(self, client: Any, relay: Relay) -> None:
        self._context, self._relay = client.jetstream(), relay
        self._number = 0

    async def one(self) -> float:
        self._number += 1
        name = f"chain-{self._number}-{secrets.token_hex(4)}"
        payload = name.encode().ljust(HOP_BYTES["intent"])
        arrived = self._relay.expect(name)
        began = time.perf_counter()
        await self._context.publish("chain.intent", payload, headers={"Nats-Msg-Id": name})
        return await asyncio.wait_for(arrived, ARRIVAL_SECONDS_MAX) - began


async def _start_chain(url: str, port: int) -> tuple[Any, list[asyncio.subprocess.Process]]:
    client = await nats.connect(url)
    context = client.jetstream()
    hops = tuple(HOP_BYTES)
    for hop in hops:
        await context.add_stream(name=hop, subjects=[f"chain.{hop}"])
        await context.add_consumer(hop, durable_name="link", ack_policy="explicit")
    followings = [("--subject", f"chain.{hop}", "--bytes", str(HOP_BYTES[hop])) for hop in hops[1:]]
    links = []
    for hop, following in zip(hops, [*followings, ("--socket-port", str(port))], strict=True):
        command = [sys.executable, "-m", "benchmarks.bare_chain", url, hop, *following]
        links.append(await asyncio.create_subprocess_exec(*command))
    return client, links


async def _measure(folder: Path) -> tuple[list[float], list[float], dict[str, float]]:
    async with contextlib.AsyncExitStack() as stack:
        desk_file = folder / "desk.toml"
        desk_file.write_text(with_venue_alone((deploy_folder() / "desk.toml").read_text(), "ibkr"))
        plan = DeskPlan(
            directory=folder,
            desk_file=desk_file,
            simulator_arguments=("--symbols", "SPY,AAPL,0700.HK", "--start", START, "--speed", "1"),
        )
        desk = LocalDesk(plan, print)
        relay_port = free_port()
        relay, chain_relay = Relay(desk.venue_ports.ibkr), Relay()
        await relay.start(relay_port)
        desk.gateway_ports = dataclasses.replace(desk.venue_ports, ibkr=relay_port)
        stack.push_async_callback(relay.close)
        stack.push_async_callback(desk.close)
        await desk.start()
        bus = await Bus.connect(desk.bus_settings("user"))
        stack.push_async_callback(bus.drain)
        desk_path = DeskPath(bus, relay)
        await desk_path.listen()

        bare_port, bare_nats_port = free_port(), free_port()
        await chain_relay.start(bare_port)
        stack.push_async_callback(chain_relay.close)
        bare_nats = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).parent / "nats-server"), "-js", "-a", "127.0.0.1", "-p", str(bare_nats_port)),
            *("-sd", str(folder / "bare")),
            stderr=asyncio.subprocess.DEVNULL,
        )
        stack.push_async_callback(_end, bare_nats)
        client, links = await _start_chain(f"nats://127.0.0.1:{bare_nats_port}", bare_port)
        stack.push_async_callback(client.close)
        for link in links:
            stack.push_async_callback(_end, link)
        chain_path = ChainPath(client, chain_relay)

        for path in (desk_path, chain_path):
            for _ in range(WARM_UP_ORDERS):
                await _spaced(path)
        desk_seconds: list[float] = []
        chain_seconds: list[float] = []
        for _ in range(BLOCKS):
            desk_seconds += [await _spaced(desk_path) for _ in range(ORDERS_PER_BLOCK)]
            chain_seconds += [await _spaced(chain_path) for _ in range(ORDERS_PER_BLOCK)]
        memory = {service: _resident_megabytes(desk.pid(service)) for service in plan.services}
    return desk_seconds, chain_seconds, memory


async def _spaced(path: DeskPath | ChainPath) -> float:
    spacing = asyncio.create_task(asyncio.sleep(SPACING_SECONDS))
    seconds = await path.one()
    await spacing
    return seconds


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()


def _resident_megabytes(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def run() -> list[dict[str, Any]]:
    """The rows of the order path and of the services' memory after it."""
    with tempfile.TemporaryDirectory() as folder:
        ours, bare, memory = asyncio.run(_measure(Path(folder)))
    rows = []
    for name, percentile, goal in (("p50", 50, P50_RATIO_MAX), ("p99", 99, P99_RATIO_MAX)):
        value, reference = _percentile(ours, percentile) * 1000, _percentile(bare, percentile) * 1000
        ratio = value / reference
        rows.append(
            {
                "name": f"intent -> order on the venue's socket, {name}",
                "value": round(value, 3),
                "unit": "ms",
                "reference": f"bare chain, 4 processes, nats-py, 3 stored hops of the same size: {reference:.3f} ms",
                "ratio": round(ratio, 2),
                "goal": f"ratio <= {goal:g}",
                "met": ratio <= goal,
            }
        )
    for service, megabytes in memory.items():
        rows.append(
            {
                "name": f"resident memory of {service}",
                "value": round(megabytes, 1),
                "unit": "MB",
                "reference": "",
                "ratio": None,
                "goal": f"<= {MEMORY_MEGABYTES_MAX:g} MB",
                "met": megabytes <= MEMORY_MEGABYTES_MAX,
            }
        )
    return rows


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

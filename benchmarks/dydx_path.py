"""Decision -> broadcast accepted at dYdX, beside the bare cost of build + sign + one gRPC call in the same run.

The desk's part is real: nats-server with the desk's users and permissions, the OMS and gateway-dydx as processes of
their own, and the dYdX simulator, which verifies every signature. This process takes the place of risk: the clock
starts before it publishes an approved decision (as large as risk's are). It stops when the node's answer to the
broadcast passes a relay between gateway and simulator, a process of its own. On the way the decision is stored, the
order's event and command are stored, the order is claimed in the ledger (stored), built, signed and sent.

The bare path is one process with the vendor's library and a grpc.aio channel to the same simulator, through a relay of
its own, from before the building to the same answer: nothing of it is stored, and nobody else takes part. So that the
difference can be read, a third path runs: a bare chain (`chains`), three stored hops between four processes,
which is as many as a decision passes. Blocks of all three alternate, with the same spacing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from signalbox import messages, subjects
from signalbox.accounts import BOOTSTRAP, password_variable
from signalbox.bus import Bus, BusSettings, Received
from signalbox.bus.bootstrap import USERS, bootstrap_server, complete_seals
from signalbox.messages import Check, Instrument, IntentApproved, OrderIntent, OrderType, Side, TradingMode
from signalbox.seals import parse
from signalbox_cli.local_desk import deploy_folder
from signalbox_cli.ports import free_port

from benchmarks.chains import WITHOUT_CLAIM, ChainPath, bare_chain

BLOCKS, ORDERS_PER_BLOCK, WARM_UP_ORDERS = 8, 50, 30
SPACING_SECONDS = 0.05
P50_RATIO_MAX = 1.5
START_SECONDS_MAX, ARRIVAL_SECONDS_MAX = 40.0, 10.0
POLL_SECONDS = 0.05
CHECKS = 16
"""Risk's decision carries as many: some 5 kB."""

WORDS = "abandon " * 11 + "about"
BARE_KEY = "01" * 32
"""Both are keys of simulators only."""

DESK = """name = "bench"
mode = "paper"
clock = "wall"
timeframes = ["1m"]

[venues.dydx]
accounts = ["{account}"]

{instruments}

[limits]
order_quantity_max = "10"
order_notional_max = "1000000"
position_quantity_max = "10"
position_notional_max = "1000000"
gross_exposure_max = "1000000"
price_collar_fraction = "0.05"
price_age_seconds_max = 60
account_age_seconds_max = 300
intent_age_seconds_max = 120
intents_per_minute_max = 6000
open_orders_max = 100
"""
INSTRUMENT = '[[instruments]]\nvenue = "dydx"\nsymbol = "{symbol}"'


class Started(NamedTuple):
    """A service's process, and the port of its health and metrics."""

    process: asyncio.subprocess.Process
    http_port: int


def address_of(key: KeyPair) -> str:
    address: str = Wallet(key, 0, 0).address
    return address


class Relay:
    """A `benchmarks.reply_relay` process and the clock readings that it prints."""

    def __init__(self) -> None:
        self.port = free_port()
        self._answers: asyncio.Queue[float] = asyncio.Queue()

    async def start(self, target_port: int, stack: contextlib.AsyncExitStack) -> None:
        process = await start([sys.executable, "-m", "benchmarks.reply_relay", str(self.port), str(target_port)], stack)
        assert process.stdout is not None
        await process.stdout.readline()
        reading = asyncio.create_task(self._read(process.stdout))
        stack.callback(reading.cancel)

    async def answered(self) -> float:
        return await asyncio.wait_for(self._answers.get(), ARRIVAL_SECONDS_MAX)

    async def _read(self, lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            self._answers.put_nowait(float(line))


class DeskPath:
    """Publishes approved decisions, as risk does, one at a time."""

    def __init__(self, bus: Bus, relay: Relay, account: str) -> None:
        self._bus, self._relay, self._account = bus, relay, account
        self._number = 0

    async def one(self) -> float:
        self._number += 1
        name = f"bench-{self._number}-{secrets.token_hex(4)}"
        at = datetime.now(UTC)
        intent = OrderIntent(
            id=name,
            at=at,
            venue="dydx",
            account=self._account,
            symbol="BTC-USD",
            side=Side.BUY if self._number % 2 else Side.SELL,
            quantity=Decimal("0.0001"),
            order_type=OrderType.MARKET,
        )
        decision = IntentApproved(
            id=f"decision/{name}", at=at, intent_sequence=1, intent=intent, order_id=name, checks=_CHECKS
        )
        subject = subjects.decision(decision, self._account, "dydx")
        began = time.perf_counter()
        await self._bus.publish(subject, decision)
        return await self._relay.answered() - began


_CHECKS = tuple(
    Check(
        name=f"check_number_{number}",
        passed=True,
        limit="at most 1000000.00 USD of notional value in one order",
        observed="10000.00 USD: 0.1000 BTC-USD at 100000.00, the last price of the venue's quote",
        source=f"TRADE:{number}, quote:quote/dydx/BTC-USD/2026-03-02T12:00:00.000000+00:00/{number}",
    )
    for number in range(CHECKS)
)


class BarePath:
    """Has the bare process place orders, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process, relay: Relay) -> None:
        self._process, self._relay = process, relay

    async def one(self) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        answered = await self._relay.answered()
        began = await asyncio.wait_for(self._process.stdout.readline(), ARRIVAL_SECONDS_MAX)
        return answered - float(began)


Path_ = DeskPath | BarePath | ChainPath


async def start(
    command: list[str], stack: contextlib.AsyncExitStack, log: Path | None = None, **environment: str
) -> asyncio.subprocess.Process:
    """Start a process that ends with the stack; its output goes to `log`, or can be read."""
    with contextlib.ExitStack() as files:
        sink = files.enter_context(log.open("ab")) if log is not None else None
        process = await asyncio.create_subprocess_exec(
            *command,
            env=os.environ | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=sink or asyncio.subprocess.PIPE,
            stderr=sink,
        )
    stack.push_async_callback(_end, process)
    return process


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await process.wait()


async def until(
    what: str,
    condition: Callable[[], bool],
    process: asyncio.subprocess.Process,
    log: Path,
    seconds_max: float = START_SECONDS_MAX,
) -> None:
    """Wait for a condition; one that does not come, and a process that ends before it, is an error with its log."""
    deadline = time.monotonic() + seconds_max
    while not await asyncio.to_thread(condition):
        if process.returncode is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what} does not come:\n{_end_of(log)}")
        await asyncio.sleep(POLL_SECONDS)


def _end_of(log: Path) -> str:
    return log.read_text()[-3000:]


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except OSError:
        return False


async def _measure(folder: Path) -> tuple[list[float], ...]:
    """Seconds of the desk's path, of the bare call and of the bare chain."""
    async with contextlib.AsyncExitStack() as stack:
        address, bare_address = address_of(KeyPair.from_mnemonic(WORDS)), address_of(KeyPair.from_hex(BARE_KEY))
        account = f"{address}-0"
        grpc_port, http_port = free_port(), free_port()
        log = folder / "simulator.log"
        command = [sys.executable, "-m", "simulators.dydx", "--symbols", "BTC-USD", "--price", "BTC-USD=100000"]
        command += ["--grpc-port", str(grpc_port), "--http-port", str(http_port)]
        command += ["--fund", f"{address}=1000000", "--fund", f"{bare_address}=1000000"]
        simulator = await start(command, stack, log)
        await until("the simulator", lambda: answers(f"http://127.0.0.1:{http_port}/v4/height"), simulator, log)
        desk_relay, bare_relay = Relay(), Relay()
        await desk_relay.start(grpc_port, stack)
        await bare_relay.start(grpc_port, stack)
        bus, _ = await start_desk(folder, stack, account, desk_relay.port, http_port)
        bare = await start([sys.executable, "-m", "benchmarks.bare_broadcast", str(bare_relay.port), BARE_KEY], stack)
        assert bare.stdout is not None
        await bare.stdout.readline()

        chain = await bare_chain(stack, folder / "bare", WITHOUT_CLAIM)
        paths: tuple[Path_, ...] = DeskPath(bus, desk_relay, account), BarePath(bare, bare_relay), chain
        seconds: tuple[list[float], ...] = [], [], []
        for path in paths:
            for _ in range(WARM_UP_ORDERS):
                await _spaced(path)
        for _ in range(BLOCKS):
            for path, found in zip(paths, seconds, strict=True):
                found += [await _spaced(path) for _ in range(ORDERS_PER_BLOCK)]
    return seconds


async def start_desk(
    folder: Path,
    stack: contextlib.AsyncExitStack,
    account: str,
    grpc_port: int,
    http_port: int,
    *,
    symbols: tuple[str, ...] = ("BTC-USD",),
    services: tuple[str, ...] = ("oms", "gateway-dydx"),
    seconds_max: float = START_SECONDS_MAX,
) -> tuple[Bus, dict[str, Started]]:
    """Start NATS and some services; return a bus with risk's permissions once all are ready, and the processes."""
    passwords = {user: secrets.token_hex(16) for user in USERS}
    nats_port = free_port()
    url = f"nats://127.0.0.1:{nats_port}"
    nats_log = folder / "nats.log"
    command = [str(Path(sys.executable).parent / "nats-server"), "-c", str(deploy_folder() / "nats" / "nats.conf")]
    command += ["-a", "127.0.0.1", "-p", str(nats_port), "-sd", str(folder / "store")]
    await start(command, stack, nats_log, **{password_variable(user): word for user, word in passwords.items()})
    seals = complete_seals({})
    await bootstrap_server(url, passwords[BOOTSTRAP], TradingMode.ACTIVE, parse(seals[BOOTSTRAP]))
    instruments = "\n".join(INSTRUMENT.format(symbol=symbol) for symbol in symbols)
    desk_file, key_file = folder / "desk.toml", folder / "mnemonic"
    desk_file.write_text(DESK.format(account=account, instruments=instruments))
    key_file.touch(mode=0o600)
    key_file.write_text(WORDS)
    risk = BusSettings(url=url, user="risk", password=passwords["risk"], name="bench", seals=parse(seals["risk"]))
    bus = await Bus.connect(risk)
    stack.push_async_callback(bus.drain)
    offered = asyncio.Event()

    async def instrument(received: Received) -> None:
        messages.decode(received.payload, Instrument)
        offered.set()

    await bus.subscribe(subjects.ALL_INSTRUMENTS, instrument)
    processes: dict[str, Started] = {}
    for service in services:
        port, log = free_port(), folder / f"{service}.log"
        process = await start(
            [sys.executable, "-m", service.replace("-", "_")],
            stack,
            log,
            SIGNALBOX_NATS_URL=url,
            SIGNALBOX_NATS_USER=service,
            SIGNALBOX_NATS_PASSWORD=passwords[service],
            SIGNALBOX_SEALS=seals[service],
            SIGNALBOX_DESK_FILE=str(desk_file),
            SIGNALBOX_HTTP_PORT=str(port),
            SIGNALBOX_DYDX_NETWORK="local",
            SIGNALBOX_DYDX_NODE_URL=f"127.0.0.1:{grpc_port}",
            SIGNALBOX_DYDX_INDEXER_URL=f"http://127.0.0.1:{http_port}",
            SIGNALBOX_DYDX_WEBSOCKET_URL=f"ws://127.0.0.1:{http_port}/v4/ws",
            SIGNALBOX_DYDX_MNEMONIC_FILE=str(key_file),
        )
        processes[service] = Started(process, port)
        ready = f"http://127.0.0.1:{port}/readyz"
        await until(f"{service} ready", lambda ready=ready: answers(ready), process, log, seconds_max)  # type: ignore[misc]
    await asyncio.wait_for(offered.wait(), START_SECONDS_MAX)
    return bus, processes


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(POLL_SECONDS)
            else:
                writer.close()
                return


async def _spaced(path: Path_) -> float:
    spacing = asyncio.create_task(asyncio.sleep(SPACING_SECONDS))
    seconds = await path.one()
    await spacing
    return seconds


def run() -> list[dict[str, Any]]:
    """The rows of the dYdX path."""
    with tempfile.TemporaryDirectory() as folder:
        ours, bare, chain = asyncio.run(_measure(Path(folder)))
    value, call, hops = (_percentile(seconds, 50) * 1000 for seconds in (ours, bare, chain))
    worst, worst_call = _percentile(ours, 99) * 1000, _percentile(bare, 99) * 1000
    the_call = "bare build + sign + one gRPC call to the same simulator"
    return [
        _row("p50", value, the_call, call)
        | {"goal": f"ratio <= {P50_RATIO_MAX:g}", "met": value <= P50_RATIO_MAX * call},
        _row("p99", worst, the_call, worst_call),
        _row("p50", value, "the same call behind a bare chain of 3 stored hops", call + hops),
    ]


def _row(percentile: str, milliseconds: float, reference: str, reference_milliseconds: float) -> dict[str, Any]:
    """A row of the table, for comparison; `met` is None where no goal was set."""
    return {
        "name": f"decision -> broadcast accepted at dYdX, {percentile}",
        "value": round(milliseconds, 3),
        "unit": "ms",
        "reference": f"{reference}: {reference_milliseconds:.3f} ms",
        "ratio": round(milliseconds / reference_milliseconds, 2),
        "goal": "",
        "met": None,
    }


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

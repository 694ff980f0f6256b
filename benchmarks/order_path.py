"""Intent published -> order on the venue's socket, beside bare JetStream chains in the same run.

The desk is the real one: nats-server, gateway-ibkr, indicators, risk, oms and recorder as separate processes, with
their users and permissions, and the IB Gateway simulator. The socket is watched by a relay between gateway and
simulator, a process of its own: an order has arrived when the `placeOrder` message with its id passes.

The reference is the least that carries an order as durably: the same four processes (sender and three links, which
stand for risk, the OMS and the gateway), asyncio and nats-py as they come, and the same four messages (intent,
decision, command, claim), of the desk's sizes, each stored under a message id before the next. They are stored by a
nats-server of the same version on the same disk, in the streams and through the consumers that the desk declares, and
the order is written on a socket once the claim is stored. That is what the promises themselves cost: no order without a
stored decision, none sent without a stored claim. It has no accounts, permissions, seals, fences, leases or checks,
reads and writes no JSON, stores no order event beside the command, and nobody else listens: what those cost is the
desk's, and in the ratio.

An older reference runs too: the same processes, with three stored messages (no claim) in streams as NATS makes them.
Blocks of all three alternate, with the same spacing, so that all see the same machine; a block of a chain begins when
the desk has done what it still does for its last orders (fills, books, the recorder's commit).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import secrets
import statistics
import tempfile
import time
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.messages import ClockTick, IntentDenied, OrderEvents, OrderIntent, OrderStatus, OrderType, Quote, Side
from signalbox_cli.desk_files import with_venue_alone
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.ports import free_port

from benchmarks.chains import ARRIVAL_SECONDS_MAX, AS_THE_DESK, WITHOUT_CLAIM, Relay, bare_chain

BLOCKS, ORDERS_PER_BLOCK, WARM_UP_ORDERS = 8, 50, 30
SETTLE_SECONDS = 0.5
"""Between blocks: the recorder commits a few times a second."""
SPACING_SECONDS = 0.03
"""IBKR takes 50 messages a second from a client and the gateway keeps to that: a faster sender would see the queue."""
P50_RATIO_MAX, P99_RATIO_MAX = 1.3, 2.0
MEMORY_MEGABYTES_MAX = 90.0
START = "2024-03-05T15:00:00Z"


DESK = "the desk"
CHAIN = "bare chain, 4 processes, nats-py, the same 4 stored messages"
OLD_CHAIN = "old reference, 3 stored messages"


class Path_(Protocol):
    async def one(self) -> float: ...


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

        async def denied(received: Received) -> None:
            decision: IntentDenied = messages.decode(received.payload, IntentDenied)
            self._relay.fail(decision.cause, f"the desk denies an order: {decision.reason}")

        async def quote(received: Received) -> None:
            if messages.decode(received.payload, Quote).ask is not None:
                self._quoted.set()

        await self._bus.subscribe(subjects.CLOCK, tick)
        await self._bus.subscribe("order.>", event)
        await self._bus.subscribe("decision.denied.>", denied)
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


async def _measure(folder: Path) -> tuple[dict[str, list[list[float]]], dict[str, float], float]:
    """Seconds of each order, by path and block; the services' memory; how much the machine had to do meanwhile."""
    async with contextlib.AsyncExitStack() as stack:
        desk_file = folder / "desk.toml"
        desk_file.write_text(_without_rate(with_venue_alone((deploy_folder() / "desk.toml").read_text(), "ibkr")))
        plan = DeskPlan(
            directory=folder,
            desk_file=desk_file,
            simulator_arguments=("--symbols", "SPY,AAPL,0700.HK", "--start", START, "--speed", "1"),
        )
        desk = LocalDesk(plan, print)
        relay, relay_port = Relay(desk.venue_ports.ibkr), free_port()
        await relay.start(relay_port)
        desk.gateway_ports = dataclasses.replace(desk.venue_ports, ibkr=relay_port)
        stack.push_async_callback(relay.close)
        stack.push_async_callback(desk.close)
        await desk.start()
        bus = await Bus.connect(desk.bus_settings("user"))
        stack.push_async_callback(bus.drain)
        desk_path = DeskPath(bus, relay)
        await desk_path.listen()
        paths: dict[str, Path_] = {
            DESK: desk_path,
            CHAIN: await bare_chain(stack, folder / "chain", AS_THE_DESK),
            OLD_CHAIN: await bare_chain(stack, folder / "old-chain", WITHOUT_CLAIM),
        }
        for path in paths.values():
            for _ in range(WARM_UP_ORDERS):
                await _spaced(path)
        seconds: dict[str, list[list[float]]] = {name: [] for name in paths}
        loads = []
        for _ in range(BLOCKS):
            for name, path in paths.items():
                await asyncio.sleep(SETTLE_SECONDS)
                seconds[name].append([await _spaced(path) for _ in range(ORDERS_PER_BLOCK)])
            loads.append(os.getloadavg()[0])
        memory = {service: _resident_megabytes(desk.pid(service)) for service in plan.services}
    return seconds, memory, statistics.mean(loads)


def _without_rate(desk_file: str) -> str:
    """The desk file, with as many intents a minute as one likes: the blocks send thirty a second."""
    text, found = re.subn(r"(?m)^intents_per_minute_max = .*$", "intents_per_minute_max = 1000000", desk_file)
    assert found == 1
    return text


async def _spaced(path: Path_) -> float:
    spacing = asyncio.create_task(asyncio.sleep(SPACING_SECONDS))
    seconds = await path.one()
    await spacing
    return seconds


def _resident_megabytes(pid: int | None) -> float:
    """Of a service and the processes that it has started: at most, for what they share counts for each."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(line.split()[1]) / 1024 + sum(_resident_megabytes(int(each)) for each in started)


def run() -> list[dict[str, Any]]:
    """The rows of the order path and of the services' memory after it."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, memory, load = asyncio.run(_measure(Path(folder)))
    rows = [
        _row(seconds, name, percent, ratio_max, reference, load)
        for reference, goals in (
            (CHAIN, (("p50", 50, P50_RATIO_MAX), ("p99", 99, P99_RATIO_MAX))),
            (OLD_CHAIN, (("p50", 50, None), ("p99", 99, None))),
        )
        for name, percent, ratio_max in goals
    ]
    rows += [
        {
            "name": f"resident memory of {service}",
            "value": round(megabytes, 1),
            "unit": "MB",
            "reference": "",
            "ratio": None,
            "goal": f"<= {MEMORY_MEGABYTES_MAX:g} MB",
            "met": megabytes <= MEMORY_MEGABYTES_MAX,
        }
        for service, megabytes in memory.items()
    ]
    return rows


def _row(
    seconds: dict[str, list[list[float]]],
    name: str,
    percent: int,
    ratio_max: float | None,
    reference: str,
    load: float,
) -> dict[str, Any]:
    """One percentile of all orders beside the reference's; in words, the median's ratio in each pair of blocks."""
    value, other = (_percentile(list(chain(*seconds[path])), percent) * 1000 for path in (DESK, reference))
    pairs = [
        statistics.median(ours) / statistics.median(theirs)
        for ours, theirs in zip(seconds[DESK], seconds[reference], strict=True)
    ]
    of_pairs = f"; p50 of {len(pairs)} pairs of blocks {min(pairs):.2f}-{max(pairs):.2f}" if percent == 50 else ""
    ratio = value / other
    return {
        "name": f"intent -> order on the venue's socket, {name}",
        "value": round(value, 3),
        "unit": "ms",
        "reference": f"{reference}: {other:.3f} ms, {BLOCKS * ORDERS_PER_BLOCK} orders each, load {load:.1f}{of_pairs}",
        "ratio": round(ratio, 2),
        "goal": f"ratio <= {ratio_max:g}" if ratio_max is not None else "",
        "met": ratio <= ratio_max if ratio_max is not None else None,
    }


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

"""Bare chains of processes that store messages and write to a socket: what the paths of the desk are measured beside.

A chain has a nats-server of its own, of the desk's version and on the same disk; a sender; a `benchmarks.bare_chain`
process for each message that is taken on; and a relay that says when an order has arrived. Sender and links are asyncio
and nats-py as they come, and each message is stored under a message id. It must not know the desk's own code, but for
how its streams are declared.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from signalbox.bus.bootstrap import consumer_config, stream_config
from signalbox.streams import STREAMS
from signalbox_cli.ports import free_port

ARRIVAL_SECONDS_MAX = 20.0
API_SECONDS_MAX = 5.0
HOP_BYTES = {"intent": 400, "decision": 1400, "command": 700, "claim": 700}
"""What the chains store at each hop: as many messages, of the sizes, that the desk's order passes through."""


@dataclass(frozen=True)
class Hop:
    """Where a message is stored, and who takes it there; `{name}` in a subject is the order's."""

    stream: str
    subject: str
    size_bytes: int
    consumer: str


AS_THE_DESK = (
    Hop("INTENTS", "intent.bench.ibkr.SPY", HOP_BYTES["intent"], "risk"),
    Hop("TRADE", "decision.approved.ibkr.DU1", HOP_BYTES["decision"], "oms"),
    Hop("COMMANDS", "command.ibkr.{name}.0", HOP_BYTES["command"], "gateway-ibkr"),
    Hop("LEDGER", "ledger.ibkr.{name}", HOP_BYTES["claim"], ""),
)
"""Four messages in streams as `signalbox.streams` declares them; the order is written once the last one is stored."""
WITHOUT_CLAIM = tuple(Hop(hop, f"chain.{hop}", HOP_BYTES[hop], "link") for hop in ("intent", "decision", "command"))
"""Three messages in streams as NATS makes them; the order is written when the last one has been taken."""


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

    def fail(self, name: str, why: str) -> None:
        """Whoever waits for a name is told that it will not come."""
        arrived = self._expected.pop(name, None)
        if arrived is not None:
            arrived.set_exception(RuntimeError(why))

    async def close(self) -> None:
        await end(self._process)
        await self._reading

    async def _read(self, lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            name, at = line.decode().split()
            arrived = self._expected.pop(name, None)
            if arrived is not None:
                arrived.set_result(float(at))


class ChainPath:
    """Sends messages of an intent's size through a bare chain, one at a time."""

    def __init__(self, client: Any, relay: Relay, first: Hop) -> None:
        self._context, self._relay, self._first = client.jetstream(), relay, first
        self._number = 0

    async def one(self) -> float:
        self._number += 1
        name = f"chain-{self._number}-{secrets.token_hex(4)}"
        payload = name.encode().ljust(self._first.size_bytes)
        arrived = self._relay.expect(name)
        began = time.perf_counter()
        await self._context.publish(self._first.subject, payload, headers={"Nats-Msg-Id": name})
        return await asyncio.wait_for(arrived, ARRIVAL_SECONDS_MAX) - began


async def bare_chain(stack: contextlib.AsyncExitStack, folder: Path, hops: tuple[Hop, ...]) -> ChainPath:
    """A chain through `hops` with its store in `folder`, until `stack` ends."""
    relay, socket_port, nats_port = Relay(), free_port(), free_port()
    await relay.start(socket_port)
    stack.push_async_callback(relay.close)
    binary = str(Path(sys.executable).parent / "nats-server")
    server = await asyncio.create_subprocess_exec(
        *(binary, "-js", "-a", "127.0.0.1", "-p", str(nats_port), "-sd", str(folder)), stderr=asyncio.subprocess.DEVNULL
    )
    stack.push_async_callback(end, server)
    url = f"nats://127.0.0.1:{nats_port}"
    client = await nats.connect(url)
    stack.push_async_callback(client.close)
    for hop in hops:
        await _make(client, hop)
    for place, hop in enumerate(hops):
        if not hop.consumer:
            continue
        command = [sys.executable, "-m", "benchmarks.bare_chain", url, hop.stream, "--consumer", hop.consumer]
        if place + 1 < len(hops):
            following = hops[place + 1]
            command += ["--subject", following.subject, "--bytes", str(following.size_bytes)]
        if place + 1 == len(hops) or not hops[place + 1].consumer:
            command += ["--socket-port", str(socket_port)]
        stack.push_async_callback(end, await asyncio.create_subprocess_exec(*command))
    return ChainPath(client, relay, hops[0])


async def _make(client: Any, hop: Hop) -> None:
    """Make a hop's stream and consumer: as the desk declares them, or as NATS makes them."""
    declared = [stream for stream in STREAMS if stream.name == hop.stream]
    if not declared:
        context = client.jetstream()
        await context.add_stream(name=hop.stream, subjects=[hop.subject])
        await context.add_consumer(hop.stream, durable_name=hop.consumer, ack_policy="explicit")
        return
    await _api(client, f"STREAM.CREATE.{hop.stream}", stream_config(declared[0]))
    for consumer in declared[0].consumers:
        if consumer.name == hop.consumer:
            config = {"stream_name": hop.stream, "config": consumer_config(consumer)}
            await _api(client, f"CONSUMER.DURABLE.CREATE.{hop.stream}.{consumer.name}", config)


async def _api(client: Any, what: str, body: dict[str, Any]) -> None:
    answer = await client.request(f"$JS.API.{what}", json.dumps(body).encode(), timeout=API_SECONDS_MAX)
    if error := json.loads(answer.data).get("error"):
        raise RuntimeError(f"{what}: {error}")


async def end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()

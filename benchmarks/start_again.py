"""How long risk and OMS take to be ready where TRADE has a million orders, and how much memory they have then.

Fills TRADE on a nats-server of its own with orders, 400 a second of desk time, that were approved, created, accepted
and filled, as risk and the OMS would have sealed them, and acknowledged; has each service fold all of it once, and
write its checkpoint; starts it again. The time is that of the service's process from its beginning until it says that
it is ready to decide: for the OMS ready, for risk rebuilt (it then waits for heartbeats and prices, which no venue
sends here). The reference is the same start without checkpoint.

    python -m benchmarks.start_again [ORDERS]
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from signalbox.accounts import password_variable
from signalbox.bus.bootstrap import USERS, bootstrap, complete_seals, new_password
from signalbox.bus.client import BusClient
from signalbox.bus.snapshots import set_consumer_place
from signalbox.messages import TradingMode, TradingState
from signalbox.seals import SEAL_HEADER, Seals, parse
from signalbox_cli.ports import free_port

from benchmarks.recorder_speed import NATS_CONFIGURATION, ROOT, _client, _memory_of_one, _wait_for

ORDERS = 1_000_000
MESSAGES_AT_A_STRETCH = 1_000
READY_SECONDS_MAX, MEMORY_MEGABYTES_MAX = 10.0, 90.0
FOLD_SECONDS_MAX = 3_000.0
READY = {"oms": "started", "risk": "rebuilt"}
WRITTEN = "wrote a checkpoint"

_OF_ORDER = '"venue":"ibkr","account":"DU0000001","order_id":"{id}"'
_INTENT = (
    '{{"type":"OrderIntent","id":"{id}","at":"{traded}","venue":"ibkr","symbol":"SPY","side":"{side}",'
    '"quantity":"100","order_type":"LIMIT","limit_price":"{price}","account":"DU0000001"}}'
)
_ORDER = (
    '{{"order_id":"{id}","intent_id":"{id}","venue":"ibkr","account":"DU0000001","symbol":"SPY","side":"{side}",'
    '"quantity":"100","order_type":"LIMIT","limit_price":"{price}"}}'
)
_FILL = (
    '{{"execution_id":"0000e0d5.{number:08x}.01","revision":1,"order_id":"{id}","symbol":"SPY","side":"{side}",'
    '"quantity":"100","price":"{price}","at":"{traded}"}}'
)
_DECISION = (
    '{{"type":"IntentApproved","id":"decision-{number}-0","at":"{traded}","cause":"{id}","intent_sequence":{number},'
    '"intent":' + _INTENT + ',"order_id":"{id}","checks":[],"reference_price":"{price}","by":"user",'
    '"intent_stored_at":"2026-01-05T14:30:59Z"}}'
)
_CREATED = (
    '{{"type":"OrderCreated","id":"{id}/1","at":"{traded}","cause":"decision-{number}-0",' + _OF_ORDER + ","
    '"status":"PENDING_NEW","order":' + _ORDER + ',"reference_price":"{price}"}}'
)
_ACCEPTED = (
    '{{"type":"OrderAccepted","id":"{id}/2","at":"{traded}","cause":"report/{number}",' + _OF_ORDER + ","
    '"status":"NEW","venue_order_id":"{number}"}}'
)
_FILLED = (
    '{{"type":"OrderFilled","id":"{id}/3","at":"{traded}","cause":"report/{number}/f",' + _OF_ORDER + ","
    '"status":"FILLED","fill":' + _FILL + ',"cumulative_quantity":"100","leaves_quantity":"0"}}'
)
_BASELINE = (
    '{"type":"AccountAdopted","id":"ibkr/DU0000001/_baseline/1","at":"2026-01-05T13:59:00Z",'
    '"venue":"ibkr","account":"DU0000001",'
    '"order_id":"_baseline","status":"FILLED","currency":"USD","cash":"1000000","positions":[],"execution_ids":[]}'
)


class Start(NamedTuple):
    """One start of a service: until it was ready, and the megabytes that it has then, and had at most."""

    seconds: float
    resident: float
    most: float


def stored(orders: int) -> Iterator[tuple[str, str, bytes]]:
    """The user who writes it, the subject and the payload of every message of TRADE."""
    yield "oms", "order.ibkr.DU0000001._baseline", _BASELINE.encode()
    for number in range(1, orders + 1):
        order_id = f"20260105-signal-{number:08d}"
        minute, second = divmod(number // 400 % 3600, 60)
        words = {
            "number": number,
            "id": order_id,
            "side": "BUY" if number % 2 else "SELL",
            "price": f"{470 + number % 90 / 100:.2f}",
            "traded": f"2026-01-{5 + number // 1_440_000:02d}T14:{minute:02d}:{second:02d}.{number % 400:03d}000Z",
        }
        subject = f"order.ibkr.DU0000001.{order_id}"
        yield "risk", "decision.approved.ibkr.DU0000001", _DECISION.format_map(words).encode()
        for text in (_CREATED, _ACCEPTED, _FILLED):
            yield "oms", subject, text.format_map(words).encode()


class Desk:
    """A nats-server with its streams, in a folder; ends when it is closed."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.passwords = {user: new_password() for user in USERS}
        self.seals = complete_seals({})
        self.environment = os.environ | {password_variable(user): password for user, password in self.passwords.items()}
        command = [str(Path(sys.executable).with_name("nats-server")), "-c", str(NATS_CONFIGURATION)]
        command += ["-a", "127.0.0.1", "-p", str(self.port), "-sd", str(folder / "store")]
        self.server = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for(self.server, self.port)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.terminate()
        self.server.wait()

    async def fill(self, orders: int) -> int:
        """Make the streams and fill TRADE; how many messages it has."""
        client = await _client(self.url, "bootstrap", self.passwords)
        await bootstrap(client, _active(), parse(self.seals["bootstrap"]))
        await client.close()
        writers = {user: await _client(self.url, user, self.passwords) for user in ("risk", "oms")}
        seals = {user: parse(self.seals[user]) for user in writers}
        count = 0
        for user, subject, payload in stored(orders):
            await writers[user].publish(subject, payload, headers=_sealed(seals[user], subject, payload))
            count += 1
            if count % MESSAGES_AT_A_STRETCH == 0:
                await _until_stored(writers["oms"], count)
        await _until_stored(writers["oms"], count)
        for writer in writers.values():
            await writer.close()
        client = await _client(self.url, "bootstrap", self.passwords)
        for consumer in ("risk", "oms", "oms-denied"):
            await set_consumer_place(client, "TRADE", consumer, count)
        await client.close()
        return count

    def start(self, service: str, *, until_written: bool = False) -> Start:
        """Start a service; how it went. `until_written` = have it write a checkpoint before it ends."""
        environment = self.environment | {
            "SIGNALBOX_NATS_URL": self.url,
            "SIGNALBOX_NATS_USER": service,
            "SIGNALBOX_NATS_PASSWORD": self.passwords[service],
            "SIGNALBOX_SEALS": self.seals[service],
            "SIGNALBOX_DESK_FILE": str(ROOT / "deploy/desk.toml"),
            "SIGNALBOX_HTTP_PORT": str(free_port()),
        }
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", service], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            _wait_for_line(process, READY[service])
            seconds = time.perf_counter() - began
            memory = _memory_of_one(process.pid)
            if until_written:
                _wait_for_line(process, WRITTEN)
            return Start(seconds, memory.resident, memory.most)
        finally:
            process.terminate()
            process.wait()


def _active() -> TradingState:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    return TradingState(id="trading-state/initial", at=at, mode=TradingMode.ACTIVE, reason="initial", by="bootstrap")


def _sealed(seals: Seals, subject: str, payload: bytes) -> dict[str, str]:
    return {SEAL_HEADER: seals.seal(subject, lambda name: "", payload)}


async def _until_stored(client: BusClient, count: int) -> None:
    """Return once TRADE has so many messages: what is published without an answer must not pile up."""
    ask = json.dumps({"seq": count}).encode()
    while True:
        answer = await client.ask("$JS.API.DIRECT.GET.TRADE", ask, 10.0)
        if b"Nats-Sequence" in bytes(answer.headers):
            return
        await asyncio.sleep(0.01)


def _wait_for_line(process: subprocess.Popen[bytes], message: str) -> None:
    assert process.stdout is not None
    deadline = time.monotonic() + FOLD_SECONDS_MAX
    for line in process.stdout:
        if f'"{message}"'.encode() in line or time.monotonic() > deadline:
            break
    else:
        raise RuntimeError(f"the service ended before it said {message!r}")
    if time.monotonic() > deadline:
        raise RuntimeError(f"the service did not say {message!r} within {FOLD_SECONDS_MAX:g} s")


def measure(orders: int) -> dict[str, tuple[Start, Start]]:
    """By service, the start that folds everything, and the one after it."""
    with tempfile.TemporaryDirectory() as name:
        desk = Desk(Path(name))
        try:
            asyncio.run(desk.fill(orders))
            starts = {}
            for service in READY:
                starts[service] = desk.start(service, until_written=True), desk.start(service)
                print(service, *starts[service], file=sys.stderr, flush=True)
            return starts
        finally:
            desk.close()


def run(orders: int = ORDERS) -> list[dict[str, Any]]:
    """The rows of the table."""
    rows: list[dict[str, Any]] = []
    for service, (whole, again) in measure(orders).items():
        rows += [
            {
                "name": f"{service}: ready after a start, {orders:,} orders in TRADE",
                "value": round(again.seconds, 2),
                "unit": "s",
                "reference": f"without its checkpoint: {whole.seconds:.1f} s",
                "ratio": round(again.seconds / whole.seconds, 3),
                "goal": f"<= {READY_SECONDS_MAX:g} s",
                "met": again.seconds <= READY_SECONDS_MAX,
            },
            {
                "name": f"{service}: resident memory then",
                "value": round(again.resident, 1),
                "unit": "MB",
                "reference": f"{again.most:.1f} MB at its most; without its checkpoint {whole.resident:.1f} MB",
                "ratio": None,
                "goal": f"<= {MEMORY_MEGABYTES_MAX:g} MB",
                "met": again.resident <= MEMORY_MEGABYTES_MAX,
            },
        ]
    return rows


if __name__ == "__main__":
    for row in run(int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS):
        print(row)

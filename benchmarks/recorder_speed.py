"""How fast the recorder takes a full stream: from JetStream to committed rows, by the real process.

Fills BARS on a nats-server of its own with bars of the usual size, starts `python -m recorder` on an empty file, and
takes the rate between the first rows seen committed and the last: starting and connecting are not in it. Beside it, in
the same run, the ingest alone: the same rows into a database, without NATS. That is no rival: it says what DuckDB
leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from recorder.database import Database
from recorder.state import Batch, Place, Stored
from signalbox import messages, subjects
from signalbox.accounts import password_variable
from signalbox.bus import Bus, BusSettings
from signalbox.bus.bootstrap import USERS, bootstrap, new_password
from signalbox.bus.client import BusClient
from signalbox.errors import BusUnavailableError
from signalbox.messages import QueryReply, QueryRequest, ServiceStatus, TradingMode, TradingState
from signalbox.seals import NO_SEALS
from signalbox_cli.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
ROWS = 300_000
BATCH_ROWS = 4_000
MEMORY_MEGABYTES = 256
"""As the recorder's settings have it."""
LIVE_ROWS, LIVE_SPACING_SECONDS = 1_500, 0.01
ROWS_PER_SECOND_GOAL = 50_000
MEMORY_MEGABYTES_MAX = 90.0
START_SECONDS_MAX = 30.0
RECORD_SECONDS_MAX = 120.0
QUERY_SECONDS_MAX = 15.0
NATS_CONFIGURATION = ROOT / "deploy/nats/nats.conf"
SERVER_SECONDS_MAX = 10.0


class Memory(NamedTuple):
    """Megabytes of a process, by the kernel's count."""

    resident: float
    anonymous: float
    of_files: float
    most: float


def payload(number: int) -> bytes:
    """A bar as a gateway writes it, about 330 bytes."""
    return (
        f'{{"type":"Bar","id":"bar/ibkr/SPY/1m/{number}","at":"2026-01-05T14:31:00Z","cause":"","venue":"ibkr",'
        '"symbol":"SPY","timeframe":"1m","start":"2026-01-05T14:30:00Z","open":"470.12","high":"470.55","low":"470.01",'
        '"close":"470.33","volume":"123456","trades":0,"source":"LIVE","received_at":"2026-01-05T14:31:00.123456Z"}'
    ).encode()


def ingest_rows_per_second(directory: Path) -> float:
    """Rows a second into a database, without NATS."""
    rows = [
        Stored(n, f"md.bar.{n % 8}.ibkr.S{n % 100}.1m", 1_767_623_460_000_000_000 + n, f"bar/{n}", payload(n))
        for n in range(1, ROWS + 1)
    ]
    database = Database(directory / "ingest.duckdb", MEMORY_MEGABYTES)
    started = time.perf_counter()
    for at in range(0, ROWS, BATCH_ROWS):
        part = rows[at : at + BATCH_ROWS]
        database.write([Batch("BARS", Place(1, "made", part[-1].sequence), part)])
    seconds = time.perf_counter() - started
    database.close()
    return ROWS / seconds


def end_to_end(directory: Path) -> tuple[float, Memory]:
    """Rows a second from a full stream, and the recorder's memory some live seconds later."""
    passwords = {user: new_password() for user in USERS}
    port = str(free_port())
    url = f"nats://127.0.0.1:{port}"
    environment = os.environ | {password_variable(user): password for user, password in passwords.items()}
    command = [str(Path(sys.executable).with_name("nats-server")), "-c", str(NATS_CONFIGURATION)]
    command += ["-a", "127.0.0.1", "-p", port, "-sd", str(directory / "store")]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    recorder: subprocess.Popen[bytes] | None = None
    try:
        _wait_for(server, int(port))
        asyncio.run(_fill(url, passwords))
        environment |= {
            "SIGNALBOX_NATS_URL": url,
            "SIGNALBOX_NATS_USER": "recorder",
            "SIGNALBOX_NATS_PASSWORD": passwords["recorder"],
            "SIGNALBOX_DESK_FILE": str(ROOT / "deploy/desk.toml"),
            "SIGNALBOX_DATABASE_FILE": str(directory / "desk.duckdb"),
        }
        recorder = subprocess.Popen([sys.executable, "-m", "recorder"], env=environment, stderr=subprocess.DEVNULL)
        rate = asyncio.run(_measure(url, passwords["user"]))
        asyncio.run(_live(url, passwords))
        return rate, _memory(recorder.pid)
    finally:
        for process in (recorder, server):
            if process is not None:
                process.terminate()
                process.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    """Return once nats-server listens; raises when it has ended, or does not within the bound."""
    deadline = time.monotonic() + SERVER_SECONDS_MAX
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(
                f"nats-server ended with status {server.returncode}: does it accept {NATS_CONFIGURATION}?"
            )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nats-server does not listen within {SERVER_SECONDS_MAX:g} s")


async def _fill(url: str, passwords: dict[str, str]) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    state = TradingState(id="trading-state/initial", at=at, mode=TradingMode.ACTIVE, reason="initial", by="bench")
    client = await _client(url, "bootstrap", passwords)
    await bootstrap(client, state, NO_SEALS)
    await client.close()
    client = await _client(url, "gateway-ibkr", passwords)
    for number in range(ROWS):
        headers = {"Nats-Msg-Id": f"bar/ibkr/SPY/1m/{number}"}
        await client.publish(f"md.bar.ibkr.S{number % 100}.1m", payload(number), headers=headers)
        if number % 5_000 == 0:
            await client.flush()
            await asyncio.sleep(0.05)  # the server's store keeps up
    await client.flush()
    await asyncio.sleep(1.0)
    await client.close()


async def _client(url: str, user: str, passwords: dict[str, str]) -> BusClient:
    client = BusClient()
    await client.connect(url, user=user, password=passwords[user], inbox_prefix=f"_INBOX.{user}".encode())
    return client


async def _measure(url: str, password: str) -> float:
    bus = await Bus.connect(BusSettings(url=url, user="user", password=password, name="user"))
    try:
        first_at, first_rows = 0.0, 0
        async with asyncio.timeout(START_SECONDS_MAX + RECORD_SECONDS_MAX):
            while True:
                rows = await _rows(bus)
                if rows and not first_rows:
                    first_at, first_rows = time.perf_counter(), rows
                if rows >= ROWS:
                    return (rows - first_rows) / (time.perf_counter() - first_at)
                await asyncio.sleep(0.05)
    finally:
        await bus.drain()


async def _live(url: str, passwords: dict[str, str]) -> None:
    """What a running desk does: a query of each kind, then 100 bars a second for longer than a query's memory lasts."""
    bus = await Bus.connect(BusSettings(url=url, user="user", password=passwords["user"], name="user"))
    client = await _client(url, "gateway-ibkr", passwords)
    try:
        for view in ("bars", "orders", "latencies"):
            request = QueryRequest(sql=f"SELECT * FROM {view}", row_limit=10)
            reply: QueryReply = messages.decode(
                await bus.request(subjects.QUERY, messages.encode(request), QUERY_SECONDS_MAX), QueryReply
            )
            if reply.error:
                raise RuntimeError(f"the recorder did not answer from {view}: {reply.error}")
        for number in range(ROWS, ROWS + LIVE_ROWS):
            headers = {"Nats-Msg-Id": f"bar/ibkr/SPY/1m/{number}"}
            await client.publish(f"md.bar.ibkr.S{number % 100}.1m", payload(number), headers=headers)
            await asyncio.sleep(LIVE_SPACING_SECONDS)
        async with asyncio.timeout(RECORD_SECONDS_MAX):
            while await _rows(bus) < ROWS + LIVE_ROWS:
                await asyncio.sleep(0.05)
    finally:
        await client.close()
        await bus.drain()


async def _rows(bus: Bus) -> int:
    status = await _status(bus)
    return int(status.details.get("rows", "0")) if status else 0


async def _status(bus: Bus) -> ServiceStatus | None:
    try:
        answer = await bus.request(subjects.status("recorder"), b"", 1.0)
    except BusUnavailableError:
        return None
    status: ServiceStatus = messages.decode(answer, ServiceStatus)
    return status


def _memory(pid: int) -> Memory:
    """Of the recorder and the keeper of its database."""
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    of_each = [_memory_of_one(each) for each in (pid, *map(int, started))]
    return Memory(*(sum(figures) for figures in zip(*of_each, strict=True)))


def _memory_of_one(pid: int) -> Memory:
    """What is shared with other processes is shared out, but at its most."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    resident, anonymous, of_files = (
        int(rollup.split(f"\n{name}:")[1].split()[0]) / 1024 for name in ("Pss", "Pss_Anon", "Pss_File")
    )
    most = int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    return Memory(resident, anonymous, of_files, most)


def run() -> list[dict[str, Any]]:
    """The rows of the table: end to end and the memory after it, with the ingest alone as the reference."""
    with tempfile.TemporaryDirectory() as name:
        ingest = ingest_rows_per_second(Path(name))
        rate, memory = end_to_end(Path(name))
    message = f"{ROWS:,} messages of {len(payload(ROWS))} B with a Nats-Msg-Id"
    return [
        {
            "name": f"recorder: {message}, full stream -> committed rows",
            "value": round(rate),
            "unit": "rows/s",
            "reference": f"the same rows into DuckDB without NATS: {ingest:,.0f} rows/s",
            "ratio": round(rate / ingest, 2),
            "goal": f">= {ROWS_PER_SECOND_GOAL:,} rows/s",
            "met": rate >= ROWS_PER_SECOND_GOAL,
        },
        {
            "name": f"resident memory of the recorder after these {ROWS:,} messages, queries and 15 s of live bars",
            "value": round(memory.resident, 1),
            "unit": "MB",
            "reference": f"{memory.anonymous:.1f} MB of its own, {memory.of_files:.1f} MB pages of files; "
            f"at its most {memory.most:.1f} MB",
            "ratio": None,
            "goal": f"<= {MEMORY_MEGABYTES_MAX:g} MB",
            "met": memory.resident <= MEMORY_MEGABYTES_MAX,
        },
    ]


if __name__ == "__main__":
    for row in run():
        print(row)

"""Who subscribes and does not read costs the server a bounded amount, and the desk nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from signalbox.accounts import MESSAGE_BYTES_MAX

DEAF, CHUNK_BYTES, CHUNKS = 20, 512 * 1024, 120
PENDING_BYTES_MAX = 16 * 1024 * 1024  # max_pending of nats.conf
REST_BYTES_MAX = 200 * 1024 * 1024  # what the server holds for itself and the runtime gives back late
WAIT_SECONDS_MAX = 60


async def deaf(server: Any) -> asyncio.StreamWriter:
    """A connection of `user` that subscribes to everything, and reads nothing any more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    await reader.readline()
    login = {"user": "user", "pass": server.password("user"), "verbose": False, "pedantic": False}
    writer.write(f"CONNECT {json.dumps(login)}\r\nSUB > 1\r\nPING\r\n".encode())
    assert await reader.readline() == b"PONG\r\n"
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return writer


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024


async def test_a_message_longer_than_a_person_may_send_ends_his_connection_and_reaches_nothing(
    nats_server: Any,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
    connect = {"user": "user", "pass": nats_server.password("user"), "verbose": False}
    size = MESSAGE_BYTES_MAX + 1
    writer.write(b"CONNECT %s\r\nPUB status.risk %d\r\n" % (json.dumps(connect).encode(), size))
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        with contextlib.suppress(ConnectionError):
            assert b"Maximum Payload Violation" in await reader.read()
    writer.transport.abort()
    answer = await (await nats_server.connect("user")).raw_publish("intent.ibkr.SPY", b"{}")
    assert answer.sequence == 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
async def test_twenty_who_do_not_read_cost_a_bounded_amount_and_others_hear_everything(nats_server: Any) -> None:
    gateway: Client = await nats_server.client("gateway-ibkr")
    risk: Client = await nats_server.client("risk")
    heard = asyncio.Event()
    count, most = 0, 0

    async def note(_: Any) -> None:
        nonlocal count
        count += 1
        if count == CHUNKS:
            heard.set()

    await risk.subscribe("md.quote.>", cb=note)
    await risk.flush()
    lost: list[None] = []

    async def gone() -> None:
        lost.append(None)

    risk._disconnected_cb = gateway._disconnected_cb = gone
    before = resident_bytes(nats_server._process.pid)
    silent = [await deaf(nats_server) for _ in range(DEAF)]
    for _ in range(CHUNKS):
        await gateway.publish("md.quote.ibkr.SPY", b"x" * CHUNK_BYTES)
        await gateway.flush(WAIT_SECONDS_MAX)
        most = max(most, resident_bytes(nats_server._process.pid) - before)
    await asyncio.wait_for(heard.wait(), WAIT_SECONDS_MAX)
    assert not lost
    assert most < DEAF * PENDING_BYTES_MAX + REST_BYTES_MAX, f"{most / 2**20:.0f} MiB"
    answer = await (await nats_server.connect("user")).raw_publish("intent.ibkr.SPY", b"{}")
    assert answer.sequence == 1
    for writer in silent:
        writer.transport.abort()
    await risk.close()
    await gateway.close()

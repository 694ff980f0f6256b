"""The OMS as a process: it starts on settings and a desk file, becomes ready, works, and drains on SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from signalbox import messages, subjects
from signalbox.errors import BusError
from signalbox.messages import ServiceStatus

WAIT_SECONDS_MAX = 60.0
DESK = Path(__file__).resolve().parents[2] / "deploy/desk.toml"


async def start(**settings: str) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oms"),
        env=environment | {f"SIGNALBOX_{name.upper()}": value for name, value in settings.items()},
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_becomes_ready_works_and_drains(nats_server: Any, make: Any) -> None:
    process = await start(
        nats_url=nats_server.url,
        nats_user="oms",
        nats_password=nats_server.password("oms"),
        seals=nats_server.seal_texts["oms"],
        desk_file=str(DESK),
    )
    try:
        log = await work_and_end(process, nats_server, make)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, log
    assert "OrderCreated" in log


async def work_and_end(process: asyncio.subprocess.Process, nats_server: Any, make: Any) -> str:
    """Wait until it is ready, have it handle one decision, tell it to stop; what it has logged."""
    user, risk, gateway = [await nats_server.connect(name) for name in ("user", "risk", "gateway-ibkr")]
    status: ServiceStatus | None = None
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while status is None or not status.ready:
            try:
                status = messages.decode(await user.request(subjects.status("oms"), b"", 1.0), ServiceStatus)
            except BusError:
                await asyncio.sleep(0.05)
        [instrument] = [known for known in make.desk().state.instruments.values() if known.symbol == "AAPL"]
        await gateway.publish(subjects.instrument("ibkr", "AAPL"), instrument)
        await risk.publish(subjects.decision(make.approved(), "DU1", "ibkr"), make.approved())
        while await gateway.last("COMMANDS", subjects.command("ibkr", "o-1", 0)) is None:
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, log = await asyncio.wait_for(process.communicate(), WAIT_SECONDS_MAX)
    return log.decode()


async def test_it_names_every_missing_setting_and_does_not_start() -> None:
    process = await start(unknown_grace_seconds="soon")
    _, log = await asyncio.wait_for(process.communicate(), WAIT_SECONDS_MAX)
    assert process.returncode == 2
    for name in (b"NATS_URL", b"NATS_PASSWORD", b"DESK_FILE", b"UNKNOWN_GRACE_SECONDS="):
        assert name in log

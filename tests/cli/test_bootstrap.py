"""`signalbox bootstrap` on a server of one's own: all is made, twice changes nothing, and trading begins HALTED."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from signalbox import messages, subjects
from signalbox.bus.bootstrap import BOOTSTRAP
from signalbox.messages import TradingMode, TradingState

DESK_FILE = Path(__file__).resolve().parents[2] / "deploy/desk.toml"


async def run(*words: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "signalbox_cli", "bootstrap", *words),
        env={name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_everything_is_made_and_trading_is_halted(nats_server_without_streams):
    server = nats_server_without_streams
    environment = {
        "SIGNALBOX_NATS_URL": server.url,
        "SIGNALBOX_NATS_PASSWORD": server.password(BOOTSTRAP),
        **server.seal_settings(BOOTSTRAP),
    }
    for _ in range(2):
        status, said = await run(**environment)
        assert status == 0, said
    recorder = await server.connect("recorder")
    last = await recorder.last("KV_CONTROL", subjects.ALL_TRADING_STATES)
    assert last is not None
    assert messages.decode(last.payload, TradingState).mode is TradingMode.HALTED
    assert [received async for received in recorder.read("TRADE")] == []


async def test_a_wrong_password_and_a_missing_address_are_said_in_one_line(nats_server_without_streams):
    server = nats_server_without_streams
    status, said = await run(
        SIGNALBOX_NATS_URL=server.url, SIGNALBOX_NATS_PASSWORD="wrong", **server.seal_settings(BOOTSTRAP)
    )
    assert status == 1
    assert "can not be used as 'bootstrap'" in said
    assert said.count("\n") == 1
    status, said = await run()
    assert status == 2
    assert "SIGNALBOX_NATS_URL is not set" in said


async def first_state(server, desk_file: Path) -> TradingMode:
    environment = {
        "SIGNALBOX_NATS_URL": server.url,
        "SIGNALBOX_NATS_PASSWORD": server.password(BOOTSTRAP),
        **server.seal_settings(BOOTSTRAP),
    }
    status, said = await run("--active-if-simulated", **environment, SIGNALBOX_DESK_FILE=str(desk_file))
    assert status == 0, said
    last = await (await server.connect("recorder")).last("KV_CONTROL", subjects.ALL_TRADING_STATES)
    assert last is not None
    return messages.decode(last.payload, TradingState).mode


async def test_a_desk_on_a_simulators_clock_may_begin_active(nats_server_without_streams):
    assert await first_state(nats_server_without_streams, DESK_FILE) is TradingMode.ACTIVE


async def test_a_desk_on_the_walls_clock_begins_halted_whatever_is_asked(nats_server_without_streams, tmp_path):
    wall = tmp_path / "desk.toml"
    wall.write_text(DESK_FILE.read_text().replace('clock = "simulated"', 'clock = "wall"'))
    assert await first_state(nats_server_without_streams, wall) is TradingMode.HALTED

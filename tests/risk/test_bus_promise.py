"""Real money is not decided about on a NATS that may forget: risk ends with status 2, and says what to do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from risk.bus_promise import hold_to_durability
from signalbox.bus import Bus
from signalbox.desk import Desk, Durability, Mode, NatsServers, load_desk
from signalbox.errors import BusUnavailableError, ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
LIVE = (ROOT / "deploy/desk.toml").read_text().replace('mode = "paper"', 'mode = "live"')
LIVE = LIVE.replace('"simulated"', '"wall"').replace("DU1234567", "U1234567")
LIVE += '\n[nats]\ndurability = "fsync"\n'
WAIT_SECONDS_MAX = 60.0


def live_desk(folder: Path, durability: Durability) -> Desk:
    path = folder / "live.toml"
    path.write_text(LIVE.replace('"fsync"', f'"{durability.value}"'))
    return load_desk(path)


async def promise(server: Any, desk: Desk) -> tuple[Bus, list[BaseException]]:
    failures: list[BaseException] = []
    bus = await server.connect("risk")
    await hold_to_durability(bus, desk, failures.append)
    return bus, failures


def configured(server: Any, name: str) -> None:
    server.configuration = ROOT / "deploy/nats" / name


async def test_a_server_that_syncs_is_one_for_real_money(nats_server: Any, tmp_path: Path) -> None:
    configured(nats_server, "fsync.conf")
    nats_server.restart()
    await nats_server.listening()
    _, failures = await promise(nats_server, live_desk(tmp_path, Durability.FSYNC))
    assert failures == []


@pytest.mark.parametrize(
    ("stated", "told"),
    [(Durability.FSYNC, "start nats-server with deploy/nats/fsync.conf"), (Durability.REPLICATED, "--replicas 3")],
)
async def test_a_server_that_may_forget_is_not(nats_server: Any, tmp_path: Path, stated: Durability, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        await promise(nats_server, live_desk(tmp_path, stated))


async def test_replicas_that_are_stated_and_not_there_are_not_made_up_for_by_syncing(
    nats_server: Any, tmp_path: Path
) -> None:
    configured(nats_server, "fsync.conf")
    nats_server.restart()
    await nats_server.listening()
    with pytest.raises(ConfigurationError, match='what NATS gives is "fsync"'):
        await promise(nats_server, live_desk(tmp_path, Durability.REPLICATED))


async def test_a_server_that_comes_back_weaker_ends_risk(nats_server: Any, tmp_path: Path) -> None:
    configured(nats_server, "fsync.conf")
    nats_server.restart()
    await nats_server.listening()
    _, failures = await promise(nats_server, live_desk(tmp_path, Durability.FSYNC))
    configured(nats_server, "nats.conf")
    nats_server.restart()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not failures:
            await asyncio.sleep(0.02)
    assert isinstance(failures[0], ConfigurationError)


async def test_without_streams_nothing_can_be_said_yet(nats_server_without_streams: Any, tmp_path: Path) -> None:
    with pytest.raises(BusUnavailableError, match="TRADE"):
        await promise(nats_server_without_streams, live_desk(tmp_path, Durability.FSYNC))


async def test_a_paper_desk_relies_on_what_there_is(nats_server: Any) -> None:
    desk = load_desk(ROOT / "deploy/desk.toml")
    assert (desk.mode, desk.nats) == (Mode.PAPER, NatsServers())
    _, failures = await promise(nats_server, desk)
    assert failures == []


async def test_the_process_ends_with_status_2_and_says_why(nats_server: Any, process: Any, tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text(LIVE)
    process.start()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while process.runs():
            await asyncio.sleep(0.02)
    assert process.status() == 2
    assert "start nats-server with deploy/nats/fsync.conf" in (tmp_path / "risk.log").read_text()

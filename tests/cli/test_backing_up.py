"""The order in which streams are copied, and what is refused as a backup."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from signalbox.bus import Received, snapshots
from signalbox.bus.client import BusClient
from signalbox.errors import ConfigurationError
from signalbox.streams import STREAMS
from signalbox_cli.backing_up import MANIFEST, ORDER, copy_database, read_manifest, restore_streams, save_streams


def test_every_stream_is_copied_once() -> None:
    assert sorted(ORDER) == sorted(stream.name for stream in STREAMS)


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        ("REPORTS", "TRADE"),
        ("INTENTS", "TRADE"),
        ("TRADE", "TIMERS"),
        ("TRADE", "COMMANDS"),
        ("COMMANDS", "LEDGER"),
        ("BARS", "SCORES"),
    ],
)
def test_what_is_acknowledged_in_a_copy_has_its_effect_in_a_later_one(cause: str, effect: str) -> None:
    assert ORDER.index(cause) < ORDER.index(effect)


async def test_what_is_acknowledged_while_streams_are_copied_is_delivered_again_after_a_restore(
    nats_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its effect may have come after the copy: JetStream writes a stream's consumers behind its messages."""
    await (await nats_server.connect("oms")).raw_publish("order.ibkr.DU1.i", b"{}")
    save, risk = snapshots.save_stream, await nats_server.connect("risk")
    handled = asyncio.Event()

    async def handle(_: Received) -> None:
        handled.set()

    async def acknowledged_first(client: BusClient, stream: str, file: Path) -> dict[str, Any]:
        if stream == "TRADE":
            await risk.consume("TRADE", "risk", handle)
            await handled.wait()
            await risk.stop_consuming()
            assert await risk.consumer_floor("TRADE", "risk") == 1
        return await save(client, stream, file)

    monkeypatch.setattr(snapshots, "save_stream", acknowledged_first)
    bootstrap = await nats_server.bus_client("bootstrap")
    manifest = await save_streams(bootstrap, tmp_path)
    await bootstrap.close()

    nats_server.kill()
    shutil.rmtree(nats_server.store)
    nats_server.start()
    await nats_server.listening()
    bootstrap = await nats_server.bus_client("bootstrap")
    await restore_streams(bootstrap, tmp_path, manifest)
    await bootstrap.close()
    again = await nats_server.connect("risk")
    assert await again.consumer_floor("TRADE", "risk") == 0
    handled.clear()
    await again.consume("TRADE", "risk", handle)
    async with asyncio.timeout(60):
        await handled.wait()


async def test_an_intent_that_waits_is_there_after_a_restore(nats_server: Any, tmp_path: Path) -> None:
    await (await nats_server.connect("user")).raw_publish("intent.ibkr.SPY", b"mine")
    risk, taken = await nats_server.connect("risk"), asyncio.Event()
    (stored,) = [received async for received in risk.read("INTENTS")]
    bootstrap = await nats_server.bus_client("bootstrap")
    manifest = await save_streams(bootstrap, tmp_path)
    await bootstrap.close()
    nats_server.kill()
    shutil.rmtree(nats_server.store)
    nats_server.start()
    await nats_server.listening()
    bootstrap = await nats_server.bus_client("bootstrap")
    await restore_streams(bootstrap, tmp_path, manifest)
    await bootstrap.close()
    found: list[Received] = []

    def take(received: Received, _: str) -> None:
        found.append(received)
        taken.set()

    async def turn() -> float | None:
        return None

    await risk.queue("INTENTS", "risk", take, turn)
    async with asyncio.timeout(60):
        await taken.wait()
    assert [(each.sequence, each.stored_at, each.payload) for each in found] == [(1, stored.stored_at, b"mine")]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of nothing."""
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for stream in ORDER:
        (tmp_path / f"{stream}.snapshot").write_bytes(b"")
    streams = {stream: {"config": {}, "state": {}, "sha256": digest} for stream in ORDER}
    (tmp_path / MANIFEST).write_text(json.dumps({"began": "2026-01-05T00:00:00+00:00", "streams": streams}))
    return tmp_path


def test_a_whole_backup_is_read(backup: Path) -> None:
    assert set(read_manifest(backup)["streams"]) == set(ORDER)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / MANIFEST).unlink(), "did not end"),
        (lambda folder: (folder / "TRADE.snapshot").unlink(), "TRADE.snapshot is missing or damaged"),
        (lambda folder: (folder / "LEDGER.snapshot").write_bytes(b"x"), "LEDGER.snapshot is missing or damaged"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused(backup: Path, damage: Callable[[Path], object], sentence: str) -> None:
    damage(backup)

    with pytest.raises(ConfigurationError, match=sentence):
        read_manifest(backup)


def leave_out(folder: Path, stream: str) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["streams"][stream]
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_backup_of_a_version_before_checkpoints_is_read(backup: Path) -> None:
    leave_out(backup, "CHECKPOINTS")
    assert "TRADE" in read_manifest(backup)["streams"]


def test_a_backup_without_any_other_stream_is_refused(backup: Path) -> None:
    leave_out(backup, "LEDGER")
    with pytest.raises(ConfigurationError, match="has no stream LEDGER"):
        read_manifest(backup)


def test_a_database_that_a_process_has_open_is_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "desk.duckdb"
    program = f"import duckdb, sys; held = duckdb.connect({str(source)!r}); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"

    with pytest.raises(ConfigurationError, match="stop the recorder"):
        copy_database(source, tmp_path / "copy.duckdb")

    holder.communicate()
    copy_database(source, tmp_path / "copy.duckdb")
    assert (tmp_path / "copy.duckdb").read_bytes() == source.read_bytes()

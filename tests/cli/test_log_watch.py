"""A log that somebody makes long is begun anew while its process goes on writing at its end."""

from __future__ import annotations

import asyncio
import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
from signalbox_cli import log_watch, run_folder
from signalbox_cli.log_watch import begin_anew_if_long

BYTES_MAX = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


def test_a_log_that_is_too_long_is_begun_anew_and_its_end_kept(folder: Path) -> None:
    log = run_folder.log_file(folder, "nats")
    with run_folder.open_log(folder, "nats") as writer:
        writer.write(b"x" * BYTES_MAX + b"the end\n")
        writer.flush()
        begin_anew_if_long(log, BYTES_MAX)
        writer.write(b"what comes next\n")
    assert log.read_bytes() == b"what comes next\n"
    kept = log.with_name("nats.log.1")
    assert kept.read_bytes() == (b"x" * BYTES_MAX + b"the end\n")[-BYTES_MAX:]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept in run_folder.ours(folder)


def test_a_log_within_its_bound_is_left_alone_and_one_that_is_gone_is_no_matter(folder: Path) -> None:
    log = run_folder.log_file(folder, "nats")
    log.write_bytes(b"x" * BYTES_MAX)
    begin_anew_if_long(log, BYTES_MAX)
    assert [file.name for file in (folder / "logs").iterdir()] == ["nats.log"]
    assert log.stat().st_size == BYTES_MAX
    begin_anew_if_long(folder / "logs" / "none.log", BYTES_MAX)


def test_on_a_full_disk_the_log_gives_its_room_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    log = run_folder.log_file(folder, "nats")
    log.write_bytes(b"x" * (BYTES_MAX + 1))
    begin_anew_if_long(log, BYTES_MAX)
    assert [(file.name, file.stat().st_size) for file in (folder / "logs").iterdir()] == [("nats.log", 0)]


async def test_every_log_of_the_folder_is_watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_watch, "LOOK_SECONDS", 0.001)
    logs = [run_folder.log_file(folder, name) for name in ("nats", "risk")]
    for log in logs:
        with log.open("wb") as file:
            file.truncate(log_watch.LOG_BYTES_MAX + 1)
    watching = asyncio.create_task(log_watch.watch(folder / "logs"))
    async with asyncio.timeout(60):
        while any(log.stat().st_size for log in logs):
            await asyncio.sleep(0.01)
    watching.cancel()

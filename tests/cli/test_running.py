"""The folder of a desk: one desk at a time, nobody's documents."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from signalbox.errors import ConfigurationError
from signalbox_cli import run_folder, running
from signalbox_cli.local_desk import DeskNotReadyError, DeskStartError, LocalDesk


def test_folder_is_taken_by_one_desk_at_a_time(tmp_path: Path) -> None:
    with (
        run_folder.taken(tmp_path / "desk"),
        pytest.raises(ConfigurationError, match=rf"already \(process {os.getpid()}\)"),
        run_folder.taken(tmp_path / "desk"),
    ):
        pass
    with run_folder.taken(tmp_path / "desk"):
        pass


def test_folder_of_a_killed_desk_is_free(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, signal
from signalbox_cli import run_folder, running
from signalbox_cli.local_desk import DeskNotReadyError, DeskStartError, LocalDesk
with run_folder.taken(pathlib.Path({str(tmp_path)!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == -9
    with run_folder.taken(tmp_path):
        assert (tmp_path / run_folder.LOCK).read_text() == f"{os.getpid()}\n"


def test_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="choose another with --folder"), run_folder.taken(tmp_path / "file"):
        pass


def test_emptied_folder_is_still_taken(tmp_path: Path) -> None:
    with run_folder.taken(tmp_path):
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "nats.log").write_text("x")
        (tmp_path / "desk.toml").write_text("x")
        run_folder.empty(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [run_folder.LOCK]


def test_whatever_is_made_in_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    with run_folder.taken(folder):
        run_folder.prepare(folder, {"user": "secret"})
        run_folder.open_log(folder, "risk").close()
        run_folder.tell(folder, {})
        run_folder.write_scrape_config(folder, {}, folder)
        made = subprocess.run([sys.executable, "-c", f"open({str(folder / 'desk.duckdb')!r}, 'w')"], check=True)
        assert made.returncode == 0
    modes = {path.name: path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))}
    assert {"logs", "risk.log", "desk.json", "prometheus.yml", "desk.duckdb", "desk.lock"} <= modes.keys()
    assert set(modes.values()) == {0}


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(mode=0o755)
    for name in ("desk.duckdb", "desk.json", "my-notes.txt"):
        (tmp_path / name).touch(mode=0o644)
    run_folder.prepare(tmp_path, {})
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["logs"] == 0o700
    assert modes["desk.duckdb"] == modes["desk.json"] == 0o600
    assert modes["my-notes.txt"] == 0o644  # not ours


def test_credentials_are_for_their_owner_only(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path, {"user": "secret"})
    run_folder.prepare(tmp_path, {"user": "another"})
    file = run_folder.credential_file(tmp_path, "user")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("another\n", 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "it said nothing"),
        ("one\ntwo\n\n", "two"),
        (
            '{"event": "x", "error": "Traceback\\n  line\\nNameError: facts"}\n{"event": "y"}\nleak!\n',
            "NameError: facts",
        ),
        ("[1]\n3\n", "3"),
    ],
)
def test_last_complaint_of_a_log_is_what_went_wrong(tmp_path: Path, log: str, told: str) -> None:
    (tmp_path / "log").write_text(log)
    assert run_folder.last_complaint(tmp_path / "log") == told


class DeskThatStarts:
    """Stands for the desk on this machine: its start ends as told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def start(self) -> None:
        raise self.error


async def test_a_desk_that_waits_for_a_person_stays_up_so_that_he_can_say_his_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waiting = cast("LocalDesk", DeskThatStarts(DeskNotReadyError("risk is not ready: held by TRADE:12")))
    assert await running._started(waiting, asyncio.Event())
    assert "held by TRADE:12\nthe desk stays up" in capsys.readouterr().out
    broken = cast("LocalDesk", DeskThatStarts(DeskStartError("risk does not start")))
    with pytest.raises(DeskStartError):
        await running._started(broken, asyncio.Event())

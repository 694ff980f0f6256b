"""The folder of a desk: one desk at a time, nobody's documents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from signalbox.errors import ConfigurationError
from signalbox_cli import run_folder


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
from signalbox_cli import run_folder
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

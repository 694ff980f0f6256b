"""A test's process that dies in the middle takes with it whatever it has started, and no other test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.left_behind import PROCESSES, RUN, WORKER, end_all_of

WAITS = (sys.executable, "-c", "import signal; signal.pause()")
END_SECONDS_MAX = 60.0
TEST_THAT_DIES = f"""
import os, pathlib, subprocess

def test_that_dies():
    left = subprocess.Popen({WAITS!r})
    pathlib.Path(__file__).with_name("left").write_text(str(left.pid))
    os._exit(1)

def test_after_it():
    pass
"""
TEST_ALONE = "def test_alone(): pass"


@pytest.fixture
def begun() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def runs(process_id: int) -> bool:
    """Whether it is there, and no mere entry that nobody has asked for."""
    try:
        return "\nState:\tZ" not in (PROCESSES / str(process_id) / "status").read_text()
    except OSError:
        return False


def waiting(begun: ExitStack, **marks: str) -> subprocess.Popen[bytes]:
    process = begun.enter_context(subprocess.Popen(WAITS, env=os.environ | marks))
    begun.callback(process.kill)
    return process


def test_what_another_run_or_another_process_has_started_goes_on(begun: ExitStack) -> None:
    of_it = waiting(begun, **{RUN: "one", WORKER: "gw0"})
    others = [waiting(begun, **{RUN: run, WORKER: worker}) for run, worker in (("one", "gw1"), ("two", "gw0"))]
    assert end_all_of("one", "gw0") == [of_it.pid]
    assert of_it.wait(60) == -9
    assert [each.poll() for each in others] == [None, None]


def test_what_a_died_process_had_started_is_ended_and_the_others_have_their_turn(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST_THAT_DIES)
    for name in ("one", "another"):
        (tmp_path / f"test_{name}.py").write_text(TEST_ALONE)
    options = ["-n", "1", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "1 failed, 3 passed" in done.stdout, done.stdout + done.stderr
    left, ends = int((tmp_path / "left").read_text()), time.monotonic() + END_SECONDS_MAX
    try:
        while runs(left):
            assert time.monotonic() < ends, "it goes on"
            time.sleep(0.02)
    finally:
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)

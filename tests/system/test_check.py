"""`signalbox check` on a desk that goes on: it adds up, and a venue that says otherwise is told."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.running_desk import RunningDesk


def test_a_desk_that_has_traded_adds_up(desk: RunningDesk) -> None:
    for words in (("buy", "7", "SPY"), ("buy", "0.003", "BTC-USD")):
        assert desk.run("intent", *words, "--follow").returncode == 0
    done = desk.run("check")
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"desk: bars=\d+ scores=\d+ intents=\d+ approved=\d+ denied=\d+ fills=\d+ rows=\d+ ok", last)


@pytest.fixture
def another_world() -> Iterator[str]:
    """Simulated venues in which nobody has traded; where their control port is."""
    command = [sys.executable, "-m", "simulators", "--port", "0", "--grpc-port", "0", "--http-port", "0"]
    process = subprocess.Popen([*command, "--control-port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    found = re.search(r"control on (\S+:\d+)", process.stdout.readline())
    assert found
    yield found[1]
    process.terminate()
    process.communicate(timeout=30)


def test_books_of_a_venue_that_differ_are_told(desk: RunningDesk, another_world: str) -> None:
    assert desk.run("intent", "buy", "3", "SPY", "--follow").returncode == 0
    done = desk.run("check", "--control", another_world)
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG: ")]
    assert any("position SPY in DU1234567: the desk has" in line for line in wrong), done.stdout
    assert done.stdout.splitlines()[-1].endswith(" WRONG")


def test_a_control_port_where_nobody_is_is_said(desk: RunningDesk) -> None:
    done = desk.run("check", "--control", "127.0.0.1:1")
    assert (done.returncode, "do not answer" in done.stderr) == (2, True)


def test_what_is_no_address_is_said(desk: RunningDesk) -> None:
    done = desk.run("check", "--control", "here")
    assert (done.returncode, "no HOST:PORT" in done.stderr) == (2, True)

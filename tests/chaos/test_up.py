"""`signalbox up`: how a desk begins, ends, dies, and goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.running_desk import SPEED, START, RunningDesk

ORPHANS_SECONDS_MAX = 60.0


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningDesk]:
    """A desk of the test's own, not started."""
    own = RunningDesk(tmp_path / "own", "--start", START, "--speed", SPEED)
    yield own
    if own.process is not None:
        own.end()


def position(desk: RunningDesk) -> str:
    [row] = [row for row in desk.lines("positions") if row["symbol"] == "SPY"]
    return f"{row['quantity']} at {row['average_price']}, {row['commission']}"


def clock(desk: RunningDesk) -> datetime:
    [tick] = desk.lines("watch", "clock.desk", "--count", "1")
    return datetime.fromisoformat(tick["message"]["at"])


def status_of(desk: RunningDesk, order_id: str) -> str:
    """By the database, which is up to a second behind; "" = it does not have the order yet."""
    rows = desk.query(f"SELECT status FROM orders WHERE order_id = '{order_id}'")
    return str(rows[0]["status"]) if rows else ""


def test_desk_goes_on_where_it_was_after_a_stop_and_after_a_kill(own: RunningDesk) -> None:
    own.up()
    assert own.run("intent", "buy", "100", "SPY", "--follow").returncode == 0
    own.until(lambda: own.lines("positions") and "100" in position(own).split(".")[0])
    [resting] = own.lines("intent", "buy", "10", "SPY", "--limit", "420")
    own.until(lambda: status_of(own, resting["order_id"]) == "NEW")
    assert own.run("halt", "over night").returncode == 0
    own.until(lambda: own.query("SELECT count(*) AS n FROM commissions") == [{"n": 1}])
    held, told_at = position(own), clock(own)
    address, passwords, ports = own.facts["nats_url"], own.passwords(), own.facts["http_ports"]

    assert own.end() == 0
    assert own.pids() == {}
    assert not (own.folder / "desk.json").exists()
    assert "no desk is running from" in own.run("status").stderr

    own.up()
    assert (own.facts["nats_url"], own.passwords(), own.facts["http_ports"]) == (address, passwords, ports)
    elsewhere = {name: text for name, text in os.environ.items() if not name.startswith("SIGNALBOX_")}
    asked = [sys.executable, "-m", "signalbox_cli", "--folder", str(own.folder), "status"]
    assert subprocess.run(asked, env=elsewhere, capture_output=True, timeout=60, check=False).returncode == 0
    assert position(own) == held
    assert status_of(own, resting["order_id"]) == "NEW"
    assert clock(own) >= told_at
    denied = own.run("intent", "buy", "1", "SPY")
    assert denied.returncode == 3
    assert "halted" in denied.stdout.lower()
    assert own.run("resume").returncode == 0
    assert own.run("cancel", resting["order_id"]).returncode == 0
    own.until(lambda: status_of(own, resting["order_id"]) == "CANCELED")

    assert own.end(signal.SIGKILL) == -signal.SIGKILL
    done = own.run("status")
    assert done.returncode == 1
    assert "has ended" in done.stderr
    own.up()  # waits until what the killed one started has ended
    assert position(own) == held
    assert own.run("intent", "sell", "100", "SPY", "--follow").returncode == 0


def test_ctrl_c_while_it_starts_ends_it_and_all_that_it_started(own: RunningDesk) -> None:
    own.begin()
    own.until(lambda: (own.folder / "desk.json").exists())
    assert own.end(signal.SIGINT) == 0
    assert own.said().endswith("stopping\n")
    assert own.pids() == {}


def test_killed_desk_leaves_no_process_behind(own: RunningDesk) -> None:
    own.begin()
    own.until(lambda: len(own.pids()) >= 4)
    own.end(signal.SIGKILL)
    own.process = None
    desk_is_gone_within(own, ORPHANS_SECONDS_MAX)


def desk_is_gone_within(own: RunningDesk, seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while own.pids():
        assert time.monotonic() < deadline, own.pids()
        time.sleep(0.1)


def test_desk_that_can_not_start_says_why_and_leaves_nothing(own: RunningDesk) -> None:
    own.folder.mkdir()
    (own.folder / "jetstream").write_text("not a directory")
    own.begin()
    assert own.process is not None
    assert own.process.wait(60) == 1
    last = own.said().splitlines()[-1]
    assert last.startswith("signalbox: nats can not start: ")
    assert "its log: " in last
    assert own.pids() == {}

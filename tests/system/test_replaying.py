"""`signalbox replay decisions` and `explain` on a desk that goes on: what it has decided is what it would decide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.running_desk import RunningDesk

SAME = re.compile(r"decisions: again=(\d+) different=0 ok\n")


@pytest.fixture(scope="module")
def traded(desk: RunningDesk) -> RunningDesk:
    """A desk that has approved and denied at both venues, cancelled and switched."""
    for words in (
        ("buy", "7", "SPY", "--id", "again-1"),
        ("buy", "0.003", "BTC-USD", "--id", "again-2"),
        ("buy", "5", "SPY", "--limit", "300", "--tif", "GTC", "--id", "again-3"),
    ):
        assert desk.run("intent", *words).returncode == 0
    for words in (("buy", "999999", "SPY", "--id", "again-4"), ("buy", "7", "IBM", "--id", "again-5")):
        assert desk.run("intent", *words).returncode == 3
    assert desk.run("cancel", "again-3").returncode == 0
    assert desk.run("halt", "a test of what is decided again").returncode == 0
    assert desk.run("intent", "sell", "7", "SPY", "--id", "again-6").returncode == 3
    assert desk.run("resume").returncode == 0
    return desk


def test_what_was_decided_is_decided_again(traded: RunningDesk) -> None:
    done = traded.run("replay", "decisions")
    assert done.returncode == 0, done.stdout + done.stderr
    found = SAME.fullmatch(done.stdout)
    assert found, done.stdout
    assert int(found[1]) >= 7


def test_other_limits_have_to_be_named(traded: RunningDesk, tmp_path: Path) -> None:
    """A decision is not held against limits that it was not made under."""
    file = Path(traded.facts["desk_file"])
    other = tmp_path / "other.toml"
    other.write_text(re.sub(r"open_orders_max *= *\d+", "open_orders_max = 3", file.read_text()))
    both = traded.run("replay", "decisions", "--desk", str(other))
    assert (both.returncode, both.stderr) == (0, "")


def test_every_check_is_explained_whether_it_passed_or_failed(traded: RunningDesk) -> None:
    approved = {row["check"]: row for row in traded.lines("explain", "again-1")}
    assert {row["verdict"] for row in approved.values()} == {"passed"}
    assert approved["order_quantity"]["observed"] == "7"
    assert "account" in approved["account_state"]["source"] or "STATE:" in approved["account_state"]["source"]
    assert approved["price_present"]["source"].startswith("quote:")
    denied = {row["check"]: row["verdict"] for row in traded.lines("explain", "again-4")}
    assert (denied["order_quantity"], denied["session"]) == ("FAILED", "passed")
    assert denied.keys() == approved.keys()
    assert "what was said of its order since:" in traded.run("explain", "again-4").stdout


def test_what_nobody_decided_can_not_be_explained(traded: RunningDesk) -> None:
    done = traded.run("explain", "nobody's")
    assert (done.returncode, done.stderr) == (
        1,
        'signalbox: no decision is recorded on "nobody\'s", and none has that id\n',
    )


@pytest.mark.parametrize("content", [None, b"not a database"])
def test_a_file_that_is_no_record_is_said(traded: RunningDesk, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "desk.duckdb"
    if content is not None:
        file.write_bytes(content)
    done = traded.run("replay", "decisions", "--database", str(file), "--desk", traded.facts["desk_file"])
    assert (done.returncode, str(file) in done.stderr) == (2, True)
    done = traded.run("replay", "decisions", "--database", str(file))
    assert (done.returncode, "--desk" in done.stderr) == (2, True)

"""`signalbox replay decisions` over a recorder's database: what it says, and with what status it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from msgspec.structs import replace
from risk.facts import Request
from risk.state import opening_state
from risk.step import step
from signalbox import messages, subjects
from signalbox.desk import load_desk
from signalbox.messages import Decision, IntentDenied, OrderIntent, OrderType, Side
from signalbox_cli.__main__ import carry_out

DESK_FILE = Path(__file__).resolve().parents[2] / "deploy" / "desk.toml"
SCHEMA = Path(__file__).resolve().parents[2] / "services" / "recorder" / "recorder" / "schema.sql"
AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
Run = Callable[..., tuple[int, str, str]]
Record = Callable[..., Path]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Replay decisions with some options: exit status, what it said, its complaints."""

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            carry_out(["replay", "decisions", *(str(word) for word in words)])
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, captured.out, captured.err

    return run


def decided(count: int = 2, desk_file: Path = DESK_FILE) -> list[Decision]:
    """What a desk that has heard nothing says to some orders."""
    state = opening_state(load_desk(desk_file))
    found: list[Decision] = []
    for number in range(1, count + 1):
        terms = {"venue": "ibkr", "symbol": "SPY", "side": Side.BUY, "quantity": Decimal(1)}
        order = OrderIntent(id=f"i{number}", at=AT, order_type=OrderType.MARKET, **terms)
        found += step(state, Request(sequence=number, intent=order, by="alice"), AT)
    return found


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Write decisions down as a recorder does; where."""

    def write(*decisions: Decision, payload_size: int | None = None) -> Path:
        file = tmp_path / "desk.duckdb"
        with duckdb.connect(str(file)) as database:
            database.execute(SCHEMA.read_text())
            for sequence, decision in enumerate(decisions, 1):
                subject = subjects.decision(decision, "DU1234567", "ibkr")
                row = [sequence, subject, messages.encode(decision).decode(), payload_size]
                database.execute("INSERT INTO recorded VALUES ('TRADE', 1, ?, ?, 0, '', ?, NULL, ?, NULL)", row)
        return file

    return write


def test_no_difference(run: Run, record: Record) -> None:
    file = record(*decided())
    assert run("--database", file, "--desk", DESK_FILE) == (0, "decisions: again=2 different=0 ok\n", "")
    assert run("--database", file, "--desk", DESK_FILE, "--json") == (0, "", "")


def test_a_difference_is_told_with_both_sides(run: Run, record: Record) -> None:
    one, other = decided()
    assert isinstance(other, IntentDenied)
    file = record(one, replace(other, by="mallory", reason="because"))
    status, said, _ = run("--database", file, "--desk", DESK_FILE)
    assert (status, said.splitlines()) == (
        1,
        [
            f"DIFFERENT: TRADE:2 {other.id} on intent i2",
            f"  reason: stored because; made again {other.reason}",
            "decisions: again=2 different=1 DIFFERENT",
        ],
    )
    status, said, _ = run("--database", file, "--desk", DESK_FILE, "--json")
    [line] = [json.loads(line) for line in said.splitlines()]
    assert (status, line["sequence"], line["intent_id"]) == (1, 2, "i2")
    assert line["parts"] == [{"what": "reason", "stored": "because", "again": other.reason}]


def test_limits_of_another_desk_file_have_to_be_named(run: Run, record: Record, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(DESK_FILE.read_text().replace("open_orders_max = ", "open_orders_max = 1"))
    file = record(*decided(1), *decided(2, other)[1:])
    status, said, complaint = run("--database", file, "--desk", DESK_FILE)
    assert (status, said) == (1, "decisions: again=1 different=0 NOT ALL\n")
    assert complaint.startswith("signalbox: 1 decisions were made under the limits ")
    assert run("--database", file, "--desk", DESK_FILE, "--desk", other)[0] == 0
    status, _, complaint = run("--database", file)
    assert (status, "--desk" in complaint) == (2, True)


def test_decisions_that_kept_nothing_are_counted(run: Run, record: Record) -> None:
    before, brief = (replace(decision, basis=None) for decision in decided())
    file = record(replace(before, passed=0), brief)
    status, said, complaint = run("--database", file, "--desk", DESK_FILE)
    assert (status, said) == (0, "decisions: again=0 different=0 ok\n")
    assert "1 decisions are from before they kept what they looked at" in complaint
    assert "1 denials were told in few words" in complaint


def test_a_message_that_was_cut_is_not_guessed(run: Run, record: Record) -> None:
    status, _, complaint = run("--database", record(*decided(1), payload_size=20_000), "--desk", DESK_FILE)
    assert (status, "TRADE:1 is longer than a record keeps" in complaint) == (2, True)


@pytest.mark.parametrize("content", [None, b"no database"])
def test_what_is_no_record_is_said(run: Run, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "desk.duckdb"
    if content is not None:
        file.write_bytes(content)
    status, _, complaint = run("--database", file, "--desk", DESK_FILE)
    assert (status, str(file) in complaint) == (2, True)

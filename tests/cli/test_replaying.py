"""`signalbox replay decisions` over a recorder's database: what it says, and with what status it ends."""

from __future__ import annotations

import json
import re
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

from tests.risk.conftest import World

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


# ------------------------------------------------------------------------------------------------------ other limits

LIMITS = '[limits]\norder_quantity_max = "{}"\n'


@pytest.fixture
def traded() -> list[Decision]:
    """Orders of 100, 300 and 6,000, an hour apart; the last is too large for the limits of then."""
    w = World(limits={"order_quantity_max": Decimal(5_000)}).ready()
    found = []
    for quantity in ("100", "300", "6000"):
        found.append(w.decide(w.order(quantity=quantity, id=f"q{quantity}")))
        w.later(3600).quote("SPY", "99.99", "100").account()
    return found


def test_other_limits_tell_what_they_would_have_denied_by_check_with_the_money(
    record: Record, run: Run, tmp_path: Path, traded: list[Decision]
) -> None:
    file, limits = record(*traded), tmp_path / "limits.toml"
    limits.write_text(LIMITS.format(200))
    code, told, complaints = run("--database", file, "--desk", DESK_FILE, "--limits", limits)
    assert (code, complaints) == (0, "")
    lines = told.splitlines()
    assert lines[0].startswith("under these limits (each decision by itself, on the desk as it was then")
    assert lines[1] == "1 would be denied, of 2 approved then, worth 30,000.00 USD"
    assert lines[3].split() == ["order_quantity", "1", "30,000.00", "USD"]
    assert lines[4] == "0 would be let through, of 1 denied then"
    limits.write_text(LIMITS.format(7000))
    told = run("--database", file, "--desk", DESK_FILE, "--limits", limits, "--each")[1]
    assert "would be APPROVED: q6000 (TRADE:3), worth 600,000.00 USD: the order is for 6000" in told
    assert "1 would be let through, of 1 denied then, worth 600,000.00 USD" in told


def test_other_limits_are_told_to_programs(record: Record, run: Run, tmp_path: Path, traded: list[Decision]) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text(LIMITS.format(200))
    told = run("--database", record(*traded), "--desk", DESK_FILE, "--limits", limits, "--json")[1]
    one, total, counts = (json.loads(line) for line in told.splitlines())
    assert (one["would_be"], one["intent_id"], one["value"]) == ("DENIED", "q300", "30000")
    assert (total["check"], total["count"], total["worth"]) == ("order_quantity", 1, {"USD": "30000"})
    assert counts == {"approved_then": 2, "denied_then": 1}


def test_a_whole_desk_file_says_limits_too(record: Record, run: Run, tmp_path: Path, traded: list[Decision]) -> None:
    whole = tmp_path / "whole.toml"
    whole.write_text(re.sub(r'order_quantity_max = "\d+"', 'order_quantity_max = "200"', DESK_FILE.read_text()))
    code, told, _ = run("--database", record(*traded), "--limits", whole)
    assert code == 0
    assert "1 would be denied, of 2 approved then" in told


def test_limits_by_scope_are_asked_too(record: Record, run: Run, tmp_path: Path, traded: list[Decision]) -> None:
    scoped = tmp_path / "scoped.toml"
    profile = DESK_FILE.parents[1] / "profiles" / "paper.toml"
    stated = re.sub(r"order_quantity_max = \S+", 'order_quantity_max = "100000"', profile.read_text(), count=1)
    scoped.write_text(f'{stated}\n[symbol.SPY]\norder_quantity_max = "250"\n')
    code, told, complaints = run("--database", record(*traded), "--desk", DESK_FILE, "--limits", scoped, "--each")
    assert (code, complaints) == (0, "")
    assert "would be DENIED: q300" in told


def test_limits_that_are_none_are_a_mistake_with_a_sentence(record: Record, run: Run, tmp_path: Path) -> None:
    file, limits = record(*decided()), tmp_path / "limits.toml"
    limits.write_text("[limits]\norder_quantity_most = 5\n")
    code, told, complaints = run("--database", file, "--desk", DESK_FILE, "--limits", limits)
    assert (code, told) == (2, "")
    assert "order_quantity_most" in complaints
    limits.write_text(LIMITS.format(5))
    assert "name the desk file that it is for" in run("--database", file, "--limits", limits)[2]
    assert "--each goes with --limits" in run("--database", file, "--desk", DESK_FILE, "--each")[2]


def test_only_what_was_decided_in_a_time_is_made_again(record: Record, run: Run, traded: list[Decision]) -> None:
    file = record(*traded)
    between = ("--from", traded[1].at.isoformat(), "--to", traded[2].at.isoformat())
    told = run("--database", file, "--desk", DESK_FILE, *between)[2]
    assert told.startswith("signalbox: 1 decisions were made under the limits ")
    assert told.endswith("which no desk file here has: name it (--desk) (the first: TRADE:2)\n")


def test_where_those_that_could_not_be_made_again_stand_is_told(record: Record, run: Run) -> None:
    old = [replace(decision, basis=None, passed=0) for decision in decided(7)]
    complaints = run("--database", record(*old), "--desk", DESK_FILE)[2]
    assert complaints.endswith("not made again (the first: TRADE:1, TRADE:2, TRADE:3, TRADE:4, TRADE:5)\n")
    assert complaints.startswith("signalbox: 7 decisions are from before")

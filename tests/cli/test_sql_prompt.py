"""The prompt of `signalbox sql` without a terminal: when a statement is whole, what the prompt is told, and files."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.errors import ConfigurationError, QueryFailedError
from signalbox.messages import QueryReply
from signalbox_cli.querying import out_file, tell_if_cut, write_reply
from signalbox_cli.settings import state_folder
from signalbox_cli.sql_prompt import Prompt, completions, statements

PIECES = st.sampled_from(
    ("SELECT 1", ";", " ", "\n", "-- a; b\n", "/* c; d */", "'e;'", "'it''s;'", '"f;"', "$$g;$$", ", 2", "- 1", "/ 2")
)


@pytest.mark.parametrize(
    ("text", "whole", "rest"),
    [
        ("", [], ""),
        (" ; ;", [], ""),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1; SELECT 2;SEL", ["SELECT 1", "SELECT 2"], "SEL"),
        ("SELECT ';' ; x", ["SELECT ';'"], "x"),
        ("SELECT 'it''s; so';", ["SELECT 'it''s; so'"], ""),
        ('SELECT 1 AS "a;b";', ['SELECT 1 AS "a;b"'], ""),
        ("SELECT 1 -- not yet;\n;", ["SELECT 1 -- not yet;"], ""),
        ("/* ; */ SELECT 1;", ["/* ; */ SELECT 1"], ""),
        ("-- nothing;\n", [], ""),
        ("SELECT 'open; ", [], "SELECT 'open;"),
        ("SELECT /* open; ", [], "SELECT /* open;"),
        ("SELECT $$a;b$$;", ["SELECT $$a;b$$"], ""),
    ],
)
def test_a_statement_ends_at_its_semicolon(text: str, whole: list[str], rest: str) -> None:
    assert statements(text) == (whole, rest)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_statements_are_those_that_duckdb_sees(text: str) -> None:
    whole, rest = statements(text)
    with duckdb.connect() as connection:
        try:
            seen = len(connection.extract_statements(text))
        except duckdb.Error:
            return
    assert len(whole) + bool(rest) == seen


@dataclass
class World:
    """A prompt whose record answers what it was asked."""

    asked: list[tuple[str, int]] = field(default_factory=list)
    told: list[tuple[str, Path | None]] = field(default_factory=list)
    refuses: bool = False

    def prompt(self) -> Prompt:
        return Prompt(self.ask, self.tell, out_file, 1000)

    async def ask(self, statement: str, rows: int) -> QueryReply:
        self.asked.append((statement, rows))
        if self.refuses:
            raise QueryFailedError("no")
        return QueryReply(columns=("a",), types=("INTEGER",), rows=((1,),))

    def tell(self, reply: QueryReply, rows: int, mode: str, file: Path | None) -> None:
        self.told.append((mode, file))


async def test_a_statement_may_have_many_lines() -> None:
    world = World()
    prompt = world.prompt()
    for line in ("SELECT *", "  FROM fills", ".help is no word to the prompt here", "; SELECT 2; SELECT"):
        await prompt.take(line)
    assert [statement for statement, _ in world.asked] == [
        "SELECT *\n  FROM fills\n.help is no word to the prompt here",
        "SELECT 2",
    ]
    assert prompt.typed == "SELECT"


async def test_a_statement_that_fails_ends_nothing() -> None:
    world = World(refuses=True)
    prompt = world.prompt()
    with pytest.raises(QueryFailedError):
        await prompt.take("SELECT nothing;")
    assert prompt.typed == ""
    world.refuses = False
    await prompt.take("SELECT 1;")
    assert world.told == [("table", None)]


async def test_the_prompt_is_told_what_to_do_with_answers(tmp_path: Path) -> None:
    world = World()
    prompt = world.prompt()
    for line in (".mode json", ".rows 7", f".out {tmp_path}/a.parquet", "SELECT 1;", "SELECT 2;", ".quit"):
        await prompt.take(line)
    assert world.asked == [("SELECT 1", 7), ("SELECT 2", 7)]
    assert world.told == [("json", tmp_path / "a.parquet"), ("json", None)]
    assert prompt.ended


@pytest.mark.parametrize(
    "line", [".nothing", ".mode xml", ".rows 0", ".rows -1", ".rows ²", ".columns", ".out a.xls", ".out", ".out 'a"]
)
async def test_what_the_prompt_does_not_know_is_said(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    prompt = world.prompt()
    await prompt.take(line)
    assert capsys.readouterr().err.startswith("signalbox: ")
    assert (world.asked, prompt.ended, prompt.file, prompt.rows) == ([], False, None, 1000)


async def test_views_and_columns_are_asked_of_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    prompt = world.prompt()
    await prompt.take(".views")
    await prompt.take('.columns "fil\'ls"')
    assert "lower('fil''ls')" in world.asked[1][0]
    assert "a" in capsys.readouterr().out
    await prompt.take(".help")
    assert ".views" in capsys.readouterr().out


def test_completion_looks_at_no_case() -> None:
    assert completions(("fills", "FROM", "orders"), "f") == ["fills", "FROM"]
    assert completions(("fills",), "x") == []


def test_what_was_asked_is_kept_where_state_belongs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "signalbox"
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    assert state_folder() == Path.home() / ".local/state/signalbox"


# ---------------------------------------------------------------------------------------------------------- files

REPLY = QueryReply(
    columns=("price", "at", "name", "n", "cash", "price", "nothing", "huge", "far"),
    types=(
        *("DECIMAL(38,18)", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "BIGINT", "MAP(VARCHAR, DECIMAL(38,18))", "DOUBLE"),
        *('"NULL"', "HUGEINT", "DOUBLE"),
    ),
    rows=(
        (
            *("434.364079601990049751", "2024-03-05T15:00:00.250000Z", 'a, "b"\n', 9_007_199_254_740_993),
            *({"USD": "1.5"}, 0.5, None, str(2**100), "inf"),
        ),
        (None, None, None, None, None, None, None, None, None),
    ),
)


def test_a_parquet_file_has_the_columns_own_types_and_every_digit(tmp_path: Path) -> None:
    write_reply(REPLY, tmp_path / "answer.parquet")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found: Any = connection.sql(f"SELECT * FROM '{tmp_path}/answer.parquet'")
        kinds = [str(kind) for kind in found.types]
        (price, at, name, number, cash, again, nothing, huge, far), empty = found.fetchall()
        assert found.columns == ["price", "at", "name", "n", "cash", "price_1", "nothing", "huge", "far"]
    assert kinds[:4] == ["DECIMAL(38,18)", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "BIGINT"]
    assert (price, name, number) == (Decimal("434.364079601990049751"), 'a, "b"\n', 9_007_199_254_740_993)
    assert at.isoformat() == "2024-03-05T15:00:00.250000+00:00"
    assert cash == {"USD": Decimal("1.5")}
    assert (again, nothing, int(huge), far) == (0.5, None, 2**100, float("inf"))
    assert set(empty) == {None}


def test_an_answer_without_rows_is_a_file_with_columns(tmp_path: Path) -> None:
    write_reply(QueryReply(columns=("a",), types=("INTEGER",)), tmp_path / "none.parquet")
    with duckdb.connect() as connection:
        assert connection.sql(f"SELECT * FROM '{tmp_path}/none.parquet'").columns == ["a"]
    write_reply(QueryReply(columns=("a",), types=("INTEGER",)), tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text() == "a\n"


def test_csv_and_json_have_every_digit(tmp_path: Path) -> None:
    write_reply(REPLY, tmp_path / "answer.csv")
    assert "434.364079601990049751,2024-03-05T15:00:00.250000Z" in (tmp_path / "answer.csv").read_text()
    write_reply(REPLY, tmp_path / "answer.json")
    first, _ = (tmp_path / "answer.json").read_text().splitlines()
    assert '"price": "434.364079601990049751"' in first
    assert '"price_1": 0.5' in first


def test_a_recorder_that_says_no_types_can_write_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="older"):
        write_reply(QueryReply(columns=("a",), rows=((1,),)), tmp_path / "a.parquet")


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".json"])
def test_a_file_that_can_not_be_written_is_said(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"folder{ending}").mkdir()
    with pytest.raises(ConfigurationError, match="can not be written"):
        write_reply(REPLY, tmp_path / f"folder{ending}")


@pytest.mark.parametrize(("name", "told"), [("a.xls", "does not end in"), ("nowhere/a.csv", "is no folder")])
def test_a_file_is_refused_before_anything_is_asked(name: str, told: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=told):
        out_file(name)


@pytest.mark.parametrize(("rows", "told"), [(1, "--rows"), (2, "fewer columns")])
def test_what_is_cut_says_what_helps(rows: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell_if_cut(QueryReply(columns=("a",), rows=((1,),), truncated=True), rows)
    assert told in capsys.readouterr().err

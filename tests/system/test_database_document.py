"""docs/database.md is what the recorder has: each view with its columns, and examples that run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.running_desk import RunningDesk

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "database.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| .+ \| (.+) \|$", re.M)
EXAMPLES = re.findall(r"```sql\n(.+?)```", DOCUMENT, re.S)


def documented() -> dict[str, list[str]]:
    rows = dict(ROW.findall(DOCUMENT))
    return {
        view: re.findall(r"`(\w+)`", rows[text.split("`")[1]] if text.startswith("as ") else text)
        for view, text in rows.items()
    }


def test_document_lists_every_view_with_its_columns(desk: RunningDesk) -> None:
    found: dict[str, list[str]] = {}
    sql = (
        "SELECT table_name, column_name FROM duckdb_columns() JOIN duckdb_views() v ON v.view_name = table_name "
        "WHERE NOT v.internal AND NOT v.temporary ORDER BY table_name, column_index"
    )
    for row in desk.query(sql):
        found.setdefault(row["table_name"], []).append(row["column_name"])
    assert documented() == found


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_has_an_answer(desk: RunningDesk, number: int) -> None:
    assert desk.run("intent", "buy", "1", "SPY", "--follow").returncode == 0
    assert desk.run("intent", "buy", "999999", "SPY").returncode == 3
    desk.until(lambda: desk.query(EXAMPLES[number]))


def test_there_are_four_examples() -> None:
    assert len(EXAMPLES) == 4

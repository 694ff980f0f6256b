"""docs/venues.md says of every venue case how it was verified, once, in signs that it explains."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from .numbered import CANNOT, VENUES, cases

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "venues.md"
RECORDED = ROOT / "tests" / "recorded_sessions"
SIGNS = {"C", "D", "P", "R", "-"}


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its head."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


CASES = rows("The venue cases")
BESIDE = rows("Beside the cases")


def test_every_case_stands_in_one_row() -> None:
    told = Counter(number for row in CASES for number in row[1].split())
    numbers = {case.number for case in cases()}
    missing = sorted(numbers - told.keys())
    assert not missing, f"docs/venues.md does not say how these were verified: {', '.join(missing)}"
    assert not told.keys() - numbers, f"no such case: {sorted(told.keys() - numbers)}"
    assert not [number for number, times in told.items() if times > 1]


@pytest.mark.parametrize("row", [*CASES, *BESIDE], ids=lambda row: row[0][:40])
def test_a_row_has_a_sign_for_each_venue(row: list[str]) -> None:
    ways = row[2:4] if row in CASES else row[1:3]
    assert len(ways) == len(VENUES)
    for way in ways:
        assert way.split(), f"{row[0]}: how was it verified?"
        assert set(way.split()) <= SIGNS, f"{row[0]}: {way} has a sign that the page does not explain"


def test_the_page_explains_its_signs() -> None:
    explained = set(re.findall(r"^\| (?:\*\*(\w)\*\*|(-)) \|", DOCUMENT.read_text(encoding="utf-8"), re.M))
    assert {one or other for one, other in explained} == SIGNS


def test_what_is_known_from_a_recorded_session_has_one() -> None:
    claimed = [row[0] for row in (*CASES, *BESIDE) if any("R" in cell.split() for cell in row[1:4])]
    assert not claimed or list(RECORDED.glob("*.jsonl")), f"no recorded session is here that shows {claimed}"


@pytest.mark.parametrize("row", CASES, ids=lambda row: row[0][:40])
def test_a_venue_that_has_a_case_has_a_way(row: list[str]) -> None:
    if row[2:4] == ["-", "-"]:
        return  # the desk's own doing
    for venue, way in zip(VENUES, row[2:4], strict=True):
        able = [number for number in row[1].split() if (number, venue) not in CANNOT]
        assert (way == "-") <= (not able), f"{venue} has {', '.join(able)}: how was that verified?"

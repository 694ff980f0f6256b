"""The list of cases is complete, in order and said in words; the document is what the tests are."""

from __future__ import annotations

import pytest

from .numbered import CANNOT, DOCUMENT, GROUPS, VENUES, Case, cases, document


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.number)
def test_case_says_what_happens_and_what_must_hold(case: Case) -> None:
    assert case.happens, f"{case.number}: the docstring's first paragraph says what happens"
    assert case.holds, f"{case.number}: its second paragraph says what must hold"
    assert case.number[1] in GROUPS


def test_no_number_is_used_twice() -> None:
    numbers = [case.number for case in cases()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(("number", "venue"), CANNOT)
def test_what_a_venue_can_not_do_is_asserted_by_its_case(number: str, venue: str) -> None:
    case = next((each for each in cases() if each.number == number), None)
    assert case is not None, f"there is no case {number}"
    assert venue in VENUES
    assert case.asserts_cannot, f"{number} never looks at desk.cannot: nothing holds the table to what happens"


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.number)
def test_case_that_looks_for_an_exception_has_one(case: Case) -> None:
    assert not case.asserts_cannot or any(number == case.number for number, _ in CANNOT)


def test_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run: python tests/venue/numbered.py"

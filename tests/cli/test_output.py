"""Tables for people, JSON lines for programs."""

from __future__ import annotations

import contextlib
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox_cli.output import CELL_CHARACTERS_MAX, cell, complain, is_number, show, show_json


def test_table_puts_numbers_right_and_texts_left(capsys: pytest.CaptureFixture[str]) -> None:
    show(("symbol", "quantity"), [("SPY", "100.000"), ("0700.HK", "-2.50")], as_json=False, empty="none")
    assert capsys.readouterr().out.splitlines() == ["symbol   quantity", "SPY           100", "0700.HK      -2.5"]


def test_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    show(("symbol",), [], as_json=False, empty="no orders")
    assert capsys.readouterr().out == "no orders\n"


def test_csv_has_its_names_and_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a,b", "434.364079601990049751"), (None, {"x": 1}), ("\x1b[2J", 1)]
    show(("symbol", "price"), rows, as_json=False, as_csv=True, empty="none")
    assert capsys.readouterr().out.splitlines() == [
        "symbol,price", '"a,b",434.364079601990049751', ',"{""x"": 1}"', " [2J,1",
    ]  # fmt: skip


def test_empty_result_is_no_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(("symbol",), [], as_json=True, empty="no orders")
    assert capsys.readouterr().out == ""


def test_json_is_one_object_a_row_with_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    show(("symbol", "price"), [("é", "1.500"), (None, Decimal("2.0"))], as_json=True, empty="")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [{"symbol": "é", "price": "1.500"}, {"symbol": None, "price": "2.0"}]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("470.100", "470.1"),
        ("434.364079601990049751", "434.3641"),
        ("-434.99996", "-435"),
        ("12345678901234567890.5", "12345678901234567890.5"),
        ("0.000012345678", "0.0000123457"),
        ("0.99999999", "1"),
        (0.1 + 0.2, "0.3"),
        (1e-20, "1e-20"),
        ("100", "100"),
        ("1000", "1000"),
        ("0.000", "0"),
        ("-0.50", "-0.5"),
        (True, "True"),
        (12, "12"),
        (1.5, "1.5"),
        ("1.2.3", "1.2.3"),
        ("2024-03-05T15:00:00Z", "2024-03-05T15:00:00Z"),
        ("2024-03-05T15:01:04.675540Z", "2024-03-05T15:01:04Z"),
        ([{"name": "é", "passed": True}], '[{"name": "é", "passed": true}]'),
        ("", ""),
        ("x" * 99, "x" * (CELL_CHARACTERS_MAX - 1) + "…"),
    ],
)
def test_cell_is_shown_for_people(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_control_characters_do_not_break_the_table() -> None:
    assert cell("two\nlines\x1b[31m") == "two lines [31m"


def test_a_table_says_nothing_to_a_terminal_by_the_names_of_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(("a\x9b31m\u202e", "b"), [(1, "two")], as_json=False, empty="")
    assert capsys.readouterr().out.splitlines()[0].split() == ["a", "31m", "b"]


@given(st.text(st.characters(exclude_categories=())))
def test_json_is_a_line_that_no_terminal_acts_upon_and_a_program_reads_as_it_was(text: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        show_json({"reason": text})
        show(("reason",), [(text,)], as_json=True, empty="")
    lines = out.getvalue().split("\n")
    assert all(line.isprintable() for line in lines)
    assert [json.loads(line) for line in lines if line] == [{"reason": text}] * 2


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_shortened_number_is_off_by_less_than_a_person_reads(number: Decimal) -> None:
    text = f"{number:f}"
    assert is_number(text)
    shown, half = Decimal(cell(text)), Decimal("0.00005")
    assert abs(shown - number) <= max(half if abs(number) >= 1 else 0, abs(number) * Decimal("0.000005"))
    assert len(cell(text)) <= len(text)


def test_complaint_goes_to_standard_error_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("one", "two")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "signalbox: one\nsignalbox: two\n")

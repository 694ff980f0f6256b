"""The offline audit of a broker's fills: what it prints, and how it refuses."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oms.audit import AuditError, audit_lines


def line(**fields: Any) -> str:
    return json.dumps({"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "10"} | fields)


def test_each_fill_gives_the_running_account_of_its_symbol() -> None:
    lines = [
        line(commission="1"),
        line(side="sld", quantity="150", price="12", commission="1.5"),
        line(symbol="ES", side="bot", quantity="2", price="4000.25", multiplier="50"),
        "\n",
        line(symbol="ES", side="Sell", quantity="1", price="4001"),
    ]
    assert list(audit_lines(lines)) == [
        {"symbol": "AAPL", "quantity": "100", "average_price": "10", "realized_pnl": "0", "commission": "1"},
        {"symbol": "AAPL", "quantity": "-50", "average_price": "12", "realized_pnl": "200", "commission": "2.5"},
        {"symbol": "ES", "quantity": "2", "average_price": "4000.25", "realized_pnl": "0", "commission": "0"},
        {"symbol": "ES", "quantity": "1", "average_price": "4000.25", "realized_pnl": "37.5", "commission": "0"},
    ]


def test_an_average_that_does_not_end_is_rounded_only_when_shown() -> None:
    fills = [line(quantity="1", price="1"), line(quantity="2", price="1.5")]
    fills += [line(side="SELL", quantity="1", price="2")] * 3
    shown = list(audit_lines(fills))
    assert shown[1]["average_price"] == "1.33333333333333333333"
    assert [row["realized_pnl"] for row in shown[2:]] == ["0.66666666666666666667", "1.33333333333333333333", "2"]
    assert shown[-1]["average_price"] == "0"


def test_a_number_is_read_digit_by_digit() -> None:
    [row] = audit_lines(['{"symbol": "X", "side": "BUY", "quantity": 0.1, "price": 1e-7, "commission": -0.30}'])
    assert (row["quantity"], row["average_price"], row["commission"]) == ("0.1", "0.0000001", "-0.3")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('"x"', "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        (line(symbol=None), '"symbol" is missing'),
        (line(symbol=" "), '"symbol"'),
        (line(side="HOLD"), "'HOLD'"),
        (line(side=None), '"side" is missing'),
        (line(side=1), '"side"'),
        (line(quantity=None), '"quantity" is missing'),
        (line(quantity="0"), "above 0"),
        (line(quantity="-5"), "above 0"),
        (line(quantity="NaN"), "finite"),
        (line(quantity=float("nan")), "finite"),
        (line(quantity="Infinity"), "finite"),
        (line(quantity="many"), "not a decimal"),
        (line(quantity=True), "decimal as a string"),
        (line(quantity=["1"]), "decimal as a string"),
        (line(price=None), '"price" is missing'),
        (line(price=""), '"price" is not a decimal'),
        (line(price="1E+999999"), "18 digits"),
        (line(price="1E-19"), "18 digits"),
        (line(commission="free"), '"commission"'),
        (line(multiplier="0"), '"multiplier"'),
    ],
)
def test_a_bad_line_is_named_by_number_and_reason(bad: str, says: str) -> None:
    rows = audit_lines([line(), "", bad, line()])
    assert next(rows)["quantity"] == "100"
    with pytest.raises(AuditError, match=r"^line 3: ") as raised:
        next(rows)
    assert says in raised.value.reason
    assert raised.value.line_number == 3
    assert list(rows) == []


def test_a_multiplier_holds_until_another_one_contradicts_it() -> None:
    rows = audit_lines([line(multiplier="100"), line(side="SELL", price="11"), line(multiplier="10")])
    next(rows)
    assert next(rows)["realized_pnl"] == "10000"
    with pytest.raises(AuditError, match="was 100"):
        next(rows)


@given(st.text())
def test_any_text_is_a_row_or_an_audit_error(text: str) -> None:
    with contextlib.suppress(AuditError):
        list(audit_lines([text]))


def folded(*lines: str) -> tuple[list[dict[str, str]], list[str]]:
    told: list[str] = []
    return list(audit_lines(lines, told.append)), told


BOUGHT = line(at="2024-03-05T15:00:00Z", execution_id="e1")
SOLD = line(at="2024-03-05T17:30:00+01:00", execution_id="e2", side="SELL", price="12")
BOUGHT_AGAIN = line(at="2024-03-05T17:00:00", execution_id="e3", price="20")


def test_lines_that_come_out_of_order_are_folded_by_time_and_that_is_said() -> None:
    rows, told = folded(BOUGHT_AGAIN, SOLD, BOUGHT)
    assert [(row["quantity"], row["realized_pnl"]) for row in rows] == [("100", "0"), ("0", "200"), ("100", "200")]
    assert told == ["the lines are not in the order of their times: they are folded by time"]
    assert folded(BOUGHT, SOLD, BOUGHT_AGAIN) == (rows, [])


def test_an_execution_that_comes_again_counts_once_and_that_is_said() -> None:
    rows, told = folded(BOUGHT, SOLD, BOUGHT, SOLD, BOUGHT)
    assert [row["quantity"] for row in rows] == ["100", "0"]
    assert told == ["3 lines repeat an execution that counts once"]
    elsewhere = line(at="2024-03-05T15:00:00Z", execution_id="e1", venue="dydx")
    assert [row["quantity"] for row in folded(BOUGHT, elsewhere)[0]] == ["100", "200"]
    assert [row["quantity"] for row in folded(line(), line())[0]] == ["100", "200"]  # without ids both are fills


def test_a_correction_counts_instead_of_what_it_corrects() -> None:
    first, last = (line(execution_id="e1", revision=each, quantity=str(50 * each)) for each in (1, 2))
    for lines in ((first, last), (last, first)):
        assert [row["quantity"] for row in folded(*lines)[0]] == ["100"]


def test_one_execution_with_two_figures_is_no_statement() -> None:
    with pytest.raises(AuditError, match="line 2: execution //e1 stands in line 1 with other figures"):
        folded(line(execution_id="e1"), line(execution_id="e1", price="11"))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"at": "noon"}, '"at" must be a time'),
        ({"at": 5}, '"at" must be a time'),
        ({"at": "0001-01-01T00:00:00+14:00"}, '"at" must be a time'),
        ({"execution_id": 5}, '"execution_id" must be a text'),
        ({"revision": "1"}, '"revision" must be a whole number'),
        ({"revision": 1.5}, '"revision" must be a whole number'),
        ({"revision": 10**30}, '"revision" must be a whole number'),
        ({}, '"at" must stand in every line'),
    ],
)
def test_what_can_not_be_a_time_or_an_execution_is_said(fields: dict[str, Any], says: str) -> None:
    rows = audit_lines([BOUGHT, line(**fields)])
    assert next(rows)["quantity"] == "100"
    with pytest.raises(AuditError) as caught:
        next(rows)
    assert says in str(caught.value)

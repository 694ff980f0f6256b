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

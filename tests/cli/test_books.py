"""`signalbox books`: what its words become, without a desk."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from signalbox.errors import ConfigurationError
from signalbox.messages import BookInterest, CorrectPosition, SplitPosition
from signalbox_cli.__main__ import build_parser
from signalbox_cli.books import check

COMMON = {
    "id": "a",
    "at": datetime(2026, 1, 5, tzinfo=UTC),
    "venue": "ibkr",
    "account": "DU1",
    "reason": "r",
    "by": "b",
}


def made(*words: str) -> Any:
    arguments = build_parser(["books"]).parse_args(["books", *words, "--reason", "r"])
    check(arguments)
    return arguments.make(arguments, COMMON)


def test_a_ratio_is_new_for_old() -> None:
    split = made("split", "AAPL", "1:10", "--effective", "2026-01-05T14:30:00Z")
    assert isinstance(split, SplitPosition)
    assert (split.numerator, split.denominator, split.keep_orders) == (1, 10, False)


def test_a_positions_name_is_the_desks() -> None:
    correct = made("correct", "700", "-100", "--price", "300.2", "--no-cash")
    assert isinstance(correct, CorrectPosition)
    assert (correct.symbol, correct.quantity, correct.moves_cash) == ("0700.HK", -100, False)


def test_interest_on_borrowed_shares_is_reckoned_or_said() -> None:
    said = made("interest", "USD", "-12.40", "--symbol", "GME")
    assert isinstance(said, BookInterest)
    assert (said.amount, said.symbol) == (Decimal("-12.40"), "GME")
    borrowed = ("--borrowed", "100", "--price", "20", "--rate", "0.18", "--days", "3")
    assert made("interest", "USD", "--symbol", "GME", *borrowed).amount == -3


@pytest.mark.parametrize(
    "words",
    [
        ("interest", "USD", "--symbol", "GME"),
        ("interest", "USD", "-1", "--symbol", "GME", "--rate", "0.1"),
        ("interest", "USD", "--symbol", "GME", "--rate", "0.1", "--days", "3"),
        ("interest", "USD", "--venue", "ibkr", "--borrowed", "1", "--price", "1", "--rate", "0.1", "--days", "3"),
    ],
)
def test_interest_is_an_amount_or_all_that_it_is_reckoned_from(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"AMOUNT|--symbol"):
        made(*words)

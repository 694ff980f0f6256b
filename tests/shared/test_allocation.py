"""How a quantity is shared out among accounts: parts add up, whole lots, in proportion."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.allocation import allocate
from signalbox.errors import ConfigurationError

ONE = Decimal(1)


def weights(**figures: Any) -> dict[str, Decimal]:
    return {name: Decimal(str(figure)) for name, figure in figures.items()}


def test_equal_weights_get_equal_parts_and_the_first_ones_what_is_left() -> None:
    assert allocate(Decimal(100), ONE, weights(a=1, b=1, c=1)) == weights(a=34, b=33, c=33)


def test_parts_are_in_proportion() -> None:
    assert allocate(Decimal(100), ONE, weights(a=300_000, b=100_000)) == weights(a=75, b=25)


def test_what_is_left_goes_to_whom_rounding_took_most_from() -> None:
    # 10 x 0.55, 0.15 and 0.30: 5.5, 1.5 and 3.0
    assert allocate(Decimal(10), ONE, weights(a=55, b=15, c=30)) == weights(a=6, b=1, c=3)
    assert allocate(Decimal(10), ONE, weights(c=30, b=16, a=54)) == weights(c=3, b=2, a=5)


def test_parts_are_whole_lots() -> None:
    assert allocate(Decimal(500), Decimal(100), weights(a=2, b=1)) == weights(a=300, b=200)
    assert allocate(Decimal("0.03"), Decimal("0.01"), weights(a=1, b=1)) == weights(a="0.02", b="0.01")


def test_a_small_account_may_get_nothing() -> None:
    assert allocate(Decimal(3), ONE, weights(a=1000, b=1)) == weights(a=3, b=0)
    assert allocate(Decimal(3), ONE, weights(a=1000, b=0)) == weights(a=3, b=0)


@pytest.mark.parametrize(
    ("quantity", "lot", "by", "said"),
    [
        ("10.5", "1", {"a": 1}, "must be a number of lots"),
        ("0", "1", {"a": 1}, "must be a number of lots"),
        ("-5", "1", {"a": 1}, "must be a number of lots"),
        ("10", "1", {"a": 5, "b": -1}, "account b has nothing"),
        ("10", "1", {"a": 5, "b": "NaN"}, "account b has nothing"),
        ("10", "1", {"a": 0, "b": 0}, "none of the accounts"),
        ("10", "1", {}, "none of the accounts"),
    ],
)
def test_what_can_not_be_shared_is_said(quantity: str, lot: str, by: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        allocate(Decimal(quantity), Decimal(lot), weights(**by))


@given(
    lots=st.integers(1, 10**6),
    figures=st.lists(st.decimals(0, 10**9, places=2), min_size=1, max_size=8).filter(lambda each: sum(each) > 0),
)
def test_parts_add_up_and_differ_from_the_exact_ones_by_less_than_a_lot(lots: int, figures: list[Decimal]) -> None:
    lot = Decimal("0.5")
    by = {f"a{number}": figure for number, figure in enumerate(figures)}
    parts = allocate(lots * lot, lot, by)
    assert sum(parts.values()) == lots * lot
    total = sum(figures)
    assert all(abs(parts[name] - lots * lot * figure / total) < lot for name, figure in by.items())
    assert all(part >= 0 and part % lot == 0 for part in parts.values())

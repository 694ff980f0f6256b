"""What each set of exits is for as their entry fills: whole lots, nothing taken back, and the shares at the end."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.apportioning import apportioned

ONE = Decimal(1)
WEIGHTS = st.lists(st.integers(1, 60).map(Decimal), min_size=1, max_size=9)


def parts(weights: list[int], filled: int, whole: int = 0) -> list[int]:
    found = apportioned([Decimal(each) for each in weights], Decimal(whole or sum(weights)), Decimal(filled), ONE)
    return [int(each) for each in found]


@pytest.mark.parametrize(
    ("weights", "filled", "expected"),
    [
        ([50, 50], 0, [0, 0]),
        ([50, 50], 1, [1, 0]),
        ([50, 50], 2, [1, 1]),
        ([50, 50], 31, [16, 15]),
        ([50, 50], 100, [50, 50]),
        ([50, 50], 130, [50, 50]),
        ([3, 2], 5, [3, 2]),
        ([70, 20, 10], 10, [7, 2, 1]),
        ([100], 7, [7]),
    ],
)
def test_each_has_its_share_in_whole_lots(weights, filled, expected):
    assert parts(weights, filled) == expected


@given(weights=WEIGHTS)
def test_nothing_is_taken_back_as_more_fills_and_all_of_it_is_given_out(weights):
    whole = sum(weights)
    before = [Decimal(0)] * len(weights)
    for filled in range(int(whole) + 1):
        now = apportioned(weights, whole, Decimal(filled), ONE)
        assert sum(now) == filled
        for was, part, weight in zip(before, now, weights, strict=True):
            assert was <= part <= weight
            assert part >= Decimal(filled) * weight // whole
        before = now
    assert before == weights


@given(weights=WEIGHTS, less=st.integers(0, 200), filled=st.integers(0, 900))
def test_some_of_them_have_no_more_than_their_part(weights, less, filled):
    """One set is over for good: the others have what they would have with it, but for a lot."""
    whole = sum(weights) + less
    now = apportioned(weights, whole, Decimal(filled), ONE)
    assert sum(now) <= min(Decimal(filled), whole)
    for part, weight in zip(now, weights, strict=True):
        assert min(Decimal(filled), whole) * weight // whole <= part <= weight


def test_what_of_a_lot_has_filled_is_given_out_too():
    assert apportioned([Decimal(5), Decimal(5)], Decimal(10), Decimal("2.5"), ONE) == [Decimal("1.5"), Decimal(1)]
    assert apportioned([Decimal(10)], Decimal(10), Decimal("2.5"), ONE) == [Decimal("2.5")]
    assert apportioned([Decimal(5), Decimal(5)], Decimal(10), Decimal(1), Decimal(0)) == [Decimal("0.5")] * 2

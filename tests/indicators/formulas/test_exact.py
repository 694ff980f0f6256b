"""Sums that lose nothing: the exact fraction, rounded once."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from indicators.formulas.exact import SCALE_BITS, deviation, exact, mean

PRICES = st.floats(1e-30, 1e31)


@given(value=st.one_of(PRICES, PRICES.map(lambda price: -price), st.just(0.0)))
def test_price_is_kept_to_its_last_bit(value: float) -> None:
    assert Fraction(exact(value), 2**SCALE_BITS) == Fraction(value)


@given(values=st.lists(PRICES, min_size=1, max_size=30))
def test_mean_is_the_exact_one_rounded_once(values: list[float]) -> None:
    assert mean(sum(map(exact, values)), len(values)) == float(sum(map(Fraction, values)) / len(values))


@given(value=PRICES, count=st.integers(1, 50))
def test_values_that_are_equal_have_their_mean_and_no_deviation(value: float, count: int) -> None:
    whole = exact(value)
    assert (mean(whole * count, count), deviation(whole * count, whole * whole * count, count)) == (value, 0.0)


@pytest.mark.parametrize("value", [1e-320, -1e-320, 5e-324, 1e308, -1e308])
def test_numbers_beyond_any_price_leave_as_they_came(value: float) -> None:
    assert exact(1.5) + exact(value) - exact(value) == exact(1.5)
    assert mean(exact(1e308) * 3, 1) == float("inf")

"""EMA, Wilder's average and true range by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from indicators.formulas.averages import ema, rma, true_range

PRICES = st.floats(0.01, 1e6)


def test_ema_is_seeded_with_the_first_value() -> None:
    assert ema(math.nan, 7.0, 3) == 7.0


def test_ema_weighs_the_new_value_with_two_over_period_plus_one() -> None:
    assert ema(10.0, 14.0, 3) == 12.0


def test_rma_is_a_sum_then_a_mean_then_wilders() -> None:
    value, seen = 0.0, []
    for number, source in enumerate((3.0, 6.0, 9.0, 15.0), 1):
        value = rma(value, source, 3, number)
        seen.append(value)
    assert seen == [3.0, 9.0, 6.0, pytest.approx(6.0 + (15.0 - 6.0) / 3)]


def test_first_true_range_is_high_less_low() -> None:
    assert true_range(11.0, 9.5, math.nan) == 1.5


@given(one=PRICES, other=PRICES, previous_close=PRICES)
def test_true_range_is_pines_to_the_bit(one: float, other: float, previous_close: float) -> None:
    high, low = max(one, other), min(one, other)
    expected = max(high - low, abs(high - previous_close), abs(low - previous_close))
    assert true_range(high, low, previous_close) == expected

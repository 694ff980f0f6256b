"""EMA and average true range by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from indicators.formulas.averages import average_true_range, ema

PRICES = st.floats(0.01, 1e6)


def test_ema_is_seeded_with_the_first_value() -> None:
    assert ema(math.nan, 7.0, 0.5) == 7.0


def test_ema_moves_by_alpha_of_the_difference() -> None:
    assert ema(10.0, 14.0, 0.25) == 11.0


def test_atr_is_a_sum_then_a_mean_then_wilders() -> None:
    value, seen = 0.0, []
    for number, true_range in enumerate((3.0, 6.0, 9.0, 15.0), 1):
        value = average_true_range(value, number, 3, 100.0 + true_range, 100.0, 100.0)
        seen.append(value)
    assert seen == [3.0, 9.0, 6.0, pytest.approx(6.0 + (15.0 - 6.0) / 3)]


def test_first_true_range_is_high_less_low() -> None:
    assert average_true_range(0.0, 1, 1, 11.0, 9.5, math.nan) == 1.5


@given(one=PRICES, other=PRICES, previous_close=PRICES)
def test_true_range_is_pines_to_the_bit(one: float, other: float, previous_close: float) -> None:
    high, low = max(one, other), min(one, other)
    expected = max(high - low, abs(high - previous_close), abs(low - previous_close))
    assert average_true_range(0.0, 1, 1, high, low, previous_close) == expected


def test_averages_of_what_does_not_change_do_not_drift() -> None:
    average, value = 0.1, 0.1 * 3
    for _ in range(1000):
        average = ema(average, 0.1, 2 / 22)
        value = average_true_range(value, 50, 10, 0.1 * 3, 0.0, 0.1)
    assert (average, value) == (0.1, 0.1 * 3)

"""N3, N4 and N5 by hand."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from indicators.formulas.scores import ema_deviation, new_high_score, trend_score


def _new_high_scores(closes: list[float]) -> list[int]:
    score, top, column = 0, math.nan, []
    for close in closes:
        score, top = new_high_score(score, top, close)
        column.append(score)
    return column


def test_trend_score_counts_bars_and_restarts_on_a_flip() -> None:
    score, column = 0, []
    for direction in (-1, -1, 1, 1, 1, -1):
        score = trend_score(score, direction)
        column.append(score)
    assert column == [-1, -2, 1, 2, 3, -1]


def test_deviation_is_in_units_of_atr() -> None:
    assert ema_deviation(103.0, 100.0, 2.0) == 1.5
    assert ema_deviation(97.0, 100.0, 2.0) == -1.5


def test_deviation_without_atr_is_not_defined() -> None:
    assert math.isnan(ema_deviation(103.0, 100.0, 0.0))
    assert math.isnan(ema_deviation(103.0, 100.0, math.nan))


def test_new_highs_add_up_and_a_close_below_resets() -> None:
    assert _new_high_scores([10, 11, 12, 11.5, 12, 12.5, 13]) == [0, 1, 2, 0, 0, 1, 2]


def test_an_equal_close_leaves_the_score() -> None:
    assert _new_high_scores([10, 11, 11, 12]) == [0, 1, 1, 2]


@given(st.lists(st.integers(1, 6), min_size=2))
def test_new_high_score_never_grows_by_more_than_one(closes: list[int]) -> None:
    column = _new_high_scores([float(close) for close in closes])
    assert all(after in (0, before, before + 1) for before, after in pairwise(column))

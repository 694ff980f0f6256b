"""All formulas together against the reference: on drawn series here, on real bars in `test_history.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from indicators.formulas.indicator_set import EMPTY, step
from indicators.readings import read
from msgspec.structs import asdict

Table = Callable[..., list[dict[str, Any]]]


@st.composite
def series(draw: st.DrawFn) -> list[tuple[int, float, float, float]]:
    """Bars on a grid of quarters, so that equal highs, equal closes and bars without range are common."""
    bars, price, day = [], draw(st.integers(40, 4000)), 1
    for _ in range(draw(st.integers(1, 60))):
        day += draw(st.sampled_from((0, 0, 0, 0, 0, 0, 1)))
        price = max(8, price + draw(st.integers(-12, 12)))
        below, above = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        bars.append((day, (price + above) / 4, (price - below) / 4, price / 4))
    return bars


@given(
    bars=series(),
    supertrend=st.tuples(st.integers(1, 12), st.sampled_from((0.5, 1.0, 2.0, 3.0))),
    ema=st.integers(1, 30),
    atr=st.integers(1, 12),
)
@settings(max_examples=300, deadline=None)
def test_streaming_equals_the_reference(
    pine_table: Table,
    approximately: Callable[[dict[str, Any]], dict[str, Any]],
    bars: list[tuple[int, float, float, float]],
    supertrend: tuple[int, float],
    ema: int,
    atr: int,
) -> None:
    parameters = (*supertrend, 2 / (ema + 1), atr)
    memory = EMPTY
    for bar, expected in zip(bars, pine_table(bars, supertrend, ema, atr), strict=True):
        memory = step(memory, parameters, *bar)
        assert asdict(read(memory, parameters)) == approximately(expected)


@given(bars=series())
@settings(deadline=None)
def test_a_prefix_of_the_bars_has_the_same_readings(bars: list[tuple[int, float, float, float]]) -> None:
    """Nothing looks ahead: the memory after a bar is a function of the bars up to it."""
    parameters = (3, 2.0, 0.25, 3)
    whole = EMPTY
    for index, bar in enumerate(bars):
        whole = step(whole, parameters, *bar)
        if index in (len(bars) // 2, len(bars) - 1):
            prefix = EMPTY
            for earlier in bars[: index + 1]:
                prefix = step(prefix, parameters, *earlier)
            assert repr(prefix) == repr(whole)  # repr: NaN is not equal to itself


@given(bars=series())
@settings(deadline=None)
def test_direction_and_trend_score_agree(bars: list[tuple[int, float, float, float]]) -> None:
    parameters, memory, before = (3, 2.0, 0.25, 3), EMPTY, 0
    for bar in bars:
        memory = step(memory, parameters, *bar)
        readings = read(memory, parameters)
        if readings.supertrend is None:
            assert (readings.direction, readings.trend_score) == (0, 0)
            continue
        assert readings.direction in (-1, 1)
        grown = before + readings.direction
        assert readings.trend_score == (grown if before * readings.direction > 0 else readings.direction)
        before = readings.trend_score


def test_indicators_begin_when_their_period_is_full() -> None:
    parameters, memory, first = (3, 2.0, 0.1, 2), EMPTY, {}
    for number in range(1, 6):
        memory = step(memory, parameters, 1, 11.0 + number, 9.0 + number, 10.0 + number)
        for name, value in asdict(read(memory, parameters)).items():
            if value:
                first.setdefault(name, number)
    assert first == {
        "ema": 1,
        "atr": 2,
        "ema_deviation": 2,
        "new_high_score": 2,
        "supertrend": 3,
        "direction": 3,
        "trend_score": 3,
    }


def test_a_price_that_stands_still_has_no_deviation() -> None:
    parameters, memory = (3, 2.0, 0.1, 2), EMPTY
    for _ in range(5):
        memory = step(memory, parameters, 1, 10.0, 10.0, 10.0)
    readings = read(memory, parameters)
    assert (readings.atr, readings.ema_deviation) == (0.0, None)
    assert (readings.supertrend, readings.direction) == (10.0, -1)

"""What holds of every study, whatever the bars are: it never fails, nothing is lost at a restart, nothing is shared."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from indicators.decide import PRICE_DIGITS_MAX
from indicators.studied import KEPT_BARS_MIN, Studied, Study, StudyBar, chosen, study, told
from indicators.study_files import find

FORMULAS = find()
ALL = [Study(name, formula, tuple(formula.parameters.values())) for name, formula in FORMULAS.items()]
SHORT = [
    Study(
        name, formula, tuple(3 if type(value) is int and value > 1 else value for value in formula.parameters.values())
    )
    for name, formula in FORMULAS.items()
]
LARGEST = 10.0**PRICE_DIGITS_MAX
PRICES = st.one_of(
    st.sampled_from((0.0, 1.0, 0.1, 100.0, -37.63, LARGEST, -LARGEST, 1 / LARGEST)),
    st.floats(-LARGEST, LARGEST, allow_subnormal=False),
)
VOLUMES = st.one_of(st.sampled_from((0.0, 1.0, math.nan, math.inf, -5.0)), st.floats(0, 1e300))


@st.composite
def any_bars(draw: st.DrawFn) -> list[StudyBar]:
    bars: list[StudyBar] = []
    day = 1
    for _ in range(draw(st.integers(1, 12))):
        day += draw(st.integers(0, 1))
        prices = sorted(draw(st.tuples(PRICES, PRICES, PRICES)))
        repeated = draw(st.integers(1, 4))
        bar = (day, prices[1], prices[2], prices[0], prices[1], draw(VOLUMES), draw(st.booleans()))
        bars += [bar] * repeated
    return bars


def after(state: Studied, bars: list[StudyBar]) -> list[str]:
    rows = []
    for bar in bars:
        state = study(state, bar)
        rows.append(repr(told(state)))
    return rows


def walk(length: int) -> list[StudyBar]:
    return [
        (1 + at // 50, *[100.0 + at * 7 % 11] * 2, 99.0 - at * 5 % 3, 100.0 + at * 3 % 7, 5.0, True)
        for at in range(length)
    ]  # type: ignore[misc]


@given(bars=any_bars())
@settings(max_examples=60, deadline=None)
def test_nothing_that_can_be_a_bar_makes_a_study_fail(bars: list[StudyBar]) -> None:
    for wanted in (ALL, SHORT):
        for row in after(chosen(wanted, "", "1m"), bars):
            assert "nan" not in row
            assert "inf" not in row


@given(bars=any_bars(), at=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_restart_anywhere_is_never_restarted(bars: list[StudyBar], at: int) -> None:
    """What is remembered is plain values: written down and read again it says the same, bit for bit."""
    at = min(at, len(bars))
    whole = after(chosen(SHORT, "", "1m"), bars)
    state = chosen(SHORT, "", "1m")
    for bar in bars[:at]:
        state = study(state, bar)
    kept = pickle.loads(pickle.dumps((state.bars[max(0, state.end - state.reach) : state.end], state.memories)))
    again = Studied(state.studies, state.reach, kept[0], len(kept[0]), kept[1])
    assert after(again, bars[at:]) == whole[at:]


def test_a_state_from_before_can_be_taken_on_again() -> None:
    """A score that could not be stored is made again of the state before it; and the other way goes on as well."""
    bars = walk(200)
    state, states = chosen(SHORT, "", "1m"), []
    for bar in bars:
        states.append(state)
        state = study(state, bar)
    whole = after(chosen(SHORT, "", "1m"), bars)
    other = (9, 50.0, 51.0, 49.0, 50.0, 1.0, True)
    for at in (0, 1, 7, 90, 150):
        forked = study(states[at], other)
        assert after(states[at], bars[at:]) == whole[at:]
        assert after(forked, bars[at:]) == after(study(_fresh(bars[:at]), other), bars[at:])
    assert after(states[150], bars[150:]) == whole[150:]


def _fresh(bars: list[StudyBar]) -> Studied:
    state = chosen(SHORT, "", "1m")
    for bar in bars:
        state = study(state, bar)
    return state


def test_no_more_bars_are_kept_than_are_looked_at() -> None:
    state = chosen(ALL, "", "1m")
    kept = []
    for bar in walk(1000):
        state = study(state, bar)
        kept.append(len(state.bars))
    assert max(kept) <= 2 * state.reach + KEPT_BARS_MIN + 1


@pytest.mark.parametrize("price", [0.1, 100.0, 33.333, 997.41])
def test_price_that_stands_still_has_no_width_and_no_movement(price: float) -> None:
    bars: list[StudyBar] = [(1, price, price, price, price, 0.0, True)] * 60
    state = chosen(ALL, "", "1m")
    for bar in bars:
        state = study(state, bar)
    said = told(state)
    assert said["sma"] == said["wma"] == said["ema"] == said["bollinger.upper"] == said["bollinger.lower"] == price
    assert said["keltner.upper"] == said["donchian.upper"] == said["rolling.low"] == price
    assert (said["adx.adx"], said["rsi"], said["obv"], said["atr"], said["realized_volatility"]) == (0, 100, 0, 0, 0)
    undefined = {name for name, value in said.items() if value is None and not name.startswith("pivot_points")}
    assert undefined == {"zscore", "cci", "stochastic.k", "stochastic.d", "mfi"}


def test_volume_that_nobody_has_said_leaves_the_window_with_its_bar() -> None:
    bars = walk(60)
    bars[20] = (*bars[20][:5], math.nan, True)
    state, defined = chosen([study for study in ALL if study.name == "mfi"], "", "1m"), []
    for bar in bars:
        state = study(state, bar)
        defined.append(told(state)["mfi"] is not None)
    assert defined == [at >= 14 and not 20 <= at < 34 for at in range(60)]

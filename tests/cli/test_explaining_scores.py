"""A score that is explained: computed again from the bars, and what is another one is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from indicators.state import Series, rules_of
from indicators.step import step
from signalbox.desk import IndicatorParameters, load_desk
from signalbox.messages import Bar, Score
from signalbox_cli.explaining_scores import differences, scored_again, told

from tests.conftest import ROOT

RULES = rules_of(load_desk(ROOT / "deploy" / "desk.toml"))
OPEN = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)


def bar(minute: int) -> Bar:
    start, price = OPEN + timedelta(minutes=minute), Decimal(430) + Decimal((minute * 7) % 11) / 10
    prices = {"open": price, "high": price + 1, "low": price - 1, "close": price}
    where = {"venue": "ibkr", "symbol": "SPY", "timeframe": "1m"}
    return Bar(id=f"b-{minute}", at=start + timedelta(minutes=1), start=start, volume=Decimal(10), **where, **prices)


BARS = [bar(minute) for minute in range(40)]


def stored(minute: int) -> Score:
    """As the service had it: bar by bar, one that came twice among them."""
    series, found = Series(), None
    for each in (*BARS[:20], BARS[3], *BARS[20:]):
        series, score = step(series, each, RULES)
        if isinstance(score, Score) and score.bar_start == BARS[minute].start:
            found = score
    assert found is not None
    return found


def test_the_same_comes_out_of_all_bars_that_came_before() -> None:
    for minute in (0, 7, 30, 39):
        again = scored_again([*BARS[:20], BARS[3], *BARS[20:]], BARS[minute].start, RULES)
        assert differences(stored(minute), again) == {}


def test_what_is_another_one_is_told_with_both() -> None:
    score = stored(39)
    assert score.atr is not None
    spoiled = msgspec.structs.replace(score, atr=score.atr * (1 + 1e-15))
    assert differences(spoiled, scored_again(BARS, BARS[39].start, RULES)) == {"atr": (spoiled.atr, score.atr)}


def test_without_a_bar_that_was_there_another_one_comes_out() -> None:
    again = scored_again([each for each in BARS if each is not BARS[30]], BARS[39].start, RULES)
    assert "ema" in differences(stored(39), again)


def test_a_score_whose_bar_is_gone_can_not_be_computed_again() -> None:
    assert differences(stored(39), scored_again(BARS[:39], BARS[39].start, RULES)) == {"score": (stored(39).id, None)}


def test_each_figure_says_what_it_is_of() -> None:
    score = stored(39)
    words = {name: (value, of) for name, value, of in told(score, IndicatorParameters())}
    assert words["ema"] == (score.ema, f"EMA of {IndicatorParameters().ema_period} closes")
    assert words["ema_deviation"][1] == f"(close - ema) / atr = ({score.close} - {score.ema}) / {score.atr}"
    assert words["supertrend"][1].endswith("long" if score.direction > 0 else "short")

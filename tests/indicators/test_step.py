"""Which bars count, and what the score of one says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from indicators.days import TradingDays
from indicators.formulas.indicator_set import EMPTY
from indicators.state import Ignored, Rules, Series, parameters_of, settled_bars
from indicators.step import advance, step
from indicators.studied import studies_of
from indicators.study_files import find
from signalbox.desk import IndicatorParameters
from signalbox.errors import CalendarError, MessageError, SymbolError
from signalbox.messages import Bar, BarSource, Score, ScoreState
from signalbox.studies import DeskStudy

RULES = Rules(parameters=(3, 2.0, 0.25, 3), timeframes=frozenset({"1m", "5m"}))
OPEN = datetime(2020, 12, 15, 14, 30, tzinfo=UTC)  # 09:30 in New York
MINUTE = timedelta(minutes=1)


def a_bar(start: datetime = OPEN, close: str = "100", symbol: str = "SPY", timeframe: str = "1m") -> Bar:
    price = Decimal(close)
    return Bar(
        id=f"bar/ibkr/{symbol}/{timeframe}/{start.isoformat()}",
        at=start + MINUTE,
        venue="ibkr",
        symbol=symbol,
        timeframe=timeframe,
        start=start,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=Decimal(10),
    )


def scores_of(bars: list[Bar], series: Series | None = None) -> list[Score]:
    state, scores = series or Series(), []
    for bar in bars:
        state, outcome = step(state, bar, RULES)
        if isinstance(outcome, Score):
            scores.append(outcome)
    return scores


def test_score_names_its_bar_and_derives_from_it() -> None:
    _, score = step(Series(), a_bar(), RULES)
    assert isinstance(score, Score)
    assert score.id == "score/ibkr/SPY/1m/2020-12-15T14:30:00+00:00"
    assert (score.cause, score.at) == (a_bar().id, a_bar().at)
    assert (score.bar_start, score.close, score.ema, score.supertrend) == (OPEN, 100.0, 100.0, None)


def test_repeated_bar_is_ignored_and_changes_nothing() -> None:
    series, _ = step(Series(), a_bar(), RULES)
    assert step(series, a_bar(close="200"), RULES) == (series, Ignored.NOT_NEWER)


def test_older_bar_is_ignored_and_changes_nothing() -> None:
    series, _ = step(Series(), a_bar(OPEN + MINUTE), RULES)
    assert step(series, a_bar(OPEN), RULES) == (series, Ignored.NOT_NEWER)


def test_timeframe_that_the_desk_does_not_score_is_ignored() -> None:
    assert step(Series(), a_bar(timeframe="15m"), RULES) == (Series(), Ignored.TIMEFRAME)


@pytest.mark.parametrize(
    ("start", "counts"),
    [
        (datetime(2020, 12, 15, 8, 59, tzinfo=UTC), False),  # 03:59 in New York
        (datetime(2020, 12, 15, 9, 0, tzinfo=UTC), True),  # 04:00, pre-market begins
        (datetime(2020, 12, 15, 20, 59, tzinfo=UTC), True),
        (datetime(2020, 12, 15, 21, 0, tzinfo=UTC), False),  # 16:00, the close
        (datetime(2020, 12, 15, 23, 0, tzinfo=UTC), False),
        (datetime(2020, 12, 24, 17, 59, tzinfo=UTC), True),
        (datetime(2020, 12, 24, 18, 0, tzinfo=UTC), False),  # a half day ends at 13:00
        (datetime(2020, 12, 25, 15, 0, tzinfo=UTC), False),
        (datetime(2020, 12, 19, 15, 0, tzinfo=UTC), False),  # a Saturday
    ],
)
def test_bars_count_from_pre_market_to_the_close(start: datetime, counts: bool) -> None:
    _, outcome = step(Series(), a_bar(start), RULES)
    assert outcome is not Ignored.OUTSIDE_SESSION if counts else outcome is Ignored.OUTSIDE_SESSION


def test_hong_kong_bar_is_held_against_its_own_calendar() -> None:
    assert step(Series(), a_bar(OPEN, symbol="0700.HK"), RULES)[1] is Ignored.OUTSIDE_SESSION
    morning = datetime(2020, 12, 15, 2, 0, tzinfo=UTC)  # 10:00 in Hong Kong
    assert isinstance(step(Series(), a_bar(morning, symbol="0700.HK"), RULES)[1], Score)


def test_new_high_score_starts_again_each_trading_day() -> None:
    days = [OPEN + timedelta(days=day, minutes=minute) for day in (0, 1) for minute in range(3)]
    bars = [a_bar(start, str(100 + number)) for number, start in enumerate(days)]
    assert [score.new_high_score for score in scores_of(bars)] == [0, 1, 2, 0, 1, 2]


def test_pre_market_closes_count_for_the_high_of_the_day() -> None:
    bars = [a_bar(OPEN - MINUTE, "105"), a_bar(OPEN, "104"), a_bar(OPEN + MINUTE, "106")]
    assert [score.new_high_score for score in scores_of(bars)] == [0, 0, 1]


@pytest.mark.parametrize("price", ["NaN", "Infinity", "1e400", "-1e999"])
def test_impossible_price_is_refused_with_the_reason(price: str) -> None:
    bar = msgspec.structs.replace(a_bar(), close=Decimal(price))
    with pytest.raises(MessageError, match=r"close is .* which is no price"):
        step(Series(), bar, RULES)


def test_high_below_low_is_refused() -> None:
    with pytest.raises(MessageError, match="high 98 is below low 99"):
        step(Series(), msgspec.structs.replace(a_bar(), high=Decimal(98)), RULES)


def test_symbol_that_names_nothing_is_refused() -> None:
    with pytest.raises(SymbolError):
        step(Series(), a_bar(symbol="no such > thing"), RULES)


def test_restart_in_the_middle_gives_the_same_scores() -> None:
    bars = [a_bar(OPEN + MINUTE * number, str(100 + number * 7 % 11)) for number in range(60)]
    whole = scores_of(bars)
    series = Series()
    for bar in bars[:25]:
        series, _ = step(series, bar, RULES)
    assert scores_of(bars[20:], series) == whole[25:]  # five bars come again after the restart


def test_prices_alone_make_the_memory_that_bars_make() -> None:
    """Three days with a night, a weekend and after-hours in between."""
    begin = datetime(2020, 12, 17, 9, 0, tzinfo=UTC)
    bars = [a_bar(begin + timedelta(minutes=17 * number), str(100 + number * 7 % 11)) for number in range(600)]
    series, memory, days = Series(), EMPTY, TradingDays("XNYS")
    for bar in bars:
        series, _ = step(series, bar, RULES)
        memory = advance(memory, RULES.parameters, days, bar.start, float(bar.high), float(bar.low), float(bar.close))
        assert memory == series.memory, bar.id
    assert 100 < memory[0] < len(bars)


def test_prices_outside_a_session_leave_the_memory_as_it_is() -> None:
    days = TradingDays("XNYS")
    memory = advance(EMPTY, RULES.parameters, days, OPEN, 101.0, 99.0, 100.0)
    for start in (OPEN.replace(hour=21), OPEN.replace(hour=8), OPEN + timedelta(days=4)):
        assert advance(memory, RULES.parameters, days, start, 301.0, 299.0, 300.0) is memory


def test_prices_of_a_day_that_no_calendar_covers_are_refused() -> None:
    with pytest.raises(CalendarError):
        advance(EMPTY, RULES.parameters, TradingDays("XNYS"), datetime(1901, 1, 2, 15, 0, tzinfo=UTC), 2.0, 1.0, 1.5)


def test_days_that_are_asked_backwards_are_right_too() -> None:
    days = TradingDays("XNYS")
    starts = [OPEN + timedelta(hours=7 * number) for number in (0, 1, 2, 3, 4, 3, 2, 1, 0)]
    there = [(days.move_to(start), days.number) for start in starts]
    assert [found for found, _ in there] == [found for found, _ in reversed(there)]
    assert there[0] == there[-1] == (True, OPEN.toordinal())


def test_studies_are_those_of_the_desk_by_symbol_and_timeframe() -> None:
    wanted = [
        DeskStudy(name="sma", parameters={"period": 2.0}),
        DeskStudy(name="high", formula="donchian", parameters={"period": 2.0}, symbols=("SPY",), timeframes=("5m",)),
    ]
    rules = replace(RULES, studies=studies_of(wanted, find())[0])
    series, said = Series(), []
    for number, close in enumerate(("100", "102", "104")):
        series, score = step(series, a_bar(OPEN + MINUTE * number, close), rules)
        assert isinstance(score, Score)
        said.append(score.studies)
    assert said == [{"sma": None}, {"sma": 101.0}, {"sma": 103.0}]
    _, score = step(Series(), a_bar(timeframe="5m"), rules)
    assert isinstance(score, Score)
    assert list(score.studies) == ["sma", "high.upper", "high.middle", "high.lower"]
    _, score = step(Series(), a_bar(), RULES)
    assert isinstance(score, Score)
    assert score.studies == {}


def test_studies_know_regular_hours_by_the_symbols_calendar() -> None:
    """The pivots of Tuesday are those of its regular hours, on Wednesday from the first bar before the open on."""
    rules = replace(RULES, studies=studies_of([DeskStudy(name="pivots", formula="pivot_points")], find())[0])
    bars = [
        a_bar(OPEN - MINUTE, "500"),
        a_bar(OPEN, "110"),
        a_bar(OPEN.replace(hour=20, minute=59), "99"),
        a_bar(OPEN.replace(day=16, hour=9), "500"),
    ]
    series = Series()
    for bar in bars:
        series, score = step(series, bar, rules)
    assert isinstance(score, Score)
    assert score.studies["pivots.p"] == pytest.approx((111 + 98 + 99) / 3)


def test_bar_that_is_taken_again_leaves_the_studies_as_they_were() -> None:
    """A score that could not be stored is made once more of the same series, and must be the same."""
    rules = replace(RULES, studies=studies_of([DeskStudy(name="sma", parameters={"period": 2.0})], find())[0])
    series, _ = step(Series(), a_bar(), rules)
    later = a_bar(OPEN + MINUTE, "110")
    once, twice = step(series, later, rules), step(series, later, rules)
    assert once[1] == twice[1]
    assert isinstance(once[1], Score)
    assert once[1].studies == {"sma": 105.0}


SET = Rules(parameters=parameters_of(IndicatorParameters()), timeframes=frozenset({"1m"}))


def states_of(bars: list[Bar], rules: Rules = SET) -> list[tuple[ScoreState, str]]:
    series, said = Series(), []
    for bar in bars:
        series, score = step(series, bar, rules)
        assert isinstance(score, Score)
        said.append((score.state, score.why))
    return said


def test_score_is_warming_until_the_averages_have_forgotten_where_they_began() -> None:
    """As it is said: two series that began at other prices agree, from then on, to 1 % of how far apart they began."""
    bars = [a_bar(OPEN + MINUTE * number, str(100 + number * 7 % 11)) for number in range(70)]
    said = states_of(bars)
    assert SET.warm_bars == 54
    assert said[52] == (ScoreState.WARMING, "bar 53 of the 54 that indicators need to forget where they began")
    assert said[53:] == [(ScoreState.LIVE, "")] * 17
    other = [a_bar(OPEN, "200"), *bars[1:]]
    apart = [abs((one.ema or 0) - (two.ema or 0)) for one, two in zip(_scored(bars), _scored(other), strict=True)]
    assert apart[0] == 100.0
    assert apart[53] < 1.0 < apart[40]


def _scored(bars: list[Bar]) -> list[Score]:
    series, scores = Series(), []
    for bar in bars:
        series, score = step(series, bar, SET)
        assert isinstance(score, Score)
        scores.append(score)
    return scores


@pytest.mark.parametrize(
    ("parameters", "bars"),
    [((1, 2.0, 1.0, 1), 2), ((10, 2.0, 2 / 22, 10), 54), ((3, 2.0, 2 / 201, 3), 462), ((50, 2.0, 0.5, 3), 278)],
)
def test_bars_that_a_set_needs_follow_from_its_parameters(parameters: tuple[int, float, float, int], bars: int) -> None:
    assert settled_bars(parameters) == bars


def test_study_that_needs_more_bars_than_the_set_keeps_the_score_warming() -> None:
    rules = replace(SET, studies=studies_of([DeskStudy(name="sma", parameters={"period": 60.0})], find())[0])
    said = states_of([a_bar(OPEN + MINUTE * number) for number in range(61)], rules)
    assert [state for state, _ in said] == [ScoreState.WARMING] * 59 + [ScoreState.LIVE] * 2


def test_score_of_a_bar_that_was_fetched_says_so() -> None:
    """At the open nothing is cold: yesterday's bars and those before the open were fetched, and have warmed it up."""
    fetched = [
        msgspec.structs.replace(a_bar(OPEN - MINUTE * number), source=BarSource.BACKFILL) for number in range(60, 0, -1)
    ]
    said = states_of([*fetched, a_bar(OPEN)])
    assert said[0][0] is ScoreState.WARMING
    assert said[59] == (ScoreState.BACKFILL, "the bar was fetched from the venue's history")
    assert said[60] == (ScoreState.LIVE, "")

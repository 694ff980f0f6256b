"""The scores of a file: against the reference on real bars, and against the live decision on the same bars."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from indicators.history import LocalDays, Row, SessionDays, format_line, joined, score_history
from indicators.state import Rules, Series, parameters_of
from indicators.step import step
from indicators.studied import studies_of
from indicators.study_files import find
from msgspec.structs import asdict
from signalbox.bars import parse_timeframe
from signalbox.desk import IndicatorParameters
from signalbox.errors import CalendarError, MessageError
from signalbox.messages import Bar, Score
from signalbox.studies import DeskStudy

NEW_YORK = ZoneInfo("America/New_York")
PARAMETERS = IndicatorParameters()
AT = datetime(2011, 1, 3, 14, 30, tzinfo=UTC)
MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)
ONE_MINUTE, FIVE_MINUTES = parse_timeframe("1m"), parse_timeframe("5m")


@pytest.fixture(scope="module")
def spy(market_data: Path) -> list[Row]:
    file = market_data / "us_equity_1m/SPY_2011-01_eth.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(
            "SELECT epoch_us(ts), open, high, low, close, volume FROM read_parquet(?) ORDER BY ts", [str(file)]
        ).fetchall()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [(epoch + timedelta(microseconds=at), *map(float, prices)) for at, *prices in rows]


def a_row(minute: int, close: float) -> Row:
    return AT + MINUTE * minute, close, close + 1.0, close - 1.0, close, 10.0


@pytest.mark.parametrize("timeframe", ["1m", "5m"])
def test_every_real_bar_has_the_references_readings(
    spy: list[Row],
    timeframe: str,
    pine_table: Callable[..., list[dict[str, Any]]],
    approximately: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    groups = [list(group) for _, group in groupby(spy, lambda row: row[0].timestamp() // (60 * int(timeframe[0])))]
    rows = [(g[0][0], g[0][1], max(r[2] for r in g), min(r[3] for r in g), g[-1][4]) for g in groups]
    bars = [(start.astimezone(NEW_YORK).toordinal(), high, low, close) for start, _, high, low, close in rows]
    scored = list(score_history(spy, PARAMETERS, parse_timeframe(timeframe), LocalDays(NEW_YORK)))
    assert [(bar.open, bar.high, bar.low, bar.close) for bar in scored] == [row[1:] for row in rows]
    for bar, expected in zip(scored, pine_table(bars, (10, 2.0), 21, 10), strict=True):
        assert asdict(bar.readings) == approximately(expected)


def test_no_bar_of_the_file_is_dropped(spy: list[Row]) -> None:
    assert sum(1 for _ in score_history(spy, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK))) == len(spy) == 14180


def test_file_and_feed_agree_on_real_bars(spy: list[Row]) -> None:
    """The same bars, once as rows and once as messages, pre-market in and after-hours out; studies and levels."""
    studies, _ = studies_of([DeskStudy(name=name) for name in find()], find())
    rules = Rules(parameters_of(PARAMETERS), frozenset({"1m"}), studies, frozenset({"1m"}), QUARTER)
    series, live = Series(), []
    for start, *prices, volume in spy[:4000]:
        opened, high, low, close = (Decimal(repr(price)) for price in prices)
        bar = Bar(
            id=f"bar/ibkr/SPY/1m/{start.isoformat()}",
            at=start + MINUTE,
            venue="ibkr",
            symbol="SPY",
            timeframe="1m",
            start=start,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=Decimal(repr(volume)),
        )
        series, outcome = step(series, bar, rules)
        if isinstance(outcome, Score):
            live.append(outcome)
    offline = list(score_history(spy[:4000], PARAMETERS, ONE_MINUTE, SessionDays("XNYS"), studies, "SPY", QUARTER))
    assert [score.bar_start for score in live] == [bar.start for bar in offline]
    for score, bar in zip(live, offline, strict=True):
        readings = asdict(bar.readings)
        assert {name: getattr(score, name) for name in readings} == readings
        assert (score.studies, score.levels) == (bar.studies, bar.levels)
    assert all(value is not None for value in live[-1].studies.values())


def test_session_leaves_out_after_hours_and_keeps_pre_market(spy: list[Row]) -> None:
    starts = [
        bar.start.astimezone(NEW_YORK) for bar in score_history(spy[:2000], PARAMETERS, ONE_MINUTE, SessionDays("XNYS"))
    ]
    first_day = [start.hour for start in starts if start.date() == date(2011, 1, 3)]
    assert (min(first_day), max(first_day)) == (4, 15)


def test_session_outside_the_calendar_is_said() -> None:
    rows = [(datetime(1950, 1, 3, 15, tzinfo=UTC), 1.0, 1.0, 1.0, 1.0, 1.0)]
    with pytest.raises(CalendarError):
        list(score_history(rows, PARAMETERS, ONE_MINUTE, SessionDays("XNYS")))


def test_trading_day_begins_at_midnight_of_the_zone() -> None:
    """01:00 UTC is still yesterday in New York, and already today in Hong Kong."""
    rows = [(datetime(2011, 1, 4, hour, tzinfo=UTC), *[100.0 + hour] * 4, 1.0) for hour in (1, 3, 6, 7)]
    in_new_york = [
        bar.readings.new_high_score for bar in score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK))
    ]
    in_hong_kong = [
        bar.readings.new_high_score
        for bar in score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(ZoneInfo("Asia/Hong_Kong")))
    ]
    assert in_new_york == [0, 1, 0, 1]
    assert in_hong_kong == [0, 1, 2, 3]


@pytest.mark.parametrize("day", [date(2020, 3, 8), date(2020, 11, 1)])  # 23 and 25 hours long in New York
def test_days_follow_daylight_saving(day: date) -> None:
    first = datetime(day.year, day.month, day.day, tzinfo=UTC)
    days = LocalDays(NEW_YORK)
    for minute in range(0, 3 * 1440, 30):
        start = first + MINUTE * minute
        assert days.place(ONE_MINUTE, start) == (start.astimezone(NEW_YORK).toordinal(), start, True, None)


def test_five_minutes_are_joined_by_the_clock() -> None:
    rows = [a_row(minute, 100.0 + minute) for minute in (3, 4, 5, 6, 12)]
    bars = [bar for _, bar in joined(rows, FIVE_MINUTES, LocalDays(NEW_YORK))]
    assert bars == [
        (AT, 103.0, 105.0, 102.0, 104.0, 20.0),
        (AT + 5 * MINUTE, 105.0, 107.0, 104.0, 106.0, 20.0),
        (AT + 10 * MINUTE, 112.0, 113.0, 111.0, 112.0, 10.0),
    ]


def test_bars_of_the_timeframe_stay_as_they_are(spy: list[Row]) -> None:
    assert [bar for _, bar in joined(spy[:500], ONE_MINUTE, LocalDays(NEW_YORK))] == spy[:500]


def test_times_without_a_zone_are_utc() -> None:
    naive = [(start.replace(tzinfo=None), *prices) for start, *prices in (a_row(0, 5.0), a_row(1, 6.0))]
    assert [bar.start for bar in score_history(naive, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK))] == [AT, AT + MINUTE]


def test_bars_out_of_order_are_refused_by_number() -> None:
    rows = [a_row(0, 5.0), a_row(1, 6.0), a_row(1, 7.0)]
    with pytest.raises(MessageError, match=r"bar 3 .* is not later"):
        list(score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK)))


@pytest.mark.parametrize("close", [math.nan, math.inf, None])
def test_price_that_is_no_number_is_refused_by_number(close: Any) -> None:
    rows = [a_row(0, 5.0), (AT + MINUTE, 5.0, 5.0, 5.0, close, 1.0)]
    with pytest.raises(MessageError, match=r"bar 2 .* not a number"):
        list(score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK)))


def test_high_below_low_is_refused_by_number() -> None:
    rows = [a_row(0, 5.0), (AT + MINUTE, 5.0, 4.0, 6.0, 5.0, 1.0)]
    with pytest.raises(MessageError, match=r"bar 2 .* its high 4 below its low 6"):
        list(score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK)))


def test_bars_longer_than_the_timeframe_stay_as_they_are() -> None:
    rows = [(AT + timedelta(days=day), 5.0, 6.0, 4.0, 5.0, 1.0) for day in range(3)]
    assert [bar for _, bar in joined(rows, FIVE_MINUTES, LocalDays(NEW_YORK))] == rows


def test_bars_of_an_hour_begin_with_the_session() -> None:
    rows = [a_row(minute, 100.0) for minute in range(-60, 180)]
    hour = parse_timeframe("1h")
    in_session = [bar[0].minute for _, bar in joined(rows, hour, SessionDays("XNYS"))]
    of_the_clock = [bar[0].minute for _, bar in joined(rows, hour, LocalDays(NEW_YORK))]
    assert in_session == [0, 0, 30, 30, 30]  # 08:00 (cut), 09:00 (to the open), then 09:30, 10:30, 11:30
    assert of_the_clock == [0] * 5


@pytest.mark.parametrize("nothing", [math.nan, None])
def test_row_without_any_price_is_no_bar(nothing: Any) -> None:
    rows = [a_row(0, 5.0), (AT + MINUTE, *[nothing] * 5), a_row(2, 6.0)]
    bars = list(score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK)))
    assert [bar.close for bar in bars] == [5.0, 6.0]


@pytest.mark.parametrize("volume", [math.nan, None])
def test_volume_that_the_file_does_not_say_is_null(volume: Any) -> None:
    rows = [(AT, 5.0, 5.0, 5.0, 5.0, volume)]
    (bar,) = score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK))
    assert format_line(bar)["volume"] is None


def test_decimals_of_a_file_are_taken_as_floats() -> None:
    rows: list[Any] = [(AT, *[Decimal("5.1")] * 4, Decimal(7))]
    (bar,) = score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK))
    assert (bar.readings.ema, bar.volume) == (5.1, 7.0)


def test_line_has_null_where_nothing_is_defined_yet() -> None:
    rows = [a_row(minute, 100.0) for minute in range(10)]
    lines = [format_line(bar) for bar in score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK))]
    assert json.loads(json.dumps(lines[0], allow_nan=False)) == {
        "ts": "2011-01-03T14:30:00Z",
        "timeframe": "1m",
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.0,
        "volume": 10.0,
        "supertrend": None,
        "direction": None,
        "ema": 100.0,
        "atr": None,
        "trend_score": None,
        "ema_deviation": None,
        "new_high_score": 0,
    }
    assert (lines[9]["supertrend"], lines[9]["direction"], lines[9]["trend_score"], lines[9]["atr"]) == (
        104.0,
        -1,
        -1,
        2.0,
    )


def test_price_beyond_any_market_is_refused_by_number() -> None:
    """The live service refuses it too: what is made of it would not be a number any more."""
    rows = [a_row(0, 5.0), a_row(1, 1e32)]
    with pytest.raises(MessageError, match=r"bar 2 .* has a price that is none"):
        list(score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK)))


def test_line_has_the_studies_that_were_asked_for() -> None:
    rows = [a_row(0, 5.0), a_row(1, 6.0)]
    studies, _ = studies_of([DeskStudy(name="sma", parameters={"period": 2.0})], find())
    lines = [format_line(bar) for bar in score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK), studies)]
    assert [line["studies"] for line in lines] == [{"sma": None}, {"sma": 5.5}]
    (first, *_) = score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK))
    assert "studies" not in format_line(first)


def test_studies_of_a_symbol_are_those_of_a_file_of_it() -> None:
    rows = [a_row(0, 5.0)]
    studies, _ = studies_of([DeskStudy(name="ema", symbols=("SPY",))], find())

    def said(symbol: str) -> list[str]:
        return [*next(score_history(rows, PARAMETERS, ONE_MINUTE, LocalDays(NEW_YORK), studies, symbol)).studies]

    assert (said("SPY"), said("AAPL"), said("")) == (["ema"], [], [])


def test_bar_of_a_whole_session_has_no_levels() -> None:
    rows = [a_row(minute, 5.0) for minute in range(3)]

    def levels(timeframe: str) -> list[bool]:
        days = SessionDays("XNYS")
        scored = score_history(rows, PARAMETERS, parse_timeframe(timeframe), days, opening_range=QUARTER)
        return [bar.levels is not None for bar in scored]

    assert (levels("1m"), levels("1d")) == ([True] * 3, [False])

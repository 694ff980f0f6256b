"""The levels of a trading day: by the exchange's sessions, on the days on which they are not the usual ones."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from indicators.decide import levels_of
from indicators.levels import NO_LEVELS, Span, say, take
from indicators.state import Rules, Series
from indicators.step import step
from signalbox.messages import Bar, DayLevels, Score
from signalbox.sessions import session_at, session_on

NEW_YORK, HONG_KONG = ZoneInfo("America/New_York"), ZoneInfo("Asia/Hong_Kong")
RULES = Rules((3, 2.0, 0.25, 3), frozenset({"1m", "5m"}), levels_timeframes=frozenset({"1m", "5m"}))
MINUTE = timedelta(minutes=1)


def a_bar(
    start: datetime, close: float, symbol: str = "SPY", volume: float = 10.0, minutes: int = 1, reach: float = 1.0
) -> Bar:
    price = Decimal(repr(close))
    at = start.astimezone(UTC)
    return Bar(
        id=f"bar/ibkr/{symbol}/{minutes}m/{at.isoformat()}",
        at=at + MINUTE * minutes,
        venue="ibkr",
        symbol=symbol,
        timeframe=f"{minutes}m",
        start=at,
        open=price,
        high=price + Decimal(repr(reach)),
        low=price - Decimal(repr(reach)),
        close=price,
        volume=Decimal(repr(volume)),
    )


def levels_after(bars: Iterable[Bar], rules: Rules = RULES) -> DayLevels:
    """What is said at the last of the bars that counts."""
    series, said = Series(), None
    for bar in bars:
        series, score = step(series, bar, rules)
        if isinstance(score, Score):
            said = score.levels
    assert said is not None
    return said


def new_york(day: str, time: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=NEW_YORK)


def a_day(day: str, until: str, base: float) -> list[Bar]:
    """A bar each minute from the open: prices rise by a hundredth a minute from `base`."""
    start, end = new_york(day, "09:30"), new_york(day, until)
    return [
        a_bar(start + MINUTE * number, round(base + number / 100, 2)) for number in range(int((end - start) / MINUTE))
    ]


def test_day_has_its_open_high_and_low_of_regular_hours() -> None:
    bars = [
        a_bar(new_york("2020-12-15", "08:00"), 500.0),
        a_bar(new_york("2020-12-15", "09:30"), 100.0),
        a_bar(new_york("2020-12-15", "09:31"), 110.0),
        a_bar(new_york("2020-12-15", "09:32"), 90.0),
        a_bar(new_york("2020-12-15", "16:00"), 1.0),  # after-hours: not scored at all
    ]
    said = levels_after(bars)
    assert (said.day, said.open, said.high, said.low) == ("2020-12-15", 100.0, 111.0, 89.0)
    assert (said.pre_market_high, said.pre_market_low) == (501.0, 499.0)


def test_before_the_open_the_day_has_only_its_pre_market_and_the_day_before() -> None:
    said = levels_after([*a_day("2020-12-14", "16:00", 50.0), a_bar(new_york("2020-12-15", "04:00"), 60.0)])
    assert said == DayLevels(
        day="2020-12-15", previous_day="2020-12-14", previous_high=54.89, previous_low=49.0, previous_close=53.89,
        previous_complete=True, pre_market_high=61.0, pre_market_low=59.0,
    )  # fmt: skip


def test_opening_range_is_the_first_quarter_of_an_hour() -> None:
    bars = a_day("2020-12-15", "09:46", 100.0)
    for number, complete in ((13, False), (14, True), (15, True)):
        said = levels_after(bars[: number + 1])
        top = min(number, 14) / 100
        assert said.opening_range_high == pytest.approx(101.0 + top)
        assert said.opening_range_low == 99.0
        assert said.opening_range_complete is complete


def test_opening_range_is_as_long_as_the_desk_says() -> None:
    said = levels_after(a_day("2020-12-15", "10:00", 100.0), replace(RULES, opening_range=5 * MINUTE))
    assert said.opening_range_high == pytest.approx(101.04)
    assert said.opening_range_complete


def test_opening_range_that_was_not_seen_from_the_open_on_is_not_complete() -> None:
    said = levels_after(a_day("2020-12-15", "10:00", 100.0)[3:])
    assert said.opening_range_low == pytest.approx(99.03)
    assert not said.opening_range_complete


def test_opening_range_that_was_not_seen_at_all_is_none() -> None:
    said = levels_after(a_day("2020-12-15", "10:00", 100.0)[20:])
    assert (said.opening_range_high, said.opening_range_low, said.opening_range_complete) == (None, None, False)
    assert said.open == pytest.approx(100.2)


def test_bar_that_reaches_beyond_the_opening_range_says_nothing_of_it() -> None:
    bars = [a_bar(new_york("2020-12-15", "09:30") + 5 * MINUTE * number, 100.0, minutes=5) for number in range(6)]
    said = levels_after(bars, replace(RULES, opening_range=12 * MINUTE))
    assert (said.opening_range_high, said.opening_range_low, said.opening_range_complete) == (None, None, False)
    fits = levels_after(bars)
    assert (fits.opening_range_high, fits.opening_range_complete) == (101.0, True)


@pytest.mark.parametrize(
    ("last", "until", "next_day"),
    [
        ("2020-12-14", "16:00", "2020-12-15"),  # Monday, Tuesday
        ("2020-12-18", "16:00", "2020-12-21"),  # over a weekend
        ("2020-12-24", "13:00", "2020-12-28"),  # a half day, Christmas, a weekend
        ("2020-11-27", "13:00", "2020-11-30"),  # the day after Thanksgiving
        ("2020-03-06", "16:00", "2020-03-09"),  # clocks go forward on Sunday
        ("2020-10-30", "16:00", "2020-11-02"),  # and back
        ("2012-10-26", "16:00", "2012-10-31"),  # two days closed by a hurricane
    ],
)
def test_day_before_is_the_last_session_of_the_calendar(last: str, until: str, next_day: str) -> None:
    bars = a_day(last, until, 50.0)
    said = levels_after([*bars, a_bar(new_york(next_day, "09:30"), 70.0)])
    assert (said.day, said.previous_day, said.previous_complete) == (next_day, last, True)
    assert (said.previous_high, said.previous_low) == (float(bars[-1].high), 49.0)
    assert said.previous_close == float(bars[-1].close)
    assert (said.open, said.opening_range_high, said.pre_market_high) == (70.0, 71.0, None)


def test_after_hours_of_a_half_day_are_no_part_of_it() -> None:
    bars = [*a_day("2020-12-24", "13:00", 50.0), a_bar(new_york("2020-12-24", "13:00"), 900.0)]
    said = levels_after([*bars, a_bar(new_york("2020-12-28", "09:30"), 70.0)])
    assert said.previous_high == float(bars[-2].high)


def test_day_that_was_seen_in_part_is_not_complete() -> None:
    for bars in (a_day("2020-12-14", "16:00", 50.0)[1:], a_day("2020-12-14", "15:59", 50.0)):
        said = levels_after([*bars, a_bar(new_york("2020-12-15", "09:30"), 70.0)])
        assert (said.previous_day, said.previous_complete) == ("2020-12-14", False)


def test_day_that_was_not_seen_is_not_replaced_by_an_older_one() -> None:
    said = levels_after([*a_day("2020-12-14", "16:00", 50.0), a_bar(new_york("2020-12-16", "09:30"), 70.0)])
    assert (said.previous_day, said.previous_close, said.previous_complete) == ("", None, False)


def test_day_of_pre_market_alone_is_no_day_before() -> None:
    bars = [*a_day("2020-12-14", "16:00", 50.0), a_bar(new_york("2020-12-15", "08:00"), 60.0)]
    said = levels_after([*bars, a_bar(new_york("2020-12-16", "09:30"), 70.0)])
    assert (said.previous_day, said.previous_close, said.pre_market_high) == ("", None, None)


def test_vwap_begins_anew_with_each_open() -> None:
    bars = [
        *a_day("2020-12-14", "16:00", 50.0),
        a_bar(new_york("2020-12-15", "08:00"), 900.0, volume=1e6),
        a_bar(new_york("2020-12-15", "09:30"), 100.0, volume=0.0),
        a_bar(new_york("2020-12-15", "09:31"), 100.0, volume=1.0),
        a_bar(new_york("2020-12-15", "09:32"), 104.0, volume=3.0),
    ]
    assert [levels_after(bars[:end]).vwap for end in (-3, -2, -1)] == [None, None, 100.0]
    assert levels_after(bars).vwap == 103.0


def test_vwap_is_of_the_typical_price() -> None:
    bar = msgspec.structs.replace(a_bar(new_york("2020-12-15", "09:30"), 100.0), high=Decimal(106), low=Decimal(97))
    assert levels_after([bar]).vwap == pytest.approx((106 + 97 + 100) / 3)


@pytest.mark.parametrize("volume", [Decimal("NaN"), Decimal(-1), Decimal("1e400")])
def test_volume_that_is_none_leaves_vwap_undefined_for_the_day_alone(volume: Decimal) -> None:
    odd = msgspec.structs.replace(a_bar(new_york("2020-12-14", "09:31"), 100.0), volume=volume)
    bars = [a_bar(new_york("2020-12-14", "09:30"), 100.0), odd, a_bar(new_york("2020-12-14", "09:32"), 100.0)]
    assert levels_after(bars).vwap is None
    assert levels_after([*bars, a_bar(new_york("2020-12-15", "09:30"), 70.0)]).vwap == 70.0


def test_hong_kong_has_a_lunch_break_and_one_day() -> None:
    def at(time: str) -> datetime:
        return datetime.fromisoformat(f"2020-12-15T{time}").replace(tzinfo=HONG_KONG)

    bars = [
        a_bar(at(time), close, symbol="0700.HK")
        for time, close in (("09:30", 600.0), ("09:44", 604.0), ("09:45", 700.0), ("12:30", 900.0), ("13:00", 590.0))
    ]
    said = levels_after(bars)
    assert (said.day, said.open, said.high, said.low) == ("2020-12-15", 600.0, 701.0, 589.0)
    assert (said.opening_range_high, said.opening_range_low, said.opening_range_complete) == (605.0, 599.0, True)
    assert said.vwap == pytest.approx((600 + 604 + 700 + 590) / 4)


def test_market_round_the_clock_has_the_days_of_utc_and_nothing_before_the_open() -> None:
    start = datetime(2020, 12, 14, tzinfo=UTC)
    bars = [a_bar(start + 5 * MINUTE * number, 100.0 + number, "BTC-USD", minutes=5) for number in range(2 * 288)]
    said = levels_after(bars)
    assert (said.day, said.open, said.high, said.low) == ("2020-12-15", 388.0, 676.0, 387.0)
    assert (said.opening_range_high, said.opening_range_low, said.opening_range_complete) == (391.0, 387.0, True)
    assert (said.previous_day, said.previous_high, said.previous_close) == ("2020-12-14", 388.0, 387.0)
    assert said.previous_complete
    assert said.pre_market_high is None


def test_desk_that_asks_for_no_levels_has_none() -> None:
    _, score = step(
        Series(), a_bar(new_york("2020-12-15", "09:30"), 100.0), replace(RULES, levels_timeframes=frozenset())
    )
    assert isinstance(score, Score)
    assert score.levels is None
    assert levels_of(score) is None


def test_levels_as_a_message_name_their_bar() -> None:
    bar = a_bar(new_york("2020-12-15", "09:30"), 100.0)
    _, score = step(Series(), bar, RULES)
    assert isinstance(score, Score)
    said = levels_of(score)
    assert said is not None
    assert said.id == "levels/ibkr/SPY/1m/2020-12-15T14:30:00+00:00"
    assert (said.cause, said.at, said.bar_start, said.levels) == (bar.id, bar.at, bar.start, score.levels)


def test_first_day_of_a_calendar_has_none_before_it() -> None:
    first = next(found for day in range(1, 12) if (found := session_on("XHKG", date(2005, 1, day))))
    span = Span(first.open, first.open + MINUTE, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert say(take(NO_LEVELS, span, first, "XHKG", MINUTE), MINUTE).previous_day == ""


@given(
    minutes=st.lists(st.tuples(st.integers(0, 5 * 1440), st.integers(10, 40)), min_size=1, max_size=60),
    cut=st.integers(0, 60),
)
@settings(max_examples=80, deadline=None)
def test_levels_are_those_of_the_days_bars(minutes: list[tuple[int, int]], cut: int) -> None:
    """Against what is found among all bars of the day and of the one before; and over a restart."""
    begin = datetime(2020, 12, 23, 5, 0, tzinfo=UTC)  # a Wednesday; a half day and Christmas follow
    bars = [a_bar(begin + MINUTE * minute, float(price)) for minute, price in sorted(dict(minutes).items())]
    placed = [(bar, session_at("XNYS", bar.start)) for bar in bars]
    counted = [(bar, session) for bar, session in placed if session and bar.start < session.close]
    if not counted:
        return
    last = counted[-1][1]
    today = [bar for bar, session in counted if session == last and bar.start >= session.open]
    early = [bar for bar, session in counted if session == last and bar.start < session.open]
    range_ = [bar for bar in today if bar.start < last.open + 15 * MINUTE]
    said = levels_after(bars)
    assert said.high == max((float(bar.high) for bar in today), default=None)
    assert said.open == (float(today[0].open) if today else None)
    assert said.pre_market_low == min((float(bar.low) for bar in early), default=None)
    assert said.opening_range_high == max((float(bar.high) for bar in range_), default=None)
    series = Series()
    for bar in bars[:cut]:
        series, _ = step(series, bar, RULES)
    again = pickle.loads(pickle.dumps((series.last_start, series.memory, series.levels)))
    series = Series(again[0], again[1], levels=again[2])
    for bar in bars[cut:]:
        series, _ = step(series, bar, RULES)
    assert series.levels is not None
    assert say(series.levels, RULES.opening_range) == said

"""Bars: where they begin, when they close, and that nothing late, doubled or missing changes a closed one."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.bars import (
    Aggregation,
    Candle,
    Refusal,
    aggregated,
    bar_span,
    bucket_start,
    close_until,
    feed,
    parse_timeframe,
)
from signalbox.errors import CalendarError, ConfigurationError
from signalbox.sessions import session_on

NEW_YORK, HONG_KONG = ZoneInfo("America/New_York"), ZoneInfo("Asia/Hong_Kong")
ONE, FIVE, HOUR, DAY = (parse_timeframe(text) for text in ("1m", "5m", "1h", "1d"))
MINUTE = timedelta(minutes=1)


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def candle(start: datetime, price: str = "10", volume: str = "1", length: timedelta = MINUTE) -> Candle[Decimal]:
    at = Decimal(price)
    return Candle(start.astimezone(UTC), start.astimezone(UTC) + length, at, at, at, at, Decimal(volume), 1)


@pytest.mark.parametrize(
    ("text", "canonical", "seconds"),
    [("5s", "5s", 5), ("1m", "1m", 60), ("60s", "1m", 60), ("5m", "5m", 300), ("60m", "1h", 3600), ("1h", "1h", 3600),
     ("90m", "90m", 5400), ("12h", "12h", 43_200), ("1d", "1d", 86_400), ("24h", "1d", 86_400)],
)  # fmt: skip
def test_timeframe_has_one_spelling(text: str, canonical: str, seconds: int) -> None:
    timeframe = parse_timeframe(text)
    assert (timeframe.text, timeframe.seconds) == (canonical, seconds)
    assert parse_timeframe(canonical) == timeframe


@pytest.mark.parametrize(
    "text", ["", "m", "1", "0m", "01m", "-1m", "7m", "2d", "18h", "1w", "1M", "1 m", "1m\n", "1.5m", "٥m"]
)
def test_other_timeframes_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a timeframe"):
        parse_timeframe(text)


@pytest.mark.parametrize(
    ("timeframe", "at", "start", "end"),
    [
        ("5m", "09:32", "09:30", "09:35"),
        ("30m", "09:59", "09:30", "10:00"),
        ("1h", "09:30", "09:30", "10:30"),
        ("1h", "10:29", "09:30", "10:30"),
        ("1h", "15:59", "15:30", "16:00"),
        ("1h", "09:29", "09:00", "09:30"),
        ("1h", "04:00", "04:00", "05:00"),
        ("4h", "08:00", "08:00", "09:30"),
        ("5m", "16:00", "16:00", "16:05"),
        ("1d", "04:00", "04:00", "20:00"),
        ("1d", "19:59", "04:00", "20:00"),
        ("1h", "20:30", "20:00", "21:00"),
        ("1h", "03:59", "03:00", "04:00"),
        ("1d", "21:00", "20:00", "23:59"),
    ],
)
def test_new_york_bar_begins_and_ends(timeframe: str, at: str, start: str, end: str) -> None:
    span = bar_span(parse_timeframe(timeframe), "XNYS", new_york(f"2026-07-15 {at}"))
    assert span.start == new_york(f"2026-07-15 {start}")
    if end != "23:59":  # between sessions a bar ends with the next session, here at 04:00
        assert span.end == new_york(f"2026-07-15 {end}")
    else:
        assert span.end == new_york("2026-07-16 04:00")


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        ("11:45", "11:30", "12:00"),
        ("12:30", "12:00", "13:00"),
        ("13:00", "13:00", "14:00"),
        ("15:59", "15:00", "16:00"),
    ],
)
def test_hong_kong_hours_restart_after_lunch(at: str, start: str, end: str) -> None:
    day = datetime(2026, 7, 15, tzinfo=HONG_KONG)
    clock = {text: day.replace(hour=int(text[:2]), minute=int(text[3:])) for text in (at, start, end)}
    assert bar_span(HOUR, "XHKG", clock[at]) == (clock[start], clock[end])


def test_bar_between_sessions_begins_no_earlier_than_the_session_before_ended() -> None:
    half_day_end = new_york("2026-11-27 17:00")
    assert bucket_start(parse_timeframe("4h"), "XNYS", half_day_end + 30 * MINUTE) == half_day_end


def test_round_the_clock_bars_count_from_midnight_utc() -> None:
    assert bucket_start(HOUR, "24/7", datetime(2026, 7, 15, 13, 59, tzinfo=UTC)) == datetime(
        2026, 7, 15, 13, tzinfo=UTC
    )
    assert bucket_start(DAY, "24/7", datetime(2026, 7, 15, 13, tzinfo=UTC)) == datetime(2026, 7, 15, tzinfo=UTC)


def test_bar_outside_the_calendar_is_an_error() -> None:
    with pytest.raises(CalendarError):
        bar_span(FIVE, "XNYS", datetime(1999, 1, 4, 15, tzinfo=UTC))


def test_bar_closes_at_once_with_the_finer_bar_that_ends_it() -> None:
    state = Aggregation[Decimal](FIVE, "XNYS")
    start = new_york("2026-07-15 09:30")
    for minute, price in enumerate(["10", "12", "9", "11"]):
        state, closed, refusal = feed(state, candle(start + minute * MINUTE, price))
        assert (closed, refusal) == ((), None)
    state, closed, _ = feed(state, candle(start + 4 * MINUTE, "10.5"))
    ten, twelve, nine, last = (Decimal(text) for text in ("10", "12", "9", "10.5"))
    assert closed == (Candle(start, start + 5 * MINUTE, ten, twelve, nine, last, Decimal(5), 5),)
    assert state.building is None


def test_bar_without_its_last_minutes_closes_when_a_later_one_arrives() -> None:
    start = new_york("2026-07-15 09:30")
    state = feed(Aggregation[Decimal](FIVE, "XNYS"), candle(start)).state
    fed = feed(state, candle(start + 7 * MINUTE))
    assert [bar.start for bar in fed.closed] == [start]
    assert fed.state.building is not None
    assert fed.state.building.start == start + 5 * MINUTE


def test_one_finer_bar_may_close_two_bars() -> None:
    start = new_york("2026-07-15 09:30")
    state = feed(Aggregation[Decimal](FIVE, "XNYS"), candle(start)).state
    assert [bar.start for bar in feed(state, candle(start + 9 * MINUTE)).closed] == [start, start + 5 * MINUTE]


def test_close_until_closes_what_has_ended_and_nothing_else() -> None:
    start = new_york("2026-07-15 09:30")
    state = feed(Aggregation[Decimal](FIVE, "XNYS"), candle(start)).state
    assert close_until(state, start + 4 * MINUTE).closed == ()
    state, closed, _ = close_until(state, start + 5 * MINUTE)
    assert [bar.start for bar in closed] == [start]
    assert close_until(state, start + 5 * MINUTE) == (state, (), None)
    assert feed(state, candle(start + MINUTE)).refusal is Refusal.LATE


def test_span_without_trades_has_no_bar_and_takes_no_late_trade() -> None:
    start = new_york("2026-07-15 09:30")
    state, closed, _ = close_until(Aggregation[Decimal](FIVE, "XNYS"), start + 10 * MINUTE)
    assert closed == ()
    assert feed(state, candle(start + MINUTE)).refusal is Refusal.LATE
    assert feed(state, candle(start + 10 * MINUTE)).refusal is None


def test_session_end_closes_no_bar_into_the_next_session() -> None:
    state = feed(Aggregation[Decimal](HOUR, "XNYS"), candle(new_york("2026-07-15 15:30"))).state
    fed = feed(state, candle(new_york("2026-07-16 09:30")))
    assert [(bar.start, bar.end) for bar in fed.closed] == [
        (new_york("2026-07-15 15:30"), new_york("2026-07-15 16:00"))
    ]


def test_finer_bar_that_overlaps_the_last_one_is_late() -> None:
    start = new_york("2026-07-15 09:30")
    state = feed(Aggregation[Decimal](FIVE, "XNYS"), candle(start)).state
    assert feed(state, candle(start + MINUTE / 2)) == (state, (), Refusal.LATE)


@pytest.mark.parametrize("length", [timedelta(minutes=6), timedelta(0), timedelta(minutes=-1)])
def test_finer_bar_that_does_not_fit_is_refused(length: timedelta) -> None:
    fed = feed(Aggregation[Decimal](FIVE, "XNYS"), candle(new_york("2026-07-15 09:30"), length=length))
    assert fed.refusal is Refusal.MISFIT
    assert fed.state == Aggregation(FIVE, "XNYS")


def test_floats_over_history_leave_out_an_unfinished_bar() -> None:
    start = new_york("2026-07-15 09:30").astimezone(UTC)
    minutes = [Candle(start + n * MINUTE, start + (n + 1) * MINUTE, 1.0, 2.0, 0.5, 1.5, 100.0) for n in range(7)]
    assert list(aggregated(minutes, FIVE, "XNYS")) == [
        Candle(start, start + 5 * MINUTE, 1.0, 2.0, 0.5, 1.5, 500.0),
    ]


def candles_of(day: date, minutes: list[int], prices: list[int]) -> list[Candle[Decimal]]:
    session = session_on("XNYS", day)
    assert session is not None
    return [candle(session.open + minute * MINUTE, str(price)) for minute, price in zip(minutes, prices, strict=False)]


some_minutes = st.lists(st.integers(0, 389), min_size=1, max_size=60, unique=True).map(sorted)
some_prices = st.lists(st.integers(1, 1000), min_size=60, max_size=60)
coarser = st.sampled_from(["1m", "5m", "15m", "30m", "1h", "2h", "1d"]).map(parse_timeframe)


@given(some_minutes, some_prices, coarser)
def test_aggregating_minutes_equals_grouping_them(minutes: list[int], prices: list[int], timeframe: object) -> None:
    timeframe = parse_timeframe(str(timeframe))
    fine = candles_of(date(2026, 7, 15), minutes, prices)
    groups: dict[tuple[datetime, datetime], list[Candle[Decimal]]] = defaultdict(list)
    for bar in fine:
        groups[bar_span(timeframe, "XNYS", bar.start)].append(bar)
    state, found = Aggregation[Decimal](timeframe, "XNYS"), []
    for bar in fine:
        state, closed, refusal = feed(state, bar)
        assert refusal is None
        found += closed
    found += close_until(state, fine[-1].end + timedelta(days=1)).closed
    assert found == [
        Candle(
            start, end, group[0].open, max(bar.high for bar in group), min(bar.low for bar in group), group[-1].close,
            Decimal(len(group)), len(group),
        )
        for (start, end), group in groups.items()
    ]  # fmt: skip


@given(some_minutes, some_prices, coarser, st.data())
def test_feeding_twice_or_out_of_order_changes_nothing_and_is_reported(
    minutes: list[int], prices: list[int], timeframe: object, data: st.DataObject
) -> None:
    timeframe = parse_timeframe(str(timeframe))
    fine = candles_of(date(2026, 7, 15), minutes, prices)
    state = Aggregation[Decimal](timeframe, "XNYS")
    for index, bar in enumerate(fine):
        state = feed(state, bar).state
        again = fine[data.draw(st.integers(0, index))]
        repeated = feed(state, again)
        assert repeated.state == state
        assert repeated.closed == ()
        assert repeated.refusal is (Refusal.DUPLICATE if again == bar else Refusal.LATE)


@given(some_minutes, some_prices)
def test_minutes_to_hours_directly_or_by_way_of_five_minutes_is_the_same(minutes: list[int], prices: list[int]) -> None:
    fine = candles_of(date(2026, 7, 15), minutes, prices)
    direct, through = list(aggregated(fine, HOUR, "XNYS")), []
    state = Aggregation[Decimal](HOUR, "XNYS")
    for bar in aggregated(fine, FIVE, "XNYS"):
        state, closed, refusal = feed(state, bar)
        assert refusal is None
        through += closed
    assert through == direct[: len(through)]
    assert len(direct) - len(through) <= 1

"""Sessions: dates and hours that anyone can look up, the edges, and the files against their source."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.errors import CalendarError
from signalbox.session_data.generate import EXTENDED, calendar_text
from signalbox.sessions import (
    ALWAYS,
    CALENDARS,
    Session,
    is_open,
    moc_cutoff,
    next_session,
    previous_session,
    previous_whole_session,
    session_at,
    session_on,
    trading_day,
)

NEW_YORK, HONG_KONG = ZoneInfo("America/New_York"), ZoneInfo("Asia/Hong_Kong")
FIRST, LAST = date(2005, 1, 1), date(2049, 12, 31)


def on(calendar: str, day: date) -> Session:
    session = session_on(calendar, day)
    assert session is not None, f"{calendar} trades on {day}"
    return session


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def hong_kong(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=HONG_KONG)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own use of pandas
@pytest.mark.parametrize("calendar", sorted(EXTENDED))
def test_calendar_file_is_what_the_library_says_today(calendar: str) -> None:
    stored = (files("signalbox.session_data") / f"{calendar}.json").read_text(encoding="utf-8")
    assert stored == calendar_text(calendar), (
        f"session_data/{calendar}.json is stale: run `python -m signalbox.session_data.generate` and read the diff"
    )


def test_reading_a_session_imports_neither_pandas_nor_the_calendar_library() -> None:
    program = (
        "import sys, datetime, signalbox.sessions as s; s.session_on('XNYS', datetime.date(2026, 1, 2));"
        "print([m for m in ('pandas', 'numpy', 'exchange_calendars', 'zoneinfo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("day", ["2026-01-15", "2026-07-15", "2026-03-06", "2026-03-09", "2026-10-30", "2026-11-02"])
def test_new_york_hours_follow_new_york_time_across_daylight_saving(day: str) -> None:
    session = on("XNYS", date.fromisoformat(day))
    assert session.pre_open == new_york(f"{day} 04:00")
    assert session.open == new_york(f"{day} 09:30")
    assert session.close == new_york(f"{day} 16:00")
    assert session.post_close == new_york(f"{day} 20:00")
    assert session.breaks == ()


@pytest.mark.parametrize("day", ["2025-07-03", "2025-11-28", "2025-12-24", "2026-11-27", "2026-12-24"])
def test_new_york_half_day_closes_at_one_and_its_late_session_at_five(day: str) -> None:
    session = on("XNYS", date.fromisoformat(day))
    assert session.close == new_york(f"{day} 13:00")
    assert session.post_close == new_york(f"{day} 17:00")
    assert moc_cutoff(session) == new_york(f"{day} 12:45")


@pytest.mark.parametrize(
    "day",
    [
        "2007-01-02",  # mourning of President Ford
        "2012-10-29",  # hurricane Sandy
        "2012-10-30",
        "2018-12-05",  # mourning of President Bush
        "2025-01-09",  # mourning of President Carter
        "2026-04-03",  # Good Friday
        "2026-06-19",
        "2026-07-03",  # Independence Day, observed
        "2026-11-26",
        "2026-12-25",
        "2027-01-01",
        "2026-11-21",  # a Saturday
    ],
)
def test_new_york_is_closed_on(day: str) -> None:
    assert session_on("XNYS", date.fromisoformat(day)) is None


def test_juneteenth_is_a_trading_day_before_2022() -> None:
    assert session_on("XNYS", date(2020, 6, 19)) is not None
    assert session_on("XNYS", date(2023, 6, 19)) is None


@pytest.mark.parametrize("day", ["2026-01-15", "2026-07-15"])
def test_hong_kong_has_a_lunch_break_and_no_extended_hours(day: str) -> None:
    session = on("XHKG", date.fromisoformat(day))
    assert session.pre_open == session.open == hong_kong(f"{day} 09:30")
    assert session.close == session.post_close == hong_kong(f"{day} 16:00")
    assert session.breaks == ((hong_kong(f"{day} 12:00"), hong_kong(f"{day} 13:00")),)


@pytest.mark.parametrize("day", ["2025-12-24", "2025-12-31", "2026-02-16"])  # Christmas, year end, Lunar New Year's Eve
def test_hong_kong_half_day_ends_at_noon_without_a_break(day: str) -> None:
    session = on("XHKG", date.fromisoformat(day))
    assert session.close == hong_kong(f"{day} 12:00")
    assert session.breaks == ()


@pytest.mark.parametrize("day", ["2026-02-17", "2026-02-18", "2026-02-19", "2026-04-06", "2026-07-01", "2026-10-01"])
def test_hong_kong_is_closed_on(day: str) -> None:
    assert session_on("XHKG", date.fromisoformat(day)) is None


def test_open_means_regular_hours_half_open() -> None:
    assert not is_open("XNYS", new_york("2026-11-20 09:29:59"))
    assert is_open("XNYS", new_york("2026-11-20 09:30"))
    assert is_open("XNYS", new_york("2026-11-20 15:59:59"))
    assert not is_open("XNYS", new_york("2026-11-20 16:00"))
    assert not is_open("XNYS", new_york("2026-11-21 12:00"))


def test_hong_kong_is_not_open_over_lunch_but_the_session_goes_on() -> None:
    assert is_open("XHKG", hong_kong("2026-11-20 11:59:59"))
    assert not is_open("XHKG", hong_kong("2026-11-20 12:00"))
    assert session_at("XHKG", hong_kong("2026-11-20 12:30")) == on("XHKG", date(2026, 11, 20))
    assert is_open("XHKG", hong_kong("2026-11-20 13:00"))


def test_late_session_that_ends_after_midnight_utc_belongs_to_its_own_day() -> None:
    at = new_york("2026-01-15 19:59")
    assert at.astimezone(UTC).date() == date(2026, 1, 16)
    assert session_at("XNYS", at) == on("XNYS", date(2026, 1, 15))
    assert trading_day("XNYS", at) == date(2026, 1, 15)
    assert session_at("XNYS", new_york("2026-01-15 20:00")) is None


def test_between_sessions_the_trading_day_is_the_next_one() -> None:
    assert trading_day("XNYS", new_york("2026-11-20 20:00")) == date(2026, 11, 23)
    assert trading_day("XNYS", new_york("2026-11-25 22:00")) == date(2026, 11, 27)
    assert trading_day("XHKG", hong_kong("2026-02-16 12:00")) == date(2026, 2, 20)


def test_next_and_previous_never_return_the_session_under_way() -> None:
    during = new_york("2026-11-20 12:00")
    assert next_session("XNYS", during).day == date(2026, 11, 23)
    assert previous_session("XNYS", during).day == date(2026, 11, 19)
    assert next_session("XNYS", new_york("2026-11-20 03:59")).day == date(2026, 11, 20)
    assert previous_session("XNYS", new_york("2026-11-20 20:00")).day == date(2026, 11, 20)


@pytest.mark.parametrize(
    ("calendar", "half_days"),
    [
        ("XNYS", {date(2026, 11, 27), date(2026, 12, 24)}),
        ("XHKG", {date(2026, 2, 16), date(2026, 12, 24), date(2026, 12, 31)}),
        (ALWAYS, set()),
    ],
)
def test_previous_whole_session_passes_over_half_days_alone(calendar: str, half_days: set[date]) -> None:
    passed_over = set()
    for number in range(365):
        at = datetime(2026, 1, 2, 12, tzinfo=UTC) + timedelta(days=number)
        last, whole = previous_session(calendar, at), previous_whole_session(calendar, at)
        if last != whole:
            passed_over.add(last.day)
    assert passed_over == half_days


def test_round_the_clock_calendar_has_a_session_every_utc_day() -> None:
    at = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
    session = session_at(ALWAYS, at)
    assert session is not None
    assert session.day == date(2026, 11, 21)
    assert session.close - session.open == timedelta(days=1)
    assert is_open(ALWAYS, at)
    assert next_session(ALWAYS, at).day == date(2026, 11, 22)
    assert previous_session(ALWAYS, at).day == date(2026, 11, 20)


@pytest.mark.parametrize("calendar", ["XNYS", "XHKG"])
@pytest.mark.parametrize("day", [FIRST - timedelta(days=1), LAST + timedelta(days=1), date.min, date.max])
def test_day_outside_the_file_is_an_error_and_never_a_guess(calendar: str, day: date) -> None:
    with pytest.raises(CalendarError, match="covers 2005-01-01 to 2049-12-31"):
        session_on(calendar, day)


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_time_are_a_calendar_error_or_an_answer(calendar: str, at: datetime) -> None:
    for ask in (session_at, trading_day, is_open, next_session, previous_session):
        try:
            ask(calendar, at)
        except CalendarError as error:
            assert str(error)  # noqa: PT017 an answer is as good as this error


def test_unknown_calendar_is_named_beside_those_there_are() -> None:
    with pytest.raises(CalendarError, match=r"'XLON'.*XNYS, XHKG, 24/7"):
        session_on("XLON", date(2026, 1, 2))


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(CalendarError, match="no time zone"):
        session_at("XNYS", datetime(2026, 1, 2, 12))  # noqa: DTZ001 the missing zone is the case


instants = st.datetimes(
    datetime.fromisoformat("2005-02-01"),
    datetime.fromisoformat("2049-12-01"),
    timezones=st.sampled_from([UTC, NEW_YORK, HONG_KONG]),
)


@given(st.sampled_from(CALENDARS), instants)
def test_sessions_around_an_instant_are_in_order_and_do_not_overlap(calendar: str, at: datetime) -> None:
    before, during, after = previous_session(calendar, at), session_at(calendar, at), next_session(calendar, at)
    assert before.post_close <= at < after.pre_open
    assert before.day < after.day
    if during is not None:
        assert before.post_close <= during.pre_open <= at < during.post_close <= after.pre_open
        assert trading_day(calendar, at) == during.day
    else:
        assert trading_day(calendar, at) == after.day
        assert not is_open(calendar, at)


@given(st.sampled_from(CALENDARS), st.dates(FIRST, LAST))
def test_hours_of_a_session_are_in_order(calendar: str, day: date) -> None:
    session = session_on(calendar, day)
    if session is None:
        return
    edges = [session.open, *(edge for span in session.breaks for edge in span), session.close]
    assert session.pre_open <= edges[0]
    assert edges == sorted(set(edges))
    assert session.close <= session.post_close
    assert session.day == day


def test_no_closure_is_longer_than_the_search_for_the_next_session() -> None:
    for calendar in EXTENDED:
        trading = [
            day for offset in range((LAST - FIRST).days) if session_on(calendar, day := FIRST + timedelta(offset))
        ]
        assert max(later - earlier for earlier, later in pairwise(trading)) < timedelta(days=14)

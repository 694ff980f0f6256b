"""Trading sessions: which day and which hours an exchange trades.

Owns the reading of the calendar files (`signalbox.session_data`) and of "24/7". All times are UTC; the files have
daylight saving and half days resolved. It must not know what anyone does with a session, and it never guesses: a day
outside the files is a `CalendarError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files

import msgspec

from signalbox.errors import CalendarError

ALWAYS = "24/7"
CALENDARS = ("XNYS", "XHKG", ALWAYS)

MOC_CUTOFF_MINUTES = 15
"""How long before the close an order for it must be in."""
OPENING_CUTOFF_MINUTES = {"XNYS": 2, "XHKG": 15}
"""How long before the opening an order for its auction must be in: NYSE and Nasdaq take none from 9:28 on, HKEX none
from 9:15 on that can still be withdrawn."""

_ONE_DAY = timedelta(days=1)
_CLOSED = "."
_GAP_DAYS_MAX = 16  # the longest closure in the files, with weekends, is shorter: a longer search means a broken file


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day: `pre_open <= open < close <= post_close`, UTC; `breaks` are closed spans of regular hours.

    `day` is the exchange's own date. The session as a whole is the half-open span [pre_open, post_close).
    """

    day: date
    pre_open: datetime
    open: datetime
    close: datetime
    post_close: datetime
    breaks: tuple[tuple[datetime, datetime], ...] = ()

    def is_regular(self, at: datetime) -> bool:
        """Say whether `at` is in regular hours: [open, close) and in no break."""
        return self.open <= at < self.close and not any(start <= at < end for start, end in self.breaks)


class _File(msgspec.Struct, frozen=True):
    """A calendar file: minutes from UTC midnight by letter, and one letter for each day of each year."""

    calendar: str
    hours: dict[str, tuple[int, ...]]
    years: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Calendar:
    hours: dict[str, tuple[int, ...]]
    first: date
    letters: str  # one for each day from `first`: 16 kB, looked up by position, sessions are made when asked for


@lru_cache(maxsize=len(CALENDARS))
def _load(calendar: str) -> _Calendar:
    content = msgspec.json.decode((files("signalbox.session_data") / f"{calendar}.json").read_bytes(), type=_File)
    return _Calendar(content.hours, date(int(min(content.years)), 1, 1), "".join(content.years.values()))


def session_on(calendar: str, day: date) -> Session | None:
    """The session of the exchange's date `day`, or None when it does not trade that day.

    Raises `CalendarError` for an unknown calendar or a day that its file does not cover.
    """
    _check_calendar(calendar)
    return _session_on(calendar, day)


@lru_cache(maxsize=64)
def _session_on(calendar: str, day: date) -> Session | None:
    if calendar == ALWAYS:
        start, end = _midnight(day), _midnight(_day_after(day))
        return Session(day, start, start, end, end)
    loaded = _load(calendar)
    position = (day - loaded.first).days
    if not 0 <= position < len(loaded.letters):
        last = loaded.first + timedelta(days=len(loaded.letters) - 1)
        raise CalendarError(f"the {calendar} calendar covers {loaded.first} to {last}, not {day}")
    letter = loaded.letters[position]
    if letter == _CLOSED:
        return None
    midnight = _midnight(day)
    edges = [midnight + timedelta(minutes=minutes) for minutes in loaded.hours[letter]]
    pre_open, opens, closes, post_close = edges[:4]
    return Session(day, pre_open, opens, closes, post_close, tuple(zip(edges[4::2], edges[5::2], strict=True)))


def session_at(calendar: str, at: datetime) -> Session | None:
    """The session whose [pre_open, post_close) contains `at`, or None between sessions.

    Raises `CalendarError` where the calendar does not cover `at`.
    """
    if at.tzinfo is not UTC:
        at = _utc(at)
    lately = _under_way.get(calendar)
    if lately is not None and lately.pre_open <= at < lately.post_close:
        return lately
    # A late session may end after midnight UTC, so `at` may belong to the day before. None begins before midnight UTC.
    for day in (at.date(), _day_before(at.date())):
        session = session_on(calendar, day)
        if session is not None and session.pre_open <= at < session.post_close:
            _under_way[calendar] = session
            return session
    return None


_under_way: dict[str, Session] = {}
"""The session that was found last in each calendar: the next question is nearly always about the same one."""


def trading_day(calendar: str, at: datetime) -> date:
    """The day that `at` belongs to: that of the session under way, or else of the next one.

    Raises `CalendarError` where the calendar does not cover it.
    """
    session = session_at(calendar, at)
    return session.day if session is not None else next_session(calendar, at).day


def is_open(calendar: str, at: datetime) -> bool:
    """Say whether `at` is in regular hours, outside any break. Raises `CalendarError` where it is not known."""
    session = session_at(calendar, at)
    return session is not None and session.is_regular(_utc(at))


def next_session(calendar: str, at: datetime) -> Session:
    """The first session that begins (pre_open) after `at`. Raises `CalendarError` past the end of the calendar."""
    at = _utc(at)
    day = at.date()
    for _ in range(_GAP_DAYS_MAX):
        session = session_on(calendar, day)
        if session is not None and session.pre_open > at:
            return session
        day = _day_after(day)
    raise CalendarError(f"the {calendar} calendar has no session within {_GAP_DAYS_MAX} days after {at.isoformat()}")


def previous_session(calendar: str, at: datetime) -> Session:
    """The last session that has ended (post_close) by `at`. Raises `CalendarError` before the calendar's start."""
    at = _utc(at)
    day = at.date()
    for _ in range(_GAP_DAYS_MAX):
        session = session_on(calendar, day)
        if session is not None and session.post_close <= at:
            return session
        day = _day_before(day)
    raise CalendarError(f"the {calendar} calendar has no session within {_GAP_DAYS_MAX} days before {at.isoformat()}")


def last_opening(calendar: str, at: datetime) -> datetime:
    """When the session that is under way, or else the last one, began (pre_open): where the day of `at` begins.

    It goes on through the night, to the next opening. Raises `CalendarError` where the calendar does not cover it.
    """
    session = session_at(calendar, at)
    return (session if session is not None else previous_session(calendar, at)).pre_open


def previous_whole_session(calendar: str, at: datetime) -> Session:
    """The last session that has ended by `at` and was no half day. Raises `CalendarError` as `previous_session`."""
    session = previous_session(calendar, at)
    while not _is_whole(calendar, session):
        session = previous_session(calendar, session.pre_open)
    return session


def _is_whole(calendar: str, session: Session) -> bool:
    """Whether its regular hours are as long as any of its calendar."""
    if calendar == ALWAYS:
        return True
    minutes_max = max(closes - opens for _, opens, closes, *_ in _load(calendar).hours.values())
    return session.close - session.open == timedelta(minutes=minutes_max)


def moc_cutoff(session: Session) -> datetime:
    """The last instant at which a market-on-close order may still be entered, on half days too."""
    return session.close - timedelta(minutes=MOC_CUTOFF_MINUTES)


def opening_of(calendar: str, at: datetime) -> Session:
    """The session whose opening an order that comes at `at` is for, or is too late for: that under way, or the next."""
    under_way = session_at(calendar, at)
    return under_way if under_way is not None else next_session(calendar, at)


def opening_cutoff(calendar: str, session: Session) -> datetime | None:
    """The instant from which an order for the opening is too late; None = the calendar has no opening auction."""
    minutes = OPENING_CUTOFF_MINUTES.get(calendar)
    return None if minutes is None else session.open - timedelta(minutes=minutes)


def _check_calendar(calendar: str) -> None:
    if calendar not in CALENDARS:
        raise CalendarError(f"{calendar!r} is no calendar of the desk; there are {', '.join(CALENDARS)}")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise CalendarError(f"{at.isoformat()} has no time zone; a session can only be asked for with one")
    if at.tzinfo is UTC:
        return at
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise CalendarError(f"no calendar covers {at.isoformat()}") from error


def _day_before(day: date) -> date:
    if day == date.min:
        raise CalendarError(f"no calendar covers the day before {day}")
    return day - _ONE_DAY


def _day_after(day: date) -> date:
    if day == date.max:
        raise CalendarError(f"no calendar covers the day after {day}")
    return day + _ONE_DAY

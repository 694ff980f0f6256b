"""Timeframes, and coarser bars made of finer ones. Pure: time comes in as data.

Owns where a bar begins and ends, and when it is closed. It must not know where bars come from or go to.

Where bars begin. A session has segments: early hours, regular hours (two around a lunch break), late hours. Bars up to
12 hours are counted from the beginning of their segment and cut at its end, so no bar holds two segments or two
sessions: in New York a 1h bar begins at 09:30, 10:30 ... 15:30 (half an hour long), and 5m, 15m and 30m bars are those
of the clock. A 1d bar is the whole session with its early and late hours, as far as they are fed. Around the clock
(24/7), and for a trade between sessions, bars count from midnight UTC and are cut at the next session.

When a bar is closed. At once, when the finer bar that ends it is fed; else when a later one is fed; else by
`close_until`. A closed bar is never revised: a finer bar that comes late, or twice, changes nothing and is reported.
A span without trades has no bar: its feeder calls `close_until` with its end instead of feeding it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

from signalbox.errors import ConfigurationError
from signalbox.messages import NEVER
from signalbox.sessions import ALWAYS, Session, next_session, previous_session, session_at

Number = TypeVar("Number", Decimal, float)

DAY_SECONDS = 86_400
SEGMENT_SECONDS_MAX = 12 * 3600
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": DAY_SECONDS}
_TIMEFRAME = re.compile(r"([1-9][0-9]{0,3})([smhd])")


@dataclass(frozen=True, slots=True)
class Timeframe:
    """A bar's length. `text` is its only spelling in messages: `60m` is read as `1h`."""

    text: str
    seconds: int

    def __str__(self) -> str:
        return self.text

    @property
    def whole_session(self) -> bool:
        return self.seconds == DAY_SECONDS


class Candle(NamedTuple, Generic[Number]):
    """A span of trading that has ended, [start, end) in UTC. Money as Decimal live, floats only over history."""

    start: datetime
    end: datetime
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number
    trades: int = 0


class Span(NamedTuple):
    """The half-open span [start, end) of a bar, UTC."""

    start: datetime
    end: datetime


class Refusal(StrEnum):
    """Why a finer bar was not taken."""

    LATE = "LATE"  # it begins before the end of one already taken, or its bar is closed
    DUPLICATE = "DUPLICATE"  # one with this beginning was the last taken
    MISFIT = "MISFIT"  # it reaches beyond the bar that it begins in, or it ends before it begins


@dataclass(frozen=True)  # no slots: with them `Aggregation[Decimal](...)` fails in Python 3.11
class Aggregation(Generic[Number]):
    """What is remembered between finer bars. `building` has the bar's own span, `taken_*` that of the last one fed."""

    timeframe: Timeframe
    calendar: str
    building: Candle[Number] | None = None
    taken_start: datetime = NEVER
    taken_end: datetime = NEVER
    closed_until: datetime = NEVER


class Fed(NamedTuple, Generic[Number]):
    """What feeding one did: the new state, the bars it closed (at most two, in order), or why it was not taken."""

    state: Aggregation[Number]
    closed: tuple[Candle[Number], ...]
    refusal: Refusal | None = None


def parse_timeframe(text: str) -> Timeframe:
    """Read `5s`, `1m`, `15m`, `1h`, `1d`: a number of seconds, minutes, hours, or one day.

    Raises `ConfigurationError` for anything else: bars must divide the day evenly, up to 12 hours, or be the day.
    """
    match = _TIMEFRAME.fullmatch(text)
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]] if match else 0
    if not match or DAY_SECONDS % seconds or (seconds > SEGMENT_SECONDS_MAX and seconds != DAY_SECONDS):
        raise ConfigurationError(
            [f"{text[:32]!a} is not a timeframe: write 5s, 1m, 5m, 15m, 1h or another part of a day, or 1d"]
        )
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNIT_SECONDS[unit] == 0)
    return Timeframe(f"{seconds // _UNIT_SECONDS[unit]}{unit}", seconds)


def bar_span(timeframe: Timeframe, calendar: str, at: datetime) -> Span:
    """The span of the bar that `at` belongs to, as the head of this module defines it.

    Raises `signalbox.errors.CalendarError` where the calendar does not cover `at`.
    """
    session = session_at(calendar, at)
    if session is None:
        gap = Span(previous_session(calendar, at).post_close, next_session(calendar, at).pre_open)
        midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return _cut(_bucket(timeframe, midnight, at), gap)
    if timeframe.whole_session:
        return Span(session.pre_open, session.post_close)
    segment = next(segment for segment in _segments(session) if segment.start <= at < segment.end)
    return _cut(_bucket(timeframe, segment.start, at), segment)


def bucket_start(timeframe: Timeframe, calendar: str, at: datetime) -> datetime:
    """The beginning of the bar that `at` belongs to, UTC. Raises as `bar_span` does."""
    return bar_span(timeframe, calendar, at).start


def feed(state: Aggregation[Number], finer: Candle[Number]) -> Fed[Number]:
    """Take the next finer bar, which had trades.

    Idempotent: the same bar again changes nothing. Raises `signalbox.errors.CalendarError` as `bar_span` does.
    """
    if finer.start < state.taken_end:
        return Fed(state, (), Refusal.DUPLICATE if finer.start == state.taken_start else Refusal.LATE)
    building = state.building
    if building is not None and finer.start < building.end:
        span = Span(building.start, building.end)
    else:
        span = bar_span(state.timeframe, state.calendar, finer.start)
    if not finer.start < finer.end <= span.end:
        return Fed(state, (), Refusal.MISFIT)
    if span.end <= state.closed_until:
        return Fed(state, (), Refusal.LATE)

    closed: list[Candle[Number]] = []
    if building is not None and building.start != span.start:
        closed.append(building)
        building = None
    grown = _grown(building, finer) if building else finer._replace(start=span.start, end=span.end)
    ended = finer.end == span.end
    if ended:
        closed.append(grown)
    closed_until = max(state.closed_until, span.end if ended else span.start)
    taken = Aggregation(state.timeframe, state.calendar, None if ended else grown, finer.start, finer.end, closed_until)
    return Fed(taken, tuple(closed))


def close_until(state: Aggregation[Number], at: datetime) -> Fed[Number]:
    """Close the bar that has ended by `at`, if any. From then on no finer bar is taken into a bar that ends by `at`."""
    if at <= state.closed_until:
        return Fed(state, ())
    building = state.building
    if building is None or building.end > at:
        return Fed(replace(state, closed_until=at), ())
    return Fed(replace(state, building=None, closed_until=at), (building,))


def aggregated(
    finer: Iterable[Candle[Number]], timeframe: Timeframe, calendar: str = ALWAYS
) -> Iterator[Candle[Number]]:
    """The closed bars of a history of finer ones, in order of time. The last bar is left out unless it is complete.

    Finer bars that `feed` refuses are left out. Raises `signalbox.errors.CalendarError` as `bar_span` does.
    """
    state: Aggregation[Number] = Aggregation(timeframe, calendar)
    for candle in finer:
        state, closed, _ = feed(state, candle)
        yield from closed


def _grown(building: Candle[Number], finer: Candle[Number]) -> Candle[Number]:
    return Candle(
        building.start,
        building.end,
        building.open,
        max(building.high, finer.high),
        min(building.low, finer.low),
        finer.close,
        building.volume + finer.volume,
        building.trades + finer.trades,
    )


def _segments(session: Session) -> Iterator[Span]:
    edges = [session.pre_open, session.open]
    for start, end in session.breaks:
        edges += [start, end]
    edges += [session.close, session.post_close]
    return (Span(start, end) for start, end in pairwise(edges) if start < end)


def _bucket(timeframe: Timeframe, anchor: datetime, at: datetime) -> Span:
    length = timedelta(seconds=timeframe.seconds)
    start = anchor + (at - anchor) // length * length
    return Span(start, start + length)


def _cut(span: Span, within: Span) -> Span:
    return Span(max(span.start, within.start), min(span.end, within.end))

"""One symbol's bars: minutes of the venue's five-second bars, gaps named for history, coarser bars of minutes.

Pure but for the series itself. Owns which minute is complete, which must be asked for, and their order. It must not
know how history is asked for, nor what has been published before.

A minute is made of its twelve five-second bars; the venue sends them without trades too. A minute that lacks one after
the next minute has begun is a gap: its bars were lost (a late subscription, a drop, an omitted message), and it is
asked for as history, however few are missing: a bar is published once and never revised. Nothing overtakes a gap.
Nothing here waits: time passes when the venue's bars say so, so the desk's clock may run at any speed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from signalbox.bars import Candle, Timeframe
from signalbox.errors import CalendarError, TranslationError
from signalbox.gateway.minutes import Candles, Closed, Coarser, Gap, closed_by, coarser_of
from signalbox.messages import BarSource
from signalbox.sessions import Session, next_session, previous_session, session_at

from gateway_ibkr.facts import FiveSecondBarSeen, HistoryBarSeen
from gateway_ibkr.translate import decimal_of, price_of

MINUTE_SECONDS = 60
FIVE_SECONDS = 5
PARTS = MINUTE_SECONDS // FIVE_SECONDS
GRACE_SECONDS = 10
"""A minute counts as passed when the second five-second bar of the next one has ended: bars may change places."""

RECORDED_SECONDS_MAX = 7 * 86_400
"""BARS keeps the bars of seven days: from further back none is taken up again."""
DOUBTS_MAX = 4

MINUTES_KEPT_MAX = 2_000
"""More waiting minutes than a long day has are dropped, oldest first: history has them."""


@dataclass
class Minutes:
    """What is remembered of one symbol. `next_minute`: everything before it is settled. Times are epoch seconds."""

    symbol: str
    calendar: str
    next_minute: int
    coarser: Coarser
    newest: int = 0
    live: dict[int, dict[int, FiveSecondBarSeen]] = field(default_factory=dict)
    history: dict[int, HistoryBarSeen] = field(default_factory=dict)
    history_until: int = 0
    session: Session | None = None
    doubts: int = 0
    """How often history has left out a minute of which live bars have trades."""


def minutes_of(symbol: str, calendar: str, now: datetime, timeframes: Iterable[Timeframe]) -> Minutes:
    """Begin with the session before the present one: today's bars and yesterday's (N1). Raises `CalendarError`."""
    session = session_at(calendar, now)
    first = previous_session(calendar, session.pre_open if session is not None else now)
    return Minutes(
        symbol, calendar, _epoch(first.pre_open), coarser_of(timeframes, calendar), newest=_epoch(now) + GRACE_SECONDS
    )


def begin_after(minutes: Minutes, last: datetime) -> None:
    """Begin with the session of the last minute that is recorded, `last`, if that is further back: nothing since then
    is left out, however long nobody asked. Bars of that session are made whole again, and not published twice."""
    if _epoch(last) < minutes.newest - RECORDED_SECONDS_MAX:
        return
    try:
        session = session_at(minutes.calendar, last)
    except CalendarError:
        return
    if session is not None:
        minutes.next_minute = min(minutes.next_minute, _epoch(session.pre_open))


def take_live(minutes: Minutes, seen: FiveSecondBarSeen) -> bool:
    """Take one five-second bar; False = late or known already. Raises `TranslationError` for one without prices."""
    if seen.trades > 0:
        for price in (seen.open, seen.high, seen.low, seen.close):
            price_of(price)
        decimal_of(seen.volume)
    minutes.newest = max(minutes.newest, seen.start + FIVE_SECONDS)
    minute = seen.start - seen.start % MINUTE_SECONDS
    if minute < minutes.next_minute or seen.start % FIVE_SECONDS:
        return False
    parts = minutes.live.setdefault(minute, {})
    if seen.start in parts:
        return False
    parts[seen.start] = seen
    if len(minutes.live) > MINUTES_KEPT_MAX:
        del minutes.live[min(minutes.live)]
    return True


def take_history(minutes: Minutes, gap: Gap, bars: Iterable[HistoryBarSeen]) -> None:
    """Take the venue's complete answer for a gap: a minute that is not in it had no trades.

    Unless live bars have some of it: then history is behind, and is asked again, a few times.
    """
    start, end = _epoch(gap.start), _epoch(gap.end)
    minutes.history.update({bar.start: bar for bar in bars if start <= bar.start < end})
    traded = {minute for minute, parts in minutes.live.items() if any(part.trades > 0 for part in parts.values())}
    behind = min((minute for minute in traded - minutes.history.keys() if start <= minute < end), default=end)
    minutes.doubts = minutes.doubts + 1 if behind < end else 0
    if minutes.doubts > DOUBTS_MAX:
        behind, minutes.doubts = end, 0
    minutes.history_until = max(minutes.history_until, behind)


def settle(minutes: Minutes) -> tuple[list[Closed], Gap | None]:
    """Settle every minute that can be; return the bars closed by it, and the gap that stands in the way, if any.

    Raises `CalendarError` where the calendar ends.
    """
    closed: list[Closed] = []
    while True:
        minute = _in_hours(minutes, minutes.next_minute)
        if minute is None or minute + MINUTE_SECONDS > minutes.newest:
            return closed, None
        parts = minutes.live.get(minute, {})
        if len(parts) == PARTS:
            candle, source = _of_parts(minute, parts), BarSource.LIVE
        elif minute < minutes.history_until:
            candle, source = _of_history(minutes.history.get(minute)), BarSource.BACKFILL
        elif minute + MINUTE_SECONDS + GRACE_SECONDS <= minutes.newest:
            return closed, Gap(_time(minute), _time(_gap_end(minutes, minute)))
        else:
            return closed, None
        closed += closed_by(minutes.coarser, _time(minute), candle, source)
        minutes.next_minute = minute + MINUTE_SECONDS
        minutes.live.pop(minute, None)
        minutes.history.pop(minute, None)


# ------------------------------------------------------------------------------------------------------- details


def _in_hours(minutes: Minutes, minute: int) -> int | None:
    """The first minute from `minute` on that lies in [pre_open, close) of a session and in no break.

    After-hours are left out (N1). None = there is none before the newest time known.
    """
    while minute <= minutes.newest:
        at = _time(minute)
        session = minutes.session
        if session is None or not session.pre_open <= at < session.post_close:
            session = minutes.session = session_at(minutes.calendar, at)
        if session is None or at >= session.close:
            minute = _epoch(next_session(minutes.calendar, at).pre_open)
            continue
        pause = next((end for start, end in session.breaks if start <= at < end), None)
        if pause is None:
            return minute
        minute = _epoch(pause)
    return None


def _gap_end(minutes: Minutes, minute: int) -> int:
    """The gap ends where the next complete minute begins, or with the last minute that has passed."""
    passed = min(minutes.newest - GRACE_SECONDS, _second_close(minutes, minute))
    complete = [start for start, parts in minutes.live.items() if start > minute and len(parts) == PARTS]
    return min([*complete, passed - passed % MINUTE_SECONDS])


def _second_close(minutes: Minutes, minute: int) -> int:
    """The end of the session after the one of `minute`: more is asked for in parts, each small enough for an answer."""
    try:
        at = _time(minute)
        first = session_at(minutes.calendar, at) or next_session(minutes.calendar, at)
        return _epoch(next_session(minutes.calendar, first.pre_open).post_close)
    except CalendarError:
        return minutes.newest


def _of_parts(minute: int, parts: dict[int, FiveSecondBarSeen]) -> Candles | None:
    traded = [part for _, part in sorted(parts.items()) if part.trades > 0]
    if not traded:
        return None
    return Candle(
        _time(minute),
        _time(minute + MINUTE_SECONDS),
        price_of(traded[0].open),
        max(price_of(part.high) for part in traded),
        min(price_of(part.low) for part in traded),
        price_of(traded[-1].close),
        sum((decimal_of(part.volume) for part in traded), Decimal(0)),
        sum(part.trades for part in traded),
    )


def _of_history(seen: HistoryBarSeen | None) -> Candles | None:
    if seen is None or seen.trades <= 0:
        return None
    try:
        return Candle(
            _time(seen.start),
            _time(seen.start + MINUTE_SECONDS),
            price_of(seen.open),
            price_of(seen.high),
            price_of(seen.low),
            price_of(seen.close),
            decimal_of(seen.volume),
            seen.trades,
        )
    except TranslationError:
        return None  # a bar without prices is no bar


def _epoch(at: datetime) -> int:
    return int(at.timestamp())


def _time(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def trading_days(calendar: str, start: datetime, end: datetime) -> int:
    """How many sessions [start, end) touches, counted from the venue's side: at least one. Unknown calendars: days."""
    days = 0
    at = start
    try:
        while at < end:
            session = session_at(calendar, at) or next_session(calendar, at)
            if session.pre_open >= end:
                break
            days += 1
            at = session.post_close
    except CalendarError:
        return (end - start) // timedelta(days=1) + 1
    return max(days, 1)

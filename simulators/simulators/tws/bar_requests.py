"""What a request for past bars means: bar sizes, durations, ends; and the text of a bar's date.

Owns TWS's words for those. Pure: the present is an argument. It must not know clients or where bars come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from signalbox.exchange.listing import Listing
from signalbox.exchange.quoting import MarketBar
from signalbox.sessions import Session, next_session, previous_session, session_at

from simulators.tws import times
from simulators.tws.contracts import Unresolved, invalid
from simulators.tws.replies import security_type
from simulators.tws.requests import HistoricalData

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
MONTH_SECONDS = 30 * DAY_SECONDS
BAR_SECONDS = {
    "5 secs": 5,
    "10 secs": 10,
    "15 secs": 15,
    "30 secs": 30,
    "1 min": 60,
    "2 mins": 120,
    "3 mins": 180,
    "5 mins": 300,
    "10 mins": 600,
    "15 mins": 900,
    "20 mins": 1200,
    "30 mins": 1800,
    "1 hour": 3600,
    "2 hours": 7200,
    "3 hours": 10800,
    "4 hours": 14400,
    "8 hours": 28800,
    "1 day": DAY_SECONDS,
    "1 week": WEEK_SECONDS,
    "1W": WEEK_SECONDS,
    "1 month": MONTH_SECONDS,
    "1M": MONTH_SECONDS,
}
WHAT = frozenset({"TRADES", "ADJUSTED_LAST", "SCHEDULE"})
KNOWN_WHAT = frozenset(
    {"MIDPOINT", "BID", "ASK", "BID_ASK", "HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY", "FEE_RATE", "AGGTRADES"}
    | {"YIELD_BID", "YIELD_ASK", "YIELD_BID_ASK", "YIELD_LAST"}
)
BARS_MAX = 100_000
_WAP = Decimal("0.000001")
SESSIONS_MAX = 800

_BAD_END = (
    "End Date/Time: The date, time, or time-zone entered is invalid. The correct format is [yyyymmdd-hh:mm:ss]"
    " or yyyymmdd hh:mm:ss xx/xxxx"
)


def hmds(text: str) -> Unresolved:
    return Unresolved(162, f"Historical Market Data Service error message:{text}")


@dataclass(frozen=True, slots=True)
class Span:
    """The bars that are wanted: those that start in [start, end)."""

    start: datetime
    end: datetime
    bar_seconds: int

    @property
    def source_seconds(self) -> int:
        """The bar size to ask the market for; weeks and months are made of days."""
        return min(self.bar_seconds, DAY_SECONDS)


def span_of(request: HistoricalData, listing: Listing, now: datetime) -> Span | Unresolved:
    """Return which bars the request means, or the error that it gets. Raises CalendarError outside the calendar."""
    seconds = BAR_SECONDS.get(request.bar_size)
    if seconds is None:
        legal = ",".join(BAR_SECONDS)
        return invalid(f"Historical data bar size setting is invalid. Legal ones are: {legal}")
    if request.what not in WHAT:
        if request.what in KNOWN_WHAT:
            what = f"{listing.symbol}/{security_type(listing)}@{listing.exchange} {request.what}"
            return hmds(f"No historical market data for {what}")
        return invalid(f"Invalid what to show: {request.what}")
    if request.format_date not in (1, 2):
        return invalid("Date format must be 1 or 2")
    if request.keep_up_to_date and request.end.strip():
        return invalid("Historical data requests with keepUpToDate must have an empty end date")
    try:
        end = min(times.read(request.end, listing.time_zone), now) if request.end.strip() else now
    except ValueError:
        return Unresolved(10314, _BAD_END)
    start = _start(request.duration, listing, end, use_rth=request.use_rth)
    if isinstance(start, Unresolved):
        return start
    if (end - start).total_seconds() / seconds > BARS_MAX:
        return hmds("Time length exceed max.")
    return Span(start if seconds >= DAY_SECONDS else bar_start(start, seconds), end, seconds)


def _start(duration: str, listing: Listing, end: datetime, *, use_rth: bool) -> datetime | Unresolved:
    number, _, unit = duration.partition(" ")
    if not (number.isascii() and number.isdigit() and int(number[:9]) > 0 and unit in ("S", "D", "W", "M", "Y")):
        return invalid(
            f"Historical data duration string '{duration[:40]}' is invalid: it is an integer, a space, SDWMY"
        )
    count = int(number[:9])
    if count > {"S": DAY_SECONDS, "D": 365, "W": 52, "M": 12, "Y": 2}[unit]:
        if unit == "D":
            return invalid("Historical data requests for durations longer than 365 days must be made in years.")
        return hmds("Time length exceed max.")
    last = _last_session(listing.calendar, end)
    if unit == "S":
        closes = last.close if use_rth else last.post_close
        return min(end, closes) - timedelta(seconds=count)
    if unit == "D":
        # Before the open there is nothing of today in regular hours: the last day is then the one before, as with TWS
        first = previous_session(listing.calendar, last.pre_open) if use_rth and end <= last.open else last
        for _ in range(count - 1):
            first = previous_session(listing.calendar, first.pre_open)
        return first.open if use_rth else first.pre_open
    return end - timedelta(days={"W": 7, "M": 30, "Y": 365}[unit] * count)


def _last_session(calendar: str, end: datetime) -> Session:
    """The session that `end` is in, or the last one before it."""
    return session_at(calendar, end - timedelta(microseconds=1)) or previous_session(calendar, end)


def sessions_in(listing: Listing, span: Span) -> list[tuple[str, str, str]]:
    """Return (start, end, day) of every session in the span, as historicalSchedule has them: in the exchange's time."""
    zone = ZoneInfo(listing.time_zone)
    found: list[tuple[str, str, str]] = []
    session = session_at(listing.calendar, span.start) or next_session(listing.calendar, span.start)
    while session.pre_open < span.end and len(found) < SESSIONS_MAX:
        opens, closes = (f"{at.astimezone(zone):%Y%m%d-%H:%M:%S}" for at in (session.open, session.close))
        found.append((opens, closes, times.day(session.day)))
        session = next_session(listing.calendar, session.pre_open)
    return found


def date_text(bar: MarketBar, listing: Listing, format_date: int) -> str:
    """Write a bar's date: the day for bars of a day and more, else the exchange's time or (format 2) epoch seconds."""
    if bar.seconds >= DAY_SECONDS:
        return times.day(local_day(bar.start, listing))
    return times.epoch(bar.start) if format_date == 2 else times.stamp(bar.start, listing.time_zone)


def local_day(at: datetime, listing: Listing) -> date:
    return at.astimezone(ZoneInfo(listing.time_zone)).date()


def bar_start(at: datetime, seconds: int) -> datetime:
    """The start of the bar that `at` lies in, for bars of less than a day."""
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)


def merge(one: MarketBar, more: MarketBar) -> MarketBar:
    """Make one bar of two, the second the later; without trades in one, the prices are the other's."""
    if not more.volume:
        return one
    if not one.volume:
        return MarketBar(
            one.symbol,
            one.start,
            one.seconds,
            more.open,
            more.high,
            more.low,
            more.close,
            more.volume,
            more.wap,
            more.trades,
        )
    volume = one.volume + more.volume
    return MarketBar(
        one.symbol,
        one.start,
        one.seconds,
        one.open,
        max(one.high, more.high),
        min(one.low, more.low),
        more.close,
        volume,
        ((one.wap * one.volume + more.wap * more.volume) / volume).quantize(_WAP, ROUND_HALF_UP),
        one.trades + more.trades,
    )


def grouped(bars: tuple[MarketBar, ...], seconds: int, listing: Listing) -> tuple[MarketBar, ...]:
    """Make weeks or months of daily bars; each begins on its first trading day."""
    if seconds <= DAY_SECONDS:
        return bars
    groups: dict[tuple[int, int], MarketBar] = {}
    for bar in bars:
        day = local_day(bar.start, listing)
        key = day.isocalendar()[:2] if seconds == WEEK_SECONDS else (day.year, day.month)
        whole = MarketBar(
            bar.symbol, bar.start, seconds, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.wap, bar.trades
        )
        groups[key] = merge(groups[key], whole) if key in groups else whole
    return tuple(groups.values())

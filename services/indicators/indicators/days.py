"""Which trading day a bar belongs to. Owns the reading of a calendar by somebody who goes through it bar by bar.

It must not know prices or messages.
"""

from __future__ import annotations

from datetime import datetime

from signalbox.messages import NEVER
from signalbox.sessions import Session, session_at


class TradingDays:
    """The days of one calendar, each from pre-market open to the close. The calendar is asked once a day.

    `begin` and `end` are those of the day that was asked for last, and `number` is its number: what a caller who asks
    at every bar looks at first; `session` is that day's, None before the first one.
    """

    __slots__ = ("begin", "calendar", "end", "number", "session")

    def __init__(self, calendar: str) -> None:
        self.calendar = calendar
        self.begin = self.end = NEVER
        self.number = 0
        self.session: Session | None = None

    def __eq__(self, other: object) -> bool:
        """Whether both are of one calendar: where they stand in it is nothing but what was asked last."""
        return isinstance(other, TradingDays) and other.calendar == self.calendar

    __hash__ = None  # type: ignore[assignment]

    def move_to(self, at: datetime) -> bool:
        """Find the day that `at` (UTC) belongs to; False = none, and the day stays as it was.

        Raises `CalendarError` where the calendar does not cover `at`.
        """
        if self.begin <= at < self.end:
            return True
        session = session_at(self.calendar, at)
        if session is None or at >= session.close:
            return False
        self.begin, self.end, self.number = session.pre_open, session.close, session.day.toordinal()
        self.session = session
        return True

    def is_regular(self, at: datetime) -> bool:
        """Whether `at`, of the day that was asked for last, is in its regular hours."""
        return self.session is not None and self.session.is_regular(at)

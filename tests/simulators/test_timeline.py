"""Boundaries are crossed once each, in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from signalbox.exchange.quoting import Phase, SessionPhase
from simulators.timeline import Timeline

PRE_OPEN = datetime(2011, 11, 25, 9, tzinfo=UTC)


def crossed(timeline: Timeline, at: datetime) -> list[SessionPhase | None]:
    return [phase for _, _, phase in timeline.cross(at)]


def test_each_boundary_is_crossed_once() -> None:
    timeline = Timeline("XNYS", PRE_OPEN - timedelta(hours=1))
    seen, at = [], PRE_OPEN - timedelta(hours=1)
    while at < PRE_OPEN + timedelta(hours=14):
        seen.extend((when, phase) for _, when, phase in timeline.cross(at))
        at += timedelta(seconds=5)
    assert seen == [
        (PRE_OPEN, SessionPhase.PRE_OPEN),
        (datetime(2011, 11, 25, 14, 30, tzinfo=UTC), SessionPhase.OPEN),
        (datetime(2011, 11, 25, 18, tzinfo=UTC), SessionPhase.CLOSE),
        (datetime(2011, 11, 25, 22, tzinfo=UTC), SessionPhase.POST_CLOSE),
    ]
    assert timeline.session.day.isoformat() == "2011-11-28"


def test_a_late_arrival_finds_only_what_is_ahead() -> None:
    timeline = Timeline("XNYS", PRE_OPEN + timedelta(hours=7))
    assert timeline.is_on(PRE_OPEN + timedelta(hours=7))
    assert crossed(timeline, PRE_OPEN + timedelta(hours=7)) == []
    assert crossed(timeline, PRE_OPEN + timedelta(hours=9)) == [SessionPhase.CLOSE]
    assert timeline.phase(PRE_OPEN + timedelta(hours=9)) is Phase.EXTENDED


def test_an_american_day_crosses_midnight_utc() -> None:
    timeline = Timeline("XNYS", datetime(2011, 1, 4, 0, 30, tzinfo=UTC))
    assert timeline.session.day.isoformat() == "2011-01-03"
    assert timeline.phase(datetime(2011, 1, 4, 0, 59, tzinfo=UTC)) is Phase.EXTENDED
    assert timeline.phase(datetime(2011, 1, 4, 1, tzinfo=UTC)) is Phase.CLOSED


def test_a_lunch_break_closes_and_opens() -> None:
    day = datetime(2024, 1, 3, tzinfo=UTC)
    timeline = Timeline("XHKG", day)
    assert crossed(timeline, day + timedelta(hours=1, minutes=30)) == [SessionPhase.PRE_OPEN, SessionPhase.OPEN]
    assert crossed(timeline, day + timedelta(hours=4)) == [None]
    assert timeline.phase(day + timedelta(hours=4)) is Phase.CLOSED
    assert crossed(timeline, day + timedelta(hours=8)) == [None, SessionPhase.CLOSE, SessionPhase.POST_CLOSE]

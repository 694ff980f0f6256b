"""What a bar must be to be scored, what its score says, and whether that may be stored. Pure.

It must not know where bars come from or where scores go, nor which bars of a series count (`indicators.step`).
"""

from __future__ import annotations

from enum import StrEnum

from signalbox.errors import MessageError
from signalbox.messages import Bar, BarSource, Levels, Score, ScoreState, Utc

from indicators.formulas.indicator_set import Memory, Parameters
from indicators.readings import read
from indicators.state import LastScore

PRICE_DIGITS_MAX = 30
"""More digits before or behind the point than any price has: 1e400 is a Decimal, but as a float it is infinite."""


def score_of(bar: Bar, close: float, memory: Memory, parameters: Parameters, warm_bars: int = 0) -> Score:
    """The score at the `close` of `bar`, whose memory this is; it is WARMING before the series has `warm_bars`."""
    readings = read(memory, parameters)
    state, why = _state(bar, memory[0], warm_bars)
    return Score(
        id=f"score/{bar.venue}/{bar.symbol}/{bar.timeframe}/{bar.start.isoformat()}",
        at=bar.at,
        cause=bar.id,
        venue=bar.venue,
        symbol=bar.symbol,
        timeframe=bar.timeframe,
        bar_start=bar.start,
        close=close,
        supertrend=readings.supertrend,
        direction=readings.direction,
        ema=readings.ema,
        atr=readings.atr,
        trend_score=readings.trend_score,
        ema_deviation=readings.ema_deviation,
        new_high_score=readings.new_high_score,
        state=state,
        why=why,
    )


_FED = BarSource.LIVE  # looked up once: to name a member of an enumeration costs as much as an indicator
_LIVE, _FETCHED = (ScoreState.LIVE, ""), (ScoreState.BACKFILL, "the bar was fetched from the venue's history")


def _state(bar: Bar, seen: int, warm_bars: int) -> tuple[ScoreState, str]:
    if seen >= warm_bars:
        return _LIVE if bar.source is _FED else _FETCHED
    return ScoreState.WARMING, f"bar {seen} of the {warm_bars} that indicators need to forget where they began"


def levels_of(score: Score) -> Levels | None:
    """The levels that a score has, as a message of their own."""
    if score.levels is None:
        return None
    return Levels(
        id=f"levels/{score.venue}/{score.symbol}/{score.timeframe}/{score.bar_start.isoformat()}",
        at=score.at,
        cause=score.cause,
        venue=score.venue,
        symbol=score.symbol,
        timeframe=score.timeframe,
        bar_start=score.bar_start,
        levels=score.levels,
    )


class Fence(StrEnum):
    """What the last stored score of a series says to a process that is about to store the next."""

    OPEN = "open"  # store it behind that one
    DONE = "done"  # another process has stored it, and perhaps later ones
    BEHIND = "behind"  # another process has scored a bar that this one has not read: the score would be wrong


def fence(last: LastScore, series_start: Utc, bar_start: Utc) -> Fence:
    """Judge a score of the bar at `bar_start`, whose series' bar before it started at `series_start`.

    Scores of a series are stored in the order of its bars, and a bar is only given out once the one before is scored.
    So a score of this bar or a later one means that this bar is scored. A last score older than the bar before is no
    reason to stop: it has reached its age, or that timeframe was not scored then.
    """
    if last.bar_start >= bar_start:
        return Fence.DONE
    return Fence.BEHIND if last.bar_start > series_start else Fence.OPEN


def check_prices(bar: Bar) -> None:
    """Raise `MessageError` for prices that would spoil every later score: one NaN would stay in the averages."""
    for name, price in (("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close)):
        if not price.is_finite() or abs(price.adjusted()) > PRICE_DIGITS_MAX:
            raise MessageError(f"bar {bar.id}: {name} is {price}, which is no price")
    if bar.high < bar.low:
        raise MessageError(f"bar {bar.id}: high {bar.high} is below low {bar.low}")

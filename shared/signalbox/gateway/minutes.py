"""Bars that are closed, gaps that only history can tell, and coarser bars made of minutes.

Pure. A venue's `minutes` owns which minute is complete; what follows from a complete one is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from signalbox.bars import Aggregation, Candle, Timeframe, close_until, feed
from signalbox.messages import Bar, BarSource

MINUTE = timedelta(minutes=1)
MINUTE_TIMEFRAME = "1m"

Candles = Candle[Decimal]
Coarser = dict[str, Aggregation[Decimal]]


class Closed(Struct, frozen=True):
    """A bar that is closed."""

    timeframe: str
    candle: Candles
    source: BarSource


class Gap(Struct, frozen=True):
    """Minutes that only history can tell: [start, end), UTC."""

    start: datetime
    end: datetime


def coarser_of(timeframes: Iterable[Timeframe], calendar: str) -> Coarser:
    """Begin the bars that are made of minutes."""
    return {
        timeframe.text: Aggregation[Decimal](timeframe, calendar)
        for timeframe in timeframes
        if timeframe.seconds > MINUTE.total_seconds()
    }


def closed_by(coarser: Coarser, minute: datetime, candle: Candles | None, source: BarSource) -> list[Closed]:
    """Settle the minute that begins at `minute`; return the bars closed by it. `None` = there were no trades in it."""
    closed = [Closed(MINUTE_TIMEFRAME, candle, source)] if candle is not None else []
    for text, aggregation in coarser.items():
        fed = feed(aggregation, candle) if candle else close_until(aggregation, minute + MINUTE)
        coarser[text] = fed.state
        closed += [Closed(text, coarse, source) for coarse in fed.closed]
    return closed


def bar_message(venue: str, symbol: str, closed: Closed, received_at: datetime) -> Bar:
    """Make the message; its id derives from what it is, so that it is stored once."""
    candle = closed.candle
    return Bar(
        id=f"bar/{venue}/{symbol}/{closed.timeframe}/{candle.start.isoformat()}",
        at=candle.end,
        venue=venue,
        symbol=symbol,
        timeframe=closed.timeframe,
        start=candle.start,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        trades=candle.trades,
        source=closed.source,
        received_at=received_at,
    )

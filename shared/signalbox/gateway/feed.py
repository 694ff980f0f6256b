"""One symbol's bars on their way to BARS: settled, gaps filled from history, published once, in order.

Owns what is already in BARS, and that nothing overtakes a gap. Which minute is settled, and how history is asked for,
is the venue's (`Series`).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Protocol

from signalbox import messages, subjects
from signalbox.bars import Timeframe
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.gateway.ending import end_if_told
from signalbox.gateway.minutes import MINUTE_TIMEFRAME, Closed, Gap, bar_message
from signalbox.messages import NEVER, Bar, BarSource
from signalbox.metrics import VENUE_BAR_LATENESS_SECONDS, VENUE_BARS
from signalbox.streams import BAR_PARTITIONS

BARS = "BARS"


class Series(Protocol):
    """One symbol's minutes, as a venue tells them."""

    def settle(self) -> tuple[list[Closed], Gap | None]:
        """Settle every minute that can be; return the bars closed by it, and the gap in the way, if any."""

    async def ask_for(self, gap: Gap) -> Any:
        """The venue's complete answer for a gap, empty when it has none, or will not tell: then the gap stays."""

    def take_history(self, gap: Gap, answer: Any) -> None:
        """Take it: a minute that is not in it had no trades."""


class Feed:
    """The bars of one symbol."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        venue: str,
        symbol: str,
        timeframes: tuple[Timeframe, ...],
        series: Series,
    ) -> None:
        self._bus, self._clock, self._venue, self._symbol = bus, clock, venue, symbol
        self._timeframes, self._series = timeframes, series
        self._published: dict[str, datetime] = {}
        self._wake = asyncio.Event()
        self._wake.set()

    async def resume(self) -> None:
        """Read which bars are in BARS already: none of them is published again."""
        for timeframe in {MINUTE_TIMEFRAME, *(timeframe.text for timeframe in self._timeframes)}:
            self._published[timeframe] = await self._last_start(timeframe)

    async def _last_start(self, timeframe: str) -> datetime:
        for partition in range(BAR_PARTITIONS):
            last = await self._bus.last(BARS, subjects.stored_bar(self._venue, self._symbol, timeframe, partition))
            end_if_told()
            if last is not None:
                return messages.decode(last.payload, Bar).start
        return NEVER

    def last_start(self, timeframe: str) -> datetime:
        """The start of the last bar in BARS; NEVER = there is none. Known once it has resumed."""
        return self._published[timeframe]

    def wake(self) -> None:
        """Something may be settled now."""
        self._wake.set()

    async def run(self) -> None:
        """Publish what is settled, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while True:
                closed, gap = self._series.settle()
                for each in closed:
                    await self._publish(each)
                if gap is None:
                    break
                self._series.take_history(gap, await self._series.ask_for(gap))

    async def _publish(self, closed: Closed) -> None:
        if closed.candle.start <= self._published[closed.timeframe]:
            return
        bar = bar_message(self._venue, self._symbol, closed, datetime.now(UTC))
        await self._bus.publish(subjects.bar(self._venue, self._symbol, closed.timeframe), bar)
        end_if_told()
        self._published[closed.timeframe] = bar.start
        VENUE_BARS.labels(self._venue, self._symbol, closed.timeframe, closed.source.value).inc()
        if closed.source is BarSource.LIVE and closed.timeframe == MINUTE_TIMEFRAME:
            lateness_seconds = (self._clock.now() - bar.at).total_seconds()
            VENUE_BAR_LATENESS_SECONDS.labels(self._venue, self._symbol).set(max(0.0, lateness_seconds))

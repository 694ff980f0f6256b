"""One market's bars on their way from the venue to BARS: settled, gaps filled over REST, published once, in order.

Owns what is already in BARS and the questions for history. It must not know how connections come about
(`market_data`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from signalbox import messages, subjects
from signalbox.bars import Timeframe
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import VenueError, VenueRefusedError
from signalbox.gateway.ending import end_if_told
from signalbox.messages import NEVER, Bar, BarSource
from signalbox.metrics import VENUE_BAR_LATENESS_SECONDS, VENUE_BARS, VENUE_GAPS
from signalbox.streams import BAR_PARTITIONS

from gateway_dydx.facts import CandleSeen, Trade
from gateway_dydx.instruments import Offered
from gateway_dydx.minutes import (
    MINUTE,
    Closed,
    Gap,
    bar_message,
    begin_live,
    minutes_of,
    settle,
    take_candle,
    take_history,
    take_trade,
)
from gateway_dydx.translate import VENUE
from gateway_dydx.venue_indexer import IndexerRest

log = logging.getLogger(__name__)

BARS = "BARS"
MINUTE_TIMEFRAME = "1m"
REFUSALS_MAX = 3
ASK_AGAIN_SECONDS, ASK_AGAIN_SECONDS_MAX = 0.2, 15.0


class Feed:
    """The bars of one symbol."""

    def __init__(
        self, bus: Bus, clock: DeskClock, offered: Offered, timeframes: tuple[Timeframe, ...], rest: IndexerRest
    ) -> None:
        self._bus, self._clock, self._rest = bus, clock, rest
        self._timeframes = timeframes
        self.symbol = offered.symbol.canonical
        self._minutes = minutes_of(self.symbol, clock.now(), timeframes)
        self._published: dict[str, datetime] = {}
        self._passed = NEVER
        self._wake = asyncio.Event()

    async def resume(self) -> None:
        """Read which bars are in BARS already: none of them is published again."""
        for timeframe in {MINUTE_TIMEFRAME, *(timeframe.text for timeframe in self._timeframes)}:
            self._published[timeframe] = await self._last_start(timeframe)

    async def _last_start(self, timeframe: str) -> datetime:
        subject = subjects.bar(VENUE, self.symbol, timeframe)
        for partition in range(BAR_PARTITIONS):
            last = await self._bus.last(BARS, stored_subject(subject, partition))
            end_if_told()
            if last is not None:
                return messages.decode(last.payload, Bar).start
        return NEVER

    def on_candle(self, seen: CandleSeen) -> None:
        take_candle(self._minutes, seen)

    def on_trade(self, trade: Trade) -> None:
        take_trade(self._minutes, trade)

    def begin_live(self, at: datetime | None) -> None:
        """Everything is seen from `at` on; None = it is not, and REST must tell."""
        begin_live(self._minutes, at)

    def pass_until(self, at: datetime) -> None:
        """Take it that the venue's time is `at`, and that all it has sent of before has come."""
        if at >= self._passed + MINUTE or at.minute != self._passed.minute:
            self._wake.set()
        self._passed = max(self._passed, at)

    async def run(self) -> None:
        """Publish what is settled, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            gap: Gap | None = None
            while True:
                closed, gap = settle(self._minutes, self._passed)
                for each in closed:
                    await self._publish(each)
                if gap is None:
                    break
                take_history(self._minutes, gap, await self._ask_for(gap))

    async def _publish(self, closed: Closed) -> None:
        if closed.candle.start <= self._published[closed.timeframe]:
            return
        bar = bar_message(self.symbol, closed, datetime.now(UTC))
        await self._bus.publish(subjects.bar(VENUE, self.symbol, closed.timeframe), bar)
        end_if_told()
        self._published[closed.timeframe] = bar.start
        VENUE_BARS.labels(VENUE, self.symbol, closed.timeframe, closed.source.value).inc()
        if closed.source is BarSource.LIVE and closed.timeframe == MINUTE_TIMEFRAME:
            lateness_seconds = (self._clock.now() - bar.at).total_seconds()
            VENUE_BAR_LATENESS_SECONDS.labels(VENUE, self.symbol).set(max(0.0, lateness_seconds))

    async def _ask_for(self, gap: Gap) -> tuple[CandleSeen, ...]:
        """The indexer's candles for a gap; () when it refuses to tell, three times: then the gap stays visible.

        Nobody there, and no answer in time, pass, and are waited out, longer each time.
        """
        refusals, pause_seconds = 0, ASK_AGAIN_SECONDS
        while True:
            try:
                candles = await self._rest.candles(self.symbol, gap.start, gap.end)
            except VenueError as error:
                limited = isinstance(error, VenueRefusedError) and error.code == "429"
                VENUE_GAPS.labels(VENUE, "limited" if limited else "failed").inc()
                refusals += isinstance(error, VenueRefusedError) and not limited
                log.warning("history is not told", extra={"symbol": self.symbol, "reason": str(error)})
                if refusals >= REFUSALS_MAX:
                    minutes = (gap.end - gap.start) // MINUTE
                    VENUE_GAPS.labels(VENUE, "given_up").inc()
                    log.error("a gap stays", extra={"symbol": self.symbol, "start": gap.start, "minutes": minutes})
                    return ()
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, ASK_AGAIN_SECONDS_MAX)
            else:
                VENUE_GAPS.labels(VENUE, "filled" if candles else "no_data").inc()
                return candles


def stored_subject(subject: str, partition: int) -> str:
    """Where BARS stores what is published on a bar's subject: the partition stands behind `md.bar`."""
    head, kind, rest = subject.split(".", 2)
    return f"{head}.{kind}.{partition}.{rest}"

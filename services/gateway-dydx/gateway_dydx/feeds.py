"""One market's bars of the venue: minutes of candles and trades, and history asked for over REST.

Owns the questions for history. It must not know how connections come about (`market_data`), nor what is in BARS already
(`signalbox.gateway.feed`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from signalbox.bars import Timeframe
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import VenueError, VenueRefusedError
from signalbox.gateway.feed import Feed
from signalbox.gateway.gaps import Gaps, span
from signalbox.gateway.minutes import MINUTE, Closed, Gap
from signalbox.messages import NEVER
from signalbox.metrics import VENUE_GAPS

from gateway_dydx import metrics
from gateway_dydx.facts import CandleSeen, Trade, Unreadable
from gateway_dydx.instruments import Offered
from gateway_dydx.minutes import begin_live, minutes_of, settle, take_candle, take_history, take_trade
from gateway_dydx.translate import VENUE
from gateway_dydx.unread import Unread
from gateway_dydx.venue_indexer import IndexerRest

log = logging.getLogger(__name__)

REFUSALS_MAX = 3
ASK_AGAIN_SECONDS, ASK_AGAIN_SECONDS_MAX = 0.2, 15.0


class Series:
    """The minutes of one symbol, for its `feed`."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        offered: Offered,
        timeframes: tuple[Timeframe, ...],
        rest: IndexerRest,
        gaps: Gaps,
        unread: Unread,
    ) -> None:
        self._rest, self._gaps, self._unread, self.symbol = rest, gaps, unread, offered.symbol.canonical
        gaps.watch(self.symbol)
        self._minutes = minutes_of(self.symbol, clock.now(), timeframes)
        self._passed = NEVER
        self.feed = Feed(bus, clock, VENUE, self.symbol, timeframes, self)

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
            self.feed.wake()
        self._passed = max(self._passed, at)

    def settle(self) -> tuple[list[Closed], Gap | None]:
        return settle(self._minutes, self._passed)

    def take_history(self, gap: Gap, answer: tuple[CandleSeen, ...]) -> None:
        take_history(self._minutes, gap, answer)

    async def ask_for(self, gap: Gap) -> tuple[CandleSeen, ...]:
        """The indexer's candles for a gap; () when it refuses to tell, three times: then the gap stays visible.

        Nobody there, and no answer in time, pass, and are waited out, longer each time.
        """
        self._gaps.open(self.symbol, gap)
        refusals, pause_seconds = 0, ASK_AGAIN_SECONDS
        while True:
            try:
                unreadable: list[Unreadable] = []
                candles = await self._rest.candles(self.symbol, gap.start, gap.end, unreadable=unreadable)
            except VenueError as error:
                limited = isinstance(error, VenueRefusedError) and error.code == "429"
                VENUE_GAPS.labels(VENUE, "limited" if limited else "failed").inc()
                refusals += isinstance(error, VenueRefusedError) and not limited
                self._gaps.failed(self.symbol, str(error))
                log.warning("history is not told", extra={"symbol": self.symbol, "reason": str(error)})
                if refusals >= REFUSALS_MAX:
                    self._gaps.stays(self.symbol)
                    VENUE_GAPS.labels(VENUE, "given_up").inc()
                    log.error("a gap stays", extra={"symbol": self.symbol, "gap": span(gap), "reason": str(error)})
                    return ()
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, ASK_AGAIN_SECONDS_MAX)
            else:
                for row in unreadable:  # a minute that nobody can read is a hole, and not one without trades
                    self._unread.park(row, metrics.INDEXER, stands=False)
                    VENUE_GAPS.labels(VENUE, "given_up").inc()
                if unreadable:
                    self._gaps.stays(self.symbol)
                else:
                    self._gaps.close(self.symbol)
                VENUE_GAPS.labels(VENUE, "filled" if candles else "no_data").inc()
                return candles

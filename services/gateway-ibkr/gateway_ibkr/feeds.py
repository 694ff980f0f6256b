"""One symbol's bars on their way from the venue to BARS: settled, gaps filled from history, published once, in order.

Owns what is already in BARS and the requests for history. It must not know how sessions come about (`market_data`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from signalbox import messages, subjects
from signalbox.bars import Timeframe
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import VenueError, VenueRefusedError, VenueTimeoutError
from signalbox.gateway.ending import end_if_told
from signalbox.messages import NEVER, Bar, BarSource
from signalbox.metrics import VENUE_BAR_LATENESS_SECONDS, VENUE_BARS, VENUE_GAPS, VENUE_UNDECODABLE
from signalbox.streams import BAR_PARTITIONS

from gateway_ibkr import metrics
from gateway_ibkr.facts import FiveSecondBarSeen, HistoryBarSeen
from gateway_ibkr.instruments import Offered
from gateway_ibkr.minutes import (
    MINUTE_SECONDS,
    Closed,
    Gap,
    bar_message,
    minutes_of,
    settle,
    take_history,
    take_live,
    trading_days,
)
from gateway_ibkr.pacing import IDENTICAL_HISTORY_SECONDS, OPEN_HISTORY_MAX, HistoryWindow
from gateway_ibkr.translate import VENUE, TranslationError, history_duration, venue_time
from gateway_ibkr.venue_data import DataSession
from gateway_ibkr.venue_errors import is_no_data, is_pacing, problem_of

log = logging.getLogger(__name__)

BARS = "BARS"
MINUTE = "1m"
ATTEMPTS_MAX = 3
PACING_SECONDS_MAX = 600.0
"""Of desk time between two requests while the venue refuses for pacing: its longest window is ten minutes."""

Fetch = Callable[[Offered, Gap], Awaitable[tuple[HistoryBarSeen, ...]]]


class History:
    """Asks for history within the venue's limits. `session` is waited for: a gap outlives a connection."""

    def __init__(self, clock: DeskClock, seconds_max: float) -> None:
        self._clock, self._seconds_max = clock, seconds_max
        self._window = HistoryWindow()
        metrics.watch_history(self._window, self._now)
        self._open = asyncio.Semaphore(OPEN_HISTORY_MAX)
        self._session: DataSession | None = None
        self._has_session = asyncio.Event()

    def use(self, session: DataSession | None) -> None:
        """Ask over this session from now on."""
        self._session = session
        if session is None:
            self._has_session.clear()
        else:
            self._has_session.set()

    async def minutes(self, offered: Offered, gap: Gap) -> tuple[HistoryBarSeen, ...]:
        """One-minute bars of the gap. Raises `VenueError`."""
        duration = history_duration(gap.start, gap.end, trading_days(offered.symbol.calendar, gap.start, gap.end))
        end = venue_time(gap.end)
        con_id = offered.contract.con_id
        request = f"{con_id} {end} {duration}"
        async with self._open:
            while (delay_seconds := self._window.delay_seconds(self._now(), con_id, request)) > 0:
                await self.desk_pause(delay_seconds)
            await self._has_session.wait()
            assert self._session is not None
            self._window.note(self._now(), con_id, request)
            self._window.waiting += 1
            try:
                return await self._session.minute_history(offered.contract, end, duration, self._seconds_max)
            finally:
                self._window.waiting -= 1

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def desk_pause(self, seconds: float) -> None:
        """Let `seconds` of desk time pass."""
        due = self._clock.wall_time_of(self._clock.now() + timedelta(seconds=seconds))
        await asyncio.sleep(max(0.001, (due - datetime.now(UTC)).total_seconds()))


class Feed:
    """The bars of one symbol."""

    def __init__(
        self, bus: Bus, clock: DeskClock, offered: Offered, timeframes: tuple[Timeframe, ...], history: History
    ) -> None:
        self._bus, self._clock, self.offered, self._history = bus, clock, offered, history
        self._timeframes = timeframes
        self.symbol = offered.symbol.canonical
        self._minutes = minutes_of(self.symbol, offered.symbol.calendar, clock.now(), timeframes)
        self._published: dict[str, datetime] = {}
        self._wake = asyncio.Event()
        self._wake.set()
        self.heard_wall_seconds = time.monotonic()
        self.newest = clock.now()
        """End of the newest five-second bar, or the feed's beginning."""

    async def resume(self) -> None:
        """Read which bars are in BARS already: none of them is published again."""
        for timeframe in {MINUTE, *(timeframe.text for timeframe in self._timeframes)}:
            self._published[timeframe] = await self._last_start(timeframe)

    async def _last_start(self, timeframe: str) -> datetime:
        subject = subjects.bar(VENUE, self.symbol, timeframe)
        for partition in range(BAR_PARTITIONS):
            last = await self._bus.last(BARS, stored_subject(subject, partition))
            end_if_told()
            if last is not None:
                return messages.decode(last.payload, Bar).start
        return NEVER

    def on_bar(self, seen: FiveSecondBarSeen) -> None:
        """Take one five-second bar as it comes off the socket."""
        self.heard_wall_seconds = time.monotonic()
        self.newest = max(self.newest, datetime.fromtimestamp(seen.start + 5, UTC))
        try:
            taken = take_live(self._minutes, seen)
        except TranslationError as error:
            VENUE_UNDECODABLE.labels(VENUE, "data").inc()
            log.error("a bar of the venue makes no sense", extra={"symbol": self.symbol, "error": str(error)})
            return
        if taken:
            self._wake.set()

    async def run(self) -> None:
        """Publish what is settled, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            gap: Gap | None = None
            while True:
                closed, gap = settle(self._minutes)
                for each in closed:
                    await self._publish(each)
                if gap is None:
                    break
                take_history(self._minutes, gap, await self.ask_for(gap))

    async def _publish(self, closed: Closed) -> None:
        if closed.candle.start <= self._published[closed.timeframe]:
            return
        bar = bar_message(self.symbol, closed, datetime.now(UTC))
        await self._bus.publish(subjects.bar(VENUE, self.symbol, closed.timeframe), bar)
        end_if_told()
        self._published[closed.timeframe] = bar.start
        VENUE_BARS.labels(VENUE, self.symbol, closed.timeframe, closed.source.value).inc()
        if closed.source is BarSource.LIVE and closed.timeframe == MINUTE:
            lateness_seconds = (self._clock.now() - bar.at).total_seconds()
            VENUE_BAR_LATENESS_SECONDS.labels(VENUE, self.symbol).set(max(0.0, lateness_seconds))

    async def ask_for(self, gap: Gap) -> tuple[HistoryBarSeen, ...]:
        """The venue's bars for a gap; () when it has none, or will not tell: then the gap stays visible.

        A refusal for pacing is no answer, and passes: it is waited out, longer each time, for as long as it takes.
        """
        attempts, pause_seconds = 0, IDENTICAL_HISTORY_SECONDS
        while True:
            try:
                bars = await self._history.minutes(self.offered, gap)
            except VenueRefusedError as error:
                if is_no_data(int(error.code), error.text):
                    VENUE_GAPS.labels(VENUE, "no_data").inc()
                    return ()
                if is_pacing(int(error.code), error.text):
                    VENUE_GAPS.labels(VENUE, "paced").inc()
                    await self._history.desk_pause(pause_seconds)
                    pause_seconds = min(pause_seconds * 2, PACING_SECONDS_MAX)
                    continue
                problem = f"{error} {problem_of(int(error.code), error.text).advice}"
                attempts += 1
            except VenueTimeoutError as error:
                problem = str(error)
                attempts += 1
            except VenueError as error:  # the session is gone; the next one is asked
                problem = str(error)
                await asyncio.sleep(0.05)
                continue
            else:
                VENUE_GAPS.labels(VENUE, "filled").inc()
                return bars
            if attempts >= ATTEMPTS_MAX:
                VENUE_GAPS.labels(VENUE, "given_up").inc()
                minutes = int((gap.end - gap.start).total_seconds()) // MINUTE_SECONDS
                log.error(
                    "a gap stays",
                    extra={"symbol": self.symbol, "start": gap.start, "minutes": minutes, "reason": problem},
                )
                return ()
            await self._history.desk_pause(IDENTICAL_HISTORY_SECONDS)


def stored_subject(subject: str, partition: int) -> str:
    """Where BARS stores what is published on a bar's subject: the partition stands behind `md.bar`."""
    head, kind, rest = subject.split(".", 2)
    return f"{head}.{kind}.{partition}.{rest}"

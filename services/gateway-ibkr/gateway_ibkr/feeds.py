"""One symbol's bars of the venue: minutes of five-second bars, and history asked for within the venue's limits.

Owns the requests for history. It must not know how sessions come about (`market_data`), nor what is in BARS already
(`signalbox.gateway.feed`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from signalbox.bars import Timeframe
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError, VenueRefusedError, VenueTimeoutError
from signalbox.gateway.feed import Feed
from signalbox.gateway.minutes import Closed, Gap
from signalbox.metrics import VENUE_GAPS, VENUE_UNDECODABLE

from gateway_ibkr import metrics
from gateway_ibkr.facts import FiveSecondBarSeen, HistoryBarSeen
from gateway_ibkr.instruments import Offered
from gateway_ibkr.minutes import MINUTE_SECONDS, minutes_of, settle, take_history, take_live, trading_days
from gateway_ibkr.pacing import IDENTICAL_HISTORY_SECONDS, OPEN_HISTORY_MAX, HistoryWindow
from gateway_ibkr.translate import VENUE, history_duration, venue_time
from gateway_ibkr.venue_data import DataSession
from gateway_ibkr.venue_errors import is_no_data, is_pacing, problem_of

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 3
PACING_SECONDS_MAX = 600.0
"""Of desk time between two requests while the venue refuses for pacing: its longest window is ten minutes."""


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


class Series:
    """The minutes of one symbol, for its `feed`."""

    def __init__(
        self, bus: Bus, clock: DeskClock, offered: Offered, timeframes: tuple[Timeframe, ...], history: History
    ) -> None:
        self.offered, self._history = offered, history
        self.symbol = offered.symbol.canonical
        self._minutes = minutes_of(self.symbol, offered.symbol.calendar, clock.now(), timeframes)
        self.feed = Feed(bus, clock, VENUE, self.symbol, timeframes, self)
        self.newest = clock.now()
        """End of the newest five-second bar, or the feed's beginning."""

    def on_bar(self, seen: FiveSecondBarSeen) -> None:
        """Take one five-second bar as it comes off the socket."""
        self.newest = max(self.newest, datetime.fromtimestamp(seen.start + 5, UTC))
        try:
            taken = take_live(self._minutes, seen)
        except TranslationError as error:
            VENUE_UNDECODABLE.labels(VENUE, "data").inc()
            log.error("a bar of the venue makes no sense", extra={"symbol": self.symbol, "error": str(error)})
            return
        if taken:
            self.feed.wake()

    def settle(self) -> tuple[list[Closed], Gap | None]:
        return settle(self._minutes)

    def take_history(self, gap: Gap, answer: tuple[HistoryBarSeen, ...]) -> None:
        take_history(self._minutes, gap, answer)

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

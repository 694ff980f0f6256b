"""One symbol's bars of the venue: minutes of five-second bars, and history asked for within the venue's limits.

Owns the requests for history. It must not know how sessions come about (`market_data`), nor what is in BARS already
(`signalbox.gateway.feed`).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace
from signalbox.bars import Timeframe
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError, VenueRefusedError, VenueTimeoutError
from signalbox.gateway.feed import Feed
from signalbox.gateway.gaps import Gaps, OpenGap, span
from signalbox.gateway.minutes import MINUTE_TIMEFRAME, Closed, Gap
from signalbox.gateway.parking import Parking
from signalbox.metrics import VENUE_GAPS, VENUE_UNDECODABLE

from gateway_ibkr import metrics, sense
from gateway_ibkr.facts import FiveSecondBarSeen, HistoryBarSeen
from gateway_ibkr.instruments import Offered
from gateway_ibkr.minutes import begin_after, minutes_of, settle, take_history, take_live, trading_days
from gateway_ibkr.pacing import IDENTICAL_HISTORY_SECONDS, OPEN_HISTORY_MAX, HistoryWindow
from gateway_ibkr.state import OwnState
from gateway_ibkr.translate import VENUE, history_duration, venue_time
from gateway_ibkr.venue_data import DataSession
from gateway_ibkr.venue_errors import HistoryVerdict, history_sentence, history_verdict

log = logging.getLogger(__name__)

REFUSALS_MAX = 3
PASSING_SECONDS_MAX = 120.0
"""Of desk time between two requests while the venue does not answer: less once it says that the farm is back."""
NOTHING = OwnState(0)
PACING_SECONDS_MAX = 600.0
"""Of desk time between two requests while the venue refuses for pacing: its longest window is ten minutes."""


class History:
    """Asks for history within the venue's limits. `session` is waited for: a gap outlives a connection."""

    def __init__(self, clock: DeskClock, seconds_max: float, gaps: Gaps, parking: Parking) -> None:
        self._clock, self._seconds_max, self.gaps, self._parking = clock, seconds_max, gaps, parking
        self._window = HistoryWindow()
        self._farm_is_back = asyncio.Event()
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
        """One-minute bars of the gap, of the rows that make sense. Raises `VenueError`."""
        duration = history_duration(gap.start, gap.end, trading_days(offered.symbol.calendar, gap.start, gap.end))
        end = venue_time(gap.end)
        con_id = offered.contract.con_id
        request = f"{con_id} {end} {duration}"
        async with self._open:
            while (delay_seconds := self._window.delay_seconds(self._now(), con_id, request)) > 0:
                await self._desk_pause(delay_seconds)
            await self._has_session.wait()
            assert self._session is not None
            self._window.note(self._now(), con_id, request)
            self._window.waiting += 1
            try:
                rows = await self._session.minute_history(offered.contract, end, duration, self._seconds_max)
            finally:
                self._window.waiting -= 1
        bars, unread = sense.sift(rows, self._clock.now(), NOTHING)
        for fact in unread:
            VENUE_UNDECODABLE.labels(VENUE, "data").inc()
            self._parking.park(replace(fact, key=offered.symbol.canonical))
        return bars

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def farm_is_back(self) -> None:
        """The venue says that its history farm is back: whoever waits to ask again asks now."""
        self._farm_is_back.set()
        self._farm_is_back = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        """Let `seconds` of desk time pass, or less if the history farm comes back meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wall_seconds(seconds)):
                await self._farm_is_back.wait()

    async def _desk_pause(self, seconds: float) -> None:
        await asyncio.sleep(self._wall_seconds(seconds))

    def _wall_seconds(self, seconds: float) -> float:
        due = self._clock.wall_time_of(self._clock.now() + timedelta(seconds=seconds))
        return max(0.001, (due - datetime.now(UTC)).total_seconds())


class Series:
    """The minutes of one symbol, for its `feed`."""

    def __init__(
        self, bus: Bus, clock: DeskClock, offered: Offered, timeframes: tuple[Timeframe, ...], history: History
    ) -> None:
        self.offered, self._history = offered, history
        self.symbol = offered.symbol.canonical
        self._minutes = minutes_of(self.symbol, offered.symbol.calendar, clock.now(), timeframes)
        self.feed = Feed(bus, clock, VENUE, self.symbol, timeframes, self)
        self._gaps = history.gaps
        self._gaps.watch(self.symbol)
        self.newest = clock.now()
        """End of the newest five-second bar, or the feed's beginning."""

    async def resume(self) -> None:
        """Go on after the last bar that is recorded, also if that is days ago."""
        await self.feed.resume()
        begin_after(self._minutes, self.feed.last_start(MINUTE_TIMEFRAME))

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
        """The venue's bars for a gap; () when it says that there are none, or refuses for good: then the gap stays.

        Anything else is no answer, and passes: it is waited out for as long as it takes, longer each time, and until
        the history farm is back.
        """
        self._gaps.open(self.symbol, gap)
        refusals, pause_seconds = 0, IDENTICAL_HISTORY_SECONDS
        while True:
            try:
                bars = await self._history.minutes(self.offered, gap)
            except VenueRefusedError as error:
                verdict = history_verdict(int(error.code), error.text)
                reason = history_sentence(int(error.code), error.text)
                if verdict is HistoryVerdict.EMPTY:
                    return self._answered(HistoryVerdict.EMPTY, ())
            except VenueTimeoutError as error:
                verdict, reason = HistoryVerdict.PASSING, str(error)
            except VenueError:  # the session is gone; the next one is asked
                await asyncio.sleep(0.05)
                continue
            else:
                return self._answered("filled" if bars else HistoryVerdict.EMPTY, bars)
            VENUE_GAPS.labels(VENUE, verdict).inc()
            self._say(logging.WARNING, "a gap is not told", self._gaps.failed(self.symbol, reason))
            refusals += verdict is HistoryVerdict.REFUSED
            if refusals >= REFUSALS_MAX:
                VENUE_GAPS.labels(VENUE, "given_up").inc()
                self._say(logging.ERROR, "a gap stays", self._gaps.stays(self.symbol))
                return ()
            await self._history.pause(pause_seconds)
            longest = PACING_SECONDS_MAX if verdict is HistoryVerdict.PACED else PASSING_SECONDS_MAX
            pause_seconds = min(pause_seconds * 2, longest)

    def _answered(self, outcome: str, bars: tuple[HistoryBarSeen, ...]) -> tuple[HistoryBarSeen, ...]:
        VENUE_GAPS.labels(VENUE, outcome).inc()
        gap = self._gaps.close(self.symbol)
        if gap.asked:  # in vain, before
            self._say(logging.WARNING, "a gap is filled" if bars else "a gap is empty", gap)
        return bars

    def _say(self, level: int, what: str, gap: OpenGap) -> None:
        said = {"symbol": self.symbol, "gap": span(gap.gap), "asked": gap.asked, "reason": gap.reason}
        log.log(level, what, extra=said)

"""Quotes on their way to the bus: every changed one, the latest of each symbol, at most once in an interval.

Owns when quotes are sent. What a symbol's quote is now is the venue's (its `quotes`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.messages import Quote
from signalbox.metrics import VENUE_QUOTES

Made = Callable[[str, datetime, datetime], Quote | None]
"""A symbol's quote, of the desk time at which it was last news, received now; None = there is none any more."""


class Quotes:
    """The quotes of all symbols of a venue."""

    def __init__(self, bus: Bus, clock: DeskClock, venue: str, interval_seconds: float, quote: Made) -> None:
        self._bus, self._clock, self._venue = bus, clock, venue
        self._interval_seconds, self._quote = interval_seconds, quote
        self._news_at: dict[str, datetime] = {}
        self._known_at: dict[str, datetime] = {}
        self._changed = asyncio.Event()

    def changed(self, symbol: str) -> None:
        """A quote is news now."""
        self._news_at[symbol] = self._known_at[symbol] = self._clock.now()
        self._changed.set()

    def beside(self, symbol: str) -> None:
        """What stands beside the prices is news: they are sent again with the time that they had, if there are any."""
        if symbol in self._known_at:
            self._news_at.setdefault(symbol, self._known_at[symbol])
            self._changed.set()

    async def run(self) -> None:
        """Send, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            news_at, self._news_at = self._news_at, {}
            for symbol, at in news_at.items():
                quote = self._quote(symbol, at, datetime.now(UTC))
                if quote is not None:
                    await self._bus.send(subjects.quote(self._venue, symbol), quote)
                    VENUE_QUOTES.labels(self._venue, symbol).inc()
            await asyncio.sleep(self._interval_seconds)

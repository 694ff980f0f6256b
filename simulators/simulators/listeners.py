"""Who listens to the world, and the handing out of what happened, awaited.

Owns the order of delivery and the waiting for slow listeners. It must not know what the events mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from signalbox.exchange.orders import VenueOrder, VenueOrderEvent
from signalbox.exchange.quoting import MarketBar, MarketQuote, SessionEvent

QuoteListener = Callable[[MarketQuote], Awaitable[None]]
BarListener = Callable[[MarketBar], Awaitable[None]]
SessionListener = Callable[[SessionEvent], Awaitable[None]]
OrderListener = Callable[[VenueOrderEvent, VenueOrder], Awaitable[None]]
"""Given each event with the order as it was right after that event."""
SpeedListener = Callable[[], Awaitable[None]]


class Listeners:
    """Market and sessions are handed out by the run loop; order events by a task of their own, in order.

    So order events flow while the clock stands still, and while a market listener is slow.
    """

    def __init__(self) -> None:
        self.quotes: list[QuoteListener] = []
        self.bars: list[BarListener] = []
        self.sessions: list[SessionListener] = []
        self.orders: list[OrderListener] = []
        self.speeds: list[SpeedListener] = []
        self._order_events: deque[tuple[VenueOrderEvent, VenueOrder]] = deque()
        self._lone_quotes: deque[MarketQuote] = deque()
        self._speed_changed = self._closing = False
        self._waiting, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()

    def tell_orders(self, events: Iterable[tuple[VenueOrderEvent, VenueOrder]]) -> None:
        """Queue order events. The queue is bounded by the world waiting for it after each step."""
        self._order_events.extend(events)
        if self._order_events:
            self._wake()

    def tell_quote(self, quote: MarketQuote) -> None:
        """Queue a quote that no step made."""
        self._lone_quotes.append(quote)
        self._wake()

    def tell_speed(self) -> None:
        """Queue word of a change of the clock's pace."""
        self._speed_changed = True
        self._wake()

    async def hand_out(
        self, bars: Iterable[MarketBar], quotes: Iterable[MarketQuote], sessions: Iterable[SessionEvent]
    ) -> None:
        """Hand out a step, and wait until the order events before it have been handed out too."""
        for bar_listener in self.bars:
            for bar in bars:
                await bar_listener(bar)
        for quote_listener in self.quotes:
            for quote in quotes:
                await quote_listener(quote)
        for session_listener in self.sessions:
            for event in sessions:
                await session_listener(event)
        await self._idle.wait()

    async def deliver(self) -> None:
        """Hand out order events and changes of speed as they come, until `close`."""
        while not (self._closing and self._idle.is_set()):
            await self._waiting.wait()
            self._waiting.clear()
            while self._order_events:
                event, order = self._order_events.popleft()
                for order_listener in self.orders:
                    await order_listener(event, order)
            while self._lone_quotes:
                quote = self._lone_quotes.popleft()
                for quote_listener in self.quotes:
                    await quote_listener(quote)
            if self._speed_changed:
                self._speed_changed = False
                for speed_listener in self.speeds:
                    await speed_listener()
            if not self._waiting.is_set():
                self._idle.set()

    def close(self) -> None:
        """Make `deliver` return once nothing is queued."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        self._idle.clear()
        self._waiting.set()

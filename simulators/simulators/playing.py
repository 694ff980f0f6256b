"""Plays every symbol's market by its calendar, and has the orders matched against it.

Owns quotes, present prices and the crossing of sessions' boundaries. It must not know the clock's pace or who listens:
time comes in with each call, and what is to be told is given back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from signalbox.exchange.quoting import MarketBar, MarketQuote, Phase, SessionEvent, SessionPhase
from signalbox.exchange.venue_orders import VenueOrders
from signalbox.sessions import Session

from simulators.bars import FIVE_SECONDS
from simulators.market import Market
from simulators.tape import PriceSet
from simulators.timeline import Timeline

_SET_BY_HAND = 6
"""The number of a quote that follows a price set by hand, beside those that a step has at the same time."""


class Playing:
    """All markets, played in steps. `marks` gives the present price by symbol and is kept here."""

    def __init__(
        self, markets: dict[str, Market], calendars: tuple[str, ...], marks: dict[str, Decimal], orders: VenueOrders
    ) -> None:
        self._markets, self._marks, self._orders = markets, marks, orders
        self._calendars = calendars
        self._timelines: dict[str, Timeline] = {}
        self._of_calendar = {
            calendar: [market for market in markets.values() if market.listing.calendar == calendar]
            for calendar in calendars
        }
        self._quotes: dict[str, MarketQuote] = {}
        self._session_events: list[SessionEvent] = []

    def begin(self, at: datetime) -> None:
        """Join the sessions that are on at `at`."""
        self._timelines = {calendar: Timeline(calendar, at) for calendar in self._calendars}
        for timeline in self._timelines.values():
            if timeline.is_on(at):
                self._join(timeline, at)
        self.cross_boundaries(at)
        self._open_perpetuals(at)

    def timelines(self, calendars: tuple[str, ...]) -> list[Timeline]:
        """Return where these calendars stand."""
        return [self._timelines[calendar] for calendar in calendars]

    def quote(self, symbol: str, at: datetime) -> MarketQuote | None:
        """Return the last quote; before the first step that of the day so far, or of the day before if it is closed."""
        market = self._markets.get(symbol)
        if symbol not in self._quotes and market is not None:
            timeline = self._timelines[market.listing.calendar]
            resting = market.resting_quote(timeline.session, at)
            if resting is not None:
                self._quotes[symbol] = resting
        return self._quotes.get(symbol)

    def drain_sessions(self) -> list[SessionEvent]:
        """Return the boundaries crossed since the last call, in order."""
        events, self._session_events = self._session_events, []
        return events

    def step(self, start: datetime, end: datetime) -> tuple[list[MarketQuote], list[MarketBar]]:
        """Play a step of every market that is not closed; return the last quotes, and the bars that have ended."""
        quotes: list[MarketQuote] = []
        bars: list[MarketBar] = []
        for calendar, timeline in self._timelines.items():
            phase = timeline.phase(start)
            if phase is Phase.CLOSED:
                continue
            for market in self._of_calendar[calendar]:
                if market.trades_in(phase, start) is not Phase.CLOSED:
                    quotes.append(self._play_symbol(market, start, end, phase, bars))
        return quotes, bars

    def jump(self, to: datetime) -> None:
        """Skip everything up to `to`; what traded in between is history."""
        for timeline in self._timelines.values():
            if timeline.session.post_close <= to:
                timeline.place(to)
            if timeline.is_on(to):
                self._join(timeline, to)
        self.cross_boundaries(to)
        self._open_perpetuals(to)

    def set_price(self, symbol: str, price: Decimal, position: datetime) -> PriceSet:
        """Move a market to `price`: a gap, from which the next steps go on; nobody trades on it before `show_price`.

        Raises KeyError for a symbol that is not listed, ValueError for a price that is no positive multiple of the
        tick.
        """
        market = self._markets[symbol]
        begun = timedelta(seconds=position.timestamp() % FIVE_SECONDS.total_seconds())
        said = market.set_price(position - begun, price)
        self._marks[symbol] = price
        for each in self._markets.values():
            if each.listing.underlying == symbol:
                each.follow()
        return said

    def show_price(self, symbol: str, position: datetime, now: datetime) -> None:
        """Quote the market at the price that it was set to."""
        market = self._markets[symbol]
        phase = market.trades_in(self._timelines[market.listing.calendar].phase(position), position)
        if phase is Phase.CLOSED:
            self._quotes.pop(symbol, None)
        else:
            self._show(market.quote(now, phase, number=_SET_BY_HAND))

    def cross_boundaries(self, at: datetime) -> None:
        """Begin and end the sessions, and hold the auctions, whose time has come by `at`."""
        for timeline in self._timelines.values():
            markets = self._of_calendar[timeline.calendar]
            for session, when, phase in timeline.cross(at):
                if phase is SessionPhase.PRE_OPEN:
                    self._begin_day(markets, session, when)
                elif phase is SessionPhase.OPEN:
                    for market in markets:
                        self._orders.open_auction(market.listing.key, market.opening(when), when)
                elif phase is SessionPhase.CLOSE:
                    for market in markets:
                        self._orders.close_auction(market.listing.key, market.last, when)
                if phase is not None:
                    self._session_events.append(SessionEvent(timeline.calendar, str(session.day), phase, when))
            for market in markets:
                self._orders.enter_phase(market.listing.key, market.trades_in(timeline.phase(at), at))

    # ------------------------------------------------------------------------------------------------- inside

    def _play_symbol(
        self, market: Market, start: datetime, end: datetime, phase: Phase, bars: list[MarketBar]
    ) -> MarketQuote:
        """Match the step's prices one after the other; return the last quote, add a bar that has ended."""
        offset = start.second % 5
        part_start = start - timedelta(seconds=offset)
        symbol, part = market.listing.key, market.peek(part_start)
        if end == part_start + FIVE_SECONDS:
            market.count(part)
            bars.append(market.bar(part_start, part))
            if part.trades and offset == 0 and self._orders.has_orders(symbol):
                for number, price in enumerate(part.prints()[:-1]):
                    self._orders.see_quote(market.quote(end, phase, price, number))
            quote = market.quote(end, phase, number=7)
        else:
            quote = market.quote(end, phase, part.prints()[offset])
        self._show(quote)
        return quote

    def _show(self, quote: MarketQuote) -> None:
        self._orders.see_quote(quote)
        self._quotes[quote.symbol] = quote
        self._marks[quote.symbol] = quote.last

    def _begin_day(self, markets: list[Market], session: Session, at: datetime) -> None:
        for market in markets:
            market.enter(session, at)
            self._marks[market.listing.key] = market.last
        self._orders.begin_day({market.listing.key for market in markets})

    def _join(self, timeline: Timeline, at: datetime) -> None:
        """Enter a session that is under way."""
        for market in self._of_calendar[timeline.calendar]:
            market.enter(timeline.session, at)
            self._orders.enter_phase(market.listing.key, market.trades_in(timeline.phase(at), at))
            self._marks[market.listing.key] = market.last

    def _open_perpetuals(self, at: datetime) -> None:
        """Let perpetuals trade at once: they never open or close, so there is no first quote to wait for."""
        for calendar, markets in self._of_calendar.items():
            phase = self._timelines[calendar].phase(at)
            for market in markets:
                if market.listing.is_perpetual and phase is not Phase.CLOSED:
                    self._show(market.quote(at, phase, number=_SET_BY_HAND))

"""The simulated world: market, clock, matching and books in one run loop.

Owns the order in which things happen. It must not know any venue's protocol.

Time goes in steps. At the end of a step its five seconds (or second) of market are matched, then boundaries of sessions
are crossed (closing auctions, openings), then orders whose time is over expire; all of it is stamped with the step's
end, so nothing is ever stamped before what it answers. Only then are the listeners called, and time waits for them.
"""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace
from signalbox.errors import ConfigurationError
from signalbox.exchange.fees import FeeRule
from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import Execution, OrderTerms, Refusal, VenueOrder
from signalbox.exchange.quoting import MarketBar, MarketQuote
from signalbox.exchange.venue_orders import VenueOrders

from simulators.clock import CATCH_UP_SECONDS_MAX, SteppedClock
from simulators.expiring import expired
from simulators.figures import AccountFigures, PositionFigures, account_figures, own_books, position_figures
from simulators.journal import Entry, Journal, Remembered
from simulators.listeners import BarListener, Listeners, OrderListener, QuoteListener, SessionListener, SpeedListener
from simulators.listings import DYDX
from simulators.options import WorldOptions, stage
from simulators.playing import Playing

__all__ = ["UNLIMITED", "AccountFigures", "PositionFigures", "World", "WorldOptions"]

UNLIMITED = math.inf
"""The speed at which only the listeners slow the world down."""

_SHOWN_AHEAD_SECONDS_MIN, _SHOWN_AHEAD_SECONDS_MAX = 60.0, 3600.0
"""How much desk time is reserved at once in the journal: after a restart time goes on from its end, never back."""
_FOLLOWING_AHEAD_SECONDS, _FOLLOWING_BEHIND_SECONDS_MAX = 10.0, 3600.0
"""The same where desk time is the wall's, and how much of it is made good that a busy machine lost."""


class World:
    """Runs the market and keeps the venue's orders and books.

    Orders are taken at once, by plain (not async) methods; what follows from them reaches the order listeners in order,
    awaited, from `run`. The clock waits for every listener: a slow one slows desk time down.
    """

    def __init__(self, options: WorldOptions) -> None:
        self._step = timedelta(seconds=options.step_seconds)
        self._skip_closed_hours = options.skip_closed_hours
        self._journal = Journal(options.books_file)
        remembered = self._journal.open()
        parts = stage(replace(options, symbols=(*options.symbols, *sorted(remembered.symbols()))), remembered.began)
        self._listings, self._end = parts.listings, parts.end
        start = max([remembered.at or parts.start, *(order.updated_at for order in remembered.orders.values())])
        if options.follow_wall:
            start = max(start, datetime.now(UTC))
        start = _step_at(start, options)
        self._shown_until = remembered.shown_until or start
        # Who follows the wall waits for it where time was shown ahead of it; else what was shown is caught up with.
        self._catch_up_until = start if options.follow_wall else self._shown_until
        self._shown_ahead_seconds_min = _FOLLOWING_AHEAD_SECONDS if options.follow_wall else _SHOWN_AHEAD_SECONDS_MIN
        behind_max = _FOLLOWING_BEHIND_SECONDS_MAX if options.follow_wall else CATCH_UP_SECONDS_MAX
        self._clock = SteppedClock(
            start, options.speed, never_before=self._shown_until, catch_up_seconds_max=behind_max
        )
        self._by_key = {listing.key: listing for listing in self._listings}
        self._markets = parts.markets
        self._set_first_prices(options, remembered, parts.start)
        self._marks = {key: market.last_before(start) for key, market in self._markets.items()}
        self._orders = VenueOrders(
            self._by_key,
            self._marks,
            {**parts.accounts, **remembered.books},
            orders=remembered.orders,
            executions=remembered.executions,
            write_down=self._journal.write_down,
        )
        calendars = tuple(dict.fromkeys((*parts.calendars, *(listing.calendar for listing in self._listings))))
        self._playing = Playing(self._markets, calendars, self._marks, self._orders)
        self._leading = parts.calendars
        self._listeners = Listeners()
        self._stopping, self._ended = asyncio.Event(), asyncio.Event()
        self._journal.write(Entry(began=parts.start))
        self._playing.begin(start)

    def _set_first_prices(self, options: WorldOptions, remembered: Remembered, start: datetime) -> None:
        """Set the prices that the options ask for, at the first start only; or those that were ever set."""
        if remembered.began is None:
            for symbol, price in options.prices:
                try:
                    said = self._markets[symbol].set_price(_step_at(start, options), price, also_before=True)
                except KeyError:
                    raise ConfigurationError([f"there is no {symbol} in this simulation to set a price of"]) from None
                except ValueError as error:
                    raise ConfigurationError([str(error)]) from error
                self._journal.write(Entry(price=said))
        for said in remembered.prices:
            if said.symbol in self._markets:
                self._markets[said.symbol].recall_price(said)

    # ------------------------------------------------------------------------------------------------- running

    async def run(self) -> None:
        """Run until `stop`. After the last trading day the clock stands still; orders are still taken, and rest."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listeners.deliver())
                await self._hand_out([], [])
                while not self._stopping.is_set():
                    if self._end is not None and self._clock.position >= self._end:
                        self._ended.set()
                        self._listeners.tell_speed()
                        await self._stopping.wait()
                    else:
                        await self._advance()
                self._listeners.close()
        finally:
            self.close()

    def close(self) -> None:
        """Close the books' file; `run` does so at its end."""
        self._journal.close()

    async def run_to_end(self) -> None:
        """Run until the last trading day is over, then stop. Raises ValueError for a world without an end."""
        if self._end is None:
            raise ValueError("this world has no end: set days, or replay files")
        async with asyncio.TaskGroup() as group:
            group.create_task(self.run())
            await self.wait_until_ended()
            self.stop()

    async def wait_until_ended(self) -> None:
        """Wait for the end of the last trading day."""
        await self._ended.wait()

    def stop(self) -> None:
        """Make `run` return after the present step; nothing is written down after that."""
        self._stopping.set()
        self._clock.release()

    @property
    def ended(self) -> bool:
        """Whether the last trading day is over."""
        return self._ended.is_set()

    def now(self) -> datetime:
        """Return desk time, interpolated inside the step; it never goes back."""
        return self._clock.now()

    @property
    def speed(self) -> float:
        """Desk seconds per wall second; 0 = stands still, `math.inf` = as fast as the listeners allow."""
        return 0.0 if self.ended else self._clock.speed

    def set_speed(self, speed: float) -> None:
        """Change the speed at once; 0 pauses. Raises ValueError for a negative speed or NaN."""
        self._clock.set_speed(speed)
        self._listeners.tell_speed()

    def pause(self) -> None:
        """Stop the clock; `set_speed` starts it again."""
        self.set_speed(0)

    # ----------------------------------------------------------------------------------------------- listeners

    def on_quote(self, listener: QuoteListener) -> None:
        """Call `listener` with one quote per symbol and step, for symbols that may trade."""
        self._listeners.quotes.append(listener)

    def on_bar(self, listener: BarListener) -> None:
        """Call `listener` with every 5-second bar at its end, for symbols that may trade."""
        self._listeners.bars.append(listener)

    def on_session(self, listener: SessionListener) -> None:
        """Call `listener` at each boundary of each calendar's trading day, after the bars before it."""
        self._listeners.sessions.append(listener)

    def on_order(self, listener: OrderListener) -> None:
        """Call `listener` with each order event, in order."""
        self._listeners.orders.append(listener)

    def on_speed(self, listener: SpeedListener) -> None:
        """Call `listener` soon after each change of speed, each jump over closed hours, and the end."""
        self._listeners.speeds.append(listener)

    # -------------------------------------------------------------------------------------------------- market

    @property
    def listings(self) -> tuple[Listing, ...]:
        """Everything that can be traded here; a symbol that is not in it does not exist."""
        return self._listings

    def listings_of(self, venue: str) -> tuple[Listing, ...]:
        """Return what can be traded at one venue."""
        return tuple(listing for listing in self._listings if listing.venue == venue)

    def last(self, symbol: str) -> Decimal:
        """Return the last price. Raises KeyError for a symbol that is not listed."""
        return self._marks[symbol]

    def quote(self, symbol: str) -> MarketQuote | None:
        """Return the last quote; before the first step that of the day so far, or of the day before if it is closed.

        None for a symbol that is not listed, or that has no past.
        """
        return self._playing.quote(symbol, self._clock.position)

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move a market to `price` at once: a gap, from which the next steps go on. It is kept over restarts.

        Raises KeyError for a symbol that is not listed, ValueError for a price that is no positive multiple of the
        tick.
        """
        said = self._playing.set_price(symbol, price, self._clock.position)
        self._journal.write(Entry(price=said))
        self._playing.show_price(symbol, self._clock.position, self.now())
        self._tell_orders()
        if (quote := self.quote(symbol)) is not None:
            self._listeners.tell_quote(quote)

    def history(
        self, symbol: str, end: datetime, duration: timedelta, bar_seconds: int, *, regular_hours_only: bool
    ) -> tuple[MarketBar, ...]:
        """Return the bars whose start is in [end - duration, end), oldest first, never beyond the last step.

        `bar_seconds` is 5 or a multiple that divides a day; 86400 gives one bar a trading day, which starts at the
        session's first instant. The bar now forming is the last, with what has traded so far. Bars without a trade are
        left out. Raises KeyError for a symbol that is not listed, ValueError for a bad bar size.
        """
        return self._markets[symbol].history(
            end, duration, bar_seconds, regular_hours_only=regular_hours_only, known_until=self._clock.position
        )

    # -------------------------------------------------------------------------------------------------- orders

    def submit(self, terms: OrderTerms) -> VenueOrder:
        """Take an order; it is returned as it stands after the venue's checks and first match (maybe REJECTED).

        Raises KeyError for an account or symbol that does not exist: a protocol front answers those itself.
        """
        order = self._orders.submit(terms, self.now())
        self._tell_orders()
        return order

    def check(self, terms: OrderTerms) -> str:
        """Return the reason for which `submit` would reject, or "" (whatIf)."""
        return self._orders.objection(terms, self.now())

    def settle(self, account: str, symbol: str, quantity: Decimal, *, exercised: bool) -> None:
        """Exercise, or have assigned, so many of an option. Raises as `VenueOrders.settle` does."""
        self._orders.settle(account, symbol, quantity, self.now(), exercised=exercised)
        self._tell_orders()

    def cancel(self, number: int, reason: str = "") -> Refusal | None:
        """Cancel a working order, or say why not."""
        refusal = self._orders.cancel(number, self.now(), reason)
        self._tell_orders()
        return refusal

    def modify(
        self,
        number: int,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trailing: OrderTerms | None = None,
    ) -> Refusal | None:
        """Change a working order's terms (None = as it is), or say why not."""
        refusal = self._orders.modify(number, self.now(), quantity, limit_price, stop_price, trailing)
        self._tell_orders()
        return refusal

    def attach_in_parts(self, in_parts: bool) -> None:
        """What an order that is attached to one that fills in part begins to work for: that part, or all of it."""
        self._orders.children.in_parts = in_parts

    def orders(self, account: str = "") -> tuple[VenueOrder, ...]:
        """Return every order ever taken, done ones too, oldest first; of one account, or of all."""
        return tuple(order for order in self._orders.orders.values() if account in ("", order.terms.account))

    def orders_of(self, venue: str) -> tuple[VenueOrder, ...]:
        """Return every order ever taken at one venue, oldest first."""
        return tuple(each for each in self._orders.orders.values() if self._by_key[each.terms.symbol].venue == venue)

    def order(self, number: int) -> VenueOrder | None:
        """Return one order."""
        return self._orders.orders.get(number)

    def executions(self, account: str = "") -> tuple[Execution, ...]:
        """Return every execution ever, oldest first; of one account, or of all."""
        return tuple(each for each in self._orders.executions if account in ("", each.account))

    def executions_of(self, venue: str) -> tuple[Execution, ...]:
        """Return every execution ever at one venue, oldest first."""
        return tuple(each for each in self._orders.executions if self._by_key[each.symbol].venue == venue)

    def executions_since(self, index: int) -> tuple[Execution, ...]:
        """Return the executions from the `index`th on (0 = the first ever), oldest first."""
        return tuple(self._orders.executions[index:])

    # --------------------------------------------------------------------------------------------------- books

    def open_account(self, account: str, currency: str = "USD", venue: str = DYDX) -> None:
        """Open an account without cash; one that is there stays as it is. It is kept over restarts."""
        self._orders.open_account(account, currency, venue)

    def adjust_cash(self, account: str, currency: str, amount: Decimal, reason: str, key: str = "") -> None:
        """Add `amount` (below 0: take away) to an account's cash, which may end below 0. It is kept over restarts.

        A `key` makes it happen once: one that is among the account's last 256 changes nothing. Raises KeyError for an
        unknown account.
        """
        self._orders.adjust_cash(account, currency, amount, reason, key)

    def correct(self, execution: Execution, quantity: Decimal, price: Decimal) -> None:
        """Have cash and positions as if an execution had been of that quantity, at that price."""
        self._orders.correct(execution, quantity, price)

    def charge(self, venue: str, rule: FeeRule) -> None:
        """Charge executions of a venue's listings by `rule` from now on; without one, perpetuals are free."""
        self._orders.charge(venue, rule)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of all venues."""
        return tuple(self._orders.books)

    def accounts_of(self, venue: str) -> tuple[str, ...]:
        """Return the accounts of one venue."""
        return tuple(account for account, book in self._orders.books.items() if book.venue == venue)

    def figures(self, account: str) -> AccountFigures:
        """Return an account valued at the last prices. Raises KeyError for an unknown one."""
        return account_figures(self._orders.books[account], self._marks, self._by_key)

    def positions(self, account: str) -> tuple[PositionFigures, ...]:
        """Return every position that is or was held (quantity 0 once closed), by symbol."""
        held = self._orders.books[account].positions
        return tuple(position_figures(held[symbol], self._marks[symbol]) for symbol in sorted(held))

    def snapshot(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the simulator's own books: account -> {"cash": currency -> amount, "positions": symbol -> quantity}.

        All amounts are decimal strings without exponent; closed positions are left out.
        """
        return own_books(self._orders.books)

    # -------------------------------------------------------------------------------------------------- a step

    async def _advance(self) -> None:
        """Do one step, or jump over hours in which no calendar trades."""
        start = self._clock.position
        leading = self._playing.timelines(self._leading)
        if self._skip_closed_hours and not any(timeline.is_on(start) for timeline in leading):
            self._jump(min(timeline.session.pre_open for timeline in leading))
            await self._hand_out([], [])
            return
        end = start + self._step
        self._reserve(end)
        self._clock.begin_step(end)
        if start >= self._catch_up_until:
            await self._clock.wait_for_step_end()
            if self._stopping.is_set():
                return
        quotes, bars = self._playing.step(start, end)
        self._clock.complete_step()
        self._playing.cross_boundaries(end)
        self._end_what_is_over(end)
        await self._hand_out(quotes, bars)

    def _jump(self, to: datetime) -> None:
        to = to if self._end is None else min(to, self._end)
        self._reserve(to)
        self._clock.jump(to)
        self._playing.jump(to)
        self._end_what_is_over(to)
        self._listeners.tell_speed()

    def _end_what_is_over(self, at: datetime) -> None:
        self._orders.expire(at)
        for account, symbol, quantity, exercised in expired(self._listings, self._markets, self._orders.books, at):
            self._orders.settle(account, symbol, quantity, at, exercised=exercised)
        self._tell_orders()

    def _reserve(self, until: datetime) -> None:
        """Write down, before it can be shown, how far desk time may run."""
        if until > self._shown_until:
            speed = self._clock.speed
            ahead_seconds = min(max(speed, self._shown_ahead_seconds_min), _SHOWN_AHEAD_SECONDS_MAX)
            self._shown_until = until + timedelta(seconds=ahead_seconds)
            self._journal.write(Entry(at=self._clock.position, shown_until=self._shown_until))

    async def _hand_out(self, quotes: list[MarketQuote], bars: list[MarketBar]) -> None:
        await self._listeners.hand_out(bars, quotes, self._playing.drain_sessions())

    def _tell_orders(self) -> None:
        self._listeners.tell_orders(self._orders.drain())


def _step_at(at: datetime, options: WorldOptions) -> datetime:
    """Return the last boundary of a step by `at`."""
    return at - timedelta(seconds=at.timestamp() % options.step_seconds)

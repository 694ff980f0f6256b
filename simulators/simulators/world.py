"""The simulated world: market, clock, matching and books in one run loop.

Owns the order in which things happen. It must not know any venue's protocol.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from signalbox.messages import PositionHeld
from simulators.listings import Listing
from simulators.orders import Execution, OrderTerms, Refusal, VenueOrder, VenueOrderEvent
from simulators.quoting import MarketBar, MarketQuote, SessionEvent

QuoteListener = Callable[[MarketQuote], Awaitable[None]]
BarListener = Callable[[MarketBar], Awaitable[None]]
SessionListener = Callable[[SessionEvent], Awaitable[None]]
OrderListener = Callable[[VenueOrderEvent, VenueOrder], Awaitable[None]]
"""Given each event with the order as it was right after that event."""
SpeedListener = Callable[[], Awaitable[None]]


class WorldOptions(Struct, frozen=True, kw_only=True):
    """How the world is set up. Times are UTC desk time; `speed` is desk seconds per wall second (0 = paused).

    `bar_files` are replayed, (symbol or "", path): an empty symbol is taken from the file's name. The other symbols are
    synthetic. `start` defaults to the files' first trading day, else to the session of `signalbox`'s calendar that is
    on or next today. `days` counts trading days of the first symbol's calendar; 0 = as long as there is market.
    """

    symbols: tuple[str, ...] = ("SPY", "AAPL", "0700.HK")
    seed: int = 1
    speed: float = 1.0
    step_seconds: int = 5
    accounts: tuple[str, ...] = ("DU1234567",)
    starting_cash: Decimal = Decimal(1_000_000)
    base_currency: str = "USD"
    start: datetime | None = None
    days: int = 0
    bar_files: tuple[tuple[str, Path], ...] = ()
    skip_closed_hours: bool = True
    books_file: Path | None = None


class AccountFigures(Struct, frozen=True, kw_only=True):
    """An account in its base currency; other currencies are converted at the simulator's fixed rates."""

    account: str
    currency: str
    cash: Mapping[str, Decimal]
    total_cash: Decimal
    gross_position_value: Decimal
    net_liquidation: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    available_funds: Decimal
    buying_power: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    daily_pnl: Decimal


class PositionFigures(Struct, frozen=True, kw_only=True):
    """A position revalued at the last price, in the contract's currency; PnL figures exclude commission."""

    held: PositionHeld
    mark_price: Decimal
    market_value: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    daily_pnl: Decimal


class World:
    """Runs the market and keeps the venue's orders and books.

    Orders are taken at once, by plain (not async) methods; what follows from them reaches the order listeners in order,
    awaited, from `run`. The clock waits for every listener: a slow one slows desk time down.
    """

    def __init__(self, options: WorldOptions) -> None: ...

    # ------------------------------------------------------------------------------------------------- running

    async def run(self) -> None:
        """Run until the market ends (`days`, or the end of the files when all symbols are replayed) or `stop`."""

    def stop(self) -> None:
        """Make `run` return after the present step."""

    @property
    def ended(self) -> bool:
        """Whether the last trading day is over; the books can still be read and orders are still taken (they rest)."""
        raise NotImplementedError

    def now(self) -> datetime:
        """Return desk time, interpolated inside the step; it never goes back."""
        raise NotImplementedError

    @property
    def speed(self) -> float:
        """Desk seconds per wall second as set; 0 = paused, `math.inf` = as fast as the listeners allow."""
        raise NotImplementedError

    def set_speed(self, speed: float) -> None:
        """Change the speed at once; 0 pauses. Raises ValueError for a negative speed or NaN."""

    def pause(self) -> None:
        """Stop the clock; `set_speed` starts it again."""

    # ----------------------------------------------------------------------------------------------- listeners

    def on_quote(self, listener: QuoteListener) -> None:
        """Call `listener` with at most one quote per symbol and step, when it changed."""

    def on_bar(self, listener: BarListener) -> None:
        """Call `listener` with every 5-second bar at its end, for symbols in session."""

    def on_session(self, listener: SessionListener) -> None: ...

    def on_order(self, listener: OrderListener) -> None: ...

    def on_speed(self, listener: SpeedListener) -> None: ...

    # -------------------------------------------------------------------------------------------------- market

    @property
    def listings(self) -> tuple[Listing, ...]:
        """Everything that can be traded here; a symbol that is not in it does not exist."""
        raise NotImplementedError

    def quote(self, symbol: str) -> MarketQuote | None:
        """Return the present quote, None if the market has not opened since the world began."""

    def history(
        self, symbol: str, end: datetime, duration: timedelta, bar_seconds: int, *, regular_hours_only: bool
    ) -> tuple[MarketBar, ...]:
        """Return the bars whose start is in [end - duration, end), oldest first, never beyond `now()`.

        `bar_seconds` is 5 or a multiple that divides a day; 86400 gives one bar a trading day. The bar now forming is
        the last, with what has traded so far. Raises KeyError for a symbol that is not listed, ValueError for a bar
        size that is not a multiple of 5.
        """
        raise NotImplementedError

    # -------------------------------------------------------------------------------------------------- orders

    def submit(self, terms: OrderTerms) -> VenueOrder:
        """Take an order; it is returned as it stands after the venue's checks and first match (maybe REJECTED).

        Raises KeyError for an account or symbol that does not exist: a protocol front answers those itself.
        """
        raise NotImplementedError

    def check(self, terms: OrderTerms) -> str:
        """Return the reason for which `submit` would reject, or "" (whatIf)."""
        raise NotImplementedError

    def cancel(self, number: int, reason: str = "") -> Refusal | None:
        """Cancel a working order, or say why not."""

    def modify(
        self,
        number: int,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> Refusal | None:
        """Change a working order's terms (None = as it is), or say why not."""

    def orders(self, account: str = "") -> tuple[VenueOrder, ...]:
        """Return every order ever taken, done ones too, oldest first; of one account, or of all."""
        raise NotImplementedError

    def order(self, number: int) -> VenueOrder | None: ...

    def executions(self, account: str = "") -> tuple[Execution, ...]:
        """Return every execution ever, oldest first; of one account, or of all."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------- books

    @property
    def accounts(self) -> tuple[str, ...]:
        raise NotImplementedError

    def figures(self, account: str) -> AccountFigures:
        raise NotImplementedError

    def positions(self, account: str) -> tuple[PositionFigures, ...]:
        """Return every position that is or was held (quantity 0 once closed), by symbol."""
        raise NotImplementedError

    def snapshot(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the simulator's own books: account -> {"cash": currency -> amount, "positions": symbol -> quantity}.

        All amounts are Decimal strings without exponent; closed positions are left out.
        """
        raise NotImplementedError

"""What trades in an option: its underlying's trades, priced by the model, in regular hours and until it expires.

Owns that derivation. A pure function of (the underlying's tape, time): where the underlying's price is set by hand, the
option's follows. It must not know quotes, orders or the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from signalbox.exchange.listing import Listing
from signalbox.exchange.option_pricing import value, years_between
from signalbox.instruments import OptionRight
from signalbox.sessions import Session, session_at

from simulators.bars import Minute, Part, Scale
from simulators.option_listings import volatility
from simulators.tape import PriceSet, Tape

UNDERLYING_VOLUME = 1_000
"""So many shares trade for one contract."""
_CONTRACTS_MIN = 12
"""In a minute with trades: each five seconds in which the underlying trades have one."""


class OptionTape:
    """The minutes of one option as they are played."""

    def __init__(self, listing: Listing, underlying: Tape, reference_price: Decimal) -> None:
        assert listing.option is not None
        assert listing.last_trade_at is not None
        self.scale = Scale.of(listing.tick, 0, listing.volume_grain, listing.trade_size)
        self._listing, self._underlying = listing, underlying
        self._terms, self._ends = listing.option, listing.last_trade_at
        self.volatility = volatility(listing, reference_price)
        self._day: tuple[Session, dict[datetime, Minute], dict[datetime, Minute]] | None = None

    def covers(self, session: Session) -> bool:
        """Say whether anything is known of the session."""
        return self._underlying.covers(session)

    def previous_close(self, session: Session) -> int:
        """Return the last price before the session, in units."""
        return self._priced(session.pre_open - timedelta.resolution)(self._underlying.previous_close(session))

    def minutes(self, session: Session) -> dict[datetime, Minute]:
        """Return the session's minutes with trades by their start, in order."""
        under = self._underlying.minutes(session)
        if self._day is None or self._day[0] != session or self._day[1] is not under:
            trading = {start: each for start, each in under.items() if self._trades(session, start)}
            self._day = session, under, {start: self._minute(start, each) for start, each in trading.items()}
        return self._day[2]

    def parts(self, start: datetime) -> tuple[Part, ...]:
        """Return the twelve five seconds of the minute that begins at `start`; none if it has no trade."""
        session = session_at(self._listing.calendar, start)
        if session is None or not self._trades(session, start):
            return ()
        under = self._underlying.parts(start)
        if not under:
            return ()
        priced = self._priced(start)
        left = _contracts(sum((part.volume for part in under), Decimal(0)))
        parts: list[Part] = []
        last_trading = max(number for number, part in enumerate(under) if part.trades)
        for number, part in enumerate(under):
            prices = self._prices(part, priced)
            if not part.trades:
                parts.append(Part(*prices, Decimal(0), 0))
                continue
            volume = left if number == last_trading else Decimal(1)
            left -= volume
            parts.append(Part(*prices, volume, 1))
        return tuple(parts)

    def last(self, at: datetime) -> Decimal:
        """Return the price by `at`: by the underlying's last one, and what exercise gains once the option is over."""
        spot = self._underlying.last(min(at, self._ends))
        return self.scale.price(self._priced(at)(self._underlying.scale.units(spot)))

    def set_price(self, at: datetime, price: Decimal, *, also_before: bool = False) -> PriceSet:
        """Raises ValueError: an option's price is not set."""
        raise ValueError(f"the price of {self._listing.key} follows that of {self._listing.underlying}: set that one")

    def put(self, said: PriceSet) -> None:
        """Nothing was ever set."""

    # ------------------------------------------------------------------------------------------------- inside

    def _trades(self, session: Session, start: datetime) -> bool:
        return session.is_regular(start) and start < self._ends

    def _minute(self, start: datetime, under: Minute) -> Minute:
        prices = self._prices(under, self._priced(start))
        return Minute(*prices, _contracts(under.volume))

    def _prices(self, under: Minute | Part, priced: Callable[[int], int]) -> tuple[int, int, int, int]:
        opens, high, low, close = (priced(price) for price in under[:4])
        return (opens, high, low, close) if self._terms.right is OptionRight.CALL else (opens, low, high, close)

    def _priced(self, at: datetime) -> Callable[[int], int]:
        """The price in units for the underlying's in its own, at `at`: on the tick that holds there, and never 0."""
        years, terms, volatility_ = years_between(at, self._ends), self._terms, self.volatility
        under_unit, unit = float(self._underlying.scale.unit), float(self.scale.unit)
        bands = [(self.scale.units(each.at_least), self.scale.units(each.step)) for each in self._listing.price_steps]

        def priced(under: int) -> int:
            units = max(0.0, value(terms, under * under_unit, years, volatility_)) / unit
            begins, step = next(band for band in reversed(bands) if units >= band[0])
            return max(begins, round(units / step) * step, bands[0][1])

        return priced


def _contracts(shares: Decimal) -> Decimal:
    return Decimal(max(_CONTRACTS_MIN, int(shares) // UNDERLYING_VOLUME))

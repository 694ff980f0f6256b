"""What traded in one symbol: its minutes and five seconds, and the prices that were set by hand.

Owns the way from a source's minutes to what is played: their breaking up, and the scaling of all prices from the moment
at which one was set. It must not know quotes, orders or the clock. A pure function of (source, seed, prices set).
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, Protocol

from msgspec import Struct
from signalbox.errors import CalendarError
from signalbox.exchange.listing import Listing
from signalbox.sessions import Session, previous_session, session_at

from simulators.bars import FIVE_SECONDS, Minute, Part, Scale, split
from simulators.synthetic import random_of

_ONE_MINUTE = timedelta(minutes=1)
_SESSIONS_KEPT_MAX = 64
ALWAYS_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a price that holds for all of the past too."""


class Source(Protocol):
    """Where minutes come from."""

    scale: Scale

    def covers(self, session: Session) -> bool: ...

    def previous_close(self, session: Session) -> int: ...

    def minutes(self, session: Session) -> dict[datetime, Minute]: ...


class PriceSet(Struct, frozen=True, kw_only=True):
    """A price set by hand: from `at` on, all of the source's prices count `price / instead_of` times."""

    symbol: str
    at: datetime
    price: Decimal
    instead_of: Decimal


class Trade(Struct, frozen=True):
    """The last trade by some time: when its five seconds began (None: before the session), and its price in units."""

    at: datetime | None
    price: int


class _Day(NamedTuple):
    """A session's minutes: the source's own, and as they are played."""

    own: dict[datetime, Minute]
    played: dict[datetime, Minute]


class Tape:
    """The minutes of one listing as they are played."""

    def __init__(self, listing: Listing, source: Source, seed: int) -> None:
        self.scale = source.scale
        self._listing, self._source, self._seed = listing, source, seed
        self._cache: OrderedDict[date, _Day] = OrderedDict()
        self._set: list[tuple[datetime, Fraction]] = []

    def covers(self, session: Session) -> bool:
        """Say whether anything is known of the session."""
        return self._source.covers(session)

    def previous_close(self, session: Session) -> int:
        """Return the last price before the session, in units."""
        before = session.pre_open - timedelta.resolution
        return self._scaled(self._source.previous_close(session), before)

    def minutes(self, session: Session) -> dict[datetime, Minute]:
        """Return the session's minutes with trades by their start, in order."""
        return self._day(session).played

    def parts(self, start: datetime) -> tuple[Part, ...]:
        """Return the twelve five seconds of the minute that begins at `start`; none if it has no trade."""
        session = session_at(self._listing.calendar, start)
        if session is None or start not in self._day(session).own:
            return ()
        return self._parts(start, self._day(session).own[start])

    def last(self, at: datetime) -> Decimal:
        """Return the last price by `at`, or the listing's reference price if there is none to be had."""
        try:
            trade = self._own_last(at)
        except CalendarError:
            return self._listing.reference_price
        traded_at, factor = trade.at or ALWAYS_BEFORE, self._factor(at)
        set_at = max((when for when, _ in self._set if when <= at), default=ALWAYS_BEFORE)
        if set_at > traded_at or trade.at is None:
            return self.scale.price(_times(trade.price, factor, self.scale.tick))
        return self.scale.price(self._scaled(trade.price, traded_at))

    def set_price(self, at: datetime, price: Decimal, *, also_before: bool = False) -> PriceSet:
        """Make `price` the price at `at` (a multiple of five seconds), from which what follows goes on.

        `also_before` scales all of the past too, so that there is no gap. Raises ValueError for a price that is not a
        positive multiple of the tick.
        """
        if not price.is_finite() or price <= 0 or price % self._listing.tick:
            raise ValueError(f"a price of {self._listing.key} is a positive multiple of {self._listing.tick:f}")
        own = self.scale.price(self._own_last(at).price)
        begins = ALWAYS_BEFORE if also_before else at
        said = PriceSet(symbol=self._listing.key, at=begins, price=price, instead_of=own)
        self.put(said)
        return said

    def put(self, said: PriceSet) -> None:
        """Take a price set earlier; in order of time."""
        self._set.append((said.at, Fraction(said.price) / Fraction(said.instead_of)))
        self._cache.clear()

    # ------------------------------------------------------------------------------------------------- inside

    def _own_last(self, at: datetime) -> Trade:
        """Return the source's last trade in the five seconds that began before `at`. Raises CalendarError."""
        session = session_at(self._listing.calendar, at) or previous_session(self._listing.calendar, at)
        trade = Trade(None, self._source.previous_close(session))
        for start, minute in self._day(session).own.items():
            if start >= at:
                break
            if start + _ONE_MINUTE <= at:
                trade = Trade(start + _ONE_MINUTE - FIVE_SECONDS, minute.close)
                continue
            for number, part in enumerate(self._split(start, minute)):
                if part.trades and start + number * FIVE_SECONDS < at:
                    trade = Trade(start + number * FIVE_SECONDS, part.close)
        return trade

    def _day(self, session: Session) -> _Day:
        found = self._cache.get(session.day)
        if found is None:
            own = self._source.minutes(session)
            played = {start: self._minute(start, minute) for start, minute in own.items()} if self._set else own
            found = self._cache[session.day] = _Day(own, played)
            if len(self._cache) > _SESSIONS_KEPT_MAX:
                self._cache.popitem(last=False)
        return found

    def _split(self, start: datetime, minute: Minute) -> tuple[Part, ...]:
        return split(minute, self.scale, random_of(self._seed, self._listing.key, start.timestamp()))

    def _parts(self, start: datetime, minute: Minute) -> tuple[Part, ...]:
        """Split a minute of the source's and scale each part."""
        if not self._set:
            return self._split(start, minute)
        parts = []
        for number, part in enumerate(self._split(start, minute)):
            at = start + number * FIVE_SECONDS
            opens, high, low, close = (self._scaled(price, at) for price in part[:4])
            parts.append(Part(opens, high, low, close, part.volume, part.trades))
        return tuple(parts)

    def _minute(self, start: datetime, minute: Minute) -> Minute:
        """Scale a minute; one in which a price was set is put together from its parts."""
        if not any(start < at < start + _ONE_MINUTE for at, _ in self._set):
            opens, high, low, close = (self._scaled(price, start) for price in minute[:4])
            return Minute(opens, high, low, close, minute.volume)
        parts = [part for part in self._parts(start, minute) if part.trades]
        return Minute(
            parts[0].open,
            max(part.high for part in parts),
            min(part.low for part in parts),
            parts[-1].close,
            minute.volume,
        )

    def _factor(self, at: datetime) -> Fraction | None:
        factor = None
        for set_at, each in self._set:
            if set_at <= at:
                factor = each
        return factor

    def _scaled(self, units: int, at: datetime) -> int:
        return _times(units, self._factor(at), self.scale.tick)


def _times(units: int, factor: Fraction | None, tick: int) -> int:
    """Return so many times the price, on the nearest tick."""
    if factor is None:
        return units
    part = factor.denominator * tick
    return max(1, (2 * units * factor.numerator + part) // (2 * part)) * tick

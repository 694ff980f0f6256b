"""The options of the simulated market: what a chain has, and the facts of one option.

Owns which expirations and strikes an underlying has, its options' ticks and volatilities. All of it follows from the
underlying's listing: nothing is kept, and any option of any day can be asked for. It must not know prices or orders.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from signalbox.errors import CalendarError, ConfigurationError
from signalbox.exchange.listing import Listing
from signalbox.instruments import OptionRight, OptionTerms, Symbol, parse_symbol
from signalbox.messages import InstrumentKind, PriceStep
from signalbox.sessions import session_on

MULTIPLIER = Decimal(100)
WEEKS, MONTHS = 6, 6
"""How many Fridays, and third Fridays of a month, a chain lists ahead."""
STRIKES_EACH_WAY = 20
_FIRST_CON_ID, _CON_IDS = 600_000_000, 100_000_000
_FRIDAY = 4

_CENT, _NICKEL, _DIME = Decimal("0.01"), Decimal("0.05"), Decimal("0.10")
_PENNIES = frozenset({"SPY", "QQQ"})
"""A cent at any price."""
_PENNY_PROGRAM = frozenset({"AAPL", "MSFT"})
"""A cent below 3 and five above (the exchanges' Penny Interval Program); all others five and ten."""
_STEPS_BEGIN = Decimal(3)

_VOLATILITIES = {"SPY": 0.15, "QQQ": 0.2}
_VOLATILITY, _SKEW = 0.3, 0.4


def option_listing(key: str, underlying: Listing) -> Listing:
    """Return the listing of an option. Raises ConfigurationError for one that can never have been listed."""
    symbol = parse_symbol(key)
    terms = symbol.option
    assert terms is not None
    try:
        session = session_on(underlying.calendar, terms.expiry)
    except CalendarError as error:
        raise ConfigurationError([f"{key}: {error}"]) from None
    if session is None:
        raise ConfigurationError([f"{key} expires on {terms.expiry}, on which its exchange is shut"])
    steps = price_steps(underlying.key)
    return Listing(
        symbol.canonical,
        underlying.symbol,
        _con_id(symbol),
        underlying.long_name,
        "",
        underlying.currency,
        steps[0].step,
        Decimal(1),
        underlying.calendar,
        underlying.time_zone,
        steps[0].step,
        underlying.venue,
        trading_class=terms.root,
        multiplier=MULTIPLIER,
        kind=InstrumentKind.OPTION,
        initial_margin=Decimal(1),
        maintenance_margin=Decimal(1),
        trade_size=Decimal(10),
        price_steps=steps,
        option=terms,
        underlying=underlying.key,
        last_trade_at=session.close,
    )


def _con_id(symbol: Symbol) -> int:
    digest = int.from_bytes(hashlib.sha256(symbol.canonical.encode()).digest()[:8], "big")
    return _FIRST_CON_ID + digest % _CON_IDS


def price_steps(underlying: str) -> tuple[PriceStep, ...]:
    """The ticks of an underlying's options."""
    nothing = Decimal(0)
    if underlying in _PENNIES:
        return (PriceStep(at_least=nothing, step=_CENT),)
    below, above = (_CENT, _NICKEL) if underlying in _PENNY_PROGRAM else (_NICKEL, _DIME)
    return (PriceStep(at_least=nothing, step=below), PriceStep(at_least=_STEPS_BEGIN, step=above))


def volatility(listing: Listing, reference: Decimal) -> float:
    """What the market reckons with: more the lower the strike, the same at all times."""
    assert listing.option is not None
    level = _VOLATILITIES.get(listing.underlying, _VOLATILITY)
    skew = -_SKEW * math.log(float(listing.option.strike / reference))
    return level * min(2.0, max(0.5, 1 + skew))


# -------------------------------------------------------------------------------------------------------- the chain


def expirations(calendar: str, today: date) -> tuple[date, ...]:
    """The days on which options of today's chain expire: Fridays, or the trading day before where one is closed."""
    friday = today + timedelta(days=(_FRIDAY - today.weekday()) % 7)
    fridays = [friday + timedelta(weeks=week) for week in range(52)]
    monthly = [day for day in fridays if 15 <= day.day <= 21][:MONTHS]
    days = (_trading_day(calendar, day) for day in sorted({*fridays[:WEEKS], *monthly}))
    return tuple(day for day in days if day is not None and day >= today)


def _trading_day(calendar: str, day: date) -> date | None:
    try:
        while session_on(calendar, day) is None:
            day -= timedelta(days=1)
    except CalendarError:
        return None
    return day


def strikes(spot: Decimal) -> tuple[Decimal, ...]:
    """The strikes around a price, rising: a step of 1, 5 or 10 as it is low or high."""
    step = Decimal(1) if spot < 50 else Decimal(5) if spot < 1_000 else Decimal(10)
    middle = int(spot / step)
    return tuple(step * number for number in range(max(1, middle - STRIKES_EACH_WAY), middle + STRIKES_EACH_WAY + 1))


def chain(underlying: Listing, spot: Decimal, today: date) -> Iterator[Listing]:
    """Every option that the underlying has today: by expiry, strike, then calls before puts."""
    root = underlying.key.replace(" ", "")
    for day in expirations(underlying.calendar, today):
        for strike in strikes(spot):
            for right in OptionRight:
                terms = OptionTerms(root, day, right, strike)
                yield option_listing(symbol_of(terms), underlying)


def symbol_of(terms: OptionTerms) -> str:
    """The option's symbol on the desk."""
    return f"{terms.root} {terms.expiry:%y%m%d}{terms.right.value}{int(terms.strike * 1000):08d}"


def padded(listing: Listing) -> str:
    """The OCC's name of the option in 21 characters, which is IBKR's local symbol."""
    root, _, tail = listing.key.rpartition(" ")
    return f"{root:<6}{tail}"


def routed(listing: Listing, exchange: str) -> Listing:
    """The same, traded at one exchange."""
    return replace(listing, exchange=exchange)

"""What an option is worth by the model of Black and Scholes (1973), its greeks, and what its writer has to put up.

Pure arithmetic on floats, as the venues' own figures are; American exercise is left out, as is the dividend. Money of
the margin is exact. It must not know markets, accounts or any venue's protocol.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from signalbox.instruments import OptionRight, OptionTerms

RATE = 0.05
"""Of interest, a year, continuously compounded."""
YEAR_SECONDS = 365 * 86_400.0
VOLATILITY_MIN, VOLATILITY_MAX = 0.001, 10.0
_HALVINGS = 40

OUT_OF_REACH = Decimal("0.2"), Decimal("0.1")
"""Of the underlying's value: what a writer puts up beside the premium, less what the option is out of the money, and
the least of it (Reg T and FINRA Rule 4210 for listed equity options)."""


@dataclass(frozen=True, slots=True)
class Greeks:
    """By one unit of the underlying; `theta` a day, `vega` for one point (0.01) of volatility, as IBKR has them."""

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def years_between(at: datetime, end: datetime) -> float:
    """The time that is left, in years; 0 when it is over."""
    return max(0.0, (end - at).total_seconds()) / YEAR_SECONDS


def intrinsic(terms: OptionTerms, spot: Decimal) -> Decimal:
    """What exercising at `spot` gains, for one unit: never below 0."""
    gain = spot - terms.strike if terms.right is OptionRight.CALL else terms.strike - spot
    return max(Decimal(0), gain)


def value(terms: OptionTerms, spot: float, years: float, volatility: float) -> float:
    """The model's price alone."""
    return greeks(terms, spot, years, volatility).price


def greeks(terms: OptionTerms, spot: float, years: float, volatility: float) -> Greeks:
    """The model's price and greeks; of an option that is over, what exercise gains."""
    strike, sign = float(terms.strike), 1 if terms.right is OptionRight.CALL else -1
    spread = volatility * math.sqrt(years)
    discounted = strike * math.exp(-RATE * years)
    if spread <= 0:
        gain = sign * (spot - discounted)
        return Greeks(max(0.0, gain), float(sign) if gain > 0 else 0.0, 0.0, 0.0, 0.0)
    first = math.log(spot / discounted) / spread + spread / 2
    second = first - spread
    density = math.exp(-first * first / 2) / math.sqrt(2 * math.pi)
    held, owed = _below(sign * first), _below(sign * second)
    decay = -spot * density * volatility / (2 * math.sqrt(years)) - sign * RATE * discounted * owed
    return Greeks(
        price=sign * (spot * held - discounted * owed),
        delta=sign * held,
        gamma=density / (spot * spread),
        vega=spot * density * math.sqrt(years) / 100,
        theta=decay / 365,
    )


def implied_volatility(terms: OptionTerms, price: float, spot: float, years: float) -> float | None:
    """The volatility at which the model has this price; None when there is none (below what exercise gains)."""
    low, high = VOLATILITY_MIN, VOLATILITY_MAX
    if not years or not value(terms, spot, years, low) < price < value(terms, spot, years, high):
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if value(terms, spot, years, middle) < price:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def writer_margin(terms: OptionTerms, premium: Decimal, spot: Decimal) -> Decimal:
    """What a writer without cover has to put up for one unit of the underlying."""
    part, least = OUT_OF_REACH
    is_call = terms.right is OptionRight.CALL
    beyond = max(Decimal(0), terms.strike - spot if is_call else spot - terms.strike)
    return premium + max(part * spot - beyond, least * (spot if is_call else terms.strike))


def _below(value: float) -> float:
    """The normal distribution's share below `value`."""
    return 0.5 * math.erfc(-value / math.sqrt(2))

"""Funding: the next hour's rate of each market, and what an hour costs a position.

Owns the arithmetic. Pure. The rate is an hour's share of 0.01% in 8 hours, and an eighth of the mid price's premium
over the oracle's, held within 6 times the difference of the margins, as the chain clamps it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from simulators.dydx.fees import QUOTE_QUANTUM
from simulators.dydx.records import ChainMarket

INTEREST_PER_HOUR = Decimal("0.0000125")
HOURS_AT_ONCE_MAX = 240
_CLAMP_FACTOR = 6
_RATE_STEP = Decimal("0.000000001")
_HOUR = timedelta(hours=1)


def rate_estimate(mid: Decimal, oracle_price: Decimal, market: ChainMarket) -> Decimal:
    """Return the next hour's rate; longs pay it of the oracle price for each unit, shorts receive it."""
    clamp = _CLAMP_FACTOR * (market.initial_margin_fraction - market.maintenance_margin_fraction) / 8
    rate = INTEREST_PER_HOUR + (mid - oracle_price) / oracle_price / 8
    return min(max(rate, -clamp), clamp).quantize(_RATE_STEP)


def hours_between(before: datetime, now: datetime) -> list[datetime]:
    """Return the full hours in (before, now], oldest first; after a longer jump only the last 240."""
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours: list[datetime] = []
    while last > before and len(hours) < HOURS_AT_ONCE_MAX:
        hours.append(last)
        last -= _HOUR
    return hours[::-1]


def payment_of(size: Decimal, oracle_price: Decimal, rate: Decimal) -> Decimal:
    """Return what a signed position receives for an hour (below 0: pays), rounded down to a millionth."""
    return (-size * oracle_price * rate).quantize(QUOTE_QUANTUM, ROUND_FLOOR)

"""Trading fees by tier of 30-day volume.

Owns the table, the volumes and the rounding to quote quantums. It must not know orders. Source: dYdX's fee schedule;
the tiers that also ask for a share of the exchange's maker volume are reached here only by `set_tier`: there is no
exchange's volume to have a share of.
"""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from msgspec import Struct
from signalbox.messages import Liquidity

from simulators.dydx.records import ChainFill

QUOTE_QUANTUM = Decimal("0.000001")
VOLUME_DAYS = 30


class Tier(Struct, frozen=True):
    """`volume` of at least, USD; fees in parts per million, below 0 a rebate; `by_volume` = reached by volume alone."""

    name: str
    volume: int
    maker_ppm: int
    taker_ppm: int
    by_volume: bool = True


TIERS = (
    Tier("1", 0, 100, 500),
    Tier("2", 1_000_000, 100, 450),
    Tier("3", 5_000_000, 50, 400),
    Tier("4", 25_000_000, 0, 350),
    Tier("5", 125_000_000, 0, 300),
    Tier("6", 125_000_000, -50, 250, by_volume=False),
    Tier("7", 125_000_000, -70, 250, by_volume=False),
    Tier("8", 125_000_000, -90, 250, by_volume=False),
    Tier("9", 125_000_000, -110, 250, by_volume=False),
)


class FeeSchedule:
    """Who pays what. Volumes count by address, as on the chain."""

    def __init__(self) -> None:
        self._volumes: defaultdict[str, deque[tuple[datetime, Decimal, Liquidity]]] = defaultdict(deque)
        self.set_tiers: dict[str, str] = {}

    def add_fill(self, fill: ChainFill) -> None:
        """Count a fill's notional."""
        self._volumes[fill.address].append((fill.created_at, fill.size * fill.price, fill.liquidity))

    def volume(self, address: str, at: datetime, liquidity: Liquidity | None = None) -> Decimal:
        """Return the notional of the last 30 days, USD."""
        trades = self._volumes[address]
        while trades and trades[0][0] < at - timedelta(days=VOLUME_DAYS):
            trades.popleft()
        return sum((amount for _, amount, kind in trades if liquidity in (None, kind)), Decimal(0))

    def tier(self, address: str, at: datetime) -> Tier:
        """Return an address' tier."""
        if address in self.set_tiers:
            return next(each for each in TIERS if each.name == self.set_tiers[address])
        volume = self.volume(address, at)
        return [each for each in TIERS if each.by_volume and volume >= each.volume][-1]

    def fee(self, address: str, liquidity: Liquidity, notional: Decimal, at: datetime) -> Decimal:
        """Return the fee on a notional, rounded up to a millionth; below 0 = a rebate."""
        tier = self.tier(address, at)
        return fee_of(notional, tier.maker_ppm if liquidity is Liquidity.MAKER else tier.taker_ppm)


def fee_of(notional: Decimal, ppm: int) -> Decimal:
    """Return a fee in parts per million, rounded up to a quote quantum as the chain does."""
    return (notional * ppm / 1_000_000).quantize(QUOTE_QUANTUM, ROUND_CEILING)

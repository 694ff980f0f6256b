"""Minutes and five-second bars: how a minute is broken up, and how bars are put together again.

Owns both directions, so that they agree exactly. It must not know where minutes come from. Prices are whole numbers of
`Scale.unit` here: exact and fast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

from signalbox.exchange.quoting import MarketBar

FIVE_SECONDS = timedelta(seconds=5)
PARTS_PER_MINUTE = 12
_GRAINS_PER_PART_MIN = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """The grid of one symbol: `unit` is a power of ten, `tick` a whole number of units.

    Volumes come in whole `grain`s, and about `trade_size` of volume is one trade.
    """

    unit: Decimal
    tick: int
    grain: Decimal = Decimal(1)
    trade_size: Decimal = Decimal(100)

    @classmethod
    def of(
        cls, tick: Decimal, places: int = 0, grain: Decimal = Decimal(1), trade_size: Decimal = Decimal(100)
    ) -> Scale:
        """Make the grid of `tick`, fine enough for prices of `places` decimals."""
        exponent = tick.as_tuple().exponent
        if not isinstance(exponent, int):
            raise ValueError(f"a tick must be a number, not {tick}")
        unit = Decimal(1).scaleb(-max(places, -exponent))
        return cls(unit, int(tick / unit), grain, trade_size)

    def price(self, units: int) -> Decimal:
        """Return the price of so many units."""
        return units * self.unit

    def units(self, price: Decimal) -> int:
        """Return the whole units of a price; raises ValueError for one that is between two."""
        units = price / self.unit
        if units != int(units):
            raise ValueError(f"{price} is not a whole number of {self.unit}")
        return int(units)

    def on_tick(self, units: int) -> int:
        """Return the nearest price on tick at or below `units`."""
        return units - units % self.tick


class Minute(NamedTuple):
    """One minute with trades; prices in units, `volume` as in the source."""

    open: int
    high: int
    low: int
    close: int
    volume: Decimal


class Part(NamedTuple):
    """Five seconds; prices in units. Without trades (`trades` 0) all prices are the last close."""

    open: int
    high: int
    low: int
    close: int
    volume: Decimal
    trades: int

    def prints(self) -> tuple[int, int, int, int, int]:
        """Return the price at each of the five seconds: open, one extreme, between, the other extreme, close."""
        first, second = (self.low, self.high) if self.close >= self.open else (self.high, self.low)
        return self.open, first, self.open, second, self.close


def silent(close: int) -> Part:
    """Return five seconds without a trade."""
    return Part(close, close, close, close, Decimal(0), 0)


def split(minute: Minute, scale: Scale, random: Random) -> tuple[Part, ...]:
    """Break a minute into twelve parts that aggregate exactly to it, with every price between them on tick.

    The first part always trades, at the minute's open; a thin minute has few parts with trades. Off-tick prices of the
    minute itself are kept. Volumes are whole grains where the minute's is.
    """
    volumes = _split_volume(minute.volume, scale, random)
    trading = [index for index in range(PARTS_PER_MINUTE) if volumes[index] is not None]
    high_at, low_at = random.choice(trading), random.choice(trading)
    parts, last = [], minute.open
    for index, volume in enumerate(volumes):
        if volume is None:
            parts.append(silent(last))
            continue
        opens = minute.open if index == 0 else last
        closes = (
            minute.close if index == trading[-1] else _wander(last, minute, PARTS_PER_MINUTE - index, scale, random)
        )
        high = minute.high if index == high_at else max(opens, closes)
        low = minute.low if index == low_at else min(opens, closes)
        parts.append(Part(opens, high, low, closes, volume, max(1, min(50, int(volume / scale.trade_size)))))
        last = closes
    return tuple(parts)


def _wander(last: int, minute: Minute, parts_left: int, scale: Scale, random: Random) -> int:
    """Step towards the close with noise a third of the minute's range, and stay within it."""
    noise = int((minute.high - minute.low) * (random.random() - 0.5) / 1.5)
    aimed = last + (minute.close - last) // parts_left + noise
    on_tick = scale.on_tick(aimed + scale.tick // 2)
    if minute.low <= on_tick <= minute.high:
        return on_tick
    return minute.high if on_tick > minute.high else minute.low


def _split_volume(volume: Decimal, scale: Scale, random: Random) -> list[Decimal | None]:
    """Share a volume out; None = no trade in that part. The shares add up exactly, the first is never None."""
    whole = not volume % scale.grain
    grain = scale.grain if whole else Decimal(1).scaleb(int(volume.as_tuple().exponent))
    total = int(volume / grain)
    by_size = int(volume / scale.trade_size) if whole else PARTS_PER_MINUTE
    # So few that the smallest share is not nothing.
    parts = max(1, min(PARTS_PER_MINUTE, by_size, total // _GRAINS_PER_PART_MIN))
    chosen = [0, *sorted(random.sample(range(1, PARTS_PER_MINUTE), parts - 1))]
    weights = [0.3 + random.random() for _ in chosen]
    per_weight = total / sum(weights)
    shares = [int(weight * per_weight) for weight in weights]
    shares[0] += total - sum(shares)
    result: list[Decimal | None] = [None] * PARTS_PER_MINUTE
    for index, share in zip(chosen, shares, strict=True):
        result[index] = share * grain
    return result


def market_bar(symbol: str, start: datetime, part: Part, scale: Scale) -> MarketBar:
    """Return the five-second bar of a part; its average price is the middle of its four prices."""
    opens, closes = scale.price(part.open), scale.price(part.close)
    high, low = scale.price(part.high), scale.price(part.low)
    wap = scale.price(part.open + part.high + part.low + part.close) / 4
    return MarketBar(symbol, start, 5, opens, high, low, closes, part.volume, wap, part.trades)


def aggregate(symbol: str, start: datetime, seconds: int, parts: Iterable[Part], scale: Scale) -> MarketBar | None:
    """Put parts together to one bar of `seconds`; None if nothing traded."""
    opens = high = low = closes = trades = 0
    volume = turnover = Decimal(0)
    for part in parts:
        if not part.trades:
            continue
        if not trades:
            opens, high, low = part.open, part.high, part.low
        high, low, closes = max(high, part.high), min(low, part.low), part.close
        trades += part.trades
        volume += part.volume
        turnover += part.volume * (part.open + part.high + part.low + part.close)
    if not trades:
        return None
    wap = turnover * scale.unit / volume / 4 if volume else scale.price(closes)
    wap = wap.quantize(scale.unit / 10_000)
    return MarketBar(
        symbol,
        start,
        seconds,
        scale.price(opens),
        scale.price(high),
        scale.price(low),
        scale.price(closes),
        volume,
        wap,
        trades,
    )

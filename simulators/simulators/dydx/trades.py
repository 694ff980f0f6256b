"""The market's own trades: every five-second bar as the few prints that make it.

Owns the tape, which is short. It must not know who trades or what the indexer shows.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from msgspec import Struct
from signalbox.exchange.quoting import MarketBar
from signalbox.messages import Side

TRADES_KEPT_MAX = 5_000
_PRINTS = 4


class Trade(Struct, frozen=True):
    """One trade; `side` is the taker's. `index` counts the trades of a market."""

    ticker: str
    index: int
    side: Side
    size: Decimal
    price: Decimal
    at: datetime
    height: int
    type: str = "LIMIT"


def prints(bar: MarketBar, step: Decimal) -> tuple[tuple[timedelta, Decimal, Decimal], ...]:
    """Return (time within the bar, price, size) of trades that make exactly `bar`: its four prices and its volume.

    A bar too thin for four trades of `step` is fewer: then its open and close, or its close alone.
    """
    if not bar.trades or not bar.volume:
        return ()
    first, second = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    prices = [bar.open, first, second, bar.close]
    distinct = [price for number, price in enumerate(prices) if number == 0 or price != prices[number - 1]]
    share = (bar.volume / len(distinct) / step).to_integral_value(ROUND_DOWN) * step
    if not share:
        distinct, share = [bar.close], Decimal(0)
    gap = timedelta(seconds=bar.seconds) / _PRINTS
    sizes = [share] * (len(distinct) - 1)
    sizes.append(bar.volume - sum(sizes, Decimal(0)))
    return tuple((number * gap, price, size) for number, (price, size) in enumerate(zip(distinct, sizes, strict=True)))


class Tape:
    """The last trades of each market, oldest first."""

    def __init__(self) -> None:
        self._trades: dict[str, deque[Trade]] = {}
        self._counts: dict[str, int] = {}

    def add(
        self, ticker: str, side: Side, size: Decimal, price: Decimal, at: datetime, height: int, type_: str = "LIMIT"
    ) -> Trade:
        """Add a trade and return it."""
        index = self._counts[ticker] = self._counts.get(ticker, 0) + 1
        trade = Trade(ticker, index, side, size, price, at, height, type_)
        self._trades.setdefault(ticker, deque(maxlen=TRADES_KEPT_MAX)).append(trade)
        return trade

    def add_bar(self, bar: MarketBar, step: Decimal, height: int) -> list[Trade]:
        """Add the trades of a bar; a price that rises was bought, one that falls was sold."""
        trades: list[Trade] = []
        before = bar.open
        for at, price, size in prints(bar, step):
            rises = price > before or (price == before and bar.close >= bar.open)
            before = price
            trades.append(self.add(bar.symbol, Side.BUY if rises else Side.SELL, size, price, bar.start + at, height))
        return trades

    def last(self, ticker: str) -> list[Trade]:
        """Return the trades of a market that are kept, newest first."""
        return list(reversed(self._trades.get(ticker, ())))

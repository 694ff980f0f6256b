"""Candles of every resolution: those that form while the world runs, and those of its past.

Owns their arithmetic. A candle exists only where something traded. It must not know the indexer's JSON.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from signalbox.exchange.quoting import MarketBar

from simulators.dydx.trades import Trade
from simulators.world import World

RESOLUTIONS = {
    "1MIN": 60,
    "5MINS": 300,
    "15MINS": 900,
    "30MINS": 1800,
    "1HOUR": 3600,
    "4HOURS": 14_400,
    "1DAY": 86_400,
}
"""Names and seconds."""

CANDLES_KEPT_MAX = 3_000
"""Of each market and resolution since the start; older ones come from the world's history."""
HISTORY_DAYS_MAX = 30
"""How far back one question looks: every minute of it is worked out anew."""
DAYS_KEPT_MAX = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400
_SETTLED = timedelta(minutes=1)


class Candle(Struct, frozen=True):
    """One candle, perhaps still forming. `starting_open_interest` is in base units."""

    ticker: str
    resolution: str
    started_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    volume_usd: Decimal
    trades: int
    starting_open_interest: Decimal = Decimal(0)


class Candles:
    """The candles of every market. `take` must be given every bar of the world, in order."""

    def __init__(self, world: World, tickers: Iterable[str]) -> None:
        self._world = world
        self._forming: dict[tuple[str, str], OrderedDict[datetime, Candle]] = {
            (ticker, resolution): OrderedDict() for ticker in tickers for resolution in RESOLUTIONS
        }
        self._seen_until: dict[str, datetime] = {}
        self._days: OrderedDict[tuple[str, str, datetime], list[Candle]] = OrderedDict()

    def take(self, bar: MarketBar, trades: list[Trade], open_interest: Decimal) -> list[Candle]:
        """Take five seconds and return the candles that they changed, shortest first; none without a trade."""
        end = bar.start + timedelta(seconds=bar.seconds)
        seen_until = self._seen_until.get(bar.symbol)
        if seen_until is not None and end <= seen_until:
            return []
        self._seen_until[bar.symbol] = end
        is_continued = seen_until == bar.start
        if not trades and is_continued:
            return []
        changed = []
        for resolution, seconds in RESOLUTIONS.items():
            candles = self._forming[bar.symbol, resolution]
            start = floor(bar.start, seconds)
            before = candles.get(start) if is_continued else self._past(bar.symbol, resolution, start, bar.start)
            if trades:
                before = _joined(before, bar, trades, resolution, start, open_interest)
                changed.append(before)
            if before is not None:
                candles[start] = before
            if len(candles) > CANDLES_KEPT_MAX:
                candles.popitem(last=False)
        return changed

    def last(
        self, ticker: str, resolution: str, limit: int, begin: datetime | None = None, end: datetime | None = None
    ) -> list[Candle]:
        """Return up to `limit` candles that start in [begin, end), newest first."""
        seconds = RESOLUTIONS[resolution]
        now = self._world.now()
        until = min(end, now + timedelta(seconds=seconds)) if end is not None else now + timedelta(seconds=seconds)
        earliest = until - timedelta(days=HISTORY_DAYS_MAX)
        since = max(begin, earliest) if begin is not None else earliest
        found: dict[datetime, Candle] = {}
        span, stop = timedelta(seconds=seconds * limit), until
        while stop > since and len(found) < limit:
            start = max(since, stop - span)
            for candle in self._history(ticker, resolution, start, stop):
                found[candle.started_at] = candle
            stop, span = start, span * 2
        for at, candle in self._forming[ticker, resolution].items():
            if since <= at < until:
                found[at] = candle
        return [found[at] for at in sorted(found, reverse=True)[:limit]]

    def _history(self, ticker: str, resolution: str, begin: datetime, end: datetime) -> list[Candle]:
        """Return the world's candles that start in [begin, end); those of days that are over are worked out once."""
        candles: list[Candle] = []
        day = floor(begin, _DAY_SECONDS)
        while day < end:
            key, next_day = (ticker, resolution, day), day + timedelta(seconds=_DAY_SECONDS)
            known = self._days.get(key)
            if known is None and next_day <= self._world.now() - _SETTLED and begin <= day and next_day <= end:
                known = self._days[key] = self._bars(ticker, resolution, day, next_day)
                if len(self._days) > DAYS_KEPT_MAX:
                    self._days.popitem(last=False)
            if known is None:
                known = self._bars(ticker, resolution, max(day, begin), min(next_day, end))
            candles += [each for each in known if begin <= each.started_at < end]
            day = next_day
        return candles

    def _bars(self, ticker: str, resolution: str, begin: datetime, end: datetime) -> list[Candle]:
        seconds = RESOLUTIONS[resolution]
        bars = self._world.history(ticker, end, end - begin, seconds, regular_hours_only=False)
        return [_of_history(bar, resolution) for bar in bars]

    def _past(self, ticker: str, resolution: str, start: datetime, until: datetime) -> Candle | None:
        """Return the candle of [start, until), which this object has not seen, from the world's history."""
        whole_minutes = floor(until, 60)
        bars = [
            *self._world.history(ticker, whole_minutes, whole_minutes - start, 60, regular_hours_only=False),
            *self._world.history(ticker, until, until - max(whole_minutes, start), 5, regular_hours_only=False),
        ]
        bars = [bar for bar in bars if bar.trades]
        if not bars:
            return None
        return Candle(
            ticker,
            resolution,
            start,
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            sum((bar.volume for bar in bars), Decimal(0)),
            sum((bar.volume * bar.wap for bar in bars), Decimal(0)),
            sum(bar.trades for bar in bars),
        )


def floor(at: datetime, seconds: int) -> datetime:
    """Return the start of the candle of so many seconds that `at` lies in."""
    return at - timedelta(seconds=(at - _EPOCH).total_seconds() % seconds)


def _joined(
    before: Candle | None, bar: MarketBar, trades: list[Trade], resolution: str, start: datetime, interest: Decimal
) -> Candle:
    """Return a candle with a bar's trades added."""
    volume_usd = sum((trade.price * trade.size for trade in trades), Decimal(0))
    if before is None:
        return Candle(
            bar.symbol,
            resolution,
            start,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            volume_usd,
            len(trades),
            interest,
        )
    return Candle(
        bar.symbol,
        resolution,
        start,
        before.open,
        max(before.high, bar.high),
        min(before.low, bar.low),
        bar.close,
        before.volume + bar.volume,
        before.volume_usd + volume_usd,
        before.trades + len(trades),
        before.starting_open_interest,
    )


def _of_history(bar: MarketBar, resolution: str) -> Candle:
    return Candle(
        bar.symbol,
        resolution,
        bar.start,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.volume * bar.wap,
        bar.trades,
    )

"""One market's bars: minutes of the venue's candles, gaps named for history, coarser bars of minutes.

Pure but for the series itself. Owns which minute is complete, which must be asked for, and their order. It must not
know how history is asked for, nor what has been published before.

The indexer sends a minute's candle again with every change, and never says that it is final; a lost message can not be
noticed, and a minute without trades has no candle at all. So a minute that has passed counts as complete only if its
candle's volume is that of the trades seen in it, which come by another channel, both seen from its beginning on. Any
other minute is a gap and is asked for over REST, which has the last word. Nothing overtakes a gap, and a minute is
closed once: what comes later changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from signalbox.bars import Candle, Timeframe
from signalbox.gateway.minutes import MINUTE, Candles, Closed, Coarser, Gap, closed_by, coarser_of
from signalbox.messages import BarSource
from signalbox.sessions import ALWAYS, previous_session

from gateway_dydx.facts import CandleSeen, Trade

MINUTES_KEPT_MAX = 3_000
"""More waiting minutes than two days have are dropped, oldest first: history has them."""
TRADES_KEPT_MAX = 200_000


@dataclass
class Traded:
    """What the trades of one minute come to. `ids`: a trade that comes twice counts once."""

    volume: Decimal = Decimal(0)
    ids: set[str] = field(default_factory=set)


@dataclass
class Minutes:
    """What is remembered of one market. `next_minute`: everything before it is settled.

    `live_from`: the first minute of which everything has been seen; None while nothing comes.
    """

    symbol: str
    next_minute: datetime
    coarser: Coarser
    live_from: datetime | None = None
    candles: dict[datetime, CandleSeen] = field(default_factory=dict)
    traded: dict[datetime, Traded] = field(default_factory=dict)
    history: dict[datetime, CandleSeen] = field(default_factory=dict)
    history_until: datetime = datetime(1970, 1, 1, tzinfo=UTC)


def minutes_of(symbol: str, now: datetime, timeframes: Iterable[Timeframe]) -> Minutes:
    """Begin with yesterday's first minute: today's bars and yesterday's (N1)."""
    return Minutes(symbol, previous_session(ALWAYS, now).pre_open, coarser_of(timeframes, ALWAYS))


def begin_live(minutes: Minutes, at: datetime | None) -> None:
    """All candles and trades come from `at` on (venue time); None = they come no longer, or some were lost."""
    minutes.live_from = None if at is None else minute_of(at) + MINUTE
    if at is None:
        minutes.candles.clear()
        minutes.traded.clear()


def take_candle(minutes: Minutes, seen: CandleSeen) -> bool:
    """Take a candle as it stands; False = its minute is settled, or a later state of it was there already."""
    minute = seen.started_at
    before = minutes.candles.get(minute)
    if minute < minutes.next_minute or minute != minute_of(minute) or not _sound(seen):
        return False
    if before is not None and (before.trades, before.volume) >= (seen.trades, seen.volume):
        return False
    minutes.candles[minute] = seen
    if len(minutes.candles) > MINUTES_KEPT_MAX:
        del minutes.candles[min(minutes.candles)]
    return True


def take_trade(minutes: Minutes, trade: Trade) -> bool:
    """Count a trade into its minute, once; False = its minute is settled, or it came before."""
    minute = minute_of(trade.at)
    if minute < minutes.next_minute:
        return False
    traded = minutes.traded.setdefault(minute, Traded())
    if trade.id:
        if trade.id in traded.ids:
            return False
        if len(traded.ids) < TRADES_KEPT_MAX:
            traded.ids.add(trade.id)
    traded.volume += trade.size
    if len(minutes.traded) > MINUTES_KEPT_MAX:
        del minutes.traded[min(minutes.traded)]
    return True


def take_history(minutes: Minutes, gap: Gap, candles: Iterable[CandleSeen]) -> None:
    """Take the indexer's complete answer for a gap: a minute that is not in it had no trades."""
    minutes.history.update({seen.started_at: seen for seen in candles if gap.start <= seen.started_at < gap.end})
    minutes.history_until = max(minutes.history_until, gap.end)


def settle(minutes: Minutes, passed: datetime) -> tuple[list[Closed], Gap | None]:
    """Settle every minute that ended by `passed`; return the bars closed by it, and the gap in the way, if any."""
    closed: list[Closed] = []
    while minutes.next_minute + MINUTE <= passed:
        minute = minutes.next_minute
        if _complete(minutes, minute):
            candle, source = _candle_of(minutes.candles[minute]), BarSource.LIVE
        elif minute < minutes.history_until:
            candle, source = _candle_of(minutes.history.get(minute)), BarSource.BACKFILL
        else:
            return closed, Gap(minute, _gap_end(minutes, minute, passed))
        closed += closed_by(minutes.coarser, minute, candle, source)
        minutes.next_minute = minute + MINUTE
        for kept in (minutes.candles, minutes.traded, minutes.history):
            kept.pop(minute, None)
    return closed, None


def minute_of(at: datetime) -> datetime:
    """The beginning of the minute that `at` lies in."""
    return at.replace(second=0, microsecond=0)


# ------------------------------------------------------------------------------------------------------- details


def _complete(minutes: Minutes, minute: datetime) -> bool:
    seen, traded = minutes.candles.get(minute), minutes.traded.get(minute)
    if minutes.live_from is None or minute < minutes.live_from or seen is None or traded is None:
        return False
    return seen.volume == traded.volume


def _gap_end(minutes: Minutes, minute: datetime, passed: datetime) -> datetime:
    """The gap ends behind the last minute that has passed and is not complete: one question for all holes."""
    last = minute_of(passed) - MINUTE
    while last > minute and _complete(minutes, last):
        last -= MINUTE
    return last + MINUTE


def _candle_of(seen: CandleSeen | None) -> Candles | None:
    if seen is None or seen.trades <= 0 or not _sound(seen):
        return None
    start = seen.started_at
    return Candle(start, start + MINUTE, seen.open, seen.high, seen.low, seen.close, seen.volume, seen.trades)


def _sound(seen: CandleSeen) -> bool:
    """Whether the four prices can be those of one minute."""
    return seen.low <= min(seen.open, seen.close) and max(seen.open, seen.close) <= seen.high

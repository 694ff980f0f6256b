"""A made-up price history that is a pure function of (seed, symbol, day): nothing has to be walked through first.

Each trading day's close is a level from layered value noise, so any day can be asked for alone; inside the day a random
bridge leads from one close to the next. It must not know what has been asked before, but for the days made last.
"""

from __future__ import annotations

import hashlib
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from random import Random

from signalbox.errors import CalendarError
from signalbox.exchange.listing import Listing
from signalbox.sessions import Session, previous_session

from simulators.bars import Minute, Scale

DAYS_KEPT_MAX = 64

_OCTAVES = 8  # day levels vary on scales of 1 to 128 days
_DAILY_MOVE = 0.006
_GAP = 0.003
_MINUTE_MOVE_REGULAR, _MINUTE_MOVE_EXTENDED = 0.0005, 0.00025
_EXTENDED_TRADING_SHARE = 0.4  # of the minutes outside regular hours, those in which something trades
_ONE_MINUTE = timedelta(minutes=1)


def random_of(*key: object) -> Random:
    """Return a random stream that depends on nothing but `key`."""
    digest = hashlib.blake2b("|".join(str(part) for part in key).encode(), digest_size=8).digest()
    return Random(int.from_bytes(digest, "big"))


class SyntheticSource:
    """The minutes of one listing, any day, past or future."""

    def __init__(self, listing: Listing, seed: int) -> None:
        self._listing, self._seed = listing, seed
        self.scale = Scale.of(listing.tick, 0, listing.volume_grain, listing.trade_size)

    def covers(self, session: Session) -> bool:
        """Every day is covered."""
        return True

    def previous_close(self, session: Session) -> int:
        """Return the official close of the trading day before, in units; the calendar's first day is its own."""
        try:
            return self._close(previous_session(self._listing.calendar, session.pre_open).day)
        except CalendarError:
            return self._close(session.day)

    def minutes(self, session: Session) -> dict[datetime, Minute]:
        """Return the session's minutes with trades by their start, in order: to read, since others have them too."""
        return _day_of(self._listing, self._seed, session)

    def walked(self, session: Session) -> dict[datetime, Minute]:
        """Make the session's minutes."""
        random = random_of(self._seed, self._listing.key, session.day)
        previous, close = self.previous_close(session), self._close(session.day)
        gap = 0.0 if self._listing.is_perpetual else random.gauss(0, _GAP)  # one that never closes has no opening gap
        opens = self._rounded(previous * math.exp(gap))
        result: dict[datetime, Minute] = {}
        before = _span(session.pre_open, session.open, session)
        regular = _span(session.open, session.close, session)
        after = _span(session.close, session.post_close, session)
        drift = self._rounded(close * math.exp(random.gauss(0, _GAP)))
        for starts, first, last, is_regular in (
            (before, previous, opens, False),
            (regular, opens, close, True),
            (after, close, drift, False),
        ):
            if starts:
                self._walk(result, starts, first, last, is_regular, random)
        return result

    def _walk(
        self,
        result: dict[datetime, Minute],
        starts: list[datetime],
        first: int,
        last: int,
        is_regular: bool,
        random: Random,
    ) -> None:
        """Add minutes from `first` to exactly `last`."""
        move = _MINUTE_MOVE_REGULAR if is_regular else _MINUTE_MOVE_EXTENDED
        steps = [random.gauss(0, move) for _ in starts]
        drift = (math.log(last / first) - sum(steps)) / len(starts)
        level, at = float(first), first
        for number, (start, step) in enumerate(zip(starts, steps, strict=True)):
            level *= math.exp(step + drift)
            closes = last if number == len(starts) - 1 else self._rounded(level)
            wick_up, wick_down = abs(random.gauss(0, move / 2)), abs(random.gauss(0, move / 2))
            volume = self._volume(number / len(starts), is_regular, random)
            if not is_regular and 0 < number < len(starts) - 1 and random.random() > _EXTENDED_TRADING_SHARE:
                continue
            high = max(at, closes, self._rounded(max(at, closes) * (1 + wick_up)))
            low = min(at, closes, self._rounded(min(at, closes) * (1 - wick_down)))
            result[start] = Minute(at, high, low, closes, volume)
            at = closes

    def _volume(self, done: float, is_regular: bool, random: Random) -> Decimal:
        """More at both ends of the day than in the middle; little outside regular hours; whole lots."""
        typical = float(self._listing.typical_volume)
        typical = typical * (1 + 6 * (done - 0.5) ** 2) if is_regular else typical / 15
        lot = self._listing.lot
        return lot * max(1, int(typical * math.exp(random.gauss(0, 0.5)) / float(lot)))

    def _close(self, day: date) -> int:
        days, log_level = day.toordinal(), 0.0
        for octave in range(_OCTAVES):
            span = 1 << octave
            cell, within = divmod(days, span)
            left, right = self._noise(octave, cell), self._noise(octave, cell + 1)
            log_level += _DAILY_MOVE * math.sqrt(span) * (left + (right - left) * within / span)
        units = self._listing.reference_price / self.scale.unit
        return self._rounded(float(units) * math.exp(log_level))

    def _noise(self, octave: int, cell: int) -> float:
        key = f"{self._seed}|{self._listing.key}|{octave}|{cell}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / 2**63 - 1

    def _rounded(self, level: float) -> int:
        tick = self.scale.tick
        return max(1, round(level / tick)) * tick


@lru_cache(maxsize=DAYS_KEPT_MAX)
def _day_of(listing: Listing, seed: int, session: Session) -> dict[datetime, Minute]:
    """Make a day once for all the worlds of a process that have the listing and the seed."""
    return SyntheticSource(listing, seed).walked(session)


def _span(start: datetime, end: datetime, session: Session) -> list[datetime]:
    minutes = int((end - start) / _ONE_MINUTE)
    starts = [start + number * _ONE_MINUTE for number in range(minutes)]
    return [at for at in starts if not any(begin <= at < over for begin, over in session.breaks)]

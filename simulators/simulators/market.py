"""The market of one symbol: what its quotes and bars are at any time, past or present.

Owns quotes and history over a tape of minutes (synthetic or recorded). It must not know who asks, and never gives
away what lies after the time it is asked for. Everything is a pure function of (tape, seed, time); what is kept is a
cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from signalbox.errors import CalendarError
from signalbox.exchange.listing import Listing
from signalbox.exchange.quoting import MarketBar, MarketQuote, Phase
from signalbox.sessions import Session, previous_session, session_at

from simulators.bars import FIVE_SECONDS, Minute, Part, aggregate, market_bar, silent
from simulators.option_tape import OptionTape
from simulators.synthetic import random_of
from simulators.tape import PriceSet, Tape

_ONE_MINUTE = timedelta(minutes=1)
_DAY_SECONDS = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROUND_LOT = 100  # US quotes come in hundreds although a single share can be traded
_ROUND_LOTS_MAX = 9
_BOARD_LOTS_MAX = 40
_PERPETUAL_QUOTE_USD_MIN, _PERPETUAL_QUOTE_USD_MAX = 10_000, 300_000


def phase_at(session: Session | None, at: datetime) -> Phase:
    """Return the phase of a session at `at`; a break is closed."""
    if session is None or not session.pre_open <= at < session.post_close:
        return Phase.CLOSED
    if session.open <= at < session.close:
        return Phase.REGULAR if session.is_regular(at) else Phase.CLOSED
    return Phase.EXTENDED


def bar_start(session: Session, at: datetime, seconds: int, *, regular_only: bool) -> datetime:
    """Return the start of the bar of `seconds` that `at` lies in.

    Bars of an hour begin on the hour, but never before trading does: with regular hours only, the first one in New York
    begins at 09:30 and lasts half an hour, and none begins in a break (as IBKR has them: `bar_data.ipynb` of ib_async).
    """
    begins = session.open if regular_only else session.pre_open
    if seconds == _DAY_SECONDS:
        return begins
    starts = max(at - (at - _EPOCH) % timedelta(seconds=seconds), begins)
    return max([starts, *(end for _, end in session.breaks if end <= at)]) if session.breaks else starts


class Market:
    """The market of one listing. It is streamed (`enter`, `peek`, `count`, `quote`) in time order; `history`
    can be asked at any time for any span, and knows nothing from before `listed`."""

    def __init__(self, listing: Listing, tape: Tape | OptionTape, seed: int, listed: datetime = _EPOCH) -> None:
        self.listing, self._tape, self._listed = listing, tape, listed
        self.scale = tape.scale
        self._session: Session | None = None
        self._parts: tuple[Part, ...] = ()
        self._parts_of: datetime = _EPOCH
        self._salt = random_of(seed, listing.key, "quotes").getrandbits(63)
        self._last = self._day_open = self._day_high = self._day_low = self._previous_close = 0
        self._volume, self._last_size = Decimal(0), Decimal(0)
        self._has_steps = bool(listing.price_steps)
        unit_value = listing.reference_price * listing.lot
        self._lots_min = max(1, int(_PERPETUAL_QUOTE_USD_MIN / unit_value))
        self._lots_span = max(1, int(_PERPETUAL_QUOTE_USD_MAX / unit_value)) - self._lots_min + 1

    # --------------------------------------------------------------------------------------------- streaming

    def enter(self, session: Session, at: datetime) -> None:
        """Begin (or join at `at`) a trading day: what has traded in it before `at` counts."""
        self._session = session
        self._previous_close = self._last = self._tape.previous_close(session)
        self._day_open = self._day_high = self._day_low = self._last
        self._volume, self._last_size = Decimal(0), self.listing.lot
        self._parts_of = _EPOCH
        traded = [(start, minute) for start, minute in self._tape.minutes(session).items() if start < at]
        for _, minute in traded[:-1]:
            self.count(_whole(minute, self._trades_of(minute)))
        for start, _ in traded[-1:]:
            for number, part in enumerate(self._tape.parts(start)):
                if start + number * FIVE_SECONDS < at:
                    self.count(part)
        if session.pre_open < at:
            self._stand_at(self.last_before(at))

    def peek(self, start: datetime) -> Part:
        """Return the five seconds from `start`; they have not traded before they are counted."""
        minute_start = start - timedelta(seconds=start.second)
        if minute_start != self._parts_of:
            self._parts, self._parts_of = self._tape.parts(minute_start), minute_start
        return self._parts[start.second // 5] if self._parts else silent(self._last)

    def opening(self, at: datetime) -> Decimal:
        """Return the first price that trades from `at` on: that of the opening auction; without a trade, the last."""
        return self.scale.price(self.peek(at).open)

    def count(self, part: Part) -> None:
        """Take five seconds into the day's figures."""
        if not part.trades:
            return
        if not self._volume:
            self._day_open, self._day_high, self._day_low = part.open, part.high, part.low
        self._day_high, self._day_low = max(self._day_high, part.high), min(self._day_low, part.low)
        self._last = part.close
        self._volume += part.volume
        self._last_size = self._trade_size(part.volume / part.trades, part.volume)

    def bar(self, start: datetime, part: Part) -> MarketBar:
        """Return the five-second bar of a part played."""
        return market_bar(self.listing.key, start, part, self.scale)

    def quote(self, at: datetime, phase: Phase, price: int | None = None, number: int = 0) -> MarketQuote:
        """Return a quote around the last price (or `price`, in units), the `number`th one at that time.

        The last trade was at the bid or at the ask, so `bid <= last <= ask`; the spread is 1 or 2 ticks, outside
        regular hours 2. Sizes depend on the seed, the time and the number alone.
        """
        last = self._last if price is None else price
        drawn = _mixed(self._salt + int(at.timestamp()) * 8 + number)
        tick = self.scale.units(self.listing.tick_at(self.scale.price(last))) if self._has_steps else self.scale.tick
        spread = tick * (2 if phase is Phase.EXTENDED or drawn & 7 == 0 else 1)
        bid = last - last % tick
        if last == bid > spread and drawn & 8:
            bid -= spread
        unit = self.scale.unit
        return MarketQuote(
            self.listing.key,
            at,
            bid * unit,
            (bid + spread) * unit,
            self._size(drawn >> 4 & 0xFFFF),
            self._size(drawn >> 20 & 0xFFFF),
            last * unit,
            self._last_size,
            self._volume,
            self._day_open * unit,
            self._day_high * unit,
            self._day_low * unit,
            self._previous_close * unit,
        )

    def resting_quote(self, session: Session, at: datetime) -> MarketQuote | None:
        """Return the quote by `at` before anything has been streamed: in `session`, or when the one before it ended.

        None before the calendar begins.
        """
        if session.pre_open <= at < session.post_close:
            return self.quote(at, phase_at(session, at))
        try:
            before = previous_session(self.listing.calendar, at)
        except CalendarError:
            return None
        self.enter(before, before.post_close)
        return self.quote(before.post_close, Phase.EXTENDED)

    @property
    def last(self) -> Decimal:
        """The last price."""
        return self._last * self.scale.unit

    def last_before(self, at: datetime) -> Decimal:
        """Return the last price by `at`, or the listing's reference price if there is none to be had."""
        return self._tape.last(at)

    def set_price(self, at: datetime, price: Decimal, *, also_before: bool = False) -> PriceSet:
        """Make `price` the price at `at`, from which what follows goes on; see `Tape.set_price`."""
        said = self._tape.set_price(at, price, also_before=also_before)
        self._parts_of = _EPOCH
        self._stand_at(price)
        return said

    def follow(self) -> None:
        """Take up that the underlying's price was set, from the next five seconds on."""
        self._parts_of = _EPOCH

    def trades_in(self, phase: Phase, at: datetime) -> Phase:
        """Return what may trade here in a phase of its exchange: options only in regular hours, till they expire."""
        if self.listing.option is None or (phase is Phase.REGULAR and not self.listing.is_over(at)):
            return phase
        return Phase.CLOSED

    def recall_price(self, said: PriceSet) -> None:
        """Take a price that was set before a restart, in order of time."""
        self._tape.put(said)

    def _trade_size(self, average: Decimal, volume: Decimal) -> Decimal:
        if self.listing.is_perpetual:
            return max(average // self.listing.lot, Decimal(1)) * self.listing.lot
        return max(average.to_integral_value(), Decimal(1)) if average > 1 else volume

    def _stand_at(self, price: Decimal) -> None:
        self._last = self.scale.units(price)
        self._day_high, self._day_low = max(self._day_high, self._last), min(self._day_low, self._last)

    def _size(self, drawn: int) -> Decimal:
        if self.listing.is_perpetual:
            return self.listing.lot * (self._lots_min + drawn * self._lots_span // 0x10000)
        if self.listing.lot == 1:
            return Decimal(_ROUND_LOT * (1 + drawn % _ROUND_LOTS_MAX))
        return self.listing.lot * (1 + drawn % _BOARD_LOTS_MAX)

    # ------------------------------------------------------------------------------------------------ history

    def history(
        self, end: datetime, duration: timedelta, seconds: int, *, regular_hours_only: bool, known_until: datetime
    ) -> tuple[MarketBar, ...]:
        """Return bars as `World.history` promises, out of five-second bars that ended by `known_until`."""
        if seconds <= 0 or seconds % 5 or _DAY_SECONDS % seconds:
            raise ValueError(f"bars of {seconds} s: must be a multiple of 5 s that divides a day")
        begin, end = max(end - duration, self._listed), min(end, known_until)
        bars: list[MarketBar] = []
        for session in self._sessions(begin, end):
            bars.extend(self._session_bars(session, begin, end, seconds, regular_hours_only, known_until))
        return tuple(bars)

    def _session_bars(
        self, session: Session, begin: datetime, end: datetime, seconds: int, regular_only: bool, known_until: datetime
    ) -> Iterator[MarketBar]:
        group: list[Part] = []
        group_start: datetime | None = None
        for at, part in self._pieces(session, seconds, begin, known_until):
            if regular_only and not session.is_regular(at):
                continue
            start = bar_start(session, at, seconds, regular_only=regular_only)
            if not begin <= start < end:
                continue
            if start != group_start and group_start is not None:
                bar = aggregate(self.listing.key, group_start, seconds, group, self.scale)
                if bar is not None:
                    yield bar
                group = []
            group_start = start
            group.append(part)
        if group_start is not None:
            bar = aggregate(self.listing.key, group_start, seconds, group, self.scale)
            if bar is not None:
                yield bar

    def _pieces(
        self, session: Session, seconds: int, begin: datetime, known_until: datetime
    ) -> Iterator[tuple[datetime, Part]]:
        """Yield whole minutes where they suffice, else five seconds at a time; nothing of minutes before `begin`."""
        for start, minute in self._tape.minutes(session).items():
            if start >= known_until:
                return
            if start + _ONE_MINUTE <= begin:
                continue
            if seconds % 60 == 0 and start + _ONE_MINUTE <= known_until:
                yield start, _whole(minute, self._trades_of(minute))
                continue
            for number, part in enumerate(self._tape.parts(start)):
                if start + (number + 1) * FIVE_SECONDS <= known_until:
                    yield start + number * FIVE_SECONDS, part

    def _trades_of(self, minute: Minute) -> int:
        return max(1, int(minute.volume / self.scale.trade_size))

    def _sessions(self, begin: datetime, end: datetime) -> list[Session]:
        """Return the covered sessions that overlap [begin, end), oldest first; none before the calendar begins."""
        calendar, result = self.listing.calendar, []
        try:
            session = session_at(calendar, end) or previous_session(calendar, end)
            while session.post_close > begin:
                if session.pre_open < end and self._tape.covers(session):
                    result.append(session)
                session = previous_session(calendar, session.pre_open)
        except CalendarError:
            pass
        return result[::-1]


def _whole(minute: Minute, trades: int) -> Part:
    """Return a whole minute as one part."""
    return Part(minute.open, minute.high, minute.low, minute.close, minute.volume, trades)


def _mixed(number: int) -> int:
    """Scramble 64 bits (the finaliser of splitmix64): a draw that depends on nothing but `number`."""
    number = (number * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return number ^ (number >> 31)

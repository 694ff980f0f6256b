"""How a simulated world is set up, and the making of its parts from that.

Owns the choice of source, start and end. It must not know how the world runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from msgspec import Struct
from signalbox.errors import ConfigurationError
from signalbox.exchange.books import RATES_TO_USD, AccountBook
from signalbox.exchange.listing import Listing
from signalbox.sessions import ALWAYS, Session, next_session, session_at

from simulators.listings import IBKR, listing_of, offer
from simulators.market import Market
from simulators.option_tape import OptionTape
from simulators.replay import ReplaySource, symbol_of
from simulators.synthetic import SyntheticSource
from simulators.tape import Tape

STEPS_SECONDS = (1, 5)


class WorldOptions(Struct, frozen=True, kw_only=True):
    """How the world is set up. Times are UTC desk time; `speed` is desk seconds per wall second (0 = paused).

    `bar_files` are replayed, (symbol or "", path): an empty symbol is taken from the file's name. The other symbols are
    synthetic. `start` defaults to the files' first trading day, else to the session that is on, or next, at the first
    symbol's exchange today; it counts for the first start only where `books_file` exists. `days` counts trading days of
    that exchange; 0 = as long as there are bars, without files for ever. `step_seconds` is 1 or 5. `prices` are those
    of the very start, from which the market goes on. There is no history from before `listed`, as of a market that is
    new. `follow_wall` begins at the wall's time, after a restart again: at speed 1 desk time is the wall's then.
    """

    symbols: tuple[str, ...] = ("SPY", "AAPL", "0700.HK")
    seed: int = 1
    speed: float = 1.0
    step_seconds: int = 5
    accounts: tuple[str, ...] = ("DU1234567",)
    starting_cash: Decimal = Decimal(1_000_000)
    base_currency: str = "USD"
    start: datetime | None = None
    days: int = 0
    bar_files: tuple[tuple[str, Path], ...] = ()
    skip_closed_hours: bool = True
    books_file: Path | None = None
    prices: tuple[tuple[str, Decimal], ...] = ()
    follow_wall: bool = False
    listed: datetime | None = None


class Stage(Struct, frozen=True):
    """What the world is made of. `calendars` are those whose hours it runs in."""

    listings: tuple[Listing, ...]
    markets: dict[str, Market]
    calendars: tuple[str, ...]
    start: datetime
    end: datetime | None
    accounts: dict[str, AccountBook]


def stage(options: WorldOptions, began: datetime | None = None) -> Stage:
    """Make the parts; `began` overrides the start that the options say. Raises ConfigurationError, all at once."""
    _check(options)
    files: dict[str, list[Path]] = defaultdict(list)
    for symbol, path in options.bar_files:
        files[symbol or symbol_of(path)].append(path)
    if optioned := sorted(key for key in files if listing_of(key).underlying):
        raise ConfigurationError([f"{key} is an option: replay the bars of its underlying" for key in optioned])
    symbols = tuple(dict.fromkeys((*options.symbols, *files)))
    replays = {key: ReplaySource(listing_of(key), tuple(paths)) for key, paths in files.items()}
    listings = offer(symbols)
    tapes = {
        each.key: Tape(each, replays.get(each.key) or SyntheticSource(each, options.seed), options.seed)
        for each in listings
        if not each.underlying
    }
    by_key = {each.key: each for each in listings}
    listed = options.listed or datetime.min.replace(tzinfo=UTC)
    markets = {each.key: Market(each, _tape(each, tapes, by_key), options.seed, listed) for each in listings}
    calendars = _hours(symbols, tuple(files))
    leader = next(key for key in (*files, *symbols) if listing_of(key).calendar in calendars)
    leading = listing_of(leader).calendar
    if options.start is None:
        _check_overlap(replays)
    first = replays[leader].first_session() if leader in replays else None
    start = began or options.start or (first or _on_or_next(leading, datetime.now(UTC))).pre_open
    end = None
    if options.days:
        end = _last_session(leading, start, options.days).post_close
    elif replays:
        end = max(source.last_end() for source in replays.values())
    cash = {options.base_currency: options.starting_cash}
    accounts = {
        name: AccountBook(account=name, venue=IBKR, base_currency=options.base_currency, cash=cash)
        for name in options.accounts
    }
    return Stage(listings, markets, calendars, start, end, accounts)


def _tape(listing: Listing, tapes: Mapping[str, Tape], listings: Mapping[str, Listing]) -> Tape | OptionTape:
    if not listing.underlying:
        return tapes[listing.key]
    return OptionTape(listing, tapes[listing.underlying], listings[listing.underlying].reference_price)


def _hours(symbols: tuple[str, ...], files: tuple[str, ...]) -> tuple[str, ...]:
    """Return the calendars in whose hours the world runs; the others are jumped over with them.

    Perpetuals trade through nights and weekends, which stocks do not need: they lead only where nothing else does, or
    where they are what is replayed.
    """
    replayed = {listing_of(key).calendar for key in files}
    if replayed == {ALWAYS}:
        return (ALWAYS,)
    calendars = tuple(dict.fromkeys(listing_of(key).calendar for key in symbols))
    return tuple(each for each in calendars if each != ALWAYS) or (ALWAYS,)


def _check_overlap(replays: Mapping[str, ReplaySource]) -> None:
    """Raise ConfigurationError for files of different times: one world has one time."""
    spans = {key: (source.first_session().pre_open, source.last_end()) for key, source in replays.items()}
    if spans and max(begin for begin, _ in spans.values()) >= min(end for _, end in spans.values()):
        told = "; ".join(f"{key} {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}" for key, (begin, end) in spans.items())
        raise ConfigurationError(
            [
                f"the files of bars have no time in common ({told}, UTC): replay files of the same days, or one symbol "
                "alone, or say with a start which of them to begin with"
            ]
        )


def _check(options: WorldOptions) -> None:
    rules = (
        (options.step_seconds in STEPS_SECONDS, f"step_seconds must be 1 or 5, not {options.step_seconds}"),
        (options.speed >= 0, f"speed must be 0 or more, not {options.speed}"),
        (options.days >= 0, f"days must be 0 or more, not {options.days}"),
        (bool(options.symbols or options.bar_files), "at least one symbol is needed"),
        (bool(options.accounts) or not _has_stocks(options), "at least one account is needed"),
        (options.base_currency in RATES_TO_USD, f"base_currency must be one of {', '.join(RATES_TO_USD)}"),
        (options.start is None or options.start.tzinfo is not None, "start needs a time zone"),
        (options.listed is None or options.listed.tzinfo is not None, "listed needs a time zone"),
    )
    mistakes = [sentence for holds, sentence in rules if not holds]
    if mistakes:
        raise ConfigurationError(mistakes)


def _has_stocks(options: WorldOptions) -> bool:
    keys = (*options.symbols, *(symbol or symbol_of(path) for symbol, path in options.bar_files))
    return any(listing_of(key).venue == IBKR for key in keys)


def _on_or_next(calendar: str, at: datetime) -> Session:
    return session_at(calendar, at) or next_session(calendar, at)


def _last_session(calendar: str, start: datetime, days: int) -> Session:
    session = _on_or_next(calendar, start)
    for _ in range(days - 1):
        session = next_session(calendar, session.pre_open)
    return session

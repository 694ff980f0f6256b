"""The desk file: one TOML file that says what the desk trades, where, and within which limits.

Owns its shape and the rules between its parts. It holds no address and no secret: those come from the environment
(`signalbox.settings`). Every mistake is reported at once.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from signalbox.account_groups import AccountGroup
from signalbox.account_groups import mistakes as group_mistakes
from signalbox.bars import parse_timeframe
from signalbox.commissions import Commission
from signalbox.commissions import mistakes as commission_mistakes
from signalbox.decimals import is_decimal_text, is_sane
from signalbox.desk_limits import Limits as Limits
from signalbox.errors import ConfigurationError, SymbolError
from signalbox.instruments import CURRENCIES, Symbol, parse_symbol
from signalbox.messages import Loosening, MarketDataType
from signalbox.studies import DeskStudy, LevelsParameters, levels_rules, study_rules
from signalbox.switches import Switches, switch_rule
from signalbox.text_files import TextFileError, read_text_file
from signalbox.toml_shape import any_of, instead_of, shape_mistakes, shown, shown_key
from signalbox.venues import VenueRow, venue_names
from signalbox.venues import venue as venue_row

MISTAKES_MAX = 100
DESK_FILE_BYTES_MAX = 200_000
"""A desk file with a thousand instruments has 80,000. Checking the names of more would keep a start waiting."""


class Mode(StrEnum):
    PAPER = "paper"
    LIVE = "live"


class ClockSource(StrEnum):
    WALL = "wall"
    SIMULATED = "simulated"


class Durability(StrEnum):
    """What has happened to a message when NATS acknowledges it: what may be lost, and when (docs/nats.md)."""

    FSYNC = "fsync"
    """It is on the disk of the one server: nothing is lost unless the disk is."""
    REPLICATED = "replicated"
    """Two of three servers have it: nothing is lost while one of those two, and its disk, comes back."""
    RELAXED = "relaxed"
    """The operating system has it: two minutes may be lost when the machine, not only nats-server, dies."""


class Venue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A venue and the accounts the desk trades there (dydx: `<address>-<sub-account number>`)."""

    accounts: tuple[str, ...]
    market_data_type: str = "LIVE"  # LIVE, FROZEN, DELAYED or DELAYED_FROZEN: what IBKR is asked for


class DeskInstrument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A symbol that may be traded at a venue; at ibkr `exchange` and `currency` settle an ambiguous one."""

    venue: str
    symbol: str
    exchange: str = "SMART"
    currency: str = ""


class IndicatorParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """N2: SuperTrend(10, 2.0), EMA(21), ATR(10), in bars."""

    supertrend_period: int = 10
    supertrend_multiplier: float = 2.0
    ema_period: int = 21
    atr_period: int = 10


class NatsServers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the desk relies on NATS for. Live trading must state it, and is held to what the servers say."""

    durability: Durability = Durability.RELAXED
    room_used_fraction_max: Decimal = Decimal("0.9")
    """How full a stream that an order needs may be for an order to be let through; the rest is for those under way."""


class Desk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `timeframes` are those that scores are computed for, each a multiple of one minute.

    `fx_rates` values other currencies in the account's, in which all limits are stated: what one unit of the
    currency is worth (`HKD = "0.128"`). Without its rate, an order in another currency is denied. `commissions` are
    what orders are estimated to cost; without one for its kind of instrument an order has no estimate. `groups` are
    accounts that a person shares an order out among. `loosen_limits`: may one operator (`signalbox limits`)?
    """

    name: str
    venues: dict[str, Venue]
    instruments: tuple[DeskInstrument, ...]
    limits: Limits
    mode: Mode = Mode.PAPER
    clock: ClockSource = ClockSource.WALL
    timeframes: tuple[str, ...] = ("1m", "5m")
    fx_rates: dict[str, Decimal] = {}
    commissions: tuple[Commission, ...] = ()
    groups: tuple[AccountGroup, ...] = ()
    indicators: IndicatorParameters = IndicatorParameters()
    levels: LevelsParameters = LevelsParameters()
    studies: tuple[DeskStudy, ...] = ()
    nats: NatsServers = NatsServers()
    switches: Switches = Switches()
    loosen_limits: Loosening = Loosening.ONE

    def only_account(self, venue: str) -> str:
        """A venue's one account. Raises `ConfigurationError` if it has none, or several."""
        accounts = self.accounts_at(venue)
        if len(accounts) != 1:
            raise ConfigurationError(
                [f"this is of one account, and under [venues.{venue}] the desk file must name just that one"]
            )
        return accounts[0]

    def accounts_at(self, venue: str) -> tuple[str, ...]:
        """A venue's accounts. Raises `ConfigurationError` if it has none."""
        there = self.venues.get(venue)
        if there is None or not there.accounts:
            raise ConfigurationError([f"the desk file must name at least one account under [venues.{venue}]"])
        return there.accounts


def load_desk(path: Path) -> Desk:
    """Read and check the desk file.

    Raises `ConfigurationError` with every mistake, each a sentence: where it is, what was found, what to do.
    """
    return desk_of(read_document(path))


def read_document(path: Path) -> dict[str, Any]:
    """What stands in a desk file, or in a part of one; raises `ConfigurationError` where it can not be read."""
    try:
        text = read_text_file(path, DESK_FILE_BYTES_MAX)
        return tomllib.loads(text, parse_float=_decimal)
    except TextFileError as error:
        raise ConfigurationError([f"The desk file {path} {error}"]) from None
    except (ValueError, RecursionError) as error:  # RecursionError: thousands of brackets
        raise ConfigurationError([f"The desk file {path} is not TOML: {error}."]) from None


def desk_of(document: dict[str, Any]) -> Desk:
    """The desk that a document describes; raises `ConfigurationError` with every mistake."""
    mistakes = list(islice(chain(shape_mistakes(Desk, document), _rules(document)), MISTAKES_MAX + 1))
    if len(mistakes) > MISTAKES_MAX:
        mistakes[MISTAKES_MAX:] = [f"There is more than these {MISTAKES_MAX} mistakes: is it another file?"]
    if mistakes:
        raise ConfigurationError(mistakes)
    return msgspec.convert(document, Desk, strict=False)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # 1e99999999999999999999
        raise ValueError(f"{text[:60]} is no number that can be reckoned with") from None


def _rules(document: dict[str, Any]) -> Iterator[str]:
    venues = _tables(document, "venues")
    mode = document.get("mode", Mode.PAPER)
    yield from _name_rule(document.get("name"))
    if "venues" in document:
        yield from _venue_rules(venues, mode)
    if mode == Mode.LIVE and document.get("clock", ClockSource.WALL) != ClockSource.WALL:
        yield f'clock is {shown(document["clock"])}: with mode = "live" it must be "wall".'
    if mode == Mode.LIVE and _tables(document, "nats").get("durability", Durability.RELAXED) == Durability.RELAXED:
        yield (
            'nats.durability must be stated with mode = "live": "fsync" (one server that syncs each message to its '
            'disk) or "replicated" (three servers).'
        )
    yield from _instrument_rules(document.get("instruments"), venues)
    yield from _timeframe_rules(document.get("timeframes"))
    yield from commission_mistakes(document.get("commissions"), venues)
    yield from group_mistakes(document.get("groups"), venues)
    yield from levels_rules(_tables(document, "levels"), _scored(document)[1])
    yield from study_rules(document.get("studies"), *_scored(document))
    tables = {"limits": _limit_rule, "fx_rates": _rate_rule, "indicators": _parameter_rule, "nats": _room_rule}
    for table, check in {**tables, "switches": switch_rule}.items():
        for key, value in _tables(document, table).items():
            yield from check(f"{table}.{shown_key(key)}", key, value)


def _name_rule(name: object) -> Iterator[str]:
    if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,63}", name):
        yield f"name is {shown(name)}: use letters, digits, spaces, - and _, up to 64 of them."


def _venue_rules(venues: dict[str, Any], mode: object) -> Iterator[str]:
    if not venues:
        yield "venues has no venue: add a table such as [venues.ibkr] with its accounts."
    for name, venue in venues.items():
        if name not in venue_names():
            yield f"venues.{shown_key(name)} is no venue that has a gateway: {instead_of(name, venue_names())}"
            continue
        row = venue_row(name)
        accounts = venue.get("accounts") if isinstance(venue, dict) else None
        if isinstance(accounts, list):
            yield from _account_rules(f"venues.{name}.accounts", row, accounts, mode)
        data_type = venue.get("market_data_type", MarketDataType.LIVE) if isinstance(venue, dict) else None
        if isinstance(data_type, str) and data_type not in MarketDataType.__members__:
            yield f"venues.{name}.market_data_type is {shown(data_type)}: it must be {any_of(MarketDataType)}."
        elif isinstance(data_type, str) and data_type not in row.market_data_types:
            offered = " or ".join(sorted(row.market_data_types))
            yield f"venues.{name}.market_data_type is {shown(data_type)}: {name} has no other data than {offered}."
        elif isinstance(data_type, str) and mode == Mode.LIVE and data_type != MarketDataType.LIVE:
            yield f'venues.{name}.market_data_type is {shown(data_type)}: with mode = "live" it must be "LIVE".'


def _account_rules(path: str, venue: VenueRow, accounts: list[Any], mode: object) -> Iterator[str]:
    if not accounts:
        yield f"{path} is empty: name at least one account."
    for number, account in enumerate(accounts, 1):
        if not isinstance(account, str):
            continue
        found = f"{path}[{number}] is {shown(account)}"
        try:
            venue.read_account(account)
        except ValueError as error:
            yield f"{found}: {error}."
            continue
        begin = venue.paper_accounts_begin
        if begin and mode == Mode.PAPER and not account.startswith(begin):
            yield f'{found}, no paper account (they begin with {begin}): take one, or mode = "live".'
        elif begin and mode == Mode.LIVE and account.startswith(begin):
            yield f'{found}, a paper account: take a live one, or mode = "paper".'
    for account in _twice(accounts):
        yield f"{path} names {shown(account)} more than once: name it once."


def _instrument_rules(instruments: object, venues: dict[str, Any]) -> Iterator[str]:
    if not isinstance(instruments, list):
        return
    if not instruments:
        yield "instruments is empty: add a table [[instruments]] with venue and symbol."
    tables = {number: item for number, item in enumerate(instruments, 1) if isinstance(item, dict)}
    for number, item in tables.items():
        venue, symbol, path = item.get("venue"), item.get("symbol"), f"instruments[{number}]"
        row = venue_row(venue) if isinstance(venue, str) and venue in venue_names() else None
        if isinstance(venue, str) and venue not in venues:
            yield f"{path}.venue is {shown(venue)}, which is not under [venues]: {instead_of(venue, venues)}"
        if isinstance(symbol, str):
            yield from _symbol_rules(f"{path}.symbol", symbol, row)
        if row is not None and not row.names_exchanges:
            for key in ("exchange", "currency"):
                if key in item:
                    yield f"{path}.{key} says which of several markets: leave it out, {venue} has one of each symbol."
            continue
        currency, exchange = item.get("currency", ""), item.get("exchange", "SMART")
        if isinstance(currency, str) and currency and currency not in CURRENCIES:
            yield f"{path}.currency is {shown(currency)}: {instead_of(currency, CURRENCIES)}"
        if isinstance(exchange, str) and not re.fullmatch(r"[A-Z0-9.]{1,16}", exchange):
            yield f'{path}.exchange is {shown(exchange)}: use IBKR\'s name of it, as "SMART" or "SEHK".'
    for venue, symbol in _twice([(str(item.get("venue")), _canonical(item.get("symbol"))) for item in tables.values()]):
        yield f"instruments names {symbol} at {venue} more than once: name it once."


def _symbol_rules(path: str, text: str, venue: VenueRow | None) -> Iterator[str]:
    try:
        symbol: Symbol = parse_symbol(text)
        if venue is not None:
            venue.translate(symbol)
    except SymbolError as error:
        yield f"{path}: {error}."
        return
    if symbol.canonical != text:
        yield f"{path} is {shown(text)}: write it as {shown(symbol.canonical)}."


def _canonical(text: object) -> str:
    try:
        return parse_symbol(text).canonical if isinstance(text, str) else str(text)
    except SymbolError:
        return ascii(text)


def _scored(document: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The symbols and timeframes of which a desk has scores, as far as they can be read."""
    instruments, timeframes = document.get("instruments"), document.get("timeframes", Desk.timeframes)
    tables = [item for item in instruments if isinstance(item, dict)] if isinstance(instruments, list) else []
    symbols = [item["symbol"] for item in tables if isinstance(item.get("symbol"), str)]
    return symbols, [text for text in timeframes if isinstance(text, str)] if isinstance(timeframes, list) else []


def _timeframe_rules(timeframes: object) -> Iterator[str]:
    if not isinstance(timeframes, list):
        return
    if not timeframes:
        yield 'timeframes is empty: name at least one, as "1m".'
    for number, text in enumerate(timeframes, 1):
        if not isinstance(text, str):
            continue
        try:
            timeframe = parse_timeframe(text)
        except ConfigurationError as error:
            yield f"timeframes[{number}]: {error}."
            continue
        if timeframe.seconds % 60:
            yield f"timeframes[{number}] is {shown(text)}: bars are scored from one minute up, as 1m or 5m."
        elif timeframe.text != text:
            yield f"timeframes[{number}] is {shown(text)}: write it as {shown(timeframe.text)}."
    for text in _twice(timeframes):
        yield f"timeframes names {shown(text)} more than once: name it once."


def _limit_rule(path: str, key: str, value: object) -> Iterator[str]:
    number = _number(value)
    if number is None or key not in Limits.__struct_fields__:
        return
    if not (number.is_finite() and number > 0):
        yield f"{path} is {shown(value)}: a limit is a number above 0. To stop all trading, use `signalbox halt`."
    elif key == "stop_required" and number != 1:
        yield f"{path} is {shown(value)}: state 1, or leave it out where an order needs no stop."
    elif key.endswith("_fraction") and number > 1:
        yield f'{path} is {shown(value)}: it is a fraction, at most 1 ("0.05" is 5 %).'


def _rate_rule(path: str, key: str, value: object) -> Iterator[str]:
    if key not in CURRENCIES:
        yield f"{path} is no currency of the desk: {instead_of(key, CURRENCIES)}"
    number = _number(value)
    if number is not None and not (number.is_finite() and number > 0):
        yield f"{path} is {shown(value)}: state what one {key} is worth in the account's currency, above 0."


def _room_rule(path: str, key: str, value: object) -> Iterator[str]:
    number = _number(value) if key == "room_used_fraction_max" else None
    if number is not None and not (number.is_finite() and 0 < number < 1):
        yield f'{path} is {shown(value)}: it is a fraction of a stream\'s room, above 0 and below 1 ("0.9" is 90 %).'


def _parameter_rule(path: str, key: str, value: object) -> Iterator[str]:
    number = _number(value)
    if number is not None and not (number.is_finite() and 0 < number <= 10_000):
        yield f"{path} is {shown(value)}: it must be above 0 and at most 10000."


def _number(value: object) -> Decimal | None:
    """A value that the shape accepts as a number; None for any other, which the shape reports."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    if isinstance(value, str) and not is_decimal_text(value):
        return None
    number = Decimal(value)
    return number if is_sane(number) or not number.is_finite() else None


def _tables(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _twice(values: list[Any]) -> list[Any]:
    return [value for value, count in Counter(value for value in values if _hashable(value)).items() if count > 1]


def _hashable(value: object) -> bool:
    return isinstance(value, str | tuple)

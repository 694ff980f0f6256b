"""Limits by scope: which there are, where each may be stated, what contradicts itself, and what is looser than before.

Owns the one table of limits (`LIMITS`) and the form of a limits file. A limit is added with its row here, its field in
`signalbox.desk.Limits`, and the check that holds orders against it (`risk.checks.rows`). Pure, but for the reading of a
file. It must not know an order, nor which limits hold for one (`risk.scopes`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from hashlib import sha256
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from signalbox import messages
from signalbox.decimals import is_sane
from signalbox.desk import Desk, Limits
from signalbox.errors import ConfigurationError, SymbolError
from signalbox.instruments import parse_symbol
from signalbox.messages import InstrumentKind, LimitsByScope
from signalbox.text_files import TextFileError, read_text_file
from signalbox.toml_shape import WHOLE_NUMBER_MAX, instead_of, shape_mistakes, shown, shown_key

FILE_BYTES_MAX = 50_000
SET_BYTES_MAX = 10_000
"""Of a whole set on the wire: the record keeps each version whole, and people read it there."""
MISTAKES_MAX = 40
NAME_CHARACTERS_MAX = 64
DIGITS_OF_NAME = 16
PER_NAME, STOP_REQUIRED = "intents_per_minute_per_name_max", "stop_required"


class Scope(StrEnum):
    """What a limit may be stated for, from wide to narrow. The words are the tables of a limits file."""

    DESK = "desk"
    VENUE = "venue"
    ACCOUNT = "account"
    ASSET_CLASS = "asset_class"
    STRATEGY = "strategy"
    SYMBOL = "symbol"


NAMED = tuple(scope for scope in Scope if scope is not Scope.DESK)
EVERYWHERE = frozenset(Scope)
OF_ACCOUNTS = frozenset({Scope.DESK, Scope.VENUE, Scope.ACCOUNT})
"""What is added up over an account is bounded for accounts: of a strategy or a symbol nobody adds it up."""

OF_DESK = frozenset({Scope.DESK})


@dataclass(frozen=True, slots=True)
class LimitTerm:
    """A limit: where it may be stated, and which numbers it may be. The smaller one is the tighter.

    `is_optional` = where no scope states it nothing is bounded by it; of the others what is not stated denies.
    `is_minimum` = the larger one is the tighter.
    """

    scopes: frozenset[Scope]
    is_whole: bool = False
    most: Decimal | None = None
    is_optional: bool = False
    is_minimum: bool = False

    def is_tighter(self, one: Decimal, other: Decimal) -> bool:
        """Whether `one` lets less through than `other`."""
        return one > other if self.is_minimum else one < other


LIMITS: Mapping[str, LimitTerm] = {
    "order_quantity_max": LimitTerm(EVERYWHERE),
    "order_notional_max": LimitTerm(EVERYWHERE),
    "position_quantity_max": LimitTerm(EVERYWHERE),
    "position_notional_max": LimitTerm(EVERYWHERE),
    "gross_exposure_max": LimitTerm(OF_ACCOUNTS),
    "price_collar_fraction": LimitTerm(EVERYWHERE, most=Decimal(1)),
    "price_age_seconds_max": LimitTerm(EVERYWHERE, is_whole=True),
    "account_age_seconds_max": LimitTerm(OF_ACCOUNTS, is_whole=True),
    "intent_age_seconds_max": LimitTerm(EVERYWHERE, is_whole=True),
    "intents_per_minute_max": LimitTerm(OF_ACCOUNTS, is_whole=True),
    "open_orders_max": LimitTerm(OF_ACCOUNTS, is_whole=True),
    PER_NAME: LimitTerm(OF_ACCOUNTS, is_whole=True),
    "daily_loss_max": LimitTerm(OF_ACCOUNTS, is_optional=True),
    "drawdown_max_fraction": LimitTerm(OF_ACCOUNTS, most=Decimal(1), is_optional=True),
    "consecutive_losses_max": LimitTerm(OF_ACCOUNTS, is_whole=True, is_optional=True),
    "cooldown_seconds_after_stop": LimitTerm(EVERYWHERE, is_whole=True, is_optional=True, is_minimum=True),
    "risk_per_trade_max": LimitTerm(EVERYWHERE, is_optional=True),
    STOP_REQUIRED: LimitTerm(EVERYWHERE, is_whole=True, most=Decimal(1), is_optional=True),
    "spread_max_fraction": LimitTerm(EVERYWHERE, most=Decimal(1), is_optional=True),
    "opening_notional_min": LimitTerm(EVERYWHERE, is_optional=True, is_minimum=True),
    "open_positions_max": LimitTerm(OF_ACCOUNTS, is_whole=True, is_optional=True),
    "entries_per_position_max": LimitTerm(EVERYWHERE, is_whole=True, most=Decimal(1), is_optional=True),
    "position_equity_fraction_max": LimitTerm(EVERYWHERE, most=Decimal(1), is_optional=True),
    "net_exposure_max": LimitTerm(OF_ACCOUNTS, is_optional=True),
    "leverage_max": LimitTerm(OF_ACCOUNTS, is_optional=True),
    "exposure_equity_fraction_max": LimitTerm(OF_DESK, most=Decimal(1), is_optional=True),
}
OF_SUMS = frozenset(
    {
        *("open_positions_max", "position_equity_fraction_max", "net_exposure_max", "leverage_max"),
        "exposure_equity_fraction_max",
    }
)
"""Those that are held against what the positions of an account, or of all, come to together."""
OF_LOSSES = frozenset(
    {"daily_loss_max", "drawdown_max_fraction", "consecutive_losses_max", "cooldown_seconds_after_stop"}
)
"""Those that are held against what an account has won and lost: where none is stated nobody looks at that."""


class Change(Struct, frozen=True):
    """One limit of one scope before and after; None = it is not stated. `where` is as `words` writes it."""

    where: str
    limit: str
    before: Decimal | None
    after: Decimal | None

    @property
    def is_looser(self) -> bool:
        """What is taken out was there for something, whatever the other scopes state."""
        if self.before is None or self.after is None:
            return self.before is not None
        return term_of(self.limit).is_tighter(self.before, self.after)

    def __str__(self) -> str:
        old, new = (f"{each:f}" if each is not None else "not stated" for each in (self.before, self.after))
        return f"{self.where} {self.limit}: {old} -> {new}"


def term_of(limit: str) -> LimitTerm:
    """The row of a limit; of one that is not known what most of them are."""
    return LIMITS.get(limit, _UNKNOWN)


_UNKNOWN = LimitTerm(EVERYWHERE)


def words(scope: Scope, name: str = "") -> str:
    """How a scope is told, and written on a command line: `desk`, `venue:ibkr`, `symbol:SPY`."""
    return f"{scope}:{name}" if name else scope.value


def tables(limits: LimitsByScope) -> Iterator[tuple[Scope, str, Mapping[str, Decimal]]]:
    """What each scope states, from wide to narrow; the desk's own first, even if that is nothing."""
    yield Scope.DESK, "", limits.desk
    for scope in NAMED:
        for name, stated in getattr(limits, scope).items():
            yield scope, name, stated


def of_desk_file(limits: Limits) -> LimitsByScope:
    """The limits of a desk file: the first version, of the scope desk alone."""
    stated = {name: getattr(limits, name) for name in LIMITS}
    return LimitsByScope(desk={name: Decimal(value) for name, value in stated.items() if value is not None})


def named_by(limits: Limits) -> dict[str, Decimal | int | None]:
    """What a desk file's limits are called by: what it may leave out, and does, is not in it.

    So a desk file has the name that it had before there were others that it could state.
    """
    stated = {name: getattr(limits, name) for name in LIMITS}
    return {name: value for name, value in stated.items() if value is not None or not LIMITS[name].is_optional}


def name_of(limits: Limits) -> str:
    """A name of the desk file's limits that is another one when they are."""
    return sha256(msgspec.json.encode(named_by(limits))).hexdigest()[:DIGITS_OF_NAME]


def changes(before: LimitsByScope, after: LimitsByScope) -> tuple[Change, ...]:
    """Each limit that is another one, scope by scope."""
    old = {(scope, name): stated for scope, name, stated in tables(before)}
    new = {(scope, name): stated for scope, name, stated in tables(after)}
    return tuple(
        Change(words(*where), limit, was.get(limit), becomes.get(limit))
        for where in [*old, *(each for each in new if each not in old)]
        for was, becomes in ((old.get(where, {}), new.get(where, {})),)
        for limit in [*was, *(each for each in becomes if each not in was)]
        if was.get(limit) != becomes.get(limit)
    )


def loosened(before: LimitsByScope, after: LimitsByScope) -> tuple[Change, ...]:
    """Which of the changes let more through; half of all that is sent is one name's where nothing is stated."""
    found = changes(_with_shares(before), _with_shares(after))
    return tuple(change for change in found if change.is_looser)


def _with_shares(limits: LimitsByScope) -> LimitsByScope:
    rate = limits.desk.get("intents_per_minute_max")
    if rate is None or PER_NAME in limits.desk:
        return limits
    return msgspec.structs.replace(limits, desk={**limits.desk, PER_NAME: max(Decimal(1), rate // 2)})


def tightest(one: LimitsByScope, other: LimitsByScope) -> LimitsByScope:
    """What holds where both do, of the scope desk; the named ones are those of `one`."""
    both = {
        name: value
        for name, value in other.desk.items()
        if name not in one.desk or term_of(name).is_tighter(value, one.desk[name])
    }
    return msgspec.structs.replace(one, desk={**one.desk, **both})


# ---------------------------------------------------------------------------------------------------------- the file


def load_limits(path: Path, desk: Desk | None) -> LimitsByScope:
    """Read and check a limits file, against the desk that it is for where that is known.

    Raises `ConfigurationError` with every mistake, each a sentence: where it is, what was found, what to do.
    """
    try:
        document = tomllib.loads(read_text_file(path, FILE_BYTES_MAX), parse_float=_decimal)
    except TextFileError as error:
        raise ConfigurationError([f"The limits file {path} {error}"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError([f"The limits file {path} is not TOML: {error}."]) from None
    found = list(islice(shape_mistakes(LimitsByScope, document), MISTAKES_MAX))
    if not found:
        limits = msgspec.convert(document, LimitsByScope, strict=False)
        found = mistakes(limits, desk)
        if not found:
            return limits
    raise ConfigurationError(found)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:60]} is no number that can be reckoned with") from None


def mistakes(limits: LimitsByScope, desk: Desk | None) -> list[str]:
    """Everything that is wrong with a set, as far as it can be told; without a desk no name is looked up in it."""
    found = list(islice(_mistakes(limits, desk), MISTAKES_MAX + 1))
    if len(found) > MISTAKES_MAX:
        found[MISTAKES_MAX:] = [f"There is more than these {MISTAKES_MAX} mistakes: is it another file?"]
    return found


def _mistakes(limits: LimitsByScope, desk: Desk | None) -> Iterator[str]:
    if not any(stated for _, _, stated in tables(limits)):
        yield "It states no limit at all, and what is not stated denies every order: begin with the table [desk]."
    for scope, name, stated in tables(limits):
        path = scope.value if scope is Scope.DESK else f"{scope}.{shown_key(name)}"
        if scope is not Scope.DESK:
            yield from _name_mistakes(path, scope, name, desk)
            if not stated:
                yield f"{path} states no limit: take it out."
        for limit, value in stated.items():
            yield from _limit_mistakes(f"{path}.{shown_key(limit)}", scope, limit, value)
        numbers = _numbers(stated)
        rate, of_name = numbers.get("intents_per_minute_max"), numbers.get(PER_NAME)
        if rate is not None and of_name is not None and of_name > rate:
            yield f"{path}.{PER_NAME} is {shown(of_name)}, of {shown(rate)} that all may send: lower it."
    yield from _contradictions(limits, desk)
    size = len(messages.encode(limits))
    if size > SET_BYTES_MAX:
        yield f"It has {size} bytes, of {SET_BYTES_MAX} that a version may have: state fewer scopes."


def _limit_mistakes(path: str, scope: Scope, limit: str, value: Decimal) -> Iterator[str]:
    term = LIMITS.get(limit)
    if term is None:
        yield f"{path} is no limit of the desk: {instead_of(limit, LIMITS.keys())}"
        return
    if scope not in term.scopes:
        places = ", ".join(each for each in Scope if each in term.scopes)
        what = "the whole desk" if term.scopes == OF_DESK else "a whole account"
        yield f"{path} is of {what}: state it for {'' if term.scopes == OF_DESK else 'one of '}{places}."
    if not (value.is_finite() and value > 0 and is_sane(value)):
        yield f"{path} is {shown(value)}: a limit is a number above 0. To stop all trading, use `signalbox halt`."
    elif limit == STOP_REQUIRED and value != 1:
        yield f"{path} is {shown(value)}: state 1, or leave it out where an order needs no stop."
    elif term.most is not None and value > term.most and not term.is_whole:
        yield f'{path} is {shown(value)}: it is a fraction, at most {term.most} ("0.05" is 5 %).'
    elif term.is_whole and (value != value.to_integral_value() or value > (term.most or WHOLE_NUMBER_MAX)):
        yield f"{path} is {shown(value)}: it is a whole number of at most {term.most or WHOLE_NUMBER_MAX}."


def _name_mistakes(path: str, scope: Scope, name: str, desk: Desk | None) -> Iterator[str]:
    if not name.strip() or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        yield f"{path} is no name: use up to {NAME_CHARACTERS_MAX} letters, digits and signs."
        return
    known: list[str] | None = None
    if scope is Scope.ASSET_CLASS:
        known = [kind.value for kind in InstrumentKind]
    elif desk is not None and scope is Scope.VENUE:
        known = [*desk.venues]
    elif desk is not None and scope is Scope.ACCOUNT:
        known = [account for venue in desk.venues.values() for account in venue.accounts]
    elif desk is not None and scope is Scope.SYMBOL:
        known = sorted({parse_symbol(line.symbol).canonical for line in desk.instruments})
    if known is not None and name not in known:
        yield f"{path} names nothing that the desk trades: {instead_of(name, known)}"


def _numbers(stated: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What of it can be compared: of the rest it is said that it is none."""
    return {limit: value for limit, value in stated.items() if value.is_finite() and value > 0}


def _contradictions(limits: LimitsByScope, desk: Desk | None) -> Iterator[str]:
    """What is stated of a narrower scope, and can never hold, for a wider one around it is tighter."""
    for scope, name, stated in tables(limits):
        for around, of_wider, wider in _around(limits, scope, name, desk):
            mine, theirs = _numbers(stated), _numbers(wider)
            for limit in sorted(mine.keys() & theirs.keys()):
                if term_of(limit).is_tighter(theirs[limit], mine[limit]):
                    narrow, wide = words(scope, shown_key(name)), words(around, of_wider)
                    this, that = ("Raise", "lower") if term_of(limit).is_minimum else ("Lower", "raise")
                    yield (
                        f"{narrow} has {limit} {shown(stated[limit])}, and {wide} {shown(wider[limit])}: the tightest "
                        f"holds, so that this never would. {this} it, or {that} the other."
                    )


def _around(
    limits: LimitsByScope, scope: Scope, name: str, desk: Desk | None
) -> Iterator[tuple[Scope, str, Mapping[str, Decimal]]]:
    """Which wider scopes have all of this one in them."""
    if scope is not Scope.DESK:
        yield Scope.DESK, "", limits.desk
    if scope is Scope.ACCOUNT and desk is not None:
        for venue, there in desk.venues.items():
            if name in there.accounts and venue in limits.venue:
                yield Scope.VENUE, venue, limits.venue[venue]
    kind = asset_class(name) if scope is Scope.SYMBOL else ""
    if kind in limits.asset_class:
        yield Scope.ASSET_CLASS, kind, limits.asset_class[kind]


def asset_class(symbol: str) -> str:
    """What kind of instrument a symbol is, by its form alone; "" = it has none."""
    try:
        return parse_symbol(symbol).kind.value
    except SymbolError:
        return ""


def as_toml(limits: LimitsByScope) -> str:
    """A set as a limits file that states the same."""
    parts = []
    for scope, name, stated in tables(limits):
        if stated:
            head = scope.value if scope is Scope.DESK else f"{scope}.{_toml_key(name)}"
            parts.append("\n".join([f"[{head}]", *(f'{limit} = "{value:f}"' for limit, value in stated.items())]))
    return "\n\n".join(parts) + "\n"


def _toml_key(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""Which limits hold for an order: of every scope that it is in the tightest, and whose it is.

Owns the resolution, made once for each combination of scopes that state something. What may be stated where, and what
contradicts itself, says `signalbox.limits`. Pure; it must not know what a limit means for an order (`risk.checks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from signalbox.desk import Desk, Limits
from signalbox.limits import LIMITS, OF_LOSSES, OF_SUMS, PER_NAME, Scope, asset_class, of_desk_file, tables, words
from signalbox.messages import LimitsByScope

NONE = Decimal(0)
"""What stands for a limit that no scope states: nothing is within it."""
RATE = "intents_per_minute_max"
OPTIONAL = tuple(name for name, term in LIMITS.items() if term.is_optional)
SYMBOLS_REMEMBERED_MAX = 10_000
DESK_FILE = "desk-file"


@dataclass(frozen=True, slots=True, eq=False)
class LimitsInForce:
    """What holds for one combination of scopes. `decided_by` says of each limit which scope it is of.

    It is empty where the desk file alone says. `missing` are the limits that no scope states, and those that are stated
    and not known here: either denies; `unstated` those that none has to state. Ages are the limits' seconds as spans.
    """

    limits: Limits
    decided_by: Mapping[str, str]
    missing: tuple[str, ...]
    price_age_max: timedelta
    account_age_max: timedelta
    intent_age_max: timedelta
    name_rate_max: int
    unstated: frozenset[str]


class LimitBook:
    """The limits of a desk: its file's alone, or those `stated` since; `with_file` = the file's beside those."""

    __slots__ = ("_asset_class", "_file", "_found", "_named", "_only", "_stated", "states_losses", "states_sums")

    def __init__(self, desk: Desk, stated: LimitsByScope | None, *, with_file: bool) -> None:
        self._stated = stated
        self._file = of_desk_file(desk.limits).desk if with_file else {}
        self._only = _in_force(desk.limits, {}, ()) if stated is None else None
        self._named = stated if stated is not None else LimitsByScope()
        self._found: dict[tuple[str, ...], LimitsInForce] = {}
        """Bounded: of each scope the names that state something, and none."""
        self._asset_class = lru_cache(SYMBOLS_REMEMBERED_MAX)(asset_class)
        holds: list[Mapping[str, Decimal]] = [of_desk_file(desk.limits).desk if stated is None or with_file else {}]
        holds += [each for _, _, each in tables(self._named)]
        self.states_losses = any(not OF_LOSSES.isdisjoint(each) for each in holds)
        """Whether a decision has to look at what an account has won and lost."""
        self.states_sums = any(not OF_SUMS.isdisjoint(each) for each in holds)
        """Whether it has to look at what all positions come to together."""

    def __eq__(self, other: object) -> bool:
        """Whether the same is stated: what is resolved of it is then the same."""
        return isinstance(other, LimitBook) and (self._stated, self._file) == (other._stated, other._file)

    def of(self, venue: str, account: str, symbol: str, strategy: str) -> LimitsInForce:
        """What holds for an order there; an empty name is of none."""
        if self._only is not None:
            return self._only
        named = self._named
        kind = self._asset_class(symbol) if named.asset_class else ""
        key = (
            venue if venue in named.venue else "",
            account if account in named.account else "",
            kind if kind in named.asset_class else "",
            strategy if strategy in named.strategy else "",
            symbol if symbol in named.symbol else "",
        )
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._resolve(*key)
        return found

    def _resolve(self, venue: str, account: str, kind: str, strategy: str, symbol: str) -> LimitsInForce:
        assert self._stated is not None
        names = {
            Scope.DESK: "",
            Scope.VENUE: venue,
            Scope.ACCOUNT: account,
            Scope.ASSET_CLASS: kind,
            Scope.STRATEGY: strategy,
            Scope.SYMBOL: symbol,
        }
        holds = [
            (words(scope, name), stated)
            for scope, name, stated in tables(self._stated)
            if scope is Scope.DESK or (name and names[scope] == name)
        ]
        return resolve([*holds, (DESK_FILE, self._file)])


def resolve(holds: Iterable[tuple[str, Mapping[str, Decimal]]]) -> LimitsInForce:
    """The tightest of what several scopes state, from wide to narrow: of equal ones the widest is told."""
    value: dict[str, Decimal] = {}
    decided_by: dict[str, str] = {}
    unknown: list[str] = []
    for who, stated in holds:
        for limit, number in stated.items():
            if limit not in LIMITS:
                unknown.append(limit)
            elif limit not in value or LIMITS[limit].is_tighter(number, value[limit]):
                value[limit], decided_by[limit] = number, who
    missing = [
        limit for limit, term in LIMITS.items() if limit not in value and limit != PER_NAME and not term.is_optional
    ]
    if PER_NAME not in value and RATE in decided_by:
        decided_by[PER_NAME] = decided_by[RATE]
    numbers: dict[str, Any] = {
        limit: value.get(limit, None if term.is_optional else NONE) for limit, term in LIMITS.items()
    }
    whole = [limit for limit, term in LIMITS.items() if term.is_whole and numbers[limit] is not None]
    numbers |= {limit: int(numbers[limit]) for limit in whole}
    limits = Limits(**{**numbers, PER_NAME: numbers[PER_NAME] if PER_NAME in value else None})
    return _in_force(limits, decided_by, (*missing, *unknown))


def _in_force(limits: Limits, decided_by: Mapping[str, str], missing: tuple[str, ...]) -> LimitsInForce:
    return LimitsInForce(
        limits,
        decided_by,
        missing,
        price_age_max=timedelta(seconds=limits.price_age_seconds_max),
        account_age_max=timedelta(seconds=limits.account_age_seconds_max),
        intent_age_max=timedelta(seconds=limits.intent_age_seconds_max),
        name_rate_max=limits.name_intents_per_minute_max,
        unstated=frozenset(name for name in OPTIONAL if getattr(limits, name) is None),
    )

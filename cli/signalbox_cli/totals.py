"""What accounts are worth together, in one currency, with the rate of each, who has said it, and when.

Owns which rate an amount is taken at. A rate that nobody has said, or that is old, is not taken for 1, nor for the one
before: there is no total then, and why is said. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

ONE = Decimal(1)


class Rate(Struct, frozen=True):
    """What one unit of a currency is worth in another. `source` is who says so, `at` when; None = it always holds."""

    rate: Decimal
    source: str
    at: datetime | None = None


class Unknown(Struct, frozen=True):
    """Why there is no rate."""

    reason: str


class Rates:
    """The rates that there are for one currency: the venues', then what the desk file states.

    `told` are rows of the view `accounts`, with `account`, `currency`, `rates` (by currency, in the account's) and
    `said_at`; `stated` are `[fx_rates]`, which are in `stated_in`. What was said longer than `age_max` ago is old.
    """

    def __init__(
        self,
        base: str,
        told: Sequence[Mapping[str, Any]],
        stated: Mapping[str, Decimal],
        stated_in: str,
        now: datetime,
        age_max: timedelta,
    ) -> None:
        self.base = base
        self._told, self._stated, self._stated_in = told, stated, stated_in
        self._now, self._age_max = now, age_max

    def of(self, currency: str) -> Rate | Unknown:
        """What one unit of a currency is worth in the base currency."""
        if currency == self.base:
            return Rate(ONE, "the same currency")
        said = [found for each in self._told if (found := self._of_venue(each, currency)) is not None]
        fresh = [each for each in said if each.at is not None and self._now - each.at <= self._age_max]
        if fresh:
            return max(fresh, key=lambda each: (each.at, each.source))
        if (rate := self._of_desk_file(currency)) is not None:
            return rate
        if said:
            last = max(each.at for each in said if each.at is not None)
            when = f"it was last said {last:%Y-%m-%d %H:%M:%S} UTC"
            return Unknown(f"the rate of {currency} in {self.base} is old: {when}")
        who = "neither a venue nor [fx_rates] of the desk file"
        return Unknown(f"{who} says what {currency} is worth in {self.base}")

    def _of_venue(self, each: Mapping[str, Any], currency: str) -> Rate | None:
        """An account's venue says what others are worth in the account's currency: that one, or the way back."""
        at = each["said_at"]
        if at is None:
            return None
        source, rates = f"{each['venue']} ({each['account']})", each["rates"] or {}
        if each["currency"] == self.base and (rate := _usable(rates.get(currency))) is not None:
            return Rate(rate, source, datetime.fromisoformat(at))
        if each["currency"] == currency and (rate := _usable(rates.get(self.base))) is not None:
            return Rate(ONE / rate, source, datetime.fromisoformat(at))
        return None

    def _of_desk_file(self, currency: str) -> Rate | None:
        if self._stated_in == self.base and (rate := _usable(self._stated.get(currency))) is not None:
            return Rate(rate, "desk file")
        if self._stated_in == currency and (rate := _usable(self._stated.get(self.base))) is not None:
            return Rate(ONE / rate, "desk file")
        return None


def _usable(rate: Any) -> Decimal | None:
    if rate is None:
        return None
    found = Decimal(rate)
    return found if found.is_finite() and found > 0 else None


class Total(Struct, frozen=True):
    """Columns added up in one currency; None = a figure, or its rate, is missing. `used` are the rates, by currency."""

    base: str
    sums: dict[str, Decimal | None]
    used: dict[str, Rate | Unknown]

    @property
    def missing(self) -> tuple[str, ...]:
        """Why there is no total."""
        return tuple(each.reason for each in self.used.values() if isinstance(each, Unknown))


def add_up(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], rates: Rates) -> Total:
    """The columns of rows that each have a `currency`, together."""
    used = {currency: rates.of(currency) for currency in sorted({row["currency"] for row in rows})}
    return Total(rates.base, {column: _sum(rows, column, used) for column in columns}, used)


def _sum(rows: Sequence[Mapping[str, Any]], column: str, used: Mapping[str, Rate | Unknown]) -> Decimal | None:
    total = Decimal(0)
    for row in rows:
        rate, amount = used[row["currency"]], row[column]
        if isinstance(rate, Unknown) or amount is None:
            return None
        total += Decimal(str(amount)) * rate.rate
    return total

"""A check is a row: why an intent fails it, and what to tell of it. The order of rows is the order of reasons.

Owns the form. A limit is added as a row, beside its field in `signalbox.desk.Limits`: the row has its sentence, its
figures, what of it is used and what the documentation says; the decision, the metric with its panels and alert, the
marks on charts and docs/limits.md follow. Most intents pass every check, and nobody reads the figures of one that
passed unless he asks: so a decision asks `why_not` alone, and what is told is made of the failed checks, or when
somebody wants to see all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from signalbox.messages import Check

from risk.facts import IntentFacts
from risk.state import AccountKey, RiskState

F = TypeVar("F", bound=IntentFacts, contravariant=True)
Told = tuple[str, str, str]
"""The limit, what was observed, and where the observation came from (`Check`)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of the desk file behind a row: `name` is its field in `signalbox.desk.Limits`.

    `about` says what it bounds and in what. `used` is the used share of one that accumulates (1 = all of it, NaN =
    nobody can say): a series of `signalbox_risk_limit_use`.
    """

    name: str
    about: str
    used: Callable[[RiskState, AccountKey, datetime], float] | None = None


@dataclass(frozen=True, slots=True)
class Row(Generic[F]):
    """`why_not` gives the sentence for the trader, or "" where the intent passes; `tell` is the same for both.

    `is_bound` = it bounds size, price or rate: an order that it denies is an event to show on a chart. The others say
    that an intent was wrong, or the desk not ready.
    """

    name: str
    why_not: Callable[[F], str]
    tell: Callable[[F], Told]
    limit: Limit | None = None
    is_bound: bool = False

    def check(self, facts: F, reason: str) -> Check:
        """The check as it is told, with the reason that `why_not` gave."""
        limit, observed, source = self.tell(facts)
        return Check(name=self.name, passed=not reason, limit=limit, observed=observed, source=source, reason=reason)

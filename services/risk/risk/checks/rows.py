"""A check is a row: why an intent fails it, and what to tell of it. The order of rows is the order of reasons.

Owns the form. Most intents pass every check, and nobody reads the figures of one that passed unless he asks: so a
decision asks `why_not` alone, and what is told is made of the failed checks, or when somebody wants to see all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from signalbox.messages import Check

from risk.facts import IntentFacts

F = TypeVar("F", bound=IntentFacts, contravariant=True)
Told = tuple[str, str, str]
"""The limit, what was observed, and where the observation came from (`Check`)."""


@dataclass(frozen=True, slots=True)
class Row(Generic[F]):
    """`why_not` gives the sentence for the trader, or "" where the intent passes; `tell` is the same for both."""

    name: str
    why_not: Callable[[F], str]
    tell: Callable[[F], Told]

    def check(self, facts: F, reason: str) -> Check:
        """The check as it is told, with the reason that `why_not` gave."""
        limit, observed, source = self.tell(facts)
        return Check(name=self.name, passed=not reason, limit=limit, observed=observed, source=source, reason=reason)

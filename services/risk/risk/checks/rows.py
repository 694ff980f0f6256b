"""A check is a row: why an intent fails it, and what to tell of it. The order of rows is the order of reasons.

Owns the form. A limit is added as a row, beside its row in `signalbox.limits.LIMITS` (where it may be stated) and its
field in `signalbox.desk_limits.Limits`: the row here has its sentence, its figures, what of it is used and what the
documentation says; the decision, the metric with its panels and alert, the marks on charts and docs/limits.md follow.
Most intents pass every check, and nobody reads the figures of one that passed unless he asks: so a decision asks
`why_not` alone, and what is told is made of the failed checks, or when somebody wants to see all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from signalbox.limits import Scope
from signalbox.messages import Check

from risk.facts import IntentFacts
from risk.state import AccountKey, RiskState

F = TypeVar("F", bound=IntentFacts, contravariant=True)
Told = tuple[str, str, str]
"""The limit, what was observed, and where the observation came from (`Check`)."""
Form = tuple[object, ...]
"""(venue, account, symbol, ...): the market of an intent, and what of it there are few of: its memory is bounded."""
Ground = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit behind a row: `name` is its row in `signalbox.limits.LIMITS`, its field in `signalbox.desk.Limits`.

    `about` says what it bounds and in what. `used` is the used share of one that accumulates (1 = all of it, NaN =
    nobody can say): a series of `signalbox_risk_limit_use`.
    """

    name: str
    about: str
    used: Callable[[RiskState, AccountKey, datetime], float] | None = None


def always(_: object) -> bool:
    """What the row reads is the same for one intent of a form after another."""
    return True


def never(_: object) -> bool:
    """The row has to be asked of each intent."""
    return False


@dataclass(frozen=True, slots=True)
class Row(Generic[F]):
    """`why_not` gives the sentence for the trader, or "" where the intent passes; `tell` is the same for both.

    `is_bound` = it bounds size, price or rate: an order that it denies is an event to show on a chart. The others say
    that an intent was wrong, or the desk not ready. `stands` says, of an intent that has passed, whether the next one
    of its form on the same ground passes too (`Rows`).
    """

    name: str
    why_not: Callable[[F], str]
    tell: Callable[[F], Told]
    limit: Limit | None = None
    is_bound: bool = False
    stands: Callable[[F], bool] = never
    whose: Callable[[F], str] | None = None
    """Of which scope it is what was held against, where no limit of `signalbox.limits` was."""

    def is_asked(self, unstated: frozenset[str]) -> bool:
        """Whether there is something to hold an intent against."""
        return self.limit is None or self.limit.name not in unstated

    def check(self, facts: F, reason: str) -> Check:
        """The check as it is told, with the reason that `why_not` gave."""
        limit, observed, source = self.tell(facts)
        scope = facts.scope_of(self.limit.name) if self.limit is not None else ""
        if self.whose is not None:
            scope = self.whose(facts)
        elif reason and scope not in ("", Scope.DESK):
            reason = f"{reason} (the limit of {scope})"
        return Check(
            name=self.name, passed=not reason, limit=limit, observed=observed, source=source, reason=reason, scope=scope
        )


class Rows(Generic[F]):
    """Rows in the order of their reasons, and what they ask: nearly always that is all there is to do.

    `ground_of` gives all that standing rows read: the intent's form, and on what it was let through. Most intents of a
    form find the heartbeat, room and instrument that the last one was let through on, and then the rows that stood
    there need not be asked again. Without it all are asked always.
    """

    __slots__ = ("_counts", "_ground_of", "_passed_on", "_questions", "_questions_but", "_rows")

    def __init__(self, rows: Iterable[Row[F]], ground_of: Callable[[F], tuple[Form, Ground]] | None = None) -> None:
        self._rows = tuple(rows)
        self._questions = tuple([row.why_not for row in self._rows])
        self._questions_but: dict[frozenset[str], tuple[Callable[[F], str], ...]] = {}
        self._counts: dict[frozenset[str], int] = {}
        self._ground_of = ground_of
        # Bounded: nothing passes for a market that is not the desk's
        self._passed_on: dict[Form, tuple[Ground, tuple[Callable[[F], str], ...]]] = {}

    def __iter__(self) -> Iterator[Row[F]]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def count(self, facts: F) -> int:
        """How many are asked of an intent: not those whose limit none has to state, and none has."""
        unstated = facts.unstated
        count = self._counts.get(unstated)
        if count is None:
            count = self._counts[unstated] = sum(row.is_asked(unstated) for row in self._rows)
        return count

    def failed(self, facts: F) -> tuple[Check, ...]:
        """The checks that an intent fails, in order."""
        if self._ground_of is None:
            return self._failed(facts, self._questions)
        form, ground = self._ground_of(facts)
        passed_on = self._passed_on.get(form)
        if passed_on is not None and passed_on[0] == ground:
            return self._failed(facts, passed_on[1])
        failed = self._failed(facts, self._questions)
        if not failed:
            self._passed_on[form] = ground, tuple([row.why_not for row in self._rows if not row.stands(facts)])
        return failed

    def _failed(self, facts: F, questions: tuple[Callable[[F], str], ...]) -> tuple[Check, ...]:
        for why_not in questions:
            if why_not(facts):
                return tuple([row.check(facts, reason) for row in self._rows if (reason := row.why_not(facts))])
        return ()

    def passes(self, facts: F, but: frozenset[str]) -> bool:
        """Whether an intent passes all but those of these names; nothing is told of it."""
        questions = self._questions_but.get(but)
        if questions is None:
            questions = self._questions_but[but] = tuple([row.why_not for row in self._rows if row.name not in but])
        return not any(why_not(facts) for why_not in questions)

    def told(self, facts: F) -> tuple[Check, ...]:
        """All checks that are asked, in order."""
        unstated = facts.unstated
        return tuple([row.check(facts, row.why_not(facts)) for row in self._rows if row.is_asked(unstated)])

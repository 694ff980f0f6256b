"""What a symbol's executions make when one of them was late: folded again in the order of trading, from TRADE.

Owns which of a stream of events belong in that fold, in a bounded amount of memory: the executions behind a place are
taken so many at a time, the first ones first, in as many passes as that takes. It must not know how TRADE is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from signalbox.messages import NEVER, BooksAdjusted, Fill, FillCorrected, OrderEvent, OrderFilled, OrderPartiallyFilled

from oms.positions import Holding, Step, refold, signed
from oms.state import AccountBook, Milestone, Place, SymbolBook

EXECUTIONS_AT_ONCE_MAX = 20_000
"""Of one pass: some 15 MB."""

FIRST_PLACE: Place = (NEVER, 0)


@dataclass(frozen=True, slots=True)
class Late:
    """What is to be folded again: the executions of `symbol` behind `begin`, up to `up_to`."""

    symbol: str
    begin: Milestone
    up_to: Place
    adopted_execution_ids: frozenset[str]
    changes: int


def begin_again(book: AccountBook, symbol: str) -> Late:
    """Begin to put a late symbol right: from now on what leaves it is kept beside."""
    held = book.symbols[symbol]
    assert held.settled_place is not None
    held.settled_meanwhile = []
    begin = held.milestones[-1] if held.milestones else Milestone(FIRST_PLACE, held.opening, 1)
    return Late(symbol, begin, held.settled_place, book.adopted_execution_ids, held.late_changes)


def is_up_to_date(held: SymbolBook, late: Late) -> bool:
    """Whether nothing else has come late since `late` was begun."""
    return held.late_changes == late.changes


def corrections(events: Iterable[FillCorrected]) -> dict[str, Fill]:
    """By execution id, the last word on each that was corrected: of all such events from the begin on."""
    return {event.fill.execution_id: event.fill for event in events}


class Pass:
    """One pass: `take` each event, then `fold`. `is_last` says whether any execution is left for another one."""

    def __init__(
        self, late: Late, after: Place, corrected: dict[str, Fill], executions_max: int = EXECUTIONS_AT_ONCE_MAX
    ) -> None:
        self._late, self._after, self._corrected, self._max = late, after, corrected, executions_max
        self._found: list[tuple[Place, Step]] = []
        self.is_last = True

    def take(self, event: OrderEvent, sequence: int) -> None:
        """Look at an event of the account; the first one of each execution counts, with the last word on it."""
        if isinstance(event, BooksAdjusted):
            for change in event.changes:
                if change.symbol == self._late.symbol and self._after < (change.at, sequence) <= self._late.up_to:
                    self._found.append(((change.at, sequence), change))
            return
        if not isinstance(event, OrderPartiallyFilled | OrderFilled):
            return
        fill = self._corrected.get(event.fill.execution_id, event.fill)
        place = (fill.at, sequence)
        if (
            fill.symbol == self._late.symbol
            and fill.execution_id not in self._late.adopted_execution_ids
            and self._after < place <= self._late.up_to
        ):
            self._found.append((place, (signed(fill.quantity, fill.side), fill.price)))
            if len(self._found) >= 2 * self._max:
                self._keep_first()

    def _keep_first(self) -> None:
        self._found.sort(key=lambda found: found[0])
        if len(self._found) > self._max:
            del self._found[self._max :]
            self.is_last = False

    def fold(self, before: Holding) -> tuple[Holding, Place]:
        """What was found makes of what was before, and behind which place the next pass goes on."""
        self._keep_first()
        holding = refold(before, (step for _, step in self._found))
        return holding, self._found[-1][0] if self._found else self._after

"""What an account has won and lost: the shape of that memory, and how old the prices are that it is valued at.

Owns the one queue of prices by age, so that a decision finds the oldest without looking at every position. What fills
and decisions make of it, `risk.losing`. Pure; it must not know orders, limits or the bus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from heapq import heapify, heappop, heappush

from msgspec import Struct
from signalbox.average_cost import FLAT, ZERO, Holding

Mark = tuple[datetime, str]
"""When the price of a symbol was of, and the symbol."""
IDLE_MAX = 64
"""So many marks that hold no more are kept before a queue is made anew."""


class Marks:
    """When the price was of that each held symbol is valued at, by the calendar that the symbol trades by."""

    __slots__ = ("_at", "_queues")

    def __init__(self) -> None:
        self._at: dict[str, tuple[datetime, str]] = {}
        self._queues: dict[str, list[Mark]] = {}

    @property
    def is_empty(self) -> bool:
        """Nothing is held."""
        return not self._at

    @property
    def calendars(self) -> tuple[str, ...]:
        return tuple(self._queues)

    def note(self, symbol: str, at: datetime, calendar: str) -> None:
        """A held symbol is valued at a price of `at` from now on."""
        if self._at.get(symbol) == (at, calendar):
            return
        self._at[symbol] = at, calendar
        queue = self._queues.setdefault(calendar, [])
        heappush(queue, (at, symbol))
        if len(queue) > 2 * len(self._at) + IDLE_MAX:
            queue[:] = [(each, name) for name, (each, where) in self._at.items() if where == calendar]
            heapify(queue)

    def drop(self, symbol: str) -> None:
        """It is not held any more."""
        self._at.pop(symbol, None)

    def oldest(self, calendar: str) -> Mark | None:
        """The oldest price of all that is held and trades by that calendar; what is over leaves."""
        queue = self._queues[calendar]
        while queue and self._at.get(queue[0][1]) != (queue[0][0], calendar):
            heappop(queue)
        return queue[0] if queue else None


@dataclass(slots=True)
class Traded:
    """One symbol: what is held and has come of it, without multiplier (`signalbox.average_cost`).

    `begun` is what was realised when what is held was begun. `worth` is what realised and unrealised PnL come to in the
    account's currency, as the sum has it. `stopped_at` is when a stop last closed something of it.
    """

    held: Holding = FLAT
    begun: Decimal = ZERO
    worth: Decimal = ZERO
    stopped_at: datetime | None = None

    @property
    def realised(self) -> Decimal:
        return self.held.realized_pnl(Decimal(1))


class Watched(Struct, frozen=True, gc=False):
    """What the process that decides saw when it last looked: of which day, its opening, and the peak until then."""

    at: datetime
    day: datetime
    opening: Decimal
    peak: Decimal


@dataclass(slots=True)
class Losses:
    """One account. `pnl` is the sum of all that is `traded`, but for what has no price or rate (`unvalued`).

    `day` is when the day began that `opening`, and the `lowest` PnL that a decision of it has seen, are of; `peak` is
    the highest of all. `last` is the PnL at the last decision, `moved_at` when something last filled. `in_a_row`
    positions were closed at a loss, the last one at `closed_at`. `watched` is what this process alone has seen.
    """

    traded: dict[str, Traded] = field(default_factory=dict)
    pnl: Decimal = ZERO
    unvalued: set[str] = field(default_factory=set)
    marks: Marks = field(default_factory=Marks, compare=False)
    day: datetime | None = None
    opening: Decimal = ZERO
    lowest: Decimal = ZERO
    peak: Decimal | None = None
    last: Decimal | None = None
    moved_at: datetime | None = None
    in_a_row: int = 0
    closed_at: datetime | None = None
    watched: Watched | None = field(default=None, compare=False)

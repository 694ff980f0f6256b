"""Puts right the cost of positions of which a fill came, or was corrected, after its neighbours had left memory.

Owns the reading of TRADE for it, beside the order path: quantities and cash are right at once, and the position is
published when its cost is. It must not know what a late fill is (`oms.books`), nor how they are folded
(`oms.refolding`). What if the process dies here? The next one folds the same events, or finds the position late in a
checkpoint, and reads again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.messages import FillCorrected, OrderEvent

from oms import metrics
from oms.books import settle_again
from oms.looking_up import read_event
from oms.positions import Holding
from oms.publishing import BookPublisher
from oms.refolding import Late, Pass, begin_again, corrections, is_up_to_date
from oms.state import AccountKey, State

TRADE = "TRADE"
EVENTS_AT_A_STRETCH = 50
"""Read before anything else of the process has its turn: half a millisecond."""


class LateFills:
    """`run` it as a task; `look` returns at once. `lock` is held by whoever changes the state."""

    def __init__(self, bus: Bus, state: State, lock: asyncio.Lock, publisher: BookPublisher) -> None:
        self._bus, self._state, self._lock, self._publisher = bus, state, lock, publisher
        self._wake = asyncio.Event()

    def look(self) -> None:
        """There may be a late position."""
        self._wake.set()

    async def run(self) -> None:
        """Put right whatever is late, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for account, symbol in self._late():
                await self._settle(account, symbol)

    def _late(self) -> list[tuple[AccountKey, str]]:
        return [
            (account, name)
            for account, book in self._state.accounts.items()
            for name, held in book.symbols.items()
            if held.is_late
        ]

    async def _settle(self, account: AccountKey, symbol: str) -> None:
        book = self._state.accounts[account]
        while True:
            late = begin_again(book, symbol)
            settled = await self._fold(account, late)
            async with self._lock:
                held = book.symbols[symbol]
                if is_up_to_date(held, late):
                    settle_again(book, held, settled)
                    break
        metrics.LATE_POSITIONS.labels(account[0]).inc()
        self._publisher.changed(account, (symbol,))

    async def _fold(self, account: AccountKey, late: Late) -> Holding:
        events = [event async for _, event in self._events(account, late) if isinstance(event, FillCorrected)]
        corrected = corrections(events)
        holding, after = late.begin.holding, late.begin.place
        while True:
            each = Pass(late, after, corrected)
            async for sequence, event in self._events(account, late):
                each.take(event, sequence)
            holding, after = each.fold(holding)
            if each.is_last:
                return holding

    async def _events(self, account: AccountKey, late: Late) -> AsyncIterator[tuple[int, OrderEvent]]:
        read = 0
        async for received in self._bus.read(TRADE, subjects.orders_of(*account), late.begin.from_sequence):
            event = read_event(received.payload)
            if event is not None:
                yield received.sequence, event
            read += 1
            if read % EVENTS_AT_A_STRETCH == 0:
                await asyncio.sleep(0)

"""Positions and books as messages: the desk's last word on each, for people and the recorder.

Owns a task that publishes what has changed, off the order path: a book is published as it is when its turn comes, so
changes that follow each other quickly are one message, and nothing old overwrites something new. It must not know why a
book has changed, nor how it is shown (`oms.statements`). After a crash all of it is published again from the rebuilt
books, under ids that derive from the event and the bar that made the figures.

Each is stored on the condition that the one before it is the one that this process knows. So a former holder of the
service's lease that wakes up overwrites nothing; the present holder, which finds a late word of the former one, looks
where it stands and says its own after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.errors import WrongSequenceError
from signalbox.lease import OwnLease
from signalbox.messages import Book, Position, VenueSnapshot

from oms.outcome import Drift
from oms.state import AccountKey, State
from oms.statements import Mark, Marks, book_message, compared_message, position_message


class BookPublisher:
    """Publishes what has changed, one at a time. `run` it as a task; `changed` and `marked` return at once."""

    def __init__(
        self, bus: Bus, state: State, marks: Marks, show: Callable[[Position | Book], None], lease: OwnLease
    ) -> None:
        self._bus, self._state, self._marks, self._show, self._lease = bus, state, marks, show, lease
        self._stored: dict[str, int] = {}
        """Where STATE has the last message on each subject; the books bound it."""
        # A dict for its order; it holds each position and book once, so the books themselves bound it.
        self._waiting: dict[tuple[AccountKey, str | None], None] = {}
        self._wake = asyncio.Event()

    def found(self, subject: str, sequence: int) -> None:
        """Note where STATE has a position or book that was published before this process."""
        self._stored[subject] = sequence

    def changed(self, account: AccountKey, symbols: tuple[str, ...]) -> None:
        """The account's book has changed, and its positions in `symbols`."""
        for symbol in symbols:
            self._waiting[account, symbol] = None
        if self._state.accounts[account].adopted:  # before that its cash is not known
            self._waiting[account, None] = None
        self._wake.set()

    def all_changed(self) -> None:
        """Publish everything: the process before may have died between an event and its books."""
        for account, book in self._state.accounts.items():
            self.changed(account, tuple(book.symbols))

    def marked(self, venue: str, symbol: str, mark: Mark) -> None:
        """A bar has closed: revalue every account's open position in it."""
        before = self._marks.get((venue, symbol))
        if before is not None and mark.at <= before.at:
            return
        self._marks[venue, symbol] = mark
        for account, book in self._state.accounts.items():
            held = book.symbols.get(symbol)
            if book.venue == venue and held is not None and held.holding.quantity:
                self._waiting[account, symbol] = None
                self._wake.set()

    async def compared(self, snapshot: VenueSnapshot, found: tuple[Drift, ...]) -> None:
        """Tell whoever hears it now in which positions a venue's snapshot and the books differ, none too."""
        await self._bus.send(subjects.compared(snapshot.venue, snapshot.account), compared_message(snapshot, found))

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Publish all that is waiting now."""
        while self._waiting:
            account, symbol = next(iter(self._waiting))
            del self._waiting[account, symbol]
            book = self._state.accounts[account]
            if symbol is None:
                if any(held.is_late for held in book.symbols.values()):
                    continue  # its realised PnL is said when all costs are known again
                await self._publish(subjects.book(book.venue, book.account), book_message(book))
            elif symbol in book.symbols and not book.symbols[symbol].is_late:  # a baseline may have replaced them
                message = position_message(book, symbol, self._marks.get((book.venue, symbol)))
                await self._publish(subjects.position(book.venue, book.account, symbol), message)

    async def _publish(self, subject: str, message: Position | Book) -> None:
        """Store the next word on `subject`; raises `LeaseLostError` when that is another process's to say."""
        self._show(message)
        while True:
            await self._lease.until_held()
            expected = self._stored.get(subject, 0)
            try:
                stored = await self._bus.publish(subject, message, expected_last_subject_sequence=expected)
            except WrongSequenceError:
                last = await self._bus.last("STATE", subject)
                self._stored[subject] = last.sequence if last is not None else 0
                continue
            self._stored[subject] = max(expected, stored.sequence)
            return

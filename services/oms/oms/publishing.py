"""Positions and books as messages: the desk's last word on each, for people and the recorder.

Owns how books are shown, and a task that publishes what has changed, off the order path: a book is published as it is
when its turn comes, so changes that follow each other quickly are one message, and nothing old overwrites something
new. It must not know why a book has changed. After a crash all of it is published again from the rebuilt books, under
ids that derive from the event and the bar that made the figures.

Each is stored on the condition that the one before it is the one that this process knows. So a former holder of the
service's lease that wakes up overwrites nothing; the present holder, which finds a late word of the former one, looks
where it stands and says its own after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.errors import WrongSequenceError
from signalbox.lease import OwnLease
from signalbox.messages import Book, Position

from oms.books import realized_pnl
from oms.positions import ZERO, shown
from oms.state import AccountBook, AccountKey, State


@dataclass(frozen=True, slots=True)
class Mark:
    """The last price of a symbol that a bar closed at."""

    price: Decimal
    at: datetime
    cause: str


Marks = dict[tuple[str, str], Mark]
"""By (venue, symbol)."""


def position_message(book: AccountBook, symbol: str, mark: Mark | None) -> Position:
    """The position as shown: figures rounded at 20 decimals, PnL before commission."""
    held = book.symbols[symbol]
    unrealized = held.holding.unrealized_pnl(mark.price, held.multiplier) if mark else ZERO
    at, cause = held.changed_at, held.changed_by
    if mark and mark.at > at:
        at, cause = mark.at, mark.cause
    return Position(
        id=f"position/{book.venue}/{book.account}/{symbol}/{held.trade_sequence}/{mark.cause if mark else ''}",
        at=at,
        cause=cause,
        venue=book.venue,
        account=book.account,
        symbol=symbol,
        currency=held.currency,
        multiplier=held.multiplier,
        quantity=shown(held.holding.quantity),
        average_price=shown(held.holding.average_price()),
        realized_pnl=shown(held.holding.realized_pnl(held.multiplier)),
        unrealized_pnl=shown(unrealized),
        commission=shown(held.commission),
        funding=shown(held.funding),
        mark_price=mark.price if mark else None,
    )


def book_message(book: AccountBook) -> Book:
    """The account's cash as shown, in its own currency; what trades in other currencies moved is beside it."""
    return Book(
        id=f"book/{book.venue}/{book.account}/{book.trade_sequence}",
        at=book.changed_at,
        cause=book.changed_by,
        venue=book.venue,
        account=book.account,
        currency=book.currency,
        cash=shown(book.cash.get(book.currency, ZERO)),
        realized_pnl=shown(realized_pnl(book, book.currency)),
        commission=shown(book.commission.get(book.currency, ZERO)),
        funding=shown(book.funding.get(book.currency, ZERO)),
        fills=book.fills,
        trade_sequence=book.trade_sequence,
        other_cash={currency: shown(cash) for currency, cash in book.cash.items() if currency != book.currency},
    )


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

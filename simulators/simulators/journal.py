"""What a venue does not forget: accounts, orders, executions and how far desk time has run, in one file.

Owns the file: JSON lines, each the whole new value of what changed, so that the last one counts and a line that a kill
cut short is simply not there. Each line is handed to the operating system before anyone hears of what it says.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct
from signalbox.errors import ConfigurationError
from signalbox.exchange.books import AccountBook
from signalbox.exchange.orders import Execution, VenueOrder
from signalbox.messages import decode, encode

from simulators.tape import PriceSet


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `at` is the desk time reached, `shown_until` the latest that may have been shown, `began` the first.

    `reason` says why a book changed that no execution changed; `price` is one that was set by hand.
    """

    order: VenueOrder | None = None
    execution: Execution | None = None
    book: AccountBook | None = None
    at: datetime | None = None
    shown_until: datetime | None = None
    began: datetime | None = None
    reason: str = ""
    price: PriceSet | None = None


class Remembered(Struct, kw_only=True):
    """Everything a journal says."""

    orders: dict[int, VenueOrder] = {}
    executions: list[Execution] = []
    books: dict[str, AccountBook] = {}
    at: datetime | None = None
    shown_until: datetime | None = None
    began: datetime | None = None
    prices: list[PriceSet] = []

    def symbols(self) -> set[str]:
        """Return what is held or was ordered: the venue lists it still."""
        held = {symbol for book in self.books.values() for symbol in book.positions}
        return held | {order.terms.symbol for order in self.orders.values()}


class Journal:
    """An append-only file of entries; without a path it remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def open(self) -> Remembered:
        """Read what there is, rewrite it without what later lines made void, and open for appending."""
        remembered = Remembered()
        if self._path is None:
            return remembered
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            remembered = _fold(self._path)
        draft = self._path.with_name(self._path.name + ".new")
        with draft.open("wb") as file:
            file.writelines(encode(entry) + b"\n" for entry in _entries(remembered))
        os.replace(draft, self._path)
        self._file = self._path.open("ab", buffering=0)
        return remembered

    def write(self, entry: Entry) -> None:
        """Append one entry."""
        if self._file is not None:
            self._file.write(encode(entry) + b"\n")

    def write_down(
        self,
        *,
        order: VenueOrder | None = None,
        execution: Execution | None = None,
        book: AccountBook | None = None,
        reason: str = "",
    ) -> None:
        """Append what has changed at the venue."""
        self.write(Entry(order=order, execution=execution, book=book, reason=reason))

    def close(self) -> None:
        """Close the file; what is written later is not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _fold(path: Path) -> Remembered:
    remembered = Remembered()
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline was cut short, or is empty
        try:
            entry: Entry = decode(line, Entry)
        except msgspec.DecodeError as error:
            raise ConfigurationError([f"{path} line {number} is not of a simulator's books: {error}"]) from error
        if entry.order is not None:
            remembered.orders[entry.order.number] = entry.order
        if entry.execution is not None:
            remembered.executions.append(entry.execution)
        if entry.book is not None:
            remembered.books[entry.book.account] = entry.book
        if entry.price is not None:
            remembered.prices.append(entry.price)
        remembered.at = entry.at or remembered.at
        remembered.shown_until = entry.shown_until or remembered.shown_until
        remembered.began = entry.began or remembered.began
    return remembered


def _entries(remembered: Remembered) -> list[Entry]:
    times = Entry(at=remembered.at, shown_until=remembered.shown_until, began=remembered.began)
    return [
        *(Entry(order=order) for order in remembered.orders.values()),
        *(Entry(execution=execution) for execution in remembered.executions),
        *(Entry(book=book) for book in remembered.books.values()),
        *(Entry(price=price) for price in remembered.prices),
        *([] if times == Entry() else [times]),
    ]

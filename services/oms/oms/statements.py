"""What people are told of the books: positions and cash, as messages. Pure.

Owns how figures are shown. It must not know when they are published (`oms.publishing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from signalbox.messages import Book, BooksCompared, Position, PositionDiffers, VenueSnapshot

from oms.books import realized_pnl
from oms.outcome import Drift, DriftKind
from oms.positions import ZERO, shown
from oms.state import AccountBook


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
    if mark is not None and mark.at < held.marks_from:
        mark = None  # a price of units that are no more
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
        income=shown(held.income),
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
        income=shown(book.income.get(book.currency, ZERO)),
        corrections=shown(book.corrections.get(book.currency, ZERO)),
        other_cash={currency: shown(cash) for currency, cash in book.cash.items() if currency != book.currency},
    )


def compared_message(snapshot: VenueSnapshot, found: tuple[Drift, ...]) -> BooksCompared:
    """In which positions a snapshot and the books differ."""
    return BooksCompared(
        id=f"{snapshot.id}/compared",
        at=snapshot.at,
        cause=snapshot.id,
        venue=snapshot.venue,
        account=snapshot.account,
        differ=tuple(
            PositionDiffers(symbol=drift.name, ours=Decimal(drift.ours), theirs=Decimal(drift.theirs))
            for drift in found
            if drift.kind is DriftKind.POSITION
        ),
    )

"""What a booked act does to an account: positions in their place among the fills, cash, income, and that it is done.

Owns the fold of `BooksAdjusted`. It must not judge an act (`oms.acts`): it has happened. Like `oms.books` it changes
the book that it is given.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import BookInterest, BooksAdjusted, PayDividend

from oms.books import book_change
from oms.positions import ZERO, add
from oms.state import ACTS_MAX, AccountBook


def note_act(book: AccountBook, act_id: str, sequence: int) -> None:
    """Remember that an act was booked or refused: the same again changes nothing."""
    book.acts[act_id] = sequence
    if len(book.acts) > ACTS_MAX:
        del book.acts[next(iter(book.acts))]


def book_act(book: AccountBook, event: BooksAdjusted, sequence: int) -> tuple[str, ...]:
    """Book an act; the symbols that it is about."""
    note_act(book, event.act.id, sequence)
    for change in event.changes:
        book_change(book, f"{event.id}/{change.symbol}", change, sequence)
    is_income = isinstance(event.act, PayDividend | BookInterest)
    of_kind = book.income if is_income else book.corrections
    for currency, amount in event.cash.items():
        _add(book.cash, currency, amount)
        _add(of_kind, currency, amount)
    named: str = getattr(event.act, "symbol", "")
    symbol = book.symbols.get(named)
    if symbol is None:
        return tuple([change.symbol for change in event.changes])
    if is_income and symbol.currency in event.cash:
        symbol.income = add(symbol.income, event.cash[symbol.currency])
    return tuple(dict.fromkeys([named, *(change.symbol for change in event.changes)]))


def _add(amounts: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    amounts[currency] = add(amounts.get(currency, ZERO), amount)

"""An account's books: what a fill, a correction, a fee, a funding payment and a baseline do to cash and positions.

Owns the arithmetic of accounts over `oms.state`. Pure but for the book it is given, which it changes in place: copying
all books at every fill would cost more than the fill. It must not know orders' statuses, messages' ids or the bus.

Two rules make the books independent of the order in which reports arrive. A fill, correction or fee counts once by
(execution id, revision), and the highest revision wins; a funding payment counts once by its id. Average cost depends
on the order of trades, so fills are folded in the order they were traded (the venue's time; arrival where a venue's
clock shows the same time).
"""

from __future__ import annotations

from bisect import insort
from datetime import datetime
from decimal import Decimal

from signalbox.messages import AccountAdopted, Fill

from oms.positions import DIGITS, ZERO, opening, refold, signed, trade
from oms.state import AccountBook, Execution, Fee, FundingPayment, SymbolBook

Place = tuple[datetime, int]


def book_execution(book: AccountBook, execution: Execution) -> None:
    """Book a fill, or the correction of one that is booked; nothing for one that the baseline contains."""
    fill = execution.fill
    if fill.execution_id in book.adopted_execution_ids:
        return
    symbol = book.symbols.get(fill.symbol)
    if symbol is None:
        symbol = _open(book, fill.symbol, SymbolBook(execution.currency, execution.multiplier))
    before = book.executions.get(fill.execution_id)
    if before is not None:
        execution = Execution(fill, before.order_id, before.currency, before.multiplier, before.trade_sequence)
        _move_cash(book, before, -1)
        corrected = book.symbols[before.fill.symbol]
        corrected.execution_ids.remove(fill.execution_id)
        _refold(book, corrected)
    book.executions[fill.execution_id] = execution
    _move_cash(book, execution, 1)
    is_newest = not symbol.execution_ids or _place(book, symbol.execution_ids[-1]) <= _place(book, fill.execution_id)
    insort(symbol.execution_ids, fill.execution_id, key=lambda execution_id: _place(book, execution_id))
    if before is None and is_newest:
        symbol.holding = trade(symbol.holding, signed(fill.quantity, fill.side), fill.price)
    else:
        _refold(book, symbol)
    if before is None and fill.execution_id in book.fees:
        _count_fee(book, symbol, book.fees[fill.execution_id], 1)


def book_fee(book: AccountBook, execution_id: str, fee: Fee) -> None:
    """Keep the fee of an execution, in place of an older revision's; count it if the execution is booked."""
    before = book.fees.get(execution_id)
    book.fees[execution_id] = fee
    execution = book.executions.get(execution_id)
    if execution is None:
        return
    symbol = book.symbols[execution.fill.symbol]
    if before is not None:
        _count_fee(book, symbol, before, -1)
    _count_fee(book, symbol, fee, 1)


def book_funding(book: AccountBook, funding_id: str, payment: FundingPayment) -> None:
    """Book a funding payment once; nothing for one that the baseline contains."""
    if funding_id in book.adopted_funding_ids or funding_id in book.funding_payments:
        return
    book.funding_payments[funding_id] = payment
    _add(book.funding, payment.currency, payment.amount)
    _add(book.cash, payment.currency, payment.amount)
    symbol = book.symbols.get(payment.symbol)
    if symbol is not None:
        _count_funding(symbol, payment)


def adopt(book: AccountBook, baseline: AccountAdopted) -> None:
    """Begin the books with what the venue states.

    What was booked before the baseline came stays booked unless the baseline contains it.
    """
    executions, fees, payments = book.executions, book.fees, book.funding_payments
    book.adopted = True
    book.currency = baseline.currency
    book.adopted_execution_ids = frozenset(baseline.execution_ids)
    book.adopted_funding_ids = frozenset(baseline.funding_ids)
    book.cash = {baseline.currency: baseline.cash}
    book.commission, book.symbols, book.executions, book.fees = {}, {}, {}, {}
    book.funding, book.funding_payments = {}, {}
    for held in baseline.positions:
        start = opening(held.quantity, held.average_price)
        book.symbols[held.symbol] = SymbolBook(held.currency, held.multiplier, opening=start, holding=start)
    for execution in executions.values():
        book_execution(book, execution)
    for execution_id, fee in fees.items():
        book_fee(book, execution_id, fee)
    for funding_id, payment in payments.items():
        book_funding(book, funding_id, payment)


def fill_value(fill: Fill, multiplier: Decimal) -> Decimal:
    """What a fill does to cash, before commission: bought < 0, sold > 0."""
    return DIGITS.minus(DIGITS.multiply(DIGITS.multiply(signed(fill.quantity, fill.side), fill.price), multiplier))


def realized_pnl(book: AccountBook, currency: str) -> Decimal:
    """The realised PnL of all symbols in that currency, before commission."""
    total = ZERO
    for symbol in book.symbols.values():
        if symbol.currency == currency:
            total = DIGITS.add(total, symbol.holding.realized_pnl(symbol.multiplier))
    return total


def _open(book: AccountBook, name: str, symbol: SymbolBook) -> SymbolBook:
    """Begin a symbol. Funding for it may have been reported before the fill that opened the position."""
    book.symbols[name] = symbol
    for payment in book.funding_payments.values():
        if payment.symbol == name:
            _count_funding(symbol, payment)
    return symbol


def _place(book: AccountBook, execution_id: str) -> Place:
    execution = book.executions[execution_id]
    return execution.fill.at, execution.trade_sequence


def _refold(book: AccountBook, symbol: SymbolBook) -> None:
    fills = (book.executions[execution_id].fill for execution_id in symbol.execution_ids)
    symbol.holding = refold(symbol.opening, ((signed(fill.quantity, fill.side), fill.price) for fill in fills))


def _move_cash(book: AccountBook, execution: Execution, sign: int) -> None:
    value = fill_value(execution.fill, execution.multiplier)
    _add(book.cash, execution.currency, value if sign > 0 else value.copy_negate())


def _count_fee(book: AccountBook, symbol: SymbolBook, fee: Fee, sign: int) -> None:
    amount = fee.commission if sign > 0 else fee.commission.copy_negate()
    _add(book.commission, fee.currency, amount)
    _add(book.cash, fee.currency, amount.copy_negate())
    # A position states one currency; a fee in another is in cash and in the account's commission only.
    if fee.currency == symbol.currency:
        symbol.commission = DIGITS.add(symbol.commission, amount)


def _count_funding(symbol: SymbolBook, payment: FundingPayment) -> None:
    if payment.currency == symbol.currency:
        symbol.funding = DIGITS.add(symbol.funding, payment.amount)


def _add(amounts: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    amounts[currency] = DIGITS.add(amounts.get(currency, ZERO), amount)

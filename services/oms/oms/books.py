"""An account's books: what a fill, a correction, a fee, a funding payment and a baseline do to cash and positions.

Owns the arithmetic of accounts over `oms.state`. Pure but for the book it is given, which it changes in place: copying
all books at every fill would cost more than the fill. It must not know orders' statuses, messages' ids or the bus.

Two rules make the books independent of the order in which reports arrive. A fill, correction or fee counts once by
(execution id, revision), and the highest revision wins; a funding payment counts once by its id. Average cost depends
on the order of trades, so fills are folded in the order they were traded (the venue's time; arrival where a venue's
clock shows the same time). Quantities and money only add up: a fill that comes when its neighbours have left memory is
in both at once, and in the cost once they have been read again (`oms.refolding`).
"""

from __future__ import annotations

from bisect import insort
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import AccountAdopted, ChangeKind, Fill, PositionChange, Side
from signalbox.subjects import ACTS

from oms.positions import (
    DIGITS,
    ZERO,
    Holding,
    Step,
    add,
    divide,
    multiply,
    opening,
    refold,
    signed,
    subtract,
)
from oms.state import (
    MILESTONE_EXECUTIONS,
    MILESTONES_MAX,
    AccountBook,
    Execution,
    Fee,
    FundingPayment,
    Milestone,
    Place,
    Rescaled,
    SymbolBook,
)


def book_execution(book: AccountBook, execution: Execution) -> None:
    """Book a fill, or the correction of one that is booked; nothing for one that the baseline contains.

    One that has left memory must have been recalled.
    """
    fill = execution.fill
    if fill.execution_id in book.adopted_execution_ids:
        return
    symbol = book.symbols.get(fill.symbol)
    if symbol is None:
        symbol = _open(book, fill.symbol, SymbolBook(execution.currency, execution.multiplier))
    before = book.find_execution(fill.execution_id)
    if before is not None:
        execution = replace(before, fill=fill)
        _move_cash(book, before, -1)
        _take_out(book, before)
    else:
        book.fills += 1
    _move_cash(book, execution, 1)
    _put_in(book, symbol, execution, is_new=before is None)
    if before is None and fill.execution_id in book.fees:
        _count_fee(book, symbol, book.fees[fill.execution_id], 1)
    if fill.execution_id not in book.executions:
        _let_fee_leave(book, execution)
    elif fill.execution_id in book.recalled_fees:  # corrected to a later time, it is among those that are here again
        book.fees[fill.execution_id] = book.recalled_fees.pop(fill.execution_id)
    _let_leave(book, symbol)


def book_change(book: AccountBook, change_id: str, change: PositionChange, trade_sequence: int) -> None:
    """Put what an act does to a position in its place among the fills of the symbol."""
    symbol = book.symbols.get(change.symbol)
    if symbol is None:
        symbol = _open(book, change.symbol, SymbolBook(change.currency, change.multiplier))
    nothing = Fill(
        execution_id=change_id,
        revision=0,
        order_id=ACTS,
        symbol=change.symbol,
        side=Side.BUY,
        quantity=ZERO,
        price=ZERO,
        at=change.at,
    )
    execution = Execution(nothing, ACTS, change.currency, change.multiplier, trade_sequence, change=change)
    if change.kind is ChangeKind.SPLIT:
        symbol.rescaled.append(Rescaled(place_of(execution), change.numerator, change.denominator))
        symbol.marks_from = max(symbol.marks_from, change.at)
    elif change.kind is ChangeKind.SET:
        symbol.rescaled.append(Rescaled(place_of(execution), ZERO, Decimal(1)))
    _put_in(book, symbol, execution, is_new=True)
    _let_leave(book, symbol)


def holding_at(book: AccountBook, name: str, place: Place) -> Holding:
    """What was held of a symbol at a place that has not left memory."""
    symbol = book.symbols[name]
    here = [book.executions[execution_id] for execution_id in symbol.execution_ids]
    return refold(symbol.settled, (_step(execution) for execution in here if place_of(execution) < place))


def _step(execution: Execution) -> Step:
    """What an execution does to the holding."""
    if execution.change is not None:
        return execution.change
    return signed(execution.fill.quantity, execution.fill.side), execution.fill.price


def _put_in(book: AccountBook, symbol: SymbolBook, execution: Execution, *, is_new: bool) -> None:
    """Among the executions that are here, or behind them: then only the quantity and the money are right at once."""
    fill, place = execution.fill, place_of(execution)
    if symbol.settled_place is not None and place <= symbol.settled_place:
        _change_settled(symbol, signed(fill.quantity, fill.side), fill.price, place)
        if execution.change is not None:
            symbol.settled = refold(symbol.settled, (execution.change,))
        book.recalled[fill.execution_id] = execution
        book.left.add(fill.execution_id, execution.trade_sequence)
        _refold(book, symbol)
        return
    book.executions[fill.execution_id] = execution
    is_newest = not symbol.execution_ids or _place(book, symbol.execution_ids[-1]) <= place
    if is_newest:
        symbol.execution_ids.append(fill.execution_id)
    else:
        insort(symbol.execution_ids, fill.execution_id, key=lambda execution_id: _place(book, execution_id))
    if is_new and is_newest:
        symbol.holding = refold(symbol.holding, (_step(execution),))
    else:
        _refold(book, symbol)


def _take_out(book: AccountBook, before: Execution) -> None:
    """Undo an execution that is about to be corrected, in what was its symbol."""
    fill, symbol = before.fill, book.symbols[before.fill.symbol]
    if fill.execution_id in book.executions:
        del book.executions[fill.execution_id]
        symbol.execution_ids.remove(fill.execution_id)
    else:
        _change_settled(symbol, signed(fill.quantity, fill.side).copy_negate(), fill.price, place_of(before))
        book.recalled.pop(fill.execution_id, None)
    _refold(book, symbol)


def _change_settled(symbol: SymbolBook, quantity: Decimal, price: Decimal, place: Place) -> None:
    """Change what has left by a fill at `place`; the cost of all that came after it is to be folded again."""
    settled = symbol.settled
    held = quantity
    for rescaled in symbol.rescaled:
        if symbol.settled_place is not None and place < rescaled.place <= symbol.settled_place:
            held = divide(multiply(held, rescaled.numerator), rescaled.denominator)
    symbol.settled = Holding(
        add(settled.quantity, held),
        settled.cost,
        subtract(settled.proceeds, multiply(quantity, price)),
    )
    symbol.is_late = True
    symbol.late_changes += 1
    symbol.milestones = [milestone for milestone in symbol.milestones if milestone.place < place]


def _let_leave(book: AccountBook, symbol: SymbolBook) -> None:
    """Of more executions than are kept the oldest go, with their fees: they are in TRADE."""
    keep = book.keep
    if len(symbol.execution_ids) < keep.executions + keep.at_once:
        return
    while book.adopted and len(symbol.execution_ids) > keep.executions:
        execution_id = symbol.execution_ids.pop(0)
        execution = book.executions.pop(execution_id)
        step = _step(execution)
        symbol.settled = refold(symbol.settled, (step,))
        symbol.settled_place, symbol.settled_count = place_of(execution), symbol.settled_count + 1
        book.left.add(execution_id, execution.trade_sequence)
        _let_fee_leave(book, execution)
        if symbol.is_late:
            symbol.settled_meanwhile.append(step)
        elif symbol.settled_count % MILESTONE_EXECUTIONS == 0:
            _keep_milestone(book, symbol)


def _let_fee_leave(book: AccountBook, execution: Execution) -> None:
    execution_id = execution.fill.execution_id
    fee = book.fees.get(execution_id)
    if fee is not None and fee.order_id == execution.order_id:
        book.recalled_fees[execution_id] = book.fees.pop(execution_id)


def _keep_milestone(book: AccountBook, symbol: SymbolBook) -> None:
    assert symbol.settled_place is not None
    here = [book.executions[execution_id].trade_sequence for execution_id in symbol.execution_ids]
    symbol.milestones.append(Milestone(symbol.settled_place, symbol.settled, min(here)))
    if len(symbol.milestones) > MILESTONES_MAX:
        del symbol.milestones[::2]


def settle_again(book: AccountBook, symbol: SymbolBook, settled: Holding) -> None:
    """Put right what is late: `settled` is folded anew, up to where `settled_meanwhile` begins."""
    symbol.settled = refold(settled, symbol.settled_meanwhile)
    symbol.is_late, symbol.settled_meanwhile = False, []
    _refold(book, symbol)


def book_fee(book: AccountBook, execution_id: str, fee: Fee) -> None:
    """Keep the fee of an execution, in place of an older revision's; count it if the execution is booked."""
    before = book.find_fee(execution_id)
    if execution_id in book.recalled:  # then the fee is written under the execution's own order, and leaves with it
        book.recalled_fees[execution_id] = fee
        book.fees.pop(execution_id, None)
    else:
        book.fees[execution_id] = fee
    execution = book.find_execution(execution_id)
    if execution is None:
        return
    symbol = book.symbols[execution.fill.symbol]
    if before is not None:
        _count_fee(book, symbol, before, -1)
    _count_fee(book, symbol, fee, 1)


def contains_funding(book: AccountBook, funding_id: str, at: datetime | None) -> bool:
    """Whether the baseline has a payment that was made at `at`: a venue pays before it lists what it has paid."""
    until = book.adopted_funding_until
    return funding_id in book.adopted_funding_ids or (until is not None and at is not None and at <= until)


def book_funding(book: AccountBook, funding_id: str, payment: FundingPayment) -> None:
    """Book a funding payment once; nothing for one that the baseline contains."""
    if contains_funding(book, funding_id, payment.at) or funding_id in book.funding_payments:
        return
    book.funding_payments[funding_id] = payment
    _add(book.funding, payment.currency, payment.amount)
    _add(book.cash, payment.currency, payment.amount)
    _add(book.funding_of_symbols.setdefault(payment.symbol, {}), payment.currency, payment.amount)
    symbol = book.symbols.get(payment.symbol)
    if symbol is not None:
        _count_funding(symbol, payment.currency, payment.amount)
    keep_payments(book)


def keep_payments(book: AccountBook) -> None:
    """Of more payments than are kept the oldest goes: it is in TRADE."""
    while book.adopted and len(book.funding_payments) > book.keep.funding_payments:
        oldest = next(iter(book.funding_payments))
        book.left.add(oldest, book.funding_payments.pop(oldest).trade_sequence)


def adopt(book: AccountBook, baseline: AccountAdopted) -> None:
    """Begin the books with what the venue states.

    What was booked before the baseline came stays booked unless the baseline contains it.
    """
    executions, fees, payments = book.executions, book.fees, book.funding_payments
    book.adopted = False  # nothing leaves before all of it is booked again
    book.currency = baseline.currency
    book.adopted_execution_ids = frozenset(baseline.execution_ids)
    book.adopted_funding_ids = frozenset(baseline.funding_ids)
    book.adopted_funding_until = baseline.funding_until
    book.cash = {**baseline.other_cash, baseline.currency: baseline.cash}
    book.commission, book.symbols, book.executions, book.fees = {}, {}, {}, {}
    book.funding, book.funding_payments, book.funding_of_symbols, book.fills = {}, {}, {}, 0
    for held in baseline.positions:
        start = opening(held.quantity, held.average_price)
        book.symbols[held.symbol] = SymbolBook(
            held.currency, held.multiplier, opening=start, settled=start, holding=start
        )
    for execution in executions.values():
        book_execution(book, execution)
    for execution_id, fee in fees.items():
        book_fee(book, execution_id, fee)
    for funding_id, payment in payments.items():
        book_funding(book, funding_id, payment)
    book.adopted = True
    for symbol in book.symbols.values():
        _let_leave(book, symbol)
    keep_payments(book)


def fill_value(fill: Fill, multiplier: Decimal) -> Decimal:
    """What a fill does to cash, before commission: bought < 0, sold > 0."""
    return DIGITS.minus(multiply(multiply(signed(fill.quantity, fill.side), fill.price), multiplier))


def realized_pnl(book: AccountBook, currency: str) -> Decimal:
    """The realised PnL of all symbols in that currency, before commission."""
    total = ZERO
    for symbol in book.symbols.values():
        if symbol.currency == currency:
            total = add(total, symbol.holding.realized_pnl(symbol.multiplier))
    return total


def _open(book: AccountBook, name: str, symbol: SymbolBook) -> SymbolBook:
    """Begin a symbol. Funding for it may have been reported before the fill that opened the position."""
    book.symbols[name] = symbol
    for currency, amount in book.funding_of_symbols.get(name, {}).items():
        _count_funding(symbol, currency, amount)
    return symbol


def place_of(execution: Execution) -> Place:
    """Where an execution stands in the order of trading."""
    return execution.fill.at, execution.trade_sequence


def _place(book: AccountBook, execution_id: str) -> Place:
    return place_of(book.executions[execution_id])


def _refold(book: AccountBook, symbol: SymbolBook) -> None:
    here = (book.executions[execution_id] for execution_id in symbol.execution_ids)
    symbol.holding = refold(symbol.settled, map(_step, here))


def _move_cash(book: AccountBook, execution: Execution, sign: int) -> None:
    fill = execution.fill
    value = fill_value(fill, execution.multiplier)
    _add(book.cash, execution.currency, value if sign > 0 else value.copy_negate())
    if execution.base_currency:
        quantity = signed(fill.quantity, fill.side)
        _add(book.cash, execution.base_currency, quantity if sign > 0 else quantity.copy_negate())


def _count_fee(book: AccountBook, symbol: SymbolBook, fee: Fee, sign: int) -> None:
    amount = fee.commission if sign > 0 else fee.commission.copy_negate()
    _add(book.commission, fee.currency, amount)
    _add(book.cash, fee.currency, amount.copy_negate())
    # A position states one currency; a fee in another is in cash and in the account's commission only.
    if fee.currency == symbol.currency:
        symbol.commission = add(symbol.commission, amount)


def _count_funding(symbol: SymbolBook, currency: str, amount: Decimal) -> None:
    if currency == symbol.currency:
        symbol.funding = add(symbol.funding, amount)


def _add(amounts: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    amounts[currency] = add(amounts.get(currency, ZERO), amount)

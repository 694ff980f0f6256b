"""What a booked act of an operator does to positions, as risk knows them: a part of the fold of TRADE.

Owns the fold of `BooksAdjusted`, but for what it switches (`risk.switches`). It must not judge an act: it has happened.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import BooksAdjusted, ChangeKind, Fill

from risk import losing
from risk.exposure import books_of, holding_of, note_traded, revalue, settle_terms
from risk.state import ONE, ZERO, Holding, RiskState


def adjust(state: RiskState, event: BooksAdjusted) -> None:
    """An operator's act has moved positions; what was traded before a split is in old units from now on."""
    books = books_of(state, (event.venue, event.account))
    for change in event.changes:
        holding = holding_of(state, books, event.venue, change.symbol)
        if not holding.currency:
            holding.currency, holding.multiplier = change.currency, change.multiplier
            settle_terms(state, books, change.symbol, holding)
        holding.quantity += change.moved
        if change.kind is ChangeKind.SPLIT:
            holding.rescaled.append((change.at, change.numerator, change.denominator))
        elif change.kind is ChangeKind.SET:
            holding.rescaled.append((change.at, ZERO, ONE))
        if change.quantity:
            note_traded(holding, change.cost / change.quantity)
        revalue(books, change.symbol, holding)
        losing.change(state, books, event.venue, change, holding)


def in_units_of_now(holding: Holding, fill: Fill) -> Decimal:
    """What a fill is worth in units of now: traded before a split it is in old ones, before a figure was set in it."""
    quantity = fill.quantity
    for at, numerator, denominator in holding.rescaled:
        if fill.at < at:
            quantity = quantity * numerator / denominator
    return quantity

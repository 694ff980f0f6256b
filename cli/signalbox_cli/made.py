"""What each strategy has made of its own fills, by the OMS's own position maths. Pure: rows in, figures out.

What an operator's act does to a position it does to each strategy's part of it: a split and a new name to all of them,
a dividend and interest by what each holds then. What no order has traded (a correction, an adoption) is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalbox.messages import ChangeKind, PositionChange, Side

if TYPE_CHECKING:
    from oms.positions import Holding

Of = tuple[str, str, str, str]
"""(strategy, venue, account, symbol)."""
Marks = Mapping[tuple[str, str, str], tuple[Decimal, Decimal | None]]
"""By (venue, account, symbol): multiplier, and the price at which what is open is valued; None = there is none yet."""
ZERO, ONE = Decimal(0), Decimal(1)
NOBODY = ""
RENAME = "RenameSymbol"


@dataclass(frozen=True, slots=True)
class Made:
    """What was made, and what is held. `unrealized` None = nobody has said a price."""

    quantity: Decimal
    realized: Decimal
    unrealized: Decimal | None
    commission: Decimal
    income: Decimal = ZERO
    """Dividends, and interest on what is borrowed."""

    @property
    def net(self) -> Decimal | None:
        if self.unrealized is None:
            return None
        return self.realized + self.unrealized + self.income - self.commission


@dataclass(slots=True)
class _Books:
    """What is known while the rows are folded."""

    marks: Marks
    held: dict[Of, Holding] = field(default_factory=dict)
    before: dict[Of, Decimal] = field(default_factory=dict)
    """What was realised before the time from which it counts."""
    fees: dict[Of, Decimal] = field(default_factory=dict)
    income: dict[Of, Decimal] = field(default_factory=dict)

    def multiplier(self, key: Of) -> Decimal:
        return self.marks.get(key[1:], (ONE, None))[0]

    def holders(self, market: tuple[str, ...]) -> list[Of]:
        return [key for key, holding in self.held.items() if key[1:] == market and holding.quantity]


def made_by_strategy(
    fills: Iterable[Mapping[str, Any]], marks: Marks, since: str, acts: Iterable[Mapping[str, Any]] = ()
) -> dict[Of, Made]:
    """Fold fills and acts in the order in which they were traded, as the OMS does. What was realised, paid and received
    counts from `since` on (times as on the wire)."""
    books = _Books(marks)
    steps = [*((each["at"], True, each) for each in fills), *((each["at"], False, each) for each in acts)]
    for at, is_fill, row in sorted(steps, key=lambda step: step[0]):  # of one instant: the fills first, as they came
        touched = _fill(books, row, at >= since) if is_fill else _act(books, row, at >= since)
        if at < since:
            for key in touched:
                books.before[key] = books.held[key].realized_pnl(books.multiplier(key))
    return {key: _made(books, key) for key in books.held}


def _made(books: _Books, key: Of) -> Made:
    holding, (multiplier, mark) = books.held[key], books.marks.get(key[1:], (ONE, None))
    unrealized: Decimal | None = ZERO
    if holding.quantity:
        unrealized = holding.unrealized_pnl(mark, multiplier) if mark is not None else None
    return Made(
        quantity=holding.quantity,
        realized=holding.realized_pnl(multiplier) - books.before.get(key, ZERO),
        unrealized=unrealized,
        commission=books.fees.get(key, ZERO),
        income=books.income.get(key, ZERO),
    )


def _fill(books: _Books, row: Mapping[str, Any], counts: bool) -> list[Of]:
    from oms.positions import FLAT, add, signed, trade

    key = (row["strategy"], row["venue"], row["account"], row["symbol"])
    quantity = signed(Decimal(row["quantity"]), Side(row["side"]))
    books.held[key] = trade(books.held.get(key, FLAT), quantity, Decimal(row["price"]))
    if counts:
        books.fees[key] = add(books.fees.get(key, ZERO), Decimal(row["commission"] or 0))
    return [key]


def _act(books: _Books, row: Mapping[str, Any], counts: bool) -> list[Of]:
    """What an act does: a row is one change of it, or the income that it books for a symbol."""
    market = (row["venue"], row["account"], row["symbol"])
    if row["kind"] is None:
        return _income(books, market, Decimal(row["income"]), counts)
    change = PositionChange(
        symbol=row["symbol"], currency="", multiplier=ONE, kind=ChangeKind(row["kind"]),
        at=datetime.fromisoformat(row["at"]), moved=ZERO, quantity=Decimal(row["quantity"]), cost=Decimal(row["cost"]),
        numerator=Decimal(row["numerator"]), denominator=Decimal(row["denominator"]),
    )  # fmt: skip
    if change.kind is ChangeKind.SPLIT:
        return _apply(books, [(key, change) for key in books.holders(market)])
    if row["type"] == RENAME:
        return _renamed(books, row, market)
    return _apply(books, [((NOBODY, *market), _nobodys(books, market, change))])


def _apply(books: _Books, changes: Iterable[tuple[Of, PositionChange]]) -> list[Of]:
    from oms.positions import FLAT, changed

    touched = []
    for key, change in changes:
        books.held[key] = changed(books.held.get(key, FLAT), change)
        touched.append(key)
    return touched


def _nobodys(books: _Books, market: tuple[str, str, str], change: PositionChange) -> PositionChange:
    """A correction as it is; of a position that was set, what is left when each strategy keeps its own."""
    from msgspec.structs import replace
    from oms.positions import subtract

    if change.kind is not ChangeKind.SET:
        return change
    quantity, cost = change.quantity, change.cost
    for key in books.holders(market):
        if key[0] != NOBODY:
            quantity = subtract(quantity, books.held[key].quantity)
            cost = subtract(cost, books.held[key].cost)
    return replace(change, quantity=quantity, cost=cost)


def _renamed(books: _Books, row: Mapping[str, Any], market: tuple[str, str, str]) -> list[Of]:
    """Each strategy's part goes to the other name. The change of the old one says so; the new one's is the same."""
    if row["symbol"] != row["of_symbol"]:
        return []
    changes = []
    for key in books.holders(market):
        holding = books.held[key]
        gone = PositionChange(
            symbol=key[3], currency="", multiplier=ONE, kind=ChangeKind.TRADE, at=datetime.fromisoformat(row["at"]),
            moved=ZERO, quantity=-holding.quantity, cost=-holding.cost,
        )  # fmt: skip
        changes += [(key, gone), ((*key[:3], row["new_symbol"]), _reverse(gone))]
    return _apply(books, changes)


def _reverse(change: PositionChange) -> PositionChange:
    from msgspec.structs import replace

    return replace(change, quantity=-change.quantity, cost=-change.cost)


def _income(books: _Books, market: tuple[str, str, str], amount: Decimal, counts: bool) -> list[Of]:
    """By what each holds; where nobody does (it was sold since) it is nobody's."""
    from oms.positions import FLAT, add, divide, multiply

    holders = books.holders(market)
    held = sum((books.held[key].quantity for key in holders), ZERO)
    if not held:
        key: Of = (NOBODY, *market)
        books.held.setdefault(key, FLAT)
        parts = {key: amount}
    else:
        parts = {key: divide(multiply(amount, books.held[key].quantity), held) for key in holders}
    if counts:
        for each, part in parts.items():
            books.income[each] = add(books.income.get(each, ZERO), part)
    return list(parts)

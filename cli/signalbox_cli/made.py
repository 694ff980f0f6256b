"""What each strategy has made of its own fills, by the OMS's own position maths. Pure: rows in, figures out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from signalbox.messages import Side

Of = tuple[str, str, str, str]
"""(strategy, venue, account, symbol)."""
Marks = Mapping[tuple[str, str, str], tuple[Decimal, Decimal | None]]
"""By (venue, account, symbol): multiplier, and the price at which what is open is valued; None = there is none yet."""
ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Made:
    """What was made, and what is held. `unrealized` None = nobody has said a price."""

    quantity: Decimal
    realized: Decimal
    unrealized: Decimal | None
    commission: Decimal

    @property
    def net(self) -> Decimal | None:
        return None if self.unrealized is None else self.realized + self.unrealized - self.commission


def made_by_strategy(fills: Iterable[Mapping[str, Any]], marks: Marks, since: str) -> dict[Of, Made]:
    """Fold fills, oldest first. What was realised and paid counts from `since` on (times as on the wire)."""
    from oms.positions import FLAT, Holding, add, signed, trade

    held: dict[Of, Holding] = {}
    before: dict[Of, Decimal] = {}
    fees: dict[Of, Decimal] = {}
    for each in fills:
        key = (each["strategy"], each["venue"], each["account"], each["symbol"])
        multiplier = marks.get(key[1:], (ONE, None))[0]
        quantity = signed(Decimal(each["quantity"]), Side(each["side"]))
        held[key] = trade(held.get(key, FLAT), quantity, Decimal(each["price"]))
        if each["at"] < since:
            before[key] = held[key].realized_pnl(multiplier)
        else:
            fees[key] = add(fees.get(key, ZERO), Decimal(each["commission"] or 0))
    found = {}
    for key, holding in held.items():
        multiplier, mark = marks.get(key[1:], (ONE, None))
        realized = holding.realized_pnl(multiplier) - before.get(key, ZERO)
        if not holding.quantity:
            unrealized: Decimal | None = ZERO
        else:
            unrealized = holding.unrealized_pnl(mark, multiplier) if mark is not None else None
        found[key] = Made(holding.quantity, realized, unrealized, fees.get(key, ZERO))
    return found

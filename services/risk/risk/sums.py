"""What an account's positions come to together, beside its gross value: how many there are, and what is long and short.

Owns these sums, kept with every change of a holding, and what a decision keeps of them where a limit on them is stated.
Of what is under way the worst counts: `long_value` is as if all purchases had filled and no sale, `short_value` the
other way round, with its sign turned. Pure; it must not know a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import structs
from signalbox.messages import AccountWorth, BooksSeen, PositionSeen, SumsSeen

if TYPE_CHECKING:
    from risk.state import AccountKey, RiskState

ZERO = Decimal(0)
NOTHING = SumsSeen().long_value
"""The very default: what is at its default is left out of a message."""
Values = tuple[Decimal, Decimal, Decimal]
"""The present value, and those of the working orders to buy and to sell."""


@dataclass(slots=True)
class Sums:
    """Of an account; or the part of one holding. `positions` are symbols that are held or being opened."""

    positions: int = 0
    long_value: Decimal = ZERO
    short_value: Decimal = ZERO


def count(total: Sums, part: Sums, is_open: bool, values: Values) -> None:
    """Bring a holding's part, and with it the account's sums, up to date."""
    present, bought, sold = values
    positions, long, short = int(is_open), present + bought, sold - present
    total.positions += positions - part.positions
    total.long_value += long - part.long_value
    total.short_value += short - part.short_value
    part.positions, part.long_value, part.short_value = positions, long, short


def seen(state: RiskState, key: AccountKey, of_group: bool) -> SumsSeen:
    """What a decision on an order there keeps. Of one part of a group's order the others are not known yet."""
    sums = state.books[key].sums
    return SumsSeen(
        positions=sums.positions,
        long_value=sums.long_value or NOTHING,
        short_value=sums.short_value or NOTHING,
        net_liquidation=_net_liquidation(state, key),
        others=() if of_group else tuple([_worth(state, each, key) for each in state.books if each != key]),
        is_of_group=of_group,
    )


def _net_liquidation(state: RiskState, key: AccountKey) -> Decimal | None:
    """What the venue says that an account is worth, where that is a number in the currency of its books."""
    told, books = state.accounts.get(key), state.books[key]
    if told is None or told.message.currency != books.currency:
        return None
    worth = told.message.net_liquidation
    return worth if worth.is_finite() else None


def _worth(state: RiskState, key: AccountKey, of: AccountKey) -> AccountWorth:
    books, told = state.books[key], state.accounts.get(key)
    return AccountWorth(
        venue=key[0],
        name=key[1],
        currency=books.currency,
        worst_value=books.worst_value if not books.unvalued else None,
        net_liquidation=_net_liquidation(state, key),
        rate=state.books[of].rates.get(books.currency),
        at=told.kept.at if told is not None else None,
        source=told.source if told is not None else "",
    )


def moved(books: BooksSeen, before: PositionSeen, after: PositionSeen, was: Values, becomes: Values) -> BooksSeen:
    """The account with one of its positions another."""
    sums = books.sums
    if sums is None:
        return books
    opened = _is_open(after) - _is_open(before)
    long = becomes[0] + becomes[1] - was[0] - was[1]
    short = becomes[2] - becomes[0] - was[2] + was[0]
    return structs.replace(
        books,
        sums=structs.replace(
            sums,
            positions=sums.positions + opened,
            long_value=sums.long_value + long,
            short_value=sums.short_value + short,
        ),
    )


def _is_open(held: PositionSeen) -> bool:
    return bool(held.quantity or held.buying_quantity or held.selling_quantity)

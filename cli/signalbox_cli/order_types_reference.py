"""Writes docs/order-types.md: which orders each venue takes, by the table that risk and the gateways go by.

python -m signalbox_cli.order_types_reference > docs/order-types.md
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from signalbox.change_support import first_change_of
from signalbox.messages import InstrumentKind, OrderType, TimeInForce
from signalbox.order_support import VENUE_ORDERS, first_of
from signalbox.order_terms import Flag, Rule, Support, VenueOrders

HEAD = """# Order types

<!-- Written by `python -m signalbox_cli.order_types_reference`; a test fails when this is not what it writes. -->

What an order may say (`order_type`, `time_in_force` and flags of an intent; the options of `signalbox intent`), and
what each venue does with it. *native*: the venue does it. *emulated*: the desk does it with what the venue has.
*refused*: risk denies it before anything is sent (check `order_support`), with the sentence below; so does the gateway.
An empty cell: it is refused without the flag already.

The last column is what becomes of a change while such an order works (`signalbox modify`; check `change_support`).
"""
COLUMNS: tuple[Flag | None, ...] = (None, *Flag)


class Notes:
    """The sentences of the page, numbered as they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def cell(self, rule: Rule) -> str:
        """What a rule says in a table."""
        if not rule.why:
            return rule.support
        number = self._numbers.setdefault(f"{rule.support}: {rule.sentence}", len(self._numbers) + 1)
        return f"{rule.support} ({number})"

    def lines(self) -> Iterator[str]:
        """All of them."""
        for sentence, number in self._numbers.items():
            yield f"{number}. {sentence}."


def page() -> str:
    """The whole page."""
    notes = Notes()
    tables = [line for orders in VENUE_ORDERS for kind in orders.kinds for line in _table(orders, kind, notes)]
    return "\n".join([HEAD, *tables, "## Notes", "", *notes.lines()]) + "\n"


def _table(orders: VenueOrders, kind: InstrumentKind, notes: Notes) -> Iterator[str]:
    yield f"## {orders.name}: {kind.lower()}"
    yield ""
    yield f"| type | validity | {' | '.join('plain' if flag is None else f'`{flag}`' for flag in COLUMNS)} | changed |"
    yield "|---" * (3 + len(COLUMNS)) + "|"
    for order_type in OrderType:
        rows = [(validity, _cells(orders, kind, order_type, validity, notes)) for validity in TimeInForce]
        for cells, alike in groupby(rows, key=lambda row: row[1]):
            yield f"| {order_type} | {', '.join(validity for validity, _ in alike)} | {' | '.join(cells)} |"
    yield ""


def _cells(
    orders: VenueOrders, kind: InstrumentKind, order_type: OrderType, validity: TimeInForce, notes: Notes
) -> tuple[str, ...]:
    plain = first_of(orders, kind, order_type, validity, frozenset())
    if plain.support is Support.REFUSED:
        return (notes.cell(plain), *[""] * (len(Flag) + 1))
    flags = (frozenset({flag}) if flag else frozenset[Flag]() for flag in COLUMNS)
    cells = [notes.cell(first_of(orders, kind, order_type, validity, asked)) for asked in flags]
    return (*cells, notes.cell(first_change_of(orders.name, kind, order_type, validity)))


if __name__ == "__main__":
    print(page(), end="")

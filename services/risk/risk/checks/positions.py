"""The check of a wish for a position: does it make sense by what is held, and by what works already?

What it comes to is an order, which is held against everything that any order is held against.
"""

from __future__ import annotations

from risk.checks.rows import Row, Told
from risk.facts import PositionFacts
from risk.wording import plain


def position(facts: PositionFacts) -> str:
    return facts.sized.why_not


def tell_position(facts: PositionFacts) -> Told:
    intent, held = facts.intent, facts.basis.position
    asked = intent.action.value
    if intent.share is not None:
        asked += f" {plain(intent.share)} of it"
    elif intent.quantity is not None:
        asked += f" {plain(intent.quantity)}"
    order = facts.sized.order
    found = f"{plain(held.quantity)} held, {plain(held.buying_quantity)} being bought, "
    found += f"{plain(held.selling_quantity)} being sold"
    comes_to = f": {order.side} {plain(order.quantity)}" if order is not None else ""
    return asked, found + comes_to, facts.basis.books.source or "TRADE"


POSITION_ROWS: tuple[Row[PositionFacts], ...] = (Row("position", position, tell_position),)

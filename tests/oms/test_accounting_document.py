"""The worked example of docs/accounting.md: each of its lines is booked, and gives the figures that stand beside it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from oms.statements import book_message, position_message
from signalbox.messages import BookInterest, CorrectPosition, Message, PayDividend, Side, SplitPosition

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "accounting.md").read_text()
EXAMPLE = DOCUMENT.partition("### A worked example")[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in EXAMPLE.splitlines()
    if re.match(r"\| (buy|sell|split|dividend|interest|correct) ", line)
]
WORDS = re.compile(r"(\w+) (-?[\d.]+)(?::(\d+))?(?: at ([\d.]+))?(?:, commission ([\d.]+))?")


def messages_of(make: Any, number: int, text: str) -> list[Message]:
    """What comes in for one line of the example, an hour after the line before."""
    found = WORDS.fullmatch(text)
    assert found is not None, text
    what, figure, old, price, fee = found.groups()
    at = make.at + timedelta(hours=number)
    if what in ("buy", "sell"):
        fill = make.fill(
            figure,
            price,
            order_id="",
            execution_id=f"e{number}",
            venue_order_id=f"v{number}",
            side=Side.BUY if what == "buy" else Side.SELL,
            seconds=3600 * number,
        )
        return [fill, make.commission(fee, execution_id=f"e{number}")]
    common: dict[str, Any] = {"id": f"a{number}", "at": at, "venue": "ibkr", "account": "DU1", "reason": "r", "by": "b"}
    amount = Decimal(figure)
    if what == "split":
        ratio = {"numerator": amount, "denominator": Decimal(old)}
        return [SplitPosition(**common, symbol="AAPL", effective_at=at, **ratio)]
    if what == "dividend":
        return [PayDividend(**common, symbol="AAPL", amount_per_share=amount)]
    if what == "interest":
        return [BookInterest(**common, symbol="AAPL", currency="USD", amount=amount)]
    return [CorrectPosition(**common, symbol="AAPL", quantity=amount, price=Decimal(price))]


def test_each_line_of_the_example_is_what_the_books_say(make: Any) -> None:
    desk = make.desk().run(make.snapshot())
    assert len(ROWS) == 10
    for number, (text, *figures) in enumerate(ROWS, 1):
        desk.run(*messages_of(make, number, text))
        book = desk.state.accounts["ibkr", "DU1"]
        held, cash = position_message(book, "AAPL", None), book_message(book)
        said = (held.quantity, held.average_price, held.realized_pnl, held.commission, held.income, cash.cash)
        assert [str(figure) for figure in said] == figures, text
        assert (cash.commission, cash.income) == (held.commission, held.income)
    assert held.realized_pnl - held.commission + held.income == cash.cash - 100_000

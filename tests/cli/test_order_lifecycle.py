"""docs/order-lifecycle.md is what the table of the OMS makes of it."""

from __future__ import annotations

from pathlib import Path

from oms.transitions import TRANSITIONS
from signalbox_cli.order_lifecycle_reference import page

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "order-lifecycle.md"


def test_the_document_is_what_the_table_makes_of_it() -> None:
    assert DOCUMENT.read_text() == page(), "run: make docs"


def test_every_row_of_the_table_has_its_cell() -> None:
    rows = [
        line.strip("| ").split(" | ")
        for line in page().splitlines()
        if line.startswith(("| Order", "| Fill", "| Commission"))
    ]
    names = {row[0]: [cell for cell in row[1:] if cell.strip()] for row in rows}
    for event in {event for _, event in TRANSITIONS}:
        assert len(names[event.__name__]) == sum(1 for _, found in TRANSITIONS if found is event)

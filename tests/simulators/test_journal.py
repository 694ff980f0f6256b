"""What the venue writes down is what it remembers."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from signalbox.errors import ConfigurationError
from signalbox.exchange.books import AccountBook
from signalbox.exchange.orders import OrderTerms, VenueOrder, VenueOrderStatus
from signalbox.messages import OrderType, Side
from simulators.journal import Entry, Journal

NOON = datetime(2024, 1, 3, 17, tzinfo=UTC)
ORDER = VenueOrder(
    number=1,
    terms=OrderTerms(account="DU1", symbol="SPY", side=Side.BUY, quantity=Decimal(100), order_type=OrderType.MARKET),
    status=VenueOrderStatus.WORKING,
    submitted_at=NOON,
    updated_at=NOON,
)
BOOK = AccountBook(account="DU1", venue="ibkr", base_currency="USD", cash={"USD": Decimal("1000000.005")})


def write(path: Path, *entries: Entry) -> None:
    journal = Journal(path)
    journal.open()
    for entry in entries:
        journal.write(entry)
    journal.close()


def test_the_last_word_on_each_thing_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "books.json"
    filled = replace(ORDER, status=VenueOrderStatus.FILLED)
    write(path, Entry(order=ORDER, book=BOOK), Entry(order=filled), Entry(at=NOON, shown_until=NOON, began=NOON))
    for _ in range(2):
        journal = Journal(path)
        remembered = journal.open()
        journal.close()
        assert remembered.orders == {1: filled}
        assert remembered.books == {"DU1": BOOK}
        assert (remembered.at, remembered.shown_until, remembered.began) == (NOON, NOON, NOON)


def test_a_line_that_a_kill_cut_short_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "books.json"
    write(path, Entry(order=ORDER))
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"order":{"number":2,"ter')
    journal = Journal(path)
    assert list(journal.open().orders) == [1]
    journal.close()
    assert path.read_bytes() == whole


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "books.json"
    path.write_text("name = 'desk'\n")
    with pytest.raises(ConfigurationError, match="line 1"):
        Journal(path).open()


def test_without_a_path_nothing_is_remembered() -> None:
    journal = Journal(None)
    journal.open()
    journal.write(Entry(order=ORDER))
    assert journal.open().orders == {}

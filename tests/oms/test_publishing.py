"""Positions and books as messages."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from oms.outcome import Drift, DriftKind
from oms.statements import Mark, book_message, compared_message, position_message
from signalbox.messages import PositionDiffers, Side

DU1 = ("ibkr", "DU1")


def test_a_position_is_revalued_at_the_mark_and_excludes_commission(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("40", "10"), make.commission("1.5"))
    mark = Mark(Decimal("10.25"), make.at + timedelta(minutes=1), "bar-1")
    position = position_message(desk.state.accounts[DU1], "AAPL", mark)
    assert (position.unrealized_pnl, position.realized_pnl, position.commission) == (
        Decimal(10),
        Decimal(0),
        Decimal("1.5"),
    )
    assert (position.id, position.cause, position.at) == ("position/ibkr/DU1/AAPL/3/bar-1", "bar-1", mark.at)


def test_a_position_without_a_mark_has_no_unrealised_pnl(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("40", "10"))
    position = position_message(desk.state.accounts[DU1], "AAPL", None)
    assert (position.mark_price, position.unrealized_pnl, position.cause) == (None, Decimal(0), "o-1/2")


def test_an_average_that_does_not_end_is_rounded_at_twenty_decimals(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("1", "1"), make.fill("2", "1.5", execution_id="e2"))
    book = desk.state.accounts[DU1]
    assert str(position_message(book, "AAPL", None).average_price) == "1.33333333333333333333"
    desk.take(make.fill("3", "2", execution_id="e3", side=Side.SELL, seconds=3))
    assert position_message(book, "AAPL", None).realized_pnl == 2


def test_a_book_is_adopted_cash_and_fills_less_commissions_in_the_accounts_currency(make: Any) -> None:
    desk = make.desk().run(
        make.snapshot(cash=Decimal(1000)),
        make.approved(),
        make.fill("40", "10"),
        make.commission("1.5"),
        make.fill("10", "300", symbol="0700.HK", order_id="", execution_id="e2"),
    )
    book = book_message(desk.state.accounts[DU1])
    assert (book.currency, book.cash, book.commission, book.fills) == ("USD", Decimal("598.5"), Decimal("1.5"), 2)
    assert book.other_cash == {"HKD": Decimal(-3000)}
    assert book.id == f"book/ibkr/DU1/{len(desk.log)}"


def test_funding_is_shown_beside_pnl_and_in_cash(make: Any) -> None:
    desk = make.desk().run(make.snapshot(cash=Decimal(1000)), make.approved(), make.fill("10", "10"))
    desk.take(make.funding("-0.25"))
    account = desk.state.accounts[DU1]
    book, position = book_message(account), position_message(account, "AAPL", None)
    assert (book.cash, book.funding, book.realized_pnl) == (Decimal("899.75"), Decimal("-0.25"), 0)
    assert (position.funding, position.realized_pnl) == (Decimal("-0.25"), 0)


def test_what_a_snapshot_differs_in_is_told_of_positions_alone(make: Any) -> None:
    snapshot = make.snapshot(positions=(make.held("7", "9"),))
    found = (
        Drift(DriftKind.POSITION, "AAPL", "40", "7"),
        Drift(DriftKind.CASH, "USD", "1", "2"),
    )
    told = compared_message(snapshot, found)
    assert told.differ == (PositionDiffers(symbol="AAPL", ours=Decimal(40), theirs=Decimal(7)),)
    assert (told.at, told.venue, told.account, told.cause) == (snapshot.at, "ibkr", "DU1", snapshot.id)
    assert compared_message(snapshot, ()).differ == ()

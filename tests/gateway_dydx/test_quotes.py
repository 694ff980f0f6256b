"""A quote made of what comes by three channels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway_dydx.book import take_snapshot
from gateway_dydx.facts import BookSnapshot, Level, Trade
from gateway_dydx.quotes import Board, lose, quote_message, take_oracle, take_trade
from signalbox.messages import Side

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def trade(at: datetime, price: int) -> Trade:
    return Trade(ticker="BTC-USD", id="", side=Side.BUY, size=Decimal(2), price=Decimal(price), at=at)


def whole() -> Board:
    board = Board("BTC-USD")
    bids, asks = (Level(Decimal(99), Decimal(1)),), (Level(Decimal(101), Decimal(3)),)
    take_snapshot(board.book, BookSnapshot(ticker="BTC-USD", bids=bids, asks=asks))
    take_trade(board, trade(NOON, 100))
    take_oracle(board, Decimal("100.5"))
    return board


def test_a_quote_says_everything_that_is_known() -> None:
    quote = quote_message(whole(), NOON, NOON)
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (99, 1, 101, 3)
    assert (quote.last, quote.last_size, quote.oracle_price) == (100, 2, Decimal("100.5"))
    assert quote.id == "quote/dydx/BTC-USD/2026-01-05T12:00:00+00:00"


def test_what_has_not_been_said_is_none() -> None:
    quote = quote_message(Board("BTC-USD"), NOON, NOON)
    assert (quote.bid, quote.ask, quote.last, quote.oracle_price) == (None, None, None, None)


def test_an_older_trade_that_comes_later_is_not_the_last() -> None:
    board = whole()
    assert not take_trade(board, trade(NOON - timedelta(seconds=1), 90))
    assert quote_message(board, NOON, NOON).last == 100


def test_trades_of_one_moment_keep_the_order_they_came_in() -> None:
    board = whole()
    assert take_trade(board, trade(NOON, 90))
    assert quote_message(board, NOON, NOON).last == 90


def test_the_oracles_price_is_news_only_when_it_changes() -> None:
    board = whole()
    assert not take_oracle(board, Decimal("100.5"))
    assert take_oracle(board, Decimal(101))


def test_a_lost_connection_loses_the_book_and_not_the_last_trade() -> None:
    board = whole()
    lose(board)
    quote = quote_message(board, NOON, NOON)
    assert (quote.bid, quote.ask, quote.last) == (None, None, 100)

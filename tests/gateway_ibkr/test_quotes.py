"""Quotes made of ticks."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from gateway_ibkr.facts import MarketDataTypeSeen, PriceTickSeen, SizeTickSeen
from gateway_ibkr.quotes import Board, quote_message, take_price, take_size, take_type
from signalbox.messages import MarketDataType

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


def price(kind: int, value: float, size: float = 100.0) -> PriceTickSeen:
    return PriceTickSeen(request_id=1, kind=kind, price=value, size=size)


def test_a_quote_grows_a_field_at_a_time() -> None:
    board = Board("SPY")
    assert take_price(board, price(1, 433.5))
    assert take_price(board, price(2, 433.52, 300.0))
    assert take_price(board, price(4, 433.51, 7.0))
    assert take_size(board, SizeTickSeen(request_id=1, kind=0, size=50.0))
    quote = quote_message(board, AT, AT)
    assert (quote.bid, quote.ask, quote.last) == (Decimal("433.5"), Decimal("433.52"), Decimal("433.51"))
    assert (quote.bid_size, quote.ask_size, quote.last_size) == (Decimal(50), Decimal(300), Decimal(7))


def test_delayed_ticks_make_a_delayed_quote() -> None:
    board = Board("SPY")
    assert take_type(board, MarketDataTypeSeen(request_id=1, kind=3))
    assert take_price(board, price(66, 433.5))
    quote = quote_message(board, AT, AT)
    assert (quote.market_data_type, quote.bid) == (MarketDataType.DELAYED, Decimal("433.5"))


def test_minus_one_means_that_nobody_quotes() -> None:
    board = Board("SPY")
    take_price(board, price(1, 433.5))
    assert take_price(board, price(1, -1.0, 0.0))
    assert quote_message(board, AT, AT).bid is None
    assert quote_message(board, AT, AT).bid_size is None


def test_a_size_of_zero_takes_the_side_away() -> None:
    board = Board("SPY")
    take_price(board, price(2, 433.5))
    assert take_size(board, SizeTickSeen(request_id=1, kind=3, size=0.0))
    assert quote_message(board, AT, AT).ask is None


def test_a_repeated_tick_changes_nothing() -> None:
    board = Board("SPY")
    take_price(board, price(1, 433.5))
    assert not take_price(board, price(1, 433.5))


def test_other_kinds_of_ticks_are_no_part_of_a_quote() -> None:
    board = Board("SPY")
    assert not take_price(board, price(9, 430.0))
    assert not take_size(board, SizeTickSeen(request_id=1, kind=8, size=1e6))
    assert not take_size(board, SizeTickSeen(request_id=1, kind=0, size=100.0))  # a size without its price

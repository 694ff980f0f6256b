"""Quotes made of what comes by three channels: the book's top, the last trade, the oracle's price.

Pure. Owns what a market's quote is now; it must not know when quotes are sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from signalbox.messages import Quote

from gateway_dydx.book import Book, forget, top
from gateway_dydx.facts import Trade
from gateway_dydx.translate import VENUE


@dataclass
class Board:
    """One market as it stands. `None` = the venue has not said."""

    symbol: str
    book: Book = field(init=False)
    last: Trade | None = None
    oracle_price: Decimal | None = None

    def __post_init__(self) -> None:
        self.book = Book(self.symbol)


def take_trade(board: Board, trade: Trade) -> bool:
    """Take a trade as the last one, unless a later one is there; True = it is."""
    if board.last is not None and trade.at < board.last.at:
        return False
    board.last = trade
    return True


def take_oracle(board: Board, price: Decimal) -> bool:
    """Take the oracle's price; True = it has changed."""
    changed = board.oracle_price != price
    board.oracle_price = price
    return changed


def lose(board: Board) -> None:
    """The connection is gone: the book no longer says anything. The last trade was one all the same."""
    forget(board.book)


def quote_message(board: Board, at: datetime, received_at: datetime) -> Quote:
    """Make the quote. Books carry no time of their own: `at` is the desk's when the venue last proved to be there."""
    best = top(board.book)
    return Quote(
        id=f"quote/{VENUE}/{board.symbol}/{at.isoformat()}",
        at=at,
        venue=VENUE,
        symbol=board.symbol,
        received_at=received_at,
        bid=best.bid.price if best.bid else None,
        bid_size=best.bid.size if best.bid else None,
        ask=best.ask.price if best.ask else None,
        ask_size=best.ask.size if best.ask else None,
        last=board.last.price if board.last else None,
        last_size=board.last.size if board.last else None,
        oracle_price=board.oracle_price,
    )

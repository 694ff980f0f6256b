"""Quotes made of ticks: the venue sends a field at a time, the desk wants the whole.

Pure. Owns what a symbol's top of book and last trade are now; it must not know when quotes are sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from signalbox.errors import TranslationError
from signalbox.messages import MarketDataType, Quote

from gateway_ibkr.facts import MarketDataTypeSeen, PriceTickSeen, SizeTickSeen
from gateway_ibkr.options import Computed
from gateway_ibkr.translate import PRICE_TICKS, SIZE_TICKS, VENUE, decimal_of, market_data_type, price_of

_SIZE_OF = {"bid": "bid_size", "ask": "ask_size", "last": "last_size"}


@dataclass
class Board:
    """One symbol's quote as it stands. A field that is not there has not been said, or stands for "nobody"."""

    symbol: str
    market_data_type: MarketDataType = MarketDataType.LIVE
    fields: dict[str, Decimal] = field(default_factory=dict)
    computed: Computed | None = None
    """Of an option alone."""


def forget(board: Board, kind: int) -> bool:
    """A tick of this kind made no sense: what it is about is not known any more; True = the quote has changed."""
    name = PRICE_TICKS.get(kind) or SIZE_TICKS.get(kind, "").removesuffix("_size")
    known = board.fields.pop(name, None), board.fields.pop(_SIZE_OF.get(name, ""), None)
    return known != (None, None)


def take_price(board: Board, seen: PriceTickSeen) -> bool:
    """Take a price tick; True = the quote has changed. A bid or ask of -1, or of no size, means that nobody quotes."""
    name = PRICE_TICKS.get(seen.kind)
    if name is None:
        return False
    before = board.fields.get(name), board.fields.get(_SIZE_OF[name])
    if seen.price <= 0 or (seen.size == 0 and name != "last"):
        board.fields.pop(name, None)
        board.fields.pop(_SIZE_OF[name], None)
    else:
        try:
            board.fields[name] = price_of(seen.price)
            if seen.size > 0:
                board.fields[_SIZE_OF[name]] = decimal_of(seen.size)
        except TranslationError:
            return False
    return before != (board.fields.get(name), board.fields.get(_SIZE_OF[name]))


def take_size(board: Board, seen: SizeTickSeen) -> bool:
    """Take a size tick; True = the quote has changed. A size without a price says nothing."""
    name = SIZE_TICKS.get(seen.kind)
    if name is None or name.removesuffix("_size") not in board.fields:
        return False
    try:
        size = decimal_of(seen.size)
    except TranslationError:
        return False
    if size <= 0 and name != "last_size":
        board.fields.pop(name.removesuffix("_size"), None)
        board.fields.pop(name, None)
        return True
    changed = board.fields.get(name) != size
    board.fields[name] = size
    return changed


def take_type(board: Board, seen: MarketDataTypeSeen) -> bool:
    """Take the venue's word on which kind of market data follows."""
    kind = market_data_type(seen.kind)
    if kind is None or kind is board.market_data_type:
        return False
    board.market_data_type = kind
    return True


def note_mark(marks: dict[str, Decimal], board: Board) -> None:
    """Note what a unit is worth: the middle of bid and ask, else the last trade, else it is not known any more."""
    bid, ask, last = (board.fields.get(name) for name in ("bid", "ask", "last"))
    mark = (bid + ask) / 2 if bid is not None and ask is not None else last
    if mark is not None and mark > 0:
        marks[board.symbol] = mark
    else:
        marks.pop(board.symbol, None)


def quote_message(board: Board, at: datetime, received_at: datetime) -> Quote:
    """Make the quote. Ticks carry no time of their own: `at` is the desk's when the last one came."""
    return Quote(
        id=f"quote/{VENUE}/{board.symbol}/{at.isoformat()}",
        at=at,
        venue=VENUE,
        symbol=board.symbol,
        market_data_type=board.market_data_type,
        received_at=received_at,
        bid=board.fields.get("bid"),
        ask=board.fields.get("ask"),
        bid_size=board.fields.get("bid_size"),
        ask_size=board.fields.get("ask_size"),
        last=board.fields.get("last"),
        last_size=board.fields.get("last_size"),
        greeks=board.computed.greeks if board.computed is not None else None,
    )

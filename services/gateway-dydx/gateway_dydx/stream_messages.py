"""The indexer's websocket messages read into facts: pure.

Owns the envelope (`type`, `channel`, `id`, `contents`) and which channel carries what, in all three forms: the first
contents (`subscribed`, which mirror REST), single updates (`channel_data`) and lists of them (`channel_batch_data`).
It must not know sockets. A message that makes no sense raises `TranslationError`, and so does a book with a level that
does not (which is the best one, nobody could say); of other lists a row that makes no sense is an `Unreadable` beside
the others. An unknown type or channel says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from signalbox.errors import TranslationError

from gateway_dydx import reading
from gateway_dydx.facts import (
    AssetPosition,
    BookUpdate,
    Fact,
    FillSeen,
    MarketChanged,
    OraclePrice,
    OrderSeen,
    PositionSeen,
    StreamRefused,
    SubaccountChanged,
    SubaccountSnapshot,
    Trade,
    Transfer,
)
from gateway_dydx.fields import Fields, Rows, each, shown

SUBACCOUNTS, PARENT_SUBACCOUNTS = "v4_subaccounts", "v4_parent_subaccounts"
BOOKS, TRADES, CANDLES, MARKETS, HEIGHTS = "v4_orderbook", "v4_trades", "v4_candles", "v4_markets", "v4_block_height"
WHOLE_CHANNELS = frozenset({MARKETS, HEIGHTS})
"""Channels without ids: the indexer fills in their own name."""

MINUTE_RESOLUTION = "1MIN"

SUBSCRIBED, DATA, BATCH_DATA, ERROR, CONNECTED = (
    "subscribed",
    "channel_data",
    "channel_batch_data",
    "error",
    "connected",
)


def subscription_key(channel: str, id: str) -> tuple[str, str]:
    """Name a subscription as the indexer does in its messages."""
    return channel, channel if channel in WHOLE_CHANNELS else id


def candle_id(ticker: str, resolution: str = MINUTE_RESOLUTION) -> str:
    """The subscription's id for a market's candles."""
    return f"{ticker}/{resolution}"


def facts_of(message: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Read one message of the websocket, in the order of its contents. Raises `TranslationError`."""
    kind = message.get("type")
    if kind == ERROR:
        return (
            StreamRefused(
                text=str(message.get("message", "")),
                channel=str(message.get("channel") or ""),
                id=str(message.get("id") or ""),
            ),
        )
    if kind not in (SUBSCRIBED, DATA, BATCH_DATA):
        return ()
    channel, id = str(message.get("channel", "")), str(message.get("id") or "")
    readers = _READERS.get(channel)
    if readers is None:
        return ()
    first, update = readers
    contents = message.get("contents")
    if kind == SUBSCRIBED:
        return first(contents, id)
    # A batch is a list of updates; a list is taken wherever it comes
    if kind == BATCH_DATA and not isinstance(contents, list):
        raise TranslationError(f"{channel} {id}: contents of a batch is {shown(contents)}, not a list")
    pieces = contents if isinstance(contents, list) else [contents]
    return tuple(fact for piece in pieces for fact in update(piece, id))


def _heights(contents: object, _id: str) -> tuple[Fact, ...]:
    return (reading.height(contents),)


def _markets(contents: object, _id: str) -> tuple[Fact, ...]:
    return reading.markets(contents)


def _market_changes(contents: object, _id: str) -> tuple[Fact, ...]:
    """`{trading: {ticker: some fields}, oraclePrices: {ticker: price}}`, either of which may be missing."""
    fields = Fields(contents, "markets")
    changes = _members(fields, "trading")
    prices = _members(fields, "oraclePrices")
    changed, priced = Rows[MarketChanged](reading.MARKET_CHANGE), Rows[OraclePrice](reading.ORACLE_PRICE)
    for ticker, raw in changes.items():
        changed.take((raw,), partial(_market_changed, ticker), ticker, ticker)  # a row has a number too
    for ticker, raw in prices.items():
        priced.take((raw,), partial(_oracle_price, ticker), ticker, ticker)
    return (*changed.read, *priced.read, *changed.unreadable, *priced.unreadable)


def _members(fields: Fields, name: str) -> dict[str, Any]:
    return dict(fields.members(name)) if fields.has(name) else {}


def _market_changed(ticker: str, raw: object) -> MarketChanged:
    fields = Fields(raw, f"market {ticker}")
    return MarketChanged(
        ticker=fields.word("ticker") or ticker,
        status=fields.word("status") or None,
        market_type=fields.word("marketType") or None,
        next_funding_rate=fields.decimal_or_none("nextFundingRate"),
        initial_margin_fraction=fields.decimal_or_none("initialMarginFraction"),
        maintenance_margin_fraction=fields.decimal_or_none("maintenanceMarginFraction"),
        tick_size=fields.decimal_or_none("tickSize"),
        step_size=fields.decimal_or_none("stepSize"),
        open_interest=fields.decimal_or_none("openInterest"),
        open_interest_lower_cap=fields.decimal_or_none("openInterestLowerCap"),
        open_interest_upper_cap=fields.decimal_or_none("openInterestUpperCap"),
    )


def _oracle_price(ticker: str, raw: object) -> OraclePrice:
    fields = Fields(raw, f"oracle price {ticker}")
    return OraclePrice(
        ticker=ticker,
        price=fields.price("oraclePrice"),
        at=fields.time_or_none("effectiveAt"),
        height=fields.whole_or_none("effectiveAtHeight"),
    )


def _book(contents: object, id: str) -> tuple[Fact, ...]:
    return (reading.book_snapshot(contents, id),)


def _book_update(contents: object, id: str) -> tuple[Fact, ...]:
    fields = Fields(contents, f"book {id}")
    return (
        BookUpdate(
            ticker=id, bids=each(fields.items("bids"), reading.level), asks=each(fields.items("asks"), reading.level)
        ),
    )


def _first_trades(contents: object, id: str) -> tuple[Fact, ...]:
    return _of(reading.TRADE, Fields(contents, f"trades {id}").required_items("trades"), partial(_trade, id), id)


def _trades(contents: object, id: str) -> tuple[Fact, ...]:
    return _of(reading.TRADE, Fields(contents, f"trades {id}").items("trades"), partial(_trade, id), id)


def _trade(ticker: str, raw: object) -> Trade:
    return reading.trade(raw, ticker)


def _of(kind: str, items: Iterable[object], read: Callable[[object], Fact], symbol: str) -> tuple[Fact, ...]:
    rows = Rows[Fact](kind)
    rows.take(items, read, symbol)
    return (*rows.read, *rows.unreadable)


def _first_candles(contents: object, id: str) -> tuple[Fact, ...]:
    items = Fields(contents, f"candles {id}").required_items("candles")
    return _of(reading.CANDLE, items, reading.candle, id.partition("/")[0])


def _candles(contents: object, id: str) -> tuple[Fact, ...]:
    """One candle, by itself or as a list of them."""
    whole = isinstance(contents, Mapping) and "candles" in contents
    items = Fields(contents, f"candles {id}").items("candles") if whole else [contents]
    return _of(reading.CANDLE, items, reading.candle, id.partition("/")[0])


def _subaccount(contents: object, id: str) -> tuple[Fact, ...]:
    fields = Fields(contents, f"subaccount {id}")
    raw = fields.raw("subaccount")
    subaccount, orders = reading.subaccount(raw) if raw else None, Rows[OrderSeen](reading.ORDER)
    return (
        SubaccountSnapshot(
            subaccount=subaccount,
            orders=orders.take(fields.items("orders"), reading.order),
            height=fields.whole_or_none("blockHeight"),
            unreadable=(*orders.unreadable, *(subaccount.unreadable if subaccount else ())),
        ),
    )


def _subaccount_change(contents: object, id: str) -> tuple[Fact, ...]:
    fields = Fields(contents, f"subaccount {id}")
    orders, fills = Rows[OrderSeen](reading.ORDER), Rows[FillSeen](reading.FILL)
    positions, assets = Rows[PositionSeen](reading.POSITION), Rows[AssetPosition](reading.ASSET)
    transfers = Rows[Transfer](reading.TRANSFER)
    return (
        SubaccountChanged(
            orders=orders.take(fields.items("orders"), reading.order),
            fills=fills.take(fields.items("fills"), reading.fill),
            positions=positions.take(fields.items("perpetualPositions"), reading.position),
            assets=assets.take(fields.items("assetPositions"), reading.asset_position),
            transfers=transfers.take(fields.items("transfers"), reading.transfer),
            height=fields.whole_or_none("blockHeight"),
            unreadable=tuple(row for rows in (orders, fills, positions, assets, transfers) for row in rows.unreadable),
        ),
    )


_Reader = Callable[[object, str], tuple[Fact, ...]]
_READERS: dict[str, tuple[_Reader, _Reader]] = {
    HEIGHTS: (_heights, _heights),
    MARKETS: (_markets, _market_changes),
    BOOKS: (_book, _book_update),
    TRADES: (_first_trades, _trades),
    CANDLES: (_first_candles, _candles),
    SUBACCOUNTS: (_subaccount, _subaccount_change),
}
"""By channel: who reads the first contents, and who an update. Parent subaccounts are not the desk's."""

"""What the websocket's channels hold: their first contents, which mirror REST, and their updates.

Owns channel names, versions and contents. It must not know connections, batches or envelopes.

Source: `indexer/services/socks/src/lib/subscription.ts`, `indexer/packages/kafka/src/constants.ts` of
dydxprotocol/v4-chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from simulators.dydx import shapes
from simulators.dydx.candles import RESOLUTIONS, Candle
from simulators.dydx.indexer_view import Account, IndexerView, Processed
from simulators.dydx.order_book import Book, changes
from simulators.dydx.records import ChainBlock, ChainFill, ChainMarket, ChainOrder, ChainSubaccount, ChainTransfer
from simulators.dydx.rest_accounts import AccountAnswers
from simulators.dydx.rest_markets import MarketAnswers
from simulators.dydx.rest_query import (
    PARENT_SUBACCOUNTS,
    SUBACCOUNT_NUMBER_MAX,
    NotFoundError,
    Query,
    children,
    parent_of,
)
from simulators.dydx.shapes import Json, iso, text
from simulators.dydx.shapes_markets import book_levels, candle_json, trade_message
from simulators.dydx.trades import Trade
from simulators.dydx.websocket_connection import BLOCK_HEIGHT, MARKETS
from simulators.dydx.websocket_feed import Feed, Key

ORDERBOOK, TRADES, CANDLES = "v4_orderbook", "v4_trades", "v4_candles"
SUBACCOUNTS, PARENT_SUBACCOUNTS_CHANNEL = "v4_subaccounts", "v4_parent_subaccounts"
VERSIONS = {SUBACCOUNTS: "3.0.0", PARENT_SUBACCOUNTS_CHANNEL: "3.0.0", TRADES: "2.1.0"}
VERSION = "1.0.0"
"""Of every other channel."""

TRADING_EVERY_BLOCKS = 16
"""How often `trading` figures of all markets are told: about every ten seconds."""


class MarketChannels:
    """The channels that hold no account: block height, markets, books, trades, candles."""

    def __init__(self, feed: Feed, view: IndexerView, markets: MarketAnswers) -> None:
        self._feed, self._view, self._markets = feed, view, markets
        self._books = {ticker: Book() for ticker in view.markets}
        self.crossed: set[str] = set()
        """The tickers whose book keeps a bid above the best ask."""
        view.on_block.append(self._tell_block)
        view.on_market.append(self._tell_market)

    def refresh_books(self, ticker: str | None = None) -> None:
        """Tell how a book, or every book that is subscribed to, has changed."""
        wanted = (each for each in self._books if self._feed.is_wanted(ORDERBOOK, each))
        for each in (ticker,) if ticker is not None else tuple(wanted):
            book = self._markets.present_book(self._view.markets[each], crossed=each in self.crossed)
            before, self._books[each] = self._books[each], book
            sides = {"bids": changes(before.bids, book.bids), "asks": changes(before.asks, book.asks)}
            contents = {
                name: [[text(price), text(size)] for price, size in levels] for name, levels in sides.items() if levels
            }
            if contents:
                self._feed.publish(ORDERBOOK, each, contents, VERSION)

    def set_apart(self, ticker: str, ticks: int) -> None:
        """Have both sides of a book stand so many ticks further away, over REST too."""
        self._markets.apart_ticks[ticker] = ticks

    def lose_removal(self, ticker: str, name: str, price: Decimal, size: Decimal) -> None:
        """Tell a level that is there and gone at once, and whose removal nobody is told of. `name`: bids or asks."""
        self._feed.publish(ORDERBOOK, ticker, {name: [[text(price), text(size)]]}, VERSION)

    def first_book(self, ticker: str) -> Json:
        """Return the book that the updates begin from, uncrossed as REST's."""
        book = self._books[ticker]
        best_ask = min(book.asks, default=None)
        bids = {price: size for price, size in book.bids.items() if best_ask is None or price < best_ask}
        return book_levels(Book(bids, book.asks))

    def tell_trades(self, ticker: str, trades: Iterable[Trade]) -> None:
        """Tell new trades of a market."""
        shown = [trade_message(each) for each in trades]
        if shown:
            self._feed.publish(TRADES, ticker, {"trades": shown}, VERSIONS[TRADES])

    def tell_candle(self, candle: Candle) -> None:
        """Tell a candle that has changed."""
        id_ = f"{candle.ticker}/{candle.resolution}"
        if self._feed.is_wanted(CANDLES, id_):
            self._feed.publish(CANDLES, id_, candle_json(candle, with_id=False), VERSION)

    def _tell_block(self, done: Processed) -> None:
        block = done.block
        height = {"blockHeight": str(block.height), "time": iso(block.time)}
        self._feed.publish(BLOCK_HEIGHT, BLOCK_HEIGHT, height, VERSION)
        if block.height % TRADING_EVERY_BLOCKS == 0 and self._feed.is_wanted(MARKETS, MARKETS):
            # Another program of the indexer tells it (roundtable), in no order with the prices
            self._feed.publish(MARKETS, MARKETS, {"trading": self._trading()}, VERSION)
        if block.oracle_prices:
            self._feed.publish(MARKETS, MARKETS, {"oraclePrices": self._oracle_prices(block)}, VERSION)

    def _tell_market(self, market: ChainMarket) -> None:
        """Tell a change at once, with what alone has changed as the indexer does."""
        told = {"id": str(market.clob_pair_id), "clobPairId": str(market.clob_pair_id), "ticker": market.ticker}
        told |= {"status": market.status, "marketType": market.market_type}
        self._feed.publish(MARKETS, MARKETS, {"trading": {market.ticker: told}}, VERSION)

    def _oracle_prices(self, block: ChainBlock) -> Json:
        return {
            ticker: {
                "oraclePrice": text(price),
                "effectiveAt": iso(block.time),
                "effectiveAtHeight": str(block.height),
                "marketId": self._view.markets[ticker].clob_pair_id,
            }
            for ticker, price in block.oracle_prices.items()
            if ticker in self._view.markets and ticker not in self._view.withheld_prices
        }

    def _trading(self) -> Json:
        trading = {}
        for ticker, market in self._markets.trading().items():
            market = {name: value for name, value in market.items() if name != "oraclePrice"}
            trading[ticker] = {"id": market["clobPairId"], "marketId": int(market["clobPairId"]), **market}
        return trading


class AccountChannels:
    """The channels of subaccounts and parent subaccounts."""

    def __init__(self, feed: Feed, view: IndexerView) -> None:
        self._feed, self._view = feed, view
        view.on_block.append(self._tell_block)
        view.on_order.append(self._tell_order)

    def _tell_order(self, order: ChainOrder) -> None:
        """Tell the word of a full node, or of the clean-up, which belongs to no block."""
        contents = {"orders": [shapes.order_message(order)], "blockHeight": str(self._view.height)}
        self._tell((order.address, order.subaccount_number), contents)

    def _tell_block(self, done: Processed) -> None:
        block = done.block
        orders, fills = _by_account(block.orders), _by_account(block.fills)
        events = {fill.id: number for number, fill in enumerate(block.fills)}
        paid = {(each.address, each.subaccount_number) for each in block.funding_payments}
        for key in dict.fromkeys((*orders, *fills, *sorted(paid))):
            contents: Json = {}
            if key in orders:
                contents["orders"] = [shapes.order_message(each) for each in orders[key]]
            if key in fills:
                contents["fills"] = [self._fill(each, events[each.id]) for each in fills[key]]
            account = done.accounts.get(key)
            if account is not None and (key in fills or key in paid):
                tickers = {each.ticker for each in (*fills.get(key, ()), *block.funding_payments)}
                contents |= self._holdings(account, tickers)
            self._tell(key, {**contents, "blockHeight": str(block.height)})
        for transfer in block.transfers:
            self._tell_transfer(transfer, done)

    def _fill(self, fill: ChainFill, number: int) -> Json:
        clob_pair_id = self._view.markets[fill.ticker].clob_pair_id
        return shapes.fill_message(fill, clob_pair_id, shapes.event_id(fill.created_at_height, number))

    def _holdings(self, account: ChainSubaccount, tickers: set[str]) -> Json:
        address, number = account.address, account.subaccount_number
        positions = [
            shapes.perpetual_position_message(each, address, number, self._view.oracle_prices[each.ticker])
            for each in account.positions
            if each.ticker in tickers
        ]
        holdings: Json = {"assetPositions": [shapes.asset_position_message(account.usdc, address, number)]}
        return {"perpetualPositions": positions, **holdings} if positions else holdings

    def _tell_transfer(self, transfer: ChainTransfer, done: Processed) -> None:
        sides = []
        if transfer.type != "DEPOSIT":
            sides.append((transfer.sender, transfer.sender_subaccount_number))
        if transfer.type != "WITHDRAWAL":
            sides.append((transfer.recipient, transfer.recipient_subaccount_number))
        for key in sides:
            type_ = shapes.transfer_type(transfer, key[0], frozenset({key[1]}))
            contents: Json = {"transfers": shapes.transfer_message(transfer, type_)}
            account = done.accounts.get(key)
            if account is not None:
                contents["assetPositions"] = [shapes.asset_position_message(account.usdc, *key)]
            self._tell(key, {**contents, "blockHeight": str(done.block.height)}, _is_within_parent(transfer))

    def _tell(self, key: Account, contents: Json, is_within_parent: bool = False) -> None:
        address, number = key
        version = VERSIONS[SUBACCOUNTS]
        self._feed.publish(SUBACCOUNTS, f"{address}/{number}", contents, version)
        if is_within_parent:
            contents = {name: value for name, value in contents.items() if name != "transfers"}
        self._feed.publish(
            PARENT_SUBACCOUNTS_CHANNEL, f"{address}/{parent_of(number)}", contents, version, subaccount_number=number
        )


class FirstContents:
    """Checks a subscription's id and returns its first contents."""

    def __init__(
        self, view: IndexerView, markets: MarketAnswers, accounts: AccountAnswers, channels: MarketChannels
    ) -> None:
        self._view, self._markets, self._accounts, self._channels = view, markets, accounts, channels

    def is_valid(self, channel: str, id_: str) -> bool:
        """Tell whether a channel has such an id."""
        if channel in (MARKETS, BLOCK_HEIGHT):
            return True
        if channel in (ORDERBOOK, TRADES):
            return id_ in self._view.markets
        if channel == CANDLES:
            ticker, _, resolution = id_.partition("/")
            return ticker in self._view.markets and resolution in RESOLUTIONS
        address, _, number = id_.partition("/")
        most = SUBACCOUNT_NUMBER_MAX if channel == SUBACCOUNTS else PARENT_SUBACCOUNTS
        return bool(address) and number.isdigit() and int(number) < most

    def before_subscribed(self, key: Key) -> None:
        """Bring a book up to date for those who have it, so that all go on from the same one."""
        if key[0] == ORDERBOOK:
            self._channels.refresh_books(key[1])

    def first_contents(self, key: Key) -> object:
        """Return what REST would answer now."""
        channel, id_ = key
        match channel:
            case "v4_block_height":
                return self._markets.height(_query())
            case "v4_markets":
                return self._markets.perpetual_markets(_query())
            case "v4_orderbook":
                return self._channels.first_book(id_)
            case "v4_trades":
                return self._markets.trades(_query(ticker=id_))
            case "v4_candles":
                ticker, _, resolution = id_.partition("/")
                return self._markets.candles(_query(ticker=ticker, resolution=resolution))
        address, _, number = id_.partition("/")
        return self._account(channel, address, int(number))

    def _account(self, channel: str, address: str, number: int) -> Json:
        try:
            if channel == SUBACCOUNTS:
                first = self._accounts.subaccount(_query(address=address, subaccountNumber=str(number)))
                numbers = frozenset({number})
            else:
                first = self._accounts.parent_subaccount(_query(address=address, parentSubaccountNumber=str(number)))
                numbers = children(number)
        except NotFoundError:
            return {}  # it may come to be later
        orders = self._accounts.first_orders(address, numbers)
        return {**first, "orders": orders, "blockHeight": str(self._view.height)}


def _query(**parameters: str) -> Query:
    return Query({}, parameters)


def _by_account(items: Iterable[Any]) -> dict[Account, list[Any]]:
    found: dict[Account, list[Any]] = {}
    for item in items:
        found.setdefault((item.address, item.subaccount_number), []).append(item)
    return found


def _is_within_parent(transfer: ChainTransfer) -> bool:
    return (
        transfer.type == "TRANSFER"
        and transfer.sender == transfer.recipient
        and parent_of(transfer.sender_subaccount_number) == parent_of(transfer.recipient_subaccount_number)
    )

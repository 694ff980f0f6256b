"""The indexer's JSON objects read into facts: pure, one function for each kind of object.

Owns field names, and which of them may be missing (`fields` reads the values). Fields that it does not know are
left alone (the indexer adds some every month); a field that is missing or makes no sense raises `TranslationError` with
its name. Source: the indexer's published swagger and its websocket types.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.errors import TranslationError
from signalbox.messages import Liquidity

from gateway_dydx.facts import (
    AssetPosition,
    BookSnapshot,
    CandleSeen,
    FillSeen,
    FundingPayment,
    Height,
    HistoricalFunding,
    Level,
    Market,
    OrderSeen,
    PositionSeen,
    Subaccount,
    Trade,
    Transfer,
    Unreadable,
)
from gateway_dydx.fields import Fields, Rows, each, shown

MARKET, ORACLE_PRICE, MARKET_CHANGE, TRADE, CANDLE = "market", "oracle price", "market change", "trade", "candle"
ORDER, FILL, POSITION, ASSET, TRANSFER = "order", "fill", "position", "asset", "transfer"
FUNDING, FUNDING_RATE = "funding payment", "funding rate"
"""Kinds of rows, as they are called where one can not be read."""

# --------------------------------------------------------------------------------------------------- market data


def height(raw: object) -> Height:
    """`{height, time}` over REST and as first contents, `{blockHeight, time}` in updates."""
    fields = Fields(raw, "height")
    name = "height" if fields.has("height") else "blockHeight"
    return Height(height=fields.whole(name), at=fields.time_or_none("time"))


def market(raw: object) -> Market:
    fields = Fields(raw, "market")
    return Market(
        ticker=fields.text("ticker"),
        clob_pair_id=fields.whole("clobPairId"),
        status=fields.word("status", "ACTIVE"),
        oracle_price=_above_zero(fields.decimal_or_none("oraclePrice")),
        next_funding_rate=fields.decimal_or_none("nextFundingRate"),
        initial_margin_fraction=fields.size("initialMarginFraction"),
        maintenance_margin_fraction=fields.size("maintenanceMarginFraction"),
        atomic_resolution=fields.whole("atomicResolution"),
        quantum_conversion_exponent=fields.whole("quantumConversionExponent"),
        step_base_quantums=fields.whole("stepBaseQuantums"),
        subticks_per_tick=fields.whole("subticksPerTick"),
        tick_size=fields.price("tickSize"),
        step_size=fields.price("stepSize"),
        market_type=fields.word("marketType", "CROSS"),
        open_interest=fields.decimal_or_none("openInterest"),
        open_interest_lower_cap=fields.decimal_or_none("openInterestLowerCap") or Decimal(0),
        open_interest_upper_cap=fields.decimal_or_none("openInterestUpperCap") or Decimal(0),
    )


def markets(raw: object) -> tuple[Market | Unreadable, ...]:
    """`{markets: {ticker: market}}`. One market that makes no sense does not take the others with it."""
    rows = Rows[Market](MARKET)
    for ticker, item in Fields(raw, "markets").members("markets"):
        rows.take((item,), market, str(ticker))
    return (*rows.read, *rows.unreadable)


def _above_zero(price: Decimal | None) -> Decimal | None:
    """A market that has no oracle price yet says 0."""
    return price if price is not None and price > 0 else None


def book_snapshot(raw: object, ticker: str) -> BookSnapshot:
    fields = Fields(raw, f"book {ticker}")
    return BookSnapshot(
        ticker=ticker,
        bids=each(fields.required_items("bids"), level),
        asks=each(fields.required_items("asks"), level),
    )


def level(raw: object) -> Level:
    """`{price, size}` in a whole book, `[price, size]` in an update; both are taken everywhere.

    The indexer counts levels up and down by what it hears, and can arrive below 0: nobody is there then either.
    """
    if isinstance(raw, list):
        if len(raw) < 2:
            raise TranslationError(f"book level: {shown(raw)} is no price and size")
        raw = {"price": raw[0], "size": raw[1]}
    fields = Fields(raw, "book level")
    return Level(fields.price("price"), max(fields.decimal("size"), Decimal(0)))


def trade(raw: object, ticker: str) -> Trade:
    fields = Fields(raw, f"trade {ticker}")
    return Trade(
        ticker=ticker,
        id=fields.word("id"),
        side=fields.side(),
        size=fields.size("size"),
        price=fields.price("price"),
        at=fields.time("createdAt"),
        height=fields.whole_or_none("createdAtHeight"),
        type=fields.word("type", "LIMIT"),
    )


def candle(raw: object) -> CandleSeen:
    fields = Fields(raw, "candle")
    return CandleSeen(
        ticker=fields.text("ticker"),
        resolution=fields.text("resolution"),
        started_at=fields.time("startedAt"),
        open=fields.price("open"),
        high=fields.price("high"),
        low=fields.price("low"),
        close=fields.price("close"),
        volume=fields.size("baseTokenVolume"),
        trades=fields.whole("trades"),
    )


def historical_funding(raw: object) -> HistoricalFunding:
    fields = Fields(raw, "historical funding")
    return HistoricalFunding(
        ticker=fields.text("ticker"),
        rate=fields.decimal("rate"),
        price=fields.decimal("price"),
        at=fields.time("effectiveAt"),
        height=fields.whole("effectiveAtHeight"),
    )


# -------------------------------------------------------------------------------------------------- the account


def order(raw: object) -> OrderSeen:
    fields = Fields(raw, "order")
    return OrderSeen(
        id=fields.text("id"),
        status=fields.text("status"),
        client_id=fields.whole_or_none("clientId"),
        clob_pair_id=fields.whole_or_none("clobPairId"),
        ticker=fields.word("ticker"),
        side=fields.side() if fields.has("side") else None,
        size=fields.decimal_or_none("size"),
        total_filled=fields.decimal_or_none("totalFilled"),
        total_optimistic_filled=fields.decimal_or_none("totalOptimisticFilled"),
        price=fields.decimal_or_none("price"),
        trigger_price=fields.decimal_or_none("triggerPrice"),
        type=fields.word("type"),
        time_in_force=fields.word("timeInForce"),
        reduce_only=fields.flag_or_none("reduceOnly"),
        post_only=fields.flag_or_none("postOnly"),
        order_flags=fields.whole_or_none("orderFlags"),
        good_til_block=fields.whole_or_none("goodTilBlock"),
        good_til_block_time=fields.time_or_none("goodTilBlockTime"),
        client_metadata=fields.whole_or_none("clientMetadata"),
        created_at_height=fields.whole_or_none("createdAtHeight"),
        updated_at=fields.time_or_none("updatedAt"),
        updated_at_height=fields.whole_or_none("updatedAtHeight"),
        removal_reason=fields.word("removalReason"),
        subaccount_id=fields.word("subaccountId"),
    )


_LIQUIDITY = {"MAKER": Liquidity.MAKER, "TAKER": Liquidity.TAKER}


def fill(raw: object) -> FillSeen:
    """The market is `market` over REST, `ticker` on the websocket."""
    fields = Fields(raw, "fill")
    return FillSeen(
        id=fields.text("id"),
        order_id=fields.word("orderId"),
        ticker=fields.word("market") or fields.word("ticker"),
        side=fields.side(),
        size=fields.size("size"),
        price=fields.price("price"),
        liquidity=_LIQUIDITY.get(fields.word("liquidity"), Liquidity.UNSTATED),
        type=fields.word("type", "LIMIT"),
        at=fields.time("createdAt"),
        height=fields.whole("createdAtHeight"),
        fee=fields.decimal_or_none("fee"),
        clob_pair_id=fields.whole_or_none("clobPairId"),
        client_metadata=fields.whole_or_none("clientMetadata"),
    )


def position(raw: object) -> PositionSeen:
    """The side decides the sign: the indexer writes the size of a short with and without one."""
    fields = Fields(raw, "position")
    sign = fields.side().sign
    max_size = fields.decimal_or_none("maxSize")
    return PositionSeen(
        ticker=fields.text("market"),
        status=fields.word("status", "OPEN"),
        size=abs(fields.decimal("size")) * sign,
        entry_price=fields.size("entryPrice"),
        exit_price=fields.decimal_or_none("exitPrice"),
        max_size=abs(max_size) * sign if max_size is not None else None,
        sum_open=fields.decimal_or_none("sumOpen"),
        sum_close=fields.decimal_or_none("sumClose"),
        realized_pnl=fields.decimal_or_none("realizedPnl"),
        unrealized_pnl=fields.decimal_or_none("unrealizedPnl"),
        net_funding=fields.decimal_or_none("netFunding"),
        created_at=fields.time_or_none("createdAt"),
    )


def asset_position(raw: object) -> AssetPosition:
    fields = Fields(raw, "asset position")
    sign = fields.side().sign
    return AssetPosition(
        symbol=fields.text("symbol"), size=abs(fields.decimal("size")) * sign, asset_id=fields.word("assetId")
    )


def subaccount(raw: object) -> Subaccount:
    """A subaccount without an asset position has no USDC, which is a figure: 0."""
    fields = Fields(raw, "subaccount")
    assets, positions = Rows[AssetPosition](ASSET), Rows[PositionSeen](POSITION)
    assets.take((item for _, item in fields.members("assetPositions")), asset_position)
    positions.take((item for _, item in fields.members("openPerpetualPositions")), position)
    return Subaccount(
        address=fields.text("address"),
        number=fields.whole("subaccountNumber"),
        equity=fields.decimal("equity"),
        free_collateral=fields.decimal("freeCollateral"),
        usdc=sum((asset.size for asset in assets.read if asset.symbol == "USDC"), Decimal(0)),
        positions=tuple(positions.read),
        updated_at_height=fields.whole_or_none("updatedAtHeight"),
        height=fields.whole_or_none("latestProcessedBlockHeight"),
        unreadable=(*assets.unreadable, *positions.unreadable),
    )


def funding_payment(raw: object) -> FundingPayment:
    fields = Fields(raw, "funding payment")
    return FundingPayment(
        ticker=fields.text("ticker"),
        size=abs(fields.decimal("size")) * fields.side().sign,
        rate=fields.decimal("rate"),
        oracle_price=fields.decimal("oraclePrice"),
        payment=fields.decimal("payment"),
        at=fields.time("createdAt"),
        height=fields.whole("createdAtHeight"),
    )


def transfer(raw: object) -> Transfer:
    """Some recordings call `size` and `symbol` `amount` and `asset`."""
    fields = Fields(raw, "transfer")
    sender, recipient = fields.object("sender"), fields.object("recipient")
    return Transfer(
        id=fields.word("id"),
        sender=sender.word("address"),
        sender_number=sender.whole_or_none("subaccountNumber"),
        recipient=recipient.word("address"),
        recipient_number=recipient.whole_or_none("subaccountNumber"),
        symbol=fields.word("symbol") or fields.word("asset", "USDC"),
        size=fields.size("amount" if not fields.has("size") and fields.has("amount") else "size"),
        type=fields.word("type"),
        transaction_hash=fields.word("transactionHash"),
        at=fields.time("createdAt"),
        height=fields.whole("createdAtHeight"),
    )

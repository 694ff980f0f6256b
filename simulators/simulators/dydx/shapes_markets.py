"""The indexer's JSON about markets: parameters, funding, books, trades, candles.

Owns field names, order and text formats. Pure; it must not know who asks.

Sources: as `shapes`.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from signalbox.messages import Side

from simulators.dydx.candles import Candle
from simulators.dydx.interest import Interest
from simulators.dydx.order_book import Book
from simulators.dydx.records import ChainFundingPayment, ChainFundingRate, ChainMarket
from simulators.dydx.shapes import NAMESPACE, Json, event_id, iso, text
from simulators.dydx.trades import Trade


def funding_rate(rate: ChainFundingRate) -> Json:
    """Return a past hour's funding."""
    return {
        "ticker": rate.ticker,
        "rate": text(rate.rate),
        "price": text(rate.price),
        "effectiveAt": iso(rate.effective_at),
        "effectiveAtHeight": str(rate.effective_at_height),
    }


def funding_payment(payment: ChainFundingPayment, clob_pair_id: int, funding_index: Decimal) -> Json:
    """Return a funding payment. Its subaccount's number is a text, unlike everywhere else."""
    return {
        "createdAt": iso(payment.created_at),
        "createdAtHeight": str(payment.created_at_height),
        "perpetualId": str(clob_pair_id),
        "ticker": payment.ticker,
        "oraclePrice": text(payment.oracle_price),
        "size": text(payment.size),
        "side": "LONG" if payment.side is Side.BUY else "SHORT",
        "rate": text(payment.rate),
        "payment": text(payment.payment),
        "subaccountNumber": str(payment.subaccount_number),
        "fundingIndex": text(funding_index),
    }


class DayFigures(Struct, frozen=True):
    """What a market did in the last 24 hours."""

    price_change: Decimal
    volume_usd: Decimal
    trades: int


def market(
    market: ChainMarket,
    oracle_price: Decimal | None,
    next_funding_rate: Decimal,
    open_interest: Decimal,
    interest: Interest,
    day: DayFigures,
) -> Json:
    """Return a market as REST shows it."""
    return {
        "clobPairId": str(market.clob_pair_id),
        "ticker": market.ticker,
        "status": market.status,
        "oraclePrice": text(oracle_price) if oracle_price is not None else None,
        "priceChange24H": text(day.price_change),
        "volume24H": text(day.volume_usd),
        "trades24H": day.trades,
        "nextFundingRate": text(next_funding_rate),
        "initialMarginFraction": text(market.initial_margin_fraction),
        "maintenanceMarginFraction": text(market.maintenance_margin_fraction),
        "openInterest": text(open_interest),
        "atomicResolution": market.atomic_resolution,
        "quantumConversionExponent": market.quantum_conversion_exponent,
        "tickSize": text(market.tick_size),
        "stepSize": text(market.step_size),
        "stepBaseQuantums": market.step_base_quantums,
        "subticksPerTick": market.subticks_per_tick,
        "marketType": market.market_type,
        "openInterestLowerCap": text(interest.lower_cap),
        "openInterestUpperCap": text(interest.upper_cap),
        "baseOpenInterest": text(open_interest),
        "defaultFundingRate1H": "0",
    }


def candle_id(ticker: str, resolution: str, started_at: datetime) -> str:
    """Return a candle's uuid."""
    return str(uuid.uuid5(NAMESPACE, f"{iso(started_at)}-{ticker}-{resolution}"))


def book_levels(book: Book) -> Json:
    """Write a whole book as REST does."""
    return {
        name: [{"price": text(price), "size": text(size)} for price, size in side.items()]
        for name, side in (("bids", book.bids), ("asks", book.asks))
    }


def trade_json(trade: Trade) -> Json:
    """Write a trade as REST does."""
    return {**trade_message(trade), "createdAtHeight": str(trade.height)}


def trade_message(trade: Trade) -> Json:
    """Write a trade as the websocket does."""
    return {
        "id": event_id(trade.height, trade.index),
        "side": trade.side.value,
        "size": text(trade.size),
        "price": text(trade.price),
        "type": trade.type,
        "createdAt": iso(trade.at),
    }


def candle_json(candle: Candle, *, with_id: bool) -> Json:
    """Write a candle; the websocket leaves its id out."""
    shown = {
        "startedAt": iso(candle.started_at),
        "ticker": candle.ticker,
        "resolution": candle.resolution,
        "low": text(candle.low),
        "high": text(candle.high),
        "open": text(candle.open),
        "close": text(candle.close),
        "baseTokenVolume": text(candle.volume),
        "usdVolume": text(candle.volume_usd),
        "trades": candle.trades,
        "startingOpenInterest": text(candle.starting_open_interest),
    }
    if with_id:
        shown |= {"id": candle_id(candle.ticker, candle.resolution, candle.started_at)}
        shown |= {"orderbookMidPriceOpen": None, "orderbookMidPriceClose": None}
    return shown

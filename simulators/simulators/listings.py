"""What the simulated venues list.

Owns the catalogue and how an unlisted symbol gets its facts. It must not know prices, orders or any venue's protocol.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from signalbox.errors import ConfigurationError, SymbolError
from signalbox.exchange.listing import Listing
from signalbox.instruments import OptionTerms, parse_symbol
from signalbox.messages import InstrumentKind

from simulators.dydx.markets import MARKETS, PERMISSIONLESS, made_up_price, market_of
from simulators.dydx.records import ChainMarket
from simulators.option_listings import option_listing

IBKR, DYDX = "ibkr", "dydx"
_FIRST_PERPETUAL_CON_ID = 900_000_000
_TURNOVER_PER_MINUTE_USD, _TRADE_USD = 300_000, 5_000


def _us(key: str, con_id: int, name: str, exchange: str, price: str) -> Listing:
    return Listing(
        key,
        key,
        con_id,
        name,
        exchange,
        "USD",
        Decimal("0.01"),
        Decimal(1),
        "XNYS",
        "America/New_York",
        Decimal(price),
        IBKR,
    )


def _hk(key: str, symbol: str, con_id: int, name: str, price: str, tick: str, lot: int) -> Listing:
    return Listing(
        key,
        symbol,
        con_id,
        name,
        "SEHK",
        "HKD",
        Decimal(tick),
        Decimal(lot),
        "XHKG",
        "Asia/Hong_Kong",
        Decimal(price),
        IBKR,
        exchange="SEHK",
    )


AMBIGUOUS = (
    _us("TWIN", 710_000_001, "TWIN LISTINGS INC", "NYSE", "40"),
    _hk("TWIN.SEHK", "TWIN", 710_000_002, "TWIN LISTINGS LTD", "312", "0.2", 100),
)
"""One symbol on two exchanges in two currencies: a contract request that names neither is ambiguous."""

CATALOGUE = (
    _us("AAPL", 265_598, "APPLE INC", "NASDAQ", "190"),
    _us("SPY", 756_733, "SPDR S&P 500 ETF TRUST", "ARCA", "450"),
    _us("MSFT", 272_093, "MICROSOFT CORP", "NASDAQ", "400"),
    _us("QQQ", 320_227_571, "INVESCO QQQ TRUST SERIES 1", "NASDAQ", "390"),
    _hk("0700.HK", "700", 148_623_117, "TENCENT HOLDINGS LTD", "400", "0.2", 100),
    _hk("0005.HK", "5", 3_691_937, "HSBC HOLDINGS PLC", "62", "0.05", 400),
    _hk("9988.HK", "9988", 388_504_370, "ALIBABA GROUP HOLDING LTD", "80", "0.05", 100),
)
_PERPETUAL_PRICES = {
    "BTC-USD": "100000",
    "ETH-USD": "3500",
    "SOL-USD": "150",
    "DOGE-USD": "0.2",
    "PEPE-USD": "0.00001",
}
_TOKEN_PRICES = dict(zip((each.ticker for each in PERMISSIONLESS), ("1.2", "0.03"), strict=True))


def _perpetual(market: ChainMarket, price: Decimal) -> Listing:
    return Listing(
        market.ticker,
        market.ticker,
        _FIRST_PERPETUAL_CON_ID + market.clob_pair_id,
        f"{market.ticker} PERPETUAL",
        "DYDX",
        "USD",
        market.tick_size,
        market.step_size,
        "24/7",
        "UTC",
        price,
        DYDX,
        exchange="DYDX",
        kind=InstrumentKind.PERPETUAL,
        initial_margin=market.initial_margin_fraction,
        maintenance_margin=market.maintenance_margin_fraction,
        typical_volume=_TURNOVER_PER_MINUTE_USD / price,
        volume_grain=market.step_size,
        trade_size=_TRADE_USD / price,
    )


PERPETUALS = tuple(_perpetual(market, Decimal(_PERPETUAL_PRICES[market.ticker])) for market in MARKETS)
_PERMISSIONLESS = tuple(_perpetual(each, Decimal(_TOKEN_PRICES[each.ticker])) for each in PERMISSIONLESS)
_CATALOGUED = {listing.key: listing for listing in (*CATALOGUE, *AMBIGUOUS, *PERPETUALS, *_PERMISSIONLESS)}


def listing_of(key: str) -> Listing:
    """Return the listing of a canonical symbol; a stock that is not in the catalogue gets stable made-up facts.

    Raises ConfigurationError for a perpetual that the simulated dYdX does not have, and for an option that can never
    have been listed.
    """
    if key in _CATALOGUED:
        return _CATALOGUED[key]
    if terms := _option_terms(key):
        return option_listing(key, listing_of(terms.root))
    if "-" in key:
        market = market_of(key)
        if market is not None:
            return _perpetual(market, made_up_price(market.clob_pair_id))
        known = ", ".join(listing.key for listing in (*PERPETUALS, *_PERMISSIONLESS))
        raise ConfigurationError([f"{key} is no market of the simulated dYdX, which has {known}, M1-USD to M9999-USD"])
    digest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    con_id = 800_000_000 + digest % 100_000_000
    price = str(10 + digest % 290)
    if key.endswith(".HK"):
        symbol = key.removesuffix(".HK").lstrip("0") or "0"
        return _hk(key, symbol, con_id, f"{key} HOLDINGS LTD", price, "0.05", 100)
    return _us(key, con_id, f"{key} INC", "NASDAQ", price)


def _option_terms(key: str) -> OptionTerms | None:
    try:
        return parse_symbol(key).option
    except SymbolError:
        return None


def offer(symbols: tuple[str, ...]) -> tuple[Listing, ...]:
    """Return the listings of `symbols`, with the underlyings of options, and the ambiguous pair where there are stocks.

    Nothing else exists.
    """
    stated = [listing_of(key) for key in dict.fromkeys(symbols)]
    underlyings = [listing_of(each.underlying) for each in stated if each.underlying]
    listings = tuple(dict.fromkeys((*stated, *underlyings)))
    if all(listing.venue != IBKR for listing in listings):
        return listings
    return tuple(dict.fromkeys((*listings, *AMBIGUOUS)))


def traded(listings: Iterable[Listing], at: datetime) -> tuple[Listing, ...]:
    """Return what can be traded at `at`: what has expired is not found any more."""
    return tuple(listing for listing in listings if not listing.is_over(at))

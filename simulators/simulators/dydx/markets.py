"""The perpetual markets of the simulated chain: the protocol's parameters, and tick and step derived from them.

Owns the numbers (v4-chain, protocol/testing/genesis.sh: perpetuals, liquidity tiers, clob pairs), and the making of as
many markets as somebody asks for: the public chain has some 300. It must not know orders or the market that is played.
"""

from __future__ import annotations

import re
from decimal import Decimal

from simulators.dydx.records import ChainMarket

QUOTE_ATOMIC_RESOLUTION = -6
"""USDC has six decimals."""


def tick_size(subticks_per_tick: int, quantum_conversion_exponent: int, atomic_resolution: int) -> Decimal:
    """Return the price step in USD of one base unit."""
    exponent = quantum_conversion_exponent + QUOTE_ATOMIC_RESOLUTION - atomic_resolution
    return _plain(Decimal(subticks_per_tick).scaleb(exponent))


def step_size(step_base_quantums: int, atomic_resolution: int) -> Decimal:
    """Return the size step, which is also the least size, in base units."""
    return _plain(Decimal(step_base_quantums).scaleb(atomic_resolution))


def _plain(number: Decimal) -> Decimal:
    """Return the number without an exponent above 0 and without zeros behind the point."""
    shortest = number.normalize()
    return shortest.quantize(Decimal(1)) if shortest == shortest.to_integral_value() else shortest


def _market(
    ticker: str,
    clob_pair_id: int,
    atomic_resolution: int,
    subticks_per_tick: int,
    initial: str,
    maintenance: str,
    market_type: str = "CROSS",
) -> ChainMarket:
    conversion_exponent, step_base_quantums = -9, 1_000_000
    return ChainMarket(
        ticker=ticker,
        clob_pair_id=clob_pair_id,
        atomic_resolution=atomic_resolution,
        quantum_conversion_exponent=conversion_exponent,
        step_base_quantums=step_base_quantums,
        subticks_per_tick=subticks_per_tick,
        initial_margin_fraction=Decimal(initial),
        maintenance_margin_fraction=Decimal(maintenance),
        tick_size=tick_size(subticks_per_tick, conversion_exponent, atomic_resolution),
        step_size=step_size(step_base_quantums, atomic_resolution),
        market_type=market_type,
    )


MARKETS: tuple[ChainMarket, ...] = (
    _market("BTC-USD", 0, -10, 100_000, "0.02", "0.012"),
    _market("ETH-USD", 1, -9, 100_000, "0.02", "0.012"),
    _market("SOL-USD", 5, -7, 1_000_000, "0.1", "0.05"),
    _market("DOGE-USD", 10, -4, 1_000_000, "0.1", "0.05"),
    _market("PEPE-USD", 28, 1, 1_000_000, "0.1", "0.05"),
)
"""PEPE-USD has a positive atomic resolution: one quantum is ten PEPE."""

PERMISSIONLESS: tuple[ChainMarket, ...] = (
    _market("FARTCOIN,RAYDIUM,9BB6NFECJBCTNNLFKO2FQVQBQ8HHM13KCYYCDQBGPUMP-USD", 264, -6, 1_000_000, "0.2", "0.1"),
    _market(
        "BUFFI,UNISWAP_V3,0X4C1B1302220D7DE5C22B495E78B72F2DD2457D45-USD", 171, -4, 1_000_000, "0.2", "0.1", "ISOLATED"
    ),
)
"""Listed by anybody (v4-chain: x/listing), named by token, exchange and address; isolated until governance has decided.
They are offered where somebody names them.
"""

_MADE_UP = re.compile(r"M([1-9][0-9]{0,3})-USD")
_MADE_UP_PAIRS_FROM = 1000
_TIERS = (("0.05", "0.03"), ("0.1", "0.05"), ("0.2", "0.1"))
"""Margins of the liquidity tiers that most markets are in (v4-chain: genesis.sh, liquidity_tiers)."""


def made_up_price(clob_pair_id: int) -> Decimal:
    """The reference price of a made-up market, from a thousandth of a cent to some thousands of dollars."""
    return _plain(Decimal(10 + clob_pair_id % 90).scaleb(clob_pair_id % 9 - 6))


def _made_up(number: int) -> ChainMarket:
    """A market whose resolution follows from its price as the chain's do: a tick is some 1 in 10,000 of it."""
    clob_pair_id = _MADE_UP_PAIRS_FROM + number
    atomic_resolution = -5 - made_up_price(clob_pair_id).adjusted()
    return _market(f"M{number}-USD", clob_pair_id, atomic_resolution, 1_000_000, *_TIERS[number % len(_TIERS)])


def market_of(ticker: str) -> ChainMarket | None:
    """A market of the chain by its ticker: a known one, or a made-up one such as M7-USD; None = there is none."""
    known = MARKET_OF_TICKER.get(ticker)
    made_up = _MADE_UP.fullmatch(ticker)
    return _made_up(int(made_up[1])) if known is None and made_up else known


def tickers(count: int) -> tuple[str, ...]:
    """So many markets: the known ones first, then made-up ones."""
    names = [market.ticker for market in MARKETS[:count]]
    return (*names, *(f"M{number}-USD" for number in range(1, count - len(names) + 1)))


MARKET_OF_TICKER = {market.ticker: market for market in (*MARKETS, *PERMISSIONLESS)}
MARKET_OF_CLOB_PAIR = {market.clob_pair_id: market for market in MARKET_OF_TICKER.values()}

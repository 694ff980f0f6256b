"""The perpetual markets of the simulated chain: the protocol's parameters, and tick and step derived from them.

Owns the numbers (v4-chain, protocol/testing/genesis.sh: perpetuals, liquidity tiers, clob pairs). It must not know
prices, orders or the market that is played.
"""

from __future__ import annotations

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
    ticker: str, clob_pair_id: int, atomic_resolution: int, subticks_per_tick: int, initial: str, maintenance: str
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
    )


MARKETS: tuple[ChainMarket, ...] = (
    _market("BTC-USD", 0, -10, 100_000, "0.02", "0.012"),
    _market("ETH-USD", 1, -9, 100_000, "0.02", "0.012"),
    _market("SOL-USD", 5, -7, 1_000_000, "0.1", "0.05"),
    _market("DOGE-USD", 10, -4, 1_000_000, "0.1", "0.05"),
    _market("PEPE-USD", 28, 1, 1_000_000, "0.1", "0.05"),
)
"""PEPE-USD has a positive atomic resolution: one quantum is ten PEPE."""

MARKET_OF_TICKER = {market.ticker: market for market in MARKETS}
MARKET_OF_CLOB_PAIR = {market.clob_pair_id: market for market in MARKETS}

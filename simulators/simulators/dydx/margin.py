"""Margin: what a subaccount is worth, what its positions bind, and which changes the chain allows.

Owns the arithmetic and the rule for a change. Pure. Source: protocol/lib/margin and
protocol/x/subaccounts/keeper of v4-chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from msgspec import Struct

from simulators.dydx.records import ChainMarket

_ZERO = Decimal(0)
_QUOTE_QUANTUM = Decimal("0.000001")


class Requirements(Struct, frozen=True):
    """Equity (net collateral), initial and maintenance margin, USD."""

    equity: Decimal
    initial: Decimal
    maintenance: Decimal


def requirements(
    usdc: Decimal,
    sizes: Mapping[str, Decimal],
    prices: Mapping[str, Decimal],
    markets: Mapping[str, ChainMarket],
    fractions: Mapping[str, Decimal],
) -> Requirements:
    """Value signed `sizes` by ticker at oracle `prices`; `fractions` are initial margins above the market's own.

    The chain rounds an initial margin up to a millionth of a dollar.
    """
    equity, initial, maintenance = usdc, _ZERO, _ZERO
    for ticker, size in sizes.items():
        value, market = size * prices[ticker], markets[ticker]
        equity += value
        fraction = fractions.get(ticker, market.initial_margin_fraction)
        initial += (abs(value) * fraction).quantize(_QUOTE_QUANTUM, ROUND_CEILING)
        maintenance += abs(value) * market.maintenance_margin_fraction
    return Requirements(equity, initial, maintenance)


def is_allowed(before: Requirements, after: Requirements) -> bool:
    """Say whether a subaccount may go from `before` to `after`.

    It must be collateralized initially afterwards; one that was not so before may only get safer: less margin bound,
    and no less equity for each unit of it.
    """
    if after.equity >= after.initial:
        return True
    if before.equity >= before.initial:
        return False
    return (
        after.initial <= before.initial
        and after.maintenance < before.maintenance
        and after.equity * before.maintenance >= before.equity * after.maintenance
    )


EQUITY_TIERS = (
    (Decimal(0), 0),
    (Decimal(20), 4),
    (Decimal(100), 8),
    (Decimal(1_000), 10),
    (Decimal(10_000), 100),
    (Decimal(100_000), 200),
)
"""(equity of at least, USD; open stateful orders at most)."""


def stateful_orders_max(equity: Decimal) -> int:
    """Return how many stateful orders a subaccount of this equity may have open."""
    return max((limit for least, limit in EQUITY_TIERS if equity >= least), default=0)

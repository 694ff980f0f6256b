"""What part of a position's value the chain wants as initial margin: the market's own, or more.

More where open interest comes near its cap, and where the owner of the sub-account has set a leverage. Pure. In parts
per million and rounded as the chain does it (v4-chain: protocol/x/perpetuals/types/liquidity_tier.go,
GetAdjustedInitialMarginPpm and GetInitialMarginQuoteQuantums).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from signalbox.errors import TranslationError

from gateway_dydx.facts import Market

MILLION = 1_000_000
_QUOTE_QUANTUM = Decimal("0.000001")


def initial_fraction(market: Market, price: Decimal, chosen_ppm: int) -> Decimal:
    """The fraction at an oracle price; `chosen_ppm` = by the owner's leverage, 0 = none set.

    Raises TranslationError where the market has a cap, and the indexer does not say its open interest.
    """
    return Decimal(max(_scaled_ppm(market, price), chosen_ppm)) / MILLION


def _scaled_ppm(market: Market, price: Decimal) -> int:
    base_ppm = int(market.initial_margin_fraction * MILLION)
    lower, upper = market.open_interest_lower_cap, market.open_interest_upper_cap
    if not upper:
        return base_ppm
    if market.open_interest is None:
        raise TranslationError(f"the open interest of {market.ticker} is not known, which has a cap")
    notional = market.open_interest * price
    if notional <= lower:
        return base_ppm
    if notional >= upper:
        return MILLION
    return base_ppm + int((MILLION - base_ppm) * (notional - lower) // (upper - lower))


def ppm_of(leverage: Decimal) -> int:
    """The initial margin of a leverage, in parts per million: rounded up, so that it is no more leverage than asked."""
    return int((Decimal(MILLION) / leverage).to_integral_value(ROUND_CEILING))


def leverage_of(ppm: int) -> Decimal:
    """The leverage of an initial margin, to a hundredth."""
    return (Decimal(MILLION) / ppm).quantize(Decimal("0.01")).normalize()


def initial_margin(value: Decimal, fraction: Decimal) -> Decimal:
    """What a position of this value binds: rounded up to a millionth of a dollar."""
    return (value * fraction).quantize(_QUOTE_QUANTUM, ROUND_CEILING)


def raised(
    markets: Mapping[str, Market], prices: Mapping[str, Decimal], chosen_ppm: Mapping[int, int]
) -> dict[str, Decimal]:
    """The fractions of the markets in which the chain wants more than the market's own, by ticker.

    All of the value where that is not known.
    """
    found = {}
    for ticker, market in markets.items():
        price = prices.get(ticker)
        if price is None:
            continue
        try:
            fraction = initial_fraction(market, price, chosen_ppm.get(market.clob_pair_id, 0))
        except TranslationError:
            fraction = Decimal(1)
        if fraction > market.initial_margin_fraction:
            found[ticker] = fraction
    return found

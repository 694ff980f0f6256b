"""What lets a position bind more margin than its market asks for: open interest near its cap, and the owner's leverage.

Owns the arithmetic of the initial margin, in parts per million as the chain reckons. Pure. Source: v4-chain,
protocol/x/perpetuals/types/liquidity_tier.go (GetAdjustedInitialMarginPpm, GetInitialMarginQuoteQuantums).
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

MILLION = 1_000_000
_ZERO = Decimal(0)


class Interest(Struct, frozen=True, kw_only=True):
    """A market's caps on open interest (USD; an upper one of 0 = none), and what others hold of it (base units)."""

    lower_cap: Decimal = _ZERO
    upper_cap: Decimal = _ZERO
    others: Decimal = _ZERO


NONE = Interest()


def scaled_ppm(base_ppm: int, open_notional: Decimal, interest: Interest) -> int:
    """The initial margin at an open interest: the market's own up to the lower cap, all of the value from the upper."""
    if not interest.upper_cap or open_notional <= interest.lower_cap:
        return base_ppm
    if open_notional >= interest.upper_cap:
        return MILLION
    above, range_ = open_notional - interest.lower_cap, interest.upper_cap - interest.lower_cap
    return base_ppm + int((MILLION - base_ppm) * above // range_)


def initial_fraction(base: Decimal, open_notional: Decimal, interest: Interest, chosen_ppm: int) -> Decimal:
    """The larger of the scaled margin and that of the owner's leverage (0 = not set)."""
    return Decimal(max(scaled_ppm(int(base * MILLION), open_notional, interest), chosen_ppm)) / MILLION

"""The desk's words to dYdX's and back: pure, both ways.

Owns a market's terms, and sizes and prices as the chain counts them. It must not know the vendor's library
(`venue_node.py`), what an order becomes (`plans.py`), nor what follows (`decide.py`). What makes no sense raises
`TranslationError`.

    size  = quantums * 10^atomic_resolution                              step = step_base_quantums quantums
    price = subticks * 10^(quantum_conversion_exponent - 6 - atomic_resolution)   tick = subticks_per_tick subticks

(v4-chain: x/clob/types/quantums.go; -6 is USDC's resolution.) All of it is exact: a size below the minimum or off the
step, and a price off the tick, are refused with a sentence and never rounded into another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Underflow

from msgspec import Struct
from signalbox.errors import MessageError
from signalbox.messages import Side

VENUE = "dydx"

QUOTE_RESOLUTION = -6
"""USDC is counted in millionths."""

UNSIGNED_64_MAX = 2**64 - 1
UNSIGNED_32_MAX = 2**32 - 1
EXPONENT_MAX = 60
"""No market, size or price has more digits before or behind its point."""

_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow, Underflow, Clamped])


class TranslationError(MessageError):
    """A value of the venue, or of the desk, that has no counterpart on the other side."""


class MarketTerms(Struct, frozen=True, kw_only=True):
    """What converts a market's sizes and prices. `step_size` is also the smallest size."""

    ticker: str
    clob_pair_id: int
    atomic_resolution: int
    quantum_conversion_exponent: int
    step_base_quantums: int
    subticks_per_tick: int
    step_size: Decimal
    tick_size: Decimal


# ------------------------------------------------------------------------------------------------------ markets


def market_terms(market: Mapping[str, object]) -> MarketTerms:
    """Read one market of the indexer's `/v4/perpetualMarkets`.

    Raises TranslationError for a field that is missing or no number, and for a step or a tick that contradicts the
    exponents: an order computed from either would be a guess.
    """
    ticker = market.get("ticker")
    if not isinstance(ticker, str) or not ticker:
        raise TranslationError(f"ticker is {ticker!r}, no name of a market")
    resolution = _integer(market, "atomicResolution", -EXPONENT_MAX, EXPONENT_MAX)
    exponent = _integer(market, "quantumConversionExponent", -EXPONENT_MAX, EXPONENT_MAX)
    step = _integer(market, "stepBaseQuantums", 1, UNSIGNED_64_MAX)
    tick = _integer(market, "subticksPerTick", 1, UNSIGNED_32_MAX)
    terms = MarketTerms(
        ticker=ticker,
        clob_pair_id=_integer(market, "clobPairId", 0, UNSIGNED_32_MAX),
        atomic_resolution=resolution,
        quantum_conversion_exponent=exponent,
        step_base_quantums=step,
        subticks_per_tick=tick,
        step_size=_scaled(step, resolution),
        tick_size=_scaled(tick, exponent + QUOTE_RESOLUTION - resolution),
    )
    for name, computed in (("stepSize", terms.step_size), ("tickSize", terms.tick_size)):
        if name in market and _number(market, name) != computed:
            raise TranslationError(f"{ticker}: {name} is {market[name]}, but the exponents say {shown(computed)}")
    return terms


def _number(market: Mapping[str, object], name: str) -> Decimal:
    value = market.get(name)
    try:
        number = Decimal(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise TranslationError(f"{market.get('ticker')}: {name} is {value!r}, no number")
    return number


def _integer(market: Mapping[str, object], name: str, least: int, most: int) -> int:
    number = _number(market, name)
    if number != number.to_integral_value() or not least <= number <= most:
        raise TranslationError(f"{market.get('ticker')}: {name} is {number}, no whole number from {least} to {most}")
    return int(number)


# ------------------------------------------------------------------------------------------------ sizes and prices


def quantums(quantity: Decimal, market: MarketTerms) -> int:
    """Count a size in quantums, exactly.

    Raises TranslationError for a size that is not above zero, below the minimum, off the step, or beyond 64 bits.
    """
    _refuse_absurd("size", quantity)
    if quantity < market.step_size:
        raise TranslationError(
            f"{shown(quantity)} is below the smallest size that {market.ticker} takes, {shown(market.step_size)}"
        )
    count = _whole(quantity, -market.atomic_resolution)
    if count is None or count % market.step_base_quantums:
        raise TranslationError(f"{shown(quantity)} is no multiple of {market.ticker}'s step, {shown(market.step_size)}")
    if count > UNSIGNED_64_MAX:
        raise TranslationError(f"{shown(quantity)} is more than {market.ticker} can count")
    return count


def quantity_of(count: int, market: MarketTerms) -> Decimal:
    """The size of so many quantums, exactly."""
    return _scaled(count, market.atomic_resolution)


def subticks(price: Decimal, market: MarketTerms) -> int:
    """Count a price in subticks, exactly.

    Raises TranslationError for a price that is not above zero, off the tick, or beyond 64 bits.
    """
    _refuse_absurd("price", price)
    count = _whole(price, _price_exponent(market))
    if count is None or count % market.subticks_per_tick:
        raise TranslationError(f"{shown(price)} is no multiple of {market.ticker}'s tick, {shown(market.tick_size)}")
    if count > UNSIGNED_64_MAX:
        raise TranslationError(f"{shown(price)} is more than {market.ticker} can count")
    return count


def bound_subticks(price: Decimal, market: MarketTerms, side: Side) -> int:
    """Count the worst acceptable price in subticks: a buyer's down to the tick, a seller's up to it.

    A bound is a promise of how bad a fill can be, so rounding only ever makes it stricter.
    Raises TranslationError for a buyer's bound below one tick, and beyond 64 bits.
    """
    _refuse_absurd("price", price)
    numerator, denominator = price.as_integer_ratio()
    exponent = _price_exponent(market)
    numerator *= int(10 ** max(exponent, 0))
    denominator *= int(10 ** max(-exponent, 0)) * market.subticks_per_tick
    ticks = numerator // denominator if side is Side.BUY else -(-numerator // denominator)
    if ticks == 0:
        raise TranslationError(f"{shown(price)} is less than one tick of {market.ticker}, {shown(market.tick_size)}")
    count = ticks * market.subticks_per_tick
    if count > UNSIGNED_64_MAX:
        raise TranslationError(f"{shown(price)} is more than {market.ticker} can count")
    return count


def price_of(count: int, market: MarketTerms) -> Decimal:
    """The price of so many subticks, exactly."""
    return _scaled(count, -_price_exponent(market))


def _price_exponent(market: MarketTerms) -> int:
    return market.atomic_resolution - market.quantum_conversion_exponent - QUOTE_RESOLUTION


def _scaled(count: int, exponent: int) -> Decimal:
    """`count` * 10^exponent: no exponent above zero, no trailing zeros after the point."""
    number = _EXACT.scaleb(Decimal(count), exponent).normalize(_EXACT)
    return number.quantize(Decimal(1), context=_EXACT) if int(number.as_tuple().exponent) > 0 else number


def _refuse_absurd(name: str, value: Decimal) -> None:
    """Refuse what is no positive number, and what would only cost time: `1E+999999` has a million digits."""
    if not value.is_finite() or value <= 0:
        raise TranslationError(f"the {name} must be above 0, not {value}")
    if value.adjusted() > EXPONENT_MAX or int(value.as_tuple().exponent) < -2 * EXPONENT_MAX:
        raise TranslationError(f"{value} is no {name} of any market")


def _whole(value: Decimal, exponent: int) -> int | None:
    """`value` * 10^exponent if that is a whole number, else None."""
    numerator, denominator = value.as_integer_ratio()
    whole, rest = divmod(numerator * int(10 ** max(exponent, 0)), denominator * int(10 ** max(-exponent, 0)))
    return None if rest else whole


def shown(number: Decimal) -> str:
    """Write a number for a person: plain digits, no exponent."""
    return f"{number.normalize(_EXACT):f}"

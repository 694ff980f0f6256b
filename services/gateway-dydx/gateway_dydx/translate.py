"""The desk's words to dYdX's and back: pure, both ways.

Owns a market's terms, sizes and prices as the chain counts them, and what of the indexer's facts becomes a message of
the desk. The indexer's JSON is read by `facts_of` (a websocket message, of any channel) and by `reading` (an object of
REST); what an order becomes is in `plans.py`, what the chain's codes mean in `venue_errors.py`. It must not know the
vendor's library (`venue_node.py`), nor what follows (`decide.py`). What makes no sense raises `TranslationError`.

    size  = quantums * 10^atomic_resolution                              step = step_base_quantums quantums
    price = subticks * 10^(quantum_conversion_exponent - 6 - atomic_resolution)   tick = subticks_per_tick subticks

(v4-chain: x/clob/types/quantums.go; -6 is USDC's resolution.) All of it is exact: a size below the minimum or off the
step, and a price off the tick, are refused with a sentence and never rounded into another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Underflow

from msgspec import Struct
from signalbox.errors import TranslationError
from signalbox.messages import AccountState, PositionHeld, Side, VenueFunding

from gateway_dydx.facts import FundingPayment, Market, PositionSeen, Subaccount
from gateway_dydx.margins import initial_fraction, initial_margin, raised
from gateway_dydx.stream_messages import facts_of as facts_of

VENUE = "dydx"
CURRENCY = "USD"
"""USDC is taken at par, as dYdX's own figures do."""

QUOTE_RESOLUTION = -6
"""USDC is counted in millionths."""

UNSIGNED_64_MAX = 2**64 - 1
UNSIGNED_32_MAX = 2**32 - 1
EXPONENT_MAX = 60
"""No market, size or price has more digits before or behind its point."""

LEVERAGE_STEP = Decimal("0.0001")

_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow, Underflow, Clamped])


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


def market_terms(market: Market) -> MarketTerms:
    """Take what converts a market's sizes and prices.

    Raises TranslationError for parameters out of their range, and for a step or a tick that contradicts the exponents:
    an order computed from either would be a guess.
    """
    for name, value, least, most in (
        ("atomicResolution", market.atomic_resolution, -EXPONENT_MAX, EXPONENT_MAX),
        ("quantumConversionExponent", market.quantum_conversion_exponent, -EXPONENT_MAX, EXPONENT_MAX),
        ("stepBaseQuantums", market.step_base_quantums, 1, UNSIGNED_64_MAX),
        ("subticksPerTick", market.subticks_per_tick, 1, UNSIGNED_32_MAX),
        ("clobPairId", market.clob_pair_id, 0, UNSIGNED_32_MAX),
    ):
        if not least <= value <= most:
            raise TranslationError(f"{market.ticker}: {name} is {value}, not from {least} to {most}")
    exponent = market.quantum_conversion_exponent + QUOTE_RESOLUTION - market.atomic_resolution
    terms = MarketTerms(
        ticker=market.ticker,
        clob_pair_id=market.clob_pair_id,
        atomic_resolution=market.atomic_resolution,
        quantum_conversion_exponent=market.quantum_conversion_exponent,
        step_base_quantums=market.step_base_quantums,
        subticks_per_tick=market.subticks_per_tick,
        step_size=_scaled(market.step_base_quantums, market.atomic_resolution),
        tick_size=_scaled(market.subticks_per_tick, exponent),
    )
    for name, stated, computed in (
        ("stepSize", market.step_size, terms.step_size),
        ("tickSize", market.tick_size, terms.tick_size),
    ):
        if stated != computed:
            raise TranslationError(f"{market.ticker}: {name} is {stated}, but the exponents say {shown(computed)}")
    return terms


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


# ---------------------------------------------------------------------------------------------------------- account


def position_held(seen: PositionSeen) -> PositionHeld:
    return PositionHeld(symbol=seen.ticker, quantity=seen.size, average_price=seen.entry_price, currency=CURRENCY)


def account_state(
    account: str,
    subaccount: Subaccount,
    markets: Mapping[str, Market],
    oracle_prices: Mapping[str, Decimal],
    at: datetime,
    chosen_ppm: Mapping[int, int],
) -> AccountState:
    """Make the account's state of its USDC and positions, revalued at the present oracle prices as the chain does.

    The indexer states equity and free collateral of the moment it was asked only; these formulas are the same ones:
    equity = USDC + size * oracle, free collateral = equity - initial margin, which is also what can be bought with (an
    order needs its own initial margin of it). The indexer's leave out what the chain adds to initial margins, near the
    cap of open interest and by the owner's leverage (`chosen_ppm`, by clob pair). `cash` is signed: what a long
    position cost is taken from it.
    Raises TranslationError when a market or price of a position is missing: no state is better than a guessed one.
    """
    gross = initial = maintenance = unrealized = realized = value = Decimal(0)
    for position in subaccount.positions:
        market, price = markets.get(position.ticker), oracle_prices.get(position.ticker)
        if market is None or price is None:
            raise TranslationError(f"there is no oracle price of {position.ticker}, in which {account} has a position")
        notional = abs(position.size) * price
        gross += notional
        value += position.size * price
        fraction = initial_fraction(market, price, chosen_ppm.get(market.clob_pair_id, 0))
        initial += initial_margin(notional, fraction)
        maintenance += notional * market.maintenance_margin_fraction
        unrealized += position.size * (price - position.entry_price)
        realized += position.realized_pnl or Decimal(0)
    equity = subaccount.usdc + value
    return AccountState(
        id=f"account/{VENUE}/{account}/{at.isoformat()}",
        at=at,
        venue=VENUE,
        account=account,
        currency=CURRENCY,
        cash=subaccount.usdc,
        net_liquidation=equity,
        available_funds=equity - initial,
        buying_power=max(equity - initial, Decimal(0)),
        initial_margin=initial,
        maintenance_margin=maintenance,
        unrealized_pnl=unrealized,
        realized_pnl=realized,
        leverage=(gross / equity).quantize(LEVERAGE_STEP) if equity > 0 else None,
        initial_margin_fractions=raised(markets, oracle_prices, chosen_ppm),
    )


def funding_report(account: str, payment: FundingPayment, received_at: datetime) -> VenueFunding:
    """Report one hour's funding payment in one market.

    The chain pays in the first block after the full hour: the hour names the payment, whichever way it was heard of.
    """
    hour = payment.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    funding_id = f"{payment.ticker}/{hour.isoformat()}"
    return VenueFunding(
        id=f"funding/{VENUE}/{account}/{funding_id}",
        at=payment.at,
        venue=VENUE,
        account=account,
        received_at=received_at,
        funding_id=funding_id,
        symbol=payment.ticker,
        amount=payment.payment,
        currency=CURRENCY,
        rate=payment.rate,
    )

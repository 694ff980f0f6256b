"""What the OMS's metrics show, worked out: ages, slippage, positions in the account's currency, drift.

Pure, and the one place where a Decimal becomes a float. The books' own figures come as the messages that the desk
publishes (`oms.publishing`), so that a chart and a person's `signalbox positions` can not differ. It must not know what
a metric is. NaN = nobody can say: a price or a rate is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import nan

from signalbox.messages import Fill, Position
from signalbox.order_terms import WITH_STOP

from oms.outcome import Drift, DriftKind
from oms.positions import divide, multiply, subtract
from oms.state import OrderState

BASIS_POINTS = 10_000
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """A position in the account's currency. `value` is signed, at the last mark."""

    quantity: float
    value: float
    unrealised_pnl: float
    realised_pnl: float


FLAT = PositionFigures(0.0, 0.0, 0.0, 0.0)


def position_figures(position: Position, rate: Decimal | None) -> PositionFigures:
    """The figures of a position whose currency is worth `rate` of the account's; None = not known."""
    value = unrealised = nan
    if not position.quantity:
        value = unrealised = 0.0
    elif rate is not None and position.mark_price is not None:
        worth = multiply(multiply(position.quantity, position.mark_price), position.multiplier)
        value = float(multiply(worth, rate))
        unrealised = float(multiply(position.unrealized_pnl, rate))
    realised = float(multiply(position.realized_pnl, rate)) if rate is not None else nan
    return PositionFigures(float(position.quantity), value, unrealised, realised)


def conversion_rate(rates: Mapping[str, Decimal], account_currency: str, currency: str) -> Decimal | None:
    """What one unit of `currency` is worth in the account's; None when the desk file does not say."""
    if not account_currency:
        return None
    return ONE if currency == account_currency else rates.get(currency)


def reference_price(order: OrderState) -> Decimal | None:
    """What a fill of the order is held against: the market that risk decided on; for a stop, the stop itself.

    Where a stop will trigger has nothing to do with the market on the day that it was placed.
    """
    if order.order is not None and order.order.order_type in WITH_STOP:
        return order.order.stop_price
    return order.reference_price


def slippage_basis_points(order: OrderState, fill: Fill) -> float | None:
    """How much worse than its reference the order filled (better < 0); None where there is no reference."""
    reference = reference_price(order)
    if order.order is None or reference is None or not (reference.is_finite() and reference > 0):
        return None
    worse = multiply(subtract(fill.price, reference), Decimal(fill.side.sign * BASIS_POINTS))
    return float(divide(worse, reference))


def oldest_seconds(since: Iterable[datetime], now: datetime) -> float:
    """How long ago the first of them was; 0 = there is none, or the clocks differ a little."""
    first = min(since, default=now)
    return max(0.0, (now - first).total_seconds())


def drift_quantities(found: Iterable[Drift]) -> dict[str, float]:
    """By symbol, the desk's quantity minus the venue's, where they differ."""
    return {
        drift.name: float(subtract(Decimal(drift.ours), Decimal(drift.theirs)))
        for drift in found
        if drift.kind is DriftKind.POSITION
    }

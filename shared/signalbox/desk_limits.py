"""The limits that a desk file states, a field each.

Owns the shape of that table; the file is `signalbox.desk`, where each may be stated says `signalbox.limits`. It must
not know an order.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What risk holds every intent against. There are no defaults, but for the last ones here.

    Of the orders let through for an account in a minute one sender may have half by default; the others are optional,
    and what is not stated of them bounds nothing.
    """

    order_quantity_max: Decimal
    order_notional_max: Decimal
    position_quantity_max: Decimal
    position_notional_max: Decimal
    gross_exposure_max: Decimal
    price_collar_fraction: Decimal
    price_age_seconds_max: int
    account_age_seconds_max: int
    intent_age_seconds_max: int
    intents_per_minute_max: int
    open_orders_max: int
    intents_per_minute_per_name_max: int | None = None
    daily_loss_max: Decimal | None = None
    drawdown_max_fraction: Decimal | None = None
    consecutive_losses_max: int | None = None
    cooldown_seconds_after_stop: int | None = None
    risk_per_trade_max: Decimal | None = None
    stop_required: int | None = None
    spread_max_fraction: Decimal | None = None
    opening_notional_min: Decimal | None = None
    open_positions_max: int | None = None
    entries_per_position_max: int | None = None
    position_equity_fraction_max: Decimal | None = None
    net_exposure_max: Decimal | None = None
    leverage_max: Decimal | None = None
    exposure_equity_fraction_max: Decimal | None = None

    @property
    def name_intents_per_minute_max(self) -> int:
        """How many orders of one name are let through for an account in a minute."""
        stated = self.intents_per_minute_per_name_max
        return stated if stated is not None else max(1, self.intents_per_minute_max // 2)

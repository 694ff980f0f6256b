"""The desk file: one TOML file that says what the desk trades, where, and within which limits.

Owns its shape and the rules between its parts. It holds no address and no secret: those come from the environment
(`signalbox.settings`). Every mistake is reported at once.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class Mode(StrEnum):
    PAPER = "paper"
    LIVE = "live"


class ClockSource(StrEnum):
    WALL = "wall"
    SIMULATED = "simulated"


class Venue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A venue and the accounts the desk trades there."""

    accounts: tuple[str, ...]
    market_data_type: str = "LIVE"  # LIVE, FROZEN, DELAYED or DELAYED_FROZEN: what IBKR is asked for


class DeskInstrument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A symbol that may be traded at a venue; `exchange` and `currency` settle an ambiguous one."""

    venue: str
    symbol: str
    exchange: str = "SMART"
    currency: str = ""


class IndicatorParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """N2: SuperTrend(10, 2.0), EMA(21), ATR(10), in bars."""

    supertrend_period: int = 10
    supertrend_multiplier: float = 2.0
    ema_period: int = 21
    atr_period: int = 10


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What risk holds every intent against. There are no defaults: a desk states its limits."""

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


class Desk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `timeframes` are those that scores are computed for, each a multiple of one minute.

    `fx_rates` values other currencies in the account's, in which all limits are stated: what one unit of the
    currency is worth (`HKD = "0.128"`). Without its rate, an order in another currency is denied.
    """

    name: str
    venues: dict[str, Venue]
    instruments: tuple[DeskInstrument, ...]
    limits: Limits
    mode: Mode = Mode.PAPER
    clock: ClockSource = ClockSource.WALL
    timeframes: tuple[str, ...] = ("1m", "5m")
    fx_rates: dict[str, Decimal] = {}
    indicators: IndicatorParameters = IndicatorParameters()

"""A contract that can be traded, with all that a venue says of it. It must not know prices or orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from signalbox.instruments import OptionTerms, tick_at
from signalbox.messages import InstrumentKind, PriceStep


@dataclass(frozen=True, slots=True)
class Listing:
    """One tradable contract. `key` is its only name inside the simulators; `symbol` is what the venue calls it.

    Two listings may share a `symbol` (an ambiguous one); `con_id` and `key` are unique. Hong Kong's tick table is
    simplified to one tick per symbol; `price_steps` are of what has several, and `tick` is the smallest then. An option
    has its `option` terms, the key of its `underlying`, and `last_trade_at`. The margins are fractions of a position's
    value; `typical_volume` is what trades in a regular minute of the synthetic market, in whole `volume_grain`s and
    trades of about `trade_size`.
    """

    key: str
    symbol: str
    con_id: int
    long_name: str
    primary_exchange: str
    currency: str
    tick: Decimal
    lot: Decimal
    calendar: str
    time_zone: str
    reference_price: Decimal
    venue: str
    exchange: str = "SMART"
    trading_class: str = ""
    multiplier: Decimal = Decimal(1)
    kind: InstrumentKind = InstrumentKind.STOCK
    initial_margin: Decimal = Decimal("0.5")
    maintenance_margin: Decimal = Decimal("0.25")
    typical_volume: Decimal = Decimal(6_000)
    volume_grain: Decimal = Decimal(1)
    trade_size: Decimal = Decimal(100)
    price_steps: tuple[PriceStep, ...] = ()
    option: OptionTerms | None = None
    underlying: str = ""
    last_trade_at: datetime | None = None

    @property
    def is_perpetual(self) -> bool:
        """Whether it never expires, trades always and is margined by its venue."""
        return self.kind is InstrumentKind.PERPETUAL

    def tick_at(self, price: Decimal) -> Decimal:
        """The step that prices have at `price`."""
        return tick_at(price, self.tick, self.price_steps) if self.price_steps else self.tick

    def is_over(self, at: datetime) -> bool:
        """Whether it can be traded no more."""
        return self.last_trade_at is not None and at >= self.last_trade_at

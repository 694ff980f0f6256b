"""A contract that can be traded, with all that a venue says of it. It must not know prices or orders."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from signalbox.messages import InstrumentKind


@dataclass(frozen=True, slots=True)
class Listing:
    """One tradable contract. `key` is its only name inside the simulators; `symbol` is what the venue calls it.

    Two listings may share a `symbol` (an ambiguous one); `con_id` and `key` are unique. Hong Kong's tick table is
    simplified to one tick per symbol. The margins are fractions of a position's value; `typical_volume` is what trades
    in a regular minute of the synthetic market, in whole `volume_grain`s and trades of about `trade_size`.
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

    @property
    def is_perpetual(self) -> bool:
        """Whether it never expires, trades always and is margined by its venue."""
        return self.kind is InstrumentKind.PERPETUAL

"""Funding rates on their way to the desk: the next hour's, of each market, whenever it changes.

Owns what has been published. It must not know what is paid (`reports`).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.gateway.ending import end_if_told
from signalbox.messages import FundingRate

from gateway_dydx.translate import VENUE


class FundingRates:
    """The newest rate of each symbol, stored when it is another than before."""

    def __init__(self, bus: Bus, clock: DeskClock) -> None:
        self._bus, self._clock = bus, clock
        self._published: dict[str, Decimal] = {}
        self._waiting: dict[str, FundingRate] = {}
        self._changed = asyncio.Event()

    def take(self, symbol: str, rate: Decimal, oracle_price: Decimal | None) -> None:
        """Take what longs pay at the next hour: a fraction of the position's value, which goes by the oracle."""
        if self._published.get(symbol) == rate:
            self._waiting.pop(symbol, None)
            return
        self._waiting[symbol] = funding_message(symbol, rate, oracle_price, self._clock.now(), datetime.now(UTC))
        self._changed.set()

    async def run(self) -> None:
        """Publish changes, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            waiting, self._waiting = self._waiting, {}
            for symbol, message in waiting.items():
                await self._bus.publish(subjects.funding(VENUE, symbol), message)
                end_if_told()
                self._published[symbol] = message.rate


def funding_message(
    symbol: str, rate: Decimal, oracle_price: Decimal | None, at: datetime, received_at: datetime
) -> FundingRate:
    """Make the message. The indexer gives the rate no time of its own: `at` is the desk's when it came."""
    return FundingRate(
        id=f"funding/{VENUE}/{symbol}/{at.isoformat()}",
        at=at,
        venue=VENUE,
        symbol=symbol,
        rate=rate,
        oracle_price=oracle_price,
        received_at=received_at,
    )

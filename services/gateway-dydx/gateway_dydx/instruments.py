"""The desk's instruments at the venue: each is found among the venue's markets before it is offered.

Owns what is offered and what is not, and why, and what the venue says of each market now. A symbol that the venue does
not have is said once and left out; the others work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.desk import Desk
from signalbox.errors import SymbolError, TranslationError
from signalbox.gateway.ending import end_if_told
from signalbox.instruments import Symbol, parse_symbol
from signalbox.messages import Instrument, InstrumentKind

from gateway_dydx.facts import Market
from gateway_dydx.translate import VENUE, MarketTerms, market_terms

log = logging.getLogger(__name__)

EXCHANGE = "DYDX"
CURRENCY = "USD"
"""USDC, which the venue itself takes at par."""
ACTIVE, FINAL_SETTLEMENT = "ACTIVE", "FINAL_SETTLEMENT"


@dataclass(frozen=True)
class Offered:
    """An instrument that the venue has."""

    symbol: Symbol
    market: Market
    terms: MarketTerms
    instrument: Instrument


class Instruments:
    """What of the desk file is offered."""

    def __init__(self, bus: Bus, clock: DeskClock, desk: Desk) -> None:
        self._bus, self._clock = bus, clock
        self._wanted = tuple(wanted.symbol for wanted in desk.instruments if wanted.venue == VENUE)
        self._left_out: dict[str, str] = {}
        self.offered: dict[str, Offered] = {}
        self.qualified = asyncio.Event()
        """Set once the venue's markets have been seen."""

    def terms_of(self, symbol: str) -> MarketTerms | None:
        """How an offered symbol's sizes and prices are counted."""
        offered = self.offered.get(symbol)
        return offered.terms if offered is not None else None

    def why_not_offered(self, symbol: str) -> str:
        """Why a symbol is not offered, for a person; only after `qualify` is that the whole truth."""
        return self._left_out.get(symbol, "the desk file does not name it for this venue")

    async def qualify(self, markets: Iterable[Market]) -> None:
        """Offer what the venue has of the desk file, and publish what is new or has changed."""
        there = {market.ticker: market for market in markets}
        for wanted in self._wanted:
            try:
                symbol = parse_symbol(wanted)
                market = there.get(symbol.canonical)
                if market is None:
                    self._leave_out(wanted, f"the venue has no market {symbol.canonical}")
                elif market.status == FINAL_SETTLEMENT:
                    self._leave_out(wanted, f"the venue has closed the market {symbol.canonical}")
                else:
                    await self._offer(symbol, market)
            except (SymbolError, TranslationError) as error:
                self._leave_out(wanted, str(error))
        self.qualified.set()

    async def _offer(self, symbol: Symbol, market: Market) -> None:
        terms = market_terms(market)
        made = instrument(market, symbol, self._clock.now())
        before = self.offered.get(symbol.canonical)
        if before is None or not _same(before.instrument, made):
            await self._bus.publish(subjects.instrument(VENUE, symbol.canonical), made)
            end_if_told()
            log.info("instrument", extra={"symbol": symbol.canonical, "pair": market.clob_pair_id})
        else:
            made = before.instrument
        if market.status != ACTIVE and (before is None or before.market.status != market.status):
            log.warning("the market is not active", extra={"symbol": symbol.canonical, "status": market.status})
        self.offered[symbol.canonical] = Offered(symbol, market, terms, made)
        self._left_out.pop(symbol.canonical, None)

    def _leave_out(self, symbol: str, reason: str) -> None:
        if self._left_out.get(symbol) != reason:
            self._left_out[symbol] = reason
            log.error(
                "the desk file names an instrument that is not offered", extra={"symbol": symbol, "reason": reason}
            )

    @property
    def left_out(self) -> dict[str, str]:
        """Each symbol that is not offered, and why."""
        return dict(self._left_out)


def instrument(market: Market, symbol: Symbol, at: datetime) -> Instrument:
    """Make the desk's instrument: the step is also the smallest size."""
    terms = market_terms(market)
    return Instrument(
        id=f"instrument/{VENUE}/{symbol.canonical}/{market.clob_pair_id}/{at.isoformat()}",
        at=at,
        venue=VENUE,
        symbol=symbol.canonical,
        kind=InstrumentKind.PERPETUAL,
        currency=CURRENCY,
        exchange=EXCHANGE,
        calendar=symbol.calendar,
        tick_size=terms.tick_size,
        lot_size=terms.step_size,
        minimum_quantity=terms.step_size,
        venue_id=str(market.clob_pair_id),
        name=f"{market.ticker} perpetual",
        initial_margin=market.initial_margin_fraction,
        maintenance_margin=market.maintenance_margin_fraction,
    )


def _same(one: Instrument, other: Instrument) -> bool:
    """Whether two say the same, apart from when."""
    plain = ("tick_size", "lot_size", "minimum_quantity", "venue_id", "initial_margin", "maintenance_margin")
    return all(getattr(one, name) == getattr(other, name) for name in plain)

"""How the desk's instruments are found at dYdX: each among the venue's markets, and what these say of it now.

Owns what a market of the venue offers. What is offered, and why not, is `signalbox.gateway.instruments`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from signalbox.clock import DeskClock
from signalbox.errors import SymbolError, TranslationError
from signalbox.gateway.instruments import Instruments
from signalbox.instruments import Symbol, parse_symbol
from signalbox.messages import Instrument, InstrumentKind

from gateway_dydx.facts import Market
from gateway_dydx.translate import CURRENCY, VENUE, MarketTerms, market_terms

log = logging.getLogger(__name__)

EXCHANGE = "DYDX"
ACTIVE, FINAL_SETTLEMENT = "ACTIVE", "FINAL_SETTLEMENT"


@dataclass(frozen=True)
class Offered:
    """An instrument that the venue has."""

    symbol: Symbol
    market: Market
    terms: MarketTerms
    instrument: Instrument


async def qualify(instruments: Instruments[Offered], markets: Iterable[Market], clock: DeskClock) -> None:
    """Offer what the venue has of the desk file, and publish what is new or has changed."""
    there = {market.ticker: market for market in markets}
    for wanted in instruments.wanted:
        try:
            symbol = parse_symbol(wanted.symbol)
            market = there.get(symbol.canonical)
            if market is None:
                instruments.leave_out(wanted.symbol, f"the venue has no market {symbol.canonical}")
            elif market.status == FINAL_SETTLEMENT:
                instruments.leave_out(wanted.symbol, f"the venue has closed the market {symbol.canonical}")
            else:
                await _offer(instruments, wanted.symbol, symbol, market, clock.now())
        except (SymbolError, TranslationError) as error:
            instruments.leave_out(wanted.symbol, str(error))
    instruments.qualified.set()


async def _offer(instruments: Instruments[Offered], wanted: str, symbol: Symbol, market: Market, at: datetime) -> None:
    made, before = instrument(market, symbol, at), instruments.offered.get(symbol.canonical)
    if market.status != ACTIVE and (before is None or before.market.status != market.status):
        log.warning("the market is not active", extra={"symbol": symbol.canonical, "status": market.status})
    if before is None or not _same(before.instrument, made):
        await instruments.offer(wanted, made, Offered(symbol, market, market_terms(market), made))
    else:
        instruments.offered[symbol.canonical] = Offered(symbol, market, market_terms(market), before.instrument)


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

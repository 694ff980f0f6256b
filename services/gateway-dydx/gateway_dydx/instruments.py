"""How the desk's instruments are found at dYdX: each among the venue's markets, and what these say of it now.

Owns what a market of the venue offers. What is offered, and why not, is `signalbox.gateway.instruments`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace
from signalbox.clock import DeskClock
from signalbox.errors import SymbolError, TranslationError
from signalbox.gateway.instruments import Instruments
from signalbox.instruments import Symbol, parse_symbol
from signalbox.messages import Instrument, InstrumentKind, MarketState
from signalbox.venue_figures import show_market_state

from gateway_dydx.facts import Market, Unreadable
from gateway_dydx.translate import CURRENCY, VENUE, MarketTerms, market_terms

log = logging.getLogger(__name__)

EXCHANGE = "DYDX"
MARKET_STATES = {
    "ACTIVE": MarketState.OPEN,
    "POST_ONLY": MarketState.POST_ONLY,
    "CANCEL_ONLY": MarketState.CANCEL_ONLY,
    "PAUSED": MarketState.PAUSED,
    "INITIALIZING": MarketState.INITIALIZING,
    "FINAL_SETTLEMENT": MarketState.SETTLING,
}
"""The indexer's statuses (v4-chain: indexer/packages/postgres, PerpetualMarketStatus)."""
ISOLATED = "ISOLATED"
GONE = "not there any more"


@dataclass(frozen=True)
class Offered:
    """An instrument that the venue has."""

    symbol: Symbol
    market: Market
    terms: MarketTerms
    instrument: Instrument


async def qualify(
    instruments: Instruments[Offered], markets: Iterable[Market], unreadable: Iterable[Unreadable], clock: DeskClock
) -> None:
    """Offer what the venue has of the desk file, and publish what is new or has changed.

    A market that can not be read any more stays as it was: what is held there is to be cancelled, and nothing is sent.
    """
    reasons = {row.symbol: row.reason for row in unreadable}
    there = {market.ticker: market for market in markets}
    for wanted in instruments.wanted:
        try:
            symbol = parse_symbol(wanted.symbol)
            market = there.get(symbol.canonical)
            if symbol.canonical in reasons:
                if symbol.canonical not in instruments.offered:
                    instruments.leave_out(wanted.symbol, f"what the venue says of it: {reasons[symbol.canonical]}")
            elif market is not None:
                await _offer(instruments, wanted.symbol, symbol, market, clock.now())
            elif symbol.canonical in instruments.offered:  # what is held there has to have a name
                before = instruments.offered[symbol.canonical]
                await _offer(instruments, wanted.symbol, symbol, replace(before.market, status=GONE), clock.now())
            else:
                instruments.leave_out(wanted.symbol, f"the venue has no market {symbol.canonical}")
        except (SymbolError, TranslationError) as error:
            instruments.leave_out(wanted.symbol, str(error))
    instruments.qualified.set()


async def _offer(instruments: Instruments[Offered], wanted: str, symbol: Symbol, market: Market, at: datetime) -> None:
    made, before = instrument(market, symbol, at), instruments.offered.get(symbol.canonical)
    if before is None or before.market.status != market.status:
        show_market_state(VENUE, symbol.canonical, made.market_state)
        level = logging.INFO if made.market_state is MarketState.OPEN else logging.WARNING
        log.log(level, "the market's state", extra={"symbol": symbol.canonical, "status": market.status})
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
        market_state=MARKET_STATES.get(market.status, MarketState.UNKNOWN),
        is_isolated=market.market_type == ISOLATED,
    )


def not_open(instruments: Instruments[Offered]) -> dict[str, str]:
    """Each market that takes no orders now, and the venue's word for it."""
    offered = instruments.offered.items()
    return {
        symbol: each.market.status for symbol, each in offered if each.instrument.market_state is not MarketState.OPEN
    }


def _same(one: Instrument, other: Instrument) -> bool:
    """Whether two say the same, apart from when."""
    plain = ("tick_size", "lot_size", "minimum_quantity", "venue_id", "initial_margin", "maintenance_margin")
    of_now = ("market_state", "is_isolated")
    return all(getattr(one, name) == getattr(other, name) for name in (*plain, *of_now))

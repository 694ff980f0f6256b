"""The desk's instruments at the venue: each is qualified before anything is asked or ordered of it (P3).

Owns what is offered and what is not, and why. A symbol that the venue does not know, or knows twice, is said once and
left out; the others work.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.desk import Desk, DeskInstrument
from signalbox.errors import SymbolError, TranslationError, VenueRefusedError
from signalbox.gateway.ending import end_if_told
from signalbox.instruments import Symbol, parse_symbol
from signalbox.messages import Instrument

from gateway_ibkr.facts import ContractFound, VenueContract
from gateway_ibkr.pacing import instruments_max
from gateway_ibkr.state import State
from gateway_ibkr.translate import VENUE, contract_request, instrument, matching
from gateway_ibkr.venue_errors import sentence
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offered:
    """An instrument that the venue has."""

    symbol: Symbol
    contract: VenueContract
    instrument: Instrument


class Instruments:
    """What of the desk file is offered."""

    def __init__(self, bus: Bus, clock: DeskClock, desk: Desk, state: State) -> None:
        self._bus, self._clock, self._state = bus, clock, state
        wanted = [wanted for wanted in desk.instruments if wanted.venue == VENUE]
        self._left_out: dict[str, str] = {}
        for extra in wanted[instruments_max() :]:
            self._leave_out(extra.symbol, f"IBKR has lines for {instruments_max()} instruments with quotes and bars")
        self._wanted = wanted[: instruments_max()]
        self.offered: dict[str, Offered] = {}

    def contract_of(self, symbol: str) -> VenueContract | None:
        """The venue's contract of an offered symbol."""
        offered = self.offered.get(symbol)
        return offered.contract if offered is not None else None

    def why_not_offered(self, symbol: str) -> str:
        """Why a symbol is not offered, for a person; only after `qualify` is that the whole truth."""
        for wanted, reason in self._left_out.items():
            with suppress(SymbolError):
                if symbol in (wanted, parse_symbol(wanted).canonical):
                    return reason
        return "the desk file does not name it for this venue"

    async def qualify(self, session: OrdersSession) -> None:
        """Ask for every instrument that is not offered yet. Raises `VenueError` when the venue does not answer."""
        for wanted in self._wanted:
            try:
                symbol = parse_symbol(wanted.symbol)
                if symbol.canonical not in self.offered:
                    await self._qualify(session, wanted, symbol)
            except (SymbolError, TranslationError) as error:
                self._leave_out(wanted.symbol, str(error))

    async def _qualify(self, session: OrdersSession, wanted: DeskInstrument, symbol: Symbol) -> None:
        request = contract_request(symbol, wanted.exchange, wanted.currency)
        try:
            answers = await session.contracts(request)
        except VenueRefusedError as error:
            self._leave_out(wanted.symbol, sentence(int(error.code), error.text))
            return
        found = matching(request, answers)
        if len(found) != 1:
            self._leave_out(wanted.symbol, _not_one(wanted, found))
            return
        contract = _routed(found[0], request)
        made = instrument(found[0], symbol, self._clock.now())
        self._state.own.symbols[contract.con_id] = symbol.canonical
        self._state.own.calendars[symbol.canonical] = symbol.calendar
        await self._bus.publish(subjects.instrument(VENUE, symbol.canonical), made)
        end_if_told()
        self.offered[symbol.canonical] = Offered(symbol, contract, made)
        self._left_out.pop(wanted.symbol, None)
        log.info("instrument", extra={"symbol": symbol.canonical, "con_id": contract.con_id, "title": made.name})

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


def _not_one(wanted: DeskInstrument, found: tuple[ContractFound, ...]) -> str:
    if not found:
        return f"the venue has no {wanted.symbol} in {wanted.currency or 'its currency'} at {wanted.exchange}"
    places = ", ".join(
        f"{item.contract.primary_exchange or item.contract.exchange} ({item.contract.currency}, {item.long_name})"
        for item in found
    )
    return f"{wanted.symbol} is ambiguous: {places}. Set exchange, or currency, for it in the desk file."


def _routed(found: ContractFound, request: VenueContract) -> VenueContract:
    """Trade it where the desk file says, by the contract's own number."""
    contract = found.contract
    return VenueContract(
        con_id=contract.con_id,
        symbol=contract.symbol,
        security_type=contract.security_type,
        exchange=request.exchange,
        currency=contract.currency,
        local_symbol=contract.local_symbol,
        trading_class=contract.trading_class,
        multiplier=contract.multiplier,
        expiry=contract.expiry,
        strike=contract.strike,
        right=contract.right,
    )

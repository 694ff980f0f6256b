"""How the desk's instruments are found at IBKR: each is qualified before anything is asked or ordered of it (P3).

Owns what one contract is found by, and that a symbol which the venue knows twice is not guessed. What is offered, and
why not, is `signalbox.gateway.instruments`'s.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from msgspec import structs
from signalbox.clock import DeskClock
from signalbox.desk import DeskInstrument
from signalbox.errors import CalendarError, SymbolError, TranslationError, VenueRefusedError, VenueTimeoutError
from signalbox.expiry import end_of_trading
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.parking import Parking
from signalbox.gateway.state import take_number
from signalbox.instruments import Symbol, parse_symbol
from signalbox.messages import Instrument

from gateway_ibkr import sense
from gateway_ibkr.facts import ContractFound, VenueContract
from gateway_ibkr.options import last_trade_at, one_sold, price_steps, rule_of, short_margin, underlying_of
from gateway_ibkr.pacing import instruments_max
from gateway_ibkr.state import State
from gateway_ibkr.translate import contract_request, instrument, matching
from gateway_ibkr.venue_errors import sentence
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offered:
    """An instrument that the venue has; `ends` is when it can be traded no more, None = never."""

    symbol: Symbol
    contract: VenueContract
    ends: datetime | None = None
    made: Instrument | None = None
    """As it was last told."""

    def is_over(self, at: datetime) -> bool:
        """Whether it has expired: the venue knows nothing of it any more."""
        return self.ends is not None and at >= self.ends


async def qualify(
    instruments: Instruments[Offered],
    session: OrdersSession,
    state: State,
    clock: DeskClock,
    parking: Parking,
    *,
    margins_again: bool = True,
) -> None:
    """Ask for every instrument that is not offered yet. Raises `VenueError` when the venue does not answer.

    `margins_again`: what a sold option binds is asked anew. It is told of one account, the desk's first.
    """
    for extra in instruments.wanted[instruments_max() :]:
        lines = f"IBKR has lines for {instruments_max()} instruments with quotes and bars"
        instruments.leave_out(extra.symbol, lines)
    for wanted in instruments.wanted[: instruments_max()]:
        try:
            symbol = parse_symbol(wanted.symbol)
            if symbol.canonical not in instruments.offered:
                state.own.untold.add(symbol.canonical)
            elif symbol.option is not None and margins_again:
                offered = instruments.offered[symbol.canonical]
                await _tell_margin_again(instruments, session, state, clock, offered)
            if symbol.canonical not in instruments.offered:
                await _qualify(instruments, session, state, clock, parking, wanted, symbol)
        except (SymbolError, TranslationError, CalendarError) as error:
            instruments.leave_out(wanted.symbol, str(error))
    instruments.qualified.set()


async def _qualify(
    instruments: Instruments[Offered],
    session: OrdersSession,
    state: State,
    clock: DeskClock,
    parking: Parking,
    wanted: DeskInstrument,
    symbol: Symbol,
) -> None:
    ended = end_of_trading(symbol)
    if ended is not None and clock.now() >= ended:
        instruments.leave_out(wanted.symbol, f"it expired on {ended:%Y-%m-%d}: take it out of the desk file")
        return
    request = contract_request(symbol, wanted.exchange, wanted.currency)
    try:
        answers = await session.contracts(request)
    except VenueRefusedError as error:
        instruments.leave_out(wanted.symbol, sentence(int(error.code), error.text))
        return
    answers, unread = sense.sift(answers, clock.now(), state.own)
    if unread:  # which of them is meant can not be told
        for fact in unread:
            parking.park(fact)
        instruments.leave_out(wanted.symbol, f"what the venue says of its contract makes no sense: {unread[0].reason}")
        return
    found = matching(request, answers)
    if len(found) != 1:
        instruments.leave_out(wanted.symbol, _not_one(wanted, found))
        return
    parking.read(sense.CONTRACT, str(found[0].contract.con_id))
    contract = _routed(found[0], request)
    state.own.symbols[contract.con_id] = symbol.canonical
    state.own.untold.discard(symbol.canonical)
    state.own.calendars[symbol.canonical] = symbol.calendar
    made = await _made(session, found[0], symbol, contract, clock)
    if symbol.option is None:
        await instruments.offer(wanted.symbol, made, Offered(symbol, contract, made=made))
        return
    made = structs.replace(made, short_margin=await _margin_of_one_sold(session, state, contract))
    await instruments.offer(wanted.symbol, made, Offered(symbol, contract, made.last_trade_at, made))


async def _tell_margin_again(
    instruments: Instruments[Offered], session: OrdersSession, state: State, clock: DeskClock, offered: Offered
) -> None:
    """A margin moves with the market: it is asked again in each session."""
    if offered.made is None or offered.is_over(clock.now()):
        return
    margin = await _margin_of_one_sold(session, state, offered.contract)
    if margin != offered.made.short_margin:
        at = clock.now()
        name = f"{offered.made.id.rpartition('/')[0]}/{at.isoformat()}"
        made = structs.replace(offered.made, id=name, at=at, short_margin=margin)
        await instruments.offer(made.symbol, made, replace(offered, made=made))


async def _margin_of_one_sold(session: OrdersSession, state: State, contract: VenueContract) -> Decimal | None:
    """What the venue says that one contract sold short binds; None = it does not, and none is sold short."""
    try:
        told = await session.margin(take_number(state), contract, one_sold(state.account))
    except (VenueRefusedError, VenueTimeoutError) as error:
        log.warning("no margin is told for a sold option", extra={"contract": contract.local_symbol, "why": str(error)})
        return None
    return short_margin(told)


async def _made(
    session: OrdersSession, found: ContractFound, symbol: Symbol, contract: VenueContract, clock: DeskClock
) -> Instrument:
    """The desk's instrument; of an option also its price steps, for which the venue is asked beside."""
    if symbol.option is None:
        return instrument(found, symbol, clock.now())
    ends, rule = last_trade_at(found, symbol), rule_of(found, contract.exchange)
    steps = price_steps(await session.price_steps(rule)) if rule is not None else ()
    made = instrument(found, symbol, clock.now(), steps)
    return structs.replace(made, last_trade_at=ends, underlying=underlying_of(found))


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

"""Asks IBKR in turn what opening would bind in each of the desk's instruments, where the desk wants that: the shell.

Owns when: one instrument at a time, after the messages that have to leave, while the link is READY; each again after
`margins.AGAIN_AFTER` of desk time, and one that had no answer as late. What is asked, and what an answer means, is
`margins`. Options are asked about by themselves (`instruments`): what is sold of them binds no part of their value.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from decimal import Decimal

from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway.running import Gateway
from signalbox.gateway.state import take_number
from signalbox.messages import AccountState, Side

from gateway_ibkr.account import Figures
from gateway_ibkr.facts import MarginSeen
from gateway_ibkr.instruments import Offered
from gateway_ibkr.margins import AGAIN_AFTER, Asked, MarginTold, asked, rate_of
from gateway_ibkr.orders import Orders
from gateway_ibkr.state import State

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Between two instruments, on the wall clock: two of the venue's messages a second at most."""


class WhatIf:
    """What is asked for one account."""

    def __init__(
        self, clock: DeskClock, state: State, gateway: Gateway[Offered], figures: Figures, orders: Orders
    ) -> None:
        self._clock, self._state, self._gateway, self._figures, self._orders = clock, state, gateway, figures, orders
        self._asked_at: dict[str, datetime] = {}

    async def run(self) -> None:
        """Ask, for ever."""
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            offered = self._due() if self._gateway.link.may_send() else None
            if offered is not None:
                self._asked_at[offered.symbol.canonical] = self._clock.now()
                await self._ask(offered)

    def _due(self) -> Offered | None:
        """An instrument with a price whose turn it is."""
        now = self._clock.now()
        for symbol, offered in self._gateway.instruments.offered.items():
            last = self._asked_at.get(symbol)
            is_due = last is None or now - last >= AGAIN_AFTER
            if is_due and offered.symbol.option is None and symbol in self._state.own.marks:
                return offered
        return None

    async def _ask(self, offered: Offered) -> None:
        symbol = offered.symbol.canonical
        try:
            worth = self._worth(offered)
            if worth is None or offered.made is None:
                return
            price, held = self._state.own.marks[symbol], self._state.own.positions.get(symbol, Decimal(0))
            sides = [asked(self._state.account, side, held, offered.made, price) for side in (Side.BUY, Side.SELL)]
            bought, sold = [await self._answer(offered, each) for each in sides]
            opened = sides[0].opened * worth, sides[1].opened * worth
            rate = rate_of(symbol, bought, sold, opened, self._clock.now())
        except (VenueError, TranslationError) as error:
            log.warning("the venue does not say what opening binds", extra={"symbol": symbol, "reason": str(error)})
            return  # what it said before grows old, and is told no more then
        if rate is None:
            log.warning("what the venue says of opening is no rate", extra={"symbol": symbol})
        self._gateway.account.on_fact(MarginTold(symbol, rate))

    async def _answer(self, offered: Offered, each: Asked) -> MarginSeen:
        await self._orders.turn()
        session = self._orders.open_session()
        told = await session.margin(take_number(self._state), offered.contract, each.terms)
        if not told:
            raise TranslationError("the answer is empty")
        return told[-1]

    def _worth(self, offered: Offered) -> Decimal | None:
        """What one unit of the instrument's currency is in the account's, by the venue; None = it has not said."""
        told: AccountState | None = self._figures.state(self._clock.now())
        if told is None:
            return None
        return Decimal(1) if offered.symbol.currency == told.currency else told.rates.get(offered.symbol.currency)

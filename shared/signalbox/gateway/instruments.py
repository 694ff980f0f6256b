"""The desk's instruments at a venue: each is found there before anything is asked or ordered of it.

Owns what is offered and what is not, and why. A symbol that the venue does not have is said once and left out; the
others work. How it is found is the venue's.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Generic, TypeVar

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.desk import Desk
from signalbox.errors import SymbolError, TranslationError
from signalbox.gateway.ending import end_if_told
from signalbox.instruments import parse_symbol
from signalbox.messages import Instrument

log = logging.getLogger(__name__)

Offered = TypeVar("Offered")


class Instruments(Generic[Offered]):
    """What of the desk file is offered: the venue's word for each, by symbol."""

    def __init__(self, bus: Bus, desk: Desk, venue: str) -> None:
        self._bus, self._venue = bus, venue
        self._left_out: dict[str, str] = {}
        self.wanted = tuple(wanted for wanted in desk.instruments if wanted.venue == venue)
        self.offered: dict[str, Offered] = {}
        self.one_at_a_time = asyncio.Lock()
        """For who asks the venue for them: the accounts of a gateway share what is found."""
        self.qualified = asyncio.Event()
        """Set once the venue has been asked for all of them."""

    def one(self, symbol: str) -> Offered:
        """An offered instrument. Raises `TranslationError`, which tells a person why it is not."""
        if symbol not in self.offered:
            raise TranslationError(f"{symbol} is not offered: {self.why_not_offered(symbol)}")
        return self.offered[symbol]

    def why_not_offered(self, symbol: str) -> str:
        """Why a symbol is not offered, for a person; only once `qualified` is that the whole truth."""
        for wanted, reason in self._left_out.items():
            with suppress(SymbolError):
                if symbol in (wanted, parse_symbol(wanted).canonical):
                    return reason
        return "the desk file does not name it for this venue"

    async def offer(self, wanted: str, made: Instrument, offered: Offered) -> None:
        """Offer what the desk file calls `wanted`, and publish it."""
        await self._bus.publish(subjects.instrument(self._venue, made.symbol), made)
        end_if_told()
        self.offered[made.symbol] = offered
        self._left_out.pop(wanted, None)
        log.info("instrument", extra={"symbol": made.symbol, "venue_id": made.venue_id, "title": made.name})

    def leave_out(self, wanted: str, reason: str) -> None:
        """Say, once, why something is not offered."""
        if self._left_out.get(wanted) != reason:
            self._left_out[wanted] = reason
            log.error(
                "the desk file names an instrument that is not offered", extra={"symbol": wanted, "reason": reason}
            )

    @property
    def left_out(self) -> dict[str, str]:
        """Each symbol that is not offered, and why."""
        return dict(self._left_out)

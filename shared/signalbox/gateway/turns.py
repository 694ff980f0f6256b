"""When something may leave: the link is ready, its deadline has not come, and there is a way out.

Owns the waits that an order and a change of one have before the last look. It must not know what leaves.
"""

from __future__ import annotations

from datetime import datetime

from signalbox.clock import DeskClock
from signalbox.errors import VenueError
from signalbox.gateway.link import Link
from signalbox.gateway.venue import Orders

PAUSE_SECONDS = 0.05
"""Until the venue's pace, or a way out, is looked at again."""


class Turns:
    """The waits of one account."""

    def __init__(self, clock: DeskClock, link: Link, orders: Orders) -> None:
        self._clock, self._link, self._orders = clock, link, orders

    async def ready_by(self, deadline: datetime) -> bool:
        """Wait until something may be sent; False = its deadline has come first. Raises as `Link.until_ready`."""
        return await self._link.until_ready(deadline) and self._clock.now() < deadline

    async def in_turn(self) -> bool:
        """Wait until another message may leave; False = there is no way out at present."""
        try:
            await self._orders.turn()
        except VenueError:
            await self._link.changed(PAUSE_SECONDS)
            return False
        return True

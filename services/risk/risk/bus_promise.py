"""Real money is decided about only on a NATS that keeps what it acknowledges as firmly as the desk file says.

An approval that NATS forgets is an order at a venue that the desk knows nothing of. So risk, which nothing goes past,
asks the servers at its start and after each reconnect, and ends where they do less than was stated. It must not know
what is decided.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from signalbox.bus import Bus
from signalbox.desk import Desk, Mode
from signalbox.durability import durability_mistake, observed_durability
from signalbox.errors import BusUnavailableError, ConfigurationError, SignalboxError

log = logging.getLogger(__name__)

TRADE = "TRADE"
LOOKS_MAX, LOOK_DELAY_SECONDS = 60, 1.0


async def hold_to_durability(bus: Bus, desk: Desk, fail: Callable[[BaseException], None]) -> None:
    """On a live desk: raise `ConfigurationError` now, or give it to `fail` later, when the servers do not do as stated.

    Raises `BusUnavailableError` when they do not say. A paper desk may rely on whatever there is.
    """
    if desk.mode is not Mode.LIVE:
        return

    async def look() -> None:
        servers = await bus.servers()
        if not any(TRADE in server.streams for server in servers):
            raise BusUnavailableError(f"no nats-server has the stream {TRADE} yet")
        observed = observed_durability(servers)
        if mistake := durability_mistake(desk.nats.durability, observed):
            raise ConfigurationError([mistake])
        log.info("NATS keeps its promise", extra={"durability": observed.value, "servers": len(servers)})

    async def look_again() -> None:
        for _ in range(LOOKS_MAX):
            try:
                await look()
            except BusUnavailableError as error:  # a server that has just come back does not say everything at once
                log.warning("NATS does not say yet what it promises", extra={"error": str(error)})
                await asyncio.sleep(LOOK_DELAY_SECONDS)
            except SignalboxError as error:
                fail(error)
                return
            else:
                return
        fail(BusUnavailableError(f"no nats-server has said in {LOOKS_MAX} looks how it keeps {TRADE}"))

    bus.on_reconnect(look_again)  # another server, or the same one with another configuration
    await look()

"""nats-py's client, but for one thing: what is published is on the socket when `publish` returns.

It also knows whether its process waits for a server that is away (a service) or gives up (a person's command).

nats-py wakes a task that writes, which costs a queue, a future and a turn of the event loop: a sixth of the processor
time of an acknowledged publish. Everything else is nats-py's, also waiting where it has to. It must not know what is
published.
"""

from __future__ import annotations

import asyncio
from typing import Any

from nats.aio.client import Client

from signalbox.bus.tls import VerifyingClient


class PromptClient(VerifyingClient):
    """A client whose publishes do not wait for the flusher task."""

    waits_for_server = False

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        if force_flush or not self.is_connected or self._transport is None:
            return await super()._flush_pending(force_flush)
        pending, self._pending, self._pending_data_size = self._pending, [], 0
        if pending:
            try:
                self._transport.writelines(pending)
                # Waits only when the server reads more slowly than we write
                await self._transport.drain()  # type: ignore[no-untyped-call]
            except OSError as error:
                await self._error_cb(error)
                await self._process_op_err(error)
        return None


def extended(client: Client, deadline: float, seconds_max: float) -> float:
    """Until when to wait for an answer (loop time), if it was until `deadline`, which was `seconds_max` away at first.

    Where the process waits for its server, time without a connection does not count. 0.0 = the connection has been
    closed, and there will be no answer.
    """
    if client.is_closed:
        return 0.0
    if client.is_connected or not (isinstance(client, PromptClient) and client.waits_for_server):
        return deadline
    return asyncio.get_running_loop().time() + seconds_max

"""nats-py's client, but for one thing: what is published is on the socket when `publish` returns.

nats-py wakes a task that writes, which costs a queue, a future and a turn of the event loop: a sixth of the processor
time of an acknowledged publish. Everything else is nats-py's, also waiting where it has to. It must not know what is
published.
"""

from __future__ import annotations

from typing import Any

from signalbox.bus.tls import VerifyingClient


class PromptClient(VerifyingClient):
    """A client whose publishes do not wait for the flusher task."""

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

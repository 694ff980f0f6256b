"""Cancels of orders that somebody else has placed, as the desk's commands ask for them.

Owns that such a cancel leaves as any does (READY, under the lease, in its turn), and that its refusal is told. It must
not know the venue's words, nor when an order is over (`externals`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway import externals, reports
from signalbox.gateway.asking import Asking
from signalbox.gateway.externals import External
from signalbox.gateway.link import Link
from signalbox.gateway.state import AnyState
from signalbox.gateway.venue import CancelVerdict, Orders
from signalbox.messages import CancelOrder, Report

RETRY_SECONDS = 0.2
ATTEMPTS_MAX = 5
"""Of a cancel of which it is not known whether it left."""


class ExternalCancels:
    """Carries them out, one at a time."""

    def __init__(
        self,
        clock: DeskClock,
        state: AnyState,
        link: Link,
        orders: Orders,
        asking: Asking,
        tell: Callable[[Report], None],
        wait_seconds_max: float,
    ) -> None:
        self._clock, self._state, self._link, self._orders = clock, state, link, orders
        self._asking, self._tell, self._wait_seconds_max = asking, tell, wait_seconds_max

    async def cancel(self, command: CancelOrder) -> None:
        """Have it leave; of an order that nobody knows, or that is over, say so."""
        if not externals.is_external(command.order_id):
            self._refuse(command, "", "the order never reached the venue")
            return
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await self._cancel(command)
        except TimeoutError:
            if not self._link.holds_account():  # NATS is away: nobody can be told, and the cancel is as good as new
                await self._link.until_held()
                await self.cancel(command)
                return
            waited = f"the cancel could not be sent within {self._wait_seconds_max:g} s, and the order stays as it was"
            self._refuse(command, "", f"{waited}; the link is {self._link.described()}")
        except TranslationError as error:
            self._refuse(command, "", str(error))

    async def _cancel(self, command: CancelOrder) -> None:
        attempts = 0
        while True:
            await self._link.until_ready(None)
            external = externals.find(self._state, command.order_id)  # the venue has been asked on the way to READY
            if external is None or external.ended_at is not None:
                if external is None or external.ended_by != command.id:  # else it has come again
                    self._refuse(command, "", "the venue does not list it: it is over, or was never there")
                return
            if not await self._in_turn() or not self._link.may_send():
                continue
            canceled = await self._orders.cancel_external(external)
            attempts += 1
            if canceled.verdict is CancelVerdict.UNKNOWN and attempts < ATTEMPTS_MAX:
                await self._link.changed(RETRY_SECONDS * 2**attempts)
                continue
            if canceled.verdict is CancelVerdict.REFUSED:
                self._refuse(command, canceled.code, canceled.text)
            else:
                self._taken(command, external)
            return

    def _taken(self, command: CancelOrder, external: External) -> None:
        """The venue's answers tell what became of it."""
        self._state.external_cancels[command.order_id] = command.id
        external.doubt = "its cancel has no answer"
        self._asking.later(externals.QUESTION)

    async def _in_turn(self) -> bool:
        try:
            await self._orders.turn()
        except VenueError:
            await self._link.changed(RETRY_SECONDS)
            return False
        return True

    def _refuse(self, command: CancelOrder, code: str, reason: str) -> None:
        account, order_id, at = command.account, command.order_id, self._clock.now()
        self._tell(reports.cancel_refusal(self._state.venue, account, order_id, command.id, code, reason, at))

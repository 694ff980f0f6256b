"""Changes of orders that work: the way of a change from its command to the socket.

Owns every look that it passes (`_change`, top to bottom) and what its outcome means. The order is one at the venue,
under one number or id, whatever becomes of the change: it is claimed, sent once, and asked about. It must not know the
venue's words (`venue.Orders`).

What if the process dies ...
- before the claim is stored: the command comes again, and is claimed then, unless its deadline has come;
- between claim and send, or before the venue has answered: the command comes again, finds the claim, and the venue is
  asked which terms stand; it is never sent by a second process, but where repeating it does no harm (`Placed.again`);
- after the answer was stored: there is nothing left to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError
from signalbox.gateway import grouped, ledger, reports
from signalbox.gateway.actions import Action
from signalbox.gateway.asking import Asking
from signalbox.gateway.link import Link
from signalbox.gateway.state import AnyState, AnyTracked, end_change, report_id
from signalbox.gateway.turns import Turns
from signalbox.gateway.venue import Draft, Orders, Outcome, Placed
from signalbox.messages import ModifyOrder, Report

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 3
"""Of a change that was refused for a reason that may pass, or not heard of where repeating it does no harm."""
RETRY_SECONDS = 0.2
ANSWERS = ("replaced", "replace_rejected")


class Changing:
    """Takes the changes of one account; `tell` has a refusal stored before its command is acknowledged."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        state: AnyState,
        link: Link,
        orders: Orders,
        asking: Asking,
        turns: Turns,
        act: Callable[[list[Action]], None],
        tell: Callable[[Report], None],
    ) -> None:
        self._bus, self._clock, self._state, self._link, self._orders = bus, clock, state, link, orders
        self._asking, self._turns, self._act, self._tell = asking, turns, act, tell

    async def handle(self, command: ModifyOrder) -> None:
        """Take one command to change an order."""
        state, name = self._state, f"{command.order_id}.{command.revision}"
        if any(report_id(state.venue, state.account, kind, name) in state.reported for kind in ANSWERS):
            return  # it comes again: what was told stands
        tracked = state.orders.get(command.order_id)
        if tracked is None:
            self._refuse(command, "the order never reached the venue")
        elif tracked.change is not None and tracked.change.revision == command.revision:
            await self._in_doubt(command, tracked, "it was about to be sent when the gateway stopped")
        else:
            await self._change(command, tracked)

    async def _change(self, command: ModifyOrder, tracked: AnyTracked) -> None:
        """Take a change from its command to the socket: every look that it passes, in their order."""
        # READY, under the lease, while the desk's clock runs, before its deadline
        if not await self._turns.ready_by(command.deadline):
            self._refuse(command, self._too_late(command))
            return
        # What is held of the symbol is known, and nothing has ended the order or is under way of it
        if why := self._why_not(command, tracked):
            self._refuse(command, why)
            return
        # The desk's switch: it may have been set since risk has looked at it
        if why := self._link.switch.why_not_changed(command, tracked.order):
            self._refuse(command, why)
            return
        # What the venue can be told
        at = self._clock.now()
        try:
            draft = self._orders.compose_change(tracked, command.order, at)
        except TranslationError as error:
            self._refuse(command, str(error))
            return
        # The claim: from here on the venue may have either
        if not await ledger.claim_change(self._bus, self._state, command, draft.attempts, at):
            await self._in_doubt(command, tracked, "another process has claimed it")
            return
        await self._send(command, tracked, draft, claimed_before=False)

    async def _send(self, command: ModifyOrder, tracked: AnyTracked, draft: Draft, *, claimed_before: bool) -> None:
        """Have it leave as soon as the link allows it; `claimed_before` = one sending may be on its way already."""
        change, attempts, unheard = tracked.change, 0, claimed_before
        assert change is not None
        change.in_hand = True
        try:
            while True:
                # All of it again: the claim, a turn and an attempt take their time
                if not await self._turns.ready_by(command.deadline):
                    self._give_up(command, tracked, unheard=unheard)
                    return
                if tracked.done or tracked.cancel_command or tracked.change is not change:
                    self._give_up(command, tracked, unheard=unheard, why="the order is over, or is being cancelled")
                    return
                if why := self._link.switch.why_not_changed(command, tracked.order):
                    self._give_up(command, tracked, unheard=unheard, why=why)
                    return
                if not await self._turns.in_turn():
                    continue
                # Nothing of its group has filled that it does not know: what is left is sized anew then
                if why := grouped.why_outdated(self._state, command.order):
                    self._give_up(command, tracked, unheard=unheard, why=why, room_at=self._clock.now())
                    return
                # The last look: from here to the socket nothing waits
                if not self._link.may_send() or self._clock.now() >= command.deadline or tracked.change is not change:
                    continue
                if self._link.switch.why_not_changed(command, tracked.order):
                    continue
                placed = await self._orders.change(tracked, draft)
                attempts += placed.outcome is not Outcome.UNSENT
                unheard = unheard or placed.outcome is Outcome.UNKNOWN
                if placed.outcome is Outcome.UNSENT:
                    self._asking.later(tracked.order.order_id, urgent=True)
                elif not placed.again or attempts >= ATTEMPTS_MAX:
                    break
                await self._link.changed(RETRY_SECONDS)
        finally:
            change.in_hand = False
        self._after(tracked, placed, unheard=unheard)

    def _after(self, tracked: AnyTracked, placed: Placed, *, unheard: bool) -> None:
        """What became of a change that left, or may have: a refusal may be due to a sending that was not heard of."""
        at, order_id = self._clock.now(), tracked.order.order_id
        if tracked.change is None:
            return  # the venue's own word came first
        if placed.outcome is Outcome.ACCEPTED:
            self._act([*reports.replaced(self._state, tracked, at)])
        elif placed.outcome is Outcome.REFUSED and not unheard:
            code, why, room_at = placed.code, placed.text, placed.room_at
            self._act([*reports.not_replaced(self._state, tracked, at, code, why, room_at=room_at)])
        elif placed.outcome is Outcome.SENT:
            self._asking.later(order_id)
        else:
            self._doubt(tracked, f"{placed.code or 'no verdict'}: {placed.text}")
        log.info("change sent", extra={"order_id": order_id, "outcome": placed.outcome.value})

    def _give_up(
        self,
        command: ModifyOrder,
        tracked: AnyTracked,
        *,
        unheard: bool,
        why: str = "",
        room_at: datetime | None = None,
    ) -> None:
        """A claimed change is not sent any more; where a sending was not heard of, the venue is asked."""
        if tracked.change is None:
            return
        why = why or self._too_late(command)
        if unheard:
            self._doubt(tracked, why)
            return
        end_change(tracked, command.revision)
        self._refuse(command, why, room_at)

    async def _in_doubt(self, command: ModifyOrder, tracked: AnyTracked, why: str) -> None:
        """It was claimed before, and may have been sent: say so, and ask; or send it again where that does no harm."""
        if tracked.change is None or tracked.done:
            return
        self._doubt(tracked, why)
        if not await self._turns.ready_by(command.deadline) or tracked.change is None:
            return
        try:
            draft = self._orders.compose_change(tracked, command.order, self._clock.now())
        except TranslationError as error:
            log.warning("a change can not be sent again", extra={"order_id": command.order_id, "error": str(error)})
            return
        if draft.again:
            await self._send(command, tracked, draft, claimed_before=True)

    def _doubt(self, tracked: AnyTracked, why: str) -> None:
        self._act([*reports.change_unknown(self._state, tracked, self._clock.now(), f"{why}; the venue is asked")])
        self._asking.later(tracked.order.order_id, urgent=True)

    def _why_not(self, command: ModifyOrder, tracked: AnyTracked) -> str:
        if unread := self._link.unread.get(tracked.order.symbol):
            return f"what the venue says of {tracked.order.symbol} can not be read ({unread})"
        if tracked.done:
            return "the order is over already"
        if tracked.cancel_command:
            return "the order is being cancelled"
        if tracked.change is not None:
            return "another change of the order is under way"
        if not tracked.seen:
            return "the venue has not shown the order yet"
        if tracked.filled >= command.order.quantity:
            return (
                f"{tracked.filled} of the order have filled: a total of {command.order.quantity} leaves nothing of it"
            )
        return ""

    def _too_late(self, command: ModifyOrder) -> str:
        times = f"{command.deadline:%H:%M:%S} UTC (now {self._clock.now():%H:%M:%S})"
        return f"it could not be sent by its deadline, {times}; the link is {self._link.described()}"

    def _refuse(self, command: ModifyOrder, reason: str, room_at: datetime | None = None) -> None:
        self._tell(replace(reports.change_refusal(command, "", reason, self._clock.now()), room_at=room_at))

"""Commands to a venue: the way of an order from its command to the socket, and of a cancel; and what the venue's words
make necessary.

Owns the order of things on the hot path, and every look that an order passes on it (`_submit`, top to bottom). It must
not know the venue's words (`venue.Orders`), how its link comes about, nor when it is asked (`asking`).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime

from msgspec.structs import replace

from signalbox import messages
from signalbox.bus import Bus, Received
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway import attached, grouped, ledger, reports
from signalbox.gateway.actions import Action, Ask, CancelAgain, CancelStray, Park, RecordSent, Strand
from signalbox.gateway.asking import Asking, Pace
from signalbox.gateway.changing import Changing
from signalbox.gateway.external_cancels import ExternalCancels
from signalbox.gateway.ledger import Step
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.parking import Parking
from signalbox.gateway.state import AnyState, AnyTracked, Standing, new_to, report_id
from signalbox.gateway.turns import PAUSE_SECONDS, Turns
from signalbox.gateway.venue import CancelVerdict, Draft, Orders, Outcome, Placed, Questions
from signalbox.messages import CancelOrder, Command, Order, RefusedBy, Report, SubmitOrder, VenueRejected
from signalbox.metrics import VENUE_ORDERS_REFUSED, VENUE_ORDERS_SENT, Hop, show_hop

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 3
"""Of an order that was surely refused for a reason that may pass, all under the one number."""
RETRY_SECONDS = 0.2
REFUSALS_MAX = 5
"""Of a cancel of which one sending was not heard of: so many are asked about, each for longer, before one counts."""


class Submission:
    """Takes the commands of one account, and does what follows from the venue's words."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        state: AnyState,
        link: Link,
        outbox: Outbox,
        parking: Parking,
        orders: Orders,
        questions: Questions,
        pace: Pace,
        cancel_wait_seconds_max: float,
    ) -> None:
        self._bus, self._clock, self._state, self._link, self._outbox = bus, clock, state, link, outbox
        self.parking = parking
        self._orders, self._cancel_wait_seconds_max = orders, cancel_wait_seconds_max
        self._refused = False
        """A refusal of the gateway's own waits to be stored; its command is not acknowledged before."""
        self._unasked: dict[str, asyncio.Task[None]] = {}
        """Cancels that no command asks for, under way, by order."""
        self.asking = Asking(state, link, questions, pace, self.act)
        self._turns = Turns(clock, link, orders)
        self._externals = ExternalCancels(clock, state, link, orders, self.asking, self._tell, cancel_wait_seconds_max)
        self._changing = Changing(bus, clock, state, link, orders, self.asking, self._turns, self.act, self._tell)

    async def handle(self, received: Received) -> None:
        """Take one command; it is acknowledged when this returns. What can not be read becomes a dead letter."""
        await self._link.until_held()
        command: Command = messages.decode(received.payload, Command)
        if isinstance(command, SubmitOrder):
            await self._submit(command, received.stored_at)
        elif isinstance(command, CancelOrder):
            await self._cancel(command)
        else:
            await self._changing.handle(command)
        while self._refused:  # nothing else would bring the refusal back, should the process end before it is stored
            self._link.end_if_stopping()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._outbox.drained()
                    self._refused = False

    # ---------------------------------------------------------------------------------------------------- an order

    async def _submit(self, command: SubmitOrder, stored_at: datetime) -> None:
        """Take an order from its command to the socket: every look that it passes, in their order."""
        state, orders, order, deadline = self._state, self._orders, command.order, command.deadline
        # What is written down: only an order that is nowhere may be claimed and sent
        step = ledger.step_for(state, order.order_id)
        if step is Step.ASK:
            self._doubt_all(state.orders[order.order_id], "it was about to be sent when the gateway stopped")
        if step is not Step.CLAIM:
            return
        # Whose it is
        if order.account != state.account:
            self._refuse_all(command, f"this gateway trades account {state.account}, not {order.account}")
            return
        # READY, under the lease, while the desk's clock runs, before its deadline. What the venue offers is learnt on
        # the way to READY, so nothing is asked of its words before
        if not await self._turns.ready_by(deadline):
            self._refuse_all(command, self._too_late(command, "it could not be sent by its deadline"))
            return
        # The desk's switch, which risk has looked at before: it may have been set since
        if why := self._link.switch.why_not_sent(command):
            self._refuse_all(command, why)
            return
        # What is held of the symbol is known: no fact about it stands unread
        if unread := self._link.unread.get(order.symbol):
            self._refuse_all(command, f"what the venue says of {order.symbol} can not be read ({unread})")
            return
        # What the venue can be told, and its pace
        at = self._clock.now()
        try:
            attached.check(state.venue, command)
            draft = orders.compose(order, at)
            draft.attached = tuple([orders.compose(each, at) for each in command.attached])
        except TranslationError as error:
            self._refuse_all(command, str(error))
            return
        if not await self._has_room(command, draft):
            return
        # Nothing of its group has filled that it does not know: what is left is sized anew then
        if why := grouped.why_outdated(state, order):
            self._refuse_all(command, why, self._clock.now())
            return
        # The claim: from here on no other process sends it, and this one not twice
        tracked = await self._claim(command, draft, at)
        if tracked is None:
            self._doubt_all(state.orders[order.order_id], "another process has claimed it")
            return
        family, attempts = attached.whole(state, tracked), 0
        _in_hand(family, True)
        try:
            while True:
                # All of it again: the claim, a turn and an attempt take their time
                if not await self._turns.ready_by(deadline):
                    self._give_up(tracked, self._too_late(command, "its deadline came before it was sent"))
                    return
                if why := self._link.switch.why_not_sent(command):
                    self._give_up(tracked, why)
                    return
                if not all([await self._turns.in_turn() for _ in family]):
                    continue
                # The last look: from here to the socket nothing waits, so what is seen now still holds there
                if not self._link.may_send() or self._clock.now() >= deadline:
                    continue
                if self._link.switch.why_not_sent(command):
                    continue
                if why := grouped.why_outdated(state, order):
                    self._give_up(tracked, why, self._clock.now())
                    return
                placed, attempts = await orders.place(tracked, draft), attempts + 1
                if placed.outcome is Outcome.TOO_LATE:
                    self._give_up(tracked, self._too_late(command, placed.text))
                    return
                if placed.outcome is not Outcome.UNSENT and not (placed.again and attempts < ATTEMPTS_MAX):
                    break
                draft.written = None  # it may bear its time
                await self._link.changed(RETRY_SECONDS)
        finally:
            _in_hand(family, False)
        await self._after(tracked, placed, stored_at)

    async def _has_room(self, command: SubmitOrder, draft: Draft) -> bool:
        """Wait for the venue's pace if it soon allows the order; False = it does not, and the order is refused."""
        while (no_room := self._orders.no_room(draft)) is not None:
            if not no_room.passes or self._clock.now() >= command.deadline:
                self._refuse_all(command, no_room.reason, no_room.room_at)
                return False
            self._link.end_if_stopping()
            await self._link.changed(PAUSE_SECONDS)
        return True

    async def _claim(self, command: SubmitOrder, draft: Draft, at: datetime) -> AnyTracked | None:
        """Claim the order; None = somebody else has."""
        entry = ledger.claimed(self._state.venue, command, draft.number, at, draft.venue_order_id, draft.good_til_block)
        asyncio.get_running_loop().call_soon(self._orders.write_out, draft)  # while the claim is being stored
        return await ledger.claim(self._bus, self._state, entry)

    async def _after(self, tracked: AnyTracked, placed: Placed, stored_at: datetime) -> None:
        """Write down what became of an order that left, or may have."""
        order_id, at = tracked.order.order_id, self._clock.now()
        if placed.outcome is Outcome.REFUSED:
            self.act([*reports.rejected(self._state, tracked, at, placed.code, placed.text)])
            return
        if placed.outcome is Outcome.UNKNOWN:
            self._doubt_all(tracked, f"{placed.code or 'no verdict'}: {placed.text}")
            return
        self._outbox.sent_orders.sent(order_id)
        show_hop(self._state.venue, Hop.COMMAND_TO_VENUE, stored_at)
        for each in attached.whole(self._state, tracked):
            VENUE_ORDERS_SENT.labels(self._state.venue).inc()
            each.standing = Standing.SENT
            if each is not tracked:
                self.asking.later(each.order.order_id)
        if placed.outcome is Outcome.ACCEPTED:
            tracked.seen = True
            self.act([*reports.accepted(self._state, tracked, at)])
        else:
            self.asking.later(order_id)
        await ledger.record_sent(self._bus, self._state.venue, tracked, at)
        log.info("order sent", extra={"order_id": order_id, "number": tracked.number})

    # ---------------------------------------------------------------------------------------------------- a cancel

    async def _cancel(self, command: CancelOrder) -> None:
        """Carry a cancel out; while it is in hand, nothing is concluded from an order that works on."""
        venue, account = self._state.venue, self._state.account
        if report_id(venue, account, "cancel_rejected", command.id) in self._state.reported:
            return  # it comes again: what was told stands
        tracked = self._state.orders.get(command.order_id)
        if tracked is None:
            await self._externals.cancel(command)
            return
        tracked.cancel_in_hand = True
        try:
            await self._cancel_in_time(command, tracked)
        finally:
            tracked.cancel_in_hand = False

    async def _cancel_in_time(self, command: CancelOrder, tracked: AnyTracked) -> None:
        before = tracked.cancel_command if tracked.cancel_command != command.id else ""
        seconds_max = self._cancel_wait_seconds_max
        try:
            async with asyncio.timeout(seconds_max):
                await self._send_cancel(command, tracked, before)
        except TimeoutError:
            if not self._link.holds_account():  # NATS is away: nobody can be told, and the cancel is as good as new
                await self._link.until_held()
                await self._cancel_in_time(command, tracked)
                return
            if self._orders.ends_unwatched(tracked):  # and stays marked as cancelled
                log.warning("a cancel was not taken: the order is left to end", extra={"order_id": command.order_id})
                return
            tracked.cancel_command = before
            waited = f"the cancel could not be sent within {seconds_max:g} s, and the order stays as it was"
            self._refuse_cancel(command, "", f"{waited}; the link is {self._link.described()}")
        except TranslationError as error:
            tracked.cancel_command = before
            self._refuse_cancel(command, "", str(error))

    async def _send_cancel(self, command: CancelOrder, tracked: AnyTracked, before: str) -> None:
        """Have the cancel leave as soon as the link allows it, until the venue has said something of it.

        A refusal of one that is sent once more may be due to the one before, of which nobody heard, or which another
        process sent: what the venue lists tells, or a refusal that comes again and again.
        """
        unheard, refusals = tracked.cancel_command == command.id, 0
        if not tracked.done and self._orders.ends_unwatched(tracked):
            tracked.cancel_command = command.id  # from here on it is not kept alive
        while not tracked.done:
            await self._link.until_ready(None)
            # The last look, as of an order
            if not await self._turns.in_turn() or not self._link.may_send() or tracked.done:
                continue
            tracked.cancel_command = command.id
            canceled = await self._orders.cancel(tracked, again=False)
            if canceled.verdict is CancelVerdict.REFUSED:
                refusals += 1
                if not unheard or refusals > REFUSALS_MAX:
                    tracked.cancel_command = before
                    self._refuse_cancel(command, canceled.code, canceled.text)
                    return
                self.asking.later(command.order_id, urgent=True)
            elif canceled.verdict is CancelVerdict.UNKNOWN:
                unheard = True
            else:
                self.asking.later(command.order_id, urgent=canceled.verdict is CancelVerdict.GONE)
                return
            await self._link.changed(RETRY_SECONDS * 2**refusals)
        if report_id(self._state.venue, self._state.account, "canceled", command.order_id) not in self._state.reported:
            self._refuse_cancel(command, "", "the order is over already")

    # ------------------------------------------------------------------------------------------ the gateway's own word

    def _too_late(self, command: SubmitOrder, what: str) -> str:
        times = f"{command.deadline:%H:%M:%S} UTC (now {self._clock.now():%H:%M:%S})"
        return f"{what}, {times}; the link is {self._link.described()}"

    def _refuse(self, order: Order, reason: str, room_at: datetime | None = None) -> None:
        venue = self._state.venue
        VENUE_ORDERS_REFUSED.labels(venue, "gateway").inc()
        by = RefusedBy.GATEWAY
        at = self._clock.now()
        refusal = reports.refusal(venue, order.account, order.order_id, "", reason, at, by)
        self._tell(replace(refusal, room_at=room_at))

    def _refuse_all(self, command: SubmitOrder, reason: str, room_at: datetime | None = None) -> None:
        """Nothing of a command is sent; of what is attached that is told after the order."""
        for order in (command.order, *command.attached):
            self._refuse(order, reason, room_at)

    def _give_up(self, tracked: AnyTracked, reason: str, room_at: datetime | None = None) -> None:
        """A claimed order was not sent, and will not be, nor what is attached to it."""
        for each in attached.whole(self._state, tracked):
            self._refuse(each.order, reason, room_at)
            each.standing = Standing.OVER

    def _refuse_cancel(self, command: CancelOrder, code: str, reason: str) -> None:
        account, order_id, at = command.account, command.order_id, self._clock.now()
        self._tell(reports.cancel_refusal(self._state.venue, account, order_id, command.id, code, reason, at))

    def _tell(self, refusal: Report) -> None:
        if new_to(self._state, refusal):
            self._outbox.put(refusal)
            self._refused = True

    def _doubt_all(self, tracked: AnyTracked, why: str) -> None:
        for each in attached.whole(self._state, tracked):
            self._doubt(each, why)

    def _doubt(self, tracked: AnyTracked, why: str) -> None:
        """An order was claimed and may or may not have been sent: say so, and ask."""
        if tracked.done or tracked.standing is not Standing.CLAIMED:
            return
        self.act([*reports.unknown(self._state, tracked, self._clock.now(), f"{why}; the venue is asked")])
        self.asking.later(tracked.order.order_id, urgent=True)

    # ------------------------------------------------------------------------------------------------ the venue's word

    def act(self, actions: list[Action]) -> None:
        """Do what follows from what the venue has said."""
        for action in actions:
            match action:
                case Ask():
                    self.asking.later(action.order_id, urgent=action.urgent)
                case RecordSent():
                    self._record_found(self._state.orders[action.order_id])
                case CancelStray() | CancelAgain():
                    self._cancel_unasked(self._state.orders[action.order_id])
                case Park():
                    self.parking.park(action)
                case Strand():
                    log.error(
                        "the venue remembers no more what became of an order: see the runbook unknown-order",
                        extra={"order_id": action.order_id, "symbol": self._state.orders[action.order_id].order.symbol},
                    )
                case report:
                    self._outbox.put(report)
                    if isinstance(report, VenueRejected):
                        lost = self._state.orders[report.order_id].presumed_lost
                        VENUE_ORDERS_REFUSED.labels(self._state.venue, "lost" if lost else "venue").inc()

    def _record_found(self, tracked: AnyTracked) -> None:
        """The venue has an order that is claimed: so it has what was claimed with it."""
        claimed = attached.claimed_with(self._state, tracked)
        if claimed is None:
            tracked.standing = Standing.SENT
        elif claimed.standing is Standing.CLAIMED and not claimed.in_hand:
            for each in attached.whole(self._state, claimed):
                each.standing = Standing.SENT
            entry = ledger.sent(self._state.venue, claimed, self._clock.now())
            self._outbox.put_sent(entry, claimed.claim_sequence)

    def _cancel_unasked(self, tracked: AnyTracked) -> None:
        order_id = tracked.order.order_id
        if order_id in self._unasked:
            return
        log.error(
            "an order that the desk has rejected or cancelled works at the venue: it is cancelled",
            extra={"order_id": order_id, "venue_order_id": tracked.venue_order_id},
        )
        task = asyncio.create_task(self._cancel_quietly(tracked))
        self._unasked[order_id] = task
        task.add_done_callback(lambda _: self._unasked.pop(order_id, None))

    async def _cancel_quietly(self, tracked: AnyTracked) -> None:
        """Cancel without a command. What fails is seen again at the next answers, which say that the order works."""
        with suppress(TranslationError, VenueError):
            await self._orders.turn()
            if self._link.holds_account():
                await self._orders.cancel(tracked, again=True)
                self.asking.later(tracked.order.order_id)


def _in_hand(family: list[AnyTracked], in_hand: bool) -> None:
    for each in family:
        each.in_hand = in_hand

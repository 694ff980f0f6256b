"""Commands to the venue, and the venue's words to reports: the shell around `ledger`, `decide` and `reconcile`.

Owns the order of things on the hot path: decode, claim, write on the socket, record, acknowledge. It must not know how
the session comes about (`orders_link`), nor when the venue is asked (`asking`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from signalbox import messages
from signalbox.bus import Bus, Received
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError, VenueUnavailableError
from signalbox.gateway import ledger, reports
from signalbox.gateway.actions import Action, Ask, CancelAgain, CancelStray, RecordSent, Strand
from signalbox.gateway.ledger import Step
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.state import Standing, new_to, report_id, take_number
from signalbox.messages import CancelOrder, Command, Order, RefusedBy, Report, SubmitOrder, VenueRejected
from signalbox.metrics import (
    VENUE_ORDERS_REFUSED,
    VENUE_ORDERS_SENT,
    VENUE_STRANDED_ORDERS,
    VENUE_UNDECODABLE,
    Hop,
    show_hop,
)

from gateway_ibkr import decide
from gateway_ibkr.asking import Asking
from gateway_ibkr.facts import OrderFact, OrderTerms, VenueContract
from gateway_ibkr.settings import Settings
from gateway_ibkr.state import State, Tracked
from gateway_ibkr.translate import VENUE, order_terms
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Draft:
    """An order written out for one session, before it may be sent."""

    session: OrdersSession
    message: str


class Orders:
    """Takes commands and facts. `session` is the orders session, or None."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        state: State,
        link: Link,
        outbox: Outbox,
        settings: Settings,
        contract_of: Callable[[str], VenueContract | None],
        why_not_offered: Callable[[str], str],
    ) -> None:
        self._bus, self._clock, self._state = bus, clock, state
        self._link, self._outbox, self._settings = link, outbox, settings
        self._contract_of, self._why_not_offered = contract_of, why_not_offered
        self.session: OrdersSession | None = None
        self._refused = False  # a refusal of the gateway's own waits to be stored
        self.asking = Asking(clock, state, link, settings, self._open_session, self._act)
        VENUE_STRANDED_ORDERS.labels(VENUE).set_function(lambda: len(state.own.stranded))

    # -------------------------------------------------------------------------------------------------- commands

    async def handle(self, received: Received) -> None:
        """Take one command; it is acknowledged when this returns. What can not be read becomes a dead letter."""
        await self._link.until_held()
        command: Command = messages.decode(received.payload, Command)
        if isinstance(command, SubmitOrder):
            await self._submit(command, received.stored_at)
        else:
            await self._cancel(command)
        while self._refused:  # nothing else would bring the refusal back, should the process end before it is stored
            self._link.end_if_stopping()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._outbox.drained()
                    self._refused = False

    async def _submit(self, command: SubmitOrder, stored_at: datetime) -> None:
        order = command.order
        step = ledger.step_for(self._state, order.order_id)
        if step is Step.NOTHING:
            return
        if step is Step.ASK:
            self._doubt(self._state.orders[order.order_id])
            return
        try:
            if order.account != self._state.account:
                raise TranslationError(f"this gateway trades account {self._state.account}, not {order.account}")
            terms = order_terms(order)
            if not await self._until_ready(command):
                return
            # Only now: what the venue offers is learnt on the way to READY
            contract = self._contract_of(order.symbol)
            if contract is None:
                raise TranslationError(f"{order.symbol} is not offered: {self._why_not_offered(order.symbol)}")
        except TranslationError as error:
            self._refuse(order, str(error))
            return
        number = take_number(self._state)
        draft = None

        def write_out() -> None:
            nonlocal draft
            draft = self._compose(number, contract, terms)

        asyncio.get_running_loop().call_soon(write_out)  # while the claim is being stored
        tracked = await ledger.claim(self._bus, self._state, ledger.claimed(VENUE, command, number, self._clock.now()))
        if tracked is None:
            self._doubt(self._state.orders[order.order_id])
            return
        tracked.in_hand = True
        try:
            await self._send(command, tracked, contract, terms, draft, stored_at)
        finally:
            tracked.in_hand = False

    async def _until_ready(self, command: SubmitOrder) -> bool:
        """Wait until an order may be sent; False = its deadline has come first, and it has been refused."""
        if await self._link.until_ready(command.deadline) and self._clock.now() < command.deadline:
            return True
        self._refuse(command.order, self._too_late(command, "it could not be sent by its deadline"))
        return False

    def _compose(self, number: int, contract: VenueContract, terms: OrderTerms) -> Draft | None:
        """The order as the present session would send it; None = there is none, or it can not be written."""
        session = self.session
        if session is None or not session.session.is_open:
            return None
        try:
            return Draft(session, session.compose(number, contract, terms))
        except Exception:
            log.exception("the order could not be written out", extra={"order_ref": terms.reference})
            return None

    async def _send(
        self,
        command: SubmitOrder,
        tracked: Tracked,
        contract: VenueContract,
        terms: OrderTerms,
        draft: Draft | None,
        stored_at: datetime,
    ) -> None:
        """Write a claimed order on the socket, unless its deadline has come; then record that it was sent."""
        while True:
            if not await self._link.until_ready(command.deadline) or self._clock.now() >= command.deadline:
                self._refuse(tracked.order, self._too_late(command, "its deadline came before it was sent"))
                tracked.standing = Standing.OVER
                return
            try:
                session = self._open_session()
                await session.session.turn()
            except VenueError:
                await self._link.changed(0.05)
                continue
            # From here to the socket nothing waits: what was checked still holds
            if self._link.may_send() and self._clock.now() < command.deadline and session is self.session:
                break
        tracked.standing = Standing.SENT
        try:
            fits = draft is not None and draft.session is session
            session.place(draft.message if draft and fits else session.compose(tracked.number, contract, terms))
        except Exception:
            tracked.standing = Standing.CLAIMED  # bytes may have left: only the venue can tell
            log.exception("the order could not be written", extra={"order_id": tracked.order.order_id})
            self._doubt(tracked)
            return
        await asyncio.sleep(0)  # the event loop writes at the end of its turn: what follows need not come first
        self._outbox.sent_orders.sent(tracked.order.order_id)
        VENUE_ORDERS_SENT.labels(VENUE).inc()
        show_hop(VENUE, Hop.COMMAND_TO_VENUE, stored_at)
        self.asking.later(tracked.order.order_id)
        await ledger.record_sent(self._bus, VENUE, tracked, self._clock.now())
        log.info("order sent", extra={"order_id": tracked.order.order_id, "number": tracked.number})

    def _open_session(self) -> OrdersSession:
        if self.session is None or not self.session.session.is_open:
            raise VenueUnavailableError("there is no orders session")
        return self.session

    async def _cancel(self, command: CancelOrder) -> None:
        tracked = self._state.orders.get(command.order_id)
        if tracked is None:
            self._refuse_cancel(command, "the order never reached the venue")
            return
        seconds_max = self._settings.cancel_wait_seconds_max
        try:
            async with asyncio.timeout(seconds_max):
                await self._send_cancel(command, tracked)
        except TimeoutError:
            if not self._link.holds_account():  # NATS is away: nobody can be told, and the cancel is as good as new
                await self._link.until_held()
                await self._cancel(command)
                return
            waited = f"the cancel could not be sent within {seconds_max:g} s, and the order stays as it was"
            self._refuse_cancel(command, f"{waited}; the link is {self._link.described()}")

    async def _send_cancel(self, command: CancelOrder, tracked: Tracked) -> None:
        """Write the cancel on the socket as soon as the link allows it; nothing waits between the two."""
        state = self._state
        while not tracked.done:
            await self._link.until_ready(None)
            if tracked.own.client_id not in (-1, state.own.client_id):
                hint = f"set SIGNALBOX_IBKR_ORDERS_CLIENT_ID to {tracked.own.client_id} to cancel it from here"
                self._refuse_cancel(command, f"the order was placed under another client id: {hint}")
                return
            try:
                session = self._open_session()
                await session.session.turn()
            except VenueError:
                await self._link.changed(0.05)
                continue
            if self._link.may_send() and session is self.session and not tracked.done:
                tracked.cancel_command, tracked.own.cancels_sent = command.id, 0
                self._write_cancel(session, tracked)
                return
        if report_id(VENUE, state.account, "canceled", command.order_id) not in state.reported:
            self._refuse_cancel(command, "the order is over already")

    def _write_cancel(self, session: OrdersSession, tracked: Tracked) -> None:
        session.cancel(tracked.number)
        tracked.own.cancels_sent, tracked.own.cancel_sent_seconds = tracked.own.cancels_sent + 1, time.monotonic()
        self.asking.later(tracked.order.order_id)

    # ------------------------------------------------------------------------------------------ the gateway's own word

    def _too_late(self, command: SubmitOrder, what: str) -> str:
        times = f"{command.deadline:%H:%M:%S} UTC (now {self._clock.now():%H:%M:%S})"
        return f"{what}, {times}; the link is {self._link.described()}"

    def _refuse(self, order: Order, reason: str) -> None:
        VENUE_ORDERS_REFUSED.labels(VENUE, "gateway").inc()
        by = RefusedBy.GATEWAY
        self._tell_refusal(reports.refusal(VENUE, order.account, order.order_id, "", reason, self._clock.now(), by))

    def _refuse_cancel(self, command: CancelOrder, reason: str) -> None:
        account, at = command.account, self._clock.now()
        self._tell_refusal(reports.cancel_refusal(VENUE, account, command.order_id, command.id, "", reason, at))

    def _tell_refusal(self, report: Report) -> None:
        if new_to(self._state, report):
            self._outbox.put(report)
            self._refused = True

    def _doubt(self, tracked: Tracked) -> None:
        """An order was claimed and may or may not have been sent: say so, and ask."""
        if tracked.done or tracked.standing is not Standing.CLAIMED:
            return
        reason = "it was about to be sent when the gateway stopped; the venue is asked"
        self._act([*reports.unknown(self._state, tracked, self._clock.now(), reason)])
        self.asking.later(tracked.order.order_id, urgent=True)

    # ------------------------------------------------------------------------------------------------ the venue's word

    def on_fact(self, fact: OrderFact) -> None:
        """Take one fact, as it comes off the socket."""
        try:
            actions = decide.decide(self._state, fact, self._clock.now())
        except TranslationError as error:
            VENUE_UNDECODABLE.labels(VENUE, "orders").inc()
            log.error("a fact of the venue makes no sense", extra={"fact": repr(fact), "error": str(error)})
            return
        self._act(actions)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Ask):
                self.asking.later(action.order_id, urgent=action.urgent)
            elif isinstance(action, RecordSent):
                self._record_found(self._state.orders[action.order_id])
            elif isinstance(action, CancelStray | CancelAgain):
                self._cancel_unasked(self._state.orders[action.order_id])
            elif isinstance(action, Strand):
                log.error(
                    "the venue remembers no more what became of an order: see the runbook unknown-order",
                    extra={"order_id": action.order_id, "symbol": self._state.orders[action.order_id].order.symbol},
                )
            else:
                self._outbox.put(action)
                if isinstance(action, VenueRejected):
                    lost = self._state.orders[action.order_id].presumed_lost
                    VENUE_ORDERS_REFUSED.labels(VENUE, "lost" if lost else "venue").inc()

    def _record_found(self, tracked: Tracked) -> None:
        if tracked.standing is Standing.CLAIMED and not tracked.in_hand:
            tracked.standing = Standing.SENT
            self._outbox.put_sent(ledger.sent(VENUE, tracked, self._clock.now()), tracked.claim_sequence)

    def _cancel_unasked(self, tracked: Tracked) -> None:
        log.error(
            "an order that the desk has rejected or cancelled works at the venue: it is cancelled",
            extra={"order_id": tracked.order.order_id, "venue_order_id": tracked.venue_order_id},
        )
        if self.session is not None and self.session.session.is_open and self._link.holds_account():
            self._write_cancel(self.session, tracked)

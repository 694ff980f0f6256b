"""Commands to the venue, and the venue's words to reports: the shell around `ledger`, `decide` and `reconcile`.

Owns the order of things on the hot path: decode, claim, write on the socket, record, acknowledge. It must not know how
the session comes about (`orders_link`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from signalbox import messages
from signalbox.bus import Bus, Received
from signalbox.clock import DeskClock
from signalbox.errors import VenueError, VenueUnavailableError
from signalbox.messages import CancelOrder, Command, Order, Report, SubmitOrder

from gateway_ibkr import decide, ledger, metrics, reconcile, reports
from gateway_ibkr.decide import Action, Ask, CancelAgain, CancelStray, RecordSent, Strand
from gateway_ibkr.facts import OrderFact, OrderTerms, VenueContract
from gateway_ibkr.ledger import Step
from gateway_ibkr.link import Link
from gateway_ibkr.outbox import Outbox
from gateway_ibkr.settings import Settings
from gateway_ibkr.state import ZERO, Standing, State, Tracked, forget, new_to, report_id, take_number
from gateway_ibkr.translate import TranslationError, order_terms
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)

ASK_SECONDS_MAX = 60.0
COMMISSION_ASKS_MAX = 5
IDLE_SECONDS_MAX = 1.0
MEMORY = timedelta(days=8)
"""TWS can be set to tell executions of seven days; nothing older comes up again."""

POSITIONS = ""
"""Among the questions, which are order ids: the one about positions."""


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
    ) -> None:
        self._bus, self._clock, self._state = bus, clock, state
        self._link, self._outbox, self._settings = link, outbox, settings
        self._contract_of = contract_of
        self.session: OrdersSession | None = None
        self._refused = False  # a refusal of the gateway's own waits to be stored
        self._asks: dict[str, float] = {}
        self._stated: dict[str, Decimal] = {}
        self._asks_changed = asyncio.Event()

    # -------------------------------------------------------------------------------------------------- commands

    async def handle(self, received: Received) -> None:
        """Take one command; it is acknowledged when this returns. What can not be read becomes a dead letter."""
        began_seconds = time.perf_counter()
        command: Command = messages.decode(received.payload, Command)
        if isinstance(command, SubmitOrder):
            await self._submit(command, began_seconds)
        else:
            await self._cancel(command)
        if self._refused:  # nothing else would bring the refusal back, should the process end before it is stored
            await self._outbox.stored()
            self._refused = False

    async def _submit(self, command: SubmitOrder, began_seconds: float) -> None:
        order = command.order
        step = ledger.step_for(self._state, order.order_id)
        if step is Step.NOTHING:
            return
        if step is Step.ASK:
            self._doubt(self._state.orders[order.order_id])
            return
        contract = self._contract_of(order.symbol)
        try:
            if order.account != self._state.account:
                raise TranslationError(f"this gateway trades account {self._state.account}, not {order.account}")
            if contract is None:
                raise TranslationError(f"{order.symbol} is not offered: see the gateway's log for what the venue said")
            terms = order_terms(order)
        except TranslationError as error:
            self._refuse(order, str(error))
            return
        if not await self._link.until_ready(command.deadline) or self._clock.now() >= command.deadline:
            self._refuse(order, self._too_late("it could not be sent by its deadline"))
            return
        number = take_number(self._state)
        claiming = asyncio.create_task(ledger.claim(self._bus, self._state, command, number, self._clock.now()))
        await asyncio.sleep(0)  # the claim is on its way; while it is being stored, the order is written out
        draft = self._compose(number, contract, terms)
        tracked = await claiming
        if tracked is None:
            self._doubt(self._state.orders[order.order_id])
            return
        tracked.in_hand = True
        try:
            await self._send(command, tracked, contract, terms, draft, began_seconds)
        finally:
            tracked.in_hand = False

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
        began_seconds: float,
    ) -> None:
        """Write a claimed order on the socket, unless its deadline has come; then record that it was sent."""
        while True:
            if not await self._link.until_ready(command.deadline) or self._clock.now() >= command.deadline:
                self._refuse(tracked.order, self._too_late("its deadline came before it was sent"))
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
        metrics.ORDERS_SENT.inc()
        metrics.ORDER_SEND_SECONDS.observe(time.perf_counter() - began_seconds)
        self._ask_later(tracked.order.order_id)
        await ledger.record_sent(self._bus, tracked, self._clock.now())
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
            waited = f"the cancel could not be sent within {seconds_max:g} s, and the order stays as it was"
            self._refuse_cancel(command, f"{waited}; the link is {self._link_now()}")

    async def _send_cancel(self, command: CancelOrder, tracked: Tracked) -> None:
        """Write the cancel on the socket as soon as the link allows it; nothing waits between the two."""
        state = self._state
        while not tracked.done:
            await self._link.until_ready(None)
            if tracked.client_id not in (-1, state.client_id):
                hint = f"set SIGNALBOX_IBKR_ORDERS_CLIENT_ID to {tracked.client_id} to cancel it from here"
                self._refuse_cancel(command, f"the order was placed under another client id: {hint}")
                return
            try:
                session = self._open_session()
                await session.session.turn()
            except VenueError:
                await self._link.changed(0.05)
                continue
            if self._link.may_send() and session is self.session and not tracked.done:
                tracked.cancel_command, tracked.cancels_sent = command.id, 0
                self._write_cancel(session, tracked)
                return
        if report_id(state.account, "canceled", command.order_id) not in state.reported:
            self._refuse_cancel(command, "the order is over already")

    def _write_cancel(self, session: OrdersSession, tracked: Tracked) -> None:
        session.cancel(tracked.number)
        tracked.cancels_sent, tracked.cancel_sent_seconds = tracked.cancels_sent + 1, time.monotonic()
        self._ask_later(tracked.order.order_id)

    # ------------------------------------------------------------------------------------------ the gateway's own word

    def _too_late(self, what: str) -> str:
        return f"{what}, {self._clock.now():%H:%M:%S} UTC; the link is {self._link_now()}"

    def _link_now(self) -> str:
        return f"{self._link.status}: {self._link.reason}" if self._link.reason else str(self._link.status)

    def _refuse(self, order: Order, reason: str) -> None:
        metrics.ORDERS_REFUSED.inc()
        self._tell_refusal(reports.refusal(order.account, order.order_id, "", reason, self._clock.now()))

    def _refuse_cancel(self, command: CancelOrder, reason: str) -> None:
        account, at = command.account, self._clock.now()
        self._tell_refusal(reports.cancel_refusal(account, command.order_id, command.id, "", reason, at))

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
        self._ask_later(tracked.order.order_id, urgent=True)

    # ------------------------------------------------------------------------------------------------ the venue's word

    def on_fact(self, fact: OrderFact) -> None:
        """Take one fact, as it comes off the socket."""
        try:
            actions = decide.decide(self._state, fact, self._clock.now())
        except TranslationError as error:
            metrics.UNDECODABLE.labels("orders").inc()
            log.error("a fact of the venue makes no sense", extra={"fact": repr(fact), "error": str(error)})
            return
        self._act(actions)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Ask):
                self._ask_later(action.order_id, urgent=action.urgent)
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
        metrics.STRANDED.set(len(self._state.stranded))

    def _record_found(self, tracked: Tracked) -> None:
        if tracked.standing is Standing.CLAIMED and not tracked.in_hand:
            tracked.standing = Standing.SENT
            self._outbox.put_sent(ledger.sent(tracked, self._clock.now()), tracked.claim_sequence)

    def _cancel_unasked(self, tracked: Tracked) -> None:
        log.error(
            "an order that the desk has rejected or cancelled works at the venue: it is cancelled",
            extra={"order_id": tracked.order.order_id, "venue_order_id": tracked.venue_order_id},
        )
        if self.session is not None and self.session.session.is_open:
            self._write_cancel(self.session, tracked)

    # ------------------------------------------------------------------------------------------------------- asking

    def on_position(self, symbol: str, quantity: Decimal) -> None:
        """Take a stated position; one that our executions do not explain is somebody else's trade, to be asked for."""
        self._stated[symbol] = quantity
        if self._positions_differ():
            self._ask_later(POSITIONS)

    def hold(self, positions: dict[str, Decimal]) -> None:
        """Take complete positions, with which all executions known agree."""
        self._stated, self._state.positions = dict(positions), dict(positions)

    def _positions_differ(self) -> bool:
        held = self._state.positions
        return any(quantity != held.get(symbol, ZERO) for symbol, quantity in self._stated.items())

    def _ask_later(self, order_id: str, *, urgent: bool = False) -> None:
        asked = 0 if order_id == POSITIONS else self._state.orders[order_id].asked
        base_seconds = max(self._settings.acknowledge_seconds_max, self._settings.visibility_seconds)
        delay_seconds = 0.0 if urgent else min(base_seconds * 2 ** min(asked, 8), ASK_SECONDS_MAX)
        due = time.monotonic() + delay_seconds
        self._asks[order_id] = min(due, self._asks.get(order_id, due))
        metrics.UNRESOLVED.set(len(self._asks))
        self._asks_changed.set()

    async def ask_when_due(self) -> None:
        """Ask the venue about orders whose fate is open, for ever. One set of questions serves them all."""
        while True:
            due_in_seconds = min(self._asks.values(), default=time.monotonic() + IDLE_SECONDS_MAX) - time.monotonic()
            if due_in_seconds > 0 or not self._link.may_send() or not any(map(self._still_open, self._due())):
                self._asks_changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.1, min(due_in_seconds, IDLE_SECONDS_MAX))):
                        await self._asks_changed.wait()
                continue
            try:
                await self.inquire()
                metrics.INQUIRIES.labels("answered").inc()
            except VenueError as error:
                metrics.INQUIRIES.labels("failed").inc()
                log.warning("the venue could not be asked", extra={"error": str(error)})
                await self._link.changed(IDLE_SECONDS_MAX)

    def _due(self) -> list[str]:
        now = time.monotonic()
        return [order_id for order_id, due in self._asks.items() if due <= now]

    def _still_open(self, order_id: str) -> bool:
        """Whether a due question still stands; one that does not is dropped."""
        if order_id == POSITIONS:
            stands = self._positions_differ()
        else:
            tracked = self._state.orders[order_id]
            question = decide.question(self._state, tracked)
            in_vain = question == "a commission is missing" and tracked.asked >= COMMISSION_ASKS_MAX
            stands = bool(question) and not in_vain and not tracked.in_hand
        if stands:
            return True
        self._asks.pop(order_id, None)
        metrics.UNRESOLVED.set(len(self._asks))
        return False

    async def inquire(self) -> reconcile.Answers:
        """Ask for open orders, executions and completed orders, in this order; take what follows.

        Raises `VenueError` unless every answer came with its end marker: then nothing follows.
        """
        session = self._open_session()
        asked_about = reconcile.outstanding(self._state)
        due = self._due()
        open_orders, statuses = await session.open_orders()
        answers = reconcile.Answers(
            asked_about=asked_about,
            open_orders=open_orders,
            statuses=statuses,
            executions=await session.executions(),
            completed=await session.completed_orders(),
        )
        for order_id in due:
            self._asks.pop(order_id, None)
            if order_id != POSITIONS:
                self._state.orders[order_id].asked += 1
        self._take(answers, self._clock.now())
        if POSITIONS in due and self._positions_differ():
            log.error("positions differ from what the executions explain", extra={"stated": str(self._stated)})
            self.hold(self._state.positions | self._stated)
        for order_id in asked_about.union(due) - {POSITIONS}:
            tracked = self._state.orders[order_id]
            question = decide.question(self._state, tracked)
            if not question:
                tracked.asked = 0
            elif order_id not in self._asks:
                self._ask_later(order_id)
        return answers

    def forget(self) -> None:
        """Drop what is over and too old for the venue to speak of."""
        forget(self._state, self._clock.now() - MEMORY, self._asks)

    def _take(self, answers: reconcile.Answers, at: datetime) -> None:
        self._act(
            reconcile.reconcile(
                self._state,
                answers,
                at,
                wall_seconds=time.monotonic(),
                visibility_seconds=self._settings.visibility_seconds,
            )
        )

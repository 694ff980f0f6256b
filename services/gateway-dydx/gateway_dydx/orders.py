"""Commands to the venue, and the venue's words to reports: the shell around `ledger`, `decide` and `reconcile`.

Owns the order of things on the hot path: decode, claim while signing, broadcast, record, acknowledge; and the cancel.
It must not know how the link comes about (`orders_link`), nor when the venue is asked (`asking`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace
from signalbox import messages
from signalbox.bus import Bus, Received
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway import ledger, reports
from signalbox.gateway.actions import Action, Ask, CancelAgain, CancelStray, RecordSent, Strand
from signalbox.gateway.ledger import Step
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.state import Standing, forget, new_to, report_id
from signalbox.messages import CancelOrder, Command, Order, RefusedBy, Side, SubmitOrder, VenueRejected
from signalbox.metrics import VENUE_ORDERS_REFUSED, VENUE_ORDERS_SENT, Hop, show_hop

from gateway_dydx import decide
from gateway_dydx.asking import Asking
from gateway_dydx.facts import Fact
from gateway_dydx.plans import CancelPlan, OrderPlan, PriceBounds, Subaccount, cancel_plan, order_plan
from gateway_dydx.sending import Outcome, Placed, Sending
from gateway_dydx.settings import Settings
from gateway_dydx.state import State, Tracked, take_number
from gateway_dydx.translate import VENUE, MarketTerms
from gateway_dydx.venue_errors import CancelVerdict
from gateway_dydx.venue_indexer import IndexerRest
from gateway_dydx.venue_node import SignedTransaction

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 3
"""Of a broadcast that was surely refused for a reason that may pass, all with the one client id."""
RETRY_SECONDS = 0.2
MEMORY = timedelta(days=2)
"""Nothing that is over for longer comes up again: the longest doubt lasts minutes."""


class Orders:
    """Takes commands and facts."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        state: State,
        link: Link,
        outbox: Outbox,
        sending: Sending,
        rest: IndexerRest,
        subaccount: Subaccount,
        settings: Settings,
        market_of: Callable[[str], MarketTerms | None],
        why_not_offered: Callable[[str], str],
        reference_price: Callable[[str, Side], Decimal | None],
    ) -> None:
        self._bus, self._clock, self._state = bus, clock, state
        self._link, self._outbox, self._sending = link, outbox, sending
        self._subaccount, self._settings = subaccount, settings
        self._market_of, self._why_not_offered, self._reference_price = market_of, why_not_offered, reference_price
        self._strays: set[asyncio.Task[None]] = set()
        self._refused = False
        """A refusal of the gateway's own waits to be stored; its command is not acknowledged before."""
        self.asking = Asking(clock, state, link, rest, sending.failure_of, subaccount, settings, self.act)

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
            self._doubt(self._state.orders[order.order_id], "it was about to be sent when the gateway stopped")
            return
        if not await self._link.until_ready(command.deadline) or self._clock.now() >= command.deadline:
            self._refuse(order, self._too_late(command, "it could not be sent by its deadline"))
            return
        entry_at = self._clock.now()
        try:
            if order.account != self._state.account:
                raise TranslationError(f"this gateway trades account {self._state.account}, not {order.account}")
            plan = self._plan(order, take_number(self._state, entry_at), entry_at)
        except TranslationError as error:
            self._refuse(order, str(error))
            return
        if plan.is_stateful and not await self._within_budget(command):
            return
        entry = ledger.claimed(
            VENUE, command, plan.identity.client_id, entry_at, plan.identity.venue_order_id, plan.good_til_block
        )
        claiming = asyncio.create_task(ledger.claim(self._bus, self._state, entry))
        await asyncio.sleep(0)  # the claim is on its way; while it is being stored, the order is signed
        signed = self._signed(plan)
        tracked = await claiming
        if tracked is None:
            self._doubt(self._state.orders[order.order_id], "another process has claimed it")
            return
        tracked.in_hand = True
        try:
            await self._send(command, tracked, plan, signed, stored_at)
        finally:
            tracked.in_hand = False

    def _plan(self, order: Order, number: int, at: datetime) -> OrderPlan:
        """Write the order as the chain takes it; raises `TranslationError`, whose text tells a person what is wrong."""
        market = self._market_of(order.symbol)
        if market is None:
            raise TranslationError(f"{order.symbol} is not offered: {self._why_not_offered(order.symbol)}")
        bounds = PriceBounds(
            market_slippage_fraction=self._settings.market_slippage_fraction,
            stop_slippage_fraction=self._settings.stop_slippage_fraction,
            reference_price=self._reference_price(order.symbol, order.side),
        )
        return order_plan(order, market, self._subaccount, number, bounds, self._state.own.height, at)

    def _signed(self, plan: OrderPlan) -> SignedTransaction | None:
        """The order as it would be sent now; None = it can not be signed yet."""
        try:
            return self._sending.sign_place(plan)
        except VenueError as error:
            log.warning("the order could not be signed yet", extra={"error": str(error)})
            return None

    async def _within_budget(self, command: SubmitOrder) -> bool:
        """Wait for the next block if this one has its two stateful orders; refuse when it would take longer."""
        while True:
            height = self._state.own.height
            free_from = self._sending.budget.free_from(height)
            if free_from <= height:
                return True
            if free_from > height + 1 or self._clock.now() >= command.deadline:
                self._refuse(
                    command.order,
                    "dYdX takes 2 stateful orders a block and 20 in 100 blocks from one address: the next may go at "
                    f"block {free_from}, and now it is block {height}",
                )
                return False
            self._link.end_if_stopping()
            await self._link.changed(RETRY_SECONDS / 4)

    async def _send(
        self,
        command: SubmitOrder,
        tracked: Tracked,
        plan: OrderPlan,
        signed: SignedTransaction | None,
        stored_at: datetime,
    ) -> None:
        """Broadcast a claimed order, unless its deadline has come; then record what became of it."""
        attempts = 0
        while True:
            if not await self._link.until_ready(command.deadline) or self._clock.now() >= command.deadline:
                self._give_up(tracked, self._too_late(command, "its deadline came before it was sent"))
                return
            if plan.good_til_block and self._state.own.height >= plan.good_til_block:
                ended = f"its good-til-block {plan.good_til_block} came before it went, and before its deadline"
                self._give_up(tracked, self._too_late(command, ended))
                return
            signed = signed or self._signed(plan)
            tracked.own.transaction_hash = signed.transaction_hash if signed is not None else ""
            placed = await self._sending.place(plan, signed)
            attempts += 1
            may_pass = placed.outcome is Outcome.UNSENT or (placed.again and attempts < ATTEMPTS_MAX)
            if not may_pass:
                break
            signed = None  # a stateful order's sequence is a time
            await self._link.changed(RETRY_SECONDS)
        await self._after(tracked, plan, placed, stored_at)

    async def _after(self, tracked: Tracked, plan: OrderPlan, placed: Placed, stored_at: datetime) -> None:
        """Record a broadcast's outcome."""
        order_id, at = tracked.order.order_id, self._clock.now()
        if placed.outcome is Outcome.REFUSED:
            self.act([*reports.rejected(self._state, tracked, at, placed.code, placed.text)])
            return
        if placed.outcome is not Outcome.ACCEPTED:
            tracked.in_hand, tracked.own.claimed_seconds = False, time.monotonic()  # nothing is signed for it any more
            tracked.own.watched = tracked.own.rests
            self._doubt(tracked, f"{placed.code or 'no verdict'}: {placed.text}")
            return
        self._outbox.sent_orders.sent(order_id)
        VENUE_ORDERS_SENT.labels(VENUE).inc()
        show_hop(VENUE, Hop.COMMAND_TO_VENUE, stored_at)
        tracked.standing, tracked.seen, tracked.own.watched = Standing.SENT, True, True
        tracked.own.works_until = plan.good_til_block
        self.act([*reports.accepted(self._state, tracked, at)])
        await ledger.record_sent(self._bus, VENUE, tracked, at)
        log.info("order sent", extra={"order_id": order_id, "client_id": tracked.number})

    # ---------------------------------------------------------------------------------------------------- cancels

    async def _cancel(self, command: CancelOrder) -> None:
        tracked = self._state.orders.get(command.order_id)
        if tracked is None:
            self._refuse_cancel(command, "", "the order never reached the venue")
            return
        if tracked.done:
            if report_id(VENUE, self._state.account, "canceled", command.order_id) not in self._state.reported:
                self._refuse_cancel(command, "", "the order is over already")
            return
        tracked.cancel_command = command.id  # from here on it is not renewed
        tracked.own.cancel_seconds = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.cancel_wait_seconds_max):
                await self._send_cancel(command, tracked)
        except TimeoutError:
            if not self._link.holds_account():  # NATS is away: nobody can be told, and the cancel is as good as new
                await self._link.until_held()
                await self._cancel(command)
                return
            self._cancel_not_sent(command, tracked)
        except TranslationError as error:
            tracked.cancel_command = ""
            self._refuse_cancel(command, "", str(error))

    async def _send_cancel(self, command: CancelOrder, tracked: Tracked) -> None:
        """Broadcast the cancel until the node has said something of it: repeating it does no harm."""
        while not tracked.done:
            await self._link.until_ready(None)
            canceled = await self._sending.cancel(self.cancel_plan(tracked))
            match canceled.verdict:
                case CancelVerdict.ACCEPTED | CancelVerdict.GONE:
                    gone = canceled.verdict is CancelVerdict.GONE
                    self.asking.later(command.order_id, urgent=gone)
                    return
                case CancelVerdict.REFUSED:
                    tracked.cancel_command = ""
                    self._refuse_cancel(command, canceled.code, canceled.text)
                    return
            await self._link.changed(RETRY_SECONDS)

    def _cancel_not_sent(self, command: CancelOrder, tracked: Tracked) -> None:
        """Nobody has taken the cancel in time. A short-term order is not renewed any more, and so ends all the same."""
        if tracked.own.is_short_term or tracked.done:
            log.warning("a cancel was not taken: the order is left to end", extra={"order_id": command.order_id})
            return
        tracked.cancel_command = ""
        seconds_max = self._settings.cancel_wait_seconds_max
        waited = f"the cancel could not be sent within {seconds_max:g} s, and the order stays as it was"
        self._refuse_cancel(command, "", f"{waited}; the link is {self._link.described()}")

    def cancel_plan(self, tracked: Tracked) -> CancelPlan:
        """The cancel of an order, reaching as far as any version of it that may have been sent."""
        return cancel_plan(self.plan_of(tracked), self._state.own.height)

    def plan_of(self, tracked: Tracked, quantity: Decimal | None = None) -> OrderPlan:
        """An order's plan again, as it was claimed (or of another size), with the highest good-til-block that may be.

        Raises `TranslationError` when the venue does not have the market any more.
        """
        order, market = tracked.order, self._market_of(tracked.order.symbol)
        if market is None:
            raise TranslationError(f"the venue has no market {order.symbol} any more")
        bounds = PriceBounds(
            market_slippage_fraction=self._settings.market_slippage_fraction,
            stop_slippage_fraction=self._settings.stop_slippage_fraction,
            reference_price=market.tick_size * 1000,  # of a market order only the identity matters now
        )
        terms = order if quantity is None else replace(order, quantity=quantity)
        height = self._state.own.height
        plan = order_plan(terms, market, self._subaccount, tracked.number, bounds, height, tracked.claimed_at)
        return replace(plan, good_til_block=tracked.own.good_til_block) if tracked.own.is_short_term else plan

    # ------------------------------------------------------------------------------------------ the gateway's own word

    def _too_late(self, command: SubmitOrder, what: str) -> str:
        times = f"{command.deadline:%H:%M:%S} UTC (now {self._clock.now():%H:%M:%S})"
        return f"{what}, {times}; the link is {self._link.described()}"

    def _refuse(self, order: Order, reason: str) -> None:
        VENUE_ORDERS_REFUSED.labels(VENUE, "gateway").inc()
        by = RefusedBy.GATEWAY
        report = reports.refusal(VENUE, order.account, order.order_id, "", reason, self._clock.now(), by)
        if new_to(self._state, report):
            self._outbox.put(report)
            self._refused = True

    def _give_up(self, tracked: Tracked, reason: str) -> None:
        """A claimed order that was not sent, and will not be."""
        self._refuse(tracked.order, reason)
        tracked.standing = Standing.OVER

    def _refuse_cancel(self, command: CancelOrder, code: str, reason: str) -> None:
        at = self._clock.now()
        report = reports.cancel_refusal(VENUE, command.account, command.order_id, command.id, code, reason, at)
        if new_to(self._state, report):
            self._outbox.put(report)
        self._refused = True

    def _doubt(self, tracked: Tracked, why: str) -> None:
        """An order may or may not be on the chain: say so, and ask."""
        if tracked.done or tracked.standing is not Standing.CLAIMED:
            return
        self.act([*reports.unknown(self._state, tracked, self._clock.now(), f"{why}; the venue is asked")])
        self.asking.later(tracked.order.order_id, urgent=True)

    # ------------------------------------------------------------------------------------------------ the venue's word

    def on_fact(self, fact: Fact) -> None:
        """Take one fact, as it comes off the websocket."""
        self.act(decide.decide(self._state, fact, self._clock.now()))

    def act(self, actions: list[Action]) -> None:
        """Do what follows from facts."""
        for action in actions:
            if isinstance(action, Ask):
                self.asking.later(action.order_id, urgent=action.urgent)
            elif isinstance(action, RecordSent):
                self._record_found(self._state.orders[action.order_id])
            elif isinstance(action, CancelStray | CancelAgain | Strand):
                self._cancel_stray(self._state.orders[action.order_id])
            else:
                self._outbox.put(action)
                if isinstance(action, VenueRejected):
                    lost = self._state.orders[action.order_id].presumed_lost
                    VENUE_ORDERS_REFUSED.labels(VENUE, "lost" if lost else "venue").inc()

    def _record_found(self, tracked: Tracked) -> None:
        if tracked.standing is Standing.CLAIMED and not tracked.in_hand:
            tracked.standing = Standing.SENT
            self._outbox.put_sent(ledger.sent(VENUE, tracked, self._clock.now()), tracked.claim_sequence)

    def _cancel_stray(self, tracked: Tracked) -> None:
        log.error(
            "an order that was reported as rejected works at the venue: it is cancelled",
            extra={"order_id": tracked.order.order_id, "venue_order_id": tracked.venue_order_id},
        )
        task = asyncio.create_task(self._cancel_quietly(tracked))
        self._strays.add(task)
        task.add_done_callback(self._strays.discard)

    async def _cancel_quietly(self, tracked: Tracked) -> None:
        with suppress(TranslationError):
            await self._sending.cancel(self.cancel_plan(tracked))

    def forget(self) -> None:
        """Drop what is over and too old to come up again."""
        forget(self._state, self._clock.now() - MEMORY, self.asking.open_questions)

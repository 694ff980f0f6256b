"""The NATS shell: intents and order events in, decisions out. Owns the order of things and the rebuild at start.

It must not know what makes an intent good. What if the process dies ...
- before the decision is stored: the intent is delivered again, or found without a decision at the next start;
- between storing and acknowledging: the next process has read the decision in TRADE and only acknowledges;
- while the decision is under way to NATS: the next process makes another under the same id; NATS keeps the first one,
  and that is the one folded.

One process decides, under the service's lease. Decisions are a log of one writer: each is stored on the condition that
the last decision of all is the last one that this process knows. What may a former holder still do ...
- a decision that it had sent before it died or was stopped: it is the first one undecided here too. Stored before the
  rebuild, it is folded there; after it, this process's own publish finds it under the same id, and folds it;
- a decision that it sends when it wakes up, an hour later, beyond the window in which NATS knows ids: this process has
  decided that intent meanwhile, so the condition fails, and the former holder ends;
- messages that it is given while it sleeps: it asks for the lease before it takes one, so it folds and acknowledges
  none that was stored after the take-over. They come here when their time to be acknowledged is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing

import msgspec
from signalbox import messages, subjects
from signalbox.bus import Bus, Received, dead_letter
from signalbox.clock import DeskClock
from signalbox.errors import BusError, BusUnavailableError, MessageError
from signalbox.lease import OwnLease
from signalbox.messages import Decision, IntentApproved, OrderEvents
from signalbox.metrics import Hop, show_hop

from risk import evolve, metrics
from risk.decide import address, decide, failed_checks, refuse
from risk.facts import DeskTime, Request
from risk.intents import Unreadable, read_intent
from risk.observing import Observing
from risk.state import RiskState

log = logging.getLogger(__name__)

TRADE, CONSUMER = "TRADE", "risk"
READS_MAX, READ_AGAIN_SECONDS = 20, 0.1
"""How often a server is asked for what it should have, and may not have yet."""


class Risk:
    """The service on one bus: `await rebuild()`, then `await consume()`."""

    def __init__(self, bus: Bus, state: RiskState, clock: DeskClock, observing: Observing, lease: OwnLease) -> None:
        self._bus, self._state, self._clock, self._observing = bus, state, clock, observing
        self._lease = lease
        self._last_decision = 0
        """Where TRADE has the newest decision that this process knows."""
        self._waiting: dict[int, Received] = {}
        self._newest: Received | None = None
        """The last message of TRADE that was taken in."""

    def details(self) -> dict[str, str]:
        """Figures for a person."""
        state = self._state
        mode = state.trading_state.message.mode if state.trading_state is not None else "not set"
        exposure = {f"exposure {key[1]}": f"{books.worst_value:.2f}" for key, books in state.books.items()}
        return {
            "trading_state": str(mode),
            "intents_decided": str(len(state.decided)),
            "working_orders": str(len(state.orders)),
            "folded_up_to": str(state.folded_up_to),
            **exposure,
        }

    async def rebuild(self) -> None:
        """Fold all of TRADE, publishing nothing. Intents without a decision are kept for `consume`.

        Of several servers with a copy of TRADE, the one that answers may lag behind: what the process before has
        acknowledged must be met, or positions would be missing. Raises `BusUnavailableError` when it is not.
        """
        floor = await self._bus.consumer_floor(TRADE, CONSUMER)
        for _ in range(READS_MAX):
            await self._fold_stored()
            if self._newest_sequence() >= floor:
                break
            await asyncio.sleep(READ_AGAIN_SECONDS)
        else:
            raise BusUnavailableError(f"{TRADE}:{floor} has been acknowledged, and can not be read")
        log.info("rebuilt", extra={"folded_up_to": self._state.folded_up_to, "undecided": len(self._waiting)})

    def _newest_sequence(self) -> int:
        return self._newest.sequence if self._newest is not None else 0

    async def _fold_stored(self) -> None:
        """Fold what is stored behind the last message that was."""
        async for received in self._bus.read(TRADE, from_sequence=self._newest_sequence() + 1):
            word = subjects.first_word(received.subject)
            if word == subjects.INTENT:
                evolve.note_intent(self._state, received.sequence)
                self._waiting[received.sequence] = received
            elif word == subjects.DECISION:
                decision = self._own_decision(received)
                evolve.fold_decision(self._state, decision)
                self._last_decision = received.sequence
                self._waiting.pop(decision.intent_sequence, None)
            else:
                self._fold_order_event(received)
            self._newest = received

    async def consume(self) -> None:
        """Decide what was left undecided, then what comes."""
        for sequence in sorted(self._waiting):
            await self._decide(self._waiting[sequence])
        self._waiting.clear()
        self._bus.on_reconnect(self._still_there)
        await self._bus.consume(TRADE, CONSUMER, self.handle)

    async def _still_there(self) -> None:
        """End the process when TRADE is not the log that was folded: a server whose machine died may have lost its end.

        The lost sequences are given to other messages then, which would be taken for known ones, intents among them.
        """
        newest = self._newest
        if newest is None:
            return
        for _ in range(READS_MAX):
            async with aclosing(self._bus.read(TRADE, from_sequence=newest.sequence)) as reading:  # type: ignore[type-var]
                async for received in reading:
                    found = received.sequence, received.subject, received.payload
                    if found == (newest.sequence, newest.subject, newest.payload):
                        return
                    break
                else:  # nothing there, or a copy that lags behind
                    await asyncio.sleep(READ_AGAIN_SECONDS)
                    continue
            break
        self._bus.on_failure(BusError(f"{TRADE}:{newest.sequence} is not there any more: folding the log anew"))

    async def handle(self, received: Received) -> None:
        """Take one message of TRADE. It is acknowledged when this returns."""
        await self._lease.until_held()
        if received.sequence > self._newest_sequence():  # not one that is delivered again
            self._newest = received
        if subjects.first_word(received.subject) != subjects.INTENT:
            if not self._fold_order_event(received):
                raise MessageError(f"{received.subject} can not be read as an order event")
            return
        evolve.note_intent(self._state, received.sequence)
        if received.sequence in self._state.undecided:
            await self._decide(received)
        else:
            metrics.INTENTS.labels(metrics.ALREADY_DECIDED).inc()

    async def _decide(self, received: Received) -> None:
        """Decide one intent and store the decision; only then does it count."""
        arrived = time.perf_counter()
        intent = read_intent(received.payload)
        if isinstance(intent, Unreadable):
            metrics.INTENTS.labels(metrics.UNREADABLE).inc()
            letter = dead_letter(received, CONSUMER, intent.reason)
            await self._bus.publish(subjects.dead(TRADE, CONSUMER), letter)
            request = Request(
                sequence=received.sequence,
                subject=received.subject,
                intent=None,
                error=intent.reason,
                message_id=received.message_id,
            )
        else:
            metrics.INTENTS.labels(metrics.READ).inc()
            request = Request(sequence=received.sequence, subject=received.subject, intent=intent)
        self._observing.lose_what_is_silent()
        made = self._judge(request)
        decision, sequence = await self._store(made)
        evolve.fold_decision(self._state, decision)
        metrics.DECISION_LATENCY_SECONDS.observe(time.perf_counter() - arrived)
        venue, _ = address(self._state, decision.intent)
        metrics.count_decision(decision, venue)
        if venue and decision is made:  # not one that a process before had stored already
            show_hop(venue, Hop.INTENT_TO_DECISION, received.stored_at)
        _log(decision, sequence)

    def _judge(self, request: Request) -> Decision:
        """Decide; a fault of ours denies, so that each intent has its decision and the next one its turn."""
        now = DeskTime(at=self._clock.now(), clock_is_stale=self._clock.is_stale())
        started = time.perf_counter()
        try:
            return decide(self._state, request, now)
        except Exception as error:
            log.exception("a decision failed", extra={"intent_sequence": request.sequence})
            return refuse(request, now, f"risk could not judge the intent: {type(error).__name__}")
        finally:
            metrics.DECIDE_SECONDS.observe(time.perf_counter() - started)

    async def _store(self, decision: Decision) -> tuple[Decision, int]:
        """Store a decision once; the one that stands in TRADE, and where: a process before may have been first."""
        venue, account = address(self._state, decision.intent)
        await self._lease.until_held()
        acknowledged = await self._bus.publish(
            subjects.decision(decision, account, venue),
            decision,
            expected_last_subject_sequence=self._last_decision,
            last_of=subjects.ALL_DECISIONS,
        )
        if acknowledged.duplicate:
            decision = await self._stored(acknowledged.sequence)
        self._last_decision = acknowledged.sequence
        return decision, acknowledged.sequence

    async def _stored(self, sequence: int) -> Decision:
        """The decision that TRADE has at `sequence`."""
        async with aclosing(self._bus.read(TRADE, subjects.ALL_DECISIONS, sequence)) as reading:  # type: ignore[type-var]
            async for received in reading:
                return self._own_decision(received)
        raise MessageError(f"the decision at {TRADE}:{sequence} is gone")

    def _own_decision(self, received: Received) -> Decision:
        """Read a decision of risk's own. One that can not be read stops the process: it could be an approval."""
        try:
            decision: Decision = messages.decode(received.payload, Decision)
        except msgspec.MsgspecError as error:
            raise MessageError(f"the decision at {TRADE}:{received.sequence} can not be read: {error}") from error
        return decision

    def _fold_order_event(self, received: Received) -> bool:
        """Fold an order event; False = unreadable: positions are not known any more, and every order is denied."""
        try:
            event: OrderEvents = messages.decode(received.payload, OrderEvents)
        except msgspec.MsgspecError as error:
            evolve.distrust_books(self._state, received.sequence)
            metrics.UNREADABLE_OBSERVATIONS.labels("OrderEvents").inc()
            log.error("an order event can not be read", extra={"sequence": received.sequence, "error": str(error)})
            return False
        evolve.fold_order_event(self._state, received.sequence, event)
        return True


def _log(decision: Decision, sequence: int) -> None:
    """The one line a decision is worth."""
    intent = decision.intent
    approved = isinstance(decision, IntentApproved)
    log.info(
        "approved" if approved else "denied",
        extra={
            "intent_id": intent.id if intent is not None else "",
            "intent_sequence": decision.intent_sequence,
            "decision_id": decision.id,
            "decision_sequence": sequence,
            "kind": type(intent).__name__ if intent is not None else "unreadable",
            "venue": intent.venue if intent is not None else "",
            "symbol": intent.symbol if intent is not None else "",
            "reason": "" if isinstance(decision, IntentApproved) else decision.reason,
            "failed_checks": [check.name for check in failed_checks(decision)],
            "desk_time": decision.at.isoformat(),
        },
    )

"""The NATS shell: intents and order events in, decisions out. Owns the order of things and the rebuild at start.

It must not know what makes an intent good, nor whose turn it is (`intake`). Intents wait in INTENTS, a queue that each
leaves when it is acknowledged; decisions and order events are TRADE, the log that everything here is folded from. An
intent is known by its sequence in INTENTS and when that stored it. What if the process dies ...
- before the decision is stored: the next process finds the intent in INTENTS, and no decision on it in TRADE;
- between storing and acknowledging: the next process has read the decision in TRADE, and acknowledges the intent when
  it is delivered again;
- with a decision or a batch of them under way to NATS: the next process makes others under the same ids, of which NATS
  keeps the first. A batch is there as a whole or not at all. If it is what came first, this process ends (below).

A decision is folded when it is made: the next one is made on top of it, and the order events that follow from it come
after it. So nothing may be decided any more once a decision could not be stored as it was made: the process ends, and
its restart folds what TRADE has.

One process decides, under the service's lease. Decisions are a log of one writer: each is stored on the condition that
the last decision of all is the last one that this process knows. What may a former holder still do ...
- a decision that it had sent before it died or was stopped: stored before the rebuild, it is folded there; after it,
  this process's own decision finds it in its place, and unless it is the same one this process ends;
- a decision that it sends when it wakes up, an hour later, beyond the window in which NATS knows ids: this process has
  decided that intent meanwhile, so the condition fails, and the former holder ends;
- messages that it is given while it sleeps: it asks for the lease before it handles one, so it folds and acknowledges
  none that was stored after the take-over. They come here when their time to be acknowledged is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs
from signalbox import subjects
from signalbox.bus import Bus, Queue, Received, dead_letter
from signalbox.clock import DeskClock
from signalbox.lease import OwnLease
from signalbox.messages import Decision, FlattenEnded, IntentApproved, IntentDenied
from signalbox.metrics import Hop, show_hop

from risk import evolve, limiting, metrics, switches
from risk.account_ages import told
from risk.decide import address, orders_of
from risk.facts import Request
from risk.intake import Intake, Lane, Offer, Waiting
from risk.intents import Unreadable, read_head, read_id, read_intent
from risk.limits import used_in_words
from risk.logged import log_decision, log_flatten_ended
from risk.observing import Observing
from risk.proposing import Proposals
from risk.state import Market, RiskState
from risk.step import FlattensLooked, step
from risk.trade_log import CONSUMER, TradeLog
from risk.waiting import Waits, still_waits, waits
from risk.watching import Watch
from risk.wording import moment

log = logging.getLogger(__name__)

INTENTS = "INTENTS"
BATCH_MESSAGES_MAX, BATCH_INTENT_BYTES_MAX = 64, 128 * 1024
"""Decisions stored at once, and what their intents may have together: a decision is up to two kilobytes more."""
SHOW_SECONDS = 0.5
LOOK_SECONDS = 0.25
"""How often it is looked whether a venue is back for which something waits."""
OfFlattens = IntentApproved | IntentDenied | FlattenEnded


@dataclass(frozen=True, slots=True)
class _Made:
    """A decision that has been made and folded."""

    decision: Decision
    received: Received
    reply: str
    began_seconds: float
    decided_seconds: float


class Risk:
    """The service on one bus: `await rebuild()`, then `await consume()`."""

    def __init__(
        self,
        bus: Bus,
        state: RiskState,
        clock: DeskClock,
        observing: Observing,
        lease: OwnLease,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus, self._state, self._clock, self._observing = bus, state, clock, observing
        self._lease, self._monotonic = lease, monotonic
        self._intake: Intake[Received] = Intake()
        self._queue: Queue | None = None
        self._in_hand: set[int] = set()
        """What this turn is about to decide."""
        self._decided_already: list[str] = []
        """How to acknowledge what was delivered again after its decision."""
        self._put_aside: dict[int, tuple[Waiting[Received], Waits]] = {}
        """By their place in INTENTS: what waits there for a gateway."""
        self._waits_told: dict[tuple[str, Market], str] = {}
        self._held_back: set[str] = set()
        self._shown_seconds = float("-inf")
        self.log = TradeLog(bus, state, lease)
        self._proposals = Proposals(bus, state, clock, lease, self.log)
        self.watch = Watch(state, clock, lease, self.log)

    def details(self) -> dict[str, str]:
        """Figures for a person."""
        state, now = self._state, self._clock.now()
        switch = state.trading_state.message if state.trading_state is not None else None
        exposure = {f"exposure {key[1]}": f"{books.worst_value:.2f}" for key, books in state.books.items()}
        return {
            "trading_state": str(switch.mode) if switch is not None else "not set",
            "trading_state_by": switch.by if switch is not None else "",
            "trading_state_since": moment(switch.at) if switch is not None else "",
            "trading_state_reason": switch.reason if switch is not None else "",
            "switched": switches.told(state),
            "limits_version": limiting.told(state),
            "intents_decided": str(state.known.decided_count),
            "intents_waiting": str(len(self._intake)),
            "intents_waiting_for_a_venue": str(len(self._put_aside)),
            "flattens_under_way": ", ".join(self._state.flattens),
            "names_held_back": ", ".join(sorted(self._held_back)),
            "working_orders": str(len(state.orders)),
            "folded_up_to": str(state.folded_up_to),
            **exposure,
            **{f"limit use {key[1]}": used_in_words(state, key, now) for key in state.books},
            **{f"oldest figure {key[1]}": told(found.message, now) for key, found in state.accounts.items()},
        }

    # ---------------------------------------------------------------------------------------------------- the start

    async def rebuild(self) -> None:
        """Fold TRADE, publishing nothing; then take in the intents that wait without a decision."""
        await self.log.rebuild()
        async for received in self._bus.read(INTENTS):
            self._take(received, "")
        log.info("rebuilt", extra={"folded_up_to": self._state.folded_up_to, "undecided": len(self._intake)})

    async def consume(self) -> None:
        """Follow the order events, and decide what waits and what comes."""
        await self.log.follow()
        await self._proposals.follow()
        self._queue = await self._bus.queue(INTENTS, CONSUMER, self._take, self.turn)

    # ------------------------------------------------------------------------------------------------------ intents

    def _take(self, received: Received, reply: str) -> None:
        """Have an intent wait for its turn; one that has its decision, or gets it now, is only acknowledged."""
        answered = evolve.is_answered(self._state, received.sequence, received.stored_at)
        if answered or received.sequence in self._in_hand:
            metrics.INTENTS.labels(metrics.ALREADY_DECIDED).inc()
            self._decided_already.append(reply)
            return
        head = read_head(received.payload)
        if head.cancels or head.cancels_many:
            self._take_up(subjects.sender_of_intent(received.subject), head.cancels)
        waiting = Waiting(
            sequence=received.sequence,
            name=subjects.sender_of_intent(received.subject),
            lane=Lane.CANCELS if head.cancels or head.cancels_many else Lane.ORDERS,
            intent_id="" if head.cancels or head.cancels_many else head.id,
            cancels=head.cancels,
            cancels_many=head.cancels_many,
            bytes=len(received.payload) + len(received.headers),
            message=received,
            reply=reply,
        )
        if self._intake.offer(waiting, self._monotonic()) is Offer.TOO_MANY:
            # More than NATS lets one name have in INTENTS, so not the stream that is declared: it comes again later
            log.error("more intents than one name may have waiting", extra={"sender": waiting.name})

    def _take_up(self, name: str, intent_id: str) -> None:
        """What is to be cancelled waits for no venue any more: it is decided before its cancel, as any order is.

        An empty id = all that this name has sent: a cancel of many comes behind it.
        """
        for sequence, (waiting, _) in [*self._put_aside.items()]:
            if waiting.name == name and intent_id in ("", waiting.intent_id):
                waiting.waits_for_venue = False
                del self._put_aside[sequence]
                self._intake.offer(waiting, self._monotonic())

    def _take_up_again(self) -> None:
        """What has waited for a gateway has its turn again once that is back, or its time is over."""
        now = self._clock.now()
        for sequence, (waiting, found) in [*self._put_aside.items()]:
            if not still_waits(self._state, found, now):
                del self._put_aside[sequence]
                self._intake.offer(waiting, self._monotonic())

    async def turn(self) -> float | None:
        """Decide the next few, store, acknowledge. In how many seconds there is more; None = nothing waits."""
        await self._lease.until_held()
        self._observing.lose_what_is_silent()
        await self.watch.look_if_due()
        await self._go_on()
        self._take_up_again()
        chosen, requests, at_once = [], [], self._choose()
        found = [waiting.message for waiting, _ in at_once]
        if None in found:
            found = await asyncio.gather(*(self._whole(waiting) for waiting, _ in at_once))
        for received, (waiting, brief) in zip(found, at_once, strict=True):
            if received is None:  # it has become too old there meanwhile
                metrics.INTENTS.labels(metrics.GONE).inc()
                continue
            request = self._read(received, waiting.name, brief)
            found_away = waits(self._state, request.intent, self._clock.now()) if waiting.waits_for_venue else None
            if found_away is not None:
                waiting.message = None  # it stays in INTENTS
                self._put_aside[waiting.sequence] = waiting, found_away
                continue
            requests.append(request)
            chosen.append((received, waiting, brief))
        letters = [
            dead_letter(received, CONSUMER, request.error)
            for request, (received, _, brief) in zip(requests, chosen, strict=True)
            if request.error and not brief
        ]
        if letters:
            # Together: one after the other would let everybody wait for whoever writes what can not be read
            subject = subjects.dead(INTENTS, CONSUMER)
            await asyncio.gather(*(self._bus.publish(subject, letter) for letter in letters))
        if requests:
            async with self.log.storing:
                await self._decide_and_store(requests, chosen)
            for request in requests:
                metrics.INTENTS.labels(metrics.UNREADABLE if request.error else metrics.READ).inc()
        self._in_hand.clear()
        self._acknowledge([*self._decided_already, *(waiting.reply for _, waiting, _ in chosen)])
        self._show()
        wait_seconds = self._intake.wait_seconds(self._monotonic())
        return LOOK_SECONDS if wait_seconds is None and (self._put_aside or self._state.flattens) else wait_seconds

    async def _decide_and_store(
        self, requests: Sequence[Request], chosen: Sequence[tuple[Received, Waiting[Received], bool]]
    ) -> None:
        """Decide each on top of the one before, fold it, and store them together."""
        made = []
        for request, (received, waiting, _) in zip(requests, chosen, strict=True):
            began_seconds = time.perf_counter()
            decision = self._judge(request)
            decided_seconds = time.perf_counter()
            self._intake.charge(waiting, orders_of(decision))
            made.append(_Made(decision, received, waiting.reply, began_seconds, decided_seconds))
        await self._store(made)

    def _choose(self) -> list[tuple[Waiting[Received], bool]]:
        """Whose turn it is: as many as are stored at once, each with whether a denial is to be brief."""
        chosen: list[tuple[Waiting[Received], bool]] = []
        size = 0
        now_seconds = self._monotonic()
        room, part_max = self._state.room, float(self._state.desk.nats.room_used_fraction_max)
        self._intake.spare(room is not None and room.message.used > (1 + part_max) / 2)
        while len(self._intake) and len(chosen) < BATCH_MESSAGES_MAX and size < BATCH_INTENT_BYTES_MAX:
            waiting = self._intake.next(now_seconds)
            if waiting is None:
                break
            chosen.append((waiting, self._intake.is_brief(waiting)))
            self._in_hand.add(waiting.sequence)
            size += waiting.bytes
            if waiting.cancels_many:  # whether its sender may have another one is known when it is decided
                break
        return chosen

    async def _whole(self, waiting: Waiting[Received]) -> Received | None:
        """The intent itself, which may have been left in the stream; None = it is not there any more."""
        return waiting.message or await self._bus.at(INTENTS, waiting.sequence)

    def _read(self, received: Received, by: str, brief: bool) -> Request:
        """Read an intent. One that can not be read becomes a dead letter too, unless its sender sends so many."""
        read = read_intent(received.payload, self._clock.desk_time_of(received.stored_at))
        error = read.reason if isinstance(read, Unreadable) else ""
        return Request(
            sequence=received.sequence,
            stored_at=received.stored_at,
            intent=None if isinstance(read, Unreadable) else read,
            by=by,
            error=error,
            message_id=(read_id(received.payload) or received.message_id) if error else "",
            brief=brief,
            clock_is_stale=self._clock.is_stale(),
        )

    def _judge(self, request: Request) -> Decision:
        """Decide and fold; a fault of ours denies, so that each intent has its decision and the next one its turn.

        A fault of the fold leaves half of a decision in the state: then there is no second one, and the process ends.
        """
        at = self._clock.now()
        try:
            decision = self._decided(request, at)
        except Exception as error:
            if evolve.is_answered(self._state, request.sequence, request.stored_at):
                raise
            log.exception("a decision failed", extra={"intent_sequence": request.sequence})
            refused = structs.replace(request, error=f"risk could not judge the intent: {type(error).__name__}")
            decision = self._decided(refused, at)
        return decision

    def _decided(self, request: Request, at: datetime) -> Decision:
        (ruling,) = step(self._state, request, at)
        assert isinstance(ruling, IntentApproved | IntentDenied)
        return ruling

    async def _store(self, made: Sequence[_Made]) -> None:
        """Store what was decided, all or nothing. Raises `BusError` unless TRADE has it just as it was made."""
        placed = [(self._subject_of(each.decision), each.decision) for each in made]
        stored = await self.log.store(placed)
        metrics.BATCH_MESSAGES.observe(len(made))
        for sequence, each in enumerate(made, stored.sequence - len(made) + 1):
            self._tell(each, sequence, first=not stored.duplicate)

    async def _go_on(self) -> None:
        """Go on with the flattens that are under way: what they make necessary is stored like any decision."""
        if not self._state.flattens:
            return
        async with self.log.storing:
            began_seconds = time.perf_counter()
            looked = step(self._state, FlattensLooked(self._clock.is_stale()), self._clock.now())
            rulings = [each for each in looked if isinstance(each, OfFlattens)]
            for first in range(0, len(rulings), BATCH_MESSAGES_MAX):
                some = rulings[first : first + BATCH_MESSAGES_MAX]
                placed = [(self._subject_of(ruling), ruling) for ruling in some]
                stored = await self.log.store(placed)
                for sequence, ruling in enumerate(some, stored.sequence - len(some) + 1):
                    self._tell_own(ruling, sequence, began_seconds)
        self._tell_waits()

    def _subject_of(self, ruling: OfFlattens) -> str:
        if isinstance(ruling, FlattenEnded):
            return subjects.flatten_ended(ruling)
        venue, account = address(self._state, ruling.intent)
        return subjects.decision(ruling, account, venue)

    def _acknowledge(self, replies: Sequence[str]) -> None:
        """The intents are decided: they leave INTENTS. One that was only read there is acknowledged when it comes."""
        self._decided_already = []
        if self._queue is not None:
            for reply in replies:
                if reply:
                    self._queue.acknowledge(reply)

    # ------------------------------------------------------------------------------------------------------ telling

    def _tell(self, made: _Made, sequence: int, first: bool) -> None:
        metrics.DECIDE_SECONDS.observe(made.decided_seconds - made.began_seconds)
        metrics.DECISION_LATENCY_SECONDS.observe(time.perf_counter() - made.began_seconds)
        venue, _ = address(self._state, made.decision.intent)
        metrics.count_decision(made.decision, venue)
        if venue and first:  # not one that a process before had stored already
            show_hop(venue, Hop.INTENT_TO_DECISION, made.received.stored_at)
        log_decision(made.decision, sequence)

    def _tell_own(self, ruling: OfFlattens, sequence: int, began_seconds: float) -> None:
        """Of what a flatten has made necessary, or that it is over."""
        if isinstance(ruling, FlattenEnded):
            metrics.count_flatten_ended(ruling)
            log_flatten_ended(ruling, sequence)
            return
        metrics.DECISION_LATENCY_SECONDS.observe(time.perf_counter() - began_seconds)
        venue, _ = address(self._state, ruling.intent)
        metrics.count_decision(ruling, venue)
        log_decision(ruling, sequence)

    def _tell_waits(self) -> None:
        """Say once of each market why it is not flat yet."""
        waits = {
            (name, market): why for name, each in self._state.flattens.items() for market, why in each.waits.items()
        }
        for (name, market), why in waits.items() - self._waits_told.items():
            log.warning("a flatten waits", extra={"flatten": name, "market": "/".join(market), "reason": why})
        self._waits_told = waits

    def _show(self) -> None:
        """Show what waits, and say once of each name that it has used up its decisions."""
        now_seconds = self._monotonic()
        held_back = self._intake.held_back(now_seconds)
        if now_seconds - self._shown_seconds < SHOW_SECONDS and len(self._intake) and held_back == self._held_back:
            return
        self._shown_seconds = now_seconds
        for name in held_back - self._held_back:
            log.warning("a name has used up its decisions: what it sends waits", extra={"sender": name})
        for name in self._held_back - held_back:
            log.info("a name is held back no more", extra={"sender": name})
        self._held_back = held_back
        metrics.show_intake(self._intake.waiting_by_name(), held_back)

"""The NATS shell: decisions, reports and timers in; order events, commands and timers out. One message at a time.

Owns the order of things: commands, then timers, then events (each must be the next on its order's subject), then the
acknowledgement. It must not know what any of it means. An order's command is stored before its event is sent (decision
records 5 and 33). Approved decisions do not wait behind denied ones, which may be a flood: each kind has a consumer.
That they are not taken in the order of TRADE does no harm: they concern different orders, since a denial of an id that
was used up before says so, and is nothing to announce. What if the process dies ...
- before anything is stored: the message comes again, nothing has happened;
- with the command stored, or command and timer, but not the event: the order may reach the venue, and reports of it
  come, or the timer does. None is handled before the event is stored: here because all consumers share one lock, which
  is held until then and never opens again if it fails; in the next process because it finishes the unacknowledged
  approvals first. The core gives the same event again, and the same command, which COMMANDS refuses, and the same
  schedule, which replaces the first;
- with all of it stored: the message comes again, the folded state shows the order, and nothing new is stored;
- between what has filled of a list's entry and the orders that follow: at the start each list is asked what it lacks,
  before a cancel is taken, or a step that has come due, which would make another answer of it than what is stored;
- before positions and books are published: all of them are published at the next start.
One process works, under the service's lease. What may a former holder still do, one that was suspended and wakes up?
- It takes no message that was stored after the take-over: it asks for the lease before each. So it acknowledges nothing
  that it can not judge, such as a report of an order that it has never heard of.
- An event that it had in hand loses the next sequence on its order's subject, if the present holder wrote there, and
  the process ends. If not, it is the event that the present holder makes of the same message, under the same id, and
  finds stored.
- Its command may be the one that is stored: both made it from the same decision and the same instrument, which STATE
  had before risk could approve. COMMANDS has one message a subject, so there is one order whoever wrote what; its
  deadline is in it.
- A timer that it sets replaces the same timer: one that fires early is set again.
- A position or book that is older than the present holder's loses the sequence (`publishing`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from signalbox import belonging, messages, subjects
from signalbox.bus import Bus, Received
from signalbox.checkpointing import Capture, Checkpoints
from signalbox.clock import DeskClock
from signalbox.decimals import can_be_reckoned_with
from signalbox.errors import BusError, BusRefusedError, IllegalTransitionError, MessageError, WrongSequenceError
from signalbox.lease import OwnLease
from signalbox.messages import (
    AccountAdopted,
    Act,
    Bar,
    BooksAct,
    BooksAdjusted,
    ClockTick,
    Command,
    CommissionBooked,
    Decision,
    FillCorrected,
    FundingBooked,
    Instrument,
    Message,
    OrderEvent,
    OrderEvents,
    OrderFilled,
    OrderPartiallyFilled,
    Position,
    Report,
    SubmitOrder,
    TimerFired,
    VenueSnapshot,
)

from oms import checkpoint, metrics
from oms.checkpoint import StateLoader
from oms.evolve import evolve, evolve_nothing
from oms.late_fills import LateFills
from oms.logged import log_events, log_outcome
from oms.looking_up import look_up
from oms.outcome import Outcome, Rules
from oms.publishing import BookPublisher
from oms.recall import Wanted, forget_recalled, wanted_by_event, wanted_by_message
from oms.schedule import wakes
from oms.state import KEPT, Keep, State, order_key
from oms.statements import Mark, Marks
from oms.step import Incoming, follow, instrument_needed, snapshot_needed, step, symbols_of

TRADE, REPORTS, TIMERS, STATE, CONTROL = "TRADE", "REPORTS", "TIMERS", "STATE", "KV_CONTROL"
CONSUMER, CONSUMER_OF_DENIED = "oms", "oms-denied"

log = logging.getLogger(__name__)

_M = TypeVar("_M", bound=Message)

_BOOKING = (
    OrderPartiallyFilled
    | OrderFilled
    | FillCorrected
    | CommissionBooked
    | FundingBooked
    | AccountAdopted
    | BooksAdjusted
)
"""Events that change an account's books."""


class OrderManagement:
    """The service on one bus. `await rebuild()` first, then `await consume()`; `publisher.run()` beside it."""

    def __init__(self, bus: Bus, clock: DeskClock, rules: Rules, lease: OwnLease, keep: Keep = KEPT) -> None:
        self._bus, self._clock, self._rules, self._lease = bus, clock, rules, lease
        self.state = State(keep)
        self.checkpoints = Checkpoints(bus, "oms", checkpoint.SHAPE, "", subjects.ALL_ORDERS, lease)
        self._marks: Marks = {}
        self.shown = metrics.Shown(self.state, clock)
        self.publisher = BookPublisher(bus, self.state, self._marks, self.shown.books, lease)
        self._lock = asyncio.Lock()  # five consumers, one state
        self.late_fills = LateFills(bus, self.state, self._lock, self.publisher)
        self._failure: BusError | None = None
        self._speed: float | None = None

    def details(self) -> dict[str, str]:
        """Figures for a person: orders, working ones, executions booked, how far TRADE has been folded."""
        return {
            "orders": str(self.state.orders_begun),
            "working": str(len(self.state.working)),
            "executions": str(sum(book.fills for book in self.state.accounts.values())),
            "trade_sequence": str(self.state.trade_sequence),
        }

    # ------------------------------------------------------------------------------------------------- start

    async def rebuild(self) -> None:
        """Fold the order events of TRADE behind the last checkpoint; take instruments and last marks from STATE.

        Publishes nothing.

        An event of our own that can not be read holds the start until a person sets it aside: it says what is true.
        """
        await self._bus.subscribe(subjects.ALL_INSTRUMENTS, self._instrument)
        async for received in self._bus.read(STATE, subjects.ALL_INSTRUMENTS):
            await self._instrument(received)
        async for received in self._bus.read(STATE, subjects.ALL_POSITIONS):
            self._restore_mark(received)
            self.publisher.found(received.subject, received.sequence)
        async for received in self._bus.read(STATE, subjects.ALL_BOOKS):
            self.publisher.found(received.subject, received.sequence)
        found = await self.checkpoints.find(lambda: StateLoader(self.state.keep))
        if found is not None:
            self.state.become(found.loaded.state)
        events = 0

        def fold(received: Received) -> Awaitable[None] | None:
            nonlocal events
            event: OrderEvent = messages.decode(received.payload, OrderEvents)
            events += 1
            wanted = wanted_by_event(self.state, event)
            if wanted:
                return self._fold_recalled(event, received.sequence, wanted)
            evolve(self.state, event, received.sequence)
            return None

        def pass_over(received: Received) -> None:
            evolve_nothing(self.state, *subjects.order_of(received.subject), received.sequence)

        begin = self.state.trade_sequence + 1
        await self._bus.fold(TRADE, fold, subjects.ALL_ORDERS, begin, pass_over=pass_over)
        self.checkpoints.folded(self.state.trade_sequence, self.state.events)
        metrics.REBUILT_EVENTS.set(events)

    async def keep_checkpoints(self) -> None:
        """Write down what has been folded, whenever there is enough of it, for ever."""
        await self.checkpoints.run(lambda: self.state.trade_sequence, self.capture)

    async def capture(self) -> Capture:
        """The state between two messages, and how many events TRADE must have up to there."""
        async with self._lock:
            sequence, frames = checkpoint.capture(self.state)
            return Capture(sequence, self.state.events, frames)

    async def _fold_recalled(self, event: OrderEvent, sequence: int, wanted: Wanted) -> None:
        """Fold an event of what had left memory before it."""
        await look_up(self._bus, self.state, wanted, before_sequence=sequence)
        evolve(self.state, event, sequence)

    async def consume(self) -> None:
        """Finish what the process before left; start to take decisions, reports, timers and bars, and return."""
        await self._finish()
        async with self._lock:
            await self._follow()
            await self._set_timers()
        await self._bus.subscribe(subjects.CLOCK, self._tick)
        self.publisher.all_changed()
        self.late_fills.look()
        await self._bus.subscribe(subjects.ALL_MINUTE_BARS, self._bar)
        await self._bus.consume(REPORTS, CONSUMER, self._handler(Report))
        await self._bus.consume(TIMERS, CONSUMER, self._handler(TimerFired))
        await self._bus.consume(CONTROL, CONSUMER, self._handler(Act))
        await self._bus.consume(TRADE, CONSUMER, self._handler(Decision))
        await self._bus.consume(TRADE, CONSUMER_OF_DENIED, self._handler(Decision))

    async def _finish(self) -> None:
        """Do what lists lack, then handle unacknowledged approvals: a command may be stored whose event is not. They
        come again later, and change nothing; one that can not be handled is parked then.
        """
        await self._follow(resumes=True)  # nobody else is there yet
        handle = self._handler(Decision)
        floor = await self._bus.consumer_floor(TRADE, CONSUMER)
        async for received in self._bus.read(TRADE, subjects.ALL_APPROVALS, floor + 1):
            try:
                await handle(received)
            except BusError:
                raise
            except Exception as error:
                log.warning("left for the consumer", extra={"sequence": received.sequence, "error": str(error)})

    # ---------------------------------------------------------------------------------------------- messages in

    def _handler(self, kind: object) -> Callable[[Received], Awaitable[None]]:
        async def handle(received: Received) -> None:
            await self._lease.until_held()
            message: Incoming = messages.decode(received.payload, kind)
            if not can_be_reckoned_with(message):
                raise MessageError("it holds a number that can not be reckoned with: NaN, infinite, or beyond any size")
            if not belonging.belongs(message, received.subject):
                raise MessageError("it speaks of another venue or account, or is of another kind, than its subject")
            if strange := [symbol for symbol in symbols_of(message) if not subjects.is_name(symbol)]:
                raise MessageError(f"{strange[0][:60]!a}... has {len(strange[0])} characters, and is no symbol")
            if isinstance(message, BooksAct):
                message = self._signed(message, received.subject)
            outcome = await self._handle(message, received)
            metrics.count_hop(received, outcome)
            while outcome.more:  # others have their turn in between
                await self._lease.until_held()
                outcome = await self._handle(message, received)

        return handle

    async def _handle(self, message: Incoming, received: Received) -> Outcome:
        """Do what a message makes necessary, or a part of it, before anything else has its turn."""
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            try:
                outcome = await self._step(message, received.sequence)
                await self._carry_out(outcome)
                await self._follow()
            except IllegalTransitionError:
                metrics.ILLEGAL_TRANSITIONS.inc()
                raise
            except BusRefusedError:
                raise  # nothing of it is stored: the same message may be tried again
            except BusError as error:
                self._failure = error  # what is stored is not known: nothing may be decided from this state
                raise
        log_outcome(message, outcome)
        if outcome.drift is not None and isinstance(message, VenueSnapshot):
            self.shown.drift(message.venue, message.account, outcome.drift)
            await self.publisher.compared(message, outcome.drift)
        return outcome

    async def _follow(self, *, resumes: bool = False) -> None:
        """Do what the lists make necessary, whose orders have changed."""
        while (outcome := follow(self.state, self._clock.now(), self._rules, resumes=resumes)) is not None:
            await self._carry_out(outcome)
            log_events(outcome)

    async def _set_timers(self) -> None:
        """Set the timers of all schedules again: one that TIMERS has is replaced by the same."""
        for timer in wakes(self.state):
            await self._schedule(timer)

    async def _tick(self, received: Received) -> None:
        """When a timer fires by the wall depends on the simulator's speed: with another one all are set again."""
        tick = _read_side(received, ClockTick)
        if tick is not None and tick.speed != self._speed:
            self._speed = tick.speed
            async with self._lock:
                await self._set_timers()

    async def _step(self, message: Incoming, sequence: int) -> Outcome:
        """What a message makes necessary, with all at hand that it speaks of."""
        await self._recall(message)
        await self._learn(message)
        return step(self.state, message, self._clock.now(), self._rules, sequence)

    async def _recall(self, message: Message) -> None:
        """Look up what has left memory and the message speaks of."""
        forget_recalled(self.state)
        wanted = wanted_by_message(self.state, message)
        if wanted:
            await look_up(self._bus, self.state, wanted)

    def _signed(self, act: Act, subject: str) -> Act:
        """The act as the server names its sender, whatever it says of him; raises `MessageError` where it is astray."""
        name = subjects.operator_of_act(subject)
        if subject != f"{subjects.books_act(act.venue, act.account, act.id)}.{subjects.encode_token(name)}":
            raise MessageError("it speaks of another account, or is another act, than its subject")
        if act.venue not in self._rules.venues:
            raise MessageError(f"{act.venue[:60]!a} is no venue of the desk file")
        return msgspec.structs.replace(act, by=name)

    async def _learn(self, message: Message) -> None:
        """Ask STATE for an instrument, and REPORTS for a snapshot, that were published while nobody listened."""
        if isinstance(message, BooksAct) and snapshot_needed(message):
            subject = subjects.snapshots_of(message.venue, message.account)
            told = await self._bus.last(REPORTS, subject)
            snapshot = _read_side(told, VenueSnapshot) if told is not None else None
            self.state.snapshots = {(message.venue, message.account): snapshot} if snapshot is not None else {}
        needed = instrument_needed(message)
        if needed is None or needed in self.state.instruments or needed[0] not in self._rules.venues:
            return
        stored = await self._bus.last(STATE, subjects.instrument(*needed))
        if stored is not None:
            await self._instrument(stored)

    async def _instrument(self, received: Received) -> None:
        instrument = _read_side(received, Instrument)
        if instrument is not None:
            self.state.instruments[instrument.venue, instrument.symbol] = instrument

    async def _bar(self, received: Received) -> None:
        bar = _read_side(received, Bar)
        if bar is not None:
            self.publisher.marked(bar.venue, bar.symbol, Mark(bar.close, bar.at, bar.id))

    def _restore_mark(self, received: Received) -> None:
        position = _read_side(received, Position)
        if position is not None and position.mark_price is not None:
            mark = Mark(position.mark_price, position.at, position.cause)
            self._marks[position.venue, position.symbol] = mark

    # --------------------------------------------------------------------------------------------- messages out

    async def _carry_out(self, outcome: Outcome) -> None:
        """Publish what a message makes necessary; return when all of it is stored.

        A command goes out first, the event beside it last: what the event wakes would take the processor from the
        gateway. Of several events each needs the sequence of the one before.
        """
        for revision, command in outcome.commands:
            await self._command(revision, command)
        for timer in outcome.timers:
            await self._schedule(timer)
        for event in outcome.events:
            await self._store(event)

    async def _schedule(self, timer: TimerFired) -> None:
        await self._bus.publish_scheduled(
            subjects.timer_schedule(timer.order_id),
            timer,
            due_wall=self._clock.wall_time_of(timer.due),
            target=subjects.timer_fired(timer.order_id),
        )

    async def _store(self, event: OrderEvent) -> None:
        """Store the next event of an order and fold it. Raises `WrongSequenceError` if somebody else wrote there."""
        key = order_key(event.venue, event.account, event.order_id)
        subject = subjects.order(event.venue, event.account, event.order_id)
        expected = self.state.journal(key).sequence
        ack = await self._bus.publish(subject, event, expected_last_subject_sequence=expected)
        if ack.duplicate:
            # Stored after we read the log: our own, if an earlier attempt's ack was lost. Then it says the same.
            last = await self._bus.last(TRADE, subject)
            if last is None or last.payload != messages.encode(event):
                raise WrongSequenceError(subject, expected)
        evolve(self.state, event, ack.sequence)
        self._count(event, ack.sequence)

    def _count(self, event: OrderEvent, sequence: int) -> None:
        metrics.EVENTS.labels(event.venue, type(event).__name__).inc()
        if isinstance(event, OrderPartiallyFilled | OrderFilled):
            self.shown.fill(self.state.orders[order_key(event.venue, event.account, event.order_id)], event.fill)
        if isinstance(event, _BOOKING):
            account = (event.venue, event.account)
            symbols = self.state.accounts[account].symbols
            changed = tuple(name for name, symbol in symbols.items() if symbol.trade_sequence == sequence)
            self.publisher.changed(account, changed)
            if any(symbols[name].is_late for name in changed):
                self.late_fills.look()

    async def _command(self, revision: int, command: Command) -> None:
        order = command.order if isinstance(command, SubmitOrder) else command
        ack = await self._bus.publish(subjects.command(order.venue, order.order_id, revision), command)
        if ack.duplicate:
            metrics.COMMANDS_REPEATED.labels(order.venue).inc()
        else:
            metrics.COMMANDS.labels(order.venue, type(command).__name__).inc()


def _read_side(received: Received, kind: type[_M]) -> _M | None:
    """Read what is good to know, not part of the truth: one that can not be read is told and left out."""
    try:
        message: _M = messages.decode(received.payload, kind)
        if not can_be_reckoned_with(message):
            raise msgspec.DecodeError("it holds a number that can not be reckoned with")
        if not belonging.belongs(message, received.subject):
            raise msgspec.DecodeError("it speaks of something else than its subject")
    except msgspec.DecodeError as error:
        metrics.UNREADABLE.labels(kind.__name__).inc()
        log.warning("unreadable", extra={"subject": received.subject, "error": str(error)})
        return None
    return message

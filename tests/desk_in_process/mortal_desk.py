"""A desk in process whose parts die between any two things that they store, and begin again from what is stored.

Owns the streams between the parts (INTENTS, TRADE, REPORTS, COMMANDS, TIMERS), how far each part has read, and its
death and new beginning. It must not know what anybody wants, nor when somebody dies (`campaign`).

What is stored stays: a message is handled until that is done, or comes again. A part that begins again folds TRADE, as
its service does, does what was under way, and goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

from desk_in_process.desk import DeskInProcess
from desk_in_process.looking_up import look_up
from desk_in_process.orders import Orders
from desk_in_process.trade import Trade
from oms.evolve import evolve
from oms.outcome import Rules
from oms.recall import wanted_by_event
from oms.schedule import wakes
from oms.state import Keep, State
from oms.step import Incoming
from risk.facts import Request
from risk.recall import needs_terms
from risk.state import Seen, opening_state
from risk.step import Observed, Recalled, TradeEvent, step
from signalbox import messages, subjects
from signalbox.desk import Desk
from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    Command,
    FlattenEnded,
    Instrument,
    Intent,
    IntentApproved,
    IntentDenied,
    OrderEvent,
    OrderEvents,
    Report,
    SubmitOrder,
    TimerFired,
)


class DiedError(Exception):
    """The process is gone."""


class MortalOrders(Orders):
    """An OMS that dies after so many steps (`steps_left`; None = it does not), each before or after something is
    stored.
    """

    def __init__(self, trade: Trade, rules: Rules, state: State, send: Callable[[Command], None]) -> None:
        super().__init__(trade, rules, state)
        self.steps_left: int | None = None
        self.send = send

    def _step(self) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise DiedError

    def command(self, revision: int, command: Command) -> None:
        self._step()
        order = command.order if isinstance(command, SubmitOrder) else command
        subject = subjects.command(order.venue, order.order_id, revision)
        if subject not in self.commands:
            self.commands[subject] = command
            self.send(command)
        self._step()

    def store(self, event: OrderEvent) -> None:
        self._step()
        sequence = self.trade.append(event)
        self._step()
        evolve(self.state, event, sequence)

    def schedule(self, timer: TimerFired) -> None:
        self._step()
        super().schedule(timer)


class MortalDesk(DeskInProcess):
    """`send` is given each command once; `wrong` is what no part could take."""

    orders: MortalOrders

    def __init__(self, desk: Desk, rules: Rules, keep: Keep, send: Callable[[Command], None]) -> None:
        super().__init__(desk, rules, keep)
        self._desk, self._keep = desk, keep
        self.orders = MortalOrders(self.trade, rules, State(keep), send)
        self.intents: deque[Request] = deque()
        self.reports: deque[Report] = deque()
        self._intents_stored = 0
        self._decisions_read = 0
        self._observed: dict[object, Observed] = {}
        self.wrong: list[str] = []

    # ------------------------------------------------------------------------------------------------------- streams

    def want(self, intent: Intent, at: datetime, by: str) -> None:
        """Store an intent."""
        self._intents_stored += 1
        self.intents.append(Request(sequence=self._intents_stored, stored_at=at, intent=intent, by=by))

    def observe(self, observed: Observed) -> None:
        name = observed.message if isinstance(observed, Seen) else observed
        self._observed[type(name), getattr(name, "venue", ""), getattr(name, "symbol", "")] = observed
        super().observe(observed)

    def judge(self, at: datetime, *, behind: int = 0) -> bool:
        """Have risk decide the next intent, so many events behind TRADE; whether there was one."""
        if not self.intents:
            return False
        request = self.intents.popleft()
        if self.risk.answered.has(request.sequence, request.stored_at):
            return True  # it was decided before risk died
        self.decide(request, at, max(self._followed, len(self.trade.stored) - behind))
        return True

    def take_decision(self, at: datetime) -> bool:
        """Have the OMS take the next word of risk; whether there was one."""
        while self._decisions_read < len(self.trade.stored):
            word = self.trade.stored[self._decisions_read]
            if isinstance(word, IntentApproved | IntentDenied):
                if self._handle(word, at):
                    self._decisions_read += 1
                return True
            self._decisions_read += 1
        return False

    def take_report(self, at: datetime) -> bool:
        """Have the OMS take the next report; whether there was one."""
        if not self.reports:
            return False
        if self._handle(self.reports[0], at):
            self.reports.popleft()
        return True

    def take_timers(self, at: datetime) -> bool:
        """Have the OMS take the timers that are due; whether there was one."""
        due = self.orders.due(at)
        for timer in due:
            while not self._handle(timer, at):
                pass
        return bool(due)

    def _handle(self, incoming: Incoming, at: datetime) -> bool:
        """Give the OMS a message; False = it has died of it, and another one works now."""
        try:
            self.orders.take(incoming, at)
        except DiedError:
            self.restart_oms(at)
            return False
        except IllegalTransitionError as error:
            self.wrong.append(f"{type(incoming).__name__} {incoming.id}: {error}")
        return True

    # --------------------------------------------------------------------------------------------- death and beginning

    def restart_oms(self, at: datetime) -> None:
        """Have another OMS work: it folds TRADE, does what its lists lack, finishes approvals, sets timers."""
        before = self.orders
        state = State(self._keep)
        state.instruments.update(before.state.instruments)
        for sequence, stored in enumerate(self.trade.stored, 1):
            if self.trade.event_at(sequence) is None:
                continue
            event = messages.decode(messages.encode(stored), OrderEvents)
            wanted = wanted_by_event(state, event)
            if wanted:
                look_up(state, self.trade, wanted, sequence)
            evolve(state, event, sequence)
        self.orders = MortalOrders(self.trade, before.rules, state, before.send)
        self.orders.commands, self.orders.timers, self.orders.wakes = before.commands, before.timers, before.wakes
        self.orders.follow(at, resumes=True)
        for word in self.trade.stored[self._decisions_read :]:
            if isinstance(word, IntentApproved):
                self._handle(word, at)
        self.orders.follow(at)
        for timer in wakes(self.orders.state):
            self.orders.schedule(timer)

    def restart_risk(self) -> None:
        """Have another risk work: it folds TRADE, and is told what is told beside it."""
        self.risk, self._followed = opening_state(self._desk), 0
        for sequence, stored in enumerate(self.trade.stored, 1):
            self._followed = sequence
            if isinstance(stored, IntentApproved | IntentDenied | FlattenEnded):
                step(self.risk, stored)
                continue
            event = messages.decode(messages.encode(stored), OrderEvents)
            if needs_terms(self.risk, event):
                owner = (event.venue, event.account, event.order_id)
                before = (each for place, each in self.trade.events_of(owner) if place < sequence)
                step(self.risk, Recalled(tuple(before)))
            step(self.risk, TradeEvent(sequence, event))
        for observed in self._observed.values():
            step(self.risk, observed)


def instruments_of(desk: MortalDesk, told: Iterable[Instrument]) -> None:
    """Have the desk be told what is traded."""
    for instrument in told:
        desk.observe(Seen(instrument, "campaign"))

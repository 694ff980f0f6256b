"""The OMS on a log in memory: what `oms.step` says is stored, folded and kept, in the order in which the service does.

Owns commands and timers that have been given out. It must not know what any of it means.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace
from oms.evolve import evolve
from oms.outcome import Outcome, Rules
from oms.recall import forget_recalled, wanted_by_message
from oms.state import Keep, State
from oms.step import Incoming, follow, step
from signalbox import subjects
from signalbox.messages import Command, OrderEvent, SubmitOrder, TimerFired

from desk_in_process.looking_up import look_up
from desk_in_process.trade import Trade

STEPS_MAX = 500
"""Of each list, after one message."""


class Orders:
    """The orders and books of a desk. `commands` are by subject: as in COMMANDS there is never a second one on it."""

    def __init__(self, trade: Trade, rules: Rules, state: State | None = None) -> None:
        self.trade, self.rules = trade, rules
        self.state = State(Keep()) if state is None else state
        self.commands: dict[str, Command] = {}
        self.timers: dict[str, TimerFired] = {}
        """By order: a second one takes the place of the first. In order of time, as all wait equally long."""
        self.wakes: dict[str, TimerFired] = {}
        """By list: those of their schedules."""

    def decide(self, incoming: Incoming, at: datetime) -> Outcome:
        """What a message makes necessary; nothing of it is done."""
        forget_recalled(self.state)
        wanted = wanted_by_message(self.state, incoming)
        if wanted:
            look_up(self.state, self.trade, wanted)
        return step(self.state, incoming, at, self.rules, self.trade.place_of(incoming.id))

    def take(self, incoming: Incoming, at: datetime, then: Callable[[], datetime] | None = None) -> Outcome:
        """Have a decision, a report or a timer come in at desk time `at`; all of what it makes necessary is done then.

        Who makes a recorded day again says with `then` when each thing was done that followed: the service takes the
        time anew for it.
        Raises `IllegalTransitionError` where an order can not take it; nothing has changed then.
        """
        outcome = done = self._take_part(incoming, at)
        while outcome.more:
            outcome = self._take_part(incoming, then() if then is not None else at)
            done = _joined(done, outcome)
        for outcome in self.follow(at, then):
            done = _joined(done, outcome)
        return done

    def follow(
        self, at: datetime, then: Callable[[], datetime] | None = None, *, resumes: bool = False
    ) -> list[Outcome]:
        """Do what the lists make necessary, whose orders have changed.

        `then` is as of `take`, `resumes` as `oms.step` has it.

        Raises `RuntimeError` where that has no end: a step that makes itself necessary again is a mistake of ours.
        """
        found: list[Outcome] = []
        steps_max = STEPS_MAX * (1 + len(self.state.lists))
        while True:
            if then is not None and self.state.lists_awake:
                at = then()
            outcome = follow(self.state, at, self.rules, resumes=resumes)
            if outcome is None:
                break
            self._carry_out(outcome)
            found.append(outcome)
            if len(found) > steps_max:
                raise RuntimeError(f"what the lists make necessary has no end: {outcome.events} again and again")
        return found

    def _take_part(self, incoming: Incoming, at: datetime) -> Outcome:
        outcome = self.decide(incoming, at)
        self._carry_out(outcome)
        return outcome

    def _carry_out(self, outcome: Outcome) -> None:
        for revision, command in outcome.commands:
            self.command(revision, command)
        for event in outcome.events:
            self.store(event)
        for timer in outcome.timers:
            self.schedule(timer)

    def command(self, revision: int, command: Command) -> None:
        """Keep a command; a second one on its subject is refused."""
        order = command.order if isinstance(command, SubmitOrder) else command
        self.commands.setdefault(subjects.command(order.venue, order.order_id, revision), command)

    def store(self, event: OrderEvent) -> None:
        """Store the next event of an order, and fold it."""
        evolve(self.state, event, self.trade.append(event))

    def schedule(self, timer: TimerFired) -> None:
        """Keep a timer until it is due."""
        timers = self.wakes if timer.order_id in self.state.lists else self.timers
        timers.pop(timer.order_id, None)
        timers[timer.order_id] = timer

    def due(self, at: datetime) -> list[TimerFired]:
        """Take out the timers that fire by `at`, the first one first."""
        found = sorted((timer for timer in self.wakes.values() if timer.due <= at), key=lambda timer: timer.due)
        for timer in found:
            del self.wakes[timer.order_id]
        waited: list[TimerFired] = []
        for timer in self.timers.values():
            if timer.due > at:
                break
            waited.append(timer)
        for timer in waited:
            del self.timers[timer.order_id]
        return sorted(found + waited, key=lambda timer: timer.due)


def _joined(first: Outcome, then: Outcome) -> Outcome:
    return replace(first, events=first.events + then.events, commands=first.commands + then.commands, more=False)

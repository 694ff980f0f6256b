"""A desk of the pure core that remembers as little as it is told to, and looks up the rest in its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from oms.books import settle_again
from oms.evolve import evolve
from oms.outcome import Outcome
from oms.recall import (
    Wanted,
    forget_recalled,
    recall_funding,
    recall_order,
    wanted_by_event,
    wanted_by_message,
)
from oms.refolding import Pass, begin_again, corrections
from oms.state import Keep, State
from signalbox import messages
from signalbox.messages import FillCorrected, FundingBooked, Message, OrderEvent, OrderEvents

from tests.oms.conftest import AT, Desk

LITTLE = Keep(ended_orders=1, executions=2, funding_payments=1)
EVERYTHING = Keep(ended_orders=10**9, executions=10**9, funding_payments=10**9)


@dataclass
class ForgetfulDesk(Desk):
    """`executions_at_once` of one pass over the log, when a position is late."""

    executions_at_once: int = 3
    refused: list[str] = field(default_factory=list)

    def decide(self, message: Message, now: datetime = AT) -> Outcome:
        forget_recalled(self.state)
        wanted = wanted_by_message(self.state, message)
        look_up(self.state, self.log, wanted, len(self.log))
        return super().decide(message, now)

    def settle(self) -> None:
        settle_late(self.state, self.log, self.executions_at_once)


def look_up(state: State, log: list[OrderEvent], wanted: Wanted, known: int) -> None:
    """Recall what is wanted from the first `known` events of the log."""
    owners = dict.fromkeys(wanted.owners)
    for place in wanted.places:
        event = log[place - 1]
        if isinstance(event, FundingBooked):
            recall_funding(state, event, place)
        else:
            owners[event.venue, event.account, event.order_id] = None
    for owner in owners:
        events = [
            (sequence, event)
            for sequence, event in enumerate(log[:known], start=1)
            if (event.venue, event.account, event.order_id) == owner
        ]
        recall_order(state, owner, events)


def fold(state: State, log: list[OrderEvent], begin: int = 0, end: int | None = None) -> State:
    """Fold the events behind the first `begin` of the log, looking up what has left."""
    for sequence, stored in enumerate(log[begin:end], start=begin + 1):
        event = messages.decode(messages.encode(stored), OrderEvents)
        look_up(state, log, wanted_by_event(state, event), sequence - 1)
        evolve(state, event, sequence)
    return state


def settle_late(state: State, log: list[OrderEvent], executions_at_once: int = 3) -> None:
    """Put right every late position, in passes over the log."""
    for account, book in state.accounts.items():
        for name, held in book.symbols.items():
            if not held.is_late:
                continue
            late = begin_again(book, name)
            events = [
                (sequence, event)
                for sequence, event in enumerate(log, start=1)
                if (event.venue, event.account) == account and sequence >= late.begin.from_sequence
            ]
            corrected = corrections(event for _, event in events if isinstance(event, FillCorrected))
            holding, after, is_last = late.begin.holding, late.begin.place, False
            while not is_last:
                each = Pass(late, after, corrected, executions_at_once)
                for sequence, event in events:
                    each.take(event, sequence)
                (holding, after), is_last = each.fold(holding), each.is_last
            settle_again(book, held, holding)

"""An OMS that remembers as little as it is told to, and looks up the rest in its log."""

from __future__ import annotations

from desk_in_process.looking_up import look_up, settle_late
from desk_in_process.trade import Trade
from oms.evolve import evolve
from oms.recall import wanted_by_event
from oms.state import Keep, State
from signalbox import messages
from signalbox.messages import OrderEvents

from tests.oms.conftest import Desk

LITTLE = Keep(ended_orders=1, executions=2, funding_payments=1, at_once=1)
EVERYTHING = Keep(ended_orders=10**9, executions=10**9, funding_payments=10**9)
EXECUTIONS_AT_ONCE = 3
"""Of one pass over the log, when a position is late."""


class ForgetfulDesk(Desk):
    """`refused` says what could not be taken."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.refused: list[str] = []

    def settle(self) -> None:
        settle_late(self.state, self.trade, EXECUTIONS_AT_ONCE)


def fold(state: State, trade: Trade, begin: int = 0, end: int | None = None) -> State:
    """Fold the events behind the first `begin` of the log, looking up what has left."""
    for sequence, stored in enumerate(trade.stored[begin:end], start=begin + 1):
        event = messages.decode(messages.encode(stored), OrderEvents)
        look_up(state, trade, wanted_by_event(state, event), sequence)
        evolve(state, event, sequence)
    return state

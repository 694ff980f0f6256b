"""The desk in its total order: intents, observations and reports in; decisions, order events and commands out.

Owns who hears of what, and when: a decision and each order event stand in TRADE before the next message is looked at,
and the OMS has folded what it stored. It must not know what makes an intent good, nor what an order is.

Who replays a recorded day says how far risk had followed TRADE at each decision (`known_up_to`): the services do not
wait for each other. Without it risk has followed all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from oms.outcome import Outcome, Rules
from oms.state import Keep, State
from oms.step import Incoming
from risk.facts import Request
from risk.recall import needs_terms
from risk.state import RiskState, Seen, opening_state
from risk.step import FlattensLooked, LossesLooked, Observed, Recalled, SwitchesLooked, TradeEvent, as_stored, step
from signalbox.desk import Desk
from signalbox.messages import Decision, Instrument, IntentApproved, IntentDenied, Quote, Ruling

from desk_in_process.orders import Orders
from desk_in_process.trade import Trade


class DeskInProcess:
    """Risk and OMS over one log. At first nothing has been observed, so every intent is denied."""

    def __init__(self, desk: Desk, rules: Rules, keep: Keep | None = None) -> None:
        self.trade = Trade()
        self.risk: RiskState = opening_state(desk)
        self.orders = Orders(self.trade, rules, State(keep or Keep()))
        self._followed = 0

    def observe(self, observed: Observed) -> None:
        """Take in what is told beside TRADE: quotes, heartbeats, accounts, instruments, the switch, the room."""
        if isinstance(observed, Seen) and isinstance(observed.message, Instrument):
            instrument = observed.message
            self.orders.state.instruments[instrument.venue, instrument.symbol] = instrument
        if isinstance(observed, Quote):
            step(self.risk, LossesLooked(), observed.at)  # a day that has begun began with the prices before
        step(self.risk, observed)

    def decide(self, request: Request, at: datetime, known_up_to: int | None = None) -> Decision:
        """Judge an intent, once, at desk time `at`, and store the decision. The OMS takes it when it is given it."""
        self.follow(known_up_to)
        (decision,) = step(self.risk, request, at)
        assert isinstance(decision, IntentApproved | IntentDenied)
        self.trade.append(decision)
        return decision

    def go_on(self, at: datetime) -> tuple[Ruling, ...]:
        """Have the flattens that are under way go on, and store what they make necessary."""
        self.follow()
        rulings = step(self.risk, FlattensLooked(), at)
        for ruling in rulings:
            self.trade.append(ruling)
        return rulings

    def switch_itself(self, at: datetime) -> tuple[Ruling, ...]:
        """Have risk look whether something makes it switch trading by itself, and store that."""
        self.follow()
        rulings = step(self.risk, SwitchesLooked(), at)
        for ruling in rulings:
            step(self.risk, as_stored(ruling, self.trade.append(ruling)))
        return rulings

    def decided(self, decision: Ruling) -> None:
        """Store a decision that somebody else has made, or how a flatten ended."""
        self.follow()
        step(self.risk, as_stored(decision, self.trade.append(decision)))

    def take(self, incoming: Incoming, at: datetime, then: Callable[[], datetime] | None = None) -> Outcome:
        """Give the OMS a decision, a report or a timer; `then` as of `Orders.take`."""
        return self.orders.take(incoming, at, then)

    def follow(self, up_to: int | None = None) -> None:
        """Have risk fold TRADE up to a sequence; None = all of it."""
        end = len(self.trade.stored) if up_to is None else up_to
        while self._followed < end:
            self._followed += 1
            event = self.trade.event_at(self._followed)
            if event is None:
                continue  # a decision of its own
            if needs_terms(self.risk, event):
                owner = (event.venue, event.account, event.order_id)
                before = (each for place, each in self.trade.events_of(owner) if place < self._followed)
                step(self.risk, Recalled(tuple(before)))
            step(self.risk, TradeEvent(self._followed, event))

"""The desk with venues of its own: what an intent leads to happens at once, down to the books of the venue.

Owns what follows what within an instant: intent, decision, events and command, the venue's reports, their events. It
must not know where prices come from: whoever calls has the market, and time comes in as `at`, which never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from oms.outcome import Rules
from oms.state import Keep
from oms.step import Incoming
from risk.facts import Request
from risk.flattening import unsettled
from risk.state import Market, Seen
from signalbox.desk import Desk
from signalbox.exchange.quoting import MarketQuote, Phase, SessionPhase
from signalbox.messages import Decision, Intent, IntentApproved, Report, SubmitOrder, TradingMode, TradingState
from signalbox.room import StreamRoom

from desk_in_process.desk import DeskInProcess
from desk_in_process.venue import VenueInProcess

HERE = "in-process"
"""Where an observation was seen that no stream has."""


class SimulatedDesk(DeskInProcess):
    """Every venue of the desk file that is to be traded at is among `venues`; trading is on, and there is room."""

    def __init__(
        self, desk: Desk, rules: Rules, venues: Iterable[VenueInProcess], at: datetime, keep: Keep | None = None
    ) -> None:
        super().__init__(desk, rules, keep)
        self.venues = {venue.venue: venue for venue in venues}
        self._intents = 0
        switch = TradingState(id="trading-state/simulated", at=at, mode=TradingMode.ACTIVE, reason="simulated", by="")
        self.observe(Seen(switch, HERE))
        self.observe(Seen(StreamRoom("TRADE", 0, 1), HERE))
        for venue in self.venues.values():
            for instrument in venue.instruments(at):
                self.observe(Seen(instrument, HERE))
            self.give(venue.snapshot(at), at)

    def want(self, intent: Intent, at: datetime, by: str = "") -> Decision:
        """Have somebody want something; all that follows at once has happened then."""
        venue = self.venues.get(intent.venue)
        if venue is not None:
            self._look(venue, intent.symbol, at)
        self._intents += 1
        decision = self.decide(Request(sequence=self._intents, stored_at=at, intent=intent, by=by), at)
        self.give(decision, at)
        self.look(at)
        return decision

    def look(self, at: datetime) -> None:
        """Have the flattens under way go on for as long as something follows: what they close, at once."""
        while self.risk.flattens:
            for name, venue in self.venues.items():
                self.follow()
                for symbol in sorted({symbol for where, _, symbol in self._flattened() if where == name}):
                    self._look(venue, symbol, at)
            rulings = self.go_on(at)
            for ruling in rulings:
                if isinstance(ruling, IntentApproved):
                    self.give(ruling, at)
            if not rulings:
                break

    def _flattened(self) -> set[Market]:
        return {market for each in self.risk.flattens.values() for market in unsettled(self.risk, each.intent)}

    def see(self, venue: str, quote: MarketQuote, phase: Phase = Phase.REGULAR) -> None:
        """Have the market move."""
        self._heard(self.venues[venue].see(quote, phase), quote.at)

    def auction(self, venue: str, symbol: str, phase: SessionPhase, price: Decimal, at: datetime) -> None:
        """Have the opening or the closing auction of a symbol end at its official price; time passes afterwards."""
        self._heard(self.venues[venue].auction(symbol, phase, price, at), at)

    def pass_time(self, at: datetime) -> None:
        """Have desk time reach `at`: orders end whose time is over, timers fire."""
        for venue in self.venues.values():
            self._heard(venue.expire(at), at)
        for timer in self.orders.due(at):
            self.give(timer, at)
        self.look(at)

    def give(self, incoming: Incoming, at: datetime) -> None:
        """Give the OMS a message, and its commands to their venues."""
        for _, command in self.take(incoming, at).commands:
            order = command.order if isinstance(command, SubmitOrder) else command
            self._heard(self.venues[order.venue].carry_out(command, at), at)

    def _heard(self, reports: Iterable[Report], at: datetime) -> None:
        for report in reports:
            self.give(report, at)

    def _look(self, venue: VenueInProcess, symbol: str, at: datetime) -> None:
        """Observe what the decision will look at, as it is now: between decisions nobody does."""
        self.observe(venue.link(at))
        self.observe(Seen(venue.account_state(at), HERE))
        for name in {symbol, *venue.exchange.books[venue.account].positions}:
            quote = venue.quote(name)
            if quote is not None:
                self.observe(quote)

"""Ten thousand intents of which a thousand must be denied, for reasons known before: exactly those, and nothing else.

What is decided must not hang on how often an intent is delivered, nor on when risk was started again: each is delivered
up to three times, some of them much later, and risk is restarted from checkpoints that are older than the record. A
decision that was made and not stored is made again by the next process, to the byte.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from risk import evolve
from risk.checkpoint import StateLoader, capture
from risk.facts import Request
from risk.state import RiskState, opening_state
from risk.step import Incoming, TradeEvent, step
from signalbox import messages
from signalbox.checkpoints import Frames, parts_of
from signalbox.messages import Decision, IntentApproved, IntentDenied, OrderEvent, OrderIntent, OrderType, TradingMode

INTENTS, DENIED, RESTARTS = 10_000, 1_000, 12
LIMITS: dict[str, Any] = {
    "order_quantity_max": Decimal(700),
    "order_notional_max": Decimal(60_000),
    "position_quantity_max": Decimal(750),
    "intents_per_minute_max": 10**6,
    "intents_per_minute_per_name_max": 10**6,
}
Wanted = Callable[[Any, str], OrderIntent]
REASONS: dict[str, Wanted] = {
    "order_quantity": lambda w, id_: w.order("SELL", "701", symbol="AAPL", limit="50", id=id_),
    "order_notional": lambda w, id_: w.order(quantity="650", id=id_),
    "position_quantity": lambda w, id_: w.order(quantity="690", symbol="AAPL", limit="50", id=id_),
    "price_collar": lambda w, id_: w.order(limit="105.01", id=id_),
    "tick_size": lambda w, id_: w.order(limit="99.995", id=id_),
    "quantity": lambda w, id_: w.order(quantity="1.5", id=id_),
    "intent_age": lambda w, id_: w.order(id=id_, at=w.now - timedelta(seconds=121)),
    "valid_until": lambda w, id_: w.order(id=id_, valid_until=w.now - timedelta(seconds=1)),
    "order_terms": lambda w, id_: w.order(limit=None, order_type=OrderType.LIMIT, id=id_),
    "duplicate_intent": lambda w, id_: w.order(id="n1"),
}
"""How an order comes to be denied, by the one check that has to say no."""


class Desk:
    """A desk whose risk is killed at random: what it has heard, what TRADE has, and the process that runs."""

    def __init__(self, world: Any) -> None:
        self.w = world(limits=LIMITS)
        self.heard: dict[str, Incoming] = {}
        self.log: list[tuple[int, Decision | OrderEvent]] = []
        self.checkpoint: list[bytes] | None = None
        self.cut = self.last_event = 0
        first = self.w.take

        def take(incoming: Incoming) -> Any:
            if isinstance(incoming, TradeEvent):
                assert incoming.event is not None
                self.last_event = incoming.sequence
                self.log.append((incoming.sequence, incoming.event))
            else:
                seen = getattr(incoming, "message", incoming)
                self.heard[f"{type(seen).__name__} {getattr(seen, 'symbol', '')}"] = incoming
            return first(incoming)

        self.w.take = take
        self.w.room(10, 100).ready(positions=(self.w.held("AAPL", "61", "50"),))

    def decide(self, request: Request) -> Decision | None:
        """What a process that has this delivered stores; None = nothing, for it is decided."""
        found = step(self.w.state, request, self.w.now)
        if not found:
            return None
        (decision,) = found
        assert isinstance(decision, IntentApproved | IntentDenied)
        return decision

    def store(self, decision: Decision) -> None:
        self.w.sequence += 1
        self.log.append((self.w.sequence, messages.decode(messages.encode(decision), Decision)))

    def write_down(self) -> None:
        self.checkpoint = list(parts_of(capture(self.w.state, 0, 0)))
        self.cut = self.last_event

    def restart(self) -> None:
        """A new process: what is observed, the last checkpoint, and the record behind it."""
        state: RiskState = opening_state(self.w.state.desk)
        for incoming in self.heard.values():
            step(state, incoming, self.w.now)
        if self.checkpoint is not None:
            loader, frames = StateLoader(), Frames()
            for part in self.checkpoint:
                for frame in frames.add(part):
                    loader.take(frame)
            loader.finish()
            loader.restore(state)
        for sequence, message in self.log:
            if sequence <= self.cut:
                continue
            if isinstance(message, IntentApproved | IntentDenied):
                evolve.fold_decision(state, message)
            else:
                evolve.fold_order_event(state, sequence, message)  # type: ignore[arg-type]
        self.w.state = state

    def end(self, order: OrderIntent, chance: random.Random) -> None:
        """What is approved is announced, and filled or canceled: the position stays between nothing and ten."""
        self.w.created(order)
        if chance.random() < 0.5:
            self.w.fill(order, "10", "0")
        else:
            self.w.canceled(order)


def held(state: RiskState) -> Decimal:
    holding = next(iter(state.books.values())).holdings.get("SPY")
    return holding.quantity if holding is not None else Decimal(0)


def failed(decision: Decision) -> list[str]:
    told = [check.name for check in decision.checks if not check.passed]
    return [*told, *decision.also_failed] if isinstance(decision, IntentDenied) else told


def test_of_ten_thousand_intents_exactly_the_thousand_are_denied_and_each_for_its_reason(world: Any) -> None:
    chance = random.Random(13)
    desk = Desk(world)
    numbers = chance.sample(range(2, INTENTS + 1), DENIED)  # the first is approved: its id is used again
    wrong = {number: list(REASONS)[place % len(REASONS)] for place, number in enumerate(numbers)}
    written_down = {*chance.sample(range(1, INTENTS), RESTARTS)}
    killed = {*chance.sample(range(1, INTENTS), RESTARTS)}
    stored: dict[int, bytes] = {}
    requests: list[Request] = []
    reasons: Counter[str] = Counter()
    for number in range(1, INTENTS + 1):
        desk.w.later(0.5)
        if number % 20 == 0:
            desk.w.quote("SPY", "99.99", "100").quote("AAPL", "49.99", "50").account().link().mode(TradingMode.ACTIVE)
        id_, reason = f"n{number}", wrong.get(number, "")
        side = "SELL" if held(desk.w.state) > 0 else "BUY"
        order = REASONS[reason](desk.w, id_) if reason else desk.w.order(side, limit="100", id=id_)
        request = Request(sequence=number, intent=order, stored_at=desk.w.now, by="alice")
        decision = desk.decide(request)
        assert decision is not None
        if number in killed:  # before it was stored: the next process has it delivered again
            desk.restart()
            again = desk.decide(request)
            assert again is not None
            assert messages.encode(again) == messages.encode(decision)
        desk.store(decision)
        assert number not in stored
        stored[number] = messages.encode(decision)
        requests.append(request)
        assert failed(decision) == [reason] * bool(reason)
        if isinstance(decision, IntentApproved):
            desk.end(order, chance)
        else:
            reasons[failed(decision)[0]] += 1
        for redelivered in chance.sample(requests, min(len(requests), chance.randrange(3))):
            assert desk.decide(redelivered) is None
        if number in written_down:
            desk.write_down()
    assert reasons == Counter(wrong.values())
    assert (len(stored), sum(reasons.values()), reasons["tick_size"]) == (INTENTS, DENIED, DENIED // len(REASONS))

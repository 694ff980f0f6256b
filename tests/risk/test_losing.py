"""What an account has won and lost is the same however it is come by; a reached limit lets nothing more open."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from risk import evolve
from risk.checkpoint import StateLoader, capture
from risk.losing import standing
from risk.state import RiskState, opening_state
from risk.step import LossesLooked, TradeEvent, step
from risk.traded import IDLE_MAX, Marks
from signalbox import messages
from signalbox.messages import Decision, FillCorrected, IntentApproved, IntentDenied, OrderEvents, OrderStatus

from tests.risk.conftest import ACCOUNT, NOON, VENUE

KEY = (VENUE, ACCOUNT)
LOSS_MAX = Decimal(300)


def observing(w: Any, state: RiskState) -> RiskState:
    """What a new process has heard of the market."""
    state.instruments, state.quotes = dict(w.state.instruments), dict(w.state.quotes)
    state.accounts, state.links = dict(w.state.accounts), dict(w.state.links)
    state.trading_state, state.room = w.state.trading_state, w.state.room
    return state


def restarted(w: Any, cut: int) -> RiskState:
    """A process that begins with what was written down when TRADE was at `cut`, and folds the rest."""
    first = fold(opening_state(w.state.desk), w, 0, cut)
    loader = StateLoader()
    for frame in capture(first, cut, cut):
        loader.take(frame)
    loader.finish()
    again = observing(w, opening_state(w.state.desk))
    loader.restore(again)
    return fold(again, w, cut, 2**62)


def fold(state: RiskState, w: Any, after: int, up_to: int) -> RiskState:
    for sequence, subject, payload in w.log:
        if not after < sequence <= up_to:
            continue
        if subject.startswith("decision"):
            evolve.fold_decision(state, messages.decode(payload, Decision))
        else:
            step(state, TradeEvent(sequence, messages.decode(payload, OrderEvents)))
    return state


class Account:
    """The same by hand: what was paid and received, what is held, and what the day began with."""

    def __init__(self) -> None:
        self.cash = self.held = self.opening = Decimal(0)
        self.price = Decimal(100)
        self.lowest_decided = Decimal(0)
        self.day = NOON.date()

    @property
    def pnl(self) -> Decimal:
        return self.cash + self.held * self.price

    def trade(self, signed: Decimal, price: Decimal) -> None:
        self.cash -= signed * price
        self.held += signed

    def decided(self) -> None:
        self.lowest_decided = min(self.lowest_decided, self.pnl)

    def begin_day(self, day: date) -> None:
        self.day = day
        self.opening = self.lowest_decided = self.pnl

    @property
    def is_reached(self) -> bool:
        return self.opening - min(self.lowest_decided, self.pnl) > LOSS_MAX


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_sequence_lets_an_order_open_beyond_a_reached_daily_loss(world: Any, seed: int) -> None:
    """Fills, prices, days and restarts at any place: who was there says the same, and a new process is no looser."""
    chance = random.Random(seed)
    limits = {"daily_loss_max": LOSS_MAX, "open_orders_max": 10_000, "intents_per_minute_max": 10_000}
    w, mine, was_there = world(limits={**limits, "intents_per_minute_per_name_max": 10_000}).ready(), Account(), True
    w.quote("SPY", "100", "100").take(LossesLooked())
    for _ in range(chance.randint(1, 40)):
        w.later(1)
        kind = chance.randint(0, 9)
        if kind <= 3:
            mine.price = Decimal(chance.randint(90, 110))
        elif kind == 4 and chance.random() < 0.5:
            w.state, was_there = restarted(w, chance.randint(0, w.sequence)), False
        elif kind == 5 and chance.random() < 0.3:
            w.now += timedelta(days=w.now.day < 5)
            w.account().link()
            if w.now.date() != mine.day:
                mine.begin_day(w.now.date())
        w.quote("SPY", str(mine.price), str(mine.price))
        if was_there:
            assert standing(w.state, KEY, w.now).pnl == mine.pnl
        order = w.order(chance.choice(["BUY", "SELL"]), str(chance.randint(1, 30)), str(mine.price))
        signed = order.side.sign * order.quantity
        opens = abs(mine.held + signed) > abs(mine.held) or (mine.held + signed) * mine.held < 0
        decision = w.decide(order)
        mine.decided()
        if mine.is_reached and opens:
            assert isinstance(decision, IntentDenied), "something opens beyond the limit"
            assert "daily_loss" in (*(check.name for check in decision.checks), *decision.also_failed)
        if not opens:
            assert isinstance(decision, IntentApproved), f"an exit is held up: {decision.reason}"
        if isinstance(decision, IntentApproved):
            mine.trade(signed, mine.price)
            w.created(order).fill(order, str(order.quantity), "0", str(mine.price))


def test_what_was_written_down_and_folded_on_is_what_was_folded(world: Any) -> None:
    w = world(limits={"daily_loss_max": LOSS_MAX, "consecutive_losses_max": 9}).ready()
    for price in (100, 97, 103, 99):
        w.later(1).quote("SPY", str(price), str(price))
        for side in ("BUY", "SELL"):
            order = w.order(side, "10", str(price))
            w.decide(order)
            exit_at = str(price - 1 if side == "SELL" else price)
            w.created(order).fill(order, "10", "0", exit_at)
    whole = fold(observing(w, opening_state(w.state.desk)), w, 0, 2**62)
    assert whole.books[KEY].losses == w.state.books[KEY].losses
    assert whole.books[KEY].losses.in_a_row == 4
    for cut in range(w.sequence):
        assert restarted(w, cut).books == whole.books


def test_a_revised_fill_counts_as_it_was_revised(world: Any) -> None:
    w = world(limits={"daily_loss_max": LOSS_MAX}).ready().quote("SPY", "100", "100")
    order = w.order("BUY", "10", "100")
    w.decide(order)
    w.created(order).fill(order, "10", "0", "100")
    first = messages.decode(w.log[-1][2], OrderEvents).fill
    better, gone = replace(first, revision=2, price=Decimal(90)), replace(first, revision=3, quantity=Decimal(0))
    for fill, replaced, pnl in ((better, first, 100), (gone, better, 0)):
        common = {"cumulative_quantity": fill.quantity, "leaves_quantity": Decimal(0)}
        w.event(FillCorrected(**w._of(order.id, OrderStatus.FILLED), fill=fill, replaced=replaced, **common))
        assert standing(w.state, KEY, w.now).pnl == pnl
    losses = w.state.books[KEY].losses
    assert (losses.in_a_row, losses.marks.is_empty) == (0, True)


@pytest.mark.parametrize("seed", range(20))
def test_the_oldest_price_is_the_oldest_whatever_came_in_which_order(seed: int) -> None:
    chance, marks, known = random.Random(seed), Marks(), dict[str, tuple[datetime, str]]()
    begin = NOON
    for _ in range(2000):
        symbol, at = f"S{chance.randint(0, 9)}", begin + timedelta(seconds=chance.randint(0, 10_000))
        if chance.random() < 0.1:
            marks.drop(symbol)
            known.pop(symbol, None)
        else:
            calendar = chance.choice(["XNYS", "XHKG"])
            marks.note(symbol, at, calendar)
            known[symbol] = at, calendar
        for calendar in marks.calendars:
            there = [(at, symbol) for symbol, (at, where) in known.items() if where == calendar]
            assert marks.oldest(calendar) == min(there, default=None)
        assert marks.is_empty is (not known)
    assert all(len(queue) <= 2 * 10 + IDLE_MAX + 1 for queue in marks._queues.values())

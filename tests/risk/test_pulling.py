"""What risk has switched is a part of TRADE: a restart, a checkpoint and another process have it at the same place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from risk import metrics
from risk.checkpoint import StateLoader, capture
from risk.pulls import DESK, ENDED_KEPT_MAX, Pulls, fold_switched, resume
from risk.replaying import Replay
from risk.state import RiskState, Seen, opening_state
from risk.step import SwitchesLooked, TradeEvent, as_stored, step
from signalbox import messages, subjects
from signalbox.messages import (
    BooksAdjusted,
    IntentDenied,
    OrderEvents,
    OrderRejected,
    OrderStatus,
    OrderUnknown,
    RefusedBy,
    Ruling,
    SwitchScope,
    SwitchTrading,
    TradingMode,
    TradingState,
    TradingSwitched,
)
from signalbox.switches import Switches

from .conftest import World

OWNER = {"venue": "ibkr", "account": "DU1234567"}
ACCOUNT = ("ibkr", "DU1234567", "", "")
STATED = Switches(unknown_order_seconds_max=10, rejections_per_minute_max=1, stale_clock=True)


def look(w: World, *, clock_is_stale: bool = False) -> None:
    """Look as the shell does: what is to be switched is stored, and folded where it stands."""
    for each in step(w.state, SwitchesLooked(clock_is_stale), w.now):
        assert isinstance(each, TradingSwitched)
        w.sequence += 1
        w.log.append((w.sequence, subjects.switched(each), messages.encode(each)))
        step(w.state, as_stored(each, w.sequence))


def folded(w: World, state: RiskState, after: int = 0) -> RiskState:
    """TRADE folded by a process that starts."""
    for sequence, subject, payload in w.log:
        if sequence <= after:
            continue
        if subjects.first_word(subject) == subjects.DECISION:
            step(state, as_stored(messages.decode(payload, Ruling), sequence))
        else:
            step(state, TradeEvent(sequence, messages.decode(payload, OrderEvents)))
    return state


def restored(w: World, frames: list[bytes]) -> RiskState:
    loader = StateLoader()
    for frame in frames:
        loader.take(frame)
    loader.finish()
    state = opening_state(w.state.desk)
    loader.restore(state)
    return state


def ready() -> World:
    return World(desk={"switches": STATED}).ready()


def act(w: World, scope: SwitchScope, mode: TradingMode) -> None:
    named = {"symbol": "SPY"} if scope is SwitchScope.SYMBOL else {}
    made = SwitchTrading(
        id=f"a{w.sequence}", at=w.now, scope=scope, mode=mode, reason="why", by="carol", **OWNER, **named
    )
    w.event(BooksAdjusted(id=made.id, at=w.now, order_id="_acts", status=OrderStatus.FILLED, act=made, **OWNER))


def main_switch(w: World, mode: TradingMode) -> None:
    w.serial += 1
    state = TradingState(id=f"t{w.serial}", at=w.now, mode=mode, reason="why", by="carol")
    step(w.state, Seen(state, "KV_CONTROL:5"))


def live(w: World, steps: list[str]) -> None:
    for each in steps:
        w.later(4)
        w.serial += 1
        name = f"o{w.serial}"
        match each:
            case "unknown":
                order = w.order(id=name)
                w.created(order)
                w.event(OrderUnknown(**w._of(name, OrderStatus.UNKNOWN), reason="none"))
            case "known":
                for key in list(w.state.pulls.unknown)[:1]:
                    w.canceled(w.order(id=key))
            case "rejected":
                w.event(OrderRejected(**w._of(name, OrderStatus.REJECTED), reason="no", refused_by=RefusedBy.VENUE))
            case "look" | "stale":
                look(w, clock_is_stale=each == "stale")
            case "on" | "off":
                main_switch(w, TradingMode.ACTIVE if each == "on" else TradingMode.HALTED)
            case _:
                kind, _, mode = each.partition(" ")
                act(w, SwitchScope(kind), TradingMode(mode))


STEPS = st.sampled_from(
    (
        *("unknown", "unknown", "known", "rejected", "rejected", "look", "look", "look", "stale", "on", "off"),
        *("symbol ACTIVE", "symbol HALTED", "account ACTIVE", "account REDUCING", "venue HALTED"),
    )
)


@given(steps=st.lists(STEPS, max_size=30), cut=st.integers(0, 30))
def test_who_folds_trade_again_and_who_begins_with_a_checkpoint_have_the_same_switches(
    steps: list[str], cut: int
) -> None:
    w = ready()
    live(w, steps[:cut])
    frames, place = list(capture(w.state, 0, 0)), w.state.folded_up_to
    live(w, steps[cut:])
    again = folded(w, opening_state(w.state.desk))
    assert (again.pulls, again.switches) == (w.state.pulls, w.state.switches)
    from_checkpoint = folded(w, restored(w, frames), after=place)
    assert (from_checkpoint.pulls, from_checkpoint.switches) == (w.state.pulls, w.state.switches)


@given(steps=st.lists(STEPS, max_size=30))
def test_what_is_pulled_is_pulled_once_until_somebody_ends_it(steps: list[str]) -> None:
    w = ready()
    live(w, steps)
    pulled: set[tuple[Any, str]] = set()
    for sequence, subject, payload in w.log:
        if subject.startswith("decision.switched."):
            made = messages.decode(payload, TradingSwitched)
            pull = ((made.venue, made.account, made.symbol, made.strategy), made.pulled_by)
            assert (pull in pulled) is (made.mode is TradingMode.ACTIVE), f"at {sequence}"
            pulled ^= {pull}
        elif b"SwitchTrading" in payload and b'"ACTIVE"' in payload:
            event = messages.decode(payload, OrderEvents)
            assert isinstance(event, BooksAdjusted)
            assert isinstance(event.act, SwitchTrading)
            symbol = event.act.symbol
            pulled = {each for each in pulled if each[0] != ("ibkr", "DU1234567", symbol, "")}
    assert pulled == set(w.state.pulls.pulled)


def pull(w: World, came_seconds: float = 0.0) -> TradingSwitched:
    return TradingSwitched(
        id="s", at=w.now, mode=TradingMode.HALTED, pulled_by="rejections", reason="r",
        came=w.now + timedelta(seconds=came_seconds), venue="ibkr", account="DU1234567",
    )  # fmt: skip


def test_what_was_said_before_a_switch_was_pulled_ends_it_in_no_order_of_folding() -> None:
    """An operator's word stands at 11, and was heard only after risk had stored its switch at 12: that holds."""
    w = ready()
    heard_late, in_order = Pulls(), Pulls()
    fold_switched(heard_late, pull(w), 12, "account:DU1234567")
    resume(heard_late, ACCOUNT, 11)
    resume(in_order, ACCOUNT, 11)
    fold_switched(in_order, pull(w), 12, "account:DU1234567")
    assert heard_late == in_order
    assert [*in_order.pulled] == [(ACCOUNT, "rejections")]


def test_what_was_said_behind_it_ends_it_in_any_order_of_folding() -> None:
    """Stored at 12, ended at 13, and that was folded before the acknowledgement of 12 came."""
    w = ready()
    heard_early, in_order = Pulls(), Pulls()
    resume(heard_early, ACCOUNT, 13)
    fold_switched(heard_early, pull(w), 12, "account:DU1234567")
    fold_switched(in_order, pull(w), 12, "account:DU1234567")
    resume(in_order, ACCOUNT, 13)
    assert heard_early == in_order
    assert (in_order.pulled, in_order.ended) == ({}, {(ACCOUNT, "rejections"): w.now})


def test_what_was_ended_is_remembered_by_the_last_that_came_and_within_a_bound() -> None:
    w = ready()
    pulls = Pulls()
    for seconds in (5.0, 1.0):
        fold_switched(pulls, pull(w, seconds), 12, "account:DU1234567")
        resume(pulls, ACCOUNT, 13)
    assert pulls.ended_at((ACCOUNT, "rejections")) == w.now + timedelta(seconds=5)
    for number in range(ENDED_KEPT_MAX + 1):
        resume(pulls, ("ibkr", str(number), "", ""), 20 + number)
    assert len(pulls.resumed) == ENDED_KEPT_MAX


@pytest.mark.parametrize("mode", [TradingMode.REDUCING, TradingMode.HALTED])
def test_the_desk_is_armed_again_by_active_alone_and_by_another_word_than_was_in_force(mode: TradingMode) -> None:
    w = ready()
    look(w, clock_is_stale=True)
    assert [*w.state.pulls.pulled] == [(DESK, "clock")]
    look(w)  # the one that was in force when it was pulled arms nothing
    main_switch(w, mode)
    look(w)
    assert [*w.state.pulls.pulled] == [(DESK, "clock")]
    main_switch(w, TradingMode.ACTIVE)
    look(w)
    assert w.state.pulls.pulled == {}


def test_to_arm_the_desk_arms_nothing_else() -> None:
    w = ready()
    live(w, ["rejected", "rejected", "look", "on", "look"])
    assert [*w.state.pulls.pulled] == [(ACCOUNT, "rejections")]


def test_decisions_that_are_made_again_have_what_was_switched_before_them() -> None:
    w = ready()
    live(w, ["rejected", "rejected", "look"])
    denied = w.decide(w.order())
    assert isinstance(denied, IntentDenied)
    replay = Replay({w.state.rules.version: w.state.rules})
    for sequence, subject, payload in w.log:
        assert replay.take(sequence, subject, payload) is None
    assert replay._state.pulls == w.state.pulls
    assert replay.tally.again == 1


def test_the_same_cause_is_stored_under_the_same_id() -> None:
    w = ready()
    live(w, ["rejected", "rejected"])
    first = step(w.state, SwitchesLooked(), w.now)
    again = step(w.state, SwitchesLooked(), w.now + timedelta(seconds=1))
    assert [each.id for each in first] == [each.id for each in again]
    assert w.state.pulls.pulled == {}  # it is in the state once it is stored


def test_what_is_not_active_is_a_series_and_what_pulled_itself_is_counted() -> None:
    w = ready()
    live(w, ["symbol HALTED", "account REDUCING", "rejected", "rejected", "look"])
    metrics.show_switches(w.state)

    def value(series: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(series, labels)

    assert value("signalbox_risk_trading_state", scope="symbol", name="SPY") == 1
    assert value("signalbox_risk_trading_state", scope="account", name="DU1234567") == 1  # the strictest of both
    assert value("signalbox_risk_switches_pulled", cause="rejections") == 1
    assert value("signalbox_risk_switches_pulled", cause="drift") == 0
    live(w, ["account ACTIVE", "symbol ACTIVE"])
    metrics.show_switches(w.state)
    assert value("signalbox_risk_trading_state", scope="symbol", name="SPY") is None
    assert value("signalbox_risk_switches_pulled", cause="rejections") == 0

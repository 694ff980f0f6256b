"""What makes risk switch trading by itself: each cause at its limit, past it, with nothing to go by, and come anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from risk.pulling import CAUSES
from risk.pulls import REJECTIONS_KEPT_MAX
from risk.state import LinkLost, Seen
from risk.step import SwitchesLooked, SwitchStored, step
from signalbox.messages import (
    BooksAdjusted,
    BooksCompared,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    MarketState,
    OrderRejected,
    OrderStatus,
    OrderUnknown,
    PositionDiffers,
    RefusedBy,
    SwitchScope,
    SwitchTrading,
    TradingMode,
    TradingState,
)
from signalbox.switches import REJECTIONS_COUNTED_MAX, Switches

VENUE, ACCOUNT = "ibkr", "DU1234567"
OWNER = {"venue": VENUE, "account": ACCOUNT}
OPEN = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)


def looked(w: Any, *, clock_is_stale: bool = False) -> list[Any]:
    """What risk switches now, stored and folded as the shell does."""
    made = step(w.state, SwitchesLooked(clock_is_stale), w.now)
    for each in made:
        w.sequence += 1
        step(w.state, SwitchStored(w.sequence, each))
    return list(made)


def scopes(made: list[Any]) -> list[tuple[str, TradingMode, str, str, str]]:
    return [(each.pulled_by, each.mode, each.venue, each.account, each.symbol) for each in made]


def ready(world: Any, *held: tuple[str, str], **stated: Any) -> Any:
    w = world(desk={"switches": Switches(**stated)})
    return w.ready(positions=tuple(w.held(*each) for each in held))


def act(w: Any, scope: SwitchScope, mode: TradingMode, **changes: Any) -> Any:
    values = {**OWNER, "mode": mode, "reason": "looked at it", "by": "carol", **changes}
    made = SwitchTrading(id=f"a{w.sequence}", at=w.now, scope=scope, **values)
    return w.event(BooksAdjusted(id=made.id, at=w.now, order_id="_acts", status=OrderStatus.FILLED, act=made, **OWNER))


def denied(w: Any, **changes: Any) -> str:
    decision = w.decide(w.order(limit=None, order_type="MARKET", **changes))
    return decision.reason if isinstance(decision, IntentDenied) else ""


# ------------------------------------------------------------------------------------------------- an UNKNOWN order


def unknown(w: Any, name: str = "o") -> Any:
    order = w.order(id=name)
    assert isinstance(w.decide(order), IntentApproved)
    w.created(order)
    return w.event(OrderUnknown(**w._of(name, OrderStatus.UNKNOWN), reason="no answer")), order


def test_an_order_that_is_unknown_for_too_long_lets_its_market_only_be_left(world: Any) -> None:
    w, order = unknown(ready(world, unknown_order_seconds_max=60))
    assert looked(w.later(60)) == []
    [made] = looked(w.later(0.001))
    assert scopes([made]) == [("unknown_order", TradingMode.REDUCING, VENUE, ACCOUNT, "SPY")]
    reason = "order o has been UNKNOWN for more than 60 s: what it has done is not known"
    assert (made.by, made.reason, made.came) == ("risk", reason, w.now - timedelta(milliseconds=1))
    assert denied(w) == f"only orders that reduce a position are let through in SPY (risk: {reason})"
    assert denied(w.quote("AAPL", "49.99", "50"), symbol="AAPL") == ""
    assert looked(w.later(600)) == []  # pulled once
    w.accepted(order)
    assert looked(w) == []
    assert "in SPY" in denied(w)  # until somebody arms it again


@pytest.mark.parametrize("end", ["accepted", "canceled"])
def test_an_order_that_is_known_in_time_pulls_nothing(world: Any, end: str) -> None:
    w, order = unknown(ready(world, unknown_order_seconds_max=60))
    getattr(w, end)(order)
    assert looked(w.later(61)) == []
    assert w.state.pulls.unknown == {}


def test_what_is_said_again_of_an_unknown_order_does_not_begin_its_time_anew(world: Any) -> None:
    w, order = unknown(ready(world, unknown_order_seconds_max=60))
    w.later(50).event(OrderUnknown(**w._of(order.id, OrderStatus.UNKNOWN), reason="still none"))
    assert len(looked(w.later(11))) == 1


def test_after_it_was_ended_the_same_order_does_not_pull_again_and_another_one_does(world: Any) -> None:
    w, _ = unknown(ready(world, unknown_order_seconds_max=60))
    looked(w.later(61))
    act(w.later(1), SwitchScope.SYMBOL, TradingMode.ACTIVE, symbol="SPY")
    assert looked(w.later(600)) == []
    w, _ = unknown(w.quote("SPY", "99.99", "100").account().link(), "p")
    [made] = looked(w.later(61))
    assert "order p " in made.reason


def test_of_several_orders_that_are_unknown_in_one_market_one_pulls(world: Any) -> None:
    w, _ = unknown(ready(world, unknown_order_seconds_max=60))
    w, _ = unknown(w.quote("SPY", "99.99", "100"), "p")
    assert len(looked(w.later(61))) == 1


# --------------------------------------------------------------------------------------------------- rejections


def rejected(w: Any, times: int, by: RefusedBy = RefusedBy.VENUE, **changes: Any) -> Any:
    for number in range(times):
        values = w._of(f"r{w.sequence}-{number}", OrderStatus.REJECTED)
        w.event(OrderRejected(**values, reason="no", refused_by=by, **changes))
    return w


def test_a_storm_of_rejections_halts_the_account(world: Any) -> None:
    w = rejected(ready(world, rejections_per_minute_max=3), 3)
    assert looked(w) == []
    [made] = looked(rejected(w, 1))
    assert scopes([made]) == [("rejections", TradingMode.HALTED, VENUE, ACCOUNT, "")]
    assert made.reason == "ibkr has refused 4 orders of DU1234567 within a minute; 3 are let pass"
    assert denied(w).startswith("trading in account DU1234567 is halted by risk: ibkr has refused 4")
    assert looked(rejected(w, 9)) == []


def test_rejections_count_for_a_minute(world: Any) -> None:
    w = rejected(ready(world, rejections_per_minute_max=3), 3)
    assert looked(rejected(w.later(60), 1)) == []
    assert len(looked(rejected(w, 3))) == 1


@pytest.mark.parametrize("by", [by for by in RefusedBy if by is not RefusedBy.VENUE])
def test_what_the_desk_itself_refuses_is_no_rejection_of_the_venue(world: Any, by: RefusedBy) -> None:
    assert looked(rejected(ready(world, rejections_per_minute_max=1), 5, by)) == []


def test_what_waits_for_room_at_its_venue_is_no_rejection(world: Any) -> None:
    w = ready(world, rejections_per_minute_max=1)
    assert looked(rejected(w, 5, room_at=w.now)) == []


def test_after_it_was_ended_a_new_storm_has_to_come(world: Any) -> None:
    w = rejected(ready(world, rejections_per_minute_max=3), 4)
    looked(w)
    act(rejected(w.later(1), 2), SwitchScope.ACCOUNT, TradingMode.ACTIVE)
    assert looked(w) == []
    assert looked(rejected(w.later(1), 1)) == []
    assert len(looked(rejected(w, 1))) == 1


def test_as_many_rejections_are_remembered_as_a_limit_may_be_for(world: Any) -> None:
    assert REJECTIONS_KEPT_MAX > REJECTIONS_COUNTED_MAX
    w = rejected(ready(world), REJECTIONS_KEPT_MAX + 1)
    assert [len(times) for times in w.state.pulls.rejections.values()] == [REJECTIONS_KEPT_MAX]


# -------------------------------------------------------------------------------------------------------- drift


def compared(w: Any, theirs: str = "", symbol: str = "SPY", **changes: Any) -> Any:
    """The OMS says what a snapshot of the venue differs in: "" = nothing."""
    differs = PositionDiffers(symbol=symbol, ours=Decimal(100), theirs=Decimal(theirs or 0))
    values = {"id": "c", "at": w.now, "differ": (differs,) if theirs else (), **OWNER}
    return w.take(BooksCompared(**values | changes))


def test_books_that_differ_from_the_venues_for_too_long_halt_the_market(world: Any) -> None:
    w = compared(ready(world, ("SPY", "100"), drift_seconds_max=30), "90")
    assert looked(compared(w.later(30), "90")) == []
    [made] = looked(w.later(0.001))
    assert scopes([made]) == [("drift", TradingMode.HALTED, VENUE, ACCOUNT, "SPY")]
    assert made.reason == "ibkr has said for more than 30 s that 90 SPY are held; the desk's books have 100"
    assert denied(w).startswith("trading in SPY is halted by risk: ibkr has said")
    assert denied(w, symbol="AAPL") == ""


def test_one_snapshot_alone_is_no_drift_nor_one_that_agrees_again(world: Any) -> None:
    w = compared(ready(world, drift_seconds_max=30), "90")
    assert looked(w.later(600)) == []
    compared(compared(w), "90")
    assert looked(w.later(20)) == []
    assert looked(compared(w, "90").later(5)) == []


def test_the_drift_of_one_account_is_not_ended_by_another_that_agrees(world: Any) -> None:
    w = compared(ready(world, drift_seconds_max=30), "90")
    compared(w.later(31), "90")
    compared(w, account="DU7654321")
    assert len(looked(w)) == 1


def test_old_news_of_the_books_ends_no_drift(world: Any) -> None:
    w = compared(ready(world, drift_seconds_max=30), "90")
    compared(compared(w.later(31), "90"), at=w.now - timedelta(seconds=60))
    assert len(looked(w)) == 1


def test_after_it_was_ended_the_books_have_to_differ_anew(world: Any) -> None:
    w = compared(ready(world, drift_seconds_max=30), "90")
    looked(compared(w.later(31), "90"))
    act(w, SwitchScope.SYMBOL, TradingMode.ACTIVE, symbol="SPY")
    assert looked(compared(w.later(600), "90")) == []
    compared(compared(w), "80")
    assert len(looked(compared(w.later(31), "80"))) == 1


def test_without_a_snapshot_there_is_no_drift(world: Any) -> None:
    assert looked(ready(world, ("SPY", "100"), drift_seconds_max=30).later(600)) == []


# ----------------------------------------------------------------------------------------------- silence of prices


def test_no_price_of_what_is_held_lets_only_exits_through_while_the_session_is_open(world: Any) -> None:
    w = ready(world, ("SPY", "100"), price_silence_seconds_max=20)
    assert looked(w) == []
    assert looked(w.later(20)) == []
    [made] = looked(w.later(0.001))
    assert scopes([made]) == [("price_silence", TradingMode.REDUCING, VENUE, ACCOUNT, "SPY")]
    assert made.reason == "no price of SPY at ibkr for more than 20 s while its session is open"
    w.quote("SPY", "99.99", "100")
    assert "only orders that reduce a position are let through in SPY (risk: no price" in denied(w)
    assert looked(w.later(600)) == []


def test_after_it_was_ended_prices_have_to_fall_silent_anew(world: Any) -> None:
    w = ready(world, ("SPY", "100"), price_silence_seconds_max=20)
    looked(w)
    looked(w.later(21))
    act(w, SwitchScope.SYMBOL, TradingMode.ACTIVE, symbol="SPY")
    assert looked(w.later(600)) == []
    w.quote("SPY", "99.99", "100")
    assert looked(w.later(20)) == []
    assert len(looked(w.later(1))) == 1


def test_what_is_neither_held_nor_worked_in_needs_no_price(world: Any) -> None:
    w = ready(world, price_silence_seconds_max=20)
    looked(w)
    assert looked(w.later(600)) == []
    order = w.quote("SPY", "99.99", "100").account().link().order()
    assert isinstance(w.decide(order), IntentApproved)
    w.created(order)
    assert looked(w.later(60)) == []  # since now it is watched
    assert len(looked(w.later(21))) == 1


def test_a_price_that_never_came_is_missed_from_when_it_was_needed(world: Any) -> None:
    w = ready(world, ("SPY", "100"), price_silence_seconds_max=20)
    w.state.quotes.clear()
    assert looked(w) == []
    assert looked(w.later(20)) == []
    assert len(looked(w.later(1))) == 1


def test_before_the_opening_no_price_is_missed_and_from_it_on_the_time_is_counted(world: Any) -> None:
    w = ready(world, ("SPY", "100"), price_silence_seconds_max=20)
    w.now = OPEN - timedelta(seconds=600)
    looked(w)
    w.quote("SPY", "99.99", "100")
    assert looked(w.later(599)) == []
    w.now = OPEN + timedelta(seconds=20)
    assert looked(w) == []
    assert len(looked(w.later(1))) == 1


def test_after_the_close_no_price_is_missed_nor_in_a_break(world: Any) -> None:
    w = ready(world, ("SPY", "100"), ("0700.HK", "100"), price_silence_seconds_max=20)
    w.now = datetime(2024, 3, 5, 21, 30, tzinfo=UTC)  # the exchange is closed, and trades after hours
    looked(w)
    assert looked(w.later(60)) == []
    w.now = datetime(2024, 3, 6, 4, 30, tzinfo=UTC)  # noon in Hong Kong
    assert looked(w) == []
    w.now = datetime(2024, 3, 6, 5, 0, 20, tzinfo=UTC)
    assert looked(w) == []
    assert [each.symbol for each in looked(w.later(1))] == ["0700.HK"]


def test_what_was_held_and_is_not_any_more_needs_no_price(world: Any) -> None:
    w = ready(world, ("SPY", "100"), price_silence_seconds_max=20)
    sale = w.order("SELL", "100")
    assert isinstance(w.decide(sale), IntentApproved)
    w.created(sale).fill(sale, "100", "0")
    looked(w)
    assert looked(w.later(60)) == []


@pytest.mark.parametrize("changes", [{"market_state": MarketState.PAUSED}, {"calendar": "none"}])
def test_of_a_market_that_is_paused_or_has_no_calendar_no_price_is_missed(world: Any, changes: Any) -> None:
    w = ready(world, ("SPY", "100"), price_silence_seconds_max=20).instrument("SPY", **changes)
    looked(w)
    assert looked(w.later(60)) == []


def test_of_what_is_no_instrument_nothing_is_known(world: Any) -> None:
    w = ready(world, ("SPY", "100"), price_silence_seconds_max=20)
    w.state.instruments.clear()
    looked(w)
    assert looked(w.later(60)) == []


# ----------------------------------------------------------------------------------------------- heartbeat, clock


def test_a_gateway_that_is_silent_for_too_long_lets_only_exits_through_in_its_account(world: Any) -> None:
    w = ready(world, heartbeat_silence_seconds_max=10).take(LinkLost(**OWNER))
    assert looked(w) == []
    assert looked(w.later(10)) == []
    [made] = looked(w.later(0.001))
    assert scopes([made]) == [("heartbeat", TradingMode.REDUCING, VENUE, ACCOUNT, "")]
    assert made.reason == "the gateway to ibkr of DU1234567 has been silent for more than 10 s"
    w.link()
    assert "in account DU1234567 (risk: the gateway" in denied(w)
    act(w, SwitchScope.ACCOUNT, TradingMode.ACTIVE)
    assert (looked(w), denied(w)) == ([], "")
    w.take(LinkLost(**OWNER))
    looked(w)
    assert len(looked(w.later(11))) == 1


def test_a_gateway_that_speaks_in_time_and_one_whose_venue_is_away_pull_nothing(world: Any) -> None:
    w = ready(world, heartbeat_silence_seconds_max=10).take(LinkLost(**OWNER))
    looked(w)
    w.later(9).link()
    looked(w)
    w.take(LinkLost(**OWNER))
    assert looked(w.later(9)) == []
    w.link(LinkStatus.DOWN)
    assert looked(w.later(60)) == []


def main_switch(w: Any, name: str, mode: TradingMode) -> Any:
    state = TradingState(id=name, at=w.now, mode=mode, reason="the clock ticks", by="carol")
    return w.take(Seen(state, "KV_CONTROL:9"))


def test_a_clock_that_stands_still_halts_the_desk_until_an_operator_arms_that(world: Any) -> None:
    w = ready(world, stale_clock=True)
    assert looked(w) == []
    [made] = looked(w, clock_is_stale=True)
    assert scopes([made]) == [("clock", TradingMode.HALTED, "", "", "")]
    assert looked(w, clock_is_stale=True) == []
    assert denied(w).startswith("trading is halted by risk: the desk clock stands still, at ")
    for name, mode in (("h", TradingMode.HALTED), ("r", TradingMode.REDUCING)):
        assert looked(main_switch(w, name, mode)) == []
    [armed] = looked(main_switch(w, "on", TradingMode.ACTIVE))
    assert (armed.mode, armed.by, armed.reason, armed.cause) == (TradingMode.ACTIVE, "carol", "the clock ticks", "on")
    assert (looked(w), denied(w)) == ([], "")


def test_a_clock_that_still_stands_still_after_it_was_armed_does_not_pull_again_and_a_later_time_does(
    world: Any,
) -> None:
    w = ready(world, stale_clock=True)
    looked(w, clock_is_stale=True)
    looked(main_switch(w, "on", TradingMode.ACTIVE), clock_is_stale=True)
    assert looked(w, clock_is_stale=True) == []
    assert looked(w.later(1)) == []
    assert len(looked(w.later(1), clock_is_stale=True)) == 1


# ------------------------------------------------------------------------------------------------------- all of them


def test_nothing_is_on_that_is_not_stated(world: Any) -> None:
    w, _ = unknown(ready(world, ("AAPL", "100")))
    rejected(w.take(LinkLost(**OWNER)), 500)
    assert looked(compared(w, "90"), clock_is_stale=True) == []
    assert looked(compared(w.later(10_000), "90"), clock_is_stale=True) == []


def test_each_cause_has_its_limit_in_the_desk_file() -> None:
    assert [cause.limit for cause in CAUSES] == [cause.limit for cause in CAUSES if hasattr(Switches(), cause.limit)]
    assert {cause.limit for cause in CAUSES} == set(Switches.__struct_fields__)


def test_what_a_person_has_switched_in_the_same_scope_holds_beside_it(world: Any) -> None:
    w = rejected(ready(world, ("SPY", "100"), rejections_per_minute_max=1), 2)
    looked(act(w, SwitchScope.ACCOUNT, TradingMode.REDUCING))
    assert "is halted by risk" in denied(w)
    act(w, SwitchScope.ACCOUNT, TradingMode.REDUCING)
    assert "is halted by risk" in denied(w)  # only ACTIVE ends it
    act(w, SwitchScope.SYMBOL, TradingMode.ACTIVE, symbol="SPY")
    act(w, SwitchScope.VENUE, TradingMode.ACTIVE)
    assert "is halted by risk" in denied(w)  # of that scope
    act(w, SwitchScope.ACCOUNT, TradingMode.ACTIVE)
    assert denied(w) == ""

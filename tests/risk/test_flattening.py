"""A flatten cancels, then closes, market by market, until nothing is held; or it says what is."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk import going_on
from risk.asked import OF_FLATTENS
from risk.checkpoint import StateLoader, capture
from risk.decide import decide, explain
from risk.flattening import FLATTEN_SECONDS_MAX, LEFT_MAX
from risk.replaying import Replay
from risk.state import opening_state
from risk.step import TradeEvent, step
from signalbox import messages, subjects
from signalbox.messages import (
    Decision,
    FlattenEnded,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    MassCancelIntent,
    OrderCancelRejected,
    OrderEvents,
    OrderIntent,
    OrderPendingCancel,
    OrderRejected,
    OrderStatus,
    OrderType,
    OrderUnknown,
    Ruling,
    Side,
    TradingMode,
)


def holding(world: Any, **held: str) -> Any:
    def make(**changes: Any) -> Any:
        w = world(**changes)
        return w.ready(positions=tuple(w.held(symbol, quantity) for symbol, quantity in held.items()))

    return make


def begin(w: Any, **named: Any) -> str:
    """Have a flatten approved; its id."""
    decision = w.decide(w.flatten(**named))
    assert isinstance(decision, IntentApproved), decision
    name: str = decision.intent.id
    return name


def closing(w: Any) -> list[OrderIntent]:
    """The orders that are let through now to close what is held."""
    rulings = w.look()
    assert all(isinstance(ruling, IntentApproved) for ruling in rulings), rulings
    return [ruling.placed for ruling in rulings]


def waits(w: Any, name: str, symbol: str = "SPY") -> str:
    assert w.look() == ()
    found: str = w.state.flattens[name].waits["ibkr", "DU1234567", symbol]
    return found


def only(rulings: tuple[Any, ...]) -> FlattenEnded:
    [ended] = rulings
    assert isinstance(ended, FlattenEnded), ended
    return ended


def done(w: Any, order: OrderIntent, price: str = "100") -> None:
    w.created(order).fill(order, str(order.quantity), "0", price)


def test_it_says_of_how_many_orders_and_positions_it_is_and_places_nothing_itself(world: Any) -> None:
    w = holding(world, SPY="100", AAPL="-10")()
    w.decide(w.order("SELL", "50", "110"))
    decision = w.decide(w.flatten())
    assert isinstance(decision, IntentApproved)
    assert (decision.order_id, decision.placed, decision.passed) == ("", None, len(OF_FLATTENS))
    assert (decision.basis.covered_orders, decision.basis.covered_positions) == (1, 2)
    told = {check.name: check.observed for check in explain(w.state.rules, decision)}
    assert (told["covered_orders"], told["covered_positions"]) == ("1 orders work", "2 positions")


def test_where_nothing_works_what_is_held_is_closed_at_once_reduce_only_and_at_market(world: Any) -> None:
    w = holding(world, SPY="100", AAPL="-10")()
    name = begin(w, note="home")
    first, second = closing(w)
    assert [first.id, second.id] == [f"{name}.1", f"{name}.2"]
    for order, side, quantity in ((first, Side.BUY, 10), (second, Side.SELL, 100)):
        assert (order.side, order.quantity, order.order_type) == (side, quantity, OrderType.MARKET)
        assert (order.reduce_only, order.cause, order.note) == (True, name, "home")
    assert w.look() == ()
    done(w, first, "50")
    assert w.look() == ()
    done(w, second)
    ended = only(w.look())
    assert (ended.cause, ended.is_flat, ended.orders, ended.left, ended.by) == (name, True, 2, (), "alice")
    assert not w.state.flattens
    assert w.look() == ()


def test_of_a_desk_that_is_flat_already_it_says_so(world: Any) -> None:
    w = world().ready()
    name = begin(w)
    ended = only(w.look())
    assert (ended.cause, ended.is_flat, ended.orders) == (name, True, 0)


def test_nothing_is_closed_before_what_works_there_has_ended_and_a_moment_after(world: Any) -> None:
    w = holding(world, SPY="100", AAPL="-10")()
    stop = w.order("SELL", "100", "120")
    w.decide(stop)
    w.created(stop).accepted(stop)
    name = begin(w)
    [other] = closing(w)  # another market does not wait
    assert other.symbol == "AAPL"
    w.event(OrderPendingCancel(**w._of(stop.id, OrderStatus.PENDING_CANCEL)))
    assert waits(w, name) == "1 order works there, whose end is waited for"
    w.fill(stop, "30", "70", status=OrderStatus.PENDING_CANCEL)  # it races with its cancel
    w.canceled(stop)
    assert "what they filled may still be told" in waits(w, name)
    w.later(0.5).fill(stop, "20", "50", status=OrderStatus.CANCELED)  # and a fill is told after its end
    assert "what they filled may still be told" in waits(w, name)
    w.later(0.5)
    [order] = closing(w)
    assert (order.quantity, order.side) == (50, Side.SELL)


@pytest.mark.parametrize("mode", [TradingMode.HALTED, TradingMode.REDUCING])
def test_a_halted_desk_can_flatten(world: Any, mode: TradingMode) -> None:
    w = holding(world, SPY="100")().mode(mode)
    begin(w)
    assert [order.quantity for order in closing(w)] == [100]


def test_what_it_names_bounds_it(world: Any) -> None:
    w = holding(world, SPY="100", AAPL="-10")()
    begin(w, symbol="aapl")
    [order] = closing(w)
    done(w, order, "50")
    assert only(w.look()).is_flat
    assert w.state.books["ibkr", "DU1234567"].holdings["SPY"].quantity == 100


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"venue": "nyse"}, "does not trade at 'nyse'"),
        ({"account": "DU9"}, "the desk has no account 'DU9'"),
        ({"symbol": "MSFT"}, "the desk does not trade MSFT"),
        ({"id": "f.1"}, "the id 'f.1' can not be used"),
        ({"valid_until": "past"}, "the flatten was valid until"),
    ],
)
def test_what_makes_no_sense_is_denied(world: Any, named: dict[str, Any], told: str) -> None:
    w = world().ready()
    if "valid_until" in named:
        named = {"valid_until": w.now - timedelta(seconds=1)}
    decision = w.decide(w.flatten(**named))
    assert isinstance(decision, IntentDenied)
    assert told in decision.reason
    assert not w.state.flattens


def test_meanwhile_nobody_else_sends_an_order_there(world: Any) -> None:
    w = holding(world, SPY="100")()
    name = begin(w, symbol="SPY")
    for wish in (w.order("SELL", "10"), w.order(), w.position("REDUCE_LONG", "10")):
        decision = w.decide(wish)
        assert isinstance(decision, IntentDenied)
        assert f"SPY is being flattened ({name})" in decision.reason
    assert isinstance(w.decide(w.order(symbol="AAPL", limit="50")), IntentApproved)
    [order] = closing(w)
    denied = w.decide(w.order("SELL", "1", None, reduce_only=True))  # of the form that has just passed
    assert isinstance(denied, IntentDenied)
    done(w, order)
    w.look()
    assert isinstance(w.decide(w.order()), IntentApproved)


def test_meanwhile_no_order_there_is_changed_but_to_be_for_less(world: Any) -> None:
    w = holding(world, SPY="100")()
    exit_, other = w.order("SELL", "50", "110"), w.order("BUY", "5", "50", symbol="AAPL")
    for order in (exit_, other):
        w.decide(order)
        w.created(order).accepted(order)
    name = begin(w, symbol="SPY")
    for change in ({"limit": "109"}, {"quantity": "60"}, {"quantity": "40", "limit": "109"}):
        denied = w.decide(w.modify(exit_.id, **change))
        assert isinstance(denied, IntentDenied)
        assert [check.name for check in denied.checks] == ["flatten"]
        assert denied.reason == (
            f"SPY is being flattened ({name}): nothing else is sent there until that is over "
            "(`signalbox watch 'decision.ended.>'` says when)"
        )
        assert [check for check in explain(w.state.rules, denied) if not check.passed] == [*denied.checks]
    assert isinstance(w.decide(w.modify(exit_.id, quantity="40")), IntentApproved)
    assert isinstance(w.decide(w.modify(other.id, limit="49", symbol="AAPL")), IntentApproved)


def test_nobody_can_send_what_looks_like_an_order_of_a_flatten(world: Any) -> None:
    w = holding(world, SPY="100")()
    name = begin(w)
    decision = w.decide(w.order("SELL", "100", None, id=f"{name}.1", cause=name, reduce_only=True))
    assert isinstance(decision, IntentDenied)
    assert "can not be used" in decision.reason
    assert [order.id for order in closing(w)] == [f"{name}.1"]


@pytest.mark.parametrize(
    ("spoil", "mend", "told"),
    [
        (lambda w: w.link(LinkStatus.DOWN), lambda w: w.link(), "the link to ibkr is DOWN"),
        (lambda w: w.later(86_400), None, "regular trading hours"),
        (lambda w: w.quote("SPY", None, None), lambda w: w.quote("SPY", "99", "100"), "no price of SPY"),
        (lambda w: w.room(99, 100), lambda w: w.room(10, 100), "the stream TRADE has used"),
    ],
)
def test_what_can_not_be_sent_now_is_asked_again(world: Any, spoil: Any, mend: Any, told: str) -> None:
    w = holding(world, SPY="100")()
    name = begin(w, valid_until=w.now + timedelta(days=9))
    if mend is None:
        w.later(5 * 3600)  # 22:00 UTC: closed
        w.quote("SPY", "99", "100").account().link()
        assert told in waits(w, name)
        w.later(18 * 3600)
        w.quote("SPY", "99", "100").account().link()
    else:
        spoil(w)
        assert told in waits(w, name)
        mend(w)
    assert [order.quantity for order in closing(w)] == [100]


def test_while_the_clock_stands_still_nothing_is_sent(world: Any) -> None:
    w = holding(world, SPY="100")()
    begin(w)
    assert w.look(clock_is_stale=True) == ()


def test_its_time_over_it_says_what_is_left_and_why(world: Any) -> None:
    w = holding(world, SPY="100", AAPL="-10")()
    stop = w.order("SELL", "100", "120")
    w.decide(stop)
    w.created(stop).accepted(stop).link(LinkStatus.DOWN, "no TWS")
    begin(w)
    w.event(OrderPendingCancel(**w._of(stop.id, OrderStatus.PENDING_CANCEL)))
    w.look()
    w.later(FLATTEN_SECONDS_MAX)
    w.look()
    assert w.state.flattens  # until then, and then too
    w.later(1)
    ended = only(w.look())
    assert not ended.is_flat
    assert ended.markets_left == 2
    aapl, spy = ended.left
    assert (aapl.symbol, aapl.quantity, aapl.working_orders) == ("AAPL", -10, 0)
    assert aapl.reason == "the link to ibkr is DOWN, not READY: no TWS"
    assert (spy.symbol, spy.quantity, spy.working_orders) == ("SPY", 100, 1)
    assert "whose end is waited for" in spy.reason
    assert not w.state.flattens


def test_of_much_that_is_left_the_first_is_told(world: Any) -> None:
    symbols = [f"S{number:03}" for number in range(LEFT_MAX + 5)]
    w = holding(world, **dict.fromkeys(symbols, "1"))()
    begin(w, valid_until=w.now)
    w.later(1)
    ended = only(w.look())
    assert (len(ended.left), ended.markets_left) == (LEFT_MAX, LEFT_MAX + 5)


def test_while_it_is_not_known_what_is_held_it_is_not_over(world: Any) -> None:
    w = world()
    w.instrument("SPY").account().link().mode(TradingMode.ACTIVE).quote("SPY", "99", "100")
    begin(w)
    assert w.look() == ()
    w.adopt(positions=(w.held("SPY", "5"),))
    [order] = closing(w)
    done(w, order)
    w.state.unread_event = "TRADE:7"
    w.later(FLATTEN_SECONDS_MAX + 1)
    ended = only(w.look())
    assert (ended.is_flat, ended.left[0].reason) == (False, "what the account holds is not known")


def test_more_than_one_order_may_be_for_is_closed_in_parts(world: Any) -> None:
    w = holding(world, SPY="100")(limits={"order_quantity_max": Decimal(60)})
    begin(w)
    [order] = closing(w)
    assert order.quantity == 60
    done(w, order)
    w.later(1)
    [order] = closing(w)
    assert order.quantity == 40


def test_more_than_one_order_may_be_worth_is_closed_in_parts(world: Any) -> None:
    w = holding(world, SPY="100")(limits={"order_notional_max": Decimal(5_000)})
    begin(w)
    [order] = closing(w)
    assert order.quantity == 47  # at 99.99, and 5 % worse


def test_what_is_less_than_a_lot_can_not_be_closed_and_that_is_said(world: Any) -> None:
    w = holding(world, SPY="0.5")()
    name = begin(w)
    assert waits(w, name) == "the quantity 0.5 is not a multiple of the lot size 1"


def test_a_closing_order_that_changes_nothing_is_followed_by_another_ever_later(world: Any) -> None:
    w = holding(world, SPY="100")()
    name = begin(w, valid_until=w.now + timedelta(days=1))
    for number, pause in ((1, 2), (2, 4), (3, 8)):
        [order] = closing(w)
        assert order.id == f"{name}.{number}"
        w.created(order).event(OrderRejected(**w._of(order.id, OrderStatus.REJECTED), reason="margin"))
        w.later(pause - 0.5)
        assert "closing orders have changed nothing" in waits(w, name)
        w.later(0.5)
    [order] = closing(w)
    w.created(order).fill(order, "10", "90")
    w.canceled(order)
    w.later(1)
    [order] = closing(w)  # something has changed: at once
    assert order.quantity == 90


def test_what_does_not_end_is_asked_again_to_be_cancelled_ever_later(world: Any) -> None:
    w = holding(world, SPY="100")()
    stop = w.order("SELL", "100", "120")
    w.decide(stop)
    w.created(stop).accepted(stop)
    name = begin(w, valid_until=w.now + timedelta(days=1))
    w.event(OrderPendingCancel(**w._of(stop.id, OrderStatus.PENDING_CANCEL))).later(11)
    assert "whose end is waited for" in waits(w, name)  # it is being asked
    w.event(OrderCancelRejected(**w._of(stop.id, OrderStatus.NEW), reason="too late"))
    [asked] = w.look()
    assert isinstance(asked.intent, MassCancelIntent)
    intent = asked.intent
    assert (intent.id, intent.cause, intent.venue, intent.account, intent.symbol) == (
        f"{name}.1", name, "ibkr", "DU1234567", "SPY",
    )  # fmt: skip
    assert asked.basis.covered_orders == 1
    w.later(19)
    waits(w, name)
    w.event(OrderUnknown(**w._of(stop.id, OrderStatus.UNKNOWN), reason="silence")).later(1)
    [asked] = w.look()
    assert asked.intent.id == f"{name}.2"
    w.canceled(stop).later(1)
    assert [order.id for order in closing(w)] == [f"{name}.3"]


def test_what_is_found_at_the_venue_meanwhile_is_cancelled_too_where_it_is_for_that(world: Any) -> None:
    w = holding(world, SPY="100")()
    begin(w, external=True)
    foreign = w.order("SELL", "100", "120", id="external-7")
    w.created(foreign).accepted(foreign)
    assert w.look() == ()
    w.later(10)
    [asked] = w.look()
    assert isinstance(asked.intent, MassCancelIntent)


def test_two_of_them_close_once(world: Any) -> None:
    w = holding(world, SPY="100")()
    first, second = begin(w), begin(w, symbol="SPY")
    [order] = closing(w)
    assert order.id == f"{first}.1"
    done(w, order)
    assert [ended.cause for ended in w.look()] == [first, second]


def test_its_id_is_used_once(world: Any) -> None:
    w = world().ready()
    flatten = w.flatten()
    w.decide(flatten)
    denied = w.decide(flatten)
    assert isinstance(denied, IntentDenied)
    assert len(w.state.flattens) == 1


def test_a_perpetual_is_closed_to_its_last_step(perpetuals: Any) -> None:
    w = perpetuals(limits={"order_notional_max": Decimal(10**6), "position_notional_max": Decimal(10**6)})
    order = w.order("BUY", "0.1234", "100000", symbol="BTC-USD")
    w.decide(order)
    w.created(order).fill(order, "0.1234", "0", "100000")
    begin(w, venue="dydx")
    [order] = closing(w)
    assert (order.quantity, order.reduce_only) == (Decimal("0.1234"), True)


# --------------------------------------------------------------------------------------- whatever dies, whenever


def refolded(w: Any) -> Any:
    """The state of another process, which has folded TRADE."""
    state = opening_state(w.state.desk)
    for sequence, subject, payload in w.log:
        if subjects.first_word(subject) == subjects.DECISION:
            step(state, messages.decode(payload, Ruling))
        else:
            step(state, TradeEvent(sequence, messages.decode(payload, OrderEvents)))
    return state


def restored(w: Any) -> Any:
    """The state of another process, which has begun with a checkpoint, and folds all decisions once more."""
    loader = StateLoader()
    for frame in capture(w.state, 0, 0):
        loader.take(frame)
    loader.finish()
    state = opening_state(w.state.desk)
    loader.restore(state)
    for _, subject, payload in w.log:
        if subjects.first_word(subject) == subjects.DECISION:
            step(state, messages.decode(payload, Ruling))
    return state


def same(one: Any, other: Any) -> bool:
    keys = ("flattens", "orders", "in_flight", "folded_up_to", "working")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"), st.sampled_from(["BUY", "SELL"]), st.integers(1, 80), st.sampled_from(["SPY", "AAPL"])
        ),
        st.tuples(st.just("flatten"), st.sampled_from([{}, {"symbol": "SPY"}, {"venue": "ibkr"}])),
        st.tuples(st.just("look")),
        st.tuples(st.just("later"), st.sampled_from([0, 1, 3, 30])),
        st.tuples(st.just("fill"), st.integers(0, 9), st.integers(1, 100)),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("reject"), st.integers(0, 9)),
        st.tuples(st.just("late"), st.integers(0, 9)),
        st.tuples(st.just("link"), st.sampled_from([LinkStatus.READY, LinkStatus.DOWN])),
    ),
    max_size=40,
)  # fmt: skip


@given(st.integers(-90, 90), st.integers(-90, 90), HAPPENINGS)
@settings(max_examples=250, deadline=None)
def test_whatever_happens_closing_turns_nothing_round_and_another_process_goes_on_with_it(
    world: Any, spy: int, aapl: int, happenings: list[Any]
) -> None:
    limits = {"intents_per_minute_max": 999, "intents_per_minute_per_name_max": 999, "open_orders_max": 999}
    w = holding(world, SPY=str(spy), AAPL=str(aapl))(limits=limits)
    ended: list[OrderIntent] = []
    for happening in happenings:
        kind, *rest = happening
        if kind == "order":
            side, quantity, symbol = rest
            w.decide(w.order(side, str(quantity), "100" if symbol == "SPY" else "50", symbol=symbol))
        elif kind == "flatten":
            w.decide(w.flatten(**rest[0]))
        elif kind == "later":
            w.later(rest[0]).quote("SPY", "99.99", "100").quote("AAPL", "49.99", "50").account()
        elif kind == "link":
            w.link(rest[0])
        elif kind == "look":
            _look(w)
        else:
            _live(w, kind, rest, ended)
    # In the end the venue ends what works, fills what closes, and is there
    w.link()
    for _ in range(60):
        if not w.state.flattens:
            break
        w.later(20).quote("SPY", "99.99", "100").quote("AAPL", "49.99", "50").account()
        _look(w)
        for key, order in [*w.state.orders.items()]:
            intent = w.order(order.side.value, str(order.open_quantity), id=key, symbol=order.symbol)
            done(w, intent) if "." in key else w.created(intent).canceled(intent)
    assert not w.state.flattens
    assert same(refolded(w), w.state)
    replay = Replay({w.state.rules.version: w.state.rules})
    told = [replay.take(sequence, subject, payload) for sequence, subject, payload in w.log]
    assert not any(told), told


def _look(w: Any) -> None:
    before = {symbol: held.quantity for symbol, held in w.state.books["ibkr", "DU1234567"].holdings.items()}
    works = {(order.symbol) for order in w.state.orders.values()}
    for ruling in w.look():
        if isinstance(ruling, FlattenEnded):
            covered = [symbol for symbol in before if ruling.symbol in ("", symbol)]
            assert ruling.is_flat is not any(before[symbol] for symbol in covered) or ruling.orders == 0
        elif isinstance(ruling.intent, OrderIntent):
            order = ruling.intent
            assert order.symbol not in works, "an exit that races with another one"
            assert order.side.sign * before[order.symbol] < 0
            assert order.quantity <= abs(before[order.symbol])
    assert same(refolded(w), w.state)
    assert same(restored(w), w.state)


def _live(w: Any, kind: str, rest: list[Any], ended: list[OrderIntent]) -> None:
    working = [
        w.order(order.side.value, str(order.open_quantity), id=key, symbol=order.symbol)
        for key, order in w.state.orders.items()
    ]
    if kind == "late":
        if ended:
            order = ended.pop(rest[0] % len(ended))
            w.fill(order, "1", str(order.quantity - 1), status=OrderStatus.CANCELED)
        return
    if not working:
        return
    order = working[rest[0] % len(working)]
    w.created(order)
    if kind == "fill":
        part = min(Decimal(rest[1]), order.quantity)
        w.fill(order, str(part), str(order.quantity - part))
    elif kind == "end":
        w.canceled(order)
        ended.append(order)
    else:
        w.event(OrderRejected(**w._of(order.id, OrderStatus.REJECTED), reason="no"))


def test_a_decision_is_one_of_risks_words() -> None:
    assert set(Decision.__args__) < set(Ruling.__args__)  # type: ignore[attr-defined]


def test_what_a_closing_order_was_let_through_on_lets_nobody_elses_through(world: Any) -> None:
    w = holding(world, SPY="100")(limits={"order_quantity_max": Decimal(60)})
    begin(w)
    [order] = closing(w)
    alike = w.order("SELL", "10", None, reduce_only=True)  # of what is left
    decision = w.decide(alike)
    assert order.quantity == 60
    assert isinstance(decision, IntentDenied)
    assert "is being flattened" in decision.reason


def test_once_its_time_is_over_nothing_more_is_sent_for_it(world: Any) -> None:
    w = holding(world, SPY="100")()
    w.link(LinkStatus.DOWN)
    begin(w, valid_until=w.now)
    w.look()
    w.later(1).link()
    assert not only(w.look()).is_flat
    assert not w.state.orders


def test_what_is_held_can_be_named_though_the_desk_file_does_not_list_it(world: Any) -> None:
    """It can not be closed, and that is said."""
    w = holding(world, MSFT="5")()
    name = begin(w, symbol="MSFT")
    assert waits(w, name, "MSFT") == "MSFT at 'ibkr' is not among the desk file's instruments"


def test_what_risk_can_not_judge_for_a_fault_of_its_own_is_asked_again_and_the_others_go_on(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = holding(world, SPY="100", AAPL="-10")()
    name = begin(w)

    def faulty(state: Any, request: Any, at: Any) -> Decision:
        if request.intent.symbol == "AAPL":
            raise KeyError("AAPL")
        return decide(state, request, at)

    with monkeypatch.context() as patched:
        patched.setattr(going_on, "decide", faulty)
        [order] = closing(w)
        assert (order.symbol, order.id) == ("SPY", f"{name}.1")
        assert waits(w, name, "AAPL") == "risk could not judge what is to be sent there: KeyError: 'AAPL'"
    [order] = closing(w)
    assert (order.symbol, order.id) == ("AAPL", f"{name}.2")

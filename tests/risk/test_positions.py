"""Wishes for a position: each is sized by what is held and by what works, so that no two act on the same shares."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk.decide import explain
from signalbox.messages import (
    Decision,
    IntentApproved,
    IntentDenied,
    OrderIntent,
    OrderStatus,
    OrderType,
    PositionAction,
    PositionIntent,
    Side,
    TimeInForce,
    TradingMode,
)


def holding(world: Any, quantity: str, **changes: Any) -> Any:
    w = world(**changes)
    return w.ready(positions=(w.held("SPY", quantity),) if Decimal(quantity) else ())


def order_of(decision: Decision) -> OrderIntent:
    assert isinstance(decision, IntentApproved), decision
    assert decision.order is not None
    assert decision.order_id == decision.intent.id == decision.order.id
    return decision.order


def signed(decision: Decision) -> Decimal:
    order = order_of(decision)
    return order.side.sign * order.quantity


def reason(decision: Decision) -> str:
    assert isinstance(decision, IntentDenied), decision
    return decision.reason


@pytest.mark.parametrize(
    ("held", "action", "terms", "traded", "reduces"),
    [
        ("0", "OPEN_LONG", {"quantity": "250"}, 250, False),
        ("0", "OPEN_SHORT", {"quantity": "250"}, -250, False),
        ("100", "ADD_LONG", {"quantity": "50"}, 50, False),
        ("-100", "ADD_SHORT", {"quantity": "50"}, -50, False),
        ("100", "ADD_LONG", {"share": Decimal("0.5")}, 50, False),
        ("100", "REDUCE_LONG", {"quantity": "30"}, -30, True),
        ("-100", "REDUCE_SHORT", {"quantity": "30"}, 30, True),
        ("100", "REDUCE_LONG", {"share": Decimal("0.25")}, -25, True),
        ("-101", "REDUCE_SHORT", {"share": Decimal("0.5")}, 50, True),  # whole lots
        ("100", "REDUCE_LONG", {"quantity": "300"}, -100, True),  # never round
        ("100", "REDUCE_LONG", {"share": Decimal(1)}, -100, True),
        ("100", "CLOSE_LONG", {}, -100, True),
        ("-100", "CLOSE_SHORT", {}, 100, True),
        ("0", "TARGET", {"quantity": "250"}, 250, False),
        ("100", "TARGET", {"quantity": "250"}, 150, False),
        ("100", "TARGET", {"quantity": "40"}, -60, True),
        ("100", "TARGET", {"quantity": "0"}, -100, True),
        ("-100", "TARGET", {"quantity": "0"}, 100, True),
        ("-100", "TARGET", {"quantity": "-40"}, 60, True),
        ("100", "TARGET", {"quantity": "-50"}, -150, False),  # asked for, in so many words
        ("-100", "TARGET", {"quantity": "50"}, 150, False),
    ],
)
def test_a_wish_comes_to_one_order(
    world: Any, held: str, action: str, terms: dict[str, Any], traded: int, reduces: bool
) -> None:
    w = holding(world, held)
    wish = w.position(action, strategy="trend", note="why", cause="a signal", **terms)
    decision = w.decide(wish)
    order = order_of(decision)
    assert (signed(decision), order.reduce_only) == (traded, reduces)
    assert (order.strategy, order.note, order.cause) == ("trend", "why", "a signal")
    assert (order.order_type, order.limit_price, order.time_in_force) == (OrderType.MARKET, None, TimeInForce.DAY)
    assert isinstance(decision.intent, PositionIntent)
    assert (decision.intent.action, decision.basis.position.quantity) == (action, Decimal(held))
    assert decision.passed == len(explain(w.state.rules, decision))


def test_with_a_limit_it_is_a_limit_order(world: Any) -> None:
    w = holding(world, "100")
    decision = w.decide(w.position("CLOSE_LONG", limit_price=Decimal("100.5"), time_in_force=TimeInForce.GTC))
    order = order_of(decision)
    assert (order.order_type, order.limit_price, order.time_in_force) == (OrderType.LIMIT, Decimal("100.5"), "GTC")


@pytest.mark.parametrize(
    ("held", "action", "terms", "told"),
    [
        ("100", "OPEN_LONG", {"quantity": "1"}, "the position in SPY is 100: use ADD_LONG to make it larger"),
        ("-5", "OPEN_LONG", {"quantity": "1"}, "close it first, or use TARGET to turn it round"),
        ("5", "OPEN_SHORT", {"quantity": "1"}, "close it first, or use TARGET to turn it round"),
        ("0", "OPEN_LONG", {"share": Decimal("0.5")}, "there is nothing yet to take a share of"),
        ("0", "ADD_LONG", {"quantity": "1"}, "use OPEN_LONG to begin a position"),
        ("-5", "ADD_LONG", {"quantity": "1"}, "use OPEN_LONG to begin a position"),
        ("5", "ADD_SHORT", {"quantity": "1"}, "use OPEN_SHORT to begin a position"),
        ("0", "REDUCE_LONG", {"quantity": "1"}, "the position in SPY is 0: there is nothing to reduce"),
        ("-5", "CLOSE_LONG", {}, "the position in SPY is -5: there is nothing to reduce"),
        ("5", "REDUCE_SHORT", {"quantity": "1"}, "the position in SPY is 5: there is nothing to reduce"),
        ("5", "CLOSE_LONG", {"quantity": "1"}, "leave quantity and share away, or use REDUCE_LONG"),
        ("5", "CLOSE_LONG", {"share": Decimal(1)}, "leave quantity and share away, or use REDUCE_LONG"),
        ("5", "REDUCE_LONG", {}, "needs a quantity, or a share of the position: one of the two"),
        ("5", "REDUCE_LONG", {"quantity": "1", "share": Decimal(1)}, "one of the two"),
        ("5", "REDUCE_LONG", {"quantity": "-1"}, "it must be above zero; the action says which way"),
        ("5", "REDUCE_LONG", {"share": Decimal("1.01")}, "it must be above 0 and at most 1"),
        ("5", "REDUCE_LONG", {"share": Decimal(0)}, "it must be above 0 and at most 1"),
        ("1", "REDUCE_LONG", {"share": Decimal("0.5")}, "0.5 SPY is less than one lot of 1"),
        ("5", "TARGET", {}, "TARGET needs the quantity that the position is to have"),
        ("5", "TARGET", {"quantity": "1", "share": Decimal(1)}, "and no share"),
    ],
)
def test_what_makes_no_sense_is_denied_with_a_sentence(
    world: Any, held: str, action: str, terms: dict[str, Any], told: str
) -> None:
    w = holding(world, held)
    assert told in reason(w.decide(w.position(action, **terms)))


def test_a_target_that_is_met_is_approved_and_there_is_nothing_to_do(world: Any) -> None:
    w = holding(world, "100")
    decision = w.decide(w.position("TARGET", "100"))
    assert isinstance(decision, IntentApproved)
    assert (decision.order, decision.order_id, decision.placed) == (None, "", None)
    assert not w.state.orders
    assert explain(w.state.rules, decision)[-1].observed == "100 held, 0 being bought, 0 being sold"
    assert "duplicate intent id" in reason(w.decide(decision.intent))  # its id is used up all the same


def test_less_than_a_lot_away_a_target_is_met(world: Any) -> None:
    w = holding(world, "100")
    decision = w.decide(w.position("TARGET", "100.5"))
    assert isinstance(decision, IntentApproved)
    assert decision.order is None


def test_a_stop_that_would_take_the_position_home_does_not_keep_its_target_from_being_met(world: Any) -> None:
    w = holding(world, "100")
    w.decide(w.order("SELL", "100", "120"))
    decision = w.decide(w.position("TARGET", "100"))
    assert isinstance(decision, IntentApproved)
    assert decision.order is None


@pytest.mark.parametrize(("side", "quantity"), [("BUY", "10"), ("SELL", "110")])
def test_what_could_carry_it_away_from_its_target_denies(world: Any, side: str, quantity: str) -> None:
    w = holding(world, "100")
    w.decide(w.order(side, quantity, "100"))
    assert "but orders work that may bring it to" in reason(w.decide(w.position("TARGET", "100")))


@pytest.mark.parametrize("action", ["TARGET", "OPEN_LONG"])
def test_of_two_that_come_at_once_one_acts(world: Any, action: str) -> None:
    w = world().ready()
    assert signed(w.decide(w.position(action, "250"))) == 250
    assert "work already" in reason(w.decide(w.position(action, "250")))


def test_a_second_target_is_sized_on_top_of_what_works(world: Any) -> None:
    w = world().ready()
    assert signed(w.decide(w.position("TARGET", "250"))) == 250
    assert signed(w.decide(w.position("TARGET", "300"))) == 50
    assert "work already, which may bring the position from 0 to 300" in reason(w.decide(w.position("TARGET", "100")))
    assert "may bring it to 300 or 0" in reason(w.decide(w.position("TARGET", "0")))


def test_what_orders_may_bring_about_by_themselves_is_no_target_that_is_met(world: Any) -> None:
    for held, side in (("100", "SELL"), ("-100", "BUY")):
        w = holding(world, held)
        w.decide(w.order(side, "100", "100"))  # it may fill, or rest for days
        assert "work already" in reason(w.decide(w.position("TARGET", "0")))


def test_two_halves_are_a_half_and_a_quarter_however_soon_the_second_comes(world: Any) -> None:
    half = {"share": Decimal("0.5")}
    w = holding(world, "100")
    first = w.decide(w.position("REDUCE_LONG", **half))
    assert signed(first) == -50
    assert signed(w.decide(w.position("REDUCE_LONG", **half))) == -25
    w = holding(world, "100")
    first = order_of(w.decide(w.position("REDUCE_LONG", **half)))
    w.created(first).fill(first, "50", "0")
    assert signed(w.decide(w.position("REDUCE_LONG", **half))) == -25


def test_what_is_sold_already_is_not_sold_again(world: Any) -> None:
    w = holding(world, "100")
    w.decide(w.order("SELL", "60", "100"))
    assert signed(w.decide(w.position("REDUCE_LONG", "60"))) == -40
    told = reason(w.decide(w.position("CLOSE_LONG")))
    assert "orders in SPY work already (to buy 0, to sell 100): nothing is left to reduce" in told


def test_a_share_of_what_still_grows_is_no_size(world: Any) -> None:
    w = holding(world, "100")
    w.decide(w.order("BUY", "10", "99"))
    assert "a share of a position that still grows" in reason(w.decide(w.position("ADD_LONG", share=Decimal("0.5"))))
    assert signed(w.decide(w.position("ADD_LONG", "10"))) == 10


def test_a_partial_fill_moves_from_what_works_to_what_is_held(world: Any) -> None:
    w = world().ready()
    first = order_of(w.decide(w.position("TARGET", "250")))
    w.created(first).fill(first, "100", "150")
    assert "may bring the position from 100 to 250" in reason(w.decide(w.position("TARGET", "250")))
    w.canceled(first)
    assert signed(w.decide(w.position("TARGET", "250"))) == 150


def test_its_order_is_held_against_every_limit(world: Any, check: Any) -> None:
    w = world(limits={"order_quantity_max": Decimal(100)}).ready()
    decision = w.decide(w.position("OPEN_LONG", "250"))
    assert reason(decision) == "the order is for 250; one order may be for 100 at most"
    assert check(decision, "position").passed
    assert check(decision, "position").observed == "0 held, 0 being bought, 0 being sold: BUY 250"


def test_where_only_reducing_is_let_through_a_wish_that_reduces_is(world: Any) -> None:
    w = holding(world, "100").mode(TradingMode.REDUCING)
    assert signed(w.decide(w.position("REDUCE_LONG", "50"))) == -50
    assert "only orders that reduce" in reason(w.decide(w.position("ADD_LONG", "50")))
    w.mode(TradingMode.HALTED)
    assert "halted" in reason(w.decide(w.position("REDUCE_LONG", "10")))


def test_what_is_held_must_be_known(world: Any) -> None:
    w = world()
    assert "has not taken over the books" in reason(w.decide(w.position("TARGET", "1")))
    w.adopt()
    assert "has not said what SPY is" in reason(w.decide(w.position("TARGET", "1")))
    w.ready().state.unread_event = "TRADE:7"
    assert "TRADE:7 can not be read" in reason(w.decide(w.position("TARGET", "0")))


def test_what_is_wrong_with_its_address_is_said_first(world: Any) -> None:
    w = world().ready()
    assert "does not trade at 'nyse'" in reason(w.decide(w.position("TARGET", "1", venue="nyse")))
    assert "can not be used" in reason(w.decide(w.position("TARGET", "1", id="-")))


def test_where_the_venue_has_no_reduce_only_for_it_risk_alone_sees_to_it(perpetuals: Any) -> None:
    w = perpetuals(limits={"order_notional_max": Decimal(10**6), "position_notional_max": Decimal(10**6)})
    order = w.order("BUY", "0.5", "100000", symbol="BTC-USD")
    w.decide(order)
    w.created(order).fill(order, "0.5", "0", "100000")
    resting = w.position("REDUCE_LONG", "0.1", symbol="BTC-USD", limit_price=Decimal(100_001))
    assert not order_of(w.decide(resting)).reduce_only  # clob/9003
    at_once = order_of(w.decide(w.position("REDUCE_LONG", "0.10009", symbol="BTC-USD")))
    assert (at_once.reduce_only, at_once.quantity) == (True, Decimal("0.1"))


def test_with_a_time_of_its_own_it_may_be_older_than_any_order(world: Any) -> None:
    w = world().ready()
    old = {"at": w.now - timedelta(hours=2)}
    assert "is not acted on any more" in reason(w.decide(w.position("OPEN_LONG", "10", **old)))
    late = w.position("OPEN_LONG", "10", **old, valid_until=w.now - timedelta(seconds=1))
    assert "the intent was valid until" in reason(w.decide(late))
    assert signed(w.decide(w.position("OPEN_LONG", "10", **old, valid_until=w.now))) == 10


def test_one_dated_ahead_is_denied_though_it_has_a_time_of_its_own(world: Any) -> None:
    w = world().ready()
    hour = timedelta(hours=1)
    ahead = w.position("OPEN_LONG", "10", at=w.now + hour, valid_until=w.now + 2 * hour)
    assert "ahead of the desk clock" in reason(w.decide(ahead))


ACTIONS = st.sampled_from(list(PositionAction))
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("wish"), ACTIONS, st.integers(-300, 300), st.sampled_from([None, "0.3", "0.5", "1"])),
        st.tuples(st.just("order"), st.sampled_from(["BUY", "SELL"]), st.integers(1, 100)),
        st.tuples(st.just("fill"), st.integers(0, 20), st.integers(1, 300)),
        st.tuples(st.just("late"), st.integers(0, 20), st.integers(1, 300)),
        st.tuples(st.just("end"), st.integers(0, 20)),
    ),
    max_size=25,
)


@given(st.integers(-200, 200), HAPPENINGS)
@settings(max_examples=400, deadline=None)
def test_whatever_happens_no_wish_but_a_target_turns_a_position_round(
    world: Any, held: int, happenings: list[Any]
) -> None:
    """Each wish is judged on its own: what it adds to what worked can not carry the position where it must not go."""
    limits = {"intents_per_minute_max": 999, "intents_per_minute_per_name_max": 999, "open_orders_max": 999}
    w, ended = holding(world, str(held), limits=limits), []
    for happening in happenings:
        kind, *rest = happening
        working = [w.order(o.side.value, str(o.open_quantity), id=key) for key, o in w.state.orders.items()]
        if kind == "wish":
            action, quantity, share = rest
            terms = {"quantity": Decimal(quantity)} if share is None else {"share": Decimal(share)}
            if action.startswith("CLOSE"):
                terms = {"quantity": None}
            before = _range(w)
            decision = w.decide(w.position(action, **{"quantity": None, **terms}))
            _judge(action, terms, before, _range(w), decision)
        elif kind == "order":
            w.decide(w.order(rest[0], str(rest[1]), "100"))
        elif kind in ("fill", "end") and working:
            order = working[rest[0] % len(working)]
            if order.id not in w.state.in_flight or kind == "end":
                w.created(order)
            if kind == "end":
                w.canceled(order)
                ended.append(order)
            else:
                part = min(Decimal(rest[1]), order.quantity)
                w.fill(order, str(part), str(order.quantity - part))
        elif kind == "late" and ended:  # what traded before the end, told after it
            order = ended.pop(rest[0] % len(ended))
            w.fill(order, "1", str(order.quantity - 1), status=OrderStatus.CANCELED)


def _range(w: Any) -> tuple[Decimal, Decimal, Decimal]:
    held = w.state.books["ibkr", "DU1234567"].holdings.get("SPY")
    if held is None:
        return Decimal(0), Decimal(0), Decimal(0)
    return held.quantity, held.quantity - held.selling_quantity, held.quantity + held.buying_quantity


def _judge(action: PositionAction, terms: Any, before: Any, after: Any, decision: Decision) -> None:
    now, lowest, highest = after
    order = decision.placed if isinstance(decision, IntentApproved) else None
    if order is None:
        assert before == after
        return
    if action is PositionAction.TARGET:
        target = terms["quantity"]
        # What works on its side brings the position exactly there, and no further
        assert (highest if order.side is Side.BUY else lowest) == target
    elif action in (PositionAction.REDUCE_LONG, PositionAction.CLOSE_LONG):
        assert 0 <= lowest < before[1]
    elif action in (PositionAction.REDUCE_SHORT, PositionAction.CLOSE_SHORT):
        assert before[2] < highest <= 0
    elif action.startswith("OPEN"):
        assert before == (0, 0, 0)
    else:
        assert (now > 0) is (action is PositionAction.ADD_LONG)

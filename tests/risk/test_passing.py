"""What would have passed in the place of what is denied: it passes, and nothing larger or nearer does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from risk.asked import OF_CHANGES, OF_LEGS, OF_LISTS, OF_ORDERS
from risk.decide import DENIAL_BYTES_MAX, decide, decide_again, explain
from risk.facts import Request
from risk.passing import UNMOVED, UNMOVED_BY_PRICES
from signalbox import messages
from signalbox.messages import (
    Contingency,
    Decision,
    Intent,
    IntentApproved,
    IntentDenied,
    ListLeg,
    OrderListIntent,
    OrderType,
    PriceStep,
    Side,
    TradingMode,
    WouldPass,
)

TICK = Decimal("0.01")


def asked(w: Any, intent: Intent) -> Decision:
    """What would be decided, with nothing taken in."""
    return decide(w.state, Request(sequence=99_999, intent=intent, by="alice"), w.now)


def denied(w: Any, intent: Intent) -> WouldPass:
    decision = asked(w, intent)
    assert isinstance(decision, IntentDenied)
    assert decision.would_pass is not None
    return decision.would_pass


def passes(w: Any, intent: Intent) -> bool:
    return isinstance(asked(w, intent), IntentApproved)


def test_the_largest_quantity_is_told_and_one_lot_more_would_not_pass(world: Any) -> None:
    w = world().ready()
    order = w.order(quantity="1500")
    found = denied(w, order)
    assert found == WouldPass(quantity=Decimal(1000))
    assert passes(w, replace(order, quantity=Decimal(1000)))
    assert not passes(w, replace(order, quantity=Decimal(1001)))


def test_the_nearest_price_is_told_where_a_limit_reaches_too_far(world: Any) -> None:
    w = world().ready()
    assert denied(w, w.order("BUY", limit="107.3")) == WouldPass(limit_price=Decimal(105))
    assert denied(w, w.order("SELL", limit="90")) == WouldPass(limit_price=Decimal("95.00"))


def test_a_price_between_two_ticks_is_brought_to_the_nearer_one(world: Any) -> None:
    w = world().ready()
    assert denied(w, w.order(limit="99.994")).limit_price == Decimal("99.99")
    assert denied(w, w.order(limit="99.996")).limit_price == Decimal("100.00")


def test_a_price_is_found_where_the_tick_changes(world: Any) -> None:
    steps = (
        PriceStep(at_least=Decimal(0), step=Decimal("0.01")),
        PriceStep(at_least=Decimal(105), step=Decimal("0.5")),
    )
    w = world().ready().instrument("SPY", price_steps=steps)
    assert denied(w, w.order(limit="200")).limit_price == Decimal(105)
    assert denied(w, w.order("SELL", limit="105.2")).limit_price == Decimal(105)


def test_a_stop_that_would_be_triggered_at_once_is_told_beyond_the_market(world: Any) -> None:
    w = world().ready()
    stop = {"order_type": OrderType.STOP, "limit_price": None}
    assert denied(w, w.order("BUY", stop_price=Decimal(99), **stop)).stop_price == Decimal("100.01")
    assert denied(w, w.order("SELL", stop_price=Decimal(101), **stop)).stop_price == Decimal("99.98")


def test_a_price_that_makes_it_small_enough_is_told_beside_the_quantity(world: Any) -> None:
    w = world(limits={"order_notional_max": Decimal(50_000)}).ready()
    found = denied(w, w.order(quantity="1000", limit="100"))
    assert found == WouldPass(quantity=Decimal(500), limit_price=Decimal(50))


def test_where_both_are_wrong_the_price_is_told_and_the_quantity_at_that(world: Any) -> None:
    w = world().ready()
    order = w.order(quantity="1500", limit="130")
    found = denied(w, order)
    assert found == WouldPass(quantity=Decimal(1000), limit_price=Decimal(105), together=True)
    assert passes(w, replace(order, quantity=Decimal(1000), limit_price=Decimal(105)))
    stop = {"order_type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(90)}
    found = denied(w, w.order("BUY", "1500", **{"limit": None, **stop}))
    assert (found.stop_price, found.quantity, found.together) == (Decimal("100.01"), Decimal(1000), True)
    w.mode(TradingMode.HALTED)
    assert denied(w, order) == WouldPass()


def test_what_neither_a_quantity_nor_a_price_can_mend_says_so(world: Any) -> None:
    w = world().ready().mode(TradingMode.HALTED)
    assert denied(w, w.order(quantity="10")) == WouldPass()
    assert b'"would_pass":{}' in messages.encode(asked(w, w.order()))


def test_where_only_what_reduces_is_let_through_the_quantity_that_reduces_is_told(world: Any) -> None:
    w = world().ready(positions=(world().held("SPY", "70"),)).mode(TradingMode.REDUCING)
    assert denied(w, w.order("SELL", "100")).quantity == Decimal(70)
    assert denied(w, w.order("BUY", "100")).quantity is None


def test_a_part_that_is_shown_and_the_venues_minimum_bound_it_from_below(world: Any) -> None:
    w = world().ready().instrument("SPY", minimum_quantity=50)
    assert denied(w, w.order(quantity="5000")).quantity == 1000
    assert denied(w, w.order(quantity="5000", display_quantity=Decimal(999))).quantity == 1000
    assert denied(w, w.order(quantity="5000", display_quantity=Decimal(1000))).quantity is None


def test_a_quantity_that_is_no_lot_is_rounded_down(world: Any) -> None:
    w = world().ready()
    assert denied(w, w.order(quantity="10.5")).quantity == Decimal(10)
    assert denied(w, w.order(quantity="0.5")).quantity is None


class Looks:
    """Counts how often an order is tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, ask = 0, OF_ORDERS.passes

        def counted(facts: Any, but: frozenset[str]) -> bool:
            self.count += 1
            return ask(facts, but)

        monkeypatch.setattr(type(OF_ORDERS), "passes", lambda _, facts, but: counted(facts, but))


@pytest.mark.parametrize(("lot", "looks_max"), [("1", 30), ("0.000000001", 100)])
def test_absurd_quantities_take_few_looks(
    world: Any, lot: str, looks_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    w, looks = world().ready().instrument("SPY", lot_size=Decimal(lot)), Looks(monkeypatch)
    assert denied(w, w.order(quantity="9" * 15)).quantity == 1000
    assert 0 < looks.count < looks_max


def test_an_order_that_is_a_little_too_much_is_tried_a_few_times(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed says by how much: the guess is right, and the next lot or tick shows it."""
    w = world(limits={"order_notional_max": Decimal(50_000)}).ready()
    for order, looks_max in ((w.order(quantity="1500", limit="40"), 4), (w.order(limit="130"), 6)):
        looks = Looks(monkeypatch)
        denied(w, order)
        assert 0 < looks.count <= looks_max
        monkeypatch.undo()


def test_nothing_is_tried_where_no_quantity_or_price_could_mend_it(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world().ready()
    w.later(61).account()  # the price is old
    looks = Looks(monkeypatch)
    assert denied(w, w.order(quantity="5000", limit="130")) == WouldPass()
    assert looks.count == 0
    halted = world().ready().mode(TradingMode.HALTED)
    assert denied(halted, halted.order()) == WouldPass()
    assert looks.count == 1  # a smaller quantity might reduce


def test_a_wish_for_a_position_is_told_the_order_that_would_pass(world: Any) -> None:
    w = world().ready()
    assert denied(w, w.position("TARGET", "1700")).quantity == Decimal(1000)


def test_a_change_is_told_the_total_and_the_price_that_would_pass(world: Any) -> None:
    w = world().ready()
    order = w.order(quantity="10")
    w.decide(order)
    w.created(order).accepted(order)
    assert denied(w, w.modify(order.id, quantity="5000")) == WouldPass(quantity=Decimal(1000))
    assert denied(w, w.modify(order.id, limit="120")) == WouldPass(limit_price=Decimal(105))
    assert denied(w, w.modify("nobody's", quantity="5000")) == WouldPass()


def bracket(w: Any, quantity: str, limit: str | None = None) -> OrderListIntent:
    entry = ListLeg(
        name="entry",
        side=Side.BUY,
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        quantity=Decimal(quantity),
        limit_price=None if limit is None else Decimal(limit),
    )
    stop = ListLeg(name="stop", side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(90))
    targets = [
        ListLeg(name=f"target{n}", side=Side.SELL, order_type=OrderType.LIMIT, limit_price=Decimal(price), share=share)
        for n, price, share in ((1, 110, Decimal("0.5")), (2, 120, None))
    ]
    w.serial += 1
    return OrderListIntent(
        id=f"b{w.serial}", at=w.now, venue=w.venue, symbol="SPY", contingency=Contingency.BRACKET,
        legs=(entry, stop, *targets),
    )  # fmt: skip


def test_a_list_is_told_its_entrys_quantity_and_price(world: Any) -> None:
    w = world().ready()
    assert denied(w, bracket(w, "3000")).quantity == Decimal(1000)
    assert denied(w, bracket(w, "10", limit="130")).limit_price == Decimal(105)


def test_of_a_cancel_and_of_what_was_told_briefly_nothing_is_looked_for(world: Any) -> None:
    w = world().ready()
    cancel = asked(w, w.cancel("nobody's"))
    brief = decide(w.state, Request(sequence=50, intent=w.order(quantity="5000"), brief=True), w.now)
    for decision in (cancel, brief):
        assert isinstance(decision, IntentDenied)
        assert decision.would_pass is None


def test_a_denial_from_before_is_made_again_as_it_was(world: Any) -> None:
    w = world().ready()
    decision = asked(w, w.order(quantity="5000"))
    old = replace(decision, would_pass=None)
    assert decide_again(w.state.rules, old) == old
    assert decide_again(w.state.rules, decision) == decision


@pytest.mark.parametrize("length", range(0, 250, 7))
def test_what_would_have_passed_changes_nothing_of_which_checks_a_long_denial_tells(world: Any, length: int) -> None:
    """Denials from before are made again, byte for byte."""
    w = world().ready()
    decision = asked(w, w.order(quantity="2500", limit="190", note="n" * length))
    assert isinstance(decision, IntentDenied)
    assert decision.also_failed
    told = as_it_was(replace(decision, also_failed=(), would_pass=None))
    every = explain(w.state.rules, decision)
    following = next(check for check in every if check.name == decision.also_failed[0])
    assert told <= DENIAL_BYTES_MAX or len(decision.checks) == 1  # the first is always told
    assert told + as_it_was(following) + 1 > DENIAL_BYTES_MAX


def as_it_was(part: Any) -> int:
    """The bytes of a denial, or a check, without what there was not when the bound was set."""
    payload = messages.encode(part)
    for later in (b',"would_pass":null', b',"scope":""', b',"group":"","method":"Equal","percent":null'):
        payload = payload.replace(later, b"")
    return len(payload)


def test_only_checks_that_there_are_are_named() -> None:
    rows = {row.name for battery in (OF_ORDERS, OF_CHANGES, OF_LEGS, OF_LISTS) for row in battery}
    assert rows >= UNMOVED | UNMOVED_BY_PRICES


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_told_passes_and_a_lot_or_tick_more_does_not(world: Any, data: Any) -> None:
    """Whatever is held and under way."""
    w = world(limits={"position_notional_max": Decimal(60_000), "order_notional_max": Decimal(45_000)})
    w.ready(positions=(w.held("SPY", str(data.draw(st.integers(-700, 700)))),))
    for _ in range(data.draw(st.integers(0, 3))):
        w.decide(w.order(data.draw(st.sampled_from(["BUY", "SELL"])), str(data.draw(st.integers(1, 300)))))
    w.account(available_funds=Decimal(data.draw(st.integers(0, 80_000))))
    price = data.draw(st.one_of(st.none(), st.decimals("60", "140", places=2)))
    side = data.draw(st.sampled_from(["BUY", "SELL"]))
    order = w.order(side, str(data.draw(st.integers(1, 3000))), None if price is None else str(price))
    decision = asked(w, order)
    if isinstance(decision, IntentApproved):
        return
    found = decision.would_pass
    assert found is not None
    if found.together:
        assert passes(w, replace(order, quantity=found.quantity, limit_price=found.limit_price))
        assert not passes(w, replace(order, quantity=found.quantity))
        assert not passes(w, replace(order, limit_price=found.limit_price))
        return
    if found.quantity is not None:
        assert found.quantity < order.quantity
        assert passes(w, replace(order, quantity=found.quantity))
        more = found.quantity + 1
        assert not passes(w, replace(order, quantity=more))
    else:
        lots = {1, *data.draw(st.lists(st.integers(1, int(order.quantity)), max_size=5))}
        assert not any(passes(w, replace(order, quantity=Decimal(some))) for some in lots)
    if found.limit_price is not None:
        assert passes(w, replace(order, limit_price=found.limit_price))
        nearer = TICK if order.limit_price > found.limit_price else -TICK
        assert not passes(w, replace(order, limit_price=found.limit_price + nearer))

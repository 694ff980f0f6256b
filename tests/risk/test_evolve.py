"""The fold: what an approval reserves, what events free and move, and that the kept sums are the true ones."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk import evolve
from risk.answered import AnsweredIntents
from risk.decide import decide
from risk.facts import Request
from risk.known import KnownIds
from risk.rates import conversion_rate
from risk.state import RiskState, account_keys
from signalbox import subjects
from signalbox.messages import (
    CommissionBooked,
    Fill,
    FillCorrected,
    IntentApproved,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderExpired,
    OrderHeld,
    OrderIntent,
    OrderRejected,
    OrderReleased,
    OrderStatus,
    OrderUnknown,
)

ACCOUNT = ("ibkr", "DU1234567")
ZERO = Decimal(0)


def holding(w: Any, symbol: str = "SPY") -> Any:
    return w.state.books[ACCOUNT].holdings[symbol]


def approved(w: Any, *terms: Any, **changes: Any) -> OrderIntent:
    decision = w.decide(w.order(*terms, **changes))
    assert isinstance(decision, IntentApproved), decision.reason
    assert isinstance(decision.intent, OrderIntent)
    return decision.intent


def test_an_approval_reserves_at_once(world: Any) -> None:
    w = world().ready()
    approved(w, "BUY", "10", "100")
    assert (holding(w).buying_quantity, holding(w).worst_value, holding(w).quantity) == (10, 1000, 0)


def test_the_orders_own_events_do_not_reserve_again(world: Any) -> None:
    w = world().ready()
    order = approved(w)
    w.created(order).accepted(order)
    assert holding(w).buying_quantity == 10
    assert w.state.books[ACCOUNT].working_orders == 1


def test_a_fill_moves_from_reserved_to_held(world: Any) -> None:
    w = world().ready()
    order = approved(w)
    w.created(order).fill(order, "4", "6")
    assert (holding(w).quantity, holding(w).buying_quantity) == (4, 6)
    w.fill(order, "6", "0")
    assert (holding(w).quantity, holding(w).buying_quantity) == (10, 0)
    assert w.state.books[ACCOUNT].working_orders == 0
    assert not w.state.orders


@pytest.mark.parametrize("kind", [OrderCanceled, OrderRejected, OrderExpired])
def test_the_end_of_an_order_frees_what_is_left_of_it(world: Any, kind: Any) -> None:
    w = world().ready()
    order = approved(w)
    status = {OrderCanceled: "CANCELED", OrderRejected: "REJECTED", OrderExpired: "EXPIRED"}[kind]
    w.created(order).fill(order, "4", "6")
    w.event(kind(**w._of(order.id, OrderStatus(status)), reason="over"))
    assert (holding(w).quantity, holding(w).buying_quantity) == (4, 0)
    assert w.state.known.finished(order.id) == status


@pytest.mark.parametrize("kind", [OrderUnknown, OrderCancelRejected])
def test_what_is_not_known_to_be_over_stays_reserved(world: Any, kind: Any) -> None:
    w = world().ready()
    order = approved(w)
    w.event(kind(**w._of(order.id, OrderStatus.UNKNOWN), reason="no answer"))
    assert holding(w).buying_quantity == 10
    assert w.state.orders[order.id].status is OrderStatus.UNKNOWN


def test_a_fill_after_a_cancel_moves_the_position(world: Any) -> None:
    w = world().ready()
    order = approved(w)
    w.created(order).canceled(order).fill(order, "4", "6", status=OrderStatus.CANCELED)
    assert (holding(w).quantity, holding(w).buying_quantity) == (4, 0)


def test_an_order_that_turns_out_to_work_after_all_counts_again(world: Any) -> None:
    w = world().ready()
    order = approved(w)
    w.created(order).canceled(order).fill(order, "4", "6", status=OrderStatus.PARTIALLY_FILLED)
    assert (holding(w).quantity, holding(w).buying_quantity) == (4, 6)
    assert order.id in w.state.orders
    w.fill(order, "6", "0")
    assert (holding(w).quantity, holding(w).buying_quantity) == (10, 0)


def test_a_corrected_fill_replaces_the_first(world: Any) -> None:
    w = world().ready()
    order = approved(w)
    w.created(order).fill(order, "10", "0")
    values = {"execution_id": "x", "order_id": order.id, "symbol": "SPY", "side": order.side, "at": w.now}
    first = Fill(**values, revision=1, quantity=Decimal(10), price=Decimal(100))
    bust = Fill(**values, revision=2, quantity=ZERO, price=ZERO)
    event = FillCorrected(
        **w._of(order.id, OrderStatus.FILLED), fill=bust, replaced=first, cumulative_quantity=ZERO, leaves_quantity=ZERO
    )
    w.event(event)
    assert holding(w).quantity == 0


def test_a_redelivered_event_changes_nothing(world: Any) -> None:
    w = world().ready()
    order = approved(w)
    w.created(order).fill(order, "4", "6")
    w.sequence -= 1
    w.fill(order, "4", "6")
    assert holding(w).quantity == 4


def test_a_denial_of_a_used_id_does_not_free_the_order_of_that_name(world: Any) -> None:
    w = world().ready()
    order = approved(w)
    elsewhere = {**w._of(order.id, OrderStatus.DENIED), "account": "U999"}
    w.event(OrderDenied(**elsewhere, reason="duplicate intent id"))
    w.created(order)
    w.event(OrderDenied(**w._of(order.id, OrderStatus.DENIED), reason="duplicate intent id"))
    assert holding(w).buying_quantity == 10
    assert order.id in w.state.orders


def test_an_approved_order_that_the_oms_refuses_is_freed(world: Any) -> None:
    w = world().ready()
    order = approved(w)
    w.event(OrderDenied(**w._of(order.id, OrderStatus.DENIED), reason="no gateway has said what SPY is"))
    assert holding(w).buying_quantity == 0
    assert (w.state.orders, w.state.in_flight, w.state.known.finished(order.id)) == ({}, set(), OrderStatus.DENIED)


@pytest.mark.parametrize("word", ["accepted", "filled"])
def test_a_rejected_order_that_the_venue_works_after_all_counts_again(world: Any, word: str) -> None:
    w = world().ready()
    order = approved(w)
    w.created(order).event(OrderRejected(**w._of(order.id, OrderStatus.REJECTED), reason="too late"))
    assert holding(w).buying_quantity == 0
    if word == "accepted":
        w.event(OrderAccepted(**w._of(order.id, OrderStatus.UNKNOWN), venue_order_id="7"))
    else:
        w.fill(order, "3", "7")
    assert holding(w).buying_quantity + holding(w).quantity == 10
    assert list(w.state.orders) == [order.id]
    assert w.state.known.finished(order.id) is None
    w.canceled(order)
    assert holding(w).buying_quantity == 0


def test_an_order_found_at_the_venue_counts(world: Any, check: Any) -> None:
    w = world().ready()
    w.created(w.order("SELL", "7", "120", id="foreign"))
    assert (holding(w).selling_quantity, holding(w).selling_value) == (7, 840)
    assert "there is an order foreign already" in w.decide(w.order(id="foreign")).reason


def test_an_order_placed_elsewhere_moves_the_position_and_the_exposure(world: Any) -> None:
    w = world().ready()
    foreign = w.order("SELL", "7", None, id="external-777")
    w.created(foreign).fill(foreign, "7", "0", "100")
    books = w.state.books[ACCOUNT]
    assert (holding(w).quantity, holding(w).selling_quantity, books.working_orders) == (-7, 0, 0)
    assert holding(w).held_value == 7 * (Decimal("99.99") + 100) / 2
    w.fill(foreign, "3", "0", "100")  # more of it: its terms are what has traded
    assert holding(w).quantity == -10
    assert not w.state.orders


@pytest.mark.parametrize("order_id", ["_unattributed", "external-777", "own"])
def test_a_fee_changes_no_position_and_ends_no_order(world: Any, order_id: str) -> None:
    w = world().ready()
    own = approved(w, id="own")
    w.created(own)
    before = deepcopy((w.state.orders, w.state.known, w.state.books, w.state.in_flight))
    w.event(
        CommissionBooked(
            **w._of(order_id, OrderStatus.FILLED),
            execution_id="x1",
            revision=1,
            commission=Decimal(1),
            currency="USD",
        )
    )
    assert (w.state.orders, w.state.known, w.state.books, w.state.in_flight) == before


def test_fills_that_the_opening_figures_contain_count_once(world: Any) -> None:
    w = world().instrument("SPY")
    foreign = w.order("BUY", "7", None, id="external-777")
    w.created(foreign).fill(foreign, "7", "0")
    contained = f"x{w.serial}"
    w.fill(foreign, "2", "0")
    assert holding(w).quantity == 9
    w.adopt(positions=(w.held("SPY", "107"),), execution_ids=(contained,))
    assert holding(w).quantity == 109
    w.serial = int(contained[1:]) - 1
    w.fill(foreign, "7", "0")  # reported once more, after the baseline
    assert holding(w).quantity == 109


def test_a_baseline_moves_no_order_and_comes_once(world: Any) -> None:
    w = world()
    w.adopt(positions=(w.held("SPY", "5"),)).adopt(positions=(w.held("SPY", "6"),))
    assert holding(w).quantity == 5
    assert (w.state.orders, w.state.known) == ({}, KnownIds())


def test_an_order_without_any_price_can_not_be_valued(world: Any, check: Any) -> None:
    w = world()
    w.instrument("SPY").adopt().account().link()
    w.created(w.order(limit=None, id="foreign"))
    assert w.state.books[ACCOUNT].unvalued == {"SPY"}
    assert not check(w.decide(w.order()), "gross_exposure").passed


def test_an_intent_decided_before_is_known_by_its_sequence(world: Any) -> None:
    w = world().ready()
    first = w.decide(w.order())
    assert evolve.is_answered(w.state, first.intent_sequence, first.intent_stored_at)
    evolve.fold_decision(w.state, first)
    assert holding(w).buying_quantity == 10
    assert len(w.state.books[ACCOUNT].approvals) == 1


def test_an_intent_that_has_the_sequence_of_another_one_has_no_decision_yet(world: Any) -> None:
    """INTENTS may be made anew, or lose its end, while TRADE stays: sequences then begin again."""
    w = world().ready()
    first = w.decide(w.order())
    later = first.intent_stored_at + timedelta(microseconds=1)
    assert not evolve.is_answered(w.state, first.intent_sequence, later)
    request = Request(sequence=first.intent_sequence, stored_at=later, intent=w.order(), by="alice")
    second = decide(w.state, request, w.now)
    assert second.id != first.id
    evolve.fold_decision(w.state, second)
    assert evolve.is_answered(w.state, first.intent_sequence, later)
    assert holding(w).buying_quantity == 20


@pytest.mark.parametrize(("quantity", "leaves"), [("4", 6), ("10", 0)])
def test_an_approval_whose_order_is_known_already_reserves_nothing_more(world: Any, quantity: str, leaves: int) -> None:
    """A log may be read in which the order's events stand before its decision: they know what is left of it."""
    w = world().ready()
    order = w.order()
    decision = decide(w.state, Request(sequence=50, stored_at=w.now, intent=order, by="alice"), w.now)
    w.created(order).fill(order, quantity, str(leaves))
    evolve.fold_decision(w.state, decision)
    books = w.state.books[ACCOUNT]
    assert (holding(w).buying_quantity, books.working_orders) == (leaves, len(w.state.orders)) == (leaves, leaves // 6)
    assert (w.state.in_flight, len(books.approvals)) == (set(), 1)


def test_what_was_decided_long_ago_is_forgotten(world: Any) -> None:
    w = world().ready()
    w.state.answered = AnsweredIntents(places=3)
    decisions = [w.decide(w.order()) for _ in range(5)]
    assert sorted(w.state.answered.rows()) == [(each.intent_sequence, each.intent_stored_at) for each in decisions[2:]]


def test_instruments_that_come_late_are_valued_then(world: Any) -> None:
    w = world(desk={"fx_rates": {"HKD": Decimal("0.1")}})
    w.adopt(positions=(w.held("0700.HK", "100", "300", "HKD"), w.held("SPY", "1")))
    books = w.state.books[ACCOUNT]
    assert books.worst_value == 3100
    w.instrument("SPY", multiplier=100)
    assert books.worst_value == 13_000


# --------------------------------------------------------------------------------- the sums are what they should be


def worst_open(order: Any) -> tuple[Decimal, Decimal]:
    """How much of an order may still fill, and what that may be worth: of both, while nobody knows which stands."""
    stand = [order, *([order.change] if order.change is not None else [])]
    quantities = [each.open_quantity for each in stand]
    return max(quantities), max(each.open_quantity * (each.price or ZERO) for each in stand)


def recomputed(state: RiskState) -> dict[str, tuple[Any, ...]]:
    """Every kept figure of the account, from its positions and working orders alone."""
    books = state.books[ACCOUNT]
    figures: dict[str, tuple[Any, ...]] = {}
    worst_sum = needed_sum = long_sum = short_sum = ZERO
    for symbol, kept in books.holdings.items():
        orders = [order for order in state.orders.values() if order.symbol == symbol]
        bought = [order for order in orders if order.side.sign > 0]
        sold = [order for order in orders if order.side.sign < 0]
        instrument = state.instruments["ibkr", symbol].message
        rate = conversion_rate(state.desk, books.currency, instrument.currency)
        assert rate is not None
        unit = instrument.multiplier * rate
        value = kept.quantity * (kept.mark or ZERO) * unit
        long = value + sum((worst_open(order)[1] for order in bought), ZERO) * unit
        short = -value + sum((worst_open(order)[1] for order in sold), ZERO) * unit
        worst_sum += max(long, short)
        long_sum, short_sum = long_sum + long, short_sum + short
        needed = (max(long, short) - abs(value)) * (instrument.initial_margin or 1)
        needed_sum += needed
        quantities = (sum(worst_open(order)[0] for order in bought), sum(worst_open(order)[0] for order in sold))
        figures[symbol] = (max(long, short), abs(value), needed, *quantities)
    figures["account"] = (worst_sum, needed_sum, len(state.orders))
    opened = sum(any((kept.quantity, *figures[symbol][3:])) for symbol, kept in books.holdings.items())
    figures["sums"] = (opened, long_sum, short_sum)
    return figures


def kept_figures(state: RiskState) -> dict[str, tuple[Any, ...]]:
    books = state.books[ACCOUNT]
    figures: dict[str, tuple[Any, ...]] = {
        symbol: (kept.worst_value, kept.held_value, kept.needed_funds, kept.buying_quantity, kept.selling_quantity)
        for symbol, kept in books.holdings.items()
    }
    figures["account"] = (books.worst_value, books.needed_funds, books.working_orders)
    figures["sums"] = (books.sums.positions, books.sums.long_value, books.sums.short_value)
    return figures


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_kept_sums_equal_those_from_scratch_after_every_step(two_currencies: Any, steps: Any, data: Any) -> None:
    w = two_currencies()

    def compare() -> None:
        assert kept_figures(w.state) == recomputed(w.state)

    w.walk(data.draw(steps), compare)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_positions_are_the_adopted_ones_plus_all_fills(two_currencies: Any, steps: Any, data: Any) -> None:
    w = two_currencies()
    expected = {"SPY": Decimal(150), "AAPL": Decimal(-70)}
    original = w.event

    def event(message: Any) -> Any:
        if hasattr(message, "fill"):
            symbol = message.fill.symbol
            expected[symbol] = expected.get(symbol, ZERO) + message.fill.side.sign * message.fill.quantity
        return original(message)

    w.event = event
    w.walk(data.draw(steps))
    assert {s: h.quantity for s, h in w.state.books[ACCOUNT].holdings.items() if s in expected} == expected


def test_every_account_of_the_desk_has_books_from_the_start(world: Any) -> None:
    w = world()
    assert set(w.state.books) == set(account_keys(w.state.desk)) == {ACCOUNT}
    assert subjects.BASELINE not in w.state.known


def test_what_is_held_is_valued_anew_when_the_venue_says_another_rate(two_currencies: Any) -> None:
    w = two_currencies()
    assert isinstance(w.decide(w.order(symbol="0700.HK", quantity="10", limit="100")), IntentApproved)
    before = w.state.books[ACCOUNT].worst_value
    held = w.state.books[ACCOUNT].holdings["0700.HK"].worst_value
    w.later(1).account(rates={"HKD": Decimal("0.256")})
    assert w.state.books[ACCOUNT].worst_value == before + held > before
    w.later(1).account()
    assert w.state.books[ACCOUNT].worst_value == before


def test_an_order_that_is_held_counts_until_it_ends_and_can_be_cancelled(world: Any) -> None:
    w = world().ready()
    sale = approved(w, "SELL", "7")
    w.created(sale).accepted(sale)
    w.event(OrderHeld(**w._of(sale.id, OrderStatus.HELD), reason="shares are located"))
    assert w.state.books[ACCOUNT].working_orders == 1
    assert holding(w).selling_quantity == 7
    assert isinstance(w.decide(w.cancel(sale.id)), IntentApproved)
    w.event(OrderReleased(**w._of(sale.id, OrderStatus.NEW)))
    assert w.state.books[ACCOUNT].working_orders == 1
    w.canceled(sale)
    assert w.state.books[ACCOUNT].working_orders == 0

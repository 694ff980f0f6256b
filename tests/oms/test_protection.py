"""Since when a position has been unprotected: by the events' own times, so that a restart changes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oms.protection import PROTECTING, held_quantity, protecting_quantity
from oms.state import Unprotected
from signalbox.messages import (
    OrderType,
    Side,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueExpired,
    VenueTriggered,
    VenueUnknown,
)

AAPL = ("ibkr", "DU1", "AAPL")


@pytest.fixture
def at(make: Any) -> Any:
    """The desk time of a message's `seconds`."""

    def when(seconds: float) -> datetime:
        found: datetime = make.at + timedelta(seconds=seconds)
        return found

    return when


@pytest.fixture
def long_100(make: Any) -> Any:
    """A desk that is long 100 since second 2."""
    return make.desk().run(make.snapshot(), make.approved("entry"), make.fill("100", order_id="entry"))


def stop(make: Any, order_id: str = "stop", quantity: str = "100", side: Side = Side.SELL, number: int = 7) -> Any:
    return make.approved(
        order_id,
        number,
        side=side,
        quantity=Decimal(quantity),
        order_type=OrderType.STOP,
        stop_price=Decimal(9) if side is Side.SELL else Decimal(11),
    )


def test_position_without_a_stop_is_unprotected_since_its_first_fill(make: Any, at: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.approved("entry"), make.fill("40", order_id="entry", seconds=2))
    assert desk.state.unprotected == {AAPL: Unprotected(True, at(2))}
    desk.run(make.fill("60", order_id="entry", execution_id="e2", seconds=5))
    assert desk.state.unprotected == {AAPL: Unprotected(True, at(2))}


def test_position_is_protected_once_the_venue_has_accepted_a_stop_of_its_size(long_100: Any, make: Any) -> None:
    long_100.run(stop(make))
    assert AAPL in long_100.state.unprotected
    long_100.run(make.accepted("stop", "9002", seconds=3))
    assert long_100.state.unprotected == {}


@pytest.mark.parametrize("given_stop", [{"quantity": "99"}, {"side": Side.BUY}])
def test_stop_that_is_too_small_or_on_the_same_side_protects_nothing(
    long_100: Any, make: Any, at: Any, given_stop: dict[str, Any]
) -> None:
    long_100.run(stop(make, **given_stop), make.accepted("stop", "9002", seconds=3))
    assert long_100.state.unprotected == {AAPL: Unprotected(True, at(2))}


def test_two_stops_together_protect_and_a_resting_limit_does_not(long_100: Any, make: Any) -> None:
    limit = make.approved("l", 5, side=Side.SELL, order_type=OrderType.LIMIT, limit_price=Decimal(12))
    long_100.run(limit, make.accepted("l", "9000", seconds=3))
    assert AAPL in long_100.state.unprotected
    long_100.run(stop(make, "s1", "60", number=6), make.accepted("s1", "9001", seconds=3))
    assert AAPL in long_100.state.unprotected
    long_100.run(stop(make, "s2", "40", number=7), make.accepted("s2", "9002", seconds=4))
    assert long_100.state.unprotected == {}


def test_stop_with_a_limit_protects_nothing_as_the_price_may_jump_over_it(long_100: Any, make: Any, at: Any) -> None:
    prices = {"stop_price": Decimal(9), "limit_price": Decimal("8.5")}
    sale = make.approved("s", 6, side=Side.SELL, quantity=Decimal(100), order_type=OrderType.STOP_LIMIT, **prices)
    long_100.run(sale, make.accepted("s", "9001", seconds=3), make.report(VenueTriggered, "s", seconds=4))
    assert long_100.state.unprotected == {AAPL: Unprotected(True, at(2))}
    long_100.run(stop(make), make.accepted("stop", "9002", seconds=5))
    assert long_100.state.unprotected == {}


def test_stop_that_works_later_protects_nothing_and_is_not_taken_for_one_after_a_restart(
    long_100: Any, make: Any, at: Any
) -> None:
    terms = {"order_type": OrderType.STOP, "stop_price": Decimal(9), "not_before": at(3600)}
    later = make.approved("s", 6, side=Side.SELL, quantity=Decimal(100), **terms)
    long_100.run(later, make.accepted("s", "9001", seconds=3))
    assert long_100.state.unprotected == {AAPL: Unprotected(True, at(2))}
    assert long_100.restart().state.working_stops == long_100.state.working_stops


def test_trailing_stop_protects(long_100: Any, make: Any) -> None:
    terms = {"order_type": OrderType.TRAILING_STOP, "trail_amount": Decimal(1)}
    sale = make.approved("s", 6, side=Side.SELL, quantity=Decimal(100), **terms)
    long_100.run(sale, make.accepted("s", "9001", seconds=3))
    assert long_100.state.unprotected == {}


def test_order_to_be_touched_protects_nothing(long_100: Any, make: Any, at: Any) -> None:
    touch = {"order_type": OrderType.MARKET_IF_TOUCHED, "stop_price": Decimal(12)}
    sale = make.approved("s", 6, side=Side.SELL, quantity=Decimal(100), **touch)
    long_100.run(sale, make.accepted("s", "9001", seconds=3))
    assert long_100.state.unprotected == {AAPL: Unprotected(True, at(2))}


@pytest.mark.parametrize("end", [VenueCanceled, VenueExpired, VenueUnknown])
def test_end_of_the_stop_and_not_knowing_of_it_leave_the_position_unprotected_from_then_on(
    long_100: Any, make: Any, at: Any, end: Any
) -> None:
    long_100.run(stop(make), make.accepted("stop", "9002", seconds=3))
    long_100.run(make.report(end, "stop", seconds=60, reason="gone"))
    assert long_100.state.unprotected == {AAPL: Unprotected(True, at(60))}


def test_stop_whose_cancel_is_under_way_or_refused_still_protects(long_100: Any, make: Any) -> None:
    long_100.run(stop(make), make.accepted("stop", "9002", seconds=3), make.cancel("stop"))
    assert long_100.state.unprotected == {}
    long_100.run(make.report(VenueCancelRejected, "stop", seconds=4, code="1", reason="no"))
    assert long_100.state.unprotected == {}


def test_stop_that_the_venue_has_never_answered_protects_nothing_while_it_is_cancelled_either(
    long_100: Any, make: Any
) -> None:
    long_100.run(stop(make), make.cancel("stop"))
    assert AAPL in long_100.state.unprotected


def test_triggered_stop_protects_while_it_fills_and_the_flat_position_needs_none(long_100: Any, make: Any) -> None:
    long_100.run(stop(make), make.accepted("stop", "9002"), make.report(VenueTriggered, "stop", seconds=4))
    sold = {"order_id": "stop", "side": Side.SELL, "price": "9"}
    long_100.run(make.fill("30", execution_id="x1", seconds=5, **sold))
    assert long_100.state.unprotected == {}
    long_100.run(make.fill("70", execution_id="x2", seconds=6, **sold))
    assert long_100.state.unprotected == {}
    assert held_quantity(long_100.state, AAPL) == 0
    assert long_100.state.working_stops == {AAPL: set()}


def test_position_that_turns_is_another_one(long_100: Any, make: Any, at: Any) -> None:
    sale = make.approved("sale", 9, side=Side.SELL, quantity=Decimal(150))
    long_100.run(sale, make.fill("150", order_id="sale", execution_id="x", side=Side.SELL, seconds=30))
    assert long_100.state.unprotected == {AAPL: Unprotected(False, at(30))}


def test_adopted_position_is_unprotected_since_its_snapshot(make: Any, at: Any) -> None:
    desk = make.desk().run(make.snapshot(4, positions=(make.held("-5", "10"),)))
    assert desk.state.unprotected == {AAPL: Unprotected(False, at(4))}


def test_baseline_that_contains_the_fill_and_no_position_leaves_nothing_unprotected(make: Any) -> None:
    desk = make.desk().run(make.approved("entry"), make.fill("100", order_id="entry", execution_id="e1"))
    assert AAPL in desk.state.unprotected
    desk.run(make.snapshot(4, execution_ids=("e1",)))
    assert desk.state.unprotected == {}


STEP = st.tuples(
    st.sampled_from(("buy", "sell", "stop", "accept", "cancel", "unknown", "fill stop")), st.integers(0, 3)
)


@given(steps=st.lists(STEP, max_size=25))
def test_the_next_process_says_the_same_and_an_answer_is_never_out_of_date(
    make: Any, steps: list[tuple[str, int]]
) -> None:
    desk = make.desk().run(make.snapshot())
    for number, (what, which) in enumerate(steps, start=1):
        take(desk, make, what, which, number)
        state = desk.state
        quantity = held_quantity(state, AAPL)
        side = Side.SELL if quantity > 0 else Side.BUY
        stops = [
            order
            for order in state.orders.values()
            if order.order is not None and order.order.order_type is OrderType.STOP and order.order.side is side
        ]
        open_quantity = sum(
            (
                stop.order.quantity - stop.filled_quantity
                for stop in stops
                if stop.order is not None and stop.acknowledged and stop.status in PROTECTING
            ),
            Decimal(0),
        )
        assert protecting_quantity(state, AAPL, side) == open_quantity
        assert (AAPL in state.unprotected) == (open_quantity < abs(quantity))
    assert desk.restart().state.unprotected == desk.state.unprotected
    assert desk.restart().state.working_stops == desk.state.working_stops


def take(desk: Any, make: Any, what: str, which: int, number: int) -> None:
    """One step: an entry that fills at once, or something that happens to one of four stops."""
    stop_id, seconds = f"stop-{which}", float(number)
    known = stop_id in desk.state.orders
    if what in ("buy", "sell"):
        side = Side.BUY if what == "buy" else Side.SELL
        desk.run(make.approved(f"o-{number}", 100 + number, side=side))
        desk.run(make.fill("10", order_id=f"o-{number}", execution_id=f"e-{number}", side=side, seconds=seconds))
    elif what == "stop" and not known:
        desk.run(stop(make, stop_id, "15", Side.SELL if which % 2 else Side.BUY, number=200 + number))
    elif known and what == "accept":
        desk.run(make.report(VenueAccepted, stop_id, str(number), seconds, venue_order_id=f"v-{which}"))
    elif known and what == "cancel":
        desk.run(make.report(VenueCanceled, stop_id, str(number), seconds, reason="asked"))
    elif known and what == "unknown":
        desk.run(make.report(VenueUnknown, stop_id, str(number), seconds, reason="lost"))
    elif known and what == "fill stop":
        side = Side.SELL if which % 2 else Side.BUY
        desk.run(make.fill("5", order_id=stop_id, execution_id=f"e-{number}", side=side, seconds=seconds))

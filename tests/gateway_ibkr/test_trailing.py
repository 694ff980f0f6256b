"""Stops that trail at TWS: what a change says of where they lie, and by what it is known that one trails."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from gateway_ibkr.decide import decide
from gateway_ibkr.orders import Orders
from gateway_ibkr.state import State, Tracked
from gateway_ibkr.trailing import as_trailing
from gateway_ibkr.translate import order_terms
from msgspec.structs import replace
from signalbox.gateway.state import OpenChange, Standing
from signalbox.messages import Order, OrderType, Side, VenueReplaced, VenueReplaceRejected

from .test_changing import OneInstrument, error, told
from .test_reconcile import AT, OPEN, PERM, STATUS, after, answers, claimed

TRAILS: dict[str, Any] = {"order_type": OrderType.TRAILING_STOP, "limit_price": None, "stop_price": None}
SHOWN = replace(OPEN, order_type="TRAIL", status="PreSubmitted", trailing_percent=2.0, limit_price=0.0)
HELD = replace(STATUS, status="PreSubmitted", why_held="child,trigger", filled=0.0, remaining=10.0)
WORKS = replace(HELD, why_held="")


def trailing() -> tuple[State, Tracked]:
    """A sale of 10 that works, 2 % behind the market."""
    state, tracked = claimed(Standing.SENT)
    tracked.seen, tracked.venue_order_id = True, str(PERM)
    tracked.order = replace(tracked.order, side=Side.SELL, trail_percent=Decimal(2), **TRAILS)
    return state, tracked


def changed(state: State, tracked: Tracked, **terms: Any) -> Any:
    """What TWS is told in a change."""
    order = replace(tracked.order, quantity=Decimal(6), **terms)
    return Orders(state, OneInstrument()).compose_change(tracked, order, AT).terms.order  # type: ignore[arg-type]


def test_a_change_has_the_stop_that_was_shown_last() -> None:
    state, tracked = trailing()
    assert changed(state, tracked).trail_stop_price is None
    for stop in (98.5, 99.25):
        decide(state, replace(SHOWN, trail_stop_price=stop), AT)
    assert (changed(state, tracked).trail_stop_price, changed(state, tracked).quantity) == (99.25, 6.0)


@pytest.mark.parametrize("stop", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_price_is_no_stop(stop: float) -> None:
    state, tracked = trailing()
    decide(state, replace(SHOWN, trail_stop_price=stop), AT)
    assert tracked.own.trail_stop_price is None


def test_what_is_shown_of_an_order_of_another_type_is_no_stop() -> None:
    state, tracked = trailing()
    decide(state, replace(SHOWN, order_type="LMT", trail_stop_price=1.5), AT)
    assert tracked.own.trail_stop_price is None


def test_what_waits_for_its_parent_has_no_stop_yet() -> None:
    state, tracked = trailing()
    for fact in (replace(SHOWN, trail_stop_price=101.0), HELD):
        decide(state, fact, AT)
    assert changed(state, tracked).trail_stop_price is None, "it was reckoned from a market before it works"
    for fact in (replace(SHOWN, trail_stop_price=98.0), WORKS):
        decide(state, fact, AT)
    assert changed(state, tracked).trail_stop_price == 98.0


@pytest.mark.parametrize(
    ("side", "told_by_desk", "shown", "expected"),
    [
        (Side.SELL, "97", "98", 98.0),
        (Side.SELL, "99", "98", 99.0),
        (Side.BUY, "103", "102", 102.0),
        (Side.BUY, "101", None, 101.0),
    ],
)
def test_the_nearer_of_two_stops_counts(side: Side, told_by_desk: str, shown: str | None, expected: float) -> None:
    _, tracked = trailing()
    order = replace(tracked.order, side=side, trail_stop_price=Decimal(told_by_desk))
    found = as_trailing(order_terms(order), order, None if shown is None else Decimal(shown))
    assert found.trail_stop_price == expected


def test_what_does_not_trail_has_no_such_stop() -> None:
    _, tracked = claimed()
    assert as_trailing(order_terms(tracked.order), tracked.order, Decimal(98)).trail_stop_price is None


def test_a_new_order_begins_where_the_desk_says() -> None:
    state, tracked = trailing()

    class Offering(OneInstrument):
        class Offered(OneInstrument.Offered):
            class symbol:
                kind = None

    order = replace(tracked.order, trail_stop_price=Decimal(97))
    draft = Orders(state, Offering()).compose(order, AT)  # type: ignore[arg-type]
    assert draft.terms.order.trail_stop_price == 97.0


def becomes() -> tuple[State, Tracked, Order]:
    """A stop at 95 of which it was asked that it trails."""
    state, tracked = trailing()
    wanted = replace(tracked.order, trail_stop_price=Decimal(95))
    tracked.order = replace(wanted, order_type=OrderType.STOP, trail_percent=None, stop_price=Decimal(95))
    tracked.change = OpenChange(wanted, 1)
    return state, tracked, wanted


def test_a_stop_trails_once_tws_shows_it_so() -> None:
    state, tracked, wanted = becomes()
    stop = replace(SHOWN, order_type="STP", trailing_percent=0.0, stop_price=95.0)
    assert told(decide(state, stop, AT)) == []
    assert told(decide(state, replace(SHOWN, trailing_percent=1.0), AT)) == []
    [report] = told(decide(state, SHOWN, AT))
    assert (type(report), report.revision, report.stop_price) == (VenueReplaced, 1, None)
    assert (tracked.order, tracked.change) == (wanted, None)


def test_a_stop_at_a_price_that_is_the_distance_is_none_that_trails() -> None:
    state, tracked, wanted = becomes()
    tracked.change = OpenChange(replace(wanted, trail_percent=None, trail_amount=Decimal(95)), 1)
    stop = replace(SHOWN, order_type="STP", trailing_percent=0.0, stop_price=95.0)
    assert told(decide(state, stop, AT)) == []


def test_what_tws_does_not_make_trail_stays_a_stop() -> None:
    state, tracked, _ = becomes()
    before = tracked.order
    decide(state, error(329, "Order modify failed. Cannot change to the new order type."), AT)
    stop = replace(SHOWN, order_type="STP", trailing_percent=0.0, stop_price=95.0)
    [report] = told(after(state, answers(state, open_orders=(stop,))))
    assert (type(report), report.code) == (VenueReplaceRejected, "329")
    assert (tracked.order, tracked.done) == (before, False)


@pytest.mark.parametrize(("side", "above"), [(Side.SELL, True), (Side.BUY, False)])
def test_an_activation_price_is_a_condition(side: Side, above: bool) -> None:
    _, tracked = trailing()
    order = replace(tracked.order, side=side, activation_price=Decimal(110))
    found = as_trailing(order_terms(order), order)
    assert (found.begins_at, found.begins_above, found.trail_stop_price) == (110.0, above, None)
    assert as_trailing(order_terms(tracked.order), tracked.order).begins_at is None

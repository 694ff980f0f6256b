"""What of a changed order counts while nobody knows which of its terms stand, and after."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from signalbox.messages import IntentApproved, OrderStatus

ACCOUNT = ("ibkr", "DU1234567")


def open_of(w: Any) -> tuple[Decimal, Decimal]:
    """What may still fill of purchases in SPY, and what that may be worth."""
    held = w.state.books[ACCOUNT].holdings["SPY"]
    return held.buying_quantity, held.buying_value


def working(world: Any, **changes: str) -> tuple[Any, Any]:
    """A purchase of 10 at 100 of which a change was let through."""
    w = world().ready()
    order = w.order()
    assert isinstance(w.decide(order), IntentApproved)
    w.created(order).accepted(order)
    if changes:
        assert isinstance(w.decide(w.modify(order.id, **changes)), IntentApproved)
    return w, order


def test_an_approved_change_counts_from_its_approval_on(world: Any) -> None:
    w, order = working(world, quantity="15", limit="90")
    assert open_of(w) == (15, 1350)
    w.pending_replace(order, "15", "90")
    assert open_of(w) == (15, 1350), "once, however often it is said"


def test_the_dearer_and_the_larger_count_each(world: Any) -> None:
    assert open_of(working(world, quantity="5", limit="101")[0]) == (10, 1000)


def test_what_the_venue_has_changed_counts_alone(world: Any) -> None:
    w, order = working(world, quantity="5", limit="90")
    w.pending_replace(order, "5", "90").replaced(order, "5", "90")
    assert open_of(w) == (5, 450)
    kept = w.state.orders[order.id]
    assert (kept.change, kept.terms.quantity, kept.terms.limit_price) == (None, 5, 90)


def test_what_was_not_changed_counts_as_it_was(world: Any) -> None:
    w, order = working(world, quantity="15")
    w.pending_replace(order, "15").replace_rejected(order)
    assert (open_of(w), w.state.orders[order.id].change) == ((10, 1000), None)


def test_what_the_desk_itself_refuses_of_a_change_frees_that_change_alone(world: Any) -> None:
    w, order = working(world, quantity="15")
    w.replace_rejected(order, revision=0, cause="another decision")
    assert open_of(w) == (15, 1500)
    w.replace_rejected(order, revision=0, cause=w.state.orders[order.id].change.cause)
    assert open_of(w) == (10, 1000)


def test_a_fill_takes_of_both_whichever_of_them_it_says_is_left(world: Any) -> None:
    w, order = working(world, quantity="15")
    w.fill(order, "4", "6")  # the OMS had not taken the change yet
    assert open_of(w) == (11, 1100)
    w.pending_replace(order, "15").replace_rejected(order)
    assert open_of(w) == (6, 600)
    w, order = working(world, quantity="15")
    w.pending_replace(order, "15")
    larger = w.order(id=order.id, quantity="15")
    w.fill(larger, "4", "11", status=OrderStatus.PENDING_REPLACE).replaced(order, "15", filled="4")
    assert open_of(w) == (11, 1100)


def test_what_ends_while_it_is_changed_counts_no_more(world: Any) -> None:
    w, order = working(world, quantity="15")
    w.pending_replace(order, "15").canceled(order)
    assert (open_of(w), w.state.books[ACCOUNT].working_orders) == ((0, 0), 0)


def test_what_the_oms_changes_by_itself_counts_as_soon_as_it_is_said(world: Any) -> None:
    w, order = working(world)
    w.pending_replace(order, "25", cause="report/ibkr/DU1234567/fill/e9")
    assert open_of(w) == (25, 2500)
    w.replaced(order, "25")
    assert (open_of(w), w.state.orders[order.id].terms.quantity) == ((25, 2500), 25)


def test_what_was_changed_by_hand_at_the_venue_counts_so(world: Any) -> None:
    w, order = working(world)
    w.replaced(order, "20", "101", revision=0)
    assert open_of(w) == (20, 2020)


def test_what_is_changed_by_hand_leaves_the_desks_own_change_open(world: Any) -> None:
    w, order = working(world, quantity="15")
    w.replaced(order, "11", revision=0)
    assert w.state.orders[order.id].change is not None
    assert open_of(w)[0] == 15


def test_a_smaller_sale_is_worth_no_less_a_piece_while_nobody_has_said_what_the_market_is(world: Any) -> None:
    """A sale may fill better than its limit: at the market, which was at 99.99 when it was let through."""
    w = world().ready(positions=(world().held("SPY", "50"),))
    order = w.order("SELL", "10", "99")
    w.decide(order)
    w.created(order).accepted(order)
    assert isinstance(w.decide(w.modify(order.id, quantity="5")), IntentApproved)
    kept = w.state.orders[order.id]
    assert kept.change.price == kept.price == Decimal("99.99")

"""Orders that others have placed: they begin with their terms as they are, change, end, come back, and are claimed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from oms.books import AccountBook
from oms.evolve import EXTERNAL_CAUSES_MAX
from oms.outcome import NoteKind
from oms.recall import wanted_by_message
from signalbox.messages import (
    BooksActRefused,
    CancelOrder,
    ClaimOrder,
    OpenOrder,
    OrderAccepted,
    OrderClaimed,
    OrderCreated,
    OrderReplaced,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    VenueCanceled,
    VenueCancelRejected,
    VenueOrderFound,
    VenueUnknown,
)
from signalbox.subjects import external_order

AT = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)
NAME, KEY = "external-77", "ibkr/DU1/external-77"


def found(make: Any, number: int = 1, venue_order_id: str = "77", **terms: Any) -> VenueOrderFound:
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "side": Side.SELL,
        "quantity": Decimal(100),
        "venue_type": "STP LMT",
        "order_type": OrderType.STOP_LIMIT,
        "limit_price": Decimal(158),
        "stop_price": Decimal(160),
        "venue_time_in_force": "GTC",
        "time_in_force": TimeInForce.GTC,
        "placed_by": "by hand",
        "currency": "USD",
    }
    facts = {"id": f"report/ibkr/DU1/found/{venue_order_id}.{number}", "at": AT, "venue": "ibkr", "account": "DU1"}
    return VenueOrderFound(**facts, venue_order_id=venue_order_id, **{**values, **terms})


def ended(make: Any, number: int = 1) -> VenueCanceled:
    facts = {"id": f"canceled/{number}", "at": AT, "venue": "ibkr", "account": "DU1", "order_id": NAME}
    return VenueCanceled(**facts, reason="cancelled at the venue")


def claim(make: Any, act_id: str = "b-1", **said: Any) -> ClaimOrder:
    facts = {"id": act_id, "at": AT, "venue": "ibkr", "account": "DU1", "reason": "my stop", "by": "carol"}
    return ClaimOrder(**{**facts, "order_id": NAME, "strategy": "trend", **said})


def order_of(desk: Any, key: str = KEY) -> Any:
    return desk.state.orders[key]


def test_it_begins_with_its_terms_and_stands_at_the_venue(make: Any) -> None:
    desk = make.desk()
    created, accepted = desk.take(found(make)).events
    assert isinstance(created, OrderCreated)
    assert isinstance(accepted, OrderAccepted)
    order = order_of(desk).order
    assert (order.order_id, order.order_type, order.venue_type) == (NAME, OrderType.STOP_LIMIT, "STP LMT")
    assert (order.quantity, order.limit_price, order.stop_price) == (100, 158, 160)
    assert (order.placed_by, order.currency, order.intent_id, order.strategy) == ("by hand", "USD", "", "")
    assert (order_of(desk).status, order_of(desk).venue_order_id) == (OrderStatus.NEW, "77")
    assert desk.restart().state.orders == desk.state.orders


def test_it_comes_twice_and_is_one_order(make: Any) -> None:
    desk = make.desk().run(found(make))
    assert desk.take(found(make)).notes == (NoteKind.REPEATED_REPORT,)
    assert desk.take(found(make, 2)).notes == (NoteKind.REPEATED_REPORT,)
    assert len(desk.log) == 2


def test_terms_of_before_that_come_again_change_nothing(make: Any) -> None:
    desk = make.desk().run(found(make), found(make, 2, quantity=Decimal(50)))
    assert desk.take(found(make)).notes == (NoteKind.REPEATED_REPORT,)
    assert order_of(desk).order.quantity == 50


def test_terms_of_one_that_is_filled_come_too_late(make: Any) -> None:
    filled = make.fill("100", order_id="", venue_order_id="77", side=Side.SELL)
    desk = make.desk().run(found(make), filled)
    assert order_of(desk).status is OrderStatus.FILLED
    assert desk.take(found(make, 2, limit_price=Decimal(157))).notes == (NoteKind.REPEATED_REPORT,)


def test_what_was_said_before_it_became_unknown_tells_nothing_of_it(make: Any) -> None:
    facts = {"id": "unknown/1", "at": AT, "venue": "ibkr", "account": "DU1", "order_id": NAME}
    desk = make.desk().run(found(make), VenueUnknown(**facts, reason="no word"))
    assert desk.take(found(make)).notes == (NoteKind.REPEATED_REPORT,)
    assert order_of(desk).status is OrderStatus.UNKNOWN
    desk.run(found(make, 2))
    assert order_of(desk).status is OrderStatus.NEW


def test_one_that_is_made_as_small_as_what_it_has_filled_is_filled(make: Any) -> None:
    filled = make.fill("60", order_id="", venue_order_id="77", side=Side.SELL)
    desk = make.desk().run(found(make), filled, found(make, 2, quantity=Decimal(60)))
    assert order_of(desk).status is OrderStatus.FILLED


@pytest.mark.parametrize("lines", range(3))
def test_a_process_that_dies_in_between_leaves_what_is_missing(make: Any, lines: int) -> None:
    whole = make.desk().run(found(make))
    desk = make.desk()
    desk.lines_left = lines
    with pytest.raises(make.died):
        desk.take(found(make))
    again = desk.restart()
    again.take(found(make))
    assert again.state.orders == whole.state.orders


def test_a_type_that_nobody_here_has_a_word_for_is_shown_as_it_is(make: Any) -> None:
    strange = found(make, venue_type="PEG MID", order_type=None, venue_time_in_force="OVT", time_in_force=None)
    order = order_of(make.desk().run(strange)).order
    assert (order.venue_type, order.venue_time_in_force) == ("PEG MID", "OVT")
    assert (order.order_type, order.time_in_force) == (OrderType.MARKET, TimeInForce.GTC)


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN"])
def test_nonsense_begins_nothing(make: Any, quantity: str) -> None:
    desk = make.desk()
    assert desk.take(found(make, quantity=Decimal(quantity))).events == ()


def test_its_fills_are_booked_under_it_each_once(make: Any) -> None:
    desk = make.desk().run(found(make))
    fill = make.fill("40", side=Side.SELL, order_id="", venue_order_id="77")
    desk.run(fill, fill)
    assert (order_of(desk).status, order_of(desk).filled_quantity) == (OrderStatus.PARTIALLY_FILLED, 40)
    desk.run(make.fill("60", execution_id="e2", side=Side.SELL, order_id="", venue_order_id="77"))
    assert (order_of(desk).status, order_of(desk).filled_quantity) == (OrderStatus.FILLED, 100)
    assert desk.state.accounts["ibkr", "DU1"].symbols["AAPL"].holding.quantity == -100


def test_a_fill_that_came_first_began_it_and_the_rest_of_it_works(make: Any) -> None:
    desk = make.desk().run(make.fill("40", side=Side.SELL, order_id="", venue_order_id="77"))
    assert order_of(desk).status is OrderStatus.FILLED
    replaced, accepted = desk.take(found(make)).events
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(accepted, OrderAccepted)
    order = order_of(desk)
    assert (order.status, order.filled_quantity, order.order.quantity) == (OrderStatus.PARTIALLY_FILLED, 40, 100)
    assert (replaced.leaves_quantity, order.venue_order_id) == (60, "77")
    assert KEY in desk.state.working
    assert desk.take(found(make)).events == ()
    assert desk.restart().state.orders == desk.state.orders


def test_one_that_is_all_filled_stays_so(make: Any) -> None:
    desk = make.desk().run(make.fill("100", side=Side.SELL, order_id="", venue_order_id="77"), found(make))
    assert order_of(desk).status is OrderStatus.FILLED


def test_other_terms_are_taken(make: Any) -> None:
    desk = make.desk().run(found(make), found(make, 2, quantity=Decimal(50), stop_price=Decimal(161)))
    order = order_of(desk)
    assert (order.status, order.order.quantity, order.order.stop_price) == (OrderStatus.NEW, 50, 161)


def test_one_that_is_moved_each_second_does_not_grow(make: Any) -> None:
    desk = make.desk().run(*(found(make, number, limit_price=Decimal(number)) for number in range(1, 300)))
    assert len(order_of(desk).causes) == EXTERNAL_CAUSES_MAX
    assert order_of(desk).order.limit_price == 299


def test_it_ends_and_comes_back(make: Any) -> None:
    desk = make.desk().run(found(make), ended(make))
    assert order_of(desk).status is OrderStatus.CANCELED
    desk.run(found(make, 2))
    assert order_of(desk).status is OrderStatus.NEW
    desk.run(ended(make, 2))
    assert order_of(desk).status is OrderStatus.CANCELED
    assert not desk.state.working


def test_an_ended_one_that_has_left_memory_comes_back(make: Any) -> None:
    """What has left is found in TRADE again: it is no new order."""
    desk = make.desk().run(found(make), ended(make))
    desk.state.left.add(KEY)
    del desk.state.orders[KEY]
    assert wanted_by_message(desk.state, found(make, 2)).owners == (("ibkr", "DU1", external_order("77")),)


def test_the_legs_of_a_combination_leave_its_order_as_it_is(make: Any) -> None:
    desk = make.desk().run(make.fill("1", order_id="", venue_order_id="77", symbol="MSFT"))
    assert desk.take(found(make, symbol="combination")).events == ()


def test_a_snapshot_that_lists_it_leaves_it_working(make: Any) -> None:
    row = OpenOrder(
        order_id="", venue_order_id="77", symbol="AAPL", side=Side.SELL, quantity=Decimal(100),
        filled_quantity=Decimal(0),
    )  # fmt: skip
    desk = make.desk().run(make.snapshot(), found(make))
    assert desk.take(make.snapshot(60, open_orders=(row,))).events == ()
    assert desk.take(make.snapshot(70)).events[0].status is OrderStatus.UNKNOWN
    desk.run(found(make, 2))
    assert order_of(desk).status is OrderStatus.NEW


def test_its_cancel_is_a_command_with_the_venues_id(make: Any) -> None:
    desk = make.desk().run(found(make))
    outcome = desk.take(make.cancel(order_id=NAME))
    [(revision, command)] = outcome.commands
    assert isinstance(command, CancelOrder)
    assert (revision, command.order_id, command.venue_order_id) == (1, NAME, "77")
    refused = {"id": "r", "at": AT, "venue": "ibkr", "account": "DU1", "order_id": NAME, "cause": command.id}
    desk.run(VenueCancelRejected(**refused, code="", reason="by client 7: cancel it there"))
    assert order_of(desk).status is OrderStatus.NEW


@pytest.mark.parametrize("external", [False, True])
def test_a_cancel_of_many_is_for_it_only_where_it_says_so(make: Any, external: bool) -> None:
    desk = make.desk().run(make.approved(), found(make))
    outcome = desk.take(desk.decided(make.mass_cancel(external=external)))
    assert [event.order_id for event in outcome.events] == (["o-1", NAME] if external else ["o-1"])


def test_a_claim_makes_it_the_strategys_with_who_and_why(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), found(make))
    [event] = desk.take(claim(make)).events
    assert isinstance(event, OrderClaimed)
    assert (event.order.strategy, event.act.by, event.act.reason) == ("trend", "carol", "my stop")
    assert order_of(desk).order.strategy == "trend"
    assert desk.take(claim(make)).events == ()
    assert desk.restart().state.orders == desk.state.orders
    outcome = desk.take(desk.decided(make.mass_cancel(strategy="trend")))
    assert [each.order_id for each in outcome.events] == [NAME]
    desk.run(found(make, 2, stop_price=Decimal(161)))
    assert order_of(desk).order.strategy == "trend"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"order_id": "o-1"}, "not an order placed elsewhere"),
        ({"order_id": "external-0"}, "has shown no order"),
        ({"strategy": "a b"}, "no name of a strategy"),
        ({"strategy": ""}, "no name of a strategy"),
        ({"reason": " "}, "says no reason"),
        ({"by": ""}, "nobody knows who"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused_with_a_sentence(make: Any, said: dict[str, str], why: str) -> None:
    desk = make.desk().run(make.snapshot(), make.approved(), found(make))
    [event] = desk.take(claim(make, **said)).events
    assert isinstance(event, BooksActRefused)
    assert why in event.reason


def test_what_is_claimed_or_over_is_not_claimed(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), found(make), claim(make))
    [again] = desk.take(claim(make, "b-2", strategy="other")).events
    desk.run(ended(make))
    [late] = desk.take(claim(make, "b-3")).events
    assert "order of trend already" in again.reason
    assert "is CANCELED" in late.reason


def test_the_books_know_the_claim_once(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), found(make), claim(make))
    book: AccountBook = desk.state.accounts["ibkr", "DU1"]
    assert "b-1" in book.acts

"""A person moves an exit of a list: what is sent of that leg from then on has the price that he gave it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oms import attaching, lists
from signalbox.messages import Side, VenueRejected, VenueReplaced, VenueReplaceRejected


@pytest.fixture(autouse=True)
def keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset())
    monkeypatch.setattr(attaching, "ATTACHING", frozenset())


def protected(make: Any) -> Any:
    """A bracket of 100 of which 30 have filled, whose stop at 9 stands at the venue."""
    desk = make.desk().run(make.bracket(), make.accepted("b.entry"))
    desk.take(make.fill("30", order_id="b.entry", execution_id="in1"))
    return desk.run(make.accepted("b.stop", "9002"), make.accepted("b.target1", "9003"))


def moved(make: Any, desk: Any) -> Any:
    """The venue has moved that stop to 9.5."""
    answer = make.report(
        VenueReplaced, "b.stop", "1", venue_order_id="9002", revision=1, quantity=Decimal(30), stop_price=Decimal("9.5")
    )
    return desk.run(make.modify("b.stop", stop_price=Decimal("9.5")), answer)


def stops(desk: Any) -> dict[str, str]:
    return {key.split("/")[-1]: str(each.order.stop_price) for key, each in desk.state.orders.items() if "stop" in key}


def test_what_the_entry_fills_next_is_protected_where_the_stop_is_now(make: Any) -> None:
    desk = moved(make, protected(make))
    desk.take(make.fill("70", order_id="b.entry", execution_id="in2"))
    assert stops(desk) == {"b.stop": "9.5", "b.stop-2": "9.5"}
    assert desk.works() == {"b.stop": "30", "b.stop-2": "70", "b.target1": "30", "b.target1-2": "70"}


def test_a_stop_that_is_lost_is_sent_again_where_it_was_moved_to(make: Any) -> None:
    desk = moved(make, protected(make)).restart()
    desk.run(make.report(VenueRejected, "b.stop", "late", code="201", reason="no"))
    assert stops(desk)["b.stop-2"] == "9.5"


def test_a_move_that_failed_moves_nothing(make: Any) -> None:
    desk = protected(make)
    failed = make.report(VenueReplaceRejected, "b.stop", "1", code="104", reason="too late", revision=1)
    desk.run(make.modify("b.stop", stop_price=Decimal("9.5")), failed)
    desk.take(make.fill("70", order_id="b.entry", execution_id="in2"))
    assert stops(desk) == {"b.stop": "9", "b.stop-2": "9"}


def test_the_other_leg_stays_where_it_was(make: Any) -> None:
    desk = moved(make, protected(make))
    desk.take(make.fill("70", order_id="b.entry", execution_id="in2"))
    targets = {str(each.order.limit_price) for key, each in desk.state.orders.items() if "target" in key}
    assert targets == {"11"}


def test_a_quantity_that_a_person_gave_a_leg_follows_what_has_filled_again(make: Any) -> None:
    desk = protected(make)
    answer = make.report(
        VenueReplaced, "b.stop", "1", venue_order_id="9002", revision=1, quantity=Decimal(10), stop_price=Decimal(9)
    )
    desk.run(make.modify("b.stop", quantity=Decimal(10)), answer)
    assert desk.works() == {"b.entry": "70", "b.stop": "10", "b.stop-2": "20", "b.target1": "30"}


def sold(make: Any, desk: Any, order_id: str, quantity: str, execution_id: str) -> Any:
    return desk.run(make.fill(quantity, "11", order_id=order_id, execution_id=execution_id, side=Side.SELL))


def test_a_stop_is_moved_for_what_its_target_has_left(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset({"ibkr"}))
    desk = sold(make, protected(make), "b.target1", "10", "out1")
    desk.run(make.modify("b.stop", stop_price=Decimal("9.5")))
    asked = desk.state.orders["b.stop"].change.order
    assert (asked.quantity, asked.stop_price) == (20, Decimal("9.5")), "the venue has taken 10 from it"


def test_what_was_moved_while_its_target_filled_is_for_what_is_left(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset({"ibkr"}))
    desk = protected(make).run(make.modify("b.stop", stop_price=Decimal("9.5")))
    sold(make, desk, "b.target1", "10", "out1")
    made = {"venue_order_id": "9002", "stop_price": Decimal("9.5")}
    desk.run(make.report(VenueReplaced, "b.stop", "1", revision=1, quantity=Decimal(30), **made))
    asked = desk.state.orders["b.stop"].change
    assert (asked.order.quantity, asked.order.stop_price, asked.revision) == (20, Decimal("9.5"), 2)
    desk.run(make.report(VenueReplaced, "b.stop", "2", revision=2, quantity=Decimal(20), **made))
    assert desk.works() == {"b.entry": "70", "b.stop": "20", "b.target1": "20"}
    assert desk.restart().follow(make.at) == []


def test_what_a_person_makes_larger_than_what_it_protects_is_made_smaller(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "GROUPING", frozenset({"ibkr"}))
    desk = protected(make).run(make.modify("b.stop", quantity=Decimal(90)))
    made = {"venue_order_id": "9002", "stop_price": Decimal(9)}
    desk.run(make.report(VenueReplaced, "b.stop", "1", revision=1, quantity=Decimal(90), **made))
    assert desk.state.orders["b.stop"].change.order.quantity == 30

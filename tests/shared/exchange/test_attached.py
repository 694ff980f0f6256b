"""Orders that are attached to another one wait for its first fill, and end with it if there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from signalbox.exchange.books import AccountBook
from signalbox.exchange.orders import OrderTerms, VenueOrder
from signalbox.exchange.quoting import MarketQuote, Phase
from signalbox.exchange.venue_orders import VenueOrders
from signalbox.messages import OrderType, Side, TimeInForce
from simulators.listings import listing_of

AT = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)
SPY = listing_of("SPY")
TERMS = OrderTerms(
    account="A",
    symbol="SPY",
    side=Side.BUY,
    quantity=Decimal(100),
    order_type=OrderType.LIMIT,
    limit_price=Decimal(10),
    time_in_force=TimeInForce.GTC,
)


class Venue:
    """A parent for 100 at 10, with a stop at 9 and a target at 11 of one group, which are attached to it."""

    def __init__(self, *, in_parts: bool = False, group: str = "g") -> None:
        book = AccountBook(account="A", base_currency="USD", cash={"USD": Decimal(1_000_000)}, venue="ibkr")
        self.exchange = VenueOrders({"SPY": SPY}, {"SPY": Decimal(10)}, {"A": book})
        self.exchange.children.in_parts = in_parts
        self.exchange.enter_phase("SPY", Phase.REGULAR)
        self.parent = self.exchange.submit(TERMS, AT).number
        exits = {"side": Side.SELL, "parent_number": self.parent, "oca_group": group, "oca_type": 2 if group else 0}
        stop = replace(TERMS, order_type=OrderType.STOP, limit_price=None, stop_price=Decimal(9), **exits)
        self.stop = self.exchange.submit(stop, AT).number
        self.target = self.exchange.submit(replace(TERMS, limit_price=Decimal(11), **exits), AT).number

    def see(self, price: str, size: str = "1000") -> None:
        last = Decimal(price)
        sides = (last, last, Decimal(size), Decimal(size))
        self.exchange.see_quote(MarketQuote("SPY", AT + timedelta(seconds=1), *sides, last, *[last] * 6))

    def order(self, number: int) -> VenueOrder:
        return self.exchange.orders[number]

    def shows(self) -> list[tuple[str, int]]:
        """Status and what may still fill, of parent, stop and target."""
        found = (self.order(number) for number in (self.parent, self.stop, self.target))
        return [(each.status.value, int(each.leaves)) for each in found]

    @property
    def held(self) -> Decimal:
        position = self.exchange.books["A"].positions.get("SPY")
        return position.quantity if position is not None else Decimal(0)


def test_they_wait_whatever_the_market_does():
    venue = Venue()
    assert venue.shows() == [("WORKING", 100), ("HELD", 100), ("HELD", 100)]
    venue.see("12")
    assert venue.shows() == [("WORKING", 100), ("HELD", 100), ("HELD", 100)]


def test_the_first_fill_has_them_work_whole():
    venue = Venue()
    venue.see("10", "40")
    assert venue.shows() == [("WORKING", 60), ("WORKING", 100), ("WORKING", 100)]
    venue.see("8", "40")
    assert venue.shows()[1][0] == "TRIGGERED"
    venue.see("8")
    assert venue.held == 0, "what was bought and more: a stop that is for more than is held turns the position round"


def test_in_parts_they_work_for_what_has_filled():
    venue = Venue(in_parts=True)
    venue.see("10", "40")
    assert venue.shows() == [("WORKING", 60), ("WORKING", 40), ("WORKING", 40)]
    venue.see("10", "60")
    assert venue.shows() == [("FILLED", 0), ("WORKING", 100), ("WORKING", 100)]
    venue = Venue(in_parts=True)
    venue.see("10", "40")
    assert venue.exchange.modify(venue.stop, AT, Decimal(70), None, None) is None
    assert venue.shows()[1] == ("WORKING", 40)
    venue.see("10", "60")
    assert venue.shows()[1:] == [("WORKING", 70), ("WORKING", 100)]


def test_they_are_one_group_from_the_first_moment():
    venue = Venue()
    venue.see("10")
    venue.see("11", "30")
    assert venue.shows() == [("FILLED", 0), ("WORKING", 70), ("WORKING", 70)]
    venue.see("8.9")
    assert (venue.shows()[1:], venue.held) == ([("FILLED", 0), ("CANCELED", 0)], 0)


def pairs(*, in_parts: bool = False) -> tuple[Venue, list[int]]:
    """A parent with two pairs of a stop and a target, for 60 and for 40, each in a group of its own."""
    venue = Venue(in_parts=in_parts, group="first")
    for number in (venue.stop, venue.target):
        assert venue.exchange.modify(number, AT, Decimal(60), None, None) is None
    terms = replace(TERMS, side=Side.SELL, quantity=Decimal(40), parent_number=venue.parent)
    terms = replace(terms, oca_group="second", oca_type=2)
    stop = replace(terms, order_type=OrderType.STOP, limit_price=None, stop_price=Decimal(9))
    second = [venue.exchange.submit(each, AT).number for each in (stop, replace(terms, limit_price=Decimal(12)))]
    return venue, second


def test_each_pair_of_one_parent_is_a_group_of_its_own():
    venue, second = pairs()
    venue.see("10")
    venue.see("11", "30")
    assert venue.shows() == [("FILLED", 0), ("WORKING", 30), ("WORKING", 30)]
    assert [int(venue.order(number).leaves) for number in second] == [40, 40]
    venue.see("8.9")
    assert venue.held == 0, "both stops, for what each of their targets had left"
    assert {venue.order(number).status.value for number in second} == {"FILLED", "CANCELED"}


def test_in_parts_each_works_for_no_more_than_the_parent_has_filled():
    """Together they may be for more than is held: whoever has sent them gives each its part."""
    venue, second = pairs(in_parts=True)
    venue.see("10", "50")
    assert venue.shows() == [("WORKING", 50), ("WORKING", 50), ("WORKING", 50)]
    assert [int(venue.order(number).leaves) for number in second] == [40, 40]
    venue.see("10", "50")
    assert venue.shows() == [("FILLED", 0), ("WORKING", 60), ("WORKING", 60)]


def test_a_parent_that_is_cancelled_or_runs_out_takes_them():
    venue = Venue()
    assert venue.exchange.cancel(venue.parent, AT, "asked") is None
    assert venue.shows() == [("CANCELED", 0)] * 3


def test_a_parent_that_has_filled_in_part_leaves_them():
    venue = Venue()
    venue.see("10", "40")
    venue.exchange.cancel(venue.parent, AT, "asked")
    assert venue.shows() == [("CANCELED", 0), ("WORKING", 100), ("WORKING", 100)]


def test_one_that_waits_can_be_changed_and_cancelled_with_its_group():
    venue = Venue()
    assert venue.exchange.modify(venue.stop, AT, Decimal(50), None, Decimal(8)) is None
    assert venue.shows()[1] == ("HELD", 50)
    venue.exchange.cancel(venue.target, AT, "asked")
    assert venue.shows() == [("WORKING", 100), ("CANCELED", 0), ("CANCELED", 0)]


@pytest.mark.parametrize("parent", ["unknown", "over"])
def test_there_has_to_be_something_to_attach_it_to(parent):
    venue = Venue()
    venue.exchange.cancel(venue.parent, AT, "asked")
    number = venue.parent if parent == "over" else 77
    refused = venue.exchange.submit(replace(TERMS, side=Side.SELL, parent_number=number), AT)
    assert refused.status == "REJECTED"


def test_one_that_comes_after_its_parent_has_filled_works_at_once():
    venue = Venue()
    venue.see("10", "40")
    late = venue.exchange.submit(
        replace(TERMS, side=Side.SELL, limit_price=Decimal(12), parent_number=venue.parent), AT
    )
    assert late.status == "WORKING"


def test_one_that_waits_ends_when_its_time_is_over():
    venue = Venue()
    terms = replace(TERMS, side=Side.SELL, parent_number=venue.parent, time_in_force=TimeInForce.DAY)
    number = venue.exchange.submit(terms, AT).number
    venue.exchange.expire(AT + timedelta(days=1))
    assert venue.order(number).status == "EXPIRED"


def test_a_venue_that_starts_again_has_them_wait_on():
    before = Venue()
    venue = Venue()
    venue.exchange = VenueOrders(
        {"SPY": SPY}, {"SPY": Decimal(10)}, before.exchange.books, orders=before.exchange.orders
    )
    venue.exchange.enter_phase("SPY", Phase.REGULAR)
    assert venue.shows()[1] == ("HELD", 100)
    venue.see("10")
    assert venue.shows() == [("FILLED", 0), ("WORKING", 100), ("WORKING", 100)]

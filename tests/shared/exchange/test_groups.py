"""Orders of one group: what fills of the one is taken from the others, before they may trade unless it is of type 3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from signalbox.exchange import matching
from signalbox.exchange.matching import SymbolBook
from signalbox.exchange.orders import OrderTerms, VenueOrder, VenueOrderStatus
from signalbox.exchange.quoting import MarketQuote, Phase
from signalbox.messages import OrderType, Side

AT = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)


def order(number: int, kind: str, price: str, quantity: str, oca_type: int, group: str = "g") -> VenueOrder:
    name = "limit_price" if kind == "LIMIT" else "stop_price"
    terms = OrderTerms(
        account="A",
        symbol="SPY",
        side=Side.SELL,
        quantity=Decimal(quantity),
        order_type=OrderType(kind),
        oca_group=group,
        oca_type=oca_type,
        **{name: Decimal(price)},
    )
    return VenueOrder(number=number, terms=terms, status=VenueOrderStatus.WORKING, submitted_at=AT, updated_at=AT)


def quote(price: str, size: str = "1000") -> MarketQuote:
    last = Decimal(price)
    return MarketQuote("SPY", AT + timedelta(seconds=1), last, last, Decimal(size), Decimal(size), last, *[last] * 6)


def seen(orders: tuple[VenueOrder, ...], *quotes: MarketQuote) -> tuple[dict[int, Decimal], dict[int, Decimal]]:
    """What has filled, and what still works, by order."""
    book = SymbolBook(phase=Phase.REGULAR, orders=orders)
    filled: dict[int, Decimal] = {}
    for each in quotes:
        step = matching.see_quote(book, each)
        book = step.book
        filled |= {after.number: after.filled for _, after in step.events if after.filled}
    return filled, {each.number: each.leaves for each in book.orders}


@pytest.mark.parametrize("oca_type", [1, 2, 3])
def test_one_that_fills_ends_the_others(oca_type: int) -> None:
    both = order(1, "STOP", "9", "100", oca_type), order(2, "LIMIT", "11", "100", oca_type)
    assert seen(both, quote("11")) == ({2: 100}, {})
    assert seen(both, quote("9")) == ({1: 100}, {})


@pytest.mark.parametrize(("oca_type", "left"), [(1, {2: 60}), (2, {1: 60, 2: 60}), (3, {1: 60, 2: 60})])
def test_one_that_fills_in_part_cancels_or_reduces_the_others(oca_type: int, left: dict[int, int]) -> None:
    both = order(1, "STOP", "9", "100", oca_type), order(2, "LIMIT", "11", "100", oca_type)
    assert seen(both, quote("11", "40")) == ({2: 40}, left)
    if oca_type != 1:
        assert seen(both, quote("11", "40"), quote("9")) == ({1: 60, 2: 40}, {})


def test_others_are_reduced_in_proportion() -> None:
    three = (
        order(1, "STOP", "9", "100", 2),
        order(2, "LIMIT", "11", "50", 2),
        order(3, "LIMIT", "12", "50", 2),
    )
    assert seen(three, quote("11", "25")) == ({2: 25}, {1: 50, 2: 25, 3: 25}), "half of each: not what a bracket wants"


@pytest.mark.parametrize(("oca_type", "filled"), [(1, {1: 100}), (2, {1: 100}), (3, {1: 100, 2: 100})])
def test_two_that_would_fill_at_once_do_so_without_block_alone(oca_type: int, filled: dict[int, int]) -> None:
    both = order(1, "LIMIT", "11", "100", oca_type), order(2, "LIMIT", "11", "100", oca_type)
    assert seen(both, quote("11")) == (filled, {})


def test_other_groups_and_orders_of_none_are_left_alone() -> None:
    others = order(2, "STOP", "9", "100", 2, "other"), order(3, "STOP", "9", "100", 0, "")
    assert seen((order(1, "LIMIT", "11", "100", 2), *others), quote("11")) == ({1: 100}, {2: 100, 3: 100})


@pytest.mark.parametrize("oca_type", [1, 2, 3])
@pytest.mark.parametrize(("size", "left"), [("1000", {}), ("40", {1: 60})])
def test_nothing_of_what_had_filled_before_is_taken_from_one_that_joins(
    oca_type: int, size: str, left: dict[int, int]
) -> None:
    """So a desk that sends it all the same may turn its position round: both fill."""
    book = SymbolBook(phase=Phase.REGULAR, orders=(order(1, "STOP", "9", "100", oca_type),))
    book = matching.see_quote(book, quote("9", size)).book
    book = matching.take(book, order(2, "LIMIT", "11", "100", oca_type), AT).book
    assert {each.number: each.leaves for each in book.orders} == left | {2: 100}

"""An order book from a snapshot and updates, and the rule for one that is crossed."""

from __future__ import annotations

from decimal import Decimal

from gateway_dydx.book import LEVELS_KEPT_MAX, Book, contradicts, differences, forget, take_snapshot, take_update, top
from gateway_dydx.facts import BookSnapshot, BookUpdate, Level
from hypothesis import given
from hypothesis import strategies as st


def levels(*pairs: tuple[int, int]) -> tuple[Level, ...]:
    return tuple(Level(Decimal(price), Decimal(size)) for price, size in pairs)


def snapshot(bids: tuple[Level, ...], asks: tuple[Level, ...]) -> BookSnapshot:
    return BookSnapshot(ticker="BTC-USD", bids=bids, asks=asks)


def update(bids: tuple[Level, ...] = (), asks: tuple[Level, ...] = ()) -> BookUpdate:
    return BookUpdate(ticker="BTC-USD", bids=bids, asks=asks)


def book() -> Book:
    made = Book("BTC-USD")
    take_snapshot(made, snapshot(levels((99, 1), (98, 2)), levels((101, 3), (102, 4))))
    return made


def prices(made: Book) -> tuple[object, object]:
    best = top(made)
    return best.bid and int(best.bid.price), best.ask and int(best.ask.price)


def test_the_top_is_the_best_of_both_sides() -> None:
    assert top(book()).bid == Level(Decimal(99), Decimal(1))
    assert top(book()).ask == Level(Decimal(101), Decimal(3))


def test_size_0_takes_a_level_away() -> None:
    made = book()
    assert take_update(made, update(bids=levels((99, 0))))
    assert prices(made) == (98, 101)


def test_an_update_before_a_snapshot_can_not_be_applied() -> None:
    made = Book("BTC-USD")
    assert not take_update(made, update(bids=levels((99, 1))))
    assert prices(made) == (None, None)


def test_a_snapshot_replaces_everything() -> None:
    made = book()
    take_snapshot(made, snapshot(levels((50, 1)), ()))
    assert prices(made) == (50, None)
    forget(made)
    assert not made.whole


def test_of_a_crossed_pair_the_older_level_is_stale() -> None:
    made = book()
    take_update(made, update(bids=levels((101, 1))))
    assert prices(made) == (101, 102)
    take_update(made, update(asks=levels((98, 1))))
    assert prices(made) == (None, 98)  # 101 and 99 were older, and 98 crosses too
    assert made.crossings == 4


def test_levels_of_one_message_that_cross_take_their_sizes_off_each_other() -> None:
    made = Book("BTC-USD")
    take_snapshot(made, snapshot(levels((100, 5), (99, 1)), levels((100, 2), (101, 1))))
    assert top(made).bid == Level(Decimal(100), Decimal(3))
    assert prices(made) == (100, 101)


def test_a_book_of_far_too_many_levels_wants_a_snapshot() -> None:
    made = book()
    assert not take_update(made, update(asks=levels(*((200 + number, 1) for number in range(LEVELS_KEPT_MAX)))))


def test_views_that_can_not_be_of_one_time_contradict() -> None:
    assert contradicts(book(), snapshot(levels((90, 1)), levels((98, 1))))
    assert contradicts(book(), snapshot(levels((102, 1)), levels((103, 1))))
    assert not contradicts(book(), snapshot(levels((98, 1)), levels((100, 1))))
    assert not contradicts(book(), snapshot((), ()))


_LEVELS = st.lists(st.tuples(st.integers(90, 110), st.integers(0, 3)), max_size=4).map(lambda pairs: levels(*pairs))


@given(_LEVELS, _LEVELS, st.lists(st.tuples(_LEVELS, _LEVELS), max_size=8))
def test_a_book_is_never_crossed_and_never_has_an_empty_level(
    bids: tuple[Level, ...], asks: tuple[Level, ...], updates: list[tuple[tuple[Level, ...], tuple[Level, ...]]]
) -> None:
    made = Book("BTC-USD")
    take_snapshot(made, snapshot(bids, asks))
    for more_bids, more_asks in updates:
        take_update(made, update(more_bids, more_asks))
        best = top(made)
        assert best.bid is None or best.ask is None or best.bid.price < best.ask.price
        assert all(level.size > 0 for level in [*made.bids.values(), *made.asks.values()])


def test_a_level_that_only_one_view_has_differs_as_deep_as_both_reach() -> None:
    made = book()
    seen = snapshot(levels((99, 1), (97, 5)), levels((101, 3), (102, 9)))
    found = differences(made, seen)
    assert {(each.is_bid, int(each.price), int(each.size), int(each.seen)) for each in found} == {
        (True, 98, 2, 0),
        (False, 102, 4, 9),
    }


def test_a_stale_level_inside_the_spread_differs_the_same_way_until_it_is_said_again() -> None:
    made = book()
    take_update(made, update(bids=levels((100, 7))))
    seen = snapshot(levels((99, 1), (98, 2)), levels((101, 3), (102, 4)))
    (first,) = differences(made, seen)
    assert (first.price, first.size, first.seen) == (Decimal(100), Decimal(7), Decimal(0))
    take_update(made, update(asks=levels((101, 5))))
    assert first in differences(made, seen)
    take_update(made, update(bids=levels((100, 7))))
    assert first not in differences(made, seen)


def test_a_level_that_was_never_told_differs() -> None:
    (found,) = differences(book(), snapshot(levels((100, 2), (99, 1), (98, 2)), levels((101, 3), (102, 4))))
    assert (found.is_bid, found.price, found.size, found.age, found.seen) == (True, 100, 0, 0, 2)


def test_an_empty_side_differs_from_one_that_is_not() -> None:
    assert len(differences(book(), snapshot((), levels((101, 3), (102, 4))))) == 2
    assert differences(Book("BTC-USD"), snapshot((), ())) == frozenset()


def test_equal_views_do_not_differ() -> None:
    assert differences(book(), snapshot(levels((99, 1), (98, 2)), levels((101, 3), (102, 4)))) == frozenset()

"""A price that is set is exactly the price, and what follows goes on from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signalbox.sessions import Session, session_at
from simulators.bars import FIVE_SECONDS, aggregate
from simulators.listings import PERPETUALS, listing_of
from simulators.synthetic import SyntheticSource
from simulators.tape import Tape

START = datetime(2026, 3, 1, tzinfo=UTC)


def tape_of(symbol: str = "BTC-USD", seed: int = 1) -> Tape:
    listing = listing_of(symbol)
    return Tape(listing, SyntheticSource(listing, seed), seed)


def session(at: datetime = START) -> Session:
    found = session_at("24/7", at)
    assert found is not None
    return found


moments = st.integers(min_value=0, max_value=2 * 86_400 // 5 - 1).map(lambda number: START + number * FIVE_SECONDS)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([listing.key for listing in PERPETUALS]),
    st.lists(st.tuples(moments, st.integers(min_value=1, max_value=3_000_000)), min_size=1, max_size=4),
)
def test_the_price_is_exactly_the_one_that_was_set(symbol: str, prices: list[tuple[datetime, int]]) -> None:
    tape, tick = tape_of(symbol), listing_of(symbol).tick
    for at, ticks in sorted(prices):
        tape.set_price(at, ticks * tick)
        assert tape.last(at) == ticks * tick


@settings(max_examples=20, deadline=None)
@given(moments, st.integers(min_value=1, max_value=1_000_000))
def test_a_minute_in_which_a_price_was_set_is_the_sum_of_its_parts(at: datetime, price: int) -> None:
    tape = tape_of()
    tape.set_price(at, Decimal(price))
    start = at.replace(second=0)
    minute = tape.minutes(session(at))[start]
    bar = aggregate("BTC-USD", start, 60, tape.parts(start), tape.scale)
    assert bar is not None
    assert (bar.open, bar.high, bar.low, bar.close) == tuple(tape.scale.price(units) for units in minute[:4])
    assert bar.volume == minute.volume


def test_what_was_before_stays_and_what_follows_goes_on_from_the_price() -> None:
    at = START + timedelta(hours=3, seconds=25)
    plain, moved = tape_of(), tape_of()
    half = (plain.last(at) / 2).quantize(Decimal(1))
    moved.set_price(at, half)
    before, now = at.replace(second=0) - timedelta(minutes=1), at.replace(second=0)
    assert moved.minutes(session())[before] == plain.minutes(session())[before]
    first = moved.parts(now)[5]
    assert abs(moved.scale.price(first.open) - half) <= half / 500
    later = START + timedelta(hours=9)
    ratio = moved.minutes(session())[later].close / plain.minutes(session())[later].close
    assert ratio == pytest.approx(0.5, abs=0.001)
    assert (
        moved.previous_close(session(START + timedelta(days=1)))
        == moved.minutes(session())[START + timedelta(hours=23, minutes=59)].close
    )


def test_the_close_before_a_day_is_not_that_of_a_price_set_in_it() -> None:
    plain, moved = tape_of(), tape_of()
    moved.set_price(START + timedelta(hours=1), Decimal(50_000))
    assert moved.previous_close(session()) == plain.previous_close(session())


def test_a_price_of_the_start_has_no_gap_before_it() -> None:
    at = START + timedelta(hours=3, seconds=25)
    plain, moved = tape_of(), tape_of()
    moved.set_price(at, Decimal(50_000), also_before=True)
    assert moved.last(at) == 50_000
    before = at - timedelta(hours=2)
    assert float(moved.last(before) / plain.last(before)) == pytest.approx(float(50_000 / plain.last(at)), abs=0.001)


def test_a_remembered_price_gives_the_same_tape() -> None:
    at = START + timedelta(hours=5)
    moved, again = tape_of(), tape_of()
    again.put(moved.set_price(at, Decimal(123_456)))
    assert again.minutes(session()) == moved.minutes(session())
    assert again.last(at + timedelta(hours=1)) == moved.last(at + timedelta(hours=1))


@pytest.mark.parametrize("price", ["0", "-1", "0.5", "NaN", "Infinity"])
def test_a_price_off_tick_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="positive multiple of 1"):
        tape_of().set_price(START, Decimal(price))

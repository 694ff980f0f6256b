"""A minute is broken up and put together again without losing anything."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from simulators.bars import Minute, Part, Scale, aggregate, market_bar, silent, split

START = datetime(2024, 1, 3, 14, 30, tzinfo=UTC)
CENTS = Scale.of(Decimal("0.01"))

volumes = st.one_of(
    st.integers(min_value=0, max_value=10_000_000).map(Decimal),
    st.decimals(min_value="0.00000001", max_value=1000, places=8),
)


@st.composite
def minutes(draw: st.DrawFn, tick: int = 1) -> Minute:
    low, high = sorted(draw(st.tuples(*[st.integers(min_value=1, max_value=50_000)] * 2)))
    inside = st.integers(min_value=low, max_value=high).map(lambda level: level * tick)
    return Minute(draw(inside), high * tick, low * tick, draw(inside), draw(volumes))


@given(minutes(), st.integers())
def test_a_split_minute_aggregates_exactly_to_itself(minute: Minute, seed: int) -> None:
    bar = aggregate("X", START, 60, split(minute, CENTS, Random(seed)), CENTS)
    assert bar is not None
    units = tuple(CENTS.units(price) for price in (bar.open, bar.high, bar.low, bar.close))
    assert (*units, bar.volume) == minute


@example(Minute(1, 1, 1, 1, Decimal("0.00000003")), 1, "0.0001")
@example(Minute(1, 1, 1, 1, Decimal("0.00000030")), 2, "0.0001")
@given(minutes(), st.integers(), st.sampled_from(["0.0001", "0.1", "100", "10000000"]))
def test_no_share_of_a_minutes_volume_is_nothing(minute: Minute, seed: int, grain: str) -> None:
    scale = Scale.of(Decimal("0.01"), 0, Decimal(grain), 500 * Decimal(grain))
    trading = [part for part in split(minute, scale, Random(seed)) if part.trades]
    assert sum(part.volume for part in trading) == minute.volume
    assert all(part.volume > 0 for part in trading) or not minute.volume


@given(minutes(tick=20), st.integers())
def test_every_price_of_a_split_is_on_tick_and_within_its_minute(minute: Minute, seed: int) -> None:
    scale = Scale.of(Decimal("0.2"), places=2)
    assert scale.tick == 20
    for part in split(minute, scale, Random(seed)):
        assert all(price % 20 == 0 for price in part[:4])
        assert minute.low <= part.low <= min(part.open, part.close) <= max(part.open, part.close) <= part.high
        assert part.high <= minute.high
        assert all(part.low <= price <= part.high for price in part.prints())


@given(minutes(), st.integers())
def test_a_split_has_twelve_parts_and_whole_volumes_where_the_minute_has_one(minute: Minute, seed: int) -> None:
    parts = split(minute, CENTS, Random(seed))
    assert len(parts) == 12
    assert sum(part.volume for part in parts) == minute.volume
    if minute.volume == int(minute.volume):
        assert all(part.volume == int(part.volume) for part in parts)


@given(minutes(), st.integers())
def test_parts_without_a_trade_stand_at_the_close_before_them(minute: Minute, seed: int) -> None:
    parts = split(minute, CENTS, Random(seed))
    assert parts[0].trades > 0
    for before, part in pairwise(parts):
        if not part.trades:
            assert part == silent(before.close)


def test_prices_off_tick_in_the_source_are_kept() -> None:
    scale = Scale.of(Decimal("0.01"), places=4)
    minute = Minute(3669689, 3670800, 3669247, 3670199, Decimal(76530))
    bar = aggregate("SPY", START, 60, split(minute, scale, Random(1)), scale)
    assert bar is not None
    assert (bar.open, bar.low, bar.close) == (Decimal("366.9689"), Decimal("366.9247"), Decimal("367.0199"))


def test_nothing_traded_makes_no_bar_but_a_silent_five_seconds_makes_one() -> None:
    assert aggregate("X", START, 60, [silent(100)] * 12, CENTS) is None
    bar = market_bar("X", START, silent(12_345), CENTS)
    assert (bar.open, bar.close, bar.volume, bar.trades) == (Decimal("123.45"), Decimal("123.45"), 0, 0)


def test_the_average_price_of_a_bar_weighs_by_volume() -> None:
    parts = [Part(100, 100, 100, 100, Decimal(300), 3), Part(200, 200, 200, 200, Decimal(100), 1)]
    bar = aggregate("X", START, 10, parts, CENTS)
    assert bar is not None
    assert bar.wap == Decimal("1.25")


def test_a_price_between_two_units_is_refused() -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        CENTS.units(Decimal("1.005"))

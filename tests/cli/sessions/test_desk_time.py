"""Desk time of a recorded moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from signalbox_cli.sessions.desk_time import DeskTime

WALL = datetime(2026, 11, 30, 12, tzinfo=UTC)
DESK = datetime(2024, 3, 5, 15, tzinfo=UTC)


def test_of_a_real_desk_it_is_the_walls() -> None:
    assert DeskTime([]).of(WALL) == WALL


def test_after_one_word_of_the_venue_time_runs_as_fast_as_the_wall() -> None:
    assert DeskTime([(WALL, DESK)]).of(WALL + timedelta(seconds=3)) == DESK + timedelta(seconds=3)


def test_between_two_it_runs_evenly_and_before_and_behind_as_fast() -> None:
    time = DeskTime([(WALL, DESK), (WALL + timedelta(seconds=10), DESK + timedelta(seconds=500))])
    for seconds in (-1, 0, 4, 10, 12):
        assert time.of(WALL + timedelta(seconds=seconds)) == DESK + timedelta(seconds=50 * seconds)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500)), min_size=1, max_size=6), st.integers(0, 60))
def test_it_never_goes_back(told: list[tuple[int, int]], second: int) -> None:
    walls, desks = sorted(wall for wall, _ in told), sorted(desk for _, desk in told)
    pairs = [
        (WALL + timedelta(seconds=wall), DESK + timedelta(seconds=desk))
        for wall, desk in zip(walls, desks, strict=True)
    ]
    time = DeskTime(pairs)
    assert time.of(WALL + timedelta(seconds=second)) <= time.of(WALL + timedelta(seconds=second + 1))

"""The desk clock: it follows the simulator, runs on between ticks, never goes back, and knows when it is stale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from signalbox.clock import LATEST, SPEED_MAX, FollowingClock, WallClock
from signalbox.messages import NEVER, ClockTick

START = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)


class Wall:
    """The machine's own time, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


def clock_of(wall: Wall) -> FollowingClock:
    return FollowingClock(run_on_seconds_max=0.1, silence_seconds_max=5.0, monotonic=wall.monotonic, wall=wall.now)


def tick(seconds: float, speed: float) -> ClockTick:
    return ClockTick(id=f"clock/{seconds}", at=START + timedelta(seconds=seconds), speed=speed)


def test_it_runs_on_between_ticks_at_their_speed_and_then_stands_still():
    wall = Wall()
    clock = clock_of(wall)
    clock.follow(tick(0, speed=100))
    wall.seconds += 0.05
    assert clock.now() == START + timedelta(seconds=5)
    wall.seconds += 10
    assert clock.now() == START + timedelta(seconds=10)


def test_a_late_tick_does_not_take_it_back():
    wall = Wall()
    clock = clock_of(wall)
    clock.follow(tick(60, speed=1))
    clock.follow(tick(0, speed=500))
    assert clock.now() == START + timedelta(seconds=60)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0, 1)), max_size=30))
def test_it_never_goes_back(steps: list[tuple[float, float, float]]):
    wall = Wall()
    clock = clock_of(wall)
    shown = clock.now()
    for at_seconds, speed, passed_seconds in steps:
        clock.follow(tick(at_seconds, speed))
        wall.seconds += passed_seconds
        assert clock.now() >= shown
        shown = clock.now()


def test_it_is_stale_before_the_first_tick_and_after_silence():
    wall = Wall()
    clock = clock_of(wall)
    assert clock.is_stale()
    clock.follow(tick(0, speed=0))
    wall.seconds += 4.9
    assert not clock.is_stale()
    wall.seconds += 0.2
    assert clock.is_stale()


def test_a_desk_time_is_reached_sooner_by_the_wall_when_time_runs_fast():
    wall = Wall()
    clock = clock_of(wall)
    clock.follow(tick(0, speed=60))
    assert clock.wall_time_of(START + timedelta(seconds=120)) == wall.now() + timedelta(seconds=2)
    assert clock.wall_time_of(START - timedelta(seconds=5)) == wall.now()
    clock.follow(tick(1, speed=0))
    assert clock.wall_time_of(START + timedelta(seconds=120)) > wall.now()


def test_what_the_desk_clock_showed_at_a_time_of_the_wall_is_told_by_its_speed():
    wall = Wall()
    clock = clock_of(wall)
    sent = wall.now()
    clock.follow(tick(1000, speed=60))
    wall.seconds += 0.05
    assert clock.desk_time_of(sent) == clock.now() - timedelta(seconds=3)
    assert clock.desk_time_of(sent + timedelta(hours=1)) == clock.now()  # the server's clock is ahead of ours
    assert clock.desk_time_of(sent - timedelta(days=365)) < clock.now() - timedelta(days=365)
    clock.follow(tick(1000, speed=0))
    assert clock.desk_time_of(sent - timedelta(days=365)) == clock.now()  # it stood still


def test_before_the_first_tick_no_time_is_told_that_can_not_be_reckoned_with():
    assert clock_of(Wall()).desk_time_of(datetime(2024, 1, 1, tzinfo=UTC)) == NEVER
    clock = clock_of(Wall())
    clock.follow(ClockTick(id="t", at=NEVER, speed=1e9))
    assert clock.desk_time_of(datetime(2000, 1, 1, tzinfo=UTC)) == NEVER


def test_the_wall_clock_is_utc_and_never_stale():
    clock = WallClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert not clock.is_stale()
    assert clock.wall_time_of(START) == START


UTC_TIMES = st.datetimes(timezones=st.just(UTC))


@given(st.lists(st.tuples(UTC_TIMES, st.floats(allow_nan=False)), max_size=5), UTC_TIMES)
def test_no_tick_makes_a_time_that_can_not_be_reckoned_with(ticks: list[tuple[datetime, float]], at: datetime):
    wall = Wall()
    clock = clock_of(wall)
    for number, (told, speed) in enumerate(ticks):
        clock.follow(ClockTick(id=f"clock/{number}", at=told, speed=speed))
        wall.seconds += 0.05
        assert clock.now() <= LATEST + timedelta(seconds=0.1 * SPEED_MAX)
        assert wall.now() <= clock.wall_time_of(at) <= wall.now() + timedelta(days=1)


def test_a_tick_of_no_time_that_will_be_is_none():
    wall = Wall()
    clock = clock_of(wall)
    clock.follow(ClockTick(id="clock/never", at=datetime.max.replace(tzinfo=UTC), speed=1.0))
    assert clock.is_stale()
    clock.follow(tick(0, speed=1))
    assert clock.now() == START


def test_a_tick_that_would_turn_time_back_lets_it_stand():
    wall = Wall()
    clock = clock_of(wall)
    clock.follow(tick(0, speed=-5))
    wall.seconds += 0.05
    assert clock.now() == START

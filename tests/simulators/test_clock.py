"""The stepped clock against a wall that the test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from simulators.clock import SteppedClock

NOON = datetime(2024, 1, 3, 17, tzinfo=UTC)
STEP = timedelta(seconds=5)


class Wall:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def shown(clock: SteppedClock) -> float:
    return round((clock.now() - NOON).total_seconds(), 6)


def test_time_runs_at_its_speed_inside_a_step_and_stops_at_its_end() -> None:
    wall = Wall()
    clock = SteppedClock(NOON, 10, wall)
    clock.begin_step(NOON + STEP)
    seen = []
    for _ in range(4):
        seen.append(shown(clock))
        wall.seconds += 0.2
    assert seen == [0, 2, 4, 5]


def test_time_never_goes_back() -> None:
    wall = Wall()
    clock = SteppedClock(NOON, 10, wall, never_before=NOON + timedelta(seconds=3))
    assert shown(clock) == 3
    clock.begin_step(NOON + STEP)
    wall.seconds += 0.4
    assert shown(clock) == 4
    wall.seconds -= 0.3
    assert shown(clock) == 4


def test_a_change_of_speed_goes_on_from_where_time_is() -> None:
    wall = Wall()
    clock = SteppedClock(NOON, 10, wall)
    clock.begin_step(NOON + STEP)
    wall.seconds += 0.2
    clock.set_speed(1)
    assert shown(clock) == 2
    wall.seconds += 1
    assert shown(clock) == 3
    clock.set_speed(0)
    wall.seconds += 100
    assert shown(clock) == 3
    clock.set_speed(2)
    wall.seconds += 0.5
    assert shown(clock) == 4


def test_slow_work_slows_time_down_instead_of_making_it_jump() -> None:
    wall = Wall()
    clock = SteppedClock(NOON, 10, wall)
    clock.begin_step(NOON + STEP)
    wall.seconds += 60
    clock.complete_step()
    clock.begin_step(NOON + 2 * STEP)
    assert 5 <= shown(clock) <= 6
    wall.seconds += 0.2
    assert 7 <= shown(clock) <= 8


def test_a_jump_shows_at_once() -> None:
    clock = SteppedClock(NOON, 10, Wall())
    clock.jump(NOON + timedelta(hours=12))
    assert shown(clock) == 12 * 3600


@pytest.mark.parametrize("speed", [-1, float("nan")])
def test_a_speed_that_is_no_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be"):
        SteppedClock(NOON, speed, Wall())


async def test_a_paused_clock_waits_until_its_speed_is_set() -> None:
    clock = SteppedClock(NOON, 0)
    clock.begin_step(NOON + STEP)
    waiting = asyncio.create_task(clock.wait_for_step_end())
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.set_speed(float("inf"))
    await asyncio.wait_for(waiting, 5)


async def test_a_released_clock_waits_no_more() -> None:
    clock = SteppedClock(NOON, 0)
    clock.begin_step(NOON + STEP)
    waiting = asyncio.create_task(clock.wait_for_step_end())
    clock.release()
    await asyncio.wait_for(waiting, 5)


async def test_steps_come_at_the_pace_of_the_wall() -> None:
    clock = SteppedClock(NOON, 500)
    began = asyncio.get_running_loop().time()
    for number in range(1, 11):
        clock.begin_step(NOON + number * STEP)
        await clock.wait_for_step_end()
        clock.complete_step()
    assert asyncio.get_running_loop().time() - began >= 0.095
    assert clock.position == NOON + 10 * STEP

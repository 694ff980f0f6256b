"""Places at a shared consumer: first for some, last for others, and nobody stays beside somebody else."""

from __future__ import annotations

from collections.abc import Callable

from signalbox.bus.standing import PLACES, SETTLE_SECONDS, TURN_MESSAGES_MAX, Standing, shuffled_places


def drawing(*places: int) -> Callable[[], int]:
    left = list(places)
    return lambda: left.pop(0)


def test_a_process_has_every_place_once() -> None:
    assert sorted(shuffled_places()) == list(range(PLACES))


def test_one_takeover_is_no_reason_to_move() -> None:
    standing = Standing(3, drawing())
    standing.took(False, 0.0)
    for second in range(1, 50):
        standing.took(True, second)
    standing.took(False, 60.0)
    assert standing.place == 3


def test_taking_turns_with_another_process_is() -> None:
    standing = Standing(3, drawing(7))
    for continues in (False, True, False):
        standing.took(continues, 1.0)
    assert standing.place == 7


def test_a_new_place_is_given_time_before_the_next() -> None:
    standing = Standing(3, drawing(7, 5))
    for _ in range(6):
        standing.took(False, 1.0)
    assert standing.place == 7
    standing.took(False, 1.1 + SETTLE_SECONDS)
    assert standing.place == 5


def test_being_broken_off_now_and_then_is_no_reason_to_move() -> None:
    standing = Standing(3, drawing())
    for number in range(5 * (TURN_MESSAGES_MAX + 1)):
        standing.took(number % (TURN_MESSAGES_MAX + 1) > 0, 10.0 * number)
    assert standing.place == 3

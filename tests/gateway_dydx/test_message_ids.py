"""Numbers of a websocket's messages: a loss is seen, an answer that comes later is none."""

from __future__ import annotations

import pytest
from gateway_dydx.message_ids import MISSING_KEPT_MAX, MessageIds


def lost(*numbers: object, waiting: int = 0) -> list[int]:
    """What each of these messages shows to be lost."""
    ids = MessageIds()
    return [ids.take(number, lambda: waiting) for number in numbers]


def test_nothing_is_lost_in_a_row_from_the_greeting_on() -> None:
    assert lost(0, 1, 2, 3, 4) == [0, 0, 0, 0, 0]


def test_an_error_repeats_a_number() -> None:
    assert lost(0, 1, 1, 2, 2, 3) == [0] * 6


@pytest.mark.parametrize(("numbers", "told"), [((0, 2), [0, 1]), ((0, 1, 5, 6), [0, 0, 3, 0]), ((0, 3, 6), [0, 2, 2])])
def test_a_gap_is_told_once_with_its_width(numbers: tuple[int, ...], told: list[int]) -> None:
    assert lost(*numbers) == told


def test_an_answer_that_is_waited_for_is_no_gap() -> None:
    assert lost(0, 3, 4, waiting=2) == [0, 0, 0]
    assert lost(0, 3, 4, 1, 2, 5, waiting=2) == [0] * 6


def test_more_missing_than_answers_to_come_is_a_gap() -> None:
    ids = MessageIds()
    assert ids.take(4, lambda: 3) == 0
    assert ids.take(2, lambda: 2) == 0
    assert ids.take(7, lambda: 2) == 2


def test_a_gap_among_answers_is_told_when_they_have_come() -> None:
    ids = MessageIds()
    assert ids.take(3, lambda: 2) == 0
    assert ids.take(1, lambda: 1) == 0
    assert ids.take(5, lambda: 0) == 2


@pytest.mark.parametrize("number", [None, "7", -1, True, 1.5, [], {}])
def test_a_number_that_is_none_says_nothing(number: object) -> None:
    assert lost(1, number, 2) == [0, 0, 0]


def test_a_leap_is_a_gap_and_takes_no_room() -> None:
    assert lost(10**15)[0] == MISSING_KEPT_MAX

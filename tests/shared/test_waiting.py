"""How long a message waits to be stored: for room for ever, in doubt within the window of ids, alone for a minute."""

from __future__ import annotations

import pytest
from signalbox.bus.waiting import (
    AWAY_SECONDS_MAX,
    DELAY_SECONDS_MAX,
    UNCERTAIN_SECONDS_MAX,
    UNSAID_SECONDS_MAX,
    Wait,
    WaitsForRoom,
)
from signalbox.streams import STREAMS


def test_doubt_ends_well_within_the_window_in_which_ids_are_known() -> None:
    # An intent that waited for longer is too old, and its id stands in a decision for ever
    windows = [each.duplicate_window_seconds for each in STREAMS if each.name != "INTENTS"]
    assert max(UNCERTAIN_SECONDS_MAX, AWAY_SECONDS_MAX) + 60 < min(windows)


def test_room_is_waited_for_without_an_end() -> None:
    wait = Wait(0.0)
    for now in range(100_000):
        wait.no_room(float(now), "maximum bytes exceeded")
        assert not wait.is_over(float(now))
    assert wait.is_for_room(100_000.0)


def test_silence_is_waited_for_until_an_attempt_could_be_stored_a_second_time() -> None:
    wait = Wait(0.0)
    wait.no_answer(2.0)
    wait.no_answer(UNCERTAIN_SECONDS_MAX)
    assert not wait.is_over(UNCERTAIN_SECONDS_MAX)
    assert wait.is_over(UNCERTAIN_SECONDS_MAX + 1)


def test_answer_that_there_is_no_room_ends_the_doubt() -> None:
    wait = Wait(0.0)
    wait.no_answer(2.0)
    wait.no_room(400.0, "maximum bytes exceeded")
    wait.no_answer(402.0)
    assert not wait.is_over(UNCERTAIN_SECONDS_MAX + 399)
    assert wait.is_over(UNCERTAIN_SECONDS_MAX + 401)


def test_server_that_is_away_is_waited_for_a_minute_at_a_time() -> None:
    wait = Wait(0.0)
    wait.away(0.0, "not connected")
    wait.away(AWAY_SECONDS_MAX, "not connected")
    assert not wait.is_over(AWAY_SECONDS_MAX)
    assert wait.is_over(AWAY_SECONDS_MAX + 1)


def test_server_that_restarts_after_a_long_silence_has_its_minute() -> None:
    wait = Wait(0.0)
    wait.no_answer(2.0)
    wait.away(300.0, "not connected")
    assert not wait.is_over(350.0)
    assert wait.is_over(361.0)


def test_doubt_is_not_lengthened_by_a_server_that_comes_and_goes() -> None:
    wait = Wait(0.0)
    for now in range(0, 1000, 50):
        wait.no_answer(float(now))
        wait.away(float(now) + 25, "not connected")
    assert wait.is_over(UNCERTAIN_SECONDS_MAX + 1)


def test_service_waits_for_its_server_without_an_end_and_then_in_doubt_for_as_long_as_was_left() -> None:
    wait = Wait(0.0)
    wait.no_answer(400.0)
    for now in range(401, 100_000, 1):
        wait.without_server(float(now))
        assert not wait.is_over(float(now))
    assert not wait.is_for_room(99_999.0)
    wait.no_answer(100_000.0)
    assert not wait.is_over(100_070.0)
    assert wait.is_over(100_090.0)


def test_delay_doubles_up_to_its_bound() -> None:
    wait = Wait(0.0)
    delays = [wait.next_delay_seconds() for _ in range(10)]
    assert delays[1] == 2 * delays[0]
    assert delays[-1] == DELAY_SECONDS_MAX


def told(waits: WaitsForRoom) -> list[tuple[str, str]]:
    said: list[tuple[str, str]] = []
    waits.changed = lambda stream, problem: said.append((stream, problem))
    return said


def test_want_of_room_is_told_once_and_its_end_with_the_last_message_that_waited() -> None:
    waits = WaitsForRoom("oms")
    said = told(waits)
    one, other = Wait(0.0), Wait(0.0)
    for wait in (one, other, one, other):
        wait.no_room(1.0, "full")
        waits.note("TRADE", wait, 1.0)
    assert said == [("TRADE", "full")]
    waits.over("TRADE", one)
    assert said == [("TRADE", "full")]
    waits.over("TRADE", other)
    waits.over("TRADE", other)
    assert said == [("TRADE", "full"), ("TRADE", "")]


def test_short_silence_is_not_told_and_a_long_one_is() -> None:
    waits = WaitsForRoom("oms")
    said, wait = told(waits), Wait(0.0)
    wait.no_answer(2.0)
    waits.note("TRADE", wait, 2.0 + UNSAID_SECONDS_MAX)
    assert said == []
    waits.note("TRADE", wait, 2.1 + UNSAID_SECONDS_MAX)
    assert said == [("TRADE", "no answer")]


@pytest.mark.parametrize("first", ["no_room", "no_answer"])
def test_server_that_is_away_is_not_told_as_a_want_of_room(first: str) -> None:
    waits = WaitsForRoom("oms")
    said, wait = told(waits), Wait(0.0)
    if first == "no_room":
        wait.no_room(0.0, "full")
        waits.note("TRADE", wait, 0.0)
    else:
        wait.no_answer(0.0)
    wait.away(50.0, "not connected")
    waits.note("TRADE", wait, 50.0)
    assert said == ([("TRADE", "full"), ("TRADE", "")] if first == "no_room" else [])

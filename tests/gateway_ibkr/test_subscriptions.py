"""When what was subscribed to is asked for again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from gateway_ibkr.farms import Change, Farms
from gateway_ibkr.pacing import BarRequestWindow
from gateway_ibkr.subscriptions import (
    Data,
    Patience,
    Subscription,
    asked,
    begin_anew,
    delay_seconds,
    heard,
    lose,
    suspect,
    why_dead,
    why_now,
)

NEW_YORK = "XNYS"
NOON = datetime(2024, 3, 5, 17, 0, tzinfo=UTC)
NIGHT = datetime(2024, 3, 6, 3, 0, tzinfo=UTC)
PATIENCE = Patience(silence_seconds=30, silence_wall_seconds=15, delay_seconds=15, delay_seconds_max=300)


def subscribed(at: datetime = NOON, seconds: float = 0.0) -> Subscription:
    """One that was asked for and has been heard."""
    subscription = Subscription(Data.QUOTE, "SPY", (NEW_YORK,), PATIENCE)
    asked(subscription, 7, at, seconds)
    heard(subscription, at, seconds)
    return subscription


def later(seconds: float, at: datetime = NOON) -> tuple[datetime, float]:
    return at + timedelta(seconds=seconds), seconds


def test_a_new_session_is_asked_at_once_for_everything() -> None:
    subscription = subscribed()
    assert not why_now(subscription, *later(1))
    begin_anew(subscription)
    assert why_now(subscription, *later(1))
    assert why_now(subscription, None, 1.0), "also while nobody knows the desk time"


def test_what_the_venue_said_is_lost_is_asked_for_and_lives_once_it_is_heard() -> None:
    subscription = subscribed()
    lose(subscription, "data lost (1101)")
    assert why_dead(subscription, *later(1)) == "data lost (1101)"
    assert why_now(subscription, *later(14)) == "", "not as fast as the venue can say so"
    assert why_now(subscription, *later(15)) == "data lost (1101)"
    asked(subscription, 8, *later(15))
    heard(subscription, *later(16))
    assert why_now(subscription, *later(45)) == ""


def test_silence_counts_in_its_session_on_both_clocks() -> None:
    subscription = subscribed()
    assert why_now(subscription, *later(29)) == ""
    assert "nothing has come" in why_now(subscription, *later(30))
    assert why_now(subscription, NOON + timedelta(seconds=300), 14.0) == "", "the simulated clock has run ahead"
    assert why_now(subscription, NOON + timedelta(seconds=29), 300.0) == ""
    assert why_now(subscription, None, 300.0) == ""


def test_silence_at_night_and_in_the_first_seconds_of_the_session_is_no_sign() -> None:
    assert why_now(subscribed(NIGHT), *later(3600, NIGHT)) == ""
    opens = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
    before = subscribed(opens - timedelta(hours=1))
    assert why_now(before, opens + timedelta(seconds=20), 3620.0) == ""
    assert why_now(before, opens + timedelta(seconds=31), 3631.0)
    after_the_calendar = datetime(2999, 1, 1, tzinfo=UTC)
    assert why_now(subscribed(), after_the_calendar, 1e9) == ""


def test_what_a_farms_return_may_have_ended_has_to_show_that_it_lives_by_day_and_by_night() -> None:
    for at in (NOON, NIGHT):
        silent, speaking = subscribed(at), subscribed(at)
        for each in (silent, speaking):
            suspect(each, "farm is OK (2104)", 1.0)
        heard(speaking, *later(5, at))
        assert why_now(silent, *later(15, at)) == ""
        assert why_now(silent, *later(16, at)) == "farm is OK (2104)"
        assert why_now(speaking, *later(16, at)) == ""


def test_what_was_lost_stays_lost_when_a_farm_comes_back() -> None:
    subscription = subscribed()
    lose(subscription, "competing (10197)")
    suspect(subscription, "farm is OK (2104)", 1.0)
    assert why_now(subscription, *later(15)) == "competing (10197)"


def test_each_request_in_vain_doubles_the_wait_up_to_a_bound() -> None:
    subscription, seconds, waits = subscribed(), 0.0, []
    for _ in range(8):
        lose(subscription, "competing (10197)")
        waits.append(delay_seconds(subscription))
        seconds += waits[-1]
        assert why_now(subscription, *later(seconds - 1)) == ""
        assert why_now(subscription, *later(seconds))
        asked(subscription, 8, *later(seconds))
    assert waits == [15, 15, 30, 60, 120, 240, 300, 300]
    heard(subscription, *later(seconds))
    assert delay_seconds(subscription) == 15


def test_what_is_refused_is_asked_for_as_rarely_as_can_be_until_it_comes() -> None:
    subscription = subscribed()
    lose(subscription, "not subscribed (354)", refused=True)
    assert why_now(subscription, *later(299)) == ""
    assert why_now(subscription, *later(300))
    asked(subscription, 8, *later(300))
    assert delay_seconds(subscription) == 300
    heard(subscription, *later(301))
    assert delay_seconds(subscription) == 15


NOTHING, SUSPECT, HISTORY = Change.NOTHING, Change.DATA_SUSPECT, Change.HISTORY_IS_BACK


@pytest.mark.parametrize(
    ("codes", "change"),
    [
        ([(2104, "usfarm")], NOTHING),
        ([(2103, "usfarm"), (2104, "usfarm")], SUSPECT),
        ([(2103, "usfarm"), (2104, "hfarm")], NOTHING),
        ([(2103, "usfarm"), (2104, "usfarm"), (2104, "usfarm")], NOTHING),
        ([(2103, "usfarm"), (2119, "usfarm"), (2104, "usfarm")], SUSPECT),
        ([(2108, "usfarm")], SUSPECT),
        ([(2108, "usfarm"), (2108, "usfarm")], NOTHING),
        ([(2105, "ushmds"), (2106, "ushmds")], HISTORY),
        ([(2107, "ushmds"), (2106, "ushmds")], HISTORY),
        ([(2107, "ushmds")], NOTHING),
        ([(2106, "ushmds")], NOTHING),
        ([(2157, "secdefil"), (2158, "secdefil")], NOTHING),
    ],
)
def test_only_a_farm_that_was_away_is_news(codes: list[tuple[int, str]], change: Change) -> None:
    farms, last = Farms(), Change.NOTHING
    for code, farm in codes:
        last = farms.changed(code, f"Market data farm connection is what it is:{farm}")
    assert last is change


def test_no_ten_minutes_have_more_than_sixty_requests_for_bars() -> None:
    window = BarRequestWindow()
    for second in range(60):
        assert window.delay_seconds(second) == 0
        window.note(second)
    assert window.left(60.0) == 0
    assert window.delay_seconds(60.0) == 540.0
    assert window.delay_seconds(600.0) == 0.0
    assert window.left(600.0) == 1

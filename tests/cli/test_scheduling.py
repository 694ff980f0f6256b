"""`signalbox bracket`: what its options of time ask for is a schedule that can be kept."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from signalbox.messages import OffsetUnit, PriceOffset, TimedAction, TimedStep
from signalbox.timed_steps import contradiction
from signalbox_cli.__main__ import build_parser
from signalbox_cli.bracket import list_intent
from signalbox_cli.scheduling import When, break_even, stop_at, trail_after, when

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
LINE = "bracket buy 100 SPY --stop 420 --target 440@50% --target 450"


def asked(options: str) -> tuple[TimedStep, ...]:
    given = f"{LINE} {options}".split()
    intent = list_intent(build_parser(given).parse_args(given), AT)
    assert contradiction(intent, AT) == ""
    return intent.timed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("90s", When(after_seconds=90)),
        ("30m", When(after_seconds=1_800)),
        ("2h", When(after_seconds=7_200)),
        ("7d", When(after_seconds=604_800)),
        ("6x5m", When(after_bars=6, timeframe="5m")),
        ("3x60m", When(after_bars=3, timeframe="1h")),
        ("15:30", When(clock=(15, 30))),
        ("2026-01-31T15:30:00Z", When(at=datetime(2026, 1, 31, 15, 30, tzinfo=UTC))),
    ],
)
def test_when(text: str, found: When) -> None:
    assert when(text) == found


@pytest.mark.parametrize("text", ["", "30", "0m", "1.5h", "25:00", "6x", "6x7m", "tomorrow", "2026-01-31T15:30:00"])
def test_what_says_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        when(text)


@pytest.mark.parametrize("text", ["15:30", "15:30=", "15:30=x", "=425", "1h=1.2.3"])
def test_what_says_not_where_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        stop_at(text)


def test_a_price_behind_break_even_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no way from the fill"):
        break_even("30m+425")


def test_an_hour_is_the_next_one() -> None:
    assert when("15:30").of(AT)["at"] == AT + timedelta(minutes=30)
    assert when("15:00").of(AT)["at"] == AT + timedelta(days=1)


def test_a_stop_goes_to_break_even() -> None:
    assert asked("--breakeven-after 30m") == (TimedStep(action=TimedAction.BREAK_EVEN, after_seconds=1_800),)
    assert asked("--breakeven-after 6x5m+2t") == (
        TimedStep(
            action=TimedAction.BREAK_EVEN,
            after_bars=6,
            timeframe="5m",
            offset=PriceOffset(amount=Decimal(2), unit=OffsetUnit.TICKS),
        ),
    )


def test_a_stop_trails_from_then_on() -> None:
    first, second = asked("--trail-after 30m=2% --trail-after 15:30=1.5%")
    assert (first.action, first.after_seconds, first.trail_percent) == (TimedAction.TRAIL_STOP, 1_800, 2)
    assert (second.at, second.trail_percent) == (AT + timedelta(minutes=30), Decimal("1.5"))
    (by_amount,) = asked("--trail-after 6x5m=2.50")
    assert (by_amount.trail_amount, by_amount.trail_percent, by_amount.after_bars) == (Decimal("2.50"), None, 6)


@pytest.mark.parametrize("text", ["30m", "30m=", "30m=x", "=2%", "30m=2R"])
def test_what_says_not_how_far_behind_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        trail_after(text)


def test_a_stop_moves_by_a_schedule() -> None:
    first, second = asked("--stop-at 15:30=425 --stop-at 1h=0.5R")
    assert (first.action, first.at, first.stop_price) == (TimedAction.MOVE_STOP, AT + timedelta(minutes=30), 425)
    assert (second.after_seconds, second.offset) == (3_600, PriceOffset(amount=Decimal("0.5"), unit=OffsetUnit.R))


def test_an_entry_and_a_position_have_their_time() -> None:
    assert asked("--entry-until 2h --hold-at-most 7d") == (
        TimedStep(action=TimedAction.CANCEL_ENTRY, after_seconds=7_200),
        TimedStep(action=TimedAction.CLOSE_POSITION, after_seconds=604_800),
    )


def test_without_them_there_is_no_schedule() -> None:
    assert asked("") == ()

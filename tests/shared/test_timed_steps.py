"""When a step of a schedule is due, where its stop goes, and which schedules are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox.messages import (
    Contingency,
    ListLeg,
    OffsetUnit,
    OrderListIntent,
    OrderType,
    PriceOffset,
    Side,
    TimedAction,
    TimedStep,
)
from signalbox.order_lists import Terms, plan_of
from signalbox.sessions import ALWAYS
from signalbox.timed_steps import BARS_MAX, STEPS_MAX, after_bars, contradiction, due_at, is_tighter, stop_price

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
"""A Monday, 10:00 in New York."""
LATER = NOW + timedelta(minutes=5)
CENTS = Terms(tick_size=Decimal("0.01"), lot_size=Decimal(1))


DECIMALS = ("stop_price", "trail_amount", "trail_percent")


def step(action: str, **when: Any) -> TimedStep:
    given = {key: Decimal(value) if key in DECIMALS else value for key, value in when.items()}
    return TimedStep(action=TimedAction(action), **(given or {"after_seconds": 60}))


def ticks(amount: int) -> PriceOffset:
    return PriceOffset(amount=Decimal(amount), unit=OffsetUnit.TICKS)


def bracket(*steps: TimedStep, entry: Side = Side.BUY, contingency: str = "BRACKET", **stop: Any) -> OrderListIntent:
    exit_side = Side.SELL if entry is Side.BUY else Side.BUY
    terms = stop or {"stop_price": Decimal(98) if entry is Side.BUY else Decimal(102)}
    legs = (
        ListLeg(name="entry", side=entry, order_type=OrderType.MARKET, quantity=Decimal(10)),
        ListLeg(name="stop", side=exit_side, order_type=OrderType.STOP, **terms),
    )
    return OrderListIntent(
        id="b", venue="ibkr", symbol="SPY", contingency=Contingency(contingency), legs=legs, timed=steps
    )


# ------------------------------------------------------------------------------------------------------------ when


def test_a_delay_counts_from_the_first_fill_and_that_of_an_entry_from_its_beginning() -> None:
    minute = timedelta(minutes=1)
    assert due_at(step("BREAK_EVEN"), NOW, None, ALWAYS) is None
    assert due_at(step("BREAK_EVEN"), NOW, LATER, ALWAYS) == LATER + minute
    assert due_at(step("CLOSE_POSITION"), NOW, LATER, ALWAYS) == LATER + minute
    assert due_at(step("CANCEL_ENTRY"), NOW, None, ALWAYS) == NOW + minute


def test_a_stop_that_moves_at_a_time_waits_for_the_fill() -> None:
    assert due_at(step("BREAK_EVEN", at=NOW), NOW, None, ALWAYS) is None
    assert due_at(step("BREAK_EVEN", at=NOW), NOW, LATER, ALWAYS) == LATER
    assert due_at(step("CLOSE_POSITION", at=LATER), NOW, None, ALWAYS) == LATER


@pytest.mark.parametrize(
    ("count", "timeframe", "calendar", "since", "due"),
    [
        (1, "5m", ALWAYS, "2026-01-05T15:02", "2026-01-05T15:05"),
        (3, "5m", ALWAYS, "2026-01-05T15:05", "2026-01-05T15:20"),
        (1, "1d", ALWAYS, "2026-01-05T15:02", "2026-01-06T00:00"),
        (1, "1h", "XNYS", "2026-01-05T15:02", "2026-01-05T15:30"),
        (7, "1h", "XNYS", "2026-01-05T15:02", "2026-01-05T21:00"),
        (8, "1h", "XNYS", "2026-01-05T15:02", "2026-01-06T15:30"),
        (1, "5m", "XNYS", "2026-01-05T12:00", "2026-01-05T14:35"),
        (1, "5m", "XNYS", "2026-01-05T22:00", "2026-01-06T14:35"),
        (1, "5m", "XNYS", "2026-01-03T15:00", "2026-01-05T14:35"),
        (2, "1d", "XNYS", "2026-01-05T15:02", "2026-01-06T21:00"),
        (1, "1h", "XHKG", "2026-01-05T04:10", "2026-01-05T06:00"),
    ],
)
def test_bars_are_counted_in_regular_hours(count: int, timeframe: str, calendar: str, since: str, due: str) -> None:
    begin, end = (datetime.fromisoformat(f"{each}+00:00") for each in (since, due))
    assert after_bars(count, timeframe, calendar, begin) == end


def test_what_no_calendar_covers_is_counted_round_the_clock() -> None:
    bars = step("BREAK_EVEN", after_bars=2, timeframe="5m")
    assert due_at(bars, NOW, NOW.replace(year=2200), "XNYS") == NOW.replace(year=2200) + timedelta(minutes=10)


# ----------------------------------------------------------------------------------------------------------- where


@pytest.mark.parametrize(
    ("entry", "fill", "offset", "price"),
    [
        (Side.BUY, "100", None, "100"),
        (Side.BUY, "100.001", None, "100.01"),
        (Side.SELL, "100.009", None, "100"),
        (Side.BUY, "100", ticks(3), "100.03"),
        (Side.SELL, "100", ticks(3), "99.97"),
        (Side.BUY, "100", PriceOffset(amount=Decimal("-0.5"), unit=OffsetUnit.R), "99"),
        (Side.SELL, "100", PriceOffset(amount=Decimal(1), unit=OffsetUnit.PERCENT), "99"),
    ],
)
def test_the_stop_goes_to_the_tick_that_gives_away_less(
    entry: Side, fill: str, offset: PriceOffset | None, price: str
) -> None:
    moved = TimedStep(action=TimedAction.MOVE_STOP, after_seconds=1, offset=offset)
    plan = plan_of(bracket(moved, entry=entry))
    assert stop_price(moved, plan, Decimal(fill), CENTS) == Decimal(price)


def test_which_stop_is_tighter() -> None:
    assert is_tighter(Decimal(11), Decimal(10), Side.BUY)
    assert not is_tighter(Decimal(10), Decimal(10), Side.BUY)
    assert is_tighter(Decimal(10), Decimal(11), Side.SELL)


# ------------------------------------------------------------------------------------------------- what is a schedule


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (step("BREAK_EVEN"),),
        (step("MOVE_STOP", after_seconds=1, stop_price="99"), step("BREAK_EVEN", after_bars=BARS_MAX, timeframe="1d")),
        (step("MOVE_STOP", at=LATER, offset=ticks(-1)), step("CLOSE_POSITION", at=LATER + timedelta(days=7))),
        (step("CANCEL_ENTRY", at=LATER), step("BREAK_EVEN", after_seconds=60, offset=ticks(0))),
        (step("BREAK_EVEN", after_seconds=60, leg="stop"),),
        (step("TRAIL_STOP", after_seconds=60, trail_percent="2"),),
        (step("TRAIL_STOP", at=LATER, trail_amount="1.50"),),
        (step("TRAIL_STOP", after_bars=6, timeframe="5m", trail_percent="2", leg="stop"),),
    ],
)
def test_a_schedule(steps: tuple[TimedStep, ...]) -> None:
    assert contradiction(bracket(*steps), NOW) == ""


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((step("BREAK_EVEN", leg=""),), "says when in one way"),
        ((step("BREAK_EVEN", at=LATER, after_seconds=1),), "says when in one way"),
        ((step("BREAK_EVEN", after_bars=1),), "has a timeframe where it counts bars"),
        ((step("BREAK_EVEN", after_seconds=1, timeframe="5m"),), "has a timeframe where it counts bars"),
        ((step("BREAK_EVEN", after_bars=1, timeframe="7m"),), "is not a timeframe"),
        ((step("BREAK_EVEN", after_bars=0, timeframe="5m"),), "they are from 1 to 1000"),
        ((step("BREAK_EVEN", after_bars=BARS_MAX + 1, timeframe="5m"),), "they are from 1 to 1000"),
        ((step("BREAK_EVEN", after_seconds=0),), "from 1 s to 366 days"),
        ((step("BREAK_EVEN", after_seconds=366 * 86_400 + 1),), "from 1 s to 366 days"),
        ((step("CANCEL_ENTRY", at=NOW),), "which is over"),
        ((step("CANCEL_ENTRY", at=NOW + timedelta(days=367)),), "more than 366 days away"),
        ((step("CANCEL_ENTRY", after_seconds=1, stop_price="99"),), "moves no stop"),
        ((step("CLOSE_POSITION", after_seconds=1, leg="stop"),), "moves no stop"),
        ((step("BREAK_EVEN", after_seconds=1, leg="target"),), "its leg is one of stop"),
        ((step("BREAK_EVEN", after_seconds=1, stop_price="99"),), "else: MOVE_STOP"),
        ((step("BREAK_EVEN", after_seconds=1, offset=ticks(-1)),), "else: MOVE_STOP"),
        ((step("MOVE_STOP", after_seconds=1),), "stop_price or offset, one of them"),
        ((step("MOVE_STOP", after_seconds=1, stop_price="99", offset=ticks(1)),), "one of them"),
        ((step("MOVE_STOP", after_seconds=1, stop_price="98"),), "a step only tightens a stop"),
        ((step("MOVE_STOP", after_seconds=1, stop_price="-1"),), "which is no price"),
        ((step("CLOSE_POSITION"), step("CLOSE_POSITION")), "one CLOSE_POSITION at most"),
        ((step("CANCEL_ENTRY"), step("CANCEL_ENTRY")), "one CANCEL_ENTRY at most"),
        ((step("BREAK_EVEN", after_seconds=60), step("CLOSE_POSITION", after_seconds=60)), "has closed everything"),
        ((step("CLOSE_POSITION", at=LATER), step("BREAK_EVEN", at=LATER)), "has closed everything"),
        ((step("BREAK_EVEN"),) * (STEPS_MAX + 1), "at most 10 steps"),
        ((step("TRAIL_STOP", after_seconds=60),), "says how far behind the market the stop is"),
        ((step("TRAIL_STOP", after_seconds=60, trail_percent="1", trail_amount="1"),), "one of them"),
        ((step("TRAIL_STOP", after_seconds=60, trail_percent="1", stop_price="99"),), "one of them, and no price"),
        ((step("TRAIL_STOP", after_seconds=60, trail_percent="NaN"),), "is no number"),
        ((step("TRAIL_STOP", after_seconds=60, trail_percent="100"),), "above zero, and below 100 percent"),
        ((step("TRAIL_STOP", after_seconds=60, trail_amount="0"),), "above zero, and below 100 percent"),
        ((step("BREAK_EVEN", after_seconds=60, trail_percent="1"),), "makes no stop trail"),
        ((step("CANCEL_ENTRY", after_seconds=60, trail_percent="1"),), "makes no stop trail"),
        (
            (step("TRAIL_STOP", after_seconds=60, trail_percent="1"), step("CLOSE_POSITION", after_seconds=60)),
            "has closed everything",
        ),
    ],
)
def test_what_is_no_schedule_is_refused(steps: tuple[TimedStep, ...], why: str) -> None:
    assert why in contradiction(bracket(*steps), NOW)


@pytest.mark.parametrize(
    ("moved", "why"),
    [
        (step("TRAIL_STOP", after_seconds=60, trail_percent="1"), ""),
        (step("TRAIL_STOP", after_seconds=60, trail_percent="2"), "farther behind, or in another unit"),
        (step("TRAIL_STOP", after_seconds=60, trail_amount="0.01"), "farther behind, or in another unit"),
        (step("BREAK_EVEN", after_seconds=60), "moves a stop that moves with the market"),
        (step("MOVE_STOP", after_seconds=60, stop_price="99"), "moves a stop that moves with the market"),
    ],
)
def test_a_stop_that_trails_is_made_to_trail_closer_and_nothing_else(moved: TimedStep, why: str) -> None:
    trails = {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(2)}
    wish = bracket(moved)
    wish = replace(wish, legs=(wish.legs[0], replace(wish.legs[1], stop_price=None, **trails)))
    found = contradiction(wish, NOW)
    assert why in found
    assert bool(found) is bool(why)


def test_a_stop_that_rests_at_a_limit_is_not_made_to_trail() -> None:
    wish = bracket(step("TRAIL_STOP", after_seconds=60, trail_percent="2"))
    stop = replace(wish.legs[1], order_type=OrderType.STOP_LIMIT, limit_price=Decimal(97))
    assert "use a STOP leg" in contradiction(replace(wish, legs=(wish.legs[0], stop)), NOW)


def test_a_stop_that_is_relative_is_not_loosened_either() -> None:
    loosens = step("MOVE_STOP", after_seconds=1, offset=ticks(-300))
    assert "only tightens" in contradiction(bracket(loosens, stop_offset=ticks(-200)), NOW)
    assert (
        contradiction(bracket(step("MOVE_STOP", after_seconds=1, offset=ticks(-100)), stop_offset=ticks(-200)), NOW)
        == ""
    )


def test_of_a_sale_a_lower_stop_is_tighter() -> None:
    higher, lower = (step("MOVE_STOP", after_seconds=1, stop_price=each) for each in ("103", "101"))
    assert "only tightens" in contradiction(bracket(higher, entry=Side.SELL), NOW)
    assert contradiction(bracket(lower, entry=Side.SELL), NOW) == ""


def test_a_list_without_an_entry_has_no_schedule() -> None:
    assert "has none" in contradiction(bracket(step("BREAK_EVEN"), contingency="OCO"), NOW)


def test_a_list_without_a_stop_has_none_to_move() -> None:
    intent = bracket(step("BREAK_EVEN"), contingency="OTO")
    exits = ListLeg(name="target", side=Side.SELL, order_type=OrderType.LIMIT, limit_price=Decimal(110))
    without = OrderListIntent(
        id="b",
        venue="ibkr",
        symbol="SPY",
        contingency=Contingency.OTO,
        legs=(intent.legs[0], exits),
        timed=intent.timed,
    )
    assert "has none behind its entry" in contradiction(without, NOW)

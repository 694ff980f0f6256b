"""What of a bracket happens at times of its own, as options: `30m`, `6x5m`, `15:30`, `15:30=425`.

Owns how such a time is written, and which step each option is. What a step can be is `signalbox.timed_steps`.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from signalbox.bars import parse_timeframe
from signalbox.errors import ConfigurationError
from signalbox.messages import OffsetUnit, PriceOffset, TimedAction, TimedStep

from signalbox_cli import argument_types
from signalbox_cli.order_options import trail_of

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"([1-9][0-9]{0,7})([smhd])")
_BARS = re.compile(r"([1-9][0-9]{0,3})x(.+)")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_PLACE = re.compile(r"(-?[0-9.]+)(%|t|R)?")
_UNITS = {"%": OffsetUnit.PERCENT, "t": OffsetUnit.TICKS, "R": OffsetUnit.R}
FORMS = "30m (s, m, h, d), 6x5m (six bars of 5 minutes), 15:30 (UTC, the next one) or 2026-01-31T15:30:00Z"


@dataclass(frozen=True)
class When:
    """One way of saying when; `clock` is an hour and a minute of which the next one is meant."""

    after_seconds: int | None = None
    after_bars: int | None = None
    timeframe: str = ""
    at: datetime | None = None
    clock: tuple[int, int] | None = None

    def of(self, now: datetime) -> dict[str, Any]:
        """The fields of a step, as it is asked for at desk time `now`."""
        at = self.at
        if self.clock is not None:
            at = now.replace(hour=self.clock[0], minute=self.clock[1], second=0, microsecond=0)
            at += timedelta(days=at <= now)
        said = {"at": at, "after_seconds": self.after_seconds, "after_bars": self.after_bars}
        return {**{name: value for name, value in said.items() if value is not None}, "timeframe": self.timeframe}


@dataclass(frozen=True)
class Move:
    """Where a stop goes, and when: a price, or so much away from the fill; None = to the fill itself."""

    when: When
    price: Decimal | None = None
    offset: PriceOffset | None = None


def when(text: str) -> When:
    """Read a time, a span, or a number of bars."""
    if found := _SPAN.fullmatch(text):
        return When(after_seconds=int(found[1]) * _UNIT_SECONDS[found[2]])
    if found := _BARS.fullmatch(text):
        try:
            return When(after_bars=int(found[1]), timeframe=str(parse_timeframe(found[2])))
        except ConfigurationError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    if found := _CLOCK.fullmatch(text):
        return When(clock=(int(found[1]), int(found[2])))
    try:
        return When(at=argument_types.time(text))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} says no time: write {FORMS}") from None


def break_even(text: str) -> Move:
    """Read `30m`, or `30m+2t`: two ticks beyond the fill (%, t, R)."""
    at, plus, beyond = text.partition("+")
    if not plus or not _PLACE.fullmatch(beyond):  # a time may have a zone behind a +
        return Move(when(text))
    place = _place(beyond)
    if place.offset is None:
        raise argparse.ArgumentTypeError(f"{beyond!r} is no way from the fill: write 2t, 0.5% or 0.1R")
    return Move(when(at), offset=place.offset)


def stop_at(text: str) -> Move:
    """Read `15:30=425`, or `1h=-1%`: a price, or a way from the fill (%, t, R; below 0 = where the position loses)."""
    at, found, where = text.rpartition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} does not say where: write 15:30=425, or 1h=0.5R")
    place = _place(where)
    return Move(when(at), place.price, place.offset)


def _place(text: str) -> Move:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no place for a stop: a price (425), or a way from the fill (1R)")
    number = argument_types.decimal_number(found[1])
    if found[2] is None:
        return Move(When(), price=number)
    return Move(When(), offset=PriceOffset(amount=number, unit=_UNITS[found[2]]))


@dataclass(frozen=True)
class Trail:
    """From when on a stop follows the market, and how far behind."""

    when: When
    amount: Decimal | None
    percent: Decimal | None


def trail_after(text: str) -> Trail:
    """Read `30m=2%`, or `15:30=2.50`: so far behind the market."""
    at, found, distance = text.rpartition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} does not say how far behind: write 30m=2%, or 15:30=2.50")
    amount, percent = trail_of(distance)
    return Trail(when(at), amount, percent)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a schedule; a % in their help is written twice."""
    timed = parser.add_argument_group("at times of its own", f"WHEN is {FORMS}")
    timed.add_argument(
        "--breakeven-after",
        type=break_even,
        action="append",
        default=[],
        metavar="WHEN",
        help="move the stop to the entry's average price so long after its first fill; 30m+2t: two ticks beyond",
    )
    timed.add_argument(
        "--stop-at",
        type=stop_at,
        action="append",
        default=[],
        metavar="WHEN=AT",
        help="move the stop there: 15:30=425, 1h=0.5R; it only ever tightens (repeatable)",
    )
    timed.add_argument(
        "--trail-after",
        type=trail_after,
        action="append",
        default=[],
        metavar="WHEN=DISTANCE",
        help="have the stop follow the market from then on: 30m=2%%, 15:30=2.50; it begins where it lies (repeatable)",
    )
    timed.add_argument(
        "--entry-until", type=when, metavar="WHEN", help="cancel what of the entry has not filled by then"
    )
    timed.add_argument(
        "--hold-at-most",
        type=when,
        metavar="WHEN",
        help="close what is left at the market so long after the first fill",
    )


def steps(arguments: argparse.Namespace, now: datetime) -> tuple[TimedStep, ...]:
    """The schedule that the options ask for, at desk time `now`."""
    found = [
        TimedStep(action=TimedAction.BREAK_EVEN, offset=each.offset, **each.when.of(now))
        for each in arguments.breakeven_after
    ]
    found += [
        TimedStep(action=TimedAction.MOVE_STOP, stop_price=each.price, offset=each.offset, **each.when.of(now))
        for each in arguments.stop_at
    ]
    found += [
        TimedStep(
            action=TimedAction.TRAIL_STOP,
            trail_amount=each.amount,
            trail_percent=each.percent,
            **each.when.of(now),
        )
        for each in arguments.trail_after
    ]
    ends = ((TimedAction.CANCEL_ENTRY, arguments.entry_until), (TimedAction.CLOSE_POSITION, arguments.hold_at_most))
    found += [TimedStep(action=action, **each.of(now)) for action, each in ends if each is not None]
    return tuple(found)

"""What a list's schedule has come to: a part of `oms.state`, and of the fold of its events.

It must not judge, nor know what is due (`oms.schedule`).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace
from signalbox.messages import NEVER, ListCreated, ListScheduled, ListStepTaken, StepResult, TimedAction
from signalbox.timed_steps import MOVES


class Timed(Struct, frozen=True, gc=False):
    """`taken` are the numbers (from 1) of the steps that have been done or skipped: none is taken twice."""

    calendar: str = ""
    begun_at: datetime = NEVER
    first_filled_at: datetime | None = None
    """When the entry filled first."""
    wakes_at: datetime | None = None
    """What a timer is set for."""
    taken: tuple[int, ...] = ()
    stops: tuple[tuple[str, Decimal], ...] = ()
    """By leg where its stop was moved to last."""
    trailing: tuple[tuple[str, int], ...] = ()
    """By leg the steps since which its stop trails, each closer than the one before."""
    moving: tuple[tuple[str, int], ...] = ()
    """By its key an order whose stop has to follow, and for which step."""
    waits_until: datetime | None = None
    """When there is room at the venue for what is to be sent (`oms.waiting`): that is no step."""
    entry_is_over: bool = False
    """What of the entry has not filled is cancelled."""
    is_closing: bool = False

    def stop_of(self, leg: str) -> Decimal | None:
        """Where the schedule has moved the stop of a leg; None = it has not."""
        return next((price for name, price in reversed(self.stops) if name == leg), None)


def begun(event: ListCreated) -> Timed:
    return Timed(calendar=event.calendar, begun_at=event.at)


def note_fill(timed: Timed, at: datetime) -> Timed:
    """The entry has filled, in part at least; the first time counts."""
    return replace(timed, first_filled_at=at) if timed.first_filled_at is None else timed


def note(timed: Timed, event: ListScheduled | ListStepTaken) -> Timed:
    """The schedule after one of its own events."""
    if isinstance(event, ListScheduled):
        return replace(timed, wakes_at=event.due)
    timed = replace(timed, taken=(*timed.taken, event.step), wakes_at=None)
    if event.result is StepResult.SKIPPED:
        return timed
    if event.stop_price is not None:
        timed = replace(timed, stops=(*timed.stops, (event.leg, event.stop_price)))
    if event.action is TimedAction.TRAIL_STOP:
        timed = replace(timed, trailing=(*timed.trailing, (event.leg, event.step)))
    if event.action in MOVES:
        return replace(timed, moving=(*timed.moving, *((key, event.step) for key in event.orders)))
    closes = event.action is TimedAction.CLOSE_POSITION
    return replace(timed, entry_is_over=True, is_closing=timed.is_closing or closes)

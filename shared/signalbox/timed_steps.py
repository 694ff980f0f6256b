"""When a step of a list's schedule is due, to which price it moves a stop, and what is no schedule at all.

Owns these questions, so that what risk has judged is what the OMS does. Pure: time comes in as data, and a number of
bars is a time too: bars are counted on the exchange's calendar, whether anybody trades in them or not. It must not know
orders that work (`oms.schedule`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache

from signalbox.bars import bar_span, parse_timeframe
from signalbox.errors import CalendarError, ConfigurationError
from signalbox.instruments import tick_at
from signalbox.messages import ListLeg, OffsetUnit, OrderListIntent, OrderType, Side, TimedAction, TimedStep
from signalbox.order_lists import HUNDRED, ONE, STOPS, WITH_ENTRY, ZERO, Plan, Terms, priced
from signalbox.order_terms import TRAILING, Trail
from signalbox.sessions import ALWAYS, Session, next_session, session_at

STEPS_MAX = 10
AFTER_MAX = timedelta(days=366)
BARS_MAX = 1_000
MOVES = frozenset({TimedAction.BREAK_EVEN, TimedAction.MOVE_STOP, TimedAction.TRAIL_STOP})
"""What is done to a stop."""
_ENDS = frozenset({TimedAction.CANCEL_ENTRY, TimedAction.CLOSE_POSITION})
_SECONDS_MAX = int(AFTER_MAX.total_seconds())

# ------------------------------------------------------------------------------------------------- what is a schedule


def contradiction(intent: OrderListIntent, now: datetime) -> str:
    """Why the schedule of a list which is one could not be kept ("" = it can be), as it is asked for at `now`."""
    steps = intent.timed
    if not steps:
        return ""
    if intent.contingency not in WITH_ENTRY:
        return f"a schedule is of what follows an entry: an {intent.contingency} list has none"
    if len(steps) > STEPS_MAX:
        return f"a schedule has at most {STEPS_MAX} steps, this one has {len(steps)}"
    for number, step in enumerate(steps, 1):
        if fault := _when_at_fault(step, now) or _what_at_fault(intent, step):
            return f"step {number} ({step.action}) {fault}"
    for action in _ENDS:
        if sum(step.action is action for step in steps) > 1:
            return f"a schedule has one {action} at most: the first would be the end of it"
    return _order_at_fault(steps)


def _when_at_fault(step: TimedStep, now: datetime) -> str:
    said = [each for each in (step.at, step.after_seconds, step.after_bars) if each is not None]
    if len(said) != 1:
        return "says when in one way: at, after_seconds or after_bars"
    if bool(step.timeframe) is not (step.after_bars is not None):
        return "has a timeframe where it counts bars, and there alone"
    if step.at is not None and not now < step.at <= now + AFTER_MAX:
        return f"is due at {step.at.isoformat()}, which is over, or more than {AFTER_MAX.days} days away"
    if step.after_seconds is not None and not 0 < step.after_seconds <= _SECONDS_MAX:
        return f"is due after {step.after_seconds} s: it is from 1 s to {AFTER_MAX.days} days"
    if step.after_bars is None:
        return ""
    if not 0 < step.after_bars <= BARS_MAX:
        return f"is due after {step.after_bars} bars: they are from 1 to {BARS_MAX}"
    try:
        parse_timeframe(step.timeframe)
    except ConfigurationError as error:
        return f"counts bars, and {error}"
    return ""


def _what_at_fault(intent: OrderListIntent, step: TimedStep) -> str:
    said = (step.stop_price is not None) + (step.offset is not None)
    trails = (step.trail_amount is not None) + (step.trail_percent is not None)
    if trails and step.action is not TimedAction.TRAIL_STOP:
        return "makes no stop trail: leave trail_amount and trail_percent away"
    if step.action not in MOVES:
        return "moves no stop: leave leg, stop_price and offset away" if step.leg or said else ""
    stops = [leg.name for leg in intent.legs[1:] if leg.order_type in STOPS]
    if not stops:
        return "moves a stop, and the list has none behind its entry"
    if step.leg not in stops if step.leg else len(stops) > 1:
        return f"names no stop of the list: its leg is one of {', '.join(stops)}"
    if step.action is TimedAction.TRAIL_STOP:
        return _trail_at_fault(stop_leg(intent, step), step, trails, said)
    if stop_leg(intent, step).order_type in TRAILING:
        return "moves a stop that moves with the market: where that is only its venue knows"
    if step.action is TimedAction.BREAK_EVEN:
        if step.stop_price is not None or (step.offset is not None and not step.offset.amount >= 0):
            return "goes to the fill's average or beyond: it has no stop_price, and an offset from 0 (else: MOVE_STOP)"
        return ""
    if said != 1:
        return "says where the stop goes: stop_price or offset, one of them"
    return _loosens(intent, step)


def _trail_at_fault(leg: ListLeg, step: TimedStep, trails: int, said: int) -> str:
    amount, percent = step.trail_amount, step.trail_percent
    if trails != 1 or said:
        return "says how far behind the market the stop is: trail_amount or trail_percent, one of them, and no price"
    if any(each is not None and not each.is_finite() for each in (amount, percent)):
        return "has a trail that is no number"
    if (amount is not None and amount <= 0) or (percent is not None and not 0 < percent < HUNDRED):
        return "has a trail that is not above zero, and below 100 percent"
    if leg.order_type is OrderType.STOP_LIMIT:
        return f"would have leg {leg.name} trail, which rests at its limit when the market has gone: use a STOP leg"
    if leg.order_type in TRAILING and not is_closer(step, leg):
        return f"would have leg {leg.name} trail farther behind, or in another unit: a step only tightens a stop"
    return ""


def is_closer(new: Trail, old: Trail) -> bool:
    """Whether one trails closer behind the market than another; in another unit only the market can tell."""
    if new.trail_amount is not None and old.trail_amount is not None:
        return new.trail_amount < old.trail_amount
    return new.trail_percent is not None and old.trail_percent is not None and new.trail_percent < old.trail_percent


def _loosens(intent: OrderListIntent, step: TimedStep) -> str:
    """A step that would loosen its stop whatever happens; what only the fill can tell is skipped then."""
    leg = stop_leg(intent, step)
    price, offset, before = step.stop_price, step.offset, leg.stop_offset
    if price is not None and price <= 0:
        return f"goes to {price}, which is no price"
    if price is not None and leg.stop_price is not None and not is_tighter(price, leg.stop_price, intent.legs[0].side):
        return f"goes to {price}, and leg {leg.name} is at {leg.stop_price}: a step only tightens a stop"
    if offset is None or before is None or offset.unit is not before.unit or offset.amount > before.amount:
        return ""
    where = f"goes {offset.amount} {offset.unit} from the fill, and leg {leg.name} is {before.amount} from it"
    return f"{where}: a step only tightens a stop"


def _order_at_fault(steps: tuple[TimedStep, ...]) -> str:
    """What is stated in the same way can be compared: nothing of a stop comes after the end of the position."""
    end = next((step for step in steps if step.action is TimedAction.CLOSE_POSITION), None)
    for number, step in enumerate(steps, 1):
        if end is None or step.action not in MOVES:
            continue
        is_later = (step.at is not None and end.at is not None and step.at >= end.at) or (
            step.after_seconds is not None and end.after_seconds is not None and step.after_seconds >= end.after_seconds
        )
        if is_later:
            return f"step {number} ({step.action}) comes when CLOSE_POSITION has closed everything"
    return ""


# ------------------------------------------------------------------------------------------------------------ when


def due_at(step: TimedStep, begun_at: datetime, first_filled_at: datetime | None, calendar: str) -> datetime | None:
    """When a step is due; None = that depends on the entry's first fill, and there is none.

    A stop is moved once there is something to protect: a time that comes before is the fill's.
    """
    since = begun_at if step.action is TimedAction.CANCEL_ENTRY else first_filled_at
    if step.at is not None and step.action not in MOVES:
        return step.at
    if since is None:
        return None
    if step.at is not None:
        return max(step.at, since)
    if step.after_seconds is not None:
        return since + timedelta(seconds=step.after_seconds)
    assert step.after_bars is not None
    try:
        return after_bars(step.after_bars, step.timeframe, calendar or ALWAYS, since)
    except CalendarError:  # what the calendar does not cover yet is counted round the clock
        return after_bars(step.after_bars, step.timeframe, ALWAYS, since)


@lru_cache(maxsize=1024)
def after_bars(count: int, timeframe: str, calendar: str, since: datetime) -> datetime:
    """When so many bars of regular hours have ended since then, the one that is under way included.

    Raises `CalendarError` where the calendar does not reach.
    """
    length, end = parse_timeframe(timeframe), since
    for _ in range(count):
        at, session = _first_trading(calendar, end)
        end = session.close if length.whole_session else min(bar_span(length, calendar, at).end, session.close)
    return end


def _first_trading(calendar: str, at: datetime) -> tuple[datetime, Session]:
    """The first moment of regular hours from `at` on, and its session."""
    session = session_at(calendar, at)
    if session is None or at >= session.close:
        session = next_session(calendar, at)
    at = max(at, session.open)
    for start, end in session.breaks:
        if start <= at < end:
            at = end
    return at, session


# ----------------------------------------------------------------------------------------------------------- where


def stop_leg(intent: OrderListIntent, step: TimedStep) -> ListLeg:
    """The leg whose stop a step moves."""
    return next(leg for leg in intent.legs[1:] if leg.order_type in STOPS and (not step.leg or leg.name == step.leg))


def is_tighter(new: Decimal, old: Decimal, entry_side: Side) -> bool:
    """Whether a stop at `new` gives away less than one at `old`."""
    return new > old if entry_side is Side.BUY else new < old


def stop_price(step: TimedStep, plan: Plan, fill_price: Decimal, terms: Terms) -> Decimal:
    """Where a step moves its stop, behind an entry that has filled at `fill_price`: to the tick that is tighter."""
    assert plan.entry is not None
    if step.stop_price is not None:
        return step.stop_price
    wanted, side = fill_price, plan.entry.side
    if step.offset is not None:
        unit = {
            OffsetUnit.PERCENT: fill_price / HUNDRED,
            OffsetUnit.TICKS: terms.tick_size,
            OffsetUnit.PRICE: ONE,
            OffsetUnit.R: _risk(plan, fill_price, terms),
        }[step.offset.unit]
        wanted += side.sign * step.offset.amount * unit
    tick = tick_at(wanted, terms.tick_size, terms.price_steps)
    rounded = (wanted / tick).to_integral_value(ROUND_CEILING if side is Side.BUY else ROUND_FLOOR) * tick
    return rounded.normalize() + ZERO if rounded else rounded


def _risk(plan: Plan, fill_price: Decimal, terms: Terms) -> Decimal:
    assert plan.stop is not None  # risk has denied a list without one
    _, stop = priced(plan.stop, plan, fill_price, terms)
    return abs(fill_price - stop) if stop is not None else ZERO

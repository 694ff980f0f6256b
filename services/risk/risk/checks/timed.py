"""The check of a list's schedule: can it be kept, and does it say one thing only?

A step tightens a stop, cancels, or closes: none makes the list's worst case any worse, so nothing else is judged of it.
What the sentences are is `signalbox.timed_steps`.
"""

from __future__ import annotations

from signalbox.instruments import conforms_to_tick, tick_at
from signalbox.messages import InstrumentSeen, OrderListIntent
from signalbox.order_lists import contradiction as no_list
from signalbox.timed_steps import contradiction

from risk.checks.rows import Row, Told
from risk.facts import INTENT, ListFacts


def list_schedule(facts: ListFacts) -> str:
    """Each step says when and what, it may be done, and its price is one."""
    if not facts.intent.timed or no_list(facts.intent):
        return ""  # what is no list is denied for that
    return contradiction(facts.intent, facts.now) or _off_tick(facts.intent, facts.basis.instrument)


def _off_tick(intent: OrderListIntent, instrument: InstrumentSeen | None) -> str:
    if instrument is None:
        return ""  # which is denied for that
    for number, step in enumerate(intent.timed, 1):
        if step.trail_amount is not None and not conforms_to_tick(step.trail_amount, instrument.tick_size):
            trail = f"step {number} ({step.action}) trails {step.trail_amount} behind"
            return f"{trail}: distances there are multiples of {instrument.tick_size}"
        if step.stop_price is None:
            continue
        tick = tick_at(step.stop_price, instrument.tick_size, instrument.price_steps)
        if not conforms_to_tick(step.stop_price, tick):
            return f"step {number} ({step.action}) goes to {step.stop_price}: prices there are multiples of {tick}"
    return ""


def tell_list_schedule(facts: ListFacts) -> Told:
    steps = ", ".join(step.action for step in facts.intent.timed)
    return "a schedule that can be kept", steps or "no schedule", INTENT


SCHEDULE_ROWS: tuple[Row[ListFacts], ...] = (Row("list_schedule", list_schedule, tell_list_schedule),)

"""Every metric the OMS exports. Labels are venues, accounts and words of the desk: bounded sets, never ids."""

from __future__ import annotations

from collections import Counter as Tally
from functools import partial

from prometheus_client import Counter, Gauge
from signalbox.clock import DeskClock
from signalbox.messages import FINAL_STATUSES, OrderStatus

from oms.state import State

ORDERS = Gauge(
    "signalbox_oms_orders", "Orders that are not final, by status. What has ended is in the events.", ("status",)
)
UNKNOWN_OLDEST_SECONDS = Gauge(
    "signalbox_oms_unknown_oldest_seconds", "Desk time since the oldest UNKNOWN order became so; 0 = there is none."
)
EVENTS = Counter("signalbox_oms_order_events_total", "Order events stored, by kind.", ("venue", "event"))
FILLS = Counter("signalbox_oms_fills_total", "Executions booked (corrections not counted).", ("venue",))
COMMANDS = Counter("signalbox_oms_commands_total", "Commands handed to a venue's gateway.", ("venue", "command"))
COMMANDS_REPEATED = Counter(
    "signalbox_oms_commands_repeated_total",
    "Commands that the stream held already: redelivered after a crash.",
    ("venue",),
)
NOTES = Counter(
    "signalbox_oms_notes_total",
    "Messages that made no event, or an odd one, by why: duplicate_fill, foreign_report, overfill ...",
    ("note",),
)
ILLEGAL_TRANSITIONS = Counter(
    "signalbox_oms_illegal_transitions_total", "Messages that an order could not take; parked as dead letters."
)
DRIFT = Gauge(
    "signalbox_oms_drift",
    "Differences between the desk's books and the venue's last snapshot, by kind; each is in the log.",
    ("venue", "account", "kind"),
)
TIMERS = Counter(
    "signalbox_oms_timers_total", "Timers that fired, by what came of it: unknown, again, answered.", ("outcome",)
)
UNREADABLE = Counter("signalbox_oms_unreadable_total", "Bars, instruments, positions that were left out.", ("message",))
REBUILT_EVENTS = Gauge("signalbox_oms_rebuilt_events", "Order events that the state was folded from at start.")


def watch_orders(state: State, clock: DeskClock) -> None:
    """Have the two order gauges look at the state when they are scraped, not at every event.

    A scrape runs in another thread: it looks at a copy of the keys, which is made at once.
    """

    def count(status: OrderStatus) -> float:
        return float(Tally(state.orders[key].status for key in tuple(state.working))[status])

    def oldest_unknown_seconds() -> float:
        orders = [state.orders[key] for key in tuple(state.working)]
        since = [order.since for order in orders if order.status is OrderStatus.UNKNOWN]
        return max(0.0, (clock.now() - min(since)).total_seconds()) if since else 0.0

    for status in OrderStatus:
        if status not in FINAL_STATUSES:
            ORDERS.labels(status.value).set_function(partial(count, status))
    UNKNOWN_OLDEST_SECONDS.set_function(oldest_unknown_seconds)
